/* serve.c - the agent's loop: one thread, ppoll, and a turn that does things in the right order.
 *
 *     1. children that ended (a slot's next run starts here)
 *     2. what can be read: the link, local clients, pipes of runs
 *     3. timers
 *     4. the pump: streams and the beat, as far as the link takes them
 *     5. the journal: one write; then FINISHED of the runs that ended
 *     6. one write to the link
 *
 * Who makes a result durable? While there is a link, the controller: its commit follows at once, and until then
 * nobody was told anything, so a power cut here only means that the run is made again. A sync of the journal would
 * keep slots empty for milliseconds after each short script. Alone, the agent: what it holds must survive by
 * itself until somebody comes for it, so a run's end is synced before the turn is over, and everything at the latest
 * with the next tidy.
 *
 * Signals are blocked except while ppoll sleeps: nothing can be missed. It does not let them through when a descriptor is
 * ready already: then they are asked for. */
#include "agent/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_core.h"
#include "agent/containers.h"
#include "agent/exec.h"
#include "agent/health.h"
#include "agent/launch.h"
#include "agent/prepare.h"
#include "agent/procs.h"
#include "agent/ready.h"
#include "agent/serve_private.h"
#include "agent/setup.h"
#include "agent/sha256.h"
#include "agent/signals.h"
#include "agent/spool.h"
#include "base/log.h"

#define POLL_MAX 1024
#define LINK_OUT_MAX MIB(32) /* frames that must go: bounded by runs held; streams stop far below */
#define LINK_GATHER_BYTES KIB(64)
#define TIDY_MS 1000
#define LOG_FILE_MAX_BYTES MIB(1)

/* ---- events ---- */

void serve_post(void *ctx, struct mono now, const struct agent_event *ev)
{
    struct serve *s = ctx;
    struct posted *p = s->spare != NULL ? s->spare : xmalloc(sizeof(*p));

    s->spare = NULL;
    *p = (struct posted){.now = now, .ev = *ev};
    if (ev->text.len > 0) {
        p->text = xstrndup(ev->text.ptr, ev->text.len);
        p->ev.text.ptr = p->text;
    }
    if (ev->exit != NULL) {
        p->exit = *ev->exit;
        p->ev.exit = &p->exit;
        p->text2 = xstrndup(p->exit.text.ptr, p->exit.text.len);
        p->exit.text.ptr = p->text2;
    }
    if (s->last != NULL)
        s->last->next = p;
    else
        s->first = p;
    s->last = p;
}

static bool is_known_pid(void *ctx, pid_t pid)
{
    const struct serve *s = ctx;

    return prepare_is_known_pid(s->prepare, pid) || ready_is_known_pid(s->ready, pid) ||
           containers_is_known_pid(s->containers, pid) || health_is_known_pid(s->health, pid);
}

/* What `prepare` asks for comes behind the code. */
static void on_code(void *ctx, struct mono now, const struct agent_event *ev)
{
    struct serve *s = ctx;

    if (ev->text.len > 0 || !ready_start(s->ready, now, ev->slot))
        serve_post(s, now, ev);
}

/* A run that has not begun gets lines in its log: what is done for it. */
static void on_say(void *ctx, struct mono now, uint64_t run, struct slice bytes)
{
    struct serve *s = ctx;
    enum held_state state;

    if (!agent_run_state(s->agent, run, &state) || state != HELD_PREPARING || /* gone: nobody will ask */
        spool_stream(s->spool, run, STREAM_LOG, bytes.ptr, bytes.len) != ERR_OK)
        return; /* or the disk is full; the run ends for that reason when it starts */
    serve_post(s, now,
               &(struct agent_event){.kind = AG_EV_GREW,
                                     .run = run,
                                     .stream = STREAM_LOG,
                                     .len = spool_len(s->spool, run, STREAM_LOG)});
}

static void on_leave(void *ctx, pid_t helper, const char *container)
{
    const struct serve *s = ctx;

    containers_leave(s->containers, mono_now(), helper, container);
}

static bool spec_decode(struct serve *s, struct slice raw, struct frame *ret);

static void on_mended(void *ctx, struct mono now, uint32_t slot, struct slice spec, const char *error)
{
    struct serve *s = ctx;
    struct frame f;

    CHECK(spec_decode(s, spec, &f));
    if (error == NULL)
        prepare_start(s->prepare, now, slot, &f.run_spec);
    else
        serve_post(s, now,
                   &(struct agent_event){.kind = AG_EV_PREPARED,
                                         .slot = slot,
                                         .wall = wall_now(),
                                         .is_not_ready = true,
                                         .text = slice_of(error)});
}

static void act(struct serve *s, struct mono now, const struct agent_action *a);

static void step_one(struct serve *s, struct mono now, const struct agent_event *ev)
{
    agent_out_clear(&s->out);
    agent_step(s->agent, now, ev, &s->out);
    s->actions_seen += s->out.count;
    for (uint32_t i = 0; i < s->out.count; i++)
        act(s, now, &s->out.actions[i]);
}

/* Step with an event, and with all that its actions cause. */
void serve_step(struct serve *s, struct mono now, const struct agent_event *ev)
{
    if (ev != NULL)
        step_one(s, now, ev);
    while (s->first != NULL) {
        struct posted *p = s->first;

        s->first = p->next;
        if (s->first == NULL)
            s->last = NULL;
        step_one(s, p->now, &p->ev);
        free(p->text);
        free(p->text2);
        free(s->spare);
        s->spare = p;
    }
}

/* ---- doing what the core says ---- */

static void send_frame(struct serve *s, struct mono now, const struct agent_action *a)
{
    struct frame f = a->frame;

    if (s->link == NULL)
        return;
    if (f.type == FRAME_HELLO) {
        f.hello.wall_ms = (uint64_t)wall_now().ms;
        f.hello.disk_free_bytes = s->disk_free;
    } else if (f.type == FRAME_BEAT) {
        f.beat.disk_free_bytes = s->disk_free;
        f.beat.load_percent = s->load_percent;
    }
    if (s->link->out.len == 0)
        s->link->deadline = mono_add_ms(now, STALL_TIMEOUT_MS);
    if (s->link->out.len > LINK_OUT_MAX / 2) {
        LOG_WARN("link.stuck", "waiting_bytes=%zu", s->link->out.len);
        (void)shutdown(s->link->fd, SHUT_RDWR); /* the end is seen when it is read */
        return;
    }
    frame_encode(&f, &s->link->out);
}

static void send_stream(struct serve *s, struct mono now, const struct agent_action *a)
{
    struct frame f = {.type = FRAME_STREAM};
    struct slice rest;

    if (s->link == NULL)
        return;
    buf_clear(&s->scratch);
    if (spool_read(s->spool, a->run, a->stream, a->from, (size_t)a->len, &s->scratch) != ERR_OK) {
        LOG_ERROR("spool.gap", "run=%" PRIu64 " stream=%u from=%" PRIu64 " len=%" PRIu64, a->run, a->stream,
                  a->from, a->len);
        serve_post(
            s, now,
            &(struct agent_event){
                .kind = AG_EV_LOST, .run = a->run, .stream = a->stream, .len = a->from, .wall = wall_now()});
        return;
    }
    f.stream.run = a->run;
    f.stream.stream = a->stream;
    f.stream.offset = a->from;
    for (rest = buf_slice(&s->scratch);
         rest.len > 0;) { /* a frame for each time, with the time of its first byte */
        size_t n = rest.len;
        uint64_t end = 0;

        if (a->stream == STREAM_LOG) {
            f.stream.at_ms = (uint64_t)spool_log_time(s->spool, a->run, f.stream.offset, &end);
            if (end > f.stream.offset && end - f.stream.offset < n)
                n = (size_t)(end - f.stream.offset);
        }
        f.stream.bytes = (struct slice){rest.ptr, n};
        frame_encode(&f, &s->link->out);
        f.stream.offset += n;
        rest.ptr += n;
        rest.len -= n;
    }
}

static void record(struct serve *s, struct mono now, const struct agent_action *a)
{
    if (a->record == AG_RECORD_SPEC) {
        if (spool_spec(s->spool, a->run, a->spec, a->seq) != ERR_OK)
            serve_post(s, now,
                       &(struct agent_event){.kind = AG_EV_NO_DISK, .run = a->run, .wall = wall_now()});
        return;
    }
    buf_clear(&s->scratch);
    frame_encode(&a->frame, &s->scratch);
    spool_finished(s->spool, a->run, buf_slice(&s->scratch), a->seq);
}

static bool spec_decode(struct serve *s, struct slice raw, struct frame *ret)
{
    size_t used;

    arena_reset(&s->frames);
    return frame_decode(raw.ptr, raw.len, &s->frames, ret, &used, NULL) == ERR_OK && used > 0 &&
           ret->type == FRAME_RUN_SPEC;
}

/* Every run in a container says in its log what it ran in. */
static void spawn_boxed(struct serve *s, struct mono now, const struct agent_action *a,
                        const struct frame_run_spec *spec, const struct container_ground *ground,
                        const char *environment)
{
    struct exec_box box = {.ground = ground, .environment = environment};
    struct slice image = {"", 0};
    const char *at;
    const char *line;

    for (uint32_t i = 0; i < spec->n_setup; i++)
        if (spec->setup[i].s.len > strlen(SETUP_IMAGE_KEY) &&
            memcmp(spec->setup[i].s.ptr, SETUP_IMAGE_KEY, strlen(SETUP_IMAGE_KEY)) == 0)
            image = (struct slice){spec->setup[i].s.ptr + strlen(SETUP_IMAGE_KEY),
                                   spec->setup[i].s.len - strlen(SETUP_IMAGE_KEY)};
    if (spec->project > 0)
        box.git = arena_printf(&s->frames, "%s/cache/p%" PRIu64 ".git", s->dir, spec->project);
    at = image.len > 0 ? memchr(image.ptr, '@', image.len) : NULL;
    line = arena_printf(&s->frames, "%.*s@%s", (int)(at != NULL ? (size_t)(at - image.ptr) : image.len),
                        image.ptr, ground->image.digest);
    serve_post(s, now, &(struct agent_event){.kind = AG_EV_BOXED, .run = spec->run, .text = slice_of(line)});
    line = arena_printf(&s->frames, "[wrata: in a container of %.*s, %s, by %s %s]\n", (int)image.len,
                        image.ptr, ground->image.digest, engine_name(ground->engine), ground->version);
    on_say(s, now, spec->run, slice_of(line));
    exec_spawn(s->exec, spec, a->slot, prepare_folder(s->prepare, a->slot, spec->project), &box);
}

static void start(struct serve *s, struct mono now, const struct agent_action *a)
{
    const struct container_ground *ground;
    const char *environment;
    const char *folder;
    struct frame f;

    CHECK(spec_decode(s, a->spec, &f)); /* we encoded it */
    folder = prepare_folder(s->prepare, a->slot, f.run_spec.project);
    if (a->kind == AG_ACT_SPAWN) {
        ready_env(s->ready, a->slot, &f.run_spec, &s->frames);
        ground = ready_ground(s->ready, a->slot, &s->frames, &environment);
        if (ground != NULL)
            spawn_boxed(s, now, a, &f.run_spec, ground, environment);
        else
            exec_spawn(s->exec, &f.run_spec, a->slot, folder, NULL);
    } else {
        ready_expect(s->ready, a->slot, &f.run_spec, folder);
        if (!containers_mend(s->containers, a->slot, folder, a->spec))
            prepare_start(s->prepare, now, a->slot, &f.run_spec);
    }
}

static void chan_act(struct serve *s, const struct agent_action *a)
{
    struct conn *c = serve_conn_by_local(s, a->local);

    if (c == NULL)
        return;
    if (a->kind == AG_ACT_CHAN_WRITE) {
        buf_put(&c->out, a->text.ptr, a->text.len);
    } else if (a->kind == AG_ACT_CHAN_READ) {
        c->may_read += a->len;
    } else if (a->kind == AG_ACT_CHAN_EOF) {
        c->send_eof = true;
    } else {
        if (a->text.len > 0) {
            prepare_channel_error(s->prepare, c->project, c->commit, a->text);
            buf_clear(&c->out);
        }
        c->close_when_sent = true;
    }
}

static void act(struct serve *s, struct mono now, const struct agent_action *a)
{
    switch (a->kind) {
    case AG_ACT_SEND:
        send_frame(s, now, a);
        break;
    case AG_ACT_STREAM:
        send_stream(s, now, a);
        break;
    case AG_ACT_CLOSE_LINK:
        LOG_WARN("link.close", "why=\"%.*s\"", (int)a->text.len, a->text.ptr);
        if (s->link != NULL) {
            s->link->kind = CONN_NEW; /* no more frames; it goes at the end of the turn */
            s->link->deadline = (struct mono){0};
            s->link = NULL;
        }
        break;
    case AG_ACT_RECORD:
        record(s, now, a);
        break;
    case AG_ACT_ACKED:
        spool_acked(s->spool, a->run, a->stream, a->from);
        break;
    case AG_ACT_RELEASE:
        spool_release(s->spool, a->run);
        break;
    case AG_ACT_PREPARE:
    case AG_ACT_SPAWN:
        start(s, now, a);
        break;
    case AG_ACT_SIGNAL:
        exec_signal(s->exec, now, a->run, a->signal, a->describe);
        break;
    case AG_ACT_CHAN_WRITE:
    case AG_ACT_CHAN_READ:
    case AG_ACT_CHAN_EOF:
    case AG_ACT_CHAN_CLOSE:
        chan_act(s, a);
        break;
    case AG_ACT_TRACE:
        LOG_DEBUG("run", "run=%" PRIu64 " from=%s to=%s why=\"%.*s\"", a->run, a->from_state, a->to_state,
                  (int)a->text.len, a->text.ptr);
        break;
    case AG_ACT_EXIT:
        s->is_done = true;
        break;
    default:
        CHECK(!"an action kind");
    }
}

/* ---- children ---- */

static void reap(struct serve *s)
{
    struct rusage ru;
    int status;
    pid_t pid;

    signals.child_ended = 0;
    while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
        struct mono now = mono_now();

        /* A pid that nobody knows is an orphan that we adopted. */
        if (!exec_reaped(s->exec, now, pid, status, &ru) && !prepare_reaped(s->prepare, now, pid, status))
            (void)(ready_reaped(s->ready, now, pid, status) ||
                   containers_reaped(s->containers, now, pid, status) || health_reaped(s->health, pid));
        serve_step(s, now, NULL);
    }
}

/* ---- the turn ---- */

/* A beat that is due goes at once: until then its deadline would keep the loop from sleeping. */
static bool link_gathers(const struct serve *s, struct mono now)
{
    return s->link != NULL && mono_before(now, s->gather_until) && s->link->out.len < LINK_GATHER_BYTES &&
           agent_has_next(s->agent) && mono_before(now, agent_deadline(s->agent));
}

static size_t poll_fill(struct serve *s, struct mono now, struct pollfd *fds, size_t *retexec,
                        size_t *retprepare)
{
    size_t n = 0;

    fds[n++] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
    for (uint32_t i = 0; i < s->n_conns; i++) {
        const struct conn *c = s->conns[i];
        short events = 0;

        if (!c->got_eof && (c->kind != CONN_CHAN ||
                            (c->may_read > 0 && (s->link == NULL || s->link->out.len < LINK_OUT_WANTED))))
            events |= POLLIN;
        if (c->out.len > 0 && !(c == s->link && link_gathers(s, now)))
            events |= POLLOUT;
        /* Who waits for nothing is not looked at: poll tells of a hang-up unasked, again and again. */
        fds[n++] = (struct pollfd){.fd = events != 0 ? c->fd : -1, .events = events};
    }
    *retexec = n;
    n += exec_poll_add(s->exec, now, fds + n, POLL_MAX - n);
    *retprepare = n;
    n += prepare_poll_add(s->prepare, fds + n, POLL_MAX - n);
    n += ready_poll_add(s->ready, fds + n, POLL_MAX - n);
    return n;
}

static void look_at_health(struct serve *s, struct mono now)
{
    struct frame f = {.type = FRAME_HEALTH};

    if (health_look(s->health, now, agent_link(s->agent), &f.health))
        serve_step(s, now, &(struct agent_event){.kind = AG_EV_HEALTH, .frame = &f});
}

static void tidy(struct serve *s, struct mono now)
{
    double load[1];
    struct stat st;
    struct why why = {0};
    uint64_t seq;

    s->next_tidy = mono_add_ms(now, TIDY_MS);
    if (spool_wants_sync(s->spool) && spool_sync(s->spool, &seq, &why) != ERR_OK && !s->was_low)
        LOG_ERROR("spool.sync", "why=\"%s\"", why.text);
    spool_tidy(s->spool);
    if (s->link == NULL && access(AGENT_SOCKET, F_OK) != 0 && errno == ENOENT) {
        LOG_WARN("agent.folder_gone", "runs=%u", agent_run_count(s->agent));
        s->is_done = true; /* nobody can ever ask for what is held here */
    }
    s->disk_free = spool_disk_free(s->spool);
    s->load_percent = getloadavg(load, 1) == 1 ? (uint32_t)(load[0] * 100.0) : 0;
    look_at_health(s, now);
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)LOG_FILE_MAX_BYTES &&
        ftruncate(STDERR_FILENO, 0) != 0)
        LOG_WARN("log.cut", "errno=%d", errno);
    if (s->was_low && !spool_is_low(s->spool)) {
        LOG_INFO("disk.ok", "free_bytes=%" PRIu64, s->disk_free);
        s->was_low = false;
        serve_step(s, now, &(struct agent_event){.kind = AG_EV_DISK_OK, .wall = wall_now()});
    }
}

static void note_low_disk(struct serve *s, struct mono now)
{
    if (s->was_low || !spool_is_low(s->spool))
        return;
    s->was_low = true;
    LOG_ERROR("disk.full", "free_bytes=%" PRIu64, spool_disk_free(s->spool));
    serve_step(s, now, &(struct agent_event){.kind = AG_EV_NO_DISK, .wall = wall_now()});
}

static struct mono deadline_of(const struct serve *s, struct mono now)
{
    struct mono t = mono_min(agent_deadline(s->agent), exec_deadline(s->exec));

    t = mono_min(t, prepare_deadline(s->prepare));
    t = mono_min(t, ready_deadline(s->ready));
    t = mono_min(t, containers_deadline(s->containers));
    for (uint32_t i = 0; i < s->n_conns; i++)
        if (s->conns[i]->kind == CONN_NEW || (s->conns[i]->kind == CONN_LINK && s->conns[i]->out.len > 0))
            t = mono_min(t, s->conns[i]->deadline);
    if (s->link != NULL && mono_before(now, s->gather_until) && agent_run_count(s->agent) > 0)
        t = mono_min(t, s->gather_until); /* what is gathered must go, whatever else happens */
    /* Nothing held and no link: nothing to tidy either, sleep on. */
    if (agent_run_count(s->agent) > 0 || agent_has_link(s->agent) || s->was_low || spool_wants_sync(s->spool))
        t = mono_min(t, s->next_tidy);
    return t;
}

/* Step 5: the journal is written, and made durable where that is the agent's part (see the top). */
static void journal_out(struct serve *s)
{
    bool must_sync = s->link == NULL && spool_wants_sync(s->spool);
    struct why why = {0};
    uint64_t seq = 0;
    enum err err = must_sync ? spool_sync(s->spool, &seq, &why) : spool_flush(s->spool, &why);

    if (err == ERR_OK && !must_sync)
        seq = spool_flushed_seq(s->spool);
    if (err != ERR_OK) {
        if (!s->was_low)
            LOG_ERROR("spool.write", "why=\"%s\"", why.text);
    } else if (seq != s->told_seq) {
        s->told_seq = seq;
        serve_step(s, mono_now(), &(struct agent_event){.kind = AG_EV_SYNCED, .seq = seq});
    }
}

/* Steps 4 to 6. */
static void turn_out(struct serve *s, struct mono now)
{
    size_t waiting = s->link != NULL ? s->link->out.len : 0;
    bool gathers = link_gathers(s, now);

    if (s->link != NULL && !gathers)
        serve_step(s, now,
                   &(struct agent_event){.kind = AG_EV_PUMP,
                                         .room = waiting < LINK_OUT_WANTED ? LINK_OUT_WANTED - waiting : 0});
    journal_out(s);
    note_low_disk(s, now);
    for (uint32_t i = 0; i < s->n_conns;) {
        struct conn *c = s->conns[i];
        bool ok = c->out.len == 0 || (c == s->link && gathers) || serve_conn_write(s, now, c);

        if (ok && c->out.len == 0 && c->send_eof) {
            (void)shutdown(c->fd, SHUT_WR);
            c->send_eof = false;
        }
        if (!ok)
            serve_conn_lost(s, now, c);
        else if (c->close_when_sent && c->out.len == 0)
            serve_conn_close(s, c);
        else if ((c->kind == CONN_NEW || (c->kind == CONN_LINK && c->out.len > 0)) &&
                 !mono_before(now, c->deadline))
            serve_conn_lost(s, now, c);
        else
            i++;
    }
    serve_step(s, now, NULL); /* what was taken by clients */
}

static void turn(struct serve *s, const sigset_t *sleep_mask)
{
    static struct pollfd fds[POLL_MAX];
    struct mono now = mono_now();
    struct timespec ts = {0};
    int64_t left_us;
    struct mono end;
    size_t at_exec;
    size_t at_prepare;
    size_t n;
    int got;

    n = poll_fill(s, now, fds, &at_exec, &at_prepare);
    end = deadline_of(s, now); /* with the pipes that are not polled yet */
    left_us = end.us == INT64_MAX ? -1 : end.us > now.us ? end.us - now.us : 0;
    if (left_us > 0)
        ts = (struct timespec){left_us / 1000000, left_us % 1000000 * 1000};
    if (signals.child_ended)
        ts = (struct timespec){0};
    got = ppoll(fds, n, left_us < 0 && !signals.child_ended ? NULL : &ts, sleep_mask);
    if (got > 0)
        signals_take();
    if (signals.child_ended) {
        reap(s); /* first of all: a slot may be free */
        got = poll(fds, n, 0);
    }
    now = mono_now();
    if (got > 0) {
        struct conn *ready[SERVE_CONNS_MAX];
        uint32_t n_ready = 0;

        for (size_t i = 1; i < at_exec; i++)
            for (uint32_t k = 0; k < s->n_conns && fds[i].revents != 0; k++)
                if (s->conns[k]->fd == fds[i].fd && (fds[i].revents & ~POLLOUT) != 0)
                    ready[n_ready++] = s->conns[k];
        for (uint32_t i = 0; i < n_ready; i++)
            for (uint32_t k = 0; k < s->n_conns; k++)
                if (s->conns[k] == ready[i]) { /* an earlier one may have closed it */
                    serve_conn_read(s, now, ready[i]);
                    break;
                }
        exec_poll_done(s->exec, now, fds + at_exec, at_prepare - at_exec);
        prepare_poll_done(s->prepare, fds + at_prepare, n - at_prepare);
        ready_poll_done(s->ready, now, fds + at_prepare, n - at_prepare);
        serve_step(s, now, NULL);
        if (fds[0].revents != 0)
            serve_conn_accept(s, now);
    }
    exec_tick(s->exec, now);
    prepare_tick(s->prepare, now);
    ready_tick(s->ready, now);
    containers_tick(s->containers, now);
    serve_step(s, now, NULL);
    if (!mono_before(now, agent_deadline(s->agent)))
        serve_step(s, now, &(struct agent_event){.kind = AG_EV_TICK, .wall = wall_now()});
    if (!mono_before(now, s->next_tidy))
        tidy(s, now);
    turn_out(s, now);
}

/* ---- coming up ---- */

struct restoring {
    struct serve *s;
    bool is_same_boot;
    struct spool_started *started;
    size_t n;
    size_t runs;
};

static void restore_note(void *ctx, const struct agent_restored *r, const struct spool_started *started)
{
    struct restoring *x = ctx;

    x->runs++;
    if (started == NULL || r->finished.len > 0)
        return;
    x->started = xrealloc(x->started, (x->n + 1) * sizeof(*x->started));
    x->started[x->n++] = *started;
}

static void restore_run(void *ctx, const struct agent_restored *r, const struct spool_started *started)
{
    struct restoring *x = ctx;
    struct agent_restored re = *r;

    (void)started;
    /* What was not synced is gone with the power, and with a link nothing is synced: it may have begun, and the controller
     * may have its output. Whoever gave it learns that it is lost. */
    if (!x->is_same_boot && !r->was_started && r->finished.len == 0) {
        spool_release(x->s->spool, r->run);
        return;
    }
    re.wall = wall_now();
    serve_step(x->s, mono_now(),
               &(struct agent_event){.kind = AG_EV_RESTORED, .wall = re.wall, .restored = &re});
}

/* What an agent that died held: first its processes end, then the core is told. Processes are looked for even when the
 * journal names none: the agent may have died before it was written. */
static void restore(struct serve *s)
{
    struct restoring x = {.s = s};

    spool_each(s->spool, restore_note, &x);
    exec_kill_leftovers(s->exec, x.started, x.n);
    free(x.started);
    if (x.runs > 0) {
        x.is_same_boot = setup_is_same_boot();
        LOG_INFO("restore", "runs=%zu running=%zu same_boot=%d", x.runs, x.n, x.is_same_boot);
        spool_each(s->spool, restore_run, &x);
    } else {
        (void)setup_is_same_boot();
    }
}

static enum err serve_init(struct serve *s, const struct serve_opts *opts, struct why *reterr)
{
    struct agent_opts ao = {
        .instance = opts->instance, .version = WRATA_VERSION, .idle_exit_ms = opts->idle_exit_ms};
    char self[3072];
    char host[256] = "";
    char facts[900];
    char hash[65] = "";
    char mark[SETUP_MARK_BYTES];
    struct setup_adapters adapters;
    uint64_t incarnation = 0;
    ssize_t n;
    enum err e;

    if (getcwd(s->dir, sizeof(s->dir)) == NULL)
        return why_errno(reterr, ERR_IO, errno, "the present folder");
    e = setup_listen(&s->listen_fd, reterr);
    if (e == ERR_OK)
        e = spool_open(&(struct spool_opts){.dir = "spool"}, &s->spool, reterr);
    if (e != ERR_OK)
        return e;
    setup_mark(opts->instance, mark, sizeof(mark));
    s->cgroup = opts->no_cgroup ? NULL : cgroup_open(mark);
    if (getrandom(&incarnation, sizeof(incarnation), 0) != sizeof(incarnation))
        incarnation = proc_boottime_us() ^ (uint64_t)getpid() << 40;
    s->containers = containers_new(&(struct containers_opts){
        .mark = mark, .incarnation = incarnation, .on_mended = on_mended, .ctx = s});
    (void)gethostname(host, sizeof(host) - 1);
    if (sha256_file("/proc/self/exe", hash) != ERR_OK)
        hash[0] = '\0';
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0)
        return why_errno(reterr, ERR_IO, errno, "/proc/self/exe");
    self[n] = '\0';
    e = setup_adapters(s->dir, &adapters, reterr);
    if (e != ERR_OK)
        return e;
    setup_facts(cgroup_facts(s->cgroup), facts, sizeof(facts));
    ao.incarnation = incarnation;
    ao.hash = hash;
    ao.hostname = host;
    ao.facts = facts;
    s->agent = agent_new(&ao, mono_now());
    s->prepare = prepare_new(&(struct prepare_opts){.dir = s->dir, .self = self, .post = on_code, .ctx = s});
    s->ready = ready_new(&(struct ready_opts){.dir = s->dir,
                                              .mark = mark,
                                              .incarnation = incarnation,
                                              .post = serve_post,
                                              .say = on_say,
                                              .leave = on_leave,
                                              .ctx = s});
    s->exec =
        exec_new(&(struct exec_opts){.dir = s->dir,
                                     .mark = mark,
                                     .incarnation = incarnation,
                                     .adapter_rspec = adapters.rspec[0] != '\0' ? adapters.rspec : NULL,
                                     .pytest_folder = adapters.pytest[0] != '\0' ? adapters.pytest : NULL,
                                     .warm_script = adapters.warm[0] != '\0' ? adapters.warm : NULL,
                                     .spool = s->spool,
                                     .cgroup = s->cgroup,
                                     .post = serve_post,
                                     .is_known_pid = is_known_pid,
                                     .leave = on_leave,
                                     .ctx = s});
    s->health = health_new(&(struct health_opts){.dir = s->dir, .self = self});
    s->disk_free = spool_disk_free(s->spool);
    restore(s);
    LOG_INFO("agent.up", "version=%s incarnation=%" PRIx64 " facts=\"%s\"", WRATA_VERSION, incarnation,
             facts);
    return ERR_OK;
}

static void serve_done(struct serve *s)
{
    while (s->n_conns > 0)
        serve_conn_close(s, s->conns[0]);
    exec_free(s->exec);
    prepare_free(s->prepare);
    ready_free(s->ready);
    containers_free(s->containers);
    health_free(s->health);
    agent_free(s->agent);
    spool_close(s->spool);
    cgroup_close(s->cgroup);
    while (s->first != NULL) {
        struct posted *p = s->first;

        s->first = p->next;
        free(p->text);
        free(p->text2);
        free(p);
    }
    free(s->spare);
    agent_out_done(&s->out);
    arena_done(&s->frames);
    buf_done(&s->scratch);
    if (s->listen_fd >= 0) {
        (void)unlink(AGENT_SOCKET);
        (void)close(s->listen_fd);
    }
    free(s);
}

enum err serve(const struct serve_opts *opts, struct why *reterr)
{
    struct serve *s;
    sigset_t sleep_mask;
    int ready_fd = opts->ready_fd;
    enum err e;

    if (ready_fd >= 0 && ready_fd < 10) { /* out of the way of the numbers that children get */
        ready_fd = fcntl(opts->ready_fd, F_DUPFD_CLOEXEC, 10);
        (void)close(opts->ready_fd);
    }
    launch_init();
    signals_init(&sleep_mask);
    e = serve_enter(opts->dir, opts->instance, reterr);
    if (e == ERR_OK)
        e = setup_lock(reterr);
    s = xcalloc(1, sizeof(*s));
    s->listen_fd = -1;
    agent_out_init(&s->out);
    arena_init(&s->frames);
    buf_init(&s->scratch, FRAME_BODY_MAX + KIB(4));
    if (e == ERR_OK)
        e = serve_init(s, opts, reterr);
    if (ready_fd >= 0) {
        const char *text = e == ERR_OK || e == ERR_BUSY ? "ok" : reterr->text;

        if (dprintf(ready_fd, "%s\n", text) < 0)
            LOG_WARN("ready", "errno=%d", errno);
        (void)close(ready_fd);
    }
    while (e == ERR_OK && !s->is_done && !signals.told_to_end)
        turn(s, &sleep_mask);
    if (e == ERR_OK)
        LOG_INFO("agent.end", "why=%s", s->is_done ? "idle" : "signal");
    serve_done(s);
    return e;
}
