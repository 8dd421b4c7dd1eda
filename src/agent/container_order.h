/* container_order.h - what is to be done in a container, as bytes: records KEY=value, each ended by a NUL. Pure.
 *
 *     agent -> `wrata-agent container run`     all of it, on its standard input, which is a memory file and is wiped
 *     that  -> `wrata-agent inside`            the part of `inside`, through the socket
 *
 * So words, environment and secrets are in no command line and on no disk. */
#ifndef WRATA_AGENT_CONTAINER_ORDER_H
#define WRATA_AGENT_CONTAINER_ORDER_H

#include "agent/container.h"
#include "base/buf.h"
#include "wire/frame.h"

#define ORDER_BYTES_MAX (FRAME_BODY_MAX + MIB(1))
#define ORDER_LIST_MAX 2048u

struct order_list {
    const char **at;
    uint32_t n;
};

/* For the container's first process. */
struct inside_order {
    const char *cwd;
    struct order_list argv;
    struct order_list env;      /* NAME=value, over the image's */
    struct order_list defaults; /* where neither the image nor env sets the name */
    struct order_list prepends; /* NAME=value: before what the image has there, with a colon */
    struct order_list secrets;  /* as env, for the script alone */
    const char *user;           /* "name", "1000", "name:group"; "": root */
    bool has_home;              /* the image sets HOME itself */
    bool has_results;           /* a second descriptor comes along, to be descriptor 3 */
    bool has_hook;              /* CONTAINER_HOOK runs first, where the image has one */
    bool is_limited;            /* in its memory: whether that ended something is told */
    struct order_list safe;     /* folders that git works in, whoever they belong to */
    struct order_list ways;  /* paths that must be reached by the user, whatever is above them in the image */
    struct order_list lent;  /* folders that become the user's, and the agent's again at the end */
    struct order_list given; /* folders that become the user\'s and stay so */
};

struct container_order {
    bool is_step; /* of a preparation: its end is told by an exit status */
    int64_t patience_ms;
    bool has_notes; /* of what is lent, for who comes after a crash */
    struct container_spec spec;
    struct inside_order inside;
};

void inside_order_write(const struct inside_order *o, struct buf *out);
void container_order_write(const struct container_order *o, struct buf *out);

/* What is returned lies in `bytes` and in `a`. ERR_INVALID: it is no order. A key that is not known is one. */
MUST_USE enum err inside_order_read(char *bytes, size_t n, struct arena *a, struct inside_order *ret);
MUST_USE enum err container_order_read(char *bytes, size_t n, struct arena *a, struct container_order *ret);

/* Append to a list that lives in `a`. */
void order_add(struct arena *a, struct order_list *list, const char *text);

/* NULL-ended: what the image has in its environment, and over it what the order says. With secrets or without. In `a`. */
char **inside_env(struct arena *a, const struct inside_order *o, char *const *image, bool with_secrets);

#endif
