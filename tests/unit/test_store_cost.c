/* test_store_cost.c - the ledger on disk: entries become sums of days, once, and each way to add them up comes to the same. */
#include "unit/test_store_world.h"

#include "model/cost.h"

#define DAY 20700

static struct change of_machine(int64_t day, uint64_t server, int64_t nanousd, int64_t server_nanousd)
{
    struct change c = {.kind = CHANGE_COST};

    c.cost = (struct cost_row){.day = day,
                               .server = {server},
                               .server_name = server == 1 ? "web-1" : "web-2",
                               .fleet = {FLEET_ID_SSH},
                               .fleet_name = "ssh",
                               .nanousd = nanousd,
                               .ms = 60000,
                               .charged_at = {cost_day_begin(day).ms + 60000},
                               .server_nanousd = server_nanousd};
    return c;
}

static struct change of_run(int64_t day, uint64_t server, uint64_t launch, int64_t nanousd)
{
    struct change c = of_machine(day, server, nanousd, 0);

    c.cost.launch.v = launch;
    c.cost.ms = 1000;
    return c;
}

/* ---- reading ---- */

struct ask {
    struct cost_filter filter;
    struct cost_page page;
    struct cost_sums sums;
    struct cost_rate rate;
    struct buf items;
};

static void on_item(void *ctx, const struct cost_item *i)
{
    struct ask *a = ctx;

    buf_printf(&a->items, "%lld '%s' '%s' %lld/%lld\n", (long long)i->key, i->name, i->also,
               (long long)i->sums.runs_nanousd, (long long)i->sums.nanousd);
}

static void ask_fn(struct reader *r, void *arg)
{
    struct ask *a = arg;

    assert_int_equal(read_cost_sums(r, &a->filter, &a->sums, NULL), ERR_OK);
    assert_int_equal(read_cost_rate(r, &a->rate, NULL), ERR_OK);
    assert_int_equal(read_costs(r, &a->filter, &a->page, on_item, a, NULL), ERR_OK);
}

static void expect(struct world *w, struct cost_filter f, const char *items)
{
    struct ask a = {.filter = f, .page = {.limit = 50}};

    buf_init(&a.items, KIB(64));
    read_now(w, ask_fn, &a);
    assert_string_equal(buf_str(&a.items), items);
    assert_false(a.page.has_next);
    buf_done(&a.items);
}

/* Launch 1 of user 1 and launch 2 of user 2, which a schedule started; two servers; two days. */
static void two_days(struct world *w)
{
    struct change c[] = {a_server(1, "web-1"), a_server(2, "web-2"), a_launch(1), a_launch(2)};
    struct change day_1[] = {of_run(DAY, 1, 1, 30), of_run(DAY, 1, 2, 20), of_machine(DAY, 1, 100, 100),
                             of_run(DAY, 2, 1, 5), of_machine(DAY, 2, 5, 5)};
    struct change day_2[] = {of_machine(DAY + 1, 1, 50, 150), of_run(DAY + 1, 1, 2, 40),
                             of_machine(DAY + 1, 1, 10, 160)};

    c[2].launch.name = "one";
    c[2].launch.n_tests = 0;
    c[3].launch.name = "two";
    c[3].launch.n_tests = 0;
    c[3].launch.user.v = 2;
    c[3].launch.schedule.id = 9;
    put(w, c, ARRAY_LEN(c));
    put(w, day_1, ARRAY_LEN(day_1));
    put(w, day_2, ARRAY_LEN(day_2));
}

static void test_store_cost__each_way_to_add_up_comes_to_the_same(void **state)
{
    struct world *w = *state;
    struct cost_filter f = {.from_day = 0, .to_day = 99999};

    two_days(w);
    for (int i = 0; i < 2; i++) {
        f.by = COST_BY_DAY;
        expect(w, f, "20701 '' '' 40/60\n20700 '' '' 55/105\n");
        f.by = COST_BY_SERVER;
        expect(w, f, "1 'web-1' 'ssh' 90/160\n2 'web-2' 'ssh' 5/5\n");
        f.by = COST_BY_FLEET;
        expect(w, f, "2 'ssh' '' 95/165\n");
        f.by = COST_BY_LAUNCH;
        expect(w, f, "2 'two' '' 60/60\n1 'one' 'operator' 35/35\n");
        f.by = COST_BY_USER;
        expect(w, f, "2 '' '' 60/60\n1 'operator' '' 35/35\n");
        f.by = COST_BY_SCHEDULE;
        expect(w, f, "9 '' '' 60/60\n");
        world_reopen(w);
    }
}

static void test_store_cost__a_time_and_a_user(void **state)
{
    struct world *w = *state;
    struct cost_filter f = {.by = COST_BY_DAY, .from_day = DAY + 1, .to_day = DAY + 1};

    two_days(w);
    expect(w, f, "20701 '' '' 40/60\n");
    f.from_day = DAY;
    f.user.v = 2;
    expect(w, f, "20701 '' '' 40/40\n20700 '' '' 20/20\n");
    f.by = COST_BY_LAUNCH;
    expect(w, f, "2 'two' '' 60/60\n");
    f.to_day = DAY - 1;
    expect(w, f, "");
}

static void test_store_cost__pages_are_the_whole(void **state)
{
    struct world *w = *state;
    struct change c[40];
    struct ask a = {.filter = {.by = COST_BY_SERVER, .from_day = 0, .to_day = 99999}, .page = {.limit = 7}};
    uint32_t pages = 0;
    char *all;

    for (uint64_t i = 0; i < 40; i++) /* some cost the same */
        c[i] = of_machine(DAY, i + 1, (int64_t)(i / 3), (int64_t)i);
    put(w, c, 40);
    buf_init(&a.items, KIB(64));
    do {
        read_now(w, ask_fn, &a);
        a.page.has_after = true;
        a.page.after_nanousd = a.page.next_nanousd;
        a.page.after_key = a.page.next_key;
        pages++;
    } while (a.page.has_next);
    assert_int_equal(pages, 6);
    all = buf_take(&a.items, NULL);
    a.page = (struct cost_page){.limit = 50};
    buf_init(&a.items, KIB(64));
    read_now(w, ask_fn, &a);
    assert_string_equal(buf_str(&a.items), all);
    assert_int_equal(a.sums.n_days, 1);
    buf_done(&a.items);
    free(all);
}

/* ---- rows that the ledger moves ---- */

struct heard {
    struct server_row server;
    struct launch_row launch;
    int64_t spent_day;
    int64_t spent_nanousd;
};

static void hear(void *ctx, const struct change *c)
{
    struct heard *h = ctx;

    if (c->kind == CHANGE_SERVER_PUT && c->server.id.v == 1)
        h->server = c->server;
    else if (c->kind == CHANGE_LAUNCH_ADD && c->launch.id.v == 2)
        h->launch = c->launch;
    else if (c->kind == CHANGE_FLEET_PUT && c->fleet.id.v == FLEET_ID_SSH) {
        h->spent_day = c->fleet.spent_day;
        h->spent_nanousd = c->fleet.spent_nanousd;
    }
}

static void test_store_cost__servers_launches_and_fleets_know_their_part(void **state)
{
    struct world *w = *state;
    struct heard h = {0};
    struct why why = {0};

    two_days(w);
    assert_int_equal(store_boot(w->st, hear, &h, &why), ERR_OK);
    assert_int_equal(h.server.charged_at.ms, cost_day_begin(DAY + 1).ms + 60000);
    assert_int_equal(h.server.cost_nanousd, 160);
    assert_int_equal(h.launch.cost_nanousd, 60);
    assert_int_equal(h.spent_day, DAY + 1);
    assert_int_equal(h.spent_nanousd, 60);
}

/* What a row says that is written later in the same commit is newer than an entry. */
static void test_store_cost__a_whole_row_is_newer_than_the_entry_before_it(void **state)
{
    struct world *w = *state;
    struct change c[] = {a_server(1, "web-1"), of_machine(DAY, 1, 100, 100), a_server(1, "web-1")};
    struct heard h = {0};
    struct why why = {0};

    c[2].server.metered_at.ms = 0;
    c[2].server.charged_at.ms = 0;
    c[2].server.cost_nanousd = 0;
    put(w, c, ARRAY_LEN(c));
    assert_int_equal(store_boot(w->st, hear, &h, &why), ERR_OK);
    assert_int_equal(h.server.charged_at.ms, 0);
    assert_int_equal(h.server.cost_nanousd, 0);
}

static void test_store_cost__only_machines_with_a_meter_cost_now(void **state)
{
    struct world *w = *state;
    struct change c[] = {a_server(1, "web-1"), a_server(2, "web-2"), a_server(3, "web-3")};
    struct ask a = {.filter = {.by = COST_BY_DAY, .to_day = 99999}, .page = {.limit = 50}};

    c[1].server.charged_at.ms++;
    c[2].server.metered_at.ms = 0;
    put(w, c, ARRAY_LEN(c));
    buf_init(&a.items, KIB(64));
    read_now(w, ask_fn, &a);
    assert_int_equal(a.rate.n_machines, 2);
    assert_int_equal(a.rate.hour_microusd, 2 * 8930);
    assert_int_equal(a.rate.charged_at.ms, c[0].server.charged_at.ms);
    buf_done(&a.items);
}

/* ---- retention ---- */

static void test_store_cost__so_many_days_stay_whatever_the_clock_said(void **state)
{
    struct world *w = *state;
    struct ask a = {.filter = {.by = COST_BY_DAY, .from_day = 0, .to_day = 999999}, .page = {.limit = 1}};
    struct change c = a_launch(1);
    struct change both[2];

    c.launch.n_tests = 0;
    put(w, &c, 1);
    for (int64_t d = 0; d < COST_DAYS_KEPT + 5; d++) {
        both[0] = of_run(DAY + d, 1, 1, 1);
        both[1] = of_machine(DAY + d, 1, 1, d);
        put(w, both, 2);
    }
    both[1] = of_machine(DAY * 10, 1, 1, 1); /* a clock that was wrong for a moment */
    put(w, &both[1], 1);
    buf_init(&a.items, KIB(64));
    read_now(w, ask_fn, &a);
    assert_int_equal(a.sums.n_days, COST_DAYS_KEPT);
    assert_int_equal(a.sums.nanousd, COST_DAYS_KEPT);
    a.filter.user.v = 1;
    read_now(w, ask_fn, &a);
    assert_int_equal(a.sums.nanousd, COST_DAYS_KEPT - 1);
    buf_done(&a.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_cost__##name, setup, teardown)
        TEST(each_way_to_add_up_comes_to_the_same),
        TEST(a_time_and_a_user),
        TEST(pages_are_the_whole),
        TEST(servers_launches_and_fleets_know_their_part),
        TEST(a_whole_row_is_newer_than_the_entry_before_it),
        TEST(only_machines_with_a_meter_cost_now),
        TEST(so_many_days_stay_whatever_the_clock_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
