/* user_data.h - what a machine is told at its first boot, for cloud-init. Pure. */
#ifndef WRATA_FLEET_USER_DATA_H
#define WRATA_FLEET_USER_DATA_H

#include "fleet/fleet.h"

#define USER_DATA_BYTES_MAX KIB(64) /* DigitalOcean's limit, and about everybody's */

/* Append a #cloud-config: the host key of `spec` alone, its authorized key for `user`, no password, and `commands`, each for a
 * shell there, after the machine can be reached. It holds a secret.
 * ERR_LIMIT: longer than USER_DATA_BYTES_MAX; ERR_INVALID: a key or a name that cannot stand there. */
MUST_USE enum err user_data_write(const struct machine_spec *spec, const char *user,
                                  const char *const *commands, uint32_t n_commands, struct buf *out,
                                  struct why *reterr);

#endif
