/* sha256.h - the hash of the agent's own file, the first half of which is its name on a machine; and of files of Git LFS. */
#ifndef WRATA_AGENT_SHA256_H
#define WRATA_AGENT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sha256 {
    uint32_t h[8];
    unsigned char rest[64];
    size_t n_rest;
    uint64_t total;
};
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t n);
void sha256_end(struct sha256 *s, char ret[65]); /* 64 hex digits and a NUL */

/* The hash of a file as 64 hex digits and a NUL. ERR_IO: it cannot be read. */
MUST_USE enum err sha256_file(const char *path, char ret[65]);

#endif
