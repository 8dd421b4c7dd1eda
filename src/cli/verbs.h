/* verbs.h - commands of the form `wrata THINGS VERB …`: which verb, what a list prints, what a change says. */
#ifndef WRATA_CLI_VERBS_H
#define WRATA_CLI_VERBS_H

#include "cli/cli_private.h"

struct verb {
    const char *name;
    int args_min; /* after the verb */
    int args_max; /* -1: any number */
    int (*run)(struct cli *cli);
};

/* Run what the first argument names, without one the first of the table: "list". The table ends with a NULL name. */
int verbs_run(struct cli *cli, const struct verb *verbs);

/* All items of the list at `path`, an array for json_decref(). NULL: what went wrong has been said, *retcode is to be
 * returned. */
OWNED json_t *list_all(struct cli *cli, const char *path, int *retcode);
void list_heads(struct table *t, const char *const *heads, size_t n);
/* What `wrata THINGS` prints: a row for each item of the list at `path`; with --json what the server answered. */
struct list_view {
    const char *path;
    const char *const *heads;
    size_t n_heads;
    void (*row)(struct table *t, const json_t *item);
    const char *empty; /* said instead of a table without rows; NULL: the heads alone */
    bool is_array;     /* the server answers an array, not pages */
    size_t max;        /* so many of the first ones; 0 all */
};
int list_show(struct cli *cli, const struct list_view *v);
/* Print the table, and free it. */
void list_print(const struct cli *cli, struct table *t);
/* "2026-11-23 02:49" (UTC) of the time at `key`, `none` when it is null. */
void list_time(struct table *t, const json_t *o, const char *key, const char *none);

/* What is known of a user, a line each (cmd_user.c). */
void user_show_lines(const json_t *u);

/* Print a document as one line of JSON. */
void print_json(const json_t *doc);
/* The same of what a list answered, all its pages, as one page. */
void print_json_page(json_t *items);

/* "WHAT          VALUE" in columns, nothing when the value is empty. */
void say_line(const char *what, const char *value);

/* Send a change; print "NAME DONE", or with --json what the server answered. */
int send_change(struct cli *cli, const char *method, const char *path, const char *body, const char *done,
                const char *name);
/* "TEXT\n" to standard output, control characters escaped. */
void say_out(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
