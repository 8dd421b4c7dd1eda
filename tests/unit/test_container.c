/* Containers of runs: the command lines, what podman and docker answer, names of images, who a run is inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/container_plan.h"
#include "agent/inside_user.h"
#include "wire/agent_image.h"

static const char *joined(struct arena *a, char *const *words)
{
    const char *out = "";

    for (; *words != NULL; words++)
        out = arena_printf(a, "%s%s%s", out, out[0] != '\0' ? " " : "", *words);
    return out;
}

static void test_container__is_made_with_what_was_asked_and_nothing_of_the_run(void **state)
{
    static const struct container_mount mounts[] = {{"/a", "/b", true}, {"/c", "/c", false}};
    struct container_spec s = {.engine = ENGINE_PODMAN,
                               .name = "n",
                               .mark = "i1-00",
                               .run = 7,
                               .image = "abc",
                               .host = "wrata-qa-0",
                               .network = "none",
                               .memory_bytes = 1000,
                               .pids = 50,
                               .mounts = mounts,
                               .n_mounts = 2};
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_string_equal(
        joined(&a, container_create_argv(&a, &s)),
        "podman create --name n --label wrata.agent=i1-00 --label wrata.run=7 --pull never --log-driver none "
        "--no-healthcheck --security-opt label=disable --http-proxy=false --user 0:0 --hostname wrata-qa-0 "
        "--network none "
        "--shm-size 2147483648 --memory 1000 --memory-swap 1000 --pids-limit 50 --security-opt "
        "no-new-privileges "
        "--mount type=bind,src=/a,dst=/b,readonly --mount type=bind,src=/c,dst=/c --entrypoint /.wrata/agent "
        "abc inside");
    s = (struct container_spec){.engine = ENGINE_DOCKER,
                                .name = "n",
                                .mark = "m",
                                .image = "abc",
                                .host = "",
                                .network = "",
                                .is_privileged = true};
    assert_string_equal(
        joined(&a, container_create_argv(&a, &s)),
        "docker create --name n --label wrata.agent=m --label wrata.run=0 --pull never --log-driver none "
        "--no-healthcheck --security-opt label=disable --user 0:0 --shm-size 2147483648 --privileged "
        "--entrypoint /.wrata/agent abc inside");
    s.is_privileged = false;
    s.has_new_privileges = true;
    assert_null(strstr(joined(&a, container_create_argv(&a, &s)), "privileges"));
    arena_done(&a);
}

static void test_container__names_of_two_agents_and_two_lives_differ(void **state)
{
    char one[CONTAINER_NAME_BYTES];
    char two[CONTAINER_NAME_BYTES];
    char host[64];

    (void)state;
    container_name("i1-00aa", 5, 9, 0, one);
    assert_string_equal(one, "wrata-i1-00aa-0000000000000005-9");
    assert_string_equal(container_box(one, "i1-00aa"), "0000000000000005-9");
    container_name("i1-00aa", 5, 9, 2, two);
    assert_string_equal(two, "wrata-i1-00aa-0000000000000005-9-p2");
    assert_false(container_is_left(one, "i1-00aa", 5));
    assert_true(container_is_left(one, "i1-00aa", 6));
    assert_false(container_is_left(one, "i1-00ab", 6));
    container_host("qa_01.example", 3, host);
    assert_string_equal(host, "wrata-qa-01-example-3");
    container_host("a-very-long-name-of-a-server-that-is-longer-than-a-host-may-be-called", 12, host);
    assert_int_equal(strlen(host), 63);
    assert_string_equal(host + 60, "-12");
    container_host("", 0, host);
    assert_string_equal(host, "wrata-0");
}

static void test_container__answers_are_read_or_refused(void **state)
{
    struct container_state s;
    struct container_image i;
    static const struct {
        const char *name, *digest;
    } digests[] = {{"localhost/qa:1", "sha256:1"},
                   {"debian", "sha256:2"},
                   {"debian:12", "sha256:2"},
                   {"ebian:12", "sha256:1"},
                   {"127.0.0.1:5000/qa/t:1", "sha256:3"},
                   {"127.0.0.1:5000/qa/t", "sha256:3"},
                   {"127.0.0.1:5000/qa/t@sha256:4", "sha256:4"},
                   {"qa/t:1@sha256:5", "sha256:5"},
                   {"somebody/else:1", "sha256:1"}};
    char text[64];

    (void)state;
    assert_true(container_state_parse("exited|137|true|\n", &s));
    assert_true(s.oom && !s.is_running && s.code == 137);
    assert_true(container_state_parse("running|0|false|\n", &s));
    assert_true(s.is_running);
    assert_false(container_state_parse("exited|x|true|\n", &s));
    assert_false(container_state_parse("", &s));
    assert_true(
        container_image_parse("sha256:09add6427f15e250fa328a8ebe1e910c556d2061007459268d5b039c32ef8da5|app|["
                              "\"r/t@sha256:12\"]|[\"HOME=/x\"]\n",
                              "t:1", &i));
    assert_string_equal(i.id, "09add6427f15e250fa328a8ebe1e910c556d2061007459268d5b039c32ef8da5");
    assert_string_equal(i.digest, "sha256:12");
    assert_string_equal(i.user, "app");
    assert_true(i.has_home);
    assert_true(container_image_parse(
        "09add6427f15e250fa328a8ebe1e910c556d2061007459268d5b039c32ef8da5||[]|null\n", "t:1", &i));
    assert_string_equal(i.digest, "sha256:09add6427f15e250fa328a8ebe1e910c556d2061007459268d5b039c32ef8da5");
    assert_false(i.has_home);
    assert_false(container_image_parse("-v||[]|null\n", "t:1", &i));
    for (size_t k = 0; k < ARRAY_LEN(digests); k++) { /* one image, known to several registries */
        assert_true(container_image_parse(
            "09add6427f15e250fa328a8ebe1e910c556d2061007459268d5b039c32ef8da5||[\"localhost/qa@sha256:1\","
            "\"docker.io/library/debian@sha256:2\",\"127.0.0.1:5000/qa/t@sha256:3\",\"127.0.0.1:5000/qa/"
            "t@sha256:4\"]"
            "|null\n",
            digests[k].name, &i));
        assert_string_equal(i.digest, digests[k].digest);
    }
    assert_true(container_version_parse("24.0.5+dfsg1\n", text, sizeof(text)));
    assert_false(container_version_parse("<no value>\n", text, sizeof(text)));
    container_last_words("Trying\nError: no such\timage\n\n", text, sizeof(text));
    assert_string_equal(text, "no such image");
}

static void test_container__a_machine_says_which_engine(void **state)
{
    enum engine e = ENGINE_COUNT;
    int64_t ms = 1;

    (void)state;
    assert_true(engine_setting("\n", &e, &ms));
    assert_int_equal(e, ENGINE_COUNT);
    assert_true(engine_setting("docker 120\n", &e, &ms));
    assert_true(e == ENGINE_DOCKER && ms == 120000);
    assert_true(engine_setting("none", &e, &ms));
    assert_int_equal(e, ENGINE_NONE);
    assert_false(engine_setting("lxc", &e, &ms));
    assert_false(engine_setting("podman soon", &e, &ms));
    assert_false(engine_setting("podman 1 2", &e, &ms));
    assert_false(engine_setting("podman 0", &e, &ms));
}

static void test_container__an_order_arrives_as_it_was_written(void **state)
{
    struct container_order o = {
        .patience_ms = 5, .has_notes = true, .spec = {.engine = ENGINE_DOCKER, .name = "n"}};
    static const struct container_mount mounts[] = {{"/a", "/b", true}};
    char *image_env[] = {"PATH=/image", "LANG=de", NULL};
    struct container_order r;
    struct arena a;
    struct buf b;

    (void)state;
    arena_init(&a);
    buf_init(&b, KIB(8));
    o.spec.mounts = mounts;
    o.spec.n_mounts = 1;
    o.inside.cwd = "/w";
    for (int i = 0; i < 40; i++)
        order_add(&a, &o.inside.argv, i == 1 ? "" : arena_printf(&a, "a%d=", i));
    order_add(&a, &o.inside.env, "X=1");
    order_add(&a, &o.inside.secrets, "S=2");
    order_add(&a, &o.inside.defaults, "LANG=C");
    order_add(&a, &o.inside.defaults, "DISPLAY=:0.0");
    order_add(&a, &o.inside.prepends, "PATH=/ours");
    order_add(&a, &o.inside.safe, "/w");
    container_order_write(&o, &b);
    assert_int_equal(container_order_read(b.data, b.len, &a, &r), ERR_OK);
    assert_int_equal(r.inside.argv.n, 40);
    assert_string_equal(r.inside.argv.at[1], "");
    assert_string_equal(r.inside.argv.at[39], "a39=");
    assert_true(r.spec.mounts[0].is_read_only && strcmp(r.spec.mounts[0].target, "/b") == 0);
    assert_true(r.spec.engine == ENGINE_DOCKER && r.has_notes && r.patience_ms == 5);
    assert_string_equal(joined(&a, inside_env(&a, &r.inside, image_env, true)),
                        "PATH=/ours:/image LANG=de X=1 S=2 DISPLAY=:0.0 GIT_CONFIG_KEY_0=safe.directory "
                        "GIT_CONFIG_VALUE_0=/w GIT_CONFIG_COUNT=1");
    order_add(&a, &r.inside.env, "GIT_CONFIG_COUNT=2"); /* what a project says so itself goes on to count */
    assert_string_equal(joined(&a, inside_env(&a, &r.inside, image_env, true)),
                        "PATH=/ours:/image LANG=de X=1 GIT_CONFIG_COUNT=3 S=2 DISPLAY=:0.0 "
                        "GIT_CONFIG_KEY_2=safe.directory GIT_CONFIG_VALUE_2=/w");
    order_add(&a, &r.inside.env, "GIT_CONFIG_COUNT=many"); /* git itself says what is wrong with it */
    assert_null(strstr(joined(&a, inside_env(&a, &r.inside, image_env, true)), "GIT_CONFIG_KEY"));
    assert_null(strstr(joined(&a, inside_env(&a, &r.inside, image_env, false)), "S=2"));
    buf_clear(&b);
    buf_puts(&b, "of=the future");
    buf_putc(&b, '\0');
    assert_int_equal(container_order_read(b.data, b.len, &a, &r), ERR_INVALID);
    buf_done(&b);
    arena_done(&a);
}

static void test_container__a_user_is_found_as_docker_finds_one(void **state)
{
    static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\napp:x:50:60:App:/home/app:/bin/sh\n";
    static const char group[] = "root:x:0:\nvideo:x:44:other,app\n";
    struct inside_user u;
    char why[128];

    (void)state;
    assert_true(inside_user_find("", passwd, group, &u, why, sizeof(why)));
    assert_true(u.uid == 0 && u.gid == 0 && strcmp(u.home, "/root") == 0);
    assert_true(inside_user_find("app", passwd, group, &u, why, sizeof(why)));
    assert_true(u.uid == 50 && u.gid == 60 && u.n_groups == 2 && u.groups[1] == 44);
    assert_true(inside_user_find("1234", passwd, group, &u, why, sizeof(why)));
    assert_true(u.uid == 1234 && u.gid == 0 && strcmp(u.home, "/") == 0);
    assert_true(inside_user_find("app:video", passwd, group, &u, why, sizeof(why)));
    assert_true(u.gid == 44 && u.n_groups == 1);
    assert_false(inside_user_find("nobody", passwd, group, &u, why, sizeof(why)));
    assert_string_equal(why, "the image knows no user nobody");
    assert_false(inside_user_find("app:none", passwd, group, &u, why, sizeof(why)));
}

static void test_container__images_have_names(void **state)
{
    static const char *const good[] = {
        "debian",
        "debian:12",
        "docker.io/library/debian:12",
        "localhost/t:1",
        "r.example.org:5000/qa/ruby__x/a-b.c:3.2_x",
        "localhost:5000/x",
        "a@sha256:0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {"",     "-v",  "A/b",         "a//b", "a/", "/a",       "a:",
                                      "a:-x", "a b", "a@sha256:12", "a..b", "a.", "r.io:x/a", "--privileged"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (image_name_fault(good[i]) != NULL)
            fail_msg("%s: %s", good[i], image_name_fault(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (image_name_fault(bad[i]) == NULL)
            fail_msg("'%s' passes", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_container__is_made_with_what_was_asked_and_nothing_of_the_run),
        cmocka_unit_test(test_container__names_of_two_agents_and_two_lives_differ),
        cmocka_unit_test(test_container__answers_are_read_or_refused),
        cmocka_unit_test(test_container__a_machine_says_which_engine),
        cmocka_unit_test(test_container__an_order_arrives_as_it_was_written),
        cmocka_unit_test(test_container__a_user_is_found_as_docker_finds_one),
        cmocka_unit_test(test_container__images_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
