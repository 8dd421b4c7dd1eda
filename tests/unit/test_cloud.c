/* test_cloud.c - whose turn it is to call the cloud: budget, waits and ranks, in virtual time. */
#include "unit/test_fleet_world.h"

#define OPTIONS "{\"image\":\"12345\",\"regions\":[\"fra1\"]}"

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

static void test_cloud__what_saves_money_goes_first(void **state)
{
    struct world *w = *state;
    const char *first_create;
    const char *last_delete;

    for (uint64_t i = 1; i <= 20; i++)
        world_create(w, i, i);
    world_run(w, 10000);
    w->paths[0] = '\0';
    /* All are asked for in the same moment, the creates before the rest. */
    for (uint64_t i = 101; i <= 120; i++)
        world_create(w, i, i);
    fleet_catalog_ask(w->f, false);
    for (unsigned i = 0; i < 20; i++) {
        char id[32];

        (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)w->droplets[i].id);
        fleet_destroy(w->f, id);
    }
    world_run(w, 60000);
    first_create = strstr(w->paths, "POST /v2/droplets\n");
    last_delete = strstr(w->paths, "GET /v2/droplets/3164463\n");
    assert_non_null(first_create);
    assert_non_null(last_delete);
    assert_true(last_delete < first_create); /* every one of them was looked at before the first create */
    assert_true(strstr(w->paths, "GET /v2/sizes") > strstr(w->paths, "DELETE"));
    assert_int_equal(w->n_destroyed, 20);
    assert_int_equal(w->n_created, 40);
}

static void test_cloud__when_the_cloud_says_that_little_is_left_only_destroying_and_looking_go_on(
    void **state)
{
    struct world *w = *state;

    world_create(w, 1, 1);
    world_run(w, 1000);
    w->remaining_says = 6;
    fleet_list(w->f, 1);
    world_run(w, 1000);
    assert_int_equal(w->n_listed, 1);
    world_create(w, 2, 2);
    fleet_destroy(w->f, w->last_id);
    world_run(w, 20000);
    assert_int_equal(w->n_destroyed, 1);
    assert_int_equal(w->n_created, 1); /* the second waits for the reset, 30 s after the last answer */
    w->remaining_says = 4000;
    world_run(w, 40000);
    assert_int_equal(w->n_created, 2);
}

static void test_cloud__after_three_failures_one_call_at_a_time_asks_whether_it_is_over(void **state)
{
    struct world *w = *state;
    unsigned before;

    for (uint64_t i = 1; i <= 40; i++)
        world_create(w, i, i);
    world_fault(w, (struct rule){NULL, "/", NOT_SENT, 0, NULL, 10000});
    world_run(w, 30000);
    before = w->asked;
    world_run(w, 60000);
    assert_true(w->asked - before <= 8); /* not forty clients that knock */
    assert_true(w->asked - before >= 1);
    memset(w->rules, 0, sizeof(w->rules));
    world_run(w, 120000);
    assert_int_equal(w->n_created, 40);
    assert_int_equal(w->posts, 40);
}

static void test_cloud__a_429_without_a_time_is_waited_out_longer_each_time(void **state)
{
    struct world *w = *state;

    w->says_no_retry_after = true;
    world_fault(w, (struct rule){"GET", "/v2/droplets?", STATUS, 429, NULL, 4});
    fleet_list(w->f, 1);
    world_run(w, 2000);
    assert_int_equal(w->asked, 1);
    world_run(w, 118000);
    assert_int_equal(w->n_listed, 1);
    assert_true(w->asked >= 5);
}

static void test_cloud__two_fleets_share_one_budget(void **state)
{
    struct world *w = *state;
    struct fleet *second;
    struct fleet *first = w->f;
    struct why why;
    unsigned most = 0;

    assert_int_equal(fleet_open(w->all, "digitalocean", "second", OPTIONS, strlen(OPTIONS), &second, &why),
                     ERR_OK);
    w->any_fleet = true;
    for (uint64_t i = 1; i <= 200; i++) {
        w->f = i % 2 == 0 ? first : second;
        world_create(w, i, i);
    }
    for (unsigned s = 0; s < 180; s++) {
        unsigned n;

        world_run(w, 1000);
        n = world_asked_in(w, 60000);
        most = n > most ? n : most;
    }
    assert_int_equal(w->n_created, 200);
    assert_int_equal(w->limited, 0);
    assert_true(most <= CLOUD_MINUTE_CALLS);
}

static void test_cloud__what_cannot_stand_in_a_header_is_no_token(void **state)
{
    static const char *const bad[] = {"a b", "a\nX-Other: b", "\x7f", ""};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fleets_set_token(w->all, slice_of(bad[i]));
        fleet_list(w->f, i + 1);
        world_run(w, 1000);
        assert_int_equal(w->last_fault, FLEET_FAULT_AUTH);
        /* Who gave one shall not look for why it is not there. */
        assert_non_null(
            strstr(world_said(w), bad[i][0] != '\0' ? "it holds what no token has" : "is missing"));
        buf_clear(&w->told);
    }
    assert_int_equal(w->asked, 0);
}

static void test_cloud__counts_what_it_sent(void **state)
{
    struct world *w = *state;
    struct cloud_counts n;

    world_create(w, 1, 1);
    world_fault(w, (struct rule){"GET", "/v2/droplets?", STATUS, 429, NULL, 1});
    world_fault(w, (struct rule){"GET", "/v2/droplets?", STATUS, 500, NULL, 1});
    fleet_list(w->f, 1);
    world_run(w, 120000);
    cloud_counts(w->all->cloud, &n);
    assert_int_equal(n.sent, w->asked);
    assert_int_equal(n.by_rank[CLOUD_CREATE], 1);
    assert_int_equal(n.by_rank[CLOUD_LIST], 4);
    assert_int_equal(n.limited, 1);
    assert_int_equal(n.failed, 1);
    assert_int_equal(n.waiting, 0);
    assert_int_equal(n.flying, 0);
    assert_true(n.remaining > 4000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cloud__what_saves_money_goes_first),
        TEST(test_cloud__when_the_cloud_says_that_little_is_left_only_destroying_and_looking_go_on),
        TEST(test_cloud__after_three_failures_one_call_at_a_time_asks_whether_it_is_over),
        TEST(test_cloud__a_429_without_a_time_is_waited_out_longer_each_time),
        TEST(test_cloud__two_fleets_share_one_budget),
        TEST(test_cloud__what_cannot_stand_in_a_header_is_no_token),
        TEST(test_cloud__counts_what_it_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
