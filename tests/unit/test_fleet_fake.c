/* test_fleet_fake.c - the fake fleet keeps the promises of a fleet, and breaks them only by the faults it is told. */
#include "unit/test_fleet_world.h"

static struct world *world_of(const char *options)
{
    return world_new("fake", options);
}

/* The newest machine's id, out of what was said. */
static const char *newest(struct world *w)
{
    return w->last_id;
}

static void test_fake__a_machine_is_made_listed_renewed_and_destroyed(void **state)
{
    struct world *w = world_of("{\"create_ms\":500,\"boot_ms\":2000}");
    char text[256];

    (void)state;
    world_create(w, 17, 4711);
    world_run(w, 499);
    assert_string_equal(world_said(w), "");
    world_run(w, 1);
    assert_int_equal(w->n_created, 1);
    fleet_list(w->f, 1);
    world_run(w, 1);
    (void)snprintf(text, sizeof(text), "listed 1: 1 %s(s17 i4711 new )\n", newest(w));
    assert_non_null(strstr(world_said(w), text));
    world_run(w, 2000);
    fleet_list(w->f, 2);
    world_run(w, 1);
    (void)snprintf(text, sizeof(text), "listed 2: 1 %s(s17 i4711 active %s)\n", newest(w), newest(w));
    assert_string_equal(world_said(w), text);
    fleet_renew(w->f, newest(w), (struct wall){w->wall.ms + 1});
    fleet_destroy(w->f, newest(w));
    fleet_destroy(w->f, newest(w)); /* again */
    fleet_renew(w->f, newest(w), (struct wall){w->wall.ms + 1});
    world_run(w, 1);
    assert_int_equal(w->n_destroyed, 2);
    assert_int_equal(w->last_fault, FLEET_FAULT_GONE);
    world_free(w);
}

static void test_fake__answers_never_come_from_inside(void **state)
{
    struct world *w = world_of("{}");

    (void)state;
    world_create(w, 1, 1);
    fleet_list(w->f, 1);
    fleet_destroy(w->f, "x");
    fleet_catalog_ask(w->f, true);
    assert_string_equal(world_said(w), "");
    world_run(w, 0);
    assert_int_equal(w->n_created, 1);
    assert_int_equal(w->n_listed, 1);
    assert_int_equal(w->n_destroyed, 1);
    assert_int_equal(w->catalog_sizes, 3);
    world_free(w);
}

static void test_fake__each_fault_does_what_its_name_says(void **state)
{
    static const struct {
        const char *faults;
        enum fleet_fault fault; /* of the create; COUNT: it succeeds */
        uint32_t listed;
    } cases[] = {
        {"create-unknown=1", FLEET_FAULT_UNKNOWN, 1}, {"create-lost=1", FLEET_FAULT_UNKNOWN, 0},
        {"create-busy=1", FLEET_FAULT_BUSY, 0},       {"create-limit=1", FLEET_FAULT_LIMIT, 0},
        {"create-invalid=1", FLEET_FAULT_INVALID, 0}, {"create-auth=1", FLEET_FAULT_AUTH, 0},
        {"create-twice=1", FLEET_FAULT_COUNT, 2},     {"never-active=1", FLEET_FAULT_COUNT, 1},
        {"vanishes=1", FLEET_FAULT_COUNT, 0},         {"list-lags", FLEET_FAULT_COUNT, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char options[128];
        struct world *w;

        (void)snprintf(options, sizeof(options), "{\"faults\":[\"%s\"]}", cases[i].faults);
        w = world_of(options);
        world_create(w, 1, 1);
        world_run(w, 1000);
        fleet_list(w->f, 1);
        world_run(w, 1000);
        if (w->n_failed != (cases[i].fault != FLEET_FAULT_COUNT) ||
            (w->n_failed > 0 && w->last_fault != cases[i].fault) || w->listed_n != cases[i].listed)
            fail_msg("%s: %s", cases[i].faults, world_said(w));
        world_create(w, 2, 2);
        world_run(w, 1000);
        assert_true(w->n_created > 0); /* it has struck often enough */
        world_free(w);
    }
}

static void test_fake__machines_outlive_other_options(void **state)
{
    static const char options[] = "{\"faults\":[\"destroy-stays=1\",\"destroy-busy=1\"],\"machines_max\":1}";
    struct world *w = world_of("{}");
    struct why why;

    (void)state;
    world_create(w, 1, 1);
    world_run(w, 1000);
    assert_int_equal(fleet_change(w->f, options, sizeof(options) - 1, &why), ERR_OK);
    fleet_destroy(w->f, newest(w));
    world_run(w, 1000);
    assert_int_equal(w->last_fault, FLEET_FAULT_BUSY);
    fleet_destroy(w->f, newest(w));
    world_run(w, 1000);
    assert_int_equal(w->n_destroyed, 1);
    fleet_list(w->f, 1);
    world_create(w, 2, 2);
    world_run(w, 1000);
    assert_int_equal(w->listed_n, 1); /* it was said to be gone */
    assert_int_equal(w->last_fault, FLEET_FAULT_LIMIT);
    assert_int_equal(fleet_change(w->f, "{\"faults\":[\"x\"]}", 16, &why), ERR_INVALID);
    assert_string_equal(why.field, "faults");
    world_free(w);
}

static void test_fake__faults_that_do_not_exist_are_refused(void **state)
{
    static const char *const bad[] = {
        "x", "create-lost=", "create-lost=x", "create-lost=-1", "create-lost=1x", "=1"};
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char options[128];

        (void)snprintf(options, sizeof(options), "{\"faults\":[\"%s\"]}", bad[i]);
        if (fleet_options_check("fake", options, strlen(options), &why) != ERR_INVALID)
            fail_msg("'%s' is accepted", bad[i]);
        assert_string_equal(why.field, "faults");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fake__a_machine_is_made_listed_renewed_and_destroyed),
        cmocka_unit_test(test_fake__answers_never_come_from_inside),
        cmocka_unit_test(test_fake__each_fault_does_what_its_name_says),
        cmocka_unit_test(test_fake__machines_outlive_other_options),
        cmocka_unit_test(test_fake__faults_that_do_not_exist_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
