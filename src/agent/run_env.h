/* run_env.h - what a run's process is started with: its environment and its words, with the adapter put in. */
#ifndef WRATA_AGENT_RUN_ENV_H
#define WRATA_AGENT_RUN_ENV_H

#include <stdbool.h>

#include "base/mem.h"
#include "wire/frame.h"

/* Secrets as entries of an environment: in memory that is overwritten as soon as the process has its own. */
struct secret_env {
    char *at;
    size_t len;
};

void secret_env_done(struct secret_env *s);

struct run_env_opts {
    uint32_t slot;
    bool has_channel;          /* its adapter writes to descriptor 3 */
    const char *pytest_folder; /* of the plugin; NULL: none */
    const char *mark;          /* WRATA_AGENT_RUN=... */
};

/* NULL-ended, in `a`, except for the secrets: call secret_env_done() after the start. */
char **run_env(struct arena *a, const struct frame_run_spec *spec, const struct run_env_opts *opts,
               struct secret_env *secrets);

/* The same for a run in a container: over what its image sets. Secrets are copied into `a`, for the order alone. */
struct inside_order;
void run_env_boxed(struct arena *a, const struct frame_run_spec *spec, const struct run_env_opts *opts,
                   struct inside_order *ret);

/* The command with the words that load the adapter. NULL: there is none of that framework. */
char **run_argv(struct arena *a, const struct frame_run_spec *spec, const char *adapter_rspec,
                const char *pytest_folder);

/* The clean environment that runs and git get, NULL-ended; extra slots for callers at the end. */
char **exec_base_env(struct arena *a, size_t extra, size_t *retn);

#endif
