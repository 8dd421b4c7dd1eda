/* fuzz_log_filter.c - what the command line shows of a log on a terminal: only colours, line ends and tabs act, all else is text;
 * however the bytes are cut. The same of what the page and the API make of a log: no control sequence is left. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cli/term.h"
#include "wire/json_out.h"
#include "wire/log_text.h"

#define INPUT_MAX 4096u
#define GROWTH 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void filter(const char *in, size_t n, bool is_cut, bool drop_colors, struct buf *out)
{
    struct log_filter f;
    struct rng rng;

    rng_seed(&rng, n);
    log_filter_init(&f);
    f.drop_colors = drop_colors;
    for (size_t at = 0; at < n;) {
        size_t part = is_cut ? 1 + (size_t)rng_below(&rng, 5) : n;

        part = part < n - at ? part : n - at;
        log_filter_feed(&f, in + at, part, out);
        at += part;
    }
    log_filter_end(&f, out);
    log_filter_done(&f);
}

/* The colour sequence that begins at s: its length. */
static size_t color_length(const char *s, size_t n)
{
    size_t i = 2;

    CHECK(n > 2 && s[1] == '[');
    while (i < n && ((s[i] >= '0' && s[i] <= '9') || s[i] == ';' || s[i] == ':'))
        i++;
    CHECK(i < n && s[i] == 'm');
    return i + 1;
}

static void is_harmless(const char *s, size_t n, bool has_colors)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        int len = utf8_next(s + i, n - i);

        CHECK(len > 0);
        if (c == 0x1b) {
            CHECK(has_colors);
            i += color_length(s + i, n - i);
            continue;
        }
        CHECK(c >= 0x20 || c == '\n' || c == '\t' || (c == '\r' && i + 1 < n && s[i + 1] == '\n'));
        CHECK(c != 0x7f);
        CHECK(!(c == 0xc2 && (unsigned char)s[i + 1] < 0xa0)); /* C1 */
        i += (size_t)len;
    }
}

static void text_is_clean(const char *in, size_t n)
{
    struct buf text;

    buf_init(&text, (size_t)LOG_TEXT_GROWTH * INPUT_MAX + 1);
    log_text_show(in, n, &text);
    CHECK(text.len == 0 || memchr(text.data, 0x1b, text.len) == NULL);
    CHECK(text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
    for (size_t i = 0; i < text.len;) {
        int len = utf8_next(text.data + i, text.len - i);
        size_t raw = log_text_raw(in, n, i);

        CHECK(len > 0 && raw < n);
        CHECK((unsigned char)text.data[i] >= 0x80 || in[raw] == text.data[i]);
        i += (size_t)len;
    }
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *in = (const char *)data;
    size_t n = size < INPUT_MAX ? size : INPUT_MAX;
    struct buf whole;
    struct buf cut;

    buf_init(&whole, (size_t)GROWTH * INPUT_MAX);
    buf_init(&cut, (size_t)GROWTH * INPUT_MAX);
    for (int drop = 0; drop < 2; drop++) {
        buf_clear(&whole);
        buf_clear(&cut);
        filter(in, n, false, drop != 0, &whole);
        filter(in, n, true, drop != 0, &cut);
        CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
        is_harmless(buf_str(&whole), whole.len, drop == 0);
    }
    text_is_clean(in, n);
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
