/* prepare_private.h - what prepare.c (what comes next) and prepare_steps.c (the command of each step) share. */
#ifndef WRATA_AGENT_PREPARE_PRIVATE_H
#define WRATA_AGENT_PREPARE_PRIVATE_H

#include "agent/prepare.h"
#include "wire/agent_setup.h"

#define PREPARE_LFS_TIME_LIMIT_MS 3600000 /* with files of Git LFS */
#define ERRORS_KEPT 800u                  /* of what git said last */
#define TREE_GONE "work/gone"
#define CACHE_REFS 200u        /* commits kept by name in a cache */
#define CACHE_TIDY_FETCHES 50u /* and after so many fetches it is looked after */

enum step {
    STEP_NEW,
    STEP_EMPTY,
    STEP_INIT,
    STEP_LFS,
    STEP_LOOK,
    STEP_FETCH,
    STEP_REMOVE,
    STEP_PRUNE,
    STEP_TREE,
    STEP_STALE,
    STEP_CHECKOUT,
    STEP_CLEAN,
    STEP_SUB_REMOVE,
    STEP_SUB_PRUNE,
    STEP_SUB_ACTIVE,
    STEP_SUB_TREE,
    STEP_SUB_CHECKOUT,
    STEP_SUB_CLEAN,
    STEP_DONE
};

struct submodule {
    const char *commit;
    const char *path;
};

struct job {
    uint32_t slot;
    uint64_t project;
    char commit[65];
    const char *lfs; /* the key of its files of Git LFS; "": it has none */
    struct submodule *subs;
    uint32_t n_subs;
    uint32_t sub;      /* whose turn it is */
    bool is_sub_anew;  /* its tree was broken: it is made anew, once */
    enum step step;    /* STEP_NEW: it waits for the cache... */
    enum step waiting; /* ...to do this */
    bool has_lock;     /* on the project's cache */
    bool has_fetched;
    bool is_late;
    bool is_remade; /* its tree was broken: it is made anew, once */
    pid_t pid;      /* 0: no child */
    int fd;         /* its output; -1: closed */
    struct mono deadline;
    char channel_error[256]; /* what the controller said when it closed the channel of its fetch */
    char errors[ERRORS_KEPT + 1];
    size_t errors_len;
    struct arena arena;
    struct job *next;
};

struct prepare {
    struct prepare_opts opts;
    char *dir;
    char *self;
    struct job *jobs;
    pid_t removing; /* an rm of old trees; 0: none */
    pid_t tidying;  /* of a cache; 0: none */
    uint32_t fetches;
    int null_fd;
    char folder[4096];
    struct arena arena;
};

bool prepare_is_of_sub(const struct job *j); /* is this a step of the submodule whose turn it is? */

/* ---- prepare.c ---- */

void job_fail(struct prepare *p, struct job *j, struct mono now, const char *what);
void job_go(struct prepare *p, struct job *j, struct mono now, enum step step);

/* ---- prepare_lfs.c ---- */

/* Write what the cache's configuration includes for files of Git LFS. False with errno: it cannot be. *ret_is_included: the
 * configuration does so already. */
bool prepare_lfs_config(struct prepare *p, const struct job *j, bool *ret_is_included);
/* A work tree's files are those of `key` from now on: when they were those of another one, git shall look at each anew. */
void prepare_lfs_settle(struct prepare *p, const char *git_dir, const char *key);
/* Our own program, as others can start it. In p->arena. */
const char *prepare_self(struct prepare *p);

/* ---- prepare_steps.c ---- */

/* -1 with errno: it could not be started. *retout: what it prints, not blocking. */
pid_t prepare_child(struct prepare *p, char *const *argv, int *retout);
/* Start the child of j->step; a step without work goes on to the next. */
void job_run_step(struct prepare *p, struct job *j, struct mono now);
/* Of the work tree in the folder `rel` of the slot's; NULL: there is none, or it is to be made anew. In p->arena. */
const char *job_git_dir(struct prepare *p, const struct job *j, const char *rel);

#endif
