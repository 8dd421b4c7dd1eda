/* agent_setup.h - how a machine is made ready for the runs of a launch, and what is kept after each: lines KEY=value.
 *
 * They come from the project and its wrata.yml, travel with the launch through engine and store, which do not look at them, and
 * are read by the agent (RUN_SPEC.setup). In this order of meaning; a key that is not known comes from a newer controller and is
 * passed over, so what must not be passed over has a protocol in the table (agent_setup.c), and older agents get no such run.
 *
 *     submodule=COMMIT PATH     a commit that lies in the project's mirror too, and its folder; parents before what is inside
 *     lfs=KEY                   files of Git LFS are brought; git may take other files for such when KEY is another. Protocol 6
 *     step=NAME                 a step of the preparation begins: a name for people
 *     arg=WORD                  of the step's command: a vector, no shell looks at it
 *     limit_ms=N                of the step; 0 or absent: SETUP_STEP_LIMIT_MS
 *     key=TEXT                  of what else the preparation depends on: it is done again when this is another one
 *     prepare_env=NAME=value    for the steps
 *     preload=PATH              a file of the project that is loaded before RSpec forks for each run
 *     warm=off                  RSpec is started for each run by itself; with any other value, and without: it forks
 *     image=NAME                run, and prepare, in containers of this image. Protocol 5: an older agent gets no run that has one
 *     pull=always|missing|never when it is fetched; absent: always, but missing for one that has a digest or is localhost/...
 *     container_shm=N  container_memory=N  container_pids=N    bytes, bytes, processes; 0 or absent: the default
 *     container_network=NAME  container_user=USER[:GROUP]  container_host=NAME
 *     container_mount=/source:/target[:ro]
 *     container_privileged=1  container_new_privileges=1
 *     artifact=GLOB             files to keep after a run
 *     artifact_max=N            of the glob above: bytes of one file
 *     artifact_file_max=N  artifact_run_max=N  artifact_files_max=N    bounds for all of them
 *
 * No I/O, no clock. Shared by `wrata` and `wrata-agent`. */
#ifndef WRATA_WIRE_AGENT_SETUP_H
#define WRATA_WIRE_AGENT_SETUP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#define SETUP_SUBMODULES_MAX 500u
#define SETUP_SUBMODULE_PATH_MAX 1000u
#define SETUP_LFS_KEY_MAX 64u
#define SETUP_STEPS_MAX 20u
#define SETUP_ARGS_MAX 256u
#define SETUP_ENV_MAX 200u
#define SETUP_ARTIFACTS_MAX 100u
#define SETUP_MOUNTS_MAX 50u
#define SETUP_IMAGE_KEY "image=" /* a line that begins so asks for a container */
#define SETUP_STEP_LIMIT_MS 1800000
#define SETUP_LIMIT_MS_MAX ((int64_t)86400000)
#define ARTIFACT_FILE_BYTES_DEFAULT MIB(100)
#define ARTIFACT_RUN_BYTES_DEFAULT MIB(500)
#define ARTIFACT_FILES_DEFAULT 1000u
#define ARTIFACT_NAME_BYTES_MAX 1024u /* of a path as seen from the work tree */

struct setup_step {
    struct slice name;
    struct slice *argv;
    uint32_t n_argv;
    int64_t limit_ms;
};

struct setup_submodule {
    struct slice commit;
    struct slice path;
};

struct setup_artifact {
    struct slice glob;
    uint64_t max_bytes;
};

enum setup_pull { SETUP_PULL_DEFAULT, SETUP_PULL_ALWAYS, SETUP_PULL_MISSING, SETUP_PULL_NEVER };

/* A mount as it was written; its parts are found by setup_mount_split(). */
struct setup_container {
    struct slice image; /* empty: on the machine itself */
    enum setup_pull pull;
    uint64_t shm_bytes;
    uint64_t memory_bytes;
    uint32_t pids;
    struct slice network;
    struct slice user;
    struct slice host;
    struct slice *mounts;
    uint32_t n_mounts;
    bool is_privileged;
    bool has_new_privileges;
};

struct setup {
    struct setup_submodule *submodules;
    uint32_t n_submodules;
    struct setup_step *steps;
    uint32_t n_steps;
    struct slice lfs; /* hex; empty: none */
    struct slice key;
    struct slice *env; /* NAME=value */
    uint32_t n_env;
    struct slice preload; /* "": none */
    bool is_cold;
    struct setup_artifact *artifacts;
    uint32_t n_artifacts;
    uint64_t file_bytes_max;
    uint64_t run_bytes_max;
    uint32_t files_max;
    struct setup_container container;
};

/* Read n lines. What is returned borrows from the lines, its lists live in `lists`.
 * ERR_INVALID or ERR_LIMIT, naming the line: a list is too long, a number is none, a word has no step. */
MUST_USE enum err setup_read(const struct slice *lines, uint32_t n, struct arena *lists, struct setup *ret,
                             struct why *reterr);

/* The oldest protocol of the link whose agents understand all of these lines. */
uint32_t setup_protocol(const char *const *lines, uint32_t n);

/* What is wrong with the path of a submodule, to be said behind it: "is absolute"; NULL: nothing. Not here: UTF-8. */
const char *setup_submodule_fault(struct slice path);

/* "/source:/target" or with ":ro" or ":rw" behind it. False: it is not that, or a path is not absolute or has . or .. in it. */
bool setup_mount_split(struct slice mount, struct slice *retsource, struct slice *rettarget,
                       bool *retread_only);
/* What keeps podman and docker from mounting it, or a run from working with it; NULL: nothing. */
const char *setup_mount_fault(struct slice source, struct slice target);

#endif
