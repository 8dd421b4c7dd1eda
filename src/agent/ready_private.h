/* ready_private.h - what ready.c and ready_folder.c share. */
#ifndef WRATA_AGENT_READY_PRIVATE_H
#define WRATA_AGENT_READY_PRIVATE_H

#include "agent/ready.h"
#include "base/mem.h"

#define READY_NAME_BYTES 64u
#define READY_TAIL_BYTES 800u /* of what a step said last, for the reason */

enum ready_stage { STAGE_NONE, STAGE_WAIT, STAGE_CLEAR, STAGE_STEP, STAGE_PACK, STAGE_UNPACK };

struct ready_job {
    uint64_t run;
    uint64_t project;
    char commit[65];
    struct arena arena; /* of setup's texts and lists */
    struct setup setup;
    char bad[256]; /* why the setup cannot be used; "": it can */
    char tree[4096];
    enum ready_stage stage;
    uint32_t step;
    uint32_t tries;
    char name[READY_NAME_BYTES]; /* p1-0123456789abcdef; "": none */
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

struct ready {
    struct ready_opts opts;
    char *dir;
    char *mark;
    struct ready_job *jobs[AGENT_SLOTS_MAX];
    char used[AGENT_SLOTS_MAX][READY_NAME_BYTES]; /* of the slot's present runs */
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
pid_t ready_start_child(struct ready *r, char *const *argv, char *const *env, const char *cwd, int *retfd);
char **ready_own_env(struct ready *r); /* of our own commands: git, rm, tar */

#endif
