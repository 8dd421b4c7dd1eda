/* zip_index.h - the entries that stand at the end of a zip, gathered in a file without a name while its files are sent: nothing
 * of it stays, whatever happens, and its size is no matter of memory. Reader threads. */
#ifndef WRATA_API_ZIP_INDEX_H
#define WRATA_API_ZIP_INDEX_H

#include "api/zip.h"
#include "base/err.h"

struct zip_index {
    int fd; /* -1: not made yet */
    uint64_t n;
    uint64_t bytes;
    uint64_t sent;
};

void zip_index_init(struct zip_index *x);
void zip_index_done(struct zip_index *x);
/* Keep the entry of a file; the file is made below DIR/tmp at the first. */
MUST_USE enum err zip_index_add(struct zip_index *x, const char *dir, const struct zip_file *f,
                                struct why *reterr);
/* Append the next entries, at most `room` bytes (more than 0), to out. *ret_end: that was all, before this call. */
MUST_USE enum err zip_index_read(struct zip_index *x, size_t room, struct buf *out, bool *ret_end,
                                 struct why *reterr);

#endif
