/* live_private.h - what the files of live/ share: events, the ring, subscribers.
 *
 * hub.c     the ring, publishing, the timers       stream.c  the route: topics, resuming, writing to a client
 * dirty.c   objects read from the store when due   tail.c    followed logs */
#ifndef WRATA_API_LIVE_PRIVATE_H
#define WRATA_API_LIVE_PRIVATE_H

#include "api/api_private.h"
#include "api/live/hub.h"

#define RING_EVENTS 4096u
#define RING_BYTES MIB(8)
#define SUB_EVENTS_MAX 4096u
#define SUB_BYTES_MAX MIB(8) /* a client that is so far behind is closed, and comes again */
#define SUB_TOPICS_MAX 64u
#define PING_MS 15000
#define COALESCE_MS 250
#define CAUSES_MS 1000      /* the same of the causes of a launch, which are read together */
#define CAUSES_LIVE_MAX 50u /* that are told of one; a GET has them all */
#define INTEREST_MS 60000   /* somebody who was here, or loaded a snapshot, may be back so soon */
#define LOG_FLUSH_MS 100
#define LOG_EVENT_BYTES 65536u
#define LOG_QUEUE_BYTES MIB(1) /* a client that is further behind gets log bytes from the store, later */

enum topic_kind {
    TOPIC_SERVERS = 1,
    TOPIC_LAUNCHES = 2,
    TOPIC_LAUNCH = 4,
    TOPIC_LAUNCH_ALL = 8,
    TOPIC_RUN = 16,
    TOPIC_LOG = 32,
    TOPIC_QUEUE = 64,
    TOPIC_JOBS = 128,
};

struct topic {
    enum topic_kind kind;
    uint64_t
        id; /* of the launch, the run, or the user of the queue or of jobs; 0 for the lists, and for all jobs */
    uint64_t from; /* LOG: byte */
};

/* One thing that happened, ready to send. Immutable; shared by the ring and the queues. */
struct live_event {
    unsigned refs;
    uint64_t rev;
    unsigned topics; /* bits of topic_kind that it belongs to */
    uint64_t launch;
    uint64_t run;
    uint64_t user;   /* whose queue it is */
    uint64_t log_to; /* LOG: where the log goes on after it */
    size_t len;
    char text[]; /* "event: NAME\ndata: {...}\n\n" */
};

enum tail_mode {
    TAIL_BEHIND, /* must be read from the store, when the client has taken what it has */
    TAIL_READING,
    TAIL_LIVE, /* the next byte comes from the log's own feed */
    TAIL_DONE,
};

/* One log that one client follows. */
struct tail {
    uint64_t run;
    uint64_t pos;  /* the next byte to queue */
    uint64_t sent; /* the next byte to write to the client */
    enum tail_mode mode;
};

struct sub {
    UT_hash_handle hh;
    uint64_t id; /* of its request */
    struct req *rq;
    struct hub *hub;
    const struct topic *topics;
    uint32_t n_topics;
    struct tail *tails;
    uint32_t n_tails;
    struct live_event **queue; /* a ring of `cap` */
    uint32_t cap;
    uint32_t head;
    uint32_t n;
    size_t queue_bytes;
    struct buf out; /* what is being written */
    size_t out_taken;
    uint64_t rev;    /* of the last event written to `out` */
    bool is_loading; /* its first state is being read; events wait in the queue */
    bool is_slow;
    bool is_over; /* who opened it may not see this any more */
    struct first_event *first;
    uint32_t n_first;
};

struct hub {
    struct api *api;
    char epoch[20];
    uint64_t rev;
    uint64_t floor;        /* events up to here are not in the ring */
    uint64_t passed_floor; /* the same for passed examples, which are rendered for few */
    struct live_event **ring;
    uint32_t ring_head;
    uint32_t ring_n;
    size_t ring_bytes;
    struct sub *subs;
    struct mono interest_until;
    struct dirty *dirty;
    struct live_queue *queues; /* hub.c */
    uint32_t n_dirty;
    bool is_fetching;
    struct feed *feeds; /* of followed logs, by run */
    uv_timer_t timer;   /* dirty objects and log flushes that are due */
    struct mono timer_at;
    uv_timer_t ping_timer;
    bool is_stopped;
};

/* ---- hub.c ---- */
bool hub_is_watched(struct hub *h);
/* Does anybody who is here now want it? */
bool hub_is_wanted(const struct hub *h, unsigned topics, uint64_t launch, uint64_t run);
OWNED struct live_event *event_new(const char *name, const char *json, size_t len);
void event_release(struct live_event *e);
/* Number it, keep it in the ring, queue it for everybody whom it concerns. */
void hub_publish(struct hub *h, TAKES struct live_event *e);
bool event_concerns(const struct live_event *e, const struct topic *topics, uint32_t n_topics);
void hub_wake_at(struct hub *h, struct mono when);

/* ---- stream.c ---- */
void sub_queue(struct sub *s, struct live_event *e);
void sub_wake(struct sub *s);
void sub_ping(struct sub *s);
void sub_end(struct sub *s);
/* "servers,launch:12,log:345@0" -> topics in the arena. */
MUST_USE enum err topics_parse(const char *text, struct arena *arena, struct topic **ret, uint32_t *ret_n,
                               struct why *reterr);
/* "<epoch>-<rev>~<run>@<byte>": false when it is not an id of this process. Positions of logs go into topics. */
bool rev_parse(const struct hub *h, const char *text, struct topic *topics, uint32_t n_topics,
               uint64_t *ret_rev);

/* ---- dirty.c ---- */
enum dirty_kind { DIRTY_SERVER, DIRTY_LAUNCH, DIRTY_RUN, DIRTY_CAUSES /* of a launch */ };
void dirty_mark(struct hub *h, enum dirty_kind kind, uint64_t id, bool at_once);
void dirty_turn(struct hub *h, struct mono now);
void dirty_clear(struct hub *h);

/* ---- tail.c ---- */
void tails_open(struct sub *s);
void tails_close(struct sub *s);
void tails_drained(struct sub *s); /* the client took what it had: read on for whoever is behind */
void tail_turn(struct hub *h, struct mono now);

#endif
