/* warm_plan.h - may a run be forked, from what, and which runs share that. Looks at the Gemfile, else pure. */
#ifndef WRATA_AGENT_WARM_PLAN_H
#define WRATA_AGENT_WARM_PLAN_H

#include "agent/warm.h"
#include "base/mem.h"

struct warm_plan {
    char *const *argv; /* of the process that forks */
    char *const *envp;
    struct slice preload;
    uint32_t n_words; /* of the run's own argv: the program, which its child does not get as arguments */
    struct slice key; /* runs with the same one can be forked from the same process */
};

/* False: it has to be started the plain way. Everything in `a`. `mark`: WRATA_AGENT_RUN=... of the process. */
bool warm_plan(const struct warm_run *r, const char *script, const char *mark, struct arena *a,
               struct warm_plan *ret);

#endif
