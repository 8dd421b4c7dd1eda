#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/seal.h"
#include "net/tls.h"
#include "server/jobs.h"
#include "server/keeper.h"
#include "server/retention.h"
#include "server/serve.h"

#define STOP_LINKS_MS 300 /* for the last goals and goodbyes to reach the agents */
#define LOCK_MS 2000      /* for the server before this one to finish its last writes */
#define PRIVATE_LOCK_MS 10000
#define STOP_IDLE_MS 50
#define GRACE_MS 5000
#define TURNS_IN_STORE_MAX 1024u /* of a store that cannot write; then one turn takes what comes */
#define TRACE_BYTES 1024         /* of a line of the log about what the engine decided */

#ifndef WRATA_VERSION
#define WRATA_VERSION "0.0.0"
#endif

void server_die(const char *what, const struct why *why)
{
    char text[512];

    LOG_ERROR(what, "why=%s", log_quote(text, sizeof(text), why != NULL ? why->text : "unknown"));
    _exit(3);
}

/* ---- the turn ---- */

static struct turn *turn_get(struct server *s)
{
    struct turn *t = s->free_turns;

    if (t != NULL) {
        s->free_turns = t->next_free;
        t->next_free = NULL;
        return t;
    }
    t = xcalloc(1, sizeof(*t));
    t->server = s;
    t->out = outbox_new();
    return t;
}

static void turn_put(struct server *s, struct turn *t)
{
    outbox_clear(t->out);
    t->next_free = s->free_turns;
    s->free_turns = t;
}

static void arm_engine_timer(struct server *s);
static void private_check(struct server *s);

void server_post(struct server *s, const struct event *ev)
{
    if (!s->now_is_read) {
        s->now = (struct now){mono_now(), wall_now()};
        s->now_is_read = true;
    }
    if (s->open == NULL)
        s->open = turn_get(s);
    engine_step(s->engine, s->now, ev, s->open->out);
}

static void release_order(struct server *s, const struct order *o)
{
    switch (o->kind) {
    case ORDER_CONNECT:
        if (fleet_kind_makes_machines(o->server.fleet))
            clouds_connect(s, &o->server, o->era);
        else
            link_connect_by(s->links, &o->server, &(struct link_way){.era = o->era});
        break;
    case ORDER_DISCONNECT:
        clouds_disconnect(s, o->server.id);
        link_disconnect(s->links, o->server.id);
        break;
    case ORDER_BYE:
        clouds_disconnect(s, o->server.id);
        link_bye(s->links, o->server.id);
        break;
    case ORDER_MACHINE_CREATE:
    case ORDER_MACHINE_CANCEL:
    case ORDER_MACHINE_DESTROY:
    case ORDER_MACHINE_RENEW:
    case ORDER_FLEET_LIST:
    case ORDER_FLEET_CATALOG:
    case ORDER_FLEET_OPEN:
    case ORDER_FLEET_CLOSE:
        clouds_order(s, o);
        break;
    }
}

/* The lives of servers and launches are for operators; those of thousands of runs and tests for debugging. */
static void release_trace(const char *text)
{
    bool is_small = strncmp(text, "run ", 4) == 0 || strncmp(text, "test ", 5) == 0;
    char quoted[TRACE_BYTES];

    (void)log_quote(quoted, sizeof(quoted), text);
    if (is_small)
        LOG_DEBUG("engine", "text=%s", quoted);
    else
        LOG_INFO("engine", "text=%s", quoted);
}

/* For admins: once each time that a server is taken out. */
static void release_sick(struct server *s, const struct server_row *row)
{
    char object[NAME_BYTES_MAX + 16];
    char quoted[REASON_BYTES_MAX + 100];

    LOG_WARN("server.sick", "server=%s cause=%s why=%s", row->name, sick_cause_name(row->sick_cause),
             log_quote(quoted, sizeof(quoted), row->sick));
    (void)snprintf(object, sizeof(object), "server %s", row->name);
    api_audit(s->api, "server.sick", object, row->sick);
}

static void release_note(struct server *s, const struct note *n)
{
    if (n->kind == NOTE_TRACE) {
        release_trace(n->trace);
        return;
    }
    metrics_note(s, n);
    if (n->kind == NOTE_SERVER_GONE)
        healths_gone(s, n->server.id);
    if (n->kind == NOTE_SERVER_SICK)
        release_sick(s, &n->server);
    api_note(s->api, n);
    if (n->kind == NOTE_RUN && (n->run.state == RUN_DONE || n->run.state == RUN_LOST))
        api_log_end(s->api, n->run.id);
}

/* Only now may anything be said. */
static void turn_release(struct server *s, struct turn *t)
{
    struct outbox *o = t->out;

    for (uint32_t i = 0; i < o->replies.n; i++)
        api_reply(s->api, &o->replies.at[i]);
    for (uint32_t i = 0; s->links != NULL && i < o->goals.n; i++)
        link_goal(s->links, &o->goals.at[i]);
    for (uint32_t i = 0; s->links != NULL && i < o->orders.n; i++)
        release_order(s, &o->orders.at[i]);
    for (uint32_t i = 0; i < o->notes.n; i++)
        release_note(s, &o->notes.at[i]);
    if (o->has_notice)
        notices_look(s);
    turn_put(s, t);
}

static void on_committed(void *ctx, enum err err, const struct why *why)
{
    struct turn *t = ctx;
    struct server *s = t->server;

    if (err != ERR_OK)
        server_die("turn.commit", why);
    s->turns_in_store--;
    turn_release(s, t);
}

/* The round is over: what it decided goes to the store as one piece. When the store is far behind, or waits for room on
 * its disk, the turn stays open and takes the next round, too. */
static void turn_close(struct server *s)
{
    struct turn *t = s->open;

    if (t != NULL && s->turns_in_store < TURNS_IN_STORE_MAX) {
        s->open = NULL;
        engine_turn_end(s->engine, s->now, t->out);
        streams_note_changes(s->streams, t->out->changes.at, t->out->changes.n);
        if (t->out->changes.n == 0 && s->turns_in_store == 0) {
            turn_release(s, t);
        } else {
            s->turns_in_store++;
            store_changes(s->store, t->out->changes.at, t->out->changes.n, on_committed, t);
        }
        arm_engine_timer(s);
    }
    s->now_is_read = false;
    if (s->links != NULL)
        links_flush(s->links);
    private_check(s);
}

static void on_after_poll(uv_check_t *h)
{
    turn_close(h->data);
}

static void on_before_poll(uv_prepare_t *h)
{
    turn_close(h->data);
}

static void on_store_wake(uv_async_t *h)
{
    struct server *s = h->data;

    store_turn(s->store);
}

static void on_engine_timer(uv_timer_t *h)
{
    server_post(h->data, &(struct event){.kind = EV_TICK});
}

static void arm_engine_timer(struct server *s)
{
    struct mono due = engine_deadline(s->engine);
    int64_t us;

    if (due.us == MONO_NEVER.us) {
        (void)uv_timer_stop(&s->engine_timer);
        return;
    }
    us = due.us - mono_now().us;
    uv_update_time(&s->loop);
    (void)uv_timer_start(&s->engine_timer, on_engine_timer, us <= 0 ? 0 : (uint64_t)(us + 999) / 1000, 0);
}

/* ---- the end ---- */

static void on_stop_timer(uv_timer_t *h)
{
    uv_stop(h->loop);
}

void server_stop(struct server *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    LOG_INFO("server.stopping", "runs_active=%u", engine_stats(s->engine).runs_active);
    api_stopping(s->api);
    schedules_halt(s);
    serve_unannounce(s->opts.data_dir);
    server_post(s, &(struct event){.kind = EV_SHUTDOWN});
    (void)uv_timer_start(&s->stop_timer, on_stop_timer,
                         engine_stats(s->engine).servers_online > 0 ? STOP_LINKS_MS : STOP_IDLE_MS, 0);
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct server *s = h->data;

    LOG_INFO("server.signal", "signal=%d", signum);
    if (s->is_stopping)
        uv_stop(&s->loop);
    server_stop(s);
}

/* A private server ends when whoever started it is gone, nothing runs or waits, and nobody looks: another `wrata
 * run` may still read its results, a person the page. */
static void private_check(struct server *s)
{
    struct engine_stats st;

    if (!s->starter_is_gone || s->is_stopping)
        return;
    st = engine_stats(s->engine);
    if (st.runs_active == 0 && st.tests_waiting == 0 && s->turns_in_store == 0 && api_watchers(s->api) == 0)
        server_stop(s);
}

static void on_starter(uv_poll_t *h, int status, int events)
{
    struct server *s = h->data;
    char byte;

    (void)events;
    if (status == 0 && read(s->opts.private_fd, &byte, 1) > 0)
        return;
    (void)uv_poll_stop(h);
    s->starter_is_gone = true;
}

void server_reload(struct server *s)
{
    settings_reload(s);
    mails_reload(s);
    posts_reload(s);
    clouds_reload(s);
    if (s->tls != NULL)
        tls_reload(s->tls);
}

static void on_hangup(uv_signal_t *h, int signum)
{
    LOG_INFO("server.signal", "signal=%d", signum);
    server_reload(h->data);
}

/* ---- begin ---- */

static void on_api_post(void *ctx, const struct event *ev)
{
    server_post(ctx, ev);
}

static void on_api_broken(void *ctx, const struct why *why)
{
    (void)ctx;
    server_die("accounts.commit", why);
}

static void on_api_stats(void *ctx, struct wall *ret_now, uint32_t counts[API_COUNTS])
{
    struct server *s = ctx;
    struct engine_stats st = engine_stats(s->engine);

    *ret_now = wall_now();
    counts[API_SERVERS] = st.servers;
    counts[API_SERVERS_ONLINE] = st.servers_online;
    counts[API_SLOTS] = st.slots;
    counts[API_SLOTS_BUSY] = st.slots_busy;
    counts[API_LAUNCHES] = st.launches;
    counts[API_TESTS_WAITING] = st.tests_waiting;
    counts[API_RUNS_ACTIVE] = st.runs_active;
}

static void on_api_why(void *ctx, struct test_id test, char *out, uint32_t size)
{
    struct server *s = ctx;

    engine_why(s->engine, test, out, size);
}

static void on_history_gone(void *ctx, uint64_t job)
{
    struct server *s = ctx;

    retention_files(s);
    if (job != 0)
        jobs_look(s);
}

static void on_retention(void *ctx, struct api_retention *ret)
{
    retention_api(ctx, ret);
}

static void on_prune(void *ctx)
{
    retention_now(ctx);
}

static void on_mirror_path(void *ctx, struct project_id project, char *out, size_t size)
{
    struct server *s = ctx;

    projects_mirror_path(s->projects, project, out, size);
}

static void wake_loop(void *ctx)
{
    struct server *s = ctx;

    (void)uv_async_send(&s->store_wake);
}

static void on_boot_row(void *ctx, const struct change *c)
{
    struct server *s = ctx;

    engine_load(s->engine, s->now, c);
    if (c->kind == CHANGE_RUN_ADD)
        streams_resume(s->streams, &(struct stream_pos){.run = c->run.id}, c->run.launch, c->run.server);
}

static void on_boot_stream(void *ctx, const struct stream_pos *pos)
{
    struct server *s = ctx;

    streams_resume(s->streams, pos, (struct launch_id){0}, (struct server_id){0});
}

/* The engine is a cache of the store: read the living rows back. */
static enum err boot(struct server *s, struct why *reterr)
{
    enum err err;

    s->now = (struct now){mono_now(), wall_now()};
    err = store_boot(s->store, on_boot_row, s, reterr);
    if (err == ERR_OK)
        err = store_boot_streams(s->store, on_boot_stream, s, reterr);
    return err;
}

static void open_loop(struct server *s)
{
    CHECK(uv_loop_init(&s->loop) == 0);
    CHECK(uv_async_init(&s->loop, &s->store_wake, on_store_wake) == 0);
    CHECK(uv_prepare_init(&s->loop, &s->before_poll) == 0);
    CHECK(uv_check_init(&s->loop, &s->after_poll) == 0);
    CHECK(uv_timer_init(&s->loop, &s->engine_timer) == 0);
    CHECK(uv_timer_init(&s->loop, &s->stop_timer) == 0);
    CHECK(uv_signal_init(&s->loop, &s->sigint) == 0);
    CHECK(uv_signal_init(&s->loop, &s->sigterm) == 0);
    s->store_wake.data = s->before_poll.data = s->after_poll.data = s->engine_timer.data = s;
    s->stop_timer.data = s->sigint.data = s->sigterm.data = s->starter.data = s->sighup.data = s;
    CHECK(uv_signal_init(&s->loop, &s->sighup) == 0);
    CHECK(uv_prepare_start(&s->before_poll, on_before_poll) == 0);
    CHECK(uv_check_start(&s->after_poll, on_after_poll) == 0);
    CHECK(uv_signal_start(&s->sigint, on_signal, SIGINT) == 0);
    CHECK(uv_signal_start(&s->sigterm, on_signal, SIGTERM) == 0);
    CHECK(uv_signal_start(&s->sighup, on_hangup, SIGHUP) == 0);
}

static enum err open_edges(struct server *s, struct why *reterr)
{
    const struct settings *set = &s->opts.config->set;
    struct link_opts links = {.data_dir = s->opts.data_dir,
                              .instance = store_instance(s->store),
                              .agent_path = s->opts.agent_path,
                              .beat_ms = (uint32_t)set->beat_ms,
                              .grace_ms = GRACE_MS,
                              .window_bytes = (uint64_t)set->window_bytes,
                              .log_max_bytes = (uint64_t)set->log_run_max_bytes,
                              .connect_ms = (uint32_t)set->connect_timeout_ms,
                              .open_secret = secrets_open,
                              .mirror_path = on_mirror_path};
    struct api_opts api = {.loop = &s->loop,
                           .store = s->store,
                           .listen = s->opts.listen,
                           .tls = s->tls,
                           .public_host = s->opts.public_host,
                           .connections_per_address = s->opts.connections_per_address,
                           .connections_max = (unsigned)set->connections_max,
                           .idle_timeout_s = (unsigned)set->idle_timeout_s,
                           .version = WRATA_VERSION,
                           .data_dir = s->opts.data_dir,
                           .started_at = s->started_at,
                           .accounts_off = set->accounts != 0,
                           .trusted = s->trusted,
                           .broken = on_api_broken,
                           .post = on_api_post,
                           .stats = on_api_stats,
                           .metrics = metrics_write,
                           .metrics_for = metrics_for,
                           .why = on_api_why,
                           .seal = secrets_seal,
                           .fleet_check = clouds_check_options,
                           .fleet_catalog = clouds_catalog,
                           .hooks_changed = posts_changed,
                           .hooks_for = set->hooks,
                           .hook_gone = posts_gone,
                           .hook_wait = posts_wait,
                           .hook_url_check = posts_url_check,
                           .schedules_changed = schedules_changed,
                           .artifact_gone = keeper_gone,
                           .history_gone = on_history_gone,
                           .retention = on_retention,
                           .prune = on_prune,
                           .ctx = s};
    char mirrors[PATH_BYTES_MAX];
    enum err err;

    (void)snprintf(mirrors, sizeof(mirrors), "%s/projects", s->opts.data_dir);
    err = projects_new(&s->loop, mirrors, &s->projects, reterr);
    if (err == ERR_OK)
        err = settings_of_git(s->projects, &s->credentials, reterr);
    if (err == ERR_OK)
        err = links_new(&s->loop, &links, &server_link_ops, s, &s->links, reterr);
    if (err == ERR_OK)
        err = clouds_open(s, reterr);
    api.projects = s->projects;
    settings_of_launches(s->opts.config, &api.launches);
    settings_of_keep(s->opts.config, &api.keep);
    settings_of_accounts(s, &api.accounts);
    mails_of_api(s, &api);
    if (err == ERR_OK)
        err = api_open(&api, &s->api, reterr);
    if (err == ERR_OK)
        err = listen_redirect(s, reterr);
    return err;
}

enum err server_open(struct server *s, const struct server_opts *opts, struct why *reterr)
{
    struct store_opts store = {.dir = opts->data_dir,
                               .lock_wait_ms = opts->private_fd >= 0 ? PRIVATE_LOCK_MS : LOCK_MS,
                               .wake = wake_loop,
                               .wake_ctx = s};
    const struct settings *set = &opts->config->set;
    enum err err;

    *s = (struct server){.opts = *opts, .started_at = wall_now()};
    open_loop(s);
    metrics_open(s);
    err = listen_prepare(s, reterr);
    if (err == ERR_OK)
        err = settings_credentials(s, reterr);
    if (err == ERR_OK)
        err = store_open(&store, &s->store, reterr);
    if (err != ERR_OK)
        return err;
    s->engine = engine_new(&(struct engine_opts){
        .seed = (uint64_t)wall_now().ms,
        .silence_shown_ms = (uint32_t)set->silence_shown_ms,
        .reconnect_min_ms = (uint32_t)set->reconnect_min_ms,
        .reconnect_max_ms = (uint32_t)set->reconnect_max_ms,
        .creating_ms = (uint32_t)set->machine_ready_s * 1000,
        .stray_ms = (uint32_t)set->machine_stray_s * 1000,
        .missing_ms = (uint32_t)set->machine_missing_s * 1000,
        .ahead_ms = (uint32_t)set->ahead_ms,
        .sick_failures = set->sick_failures > 0 ? (uint32_t)set->sick_failures : UINT32_MAX,
        .sick_losses = set->sick_losses > 0 ? (uint32_t)set->sick_losses : UINT32_MAX,
        .sick_disk_bytes = set->sick_disk_bytes > 0 ? (uint64_t)set->sick_disk_bytes : UINT64_MAX,
        .sick_disk_percent = (uint32_t)set->sick_disk_percent,
        .sick_keep_ms = set->sick_keep_min > 0 ? set->sick_keep_min * 60000 : -1,
        .trace = true,
        .notices = opts->private_fd < 0});
    s->streams = streams_new(s);
    err = boot(s, reterr);
    mails_open(s);
    if (err == ERR_OK)
        err = posts_open(s, reterr);
    if (err == ERR_OK)
        err = keeper_open(s, reterr);
    if (err == ERR_OK)
        err = open_edges(s, reterr);
    if (err == ERR_OK && opts->private_fd >= 0) {
        CHECK(uv_poll_init(&s->loop, &s->starter, opts->private_fd) == 0);
        s->starter.data = s;
        s->has_starter_watch = true;
        CHECK(uv_poll_start(&s->starter, UV_READABLE | UV_DISCONNECT, on_starter) == 0);
    }
    if (err == ERR_OK) {
        room_open(s);
        server_post(s, &(struct event){.kind = EV_BOOTED});
        notices_open(s);
        posts_look(s);
        schedules_open(s);
        retention_open(s);
        jobs_open(s);
        keeper_start(s);
    }
    return err;
}

void server_run(struct server *s)
{
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

void server_close(struct server *s)
{
    struct turn *t;

    /* Those that begin work first, then the store with what is owed to it, then those that wait for answers: a read
     * that ends meanwhile may still ask the projects for something. */
    links_free(s->links);
    s->links = NULL;
    clouds_close(s);
    projects_halt(s->projects);
    notices_halt(s);
    posts_halt(s);
    mails_halt(s);
    schedules_halt(s);
    jobs_halt(s);
    retention_halt(s);
    keeper_halt(s);
    store_close(s->store);
    notices_free(s);
    posts_free(s);
    mails_free(s);
    api_store_is_closed(s->api);
    api_close(s->api);
    projects_free(s->projects);
    schedules_free(s);
    listen_close(s);
    streams_free(s->streams);
    healths_free(s);
    metrics_free(s);
    sealer_free(s->sealer);
    engine_free(s->engine);
    credentials_done(&s->credentials);
    if (s->open != NULL)
        turn_put(s, s->open);
    while ((t = s->free_turns) != NULL) {
        s->free_turns = t->next_free;
        outbox_free(t->out);
        free(t);
    }
    uv_walk(&s->loop, close_handle, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    keeper_free(s);
    jobs_free(s);
    retention_free(s);
    CHECK(uv_loop_close(&s->loop) == 0);
}
