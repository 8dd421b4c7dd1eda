/* agent_core.h - the agent's decisions: (state, now, event) -> (state, actions).
 *
 * Pure: no clock, file, socket or process is reachable from here. The edges (loop.c with exec.c, spool.c,
 * prepare.c) report what happened as events and do what the actions say, in their order; a simulator can do
 * both instead. One turn of an edge:
 *
 *     for each thing that happened:  agent_step(a, now, &event, out), then do out's actions
 *     agent_step(a, now, &{AG_EV_PUMP, room}, out)      streams that may be sent now
 *     write the journal; while no link is up and an AG_ACT_RECORD was a FINISHED, make it durable; then
 *     agent_step(a, now, &{AG_EV_SYNCED, the last record's number}, out)
 *     sleep until something happens or agent_deadline(a); then AG_EV_TICK
 *
 * An event that an action causes at once (a spawn that worked) is given in a step of its own, afterwards.
 *
 * What a run goes through is the table in run_edges (agent_core.c); run_set() is the only writer of a state.
 *
 * Invariants (agent_check):
 *   A1  a slot's run names that slot, and a run that names a slot is that slot's run
 *   A2  a run has a slot exactly while it is PREPARING, STARTING, RUNNING, STOPPING or DROPPED
 *   A3  acked <= sent <= length, for each stream
 *   A4  nothing is sent at or past acked + window
 *   A5  a run in the queue is WAITING
 *   A6  a FINISHED frame leaves only for a run whose record is safe: written, and durable when there was no link
 *   A7  every run in the table of ids is in the list, and the other way round */
#ifndef WRATA_AGENT_AGENT_CORE_H
#define WRATA_AGENT_AGENT_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wire/frame.h"

#define AGENT_SLOTS_MAX 256u
#define AGENT_RUNS_MAX 4096u          /* as many as a HELLO can name */
#define AGENT_SPECS_MAX_BYTES MIB(64) /* of specs of runs that wait, together */
#define AGENT_CHANS_MAX 64u
#define AGENT_BEATS_KEPT 512u /* whose sending times are known: minutes, more than a lease is long */
#define AGENT_STREAM_CHUNK_BYTES KIB(64)
#define AGENT_NO_SLOT UINT32_MAX
#define AGENT_CLOCK_KEPT_MS \
    60000 /* a comparison of clocks is better than any later one that took longer, for so long */
#define AGENT_PREPARING_TOLD_MS 200     /* a preparation that takes longer is told; most are over before */
#define AGENT_WELCOME_TIMEOUT_MS 30000  /* a link that says nothing after HELLO is dropped */
#define AGENT_SILENCE_TIMEOUT_MS 300000 /* one that says nothing for so long, too */

struct agent;

/* How the main process of a run ended. */
struct agent_exit {
    struct mono at; /* when its exit was seen */
    struct wall wall;
    bool is_signal;
    uint32_t code; /* exit status, or the signal */
    bool oom;      /* its memory limit ended something of it */
    uint64_t user_us;
    uint64_t system_us;
    uint64_t max_rss_kib;
    uint64_t ran_us;            /* as who was nearer to it measured; 0: from its start to `at` */
    uint64_t len[STREAM_COUNT]; /* final lengths */
    uint64_t log_dropped;
    uint64_t log_gap_plus_one; /* as FINISHED has it */
    struct slice text;         /* what AG_ACT_SIGNAL asked to describe; may be empty */
};

enum agent_event_kind {
    AG_EV_TICK,    /* agent_deadline() has come */
    AG_EV_LINK_UP, /* a fresh link: HELLO is the answer */
    AG_EV_LINK_DOWN,
    AG_EV_FRAME, /* frame: from the controller */
    AG_EV_PUMP,  /* room: so many bytes of streams the link takes now */
    AG_EV_STEP,  /* slot, text: what its preparation does now, for a person */
    AG_EV_PREPARED, /* slot, text: empty when all is there, else what git said, or with is_not_ready why a step failed */
    AG_EV_BOXED, /* run, text: it is about to be started in a container, of the image of that name and digest */
    AG_EV_SPAWNED,      /* run, wall; now is the time of its exec */
    AG_EV_SPAWN_FAILED, /* run, wall, text: why, for a person; no_disk when that is the reason; is_not_ready when
                         * the slot has to be made ready again */
    AG_EV_GREW,         /* run, stream, len: so much is spooled in all */
    AG_EV_NO_DISK,      /* run: its output can no longer be recorded; run 0: nothing can */
    AG_EV_DISK_OK,      /* there is room again */
    AG_EV_HEALTH,       /* frame: a HEALTH but for what the core knows, the clock */
    AG_EV_LOST, /* run, stream, len, wall: bytes from len on, asked for by AG_ACT_STREAM, cannot be read back */
    AG_EV_EXITED,    /* run, exit: the process, its streams and all it left behind are gone */
    AG_EV_KEEPING,   /* run: its process and all that it left behind are gone, its artifacts are being sent */
    AG_EV_SYNCED,    /* seq: records up to this one are safe (A6) */
    AG_EV_RESTORED,  /* restored: a run read back from the journal; before anything else */
    AG_EV_CHAN_OPEN, /* local, chan: a local client wants a channel to the controller */
    AG_EV_CHAN_BYTES, /* local, text: bytes from the client; never more than AG_ACT_CHAN_READ allowed */
    AG_EV_CHAN_TAKEN, /* local, len: the client has read so many bytes more */
    AG_EV_CHAN_EOF,   /* local: the client sends no more */
    AG_EV_CHAN_GONE,  /* local: the client is gone */
};

/* A run from the journal of an agent that died. Borrowed for the call. */
struct agent_restored {
    uint64_t run;
    struct slice spec;            /* the RUN_SPEC frame as recorded; empty when it had been started */
    bool was_started;             /* its process is dead by now: the edge saw to it */
    struct slice finished;        /* the FINISHED frame as recorded; empty when there is none */
    uint64_t acked[STREAM_COUNT]; /* what lies before is gone */
    uint64_t len[STREAM_COUNT];
    struct wall wall; /* now, as the end of a run that died with its agent */
};

struct agent_event {
    enum agent_event_kind kind;
    uint64_t run;
    uint32_t slot;
    uint32_t stream;
    uint32_t local; /* a local channel client's number, chosen by the edge, not 0 */
    uint64_t len;
    uint64_t room;
    uint64_t seq;
    bool no_disk;
    bool is_not_ready;
    struct wall wall;
    struct slice text;
    const struct frame *frame;
    const struct agent_exit *exit;
    const struct agent_restored *restored;
    const struct frame_chan_open *chan; /* kind, project, commit */
};

enum agent_action_kind {
    AG_ACT_SEND,   /* frame; the edge fills what only it knows: wall, disk and load of HELLO and BEAT */
    AG_ACT_STREAM, /* run, stream, from, len: send these spooled bytes as one STREAM frame; or AG_EV_LOST */
    AG_ACT_CLOSE_LINK, /* text: why */
    AG_ACT_RECORD,     /* run, record, spec or frame: append it to the journal as record number seq */
    AG_ACT_ACKED,      /* run, stream, from: bytes before `from` are not needed any more */
    AG_ACT_RELEASE,    /* run: nothing of it is needed any more */
    AG_ACT_PREPARE,    /* slot, run, spec: bring the code of the run's launch to the slot */
    AG_ACT_SPAWN,      /* run, slot, spec: start its process now */
    AG_ACT_SIGNAL,     /* run, signal, describe */
    AG_ACT_CHAN_WRITE, /* local, text: give these bytes to the client */
    AG_ACT_CHAN_READ,  /* local, len: the client may send so many bytes more */
    AG_ACT_CHAN_EOF,   /* local: no more bytes come for the client */
    AG_ACT_CHAN_CLOSE, /* local, text: drop the client; text says why */
    AG_ACT_TRACE,      /* run, text, from_state, to_state: for the log and the stories of tests */
    AG_ACT_EXIT,       /* nothing is held and nobody asked for long: end the process */
};

enum agent_record {
    AG_RECORD_SPEC,     /* spec: the run is held; not yet durable, it may be lost */
    AG_RECORD_FINISHED, /* frame: must be made safe, then AG_EV_SYNCED */
};

enum agent_signal { AG_TERM, AG_KILL };

struct agent_action {
    enum agent_action_kind kind;
    enum agent_record record;
    enum agent_signal signal;
    bool describe; /* note what the run's processes are and what it said last, for agent_exit.text */
    uint64_t run;
    uint32_t slot;
    uint32_t stream;
    uint32_t local;
    uint64_t from;
    uint64_t len;
    uint64_t seq;
    const char *from_state;
    const char *to_state;
    struct slice text;
    struct slice spec; /* the encoded RUN_SPEC frame */
    struct frame frame;
};

/* The actions of one step. Their memory lives until the next agent_out_clear(). */
struct agent_out {
    struct agent_action *actions;
    uint32_t count;
    uint32_t cap;
    struct arena arena;
};

void agent_out_init(struct agent_out *out);
void agent_out_clear(struct agent_out *out);
void agent_out_done(struct agent_out *out);

struct agent_opts {
    uint64_t incarnation; /* random, new for each agent */
    const char *instance; /* the controller it serves; a WELCOME of another closes the link */
    const char *version;
    const char *hash;
    const char *hostname;
    const char *facts;
    int64_t idle_exit_ms; /* end after so long without a link and a run; 0: never */
};

OWNED struct agent *agent_new(const struct agent_opts *opts, struct mono now); /* copies what it needs */
void agent_free(struct agent *a);

/* Take one event; actions are appended to `out`. ev is borrowed for the call. */
void agent_step(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out);

/* When to step with AG_EV_TICK at the latest; MONO_NEVER: no timer. */
struct mono agent_deadline(const struct agent *a);

/* Walk the invariants; stops the process at a broken one. */
void agent_check(const struct agent *a);

/* ---- looking in: for edges, tests, the simulator ---- */

bool agent_has_next(const struct agent *a);                                      /* a run waits for a slot */
uint32_t agent_run_count(const struct agent *a);                                 /* held, finished ones too */
bool agent_run_state(const struct agent *a, uint64_t run, enum held_state *ret); /* false: not held */
bool agent_has_link(const struct agent *a);
uint32_t agent_link(const struct agent *a); /* number of the link that is open and welcomed; 0 none */
bool agent_has_backlog(
    const struct agent *a); /* streams have bytes that window and link would let go: pump again */

#endif
