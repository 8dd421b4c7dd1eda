/* lfs_filter.c - git's filter process for files of Git LFS: see lfs.h. What is said is in gitattributes(5), "Long Running Filter
 * Process", in the packets of gitprotocol-common(5).
 *
 * A file that is not here is "delayed": git goes on with the others and asks in the end, so that all of them come together. What
 * goes wrong is an error for git, which ends the checkout: no run begins with a pointer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/lfs.h"
#include "agent/sha256.h"
#include "base/fd.h"
#include "base/mem.h"

#define PACKET_BYTES_MAX 65520u
#define PAYLOAD_BYTES_MAX (PACKET_BYTES_MAX - 4u)
#define DELAYED_MAX 1000000u

/* A path that git will ask for again. */
struct delayed {
    char *path;
    struct lfs_pointer pointer;
};

struct filter {
    struct lfs_cache cache;
    char packet[PACKET_BYTES_MAX + 1];
    struct delayed *delayed;
    size_t n_delayed;
    size_t cap_delayed;
    size_t n_sorted; /* the first ones, which git was told of, by path */
    /* the command at hand */
    char command[32];
    char *path;
    bool can_delay;
};

/* ---- packets ---- */

enum packet { PACKET_TEXT, PACKET_FLUSH, PACKET_END };

static bool read_all(char *out, size_t n)
{
    while (n > 0) {
        ssize_t r = read(0, out, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        out += r;
        n -= (size_t)r;
    }
    return true;
}

/* The next packet into f->packet, with a NUL behind it. */
static enum packet packet_read(struct filter *f, size_t *retn)
{
    char head[5] = "";
    char *end;
    unsigned long n;

    *retn = 0;
    f->packet[0] = '\0';
    if (!read_all(head, 4))
        return PACKET_END;
    n = strtoul(head, &end, 16);
    if (end == head + 4 && n == 0)
        return PACKET_FLUSH;
    if (end != head + 4 || n < 4 || n > PACKET_BYTES_MAX || !read_all(f->packet, n - 4))
        return PACKET_END;
    f->packet[n - 4] = '\0';
    *retn = n - 4;
    return PACKET_TEXT;
}

/* A text without the newline at its end. */
static enum packet text_read(struct filter *f)
{
    size_t n;
    enum packet kind = packet_read(f, &n);

    if (kind == PACKET_TEXT && n > 0 && f->packet[n - 1] == '\n')
        f->packet[n - 1] = '\0';
    return kind;
}

static bool packet_write(const char *data, size_t n)
{
    char head[5];

    (void)snprintf(head, sizeof(head), "%04x", (unsigned)(n + 4));
    return fd_write_all(1, head, 4) && fd_write_all(1, data, n);
}

static bool flush(void)
{
    return fd_write_all(1, "0000", 4);
}

static bool say(const char *line)
{
    return packet_write(line, strlen(line));
}

static bool say_status(const char *status)
{
    char line[64];

    (void)snprintf(line, sizeof(line), "status=%s\n", status);
    return say(line) && flush();
}

/* ---- contents ---- */

/* What git sends of a file: the first bytes here, all of it in a file of no name when it is longer and `keep` wants that. */
struct content {
    char head[LFS_POINTER_BYTES_MAX + 1];
    size_t n;     /* bytes of head */
    uint64_t len; /* of all */
    int fd;       /* -1: head is all, or nothing was kept */
    int error;    /* errno of keeping it */
    struct sha256 hash;
};

static void keep_bytes(struct filter *f, struct content *c, size_t n)
{
    if (c->error != 0)
        return;
    if (c->fd < 0) {
        c->fd = lfs_cache_scratch(&f->cache);
        if (c->fd >= 0 && !fd_write_all(c->fd, c->head, c->n)) {
            c->error = errno;
            return;
        }
    }
    if (c->fd < 0 || !fd_write_all(c->fd, f->packet, n))
        c->error = errno;
}

static bool content_read(struct filter *f, bool keep, struct content *c)
{
    enum packet kind;
    size_t n;

    c->n = 0;
    c->len = 0;
    c->fd = -1;
    c->error = 0;
    sha256_begin(&c->hash);
    while ((kind = packet_read(f, &n)) == PACKET_TEXT) {
        sha256_add(&c->hash, f->packet, n);
        if (c->fd < 0 && c->len + n <= LFS_POINTER_BYTES_MAX) {
            memcpy(c->head + c->n, f->packet, n);
            c->n += n;
        } else if (keep) {
            keep_bytes(f, c, n);
        }
        c->len += n;
    }
    return kind == PACKET_FLUSH;
}

static void content_done(struct content *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
}

static bool send_bytes(const char *data, size_t n)
{
    return say_status("success") && (n == 0 || packet_write(data, n)) && flush() && flush();
}

/* From its beginning to its end; fd stays open. */
static bool send_file(struct filter *f, int fd)
{
    ssize_t n = 0;

    if (lseek(fd, 0, SEEK_SET) != 0)
        return say_status("error");
    if (!say_status("success"))
        return false;
    while ((n = read(fd, f->packet, PAYLOAD_BYTES_MAX)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && !packet_write(f->packet, (size_t)n))
            return false;
    if (n == 0)
        return flush() && flush();
    return flush() && say_status("error"); /* what came of it so far is dropped by git */
}

static bool fail(const struct filter *f, const char *why)
{
    (void)fprintf(stderr, "Git LFS: %s: %s\n", f->path, why);
    return say_status("error");
}

/* What is no pointer stays what it is. */
static bool pass_on(struct filter *f, const struct content *c)
{
    if (c->error != 0)
        return fail(f, strerror(c->error));
    return c->fd >= 0 ? send_file(f, c->fd) : send_bytes(c->head, c->n);
}

/* ---- commands ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct delayed *)a)->path, ((const struct delayed *)b)->path);
}

/* One that git was told of, and comes for now; NULL: it is another. */
static const struct delayed *delayed_find(const struct filter *f, const char *path)
{
    struct delayed key = {.path = (char *)(uintptr_t)path};

    return f->n_sorted == 0 ? NULL : bsearch(&key, f->delayed, f->n_sorted, sizeof(key), by_path);
}

static bool delay(struct filter *f, const struct lfs_pointer *p)
{
    if (f->n_delayed == f->cap_delayed) {
        f->cap_delayed = f->cap_delayed * 2 + 64;
        f->delayed = xrealloc(f->delayed, f->cap_delayed * sizeof(*f->delayed));
    }
    f->delayed[f->n_delayed++] = (struct delayed){.path = xstrdup(f->path), .pointer = *p};
    return say_status("delayed");
}

static bool send_object(struct filter *f, const struct lfs_pointer *p)
{
    struct why why = {0};
    bool ok = false;
    bool sent;
    int fd;

    if (p->size == 0)
        return send_bytes("", 0);
    fd = lfs_cache_open(&f->cache, p);
    if (fd < 0) {
        lfs_cache_bring(&f->cache, p, 1, &ok, &why);
        fd = ok ? lfs_cache_open(&f->cache, p) : -1;
    }
    if (fd < 0)
        return fail(f, why.text[0] != '\0' ? why.text : "it is not here");
    sent = send_file(f, fd);
    (void)close(fd);
    return sent;
}

static bool on_smudge(struct filter *f)
{
    const struct delayed *d = delayed_find(f, f->path);
    struct lfs_pointer p;
    enum lfs_kind kind;
    struct content c;
    bool ok;
    int fd;

    if (!content_read(f, true, &c))
        return false;
    if (d != NULL && c.len == 0)
        return send_object(f, &d->pointer);
    kind = c.fd < 0 ? lfs_pointer_read((struct slice){c.head, c.n}, &p) : LFS_NONE;
    if (kind == LFS_NONE) {
        ok = pass_on(f, &c);
    } else if (kind == LFS_BROKEN) {
        ok = fail(f, "it is a pointer that makes no sense");
    } else {
        fd = p.size > 0 ? lfs_cache_open(&f->cache, &p) : -1;
        ok = fd >= 0 || p.size == 0 || !f->can_delay || f->n_delayed == DELAYED_MAX ? send_object(f, &p)
                                                                                    : delay(f, &p);
        if (fd >= 0)
            (void)close(fd);
    }
    content_done(&c);
    return ok;
}

static bool on_clean(struct filter *f)
{
    char text[LFS_POINTER_BYTES_MAX];
    struct lfs_pointer p;
    struct content c;

    if (!content_read(f, false, &c))
        return false;
    if (c.len == 0 ||
        (c.len <= LFS_POINTER_BYTES_MAX && lfs_pointer_read((struct slice){c.head, c.n}, &p) == LFS_POINTER))
        return send_bytes(c.head, c.n);
    sha256_end(&c.hash, p.oid);
    p.size = c.len;
    return send_bytes(text, lfs_pointer_write(&p, text, sizeof(text)));
}

/* All that was delayed comes now; what cannot be had is told when git asks for it. */
static bool on_list(struct filter *f)
{
    struct lfs_pointer *all = xcalloc(f->n_delayed + 1, sizeof(*all));
    bool *ok = xcalloc(f->n_delayed + 1, sizeof(*ok));
    struct why why = {0};
    bool sent = true;
    size_t n = 0;

    for (size_t i = f->n_sorted; i < f->n_delayed; i++)
        all[n++] = f->delayed[i].pointer;
    if (n > 0)
        lfs_cache_bring(&f->cache, all, n, ok, &why);
    for (size_t i = f->n_sorted; i < f->n_delayed && sent; i++) {
        (void)snprintf(f->packet, sizeof(f->packet), "pathname=%s\n", f->delayed[i].path);
        sent = say(f->packet);
    }
    f->n_sorted = f->n_delayed;
    if (n > 0)
        qsort(f->delayed, f->n_delayed, sizeof(*f->delayed), by_path);
    free(all);
    free(ok);
    return sent && flush() && say_status("success");
}

/* ---- the conversation ---- */

/* "KEY=value" lines to a flush; false: that was the end. */
static bool command_read(struct filter *f)
{
    enum packet kind;

    f->command[0] = '\0';
    f->can_delay = false;
    free(f->path);
    f->path = xstrdup("");
    while ((kind = text_read(f)) == PACKET_TEXT) {
        if (strncmp(f->packet, "command=", 8) == 0) {
            (void)snprintf(f->command, sizeof(f->command), "%.31s", f->packet + 8);
        } else if (strncmp(f->packet, "pathname=", 9) == 0) {
            free(f->path);
            f->path = xstrdup(f->packet + 9);
        } else if (strcmp(f->packet, "can-delay=1") == 0) {
            f->can_delay = true;
        }
    }
    return kind == PACKET_FLUSH;
}

/* Which of two words a list to a flush has. */
static bool list_has(struct filter *f, const char *word)
{
    bool has = false;
    enum packet kind;

    while ((kind = text_read(f)) == PACKET_TEXT)
        has |= strcmp(f->packet, word) == 0;
    return has && kind == PACKET_FLUSH;
}

static bool greet(struct filter *f)
{
    if (text_read(f) != PACKET_TEXT || strcmp(f->packet, "git-filter-client") != 0 ||
        !list_has(f, "version=2") || !say("git-filter-server\n") || !say("version=2\n") || !flush() ||
        !list_has(f, "capability=smudge"))
        return false;
    return say("capability=clean\n") && say("capability=smudge\n") && say("capability=delay\n") && flush();
}

static bool is_number(const char *s)
{
    return s[0] != '\0' && strlen(s) <= 20 && strspn(s, "0123456789") == strlen(s);
}

int lfs_main(int argc, char **argv)
{
    struct filter *f;
    bool ok;

    if (argc != 2 || !is_number(argv[1]) || chdir(argv[0]) != 0) {
        (void)fprintf(stderr, "wrata-agent: git starts this for files of Git LFS\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    f = xcalloc(1, sizeof(*f));
    f->cache.project = argv[1];
    ok = greet(f);
    while (ok && command_read(f)) {
        if (strcmp(f->command, "smudge") == 0)
            ok = on_smudge(f);
        else if (strcmp(f->command, "clean") == 0)
            ok = on_clean(f);
        else if (strcmp(f->command, "list_available_blobs") == 0)
            ok = on_list(f);
        else
            ok = say_status("abort");
    }
    for (size_t i = 0; i < f->n_delayed; i++)
        free(f->delayed[i].path);
    free(f->delayed);
    free(f->path);
    free(f);
    return ok ? 0 : 1;
}
