/* clouds.c - between the engine and fleets that make machines: orders become calls, answers become events.
 *
 * A link to a machine: the fleet is asked for the way first. What waits for that is found by its server, and dropped when the
 * engine wants the link no more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fleet/fleet.h"
#include "server/machine_keys.h"
#include "server/server.h"
#include "wire/json_out.h"

#define WAY_WORDS_MAX 64u

/* A fleet that is open, or could not be. */
struct cloud {
    struct cloud *next;
    struct fleet_id id;
    struct fleet *fleet; /* NULL: why not */
    char why[REASON_BYTES_MAX];
    struct arena catalog_memory;
    struct fleet_catalog catalog; /* at 0: not known */
    char catalog_error[REASON_BYTES_MAX];
};

/* A link that waits for its way. */
struct wait {
    struct wait *next;
    struct server_id server;
    uint64_t era;
    char *machine;
    struct arena memory;
    struct server_row row;
};

struct clouds {
    struct server *server;
    struct fleets *fleets;
    struct cloud *first;
    struct wait *waiting;
    struct machine_keys *keys; /* NULL: not needed yet */
};

static struct cloud *cloud_of(struct clouds *cs, struct fleet_id id)
{
    struct cloud *c = cs->first;

    while (c != NULL && c->id.v != id.v)
        c = c->next;
    return c;
}

static struct cloud *cloud_of_fleet(struct clouds *cs, const struct fleet *f)
{
    struct cloud *c = cs->first;

    while (c != NULL && c->fleet != f)
        c = c->next;
    CHECK(c != NULL); /* a fleet that was closed does not answer */
    return c;
}

/* ---- keys ---- */

/* Read when they are first needed. */
static enum err need_keys(struct clouds *cs, struct why *reterr)
{
    const struct secret *login = cs->server->credentials.at[CREDENTIAL_ssh_key];
    const struct sealer *sealer;
    enum err err;

    if (cs->keys != NULL)
        return ERR_OK;
    err = secrets_sealer(cs->server, &sealer, reterr);
    if (err != ERR_OK)
        return err;
    return machine_keys_open(cs->server->opts.data_dir, sealer,
                             login != NULL ? (struct slice){secret_reveal(login), secret_len(login)}
                                           : (struct slice){"", 0},
                             &cs->keys, reterr);
}

/* ---- answers ---- */

/* A fleet's sentences go to people and into the store: bounded here. */
static struct fleet_failure bounded(const struct fleet_failure *why, char text[REASON_BYTES_MAX])
{
    struct fleet_failure out = *why;
    size_t i;

    (void)snprintf(text, REASON_BYTES_MAX, "%s",
                   why->reason != NULL && why->reason[0] != '\0' ? why->reason
                                                                 : fleet_fault_sentence(why->fault));
    for (i = 0; text[i] != '\0'; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
    out.reason = text;
    return out;
}

static void on_created(void *ctx, struct fleet *f, uint64_t server, uint64_t intent, const struct machine *m)
{
    struct clouds *cs = ctx;

    server_post(cs->server, &(struct event){.kind = EV_MACHINE_CREATED,
                                            .machine_create = {.fleet = cloud_of_fleet(cs, f)->id,
                                                               .server = server,
                                                               .intent = intent,
                                                               .machine = *m}});
}

static void on_create_failed(void *ctx, struct fleet *f, uint64_t server, uint64_t intent,
                             const struct fleet_failure *why)
{
    struct clouds *cs = ctx;
    char text[REASON_BYTES_MAX];

    server_post(cs->server, &(struct event){.kind = EV_MACHINE_CREATE_FAILED,
                                            .machine_create = {.fleet = cloud_of_fleet(cs, f)->id,
                                                               .server = server,
                                                               .intent = intent,
                                                               .failed = bounded(why, text)}});
}

static void machine_told(struct clouds *cs, enum event_kind kind, const struct fleet *f, const char *machine,
                         struct wall lease_until, const struct fleet_failure *why)
{
    struct event ev = {
        .kind = kind,
        .machine = {.fleet = cloud_of_fleet(cs, f)->id, .machine = machine, .lease_until = lease_until}};
    char text[REASON_BYTES_MAX];

    if (why != NULL)
        ev.machine.failed = bounded(why, text);
    server_post(cs->server, &ev);
}

static void on_destroyed(void *ctx, struct fleet *f, const char *machine)
{
    machine_told(ctx, EV_MACHINE_DESTROYED, f, machine, (struct wall){0}, NULL);
}

static void on_destroy_failed(void *ctx, struct fleet *f, const char *machine,
                              const struct fleet_failure *why)
{
    machine_told(ctx, EV_MACHINE_DESTROY_FAILED, f, machine, (struct wall){0}, why);
}

static void on_renewed(void *ctx, struct fleet *f, const char *machine, struct wall lease_until)
{
    machine_told(ctx, EV_MACHINE_RENEWED, f, machine, lease_until, NULL);
}

static void on_renew_failed(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why)
{
    machine_told(ctx, EV_MACHINE_RENEW_FAILED, f, machine, (struct wall){0}, why);
}

static void on_listed(void *ctx, struct fleet *f, uint64_t ask, const struct machine *all, uint32_t n)
{
    struct clouds *cs = ctx;

    server_post(
        cs->server,
        &(struct event){.kind = EV_FLEET_LISTED,
                        .fleet_list = {.fleet = cloud_of_fleet(cs, f)->id, .ask = ask, .all = all, .n = n}});
}

static void on_list_failed(void *ctx, struct fleet *f, uint64_t ask, const struct fleet_failure *why)
{
    struct clouds *cs = ctx;
    char text[REASON_BYTES_MAX];

    server_post(cs->server, &(struct event){.kind = EV_FLEET_LIST_FAILED,
                                            .fleet_list = {.fleet = cloud_of_fleet(cs, f)->id,
                                                           .ask = ask,
                                                           .failed = bounded(why, text)}});
}

/* ---- what can be had ---- */

static const char *const *copy_texts(struct arena *a, const char *const *from, uint32_t n)
{
    const char **to = arena_alloc(a, (n + 1) * sizeof(*to));

    for (uint32_t i = 0; i < n; i++)
        to[i] = arena_strdup(a, from[i]);
    return to;
}

static void keep_catalog(struct cloud *c, const struct fleet_catalog *from)
{
    struct arena *a = &c->catalog_memory;
    struct fleet_size *sizes;
    struct fleet_region *regions;
    struct fleet_image *images;

    arena_reset(a);
    c->catalog = *from;
    sizes = arena_alloc(a, (from->n_sizes + 1) * sizeof(*sizes));
    regions = arena_alloc(a, (from->n_regions + 1) * sizeof(*regions));
    images = arena_alloc(a, (from->n_images + 1) * sizeof(*images));
    for (uint32_t i = 0; i < from->n_sizes; i++) {
        sizes[i] = from->sizes[i];
        sizes[i].name = arena_strdup(a, sizes[i].name);
        sizes[i].description = arena_strdup(a, sizes[i].description);
        sizes[i].regions = copy_texts(a, sizes[i].regions, sizes[i].n_regions);
    }
    for (uint32_t i = 0; i < from->n_regions; i++) {
        regions[i] = from->regions[i];
        regions[i].name = arena_strdup(a, regions[i].name);
        regions[i].description = arena_strdup(a, regions[i].description);
    }
    for (uint32_t i = 0; i < from->n_images; i++) {
        images[i] = from->images[i];
        images[i].id = arena_strdup(a, images[i].id);
        images[i].name = arena_strdup(a, images[i].name);
    }
    c->catalog.sizes = sizes;
    c->catalog.regions = regions;
    c->catalog.images = images;
    (void)snprintf(c->catalog_error, sizeof(c->catalog_error), "%s", from->error);
    c->catalog.error = c->catalog_error;
}

static void on_catalog(void *ctx, struct fleet *f, const struct fleet_catalog *catalog)
{
    struct clouds *cs = ctx;
    struct cloud *c = cloud_of_fleet(cs, f);

    keep_catalog(c, catalog);
    server_post(
        cs->server,
        &(struct event){.kind = EV_FLEET_CATALOG,
                        .fleet_catalog = {.fleet = c->id, .sizes = catalog->sizes, .n = catalog->n_sizes}});
}

static void on_catalog_failed(void *ctx, struct fleet *f, const struct fleet_failure *why)
{
    struct cloud *c = cloud_of_fleet(ctx, f);
    char quoted[2 * REASON_BYTES_MAX];

    (void)snprintf(c->catalog_error, sizeof(c->catalog_error), "%s", why->reason);
    LOG_WARN("fleet.catalog", "fleet=%s why=%s", fleet_name(f),
             log_quote(quoted, sizeof(quoted), why->reason));
}

/* ---- links ---- */

static void wait_free(struct wait *w)
{
    arena_done(&w->memory);
    free(w->machine);
    free(w);
}

static struct wait *wait_take(struct clouds *cs, struct server_id server)
{
    struct wait **at;
    struct wait *w;

    for (at = &cs->waiting; (w = *at) != NULL; at = &w->next) {
        if (w->server.v == server.v) {
            *at = w->next;
            return w;
        }
    }
    return NULL;
}

/* Who waits for the way to this machine of this fleet: another fleet may have a machine of that name, too. */
static struct wait *wait_for_machine(struct clouds *cs, struct fleet *f, const char *machine)
{
    struct fleet_id fleet = cloud_of_fleet(cs, f)->id;
    struct wait *w = cs->waiting;

    while (w != NULL && (w->row.fleet_id.v != fleet.v || strcmp(w->machine, machine) != 0))
        w = w->next;
    return w != NULL ? wait_take(cs, w->server) : NULL;
}

void clouds_disconnect(struct server *s, struct server_id server)
{
    struct wait *w = s->clouds != NULL ? wait_take(s->clouds, server) : NULL;

    if (w != NULL)
        wait_free(w);
}

static void no_way(struct clouds *cs, struct server_id server, uint64_t era, const char *reason)
{
    server_post(cs->server,
                &(struct event){.kind = EV_LINK_DOWN,
                                .link_down = {.server = server, .era = era, .link = 0, .reason = reason}});
}

/* has_our_key: it was made by us, with a host key of ours. */
static void connect_by_ssh(struct clouds *cs, const struct server_row *from, uint64_t era, bool has_our_key)
{
    struct server_row row = *from;
    struct link_way way = {.era = era};
    struct ssh_key key = {0};
    struct why why = {0};

    if (need_keys(cs, &why) != ERR_OK) {
        no_way(cs, row.id, era, why.text);
        return;
    }
    if (has_our_key) {
        machine_keys_host(cs->keys, row.id.v, row.intent, &key);
        way.host_key = key.public_line;
    }
    row.identity = machine_keys_identity(cs->keys);
    link_connect_by(cs->server->links, &row, &way);
    ssh_key_done(&key);
}

static void on_way(void *ctx, struct fleet *f, const char *machine, const struct fleet_way *way)
{
    struct clouds *cs = ctx;
    struct wait *w = wait_for_machine(cs, f, machine);
    struct link_way by = {.argv = way->argv, .n_argv = way->n_argv};

    if (w == NULL || cs->server->links == NULL) {
        if (w != NULL)
            wait_free(w);
        return;
    }
    if (way->argv != NULL && (way->n_argv == 0 || way->n_argv > WAY_WORDS_MAX)) {
        no_way(cs, w->server, w->era, "the way to its machine has no words, or too many");
    } else if (way->argv != NULL) {
        by.era = w->era;
        link_connect_by(cs->server->links, &w->row, &by);
    } else {
        w->row.address = arena_strdup(&w->memory, way->address);
        w->row.port = way->port;
        w->row.user = arena_strdup(&w->memory, way->user);
        connect_by_ssh(cs, &w->row, w->era, true);
    }
    wait_free(w);
}

static void on_way_failed(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why)
{
    struct clouds *cs = ctx;
    struct wait *w = wait_for_machine(cs, f, machine);
    char text[REASON_BYTES_MAX];

    if (w == NULL)
        return;
    no_way(cs, w->server, w->era, bounded(why, text).reason);
    wait_free(w);
}

void clouds_connect(struct server *s, const struct server_row *row, uint64_t era)
{
    struct clouds *cs = s->clouds;
    struct cloud *c = cloud_of(cs, row->fleet_id);
    struct machine m = {.id = row->machine,
                        .server = row->id.v,
                        .intent = row->intent,
                        .name = row->name,
                        .state = MACHINE_ACTIVE,
                        .address = row->address,
                        .size = row->size,
                        .region = row->region,
                        .price_hour_microusd = -1};
    struct wait *w;

    clouds_disconnect(s, row->id);
    if (row->machine[0] == '\0') { /* an admin said where it is */
        connect_by_ssh(cs, row, era, false);
        return;
    }
    if (c == NULL || c->fleet == NULL) {
        no_way(cs, row->id, era, c == NULL ? "its fleet is not open" : c->why);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    arena_init(&w->memory);
    w->server = row->id;
    w->era = era;
    w->machine = xstrdup(row->machine);
    w->row = (struct server_row){.id = row->id,
                                 .name = arena_strdup(&w->memory, row->name),
                                 .fleet = row->fleet,
                                 .fleet_id = row->fleet_id,
                                 .address = arena_strdup(&w->memory, row->address),
                                 .user = "",
                                 .identity = "",
                                 .slots = row->slots,
                                 .intent = row->intent};
    w->next = cs->waiting;
    cs->waiting = w;
    fleet_connect(c->fleet, &m, row->user);
}

/* ---- orders ---- */

static void refuse(struct clouds *cs, const struct order *o, const char *why)
{
    struct fleet_failure failed = {FLEET_FAULT_AUTH, 0, why};
    struct event ev = {0};

    switch (o->kind) {
    case ORDER_MACHINE_CREATE:
        ev.kind = EV_MACHINE_CREATE_FAILED;
        ev.machine_create.fleet = o->fleet.id;
        ev.machine_create.server = o->server.id.v;
        ev.machine_create.intent = o->server.intent;
        ev.machine_create.failed = failed;
        break;
    case ORDER_FLEET_LIST:
        ev.kind = EV_FLEET_LIST_FAILED;
        ev.fleet_list.fleet = o->fleet.id;
        ev.fleet_list.ask = o->ask;
        ev.fleet_list.failed = failed;
        break;
    case ORDER_MACHINE_DESTROY:
    case ORDER_MACHINE_RENEW:
        ev.kind = o->kind == ORDER_MACHINE_DESTROY ? EV_MACHINE_DESTROY_FAILED : EV_MACHINE_RENEW_FAILED;
        ev.machine.fleet = o->fleet.id;
        ev.machine.machine = o->machine;
        ev.machine.failed = failed;
        break;
    default:
        return;
    }
    server_post(cs->server, &ev);
}

static void create(struct clouds *cs, struct cloud *c, const struct order *o)
{
    struct ssh_key key;
    struct why why = {0};
    struct machine_spec spec = {.server = o->server.id.v,
                                .intent = o->server.intent,
                                .name = o->server.name,
                                .size = o->server.size,
                                .lease_until = o->server.lease_until,
                                .user = o->server.user};

    if (need_keys(cs, &why) != ERR_OK) {
        refuse(cs, o, why.text);
        return;
    }
    machine_keys_host(cs->keys, o->server.id.v, o->server.intent, &key);
    spec.host_key_private = key.private_file;
    spec.host_key_public = key.public_line;
    spec.authorized_key = machine_keys_authorized(cs->keys);
    fleet_create(c->fleet, &spec);
    ssh_key_done(&key);
}

static void open_fleet(struct clouds *cs, const struct fleet_row *row)
{
    struct cloud *c = cloud_of(cs, row->id);
    struct why why = {0};
    char quoted[600];
    enum err err;

    if (c == NULL) {
        c = xcalloc(1, sizeof(*c));
        c->id = row->id;
        arena_init(&c->catalog_memory);
        c->next = cs->first;
        cs->first = c;
    }
    if (c->fleet != NULL)
        err = fleet_change(c->fleet, row->options, strlen(row->options), &why);
    else
        err = fleet_open(cs->fleets, fleet_kind_name(row->kind), row->name, row->options,
                         strlen(row->options), &c->fleet, &why);
    c->why[0] = '\0';
    if (err == ERR_OK)
        return;
    LOG_ERROR("fleet.open", "fleet=%s why=%s", row->name, log_quote(quoted, sizeof(quoted), why.text));
    (void)snprintf(c->why, sizeof(c->why), "the fleet %s cannot be opened: %s", row->name, why.text);
}

static void close_fleet(struct clouds *cs, struct fleet_id id)
{
    struct cloud **at = &cs->first;
    struct cloud *c;

    while (*at != NULL && (*at)->id.v != id.v)
        at = &(*at)->next;
    c = *at;
    if (c == NULL)
        return;
    *at = c->next;
    fleet_close(c->fleet);
    arena_done(&c->catalog_memory);
    free(c);
}

void clouds_order(struct server *s, const struct order *o)
{
    struct clouds *cs = s->clouds;
    struct cloud *c = cs != NULL ? cloud_of(cs, o->fleet.id) : NULL;

    if (cs == NULL)
        return;
    if (o->kind == ORDER_FLEET_OPEN) {
        open_fleet(cs, &o->fleet);
        return;
    }
    if (o->kind == ORDER_FLEET_CLOSE) {
        close_fleet(cs, o->fleet.id);
        return;
    }
    if (c == NULL || c->fleet == NULL) {
        refuse(cs, o, c == NULL ? "the fleet is not open" : c->why);
        return;
    }
    switch (o->kind) {
    case ORDER_MACHINE_CREATE:
        create(cs, c, o);
        break;
    case ORDER_MACHINE_CANCEL:
        fleet_cancel(c->fleet, o->server.id.v, o->server.intent);
        break;
    case ORDER_MACHINE_DESTROY:
        fleet_destroy(c->fleet, o->machine);
        break;
    case ORDER_MACHINE_RENEW:
        fleet_renew(c->fleet, o->machine, o->lease_until);
        break;
    case ORDER_FLEET_LIST:
        fleet_list(c->fleet, o->ask);
        break;
    case ORDER_FLEET_CATALOG:
        fleet_catalog_ask(c->fleet, false);
        break;
    default:
        break;
    }
}

/* ---- for the API ---- */

static void put_sizes(struct json_out *j, const struct fleet_catalog *c)
{
    jo_karr(j, "sizes");
    for (uint32_t i = 0; i < c->n_sizes; i++) {
        const struct fleet_size *s = &c->sizes[i];

        jo_obj(j);
        jo_ktext(j, "name", s->name);
        jo_ktext(j, "description", s->description);
        if (s->price_hour_microusd >= 0)
            jo_kdouble(j, "usd_per_hour", (double)s->price_hour_microusd / 1e6);
        else
            jo_knull(j, "usd_per_hour");
        jo_kuint(j, "memory_mib", s->memory_mib);
        jo_kuint(j, "cpus", s->cpus);
        jo_kuint(j, "disk_gib", s->disk_gib);
        jo_kbool(j, "available", s->is_available);
        jo_karr(j, "regions");
        for (uint32_t k = 0; k < s->n_regions; k++)
            jo_text(j, s->regions[k]);
        jo_arr_end(j);
        jo_obj_end(j);
    }
    jo_arr_end(j);
}

static void put_catalog(struct json_out *j, const struct cloud *c)
{
    jo_obj(j);
    jo_ktime(j, "at", c->catalog.at);
    jo_ktext(j, "error", c->catalog_error);
    put_sizes(j, &c->catalog);
    jo_karr(j, "regions");
    for (uint32_t i = 0; i < c->catalog.n_regions; i++) {
        jo_obj(j);
        jo_ktext(j, "name", c->catalog.regions[i].name);
        jo_ktext(j, "description", c->catalog.regions[i].description);
        jo_kbool(j, "available", c->catalog.regions[i].is_available);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    jo_karr(j, "images");
    for (uint32_t i = 0; i < c->catalog.n_images; i++) {
        jo_obj(j);
        jo_ktext(j, "id", c->catalog.images[i].id);
        jo_ktext(j, "name", c->catalog.images[i].name);
        jo_kbool(j, "snapshot", c->catalog.images[i].is_snapshot);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    jo_kuint(j, "machines_max", c->catalog.machines_max);
    jo_obj_end(j);
}

int64_t clouds_budget(const struct server *s)
{
    return s->clouds != NULL && s->clouds->fleets != NULL ? fleets_cloud_budget(s->clouds->fleets) : -1;
}

bool clouds_catalog(void *ctx, struct fleet_id id, struct buf *out)
{
    struct server *s = ctx;
    struct cloud *c = cloud_of(s->clouds, id);
    struct json_out j;

    if (c == NULL)
        return false;
    if (c->fleet != NULL)
        fleet_catalog_ask(c->fleet, false); /* for who asks next */
    jo_begin(&j, out);
    put_catalog(&j, c);
    return true;
}

enum err clouds_check_options(void *ctx, const char *kind, const char *json, size_t len, struct why *reterr)
{
    (void)ctx;
    return fleet_options_check(kind, json, len, reterr);
}

/* ---- begin and end ---- */

static void token_set(struct clouds *cs)
{
    const struct secret *token = cs->server->credentials.at[CREDENTIAL_cloud_token];

    fleets_set_token(cs->fleets, token != NULL ? (struct slice){secret_reveal(token), secret_len(token)}
                                               : (struct slice){"", 0});
}

enum err clouds_open(struct server *s, struct why *reterr)
{
    static const struct fleet_told told = {.created = on_created,
                                           .create_failed = on_create_failed,
                                           .destroyed = on_destroyed,
                                           .destroy_failed = on_destroy_failed,
                                           .listed = on_listed,
                                           .list_failed = on_list_failed,
                                           .renewed = on_renewed,
                                           .renew_failed = on_renew_failed,
                                           .catalog = on_catalog,
                                           .catalog_failed = on_catalog_failed,
                                           .way = on_way,
                                           .way_failed = on_way_failed};
    struct fleets_opts opts = {.instance = store_instance(s->store),
                               .cloud_url = s->opts.config->set.cloud_url,
                               .data_dir = s->opts.data_dir,
                               .seed = (uint64_t)wall_now().ms};
    struct clouds *cs = xcalloc(1, sizeof(*cs));
    enum err err;

    cs->server = s;
    err = fleets_new(&s->loop, &opts, &told, cs, &cs->fleets, reterr);
    if (err != ERR_OK) {
        free(cs);
        return err;
    }
    token_set(cs);
    s->clouds = cs;
    return ERR_OK;
}

void clouds_reload(struct server *s)
{
    if (s->clouds == NULL)
        return;
    token_set(s->clouds);
    machine_keys_free(s->clouds->keys); /* who logs in may be another */
    s->clouds->keys = NULL;
}

void clouds_close(struct server *s)
{
    struct clouds *cs = s->clouds;
    struct wait *w;

    if (cs == NULL)
        return;
    s->clouds = NULL;
    while (cs->first != NULL)
        close_fleet(cs, cs->first->id);
    fleets_free(cs->fleets);
    while ((w = cs->waiting) != NULL) {
        cs->waiting = w->next;
        wait_free(w);
    }
    machine_keys_free(cs->keys);
    free(cs);
}
