/* agent_private.h - what agent_core.c, agent_run.c, agent_timer.c, agent_restore.c and agent_chan.c share. */
#ifndef WRATA_AGENT_AGENT_PRIVATE_H
#define WRATA_AGENT_AGENT_PRIVATE_H

#include "agent/agent_core.h"
#include "base/log.h"

#define REASON_MAX 1024
#define IMAGE_TEXT_MAX 400 /* of FINISHED */

/* name, and what beats say of it. ENDED waits for its record to be durable; DROPPED runs are not told of:
 * they are killed, and only hold their slot until that is done. */
#define RUN_STATE_MAP(X)         \
    X(NEW, HELD_WAITING)         \
    X(WAITING, HELD_WAITING)     \
    X(PREPARING, HELD_PREPARING) \
    X(STARTING, HELD_PREPARING)  \
    X(RUNNING, HELD_RUNNING)     \
    X(STOPPING, HELD_STOPPING)   \
    X(DROPPED, HELD_STOPPING)    \
    X(ENDED, HELD_STOPPING)      \
    X(FINISHED, HELD_FINISHED)   \
    X(GONE, HELD_FINISHED)

enum run_state {
#define X(name, held) RUN_##name,
    RUN_STATE_MAP(X)
#undef X
};

enum run_why {
    ON_SPEC,
    ON_RESTORED,
    ON_DIED,
    ON_NEEDS_CODE,
    ON_START,
    ON_STOP,
    ON_BACK,
    ON_DROP,
    ON_LEASE,
    ON_LINK_BROKE,
    ON_NO_CODE,
    ON_SPAWNED,
    ON_SPAWN_FAILED,
    ON_EXITED,
    ON_TIME,
    ON_SILENCE,
    ON_NO_DISK,
    ON_LOST,
    ON_DURABLE,
};

struct stream {
    uint64_t len;   /* spooled */
    uint64_t sent;  /* on this link */
    uint64_t acked; /* durable at the controller */
    bool is_cut;    /* what came behind len is lost: it grows no more */
};

struct run {
    uint64_t id;
    enum run_state state;
    uint32_t slot; /* AGENT_NO_SLOT while it has none */
    uint32_t slot_was;
    uint64_t launch;
    uint64_t project;
    char commit[65];
    bool is_leased;  /* lease_end means something */
    bool is_killed;  /* KILL was sent */
    bool is_keeping; /* its processes are gone: only its lease can still end it */
    bool wants_stop; /* told to stop between spawn and its answer */
    bool is_untold;  /* STARTED is still to be sent */
    bool is_long;    /* PREPARING for longer than an instant: the controller is told of each step */
    bool needs_link; /* its code could not come because the link broke: wait for the next */
    struct mono lease_end;
    struct mono preparing_at;
    struct mono started_at;
    struct wall started_wall;
    struct mono last_output;
    struct mono kill_at;
    int64_t time_limit_ms;
    int64_t silence_limit_ms;
    int64_t kill_grace_ms;
    enum finish_how cause; /* while STOPPING: what began it */
    char *spec;            /* the encoded RUN_SPEC; NULL once started */
    size_t spec_len;
    char *reason;
    char *image; /* NULL: on the machine itself, or not started yet */
    struct frame_finished finished;
    uint64_t record_seq;  /* of its FINISHED */
    uint64_t goals_count; /* the last goals that listed it */
    struct stream stream[STREAM_COUNT];
    struct run *hash_next;
    struct run *prev;
    struct run *next;
};

struct slot {
    struct run *run;
    bool is_preparing; /* also without a run, when that went away meanwhile */
    bool is_ready;     /* holds the code of launch, project, commit */
    uint64_t launch;
    uint64_t project;
    char commit[65];
    uint32_t link_count; /* the link when its preparation began */
    char step[200];      /* of the preparation */
    struct mono free_since;
};

/* A byte channel between a local client and the controller. */
struct chan {
    uint32_t id; /* on the wire; 0: this place is free */
    uint32_t local;
    uint64_t send_left; /* bytes the controller still takes */
    uint64_t recv_left; /* bytes it may still send */
    uint64_t taken;     /* read by the client, not yet given back as credit */
    bool sent_eof;
    bool got_eof;
};

struct agent {
    uint64_t incarnation;
    char *instance;
    char *version;
    char *hash;
    char *hostname;
    char *facts;
    int64_t idle_exit_ms;

    bool is_up;
    bool is_welcome;
    bool want_beat;
    bool is_disk_full;
    uint32_t link_count;
    struct mono link_lost_at;
    struct mono last_heard;
    struct mono hello_at;
    struct mono next_beat;
    int64_t beat_ms;
    int64_t grace_ms;
    uint64_t window_bytes;
    struct wall wall;      /* the last one an event told */
    struct mono clock_at;  /* when the two clocks were compared, which took... */
    int64_t clock_trip_ms; /* ...so long; -1 never */
    int64_t skew_ms;

    uint64_t beat_seq;
    struct mono beats[AGENT_BEATS_KEPT]; /* sending times, at seq % AGENT_BEATS_KEPT */
    uint64_t goals_seq;
    uint64_t goals_count;

    uint32_t n_slots;
    struct slot slots[AGENT_SLOTS_MAX];

    struct run *buckets[1024];
    struct run *first;
    struct run *last;
    struct run *pump_at;
    uint32_t n_runs;
    uint32_t n_untold; /* runs with is_untold */
    size_t specs_bytes;
    struct run **queue; /* waiting runs in the order of the goals; NULL: was taken out */
    uint32_t queue_head;
    uint32_t queue_len;
    uint32_t queue_cap;

    uint64_t record_seq;
    uint64_t synced_seq;

    struct chan chans[AGENT_CHANS_MAX];
    uint32_t next_chan;
};

struct agent_action *out_add(struct agent_out *out, enum agent_action_kind kind);
struct frame *out_frame(struct agent_out *out, enum frame_type type);
struct slice out_text(struct agent_out *out, struct slice s,
                      size_t max); /* a copy that lives as long as out */

void copy_text(char *to, size_t size, struct slice s); /* cut to fit, NUL-ended */

struct run *run_get(const struct agent *a, uint64_t id);
bool run_can(const struct run *r, enum run_why on);
enum held_state run_held(const struct run *r);
/* The only writer of a run's state; an edge that is not in the table is a bug. */
void run_set(struct agent *a, struct run *r, enum run_why on, struct agent_out *out);
struct run *run_add(struct agent *a, uint64_t id);
/* Out of the table and of memory, its spool as well: it must be GONE and hold no slot. */
void run_remove(struct agent *a, struct run *r, struct agent_out *out);
size_t run_spec_bytes(const struct frame_run_spec *s); /* at least what frame_encode() makes of it */
/* What the journal may hold of a description: of secrets the names alone. The values are in memory and nowhere else, so a
 * run that waited when its agent died is not started again from the journal (run_restore). */
struct slice run_spec_for_journal(const struct frame *f, struct agent_out *out);
/* Take what the core needs of a description, and its encoded form. */
void run_take_spec(struct agent *a, struct run *r, const struct frame_run_spec *s, TAKES struct buf *raw);
void run_forget_spec(struct agent *a, struct run *r);
void run_reason(struct run *r, const char *head, struct slice tail); /* head may be NULL */
/* Its FINISHED with the texts that live apart from it, copied into out. */
struct frame_finished run_finished(const struct run *r, struct agent_out *out);
/* Record how the run ended; FINISHED follows when that is durable. */
void run_end(struct agent *a, struct run *r, enum run_why on, enum finish_how how, struct wall wall,
             struct agent_out *out);
/* Begin to end a running run: the first cause is the one that is told. */
void run_stop(struct agent *a, struct run *r, struct mono now, enum run_why on, enum finish_how how,
              bool at_once, struct agent_out *out);
void run_spawn(struct agent *a, struct run *r, struct agent_out *out); /* its slot has the code */
void run_drop(struct agent *a, struct run *r, struct mono now, enum run_why on, struct agent_out *out);
void slot_leave(struct agent *a, struct run *r, struct mono free_since);
void runs_queue(struct agent *a, struct run *r);                          /* behind the others that wait */
void runs_start(struct agent *a, struct mono now, struct agent_out *out); /* free slots to waiting runs */

void link_close(struct agent *a, struct mono now, const char *why, struct agent_out *out);
void link_is_down(struct agent *a, struct mono now, struct agent_out *out);

void send_preparing(const struct agent *a, const struct run *r, struct agent_out *out);

/* agent_timers.c */
void on_tick(struct agent *a, struct mono now, struct agent_out *out);

/* agent_restore.c */
void run_restore(struct agent *a, const struct agent_restored *re, struct agent_out *out);

/* agent_chan.c */
void chan_open(struct agent *a, uint32_t local, const struct frame_chan_open *what, struct agent_out *out);
void chan_bytes(struct agent *a, uint32_t local, struct slice bytes, struct agent_out *out);
void chan_taken(struct agent *a, uint32_t local, uint64_t n, struct agent_out *out);
void chan_eof(struct agent *a, uint32_t local, struct agent_out *out);
void chan_gone(struct agent *a, uint32_t local, struct agent_out *out);
void chan_on_data(struct agent *a, const struct frame_chan_data *f, struct agent_out *out);
void chan_on_credit(struct agent *a, const struct frame_chan_credit *f, struct agent_out *out);
void chan_on_close(struct agent *a, const struct frame_chan_close *f, struct agent_out *out);
void chans_drop(struct agent *a, struct agent_out *out);

#endif
