/* ready_private.h - what ready.c and ready_folder.c share. */
#ifndef WRATA_AGENT_READY_PRIVATE_H
#define WRATA_AGENT_READY_PRIVATE_H

#include "agent/container_plan.h"
#include "agent/ready.h"
#include "base/mem.h"

#define READY_NAME_BYTES 64u
#define READY_TAIL_BYTES 800u /* of what a step said last, for the reason */

enum ready_stage { STAGE_NONE, STAGE_WAIT, STAGE_IMAGE, STAGE_CLEAR, STAGE_STEP, STAGE_PACK, STAGE_UNPACK };

struct ready_job {
    uint64_t run;
    uint64_t project;
    uint64_t launch;
    char commit[65];
    struct arena arena; /* of setup's texts and lists */
    struct setup setup;
    char bad[256]; /* why the setup cannot be used; "": it can */
    char tree[4096];
    enum ready_stage stage;
    uint32_t step;
    uint32_t tries;
    char name[READY_NAME_BYTES]; /* p1-0123456789abcdef, or image-...; "": none */
    const char *server;          /* the machine's name */
    bool has_image;              /* its containers are made of `ground` */
    struct container_ground ground;
    bool is_boxed;                  /* pid is the helper of a container, */
    char box[CONTAINER_NAME_BYTES]; /* which is called so */
    pid_t pid;
    int fd;
    struct mono deadline;
    struct mono began;
    bool is_late;
    bool is_killed;
    size_t said; /* bytes in the run's log */
    char tail[READY_TAIL_BYTES + 1];
    size_t tail_len;
};

struct ready_failure {
    char name[READY_NAME_BYTES];
    char text[1200];
    struct mono until;
};

/* An image that is there, for the runs of one launch. */
struct ready_image {
    char name[READY_NAME_BYTES];
    struct container_ground ground;
};

struct ready {
    struct ready_opts opts;
    char *dir;
    char *mark;
    struct ready_job *jobs[AGENT_SLOTS_MAX];
    char used[AGENT_SLOTS_MAX][READY_NAME_BYTES]; /* of the slot's present runs */
    struct ready_image images[16];                /* the newest */
    uint32_t next_image;
    struct container_ground
        grounds[AGENT_SLOTS_MAX]; /* of the slot's present runs; ENGINE_NONE: the machine itself */
    struct ready_failure failures[16];
    uint32_t next_failure;
    pid_t removing;
    int null_fd;
    struct arena arena;
};

/* ready_folder.c: the environments on the disk, by their names. The present folder is the agent's. */
/* What the environment of a job is made of is hashed, and that is its name. False: the disk refuses. */
bool ready_name_make(struct ready_job *j);
bool ready_has_file(const char *name, const char *file);
/* It is whole, and will be when the power is back. */
bool ready_mark_ok(const char *name);
/* Keep READY_KEPT of a project that no slot uses; the oldest beyond them is removed, one at a time. */
void ready_old_ones_go(struct ready *r, uint64_t project);
/* A child and the read end of its output; -1 with errno. Its memory is the arena's. */
/* ready_image.c: the image of a launch, fetched once for all slots. */
void ready_image_name(struct ready_job *j); /* as the job's name */
const struct container_ground *ready_image_known(const struct ready *r, const char *name);
/* The command that fetches it, in the arena. */
char **ready_image_argv(struct ready *r, uint32_t slot);
/* What that command found, into the job and for others. NULL, or why it is not there, in the arena. */
const char *ready_image_take(struct ready *r, uint32_t slot);
/* A step in a container. NULL, or why it cannot be started, in the arena. */
const char *ready_step_boxed(struct ready *r, struct ready_job *j);

/* Where things lie in an environment: what NAME=/path lines there are, in `a`, at most READY_PLACES. */
#define READY_PLACES 3u
size_t ready_places(const struct ready *r, const char *name, struct arena *a, const char **lines);

/* A pipe whose read end does not block; as pipe() answers. */
int ready_pipe(int fds[2]);
/* The command that removes an environment, whoever's its files are; `folder` is what it is called by now. In the arena. */
char **ready_remove_argv(struct ready *r, const char *name, const char *folder);
pid_t ready_start_child(struct ready *r, char *const *argv, char *const *env, const char *cwd, int *retfd);
char **ready_own_env(struct ready *r); /* of our own commands: git, rm, tar */

#endif
