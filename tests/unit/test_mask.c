/* test_mask.c - what is hidden is hidden wherever a stream is cut, in every form, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mask.h"
#include "base/mem.h"
#include "base/rng.h"

#define OUT_MAX MIB(4)

static struct mask *mask_of(const char *const *secrets, uint32_t n)
{
    struct slice at[16];

    for (uint32_t i = 0; i < n; i++)
        at[i] = slice_of(secrets[i]);
    return mask_new(at, n);
}

/* The text in pieces of `piece` bytes; `rest` after each. */
static char *masked(const struct mask *m, const char *text, size_t n, size_t piece, bool rest)
{
    struct mask_stream s;
    struct buf out;

    buf_init(&out, OUT_MAX);
    mask_stream_init(&s, m);
    for (size_t at = 0; at < n; at += piece) {
        mask_feed(&s, text + at, n - at < piece ? n - at : piece, &out);
        assert_true(mask_held(&s) < mask_longest(m));
        if (rest)
            mask_rest(&s, &out);
    }
    mask_end(&s, &out);
    assert_int_equal(mask_held(&s), 0);
    mask_stream_done(&s);
    buf_putc(&out, '\0');
    return buf_take(&out, NULL);
}

static void expect(const struct mask *m, const char *text, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        char *got = masked(m, text, strlen(text), piece, false);

        assert_string_equal(got, expected);
        free(got);
    }
}

static void test_mask__hides_wherever_the_stream_is_cut(void **state)
{
    static const char *const secrets[] = {"hunter2-and-more", "tokenA", "aaaaaab"};
    static const char text[] = "a hunter2-and-more tokenA,tokentokenA aaaaaaaaab hunter2-and-mor\n"
                               "tokenAtokenA hunter2-and-tokenA";
    struct mask *m = mask_of(secrets, 3);

    (void)state;
    expect(m, text, "a *** ***,token*** aaa*** hunter2-and-mor\n****** hunter2-and-***");
    for (size_t cut = 0; cut <= sizeof(text) - 1; cut++) { /* in two pieces */
        struct mask_stream s;
        struct buf out;

        buf_init(&out, OUT_MAX);
        mask_stream_init(&s, m);
        mask_feed(&s, text, cut, &out);
        mask_feed(&s, text + cut, sizeof(text) - 1 - cut, &out);
        mask_end(&s, &out);
        assert_string_equal(buf_str(&out),
                            "a *** ***,token*** aaa*** hunter2-and-mor\n****** hunter2-and-***");
        mask_stream_done(&s);
        buf_done(&out);
    }
    mask_free(m);
}

static void test_mask__overlapping_ones_are_one(void **state)
{
    static const char *const secrets[] = {"abcdefgh", "fghijkl", "defghi", "xyzxyz"};
    struct mask *m = mask_of(secrets, 4);

    (void)state;
    expect(m, "1abcdefghijkl2", "1***2");
    expect(m, "1defghijkl2", "1***2");
    expect(m, "1abcdefg2defghi3", "1abcdefg2***3");
    expect(m, "1xyzxyzxyzxyzxyz2", "1***2");
    expect(m, "1abcdefghxyzxyz2", "1******2"); /* they touch, no more */
    mask_free(m);
}

static void test_mask__memory_does_not_grow_with_a_long_overlap(void **state)
{
    static const char *const secrets[] = {"aaaaaaaa"};
    struct mask *m = mask_of(secrets, 1);
    struct mask_stream s;
    struct buf out;
    char block[1000];

    (void)state;
    memset(block, 'a', sizeof(block));
    buf_init(&out, 64);
    mask_stream_init(&s, m);
    for (int i = 0; i < 1000; i++)
        mask_feed(&s, block, sizeof(block), &out);
    assert_true(mask_held(&s) < 8);
    assert_int_equal(s.n_covers, 1);
    mask_feed(&s, ".", 1, &out);
    assert_string_equal(buf_str(&out), "***.");
    mask_stream_done(&s);
    buf_done(&out);
    mask_free(m);
}

static void test_mask__nothing_to_hide_is_no_mask(void **state)
{
    static const char *const secrets[] = {"", "short", "  a\nb\n c "};

    (void)state;
    assert_null(mask_new(NULL, 0));
    assert_null(mask_of(secrets, 2));
    assert_non_null(secrets[2]);
}

/* ---- forms ---- */

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64(const char *s, size_t n, bool url, char *out)
{
    for (size_t i = 0; i < n; i += 3) {
        unsigned long v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < n ? (unsigned char)s[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            *out++ = i + k > n ? '=' : b64[v >> (18 - 6 * k) & 63];
        if (url)
            for (char *p = out - 4; p < out; p++)
                *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    }
    *out = '\0';
}

/* No stretch of `n` characters of a is in b. */
static void assert_no_part(const char *a, size_t n, const char *b)
{
    for (size_t i = 0; i + n <= strlen(a); i++) {
        char part[64];

        memcpy(part, a + i, n);
        part[n] = '\0';
        if (strstr(b, part) != NULL)
            fail_msg("'%s' of '%s' shows in '%s'", part, a, b);
    }
}

static void test_mask__base64_in_every_alignment(void **state)
{
    static const char *const secrets[] = {"s\xff\xfe?ret>>value"};
    struct mask *m = mask_of(secrets, 1);
    size_t len = strlen(secrets[0]);

    (void)state;
    for (size_t before = 0; before < 7; before++) {
        for (size_t after = 0; after < 4; after++) {
            for (int url = 0; url < 2; url++) {
                char plain[64];
                char encoded[128];
                char *got;

                memset(plain, '.', sizeof(plain));
                memcpy(plain + before, secrets[0], len);
                base64(plain, before + len + after, url != 0, encoded);
                got = masked(m, encoded, strlen(encoded), 5, false);
                assert_non_null(strstr(got, "***"));
                /* groups that hold bytes of the secret alone; at the edges other bytes decide as well */
                encoded[(before + len) / 3 * 4] = '\0';
                assert_no_part(encoded + (before + 2) / 3 * 4, 4, got);
                free(got);
            }
        }
    }
    mask_free(m);
}

static void test_mask__base64_that_is_wrapped(void **state)
{
    char secret[121];
    const char *secrets[] = {secret};
    char encoded[256];
    char wrapped[300] = "";
    struct mask *m;
    char *got;

    (void)state;
    for (size_t i = 0; i < 120; i++)
        secret[i] = (char)('!' + i * 37 % 90);
    secret[120] = '\0';
    base64(secret, 120, false, encoded);
    for (size_t at = 0; at < strlen(encoded); at += 76) {
        strncat(wrapped, encoded + at, 76);
        strcat(wrapped, "\n");
    }
    m = mask_of(secrets, 1);
    got = masked(m, wrapped, strlen(wrapped), 1000, false);
    assert_string_equal(got, "***\n***\n***\n");
    free(got);
    mask_free(m);
}

static void test_mask__json_and_urls(void **state)
{
    static const char *const secrets[] = {"p\"a\\s/s \xc3\xa9\n<w&d>", "tab\there\x01"};
    struct mask *m = mask_of(secrets, 2);
    static const char *const texts[] = {
        "p\"a\\s/s \xc3\xa9\n<w&d>",
        "p\\\"a\\\\s/s \xc3\xa9\\n<w&d>",
        "p\\\"a\\\\s\\/s \\u00e9\\n<w&d>",
        "p\\\"a\\\\s/s \\u00e9\\n\\u003cw\\u0026d\\u003e",
        "p\\\\\\\"a\\\\\\\\s/s \xc3\xa9\\\\n<w&d>",
        "p%22a%5Cs%2Fs%20%C3%A9%0A%3Cw%26d%3E",
        "p%22a%5cs%2fs+%c3%a9%0a%3cw%26d%3e",
        "p%22a%5Cs/s%20%C3%A9%0A%3Cw%26d%3E",
        "tab\\there\\u0001",
        "tab%09here%01",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        expect(m, texts[i], "***");
    mask_free(m);
}

static void test_mask__each_line_of_a_long_secret(void **state)
{
    static const char *const secrets[] = {"-----BEGIN-----\r\nfirst line\n\nabc\n  second\n"};
    struct mask *m = mask_of(secrets, 1);

    (void)state;
    expect(m, "x first line y", "x *** y");
    expect(m, "x second y", "x *** y");
    expect(m, "x abc y", "x abc y"); /* too short alone */
    expect(m, "<-----BEGIN----->", "<***>");
    expect(m, "-----BEGIN-----\r\nfirst line\n\nabc\n  second\n", "***");
    expect(m, "-----BEGIN-----\r\nfirst line\n\nabc\n  second.", "***.");
    mask_free(m);
}

/* ---- silence and the end ---- */

static void test_mask__silence_shows_a_quarter_at_most(void **state)
{
    static const char *const secrets[] = {"0123456789abcdef"};
    struct mask *m = mask_of(secrets, 1);
    char *got = masked(m, "<0123456789abcdef>", 18, 1, true);

    (void)state;
    assert_string_equal(got, "<0123***>");
    free(got);
    got = masked(m, "<0123456789abcdef>", 18, 9, true);
    assert_string_equal(got, "<***>"); /* half of it was held */
    free(got);
    got = masked(m, "<012345678>", 11, 1, true);
    assert_string_equal(got, "<012345678>"); /* it was none */
    free(got);
    mask_free(m);
}

static void test_mask__silence_lets_go_all_that_is_no_beginning(void **state)
{
    static const char *const secrets[] = {"0123456789abcdef", "cdefghij"};
    struct mask *m = mask_of(secrets, 2);
    struct mask_stream s;
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    mask_stream_init(&s, m);
    mask_feed(&s, "a line 0123", 11, &out);
    assert_string_equal(buf_str(&out), "a line ");
    mask_rest(&s, &out);
    assert_string_equal(buf_str(&out), "a line 0123");
    buf_clear(&out);
    mask_feed(&s, ". 0123456789abcdef", 18, &out);
    assert_string_equal(buf_str(&out), ". ***"); /* whether or not it goes on as the other one */
    mask_feed(&s, "ghij.", 5, &out);
    assert_string_equal(buf_str(&out), ". ***.");
    mask_stream_done(&s);
    buf_done(&out);
    mask_free(m);
}

static void test_mask__an_end_in_the_middle_of_a_secret(void **state)
{
    static const char *const secrets[] = {"0123456789abcdef"};
    struct mask *m = mask_of(secrets, 1);

    (void)state;
    expect(m, "<01234567", "<01234567");
    expect(m, "<012345678", "<***");
    expect(m, "<0123456789abcde", "<***");
    mask_free(m);
}

/* ---- against a naive implementation ---- */

#define WORDS_MAX 4096

struct words {
    struct slice at[WORDS_MAX];
    size_t n;
    struct arena arena;
};

static void take_word(void *ctx, struct slice form)
{
    struct words *w = ctx;

    for (size_t i = 0; i < w->n; i++)
        if (slice_eq(w->at[i], form))
            return;
    assert_in_range(w->n, 0, WORDS_MAX - 1);
    w->at[w->n++] = (struct slice){arena_strndup(&w->arena, form.ptr, form.len), form.len};
}

/* The shortest word that begins with these bytes. */
static size_t shortest(const struct words *w, const char *s, size_t n)
{
    size_t min = SIZE_MAX;

    for (size_t i = 0; i < w->n; i++)
        if (w->at[i].len >= n && memcmp(w->at[i].ptr, s, n) == 0 && w->at[i].len < min)
            min = w->at[i].len;
    return min;
}

static char *naive(const struct words *w, const char *s, size_t n)
{
    char *hidden = xcalloc(n + 1, 1); /* 1: hidden, 2: and the bytes before it are another one's */
    struct buf out;

    for (size_t end = 1; end <= n; end++) {
        size_t longest = 0;
        size_t start;

        for (size_t i = 0; i < w->n; i++)
            if (w->at[i].len <= end && w->at[i].len > longest &&
                memcmp(s + end - w->at[i].len, w->at[i].ptr, w->at[i].len) == 0)
                longest = w->at[i].len;
        start = end - longest;
        for (size_t i = start; i < end; i++)
            if (i > start)
                hidden[i] = 1; /* joined with what is before it */
            else if (hidden[i] == 0)
                hidden[i] = 2;
    }
    for (size_t len = n; len > 0; len--) { /* the beginning of a word at the end */
        size_t min = shortest(w, s + n - len, len);
        bool is_known = true;

        if (min == SIZE_MAX || len == min || len * 2 <= min)
            continue;
        for (size_t i = n - len; i < n; i++)
            is_known = is_known && hidden[i] != 0 && (i == n - len || hidden[i] == 1);
        if (is_known)
            continue;
        for (size_t i = n - len; i < n; i++)
            if (i > n - len)
                hidden[i] = 1;
            else if (hidden[i] == 0)
                hidden[i] = 2;
        break;
    }
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < n; i++) {
        if (hidden[i] == 0)
            buf_putc(&out, s[i]);
        else if (hidden[i] == 2)
            buf_puts(&out, "***");
    }
    buf_putc(&out, '\0');
    free(hidden);
    return buf_take(&out, NULL);
}

static void test_mask__is_what_a_naive_one_does(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (int round = 0; round < 400; round++) {
        char secrets[4][16];
        const char *at[4];
        struct words w = {.n = 0};
        uint32_t n = 1 + (uint32_t)rng_below(&rng, 4);
        uint64_t letters = 1 + rng_below(&rng, 3);
        char text[400];
        struct mask *m;
        char *expected;

        arena_init(&w.arena);
        for (uint32_t i = 0; i < n; i++) {
            size_t len = 6 + rng_below(&rng, 9);

            for (size_t k = 0; k < len; k++)
                secrets[i][k] = (char)('a' + rng_below(&rng, letters));
            secrets[i][len] = '\0';
            at[i] = secrets[i];
            mask_forms(slice_of(secrets[i]), take_word, &w);
        }
        for (size_t k = 0; k < sizeof(text);) { /* parts of secrets and of their forms, and letters */
            const struct slice *word = &w.at[rng_below(&rng, w.n)];
            size_t part = 1 + rng_below(&rng, word->len);

            if (rng_below(&rng, 3) == 0)
                part = word->len;
            for (size_t c = 0; c < part && k < sizeof(text); c++)
                text[k++] = word->ptr[c];
            if (rng_below(&rng, 2) == 0 && k < sizeof(text))
                text[k++] = (char)('a' + rng_below(&rng, letters + 1));
        }
        m = mask_of(at, n);
        expected = naive(&w, text, sizeof(text));
        for (size_t piece = 1; piece < 40; piece += 1 + piece / 3) {
            char *got = masked(m, text, sizeof(text), piece, false);

            assert_string_equal(got, expected);
            free(got);
        }
        free(masked(m, text, sizeof(text), 3, true));
        free(expected);
        mask_free(m);
        arena_done(&w.arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask__hides_wherever_the_stream_is_cut),
        cmocka_unit_test(test_mask__overlapping_ones_are_one),
        cmocka_unit_test(test_mask__memory_does_not_grow_with_a_long_overlap),
        cmocka_unit_test(test_mask__nothing_to_hide_is_no_mask),
        cmocka_unit_test(test_mask__base64_in_every_alignment),
        cmocka_unit_test(test_mask__base64_that_is_wrapped),
        cmocka_unit_test(test_mask__json_and_urls),
        cmocka_unit_test(test_mask__each_line_of_a_long_secret),
        cmocka_unit_test(test_mask__silence_shows_a_quarter_at_most),
        cmocka_unit_test(test_mask__silence_lets_go_all_that_is_no_beginning),
        cmocka_unit_test(test_mask__an_end_in_the_middle_of_a_secret),
        cmocka_unit_test(test_mask__is_what_a_naive_one_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
