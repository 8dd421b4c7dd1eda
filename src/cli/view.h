/* view.h - what is known of a launch while it is followed: objects of the API in, news out. No I/O.
 *
 * The same object may come several times and from two sides (the live stream, the lists): only the first is news. */
#ifndef WRATA_CLI_VIEW_H
#define WRATA_CLI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/outcome.h"

struct view_test {
    int64_t id;
    char *path;
    enum outcome outcome;
    bool is_done;
    bool is_told; /* on_finished was called */
    int64_t run;  /* the newest; 0 none */
};

struct view;

struct view_hooks {
    /* A test is over and everything about its last run is known; run is NULL when there was none. Once a test, unless
     * on_again comes in between. */
    void (*on_finished)(void *ctx, const struct view_test *t, const json_t *run);
    /* What was told as over counts no more: its server was sick, and it has run again. May be NULL. */
    void (*on_again)(void *ctx, const struct view_test *t);
    /* A run was lost with its machine; its test may run again. */
    void (*on_lost)(void *ctx, const json_t *run);
    /* An object that says something new; kind: "launch", "test", "run", "example". May be NULL. */
    void (*on_news)(void *ctx, const char *kind, const json_t *object);
    void *ctx;
};

struct view *view_new(const struct view_hooks *hooks);
void view_free(struct view *v);

/* Take one object in; it is borrowed. Unknown kinds are passed over. */
void view_apply(struct view *v, const char *kind, const json_t *object);

const json_t *view_launch(const struct view *v); /* NULL before the first */
bool view_is_done(const struct view *v);         /* the launch is over */
bool view_is_complete(const struct view *v);     /* and each of its tests was told */
enum outcome view_outcome(const struct view *v); /* of the launch; NONE before its end */

/* Tests that are over, in the launch's order; the array is the caller's to free, its items are not. */
const struct view_test **view_tests(const struct view *v, size_t *ret_n);
/* How many runs are being prepared, and one of them (NULL: none). */
int64_t view_preparing(const struct view *v, const json_t **ret);
const json_t *view_run(const struct view *v, int64_t run); /* NULL: not known */
/* Failed examples and errors of a run, in their order; the array is the caller's, its items are borrowed. */
const json_t **view_failures(const struct view *v, int64_t run, size_t *ret_n);

#endif
