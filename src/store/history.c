/* history.c - the runs that fit a filter, newest first, among a million of them.
 *
 * Two filters together have no index of their own, and the rows that fit both may lie anywhere. So the list is not one
 * statement but a walk down the ids in windows. In a window the candidates are read by the way that has the fewest (one
 * `stream` of an index for each server, file, origin, outcome that is wanted, or all runs of the window when those are fewer), looked at by
 * what stands in the index, sorted, and their rows read. A window that holds little is followed by one four times
 * as wide, one that holds too much is cut to a quarter; where nothing was found the walk leaps to the next run of any stream.
 *
 * The work of a page is bounded (COST_MAX): when it is spent, the page ends early, with a cursor to go on from. That is for
 * what no index knows, such as the passed runs of a file that nearly always fails. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

#ifndef WINDOW_FIRST            /* a test makes them small */
#define WINDOW_FIRST 1024u      /* ids */
#define WINDOW_ROWS_MAX 4096u   /* candidates; a window of WINDOW_FIRST ids never has more */
#define STREAMS_MERGED_MAX 600u /* more of them, and all that failed are looked at instead */
#define PATHS_FIRST_MAX 32u     /* so few files are looked for before the server or the origin */
#define COST_MAX 48000
#endif

/* What a step costs, in about 0.25 us, as measured by bench_history. */
#define COST_ENTRY 1 /* of an index */
#define COST_LOOK 6  /* at a row, for what its index does not know */
#define COST_SEEK 6
#define COST_ROW 60 /* read whole, with what it refers to */

#define NOTABLE (~(1u << OUTCOME_NONE | 1u << OUTCOME_PASSED))

enum way { BY_ALL, BY_TEST, BY_LAUNCH, BY_LIVING, BY_LOST, BY_PATH, BY_SERVER, BY_ORIGIN, BY_OUTCOME };

enum need {
    NEED_ORIGIN = 1,
    NEED_PATH = 2,
    NEED_SERVER = 4,
    NEED_LAUNCH = 8,
    NEED_TEST = 16,
    NEED_STATE = 32,
    NEED_OUTCOME = 64,
};

/* What stands in the index beside the id: looking at it is cheap. */
#define WITH_BOTH (NEED_ORIGIN | NEED_PATH)
static const struct {
    const char *where;   /* one key */
    const char *notable; /* a key and an outcome that is neither "" nor passed; NULL: no such index */
    unsigned sure;       /* what it fits by itself */
    unsigned cheap;
} ways[] = {
    [BY_ALL] = {"", NULL, 0, 0},
    [BY_TEST] = {"r.test = ? AND ", NULL, NEED_TEST, 0},
    [BY_LAUNCH] = {"r.launch = ? AND ", NULL, NEED_LAUNCH, 0},
    [BY_LIVING] = {"r.state NOT IN ('done', 'lost') AND ", NULL, 0, 0},
    [BY_LOST] = {"r.state = 'lost' AND ", NULL, NEED_STATE, 0},
    [BY_PATH] = {"r.path = ? AND ", "r.path = ? AND r.outcome = ? AND r.outcome NOT IN ('', 'passed') AND ",
                 NEED_PATH, NEED_ORIGIN},
    [BY_SERVER] = {"r.server = ? AND ",
                   "r.server = ? AND r.outcome = ? AND r.outcome NOT IN ('', 'passed') AND ", NEED_SERVER,
                   WITH_BOTH},
    [BY_ORIGIN] = {"r.origin = ? AND ",
                   "r.origin = ? AND r.outcome = ? AND r.outcome NOT IN ('', 'passed') AND ", NEED_ORIGIN,
                   NEED_PATH},
    [BY_OUTCOME] = {NULL, "r.outcome = ? AND r.outcome NOT IN ('', 'passed') AND ", 0, WITH_BOTH},
};

struct history {
    struct reader *r;
    const struct run_filter *f;
    struct id_set origins;
    struct id_set paths;
    unsigned needs; /* what has to be looked at, one way or another */
    enum way way;
    bool is_notable;
    uint64_t key;         /* of ways with one key */
    const uint64_t *keys; /* of BY_PATH, BY_ORIGIN; else &key */
    uint32_t n_keys;
    enum outcome outcomes[OUTCOME_COUNT]; /* of a way by notable outcomes */
    uint32_t n_outcomes;
    uint32_t n_streams;
    struct buf sql_streams;
    struct buf sql_all; /* of the same window, all runs */
    struct buf sql_leap;
    uint64_t *found;
    uint32_t n_found;
    uint32_t cap_found;
    uint32_t n_candidates; /* of the window */
    int64_t cost;
};

/* ---- the filter -------------------------------------------------------------------------------------------- */

/* The words of a search; at most PATH_WORDS_MAX, the rest is not looked at. Into *ret, whose texts are in `a`. */
uint32_t search_words(struct arena *a, const char *text, const char *ret[SEARCH_WORDS_MAX])
{
    uint32_t n = 0;

    while (text != NULL && n < SEARCH_WORDS_MAX) {
        size_t len;

        text += strspn(text, " \t");
        len = strcspn(text, " \t");
        if (len == 0)
            break;
        ret[n++] = arena_strndup(a, text, len);
        text += len;
    }
    return n;
}

bool search_fits(const char *text, const char *const *words, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        if (strcasestr(text, words[i]) == NULL)
            return false;
    return true;
}

static void paths_find(struct history *h)
{
    const char *words[SEARCH_WORDS_MAX];
    const struct run_filter *f = h->f;
    struct db_stmt *s;
    uint32_t n_words;

    arena_reset(&h->r->row);
    n_words = search_words(&h->r->row, f->path, words);
    if (f->project.v != 0) {
        s = db_sql(h->r->db, "SELECT id, path FROM paths WHERE project = ?");
        db_uint(s, f->project.v);
    } else {
        s = db_sql(h->r->db, "SELECT id, path FROM paths");
    }
    while (db_row(s)) {
        uint64_t id = db_get_uint(s);
        const char *path = db_get_text(s);

        if ((f->file == NULL || strcmp(path, f->file) == 0) && search_fits(path, words, n_words))
            id_set_add(&h->paths, id);
    }
}

static bool only_blanks(const char *text)
{
    return text[strspn(text, " \t")] == '\0';
}

/* Is there a filter by which nothing can be found? */
static bool finds_nothing(struct history *h)
{
    const struct run_filter *f = h->f;

    if (origins_are_asked(f)) {
        h->needs |= NEED_ORIGIN;
        origins_find(h->r, f, &h->origins);
        if (h->origins.n == 0)
            return true;
    }
    if (f->file != NULL || (f->path != NULL && !only_blanks(f->path))) {
        h->needs |= NEED_PATH;
        paths_find(h);
        if (h->paths.n == 0)
            return true;
    }
    h->needs |= (f->server.v != 0 ? NEED_SERVER : 0u) | (f->launch.v != 0 ? NEED_LAUNCH : 0u) |
                (f->test.v != 0 ? NEED_TEST : 0u) | (f->state != -1 ? NEED_STATE : 0u) |
                (f->outcomes != 0 ? NEED_OUTCOME : 0u);
    return false;
}

/* ---- the way ----------------------------------------------------------------------------------------------- */

static void way_keys(struct history *h, enum way way, const uint64_t *keys, uint32_t n)
{
    h->way = way;
    h->keys = keys;
    h->n_keys = n;
}

static void way_key(struct history *h, enum way way, uint64_t key)
{
    h->key = key;
    way_keys(h, way, &h->key, 1);
}

static bool state_is_living(int state)
{
    return state == -2 || (state >= 0 && state != RUN_DONE && state != RUN_LOST);
}

static void way_choose(struct history *h)
{
    const struct run_filter *f = h->f;

    if (f->test.v != 0)
        way_key(h, BY_TEST, f->test.v);
    else if (state_is_living(f->state))
        way_key(h, BY_LIVING, 0);
    else if (f->state == RUN_LOST)
        way_key(h, BY_LOST, 0);
    else if (f->launch.v != 0)
        way_key(h, BY_LAUNCH, f->launch.v);
    else if ((h->needs & NEED_PATH) != 0 && h->paths.n <= PATHS_FIRST_MAX)
        way_keys(h, BY_PATH, h->paths.ids, h->paths.n);
    else if (f->server.v != 0)
        way_key(h, BY_SERVER, f->server.v);
    else if ((h->needs & NEED_ORIGIN) != 0)
        way_keys(h, BY_ORIGIN, h->origins.ids, h->origins.n);
    else if ((h->needs & NEED_PATH) != 0)
        way_keys(h, BY_PATH, h->paths.ids, h->paths.n);
    else
        way_key(h, BY_ALL, 0);
}

/* Only outcomes that few runs have: then there are indexes of those runs alone. */
static void way_by_outcome(struct history *h)
{
    int o;

    if (h->f->outcomes == 0 || (h->f->outcomes & ~NOTABLE) != 0 ||
        (ways[h->way].notable == NULL && h->way != BY_ALL))
        return;
    for (o = 0; o < OUTCOME_COUNT; o++)
        if ((h->f->outcomes >> o & 1) != 0)
            h->outcomes[h->n_outcomes++] = (enum outcome)o;
    if (h->way == BY_ALL || (h->way != BY_SERVER && h->n_keys * h->n_outcomes > STREAMS_MERGED_MAX))
        way_keys(h, BY_OUTCOME, &h->key, 1);
    h->is_notable = true;
}

static bool has_key(const struct history *h)
{
    return h->way != BY_ALL && h->way != BY_LIVING && h->way != BY_LOST && h->way != BY_OUTCOME;
}

static void needs_sql(struct buf *b, unsigned needs)
{
    static const char *const columns[] = {"origin", "path", "server", "launch", "test", "state", "outcome"};
    size_t i;

    buf_puts(b, "SELECT r.id");
    for (i = 0; i < ARRAY_LEN(columns); i++)
        if ((needs >> i & 1) != 0)
            buf_printf(b, ", r.%s", columns[i]);
    buf_puts(b, " FROM runs r WHERE ");
}

/* What is to be looked at in the candidates of the chosen way. */
static unsigned way_needs(const struct history *h)
{
    return h->needs & ~(ways[h->way].sure | (h->is_notable ? NEED_OUTCOME : 0u));
}

static void way_sql(struct history *h)
{
    const char *where = h->is_notable ? ways[h->way].notable : ways[h->way].where;

    h->n_streams = h->n_keys * (h->is_notable ? h->n_outcomes : 1);
    buf_init(&h->sql_streams, SQL_BYTES_MAX);
    needs_sql(&h->sql_streams, way_needs(h));
    buf_printf(&h->sql_streams, "%sr.id >= ? AND r.id < ?", where);
    buf_init(&h->sql_all, SQL_BYTES_MAX);
    needs_sql(&h->sql_all, h->needs);
    buf_puts(&h->sql_all, "r.id >= ? AND r.id < ?");
    buf_init(&h->sql_leap, SQL_BYTES_MAX);
    buf_printf(&h->sql_leap,
               "SELECT r.id FROM runs r WHERE %sr.id >= ? AND r.id < ? ORDER BY r.id DESC LIMIT 1", where);
}

/* The statement of stream i; its bounds are bound next. */
static struct db_stmt *stream(const struct history *h, const struct buf *sql, uint32_t i)
{
    struct db_stmt *s = db_built(h->r->db, buf_str(sql));

    if (has_key(h))
        db_uint(s, h->keys[h->is_notable ? i / h->n_outcomes : i]);
    if (h->is_notable)
        db_text(s, outcome_name(h->outcomes[i % h->n_outcomes]));
    return s;
}

/* ---- a window ---------------------------------------------------------------------------------------------- */

static bool state_fits(int wanted, enum run_state state)
{
    return wanted == -2 ? state != RUN_DONE && state != RUN_LOST : (int)state == wanted;
}

/* The columns of needs_sql(), behind the id. All are read, in their order. */
static bool candidate_fits(const struct history *h, struct db_stmt *s, unsigned needs)
{
    const struct run_filter *f = h->f;
    bool fits = true;

    if ((needs & NEED_ORIGIN) != 0)
        fits = id_set_has(&h->origins, db_get_uint(s)) && fits;
    if ((needs & NEED_PATH) != 0)
        fits = id_set_has(&h->paths, db_get_uint(s)) && fits;
    if ((needs & NEED_SERVER) != 0)
        fits = db_get_uint(s) == f->server.v && fits;
    if ((needs & NEED_LAUNCH) != 0)
        fits = db_get_uint(s) == f->launch.v && fits;
    if ((needs & NEED_TEST) != 0)
        fits = db_get_uint(s) == f->test.v && fits;
    if ((needs & NEED_STATE) != 0)
        fits = state_fits(f->state, run_state_of(db_get_text(s))) && fits;
    if ((needs & NEED_OUTCOME) != 0)
        fits = (f->outcomes >> outcome_of(db_get_text(s)) & 1) != 0 && fits;
    return fits;
}

static void found_add(struct history *h, uint64_t id)
{
    if (h->n_found == h->cap_found) {
        h->cap_found = h->cap_found == 0 ? 256 : h->cap_found * 2;
        h->found = xrealloc(h->found, h->cap_found * sizeof(*h->found));
    }
    h->found[h->n_found++] = id;
}

/* The candidates of one statement that fit. false: the window has too many. */
static bool take_candidates(struct history *h, struct db_stmt *s, unsigned needs, unsigned cheap,
                            const struct id_range *window)
{
    int64_t each = (needs & ~cheap) == 0 ? COST_ENTRY : COST_LOOK;

    db_uint(s, window->begin);
    db_uint(s, window->end);
    h->cost += COST_SEEK;
    while (db_row(s)) {
        uint64_t id = db_get_uint(s);

        if (++h->n_candidates > WINDOW_ROWS_MAX) {
            db_end(s);
            return false;
        }
        h->cost += each;
        if (candidate_fits(h, s, needs))
            found_add(h, id);
    }
    return true;
}

static bool window_take(struct history *h, const struct id_range *window)
{
    unsigned needs = way_needs(h);
    uint32_t i;

    h->n_found = h->n_candidates = 0;
    if (window->end - window->begin <= h->n_streams)
        return take_candidates(h, db_built(h->r->db, buf_str(&h->sql_all)), h->needs, 0, window);
    for (i = 0; i < h->n_streams && !db_failed(h->r->db); i++)
        if (!take_candidates(h, stream(h, &h->sql_streams, i), needs, ways[h->way].cheap, window))
            return false;
    return true;
}

/* The newest run of any stream in the range; 0 none. */
static uint64_t leap(struct history *h, const struct id_range *range)
{
    uint64_t begin = range->begin;
    uint64_t newest = 0;
    uint32_t i;

    for (i = 0; i < h->n_streams && !db_failed(h->r->db); i++) {
        struct db_stmt *s = stream(h, &h->sql_leap, i);

        db_uint(s, begin);
        db_uint(s, range->end);
        h->cost += COST_SEEK;
        while (db_row(s)) {
            newest = db_get_uint(s);
            begin = newest + 1; /* of the others only what is newer */
        }
    }
    return newest;
}

static int newest_first(const void *va, const void *vb)
{
    const uint64_t *a = va;
    const uint64_t *b = vb;

    return (*a < *b) - (*a > *b);
}

/* ---- the page ---------------------------------------------------------------------------------------------- */

struct page_state {
    struct page *p;
    uint32_t n;
    uint64_t last; /* of the page, so far */
    bool is_full;  /* and there is another one */
    run_fn *each;
    void *ctx;
};

static void page_put(struct history *h, struct page_state *st)
{
    uint32_t i;

    if (h->n_found > 1)
        qsort(h->found, h->n_found, sizeof(*h->found), newest_first);
    for (i = 0; i < h->n_found && !st->is_full; i++) {
        h->cost += COST_ROW;
        if (st->n < st->p->limit) {
            if (run_read_within(h->r, h->found[i], h->f, st->each, st->ctx)) {
                st->n++;
                st->last = h->found[i];
            }
        } else if (run_read_within(h->r, h->found[i], h->f, NULL, NULL)) {
            st->is_full = true;
            st->p->next = st->last;
        }
    }
}

static struct id_range range_of(struct history *h, const struct page *p)
{
    struct id_range range = {0, 0};
    struct db_stmt *s = db_sql(h->r->db, "SELECT COALESCE(MIN(id), 0) FROM runs");

    while (db_row(s))
        range.begin = db_get_uint(s);
    s = db_sql(h->r->db, "SELECT COALESCE(MAX(id), 0) FROM runs");
    while (db_row(s))
        range.end = db_get_uint(s) + 1;
    if (p->after != 0 && p->after < range.end)
        range.end = p->after;
    id_times_bound(h->r, ID_TIME_RUN, h->f->since, h->f->until, &range);
    return range;
}

/* Down the ids, until the page is full, or nothing is left, or the work is spent. */
static void walk(struct history *h, struct id_range left, struct page_state *st)
{
    uint64_t width = WINDOW_FIRST;

    while (left.begin < left.end && !st->is_full && !db_failed(h->r->db)) {
        struct id_range window = {left.end - left.begin > width ? left.end - width : left.begin, left.end};

        if (h->cost > COST_MAX) {
            st->p->next = left.end; /* everything from there on was looked at */
            return;
        }
        if (!window_take(h, &window)) {
            width /= 4;
            continue;
        }
        page_put(h, st);
        left.end = window.begin;
        if (h->n_candidates == 0 && left.begin < left.end) {
            uint64_t id = leap(h, &left);

            if (id == 0)
                return;
            left.end = id + 1;
        }
        if (h->n_candidates < WINDOW_ROWS_MAX / 8)
            width *= 4;
    }
}

static void history_done(struct history *h)
{
    id_set_done(&h->origins);
    id_set_done(&h->paths);
    buf_done(&h->sql_streams);
    buf_done(&h->sql_all);
    buf_done(&h->sql_leap);
    free(h->found);
}

enum err read_runs(struct reader *r, const struct run_filter *f, struct page *p, run_fn *each, void *ctx,
                   struct why *reterr)
{
    struct history h = {.r = r, .f = f};
    struct page_state st = {.p = p, .each = each, .ctx = ctx};

    CHECK(p->limit >= 1);
    CHECK(p->limit <= PAGE_LIMIT_MAX);
    p->next = 0;
    if (!finds_nothing(&h)) {
        way_choose(&h);
        way_by_outcome(&h);
        way_sql(&h);
        walk(&h, range_of(&h, p), &st);
    }
    history_done(&h);
    return db_error(r->db, reterr);
}
