/* agent_lfs.h - files of Git LFS: what a pointer says (git-lfs, docs/spec.md), and how an agent asks for what it points to.
 *
 * Over a channel of kind `lfs`, as many at once as the agent likes, answered in their order:
 *
 *     agent       OID SIZE\n                      64 lowercase hex digits, a decimal number
 *     controller  ok\n and SIZE bytes             or   no REASON\n
 *
 * No I/O, no clock, no memory. Shared by `wrata` and `wrata-agent`. */
#ifndef WRATA_WIRE_AGENT_LFS_H
#define WRATA_WIRE_AGENT_LFS_H

#include <stdbool.h>

#include "base/buf.h"

#define LFS_POINTER_BYTES_MAX 1024u
#define LFS_POINTER_BYTES_MIN 100u /* a version, a SHA-256 and a size are longer */
#define LFS_OID_CHARS 64u
#define LFS_SIZE_MAX (UINT64_C(1) << 40) /* of one file */
#define LFS_REQUEST_BYTES_MAX 96u
#define LFS_ANSWER_BYTES_MAX 320u
#define LFS_STORE_ENV "WRATA_LFS_STORE" /* makes `wrata` answer requests from this folder on its stdio */

struct lfs_pointer {
    char oid[LFS_OID_CHARS + 1];
    uint64_t size;
};

enum lfs_kind {
    LFS_NONE, /* no pointer */
    LFS_POINTER,
    LFS_BROKEN, /* it begins as one, and says what cannot be; or names an extension, which nobody here has */
};
enum lfs_kind lfs_pointer_read(struct slice text, struct lfs_pointer *ret);

/* As git-lfs writes it. Returns its length; size is at least LFS_POINTER_BYTES_MAX. */
size_t lfs_pointer_write(const struct lfs_pointer *p, char *out, size_t size);

/* A line without its end. */
bool lfs_request_read(struct slice line, struct lfs_pointer *ret);
bool lfs_is_oid(struct slice s);

#endif
