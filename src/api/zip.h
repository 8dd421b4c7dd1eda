/* zip.h - the parts of a zip file, in the order in which they are written. Bytes stand as they are (stored); names are UTF-8;
 * files of more than 4 GiB, and more than 65,535 of them, go by zip64 (APPNOTE 6.3.9, 4.3 and 4.5.3). Pure.
 *
 *     [zip_local, the bytes]…  [zip_entry]…  zip_end
 *
 * CRC and size are known before the bytes, so a reader needs nothing that stands behind them. Of bytes that are made on the way they
 * are not: then the bytes are compressed (raw deflate), which says where it ends, and CRC and sizes follow:
 *
 *     zip_local_open, the bytes, zip_local_close */
#ifndef WRATA_API_ZIP_H
#define WRATA_API_ZIP_H

#include <stdbool.h>

#include "base/buf.h"

#define ZIP_NAME_BYTES_MAX 4096u
#define ZIP_PART_BYTES_MAX (ZIP_NAME_BYTES_MAX + 128u) /* of what each of these appends */

struct zip_file {
    const char *name;
    uint64_t bytes;
    uint32_t crc;
    int64_t mtime_ms;
    uint64_t at;      /* where its zip_local begins */
    bool is_deflated; /* and its bytes so many: */
    uint64_t packed;
};

void zip_local(struct buf *out, const struct zip_file *f);
void zip_entry(struct buf *out, const struct zip_file *f);
/* The header of one that is_deflated: bytes is the most that they may be; crc and packed are not looked at. */
void zip_local_open(struct buf *out, const struct zip_file *f);
/* After its bytes: crc, bytes and packed as they came to be. `most` is what bytes was at zip_local_open(). */
void zip_local_close(struct buf *out, const struct zip_file *f, uint64_t most);
/* n entries of dir_bytes, which begin at dir_at. */
void zip_end(struct buf *out, uint64_t n, uint64_t dir_at, uint64_t dir_bytes);

/* A name that means the same wherever it is unpacked: backslashes and what Windows takes for special become '_'. Into out (size
 * bytes); what is too long is cut. */
void zip_safe_name(const char *name, char *out, size_t size);

#endif
