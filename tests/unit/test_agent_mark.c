/* What the agents of a folder are known by: the same for all of one folder, another one for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/setup.h"

/* A folder of a test, which is the present one meanwhile. */
static int enter(void **state)
{
    static char dir[64];

    (void)snprintf(dir, sizeof(dir), "/tmp/wrata-mark-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    *state = dir;
    return 0;
}

static int leave(void **state)
{
    (void)unlink("mark");
    assert_int_equal(chdir("/"), 0);
    return rmdir(*state);
}

static void put(const char *text)
{
    FILE *f = fopen("mark", "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_agent_mark__stays(void **state)
{
    char first[SETUP_MARK_BYTES];
    char next[SETUP_MARK_BYTES];

    (void)state;
    setup_mark("ab12", first, sizeof(first));
    assert_int_equal(strlen(first), strlen("ab12-01234567"));
    assert_memory_equal(first, "ab12-", 5);
    setup_mark("ab12", next, sizeof(next));
    assert_string_equal(first, next);
}

/* As /root of two hosts that share a kernel: the path says nothing. */
static void test_agent_mark__is_another_one_for_each_folder(void **state)
{
    char one[SETUP_MARK_BYTES];
    char other[SETUP_MARK_BYTES];

    (void)state;
    setup_mark("ab12", one, sizeof(one));
    assert_int_equal(unlink("mark"), 0);
    setup_mark("ab12", other, sizeof(other));
    assert_string_not_equal(one, other);
}

static void test_agent_mark__a_damaged_file_is_written_anew(void **state)
{
    static const char *const bad[] = {"",           "0123",       "0123456", "0123456g",
                                      "01234567\n", "0123456789", "../../.."};
    char one[SETUP_MARK_BYTES];
    char next[SETUP_MARK_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        put(bad[i]);
        setup_mark("ab12", one, sizeof(one));
        assert_int_equal(strspn(one + 5, "0123456789abcdef"), 8);
        assert_int_equal(strlen(one), 13);
        setup_mark("ab12", next, sizeof(next));
        assert_string_equal(one, next);
    }
    put("0a1b2c3d");
    setup_mark("ab12", one, sizeof(one));
    assert_string_equal(one, "ab12-0a1b2c3d");
}

static void test_agent_mark__a_long_instance_is_cut(void **state)
{
    char mark[SETUP_MARK_BYTES];

    (void)state;
    setup_mark("0123456789012345678901234567890123456789012345678901234567890123456789", mark, sizeof(mark));
    assert_int_equal(strlen(mark), 48 + 1 + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_agent_mark__stays, enter, leave),
        cmocka_unit_test_setup_teardown(test_agent_mark__is_another_one_for_each_folder, enter, leave),
        cmocka_unit_test_setup_teardown(test_agent_mark__a_damaged_file_is_written_anew, enter, leave),
        cmocka_unit_test_setup_teardown(test_agent_mark__a_long_instance_is_cut, enter, leave),
    };

    return cmocka_run_group_tests_name("agent_mark", tests, NULL, NULL);
}
