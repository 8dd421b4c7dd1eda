#include "cli/download.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/artifact.h"
#include "wire/agent_artifacts.h"

#define DOWNLOAD_MS (24 * 3600 * 1000)

static void path_of(const struct download_of *of, const char *what, char *out, size_t size)
{
    (void)snprintf(out, size, API "/%s/%lld/%s", of->run != 0 ? "runs" : "launches",
                   (long long)(of->run != 0 ? of->run : of->launch), what);
}

/* ---- the list ---- */

static bool take_item(void *ctx, const json_t *item)
{
    json_t *copy = json_deep_copy(item);

    return json_array_append_new(ctx, copy) == 0;
}

enum err download_list(struct cli *cli, const struct download_of *of, json_t **ret, struct why *reterr)
{
    json_t *items = json_array();
    char path[96];
    enum err err;

    path_of(of, "artifacts", path, sizeof(path));
    err = ask_all(cli, path, take_item, items, reterr);
    if (err != ERR_OK) {
        json_decref(items);
        return err;
    }
    *ret = json_object();
    (void)json_object_set_new(*ret, "items", items);
    (void)json_object_set_new(*ret, "next", json_null());
    return ERR_OK;
}

/* ---- one file ---- */

/* The body of an answer into `name` in the folder `dir`, by another name until it is whole. */
static enum err fetch(struct cli *cli, const char *path, int dir, const char *name, int64_t *ret_bytes,
                      struct why *reterr)
{
    struct client_request rq = {.path = path, .deadline_ms = DOWNLOAD_MS};
    struct client_reply reply;
    char part[NAME_MAX + 1];
    enum err err;
    int fd;

    /* Names may be as long as a name can be. */
    (void)snprintf(part, sizeof(part), ".wrata-%ld.part", (long)getpid());
    fd = openat(dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return why_errno(reterr, ERR_INVALID, errno, "%s cannot be written", name);
    rq.reply_to = fdopen(fd, "wb");
    if (rq.reply_to == NULL) {
        (void)close(fd);
        return why_errno(reterr, ERR_INVALID, errno, "%s cannot be written", name);
    }
    err = client_call(cli->client, &rq, &reply, reterr);
    client_reply_done(&reply);
    *ret_bytes = (int64_t)ftello(rq.reply_to);
    if (fclose(rq.reply_to) != 0 && err == ERR_OK)
        err = why_errno(reterr, ERR_INVALID, errno, "%s cannot be written", name);
    if (err == ERR_OK && renameat(dir, part, dir, name) != 0)
        err = why_errno(reterr, ERR_INVALID, errno, "%s cannot be written", name);
    if (err != ERR_OK)
        (void)unlinkat(dir, part, 0);
    return err;
}

/* A folder below `dir`, which is closed; made when it is not there. A link in its place is not followed. */
static int step_down(int dir, const char *name)
{
    int next;

    if (mkdirat(dir, name, 0777) != 0 && errno != EEXIST)
        next = -1;
    else
        next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    (void)close(dir);
    return next;
}

/* The folders of `path` below `top`; *ret_name: its last part. -1: errno says why. */
static int walk_down(int top, const char *path, const char **ret_name)
{
    int dir = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *slash;
    char name[PATH_MAX];

    while (dir >= 0 && (slash = strchr(path, '/')) != NULL) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
        dir = step_down(dir, name);
        path = slash + 1;
    }
    *ret_name = path;
    return dir;
}

/* ---- all of them ---- */

struct all {
    struct cli *cli;
    int top;
    int64_t run; /* whose folder it is */
    char folder[ARTIFACT_FOLDER_BYTES];
    int64_t files;
    int64_t bytes;
};

static enum err folder_of(struct all *a, int64_t run, struct why *reterr)
{
    json_t *found = NULL;
    char path[64];
    enum err err;

    if (a->run == run)
        return ERR_OK;
    (void)snprintf(path, sizeof(path), API "/runs/%lld", (long long)run);
    err = ask(a->cli, "GET", path, NULL, &found, reterr);
    if (err == ERR_OK) {
        a->run = run;
        artifact_folder((struct run_id){(uint64_t)run}, js_text(found, "path"), a->folder, sizeof(a->folder));
    }
    json_decref(found);
    return err;
}

static enum err download_one(struct all *a, bool in_folder, const json_t *item, struct why *reterr)
{
    const char *path = js_text(item, "path");
    char url[64];
    char below[PATH_MAX];
    const char *name;
    int64_t bytes = 0;
    struct why why;
    enum err err;
    int dir;

    if (artifact_path_check(slice_of(path), &why) != ERR_OK)
        return why_set(reterr, ERR_PROTO, NULL, "artifact %lld: %s", (long long)js_int(item, "id"), why.text);
    err = in_folder ? folder_of(a, js_int(item, "run"), reterr) : ERR_OK;
    if (err != ERR_OK)
        return err;
    (void)snprintf(below, sizeof(below), "%s%s%s", in_folder ? a->folder : "", in_folder ? "/" : "", path);
    dir = walk_down(a->top, below, &name);
    if (dir < 0)
        return why_errno(reterr, ERR_INVALID, errno, "the folder of %.150s cannot be used", below);
    (void)snprintf(url, sizeof(url), API "/artifacts/%lld", (long long)js_int(item, "id"));
    err = fetch(a->cli, url, dir, name, &bytes, reterr);
    (void)close(dir);
    a->files += err == ERR_OK;
    a->bytes += err == ERR_OK ? bytes : 0;
    return err;
}

enum err download_all(struct cli *cli, const struct download_of *of, const char *dir, int64_t *ret_files,
                      int64_t *ret_bytes, struct why *reterr)
{
    struct all a = {.cli = cli};
    json_t *list = NULL;
    const json_t *item;
    size_t i;
    enum err err = download_list(cli, of, &list, reterr);

    if (err != ERR_OK)
        return err;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        err = why_errno(reterr, ERR_INVALID, errno, "%s cannot be made", dir);
    a.top = err == ERR_OK ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (err == ERR_OK && a.top < 0)
        err = why_errno(reterr, ERR_INVALID, errno, "%s cannot be used", dir);
    json_array_foreach(js_obj(list, "items"), i, item)
    {
        if (err == ERR_OK)
            err = download_one(&a, of->run == 0, item, reterr);
    }
    if (a.top >= 0)
        (void)close(a.top);
    json_decref(list);
    *ret_files = a.files;
    *ret_bytes = a.bytes;
    return err;
}

enum err download_file(struct cli *cli, const char *path, const char *file, int64_t *ret_bytes,
                       struct why *reterr)
{
    const char *slash = strrchr(file, '/');
    char *folder = slash == NULL ? xstrdup(".") : xstrndup(file, slash == file ? 1 : (size_t)(slash - file));
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err;

    if (dir < 0)
        err = why_errno(reterr, ERR_INVALID, errno, "%s cannot be written", file);
    else
        err = fetch(cli, path, dir, slash != NULL ? slash + 1 : file, ret_bytes, reterr);
    if (dir >= 0)
        (void)close(dir);
    free(folder);
    return err;
}

enum err download_stream(struct cli *cli, const char *path, FILE *to, struct why *reterr)
{
    struct client_request rq = {.path = path, .deadline_ms = DOWNLOAD_MS, .reply_to = to};
    struct client_reply reply;
    enum err err = client_call(cli->client, &rq, &reply, reterr);

    client_reply_done(&reply);
    if (err == ERR_OK && fflush(to) != 0)
        err = why_errno(reterr, ERR_INVALID, errno, "standard output cannot be written");
    return err;
}

enum err download_zip(struct cli *cli, const struct download_of *of, const char *file, int64_t *ret_bytes,
                      struct why *reterr)
{
    char path[96];

    path_of(of, "artifacts.zip", path, sizeof(path));
    return download_file(cli, path, file, ret_bytes, reterr);
}
