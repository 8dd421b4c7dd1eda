/* whole_file.h - small files, read and replaced as a whole. */
#ifndef WRATA_CONFIG_WHOLE_FILE_H
#define WRATA_CONFIG_WHOLE_FILE_H

#include <sys/stat.h>

#include "base/buf.h"

/* Append the file to `out`, whose maximum is the most that is read. ret_st (may be NULL) is of the open file.
 * ERR_NOTFOUND, ERR_LIMIT, ERR_INVALID (not a regular file), ERR_IO. */
MUST_USE enum err whole_file_read(const char *path, struct buf *out, struct stat *ret_st, struct why *reterr);

/* Mode 0600. Old or new, never half: a temporary beside it, fsync, rename, fsync of the folder. */
MUST_USE enum err whole_file_write(const char *path, const void *bytes, size_t n, struct why *reterr);

/* Make a rename in the folder of `path` durable. */
MUST_USE enum err folder_sync(const char *path, struct why *reterr);

/* The folder and every part of its path that is missing, with mode 0700: it holds logs and secrets. */
MUST_USE enum err folders_make(const char *path, struct why *reterr);

#endif
