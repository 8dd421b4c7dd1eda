/* remotes.c - where the folder of a launch was cloned from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/git.h"
#include "cli/snapshot_private.h"
#include "model/git_url.h"

#define REMOTES_MAX 50u

struct remote {
    const char *name;
    char key[4096];
};

/* "origin\thttps://… (fetch)"; the line is cut up. */
static bool read_line(char *line, struct remote *ret)
{
    char *url = strchr(line, '\t');
    char *end = url != NULL ? strstr(url, " (fetch)") : NULL;

    if (end == NULL)
        return false;
    *url++ = '\0';
    *end = '\0';
    ret->name = line;
    return git_url_key(url, NULL, ret->key, sizeof(ret->key));
}

void snapshot_remotes(const struct snapshot *s, bool (*one)(void *ctx, const char *key), void *ctx)
{
    struct remote *remotes;
    struct why ignored;
    struct buf out;
    size_t n = 0;

    if (!s->is_repo)
        return;
    buf_init(&out, MIB(1));
    remotes = xcalloc(REMOTES_MAX, sizeof(*remotes));
    /* as git itself would reach them, url.….insteadOf included */
    if (git_run(&(struct git){.folder = s->root}, GIT_ARGS("remote", "-v"), &out, &ignored) == ERR_OK) {
        char *text = buf_take(&out, NULL);
        char *rest = text;
        char *line;

        while (n < REMOTES_MAX && (line = strsep(&rest, "\n")) != NULL)
            n += read_line(line, &remotes[n]);
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < n; i++) {
                if ((strcmp(remotes[i].name, "origin") == 0) == (pass == 0) && !one(ctx, remotes[i].key)) {
                    pass = 2;
                    break;
                }
            }
        }
        free(text);
    }
    free(remotes);
    buf_done(&out);
}
