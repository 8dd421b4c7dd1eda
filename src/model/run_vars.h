/* run_vars.h - the variables that a run is given, but for its secrets and what its agent adds. */
#ifndef WRATA_MODEL_RUN_VARS_H
#define WRATA_MODEL_RUN_VARS_H

#include "base/mem.h"
#include "model/rows.h"

struct run_vars {
    const struct launch_row *launch; /* id, env, location, commit */
    struct run_id run;
    uint32_t attempt;
    const char *language; /* "": not said */
    const char *browser;
    const char *server; /* its name */
};

/* Lines NAME=value: the launch's own, then what wrata says unless these do. New ones and the list are of the arena. */
const char *const *run_vars(struct arena *a, const struct run_vars *of, uint32_t *retn);

#endif
