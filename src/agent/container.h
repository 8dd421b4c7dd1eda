/* container.h - the containers of runs: command lines of podman and docker, and what they answer. Pure.
 *
 * A container is made so that nothing of a run is told to the engine but its image, mounts and limits: its first process is
 * this program (`wrata-agent inside`), which gets words, environment and secrets through a socket in a folder that is mounted
 * for it (container_order.h). So neither `ps` nor `podman inspect` shows them. */
#ifndef WRATA_AGENT_CONTAINER_H
#define WRATA_AGENT_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "wire/agent_setup.h"

#define BOX_FOLDER "box"     /* in DIR/ID: a folder for each container */
#define BOX_INSIDE "/.wrata" /* where that folder is in the container */
#define CONTAINER_NAME_BYTES 160u
#define CONTAINER_SHM_BYTES ((uint64_t)2 << 30)
#define CONTAINER_HOOK "/before-run.sh"
#define CONTAINER_PATIENCE_S 60 /* for an answer of podman or docker */

enum engine { ENGINE_NONE, ENGINE_PODMAN, ENGINE_DOCKER, ENGINE_COUNT };

const char *engine_name(enum engine e);     /* "podman" */
enum engine engine_parse(const char *name); /* ENGINE_COUNT: there is no such engine */

/* What a machine says of its engine in DIR/engine: "docker 120". Words that are missing leave the values as they are.
 * False: it is not that. */
bool engine_setting(const char *text, enum engine *retengine, int64_t *retpatience_ms);

/* ---- names ---- */

/* "wrata-MARK-INCARNATION-RUN", with "-pN" for step N of a preparation (1..; 0: it is the run itself). */
void container_name(const char *mark, uint64_t incarnation, uint64_t run, uint32_t step, char *ret);
/* What its folder below BOX_FOLDER is called: the name without the mark, for a socket's path is short. */
const char *container_box(const char *name, const char *mark);
/* Does another incarnation of the agent with this mark have a container of that name? */
bool container_is_left(const char *name, const char *mark, uint64_t incarnation);
/* "wrata-SERVER-SLOT" as a host may be called, at most 63 bytes, into ret (64 bytes). */
void container_host(const char *server, uint32_t slot, char *ret);

/* ---- what is asked ---- */

struct container_mount {
    const char *source; /* absolute, on the machine */
    const char *target; /* absolute, in the container */
    bool is_read_only;
};

struct container_spec {
    enum engine engine;
    const char *name;
    const char *mark; /* of the agent: a label, by which it finds what it left */
    uint64_t run;     /* a label for people */
    const char *image;
    const char *host;
    const char *network; /* "": the engine's */
    uint64_t shm_bytes;
    uint64_t memory_bytes; /* 0: no limit */
    uint64_t pids;         /* 0: the engine's limit */
    bool is_privileged;
    bool has_new_privileges; /* programs with the set-uid bit work */
    const struct container_mount *mounts;
    uint32_t n_mounts;
};

/* What keeps a path from being mounted; NULL: nothing. */
const char *container_path_fault(const char *path);

/* NULL-ended, all in `a`. */
char **container_create_argv(struct arena *a, const struct container_spec *s);
char **container_argv(struct arena *a, enum engine e,
                      const char *const *words); /* "podman" and the words, NULL-ended */
char **container_ended_argv(struct arena *a, enum engine e, const char *name); /* waits until it has ended */
char **container_state_argv(struct arena *a, enum engine e, const char *name);
char **container_remove_argv(struct arena *a, enum engine e, const char *name);
char **container_list_argv(struct arena *a, enum engine e, const char *mark); /* names, one a line */
char **container_image_argv(struct arena *a, enum engine e, const char *name);
char **container_version_argv(struct arena *a, enum engine e);

/* ---- what is answered ---- */

/* Of `inspect`: how a container that said nothing itself has ended. */
struct container_state {
    bool is_running;
    uint32_t code;
    bool oom;
    char error[200];
};

struct container_image {
    char id[80];      /* what containers are made of: it cannot be moved like a tag */
    char digest[128]; /* as the registry knows it; of an image that no registry knows, its id */
    char user[68];    /* whom it runs as; "": root */
    bool has_home;    /* it sets HOME */
};

/* False: that is no such answer. */
bool container_state_parse(const char *text, struct container_state *ret);
/* name: of the image, as it was asked for. Of several digests, those of one image in several registries, the one that it means. */
bool container_image_parse(const char *text, const char *name, struct container_image *ret);
/* "24.0.5" of an answer's first line, into ret (size bytes). */
bool container_version_parse(const char *text, char *ret, size_t size);
/* What a command that failed said last, on one line, into ret (size bytes). */
void container_last_words(const char *text, char *ret, size_t size);

#endif
