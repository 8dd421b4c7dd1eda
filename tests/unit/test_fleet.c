/* test_fleet.c - kinds of fleets, and the fleets that are open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fleet/fleet_private.h"

static void test_fleet__every_fault_and_state_has_words(void **state)
{
    (void)state;
    for (int i = 0; i < FLEET_FAULT_COUNT; i++) {
        assert_true(strlen(fleet_fault_name((enum fleet_fault)i)) > 0);
        assert_true(strlen(fleet_fault_sentence((enum fleet_fault)i)) > 10);
    }
    for (int i = 0; i < MACHINE_STATE_COUNT; i++)
        assert_true(strlen(machine_state_name((enum machine_state)i)) > 0);
    assert_string_equal(fleet_fault_name(FLEET_FAULT_LIMIT), "limit");
}

static void test_fleet__a_kind_is_found_by_its_word(void **state)
{
    (void)state;
    for (uint32_t i = 0; fleet_ops_at(i) != NULL; i++) {
        const struct fleet_ops *ops = fleet_ops_at(i);

        assert_ptr_equal(fleet_ops_find(ops->kind), ops);
        assert_non_null(ops->options);
        assert_true(strlen(ops->help) > 0);
        if (!ops->makes_machines)
            continue;
        assert_non_null(ops->open);
        assert_non_null(ops->create);
        assert_non_null(ops->destroy);
        assert_non_null(ops->list);
        assert_non_null(ops->renew);
        assert_non_null(ops->catalog);
        assert_non_null(ops->connect);
        assert_non_null(ops->close);
    }
    assert_null(fleet_ops_find("azure"));
}

static void test_fleet__options_of_another_kind_are_refused_by_name(void **state)
{
    struct why why = {0};

    (void)state;
    assert_int_equal(fleet_options_check("local", "{}", 2, &why), ERR_OK);
    assert_int_equal(fleet_options_check("ssh", "", 0, &why), ERR_OK);
    assert_int_equal(fleet_options_check("locla", "{}", 2, &why), ERR_INVALID);
    assert_string_equal(why.field, "kind");
    assert_string_equal(why.text, "kind: 'locla' is no kind of fleet; did you mean 'local'?");
    assert_int_equal(fleet_options_check("local", "{\"size\":1}", 10, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "there is no field 'size'"));
    assert_int_equal(fleet_options_check("local", "{", 1, &why), ERR_INVALID);
}

static void test_fleet__any_name_of_a_server_becomes_a_host_name(void **state)
{
    static const struct {
        const char *name;
        const char *host;
    } cases[] = {
        {"web-1", "web-1"},
        {"qa_x.2", "qa-x.2"},
        {"a-", "a"},
        {"a.-_", "a"},
        {"_a", "a"},
        {"", "machine"},
        {"___", "machine"},
        {"a b\nc", "a-b-c"},
        {"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggggg",
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"},
    };
    char out[MACHINE_NAME_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(machine_name_clean(cases[i].name, out), cases[i].host);
}

/* ---- docs/fleets.md ---- */

#define DOCUMENT "docs/fleets.md"

static char *read_document(void)
{
    FILE *f = fopen(DOCUMENT, "re");
    char *text = xcalloc(1, MIB(1));

    assert_non_null(f);
    assert_true(fread(text, 1, MIB(1) - 1, f) > 0);
    (void)fclose(f);
    return text;
}

static void options_table(const struct fleet_ops *ops, struct buf *out)
{
    buf_puts(out, "| option | default | what |\n|---|---|---|\n");
    for (const struct field *f = ops->options; f->type != FIELD_END; f++)
        buf_printf(out, "| `%s` | %s | %s |\n", f->name,
                   f->flags & FIELD_REQUIRED ? "needed"
                   : f->preset != NULL       ? f->preset
                                             : "-",
                   f->help);
}

/* Differs? UPDATE=1 writes the tables anew; a person reads the difference. */
static void test_fleet__the_document_has_all_options(void **state)
{
    static const char *const kinds[] = {"digitalocean", "command", "fake"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char *text = read_document();
        char begin[64];
        char *from;
        char *to;
        struct buf table;

        (void)snprintf(begin, sizeof(begin), "<!-- options of %s -->\n", kinds[i]);
        from = strstr(text, begin);
        assert_non_null(from);
        from += strlen(begin);
        to = strstr(from, "<!-- end -->");
        assert_non_null(to);
        buf_init(&table, KIB(64));
        options_table(fleet_ops_find(kinds[i]), &table);
        if ((size_t)(to - from) != table.len || memcmp(from, buf_str(&table), table.len) != 0) {
            FILE *f;

            if (getenv("UPDATE") == NULL)
                fail_msg("%s lacks this table:\n%s", DOCUMENT, buf_str(&table));
            f = fopen(DOCUMENT, "we");
            assert_non_null(f);
            (void)fprintf(f, "%.*s%s%s", (int)(from - text), text, buf_str(&table), to);
            (void)fclose(f);
        }
        buf_done(&table);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fleet__every_fault_and_state_has_words),
        cmocka_unit_test(test_fleet__a_kind_is_found_by_its_word),
        cmocka_unit_test(test_fleet__options_of_another_kind_are_refused_by_name),
        cmocka_unit_test(test_fleet__any_name_of_a_server_becomes_a_host_name),
        cmocka_unit_test(test_fleet__the_document_has_all_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
