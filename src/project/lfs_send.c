#include "project/lfs_send.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "model/rows.h"
#include "wire/agent_lfs.h"

#define SILENCE_S 600 /* of the agent: as for git upload-pack */
#define CHUNK_BYTES KIB(256)

static bool write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, data, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        (void)alarm(SILENCE_S);
        data += w;
        n -= (size_t)w;
    }
    return true;
}

static bool refuse(int out, const char *why)
{
    char text[LFS_ANSWER_BYTES_MAX];
    int n = snprintf(text, sizeof(text), "no %s\n", why);

    return write_all(out, text, (size_t)n);
}

/* The file's bytes, which must be what its name says; one that is not is removed, so that the next launch has it fetched again. */
static bool send_file(int fd, const char *path, const struct lfs_pointer *p, int out, struct why *reterr)
{
    static char data[CHUNK_BYTES];
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state h;
    char hex[crypto_hash_sha256_BYTES * 2 + 1];
    uint64_t left = p->size;

    (void)crypto_hash_sha256_init(&h);
    if (!write_all(out, "ok\n", 3))
        return why_errno(reterr, ERR_IO, errno, "the agent"), false;
    while (left > 0) {
        ssize_t n = read(fd, data, left < sizeof(data) ? (size_t)left : sizeof(data));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)why_errno(reterr, ERR_IO, n < 0 ? errno : EIO, "%.80s", p->oid);
            return false;
        }
        (void)crypto_hash_sha256_update(&h, (const unsigned char *)data, (unsigned long long)n);
        if (!write_all(out, data, (size_t)n))
            return why_errno(reterr, ERR_IO, errno, "the agent"), false;
        left -= (uint64_t)n;
    }
    (void)crypto_hash_sha256_final(&h, digest);
    (void)sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
    if (strcmp(hex, p->oid) == 0)
        return true;
    (void)unlink(path);
    (void)why_set(
        reterr, ERR_IO, NULL,
        "%.12s… was damaged on the server of wrata, and is removed; another launch has it fetched again",
        p->oid);
    return false;
}

static bool answer(const char *store, struct slice line, int out, struct why *reterr)
{
    char path[PATH_BYTES_MAX];
    struct lfs_pointer p;
    struct stat st;
    bool ok;
    int fd;

    if (!lfs_request_read(line, &p)) {
        (void)why_set(reterr, ERR_PROTO, NULL, "the agent asks for what is no file of Git LFS");
        return false;
    }
    if (snprintf(path, sizeof(path), "%s/%.2s/%.2s/%s", store, p.oid, p.oid + 2, p.oid) >= (int)sizeof(path))
        return refuse(out, "its path is too long");
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != p.size) {
        if (fd >= 0)
            (void)close(fd);
        return refuse(out, "it is not on the server of wrata");
    }
    ok = send_file(fd, path, &p, out, reterr);
    (void)close(fd);
    return ok;
}

bool lfs_send(const char *store, int in, int out, struct why *reterr)
{
    char text[LFS_REQUEST_BYTES_MAX * 8] = "";
    size_t have = 0;

    *reterr = (struct why){0};
    for (;;) {
        const char *end = have > 0 ? memchr(text, '\n', have) : NULL;
        ssize_t n;

        if (end != NULL) {
            size_t len = (size_t)(end - text);

            if (!answer(store, (struct slice){text, len}, out, reterr))
                return false;
            have -= len + 1;
            memmove(text, text + len + 1, have);
            continue;
        }
        if (have >= LFS_REQUEST_BYTES_MAX) {
            (void)why_set(reterr, ERR_PROTO, NULL, "the agent asks for what is no file of Git LFS");
            return false;
        }
        n = read(in, text + have, sizeof(text) - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        (void)alarm(SILENCE_S);
        have += (size_t)n;
    }
}

bool lfs_send_is_wanted(void)
{
    return getenv(LFS_STORE_ENV) != NULL;
}

int lfs_send_main(void)
{
    struct why why;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(SILENCE_S);
    if (lfs_send(getenv(LFS_STORE_ENV), 0, 1, &why))
        return 0;
    (void)fprintf(stderr, "%s\n", why.text);
    return 1;
}
