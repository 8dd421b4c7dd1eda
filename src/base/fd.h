/* fd.h - what a read or write of a descriptor leaves to be done. */
#ifndef WRATA_BASE_FD_H
#define WRATA_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* All n bytes to a descriptor that blocks; EINTR is passed over. False: it failed (errno), and some may have been written. Any
 * thread. */
MUST_USE bool fd_write_all(int fd, const char *data, size_t n);

#endif
