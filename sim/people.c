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
        if (w->nodes[i].server.v != 0 && !w->nodes[i].removed && rng_chance(&w->rng, 1, 2))
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

static void launch_random(struct world *w)
{
    static const uint32_t scales_ms[] = {3, 30, 500, 20000, 60000};
    uint32_t scale = scales_ms[rng_below(&w->rng, 5)];
    uint32_t n = 1 + (uint32_t)rng_below(&w->rng, scale > 1000 ? 4 : 12);
    struct event ev = {.kind = EV_LAUNCH_CREATE};
    struct new_test tests[12];
    const char *argv[12][4];
    char words[12][3][24];
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
        tests[i] = (struct new_test){
            .path = paths[i],
            .adapter = ADAPTER_EXIT,
            .argv = argv[i],
            .n_argv = 4,
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
    if (rng_chance(&w->rng, 1, 4)) {
        ev.launch_create.launch.servers = servers;
        ev.launch_create.launch.n_servers = some_servers(w, servers);
    }
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

    if (n->server.v == 0 || n->removed)
        return;
    ev.server_remove.server = n->server;
    ev.server_remove.force = force;
    (void)world_post(w, &ev);
}

static void server_add(struct world *w)
{
    char name[32];

    if (w->n_nodes == NODES_MAX || (w->n_nodes == NODES_MAX - 1 && !w->calm)) /* one for the end */
        return;
    (void)snprintf(name, sizeof(name), "s%u", w->n_nodes + 1);
    (void)node_add(w, name, 1 + (uint32_t)rng_below(&w->rng, 3));
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

static void person_acts(struct world *w)
{
    uint64_t what = rng_below(&w->rng, 10);

    if ((w->opts.faults & FAULT_PEOPLE) && rng_chance(&w->rng, 1, 2))
        queue_op(w);
    removed_look(w);
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
        what = (enum fault)(1u << rng_below(&w->rng, 13));
    if (!(w->opts.faults & what))
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
        if (!n->is_disk_full) {
            node_disk(w, n, true);
            job_add(w, draw_ms(w, 30000), JOB_DISK_OK, n->index);
        }
        break;
    case FAULT_SHUTDOWN:
        fault_shutdown(w);
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
            alive += s != NULL;
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

void people_calm(struct world *w)
{
    if (!w->calm) {
        w->calm = true;
        for (uint32_t i = 0; i < w->n_nodes; i++) {
            struct node *n = &w->nodes[i];

            n->is_up = true;
            if (n->is_cut)
                link_heal(w, n);
            if (n->is_disk_full)
                node_disk(w, n, false);
        }
    }
    if (w->engine == NULL || w->closing || w->turns != NULL)
        return;
    if (w->store.servers == NULL && w->n_nodes < NODES_MAX)
        server_add(w);
    undo_all(w);
    stop_the_hopeless(w);
}
