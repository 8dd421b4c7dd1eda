/* fuzz_log_search.c - searching a log: the same lines are found however its bytes are cut, and for a literal those that
 * a plain search through each line finds; no expression does harm.
 *
 * Input: flags, length of the query, the query, the log. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/log_search.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/field.h"
#include "wire/log_text.h"

#define LOG_MAX 20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    char query[256];
    size_t query_len;
    bool is_regex;
    enum log_case how;
    uint32_t hits_max;
    const char *log;
    size_t len;
};

static bool input_read(struct input *in, const uint8_t *data, size_t size)
{
    if (size < 2 || data[1] == 0 || size < 2u + data[1])
        return false;
    in->is_regex = (data[0] & 1) != 0;
    in->how = (enum log_case)((data[0] >> 1) % LOG_CASE_COUNT);
    in->hits_max = data[0] >> 4;
    in->query_len = data[1];
    memcpy(in->query, data + 2, in->query_len);
    in->log = (const char *)data + 2 + in->query_len;
    in->len = size - 2 - in->query_len;
    in->len = in->len < LOG_MAX ? in->len : LOG_MAX;
    return field_text_is_clean(in->query, in->query_len, false); /* what the API lets through */
}

static struct log_search *search_of(const struct input *in)
{
    struct log_search *s = NULL;
    struct why why;

    if (log_search_new(in->query, in->query_len, in->is_regex, in->how, in->hits_max, &s, &why) != ERR_OK)
        return NULL;
    return s;
}

static void feed(struct log_search *s, const char *p, size_t n, struct mono until)
{
    while (n > 0) {
        size_t taken = log_search_feed(s, p, n, until);

        CHECK(taken > 0 && taken <= n);
        p += taken;
        n -= taken;
    }
}

static struct log_search *run_whole(const struct input *in)
{
    struct log_search *s = search_of(in);

    if (s == NULL)
        return NULL;
    feed(s, in->log, in->len, MONO_NEVER);
    log_search_end(s);
    return s;
}

static struct log_search *run_cut(const struct input *in, uint32_t piece)
{
    struct log_search *s = search_of(in);
    struct rng rng;
    size_t at = 0;

    CHECK(s != NULL);
    rng_seed(&rng, in->len + in->query_len);
    if (piece > 0)
        log_search_pieces(s, piece, piece / 4);
    while (at < in->len) {
        size_t n = 1 + (size_t)rng_below(&rng, rng_chance(&rng, 1, 8) ? 3000 : 90);

        n = n < in->len - at ? n : in->len - at;
        feed(s, in->log + at, n, rng_chance(&rng, 1, 2) ? MONO_NEVER : (struct mono){0});
        at += n;
    }
    log_search_end(s);
    return s;
}

static void hit_check(const struct input *in, const struct log_hit *h)
{
    CHECK(h->line > 0 && h->byte <= in->len && h->byte + h->bytes <= in->len);
    CHECK(h->byte == 0 || in->log[h->byte - 1] == '\n');
    CHECK(h->byte + h->bytes == in->len || in->log[h->byte + h->bytes] == '\n');
    CHECK(h->text_byte >= h->byte && h->text_byte <= h->byte + h->bytes);
    CHECK(h->text.len <= LOG_SEARCH_TEXT_BYTES && utf8_whole(h->text.ptr, h->text.len) == h->text.len);
    CHECK(h->n_at <= LOG_SEARCH_MARKS);
    for (uint32_t i = 0; i < h->n_at; i++) {
        CHECK(h->at[i][0] < h->at[i][1] && h->at[i][1] <= h->text.len);
        CHECK(i == 0 || h->at[i - 1][1] <= h->at[i][0]);
    }
}

static void same(const struct input *in, const struct log_search *a, const struct log_search *b,
                 bool in_places)
{
    uint64_t first;

    CHECK(log_search_count(a) == log_search_count(b));
    CHECK(log_search_hits(a) == log_search_hits(b) && log_search_more(a) == log_search_more(b));
    CHECK(log_search_line(a) == log_search_line(b));
    CHECK(log_search_gave_up(a, &first) == 0 || in->is_regex);
    for (uint32_t i = 0; i < log_search_hits(a); i++) {
        struct log_hit x;
        struct log_hit y;

        log_search_hit(a, i, &x);
        log_search_hit(b, i, &y);
        hit_check(in, &x);
        hit_check(in, &y);
        CHECK(x.line == y.line && x.byte == y.byte && x.bytes == y.bytes);
        if (!in_places)
            continue;
        CHECK(x.n_at == y.n_at && x.text_byte == y.text_byte && slice_eq(x.text, y.text));
        CHECK(x.n_at == 0 || memcmp(x.at, y.at, x.n_at * sizeof(*x.at)) == 0);
    }
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool holds(const struct input *in, struct slice text, bool is_icase)
{
    for (size_t i = 0; i + in->query_len <= text.len; i++) {
        size_t k = 0;

        while (k < in->query_len &&
               (is_icase ? small(text.ptr[i + k]) == small(in->query[k]) : text.ptr[i + k] == in->query[k]))
            k++;
        if (k == in->query_len)
            return true;
    }
    return false;
}

/* How many lines hold the literal, found in the dullest way. */
static uint64_t model_count(const struct input *in, bool is_icase)
{
    uint64_t count = 0;
    size_t at = 0;
    struct buf text;

    buf_init(&text, (size_t)LOG_TEXT_GROWTH * LOG_MAX + 1);
    while (at < in->len) {
        const char *end = memchr(in->log + at, '\n', in->len - at);
        size_t n = end == NULL ? in->len - at : (size_t)(end - in->log) - at;

        buf_clear(&text);
        log_text_show(in->log + at, n > 0 && in->log[at + n - 1] == '\r' ? n - 1 : n, &text);
        count += holds(in, (struct slice){buf_str(&text), text.len}, is_icase);
        at += n + 1;
    }
    buf_done(&text);
    return count;
}

static void against_model(const struct input *in, const struct log_search *s)
{
    bool is_ascii = true;
    bool has_capital = false;

    for (size_t i = 0; i < in->query_len; i++) {
        is_ascii = is_ascii && (unsigned char)in->query[i] < 0x80;
        has_capital = has_capital || (in->query[i] >= 'A' && in->query[i] <= 'Z');
    }
    if (is_ascii)
        CHECK(log_search_count(s) ==
              model_count(in, in->how == LOG_CASE_NO || (in->how == LOG_CASE_SMART && !has_capital)));
    else if (in->how == LOG_CASE_YES)
        CHECK(log_search_count(s) == model_count(in, false));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in;
    struct log_search *whole;
    struct log_search *cut;

    if (!input_read(&in, data, size))
        return 0;
    whole = run_whole(&in);
    if (whole == NULL)
        return 0;
    cut = run_cut(&in, 0);
    same(&in, whole, cut, true);
    log_search_free(cut);
    if (!in.is_regex) {
        against_model(&in, whole);
        if (in.query_len <= 64 && log_text_is_plain(in.log, in.len)) {
            cut = run_cut(&in, 1024); /* shorter than its longest lines: a literal is found all the same */
            same(&in, whole, cut, false);
            log_search_free(cut);
        }
    } else { /* what is found may differ, but must be well */
        cut = run_cut(&in, 1024);
        log_search_free(cut);
    }
    log_search_free(whole);
    return 0;
}
