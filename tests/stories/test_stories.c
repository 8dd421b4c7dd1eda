/* test_stories.c - plays each tests/stories/NAME.story and compares what the engine said with NAME.trace.
 *
 * The world is the simulator's (sim/world.h) without chance: the real engine, the real agent core, links of 1 ms.
 * UPDATE=1 in the environment writes the traces anew; a person reads the difference.
 *
 * A story is lines of commands; '#' begins a comment. Times: 5ms 30s 2m.
 *   server NAME [SLOTS]              a machine and its record
 *   launch N [take T] [prepare T] [exit CODE] [retries N] [lease T] [limit T] [by USER] [project N] [slots N] [book N] [same] [front] [on NAME...]
 *                                  [soonest T T ...]
 *                                  (same: each file is the same)
 *   queue move N,N... front|end|before N | queue delete N,N... | queue clear | queue shuffle SEED | queue dedupe | queue sort
 *                                  | queue undo [N] | queue pause | queue resume | queue show    of user 1, by "mira"
 *   queue as seen                  the next operation names the version of the last `queue show`
 *   stop launch N | stop run N | remove NAME [force]
 *   cut NAME | heal NAME | break NAME | kill agent NAME | power off NAME T | disk full NAME | disk ok NAME   (nothing can be
 *                                  started there)
 *   controller full | controller ok  its own disk
 *   sick NAME | well NAME            from now on nothing can be started there; or it can again
 *   room NAME FREE TOTAL             its agent says what is free on its disk, in MiB
 *   resume NAME                      an admin puts it back
 *   kill engine | boot | shutdown
 *   cloud [N]                        a fleet that makes machines, at most N
 *   record NAME                      a server of it, switched off
 *   on NAME... | off NAME [force] | book NAME by USER | unbook NAME by USER
 *   next FAULT                       what the cloud does to a call: busy refuses lost 500-before 500-after list never-active no-ssh
 *   vanish N                         the Nth machine that was made is gone, and nobody is told
 *   advance T                        let time pass
 *   until launch N done | until run N running | until run N assigned
 *   why test N                       why it waits, into the trace
 *   show launch N                    its state and outcome as stored, into the trace
 *   show server NAME                 whether it is out, into the trace
 *
 * The code of project 7 can be prepared nowhere. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/checks.c"
#include "sim/cloud.c"
#include "sim/node.c"
#include "sim/store.c"
#include "sim/world.c"

#define FOLDER "tests/stories"
#define WORDS_MAX 32
#define WAIT_MAX_US (INT64_C(3600) * 1000000)

/* Nobody acts by chance here. */
void people_job(struct world *w, const struct job *j)
{
    (void)w;
    (void)j;
}

struct story {
    struct world w;
    bool asked;
    uint64_t seen;    /* version of the queue when it was shown */
    uint64_t version; /* for the next operation */
    struct buf trace;
    const char *name;
    unsigned line;
};

static void tell(void *ctx, int64_t ms, const char *text)
{
    buf_printf(&((struct story *)ctx)->trace, "[%7lld] %s\n", (long long)(ms - 1000), text);
}

static void say(struct story *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct story *s, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tell(s, s->w.now_us / 1000, text);
}

static int64_t time_us(const char *word)
{
    char *unit;
    long long n = strtoll(word, &unit, 10);

    if (strcmp(unit, "ms") == 0)
        return n * 1000;
    if (strcmp(unit, "s") == 0)
        return n * 1000000;
    if (strcmp(unit, "m") == 0)
        return n * 60000000;
    fail_msg("not a time: %s", word);
    return 0;
}

static struct node *node_named(struct story *s, const char *name)
{
    for (uint32_t i = 0; i < s->w.n_nodes; i++) {
        if (strcmp(s->w.nodes[i].name, name) == 0)
            return &s->w.nodes[i];
    }
    fail_msg("%s:%u: no server named %s", s->name, s->line, name);
    return NULL;
}

static uint64_t server_named(struct story *s, const char *name)
{
    const struct stored_server *row;

    for (row = s->w.store.servers; row != NULL; row = row->hh.next) {
        if (strcmp(row->row.name, name) == 0)
            return row->row.id.v;
    }
    fail_msg("%s:%u: no record named %s", s->name, s->line, name);
    return 0;
}

/* The machine of a record, also one that a cloud made. */
static struct node *node_behind(struct story *s, const char *name)
{
    struct node *n = node_of(&s->w, (struct server_id){server_named(s, name)});

    assert_non_null(n);
    return n;
}

static void step(struct story *s)
{
    world_step(&s->w);
    if (s->w.failed)
        fail_msg("%s:%u: %s", s->name, s->line, s->w.what);
}

/* All that is due by now. */
static void settle(struct story *s)
{
    while (world_next_us(&s->w) <= s->w.now_us)
        step(s);
}

static void advance(struct story *s, int64_t us)
{
    int64_t end = s->w.now_us + us;

    while (world_next_us(&s->w) <= end)
        step(s);
    s->w.now_us = end;
}

static void post(struct story *s, struct event *ev)
{
    ev->ticket.v = ++s->w.tickets;
    s->w.last_reply_err = ERR_OK;
    (void)world_post(&s->w, ev);
    settle(s);
    if (s->w.last_reply_err != ERR_OK)
        say(s, "refused: %s", err_name(s->w.last_reply_err));
}

/* ---- commands ---- */

static void cmd_launch(struct story *s, char **word, unsigned n)
{
    struct launch_row row = {.name = "story",
                             .project_name = "",
                             .ref = "main",
                             .commit = "0123456789012345678901234567890123456789",
                             .retries = 2,
                             .lease_ms = 30000,
                             .user = {1}};
    bool same = false;
    uint32_t count = (uint32_t)strtoul(word[1], NULL, 10);
    struct event ev = {.kind = EV_LAUNCH_CREATE};
    struct new_test *tests = xcalloc(count, sizeof(*tests));
    char(*paths)[24] = xcalloc(count, sizeof(*paths));
    uint64_t servers[WORDS_MAX];
    char take[24] = "1000";
    char prepare[24] = "";
    const char *argv[] = {"sim", take, "0", "20", prepare};

    for (unsigned i = 2; i < n; i++) {
        if (strcmp(word[i], "take") == 0)
            (void)snprintf(take, sizeof(take), "%lld", (long long)(time_us(word[++i]) / 1000));
        else if (strcmp(word[i], "prepare") == 0)
            (void)snprintf(prepare, sizeof(prepare), "%lld", (long long)(time_us(word[++i]) / 1000));
        else if (strcmp(word[i], "exit") == 0)
            argv[2] = word[++i];
        else if (strcmp(word[i], "retries") == 0)
            row.retries = (uint32_t)strtoul(word[++i], NULL, 10);
        else if (strcmp(word[i], "lease") == 0)
            row.lease_ms = (uint32_t)(time_us(word[++i]) / 1000);
        else if (strcmp(word[i], "limit") == 0)
            row.time_limit_ms = time_us(word[++i]) / 1000;
        else if (strcmp(word[i], "by") == 0)
            row.user.v = strtoull(word[++i], NULL, 10);
        else if (strcmp(word[i], "project") == 0)
            row.project.v = strtoull(word[++i], NULL, 10);
        else if (strcmp(word[i], "slots") == 0)
            row.slots = (uint32_t)strtoul(word[++i], NULL, 10);
        else if (strcmp(word[i], "book") == 0)
            row.schedule.book =
                (struct launch_book){s->w.cloud.fleet, (uint32_t)strtoul(word[++i], NULL, 10), ""};
        else if (strcmp(word[i], "same") == 0)
            same = true;
        else if (strcmp(word[i], "front") == 0)
            ev.launch_create.at_front = true;
        else if (strcmp(word[i], "on") == 0)
            while (i + 1 < n)
                servers[row.n_servers++] = server_named(s, word[++i]);
        else if (strcmp(word[i], "soonest") == 0) {
            row.order = ORDER_FINISH_SOONEST;
            for (uint32_t t = 0; t < count && i + 1 < n; t++)
                tests[t].predicted_ms = time_us(word[++i]) / 1000;
        } else
            fail_msg("%s:%u: what is %s", s->name, s->line, word[i]);
    }
    row.servers = servers;
    row.project_name = row.project.v == 0 ? "" : row.project.v == 1 ? "docs" : "site";
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "t%u.sh", same ? 1 : i + 1);
        tests[i].path = paths[i];
        tests[i].argv = argv;
        tests[i].n_argv = prepare[0] != '\0' ? 5 : 4;
    }
    ev.launch_create.launch = row;
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = count;
    post(s, &ev);
    free(tests);
    free(paths);
}

static bool condition(const struct story *s, char **word)
{
    uint64_t id = strtoull(word[2], NULL, 10);
    const struct stored_launch *l;
    const struct stored_run *r;

    if (strcmp(word[1], "launch") == 0) {
        l = sim_store_launch(&s->w.store, id);
        return l != NULL && strcmp(launch_state_name(l->row.state), word[3]) == 0;
    }
    if (strcmp(word[1], "run") == 0) {
        r = sim_store_run(&s->w.store, id);
        return r != NULL && strcmp(run_state_name(r->row.state), word[3]) == 0;
    }
    fail_msg("%s:%u: until what", s->name, s->line);
    return true;
}

static void cmd_until(struct story *s, char **word, unsigned n)
{
    int64_t end = s->w.now_us + WAIT_MAX_US;

    assert_int_equal(n, 4);
    while (!condition(s, word)) {
        if (world_next_us(&s->w) > end)
            fail_msg("%s:%u: it never comes true\n%s", s->name, s->line, buf_str(&s->trace));
        step(s);
    }
}

static void cmd_why(struct story *s, char **word)
{
    char why[1024];

    engine_why(s->w.engine, (struct test_id){strtoull(word[2], NULL, 10)}, why, sizeof(why));
    say(s, "why test %s waits: %s", word[2], why);
}

static void cmd_show(struct story *s, char **word)
{
    const struct stored_launch *l = sim_store_launch(&s->w.store, strtoull(word[2], NULL, 10));
    const struct stored_run *r;

    assert_non_null(l);
    say(s, "stored: launch %s is %s, %s", word[2], launch_state_name(l->row.state),
        outcome_name(l->row.outcome));
    for (r = s->w.store.runs; r != NULL; r = r->hh.next) {
        if (r->row.launch.v == l->row.id.v)
            say(s, "stored: run %llu of %s on %s, attempt %u: %s, %s: %s", (unsigned long long)r->row.id.v,
                r->row.path, r->row.server_name, r->row.attempt, run_state_name(r->row.state),
                outcome_name(r->row.outcome), r->row.reason);
    }
}

static void cmd_show_server(struct story *s, const char *name)
{
    uint64_t id = server_named(s, name);
    const struct stored_server *row;

    HASH_FIND(hh, s->w.store.servers, &id, sizeof(id), row);
    assert_non_null(row);
    say(s, "stored: server %s is %s%s%s", name, server_status_name(row->row.status),
        row->row.sick[0] != '\0' ? ", and out: " : "", row->row.sick);
    if (row->row.destroy_at.ms != 0)
        say(s, "stored: it goes in %lld s",
            (long long)(row->row.destroy_at.ms - world_wall(&s->w).ms) / 1000);
}

static void cmd_room(struct story *s, char **word)
{
    struct node *n = node_behind(s, word[1]);

    n->disk_free_bytes = strtoull(word[2], NULL, 10) << 20;
    n->disk_total_bytes = strtoull(word[3], NULL, 10) << 20;
    node_health(&s->w, n);
    advance(s, 2000);
}

static void cmd_stop(struct story *s, char **word)
{
    uint64_t id = strtoull(word[2], NULL, 10);
    struct event ev = {.kind = strcmp(word[1], "run") == 0 ? EV_RUN_STOP : EV_LAUNCH_STOP};

    if (ev.kind == EV_RUN_STOP)
        ev.run_stop.v = id;
    else
        ev.launch_stop.v = id;
    post(s, &ev);
}

static void cmd_engine(struct story *s, const char *what)
{
    struct event ev = {.kind = EV_SHUTDOWN};

    if (strcmp(what, "boot") == 0) {
        world_boot(&s->w);
    } else if (strcmp(what, "kill") == 0) {
        say(s, "(the controller is killed)");
        engine_free(s->w.engine);
        s->w.engine = NULL;
        s->w.epoch++;
        for (uint32_t i = 0; i < s->w.n_nodes; i++)
            disconnect(&s->w, &s->w.nodes[i]);
    } else {
        post(s, &ev);
        engine_free(s->w.engine);
        s->w.engine = NULL;
        s->w.epoch++;
    }
    settle(s);
}

static void cmd_remove(struct story *s, char **word, unsigned n)
{
    struct event ev = {.kind = EV_SERVER_REMOVE};

    ev.server_remove.server.v = server_named(s, word[1]);
    ev.server_remove.force = n > 2;
    post(s, &ev);
}

static void show_answer(struct story *s, const struct queue_answer *a)
{
    struct buf b;

    buf_init(&b, KIB(64));
    for (uint32_t i = 0; i < a->n_items; i++)
        buf_printf(&b, " %llu", (unsigned long long)a->items[i].test.id.v);
    if (a->undos != NULL && a->n_undos > 0)
        buf_printf(&b, "; %u can be undone", a->n_undos);
    if (a->paused_by != NULL)
        buf_printf(&b, "; paused by %s", a->paused_by);
    say(s, "queue:%s", buf_str(&b));
    buf_done(&b);
}

/* The answers of the turn at hand; they are in no order with others here, since settle() comes later. */
static void on_queue_reply(void *ctx, const struct reply *r)
{
    struct story *s = ctx;

    if (r->queue == NULL)
        return;
    if (s->asked)
        s->seen = r->queue->version;
    if (s->asked)
        show_answer(s, r->queue);
    else
        say(s, "%u done, %u passed over, %u wait%s", r->queue->n_done, r->queue->n_passed,
            r->queue->n_waiting, r->queue->undo.v != 0 ? ", can be undone" : "");
}

static uint32_t ids_of(char *text, struct test_id *ids)
{
    uint32_t n = 0;
    char *save = NULL;

    for (char *p = strtok_r(text, ",", &save); p != NULL && n < WORDS_MAX; p = strtok_r(NULL, ",", &save))
        ids[n++].v = strtoull(p, NULL, 10);
    return n;
}

static void cmd_queue(struct story *s, char **word, unsigned n)
{
    static const char *const ops[QUEUE_OP_COUNT] = {"move", "delete", "clear", "shuffle", "dedupe",
                                                    "sort", "undo",   "pause", "resume"};
    struct event ev = {.kind = EV_QUEUE_CHANGE};
    struct queue_change *q = &ev.queue_change;
    struct test_id ids[WORDS_MAX];

    s->asked = strcmp(word[1], "show") == 0;
    if (s->asked) {
        ev = (struct event){.kind = EV_QUEUE_LOOK};
        ev.queue_look.user.v = 1;
        ev.queue_look.limit = 100;
        post(s, &ev);
        return;
    }
    if (strcmp(word[1], "as") == 0) {
        s->version = s->seen;
        return;
    }
    *q = (struct queue_change){.user = {1}, .login = "mira", .version = s->version, .tests = ids};
    s->version = 0;
    while (q->op < QUEUE_OP_COUNT && strcmp(ops[q->op], word[1]) != 0)
        q->op++;
    if (q->op == QUEUE_OP_COUNT)
        fail_msg("%s:%u: what is %s", s->name, s->line, word[1]);
    if (q->op == QUEUE_MOVE || q->op == QUEUE_DELETE)
        q->n_tests = ids_of(word[2], ids);
    if (q->op == QUEUE_SHUFFLE)
        q->seed = strtoull(word[2], NULL, 10);
    if (q->op == QUEUE_UNDO && n > 2)
        q->undo.v = strtoull(word[2], NULL, 10);
    if (q->op == QUEUE_MOVE && strcmp(word[3], "end") != 0)
        q->to = strcmp(word[3], "front") == 0 ? QUEUE_TO_FRONT : QUEUE_TO_BEFORE;
    if (q->to == QUEUE_TO_BEFORE)
        q->before.v = strtoull(word[4], NULL, 10);
    post(s, &ev);
}

/* ---- a cloud ---- */

static void cmd_cloud(struct story *s, char **word, unsigned n)
{
    struct event ev = {.kind = EV_FLEET_PUT};

    ev.fleet_put = (struct fleet_row){.name = "cloud",
                                      .kind = FLEET_FAKE,
                                      .options = "{}",
                                      .error = "",
                                      .idle_ms = 600000,
                                      .machines_max = n > 1 ? (uint32_t)strtoul(word[1], NULL, 10) : 0};
    post(s, &ev);
    cloud_find(&s->w);
}

static void cmd_record(struct story *s, char **word)
{
    struct event ev = {.kind = EV_SERVER_ADD};

    ev.server_add.row = (struct server_row){
        .name = word[1], .fleet_id = s->w.cloud.fleet, .slots = 1, .idle_ms = IDLE_AS_FLEET};
    post(s, &ev);
}

static void change(struct story *s, enum server_op op, char **names, unsigned n, uint64_t user, bool force)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE};
    struct server_id ids[WORDS_MAX];

    for (unsigned i = 0; i < n; i++)
        ids[i].v = server_named(s, names[i]);
    ev.servers_change = (struct servers_change){
        .op = op, .servers = ids, .n = n, .user = {user}, .login = "mira", .size = "", .force = force};
    ev.servers_change.may_any = op == SERVER_RESUME;
    post(s, &ev);
}

static void cmd_next(struct story *s, const char *what)
{
    static const char *const faults[CLOUD_FAULT_COUNT] = {[CLOUD_BUSY] = "busy",
                                                          [CLOUD_REFUSES] = "refuses",
                                                          [CLOUD_500_BEFORE] = "500-before",
                                                          [CLOUD_500_AFTER] = "500-after",
                                                          [CLOUD_LOST_ANSWER] = "lost",
                                                          [CLOUD_LIST_FAILS] = "list",
                                                          [CLOUD_NEVER_ACTIVE] = "never-active",
                                                          [CLOUD_NO_SSH] = "no-ssh"};

    for (int i = 0; i < CLOUD_FAULT_COUNT; i++) {
        if (faults[i] != NULL && strcmp(faults[i], what) == 0) {
            s->w.cloud.ordered[i]++;
            return;
        }
    }
    fail_msg("%s:%u: what is %s", s->name, s->line, what);
}

static bool cloud_command(struct story *s, char **word, unsigned n)
{
    uint64_t user = n > 3 && strcmp(word[2], "by") == 0 ? strtoull(word[3], NULL, 10) : 1;

    if (strcmp(word[0], "cloud") == 0)
        cmd_cloud(s, word, n);
    else if (strcmp(word[0], "record") == 0)
        cmd_record(s, word);
    else if (strcmp(word[0], "on") == 0)
        change(s, SERVER_ON, word + 1, n - 1, user, false);
    else if (strcmp(word[0], "off") == 0)
        change(s, SERVER_OFF, word + 1, 1, user, n > 2);
    else if (strcmp(word[0], "book") == 0)
        change(s, SERVER_BOOK, word + 1, 1, user, false);
    else if (strcmp(word[0], "unbook") == 0)
        change(s, SERVER_UNBOOK, word + 1, 1, user, false);
    else if (strcmp(word[0], "next") == 0)
        cmd_next(s, word[1]);
    else if (strcmp(word[0], "vanish") == 0)
        cloud_vanish(&s->w, (uint32_t)strtoul(word[1], NULL, 10) - 1);
    else
        return false;
    return true;
}

static bool is(char **word, unsigned n, unsigned least, const char *a, const char *b)
{
    return n >= least && strcmp(word[0], a) == 0 && (b == NULL || strcmp(word[1], b) == 0);
}

static void command(struct story *s, char **word, unsigned n)
{
    if (is(word, n, 2, "server", NULL))
        (void)node_add(&s->w, word[1], n > 2 ? (uint32_t)strtoul(word[2], NULL, 10) : 1);
    else if (is(word, n, 2, "launch", NULL))
        cmd_launch(s, word, n);
    else if (is(word, n, 2, "queue", NULL))
        cmd_queue(s, word, n);
    else if (is(word, n, 3, "stop", NULL))
        cmd_stop(s, word);
    else if (is(word, n, 2, "remove", NULL))
        cmd_remove(s, word, n);
    else if (is(word, n, 2, "cut", NULL))
        link_cut(&s->w, node_named(s, word[1]));
    else if (is(word, n, 2, "heal", NULL))
        link_heal(&s->w, node_named(s, word[1]));
    else if (is(word, n, 2, "break", NULL))
        link_break(&s->w, node_named(s, word[1]));
    else if (is(word, n, 3, "kill", "agent"))
        node_agent_kill(&s->w, node_named(s, word[2]));
    else if (is(word, n, 4, "power", "off"))
        node_power_off(&s->w, node_named(s, word[2]), time_us(word[3]));
    else if (is(word, n, 3, "disk", NULL))
        node_named(s, word[2])->is_disk_full = strcmp(word[1], "full") == 0;
    else if (is(word, n, 2, "controller", NULL))
        world_room(&s->w, strcmp(word[1], "ok") == 0);
    else if (is(word, n, 2, "sick", NULL))
        node_behind(s, word[1])->is_sick = true;
    else if (is(word, n, 2, "well", NULL))
        node_behind(s, word[1])->is_sick = false;
    else if (is(word, n, 4, "room", NULL))
        cmd_room(s, word);
    else if (is(word, n, 2, "resume", NULL))
        change(s, SERVER_RESUME, word + 1, 1, 1, false);
    else if (is(word, n, 3, "show", "server"))
        cmd_show_server(s, word[2]);
    else if (is(word, n, 2, "kill", "engine"))
        cmd_engine(s, "kill");
    else if (is(word, n, 1, "boot", NULL) || is(word, n, 1, "shutdown", NULL))
        cmd_engine(s, word[0]);
    else if (is(word, n, 2, "advance", NULL))
        advance(s, time_us(word[1]));
    else if (is(word, n, 4, "until", NULL))
        cmd_until(s, word, n);
    else if (is(word, n, 3, "why", "test"))
        cmd_why(s, word);
    else if (is(word, n, 3, "show", "launch"))
        cmd_show(s, word);
    else if (!cloud_command(s, word, n))
        fail_msg("%s:%u: what is \"%s\"", s->name, s->line, word[0]);
    settle(s);
}

static void story_line(struct story *s, char *line)
{
    char *word[WORDS_MAX];
    unsigned n = 0;
    char *save = NULL;
    char *hash = strchr(line, '#');

    if (hash != NULL)
        *hash = '\0';
    for (char *p = strtok_r(line, " \t\n", &save); p != NULL && n < WORDS_MAX;
         p = strtok_r(NULL, " \t\n", &save))
        word[n++] = p;
    if (n > 0)
        command(s, word, n);
}

/* ---- the test ---- */

static void read_file(const char *path, struct buf *out)
{
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return;
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        buf_put(out, part, n);
    (void)fclose(f);
}

static void story_play(const char *name, struct buf *trace)
{
    struct world_opts opts = {.seed = 1, .grace_ms = 2000, .trace = true, .on_trace = tell};
    struct story *s = xcalloc(1, sizeof(*s));
    char path[512];
    char line[1024];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s.story", FOLDER, name);
    f = fopen(path, "r");
    assert_non_null(f);
    s->name = name;
    buf_init(&s->trace, MIB(16));
    opts.ctx = s;
    opts.on_reply = on_queue_reply;
    world_init(&s->w, &opts);
    world_boot(&s->w);
    settle(s);
    while (fgets(line, sizeof(line), f) != NULL) {
        s->line++;
        story_line(s, line);
    }
    (void)fclose(f);
    buf_puts(trace, buf_str(&s->trace));
    world_done(&s->w);
    buf_done(&s->trace);
    free(s);
}

static void test_story(void **state)
{
    const char *name = *state;
    struct buf trace;
    struct buf golden;
    char path[512];
    FILE *f;

    buf_init(&trace, MIB(16));
    buf_init(&golden, MIB(16));
    (void)snprintf(path, sizeof(path), "%s/%s.trace", FOLDER, name);
    story_play(name, &trace);
    if (getenv("UPDATE") != NULL) {
        f = fopen(path, "w");
        assert_non_null(f);
        (void)fputs(buf_str(&trace), f);
        (void)fclose(f);
    } else {
        read_file(path, &golden);
        if (strcmp(buf_str(&trace), buf_str(&golden)) != 0)
            print_message("--- %s as it happened (UPDATE=1 makes it the golden one)\n%s", path,
                          buf_str(&trace));
        assert_string_equal(buf_str(&trace), buf_str(&golden));
    }
    buf_done(&trace);
    buf_done(&golden);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    static struct CMUnitTest tests[256];
    size_t n = 0;
    struct dirent *entry;
    DIR *dir = opendir(FOLDER);
    int failed;

    if (dir == NULL) {
        perror(FOLDER);
        return 1;
    }
    while ((entry = readdir(dir)) != NULL && n < ARRAY_LEN(tests)) {
        char *dot = strrchr(entry->d_name, '.');

        if (dot == NULL || strcmp(dot, ".story") != 0)
            continue;
        tests[n].name = xstrndup(entry->d_name, (size_t)(dot - entry->d_name));
        tests[n].test_func = test_story;
        tests[n].initial_state = (void *)(uintptr_t)tests[n].name;
        n++;
    }
    (void)closedir(dir);
    qsort(tests, n, sizeof(tests[0]), by_name);
    failed = _cmocka_run_group_tests("stories", tests, n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)tests[i].name);
    return failed;
}
