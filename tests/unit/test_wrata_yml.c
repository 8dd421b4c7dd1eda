/* test_wrata_yml.c - wrata.yml: every fault with its line, every key with its value, commands with their words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "project/wrata_yml.h"
#include "wire/json_out.h"

/* Every problem as a line, or "". */
static const char *problems_of(const char *text)
{
    static char out[8192];
    struct arena a;
    struct yml_problems p = {.arena = &a};
    struct yml_file f;
    enum err err;

    arena_init(&a);
    err = wrata_yml_parse(slice_of(text), &f, &p);
    assert_true((err == ERR_OK) == (p.n == 0));
    out[0] = '\0';
    for (uint32_t i = 0; i < p.n; i++) {
        size_t n = strlen(out);

        if (i > 0)
            out[n++] = '\n';
        yml_problem_text(&p.at[i], "f", out + n, sizeof(out) - n);
    }
    arena_done(&a);
    return out;
}

#define COMMAND "commands:\n- glob: a\n  run: [x]\n"

static const struct {
    const char *text;
    const char *problems;
} faults[] = {
    /* YAML itself */
    {"image: [x\n", "f:2: this is not YAML: did not find expected ',' or ']' while parsing a flow sequence"},
    {"a\tb: \"\x01\"", "f:1: the text is not UTF-8, or holds control characters"},
    {"image: \xff\n", "f:1: the text is not UTF-8, or holds control characters"},
    {"image: &x debian\n", "f:1: anchors (&) and tags (!) are not understood here; quote the text"},
    {"image: !!str debian\n", "f:1: anchors (&) and tags (!) are not understood here; quote the text"},
    {"\nimage: *x\n", "f:2: aliases (*) are not understood here; quote the text, as in \"*.feature\""},
    {"slots: 1\n---\nslots: 2\n", "f:2: a second document (---); there is one in a file"},
    {"slots: 1\n\nslots: 2\n", "f:3: slots: is there already, in line 1; remove one of them"},
    {"[[[[[[[[[1]]]]]]]]]", "f:1: mappings and lists nest deeper than 8"},
    {"? [a]\n: b\n", "f:1: a list or a mapping where a key belongs; quote what begins with [ or {"},
    {"image: \"a\\0b\"\n", "f:1: a text holds a NUL character"},
    {"- a\n", "f:1: a list is not a mapping; write one `key: value` a line"},
    {"text\n", "f:1: 'text' is not a mapping; write one `key: value` a line"},
    /* keys */
    {"imag: debian\n", "f:1: imag: there is no such key; did you mean image?"},
    {"zzz: 1\n", "f:1: zzz: there is no such key; there are image, container, prepare, prepare_time_limit, "
                 "commands, report, artifacts, time_limit, silence_limit, retries, lease, env, submodules, "
                 "lfs, slots, warm, preload"},
    {COMMAND "  globb: b\n", "f:4: commands[0].globb: there is no such key; did you mean glob?"},
    {"commands:\n- run: [x]\n", "f:2: commands[0]: has no glob"},
    {"commands:\n- glob: a\n", "f:2: commands[0]: has no run"},
    {"container:\n  args: [-v]\n",
     "f:2: container.args: arguments of docker or podman are not taken; use the keys that are there"},
    /* kinds */
    {"slots: [1]\n", "f:1: slots: a list is not a number from 1 to 256"},
    {"slots: 0\n", "f:1: slots: '0' is not a number from 1 to 256"},
    {"slots: 257\n", "f:1: slots: '257' is not a number from 1 to 256"},
    {"slots: \"4\"\n", "f:1: slots: '4' is not a number from 1 to 256"},
    {"slots: 99999999999999999999\n", "f:1: slots: '99999999999999999999' is not a number from 1 to 256"},
    {"slots: -1\n", "f:1: slots: '-1' is not a number from 1 to 256"},
    {"slots: 1.5\n", "f:1: slots: '1.5' is not a number from 1 to 256"},
    {"slots:\n", "f:1: slots: nothing is not a number from 1 to 256"},
    {"preload: a.rb\nwarm: false\n", "f:1: preload: is of use with `warm: true` alone"},
    {"warm: yes\n", "f:1: warm: 'yes' is not true or false"},
    {"warm: \"true\"\n", "f:1: warm: 'true' is not true or false"},
    {"time_limit: 90\n",
     "f:1: time_limit: '90' is not a duration like 90s, 15m or 2h, from 0s to 30d; it has no "
     "unit"},
    {"time_limit: 31d\n", "f:1: time_limit: '31d' is not a duration like 90s, 15m or 2h, from 0s to 30d"},
    {"time_limit: 5m5m\n", "f:1: time_limit: '5m5m' is not a duration like 90s, 15m or 2h, from 0s to 30d"},
    {"lease: 9s\n", "f:1: lease: '9s' is not a duration like 90s, 15m or 2h, from 10s to 1h"},
    {"prepare_time_limit: 0\n",
     "f:1: prepare_time_limit: '0' is not a duration like 90s, 15m or 2h, from 1s to 1d"},
    {"image: a\ncontainer: {shm: 2gb}\n",
     "f:2: container.shm: '2gb' is not a size like 512m or 2g, from 64k to 1t"},
    {"container: {shm: 2t}\n", "f:1: container.shm: '2t' is not a size like 512m or 2g, from 64k to 1t"},
    {"container: {pids: 3}\n", "f:1: container.pids: '3' is not a number from 16 to 4194304"},
    {"container: debian\n", "f:1: container: 'debian' is not a mapping; write one `key: value` a line"},
    {"commands: x\n", "f:1: commands: 'x' is not a list"},
    {"commands: [x]\n", "f:1: commands[0]: 'x' is not a mapping; write one `key: value` a line"},
    {"commands:\n- glob: a\n  run: bash x\n", "f:3: commands[0].run: 'bash x' is not a list of texts"},
    {"commands:\n- glob: a\n  run: []\n", "f:3: commands[0].run: has 0 items, and may have 1 to 200"},
    {"commands:\n- glob: a\n  run: [x, [y]]\n", "f:3: commands[0].run[1]: a list is not a text"},
    {"commands:\n- glob: a\n  run: [x, ~]\n", "f:3: commands[0].run[1]: nothing is not a text"},
    {COMMAND "  report: html\n",
     "f:4: commands[0].report: 'html' is not one of rspec, junit, tap, pytest, exit"},
    {COMMAND "  retries: 11\n", "f:4: commands[0].retries: '11' is not a number from 0 to 10"},
    /* texts */
    {"commands:\n- glob: /a\n  run: [x]\n",
     "f:2: commands[0].glob: '/a' is absolute; paths begin at the project's root"},
    {"artifacts: [./a]\n", "f:1: artifacts[0]: './a' begins with ./; paths begin at the project's root"},
    {"artifacts: [a/../../b]\n", "f:1: artifacts[0]: 'a/../../b' leads out of the project by '..'"},
    {"artifacts: [a//b]\n", "f:1: artifacts[0]: 'a//b' has an empty name between or behind its slashes"},
    {"artifacts: [\"a\\nb\"]\n", "f:1: artifacts[0]: 'a\\x0ab' holds a control character"},
    {"artifacts:\n- max_size: 5m\n", "f:2: artifacts[0]: has no glob"},
    {"image: -v\n", "f:1: image: '-v' has a name that begins or ends with . _ or -"},
    {"image: \"a b\"\n",
     "f:1: image: 'a b' is not the name of an image like registry.example.org/qa/ruby:3.2"},
    {"image: Debian\n", "f:1: image: 'Debian' has a capital letter where only small ones may be"},
    {"container: {pull: missing}\n", "f:1: container: is of use with `image` alone"},
    {"image: a\ncontainer:\n  pull: no\n", "f:3: container.pull: 'no' is not one of always, missing, never"},
    {"image: a\ncontainer: {new_privileges: 1}\n", "f:2: container.new_privileges: '1' is not true or false"},
    {"image: a\ncontainer: {mounts: [\"/a:/\"]}\n",
     "f:2: container.mounts[0]: '/a:/' would hide the whole image: its target is /"},
    {"image: a\ncontainer: {mounts: [\"/a:/.wrata/x:ro\"]}\n",
     "f:2: container.mounts[0]: '/a:/.wrata/x:ro' has a target in /.wrata, where wrata's own part of the "
     "container is"},
    {"image: a\ncontainer: {mounts: [\"/a,ro:/b\"]}\n",
     "f:2: container.mounts[0]: '/a,ro:/b' holds a comma, a colon or a quote, with which podman and docker "
     "cannot mount it"},
    {"image: \"\"\n", "f:1: image: has 0 bytes, and may have 1 to 255"},
    {"container: {network: \"a b\"}\n", "f:1: container.network: 'a b' is not the name of a network"},
    {"container: {user: -x}\n", "f:1: container.user: '-x' is not a user like 1000, nobody or 1000:1000"},
    {"container: {hostname: a.b}\n",
     "f:1: container.hostname: 'a.b' is not a host name: letters, digits and -"},
    {"container: {mounts: [\"a:/b\"]}\n", "f:1: container.mounts[0]: 'a:/b' is not /source:/target or "
                                          "/source:/target:ro, both absolute"},
    {"container: {mounts: [\"/a:/b:x\"]}\n", "f:1: container.mounts[0]: '/a:/b:x' is not /source:/target or "
                                             "/source:/target:ro, both absolute"},
    {"container: {mounts: [\"/a/../b:/b\"]}\n",
     "f:1: container.mounts[0]: '/a/../b:/b' is not /source:/target or "
     "/source:/target:ro, both absolute"},
    /* variables */
    {"env: [A]\n", "f:1: env: a list is not a mapping of names to texts"},
    {"env:\n  A: 1\n  WRATA_X: 1\n", "f:3: env.WRATA_X: names that begin with WRATA_ are wrata's own"},
    {"env: {1A: x}\n", "f:1: env.1A: is not the name of a variable: letters, digits and _"},
    {"env: {A-B: x}\n", "f:1: env.A-B: is not the name of a variable: letters, digits and _"},
    {"env:\n  A:\n", "f:2: env.A: nothing is not a text; an empty one is \"\""},
    {"env: {A: [1]}\n", "f:1: env.A: a list is not a text; an empty one is \"\""},
    /* what belongs together */
    {"prepare:\n- name: x\n", "f:2: prepare[0]: has none of run and script, and needs one"},
    {"prepare:\n- run: [x]\n  script: y\n", "f:2: prepare[0]: has both of run and script, and needs one"},
    {"prepare:\n- run: [\"\"]\n", "f:2: prepare[0].run[0]: the program's name is empty"},
    {COMMAND "  report: junit\n",
     "f:2: commands[0]: with report junit, `reports` must say which files it writes"},
    {"report: junit\n" COMMAND,
     "f:3: commands[0]: with report junit, `reports` must say which files it writes"},
    {COMMAND "  reports: [x]\n", "f:4: commands[0].reports: is of use with report junit alone"},
    {COMMAND "  report: rspec\n",
     "f:3: commands[0].run: with report rspec, the first or the third word must be "
     "rspec, as in bundle exec rspec"},
    {"commands:\n- glob: a\n  run:\n  - x\n  - \"{fiel}\"\n",
     "f:5: commands[0].run[1]: '{fiel}' is none of {file}, {line} and {id}; {{ is a plain brace"},
    {"commands:\n- glob: a\n  run: [x, \"{file}:{line}\"]\n",
     "f:3: commands[0].run[1]: a word with {line} or {id} is left out where none was asked for, so {file} "
     "may "
     "not stand in it"},
    {"commands:\n- glob: a\n  run: [\"{id}\"]\n",
     "f:3: commands[0].run[0]: the program's name may not depend on {line} or {id}"},
    {"commands:\n- glob: a\n  run: [\"\"]\n", "f:3: commands[0].run[0]: the program's name is empty"},
    /* several at once, in the order of the lines; what is missing may be the misspelt one */
    {"slots: 0\nwarm: 1\ncommands:\n- glop: a\n  run: [x]\n",
     "f:1: slots: '0' is not a number from 1 to 256\nf:2: warm: '1' is not true or false\n"
     "f:4: commands[0].glop: there is no such key; did you mean glob?"},
    /* and nothing wrong */
    {"", ""},
    {"# nothing\n", ""},
    {"---\n...\n", ""},
    {"report: rspec\ncommands:\n- {glob: a, run: [bundle, exec, rspec, \"{file}\"]}\n", ""},
    {"commands:\n- {glob: a, run: [bash, -c, \"a\\nb {{x} {} {A} { file}\"]}\n", ""},
    {"time_limit: 0\nlease: 1h\nimage: a\ncontainer: {shm: 1T, memory: 5242880}\n", ""},
};

static void test_wrata_yml__every_fault_has_its_line_and_key(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(faults); i++)
        assert_string_equal(problems_of(faults[i].text), faults[i].problems);
}

static void test_wrata_yml__what_is_too_large_is_refused_quickly(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, MIB(1));
    while (b.len <= YML_BYTES_MAX)
        buf_puts(&b, "# a comment, and another one\n");
    assert_non_null(strstr(problems_of(buf_str(&b)), "262144 is the most"));
    buf_clear(&b);
    buf_puts(&b, "artifacts: [");
    for (int i = 0; i < 60; i++)
        buf_puts(&b, "a,");
    buf_puts(&b, "]\n");
    assert_string_equal(problems_of(buf_str(&b)), "f:1: artifacts: has 60 items; 50 is the most");
    buf_clear(&b);
    for (int i = 0; i < 30000; i++)
        buf_puts(&b, "- a\n");
    assert_string_equal(problems_of(buf_str(&b)), "f:20000: more than 20000 values");
    buf_clear(&b);
    for (int i = 0; i < 400; i++)
        buf_printf(&b, "k%d: 1\n", i);
    assert_string_equal(problems_of(buf_str(&b)), "f:301: more than 300 keys in one mapping");
    buf_clear(&b);
    buf_puts(&b, "env:\n");
    for (int i = 0; i < 90; i++)
        buf_printf(&b, "  K%d: %01500d\n", i, 0);
    assert_non_null(strstr(problems_of(buf_str(&b)), "f:1: env: has 1"));
    buf_clear(&b);
    for (int i = 0; i < 100000; i++)
        buf_puts(&b, "[");
    assert_string_equal(problems_of(buf_str(&b)), "f:1: mappings and lists nest deeper than 8");
    buf_clear(&b);
    buf_puts(&b, "commands:\n");
    for (int i = 0; i < 90; i++)
        buf_puts(&b, "- {glop: x}\n");
    (void)problems_of(buf_str(&b));
    buf_done(&b);
}

static void test_wrata_yml__a_file_says_what_it_says(void **state)
{
    struct arena a;
    struct yml_problems p = {.arena = &a};
    struct yml_file f;

    (void)state;
    arena_init(&a);
    assert_int_equal(wrata_yml_parse(SLICE("image: debian:12\n"
                                           "container: {shm: 512m, privileged: true, mounts: [/a:/b]}\n"
                                           "commands:\n"
                                           "- {glob: a, run: [x, 1, true], time_limit: 1h30m, retries: 0}\n"
                                           "- {glob: b, run: [y], report: tap}\n"
                                           "artifacts: [a, {glob: b, max_size: 5m}]\n"
                                           "env: {A: 01, B: \"x y\", C: ''}\n"
                                           "warm: false\n"),
                                     &f, &p),
                     ERR_OK);
    assert_string_equal(f.image, "debian:12");
    assert_int_equal(f.container.line, 2);
    assert_int_equal(f.container.shm, MIB(512));
    assert_int_equal(f.container.memory, -1);
    assert_int_equal(f.container.privileged, 1);
    assert_string_equal(f.container.user, "");
    assert_string_equal(f.container.mounts.at[0], "/a:/b");
    assert_int_equal(f.commands.n, 2);
    assert_string_equal(f.commands.at[0].run.at[1], "1");
    assert_string_equal(f.commands.at[0].run.at[2], "true");
    assert_int_equal(f.commands.at[0].time_limit, 5400000);
    assert_int_equal(f.commands.at[0].silence_limit, -1);
    assert_int_equal(f.commands.at[0].retries, 0);
    assert_int_equal(f.commands.at[0].report, -1);
    assert_int_equal(f.commands.at[1].report, YML_REPORT_TAP);
    assert_int_equal(f.commands.at[1].line, 5);
    assert_string_equal(f.artifacts.at[0].glob, "a");
    assert_int_equal(f.artifacts.at[0].max_size, -1);
    assert_int_equal(f.artifacts.at[1].max_size, MIB(5));
    assert_int_equal(f.env.n, 3);
    assert_string_equal(f.env.at[0], "A=01");
    assert_string_equal(f.env.at[1], "B=x y");
    assert_string_equal(f.env.at[2], "C=");
    assert_int_equal(f.warm, 0);
    assert_int_equal(f.prepare.n, 0);
    assert_int_equal(f.lease, -1);
    arena_done(&a);
}

/* ---- commands ---- */

static const struct {
    const char *run; /* as in the file */
    struct yml_target target;
    const char *words;
} expansions[] = {
    {"x, '{file}'", {"a/b.x", "a/b.x", "", ""}, "x a/b.x"},
    {"x, '{file}'", {"a/b.x:12", "a/b.x", "12", ""}, "x a/b.x:12"},
    {"x, '{file}', '-l{line}'", {"a/b.x:12", "a/b.x", "12", ""}, "x a/b.x -l12"},
    {"x, '{file}', '-l{line}'", {"a/b.x", "a/b.x", "", ""}, "x a/b.x"},
    {"x, '{file}', '-l', '{line}', '{id}'", {"b[1:2]", "b", "", "1:2"}, "x b -l 1:2"},
    {"x, '--file={file}!'", {"-b", "-b", "", ""}, "x --file=-b!"},
    {"x, '{file}'", {"-b", "-b", "", ""}, "x ./-b"},
    {"'{file}'", {"b", "b", "", ""}, "./b"},
    {"x, '{{file}', '{}', 'a{A}'", {"b", "b", "", ""}, "x {file} {} a{A}"},
    {"x, '{file}{file}'", {"$(a) b", "$(a) b", "", ""}, "x $(a) b$(a) b"},
    {"make", {"b", "b", "", ""}, "make"},
};

static void test_wrata_yml__words_get_their_values(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(expansions); i++) {
        struct arena a;
        struct yml_problems p = {.arena = &a};
        struct yml_file f;
        const char *const *words;
        const char *text;
        struct buf out;
        uint32_t n;

        arena_init(&a);
        text = arena_printf(&a, "commands: [{glob: a, run: [%s]}]", expansions[i].run);
        assert_int_equal(wrata_yml_parse(slice_of(text), &f, &p), ERR_OK);
        words = yml_command_words(&f.commands.at[0], &expansions[i].target, &a, &n);
        buf_init(&out, KIB(4));
        for (uint32_t k = 0; k < n; k++)
            buf_printf(&out, "%s%s", k > 0 ? " " : "", words[k]);
        assert_string_equal(buf_str(&out), expansions[i].words);
        assert_null(words[n]);
        buf_done(&out);
        arena_done(&a);
    }
}

/* ---- what only the files can tell ---- */

static const char *only_a(void *ctx, const char *path, bool is_script)
{
    (void)ctx;
    assert_int_equal(is_script, strcmp(path, "c.rb") != 0);
    return strcmp(path, "a.sh") == 0 ? NULL : "is not in the project";
}

static void test_wrata_yml__scripts_and_preload_must_be_there(void **state)
{
    struct arena a;
    struct yml_problems p = {.arena = &a};
    struct yml_file f;
    char text[200];

    (void)state;
    arena_init(&a);
    assert_int_equal(
        wrata_yml_parse(SLICE("prepare:\n- script: a.sh\n- name: x\n  script: b.sh\npreload: c.rb\n"), &f,
                        &p),
        ERR_OK);
    wrata_yml_check_paths(&f, only_a, NULL, &p);
    assert_int_equal(p.n, 2);
    yml_problem_text(&p.at[0], "f", text, sizeof(text));
    assert_string_equal(text, "f:4: prepare[1].script: 'b.sh' is not in the project");
    yml_problem_text(&p.at[1], "f", text, sizeof(text));
    assert_string_equal(text, "f:5: preload: 'c.rb' is not in the project");
    arena_done(&a);
}

/* ---- documents ---- */

/* Is every key of the section given in one of its places in the example? `json` is an object or a list of them. */
static void has_every_key(const struct yml_section *s, json_t *json)
{
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const struct yml_row *row = &s->rows[i];
        char key[80];
        json_t *found = NULL;
        size_t n = json_is_array(json) ? json_array_size(json) : 1;

        if (row->type == YML_TYPE_REFUSED)
            continue;
        (void)snprintf(key, sizeof(key), "%s%s", row->key,
                       row->type == YML_TYPE_DURATION ? "_s"
                       : row->type == YML_TYPE_SIZE   ? "_bytes"
                                                      : "");
        for (size_t k = 0; k < n && found == NULL; k++) {
            json_t *value = json_object_get(json_is_array(json) ? json_array_get(json, k) : json, key);

            found = json_is_null(value) ? NULL : value;
        }
        if (found == NULL)
            fail_msg("the example has no %s.%s", s->name, row->key);
        if (row->section != NULL)
            has_every_key(row->section, found);
    }
}

static void test_wrata_yml__the_example_has_every_key(void **state)
{
    struct arena a;
    struct yml_problems p = {.arena = &a};
    struct yml_file f;
    struct json_out j;
    struct buf out;
    json_t *json;

    (void)state;
    assert_string_equal(problems_of(wrata_yml_example), "");
    arena_init(&a);
    buf_init(&out, MIB(1));
    assert_int_equal(wrata_yml_parse(slice_of(wrata_yml_example), &f, &p), ERR_OK);
    jo_begin(&j, &out);
    wrata_yml_json(&f, &j);
    json = json_loads(buf_str(&out), 0, NULL);
    assert_non_null(json);
    has_every_key(&yml_file_section, json);
    json_decref(json);
    buf_done(&out);
    arena_done(&a);
}

static void test_wrata_yml__the_document_is_the_table_s(void **state)
{
    struct buf out;
    char *file = calloc(1, MIB(1));
    FILE *f = fopen("docs/wrata-yml.md", "r");

    (void)state;
    assert_non_null(f);
    (void)!fread(file, 1, MIB(1) - 1, f);
    (void)fclose(f);
    buf_init(&out, MIB(1));
    wrata_yml_markdown(&out);
    if (strcmp(buf_str(&out), file) != 0)
        fail_msg("docs/wrata-yml.md is not what `wrata project --markdown` prints");
    buf_done(&out);
    free(file);
}

static void test_wrata_yml__the_schema_is_json(void **state)
{
    struct buf out;
    json_t *json;
    json_t *keys;

    (void)state;
    buf_init(&out, MIB(1));
    wrata_yml_schema(&out);
    json = json_loads(buf_str(&out), 0, NULL);
    assert_non_null(json);
    keys = json_object_get(json, "properties");
    assert_int_equal(json_object_size(keys), yml_file_section.n_rows);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(keys, "slots"), "maximum")), 256);
    json_decref(json);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrata_yml__every_fault_has_its_line_and_key),
        cmocka_unit_test(test_wrata_yml__what_is_too_large_is_refused_quickly),
        cmocka_unit_test(test_wrata_yml__a_file_says_what_it_says),
        cmocka_unit_test(test_wrata_yml__words_get_their_values),
        cmocka_unit_test(test_wrata_yml__scripts_and_preload_must_be_there),
        cmocka_unit_test(test_wrata_yml__the_example_has_every_key),
        cmocka_unit_test(test_wrata_yml__the_document_is_the_table_s),
        cmocka_unit_test(test_wrata_yml__the_schema_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
