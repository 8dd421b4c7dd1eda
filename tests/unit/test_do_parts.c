/* test_do_parts.c - the pure parts of the DigitalOcean driver: marks, what is asked, what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fleet/do_mark.h"
#include "fleet/do_read.h"
#include "fleet/do_write.h"
#include "fleet/user_data.h"
#include "net/ssh_key.h"

#define INSTANCE "0123456789abcdef"
#define NOON INT64_C(1796040000000) /* 2026-11-30 12:00:00 UTC */

/* ---- marks ---- */

static void test_mark__what_is_written_is_read(void **state)
{
    static const struct {
        uint64_t server;
        uint64_t intent;
        int64_t until;
    } cases[] = {{1, 1, NOON}, {UINT64_MAX, UINT64_MAX - 1, NOON + 1}, {17, 4711, NOON + 3599999}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char tags[4][DO_TAG_BYTES] = {DO_TAG};
        const char *const all[] = {"web", tags[0], tags[1], tags[2], tags[3], "env:prod"};
        struct wall until = {cases[i].until};
        struct do_mark m;

        (void)do_tag_instance(INSTANCE, tags[1]);
        (void)do_tag_intent(INSTANCE, cases[i].server, cases[i].intent, tags[2]);
        (void)do_tag_until(until, tags[3]);
        do_mark_read(all, ARRAY_LEN(all), INSTANCE, &m);
        assert_true(m.is_wrata);
        assert_true(m.is_ours);
        assert_int_equal(m.server, cases[i].server);
        assert_int_equal(m.intent, cases[i].intent);
        assert_int_equal(m.lease_until.ms, do_lease_round(until).ms);
        assert_true(m.lease_until.ms >= until.ms);
        assert_true(m.lease_until.ms < until.ms + DO_LEASE_STEP_MS);
        for (size_t k = 0; k < 4; k++) /* the alphabet of tags */
            assert_int_equal(strspn(tags[k], "abcdefghijklmnopqrstuvwxyz0123456789:-_"), strlen(tags[k]));
    }
}

static void test_mark__the_case_of_a_tag_is_no_matter(void **state)
{
    const char *const tags[] = {"Wrata", "WRATA:0123456789ABCDEF", "wRata:0123456789ABCDEF:S17:I4711",
                                "Wrata:Until:2026-11-30-1200"};
    struct do_mark m;

    (void)state;
    do_mark_read(tags, 4, INSTANCE, &m);
    assert_true(m.is_wrata);
    assert_true(m.is_ours);
    assert_int_equal(m.server, 17);
    assert_int_equal(m.intent, 4711);
    assert_int_equal(m.lease_until.ms, NOON);
}

static void test_mark__the_later_of_two_leases_counts(void **state)
{
    const char *const tags[] = {"wrata:until:2026-11-30-1300", "wrata:until:2026-11-30-1200"};
    struct do_mark m;

    (void)state;
    do_mark_read(tags, 2, INSTANCE, &m);
    assert_int_equal(m.lease_until.ms, NOON + 3600000);
}

static void test_mark__of_two_create_calls_none_is_believed(void **state)
{
    const char *const tags[] = {"wrata:" INSTANCE ":s1:i2", "wrata:" INSTANCE ":s3:i4",
                                "wrata:" INSTANCE ":s5:i6"};
    struct do_mark m;

    (void)state;
    for (uint32_t n = 2; n <= 3; n++) {
        do_mark_read(tags, n, INSTANCE, &m);
        assert_int_equal(m.server, 0);
        assert_int_equal(m.intent, 0);
    }
}

static void test_mark__what_is_nearly_a_mark_is_none(void **state)
{
    static const char *const intents[] = {
        "wrata:" INSTANCE ":s0:i1",
        "wrata:" INSTANCE ":s01:i1",
        "wrata:" INSTANCE ":s1:i",
        "wrata:" INSTANCE ":s1:i1x",
        "wrata:" INSTANCE ":s1",
        "wrata:" INSTANCE "0:s1:i1",
        "wrata:" INSTANCE ":i1:s1",
        "wrata::s1:i1",
        "wrata:" INSTANCE ":s18446744073709551616:i1",
        "wrata:ffff:s1:i1",
        " wrata:" INSTANCE ":s1:i1",
        "",
    };
    static const char *const untils[] = {
        "wrata:until:2026-11-30-1200x", "wrata:until:2026-13-30-1200", "wrata:until:2026-11-31-1200 ",
        "wrata:until:2026-11-00-1200",  "wrata:until:2026-11-30-2400", "wrata:until:2026-11-30-1260",
        "wrata:until:1969-11-30-1200",  "wrata:until:2026-11-30T1200", "wrata:until:",
        "until:2026-11-30-1200",        "wrata:until:2026-1a-30-1200", "wrata:until:2026-11-32-1200",
    };
    uint64_t server;
    uint64_t intent;
    struct wall t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(intents); i++) {
        if (do_tag_read_intent(intents[i], INSTANCE, &server, &intent))
            fail_msg("'%s' is taken for a mark", intents[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(untils); i++) {
        if (do_tag_read_until(untils[i], &t))
            fail_msg("'%s' is taken for a lease", untils[i]);
    }
    assert_true(do_tag_read_intent("wrata:ffff:s1:i2", NULL, &server, &intent)); /* of any instance */
    assert_int_equal(intent, 2);
}

/* ---- what a machine is told ---- */

static struct ssh_key key;

static struct machine_spec spec_of(const char *user)
{
    static const uint8_t seed[SSH_KEY_SEED_BYTES] = {3};

    ssh_key_from_seed(seed, "x", &key);
    return (struct machine_spec){.server = 17,
                                 .intent = 4711,
                                 .name = "web-17",
                                 .size = "",
                                 .lease_until = {NOON},
                                 .host_key_private = key.private_file,
                                 .host_key_public = key.public_line,
                                 .authorized_key = key.public_line,
                                 .user = user};
}

static json_t *user_data_of(const struct machine_spec *spec, const char *user, const char *const *commands,
                            uint32_t n)
{
    struct buf out;
    struct why why;
    json_t *doc;

    buf_init(&out, MIB(1));
    if (user_data_write(spec, user, commands, n, &out, &why) != ERR_OK)
        fail_msg("%s", why.text);
    assert_ptr_equal(strstr(buf_str(&out), "#cloud-config\n"), buf_str(&out));
    doc = json_loads(buf_str(&out) + 14, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    buf_done(&out);
    return doc;
}

static void test_user_data__whatever_a_command_holds_it_stays_one_command(void **state)
{
    static const char *const commands[] = {"echo \"a: b\" > /x\n- touch /y", "#cloud-config",
                                           "'; rm -rf /; '", "{{ x }} %Y \\n <script>",
                                           "\xc3\xa4\xe2\x80\xa8"};
    struct machine_spec spec = spec_of("");
    json_t *doc = user_data_of(&spec, "root", commands, ARRAY_LEN(commands));
    const json_t *run = json_object_get(doc, "runcmd");

    (void)state;
    assert_int_equal(json_array_size(run), 1 + ARRAY_LEN(commands));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        assert_string_equal(json_string_value(json_array_get(run, i + 1)), commands[i]);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(doc, "ssh_keys"), "ed25519_private")),
        key.private_file);
    assert_true(json_is_false(json_object_get(doc, "disable_root")));
    assert_null(json_object_get(doc, "users"));
    json_decref(doc);
}

static void test_user_data__another_user_than_root_is_made(void **state)
{
    struct machine_spec spec = spec_of("");
    json_t *doc = user_data_of(&spec, "qa", NULL, 0);
    const json_t *user = json_array_get(json_object_get(doc, "users"), 1);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(user, "name")), "qa");
    assert_string_equal(json_string_value(json_array_get(json_object_get(user, "ssh_authorized_keys"), 0)),
                        key.public_line);
    assert_true(json_is_true(json_object_get(doc, "disable_root")));
    json_decref(doc);
}

static void test_user_data__what_cannot_stand_there_is_refused_by_name(void **state)
{
    static char long_command[70000];
    const char *const one[] = {long_command};
    struct machine_spec spec = spec_of("");
    struct buf out;
    struct why why;

    (void)state;
    memset(long_command, 'x', sizeof(long_command) - 1);
    buf_init(&out, MIB(1));
    assert_int_equal(user_data_write(&spec, "root", one, 1, &out, &why), ERR_LIMIT);
    assert_string_equal(why.field, "commands");
    assert_int_equal(user_data_write(&spec, "Root", NULL, 0, &out, &why), ERR_INVALID);
    assert_string_equal(why.field, "user");
    assert_int_equal(user_data_write(&spec, "a b", NULL, 0, &out, &why), ERR_INVALID);
    spec.authorized_key = "ssh-ed25519 AAAA\nssh-ed25519 BBBB";
    assert_int_equal(user_data_write(&spec, "root", NULL, 0, &out, &why), ERR_INVALID);
    assert_string_equal(why.field, "authorized_key");
    spec = spec_of("");
    spec.host_key_private = "";
    assert_int_equal(user_data_write(&spec, "root", NULL, 0, &out, &why), ERR_INVALID);
    assert_string_equal(why.field, "host_key");
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

/* ---- what is asked ---- */

static void test_write__a_create_body_says_all_that_the_fleet_says(void **state)
{
    static const char *const regions[] = {"fra1"};
    static const char *const keys[] = {"289794", "3b:16:e4"};
    static const char *const tags[] = {"env:qa"};
    struct do_options o = do_presets;
    struct machine_spec spec = spec_of("");
    struct buf out;
    struct why why;
    json_t *doc;

    (void)state;
    o.regions = (struct field_texts){regions, 1};
    o.ssh_keys = (struct field_texts){keys, 2};
    o.tags = (struct field_texts){tags, 1};
    o.vpc = "760e09ef-dc84-11e8-981e-3cfdfeaae000";
    buf_init(&out, MIB(1));
    assert_int_equal(do_write_create(&o, &spec, INSTANCE, "fra1", "12345", &out, &why), ERR_OK);
    doc = json_loads(buf_str(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    assert_string_equal(json_string_value(json_object_get(doc, "name")), "web-17");
    assert_string_equal(json_string_value(json_object_get(doc, "region")), "fra1");
    assert_string_equal(json_string_value(json_object_get(doc, "size")), "s-1vcpu-1gb");
    assert_int_equal(json_integer_value(json_object_get(doc, "image")), 12345);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(doc, "ssh_keys"), 0)), 289794);
    assert_string_equal(json_string_value(json_array_get(json_object_get(doc, "ssh_keys"), 1)), "3b:16:e4");
    assert_string_equal(json_string_value(json_object_get(doc, "vpc_uuid")), o.vpc);
    assert_int_equal(json_array_size(json_object_get(doc, "tags")), 5);
    assert_string_equal(json_string_value(json_array_get(json_object_get(doc, "tags"), 4)), "env:qa");
    assert_true(json_is_true(json_object_get(doc, "monitoring")));
    json_decref(doc);
    buf_clear(&out);
    spec.size = "s-2vcpu-2gb";
    assert_int_equal(do_write_create(&o, &spec, INSTANCE, "fra1", "debian-12-x64", &out, &why), ERR_OK);
    doc = json_loads(buf_str(&out), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(doc, "size")), "s-2vcpu-2gb");
    assert_string_equal(json_string_value(json_object_get(doc, "image")), "debian-12-x64");
    json_decref(doc);
    buf_done(&out);
}

static void test_write__options_that_make_no_sense_name_their_field(void **state)
{
    static const struct {
        const char *json;
        const char *field; /* NULL: they are fine */
    } cases[] = {
        {"{\"image\":\"12345\",\"regions\":[\"fra1\",\"ams3\"]}", NULL},
        {"{\"image\":\"qa-*\",\"regions\":[\"fra1\"],\"size\":\"s-2vcpu-2gb\",\"user\":\"qa\",\"ssh_keys\":["
         "\"289794\","
         "\"3b:16:e4:bf:8b:00:8b:b8:59:8c:a9:d3:f0:19:fa:45\"],\"commands\":[\"touch /x\\ntouch "
         "/y\"],\"address\":\"private\","
         "\"vpc\":\"760e09ef-dc84-11e8-981e-3cfdfeaae000\",\"project\":\"4e1bfbc3-dc3e-41f2-a18f-"
         "1b4d7ba71679\","
         "\"monitoring\":false,\"tags\":[\"env:qa\"]}",
         NULL},
        {"{}", "image"},
        {"{\"image\":12345,\"regions\":[\"fra1\"]}", NULL}, /* a number may be one */
        {"{\"image\":0,\"regions\":[\"fra1\"]}", "image"},
        {"{\"image\":\"\",\"regions\":[\"fra1\"]}", "image"},
        {"{\"image\":\"1\"}", "regions"},
        {"{\"image\":\"1\",\"regions\":[]}", "regions"},
        {"{\"image\":\"1\",\"regions\":[\"FRA 1\"]}", "regions"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"size\":\"big one\"}", "size"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"vpc\":\"x\"}", "vpc"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\",\"ams3\"],\"vpc\":\"760e09ef-dc84-11e8-981e-3cfdfeaae000\"}",
         "vpc"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"project\":\"x\"}", "project"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"tags\":[\"a b\"]}", "tags"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"tags\":[\"wrata:x\"]}", "tags"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"ssh_keys\":[\"mine\"]}", "ssh_keys"},
        {"{\"image\":\"1\",\"regions\":[\"fra1\"],\"address\":\"none\"}", "address"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct why why = {0};
        enum err err = fleet_options_check("digitalocean", cases[i].json, strlen(cases[i].json), &why);

        if (cases[i].field == NULL && err != ERR_OK)
            fail_msg("%s: %s", cases[i].json, why.text);
        if (cases[i].field != NULL &&
            (err != ERR_INVALID || why.field == NULL || strcmp(why.field, cases[i].field) != 0))
            fail_msg("%s: %s", cases[i].json, why.text);
    }
}

/* ---- what is read ---- */

static const struct do_reading how = {.instance = INSTANCE};

static enum err read_list(const char *json, struct do_droplets *ret, struct why *why)
{
    static struct arena arena;

    arena_done(&arena);
    arena_init(&arena);
    return do_read_droplets(slice_of(json), &how, &arena, ret, why);
}

static void test_read__what_is_no_list_is_refused_as_a_whole(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"droplets\":[]}", /* how many there are is not said: it cannot be known to be whole */
        "{\"droplets\":[],\"meta\":{\"total\":-1}}",
        "{\"droplets\":[],\"meta\":{\"total\":\"1\"}}",
        "{\"droplets\":{},\"meta\":{\"total\":0}}",
        "{\"droplets\":[null],\"meta\":{\"total\":1}}",
        "{\"droplets\":[{\"id\":1.5,\"tags\":[]}],\"meta\":{\"total\":1}}",
        "{\"droplets\":[{\"id\":\"1\",\"tags\":[]}],\"meta\":{\"total\":1}}",
        "{\"droplets\":[{\"id\":1}],\"meta\":{\"total\":1}}",
        "{\"droplets\":[{\"id\":1,\"tags\":\"wrata\"}],\"meta\":{\"total\":1}}",
        "{\"droplets\":[{\"id\":1,\"tags\":[1]}],\"meta\":{\"total\":1}}",
        "{\"droplets\":[{\"id\":1,\"tags\":[]},{\"tags\":[]}],\"meta\":{\"total\":2}}",
        "{\"droplets\":[{\"id\":1,\"tags\":[]}],\"meta\":{\"total\":1}",
        "{\"droplets\":[],\"meta\":{\"total\":0}}garbage",
    };
    struct do_droplets list;
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (read_list(bad[i], &list, &why) != ERR_PROTO)
            fail_msg("%s is taken for a list", bad[i]);
    }
}

static void test_read__odd_values_do_no_harm(void **state)
{
    struct do_droplets list;
    struct why why;

    (void)state;
    assert_int_equal(
        read_list(
            "{\"droplets\":[{\"id\":7,\"name\":\"a\\u0007\\nb\",\"status\":\"exploding\",\"created_at\":"
            "\"soon\","
            "\"size\":{\"price_hourly\":\"cheap\"},\"region\":[],\"networks\":{\"v4\":[{\"type\":\"public\","
            "\"ip_address\":\"-oProxyCommand=x\"},{\"type\":\"public\",\"ip_address\":\"1.2.3.400\"},{"
            "\"type\":"
            "\"public\",\"ip_address\":\"192.0.2.1\"}]},\"tags\":[\"wrata\"]}],\"links\":{\"pages\":{"
            "\"next\":\"x\"}},"
            "\"meta\":{\"total\":9}}",
            &list, &why),
        ERR_OK);
    assert_int_equal(list.n, 1);
    assert_true(list.page.has_next);
    assert_int_equal(list.page.total, 9);
    assert_string_equal(list.at[0].m.id, "7");
    assert_string_equal(list.at[0].m.name, "a b");
    assert_int_equal(list.at[0].m.state, MACHINE_OFF); /* it exists, and we do not know that it works */
    assert_string_equal(list.at[0].m.address, "192.0.2.1");
    assert_int_equal(list.at[0].m.created_at.ms, 0);
    assert_int_equal(list.at[0].m.price_hour_microusd, -1);
    assert_false(list.at[0].mark.is_ours);
}

static void test_read__a_price_is_in_millionths_of_a_dollar(void **state)
{
    struct arena arena;
    struct do_sizes sizes;
    struct why why;

    (void)state;
    arena_init(&arena);
    assert_int_equal(
        do_read_sizes(
            SLICE("{\"sizes\":[{\"slug\":\"a\",\"price_hourly\":0.00743999984115362,\"regions\":[],"
                  "\"memory\":1024,"
                  "\"vcpus\":1,\"disk\":25,\"available\":true},{\"slug\":\"b\",\"price_hourly\":-1,"
                  "\"regions\":[]},"
                  "{\"slug\":\"\",\"regions\":[]},{\"slug\":\"c\"},{\"slug\":\"d\",\"price_hourly\":1e300,"
                  "\"regions\":[\"x\"]}],\"meta\":{\"total\":5}}"),
            &arena, &sizes, &why),
        ERR_OK);
    assert_int_equal(sizes.n, 3); /* what cannot be read does not hide the rest */
    assert_int_equal(sizes.at[0].price_hour_microusd, 7440);
    assert_int_equal(sizes.at[0].memory_mib, 1024);
    assert_int_equal(sizes.at[1].price_hour_microusd, -1);
    assert_int_equal(sizes.at[2].price_hour_microusd, -1);
    arena_done(&arena);
}

static void test_read__an_error_is_one_printable_line(void **state)
{
    char out[64];

    (void)state;
    assert_string_equal(
        do_read_error(SLICE("{\"id\":\"x\",\"message\":\"a\\nb\\u001b[31mc\"}"), out, sizeof(out)),
        "a b [31mc");
    assert_string_equal(do_read_error(SLICE("<html>"), out, sizeof(out)), "");
    assert_string_equal(do_read_error(SLICE("{\"message\":7}"), out, sizeof(out)), "");
    assert_true(strlen(do_read_error(
                    SLICE("{\"message\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
                    out, sizeof(out))) < sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mark__what_is_written_is_read),
        cmocka_unit_test(test_mark__the_case_of_a_tag_is_no_matter),
        cmocka_unit_test(test_mark__the_later_of_two_leases_counts),
        cmocka_unit_test(test_mark__of_two_create_calls_none_is_believed),
        cmocka_unit_test(test_mark__what_is_nearly_a_mark_is_none),
        cmocka_unit_test(test_user_data__whatever_a_command_holds_it_stays_one_command),
        cmocka_unit_test(test_user_data__another_user_than_root_is_made),
        cmocka_unit_test(test_user_data__what_cannot_stand_there_is_refused_by_name),
        cmocka_unit_test(test_write__a_create_body_says_all_that_the_fleet_says),
        cmocka_unit_test(test_write__options_that_make_no_sense_name_their_field),
        cmocka_unit_test(test_read__what_is_no_list_is_refused_as_a_whole),
        cmocka_unit_test(test_read__odd_values_do_no_harm),
        cmocka_unit_test(test_read__a_price_is_in_millionths_of_a_dollar),
        cmocka_unit_test(test_read__an_error_is_one_printable_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
