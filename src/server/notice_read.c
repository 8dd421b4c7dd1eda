/* notice_read.c - a mail about what happened: read from the store, written by notify/notice_text.h. On a reader thread. */
#include <string.h>

#include "base/log.h"
#include "model/mail.h"
#include "server/notices.h"

#define LAUNCHES_LOOKED_AT 500u /* of those that ended meanwhile; the rest is not told */
#define EXAMPLES_LOOKED_AT 100u /* that failed, of each test */

struct reading {
    struct telling *t;
    struct reader *r;
    struct notice_row *rows;
    uint32_t n;
    uint32_t cap;
    uint64_t things;
    uint64_t count;
};

static const char *keep(struct telling *t, const char *s)
{
    return s == NULL || s[0] == '\0' ? "" : arena_strdup(&t->arena, s);
}

static void take_row(void *ctx, const struct notice_row *row)
{
    struct reading *rd = ctx;
    struct notice_row *to = &rd->rows[rd->n];

    if (rd->n == rd->cap)
        return;
    *to = *row;
    to->word = keep(rd->t, row->word);
    to->name = keep(rd->t, row->name);
    to->text = keep(rd->t, row->text);
    rd->n++;
}

static enum err read_taken(struct reading *rd, uint32_t max)
{
    struct telling *t = rd->t;

    rd->cap = max;
    rd->rows = arena_alloc(&t->arena, max * sizeof(*rd->rows));
    return read_notices_taken(rd->r, t->kind, t->user, max, take_row, rd, &rd->things, &rd->count, &t->why);
}

/* ---- launches -------------------------------------------------------------------------------------------- */

struct launch_reading {
    struct telling *t;
    struct notice_launch *l;
    struct notice_test *test;
    const char *run_reason;
    bool found;
};

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct launch_reading *lr = ctx;

    lr->l->row = *row;
    lr->l->row.name = keep(lr->t, row->name);
    lr->l->row.project_name = keep(lr->t, row->project_name);
    lr->l->row.ref = keep(lr->t, row->ref);
    lr->l->row.note = keep(lr->t, row->note);
    memcpy(lr->l->by_outcome, sums->by_outcome, sizeof(lr->l->by_outcome));
    lr->l->tally = sums->tally;
    lr->found = true;
}

static const char *joined(struct telling *t, const char *const *path, uint32_t n)
{
    struct buf b;
    const char *s;

    buf_init(&b, KIB(64));
    for (uint32_t i = 0; i < n && b.len < KIB(16); i++)
        buf_printf(&b, "%s%.2000s", i > 0 ? " " : "", path[i]);
    s = keep(t, buf_str(&b));
    buf_done(&b);
    return s;
}

static void take_example(void *ctx, const struct example_row *row)
{
    struct launch_reading *lr = ctx;
    struct notice_test *test = lr->test;
    struct notice_example *x = &test->examples[test->n_examples];

    test->n_failed++;
    if (test->n_examples == NOTICE_EXAMPLES_MAX)
        return;
    x->name = joined(lr->t, row->path, row->n_path);
    x->file = keep(lr->t, row->file);
    x->line = row->line;
    x->message = keep(lr->t, row->message[0] != '\0' ? row->message : row->exception);
    test->n_examples++;
}

static void take_test(void *ctx, const struct test_row *row)
{
    struct launch_reading *lr = ctx;
    struct notice_test *test = &lr->l->tests[lr->l->n_tests];

    if (lr->l->n_tests == NOTICE_TESTS_MAX)
        return;
    *test = (struct notice_test){.path = keep(lr->t, row->path),
                                 .outcome = row->outcome,
                                 .reason = keep(lr->t, row->reason),
                                 .run = row->run};
    lr->l->n_tests++;
}

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct launch_reading *lr = ctx;

    (void)commit;
    (void)log_bytes;
    if (lr->test->reason[0] == '\0')
        lr->test->reason = keep(lr->t, row->reason);
}

static enum err read_tests_of(struct reader *r, struct launch_reading *lr, struct why *why)
{
    struct notice_launch *l = lr->l;
    enum err err = ERR_OK;

    /* The worst first. */
    for (int o = OUTCOME_COUNT - 1; o >= OUTCOME_NO_TESTS && err == ERR_OK; o--) {
        struct test_filter f = {.launch = l->row.id, .state = TEST_DONE, .outcome = o};
        struct page p = {.limit = NOTICE_TESTS_MAX};

        if (l->by_outcome[o] > 0 && l->n_tests < NOTICE_TESTS_MAX)
            err = read_tests(r, &f, &p, take_test, lr, why);
    }
    for (uint32_t i = 0; i < l->n_tests && err == ERR_OK; i++) {
        struct example_filter f = {.run = l->tests[i].run,
                                   .statuses = 1u << EXAMPLE_FAILED | 1u << EXAMPLE_ERROR};
        struct page p = {.limit = EXAMPLES_LOOKED_AT};

        lr->test = &l->tests[i];
        if (f.run.v == 0)
            continue;
        err = read_examples(r, &f, &p, take_example, lr, why);
        if (err == ERR_OK)
            err = read_run(r, f.run, take_run, lr, why);
        if (err == ERR_NOTFOUND)
            err = ERR_OK; /* deleted meanwhile */
    }
    return err;
}

/* Of those that ended these are told; a launch that was deleted meanwhile is no news. */
static enum err read_wanted(struct reading *rd, struct notice_launch **ls, uint32_t *retn)
{
    struct telling *t = rd->t;
    enum err err = ERR_OK;

    *retn = 0;
    for (uint32_t i = 0; i < rd->n && err == ERR_OK; i++) {
        struct notice_launch *l = arena_alloc(&t->arena, sizeof(*l));
        struct launch_reading lr = {.t = t, .l = l};
        uint64_t schedule = 0;

        memset(l, 0, sizeof(*l));
        err = read_launch(rd->r, (struct launch_id){rd->rows[i].object}, take_launch, &lr, &t->why);
        if (err == ERR_NOTFOUND) {
            err = ERR_OK;
            continue;
        }
        if (err == ERR_OK)
            err = read_launch_schedule(rd->r, l->row.id, &schedule, &t->arena, &l->schedule, &t->why);
        if (err == ERR_OK && notice_launch_is_wanted(&t->choices, &l->row, schedule != 0))
            ls[(*retn)++] = l;
    }
    return err;
}

static enum err write_launches(struct reading *rd, struct buf *subject, struct buf *text, struct buf *html)
{
    struct telling *t = rd->t;
    struct notice_launch **ls;
    uint32_t n = 0;
    enum err err = read_taken(rd, LAUNCHES_LOOKED_AT);

    ls = arena_alloc(&t->arena, (rd->n + 1) * sizeof(struct notice_launch *));
    if (err == ERR_OK)
        err = read_wanted(rd, ls, &n);
    t->is_wanted = n > 0;
    if (err != ERR_OK || n == 0)
        return err;
    if (n > 1) {
        uint32_t listed = n < NOTICE_THINGS_MAX ? n : NOTICE_THINGS_MAX;

        t->template_kind = "launches";
        return notice_text_launches(&t->site, t->login, (const struct notice_launch *const *)ls, listed, n,
                                    subject, text, html, &t->why);
    }
    t->template_kind = "launch";
    err = read_tests_of(rd->r, &(struct launch_reading){.t = t, .l = ls[0]}, &t->why);
    if (err == ERR_OK)
        err = notice_text_launch(&t->site, t->login, ls[0], subject, text, html, &t->why);
    return err;
}

/* ---- schedules and troubles ------------------------------------------------------------------------------ */

struct thing_reading {
    struct telling *t;
    struct notice_thing *thing;
};

static void take_thing_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct thing_reading *tr = ctx;

    (void)sums;
    tr->thing->launch_name = keep(tr->t, row->name);
    tr->thing->project = keep(tr->t, row->project_name);
    tr->thing->ref = keep(tr->t, row->ref);
}

/* The end of a log; NUL bytes in it end nothing. */
static enum err read_tail(struct reading *rd, struct notice_thing *thing)
{
    struct telling *t = rd->t;
    struct log_info info = {0};
    struct buf b;
    enum err err;
    char *s;

    buf_init(&b, NOTICE_LOG_BYTES + 1);
    err = read_log(rd->r, thing->row.run, 0, 1, &b, &info, &t->why);
    buf_clear(&b);
    if (err == ERR_OK && info.size > 0)
        err = read_log(rd->r, thing->row.run, info.size > NOTICE_LOG_BYTES ? info.size - NOTICE_LOG_BYTES : 0,
                       NOTICE_LOG_BYTES, &b, &info, &t->why);
    if (err == ERR_OK && b.len > 0) {
        s = arena_alloc(&t->arena, b.len + 1);
        memcpy(s, buf_str(&b), b.len);
        s[b.len] = '\0';
        for (size_t i = 0; i < b.len; i++)
            s[i] = s[i] == '\0' ? '?' : s[i];
        thing->log = s;
    }
    buf_done(&b);
    return err == ERR_NOTFOUND ? ERR_OK : err; /* deleted meanwhile, or there is none */
}

static enum err write_things(struct reading *rd, struct buf *subject, struct buf *text, struct buf *html)
{
    struct telling *t = rd->t;
    bool about_launch = t->kind == NOTICE_RUNS_LOST || t->kind == NOTICE_NO_TESTS;
    struct notice_thing *at;
    struct notice_things things = {.kind = t->kind};
    enum err err = read_taken(rd, NOTICE_THINGS_MAX);

    at = arena_alloc(&t->arena, (rd->n + 1) * sizeof(*at));
    for (uint32_t i = 0; i < rd->n && err == ERR_OK; i++) {
        struct thing_reading tr = {t, &at[i]};

        at[i] =
            (struct notice_thing){.row = rd->rows[i], .project = "", .ref = "", .launch_name = "", .log = ""};
        if (about_launch)
            err = read_launch(rd->r, (struct launch_id){at[i].row.object}, take_thing_launch, &tr, &t->why);
        if (err == ERR_NOTFOUND)
            err = ERR_OK;
        if (err == ERR_OK && at[i].row.run.v != 0 && i < NOTICE_LOGS_MAX)
            err = read_tail(rd, &at[i]);
    }
    t->is_wanted = rd->n > 0;
    if (err != ERR_OK || rd->n == 0)
        return err;
    things.at = at;
    things.n = rd->n;
    things.things = rd->things;
    things.count = rd->count;
    if (notice_is_for_admins(t->kind)) {
        t->template_kind = "trouble";
        return notice_text_trouble(&t->site, &things, subject, text, html, &t->why);
    }
    t->template_kind = t->kind == NOTICE_HOOK_DISABLED ? "hook" : "schedule";
    return notice_text_schedules(&t->site, t->login, &things, subject, text, html, &t->why);
}

void notice_read_job(struct reader *r, void *arg)
{
    struct telling *t = arg;
    struct reading rd = {.t = t, .r = r};
    struct buf subject;
    struct buf text;
    struct buf html;

    buf_init(&subject, MAIL_BYTES_MAX);
    buf_init(&text, MAIL_BYTES_MAX);
    buf_init(&html, MAIL_BYTES_MAX);
    t->err = t->kind == NOTICE_LAUNCH_DONE ? write_launches(&rd, &subject, &text, &html)
                                           : write_things(&rd, &subject, &text, &html);
    t->subject = keep(t, buf_str(&subject));
    t->text = keep(t, buf_str(&text));
    t->html = keep(t, buf_str(&html));
    buf_done(&subject);
    buf_done(&text);
    buf_done(&html);
}
