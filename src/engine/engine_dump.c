/* engine_dump.c - the persistent state as sorted text. Two engines that show the same text hold the same truth:
 * one that lived, and one rebuilt from the store. */
#include "engine/engine_private.h"

static int by_id(const void *a, const void *b)
{
    uint64_t x = **(const uint64_t *const *)a;
    uint64_t y = **(const uint64_t *const *)b;

    return x < y ? -1 : x > y;
}

static void texts_dump(struct buf *out, const char *name, const char *const *at, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        buf_printf(out, " %s=\"%s\"", name, at[i]);
}

static void server_dump(const struct server *s, struct buf *out)
{
    const struct server_row *r = &s->row;

    if (s->removed)
        return;
    buf_printf(
        out,
        "server %llu \"%s\" %s address=\"%s\" user=\"%s\" identity=\"%s\" port=%u slots=%u created=%lld\n",
        (unsigned long long)r->id.v, r->name, fleet_kind_name(r->fleet), r->address, r->user, r->identity,
        r->port, r->slots, (long long)r->created_at.ms);
    if (r->metered_at.ms != 0)
        buf_printf(out, "  metered=%lld charged=%lld cost=%lld\n", (long long)r->metered_at.ms,
                   (long long)r->charged_at.ms, (long long)r->cost_nanousd);
    if (!fleet_kind_makes_machines(r->fleet) && r->booked_by.v == 0 && !r->maintenance &&
        r->sick[0] == '\0' && r->lost_at.ms == 0)
        return; /* nothing of what follows is said of most of them */
    buf_printf(out,
               "  %s since=%lld \"%s\" progress=\"%s\" machine=\"%s\" intent=%llu creates=%u size=\"%s\"",
               server_status_name(r->status), (long long)r->status_since.ms, r->status_reason, r->progress,
               r->machine, (unsigned long long)r->intent, r->creates, r->size);
    buf_printf(out, " fleet=%llu region=\"%s\" price=%lld billed=%lld lease=%lld idle=%lld",
               (unsigned long long)r->fleet_id.v, r->region, (long long)r->price_hour_microusd,
               (long long)r->billed_at.ms, (long long)r->lease_until.ms, (long long)r->idle_ms);
    if (r->booked_for.v != 0)
        buf_printf(out, " for=%llu off-after=%d", (unsigned long long)r->booked_for.v, r->off_after);
    /* What it last did is stored with the countdown. */
    buf_printf(out,
               " active=%lld destroy=%lld leaving=%d booked=%llu,%lld maintenance=%d sick=\"%s\",%lld,%d",
               (long long)(r->destroy_at.ms != 0 ? r->active_at.ms : 0), (long long)r->destroy_at.ms,
               r->leaving, (unsigned long long)r->booked_by.v, (long long)r->booked_at.ms, r->maintenance,
               r->sick, (long long)r->sick_since.ms, (int)r->sick_cause);
    buf_printf(out, " losses=%u,%lld,%lld\n", r->losses, (long long)r->losses_since.ms,
               (long long)r->lost_at.ms);
}

static void fleet_dump(const struct fleet *f, struct buf *out)
{
    const struct fleet_row *r = &f->row;

    buf_printf(out,
               "fleet %llu \"%s\" %s options=%s booked-only=%d idle=%lld machines=%u day=%lld error=\"%s\"",
               (unsigned long long)r->id.v, r->name, fleet_kind_name(r->kind), r->options, r->booked_only,
               (long long)r->idle_ms, r->machines_max, (long long)r->day_microusd_max, r->error);
    texts_dump(out, "kept", r->kept, r->n_kept);
    if (r->hour_microusd != 0 || r->spent_day != 0)
        buf_printf(out, " hour=%lld spent=%lld,%lld", (long long)r->hour_microusd, (long long)r->spent_day,
                   (long long)r->spent_nanousd);
    buf_printf(out, " created=%lld\n", (long long)r->created_at.ms);
}

static void test_dump(const struct test *t, struct buf *out)
{
    buf_printf(out,
               "  test %llu #%u \"%s\" %s predicted=%lld %s outcome=\"%s\" attempts=%u losses=%u run=%llu",
               (unsigned long long)t->id.v, t->position, t->path, adapter_name(t->adapter),
               (long long)t->predicted_ms, test_state_name(t->state), outcome_name(t->outcome), t->attempts,
               t->losses, (unsigned long long)t->run.v);
    buf_printf(out, " rank=%lld language=\"%s\" browser=\"%s\" undo=%llu reason=\"%s\"", (long long)t->rank,
               t->language, t->browser, t->undo != NULL ? (unsigned long long)t->undo->id.v : 0, t->reason);
    if (t->limits.time_limit_ms != 0 || t->limits.silence_limit_ms != 0 || t->limits.retries_plus_one != 0)
        buf_printf(out, " limits=%lld,%lld,%u", (long long)t->limits.time_limit_ms,
                   (long long)t->limits.silence_limit_ms, t->limits.retries_plus_one);
    texts_dump(out, "arg", t->argv, t->n_argv);
    buf_putc(out, '\n');
}

static void launch_dump(const struct launch *l, struct buf *out)
{
    const struct launch_row *r = &l->row;
    uint32_t i;

    buf_printf(out, "launch %llu \"%s\" user=%llu project=%llu \"%s\" ref=\"%s\" commit=%s %s retries=%u",
               (unsigned long long)r->id.v, r->name, (unsigned long long)r->user.v,
               (unsigned long long)r->project.v, r->project_name, r->ref, r->commit,
               launch_order_name(r->order), r->retries);
    buf_printf(out, " time=%lld silence=%lld lease=%u tests=%u created=%lld %s started=%lld",
               (long long)r->time_limit_ms, (long long)r->silence_limit_ms, r->lease_ms, r->n_tests,
               (long long)r->created_at.ms, launch_state_name(r->state), (long long)r->started_at.ms);
    buf_printf(out, " location=\"%s\"", r->location);
    if (r->books > 0)
        buf_printf(out, " books=%u", r->books);
    if (r->note[0] != '\0')
        buf_printf(out, " note=\"%s\"", r->note);
    if (r->slots > 0)
        buf_printf(out, " slots=%u", r->slots);
    if (r->cost_nanousd > 0)
        buf_printf(out, " cost=%lld", (long long)r->cost_nanousd);
    for (i = 0; i < r->n_servers; i++)
        buf_printf(out, " server=%llu", (unsigned long long)r->servers[i]);
    texts_dump(out, "env", r->env, r->n_env);
    texts_dump(out, "secret", r->secrets, r->n_secrets);
    texts_dump(out, "setup", r->setup, r->n_setup);
    buf_putc(out, '\n');
    for (i = 0; i < r->n_tests; i++)
        test_dump(&l->tests[i], out);
}

static void run_dump(const struct run *r, struct buf *out)
{
    buf_printf(out,
               "run %llu test=%llu server=%llu attempt=%u slot=%d %s created=%lld started=%lld step=\"%s\" "
               "slot-at=%lld cost=%lld\n",
               (unsigned long long)r->id.v, (unsigned long long)r->test->id.v,
               (unsigned long long)r->server->id.v, r->attempt, (int)r->slot, run_state_name(r->state),
               (long long)r->created_at.ms, (long long)r->started_at.ms, r->step != NULL ? r->step : "",
               (long long)r->slot_at.ms, (long long)r->cost_nanousd);
}

static void undo_dump(const struct undo *u, struct buf *out)
{
    buf_printf(out, "undo %llu user=%llu login=\"%s\" at=%lld tests=%u\n", (unsigned long long)u->id.v,
               (unsigned long long)u->user->id.v, u->login, (long long)u->at.ms, u->n_tests);
}

static void user_dump(const struct user *u, struct buf *out)
{
    if (user_is_paused(u))
        buf_printf(out, "pause user=%llu login=\"%s\" at=%lld\n", (unsigned long long)u->id.v, u->paused_by,
                   (long long)u->paused_at.ms);
}

/* All objects of a hash, sorted by id; each begins with its id. */
#define DUMP_SORTED(type, head, dump)                    \
    do {                                                 \
        const struct type **at;                          \
        const struct type *el;                           \
        size_t n = 0;                                    \
        size_t i;                                        \
        at = xmalloc(HASH_COUNT(head) * sizeof(void *)); \
        for (el = (head); el != NULL; el = el->hh.next)  \
            at[n++] = el;                                \
        qsort(at, n, sizeof(void *), by_id);             \
        for (i = 0; i < n; i++)                          \
            dump(at[i], out);                            \
        free(at);                                        \
    } while (0)

_Static_assert(offsetof(struct server, id) == 0, "by_id() reads it there");
_Static_assert(offsetof(struct fleet, id) == 0, "by_id() reads it there");
_Static_assert(offsetof(struct launch, id) == 0, "by_id() reads it there");
_Static_assert(offsetof(struct undo, id) == 0, "by_id() reads it there");
_Static_assert(offsetof(struct run, id) == 0, "by_id() reads it there");
_Static_assert(offsetof(struct user, id) == 0, "by_id() reads it there");

void engine_dump(const struct engine *e, struct buf *out)
{
    DUMP_SORTED(fleet, e->fleets, fleet_dump);
    DUMP_SORTED(server, e->servers, server_dump);
    DUMP_SORTED(launch, e->launches, launch_dump);
    DUMP_SORTED(undo, e->undos, undo_dump);
    DUMP_SORTED(user, e->users, user_dump);
    DUMP_SORTED(run, e->runs, run_dump);
}
