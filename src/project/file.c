/* file.c - some lines of a file at a commit, from the mirror: the code around a line that failed. */
#include <stdlib.h>
#include <string.h>

#include "project/project_private.h"

#define FILE_BYTES_MAX MIB(4) /* of a file; lines behind it cannot be shown */
#define LINES_BYTES_MAX KIB(64)

enum { FILE_ASK, FILE_ANSWERED };

/* Whole lines first..first+n-1 (from 1) of what was read; lines that are no UTF-8 or too long together end it. */
static struct slice lines_of(struct slice text, bool is_cut, uint32_t first, uint32_t n)
{
    const char *end = text.ptr + text.len;
    const char *at = text.ptr;
    const char *from;
    const char *nl;

    for (uint32_t i = 1; i < first && at < end; i++) {
        nl = memchr(at, '\n', (size_t)(end - at));
        at = nl != NULL ? nl + 1 : end;
    }
    from = at;
    for (uint32_t i = 0; i < n && at < end; i++) {
        nl = memchr(at, '\n', (size_t)(end - at));
        if (nl == NULL && is_cut)
            break; /* half a line */
        nl = nl != NULL ? nl + 1 : end;
        if (!text_is_utf8(at, (size_t)(nl - at)) || (size_t)(nl - from) > LINES_BYTES_MAX ||
            memchr(at, '\0', (size_t)(nl - at)) != NULL)
            break;
        at = nl;
    }
    return (struct slice){from, (size_t)(at - from)};
}

void file_step(struct job *j, const struct child_exit *e)
{
    char *blob;
    struct why why;

    if (j->step == FILE_ASK) {
        if (!mirror_exists(j->mirror)) {
            (void)why_set(&why, ERR_NOTFOUND, NULL, "the project has not been fetched yet");
            job_end(j, why.code, &why);
            return;
        }
        blob = arena_printf(&j->arena, "%s:%s", j->ref, j->patterns[0]);
        j->step = FILE_ANSWERED;
        j->out_max = FILE_BYTES_MAX;
        job_git(j, j->mirror->path, (const char *const[]){"cat-file", "blob", blob, NULL}, NULL, FILE_MS);
        return;
    }
    if (job_failed(e)) {
        (void)why_set(&why, ERR_NOTFOUND, NULL, "there is no such file at that commit");
        job_end(j, why.code, &why);
        return;
    }
    j->is_told = true;
    j->on_file(j->ctx, ERR_OK, NULL, lines_of(e->out, e->out_cut, j->first_line, j->n_lines));
    job_end(j, ERR_OK, NULL);
}

void projects_file(struct projects *ps, struct project_id id, const char *commit, const char *path,
                   uint32_t first_line, uint32_t n_lines,
                   void (*done)(void *ctx, enum err err, const struct why *why, struct slice lines),
                   void *ctx)
{
    struct job *j = job_new(ps, id, JOB_FILE, ctx);

    free(j->ref);
    j->ref = xstrdup(commit);
    j->patterns = xcalloc(1, sizeof(*j->patterns));
    j->patterns[0] = xstrdup(path);
    j->n_patterns = 1;
    j->first_line = first_line;
    j->n_lines = n_lines;
    j->on_file = done;
}
