/* outflow.h - an answer that is made piece by piece while it is taken, so that its size is no matter of memory. */
#ifndef WRATA_API_OUTFLOW_H
#define WRATA_API_OUTFLOW_H

#include "api/api_private.h"

#define OUTFLOW_PIECE_BYTES KIB(256) /* a job may stop when there is so much */

/* The first member of rq->state. */
struct outflow {
    struct buf out;
    /* Reader thread: append some bytes to out, or say that that was all. What fails before anything was sent is answered as an error;
     * later it cuts the connection. May append nothing: then it is called again. */
    enum err (*job)(struct reader *r, struct req *rq);
    void (*head)(struct req *rq);  /* loop: the headers, after the first piece */
    void (*piece)(struct req *rq); /* loop: what only the loop knows of a piece; NULL */
    void (*done)(struct req *rq);  /* with the request: what else is in rq->state; NULL */
    bool is_all;                   /* set by the job */
    uint64_t sent;                 /* of the answer, before this piece */
    size_t taken;
    bool has_started;
    bool is_reading;
};

/* rq->state is set, with job and head. The buffers of the flow are its own. */
void outflow_begin(struct req *rq);
/* Content-Type, a name to save it by, and what every such answer says. */
void outflow_head(struct req *rq, const char *type, const char *name);

#endif
