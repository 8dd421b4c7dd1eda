/* reap.c - a fleet that makes nothing: lists, and destroys what is past its lease; see reap.h.
 *
 * The driver reads the tags again right before it destroys, so a lease that was moved on meanwhile saves the machine. */
#include "fleet/reap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fleet/do_private.h"

#define NOBODY "nobody" /* stands for the instance where machines of any are meant */

struct doomed {
    struct machine m;
    bool is_told;
};

struct reaper {
    const struct reap_opts *o;
    struct reap_counts *counts;
    struct arena arena;
    struct doomed *doomed;
    uint32_t n_doomed;
    uint32_t n_waiting;
    bool is_done;
    enum err err;
    struct why why;
};

const char *reap_verdict_name(enum reap_verdict v)
{
    static const char *const names[] = {"kept", "no lease", "due", "destroyed", "failed"};

    _Static_assert(ARRAY_LEN(names) == REAP_VERDICT_COUNT, "a name for each");
    return names[v];
}

static void tell(struct reaper *r, const struct machine *m, enum reap_verdict v, const char *why)
{
    r->counts->by_verdict[v]++;
    r->o->on_machine(r->o->ctx, m, v, why);
}

static void maybe_done(struct reaper *r)
{
    r->is_done = r->is_done || r->n_waiting == 0;
}

/* ---- answers ---- */

static struct doomed *doomed_find(struct reaper *r, const char *id)
{
    for (uint32_t i = 0; i < r->n_doomed; i++) {
        if (!r->doomed[i].is_told && strcmp(r->doomed[i].m.id, id) == 0)
            return &r->doomed[i];
    }
    return NULL;
}

static void end_of(struct reaper *r, const char *id, enum reap_verdict v, const char *why)
{
    struct doomed *x = doomed_find(r, id);

    CHECK(x != NULL);
    x->is_told = true;
    r->n_waiting--;
    tell(r, &x->m, v, why);
    maybe_done(r);
}

static void on_destroyed(void *ctx, struct fleet *f, const char *machine)
{
    (void)f;
    end_of(ctx, machine, REAP_DESTROYED, "");
}

static void on_destroy_failed(void *ctx, struct fleet *f, const char *machine,
                              const struct fleet_failure *why)
{
    (void)f;
    end_of(ctx, machine, REAP_FAILED, why->reason);
}

static bool is_named(const struct reap_opts *o, const char *id)
{
    for (uint32_t i = 0; i < o->n_ids; i++) {
        if (strcmp(o->ids[i], id) == 0)
            return true;
    }
    return false;
}

/* What is to become of it. */
static enum reap_verdict judge(const struct reap_opts *o, const struct machine *m, struct wall now,
                               const char **why)
{
    bool named = is_named(o, m->id);

    *why = "";
    if (o->n_ids > 0 && !named)
        return REAP_VERDICT_COUNT; /* not asked about */
    if (m->lease_until.ms == 0 && !named)
        return REAP_NO_LEASE;
    if (m->lease_until.ms > now.ms && !(named && o->force)) {
        *why = named ? "its lease goes on; --force destroys it all the same" : "";
        return named ? REAP_FAILED : REAP_KEPT;
    }
    return REAP_DUE;
}

static void doom(struct reaper *r, const struct machine *m)
{
    struct doomed *x = &r->doomed[r->n_doomed++];

    x->m = *m;
    x->m.id = arena_strdup(&r->arena, m->id);
    x->m.name = arena_strdup(&r->arena, m->name);
    x->m.address = arena_strdup(&r->arena, m->address);
    x->m.size = arena_strdup(&r->arena, m->size);
    x->m.region = arena_strdup(&r->arena, m->region);
    r->n_waiting++;
}

/* Those that were named and are not there. */
static void tell_missing(struct reaper *r, const struct machine *all, uint32_t n)
{
    for (uint32_t i = 0; i < r->o->n_ids; i++) {
        struct machine m = {.id = r->o->ids[i],
                            .name = "",
                            .state = MACHINE_GONE,
                            .address = "",
                            .size = "",
                            .region = "",
                            .price_hour_microusd = -1};
        bool is_there = false;

        for (uint32_t k = 0; k < n; k++)
            is_there = is_there || strcmp(all[k].id, m.id) == 0;
        if (!is_there)
            tell(r, &m, REAP_FAILED,
                 r->o->instance != NULL ? "there is no such machine with the tag of this instance"
                                        : "there is no such machine with the tag wrata");
    }
}

static void on_listed(void *ctx, struct fleet *f, uint64_t ask, const struct machine *all, uint32_t n)
{
    struct reaper *r = ctx;
    struct wall now = f->all->io.wall(f->all->io.ctx);
    const char *why;

    (void)ask;
    r->doomed = arena_alloc(&r->arena, (n + 1) * sizeof(*r->doomed));
    for (uint32_t i = 0; i < n; i++) {
        enum reap_verdict v = judge(r->o, &all[i], now, &why);

        if (v == REAP_DUE && !r->o->dry_run)
            doom(r, &all[i]);
        else if (v != REAP_VERDICT_COUNT)
            tell(r, &all[i], v, why);
    }
    tell_missing(r, all, n);
    for (uint32_t i = 0; i < r->n_doomed; i++)
        fleet_destroy(f, r->doomed[i].m.id);
    maybe_done(r);
}

static void on_list_failed(void *ctx, struct fleet *f, uint64_t ask, const struct fleet_failure *why)
{
    struct reaper *r = ctx;

    (void)f;
    (void)ask;
    r->err =
        why_set(&r->why, why->fault == FLEET_FAULT_AUTH ? ERR_DENIED : ERR_BUSY, NULL, "%s", why->reason);
    r->is_done = true;
}

/* A reaper asks for nothing else. */
static void never(void)
{
    CHECK(!"an answer to what was not asked");
}

static void no_create(void *ctx, struct fleet *f, uint64_t server, uint64_t intent, const struct machine *m)
{
    (void)ctx, (void)f, (void)server, (void)intent, (void)m;
    never();
}

static void no_create_failed(void *ctx, struct fleet *f, uint64_t server, uint64_t intent,
                             const struct fleet_failure *why)
{
    (void)ctx, (void)f, (void)server, (void)intent, (void)why;
    never();
}

static void no_renewed(void *ctx, struct fleet *f, const char *machine, struct wall until)
{
    (void)ctx, (void)f, (void)machine, (void)until;
    never();
}

static void no_failure(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why)
{
    (void)ctx, (void)f, (void)machine, (void)why;
    never();
}

static void no_catalog(void *ctx, struct fleet *f, const struct fleet_catalog *c)
{
    (void)ctx, (void)f, (void)c;
    never();
}

static void no_catalog_failed(void *ctx, struct fleet *f, const struct fleet_failure *why)
{
    (void)ctx, (void)f, (void)why;
    never();
}

static void no_way(void *ctx, struct fleet *f, const char *machine, const struct fleet_way *way)
{
    (void)ctx, (void)f, (void)machine, (void)way;
    never();
}

static const struct fleet_told told = {
    .created = no_create,
    .create_failed = no_create_failed,
    .destroyed = on_destroyed,
    .destroy_failed = on_destroy_failed,
    .listed = on_listed,
    .list_failed = on_list_failed,
    .renewed = no_renewed,
    .renew_failed = no_failure,
    .catalog = no_catalog,
    .catalog_failed = no_catalog_failed,
    .way = no_way,
    .way_failed = no_failure,
};

/* ---- the whole ---- */

static enum err reap_on(uv_loop_t *loop, struct reaper *r, struct why *reterr)
{
    static const char options[] = "{\"image\":\"1\",\"regions\":[\"none\"]}"; /* it makes nothing */
    const struct reap_opts *o = r->o;
    struct fleets *all;
    struct fleet *f;
    enum err err = fleets_new(loop,
                              &(struct fleets_opts){.instance = o->instance != NULL ? o->instance : NOBODY,
                                                    .cloud_url = o->url,
                                                    .cloud_ca = o->ca,
                                                    .seed = (uint64_t)mono_now().us},
                              &told, r, &all, reterr);

    if (err != ERR_OK)
        return err;
    fleets_set_token(all, o->token);
    err = fleet_open(all, "digitalocean", "reap", options, sizeof(options) - 1, &f, reterr);
    CHECK(err == ERR_OK);
    do_reap(f, o->instance == NULL, o->n_ids == 0, o->force);
    fleet_list(f, 1);
    while (!r->is_done)
        (void)uv_run(loop, UV_RUN_ONCE);
    fleets_free(all);
    if (r->err != ERR_OK)
        *reterr = r->why;
    return r->err;
}

enum err reap_run(const struct reap_opts *o, struct reap_counts *ret, struct why *reterr)
{
    struct reaper r = {.o = o, .counts = ret};
    uv_loop_t loop;
    enum err err;

    *ret = (struct reap_counts){0};
    CHECK(uv_loop_init(&loop) == 0);
    arena_init(&r.arena);
    err = reap_on(&loop, &r, reterr);
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0) {
    }
    CHECK(uv_loop_close(&loop) == 0);
    arena_done(&r.arena);
    return err;
}
