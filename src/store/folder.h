/* folder.h - the data folder, before anything in it is opened. Loop thread, at open. */
#ifndef WRATA_STORE_FOLDER_H
#define WRATA_STORE_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define INSTANCE_DIGITS 16

/* Make it and the folders above it that are not there, with mode 0700. */
MUST_USE enum err folder_make(const char *dir, struct why *reterr);

/* A file that is to survive a power cut needs its entry there to be on disk, too. False: errno says why. */
MUST_USE bool folder_entries_sync(const char *path);

/* Be the one who writes here, until *ret_fd is closed. Waits wait_ms for another that is ending; ERR_CONFLICT names
 * its pid. *ret_fd may be open after an error, too, or -1. */
MUST_USE enum err folder_lock(const char *dir, int64_t wait_ms, int *ret_fd, struct why *reterr);

/* Who this installation is: 16 hex digits, made at the first call. */
MUST_USE enum err folder_instance(const char *dir, char instance[INSTANCE_DIGITS + 1], struct why *reterr);

#endif
