/* cmd_project.c - `wrata project`: the wrata.yml of a folder, looked at without a server. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_private.h"
#include "cli/verbs.h"
#include "project/wrata_yml.h"
#include "wire/json_out.h"

/* The file that is meant, and the project's root: the folder that it is in. */
struct place {
    char file[PATH_MAX];
    char root[PATH_MAX];
    bool is_missing; /* of a folder that has none */
};

static enum err find_file(const char *arg, struct place *ret, struct why *reterr)
{
    struct stat st;
    const char *slash;

    if (stat(arg, &st) != 0)
        return why_errno(reterr, ERR_INVALID, errno, "%s", arg);
    if (S_ISDIR(st.st_mode)) {
        if ((size_t)snprintf(ret->root, sizeof(ret->root), "%s", arg) >= sizeof(ret->root) ||
            (size_t)snprintf(ret->file, sizeof(ret->file), "%s%s" WRATA_YML, arg,
                             arg[strlen(arg) - 1] == '/' ? "" : "/") >= sizeof(ret->file))
            return why_set(reterr, ERR_INVALID, NULL, "%.60s...: the path is too long", arg);
        ret->is_missing = lstat(ret->file, &st) != 0 && errno == ENOENT;
        return ERR_OK;
    }
    (void)snprintf(ret->file, sizeof(ret->file), "%s", arg);
    slash = strrchr(arg, '/');
    if (slash == NULL)
        (void)snprintf(ret->root, sizeof(ret->root), ".");
    else
        (void)snprintf(ret->root, sizeof(ret->root), "%.*s", (int)(slash - arg) + 1, arg);
    return ERR_OK;
}

/* A link would be one in the commit, too, and is not followed there. */
static enum err read_file(const char *path, struct buf *out, struct why *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t n = 1;

    if (fd < 0 && errno == ELOOP)
        return why_set(reterr, ERR_INVALID, NULL, "%s is a symbolic link; it must be a file", path);
    if (fd < 0)
        return why_errno(reterr, ERR_INVALID, errno, "%s", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return why_set(reterr, ERR_INVALID, NULL, "%s is not a file", path);
    }
    while (n > 0 && out->len <= YML_BYTES_MAX) {
        char chunk[4096];

        n = read(fd, chunk, sizeof(chunk));
        if (n > 0)
            buf_put(out, chunk, (size_t)n);
    }
    (void)close(fd);
    return n < 0 ? why_errno(reterr, ERR_IO, errno, "%s", path) : ERR_OK;
}

static const char *fault_below(void *ctx, const char *path, bool is_script)
{
    char full[PATH_MAX * 2];
    struct stat st;

    (void)is_script; /* whether it can be run is asked at a commit, with its bits as git has them */
    (void)snprintf(full, sizeof(full), "%s/%s", (const char *)ctx, path);
    return stat(full, &st) == 0 && S_ISREG(st.st_mode) ? NULL : "is not in the project";
}

static void say_problems(const struct yml_problems *p, const char *file)
{
    char text[PATH_MAX + 2048];

    for (uint32_t i = 0; i < p->n; i++) {
        yml_problem_text(&p->at[i], file, text, sizeof(text));
        (void)cli_fail(EXIT_USAGE, "%s", text);
    }
    if (p->n_more > 0)
        (void)cli_fail(EXIT_USAGE, "%s: and %u more", file, p->n_more);
}

static void say_json(const struct yml_file *f, const struct yml_problems *p, const char *file)
{
    struct json_out j;
    struct buf out;

    buf_init(&out, MIB(16));
    jo_begin(&j, &out);
    jo_obj(&j);
    jo_ktext(&j, "file", file);
    yml_problems_json(p, &j);
    jo_key(&j, "config");
    if (p->n == 0)
        wrata_yml_json(f, &j);
    else
        jo_null(&j);
    jo_obj_end(&j);
    (void)puts(buf_str(&out));
    buf_done(&out);
}

static int check(struct cli *cli)
{
    struct place place = {.is_missing = false};
    struct arena arena;
    struct yml_problems p = {.arena = &arena};
    struct yml_file f;
    struct buf text;
    struct why why = {0};
    enum err err = find_file(cli->n_args > 1 ? cli->args[1] : ".", &place, &why);

    wrata_yml_empty(&f);
    arena_init(&arena);
    buf_init(&text, YML_BYTES_MAX + KIB(8));
    if (err == ERR_OK && !place.is_missing)
        err = read_file(place.file, &text, &why);
    if (err != ERR_OK) {
        (void)cli_fail_why(&why);
    } else {
        if (wrata_yml_parse(buf_slice(&text), &f, &p) == ERR_OK)
            wrata_yml_check_paths(&f, fault_below, place.root, &p);
        if (cli->o.json)
            say_json(&f, &p, place.file);
        else if (place.is_missing)
            (void)printf("%s: there is none; the built-in rules are used\n", place.file);
        else if (p.n == 0)
            (void)printf("%s is fine: commands %u, steps of prepare %u, variables %u%s%s\n", place.file,
                         f.commands.n, f.prepare.n, f.env.n, f.image[0] != '\0' ? ", in containers of " : "",
                         f.image);
        else
            say_problems(&p, place.file);
    }
    buf_done(&text);
    arena_done(&arena);
    return err == ERR_OK && p.n == 0 ? EXIT_PASSED : EXIT_USAGE;
}

static int print(void (*write)(struct buf *out))
{
    struct buf out;

    buf_init(&out, MIB(1));
    write(&out);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_PASSED;
}

static int schema(struct cli *cli)
{
    (void)cli;
    return print(wrata_yml_schema);
}

static const struct verb verbs[] = {{"check", 0, 1, check}, {"schema", 0, 0, schema}, {NULL, 0, 0, NULL}};

int cmd_project(struct cli *cli)
{
    if (cli->o.markdown)
        return print(wrata_yml_markdown);
    return verbs_run(cli, verbs);
}
