/* zip.h - the parts of a zip file, in the order in which they are written. Bytes stand as they are (stored); names are UTF-8;
 * files of more than 4 GiB, and more than 65,535 of them, go by zip64 (APPNOTE 6.3.9, 4.3 and 4.5.3). Pure.
 *
 *     [zip_local, the bytes]…  [zip_entry]…  zip_end
 *
 * CRC and size are known before the bytes, so a reader needs nothing that stands behind them. */
#ifndef WRATA_API_ZIP_H
#define WRATA_API_ZIP_H

#include "base/buf.h"

#define ZIP_NAME_BYTES_MAX 4096u
#define ZIP_PART_BYTES_MAX (ZIP_NAME_BYTES_MAX + 128u) /* of what each of these appends */

struct zip_file {
    const char *name;
    uint64_t bytes;
    uint32_t crc;
    int64_t mtime_ms;
    uint64_t at; /* where its zip_local begins */
};

void zip_local(struct buf *out, const struct zip_file *f);
void zip_entry(struct buf *out, const struct zip_file *f);
/* n entries of dir_bytes, which begin at dir_at. */
void zip_end(struct buf *out, uint64_t n, uint64_t dir_at, uint64_t dir_bytes);

/* A name that means the same wherever it is unpacked: backslashes and what Windows takes for special become '_'. Into out (size
 * bytes); what is too long is cut. */
void zip_safe_name(const char *name, char *out, size_t size);

#endif
