/* options.h - tables of commands and options: what is parsed, what help says, what the manual holds.
 *
 * A row of an option says where its value goes in struct cli_opts; nothing else knows how it is written. */
#ifndef WRATA_CLI_OPTIONS_H
#define WRATA_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

/* Options of a command and of all together; `wrata serve` has one for each setting. commands.c checks it of each command. */
#define OPTION_ROWS_MAX 160

struct text_list {
    const char **items; /* borrowed texts */
    size_t n;
};

/* All values of all commands; "not given" is false, NULL or, for a number without a default, -1. */
struct cli_opts {
    bool dry_run;
    /* of a log */
    const char *grep, *regex, *lines;
    bool ignore_case, times, raw;
    int64_t tail;
    bool help, json, markdown, follow, no_follow, force, all, fresh;
    bool password_stdin, yes, admin, unverified, refused;
    const char *url, *data, *color;
    const char *project, *dir, *ref, *servers, *order, *name, *junit;
    const char *artifacts_dir, *download, *zip, *with;
    bool examples;
    struct text_list artifacts;
    const char *fleet, *address, *user, *identity;
    /* of servers and fleets */
    bool wait, booked_only;
    const char *size, *kind, *idle, *day_usd, *usd_per_hour, *machine;
    struct text_list options;
    int64_t machines_max;
    const char *config;
    const char *settings[N_SETTINGS]; /* flags of `wrata serve`, not yet looked at */
    const char *ca;
    const char *cloud_url, *instance;
    const char *login, *email, *scope, *action, *object, *export_as;
    /* of locations, browsers, languages */
    bool preset, archive, restore;
    const char *rename, *type, *target, *health_url;
    const char *git; /* of a project */
    int64_t refresh_ms;
    int64_t position;
    /* lists and schedules */
    bool files, replace, share, unshare;
    const char *list, *list_location, *list_order, *once, *daily, *weekly, *cron, *sched_at, *zone, *until,
        *overlap;
    int64_t book;
    bool no_book;
    const char *from_time, *to_time;
    const char *by; /* of costs */
    /* of the history; of what is run again */
    const char *server, *launch, *outcome, *state, *file, *words, *run_language, *run_browser, *since,
        *output, *format;
    bool failed_examples;
    bool csv;
    struct text_list list_languages, list_browsers;
    int64_t every_ms, give_up_h, count;
    /* mail: of a launch, of an account */
    const char *mail, *mail_launches, *mail_schedule_launches, *mail_schedule_failed, *mail_schedule_missed,
        *mail_schedule_disabled;
    int64_t mail_launch_min_ms;
    /* of a launch's tests in the queue */
    const char *location, *at, *before;
    bool front, end;
    struct text_list languages, browsers;
    struct text_list env;
    /* hooks */
    const char *receiver, *repository;
    struct text_list kinds;
    bool everybody, github, new_secret;
    int64_t if_version;
    int64_t slots, per_server, retries, port, from, limit, private_fd, days;
    int64_t timeout_ms, silence_ms, since_ms;
};

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_CHOICE,   /* const char *; the argument's name lists the choices: "auto|always|never" */
    OPTION_LIST,     /* struct text_list; may be repeated */
    OPTION_NUMBER,   /* int64_t, min..max */
    OPTION_DURATION, /* int64_t of milliseconds, written 90s, 10m, 1h30m */
    OPTION_SETTING,  /* const char *; a row of config/settings.def, which knows its default and what fits */
    OPTION_SWITCH,   /* the same without an argument: "true" */
};

struct option_row {
    const char *name;
    char letter;     /* 0: none */
    const char *arg; /* how help names the argument; NULL for a flag */
    enum option_kind kind;
    size_t offset;     /* in struct cli_opts */
    const char *value; /* the default, written as on the command line; NULL: none */
    int64_t min, max;  /* of a number */
    const char *env;   /* a variable that replaces the default; NULL: none */
    const char *help;  /* NULL: not for people */
};

struct cli;

enum command_needs {
    NEEDS_NOTHING,
    NEEDS_SERVER, /* one that is running */
    NEEDS_START,  /* the same, or a private one is started */
};

struct command {
    const char *name;
    const char *const *synopsis; /* n_synopsis lines, without "wrata NAME" */
    size_t n_synopsis;
    const char *summary; /* one line */
    const char *text;    /* paragraphs, separated by a blank line; an indented line stays as it is */
    const struct option_row *options;
    size_t n_options;
    int args_min, args_max; /* -1: any number */
    enum command_needs needs;
    bool is_hidden;
    int (*run)(struct cli *cli);
};

extern const struct command commands[];
extern const size_t n_commands;
extern const struct option_row global_options[];
extern const size_t n_global_options;

const struct command *command_find(const char *name); /* NULL: none */

/* Fill with every default of the rows, also from the environment. */
MUST_USE enum err options_defaults(struct cli_opts *o, const struct option_row *rows, size_t n,
                                   struct why *reterr);

/* Parse options (of `cmd`, or only global ones when it is NULL, then up to the first word that is none).
 * argv[0] is passed over. On success *ret_first is the index of the first argument; argv is permuted as getopt does.
 * `o` keeps pointers into argv. */
MUST_USE enum err options_parse(struct cli_opts *o, const struct command *cmd, int argc, char **argv,
                                int *ret_first, struct why *reterr);
void options_done(struct cli_opts *o);

/* "90s", "10m", "1h30m", "500ms", "2d": milliseconds. ERR_INVALID says what would be right. */
MUST_USE enum err duration_parse(const char *text, int64_t *ret_ms, struct why *reterr);

/* Help: for a terminal, as the manual page, as docs/cli.md. cmd NULL: the overview. */
void help_text(struct buf *out, const struct command *cmd);
void help_man(struct buf *out);
void help_markdown(struct buf *out);

#endif
