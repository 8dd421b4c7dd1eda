/* agent_restore.c - runs of an agent that died, taken from its journal: held again, or told of as ended. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent_private.h"

static void restore_finished(struct agent *a, struct run *r, const struct agent_restored *re,
                             struct agent_out *out)
{
    struct arena lists;
    struct frame f;
    size_t used;

    arena_init(&lists);
    if (frame_decode(re->finished.ptr, re->finished.len, &lists, &f, &used, NULL) == ERR_OK && used > 0 &&
        f.type == FRAME_FINISHED && f.finished.run == r->id) {
        r->finished = f.finished;
        run_reason(r, NULL, f.finished.reason);
        r->finished.reason = (struct slice){"", 0};
        if (f.finished.image.len > 0)
            r->image = xstrndup(f.finished.image.ptr, f.finished.image.len);
        r->finished.image = (struct slice){"", 0};
        /* What the disk lost is said, not made up. */
        if (r->finished.log_len > re->len[STREAM_LOG])
            r->finished.log_dropped += r->finished.log_len - re->len[STREAM_LOG];
        r->finished.log_len = re->len[STREAM_LOG];
        r->finished.results_len = re->len[STREAM_RESULTS];
        run_set(a, r, ON_DURABLE, out);
    } else {
        run_reason(r, "the agent's record of its end cannot be read", (struct slice){"", 0});
        run_end(a, r, ON_DIED, FINISH_AGENT_DIED, re->wall, out);
    }
    arena_done(&lists);
}

void run_restore(struct agent *a, const struct agent_restored *re, struct agent_out *out)
{
    struct arena lists;
    struct frame f;
    struct buf raw;
    struct run *r;
    size_t used;

    if (re->run == 0 || run_get(a, re->run) != NULL || a->n_runs >= AGENT_RUNS_MAX)
        return;
    if (re->finished.len == 0 && !re->was_started) {
        arena_init(&lists);
        if (a->specs_bytes + re->spec.len <= AGENT_SPECS_MAX_BYTES &&
            frame_decode(re->spec.ptr, re->spec.len, &lists, &f, &used, NULL) == ERR_OK && used > 0 &&
            f.type == FRAME_RUN_SPEC && f.run_spec.run == re->run && f.run_spec.n_secrets == 0) {
            r = run_add(a, re->run);
            buf_init(&raw, FRAME_BODY_MAX + KIB(4));
            buf_put(&raw, re->spec.ptr, used);
            run_take_spec(a, r, &f.run_spec, &raw);
            run_set(a, r, ON_RESTORED, out);
        } else { /* secrets were in memory alone: without them it shall not run, and the controller gives it anew */
            out_add(out, AG_ACT_RELEASE)->run = re->run;
        }
        arena_done(&lists);
        return;
    }
    r = run_add(a, re->run);
    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        r->stream[i].len = re->len[i];
        r->stream[i].acked = re->acked[i] < re->len[i] ? re->acked[i] : re->len[i];
        r->stream[i].sent = r->stream[i].acked;
    }
    if (re->finished.len > 0) {
        restore_finished(a, r, re, out);
    } else {
        run_reason(r, "the agent on the server was killed while the script ran", (struct slice){"", 0});
        run_end(a, r, ON_DIED, FINISH_AGENT_DIED, re->wall, out);
    }
}
