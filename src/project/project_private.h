/* project_private.h - what the files of project/ share.
 *
 *   projects.c   mirrors, their queues of jobs, the children that do them
 *   waits.c      jobs that need another one first
 *   login.c      name and token for https, and what git says of them; askpass.c gives them to git
 *   mirror.c     the jobs that change a mirror: refresh, bundle, remove
 *   subs.c       the job that brings the submodules of a commit into the mirror
 *   lfs.c        the job that brings the files of Git LFS of a commit into the mirror   lfs_read.c which they are (pure)
 *   lfs_send.c   a program of its own: gives them to agents
 *   gitmodules.c what .gitmodules says, and which places a submodule may have (pure)    url.c  urls (pure)
 *   prune.c      commits of bundles and of launches that nobody needs any more
 *   refs.c       branches and tags; a ref to a commit
 *   tree.c       the files of a commit, read from git and kept
 *   plan.c       patterns to files (pure)      command.c  a file to its command (pure)
 *   wrata_yml.c  what the project says (pure)  yml_node.c, yml_table.c, yml_words.c, wrata_yml_doc.c: its parts
 *   search.c     words and a glob to files (pure)
 *   answers.c    what git printed, taken apart (pure)
 *   text.c       UTF-8, and what git said as a sentence (pure) */
#ifndef WRATA_PROJECT_PROJECT_PRIVATE_H
#define WRATA_PROJECT_PROJECT_PRIVATE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/child.h"
#include "project/project.h"
#include "wire/agent_lfs.h"
#include "wire/agent_setup.h"

#define COMMIT_CHARS_MAX 64u
#define FILE_MS 10000                 /* for some lines of a file: somebody looks at a page */
#define GIT_LOCAL_MS 120000           /* a step that reads the mirror alone */
#define GIT_ASK_MS 120000             /* a question to the remote */
#define GIT_FETCH_MS (60 * 60 * 1000) /* the first fetch of a large repository takes its time */
#define GIT_OUT_MAX MIB(256)          /* of ls-tree and for-each-ref: millions of files */

/* ---- text.c ---- */

bool text_is_utf8(const char *p, size_t n);
/* The first line and the last ones of what git wrote to standard error, as one clean line without passwords of URLs. */
const char *text_of_git(struct slice err, char *out, size_t size);

/* ---- url.c ---- */

enum url_kind { URL_NONE, URL_HTTPS, URL_HTTP, URL_SSH, URL_GIT, URL_LOCAL };
enum url_kind url_kind(const char *url); /* URL_NONE: nothing that git is given */
/* For people: without name and password. Returns out. */
const char *url_shown(const char *url, char *out, size_t size);
/* The url in a .gitmodules: `project` is the kind of the project's own, `parent` the url ("" not known) of the repository that holds
 * the file. On ERR_INVALID reterr continues a sentence that begins with the url. */
MUST_USE enum err submodule_url(enum url_kind project, const char *parent, const char *url, char *out,
                                size_t size, struct why *reterr);
/* "git@host:path" as https://host/path. False: it is not of that kind. */
bool url_as_https(const char *url, char *out, size_t size);

/* ---- gitmodules.c ---- */

#define SUBMODULES_MAX SETUP_SUBMODULES_MAX /* of a commit, with those of submodules */
#define SUBMODULES_DEPTH_MAX 10u
#define GITMODULES_BYTES_MAX KIB(256)

struct gitmodule {
    const char *name;
    const char *path; /* "" none is given */
    const char *url;  /* "" none is given */
    bool is_left_out; /* update = none */
};
struct gitmodules {
    struct gitmodule *at;
    uint32_t n;
};
/* Read what `git config -z --list` prints of the file. Everything lives in the arena. */
MUST_USE enum err gitmodules_parse(struct slice out, struct arena *arena, struct gitmodules *ret,
                                   struct why *reterr);
const struct gitmodule *gitmodules_find(const struct gitmodules *m, const char *path); /* NULL: none */
/* May this be the place of a submodule? */
MUST_USE enum err submodule_path_check(const char *path, struct why *reterr);
/* Are the submodules of the tree where they may be, none inside of another or of a file? */
struct tree;
MUST_USE enum err submodule_places_check(const struct tree *t, struct why *reterr);

/* ---- lfs_read.c ---- */

struct lfs_file {
    const char *path;
    const char *blob; /* hex; of the pointer */
    struct lfs_pointer pointer;
    bool is_broken; /* it has no pointer */
};
struct lfs_files {
    struct lfs_file *at;
    uint32_t n;
};
bool lfs_is_attributes(const char *path); /* a file named .gitattributes */
/* Of `git ls-tree -r -l -z`: the files that are as short as pointers. All of ret lives in the arena. */
MUST_USE enum err lfs_candidates(struct slice out, struct arena *arena, struct lfs_files *ret,
                                 struct why *reterr);
/* Of `git cat-file --batch` for their blobs: those that are pointers, or should be, stay. */
MUST_USE enum err lfs_pointers(struct slice out, struct lfs_files *files, struct why *reterr);
/* Of `git check-attr -z --stdin filter` for their paths: those of the filter lfs stay. */
MUST_USE enum err lfs_filtered(struct slice out, struct lfs_files *files, struct why *reterr);
/* Of `git config -z --list` of a .lfsconfig: where the files come from; "" it does not say. */
const char *lfs_config_url(struct slice out, struct arena *arena);
/* The url of the LFS server of a repository fetched from `source`, whose .lfsconfig says `said` ("" nothing); `project` is the kind of
 * the project's own url. */
struct git_login;
MUST_USE enum err lfs_endpoint(const struct git_login *login, enum url_kind project, const char *source,
                               const char *said, char *out, size_t size, struct why *reterr);

/* ---- login.c ---- */

#define LOGIN_TOKEN_BYTES KIB(64)

bool login_is_host(const char *host); /* "name", "name:port", "[::1]:port" */
/* The host of an https url without a login of its own, port included, as it is written there. */
bool login_host_of(const char *url, char *out, size_t size);
/* Is the token for this url? */
bool login_fits(const struct git_login *login, const char *url);

/* Changes to the environment of a git that may ask for it; the token is overwritten at their end. */
struct login_env {
    char askpass[64];
    char host[GIT_HOST_BYTES + 32];
    char user[512];
    struct buf token;
};
void login_env(const struct git_login *login, const char *url, struct login_env *ret);
void login_env_done(struct login_env *e);

/* What was said, each token in it as ***; appended to out. token NULL: as it is. */
void login_mask(const char *token, struct slice said, struct buf *out);
/* Did it fail for want of a name and token that are taken? Then the sentence for that. */
bool login_explains(const struct git_login *login, const char *url, struct slice said, char *out,
                    size_t size);

/* ---- answers.c ---- */

bool answer_is_id(const char *s, size_t n); /* an object's: 40 or 64 hex digits */
/* The next line without its end, which *rest moves past; false: there is none. */
bool answer_line(struct slice *rest, struct slice *ret);
/* "ref: refs/heads/main", as `ls-remote --symref` says it and as a file HEAD holds it: the branch; "" for what is none. */
void answer_head(struct slice out, char *ret, size_t size);
/* Lines "<oid> <ref>" of `git bundle unbundle`: what `cat-file --batch-check` is asked about them. Names from the bundle go no
 * further. questions takes 1 MiB at the most. */
void bundle_questions(struct slice out, struct buf *questions);
/* Its answers: the commits, each once, and the orders for `update-ref --stdin` that give each a ref of its own, which keeps it from
 * being collected. orders takes 2 MiB at the most. */
uint32_t bundle_commits(struct slice out, struct arena *arena, const char ***ret, struct buf *orders);

/* ---- command.c ---- */

bool command_is_test(const char *path); /* a folder means these files below it */
/* command_path_len() for a file of any name: where ":12", ":12:40", "[1:2,1:3]" at its end begins. */
size_t command_any_path_len(const char *path);

/* ---- tree.c ---- */

struct tree_file {
    const char *path;
    const char *blob; /* hex; of its content */
    bool is_executable;
    bool is_link; /* a symbolic one */
};
/* A submodule: a commit of another repository where a folder would be. */
struct tree_link {
    const char *path;
    const char *commit;
};
struct tree {
    struct tree *next; /* in the cache, newest use first */
    struct project_id project;
    char commit[COMMIT_CHARS_MAX + 1];
    struct arena arena;
    struct tree_file *files; /* in the order of bytes */
    const char **paths;      /* the same, bare */
    uint32_t n_files;
    uint32_t n_skipped;      /* names that are not UTF-8 or too long */
    struct tree_link *links; /* in the order of bytes */
    uint32_t n_links;
    bool has_gemfile_lock;
    struct lfs_files lfs; /* of Git LFS */
    bool lfs_is_read;
    /* wrata.yml: read when it is asked for, once. `yml` is to be used when there are no problems. */
    bool yml_is_read;
    bool has_yml;
    struct yml_file yml;
    struct yml_problems yml_problems;
    const char **tests; /* of `paths`, what a folder takes; NULL until somebody asks (plan_tests) */
    uint32_t n_tests;
};

/* Parse `git ls-tree -r -z`. *ret is owned by the caller. */
MUST_USE enum err tree_parse(struct slice out, struct tree **ret, struct why *reterr);
void tree_free(struct tree *t);
/* Index of the first file whose path is not before the n bytes at path. */
uint32_t tree_lower(const struct tree *t, const char *path, size_t n);
/* The file of the n bytes at path; NULL: there is none. */
const struct tree_file *tree_find(const struct tree *t, const char *path, size_t n);
/* The submodule that the n bytes at path are, or are in; NULL: none. */
const struct tree_link *tree_link_of(const struct tree *t, const char *path, size_t n);
/* Take the bytes of wrata.yml (NULL: the tree has none, or what it has is no file that may be read). */
void tree_take_yml(struct tree *t, const struct slice *text);

/* ---- prepare.c ---- */

/* The steps of wrata.yml with their commands and keys. Everything of ret lives in the arena or the tree. */
MUST_USE enum err prepare_make(const struct tree *t, struct arena *arena, struct plan *ret,
                               struct why *reterr);

/* ---- plan.c ---- */

/* Everything of ret lives in the arena or the tree. */
MUST_USE enum err plan_make(const struct tree *t, const char *const *patterns, uint32_t n_patterns,
                            struct arena *arena, struct plan *ret, struct why *reterr);

/* Fill t->tests: what is a test by its name, and what wrata.yml has a command for. After the file was read. A file with
 * problems has no say. ERR_LIMIT: its globs look at too many files. */
MUST_USE enum err plan_tests(struct tree *t, struct why *reterr);

/* ---- refs.c ---- */

struct refs_cache {
    struct arena arena;
    struct git_refs refs;
    bool is_valid;
};

MUST_USE enum err refs_parse(struct slice out, const char *head, struct refs_cache *ret, struct why *reterr);
/* Is it a name that may be given to git at all? */
MUST_USE enum err ref_check(const char *ref, struct why *reterr);
/* The questions for `git cat-file --batch-check`, best first. head: "" when unknown. */
void ref_questions(const char *ref, const char *head, struct buf *out);
/* Its answers: the commit of the first that is one. ERR_NOTFOUND: none. */
MUST_USE enum err ref_answer(struct slice out, const char *ref, char *ret, size_t size, struct why *reterr);

/* ---- projects.c: jobs ---- */

enum job_kind {
    JOB_REFRESH,
    JOB_REMOVE,
    JOB_BUNDLE,
    JOB_PRUNE,
    JOB_SUBS,
    JOB_LFS,
    JOB_REFS,
    JOB_TREE,
    JOB_PLAN,
    JOB_CONFIG,
    JOB_FILE,
    JOB_KIND_COUNT
};

struct mirror {
    struct mirror *next; /* hash chain */
    struct projects *ps;
    struct project_id id;
    char *path;        /* DIR/p<ID>.git */
    char *path_new;    /* while the first fetch runs */
    struct job *queue; /* in the order of asking */
    struct job *running;
    struct refs_cache refs;
    uint64_t generation; /* counts what changed the mirror: an answer from before is not kept */
};

/* The submodules of a commit, parents first; borrowed for the call. */
typedef void subs_done_fn(void *ctx, enum err err, const struct why *why, const struct plan_submodule *all,
                          uint32_t n);

/* The files of Git LFS of a commit and of its submodules are in the mirror. key: of what git makes them LFS by; "" there are none. */
typedef void lfs_done_fn(void *ctx, enum err err, const struct why *why, const char *key, uint32_t n_files,
                         uint64_t bytes);

struct job {
    struct job *next;
    struct mirror *mirror;
    enum job_kind kind;
    unsigned step;
    char *url;
    char *ref;
    char **patterns;     /* of a file its path */
    uint32_t first_line; /* of a file */
    uint32_t n_lines;
    uint32_t n_patterns;
    char *bundle;           /* its file; of a prune the commits that are dropped, as lines */
    struct wall older_than; /* of a prune; `patterns` are what it keeps */
    bool has_refreshed;     /* a plan asked the remote already */
    bool tests_only;        /* of a tree: only what a folder takes */
    bool is_new;            /* a refresh makes the mirror */
    bool is_told;           /* its callback was called */
    bool waits_for_prune;
    bool waits_for_lfs;
    bool fetches_lfs;    /* its child is git-lfs */
    uint64_t generation; /* of the mirror when it asked */
    char head[256];      /* of the remote, by a refresh */
    char commit[COMMIT_CHARS_MAX + 1];
    struct arena arena;
    struct subs *subs;                       /* of JOB_SUBS */
    const struct plan_submodule *submodules; /* of a plan, once they are in the mirror */
    uint32_t n_submodules;
    bool has_submodules;
    struct lfs *lfs;     /* of JOB_LFS */
    const char *lfs_key; /* of a plan, once they are in the mirror */
    uint32_t n_lfs_files;
    uint64_t lfs_bytes;
    bool has_lfs;
    const char *project_url; /* as git is given it */
    const char **commits;    /* of a bundle */
    uint32_t n_commits;
    struct child *child;
    char *input;             /* for the child of this step */
    size_t input_bytes;      /* of it; 0: a text */
    const char *index;       /* the file that git takes for its index; NULL: its own */
    const char *lfs_url;     /* "lfs.url=…" for git-lfs */
    uint64_t file_bytes_max; /* no file that the child of this step writes may be larger; 0: any */
    bool is_remote;          /* this step asks the remote at `url` */
    bool is_foreign;         /* and it is not to be a folder of this computer */
    size_t out_max;          /* most bytes that this step's child may print; 0: GIT_OUT_MAX */
    void *ctx;
    union {
        project_done_fn *done;
        subs_done_fn *on_subs;
        lfs_done_fn *on_lfs;
        void (*on_refs)(void *ctx, enum err err, const struct why *why, const struct git_refs *refs);
        void (*on_plan)(void *ctx, enum err err, const struct why *why, const struct plan *plan);
        void (*on_config)(void *ctx, enum err err, const struct why *why,
                          const struct project_config *config);
        void (*on_tree)(void *ctx, enum err err, const struct why *why, const char *commit,
                        const char *const *files, uint32_t n_files);
        void (*on_bundle)(void *ctx, enum err err, const struct why *why, const char *const *commits,
                          uint32_t n_commits);
        void (*on_file)(void *ctx, enum err err, const struct why *why, struct slice lines);
    };
};

/* The next step of a job: e is how the child of the last one ended, NULL at the first. A step ends with job_git()
 * or job_end(). */
typedef void job_step_fn(struct job *j, const struct child_exit *e);
job_step_fn refresh_step, remove_step, bundle_step, prune_step, subs_step, lfs_step, refs_step, tree_step,
    file_step;

/* Start `git --git-dir=DIR words…` (NULL-ended) with input (taken; NULL: none). Its end is the next step. */
void job_git(struct job *j, const char *git_dir, const char *const *words, TAKES char *input,
             int64_t deadline_ms);
/* The same for a step that asks the remote at j->url: with name and token, if they are for it. */
void job_git_remote(struct job *j, const char *git_dir, const char *const *words, int64_t deadline_ms);
void job_run(struct job *j, const char *const *argv, int64_t deadline_ms); /* any program */
const struct git_login *projects_login(const struct projects *ps);
/* The job is over: its callback, then it is freed. */
void job_end(struct job *j, enum err err, const struct why *why);
/* The same after a child failed: "cannot <what>: <what git said>". `code` unless it took too long. */
void job_end_git(struct job *j, const struct child_exit *e, enum err code, const char *what);
bool job_failed(const struct child_exit *e);
/* Why it failed: what git said, without a token in it. */
void job_said(const struct job *j, const struct child_exit *e, char *out, size_t size);
bool mirror_exists(const struct mirror *m);
void mirror_head(const struct mirror *m, char *out, size_t size); /* its default branch; "" unknown */

struct tree *projects_tree_find(struct projects *ps, struct project_id id,
                                const char *commit); /* NULL: not kept */
void projects_tree_keep(struct projects *ps, TAKES struct tree *t);
void projects_trees_drop(struct projects *ps, struct project_id id);

/* At the end of its mirror's queue. */
struct job *job_new(struct projects *ps, struct project_id id, enum job_kind kind, void *ctx);
void job_unlist(struct job *j);  /* it does not run, and belongs to somebody else */
void job_requeue(struct job *j); /* to the front of the queue; it begins with its step */

/* ---- waits.c ---- */

/* A job's plan needs a ref that the mirror lacks: refresh, then its first step again. */
void job_refresh_first(struct job *j);

/* A plan needs the submodules of its commit: bring them, then its step `step`. */
void job_subs_first(struct job *j, unsigned step);
void subs_free(struct subs *s); /* NULL is fine */
/* The same for its files of Git LFS. */
void job_lfs_first(struct job *j, unsigned step);
void lfs_free(struct lfs *l); /* NULL is fine */
/* A plan is to change what a prune looks at: does one run? Then the job begins again with `step` when that is over. */
bool job_waits_for_prune(struct job *j, unsigned step);
/* The same for a job that is to fetch files of Git LFS, while another one does. */
bool job_waits_for_lfs(struct job *j, unsigned step);
/* The files of a commit that git has listed, kept; NULL: job_end() was called. */
struct tree *tree_take_list(struct job *j, const char *commit, const struct child_exit *e);

#endif
