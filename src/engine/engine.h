/* engine.h - (state, now, event) -> (state, outbox). Pure: docs/engine.md.
 *
 * Single-threaded and deterministic. No clock, socket, file, thread or random source is reachable from here;
 * the same code runs in production, in the simulator and under the fuzzer. */
#ifndef WRATA_ENGINE_ENGINE_H
#define WRATA_ENGINE_ENGINE_H

#include "base/buf.h"
#include "engine/event.h"
#include "engine/outbox.h"

struct engine;

/* Zero in a member means the default in brackets. */
struct engine_opts {
    uint64_t seed;             /* for jitter of back-offs [1] */
    uint32_t silence_shown_ms; /* no beat for so long: the link is shown as lost [5000] */
    uint32_t reconnect_min_ms; /* back-off between tries to connect [500] */
    uint32_t reconnect_max_ms; /* [30000] */
    uint32_t
        creating_ms;   /* a machine that is not ready so long after it was asked for is destroyed [900000] */
    uint32_t stray_ms; /* a machine of ours that belongs to no server is destroyed after so long [120000] */
    uint32_t missing_ms;      /* what a cloud's list lacks for so long is taken for gone [60000] */
    int64_t lease_machine_ms; /* of a machine, renewed when half of it is over [7200000] */
    uint32_t ahead_ms;        /* give a server work in advance worth about so much time per slot [20] */
    /* When a server is taken out (sick.c). UINT32_MAX: never for this reason. */
    uint32_t sick_failures;     /* so many runs in a row failed there [3] */
    uint32_t sick_losses;       /* it was lost so often within an hour [2] */
    uint64_t sick_disk_bytes;   /* less than this is free, and less than... [256 MiB]; UINT64_MAX never */
    uint32_t sick_disk_percent; /* ...this part of a disk [2] */
    int64_t sick_keep_ms; /* a machine that was taken out is destroyed after so long [3600000]; -1 never */
    uint32_t forecast_starts; /* a look at a queue plays so many starts, and reckons the rest [6000] */
    bool trace;               /* write NOTE_TRACE sentences */
    bool
        notices; /* save what people should be told by mail (CHANGE_NOTICE), and programs by hooks (CHANGE_HOOK_EVENT) */
};

OWNED struct engine *engine_new(const struct engine_opts *opts); /* NULL: all defaults */
void engine_free(struct engine *e);                              /* NULL is fine */

/* Boot: apply one living row. Only before EV_BOOTED; nothing is written to any outbox. Rows come in the order
 * IDS, fleets, servers, launches, tests, runs: every fleet and server; every launch that is not done, with *all* its tests, done
 * ones too (they are counted); every run that is neither done nor lost. Kinds: IDS, FLEET_PUT, SERVER_PUT,
 * *_ADD. */
void engine_load(struct engine *e, struct now now, const struct change *c);

/* One event. `ev` is borrowed for the call; `out` is appended to. A refused command is not a failed step: the
 * refusal is a reply. Work per step is bounded; what does not fit waits for a tick at `now`. Timers that are due
 * by `now` go off first. */
void engine_step(struct engine *e, struct now now, const struct event *ev, struct outbox *out);

/* The end of a turn: after the last engine_step() that wrote into `out` and before its commit, always. Only here
 * tests are placed, goals are made (one per server, whatever happened in the turn) and launches announced, so a
 * burst of a thousand events costs one look at each server. A turn that began in one outbox and was not ended is
 * a CHECK in the next step. */
void engine_turn_end(struct engine *e, struct now now, struct outbox *out);

/* When EV_TICK is due; MONO_NEVER: no timer. */
struct mono engine_deadline(const struct engine *e);

/* Aborts on a broken invariant, naming its number (engine_check.c). Walks everything. */
void engine_check(const struct engine *e);

/* The whole persistent state as sorted text, so that an engine that lived and one that was rebuilt from the
 * store can be compared. Links and timers are left out. */
void engine_dump(const struct engine *e, struct buf *out);

/* Why a test waits, or what is done before its run begins, in a sentence, into out (size bytes); else "". */
void engine_why(const struct engine *e, struct test_id t, char *out, uint32_t size);

/* Numbers for /metrics and the status page. */
struct engine_stats {
    uint32_t servers;
    uint32_t servers_online;
    uint32_t slots;
    uint32_t slots_busy;
    uint32_t launches;
    uint32_t tests_waiting;
    uint32_t runs_active;
    uint64_t late_news; /* events for attempts that no longer hold a lease */
};
struct engine_stats engine_stats(const struct engine *e);

/* The same by state; walks servers and launches, so not for every event. */
struct engine_census {
    uint32_t servers[SERVER_STATUS_COUNT]; /* records by status */
    uint32_t links[LINK_STATE_COUNT];
    uint32_t sick;
    uint32_t in_maintenance;
    uint32_t booked;
    struct wall oldest_wait; /* when the oldest launch with a waiting test was started; 0: nothing waits */
};
void engine_census(const struct engine *e, struct engine_census *ret);

/* The edge tables as text for docs/engine.md: mermaid state diagrams. */
void engine_draw(struct buf *out);

#endif
