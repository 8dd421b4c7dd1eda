/* fuzz_blob.c - stored logs: what was compressed comes back, and damaged bytes are told, not believed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/blob.h"

#define INPUT_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(struct blob_reader *r, const char *bytes, uint32_t len)
{
    struct blob_writer *w = blob_writer_new("/nonexistent");
    char *out = xmalloc((size_t)len + 1);
    struct buf gz;

    buf_init(&gz, 4 * INPUT_MAX);
    blob_gzip(w, bytes, len, &gz);
    CHECK(blob_gunzip(r, buf_slice(&gz), len, out, NULL) == ERR_OK);
    CHECK(len == 0 || memcmp(out, bytes, len) == 0);
    gz.data[gz.len - 5] ^= 1; /* in its checksum */
    CHECK(blob_gunzip(r, buf_slice(&gz), len, out, NULL) == ERR_IO);
    buf_done(&gz);
    free(out);
    blob_writer_free(w);
}

/* Two bytes of length, then what a damaged row may hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob_reader *r = blob_reader_new("/nonexistent");
    struct why why;
    uint32_t raw_bytes;
    char *out;

    if (size > INPUT_MAX)
        size = INPUT_MAX;
    round_trip(r, (const char *)data, (uint32_t)size);
    if (size >= 2) {
        raw_bytes = (uint32_t)data[0] | (uint32_t)data[1] << 8;
        out = xmalloc((size_t)raw_bytes + 1);
        (void)!blob_gunzip(r, (struct slice){(const char *)data + 2, size - 2}, raw_bytes, out, &why);
        free(out);
    }
    blob_reader_free(r);
    return 0;
}
