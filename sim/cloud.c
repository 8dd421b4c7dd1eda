/* cloud.c - a simulated cloud: machines that are asked for, take their time, fail, vanish and are shown wrongly.
 *
 * Calls take effect some time after they were sent, also when the engine that sent them has died meanwhile; answers reach
 * only the engine that asked. A machine that is on is a node (node.c) with an agent that can be reached.
 *
 * What a fault may not do is last for longer than the engine is patient by contract: a call takes effect within 15 s, and
 * lists lag by up to 20 s, together less than missing_ms. */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_US_MAX 15000000
#define LAG_US_MAX 20000000
#define ANSWER_LOST_US 60000000
#define PRICE_MICROUSD 8930
/* How long a machine may live that nobody wants, while one engine is up: until a call to destroy it is made, and then with
 * some that fail. The first is stray_ms, the time between two lists, a call, and what lists lag, with some lists that fail. */
#define UNHEEDED_MS_MAX (7 * 60 * 1000)
#define UNWANTED_MS_MAX (20 * 60 * 1000)
#define CHECK_EVERY_MS 5000

static int64_t draw_us(struct world *w, int64_t upto_us)
{
    return (int64_t)rng_below(&w->rng, (uint64_t)upto_us);
}

static bool has_faults(const struct world *w)
{
    return (w->opts.faults & FAULT_CLOUD) != 0 && !w->calm;
}

/* A fault that a story ordered, else one by chance: 1 of `in`. */
static bool strikes(struct world *w, enum cloud_fault what, uint32_t in)
{
    if (w->cloud.ordered[what] > 0) {
        w->cloud.ordered[what]--;
        return true;
    }
    return has_faults(w) && rng_chance(&w->rng, 1, in);
}

/* ---- machines ---- */

struct cloud_machine *cloud_machine_of(struct world *w, const char *address)
{
    for (uint32_t i = 0; i < w->cloud.n; i++) {
        if (!w->cloud.machines[i].is_gone && w->cloud.machines[i].has_address &&
            strcmp(w->cloud.machines[i].address, address) == 0)
            return &w->cloud.machines[i];
    }
    return NULL;
}

static struct cloud_machine *machine_of_id(struct world *w, const char *id)
{
    for (uint32_t i = 0; i < w->cloud.n; i++) {
        if (strcmp(w->cloud.machines[i].id, id) == 0)
            return &w->cloud.machines[i];
    }
    return NULL;
}

static void machine_end(struct world *w, struct cloud_machine *m)
{
    if (m->is_gone)
        return;
    m->is_gone = true;
    m->gone_us = w->now_us;
    m->shown_until_us = w->now_us + (has_faults(w) && rng_chance(&w->rng, 1, 3) ? draw_us(w, LAG_US_MAX) : 0);
    if (m->has_node)
        node_machine_end(w, &w->nodes[m->node]);
}

void cloud_vanish(struct world *w, uint32_t which)
{
    struct cloud_machine *m = w->cloud.n > 0 ? &w->cloud.machines[which % w->cloud.n] : NULL;

    if (m == NULL || m->is_gone)
        return;
    m->has_vanished = true;
    machine_end(w, m);
}

static void machine_active(struct world *w, struct cloud_machine *m)
{
    const struct stored_server *s;
    uint64_t id = m->server;

    if (m->is_gone)
        return;
    m->state = MACHINE_ACTIVE;
    m->has_address = true;
    (void)snprintf(m->address, sizeof(m->address), "10.0.0.%u", (unsigned)(m - w->cloud.machines) + 1);
    if (strikes(w, CLOUD_NO_SSH, 12))
        return;
    HASH_FIND(hh, w->store.servers, &id, sizeof(id), s);
    m->node = node_machine_begin(w, m->name, s != NULL ? s->row.slots : 1, m->server);
    m->has_node = true;
}

static struct cloud_machine *machine_begin(struct world *w, const struct job *j)
{
    struct cloud_machine *m = &w->cloud.machines[w->cloud.n];
    struct job *on;

    w->cloud.n++;
    *m = (struct cloud_machine){
        .server = j->run,
        .intent = j->arg,
        .created_us = w->now_us,
        .lease_until = {world_wall(w).ms + (int64_t)w->cloud.lease_ms},
        .shown_us = w->now_us + (has_faults(w) && rng_chance(&w->rng, 1, 3) ? draw_us(w, LAG_US_MAX) : 0)};
    (void)snprintf(m->id, sizeof(m->id), "m%u", w->cloud.n);
    (void)snprintf(m->name, sizeof(m->name), "v%llu", (unsigned long long)m->server);
    if (!strikes(w, CLOUD_NEVER_ACTIVE, 12)) {
        on = job_add(w,
                     has_faults(w) && rng_chance(&w->rng, 1, 8) ? draw_us(w, 170000000)
                                                                : 5000000 + draw_us(w, 20000000),
                     JOB_CLOUD_ACTIVE, 0);
        on->arg = w->cloud.n - 1;
    }
    cloud_check_begin(w, m);
    return m;
}

/* ---- answers ---- */

/* To the engine that asked, `in_us` from now. */
static struct job *told(struct world *w, const struct job *call, int64_t in_us, enum event_kind what,
                        enum fleet_fault fault)
{
    struct job *j = job_add(w, in_us, JOB_CLOUD_TOLD, 0);

    j->id = call->id;
    j->run = call->run;
    j->arg = call->arg;
    j->what = what;
    j->fault = fault;
    j->machine = call->machine;
    return j;
}

static int64_t answer_us(struct world *w)
{
    return 20000 + draw_us(w, has_faults(w) ? 2000000 : 100000);
}

static struct machine machine_row(const struct cloud_machine *m)
{
    return (struct machine){.id = m->id,
                            .server = m->server,
                            .intent = m->intent,
                            .name = m->name,
                            .state = m->state,
                            .address = m->has_address ? m->address : "",
                            .size = "s-1",
                            .region = "r1",
                            .created_at = {1700000000000 + m->created_us / 1000},
                            .lease_until = m->lease_until,
                            .price_hour_microusd = PRICE_MICROUSD};
}

static void tell_list(struct world *w, const struct job *j, struct event *ev)
{
    const struct cloud_shown *shown = (const struct cloud_shown *)(const void *)j->bytes;
    uint32_t n = (uint32_t)(j->len / sizeof(*shown));
    struct machine *all = xcalloc(n + 1, sizeof(*all));

    for (uint32_t i = 0; i < n; i++) {
        all[i] = machine_row(&w->cloud.machines[shown[i].machine]);
        all[i].state = shown[i].state;
        all[i].address = shown[i].has_address ? all[i].address : "";
    }
    ev->fleet_list.fleet = w->cloud.fleet;
    ev->fleet_list.ask = j->arg;
    ev->fleet_list.all = all;
    ev->fleet_list.n = n;
    (void)world_post(w, ev);
    free(all);
}

void cloud_find(struct world *w)
{
    const struct stored_fleet *f;

    for (f = w->store.fleets; f != NULL; f = f->hh.next) {
        if (f->row.kind == FLEET_FAKE)
            w->cloud.fleet = f->row.id;
    }
}

static void on_told(struct world *w, const struct job *j)
{
    struct fleet_failure failed = {j->fault, j->fault == FLEET_FAULT_BUSY ? 1000 : 0, "the cloud said no"};
    struct event ev = {.kind = (enum event_kind)j->what};
    static const struct fleet_size sizes[] = {{.name = "s-1", .price_hour_microusd = PRICE_MICROUSD}};

    if (j->id != w->epoch || w->engine == NULL)
        return;
    cloud_find(w);
    switch ((int)ev.kind) {
    case EV_LINK_DOWN:
        ev.link_down.server.v = j->run;
        ev.link_down.era = j->arg;
        ev.link_down.reason = "connection refused";
        break;
    case EV_MACHINE_CREATED:
    case EV_MACHINE_CREATE_FAILED:
        ev.machine_create.fleet = w->cloud.fleet;
        ev.machine_create.server = j->run;
        ev.machine_create.intent = j->arg;
        ev.machine_create.failed = failed;
        if (ev.kind == EV_MACHINE_CREATED) {
            ev.machine_create.machine = machine_row(&w->cloud.machines[j->machine]);
            ev.machine_create.machine.address = "";
        }
        break;
    case EV_FLEET_LISTED:
        tell_list(w, j, &ev);
        return;
    case EV_FLEET_LIST_FAILED:
        ev.fleet_list.fleet = w->cloud.fleet;
        ev.fleet_list.ask = j->arg;
        ev.fleet_list.failed = failed;
        break;
    case EV_FLEET_CATALOG:
        ev.fleet_catalog.fleet = w->cloud.fleet;
        ev.fleet_catalog.sizes = sizes;
        ev.fleet_catalog.n = 1;
        break;
    default:
        ev.machine.fleet = w->cloud.fleet;
        ev.machine.machine = w->cloud.machines[j->machine].id;
        ev.machine.lease_until = w->cloud.machines[j->machine].lease_until;
        ev.machine.failed = failed;
        break;
    }
    (void)world_post(w, &ev);
}

/* ---- calls ---- */

static bool is_cancelled(const struct world *w, uint64_t intent)
{
    for (uint32_t i = 0; i < ARRAY_LEN(w->cloud.cancelled); i++) {
        if (w->cloud.cancelled[i] == intent)
            return true;
    }
    return false;
}

static void on_create(struct world *w, const struct job *j)
{
    struct cloud_machine *m;

    if (is_cancelled(w, j->arg)) {
        told(w, j, 0, EV_MACHINE_CREATE_FAILED, FLEET_FAULT_BUSY);
        return;
    }
    if (strikes(w, CLOUD_BUSY, 10)) {
        told(w, j, answer_us(w), EV_MACHINE_CREATE_FAILED, FLEET_FAULT_BUSY);
        return;
    }
    if (strikes(w, CLOUD_REFUSES, 30) || w->cloud.n == CLOUD_MACHINES_MAX) {
        told(w, j, answer_us(w), EV_MACHINE_CREATE_FAILED, FLEET_FAULT_LIMIT);
        return;
    }
    if (strikes(w, CLOUD_500_BEFORE, 12)) {
        told(w, j, answer_us(w), EV_MACHINE_CREATE_FAILED, FLEET_FAULT_UNKNOWN);
        return;
    }
    w->cloud.n_created++;
    m = machine_begin(w, j);
    m->is_untold = true;
    if (strikes(w, CLOUD_500_AFTER, 8)) {
        told(w, j, answer_us(w), EV_MACHINE_CREATE_FAILED, FLEET_FAULT_UNKNOWN);
        return;
    }
    if (strikes(w, CLOUD_LOST_ANSWER, 8)) {
        told(w, j, ANSWER_LOST_US, EV_MACHINE_CREATE_FAILED, FLEET_FAULT_UNKNOWN);
        return;
    }
    m->is_untold = j->id != w->epoch;
    told(w, j, answer_us(w), EV_MACHINE_CREATED, FLEET_FAULT_UNKNOWN)->machine =
        (uint32_t)(m - w->cloud.machines);
}

static void on_destroy(struct world *w, const struct job *j)
{
    w->cloud.machines[j->machine].n_ending--;
    if (w->opts.broken == BROKEN_DESTROY) {
        told(w, j, answer_us(w), EV_MACHINE_DESTROYED, FLEET_FAULT_UNKNOWN);
        return;
    }
    if (strikes(w, CLOUD_BUSY, 10)) {
        told(w, j, answer_us(w), EV_MACHINE_DESTROY_FAILED, FLEET_FAULT_BUSY);
        return;
    }
    if (strikes(w, CLOUD_500_BEFORE, 12)) {
        told(w, j, answer_us(w), EV_MACHINE_DESTROY_FAILED, FLEET_FAULT_UNKNOWN);
        return;
    }
    machine_end(w, &w->cloud.machines[j->machine]);
    if (strikes(w, CLOUD_500_AFTER, 8))
        told(w, j, answer_us(w), EV_MACHINE_DESTROY_FAILED, FLEET_FAULT_UNKNOWN);
    else
        told(w, j, answer_us(w), EV_MACHINE_DESTROYED, FLEET_FAULT_UNKNOWN);
}

static void on_list(struct world *w, const struct job *j)
{
    struct cloud_shown *shown = xcalloc(w->cloud.n * 2 + 1, sizeof(*shown));
    struct job *answer;
    uint32_t n = 0;

    if (strikes(w, CLOUD_LIST_FAILS, 8)) {
        free(shown);
        told(w, j, answer_us(w), EV_FLEET_LIST_FAILED,
             rng_chance(&w->rng, 1, 2) ? FLEET_FAULT_BUSY : FLEET_FAULT_UNKNOWN);
        return;
    }
    for (uint32_t i = 0; i < w->cloud.n; i++) {
        const struct cloud_machine *m = &w->cloud.machines[i];

        if (m->shown_us > w->now_us || (m->is_gone && m->shown_until_us <= w->now_us))
            continue;
        if (m->is_untold && w->opts.broken == BROKEN_ADOPTION)
            continue;
        shown[n] = (struct cloud_shown){i, m->state, m->has_address};
        if (m->is_gone && rng_chance(&w->rng, 1, 2))
            shown[n].state = MACHINE_GONE;
        else if (m->state == MACHINE_ACTIVE && strikes(w, CLOUD_WRONG_STATE, 40))
            shown[n].state = rng_chance(&w->rng, 1, 2) ? MACHINE_OFF : MACHINE_NEW;
        n++;
        if (strikes(w, CLOUD_TWICE, 40)) {
            shown[n] = shown[n - 1];
            n++;
        }
    }
    answer = told(w, j, answer_us(w), EV_FLEET_LISTED, FLEET_FAULT_UNKNOWN);
    answer->bytes = (char *)shown;
    answer->len = n * sizeof(*shown);
}

static void on_renew(struct world *w, const struct job *j)
{
    struct cloud_machine *m = &w->cloud.machines[j->machine];

    if (strikes(w, CLOUD_BUSY, 10) || m->is_gone) {
        told(w, j, answer_us(w), EV_MACHINE_RENEW_FAILED, m->is_gone ? FLEET_FAULT_GONE : FLEET_FAULT_BUSY);
        return;
    }
    m->lease_until.ms = (int64_t)j->arg;
    told(w, j, answer_us(w), EV_MACHINE_RENEWED, FLEET_FAULT_UNKNOWN);
}

static void call_named(struct world *w, enum job_kind kind, const struct order *o)
{
    struct cloud_machine *m = machine_of_id(w, o->machine);
    struct job *j;

    if (m == NULL) {
        world_fail(w, "a call about machine %s, which never was", o->machine);
        return;
    }
    j = job_add(w, has_faults(w) ? draw_us(w, CALL_US_MAX) : 100000, kind, 0);
    j->id = w->epoch;
    j->machine = (uint32_t)(m - w->cloud.machines);
    j->arg = (uint64_t)o->lease_until.ms;
    m->n_ending += kind == JOB_CLOUD_DESTROY;
}

/* A link to a machine: to its node, if it has one that is reached. */
static void connect_to(struct world *w, const struct order *o)
{
    const struct cloud_machine *m = cloud_machine_of(w, o->server.address);
    struct job *j;

    if (m != NULL && m->has_node) {
        node_connect(w, &w->nodes[m->node], o->era);
        return;
    }
    j = job_add(w, 1000000, JOB_CLOUD_TOLD, 0);
    j->id = w->epoch;
    j->run = o->server.id.v;
    j->arg = o->era;
    j->what = EV_LINK_DOWN;
}

void cloud_order(struct world *w, const struct order *o)
{
    int64_t in_us = has_faults(w) ? draw_us(w, rng_chance(&w->rng, 1, 6) ? CALL_US_MAX : 1000000) : 100000;
    struct job *j;

    switch (o->kind) {
    case ORDER_CONNECT:
        connect_to(w, o);
        return;
    case ORDER_MACHINE_CREATE:
        j = job_add(w, in_us, JOB_CLOUD_CREATE, 0);
        j->run = o->server.id.v;
        j->arg = o->server.intent;
        break;
    case ORDER_MACHINE_CANCEL: /* in every other world calls leave at once */
        if (w->opts.seed % 2 == 0)
            w->cloud.cancelled[w->cloud.n_cancelled++ % ARRAY_LEN(w->cloud.cancelled)] = o->server.intent;
        return;
    case ORDER_MACHINE_DESTROY:
        call_named(w, JOB_CLOUD_DESTROY, o);
        return;
    case ORDER_MACHINE_RENEW:
        call_named(w, JOB_CLOUD_RENEW, o);
        return;
    case ORDER_FLEET_LIST:
        j = job_add(w, in_us, JOB_CLOUD_LIST, 0);
        j->arg = o->ask;
        break;
    case ORDER_FLEET_CATALOG:
        j = job_add(w, in_us, JOB_CLOUD_TOLD, 0);
        j->what = EV_FLEET_CATALOG;
        break;
    default:
        return;
    }
    j->id = w->epoch;
}

void cloud_job(struct world *w, const struct job *j)
{
    switch (j->kind) {
    case JOB_CLOUD_CREATE:
        on_create(w, j);
        break;
    case JOB_CLOUD_DESTROY:
        on_destroy(w, j);
        break;
    case JOB_CLOUD_LIST:
        on_list(w, j);
        break;
    case JOB_CLOUD_RENEW:
        on_renew(w, j);
        break;
    case JOB_CLOUD_ACTIVE:
        machine_active(w, &w->cloud.machines[j->arg]);
        break;
    case JOB_CLOUD_TOLD:
        on_told(w, j);
        break;
    case JOB_CLOUD_CHECK:
        cloud_check(w);
        if (!w->failed)
            job_add(w, CHECK_EVERY_MS * INT64_C(1000), JOB_CLOUD_CHECK, 0);
        break;
    default:
        CHECK(!"not a job of the cloud");
        break;
    }
}

/* ---- what must hold ---- */

static bool is_kept(const struct world *w, const char *machine)
{
    const struct stored_fleet *f;

    for (f = w->store.fleets; f != NULL; f = f->hh.next) {
        for (uint32_t i = 0; i < f->row.n_kept; i++) {
            if (strcmp(f->row.kept[i], machine) == 0)
                return true;
        }
    }
    return false;
}

bool cloud_is_wanted(const struct world *w, const struct cloud_machine *m)
{
    const struct stored_server *s;

    HASH_FIND(hh, w->store.servers, &m->server, sizeof(m->server), s);
    if (is_kept(w, m->id))
        return true;
    if (s == NULL || (s->row.status != SERVER_CREATING && s->row.status != SERVER_CREATED))
        return false;
    return strcmp(s->row.machine, m->id) == 0 || (s->row.machine[0] == '\0' && s->row.intent == m->intent);
}

/* S5: no more machines than the cap. S6: an intent makes one machine. */
void cloud_check_begin(struct world *w, const struct cloud_machine *made)
{
    const struct stored_fleet *f;
    uint64_t id = w->cloud.fleet.v;
    uint32_t alive = 0;
    uint32_t cap;

    for (uint32_t i = 0; i < w->cloud.n; i++) {
        const struct cloud_machine *m = &w->cloud.machines[i];

        alive += !m->is_gone && !is_kept(w, m->id);
        if (m != made && m->intent == made->intent)
            world_fail(w, "intent %llu made two machines", (unsigned long long)m->intent);
    }
    HASH_FIND(hh, w->store.fleets, &id, sizeof(id), f);
    if (f == NULL || f->row.machines_max == 0)
        return;
    cap = f->row.machines_max - (w->opts.broken == BROKEN_CAP ? 1 : 0);
    if (alive > cap)
        world_fail(w, "%u machines, %u are allowed", alive, cap);
}

/* Is its server, or a call, about to destroy it? */
static bool is_ending(const struct world *w, const struct cloud_machine *m)
{
    const struct stored_server *s;

    HASH_FIND(hh, w->store.servers, &m->server, sizeof(m->server), s);
    if (m->n_ending > 0)
        return true;
    return s != NULL && s->row.status == SERVER_DESTROYING &&
           (s->row.machine[0] != '\0' ? strcmp(s->row.machine, m->id) == 0 : s->row.intent == m->intent);
}

/* Counted for one engine: another one begins to wait anew. */
static void count_unwanted(struct world *w, struct cloud_machine *m)
{
    if (w->engine == NULL || m->epoch != w->epoch || cloud_is_wanted(w, m)) {
        m->epoch = w->epoch;
        m->unwanted_ms = 0;
        m->unheeded_ms = 0;
        return;
    }
    m->unwanted_ms += CHECK_EVERY_MS;
    m->unheeded_ms = is_ending(w, m) ? 0 : m->unheeded_ms + CHECK_EVERY_MS;
}

/* S7: every machine is wanted, or being destroyed, or younger than the grace; and being destroyed it goes, within some calls that
 * fail. S8: no two for one server for longer. */
void cloud_check(struct world *w)
{
    for (uint32_t i = 0; i < w->cloud.n; i++) {
        struct cloud_machine *m = &w->cloud.machines[i];

        if (m->is_gone)
            continue;
        count_unwanted(w, m);
        if (m->unwanted_ms > UNWANTED_MS_MAX || m->unheeded_ms > UNHEEDED_MS_MAX)
            world_fail(w, "machine %s of server %llu (intent %llu) is wanted by nobody, and %s", m->id,
                       (unsigned long long)m->server, (unsigned long long)m->intent,
                       m->unheeded_ms > UNHEEDED_MS_MAX ? "nobody destroys it" : "stays");
        for (uint32_t k = 0; k < i; k++) {
            const struct cloud_machine *o = &w->cloud.machines[k];

            if (!o->is_gone && o->server == m->server && cloud_is_wanted(w, o) && cloud_is_wanted(w, m) &&
                !is_kept(w, o->id) && !is_kept(w, m->id))
                world_fail(w, "server %llu wants two machines, %s and %s", (unsigned long long)m->server,
                           o->id, m->id);
        }
    }
}

/* S9: at rest the cloud's list is ours. */
bool cloud_at_rest(const struct world *w)
{
    const struct stored_server *s;

    for (uint32_t i = 0; i < w->cloud.n; i++) {
        const struct cloud_machine *m = &w->cloud.machines[i];
        uint64_t id = m->server;

        if (m->is_gone || is_kept(w, m->id))
            continue;
        HASH_FIND(hh, w->store.servers, &id, sizeof(id), s);
        if (s == NULL || strcmp(s->row.machine, m->id) != 0 || s->row.status != SERVER_CREATED ||
            s->row.idle_ms != 0) /* but for those that may stay, all have done nothing for too long by now */
            return false;
    }
    for (s = w->store.servers; s != NULL; s = s->hh.next) {
        if (s->row.status == SERVER_CREATING || s->row.status == SERVER_DESTROYING || s->row.leaving)
            return false;
        if (fleet_kind_makes_machines(s->row.fleet) && s->row.status == SERVER_CREATED && s->row.idle_ms != 0)
            return false;
    }
    return true;
}
