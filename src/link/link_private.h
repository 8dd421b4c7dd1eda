/* link_private.h - what the files of link/ share.
 *
 *   links.c        the registry: connect queue, goals, acknowledgements, writing
 *   session.c      one link's frames: which may come in which phase, how big, and what they do
 *   bootstrap.c    the way to an agent: ssh's arguments, putting the binary there, the local one
 *   git_channel.c  git upload-pack behind a channel, or what gives files of Git LFS, with credit both ways
 *   artifact_channel.c  what runs leave to be kept, to a sink of the wiring's
 *   goals.c        goals as frames */
#ifndef WRATA_LINK_LINK_PRIVATE_H
#define WRATA_LINK_LINK_PRIVATE_H

#include <uv.h>

#include "link/link.h"
#include "net/child.h"

#define LINK_OUT_MAX MIB(16)      /* of frames not yet written: a server that takes nothing is given up */
#define LINK_OUT_HARD_MAX MIB(64) /* room for what is queued in the turn that passes LINK_OUT_MAX */
#define LINK_STDERR_BYTES KIB(4)
#define LINK_KILL_GRACE_MS 5000u    /* of a run, between TERM and KILL */
#define LINK_LOG_MAX_BYTES MIB(128) /* kept of a run's output when nobody says otherwise */
#define LINKS_CONNECTING_MAX 32u    /* ssh's key exchange costs 20 to 140 ms of a core */
#define CHANS_MAX 16u               /* of one link */
#define CHANS_RUNNING_MAX 32u       /* of all links: each is a git upload-pack */
#define AGENT_HASH_CHARS 32         /* of a SHA-256 in hex; in file names, and compared after a copy */

enum phase {
    PHASE_WAITING,   /* for its turn to connect */
    PHASE_BOOTSTRAP, /* ssh: the shell command of bootstrap.c is speaking */
    PHASE_HELLO,     /* the agent's first frame is due */
    PHASE_OPEN,
    PHASE_LEAVING, /* BYE is being written */
    PHASE_ENDED,   /* out of the table; memory goes at the end of the turn */
};

/* An agent binary for one kind of processor. */
struct agent_binary {
    const char *arch; /* as `uname -m` says it */
    const unsigned char *bytes;
    size_t len; /* 0: this program was built without it */
    char hash[AGENT_HASH_CHARS + 1];
};

struct git_chan {
    struct git_chan *next;      /* of the link */
    struct git_chan *next_wait; /* for a process of its own */
    struct link *link;
    uint32_t number;
    uint64_t project;
    bool is_lfs;         /* files of Git LFS */
    struct child *child; /* NULL while it waits, and after its end */
    bool is_waiting;
    bool input_ended;        /* the agent said so */
    uint64_t send_credit;    /* bytes that the agent will still take */
    uint64_t receive_credit; /* bytes that we have said we take */
    uint64_t to_grant;       /* written to git, not yet given back as credit */
    struct buf from_git;     /* read, but over the credit */
    struct buf to_git;       /* came while it waited */
};

struct link {
    struct links *ls;
    struct link *next_of_id; /* hash chain */
    struct link *next_waiting;
    struct link *next_dead;
    struct server_id server;
    uint64_t era;      /* as its connect said */
    uint64_t number;   /* 0 until it is up */
    uint32_t protocol; /* of the agent */
    enum phase phase;
    enum way { WAY_LOCAL, WAY_SSH, WAY_WORDS } way;
    char *name;
    char *address;
    char *user;
    char *identity;
    char *host_key; /* NULL: that of the first connection */
    char **argv;    /* n_argv words instead of ssh; NULL: ssh */
    uint32_t n_argv;
    uint32_t port;
    uint32_t slots;
    struct child *child;
    uv_timer_t *timer; /* its own memory: it outlives the link while it closes */
    bool is_reading;   /* frames are being handled: do not free */
    bool sent_agent;   /* bootstrap: the binary is on its way */
    char *fault;       /* bootstrap: what the script complained of; NULL: nothing */
    struct buf in;
    struct buf out;
    struct buf err_tail;   /* last bytes of standard error */
    struct wire_ack *acks; /* to be sent with the next flush */
    uint32_t n_acks;
    uint32_t cap_acks;
    struct git_chan *chans;
    struct artifact_chan *artifact_chans;
    struct refusal *refused; /* to be told at the next turn */
    struct mono health_from; /* since then this many HEALTH frames came: bounded */
    uint32_t n_health;
    char *doomed; /* to be ended with this reason at the next turn; NULL: well */
};

/* A run that this link did not get. */
struct refusal {
    struct refusal *next;
    struct run_id run;
    char reason[REASON_BYTES_MAX];
};

#define LINK_BUCKETS 1024u

struct links {
    uv_loop_t *loop;
    struct link_ops ops;
    void *ctx;
    char *data_dir;
    char *instance;
    uint32_t beat_ms;
    uint32_t grace_ms;
    uint64_t window_bytes;
    uint64_t log_max_bytes;
    uint32_t connect_ms;
    enum err (*open_secret)(void *ctx, struct user_id user, const char *line, struct buf *out,
                            struct why *reterr);
    void (*mirror_path)(void *ctx, struct project_id project, char *out, size_t size);
    struct children *children;
    struct agent_binary agents[2];
    unsigned char *own_agent; /* bytes of opts.agent_path */
    uv_prepare_t *turn;       /* before the loop sleeps: connect, flush, free */
    uv_timer_t *wake;
    uint64_t last_number;
    struct link *by_id[LINK_BUCKETS];
    struct link *waiting_first;
    struct link *waiting_last;
    struct link *dead;
    uint32_t n_connecting;
    bool is_dirty; /* some link has something to write */
    bool has_doomed;
    bool has_refused;
    struct git_chan *chan_wait_first;
    uint32_t n_chans_running;
    bool ssh_is_ready; /* DATA/ssh/config is written */
    bool no_kex_order; /* the ssh here does not know our wish for key exchanges */
    struct arena arena;
};

/* ---- links.c ---- */

/* End a link and say why; from callbacks of the loop only. The link may be gone on return. */
void link_fail(struct link *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, at the next turn: from inside link_* calls. */
void link_doom(struct link *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
void link_send(struct link *l, const struct frame *f);
void link_restart(struct link *l);                                 /* connect again, as the same attempt */
struct link *link_find(struct links *ls, struct server_id server); /* NULL: none */

/* ---- session.c ---- */

/* What an agent may say: in these phases (bits 1 << enum phase), with a body of at most so many bytes. */
struct session_rule {
    enum frame_type type;
    unsigned phases;
    size_t body_max;
};
const struct session_rule *session_rule(unsigned i); /* from 0; NULL: no more */

void session_bytes(struct link *l, const char *bytes,
                   size_t n); /* from the agent, in PHASE_HELLO and later */

/* ---- bootstrap.c ---- */

enum err bootstrap_open(struct links *ls, const char *agent_path, struct why *reterr);
enum err bootstrap_start(struct link *l, struct why *reterr); /* sets l->child and l->phase */
void bootstrap_bytes(struct link *l, const char *bytes, size_t n);
/* Why the child ended, from what it wrote to standard error. True: try again at once. */
bool bootstrap_reason(struct link *l, const struct child_exit *e, char *out, size_t size);
/* The callbacks of a link's child, in links.c. */
void link_on_out(void *ctx, const char *bytes, size_t n);
void link_on_err(void *ctx, const char *bytes, size_t n);
void link_on_exit(void *ctx, const struct child_exit *e);

/* ---- git_channel.c ---- */

void git_chan_on_open(struct link *l, const struct frame_chan_open *f);
void git_chan_on_data(struct link *l, const struct frame_chan_data *f);
void git_chan_on_credit(struct link *l, const struct frame_chan_credit *f);
void git_chan_on_close(struct link *l, const struct frame_chan_close *f);
void git_chans_end(struct link *l);     /* the link has ended */
void git_chans_start(struct links *ls); /* as many as may run */
unsigned git_chans_count(const struct link *l, uint32_t number, bool *ret_is_open);

/* ---- artifact_channel.c: false: it is no channel of this kind ---- */

void artifact_chan_on_open(struct link *l, const struct frame_chan_open *f);
bool artifact_chan_on_data(struct link *l, const struct frame_chan_data *f);
bool artifact_chan_on_credit(struct link *l, const struct frame_chan_credit *f);
bool artifact_chan_on_close(struct link *l, const struct frame_chan_close *f);
void artifact_chans_end(struct link *l);
unsigned artifact_chans_count(const struct link *l, uint32_t number, bool *ret_is_open);

/* ---- goals.c ---- */

size_t link_goal_bytes(const struct goal *g); /* at least what link_encode_goal() appends */

/* A run whose spec is longer than a frame may be; 0: none. Limits of launches are smaller, so this is a fault of ours,
 * but one that shall cost a link and not the controller. */
uint64_t link_goal_too_large(const struct goal *g);

/* Text from outside for a reason or a log: control characters and broken UTF-8 become '?', blanks at both ends go,
 * at most size - 1 bytes. Returns out. */
char *link_clean_text(struct slice text, char *out, size_t size);

#endif
