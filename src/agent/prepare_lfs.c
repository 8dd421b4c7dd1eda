/* prepare_lfs.c - what git needs to know of files of Git LFS (lfs.h) in a cache and its work trees.
 *
 * The filter stands in a file of ours, which the cache's configuration includes: so it is there for a script's git, too, and follows our
 * program when that gets another name. git asks a filter only for files that it writes. So a tree remembers the key of what it
 * was written by; with another one its index goes, and the next checkout writes all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/prepare_private.h"
#include "base/buf.h"

#define SMALL_BYTES 16384u

const char *prepare_self(struct prepare *p)
{
    if (access(p->self, X_OK) == 0)
        return p->self;
    /* removed or replaced by an upgrade: this name still leads to what we are */
    return arena_printf(&p->arena, "/proc/%d/exe", (int)getpid());
}

/* The text of a small file, in p->arena; "": there is none. */
static const char *read_small(struct prepare *p, const char *path)
{
    char *text = arena_alloc(&p->arena, SMALL_BYTES + 1);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, SMALL_BYTES) : 0;

    if (fd >= 0)
        (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static bool write_small(struct prepare *p, const char *path, const char *text)
{
    const char *part = arena_printf(&p->arena, "%s.new", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    size_t n = strlen(text);
    bool ok;

    if (fd < 0)
        return false;
    ok = write(fd, text, n) == (ssize_t)n;
    ok &= close(fd) == 0;
    return ok && rename(part, path) == 0;
}

/* A word for the shell that git gives the filter to, in a value of git's configuration. Both are about our own paths. */
static void put_word(struct buf *out, const char *s)
{
    buf_putc(out, '\'');
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            buf_puts(out, "'\\\\''");
        else if (*s == '"' || *s == '\\')
            buf_printf(out, "\\%c", *s);
        else
            buf_putc(out, *s);
    }
    buf_putc(out, '\'');
}

bool prepare_lfs_config(struct prepare *p, const struct job *j, bool *ret_is_included)
{
    const char *cache = arena_printf(&p->arena, "cache/p%" PRIu64 ".git", j->project);
    const char *path = arena_printf(&p->arena, "%s/lfs.config", cache);
    struct buf text;
    bool ok;

    buf_init(&text, KIB(32));
    buf_puts(&text, "[filter \"lfs\"]\n\trequired = true\n\tprocess = \"");
    put_word(&text, prepare_self(p));
    buf_puts(&text, " lfs ");
    put_word(&text, p->dir);
    buf_printf(&text, " %" PRIu64 "\"\n", j->project);
    ok = strcmp(read_small(p, path), buf_str(&text)) == 0 || write_small(p, path, buf_str(&text));
    buf_done(&text);
    *ret_is_included =
        strstr(read_small(p, arena_printf(&p->arena, "%s/config", cache)), "lfs.config") != NULL;
    return ok;
}

void prepare_lfs_settle(struct prepare *p, const char *git_dir, const char *key)
{
    const char *path = arena_printf(&p->arena, "%s/wrata-lfs", git_dir);

    if (strcmp(read_small(p, path), key) == 0)
        return;
    /* In this order: a key is never there with files of another one. When either fails, so it does the next time. */
    if (unlink(arena_printf(&p->arena, "%s/index", git_dir)) == 0 || errno == ENOENT)
        (void)write_small(p, path, key);
}
