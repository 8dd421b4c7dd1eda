#include "cli/junit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_private.h"
#include "model/junit_verdict.h"
#include "wire/json_out.h"

void junit_begin(struct buf *out, const json_t *launch)
{
    int64_t ended = js_time_ms(launch, "ended_at");

    junit_out_begin(out, js_text(launch, "name"), js_int(js_obj(launch, "tests"), "total"),
                    ended > 0 ? ended - js_time_ms(launch, "created_at") : -1);
}

void junit_end(struct buf *out)
{
    junit_out_end(out);
}

static const char **texts_of(struct arena *a, const json_t *list, uint32_t *ret_n)
{
    const char **texts = arena_alloc(a, (json_array_size(list) + 1) * sizeof(*texts));
    const json_t *text;
    size_t i;

    json_array_foreach(list, i, text)
    {
        texts[i] = json_string_value(text) != NULL ? json_string_value(text) : "";
    }
    *ret_n = (uint32_t)json_array_size(list);
    return texts;
}

static enum junit_verdict status_of(const json_t *e)
{
    static const struct {
        const char *status;
        enum junit_verdict verdict;
    } rows[] = {{"passed", JUNIT_PASSED}, {"failed", JUNIT_FAILED}, {"pending", JUNIT_SKIPPED}};
    const char *status = js_text(e, "status");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(status, rows[i].status) == 0)
            return rows[i].verdict;
    return JUNIT_ERROR; /* one of a later version is at least not green */
}

static void put_example(struct buf *out, const char *path, const json_t *e)
{
    struct junit_case row = {.verdict = status_of(e),
                             .file = js_text(e, "file"),
                             .line = (uint32_t)js_int(e, "line"),
                             .duration_ms = json_number_value(js_obj(e, "duration_ms")),
                             .exception = js_text(e, "exception"),
                             .message = js_text(e, "message"),
                             .pending = js_text(e, "pending")};
    struct arena a;

    arena_init(&a);
    row.path = texts_of(&a, js_obj(e, "path"), &row.n_path);
    row.backtrace = texts_of(&a, js_obj(e, "backtrace"), &row.n_backtrace);
    junit_out_case(out, path, &row);
    arena_done(&a);
}

void junit_suite(struct buf *out, const struct view_test *test, const json_t *run,
                 const json_t *const *examples, size_t n)
{
    const char *reason = js_text(run, "reason");
    struct junit_suite s = {.path = test->path,
                            .verdict = junit_verdict_of(test->outcome),
                            .word = outcome_name(test->outcome),
                            .reason = reason[0] != '\0' ? reason : outcome_sentence(test->outcome),
                            .started_at = js_text(run, "started_at"),
                            .server = run != NULL ? js_text(js_obj(run, "server"), "name") : NULL,
                            .duration_ms = (double)js_int(run, "duration_ms"),
                            .n = n,
                            .not_run = (uint64_t)js_int(js_obj(run, "examples"), "not_run"),
                            .not_run_reason = js_text(run, "not_run_reason")};

    for (size_t i = 0; i < n; i++) {
        enum junit_verdict status = status_of(examples[i]);

        s.failed += status == JUNIT_FAILED;
        s.errors += status == JUNIT_ERROR;
        s.pending += status == JUNIT_SKIPPED;
    }
    junit_out_suite(out, &s);
    for (size_t i = 0; i < n; i++)
        put_example(out, test->path, examples[i]);
    junit_out_suite_end(out, &s);
}

/* ---- the file ---- */

struct junit_file {
    FILE *f;
    char path[PATH_MAX];
    char temp[PATH_MAX];
};

enum err junit_file_open(const char *path, struct junit_file **ret, struct why *reterr)
{
    struct junit_file *f = xcalloc(1, sizeof(*f));
    mode_t mask = umask(0);
    int fd = -1;

    (void)umask(mask);
    if (snprintf(f->path, sizeof(f->path), "%s", path) < (int)sizeof(f->path) &&
        snprintf(f->temp, sizeof(f->temp), "%s.XXXXXX", path) < (int)sizeof(f->temp))
        fd = mkostemp(f->temp, O_CLOEXEC);
    else
        errno = ENAMETOOLONG;
    if (fd < 0 || fchmod(fd, 0666 & ~mask) != 0 || (f->f = fdopen(fd, "w")) == NULL) {
        enum err err = why_errno(reterr, ERR_INVALID, errno, "--junit: %s cannot be written", path);

        if (fd >= 0) {
            (void)unlink(f->temp);
            (void)close(fd);
        }
        free(f);
        return err;
    }
    *ret = f;
    return ERR_OK;
}

enum err junit_file_write(struct junit_file *f, struct buf *bytes, struct why *reterr)
{
    bool ok = fwrite(buf_str(bytes), 1, bytes->len, f->f) == bytes->len;

    buf_clear(bytes);
    return ok ? ERR_OK : why_errno(reterr, ERR_IO, errno, "--junit: %s cannot be written", f->path);
}

enum err junit_file_close(struct junit_file *f, bool commit, struct why *reterr)
{
    enum err err = ERR_OK;

    if (f == NULL)
        return ERR_OK;
    if (fclose(f->f) != 0 && commit)
        err = why_errno(reterr, ERR_IO, errno, "--junit: %s cannot be written", f->path);
    if (err == ERR_OK && commit && rename(f->temp, f->path) != 0)
        err = why_errno(reterr, ERR_IO, errno, "--junit: %s cannot be written", f->path);
    if (err != ERR_OK || !commit)
        (void)unlink(f->temp);
    free(f);
    return err;
}
