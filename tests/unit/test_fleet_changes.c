/* test_fleet_changes.c - the DigitalOcean driver when people change their mind: other options, calls that are called off. */
#include "unit/test_fleet_world.h"

#define OPTIONS "{\"image\":\"12345\",\"regions\":[\"fra1\",\"ams3\"]}"

static int setup(void **state)
{
    *state = world_new("digitalocean", OPTIONS);
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

/* Other regions came while the first was asked: what it said is not about the one that stands there now. */
static void test_do__no_region_of_new_options_is_passed_over(void **state)
{
    static const char options[] = "{\"image\":\"debian-12-x64\",\"regions\":[\"nyc3\",\"ams3\"]}";
    struct world *w = *state;
    struct why why;

    w->no_room = "fra1";
    world_create(w, 1, 10);
    world_run(w, LATENCY_MS / 2);
    assert_int_equal(w->asked, 1);
    assert_int_equal(fleet_change(w->f, options, strlen(options), &why), ERR_OK);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "created s1 i10 3164444 nyc3\n");
}

static void test_do__a_call_that_waits_its_turn_can_be_called_off(void **state)
{
    struct world *w = *state;

    for (uint64_t i = 1; i <= 20; i++)
        world_create(w, i, 100 + i);
    world_run(w, LATENCY_MS / 2); /* eight have left */
    for (uint64_t i = 5; i <= 20; i++)
        fleet_cancel(w->f, i, 100 + i);
    fleet_cancel(w->f, 1, 999); /* no such call */
    assert_string_equal(world_said(w), "");
    world_run(w, 60000);
    assert_int_equal(w->n_droplets, 8);
    assert_int_equal(w->n_created, 8);
    assert_int_equal(w->n_failed, 12);
    assert_int_equal(w->last_fault, FLEET_FAULT_BUSY);
}

/* 429: it did nothing, and waits to be asked again. */
static void test_do__a_call_that_was_refused_for_now_can_be_called_off(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS, 429, NULL, 1});
    world_create(w, 1, 10);
    world_run(w, 5000);
    fleet_cancel(w->f, 1, 10);
    world_run(w, 60000);
    assert_int_equal(w->n_failed, 1);
    assert_int_equal(w->n_droplets, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_do__no_region_of_new_options_is_passed_over),
        TEST(test_do__a_call_that_waits_its_turn_can_be_called_off),
        TEST(test_do__a_call_that_was_refused_for_now_can_be_called_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
