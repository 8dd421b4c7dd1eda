/* setup.h - what an agent lays out and finds out once, when it starts. The present folder is DIR/ID. */
#ifndef WRATA_AGENT_SETUP_H
#define WRATA_AGENT_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Take the folder. ERR_BUSY: another agent has it and can be spoken to. The lock is held until the process ends. */
MUST_USE enum err setup_lock(struct why *reterr);

#define SETUP_PATH_BYTES 4096

/* Absolute paths; "" when this build has none. */
struct setup_adapters {
    char rspec[SETUP_PATH_BYTES];  /* the file */
    char warm[SETUP_PATH_BYTES];   /* the file of warm processes */
    char pytest[SETUP_PATH_BYTES]; /* the folder of wrata_pytest.py, for PYTHONPATH */
};

/* Write what is loaded into test frameworks. */
MUST_USE enum err setup_adapters(const char *dir, struct setup_adapters *ret, struct why *reterr);

/* "Linux x86_64, 4 cores, cgroup v2 (kill memory pids), git 2.39.5". Who runs containers here is asked later (health.h): an engine may
 * take seconds for its answer. */
void setup_facts(const char *groups, char *out, size_t size);

#define SETUP_MARK_BYTES 64
/* What the processes, control groups and containers of this folder's agents are known by: the instance and a number that is drawn
 * once and kept in the file "mark". Folders of one name may be on several file systems of a machine, and may see each other's. */
void setup_mark(const char *instance, char *out, size_t size);

/* Was the last agent of this folder one of this boot of the machine? From now on this one is. */
bool setup_is_same_boot(void);

/* The socket of the present folder, listening; of an agent that died it is taken over: we hold the lock. */
MUST_USE enum err setup_listen(int *retfd, struct why *reterr);

/* "KIND:NUMBER:TEXT" of a channel's client, which is cut in pieces for it. False: it is not that. */
struct frame_chan_open;
bool setup_chan_params(char *params, struct frame_chan_open *ret);

#endif
