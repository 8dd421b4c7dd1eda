/* people.c - who does what, and which faults a seed has. All drawn from the seed. */
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

#define PEOPLE_EVERY_MS 8000
#define FAULTS_EVERY_MS 3000

static int64_t draw_ms(struct world *w, uint64_t upto_ms)
{
    return (int64_t)rng_below(&w->rng, upto_ms * 1000);
}

/* ---- launches ---- */

static uint32_t some_servers(struct world *w, uint64_t *ids)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n_nodes; i++) {
        if (w->nodes[i].server.v != 0 && !w->nodes[i].removed && !w->nodes[i].is_over &&
            rng_chance(&w->rng, 1, 2))
            ids[n++] = w->nodes[i].server.v;
    }
    return n;
}

/* In every third world a launch is of one of two projects, and most say how much of a server theirs may have. */
static void draw_slots(struct world *w, struct launch_row *l)
{
    if (w->opts.seed % 3 != 0)
        return;
    l->project.v = 1 + rng_below(&w->rng, 2);
    l->slots = (uint32_t)rng_below(&w->rng, 4);
}

/* In every seventh world there is a project that fails wherever it goes. */
static bool is_poisoned(const struct world *w)
{
    return w->opts.seed % 7 == 0 || w->opts.broken == BROKEN_BLAME;
}

/* In every fifth world machines take long to be made ready. */
static bool draw_prepare(struct world *w, char word[24])
{
    if (w->opts.seed % 5 != 0)
        return false;
    (void)snprintf(word, 24, "%u", (uint32_t)rng_below(&w->rng, rng_chance(&w->rng, 1, 2) ? 400 : 8000));
    return true;
}

static void launch_random(struct world *w)
{
    static const uint32_t scales_ms[] = {3, 30, 500, 20000, 60000};
    uint32_t scale = scales_ms[rng_below(&w->rng, 5)];
    uint32_t n = 1 + (uint32_t)rng_below(&w->rng, scale > 1000 ? 4 : 12);
    struct event ev = {.kind = EV_LAUNCH_CREATE};
    struct new_test tests[12];
    const char *argv[12][5];
    char words[12][4][24];
    char paths[12][24];
    uint64_t servers[NODES_MAX];
    const char *env[] = {"A=b"};
    const char *secrets[] = {"B=opaque"};

    for (uint32_t i = 0; i < n; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "t%u.sh", i);
        (void)snprintf(words[i][0], 24, "%u", 1 + (uint32_t)rng_below(&w->rng, scale));
        (void)snprintf(words[i][1], 24, "%u", (uint32_t)rng_chance(&w->rng, 1, 5));
        (void)snprintf(words[i][2], 24, "%u",
                       (uint32_t)rng_below(&w->rng, rng_chance(&w->rng, 1, 8) ? 9000 : 200));
        argv[i][0] = "sim";
        argv[i][1] = words[i][0];
        argv[i][2] = words[i][1];
        argv[i][3] = words[i][2];
        argv[i][4] = words[i][3];
        tests[i] = (struct new_test){
            .path = paths[i],
            .adapter = i % 3 == 2 ? ADAPTER_RSPEC : ADAPTER_EXIT,
            .argv = argv[i],
            .n_argv = draw_prepare(w, words[i][3]) ? 5 : 4,
            .predicted_ms = rng_chance(&w->rng, 1, 2) ? (int64_t)(1 + rng_below(&w->rng, scale)) : 0};
    }
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = n;
    ev.launch_create.launch = (struct launch_row){
        .user = {1 + rng_below(&w->rng, 3)},
        .location = rng_chance(&w->rng, 1, 2) ? "com eu" : "https://u@site.example:8443/x",
        .project = {rng_below(&w->rng, 2)},
        .project_name = "p",
        .name = "l",
        .ref = "main",
        .commit = "0123456789012345678901234567890123456789",
        .order = (enum launch_order)rng_below(&w->rng, ORDER_COUNT),
        .retries = (uint32_t)rng_below(&w->rng, 4),
        .lease_ms = 4000 + (uint32_t)rng_below(&w->rng, rng_chance(&w->rng, 1, 2) ? 4000 : 26000),
        .time_limit_ms = rng_chance(&w->rng, 1, 8) ? 1 + (int64_t)scale / 2 : 0,
        .env = env,
        .n_env = 1,
        .secrets = secrets,
        .n_secrets = w->tickets % 2 == 0}; /* of every other launch */
    draw_slots(w, &ev.launch_create.launch);
    if (is_poisoned(w) && rng_chance(&w->rng, 1, 3))
        ev.launch_create.launch.project.v =
            POISONED_PROJECT + (w->opts.broken == BROKEN_BLAME ? POISONED_STEP * w->tickets : 0);
    if (rng_chance(&w->rng, 1, 4)) {
        ev.launch_create.launch.servers = servers;
        ev.launch_create.launch.n_servers = some_servers(w, servers);
    }
    if (w->cloud.fleet.v != 0 && rng_chance(&w->rng, 1, 3)) /* servers of its own */
        ev.launch_create.launch.schedule.book =
            (struct launch_book){w->cloud.fleet, 1 + (uint32_t)rng_below(&w->rng, 3), ""};
    ev.ticket.v = ++w->tickets;
    (void)world_post(w, &ev);
}

/* Mostly on tests that wait; some ids of others are passed over. */
static void queue_op(struct world *w)
{
    struct event ev = {.kind = EV_QUEUE_CHANGE, .ticket = {++w->tickets}};
    struct queue_change *q = &ev.queue_change;
    struct test_id ids[8];
    uint64_t newest = w->store.next_test;
    uint64_t near = newest > 24 ? newest - 24 : 1;

    *q = (struct queue_change){.user = {1 + rng_below(&w->rng, 3)},
                               .op = (enum queue_op)rng_below(&w->rng, QUEUE_OP_COUNT),
                               .tests = ids,
                               .to = (enum queue_to)rng_below(&w->rng, 3),
                               .seed = rng_below(&w->rng, 1000),
                               .login = "mira"};
    if (q->op == QUEUE_CLEAR && rng_chance(&w->rng, 1, 2))
        q->op = QUEUE_MOVE;
    if (sim_store_is_paused(&w->store, q->user.v) && rng_chance(&w->rng, 1, 3))
        q->op = QUEUE_RESUME; /* else worlds stand still for most of their time */
    for (q->n_tests = 0; q->n_tests < 1 + rng_below(&w->rng, 6); q->n_tests++)
        ids[q->n_tests].v = near + rng_below(&w->rng, newest - near + 1);
    q->before.v = near + rng_below(&w->rng, newest - near + 1);
    (void)world_post(w, &ev);
}

static void stop_some_launch(struct world *w)
{
    struct event ev = {.kind = EV_LAUNCH_STOP, .ticket = {++w->tickets}};

    ev.launch_stop.v = 1 + rng_below(&w->rng, w->store.next_launch);
    (void)world_post(w, &ev);
}

static void stop_some_run(struct world *w)
{
    struct event ev = {.kind = EV_RUN_STOP, .ticket = {++w->tickets}};
    uint64_t back = rng_below(&w->rng, 8);

    ev.run_stop.v = w->store.next_run > back ? w->store.next_run - back : 1;
    (void)world_post(w, &ev);
}

/* ---- servers ---- */

static void server_remove(struct world *w, struct node *n, bool force)
{
    struct event ev = {.kind = EV_SERVER_REMOVE, .ticket = {++w->tickets}};

    if (n->server.v == 0 || n->removed || n->is_machine)
        return;
    ev.server_remove.server = n->server;
    ev.server_remove.force = force;
    (void)world_post(w, &ev);
}

static void server_add(struct world *w)
{
    char name[32];

    if (w->n_local == LOCAL_NODES_MAX ||
        (w->n_local == LOCAL_NODES_MAX - 1 && !w->calm)) /* one for the end */
        return;
    (void)snprintf(name, sizeof(name), "s%u", w->n_local + 1);
    (void)node_add(w, name, 1 + (uint32_t)rng_below(&w->rng, 3));
}

/* ---- a cloud ---- */

static void fleet_put(struct world *w)
{
    struct event ev = {.kind = EV_FLEET_PUT, .ticket = {++w->tickets}};

    ev.fleet_put = (struct fleet_row){.id = w->cloud.fleet,
                                      .name = "cloud",
                                      .kind = FLEET_FAKE,
                                      .options = "{}",
                                      .error = "",
                                      .booked_only = rng_chance(&w->rng, 1, 3),
                                      .idle_ms = 60000 + draw_ms(w, 240),
                                      .machines_max = (uint32_t)rng_below(&w->rng, 3) * 3};
    if (w->cloud.fleet.v != 0) /* what there is must be allowed: a lower cap destroys nothing */
        ev.fleet_put.machines_max = 0;
    (void)world_post(w, &ev);
}

static void forgive(struct world *w, struct server_id id)
{
    struct node *n = node_of(w, id);

    if (n != NULL)
        n->forgiven_at = world_wall(w);
}

/* An admin puts back what was taken out, whether it is well or not. */
static void resume_some(struct world *w)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE};
    const struct stored_server *s;

    for (s = w->store.servers; s != NULL && s->row.sick[0] == '\0'; s = s->hh.next)
        ;
    if (s == NULL)
        return;
    ev.ticket.v = ++w->tickets;
    ev.servers_change = (struct servers_change){
        .op = SERVER_RESUME, .servers = &s->row.id, .n = 1, .login = "mira", .may_any = true};
    forgive(w, s->row.id);
    (void)world_post(w, &ev);
}

/* An admin says what hosts of their own cost, and says something else later. */
static void own_price(struct world *w)
{
    struct event ev = {.kind = EV_FLEET_PUT, .ticket = {++w->tickets}};

    ev.fleet_put = (struct fleet_row){.id = {FLEET_ID_LOCAL},
                                      .name = "local",
                                      .kind = FLEET_LOCAL,
                                      .options = "{}",
                                      .error = "",
                                      .hour_microusd = (int64_t)rng_below(&w->rng, 3) * 9999991};
    (void)world_post(w, &ev);
}

static const struct stored_server *some_cloud_server(struct world *w)
{
    const struct stored_server *s;
    uint32_t n = 0;
    uint32_t at;

    for (s = w->store.servers; s != NULL; s = s->hh.next)
        n += s->row.fleet == FLEET_FAKE;
    if (n == 0)
        return NULL;
    at = (uint32_t)rng_below(&w->rng, n);
    for (s = w->store.servers; s != NULL; s = s->hh.next) {
        if (s->row.fleet == FLEET_FAKE && at-- == 0)
            return s;
    }
    return NULL;
}

static void cloud_record(struct world *w)
{
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {++w->tickets}};
    char names[2][16];
    const char *both[2] = {names[0], names[1]};

    (void)snprintf(names[0], sizeof(names[0]), "c%llu", (unsigned long long)w->tickets);
    (void)snprintf(names[1], sizeof(names[1]), "d%llu", (unsigned long long)w->tickets);
    ev.server_add.row = (struct server_row){.name = "",
                                            .fleet_id = w->cloud.fleet,
                                            .address = "",
                                            .user = "",
                                            .identity = "",
                                            .slots = 1 + (uint32_t)rng_below(&w->rng, 2),
                                            .idle_ms = IDLE_AS_FLEET};
    ev.server_add.names = both;
    ev.server_add.n_names = 2;
    (void)world_post(w, &ev);
}

static void cloud_change(struct world *w, enum server_op op)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE, .ticket = {++w->tickets}};
    const struct stored_server *s[3];
    struct server_id ids[3];
    uint32_t n = 0;

    while (n < 3 && (n == 0 || rng_chance(&w->rng, 1, 2)) && (s[n] = some_cloud_server(w)) != NULL) {
        if (op == SERVER_SET_DESTROYED && s[n]->row.machine[0] == '\0')
            return; /* what is not known yet cannot be said to be gone */
        ids[n] = s[n]->row.id;
        n++;
    }
    if (n == 0)
        return;
    ev.servers_change = (struct servers_change){.op = op,
                                                .servers = ids,
                                                .n = op == SERVER_SET_CREATED ? 1 : n,
                                                .user = {1 + rng_below(&w->rng, 3)},
                                                .login = "mira",
                                                .may_any = op >= SERVER_DRAIN || rng_chance(&w->rng, 1, 3),
                                                .force = rng_chance(&w->rng, 1, 2),
                                                .size = "",
                                                .idle_ms = rng_chance(&w->rng, 1, 2) ? IDLE_AS_FLEET : 60000,
                                                .address = "10.9.9.9"};
    (void)world_post(w, &ev);
}

static void cloud_take(struct world *w)
{
    struct event ev = {.kind = EV_SERVERS_TAKE, .ticket = {++w->tickets}};

    ev.servers_take = (struct servers_take){.fleet = w->cloud.fleet,
                                            .n = 1 + (uint32_t)rng_below(&w->rng, 3),
                                            .size = "",
                                            .user = {1 + rng_below(&w->rng, 3)},
                                            .login = "mira"};
    (void)world_post(w, &ev);
}

static void cloud_remove(struct world *w)
{
    struct event ev = {.kind = EV_SERVER_REMOVE, .ticket = {++w->tickets}};
    const struct stored_server *s = some_cloud_server(w);

    if (s == NULL)
        return;
    ev.server_remove.server = s->row.id;
    ev.server_remove.force = rng_chance(&w->rng, 1, 2);
    ev.server_remove.machine =
        rng_chance(&w->rng, 1, 6) ? FATE_KEEP : (enum machine_fate)rng_below(&w->rng, 2);
    (void)world_post(w, &ev);
}

static bool has_cloud(const struct world *w)
{
    return (w->opts.faults & FAULT_CLOUD) != 0 || w->opts.seed % 8 == 0;
}

static void cloud_person_acts(struct world *w)
{
    static const enum server_op rare[] = {SERVER_DRAIN, SERVER_RESUME, SERVER_SET_CREATED,
                                          SERVER_SET_DESTROYED, SERVER_SET_IDLE};

    cloud_find(w);
    if (w->cloud.fleet.v == 0) {
        fleet_put(w);
        return;
    }
    switch (rng_below(&w->rng, 12)) {
    case 0:
        if (HASH_COUNT(w->store.servers) < 10)
            cloud_record(w);
        break;
    case 1:
    case 2:
    case 3:
        cloud_change(w, SERVER_ON);
        break;
    case 4:
        cloud_change(w, SERVER_OFF);
        break;
    case 5:
    case 6:
        cloud_change(w, SERVER_BOOK);
        break;
    case 7:
        cloud_change(w, SERVER_UNBOOK);
        break;
    case 8:
        if (HASH_COUNT(w->store.servers) < 10)
            cloud_take(w);
        break;
    case 9:
        cloud_change(w, rare[rng_below(&w->rng, 5)]);
        break;
    case 10:
        if (rng_chance(&w->rng, 1, 3))
            cloud_remove(w);
        break;
    default:
        if (rng_chance(&w->rng, 1, 6))
            fleet_put(w);
        break;
    }
}

/* Whose record the store no longer has. */
static void removed_look(struct world *w)
{
    const struct stored_server *s;

    for (uint32_t i = 0; i < w->n_nodes; i++) {
        if (w->nodes[i].server.v == 0)
            continue;
        HASH_FIND(hh, w->store.servers, &w->nodes[i].server.v, sizeof(uint64_t), s);
        w->nodes[i].removed = s == NULL;
    }
}

static uint32_t launches_open(const struct world *w)
{
    const struct stored_launch *l;
    uint32_t n = 0;

    for (l = w->store.launches; l != NULL; l = l->hh.next)
        n += l->row.state != LAUNCH_DONE;
    return n;
}

/* History is deleted, by people or for its age: launches that are done, with all that they have. */
static void delete_some(struct world *w)
{
    const struct stored_launch *l;
    const struct stored_launch *next;

    for (l = w->store.launches; l != NULL; l = next) {
        next = l->hh.next;
        if (l->row.state == LAUNCH_DONE && rng_chance(&w->rng, 1, 3))
            sim_store_delete(&w->store, l->row.id.v);
    }
}

static void person_acts(struct world *w)
{
    uint64_t what = rng_below(&w->rng, 10);

    if ((w->opts.faults & FAULT_PEOPLE) && rng_chance(&w->rng, 1, 2))
        queue_op(w);
    if ((w->opts.faults & FAULT_PEOPLE) && rng_chance(&w->rng, 1, 6))
        own_price(w);
    if ((w->opts.faults & FAULT_PEOPLE) && rng_chance(&w->rng, 1, 6))
        delete_some(w);
    removed_look(w);
    if (!is_poisoned(w) && rng_chance(&w->rng, 1, 6))
        resume_some(w);
    if (has_cloud(w) && rng_chance(&w->rng, 2, 3)) {
        cloud_person_acts(w);
        return;
    }
    if (what < 6) {
        if (launches_open(w) < 4)
            launch_random(w);
        while ((w->opts.faults & FAULT_PEOPLE) && rng_chance(&w->rng, 2, 3))
            queue_op(w); /* on what has just come */
    } else if (what == 6 && (w->opts.faults & FAULT_PEOPLE)) {
        stop_some_launch(w);
    } else if (what == 7 && (w->opts.faults & FAULT_PEOPLE)) {
        stop_some_run(w);
    } else if (what == 8 && (w->opts.faults & FAULT_FLEET)) {
        server_add(w);
    } else if (what == 9 && (w->opts.faults & FAULT_FLEET)) {
        server_remove(w, &w->nodes[rng_below(&w->rng, w->n_nodes)], rng_chance(&w->rng, 1, 2));
    }
}

/* ---- faults ---- */

static void fault_cut(struct world *w, struct node *n)
{
    if (n->is_cut)
        return;
    link_cut(w, n);
    job_add(w, rng_chance(&w->rng, 1, 2) ? draw_ms(w, 10000) : draw_ms(w, 90000), JOB_HEAL, n->index);
}

static void fault_shutdown(struct world *w)
{
    struct event ev = {.kind = EV_SHUTDOWN, .ticket = {++w->tickets}};

    if (w->closing || w->engine == NULL)
        return;
    if (world_post(w, &ev)) {
        w->closing = true;
        if (w->engine != NULL)
            world_turn_close(w);
    }
}

static void fault_strikes(struct world *w)
{
    struct node *n = &w->nodes[rng_below(&w->rng, w->n_nodes)];
    enum fault what = FAULT_DELAY;

    /* Mostly one that this seed has. */
    for (int i = 0;
         i < 8 && ((what & (FAULT_DELAY | FAULT_PEOPLE | FAULT_FLEET)) || !(w->opts.faults & what)); i++)
        what = (enum fault)(1u << rng_below(&w->rng, FAULTS));
    if (!(w->opts.faults & what) || n->is_over)
        return;
    switch ((int)what) {
    case FAULT_DROP:
        link_break(w, n);
        break;
    case FAULT_CUT:
        fault_cut(w, n);
        break;
    case FAULT_ENGINE:
        if (w->engine != NULL)
            world_crash(w);
        break;
    case FAULT_AGENT:
        node_agent_kill(w, n);
        break;
    case FAULT_MACHINE:
        if (n->is_up)
            node_power_off(w, n, draw_ms(w, 60000));
        break;
    case FAULT_DISK:
        if (rng_chance(&w->rng, 1, 4)) {
            world_room(w, false);
            job_add(w, draw_ms(w, 30000), JOB_ROOM, 0);
        } else if (!n->is_disk_full) {
            node_disk(w, n, true);
            job_add(w, draw_ms(w, 30000), JOB_DISK_OK, n->index);
        }
        break;
    case FAULT_SHUTDOWN:
        fault_shutdown(w);
        break;
    case FAULT_SICK:
        n->is_sick = !n->is_sick || rng_chance(&w->rng, 1, 2);
        n->was_sick = true;
        break;
    case FAULT_CLOUD:
        if (rng_chance(&w->rng, 1, 8))
            cloud_vanish(w, (uint32_t)rng_next(&w->rng));
        break;
    default:
        break;
    }
}

/* ---- */

void people_begin(struct world *w)
{
    uint32_t n = 1 + (uint32_t)rng_below(&w->rng, 4);

    if (w->opts.faults & FAULT_CUT)
        n++; /* somebody to take over */
    for (uint32_t i = 0; i < n; i++)
        server_add(w);
    launch_random(w);
    if (has_cloud(w)) {
        fleet_put(w);
        job_add(w, 0, JOB_CLOUD_CHECK, 0);
    }
    job_add(w, draw_ms(w, PEOPLE_EVERY_MS), JOB_PERSON, 0);
    job_add(w, draw_ms(w, FAULTS_EVERY_MS), JOB_FAULT, 0);
}

void people_job(struct world *w, const struct job *j)
{
    if (w->calm)
        return;
    if (j->kind == JOB_PERSON) {
        person_acts(w);
        job_add(w, draw_ms(w, PEOPLE_EVERY_MS), JOB_PERSON, 0);
    } else {
        fault_strikes(w);
        job_add(w, draw_ms(w, FAULTS_EVERY_MS), JOB_FAULT, 0);
    }
}

/* Launches that only servers which are gone may run can never end by themselves: people stop them. */
static void stop_the_hopeless(struct world *w)
{
    const struct stored_server *s;
    const struct stored_launch *l;
    struct event ev = {.kind = EV_LAUNCH_STOP};
    uint32_t alive;

    for (l = w->store.launches; l != NULL; l = l->hh.next) {
        alive = 0;
        for (uint32_t i = 0; i < l->row.n_servers; i++) {
            HASH_FIND(hh, w->store.servers, &l->row.servers[i], sizeof(uint64_t), s);
            alive += s != NULL && s->row.fleet == FLEET_LOCAL; /* others are not switched on any more */
        }
        if (l->row.state != LAUNCH_RUNNING || l->row.n_servers == 0 || alive > 0)
            continue;
        ev.launch_stop = l->row.id;
        (void)world_post(w, &ev);
        world_turn_close(w);
    }
}

/* What was removed is put back, but in some worlds: there its ten minutes pass. */
static void undo_all(struct world *w)
{
    struct event ev = {.kind = EV_QUEUE_CHANGE, .ticket = {++w->tickets}};

    if (w->store.undos == NULL || w->opts.seed % 8 == 0)
        return;
    ev.queue_change = (struct queue_change){
        .user = w->store.undos->row.user, .op = QUEUE_UNDO, .undo = w->store.undos->row.id, .login = "mira"};
    (void)world_post(w, &ev);
    world_turn_close(w);
}

/* Queues that are paused go on. */
static void resume_all(struct world *w)
{
    struct event ev = {.kind = EV_QUEUE_CHANGE, .ticket = {++w->tickets}};

    if (w->store.pauses == NULL)
        return;
    ev.queue_change =
        (struct queue_change){.user = w->store.pauses->row.user, .op = QUEUE_RESUME, .login = "mira"};
    (void)world_post(w, &ev);
    world_turn_close(w);
}

/* Nobody holds anything back any more. */
static void cloud_calm(struct world *w)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE};
    const struct stored_server *s;

    for (s = w->store.servers; s != NULL; s = s->hh.next) {
        bool is_out = s->row.maintenance || s->row.sick[0] != '\0';

        if (s->row.booked_by.v == 0 && !is_out)
            continue;
        ev.ticket.v = ++w->tickets;
        ev.servers_change = (struct servers_change){.op = is_out ? SERVER_RESUME : SERVER_UNBOOK,
                                                    .servers = &s->row.id,
                                                    .n = 1,
                                                    .login = "mira",
                                                    .may_any = true};
        if (is_out)
            forgive(w, s->row.id);
        (void)world_post(w, &ev);
        world_turn_close(w);
        return;
    }
}

static bool has_local_server(const struct world *w)
{
    const struct stored_server *s;

    for (s = w->store.servers; s != NULL; s = s->hh.next) {
        if (s->row.fleet == FLEET_LOCAL)
            return true;
    }
    return false;
}

void people_calm(struct world *w)
{
    if (!w->calm) {
        w->calm = true;
        world_room(w, true);
        for (uint32_t i = 0; i < w->n_nodes; i++) {
            struct node *n = &w->nodes[i];

            n->is_up = !n->is_over;
            n->is_sick = false;
            if (n->is_cut)
                link_heal(w, n);
            if (n->is_disk_full)
                node_disk(w, n, false);
        }
    }
    if (w->engine == NULL || w->closing || w->turns != NULL)
        return;
    if (!has_local_server(w) && w->n_local < LOCAL_NODES_MAX)
        server_add(w);
    cloud_calm(w);
    undo_all(w);
    resume_all(w);
    stop_the_hopeless(w);
}
