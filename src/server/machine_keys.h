/* machine_keys.h - the ssh keys of machines that fleets make: who logs in, and which host key each machine has.
 *
 * All of them follow from one secret of 32 bytes, which lies sealed in DATA/ssh/machines.key.enc (config/seal.h): the host key of a
 * machine from its server and its create call, so that none of them needs to be stored, and a machine that was made by a server
 * that died meanwhile is still verified. Who logs in may be said by ssh_key of the credentials instead. */
#ifndef WRATA_SERVER_MACHINE_KEYS_H
#define WRATA_SERVER_MACHINE_KEYS_H

#include "config/seal.h"
#include "net/ssh_key.h"

struct machine_keys;

/* login: the private key of the credentials; empty: one of ours. The secret is made when there is none.
 * ERR_INVALID: ssh_key of the credentials cannot be used, and why. ERR_DENIED: the secret is sealed with another key. */
MUST_USE enum err machine_keys_open(const char *data_dir, const struct sealer *sealer, struct slice login,
                                    struct machine_keys **ret, struct why *reterr);
void machine_keys_free(struct machine_keys *k); /* NULL is fine */

/* The file that `ssh -i` takes, 0600, and the line that machines are told. */
const char *machine_keys_identity(const struct machine_keys *k);
const char *machine_keys_authorized(const struct machine_keys *k);

/* The host key of the machine that this create call makes. ssh_key_done() overwrites it. */
void machine_keys_host(const struct machine_keys *k, uint64_t server, uint64_t intent, struct ssh_key *ret);

#endif
