/* test_glob.c - the table of what matches what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/check.h"
#include "project/project.h"

static const struct {
    const char *glob;
    const char *path;
    bool matches;
} rows[] = {
    {"spec/a_spec.rb", "spec/a_spec.rb", true},
    {"spec/*_spec.rb", "spec/a_spec.rb", true},
    {"spec/*_spec.rb", "spec/b/a_spec.rb", false},
    {"*", "a", true},
    {"*", "a/b", false},
    {"*/*", "a/b", true},
    {"**", "a/b/c", true},
    {"**/*.rb", "a.rb", true},
    {"**/*.rb", "a/b/c.rb", true},
    {"spec/**/*_spec.rb", "spec/a_spec.rb", true},
    {"spec/**/*_spec.rb", "spec/a/b/c_spec.rb", true},
    {"spec/**/*_spec.rb", "lib/a_spec.rb", false},
    {"spec/**", "spec/a/b", true},
    {"spec/**", "spec", false},
    {"a/**/b/**/c", "a/b/c", true},
    {"a/**/b/**/c", "a/x/b/y/z/c", true},
    {"a/**/b/**/c", "a/x/c", false},
    {"**/a/b", "a/a/b", true},
    {"**/a/b", "x/a/a/b", true},
    {"a**b", "axxb", true},
    {"a**b", "a/b", false},
    {"?_spec.rb", "a_spec.rb", true},
    {"?_spec.rb", "ab_spec.rb", false},
    {"?.rb", "\xc3\xa9.rb", true},
    {"?.rb", "/.rb", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[^a-c]x", "bx", false},
    {"[]]x", "]x", true},
    {"[a-]x", "-x", true},
    {"[\\]]x", "]x", true},
    {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true},
    {"[", "[", true},
    {"[a", "[a", true},
    {"a[b/c]d", "a[b/c]d", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"*a*b*c*", "xxaxxbxxcxx", true},
    {"*a*b*c*", "xxaxxcxxbxx", false},
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"**", "", false},
    {"a/", "a", false},
    {"*.sh", ".x.sh", true},
    {"\xff*", "\xff\xfe", true},
};

static void test_glob__matches_as_the_table_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        if (glob_match(rows[i].glob, rows[i].path) != rows[i].matches)
            fail_msg("glob '%s' and path '%s' should%s match", rows[i].glob, rows[i].path,
                     rows[i].matches ? "" : " not");
    }
}

/* Of this process alone, whatever else the machine does. */
static int64_t worked_ms(void)
{
    struct timespec ts;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void test_glob__no_pattern_makes_it_slow(void **state)
{
    int64_t begin = worked_ms();
    char glob[512] = "";
    char path[3000];

    (void)state;
    for (int i = 0; i < 60; i++)
        (void)strcat(glob, "**/*a*/");
    (void)strcat(glob, "b");
    for (size_t i = 0; i < sizeof(path) - 1; i++)
        path[i] = i % 3 == 2 ? '/' : 'a';
    path[sizeof(path) - 1] = '\0';
    assert_false(glob_match(glob, path));
    (void)memset(glob, '*', sizeof(glob) - 2);
    for (size_t i = 0; i < sizeof(glob) - 2; i += 2)
        glob[i] = 'a';
    glob[sizeof(glob) - 2] = 'b';
    glob[sizeof(glob) - 1] = '\0';
    (void)memset(path, 'a', sizeof(path) - 1);
    assert_false(glob_match(glob, path));
    assert_true(worked_ms() - begin < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob__matches_as_the_table_says),
        cmocka_unit_test(test_glob__no_pattern_makes_it_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
