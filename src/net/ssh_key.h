/* ssh_key.h - ed25519 keys for ssh, made in process: OpenSSH's private file, the public line, known_hosts.
 *
 * A machine that is told its host key when it is made can be verified from the first connection on. All of a key follows
 * from 32 bytes of seed, so that only these need to be kept. */
#ifndef WRATA_NET_SSH_KEY_H
#define WRATA_NET_SSH_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define SSH_KEY_SEED_BYTES 32u
#define SSH_KEY_COMMENT_BYTES_MAX 64u
#define SSH_KEY_PUBLIC_BYTES 160u  /* of the line with a comment, its NUL included */
#define SSH_KEY_PRIVATE_BYTES 640u /* of the file, its NUL included */

struct ssh_key {
    char public_line[SSH_KEY_PUBLIC_BYTES];   /* "ssh-ed25519 AAAA... comment", without a line end */
    char private_file[SSH_KEY_PRIVATE_BYTES]; /* "-----BEGIN OPENSSH PRIVATE KEY-----\n..."; a secret */
};

/* Fill `ret`. comment: printable ASCII, cut to SSH_KEY_COMMENT_BYTES_MAX. The same seed gives the same key. */
void ssh_key_from_seed(const uint8_t seed[SSH_KEY_SEED_BYTES], const char *comment, struct ssh_key *ret);
void ssh_key_new_seed(uint8_t seed[SSH_KEY_SEED_BYTES]); /* random */
void ssh_key_done(struct ssh_key *k);                    /* overwrites it; NULL is fine */

/* Is it one line of a public key as OpenSSH writes it: "TYPE BASE64" or "TYPE BASE64 comment", the type inside of the
 * base64 being the same one? Text behind it would be options or a second key. */
bool ssh_key_is_public_line(const char *line);

#define SSH_KEY_FILE_BYTES_MAX 16384u

/* Append the public line, without a comment, of a private key file of any type. ERR_INVALID says what is wrong with the file: it is none,
 * is in an older form than OpenSSH's own, or has a passphrase, which nobody could type in here. */
MUST_USE enum err ssh_key_public_of(struct slice private_file, struct buf *out, struct why *reterr);

#define SSH_HOST_BYTES_MAX 255u

/* Append the line of known_hosts by which `address` (a name, an IPv4 or IPv6 address) at `port` (0: 22) has exactly this
 * host key. ERR_INVALID: one of them cannot stand there. */
MUST_USE enum err ssh_known_host(const char *address, uint32_t port, const char *public_line, struct buf *out,
                                 struct why *reterr);

#endif
