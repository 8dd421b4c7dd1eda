/* fuzz_mask.c - secrets and a text, cut anywhere: however the pieces fall the same comes out, and no form of a secret is
 * in it.
 *
 * Input: a byte for the size of pieces, a byte for how many secrets, each as a byte of length and its bytes, the text. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mask.h"
#include "base/mem.h"

#define SECRETS_MAX 4u
#define TEXT_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const struct mask *m, struct slice text, size_t piece, bool rest, struct buf *out)
{
    struct mask_stream s;

    mask_stream_init(&s, m);
    for (size_t at = 0; at < text.len; at += piece) {
        mask_feed(&s, text.ptr + at, text.len - at < piece ? text.len - at : piece, out);
        CHECK(mask_held(&s) < mask_longest(m));
        if (rest)
            mask_rest(&s, out);
        CHECK(out->len <= MASK_GROWTH * (text.len + 1));
    }
    mask_end(&s, out);
    CHECK(mask_held(&s) == 0);
    mask_stream_done(&s);
}

static void look_for(void *ctx, struct slice form)
{
    const struct buf *out = ctx;

    /* stars can make a form that was not there */
    if (memchr(form.ptr, '*', form.len) == NULL)
        CHECK(memmem(buf_str(out), out->len, form.ptr, form.len) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice secrets[SECRETS_MAX];
    struct slice text;
    struct mask *m;
    struct buf out[3];
    size_t piece;
    uint32_t n;

    if (size < 2)
        return 0;
    piece = (size_t)data[0] + 1;
    n = data[1] % (SECRETS_MAX + 1);
    data += 2;
    size -= 2;
    for (uint32_t i = 0; i < n; i++) {
        size_t len = size > 0 ? data[0] : 0;

        if (size == 0 || len > size - 1)
            return 0;
        secrets[i] = (struct slice){(const char *)data + 1, len};
        data += len + 1;
        size -= len + 1;
    }
    text = (struct slice){(const char *)data, size < TEXT_MAX ? size : TEXT_MAX};
    m = mask_new(secrets, n);
    if (m == NULL)
        return 0;
    for (int i = 0; i < 3; i++)
        buf_init(&out[i], MASK_GROWTH * (TEXT_MAX + 1));
    feed(m, text, piece, false, &out[0]);
    feed(m, text, TEXT_MAX, false, &out[1]);
    feed(m, text, piece, true, &out[2]);
    CHECK(slice_eq(buf_slice(&out[0]), buf_slice(&out[1])));
    for (uint32_t i = 0; i < n; i++)
        mask_forms(secrets[i], look_for, &out[0]);
    for (int i = 0; i < 3; i++)
        buf_done(&out[i]);
    mask_free(m);
    return 0;
}
