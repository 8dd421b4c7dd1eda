/* project.h - mirrors of git repositories on the controller: refs, trees, and what a launch will run.
 *
 * git itself does the work, as child processes with argument vectors; nothing blocks the loop. Each project has
 * one bare mirror DIR/p<ID>.git. What changes a mirror is done one after another; refs, trees and plans are read
 * beside it, as they are at that moment (who wants the news waits for the refresh's `done`). Each step has a deadline.
 * Loop thread. Callbacks come later, never from inside the call. */
#ifndef WRATA_PROJECT_PROJECT_H
#define WRATA_PROJECT_PROJECT_H

#include "base/err.h"
#include "base/glob.h"
#include "model/rows.h"
#include "project/wrata_yml.h"

struct uv_loop_s;
struct projects;

/* dir: where the mirrors live; made when absent. Owned by the caller. */
MUST_USE enum err projects_new(struct uv_loop_s *loop, const char *dir, struct projects **ret,
                               struct why *reterr);
/* Name and token for https at one host, and the host that "owner/name" means. */
#define GIT_HOST_DEFAULT "github.com"
#define GIT_USER_DEFAULT "x-access-token" /* GitHub and others look at the token alone then */
#define GIT_HOST_BYTES 256
struct git_login {
    const char *host;  /* "github.com", "git.example.org:8443" */
    const char *user;  /* never NULL */
    const char *token; /* NULL: none */
};
/* From now on. All borrowed, until the next call or projects_free(). ERR_INVALID: no host (then nothing changes). */
MUST_USE enum err projects_set_login(struct projects *ps, const struct git_login *login, struct why *reterr);

/* The host that "owner/name" means; borrowed until the next projects_set_login(). */
const char *projects_git_host(const struct projects *ps);

/* Kill its children; callbacks owed get ERR_BUSY. Whoever asks later gets that answer from projects_free(). */
void projects_halt(struct projects *ps);
void projects_free(struct projects *ps); /* halts it first; NULL is fine */

typedef void project_done_fn(void *ctx, enum err err, const struct why *why);

/* Fetch all branches and tags from url, making the mirror when there is none. A failure leaves what was there. */
void projects_refresh(struct projects *ps, struct project_id id, const char *url, project_done_fn *done,
                      void *ctx);

/* Remove the mirror from disk. */
void projects_remove(struct projects *ps, struct project_id id);

struct git_ref {
    const char *name;    /* "develop", without refs/heads/ */
    const char *commit;  /* 40 hex; of the commit, tags are peeled */
    int64_t time_s;      /* of that commit */
    const char *subject; /* the first line of its message, cut to 200 bytes */
};
struct git_refs {
    const struct git_ref *branches; /* develop, master, main first, then newest first */
    uint32_t n_branches;
    const struct git_ref *tags; /* newest first */
    uint32_t n_tags;
    const char *head; /* name of the default branch; "" unknown */
};
void projects_refs(struct projects *ps, struct project_id id,
                   void (*done)(void *ctx, enum err err, const struct why *why, const struct git_refs *refs),
                   void *ctx);

/* Everything that a launch needs to know of the code. Borrowed for the call of `done`. */
struct plan_file {
    const char *path; /* as shown: "spec/a_spec.rb", "spec/a_spec.rb:12", "spec/a_spec.rb[1:2]" */
    enum adapter_kind adapter;
    const char *const *argv;
    uint32_t n_argv;
    const char *const *reports; /* n_reports globs of report files */
    uint32_t n_reports;
    const struct yml_command *command; /* of wrata.yml, with its limits; NULL: the built-in rule */
};
/* A step of `prepare`. */
struct plan_step {
    const char *name; /* for people; never empty */
    const char *const *argv;
    uint32_t n_argv;
    int64_t time_limit_ms; /* its own, or the file's; -1: none is given */
    const char *key; /* 64 hex: its command, the content of its key files, and the key of the step before */
};
/* A commit of another repository, which the mirror has as well, and its place. */
struct plan_submodule {
    const char *path;
    const char *commit;
    const char *url; /* "" not known */
};
struct plan {
    const char *commit;
    const struct yml_file *yml; /* never NULL; without a wrata.yml nothing in it is given */
    bool has_yml;
    const struct plan_step *prepare;
    uint32_t n_prepare;
    const struct plan_file
        *files; /* in the order of the patterns, each pattern's matches sorted; no path twice
                                      unless it was named twice */
    uint32_t n_files;
    const struct plan_submodule *submodules; /* parents before what is inside of them */
    uint32_t n_submodules;
    const char *
        lfs_key; /* "" no file of it is in Git LFS; else another one when git may take other files for such */
    uint32_t n_lfs_files;
    uint64_t lfs_bytes;
};
/* What is kept after each run, beside what wrata.yml says: globs of the launch's own, and how much at the most. */
struct plan_keep {
    const char *const *globs;
    uint32_t n_globs;
    uint64_t file_bytes; /* of one file */
    uint64_t run_bytes;  /* of a run */
    uint32_t files;      /* of a run */
};
/* What the plan asks of a machine, as lines for the launch's row (wire/agent_setup.h), in the arena; NULL: nothing. */
struct arena;
const char *const *plan_setup(const struct plan *plan, const struct plan_keep *keep, struct arena *arena,
                              uint32_t *retn);
/* Resolve ref ("" = default branch; branch, tag or commit, also an abbreviated one) and choose files of its tree by
 * patterns: a path, a folder ("spec/": everything runnable below it), or a glob with * ? [..] and **. Errors name the pattern:
 * no such path, a glob without a match, a file that is not runnable, more than LAUNCH_TESTS_MAX; or wrata.yml and a line of it. When the
 * ref is not known in the mirror it is refreshed once from url. Submodules and files of Git LFS that the mirror lacks are fetched; one that
 * cannot be is an error with its path. */
void projects_plan(struct projects *ps, struct project_id id, const char *url, const char *ref,
                   const char *const *patterns, uint32_t n_patterns,
                   void (*done)(void *ctx, enum err err, const struct why *why, const struct plan *plan),
                   void *ctx);

/* The wrata.yml at ref. Borrowed for the call of `done`. */
struct project_config {
    const char *commit;
    bool has_file;
    const struct yml_file *yml; /* NULL: there are problems */
    const struct yml_problems *problems;
};
void projects_config(struct projects *ps, struct project_id id, const char *ref,
                     void (*done)(void *ctx, enum err err, const struct why *why,
                                  const struct project_config *config),
                     void *ctx);

/* All files of the tree at ref; tests_only: what a folder takes, which are tests by their name and files that wrata.yml has a
 * command for. */
void projects_tree(struct projects *ps, struct project_id id, const char *ref, bool tests_only,
                   void (*done)(void *ctx, enum err err, const struct why *why, const char *commit,
                                const char *const *files, uint32_t n_files),
                   void *ctx);

/* Lines first_line.. (from 1), at most n_lines, of the file at the commit; they are borrowed for the call. Text alone: a line that
 * is no UTF-8 ends them, and so do 64 KiB. ERR_NOTFOUND: no such file or commit, or no mirror yet. */
void projects_file(struct projects *ps, struct project_id id, const char *commit, const char *path,
                   uint32_t first_line, uint32_t n_lines,
                   void (*done)(void *ctx, enum err err, const struct why *why, struct slice lines),
                   void *ctx);

/* Take the commits of a git bundle file into the mirror (under refs/wrata/); the file stays the caller's. */
void projects_bundle(struct projects *ps, struct project_id id, const char *bundle_path,
                     void (*done)(void *ctx, enum err err, const struct why *why, const char *const *commits,
                                  uint32_t n_commits),
                     void *ctx);

/* Drop the commits that were brought by bundles, or launched, before `older_than`, but for those in `keep`, and give their space back. */
void projects_prune(struct projects *ps, struct project_id id, struct wall older_than,
                    const char *const *keep, uint32_t n_keep, project_done_fn *done, void *ctx);

/* Path of the bare mirror, for git upload-pack. Into out (size bytes). */
void projects_mirror_path(const struct projects *ps, struct project_id id, char *out, size_t size);

/* ---- pure parts ---- */

/* How a file is run (PRODUCT 3.3). Writes up to 8 borrowed words, static or `path` itself or in arena.
 * returns ERR_INVALID with reterr when the file is not runnable. */
struct arena;
MUST_USE enum err command_for(const char *path, bool is_executable, bool has_gemfile_lock,
                              struct arena *arena, struct plan_file *ret, struct why *reterr);

/* What git is given for a url: itself, or that of git_host for "owner/name". ERR_INVALID with reterr for what is none (a
 * relative path, `ext::…`, a blank in it). projects_refresh() and projects_plan() do this by themselves. */
MUST_USE enum err project_url(const char *url, const char *git_host, char *out, size_t size,
                              struct why *reterr);

/* Which files somebody looks for: every word (blanks separate them) stands somewhere in the path, in any order and whatever the
 * case, and the glob ("" none) matches. *ret lives in the arena. ERR_INVALID: more than 16 words. */
struct file_filter;
MUST_USE enum err file_filter_new(struct arena *arena, const char *words, const char *glob,
                                  struct file_filter **ret, struct why *reterr);
bool file_filter_match(const struct file_filter *f, const char *path);

/* Bytes of the file's name in "spec/a_spec.rb:12" or "spec/a_spec.rb[1:2]"; the whole length without such an end. Pure. */
size_t command_path_len(const char *path);

#endif
