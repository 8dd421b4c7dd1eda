/* test_store_artifacts.c - artifacts in the store: rows in one piece, packs on disk, which example a file belongs to. */
#include <dirent.h>
#include <fcntl.h>

#include "store/pack.h"
#include "unit/test_store_world.h"

#define T0 INT64_C(1800000000000)

/* ---- packs ---- */

static struct pack *begin(struct world *w, uint64_t run, uint64_t number)
{
    struct pack *p = NULL;
    struct why why = {0};

    if (pack_begin(w->dir, (struct run_id){run}, "1f", number, &p, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return p;
}

static void test_store_artifacts__a_pack_has_its_name_when_it_is_whole(void **state)
{
    struct world *w = *state;
    struct pack *p;
    struct why why;
    struct buf names;
    char bytes[16];
    size_t n = 0;

    assert_int_equal(pack_tidy(w->dir, &why), ERR_OK);
    p = begin(w, 0x345, 1);
    assert_string_equal(pack_name(p), "837-1f-1");
    assert_int_equal(pack_write(p, "hello ", 6, &why), ERR_OK);
    assert_int_equal(pack_write(p, "world", 5, &why), ERR_OK);
    assert_int_equal(pack_bytes(p), 11);
    assert_int_equal(pack_read(w->dir, "837-1f-1", 0, bytes, 5, &n, &why), ERR_NOTFOUND);
    assert_int_equal(pack_keep(p, &why), ERR_OK);
    pack_free(p);
    assert_int_equal(pack_read(w->dir, "837-1f-1", 6, bytes, sizeof(bytes), &n, &why), ERR_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(bytes, "world", 5);
    buf_init(&names, KIB(4));
    pack_list(w->dir, 0x45, &names);
    assert_int_equal(names.len, sizeof("837-1f-1"));
    assert_string_equal(buf_str(&names), "837-1f-1");
    buf_done(&names);
    pack_punch(w->dir, "837-1f-1", 0, 6);
    assert_int_equal(pack_read(w->dir, "837-1f-1", 6, bytes, 5, &n, &why), ERR_OK);
    assert_memory_equal(bytes, "world", 5);
    assert_true(pack_remove(w->dir, "837-1f-1"));
    assert_true(pack_remove(w->dir, "837-1f-1"));
    assert_int_equal(pack_read(w->dir, "837-1f-1", 0, bytes, 5, &n, &why), ERR_NOTFOUND);
}

static void test_store_artifacts__a_pack_that_is_given_up_leaves_nothing(void **state)
{
    struct world *w = *state;
    char path[128];
    struct pack *p;
    struct why why;

    assert_int_equal(pack_tidy(w->dir, &why), ERR_OK);
    p = begin(w, 7, 1);
    fault_arm("pack.write", 2);
    assert_int_equal(pack_write(p, "x", 1, &why), ERR_OK);
    assert_int_equal(pack_write(p, "x", 1, &why), ERR_LIMIT);
    assert_string_equal(why.text, "the disk of the controller is full");
    pack_free(p);
    (void)snprintf(path, sizeof(path), "%s/artifacts/tmp", w->dir);
    assert_int_equal(rmdir(path), 0); /* it is empty */
    assert_int_equal(pack_begin(w->dir, (struct run_id){7}, "1f", 2, &p, &why), ERR_IO);
    assert_int_equal(pack_tidy(w->dir, &why), ERR_OK);
    p = begin(w, 7, 3); /* of a process that died: nobody frees it */
    assert_int_equal(pack_tidy(w->dir, &why), ERR_OK);
    assert_int_equal(rmdir(path), 0);
    pack_free(p);
}

static void test_store_artifacts__only_names_of_packs_are_names(void **state)
{
    bool is_ours = false;

    (void)state;
    assert_int_equal(pack_run("837-1f-1", "1f", &is_ours), 837);
    assert_true(is_ours);
    assert_int_equal(pack_run("837-1f-1", "1", &is_ours), 837);
    assert_false(is_ours);
    assert_int_equal(pack_run("837-1f-1", "1f0", &is_ours), 837);
    assert_false(is_ours);
    assert_int_equal(pack_run("837-1f", NULL, NULL), 0);
    assert_int_equal(pack_run("837-1f-", NULL, NULL), 0);
    assert_int_equal(pack_run("837--1", NULL, NULL), 0);
    assert_int_equal(pack_run("../../1-1-1", NULL, NULL), 0);
    assert_int_equal(pack_run("1-1-1/..", NULL, NULL), 0);
    assert_int_equal(pack_run("x-1-1", NULL, NULL), 0);
    assert_int_equal(pack_run("9999999999999999999-1-1", NULL, NULL), 0);
    assert_int_equal(pack_run("", NULL, NULL), 0);
}

/* ---- rows ---- */

static const struct artifact_row two[] = {
    {.path = "a.png", .bytes = 10, .mtime_ms = T0, .offset = 0, .crc = 0xffffffff},
    {.path = "b/" NASTY, .bytes = 0, .mtime_ms = 0, .offset = 10, .crc = 1},
};

static struct artifacts_put put_rows(struct world *w, uint64_t run, const char *pack, uint32_t n)
{
    struct artifacts_put put = {.run = {run}, .pack = pack, .rows = two, .n = n, .at = {T0}};

    w->pending++;
    store_artifacts_put(w->st, &put, on_done, w);
    settle(w);
    return put;
}

struct look {
    struct artifact_filter f;
    struct page page;
    uint64_t id;
    enum err err;
    struct why why;
    char text[2048];
    struct artifact_sums sums;
    struct user_id user;
    bool is_known;
    const char *pack;
    struct run_id at;
};

static void each(void *ctx, const struct artifact_row *row)
{
    struct look *l = ctx;
    size_t n = strlen(l->text);

    (void)snprintf(l->text + n, sizeof(l->text) - n, "%s%llu:%llu/%llu %s %llu@%llu %08x %lld %s",
                   n > 0 ? "|" : "", (unsigned long long)row->id, (unsigned long long)row->launch.v,
                   (unsigned long long)row->run.v, row->path, (unsigned long long)row->bytes,
                   (unsigned long long)row->offset, row->crc, (long long)row->example, row->pack);
}

static void list_job(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->text[0] = '\0';
    l->err = read_artifacts(r, &l->f, &l->page, each, l, &l->why);
}

static const char *list_of(struct world *w, struct look *l, uint64_t run, uint64_t launch)
{
    l->f = (struct artifact_filter){{run}, {launch}};
    if (l->page.limit == 0)
        l->page.limit = 50;
    read_now(w, list_job, l);
    assert_int_equal(l->err, ERR_OK);
    return l->text;
}

static void one_job(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->text[0] = '\0';
    l->err = read_artifact(r, l->id, each, l, &l->why);
    assert_int_equal(read_artifact_sums(r, &l->sums, NULL), ERR_OK);
    assert_int_equal(read_artifact_user(r, l->id, &l->user, NULL), l->err);
    if (l->pack != NULL)
        assert_int_equal(read_artifact_pack_is_known(r, l->at, l->pack, &l->is_known, NULL), ERR_OK);
}

static void expect_sums(struct world *w, uint64_t packs, uint64_t files, uint64_t bytes)
{
    struct look l = {.id = 1};

    read_now(w, one_job, &l);
    assert_int_equal(l.sums.packs, packs);
    assert_int_equal(l.sums.files, files);
    assert_int_equal(l.sums.bytes, bytes);
}

static void test_store_artifacts__rows_come_whole_and_replace_those_of_the_run(void **state)
{
    struct world *w = *state;
    struct look l = {0};
    struct artifacts_put put;

    put_launch_of(w, 2);
    put = put_rows(w, 1, "1-1f-1", 2);
    assert_int_equal(w->last_err, ERR_OK);
    assert_int_equal(put.launch.v, 1);
    assert_string_equal(put.replaced, "");
    assert_string_equal(list_of(w, &l, 1, 0),
                        "1:1/1 a.png 10@0 ffffffff -1 1-1f-1|2:1/1 b/" NASTY " 0@10 00000001 -1 1-1f-1");
    expect_sums(w, 1, 2, 10);
    put = put_rows(w, 1, "1-1f-2", 1);
    assert_string_equal(put.replaced, "1-1f-1");
    (void)put_rows(w, 2, "2-1f-3", 2);
    expect_sums(w, 2, 3, 20);
    world_reopen(w); /* ids go on */
    l = (struct look){.page = {.limit = 2}};
    assert_string_equal(list_of(w, &l, 0, 1),
                        "3:1/1 a.png 10@0 ffffffff -1 1-1f-2|4:1/2 a.png 10@0 ffffffff -1 2-1f-3");
    assert_int_equal(l.page.next, 4);
    l.page.after = l.page.next;
    assert_string_equal(list_of(w, &l, 0, 1), "5:1/2 b/" NASTY " 0@10 00000001 -1 2-1f-3");
    assert_int_equal(l.page.next, 0);
    put = put_rows(w, 1, "", 0);
    assert_string_equal(put.replaced, "1-1f-2");
    expect_sums(w, 1, 2, 10);
    l = (struct look){.id = 4, .pack = "2-1f-3", .at = {2}};
    read_now(w, one_job, &l);
    assert_int_equal(l.user.v, 1);
    assert_true(l.is_known);
    l.pack = "2-1f-2";
    read_now(w, one_job, &l);
    assert_false(l.is_known);
}

static void test_store_artifacts__a_run_that_is_over_takes_no_more(void **state)
{
    struct world *w = *state;
    struct change c = a_run(1, 1, 1, "spec/t0_spec.rb");

    put_launch_of(w, 1);
    (void)put_rows(w, 9, "9-1f-1", 2);
    assert_int_equal(w->last_err, ERR_NOTFOUND);
    c.kind = CHANGE_RUN_SET;
    c.run.state = RUN_LOST;
    put(w, &c, 1);
    (void)put_rows(w, 1, "1-1f-1", 2);
    assert_int_equal(w->last_err, ERR_CONFLICT);
    assert_string_equal(w->last_why.text, "run 1 is over");
    expect_sums(w, 0, 0, 0);
}

static void test_store_artifacts__they_go_one_by_one_or_by_packs(void **state)
{
    struct world *w = *state;
    struct artifact_gone gone = {.id = 1};
    struct artifact_drop drop = {.n = 2, .at = {{{2}, "2-1f-9", false}, {{1}, "1-1f-1", false}}};

    put_launch_of(w, 2);
    (void)put_rows(w, 1, "1-1f-1", 2);
    (void)put_rows(w, 2, "2-1f-2", 2);
    w->pending++;
    store_artifact_delete(w->st, &gone, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    assert_string_equal(gone.pack, "1-1f-1");
    assert_int_equal(gone.bytes, 10);
    assert_int_equal(gone.run.v, 1);
    assert_false(gone.was_last);
    expect_sums(w, 2, 3, 10);
    w->pending++;
    store_artifact_delete(w->st, &gone, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_NOTFOUND);
    w->pending++;
    store_artifacts_drop(w->st, &drop, on_done, w); /* of run 2 another pack than it has */
    settle(w);
    assert_false(drop.at[0].is_gone);
    assert_true(drop.at[1].is_gone);
    expect_sums(w, 1, 2, 10);
    gone.id = 3;
    w->pending++;
    store_artifact_delete(w->st, &gone, on_done, w);
    settle(w);
    gone.id = 4;
    w->pending++;
    store_artifact_delete(w->st, &gone, on_done, w);
    settle(w);
    assert_true(gone.was_last);
    assert_int_equal(gone.offset, 10);
    expect_sums(w, 0, 0, 0);
}

/* ---- packs that are to go ---- */

struct packs {
    uint32_t max;
    struct run_id at;
    char text[256];
};

static void each_pack(void *ctx, const struct artifact_pack_row *row)
{
    struct packs *p = ctx;
    size_t n = strlen(p->text);

    (void)snprintf(p->text + n, sizeof(p->text) - n, "%s ", row->name);
}

static void oldest_job(struct reader *r, void *arg)
{
    struct packs *p = arg;

    assert_int_equal(read_artifact_packs_oldest(r, p->max, each_pack, p, NULL), ERR_OK);
}

static void orphans_job(struct reader *r, void *arg)
{
    struct packs *p = arg;

    assert_int_equal(read_artifact_packs_orphaned(r, &p->at, p->max, each_pack, p, NULL), ERR_OK);
}

static void remove_run(struct world *w, uint64_t run)
{
    char path[128];
    char sql[64];
    struct db *db;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    (void)snprintf(sql, sizeof(sql), "DELETE FROM runs WHERE id = %llu", (unsigned long long)run);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_WRITE}, &db, NULL), ERR_OK);
    db_begin(db);
    db_script(db, sql);
    assert_int_equal(db_commit(db, NULL), ERR_OK);
    db_close(db);
}

static void test_store_artifacts__the_oldest_and_those_of_nobody_are_found(void **state)
{
    struct world *w = *state;
    struct packs p = {.max = 2};

    put_launch_of(w, 4);
    for (uint64_t run = 4; run > 0; run--) {
        char name[32];
        struct artifacts_put one = {
            .run = {run}, .pack = name, .rows = two, .n = 1, .at = {T0 - (int64_t)run}};

        (void)snprintf(name, sizeof(name), "%llu-1f-1", (unsigned long long)run);
        w->pending++;
        store_artifacts_put(w->st, &one, on_done, w);
        settle(w);
    }
    read_now(w, oldest_job, &p);
    assert_string_equal(p.text, "4-1f-1 3-1f-1 ");
    remove_run(w, 2);
    remove_run(w, 4);
    p.text[0] = '\0';
    read_now(w, orphans_job, &p);
    assert_string_equal(p.text, "2-1f-1 ");
    assert_int_equal(p.at.v, 2);
    read_now(w, orphans_job, &p);
    assert_string_equal(p.text, "2-1f-1 4-1f-1 ");
    read_now(w, orphans_job, &p);
    assert_int_equal(p.at.v, 0); /* that was the end */
}

/* ---- which example ---- */

struct said {
    const char *id;
    const char *path[3];
    const char *artifacts[3];
};

static void end_run(struct world *w, uint64_t run)
{
    struct change c = a_run(run, run, 1, "spec/t0_spec.rb");

    c.kind = CHANGE_RUN_SET;
    c.run.state = RUN_DONE;
    put(w, &c, 1);
}

static void put_examples(struct world *w, const struct said *said, uint32_t n)
{
    struct example_row rows[8];
    struct tally tally = {0};

    for (uint32_t i = 0; i < n; i++) {
        const struct said *s = &said[i];

        rows[i] = (struct example_row){.run = {1},
                                       .seq = i,
                                       .id = s->id,
                                       .path = s->path,
                                       .file = "",
                                       .status = EXAMPLE_FAILED,
                                       .exception = "",
                                       .message = "",
                                       .pending = "",
                                       .artifacts = s->artifacts};
        while (rows[i].n_path < 3 && s->path[rows[i].n_path] != NULL)
            rows[i].n_path++;
        while (rows[i].n_artifacts < 3 && s->artifacts[rows[i].n_artifacts] != NULL)
            rows[i].n_artifacts++;
    }
    w->pending++;
    store_examples(w->st, (struct run_id){1}, (struct launch_id){1}, rows, n, 100, &tally, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

static void expect_links(struct world *w, const struct said *said, uint32_t n, const char *const *paths,
                         const int64_t *examples, uint32_t n_paths)
{
    struct artifact_row rows[8] = {{0}};
    struct artifacts_put put = {.run = {1}, .pack = "1-1f-1", .rows = rows, .n = n_paths, .at = {T0}};
    char want[2048] = "";
    struct look l = {0};

    put_launch_of(w, 1);
    for (uint32_t i = 0; i < n_paths; i++) {
        rows[i].path = paths[i];
        (void)snprintf(want + strlen(want), sizeof(want) - strlen(want),
                       "%s%u:1/1 %s 0@0 00000000 %lld 1-1f-1", i > 0 ? "|" : "", i + 1, paths[i],
                       (long long)examples[i]);
    }
    w->pending++;
    store_artifacts_put(w->st, &put, on_done, w);
    put_examples(w, said, n);
    end_run(w, 1);
    assert_string_equal(list_of(w, &l, 1, 0), want);
}

static void test_store_artifacts__an_example_has_what_it_says_it_left(void **state)
{
    static const struct said said[] = {
        {"a[1:1]", {"Cart", "is empty"}, {"tmp/1.png", "/srv/tree/tmp/2.html"}},
        {"a[1:2]", {"Cart", "is full"}, {"tmp/1.png", "gone.png", "xtmp/3.png"}},
    };
    static const char *const paths[] = {"tmp/1.png", "tmp/2.html", "tmp/3.png"};
    static const int64_t examples[] = {0, 0, -1};

    expect_links(*state, said, 2, paths, examples, 3);
}

static void test_store_artifacts__else_the_longest_name_in_a_path_decides(void **state)
{
    static const struct said said[] = {
        {"./spec/cart_spec.rb[1:1]", {"Cart", "keeps items"}, {NULL}},
        {"./spec/cart_spec.rb[1:12]", {"Cart", "keeps items for long"}, {NULL}},
        {"./spec/cart_spec.rb[1:3]", {"Pay", "works"}, {NULL}},
        {"./spec/cart_spec.rb[1:4]", {"Ship", "it arrives in time"}, {NULL}},
        {"./spec/cart_spec.rb[1:5]", {"Mail", "it arrives in time"}, {NULL}},
    };
    static const char *const paths[] = {
        "shots/Cart keeps items for long.png", "shots/cart_keeps_items-2.png",
        "shots/spec-cart_spec-rb-1-12.png",    "shots/works.png",
        "shots/it arrives in time.png",        "shots/mail: it arrives in time.png",
        "shots/xcart keeps items.png",
    };
    static const int64_t examples[] = {1, 0, 1, -1, -1, 4, -1};

    expect_links(*state, said, 5, paths, examples, 7);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_store_artifacts__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_pack_has_its_name_when_it_is_whole),
        T(a_pack_that_is_given_up_leaves_nothing),
        T(only_names_of_packs_are_names),
        T(rows_come_whole_and_replace_those_of_the_run),
        T(a_run_that_is_over_takes_no_more),
        T(they_go_one_by_one_or_by_packs),
        T(the_oldest_and_those_of_nobody_are_found),
        T(an_example_has_what_it_says_it_left),
        T(else_the_longest_name_in_a_path_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
