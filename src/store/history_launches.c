/* history_launches.c - the launches that fit a filter, newest first.
 *
 * There are a hundred times fewer launches than runs, so one filter leads, by its index, and what it finds is looked at for
 * the others. The work of a page is bounded: it may end early, with a cursor to go on from (words of a name that few have). */
#include <string.h>

#include "store/store_private.h"

#define LOOKS_MAX 10000u /* rows of one page: some 10 ms */

#define NOTABLE (~(1u << OUTCOME_NONE | 1u << OUTCOME_PASSED))

struct search {
    const struct launch_filter *f;
    const char *words[SEARCH_WORDS_MAX];
    uint32_t n_words;
    const char *lead; /* the condition of the index that is walked */
    enum { LEAD_ALL, LEAD_LIVING, LEAD_SCHEDULE, LEAD_REF, LEAD_USER, LEAD_OUTCOME, LEAD_PROJECT } by;
};

static bool is_one_notable(uint32_t outcomes)
{
    return outcomes != 0 && (outcomes & ~NOTABLE) == 0 && (outcomes & (outcomes - 1)) == 0;
}

static enum outcome first_of(uint32_t outcomes)
{
    int o = 0;

    while ((outcomes >> o & 1) == 0)
        o++;
    return (enum outcome)o;
}

/* The filter that leaves the fewest. */
static void lead_choose(struct search *q)
{
    const struct launch_filter *f = q->f;

    if (f->schedule != 0) {
        q->by = LEAD_SCHEDULE;
        q->lead = "l.schedule = ? AND l.schedule > 0 AND ";
    } else if (f->state >= 0 && f->state != LAUNCH_DONE) {
        q->by = LEAD_LIVING;
        q->lead = "l.state <> 'done' AND ";
    } else if (f->ref != NULL) {
        q->by = LEAD_REF;
        q->lead = "l.ref = ? AND ";
    } else if (f->user.v != 0) {
        q->by = LEAD_USER;
        q->lead = "l.user_id = ? AND ";
    } else if (is_one_notable(f->outcomes)) {
        q->by = LEAD_OUTCOME;
        q->lead = "l.outcome = ? AND l.outcome NOT IN ('', 'passed') AND ";
    } else if (f->project.v != 0) {
        q->by = LEAD_PROJECT;
        q->lead = "l.project = ? AND ";
    } else {
        q->by = LEAD_ALL;
        q->lead = "";
    }
}

static void lead_bind(const struct search *q, struct db_stmt *s)
{
    switch (q->by) {
    case LEAD_SCHEDULE:
        db_uint(s, q->f->schedule);
        break;
    case LEAD_REF:
        db_text(s, q->f->ref);
        break;
    case LEAD_USER:
        db_uint(s, q->f->user.v);
        break;
    case LEAD_OUTCOME:
        db_text(s, outcome_name(first_of(q->f->outcomes)));
        break;
    case LEAD_PROJECT:
        db_uint(s, q->f->project.v);
        break;
    case LEAD_ALL:
    case LEAD_LIVING:
        break;
    }
}

/* The columns behind the id. `schedule` stands behind `env`, which may be megabytes: it always leads. */
#define LOOKED_AT "l.user_id, l.project, l.ref, l.name, l.created_at, l.state, l.outcome"

static bool row_fits(const struct search *q, struct db_stmt *s)
{
    const struct launch_filter *f = q->f;
    uint64_t user = db_get_uint(s);
    uint64_t project = db_get_uint(s);
    bool fits = (f->user.v == 0 || user == f->user.v) && (f->project.v == 0 || project == f->project.v);
    const char *text = db_get_text(s);
    int64_t at;

    fits = fits && (f->ref == NULL || strcmp(f->ref, text) == 0);
    text = db_get_text(s);
    fits = fits && search_fits(text, q->words, q->n_words);
    at = db_get_int(s);
    fits = fits && at >= f->since.ms && (f->until.ms == 0 || at < f->until.ms);
    text = db_get_text(s);
    fits = fits && (f->state < 0 || (int)launch_state_of(text) == f->state);
    text = db_get_text(s);
    return fits && (f->outcomes == 0 || (f->outcomes >> outcome_of(text) & 1) != 0);
}

static struct db_stmt *search_sql(struct reader *r, struct search *q, const struct id_range *range)
{
    struct db_stmt *s;
    struct buf b;

    lead_choose(q);
    buf_init(&b, SQL_BYTES_MAX);
    buf_printf(&b,
               "SELECT l.id, " LOOKED_AT " FROM launches l WHERE %sl.id >= ? AND l.id < ? "
               "ORDER BY l.id DESC",
               q->lead);
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    lead_bind(q, s);
    db_uint(s, range->begin);
    db_uint(s, range->end);
    return s;
}

enum err read_launches(struct reader *r, const struct launch_filter *f, struct page *p, launch_fn *each,
                       void *ctx, struct why *reterr)
{
    struct id_range range = {0, p->after != 0 ? p->after : KEY_MAX};
    struct search q = {.f = f};
    uint64_t last = 0;
    uint32_t looks = 0;
    uint32_t n = 0;
    struct arena words;
    struct db_stmt *s;

    CHECK(p->limit >= 1);
    CHECK(p->limit <= PAGE_LIMIT_MAX);
    p->next = 0;
    arena_init(&words);
    q.n_words = search_words(&words, f->name, q.words);
    id_times_bound(r, ID_TIME_LAUNCH, f->since, f->until, &range);
    s = search_sql(r, &q, &range);
    while (db_row(s)) {
        uint64_t id = db_get_uint(s);
        bool fits = row_fits(&q, s);

        if ((fits && n == p->limit) || ++looks > LOOKS_MAX) {
            p->next = looks > LOOKS_MAX ? id + 1 : last;
            db_end(s);
            break;
        }
        if (!fits)
            continue;
        if (read_launch(r, (struct launch_id){id}, each, ctx, NULL) != ERR_OK)
            break; /* it sticks to the connection */
        last = id;
        n++;
    }
    arena_done(&words);
    return db_error(r->db, reterr);
}
