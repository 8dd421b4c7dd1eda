/* strips.h - what the examples of one file came to, run after run: for what is flaky, and what a comparison calls new.
 *
 * A file is the path of a test without a line or an example behind it: runs of "spec/a_spec.rb:12" are runs of
 * "spec/a_spec.rb". An example is its names; each language, browser and location has a strip of its own. */
#ifndef WRATA_STORE_STRIPS_H
#define WRATA_STORE_STRIPS_H

#include "store/store_private.h"

#define STRIP_RUNS_MAX STABILITY_RUNS_MAX
#define FILE_RUNS_MAX 500u /* of a path that are looked at, the newest ones */

struct strip_commit;

struct strip {
    UT_hash_handle hh;
    struct strip_key {
        uint64_t name;   /* example_name(); 0: the file itself */
        uint64_t params; /* of language, browser, location */
    } key;
    struct stability_row row; /* without its path */
    struct stability_point points[STRIP_RUNS_MAX];
    struct strip_commit *commits; /* where it failed or passed, within the window */
    struct strip *next;           /* in the order of their first appearance */
};

struct strips {
    struct arena arena;
    struct strip *by_key;
    struct strip *first;
    struct strip **last;
    uint64_t n_rows; /* that were read */
    bool has_examples;
};

struct strips_opts {
    struct project_id project;
    const char *ref;   /* NULL any */
    struct wall since; /* for what is flaky */
    uint32_t n_runs;   /* of a strip, 1..STRIP_RUNS_MAX */
    bool only_bad;     /* a file of which nothing failed may be left empty */
};

/* Of one file. strips_done() at the end, whatever it returned. */
MUST_USE enum err strips_read(struct reader *r, const struct strips_opts *opts, const char *file,
                              struct strips *ret, struct why *reterr);
void strips_done(struct strips *s);
/* NULL: there is none. */
const struct strip *strips_find(const struct strips *s, uint64_t name, const char *language,
                                const char *browser, const char *location);

/* An example by its names, within its file. Never 0. */
uint64_t example_name(const char *file, struct slice description);
/* The file of a path: how many bytes of it. "spec/a_spec.rb:12", "a.rb[1:2]", "t.py::x" -> "spec/a_spec.rb", "a.rb", "t.py". */
size_t file_of_path(const char *path);
/* The paths of a file that there are: itself first, then those with something behind it; at most `max`. */
uint32_t paths_of_file(struct reader *r, uint64_t project, const char *file, uint64_t *ids, uint32_t max);

#endif
