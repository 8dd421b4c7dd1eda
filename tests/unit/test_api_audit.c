/* The audit log's times and cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/account_common.h"
#include "wire/csv.h"

static void test_api_audit__times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01", 0},
                {"2000-03-01", INT64_C(951868800000)},
                {"2024-02-29T23:59:59.999Z", INT64_C(1709251199999)},
                {"2026-11-23T02:49Z", INT64_C(1795402140000)},
                {"2026-11-23T02:49:53Z", INT64_C(1795402193000)},
                {"9999-12-31", INT64_C(253402214400000)}};
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11",
                                      "2026-1-1",
                                      "2025-02-29",
                                      "1900-02-29",
                                      "2026-00-01",
                                      "2026-01-00",
                                      "2026-13-01",
                                      "2026-04-31",
                                      "2026-01-01Z",
                                      "2026-01-01T24:00Z",
                                      "1969-12-31",
                                      "2026-01-01 ",
                                      "2026-01-01T10:00",
                                      "2026-01-01T10:00:60Z",
                                      "2026-01-01T10:00:00.1Z",
                                      "2026-01-01T10:60Z",
                                      "2026-01-01T10:00Zx"};
    struct wall t;
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (time_read("from", good[i].text, &t, &why) != ERR_OK || t.ms != good[i].ms)
            fail_msg("%s: %lld", good[i].text, (long long)t.ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (time_read("from", bad[i], &t, &why) != ERR_INVALID)
            fail_msg("it passed: %s", bad[i]);
        assert_string_equal(why.field, "from");
    }
}

static void test_api_audit__a_cell_is_quoted_and_no_formula(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {{"", "\"\""},          {"plain", "\"plain\""}, {"a,b \"c\"\nd", "\"a,b \"\"c\"\"\nd\""},
                {"=1+1", "\"'=1+1\""}, {"+1", "\"'+1\""},      {"-1", "\"'-1\""},
                {"@sum", "\"'@sum\""}, {"\tx", "\"'\tx\""},    {"a=1", "\"a=1\""}};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_init(&b, 100);
        csv_text(&b, rows[i].in);
        assert_string_equal(buf_str(&b), rows[i].out);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_audit__times),
        cmocka_unit_test(test_api_audit__a_cell_is_quoted_and_no_formula),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
