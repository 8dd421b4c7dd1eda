/* serve_private.h - what serve.c and serve_conn.c share. */
#ifndef WRATA_AGENT_SERVE_PRIVATE_H
#define WRATA_AGENT_SERVE_PRIVATE_H

#include "agent/agent_core.h"
#include "agent/serve.h"

#define SERVE_CONNS_MAX 80
#define SERVE_READ_BYTES KIB(64)
#define LINK_OUT_WANTED KIB(512) /* streams are sent while less than this waits */
#define STALL_TIMEOUT_MS 120000  /* a link that takes nothing for so long is dropped */
/* While runs wait for slots here, nothing that is told is urgent: what happens meanwhile goes in one piece, and costs both
 * sides one wake-up instead of one for each short script. */
#define LINK_GATHER_MS 4

enum conn_kind { CONN_NEW, CONN_LINK, CONN_CHAN };

struct conn {
    int fd;
    enum conn_kind kind;
    uint32_t local;    /* number of a channel's client */
    uint64_t project;  /* a channel's client: whose code it brings, or whose files of Git LFS; 0 neither */
    char commit[65];   /* the code; "": it brings none */
    uint64_t may_read; /* a channel's client: bytes the core takes */
    bool got_eof;
    bool close_when_sent;
    bool send_eof;        /* shut our side down once out is empty */
    struct mono deadline; /* NEW: of its first line; LINK: of the next byte it takes */
    struct buf in;
    struct buf out;
};

/* An event that waits for the present actions to be done, with what it points to. */
struct posted {
    struct posted *next;
    struct mono now;
    struct agent_event ev;
    struct agent_exit exit;
    struct frame_chan_open chan;
    char *text;
    char *text2;
};

struct serve {
    struct agent *agent;
    struct agent_out out;
    struct spool *spool;
    struct exec *exec;
    struct prepare *prepare;
    struct ready *ready;
    struct containers *containers;
    struct cgroup *cgroup;
    struct health *health;
    char dir[3072]; /* DIR/ID, absolute: also the process's own folder */
    int listen_fd;
    struct conn *conns[SERVE_CONNS_MAX];
    uint32_t n_conns;
    uint32_t next_local;
    struct conn *link;
    struct posted *first;
    struct posted *last;
    struct posted *spare;
    struct arena frames; /* lists of frames being read or sent */
    struct buf scratch;
    struct mono next_tidy;
    struct mono gather_until;
    uint64_t told_seq; /* the core knows that records up to this one are safe */
    uint64_t disk_free;
    uint32_t load_percent;
    uint32_t actions_seen; /* in this turn: pump only when there was any */
    bool was_low;
    bool is_done;
    char read_buf[SERVE_READ_BYTES];
};

/* serve.c */
/* An event that waits until the present actions are done: copied. For edges, as `void *ctx`. */
void serve_post(void *ctx, struct mono now, const struct agent_event *ev);
/* Step with an event (NULL: none), and with all that its actions cause. */
void serve_step(struct serve *s, struct mono now, const struct agent_event *ev);

/* serve_conn.c */
void serve_conn_accept(struct serve *s, struct mono now);
void serve_conn_close(struct serve *s, struct conn *c);
void serve_conn_lost(struct serve *s, struct mono now, struct conn *c);  /* from outside: the core is told */
struct conn *serve_conn_by_local(const struct serve *s, uint32_t local); /* NULL: there is none */
bool serve_conn_write(struct serve *s, struct mono now, struct conn *c); /* false: it is broken */
void serve_conn_read(struct serve *s, struct mono now, struct conn *c);

#endif
