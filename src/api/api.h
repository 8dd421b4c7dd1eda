/* api.h - HTTP: routes as a table, a file per resource; live/ = subscriptions.
 *
 * A GET reads the store on a reader thread and never enters the engine. A command becomes an event with a ticket;
 * its reply comes back through api_reply() after the commit. Loop thread. */
#ifndef WRATA_API_API_H
#define WRATA_API_API_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "engine/event.h"
#include "engine/outbox.h"
#include "model/account.h"
#include "model/job.h"
#include "store/store.h"

struct uv_loop_s;
struct api;
struct arena;
struct artifact_gone;
struct history_delete;
struct forwarded;
struct store;
struct projects;
struct tls;
struct forwarded;

/* What a launch has that does not say itself. */
struct api_launch_defaults {
    int64_t retries;
    int64_t time_limit_s;
    int64_t silence_limit_s;
    int64_t lease_s;
    int64_t slots; /* of its project on one server; 0: as many as it has */
};

/* How much of what a run leaves is kept. */
struct api_keep {
    uint64_t file_bytes;
    uint64_t run_bytes;
    uint32_t files;
};

/* A letter to somebody about the own account; borrowed for the call. */
struct api_mail {
    const char *to;   /* an address that keeps to email_check() */
    const char *kind; /* of its template: "reset" */
    const char *login;
    const char *url;        /* may be a link that can be used once, so: in no log */
    struct wall expires_at; /* of that link; 0: it is none */
};

/* What was asked for is in the queue (n: the mail's id, or how many wait), or is not. */
typedef void api_mails_fn(void *arg, uint64_t n, enum err err, const struct why *why);

/* A launch was started (err ERR_OK), or was not. */
typedef void api_started_fn(void *ctx, enum err err, const struct why *why, uint64_t launch);

struct api_account_settings {
    bool sign_up;       /* anybody may make an account, to be let in by an admin */
    int64_t audit_days; /* rows of the audit log that are older go */
    struct accounts_opts rules;
};

/* Who may have /metrics, in the order of the setting's words. */
enum api_metrics_for { METRICS_FOR_TOKENS, METRICS_FOR_THIS_MACHINE, METRICS_FOR_ALL, METRICS_FOR_NOBODY };

/* What the store knows of /metrics. */
struct api_metrics {
    struct queue_counts queues;
    int64_t today_nanousd;
    int64_t hour_microusd;
    uint32_t n_machines; /* that are paid for */
};

/* How long and how much of each kind is kept, and the disk under it. */
enum api_kept { API_KEPT_LOGS, API_KEPT_ARTIFACTS, API_KEPT_EXAMPLES, API_KEPT_HISTORY, API_KEPT_COUNT };
struct api_disk {
    uint64_t free_bytes;
    uint64_t total_bytes;
    uint64_t missing_bytes; /* to be no longer low */
    bool is_low;
    bool is_full;  /* nothing new begins */
    char why[400]; /* "" fine */
};
struct api_retention {
    struct {
        int64_t days;      /* 0: for ever */
        int64_t max_bytes; /* 0: no limit */
    } kinds[API_KEPT_COUNT];
    struct api_disk disk;
};

struct api_opts {
    struct uv_loop_s *loop;
    struct store *store;
    struct projects *projects;
    const char *listen;               /* "127.0.0.1:3000", "[::1]:3000", port 0 = any free one */
    struct tls *tls;                  /* borrowed: until api_close(); NULL: plain HTTP */
    unsigned connections_per_address; /* 0: as net/httpd.h says */
    const char *version;              /* "0.1.0" */
    const char *data_dir;             /* uploads go to DATA/tmp */
    /* The Host of requests that a proxy in front passes on ("ci.example.org"); NULL: none. Kept, not copied.
     * On a loopback address only this and the names of the machine itself are answered. */
    const char *public_host;
    /* Whose X-Forwarded-For and -Proto are believed; borrowed until api_close(); NULL: nobody's. */
    const struct forwarded *trusted;
    unsigned connections_max; /* 0: as net/httpd.h says */
    unsigned idle_timeout_s;  /* the same */
    struct api_launch_defaults launches;
    struct api_keep keep;
    bool accounts_off;                    /* everybody is the operator */
    struct api_account_settings accounts; /* its texts are borrowed for api_open() */
    struct wall started_at;
    /* The store has failed for good: memory is ahead of disk. Does not come back. */
    void (*broken)(void *ctx, const struct why *why);
    /* Hand an event to the engine; it is borrowed for the call. */
    void (*post)(void *ctx, const struct event *ev);
    /* Numbers of the engine, for /status and /metrics. */
    void (*stats)(void *ctx, struct wall *ret_now, uint32_t counts[8]);
    /* The page of /metrics, into `out` (initialised); NULL: there is none. Who may have it. */
    void (*metrics)(void *ctx, const struct api_metrics *read, struct buf *out);
    enum api_metrics_for (*metrics_for)(void *ctx);
    /* Why a test waits or has not begun: engine_why(). */
    void (*why)(void *ctx, struct test_id test, char *out, uint32_t size);
    /* Hand over a letter: returns at once, it is sent later. NULL: no mail is configured. */
    void (*mail)(void *ctx, const struct api_mail *m);
    /* For admins: queue a test mail ("": to the first of admin_emails); an error means that `done` is not called. Try
     * everything again. `done` comes later, once. */
    enum err (*mail_test)(void *ctx, const char *to, api_mails_fn *done, void *arg, struct why *reterr);
    void (*mail_retry)(void *ctx, api_mails_fn *done, void *arg);
    /* Seal a secret variable of a user with the master key: appends its text to `out` (initialised). `context` is where
     * it will lie: "user_env 7 NAME" (config/seal.h). NULL: secrets are refused. */
    enum err (*seal)(void *ctx, const char *context, const char *value, struct buf *out, struct why *reterr);
    /* Hooks: one was changed, or has something to send; may it have this url; one (0: some) was deleted or disabled; `done` once a
     * delivery of the hook was tried, or will not be. */
    void (*hooks_changed)(void *ctx);
    enum err (*hook_url_check)(void *ctx, const char *url, struct why *reterr);
    void (*hook_gone)(void *ctx, uint64_t hook);
    void (*hook_wait)(void *ctx, uint64_t hook, uint64_t delivery, void (*done)(void *arg), void *arg);
    int hooks_for; /* 0 users, 1 admins, 2 nobody */
    /* Are these options of a fleet of that kind? ERR_INVALID names the member. */
    enum err (*fleet_check)(void *ctx, const char *kind, const char *json, size_t len, struct why *reterr);
    /* What can be had of a fleet, as JSON into `out` (initialised). False: it makes no machines. */
    bool (*fleet_catalog)(void *ctx, struct fleet_id id, struct buf *out);
    /* Schedules were changed: when the next one is due may be another time. */
    void (*schedules_changed)(void *ctx);
    /* An artifact's row was deleted: what follows for its bytes. Borrowed for the call. */
    void (*artifact_gone)(void *ctx, const struct artifact_gone *gone);
    /* Something of the history was deleted, or is to be: files may be to go; `job` (0 none) was made, or canceled. */
    void (*history_gone)(void *ctx, uint64_t job);
    void (*retention)(void *ctx, struct api_retention *ret);
    void (*prune)(void *ctx); /* a round of retention, at once */
    void *ctx;
};

/* Indexes of counts[]. */
enum {
    API_SERVERS,
    API_SERVERS_ONLINE,
    API_SLOTS,
    API_SLOTS_BUSY,
    API_LAUNCHES,
    API_TESTS_WAITING,
    API_RUNS_ACTIVE,
    API_COUNTS
};

MUST_USE enum err api_open(const struct api_opts *opts, struct api **ret, struct why *reterr);
/* The store is closed: what ends from now on is written nowhere. Before api_close(). */
void api_store_is_closed(struct api *a);
void api_close(struct api *a);            /* ends streams, then listening; NULL is fine */
uint16_t api_port(const struct api *a);   /* where it listens really */
const char *api_url(const struct api *a); /* "http://127.0.0.1:3000" */
unsigned api_watchers(struct api *a);     /* clients that are connected: pages, command lines */
void api_stopping(struct api *a);         /* from now on /healthz says no: nobody shall come anew */

/* What the command line on this host shows to be believed: written to serve.json, mode 0600. */
const char *api_host_token(const struct api *a);
/* The secret of the address that makes the first admin; NULL: there is one. */
const char *api_first_admin_secret(const struct api *a);
const struct accounts *api_accounts(const struct api *a);
void api_set_accounts(struct api *a, const struct api_account_settings *set); /* reloaded */

/* Start a list for a user as POST /lists/{list}/launch does, because of a schedule. `done` comes once, never from inside
 * the call; when the server ends at the latest. ERR_DENIED: the user may not (any more); ERR_NOTFOUND: the list is gone,
 * or not shared any more. */
void api_start_list(struct api *a, struct user_id user, uint64_t list, const struct launch_schedule *cause,
                    api_started_fn *done, void *ctx);

/* For launches that are started from now on. */
void api_set_launch_defaults(struct api *a, const struct api_launch_defaults *defaults);
void api_set_keep(struct api *a, const struct api_keep *keep);

/* Who may make hooks from now on (api_opts.hooks_for). */
void api_set_hooks(struct api *a, int hooks_for);

/* Mail can be sent from now on, or (NULL) cannot. */
void api_set_mail(struct api *a, void (*mail)(void *ctx, const struct api_mail *m));

/* After the commit: answer the request that waits with this ticket; one that died is passed over. */
void api_reply(struct api *a, const struct reply *r);

/* How a server's machine is; copied. NULL: it is gone. */
struct server_health;
void api_health(struct api *a, struct server_id id, const struct server_health *h);

/* A row of the audit log about what the server did by itself: "server.sick", "server qa-1", why. */
void api_audit(struct api *a, const char *action, const char *object, const char *detail);

/* For live watchers; called only with what is committed. Rows are borrowed for the call. */
void api_note(struct api *a, const struct note *n);
void api_examples(struct api *a, struct launch_id launch, const struct example_row *rows, uint32_t n,
                  const struct tally *tally);
void api_log(struct api *a, struct run_id run, uint64_t from, const char *bytes, uint32_t len);
void api_log_end(struct api *a, struct run_id run);
/* A job moved, or ended. What has gone of the history. */
void api_job(struct api *a, const struct job_row *row);
void api_history_gone(struct api *a, const struct history_delete *d);
/* What a job is about. Any thread; lists are in the arena. ERR_INVALID: it does not say. */
struct job_what {
    uint64_t *runs; /* of a JOB_DELETE, or */
    uint32_t n_runs;
    struct launch_id launch;
    /* of a JOB_CLEAR */
    struct run_filter filter;
    bool is_all; /* launches without runs as well */
};
MUST_USE enum err api_job_what(const struct job_row *job, struct arena *arena, struct job_what *ret,
                               struct why *reterr);
/* What is kept of a run is another set of files now. */
void api_artifacts(struct api *a, struct launch_id launch, struct run_id run);

/* The OpenAPI document of the route table, as JSON; also `wrata openapi`. */
void api_openapi(struct buf *out);

#endif
