#include "cli/view.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"
#include "cli/cli_private.h"

struct test_entry {
    struct view_test t;
    UT_hash_handle hh;
};

struct run_entry {
    int64_t id;
    json_t *json;
    bool is_over;     /* "done" or "lost" */
    bool is_early;    /* "preparing" */
    json_t *failures; /* array of examples, failed and error */
    UT_hash_handle hh;
};

struct view {
    struct view_hooks hooks;
    json_t *launch;
    struct test_entry *tests;
    struct run_entry *runs;
    int64_t n_told;
    int64_t n_early;
    int64_t early; /* the run that told it last */
};

struct view *view_new(const struct view_hooks *hooks)
{
    struct view *v = xcalloc(1, sizeof(*v));

    v->hooks = *hooks;
    return v;
}

void view_free(struct view *v)
{
    struct test_entry *t;
    struct test_entry *next_t;
    struct run_entry *r;
    struct run_entry *next_r;

    if (v == NULL)
        return;
    HASH_ITER(hh, v->tests, t, next_t) {
        HASH_DEL(v->tests, t);
        free(t->t.path);
        free(t);
    }
    HASH_ITER(hh, v->runs, r, next_r) {
        HASH_DEL(v->runs, r);
        json_decref(r->json);
        json_decref(r->failures);
        free(r);
    }
    json_decref(v->launch);
    free(v);
}

static struct run_entry *run_get(const struct view *v, int64_t id)
{
    struct run_entry *r;

    HASH_FIND(hh, v->runs, &id, sizeof(id), r);
    return r;
}

static struct run_entry *run_make(struct view *v, int64_t id)
{
    struct run_entry *r = run_get(v, id);

    if (r == NULL) {
        r = xcalloc(1, sizeof(*r));
        r->id = id;
        r->failures = json_array();
        HASH_ADD(hh, v->runs, id, sizeof(r->id), r);
    }
    return r;
}

static void news(const struct view *v, const char *kind, const json_t *object)
{
    if (v->hooks.on_news != NULL)
        v->hooks.on_news(v->hooks.ctx, kind, object);
}

/* The test's end and its run's end come apart, in any order: tell when both are here. */
static void tell_when_known(struct view *v, struct view_test *t)
{
    const struct run_entry *r = t->run != 0 ? run_get(v, t->run) : NULL;

    if (!t->is_done || t->is_told || (t->run != 0 && (r == NULL || !r->is_over)))
        return;
    t->is_told = true;
    v->n_told++;
    v->hooks.on_finished(v->hooks.ctx, t, r != NULL ? r->json : NULL);
}

/* It was over, and a newer run of it is: a server that is taken out gives back what it failed. Its waiting in between cannot be told
 * from an old list. */
static bool is_over_again(const struct view_test *t, const json_t *o)
{
    return t->is_done && js_int(o, "run") > t->run && strcmp(js_text(o, "state"), "done") == 0;
}

static void take_back(struct view *v, struct view_test *t)
{
    if (!t->is_told)
        return;
    t->is_told = false;
    v->n_told--;
    if (v->hooks.on_again != NULL)
        v->hooks.on_again(v->hooks.ctx, t);
}

static void apply_test(struct view *v, const json_t *o)
{
    int64_t id = js_int(o, "id");
    struct test_entry *t;

    HASH_FIND(hh, v->tests, &id, sizeof(id), t);
    if (t == NULL) {
        t = xcalloc(1, sizeof(*t));
        t->t.id = id;
        t->t.path = xstrdup(js_text(o, "path"));
        HASH_ADD(hh, v->tests, t.id, sizeof(t->t.id), t);
        news(v, "test", o);
    } else if (is_over_again(&t->t, o)) {
        take_back(v, &t->t);
        news(v, "test", o);
    } else if (t->t.is_done || (t->t.run == js_int(o, "run") && strcmp(js_text(o, "state"), "done") != 0)) {
        return; /* a list that is older than the stream */
    } else {
        news(v, "test", o);
    }
    t->t.run = js_int(o, "run");
    t->t.is_done = strcmp(js_text(o, "state"), "done") == 0;
    t->t.outcome = outcome_parse(js_text(o, "outcome"));
    if (t->t.outcome == OUTCOME_COUNT)
        t->t.outcome = OUTCOME_ERROR; /* an outcome of a later version is at least not green */
    tell_when_known(v, &t->t);
}

static void apply_run(struct view *v, const json_t *o)
{
    struct run_entry *r = run_make(v, js_int(o, "id"));
    const char *state = js_text(o, "state");
    bool is_lost = strcmp(state, "lost") == 0;
    int64_t test = js_int(o, "test");
    struct test_entry *t;

    if (r->is_over || (r->json != NULL && strcmp(js_text(r->json, "state"), state) == 0 &&
                       strcmp(js_text(r->json, "reason"), js_text(o, "reason")) == 0))
        return;
    json_decref(r->json);
    r->json = json_deep_copy(o);
    r->is_over = is_lost || strcmp(state, "done") == 0;
    v->n_early -= r->is_early;
    r->is_early = strcmp(state, "preparing") == 0;
    v->n_early += r->is_early;
    if (r->is_early)
        v->early = r->id;
    news(v, "run", o);
    if (is_lost)
        v->hooks.on_lost(v->hooks.ctx, r->json);
    HASH_FIND(hh, v->tests, &test, sizeof(test), t);
    if (t != NULL)
        tell_when_known(v, &t->t);
}

static void apply_example(struct view *v, const json_t *o)
{
    const char *status = js_text(o, "status");
    struct run_entry *r;
    const json_t *other;
    size_t i;

    if (strcmp(status, "failed") != 0 && strcmp(status, "error") != 0) {
        news(v, "example", o);
        return;
    }
    r = run_make(v, js_int(o, "run"));
    other = json_array_get(r->failures, json_array_size(r->failures) - 1);
    if (other != NULL && js_int(other, "seq") >= js_int(o, "seq")) { /* not in order: has it come before? */
        json_array_foreach(r->failures, i, other)
        {
            if (js_int(other, "seq") == js_int(o, "seq"))
                return;
        }
    }
    json_array_append_new(r->failures, json_deep_copy(o));
    news(v, "example", o);
}

static void apply_launch(struct view *v, const json_t *o)
{
    if (view_is_done(v))
        return;
    json_decref(v->launch);
    v->launch = json_deep_copy(o);
    news(v, "launch", o);
}

void view_apply(struct view *v, const char *kind, const json_t *object)
{
    static const struct {
        const char *kind;
        void (*apply)(struct view *v, const json_t *o);
    } kinds[] = {
        {"launch", apply_launch},
        {"test", apply_test},
        {"run", apply_run},
        {"example", apply_example},
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) == 0 && json_is_object(object))
            kinds[i].apply(v, object);
    }
}

int64_t view_preparing(const struct view *v, const json_t **ret)
{
    const struct run_entry *r = run_get(v, v->early);

    if (v->n_early > 0 && !r->is_early) {
        for (r = v->runs; !r->is_early; r = r->hh.next)
            ;
    }
    *ret = v->n_early > 0 ? r->json : NULL;
    return v->n_early;
}

const json_t *view_launch(const struct view *v)
{
    return v->launch;
}

bool view_is_done(const struct view *v)
{
    return v->launch != NULL && strcmp(js_text(v->launch, "state"), "done") == 0;
}

bool view_is_complete(const struct view *v)
{
    return view_is_done(v) && v->n_told >= js_int(js_obj(v->launch, "tests"), "total");
}

enum outcome view_outcome(const struct view *v)
{
    enum outcome o = outcome_parse(js_text(v->launch, "outcome"));

    if (!view_is_done(v))
        return OUTCOME_NONE;
    return o == OUTCOME_COUNT || o == OUTCOME_NONE ? OUTCOME_ERROR : o;
}

static int by_id(const void *a, const void *b)
{
    const struct view_test *ta = *(const struct view_test *const *)a;
    const struct view_test *tb = *(const struct view_test *const *)b;

    return (ta->id > tb->id) - (ta->id < tb->id);
}

/* Ids of a launch's tests are given in the order of its files. */
const struct view_test **view_tests(const struct view *v, size_t *ret_n)
{
    const struct view_test **all = xcalloc(HASH_COUNT(v->tests) + 1, sizeof(void *));
    struct test_entry *t;
    size_t n = 0;

    for (t = v->tests; t != NULL; t = t->hh.next) {
        if (t->t.is_done)
            all[n++] = &t->t;
    }
    qsort((void *)all, n, sizeof(void *), by_id);
    *ret_n = n;
    return all;
}

const json_t *view_run(const struct view *v, int64_t run)
{
    const struct run_entry *r = run_get(v, run);

    return r != NULL ? r->json : NULL;
}

static int by_seq(const void *a, const void *b)
{
    int64_t sa = js_int(*(const json_t *const *)a, "seq");
    int64_t sb = js_int(*(const json_t *const *)b, "seq");

    return (sa > sb) - (sa < sb);
}

const json_t **view_failures(const struct view *v, int64_t run, size_t *ret_n)
{
    const struct run_entry *r = run_get(v, run);
    size_t n = r != NULL ? json_array_size(r->failures) : 0;
    const json_t **all = xcalloc(n + 1, sizeof(void *));

    for (size_t i = 0; i < n; i++)
        all[i] = json_array_get(r->failures, i);
    qsort((void *)all, n, sizeof(void *), by_seq);
    *ret_n = n;
    return all;
}
