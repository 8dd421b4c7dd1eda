/* reap.h - destroy droplets that nobody owns any more: with the token alone, without a server and without its data.
 *
 * The end of a machine's lease stands in its tags; a server that is alive moves it on. What is past it belongs to nobody. */
#ifndef WRATA_FLEET_REAP_H
#define WRATA_FLEET_REAP_H

#include "base/buf.h"
#include "model/machine.h"

enum reap_verdict {
    REAP_KEPT,      /* its lease goes on */
    REAP_NO_LEASE,  /* left alone: it has no lease */
    REAP_DUE,       /* it would be destroyed, but for dry_run */
    REAP_DESTROYED, /* also when it was gone by then */
    REAP_FAILED,
    REAP_VERDICT_COUNT
};
const char *reap_verdict_name(enum reap_verdict v); /* "kept" */

struct reap_opts {
    const char *url; /* of the cloud's API */
    const char *ca;  /* PEM file of authorities; NULL: those of this computer */
    struct slice token;
    const char *instance;   /* NULL: of any wrata */
    const char *const *ids; /* n_ids: these alone, also without a lease */
    uint32_t n_ids;
    bool force; /* of ids: also before their lease ends */
    bool dry_run;
    /* Each machine that is there, or that was named: once. Borrowed. `why`: a sentence, "" none. */
    void (*on_machine)(void *ctx, const struct machine *m, enum reap_verdict verdict, const char *why);
    void *ctx;
};

struct reap_counts {
    uint32_t by_verdict[REAP_VERDICT_COUNT];
};

/* Blocks until all is done, on a loop of its own. Errors: ERR_DENIED the token is not accepted, ERR_BUSY the cloud cannot be
 * asked; then nothing was destroyed. What happens to single machines is told by on_machine. */
MUST_USE enum err reap_run(const struct reap_opts *opts, struct reap_counts *ret, struct why *reterr);

#endif
