/* fleets.c - which kinds of fleets there are, and which fleets are open. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "fleet/fleet_private.h"

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

static const struct fleet_ops *const kinds[] = {&local_ops, &ssh_ops};

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

/* ---- all ---- */

static bool is_instance(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= INSTANCE_BYTES_MAX &&
           strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") == n;
}

enum err fleets_new(struct uv_loop_s *loop, const struct fleets_opts *opts, const struct fleet_told *told,
                    void *ctx, struct fleets **ret, struct why *reterr)
{
    struct fleets *all;

    if (!is_instance(opts->instance))
        return why_set(reterr, ERR_INVALID, NULL,
                       "'%.80s' cannot be the mark of an instance: letters, digits and '-'"
                       " are, at most %u",
                       opts->instance, INSTANCE_BYTES_MAX);
    all = xcalloc(1, sizeof(*all));
    all->loop = loop;
    all->told = *told;
    all->ctx = ctx;
    all->instance = xstrdup(opts->instance);
    all->cloud_url = xstrdup(opts->cloud_url);
    all->cloud_ca = opts->cloud_ca != NULL ? xstrdup(opts->cloud_ca) : NULL;
    all->seed = opts->seed;
    *ret = all;
    return ERR_OK;
}

static void forget_token(struct fleets *all)
{
    if (all->token != NULL)
        mem_wipe(all->token, strlen(all->token));
    free(all->token);
    all->token = NULL;
}

void fleets_set_token(struct fleets *all, struct slice token)
{
    forget_token(all);
    if (token.len > 0)
        all->token = xstrndup(token.ptr, token.len);
    for (struct fleet *f = all->first; f != NULL; f = f->next) {
        if (f->ops->token_changed != NULL)
            f->ops->token_changed(f);
    }
}

void fleets_free(struct fleets *all)
{
    if (all == NULL)
        return;
    while (all->first != NULL)
        fleet_close(all->first);
    forget_token(all);
    free(all->instance);
    free(all->cloud_url);
    free(all->cloud_ca);
    free(all);
}

/* ---- one ---- */

enum err fleet_open(struct fleets *all, const char *kind, const char *name, const char *json, size_t len,
                    struct fleet **ret, struct why *reterr)
{
    const struct fleet_ops *ops;
    const void *options;
    struct arena arena;
    struct fleet *f;
    enum err err = find_kind(kind, &ops, reterr);

    if (err != ERR_OK)
        return err;
    f = xcalloc(1, sizeof(*f));
    f->all = all;
    f->ops = ops;
    f->name = xstrdup(name);
    arena_init(&arena);
    err = read_options(ops, json, len, &arena, &options, reterr);
    if (err == ERR_OK && ops->open != NULL)
        err = ops->open(f, options, reterr);
    arena_done(&arena);
    if (err != ERR_OK) {
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
    CHECK(f->ops->makes_machines);
    CHECK(spec->intent != 0);
    CHECK(spec->lease_until.ms > 0);
    f->ops->create(f, spec);
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
