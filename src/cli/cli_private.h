/* cli_private.h - what the commands share: the context of one invocation and the ways to ask the server. */
#ifndef WRATA_CLI_CLI_PRIVATE_H
#define WRATA_CLI_CLI_PRIVATE_H

#include <jansson.h>
#include <signal.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/term.h"
#include "net/client.h"

#define EXIT_PASSED 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_INFRA 3

#define API "/api/v1"

struct discovery;

struct cli {
    struct cli_opts o;
    const struct command *cmd;
    char **args; /* n_args words after the options */
    int n_args;
    const char *data; /* absolute */
    struct client *client;
    bool in_session; /* client shows a session that ends with the command (caller.h) */
    struct discovery *discovery;
    struct term out; /* standard output */
    serve_fn *serve;
    look_fn *look;
};

/* ---- commands, one file each ---- */

int cmd_run(struct cli *cli);
int cmd_retest(struct cli *cli);
int cmd_history(struct cli *cli);
int cmd_log(struct cli *cli);
int cmd_artifacts(struct cli *cli);
int cmd_parameters(struct cli *cli);
int cmd_causes(struct cli *cli);
int cmd_compare(struct cli *cli);
int cmd_flaky(struct cli *cli);
int cmd_slowest(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_launches(struct cli *cli);
int cmd_show(struct cli *cli);
int cmd_stop(struct cli *cli);
int cmd_servers(struct cli *cli);
int cmd_projects(struct cli *cli);
int cmd_project(struct cli *cli);
int say_project_config(struct cli *cli); /* `wrata projects config NAME` */
int cmd_mail(struct cli *cli);
int cmd_lists(struct cli *cli);
int cmd_schedules(struct cli *cli);
int cmd_queue(struct cli *cli);
int cmd_choices(struct cli *cli);
int cmd_fleets(struct cli *cli);
int cmd_openapi(struct cli *cli);
int cmd_login(struct cli *cli);
int cmd_logout(struct cli *cli);
int cmd_whoami(struct cli *cli);
int cmd_account(struct cli *cli);
int cmd_password(struct cli *cli);
int cmd_sessions(struct cli *cli);
int cmd_user(struct cli *cli);
int cmd_token(struct cli *cli);
int cmd_env(struct cli *cli);
int cmd_audit(struct cli *cli);
int cmd_cost(struct cli *cli);
int cmd_hooks(struct cli *cli);
int cmd_serve(struct cli *cli);
int cmd_config(struct cli *cli);
int cmd_credentials(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_reap(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_man(struct cli *cli);
int cmd_version(struct cli *cli);

/* ---- saying it (cli.c) ---- */

/* "wrata: TEXT" on standard error, control characters escaped. returns code, so that it can be the exit. */
int cli_fail(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
int cli_fail_why(const struct why *why);               /* the exit code of why->code */
void cli_note(const char *fmt, ...) PRINTF_LIKE(1, 2); /* the same without being a failure */

/* ---- signals (interrupt.c) ---- */

/* 1 when SIGINT or SIGTERM came; when they came again. */
extern volatile sig_atomic_t interrupts;
extern volatile sig_atomic_t interrupts_twice;
void interrupts_watch(void); /* from now on they are counted instead of ending the program */
int interrupts_fd(void);     /* readable when one came, or the window changed its size; -1 before */
void interrupts_drain(void);

/* ---- asking the server (ask.c) ---- */

/* GET, POST, DELETE of a JSON document. *ret may be NULL when it is of no interest. */
MUST_USE enum err ask(struct cli *cli, const char *method, const char *path, const char *body, json_t **ret,
                      struct why *reterr);
/* GET of all pages: calls on_item for each item of "items"; it returns false to stop. */
MUST_USE enum err ask_all(struct cli *cli, const char *path, bool (*on_item)(void *ctx, const json_t *item),
                          void *ctx, struct why *reterr);
/* An on_item: a copy of it, to the json array `ctx`. */
bool ask_collect(void *ctx, const json_t *item);
/* Print the answer of GET path as it came, and a newline. */
int ask_raw(struct cli *cli, const char *path);
/* Id of the project or server called `name` in the list at path; ERR_NOTFOUND suggests a similar name. */
/* "LIST/ID" + tail of what the first argument behind the verb calls: a name, or #ID. `what` is its word. */
MUST_USE enum err ask_path(struct cli *cli, const char *list, const char *what, const char *tail, char *out,
                           size_t size, struct why *reterr);
MUST_USE enum err ask_id_by_name(struct cli *cli, const char *path, const char *what, const char *name,
                                 int64_t *ret, struct why *reterr);
/* The same of a user who is not deleted, whatever the case of the login. */
MUST_USE enum err ask_user_id(struct cli *cli, const char *login, int64_t *ret, struct why *reterr);
/* Of any user: the operator, and by "#12" who is deleted. */
MUST_USE enum err ask_any_user_id(struct cli *cli, const char *text, int64_t *ret, struct why *reterr);
/* "12", "#12" or "run:12" without its prefix: a positive number. */
MUST_USE enum err parse_id(const char *what, const char *text, int64_t *ret, struct why *reterr);

/* Fields of a JSON object, with a harmless value when absent. */
const char *js_text(const json_t *o, const char *key);
int64_t js_int(const json_t *o, const char *key);
const json_t *js_obj(const json_t *o, const char *key);
int64_t js_time_ms(const json_t *o, const char *key); /* since 1970; 0: null */

#endif
