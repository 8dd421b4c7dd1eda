/* link.h - one byte stream to the agent of each server: the stdio of a child process.
 *
 *   local   <agent> attach --dir DIR --instance ID
 *   ssh     ssh -o BatchMode=yes … HOST <agent on the server> attach --instance ID
 *
 * Puts the agent's binary on the machine when its hash is not there yet, checks each frame against the rule of its
 * phase, turns goals into frames, batches acknowledgements, relays git channels. Knows nothing of the engine or the
 * store: it calls its `ops`. Loop thread; ops are never called from inside a link_* call. */
#ifndef WRATA_LINK_LINK_H
#define WRATA_LINK_LINK_H

#include "base/err.h"
#include "model/goal.h"
#include "wire/frame.h"

struct uv_loop_s;
struct links;
struct artifact_chan;

/* What a link tells. Frames and texts are borrowed for the call. `link` numbers grow; each connect gets a new one.
 * `era` is what its connect said. */
struct link_ops {
    void (*up)(void *ctx, struct server_id server, uint64_t era, uint64_t link,
               const struct frame_hello *hello);
    /* Exactly once for each link_connect() that was not ended by link_disconnect(): link 0 when it never came up.
     * `reason` is a sentence for people ("ssh: connect to host qa-1 port 22: Connection refused"). */
    void (*down)(void *ctx, struct server_id server, uint64_t era, uint64_t link, const char *reason);
    void (*beat)(void *ctx, struct server_id server, uint64_t link, const struct frame_beat *beat);
    void (*started)(void *ctx, struct server_id server, uint64_t link, const struct frame_started *started);
    void (*health)(void *ctx, struct server_id server, uint64_t link, const struct frame_health *f);
    void (*preparing)(void *ctx, struct server_id server, uint64_t link, const struct frame_preparing *f);
    void (*stream)(void *ctx, struct server_id server, uint64_t link, const struct frame_stream *stream);
    void (*finished)(void *ctx, struct server_id server, uint64_t link,
                     const struct frame_finished *finished);
    /* What a run left to be kept begins to arrive (wire/agent_artifacts.h). Returns a sink for its bytes, which owes the channel
     * an answer; NULL with a sentence: the run's are not kept. `drop` is called when the channel is gone before it was
     * answered, also from inside link_* calls: the sink forgets it. */
    void *(*artifacts_begin)(void *ctx, struct server_id server, struct run_id run,
                             struct artifact_chan *chan, struct why *reterr);
    void (*artifacts_bytes)(void *sink, TAKES char *bytes, size_t n);
    void (*artifacts_drop)(void *sink);
};

struct link_opts {
    const char
        *data_dir; /* the controller's: known_hosts, the unpacked agent, local agents' folders live here */
    const char *instance;   /* store_instance() */
    const char *agent_path; /* a binary to use instead of the embedded one; NULL: embedded */
    uint32_t beat_ms;       /* 1000 */
    uint32_t grace_ms;      /* 5000 */
    uint64_t window_bytes;  /* 262144 */
    uint64_t log_max_bytes; /* of the output of a run; 128 MiB */
    uint32_t connect_ms;    /* deadline from connect to HELLO: 30000 */
    /* Append the value of a secret of this user, from its line NAME=sealed text, than which it is not longer (out has no
     * more room: buf_add()). NULL: none can be opened. */
    enum err (*open_secret)(void *ctx, struct user_id user, const char *line, struct buf *out,
                            struct why *reterr);
    /* where a project's mirror is; into out */
    void (*mirror_path)(void *ctx, struct project_id project, char *out, size_t size);
};

MUST_USE enum err links_new(struct uv_loop_s *loop, const struct link_opts *opts, const struct link_ops *ops,
                            void *ctx, struct links **ret, struct why *reterr);
void links_free(struct links *ls); /* kills the children; NULL is fine. Agents live on */

/* How a machine is reached, beyond what its row says. Copied. */
struct link_way {
    /* The public line of the only host key that it may have ("ssh-ed25519 AAAA..."), so that the first connection is verified; NULL:
     * that of the first connection is accepted, and must stay. */
    const char *host_key;
    /* Instead of ssh: n_argv words, before one more that is a command line for a shell there. NULL: ssh. */
    const char *const *argv;
    uint32_t n_argv;
    uint64_t era; /* given back */
};

void link_connect(struct links *ls, const struct server_row *server); /* the row is copied */
void link_connect_by(struct links *ls, const struct server_row *server, const struct link_way *way);
void link_disconnect(struct links *ls, struct server_id server);
void link_bye(struct links *ls, struct server_id server); /* BYE, then disconnect once it is written */
void link_goal(struct links *ls, const struct goal *g);   /* dropped when g->link is not the present one */

/* This much of a stream is durable. Sent with the next flush. */
void link_ack(struct links *ls, struct server_id server, struct run_id run, uint32_t stream, uint64_t offset);

/* For the sink of a channel: n bytes were taken, so as many more may come; all is kept (reason NULL), or not; what came makes no
 * sense. After the last two the sink and the channel know nothing of each other. */
void artifact_chan_took(struct artifact_chan *c, size_t n);
void artifact_chan_answer(struct artifact_chan *c, const char *reason);
void artifact_chan_break(struct artifact_chan *c, const char *error);

/* Write out what was queued by link_goal and link_ack; once per turn of the loop. */
void links_flush(struct links *ls);

/* How secrets become values, and what is told of a run that gets none. */
struct link_opener {
    enum err (*open_secret)(void *ctx, struct user_id user, const char *line, struct buf *out,
                            struct why *reterr);
    void *ctx;
    uint32_t protocol; /* of the agent */
    uint64_t log_max_bytes;
    void (*refused)(void *refused_ctx, struct run_id run, const char *reason);
    void *refused_ctx;
};

/* RUN_SPEC frames for the entries with a spec, then one GOALS frame, appended to out. A run whose secrets cannot be given is
 * refused and its RUN_SPEC left out, so no agent starts it. Opener NULL: the lines go as they are (simulator, tests). */
void link_encode_goal(const struct goal *g, const struct link_opener *opener, struct buf *out);

#endif
