/* report_files.c - see report_files.h. */
#include "agent/report_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "report/junit.h"

#define OUT_FD 3
#define DEPTH_MAX 40
#define PATH_MAX_BYTES 4096

struct search {
    char **found;
    uint32_t n_found;
    uint32_t looked_at;
    uint32_t n_old; /* match, but are not of this run */
    bool is_full;
    int64_t since_ns;
};

/* ---- finding them ---- */

static void take_file(struct search *s, int dir, const char *name, const char *path)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return;
    if ((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec < s->since_ns) {
        s->n_old++;
        return;
    }
    for (uint32_t i = 0; i < s->n_found; i++)
        if (strcmp(s->found[i], path) == 0)
            return;
    if (s->n_found == REPORT_FILES_MAX) {
        s->is_full = true;
        return;
    }
    s->found[s->n_found++] = xstrdup(path);
}

static void search(struct search *s, int dir, const char *path, const char *glob, int depth);

/* Go on with `rest` in the folder `name`; without a rest the name is a file. */
static void step_into(struct search *s, int dir, const char *path, const char *name, const char *rest,
                      int depth)
{
    char below[PATH_MAX_BYTES];
    int fd;

    if (snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "/" : "", name) >=
        (int)sizeof(below))
        return;
    if (rest == NULL) {
        take_file(s, dir, name, below);
        return;
    }
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    search(s, fd, below, rest, depth + 1);
    (void)close(fd);
}

static void each_entry(struct search *s, int dir, const char *path, const char *segment, const char *glob,
                       const char *rest, int depth)
{
    bool is_any_depth = strcmp(segment, "**") == 0;
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;

    if (d == NULL) {
        if (copy >= 0)
            (void)close(copy);
        return;
    }
    while (!s->is_full && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".git") == 0)
            continue;
        if (++s->looked_at > REPORT_LOOKED_AT_MAX) {
            s->is_full = true;
            break;
        }
        if (is_any_depth)
            step_into(s, dir, path, e->d_name, glob, depth); /* it is a file: cannot be opened as a folder */
        else if (fnmatch(segment, e->d_name, FNM_PERIOD) == 0)
            step_into(s, dir, path, e->d_name, rest, depth);
    }
    (void)closedir(d);
}

/* dir: the folder `path`; glob: what is left of it. */
static void search(struct search *s, int dir, const char *path, const char *glob, int depth)
{
    char segment[PATH_MAX_BYTES];
    const char *rest;
    size_t n;

    while (*glob == '/' || (glob[0] == '.' && (glob[1] == '/' || glob[1] == '\0')))
        glob++;
    n = strcspn(glob, "/");
    if (n == 0 || n >= sizeof(segment) || depth > DEPTH_MAX)
        return;
    memcpy(segment, glob, n);
    segment[n] = '\0';
    rest = glob[n] == '/' ? glob + n + 1 : NULL;
    if (strcmp(segment, "..") == 0)
        return;
    if (strcmp(segment, "**") == 0)
        search(s, dir, path, rest != NULL ? rest : "*", depth + 1); /* no folder at all */
    if (strpbrk(segment, "*?[\\") != NULL)
        each_entry(s, dir, path, segment, glob, rest, depth);
    else
        step_into(s, dir, path, segment, rest, depth);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- reading them ---- */

static void put_out(struct buf *b)
{
    size_t done = 0;

    while (done < b->len) {
        ssize_t n = write(OUT_FD, b->data + done, b->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            exit(1); /* nobody listens any more */
        done += (size_t)n;
    }
    buf_clear(b);
}

static void sink(void *ctx, const char *line, size_t n)
{
    struct buf *b = ctx;

    if (b->len + n > b->max)
        put_out(b);
    buf_put(b, line, n);
}

static void read_file(struct junit *j, const char *path)
{
    static char bytes[KIB(64)];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[PATH_MAX_BYTES + 128];
    uint64_t total = 0;
    ssize_t n;

    if (fd < 0) {
        (void)snprintf(text, sizeof(text), "%s cannot be read: %s", path, strerror(errno));
        junit_error(j, text);
        return;
    }
    junit_open(j, path);
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        total += (uint64_t)n;
        if (total > REPORT_FILE_BYTES_MAX || !junit_feed(j, bytes, (size_t)n))
            break;
    }
    (void)close(fd);
    if (total > REPORT_FILE_BYTES_MAX) {
        (void)snprintf(text, sizeof(text), "%s has more than %u MiB: the rest is not read", path,
                       (unsigned)(REPORT_FILE_BYTES_MAX / MIB(1)));
        junit_error(j, text);
    }
    junit_close(j);
}

static void tell_none(struct junit *j, const struct search *s, char **globs, int n)
{
    struct buf b;

    buf_init(&b, KIB(16));
    buf_puts(&b, "no report was written: no file of this run matches");
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s %.600s", i > 0 ? " or" : "", globs[i]);
    if (s->n_old > 0)
        buf_printf(&b, " (%u of an earlier time: they are older than the run)", s->n_old);
    junit_error(j, buf_str(&b));
    buf_done(&b);
}

int report_files_main(int argc, char **argv)
{
    struct search s = {.found = NULL};
    struct junit *j;
    struct buf out;
    bool whole;
    char *end;

    if (argc < 2)
        return 2;
    s.since_ns = strtoll(argv[0], &end, 10);
    if (*end != '\0')
        return 2;
    whole = strcmp(argv[1], "whole") == 0;
    s.found = xcalloc(REPORT_FILES_MAX, sizeof(*s.found));
    for (int i = 2; i < argc; i++)
        search(&s, AT_FDCWD, "", argv[i], 0);
    if (s.n_found > 1)
        qsort(s.found, s.n_found, sizeof(*s.found), by_name);
    buf_init(&out, 2 * REPORT_LINE_MAX);
    j = junit_new(sink, &out);
    for (uint32_t i = 0; i < s.n_found; i++) {
        read_file(j, s.found[i]);
        put_out(&out);
        free(s.found[i]);
    }
    free(s.found);
    if (s.n_found == 0 && whole)
        tell_none(j, &s, argv + 2, argc - 2);
    if (s.is_full)
        junit_error(j, "there are too many files to look at: not all reports were read");
    junit_end(j, whole);
    put_out(&out);
    junit_free(j);
    buf_done(&out);
    return 0;
}
