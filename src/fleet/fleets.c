/* fleets.c - which kinds of fleets there are, and which fleets are open. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "fleet/cloud.h"

#define INSTANCE_BYTES_MAX 64u

/* ---- kinds ---- */

static const struct field no_options[] = {{0}};

static const struct fleet_ops local_ops = {
    .kind = "local",
    .help = "this computer",
    .options = no_options,
};

static const struct fleet_ops ssh_ops = {
    .kind = "ssh",
    .help = "machines that are there already, reached by ssh",
    .options = no_options,
};

static const struct fleet_ops *const kinds[] = {&local_ops, &ssh_ops, &digitalocean_ops, &command_ops,
                                                &fake_ops};

const struct fleet_ops *fleet_ops_at(uint32_t i)
{
    return i < ARRAY_LEN(kinds) ? kinds[i] : NULL;
}

const struct fleet_ops *fleet_ops_find(const char *kind)
{
    for (uint32_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i]->kind, kind) == 0)
            return kinds[i];
    }
    return NULL;
}

static const char *kind_at(const void *ctx, size_t i)
{
    (void)ctx;
    return i < ARRAY_LEN(kinds) ? kinds[i]->kind : NULL;
}

static enum err find_kind(const char *kind, const struct fleet_ops **ret, struct why *reterr)
{
    const char *near;

    *ret = fleet_ops_find(kind);
    if (*ret != NULL)
        return ERR_OK;
    near = nearest_name(kind, kind_at, NULL);
    return why_set(reterr, ERR_INVALID, "kind", "kind: '%.60s' is no kind of fleet%s%s%s", kind,
                   near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                   near != NULL ? "'?" : "");
}

/* The options of JSON in the arena. */
static enum err read_options(const struct fleet_ops *ops, const char *json, size_t len, struct arena *arena,
                             const void **ret, struct why *reterr)
{
    void *options = arena_alloc(arena, ops->options_bytes);
    enum err err;

    if (ops->presets != NULL)
        memcpy(options, ops->presets, ops->options_bytes);
    err = field_read_json(ops->options, json, len, arena, options, reterr);
    if (err == ERR_OK && ops->check != NULL)
        err = ops->check(options, reterr);
    if (err != ERR_OK)
        return ERR_INVALID;
    *ret = options;
    return ERR_OK;
}

enum err fleet_options_check(const char *kind, const char *json, size_t len, struct why *reterr)
{
    const struct fleet_ops *ops;
    const void *options;
    struct arena arena;
    enum err err = find_kind(kind, &ops, reterr);

    if (err != ERR_OK)
        return err;
    arena_init(&arena);
    err = read_options(ops, json, len, &arena, &options, reterr);
    arena_done(&arena);
    return err;
}

/* ---- timers ---- */

static void wake(struct fleets *all)
{
    struct mono at = all->timers != NULL ? all->timers->at : MONO_NEVER;

    if (all->is_turning || at.us == all->woken_at.us)
        return;
    all->woken_at = at;
    all->io.wake_at(all->io.ctx, at);
}

void fleet_timer_stop(struct fleets *all, struct fleet_timer *t)
{
    if (!t->is_set)
        return;
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        all->timers = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->prev = NULL;
    t->next = NULL;
    t->is_set = false;
    wake(all);
}

void fleet_timer_set(struct fleets *all, struct fleet_timer *t, struct mono at)
{
    struct fleet_timer *before = NULL;
    struct fleet_timer *x;

    CHECK(t->fn != NULL);
    if (t->is_set && t->at.us == at.us)
        return;
    fleet_timer_stop(all, t);
    x = all->timers;
    while (x != NULL && !mono_before(at, x->at)) {
        before = x;
        x = x->next;
    }
    t->at = at;
    t->is_set = true;
    t->prev = before;
    t->next = x;
    if (before != NULL)
        before->next = t;
    else
        all->timers = t;
    if (x != NULL)
        x->prev = t;
    wake(all);
}

/* Those that are due now. One that is set again by its own function waits for the next turn. */
void fleets_turn(struct fleets *all)
{
    struct mono now = all->io.now(all->io.ctx);
    uint32_t left = 0;

    all->is_turning = true;
    for (struct fleet_timer *t = all->timers; t != NULL && !mono_before(now, t->at); t = t->next)
        left++;
    while (left-- > 0 && all->timers != NULL && !mono_before(now, all->timers->at)) {
        struct fleet_timer *t = all->timers;

        fleet_timer_stop(all, t);
        t->fn(t->ctx);
    }
    all->is_turning = false;
    all->woken_at.us = INT64_MIN; /* the wish was fulfilled */
    wake(all);
}

void fleets_answered(struct fleets *all, uint64_t number, const struct http_answer *a)
{
    cloud_answered(all->cloud, number, a);
}

/* ---- all ---- */

static bool is_instance(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= INSTANCE_BYTES_MAX && strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz-") == n;
}

enum err fleets_new_in(const struct fleet_io *io, const struct fleets_opts *opts,
                       const struct fleet_told *told, void *ctx, struct fleets **ret, struct why *reterr)
{
    struct fleets *all;
    enum err err;

    if (!is_instance(opts->instance)) {
        io->free(io->ctx);
        return why_set(
            reterr, ERR_INVALID, NULL,
            "'%.80s' cannot be the mark of an instance: small letters, digits and '-' are, at most %u",
            opts->instance, INSTANCE_BYTES_MAX);
    }
    all = xcalloc(1, sizeof(*all));
    all->io = *io;
    all->told = *told;
    all->ctx = ctx;
    all->woken_at = MONO_NEVER;
    err = cloud_new(all, opts->cloud_url, opts->seed, &all->cloud, reterr);
    if (err != ERR_OK) {
        io->free(io->ctx);
        free(all);
        return err;
    }
    all->instance = xstrdup(opts->instance);
    all->data_dir = opts->data_dir != NULL ? xstrdup(opts->data_dir) : NULL;
    *ret = all;
    return ERR_OK;
}

void fleets_set_token(struct fleets *all, struct slice token)
{
    cloud_set_token(all->cloud, token);
}

int64_t fleets_cloud_budget(const struct fleets *all)
{
    struct cloud_counts counts;

    cloud_counts(all->cloud, &counts);
    return counts.remaining;
}

void fleets_free(struct fleets *all)
{
    if (all == NULL)
        return;
    while (all->first != NULL)
        fleet_close(all->first);
    cloud_free(all->cloud);
    CHECK(all->timers == NULL);
    all->io.free(all->io.ctx);
    free(all->instance);
    free(all->data_dir);
    free(all);
}

/* ---- one ---- */

enum err fleet_open(struct fleets *all, const char *kind, const char *name, const char *json, size_t len,
                    struct fleet **ret, struct why *reterr)
{
    const struct fleet_ops *ops;
    const void *options;
    struct fleet *f;
    enum err err = find_kind(kind, &ops, reterr);

    if (err != ERR_OK)
        return err;
    f = xcalloc(1, sizeof(*f));
    f->all = all;
    f->ops = ops;
    f->name = xstrdup(name);
    arena_init(&f->memory);
    err = read_options(ops, json, len, &f->memory, &options, reterr);
    if (err == ERR_OK && ops->open != NULL)
        err = ops->open(f, options, reterr);
    if (err != ERR_OK) {
        arena_done(&f->memory);
        free(f->name);
        free(f);
        return err;
    }
    f->next = all->first;
    if (f->next != NULL)
        f->next->prev = f;
    all->first = f;
    *ret = f;
    return ERR_OK;
}

enum err fleet_change(struct fleet *f, const char *json, size_t len, struct why *reterr)
{
    const void *options;
    struct arena memory;
    enum err err;

    arena_init(&memory);
    err = read_options(f->ops, json, len, &memory, &options, reterr);
    if (err != ERR_OK) {
        arena_done(&memory);
        return err;
    }
    if (f->ops->change != NULL)
        f->ops->change(f, options);
    arena_done(&f->memory);
    f->memory = memory;
    return ERR_OK;
}

void fleet_close(struct fleet *f)
{
    if (f == NULL)
        return;
    if (f->ops->close != NULL)
        f->ops->close(f);
    if (f->prev != NULL)
        f->prev->next = f->next;
    else
        f->all->first = f->next;
    if (f->next != NULL)
        f->next->prev = f->prev;
    arena_done(&f->memory);
    free(f->name);
    free(f);
}

const struct fleet_ops *fleet_kind_of(const struct fleet *f)
{
    return f->ops;
}

const char *fleet_name(const struct fleet *f)
{
    return f->name;
}

void fleet_create(struct fleet *f, const struct machine_spec *spec)
{
    struct machine_spec named = *spec;
    char name[MACHINE_NAME_BYTES];

    CHECK(f->ops->makes_machines);
    CHECK(spec->server != 0);
    CHECK(spec->intent != 0);
    CHECK(spec->lease_until.ms > 0);
    named.name = machine_name_clean(spec->name, name);
    f->ops->create(f, &named);
}

void fleet_destroy(struct fleet *f, const char *machine)
{
    CHECK(f->ops->makes_machines);
    f->ops->destroy(f, machine);
}

void fleet_list(struct fleet *f, uint64_t ask)
{
    CHECK(f->ops->makes_machines);
    f->ops->list(f, ask);
}

void fleet_cancel(struct fleet *f, uint64_t server, uint64_t intent)
{
    CHECK(f->ops->makes_machines);
    if (f->ops->cancel != NULL)
        f->ops->cancel(f, server, intent);
}

void fleet_renew(struct fleet *f, const char *machine, struct wall lease_until)
{
    CHECK(f->ops->makes_machines);
    f->ops->renew(f, machine, lease_until);
}

void fleet_catalog_ask(struct fleet *f, bool fresh)
{
    CHECK(f->ops->makes_machines);
    f->ops->catalog(f, fresh);
}

void fleet_connect(struct fleet *f, const struct machine *m, const char *user)
{
    CHECK(f->ops->makes_machines);
    f->ops->connect(f, m, user);
}
