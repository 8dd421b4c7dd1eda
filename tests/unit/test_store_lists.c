/* test_store_lists.c - lists and schedules in the store: replaced whole, never half; a start is known with its launch. */
#include "unit/test_store_world.h"

#define T0 INT64_C(1800000000000)

static uint64_t last_id;
static const char *const numbered[] = {"s0", "s1", "s2", "s3", "s4"};
static const char *const three[] = {"b/" NASTY, "a.sh", "b/**"};

static struct list_row a_list(const char *name)
{
    static const char *const languages[] = {"en-US", "de-DE"};

    return (struct list_row){.user = {7},
                             .name = name,
                             .project = {3},
                             .project_name = "",
                             .ref = "develop",
                             .location = "info eu",
                             .languages = languages,
                             .n_languages = 2,
                             .env = env,
                             .n_env = 3,
                             .order = ORDER_FINISH_SOONEST,
                             .is_shared = false,
                             .created_at = {T0},
                             .changed_at = {T0 + 1},
                             .files = three,
                             .n_files = 3};
}

static enum err put_list(struct world *w, const struct list_row *row, uint64_t version)
{
    w->pending++;
    store_list_put(w->st, row, version, &last_id, on_done, w);
    settle(w);
    return w->last_err;
}

static enum err delete_list(struct world *w, uint64_t id, bool force)
{
    w->pending++;
    store_list_delete(w->st, id, force, (struct wall){T0 + 9}, on_done, w);
    settle(w);
    return w->last_err;
}

static struct schedule_row a_schedule(const char *name, uint64_t list, int64_t next_at)
{
    return (struct schedule_row){.user = {7},
                                 .name = name,
                                 .list = list,
                                 .list_name = "",
                                 .kind = "daily",
                                 .at = "02:30",
                                 .cron = "",
                                 .zone = "Europe/Berlin",
                                 .until = "",
                                 .is_enabled = true,
                                 .reason = "",
                                 .overlap = OVERLAP_QUEUE,
                                 .give_up_h = 24,
                                 .created_at = {T0},
                                 .changed_at = {T0},
                                 .next_at = {next_at},
                                 .servers_fleet_name = "",
                                 .servers_size = "",
                                 .last = {.text = ""}};
}

static enum err put_schedule(struct world *w, const struct schedule_row *row, uint64_t version)
{
    w->pending++;
    store_schedule_put(w->st, row, version, &last_id, on_done, w);
    settle(w);
    return w->last_err;
}

/* ---- reading ---- */

struct look {
    uint64_t id;
    struct arena arena;
    struct list_row list;
    struct schedule_row schedule;
    struct start_row starts[8];
    uint32_t n;
    uint64_t ids[16];
    struct page page;
    uint64_t living;
    enum err err;
};

static void each_list(void *ctx, const struct list_row *row)
{
    struct look *l = ctx;

    l->ids[l->n++] = row->id;
    list_row_keep(&l->arena, row, &l->list);
}

static void each_schedule(void *ctx, const struct schedule_row *row)
{
    struct look *l = ctx;

    l->ids[l->n++] = row->id;
    schedule_row_keep(&l->arena, row, &l->schedule);
}

static void each_start(void *ctx, const struct start_row *row)
{
    struct look *l = ctx;

    if (l->n < 8)
        l->starts[l->n] = *row;
    l->n++;
}

static void look_list(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->err = read_list(r, l->id, each_list, l, NULL);
}

static void look_lists(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->err = read_lists(r, (struct user_id){l->id}, &l->page, each_list, l, NULL);
}

static void look_schedule(struct reader *r, void *arg)
{
    struct look *l = arg;
    struct launch_id living;

    l->err = read_schedule(r, l->id, each_schedule, l, NULL);
    if (l->err == ERR_OK)
        l->err = read_schedule_launch_living(r, l->id, &living, NULL);
    l->living = l->err == ERR_OK ? living.v : 0;
}

static void look_due(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->err = read_schedules_due(r, 16, each_schedule, l, NULL);
}

static void look_starts(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->err = read_starts(r, l->id, &l->page, each_start, l, NULL);
}

static struct look look(struct world *w, void (*fn)(struct reader *r, void *arg), uint64_t id)
{
    struct look l = {.id = id, .page = {.limit = 500}};

    arena_init(&l.arena);
    read_now(w, fn, &l);
    return l;
}

/* ---- lists ---- */

static void test_store_lists__come_back_as_they_were(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("nightly " NASTY);
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    world_reopen(w);
    l = look(w, look_list, last_id);
    assert_int_equal(l.err, ERR_OK);
    assert_string_equal(l.list.name, row.name);
    assert_string_equal(l.list.location, "info eu");
    assert_int_equal(l.list.n_languages, 2);
    assert_string_equal(l.list.languages[1], "de-DE");
    assert_int_equal(l.list.n_browsers, 0);
    assert_string_equal(l.list.env[2], env[2]);
    assert_int_equal(l.list.order, ORDER_FINISH_SOONEST);
    assert_int_equal(l.list.version, 1);
    assert_int_equal(l.list.n_files, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(l.list.files[i], three[i]);
    arena_done(&l.arena);
    assert_int_equal(look(w, look_list, 99).err, ERR_NOTFOUND);
}

/* What the predecessor lost: the old list goes only when the new one stands, and a refusal changes nothing. */
static void test_store_lists__are_replaced_whole_or_not(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("one");
    struct list_row other = a_list("two");
    struct schedule_row s;
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    row.id = last_id;
    assert_int_equal(put_list(w, &other, 0), ERR_OK);
    other.id = last_id;
    s = a_schedule("s", row.id, T0);
    assert_int_equal(put_schedule(w, &s, 0), ERR_OK);

    row.name = "two"; /* taken */
    row.files = (const char *const[]){"new.sh"};
    row.n_files = 1;
    assert_int_equal(put_list(w, &row, 1), ERR_CONFLICT);
    assert_string_equal(w->last_why.field, "name");
    row.name = "one";
    assert_int_equal(put_list(w, &row, 5), ERR_CONFLICT); /* seen at another version */
    assert_string_equal(w->last_why.field, "version");
    l = look(w, look_list, row.id);
    assert_int_equal(l.list.n_files, 3);
    assert_int_equal(l.list.version, 1);
    arena_done(&l.arena);

    assert_int_equal(put_list(w, &row, 1), ERR_OK);
    l = look(w, look_list, row.id);
    assert_int_equal(l.list.n_files, 1);
    assert_int_equal(l.list.version, 2);
    assert_int_equal(l.list.n_schedules, 1); /* overwriting a list keeps its schedules */
    arena_done(&l.arena);
    row.files = NULL;
    assert_int_equal(put_list(w, &row, 2), ERR_OK); /* the files stay */
    l = look(w, look_list, row.id);
    assert_int_equal(l.list.n_files, 1);
    assert_string_equal(l.list.files[0], "new.sh");
    arena_done(&l.arena);
}

static void test_store_lists__own_and_shared_are_listed(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("mine");
    struct list_row theirs = a_list("mine");
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    theirs.user.v = 8;
    assert_int_equal(put_list(w, &theirs, 0), ERR_OK); /* the same name of another user */
    l = look(w, look_lists, 7);
    assert_int_equal(l.n, 1);
    arena_done(&l.arena);
    theirs.id = last_id;
    theirs.is_shared = true;
    assert_int_equal(put_list(w, &theirs, 0), ERR_OK);
    l = look(w, look_lists, 7);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[0], theirs.id);
    arena_done(&l.arena);
    l = look(w, look_lists, 8);
    assert_int_equal(l.n, 1);
    arena_done(&l.arena);
}

static void test_store_lists__with_schedules_need_force_to_go(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("nightly");
    struct schedule_row s;
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    row.id = last_id;
    for (int i = 0; i < 5; i++) {
        s = a_schedule(numbered[i], row.id, T0 + i);
        assert_int_equal(put_schedule(w, &s, 0), ERR_OK);
    }
    assert_int_equal(delete_list(w, row.id, false), ERR_CONFLICT);
    assert_non_null(strstr(w->last_why.text, "'s0', 's1', 's2' and 2 more start this list"));
    assert_int_equal(delete_list(w, row.id, true), ERR_OK);
    l = look(w, look_schedule, last_id);
    assert_false(l.schedule.is_enabled);
    assert_string_equal(l.schedule.reason, "its list 'nightly' was deleted");
    assert_string_equal(l.schedule.list_name, "");
    arena_done(&l.arena);
    assert_int_equal(look(w, look_due, 0).n, 0);
    s.id = last_id;
    assert_int_equal(put_schedule(w, &s, 0), ERR_CONFLICT); /* not enabled for a list that is gone */
    assert_string_equal(w->last_why.field, "list");
    assert_int_equal(delete_list(w, row.id, true), ERR_NOTFOUND);
}

static void test_store_lists__go_with_their_user(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("shared");
    struct schedule_row mine;
    struct schedule_row theirs;
    struct account_change gone = {.kind = ACCOUNT_USER_PUT};
    struct look l;
    uint64_t list;

    row.is_shared = true;
    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    list = last_id;
    mine = a_schedule("mine", list, T0);
    theirs = a_schedule("theirs", list, T0);
    theirs.user.v = 8;
    assert_int_equal(put_schedule(w, &mine, 0), ERR_OK);
    mine.id = last_id;
    assert_int_equal(put_schedule(w, &theirs, 0), ERR_OK);
    gone.user = (struct user_row){.id = {7},
                                  .login = "mira",
                                  .email = "",
                                  .first_name = "",
                                  .last_name = "",
                                  .position = "",
                                  .zone = "Europe/Berlin",
                                  .password = "",
                                  .deleted_at = {T0 + 5}};
    w->pending++;
    store_account_changes(w->st, &gone, 1, on_done, w);
    settle(w);
    assert_int_equal(look(w, look_list, list).err, ERR_NOTFOUND);
    assert_int_equal(look(w, look_schedule, mine.id).err, ERR_NOTFOUND);
    l = look(w, look_schedule, last_id);
    assert_int_equal(l.err, ERR_OK);
    assert_false(l.schedule.is_enabled);
    assert_non_null(strstr(l.schedule.reason, "was deleted"));
    arena_done(&l.arena);
}

/* ---- schedules ---- */

static void start_launch(struct world *w, uint64_t launch, uint64_t schedule, uint64_t version, int64_t due,
                         int64_t next)
{
    struct change c = a_launch(launch);

    c.launch.schedule.id = schedule;
    c.launch.schedule.version = version;
    c.launch.schedule.due_at.ms = due;
    c.launch.schedule.next_at.ms = next;
    put(w, &c, 1);
}

static void test_store_schedules__a_start_is_known_with_its_launch(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("l");
    struct schedule_row s;
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    s = a_schedule("s", last_id, T0);
    assert_int_equal(put_schedule(w, &s, 0), ERR_OK);
    start_launch(w, 1, last_id, 1, T0, T0 + 1000);
    world_reopen(w);
    l = look(w, look_schedule, last_id);
    assert_int_equal(l.schedule.next_at.ms, T0 + 1000);
    assert_int_equal(l.schedule.last.due_at.ms, T0);
    assert_int_equal(l.schedule.last.launch.v, 1);
    assert_int_equal(l.schedule.last.result, START_STARTED);
    assert_int_equal(l.living, 1);
    arena_done(&l.arena);

    /* "failed" for the same time does not hide the launch; an edit's next time is not overwritten by an old one. */
    w->pending++;
    store_schedule_step(
        w->st,
        &(struct schedule_step){
            .schedule = last_id,
            .version = 9,
            .start = {.schedule = last_id, .due_at = {T0}, .at = {T0}, .result = START_FAILED, .text = "no"},
            .next_at = {5},
            .disable = "no"},
        on_done, w);
    settle(w);
    l = look(w, look_schedule, last_id);
    assert_int_equal(l.schedule.last.result, START_STARTED);
    assert_int_equal(l.schedule.next_at.ms, T0 + 1000);
    assert_true(l.schedule.is_enabled);
    arena_done(&l.arena);

    /* A schedule that was deleted meanwhile: the launch is a launch all the same. */
    w->pending++;
    store_schedule_delete(w->st, last_id, on_done, w);
    settle(w);
    start_launch(w, 2, last_id, 1, T0 + 1000, T0 + 2000);
    assert_int_equal(look(w, look_starts, last_id).n, 0);
}

static void test_store_schedules__those_due_first_come_first(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("l");
    static const int64_t next[] = {T0 + 5, 0, T0 + 1, T0 + 9};
    struct schedule_row s;
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    for (int i = 0; i < 4; i++) {
        s = a_schedule(numbered[i], 1, next[i]);
        s.is_enabled = i != 3;
        assert_int_equal(put_schedule(w, &s, 0), ERR_OK);
    }
    l = look(w, look_due, 0);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[0], 3);
    assert_int_equal(l.ids[1], 1);
    arena_done(&l.arena);
}

static void test_store_schedules__the_newest_starts_are_kept(void **state)
{
    struct world *w = *state;
    struct list_row row = a_list("l");
    struct schedule_row s;
    struct look l;

    assert_int_equal(put_list(w, &row, 0), ERR_OK);
    s = a_schedule("s", last_id, T0);
    assert_int_equal(put_schedule(w, &s, 0), ERR_OK);
    for (uint32_t i = 0; i < STARTS_KEPT + 50; i++) {
        w->pending++;
        store_schedule_step(w->st,
                            &(struct schedule_step){.schedule = last_id,
                                                    .version = 1,
                                                    .start = {.schedule = last_id,
                                                              .due_at = {T0 + i},
                                                              .at = {T0 + i},
                                                              .result = START_MISSED,
                                                              .text = ""},
                                                    .next_at = {T0 + i + 1}},
                            on_done, w);
    }
    settle(w);
    l = look(w, look_starts, last_id);
    assert_int_equal(l.n, STARTS_KEPT);
    assert_int_equal(l.starts[0].due_at.ms, T0 + STARTS_KEPT + 49);
    arena_done(&l.arena);
}

#define LIST(name) cmocka_unit_test_setup_teardown(test_store_lists__##name, setup, teardown)
#define SCHEDULE(name) cmocka_unit_test_setup_teardown(test_store_schedules__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST(come_back_as_they_were),
        LIST(are_replaced_whole_or_not),
        LIST(own_and_shared_are_listed),
        LIST(with_schedules_need_force_to_go),
        LIST(go_with_their_user),
        SCHEDULE(a_start_is_known_with_its_launch),
        SCHEDULE(those_due_first_come_first),
        SCHEDULE(the_newest_starts_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
