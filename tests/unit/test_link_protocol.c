/* test_link_protocol.c - docs/protocol.md shows the frames as they are. `UPDATE=1 <this>` writes its table anew.
 * Also: a session closes at any nonsense, whatever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "link/link_private.h"

#define DOC "docs/protocol.md"
#define BEGIN \
    "<!-- frames: made from src/wire/frames.def, `UPDATE=1` of tests/unit/test_link_protocol.c -->\n"
#define END "<!-- frames: end -->\n"

static void put_fields(struct buf *b, const char *const *fields)
{
    for (unsigned i = 0; fields[i] != NULL; i++)
        buf_printf(b, "%s%s", i > 0 ? ", " : "", fields[i]);
}

static const char *direction(int number)
{
    return number < 16 ? "agent → controller" : number < 32 ? "controller → agent" : "both ways";
}

static void put_rule(struct buf *b, int number)
{
    const struct session_rule *r;

    for (unsigned i = 0; (r = session_rule(i)) != NULL; i++) {
        if ((int)r->type != number)
            continue;
        buf_printf(b, "%s, %zu KiB", (r->phases & (1u << PHASE_HELLO)) != 0 ? "first" : "after HELLO",
                   (r->body_max + 1023) / 1024);
        return;
    }
    buf_puts(b, "–");
}

static void put_frame(struct buf *b, int number, const char *name, const char *const *fields)
{
    buf_printf(b, "| %d | %s | %s | ", number, name, direction(number));
    put_rule(b, number);
    buf_puts(b, " | ");
    put_fields(b, fields);
    buf_puts(b, " |\n");
}

#define U32(f) "`" #f "` u32",
#define U64(f) "`" #f "` u64",
#define I64(f) "`" #f "` i64",
#define STR(f, max) "`" #f "` text ≤ " #max,
#define BYTES(f, max) "`" #f "` bytes ≤ " #max,
#define LIST(f, type, max) "`" #f "` list of " #type " ≤ " #max,

static void make_table(struct buf *b)
{
    buf_puts(b, "| number | frame | direction | the controller takes it | fields, in order "
                "|\n|---|---|---|---|---|\n");
#define FRAME(NAME, name, number) put_frame(b, number, #NAME, (const char *const[]){
#define END_FRAME(NAME, name) \
    NULL                      \
    });
#include "wire/frames.def"
#undef FRAME
#undef END_FRAME
    buf_puts(b, "\n| part | fields, in order |\n|---|---|\n");
#define STRUCT(name)               \
    buf_puts(b, "| " #name " | "); \
    put_fields(b, (const char *const[]){
#define END_STRUCT(name) \
    NULL                 \
    });                  \
    buf_puts(b, " |\n");
#include "wire/frames.def"
#undef STRUCT
#undef END_STRUCT
}

static void test_link_protocol__the_document_shows_the_frames(void **state)
{
    struct buf table;
    struct buf doc;
    char chunk[4096];
    const char *begin;
    const char *end;
    size_t n;
    FILE *f = fopen(DOC, "r");

    (void)state;
    assert_non_null(f);
    buf_init(&table, MIB(1));
    buf_init(&doc, MIB(4));
    make_table(&table);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(&doc, chunk, n);
    (void)fclose(f);
    begin = strstr(buf_str(&doc), BEGIN);
    assert_non_null(begin);
    begin += strlen(BEGIN);
    end = strstr(begin, END);
    assert_non_null(end);
    if ((size_t)(end - begin) != table.len || memcmp(begin, table.data, table.len) != 0) {
        if (getenv("UPDATE") == NULL)
            fail_msg("%s does not show the frames as they are: UPDATE=1 writes them; look at the difference",
                     DOC);
        f = fopen(DOC, "w");
        assert_non_null(f);
        (void)fprintf(f, "%.*s%s%s", (int)(begin - doc.data), doc.data, buf_str(&table), end);
        (void)fclose(f);
    }
    buf_done(&table);
    buf_done(&doc);
}

static void test_link_protocol__each_frame_an_agent_may_say_has_one_rule(void **state)
{
    unsigned rules = 0;
    unsigned expected = 0;

    (void)state;
    for (unsigned i = 0; session_rule(i) != NULL; i++) {
        int number = (int)session_rule(i)->type;

        rules++;
        assert_true(number < 16 || number >= 32);
        assert_true(session_rule(i)->body_max <= FRAME_BODY_MAX);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(session_rule(k)->type, number);
    }
#undef U32
#undef U64
#undef I64
#undef STR
#undef BYTES
#undef LIST
#define U32(f)
#define U64(f)
#define I64(f)
#define STR(f, max)
#define BYTES(f, max)
#define LIST(f, type, max)
#define FRAME(NAME, name, number) expected += (number) < 16 || (number) >= 32;
#define END_FRAME(NAME, name)
#include "wire/frames.def"
    assert_int_equal(rules, expected);
}

static void test_link_protocol__text_from_outside_is_cleaned(void **state)
{
    char out[16];

    (void)state;
    assert_string_equal(link_clean_text(SLICE("  a\tb\x1b[1m\xff \n"), out, sizeof(out)), "a b?[1m?");
    assert_string_equal(link_clean_text(SLICE("\xc3\xa9\xed\xa0\x80"), out, sizeof(out)), "\xc3\xa9???");
    assert_string_equal(link_clean_text(SLICE("0123456789abcdefgh"), out, sizeof(out)), "0123456789a");
    assert_string_equal(link_clean_text(SLICE(""), out, sizeof(out)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_protocol__the_document_shows_the_frames),
        cmocka_unit_test(test_link_protocol__each_frame_an_agent_may_say_has_one_rule),
        cmocka_unit_test(test_link_protocol__text_from_outside_is_cleaned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
