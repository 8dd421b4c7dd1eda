/* test_command.c - which command runs which file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "project/project.h"

static const struct {
    const char *path;
    bool is_executable;
    bool has_gemfile_lock;
    const char *command; /* words between bars; "" not runnable */
    enum adapter_kind adapter;
} rows[] = {
    {"spec/a_spec.rb", false, true, "bundle|exec|rspec|spec/a_spec.rb", ADAPTER_RSPEC},
    {"spec/a_spec.rb", false, false, "rspec|spec/a_spec.rb", ADAPTER_RSPEC},
    {"spec/a_spec.rb:12", false, false, "rspec|spec/a_spec.rb:12", ADAPTER_RSPEC},
    {"spec/a_spec.rb:12:40", false, true, "bundle|exec|rspec|spec/a_spec.rb:12:40", ADAPTER_RSPEC},
    {"spec/a_spec.rb[1:2]", false, false, "rspec|spec/a_spec.rb[1:2]", ADAPTER_RSPEC},
    {"spec/a_spec.rb[1:2,1:3]", false, false, "rspec|spec/a_spec.rb[1:2,1:3]", ADAPTER_RSPEC},
    {"spec/a_spec.rb:x", false, false, "", ADAPTER_EXIT},
    {"spec/a_spec.rb[x]", false, false, "", ADAPTER_EXIT},
    {"spec/a_spec.rb:", false, false, "", ADAPTER_EXIT},
    {"lib/a.rb", true, true, "ruby|lib/a.rb", ADAPTER_EXIT},
    {"a.sh", false, false, "bash|a.sh", ADAPTER_EXIT},
    {"t/test_a.py", false, false, "pytest|t/test_a.py", ADAPTER_PYTEST},
    {"t/a_test.py", false, false, "pytest|t/a_test.py", ADAPTER_PYTEST},
    {"t/a.py", false, false, "", ADAPTER_EXIT},
    {"t/a.py", true, false, "./t/a.py", ADAPTER_EXIT},
    {"test_dir/a.py", false, false, "", ADAPTER_EXIT},
    {"bin/run", true, false, "./bin/run", ADAPTER_EXIT},
    {"bin/run", false, false, "", ADAPTER_EXIT},
    {"-x", true, false, "./-x", ADAPTER_EXIT},
    {"-x_spec.rb", false, false, "rspec|./-x_spec.rb", ADAPTER_RSPEC},
    {"-x.sh", false, false, "bash|./-x.sh", ADAPTER_EXIT},
    {"a b/c;d_spec.rb", false, false, "rspec|a b/c;d_spec.rb", ADAPTER_RSPEC},
    {"README", false, false, "", ADAPTER_EXIT},
};

static void test_command__is_chosen_by_the_name(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct plan_file f;
        struct why why;
        char words[256] = "";
        enum err err =
            command_for(rows[i].path, rows[i].is_executable, rows[i].has_gemfile_lock, &a, &f, &why);

        if (rows[i].command[0] == '\0') {
            if (err != ERR_INVALID)
                fail_msg("%s should not be runnable", rows[i].path);
            assert_non_null(strstr(why.text, rows[i].path));
            assert_string_equal(why.field, "files");
            continue;
        }
        assert_int_equal(err, ERR_OK);
        for (uint32_t k = 0; k < f.n_argv; k++) {
            (void)strcat(words, k > 0 ? "|" : "");
            (void)strcat(words, f.argv[k]);
        }
        assert_string_equal(words, rows[i].command);
        assert_string_equal(f.path, rows[i].path);
        assert_int_equal(f.adapter, rows[i].adapter);
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command__is_chosen_by_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
