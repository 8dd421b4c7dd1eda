/* rows.h - the nouns as the store keeps them: what a change carries and what boot brings back.
 *
 * Texts are borrowed, NUL-ended UTF-8, never NULL ("" is empty). Whoever keeps a row copies them. */
#ifndef WRATA_MODEL_ROWS_H
#define WRATA_MODEL_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"
#include "model/ids.h"
#include "model/notice.h"
#include "model/outcome.h"

/* Limits of what comes from outside. */
#define NAME_BYTES_MAX 128u
#define PATH_BYTES_MAX 4096u
#define URL_BYTES_MAX 2048u
#define REASON_BYTES_MAX 512u
#define LAUNCH_TESTS_MAX 100000u
#define QUEUE_TESTS_MAX 500000u /* that wait in the queue of one user */
#define LAUNCH_ENV_MAX 256u
#define ENV_LINE_BYTES_MAX 32768u
#define LAUNCH_ENV_BYTES_MAX 1048576u /* together: they travel in one frame with the rest of a run's spec */
#define LAUNCH_SECRETS_MAX 128u
#define LAUNCH_ARTIFACTS_MAX 50u     /* globs of its own */
#define ARTIFACT_GLOB_BYTES_MAX 400u /* of one */
#define LAUNCH_SETUP_MAX 4096u       /* lines */
#define LAUNCH_SETUP_BYTES_MAX KIB(256)
#define LAUNCH_SECRETS_BYTES_MAX \
    43000u                         /* sealed, together: in plain at most what base/mask.h hides at a time */
#define TEST_REPORTS_MAX 50u       /* globs of report files */
#define REPORT_GLOB_BYTES_MAX 512u /* of one */
#define LAUNCH_SERVERS_MAX 2000u
#define SERVER_SLOTS_MAX 256u
#define SERVERS_MAX 4096u

/* Of LOCAL and SSH the machines are there already; the others make them. FAKE: for development. */
enum fleet_kind { FLEET_LOCAL, FLEET_SSH, FLEET_DIGITALOCEAN, FLEET_COMMAND, FLEET_FAKE, FLEET_COUNT };
const char *fleet_kind_name(enum fleet_kind k);     /* "local" */
enum fleet_kind fleet_kind_parse(const char *name); /* FLEET_COUNT: none of that name */
bool fleet_kind_makes_machines(enum fleet_kind k);

/* These two are always there. */
#define FLEET_ID_LOCAL 1u
#define FLEET_ID_SSH 2u
#define FLEETS_MAX 64u
#define FLEET_OPTIONS_BYTES_MAX KIB(16)
#define FLEET_IDLE_MS_PRESET (INT64_C(3600) * 1000)
#define PRICE_HOUR_MICROUSD_MAX INT64_C(10000000000) /* $10,000: more is a mistake */
#define FLEET_KEPT_MAX 100u                          /* machines of removed servers that stay */

/* Where servers come from. */
struct fleet_row {
    struct fleet_id id;
    const char *name; /* unique; [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
    enum fleet_kind kind;
    const char *options;      /* a JSON object that fleet/ has checked; opaque to the engine */
    bool booked_only;         /* its servers run tests of who booked them alone; else free ones serve all */
    int64_t idle_ms;          /* a machine that does nothing for so long is destroyed; 0 never */
    uint32_t machines_max;    /* that there may be at once; 0: no matter */
    int64_t day_microusd_max; /* that they may cost in a day of UTC; 0: no matter */
    int64_t hour_microusd;    /* what a machine costs an hour, where no cloud says; 0 nothing */
    const char *const *kept;  /* n_kept ids of machines that a removed record left to themselves */
    uint32_t n_kept;
    const char *error; /* why its cloud cannot be asked; "" it can */
    struct wall created_at;
    /* The newest day with costs, and what they were; not in the row, but read with it at boot. */
    int64_t spent_day; /* since 1970 */
    int64_t spent_nanousd;
};

/* A machine's life as we want it and know it; beside it stands the connection. */
enum server_status {
    SERVER_DESTROYED, /* switched off: no machine is paid for */
    SERVER_CREATING,
    SERVER_CREATED,
    SERVER_DESTROYING,
    SERVER_STATUS_COUNT
};
const char *server_status_name(enum server_status s); /* "destroyed" */

#define IDLE_AS_FLEET (-1) /* server_row.idle_ms */

/* The connection to a server, beside its status. */
enum link_state { LINK_OFFLINE, LINK_CONNECTING, LINK_ONLINE, LINK_LOST, LINK_STATE_COUNT };
const char *link_state_name(enum link_state s); /* "offline" */

/* Why a server was taken out (engine/sick.c). */
enum sick_cause {
    SICK_NOT,
    SICK_FAILURES, /* so many runs in a row failed there, and not for what they are */
    SICK_LOSSES,   /* it was lost so often within an hour */
    SICK_DISK,     /* a disk of it is full */
    SICK_CAUSE_COUNT
};
const char *sick_cause_name(enum sick_cause c); /* "failures"; "" for NOT */

/* In the order in which they are understood, not packed. */
struct server_row { /* NOLINT(clang-analyzer-optin.performance.Padding) */
    struct server_id id;
    const char *name;         /* unique; [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
    struct fleet_id fleet_id; /* 0: the one that is named like the kind */
    enum fleet_kind fleet;    /* its kind */
    const char *fleet_name;   /* as the store reads it, beside the row; the engine leaves it alone */
    /* ssh: host name, address or alias of ~/.ssh/config; local: ""; of a machine that is made: once it is known */
    const char *address;
    const char *user;     /* "" = ssh's own choice */
    const char *identity; /* path of a private key; "" = ssh's own choice */
    uint32_t port;        /* 0 = ssh's own choice */
    uint32_t slots;       /* 1..SERVER_SLOTS_MAX */
    struct wall created_at;
    /* the last known connection; after a boot every link is offline */
    enum link_state link;
    struct wall link_since;
    const char *link_reason;
    const char *agent_version; /* "" = never seen */
    const char *facts;
    /* its machine. Servers of kinds that make none are CREATED for ever. */
    enum server_status status;
    struct wall status_since;
    const char *status_reason;   /* why it is in this status, a sentence; "" as it should be */
    const char *progress;        /* CREATING, DESTROYING: what it waits for; else "" */
    uint64_t intent;             /* of the newest create call, chosen and saved before it; 0 none */
    uint32_t creates;            /* such calls since it was switched on */
    const char *machine;         /* as its provider calls it; "" none is known */
    const char *size;            /* as asked for; "" the fleet's own */
    const char *region;          /* "" not known */
    int64_t price_hour_microusd; /* -1 not known */
    struct wall billed_at;       /* since when it is paid for; 0 not */
    /* its meter, which runs while it is paid for and has a price (engine/cost.c) */
    struct wall metered_at;  /* since when it is paid for at this price; 0: it does not run */
    struct wall charged_at;  /* up to here its cost is in the ledger */
    int64_t cost_nanousd;    /* of this machine, up to there */
    struct wall lease_until; /* after this anybody with the token may destroy it; 0 none */
    int64_t idle_ms;         /* as fleet_row's, or IDLE_AS_FLEET */
    struct wall active_at;   /* when it last did something; 0 not known */
    struct wall destroy_at;  /* when it will have done nothing for too long; 0: it is not due */
    bool leaving;            /* the record goes when the machine is gone */
    /* who uses it */
    struct user_id booked_by; /* 0: free */
    struct wall booked_at;
    struct launch_id booked_for; /* this launch alone, until it is over; 0: any of the user's tests */
    bool off_after;              /* it was switched on for that launch, and is switched off with its end */
    bool maintenance;            /* it finishes what it runs, and takes no more */
    const char *sick;            /* why it was taken out, a sentence; "" it is well */
    enum sick_cause sick_cause;
    struct wall sick_since;
    uint32_t losses; /* that count, since losses_since: an hour at most */
    struct wall losses_since;
    struct wall lost_at; /* the last of them: runs that it had by then belong to that one. 0 none */
};

enum launch_state { LAUNCH_RUNNING, LAUNCH_STOPPING, LAUNCH_DONE, LAUNCH_STATE_COUNT };
const char *launch_state_name(enum launch_state s);

enum launch_order { ORDER_AS_GIVEN, ORDER_FINISH_SOONEST, ORDER_COUNT };
const char *launch_order_name(enum launch_order o);     /* "as-given" */
enum launch_order launch_order_parse(const char *name); /* ORDER_COUNT: none of that name */

/* Servers that a launch gets for itself. */
struct launch_book {
    struct fleet_id fleet;
    uint32_t n;       /* at most; 0: none */
    const char *size; /* of those that are made; "" the fleet's own */
};

/* The schedule that starts a launch: the commit that adds the launch says that it was started for `due_at` and, unless
 * the schedule was changed meanwhile, that it is due next at `next_at`. */
struct launch_schedule {
    uint64_t id;      /* 0: no schedule */
    uint64_t version; /* 0: by hand, `next_at` stays */
    struct wall due_at;
    struct wall next_at;     /* 0 never again */
    struct launch_book book; /* for the engine; not stored */
};

struct launch_row {
    struct launch_id id;
    struct user_id user;       /* 1: the built-in user */
    struct project_id project; /* 0: no code needed */
    const char *project_name;  /* kept for history when the project is gone */
    const char *name;
    const char *ref;    /* as asked for */
    const char *commit; /* what it was resolved to: 40 or 64 hex digits */
    enum launch_order order;
    uint32_t retries;      /* after loss of infrastructure, 0..10 */
    int64_t time_limit_ms; /* per run; 0 none */
    int64_t silence_limit_ms;
    uint32_t lease_ms;
    uint32_t
        slots; /* at most so many runs of its project at once on a server, 1..SERVER_SLOTS_MAX; 0 not said */
    uint32_t n_tests;
    const char *const *env; /* n_env lines NAME=value */
    uint32_t n_env;
    /* n_secrets lines NAME=sealed text: opaque to all but who opens them, in the context of `user` and NAME */
    const char *const *secrets;
    uint32_t n_secrets;
    const char *location; /* the server under test: a location's name, or a URL; "" not said */
    const char *note;     /* what its people should know of its code, a sentence; "" nothing */
    /* n_setup lines KEY=value: how a machine is made ready and what is kept after a run (wire/agent_setup.h). Opaque to the
     * engine. */
    const char *const *setup;
    uint32_t n_setup;
    const char *const
        *artifacts; /* n_artifacts globs of its own, for who starts it again; they are in setup, too */
    uint32_t n_artifacts;
    const uint64_t *servers; /* n_servers ids it is limited to; 0 = any */
    uint32_t n_servers;
    uint32_t books; /* servers were booked for it, of so many that it asked for; 0 none */
    struct wall created_at;
    struct launch_schedule schedule; /* read by CHANGE_LAUNCH_ADD alone */
    enum mail_when mail;             /* when its user hears how it ended; the engine leaves it alone */
    enum launch_state state;
    enum outcome outcome;
    struct wall started_at; /* first run assigned; 0 not yet */
    struct wall ended_at;
    int64_t cost_nanousd; /* of its runs, as far as they are in the ledger */
};

/* REMOVED: taken out of the queue, and may be put back for a while. */
enum test_state { TEST_WAITING, TEST_ACTIVE, TEST_REMOVED, TEST_DONE, TEST_STATE_COUNT };
const char *test_state_name(enum test_state s); /* "waiting" "running" "removed" "done" */

/* How a file is run; decided when the launch is made (project/command.c). */
/* EXIT: by its exit status alone. RSPEC, PYTEST: our code inside the framework writes the results channel. TAP: read from what
 * it prints. JUNIT: read from the files it leaves behind. */
enum adapter_kind { ADAPTER_EXIT, ADAPTER_RSPEC, ADAPTER_TAP, ADAPTER_JUNIT, ADAPTER_PYTEST, ADAPTER_COUNT };
const char *adapter_name(enum adapter_kind a); /* "exit" "rspec" "tap" "junit" "pytest": the wire's words */
enum adapter_kind adapter_parse(const char *name); /* ADAPTER_COUNT: none of that name */
bool adapter_has_results(enum adapter_kind a); /* it is judged by examples, not by its exit status alone */

/* What a test's own command says, before its launch: 0 the launch's; a time of -1: none. */
struct test_limits {
    int64_t time_limit_ms;
    int64_t silence_limit_ms;
    uint32_t retries_plus_one;
};

struct test_row {
    struct test_id id;
    struct launch_id launch;
    uint32_t position; /* in the launch, from 0, as given */
    const char *path;  /* as shown: "spec/a_spec.rb", with ":12" or "[1:2]" if asked for */
    enum adapter_kind adapter;
    const char *const *argv; /* n_argv words, the whole command before the agent adds its adapter */
    uint32_t n_argv;
    const char *const *reports; /* n_reports globs of the work tree: where JUNIT finds its files */
    uint32_t n_reports;
    const char *language; /* "en-US"; "" not said */
    const char *browser;  /* "chrome"; "" not said */
    struct test_limits limits;
    int64_t predicted_ms; /* from history; 0 unknown */
    int64_t rank; /* its place among the tests of its user: the lowest is first, of equals the older */
    enum test_state state;
    enum outcome outcome;
    uint32_t attempts;   /* runs made so far */
    uint32_t losses;     /* of them, lost to infrastructure */
    struct run_id run;   /* the newest; 0 none */
    struct undo_id undo; /* REMOVED: by what; else 0 */
    const char *reason;  /* why it is done without a run; else "" */
};

/* What one operation took out of a user's queue. Its tests name it. */
struct undo_row {
    struct undo_id id;
    struct user_id user; /* whose queue it was */
    const char *login;   /* who did it */
    struct wall at;
};

/* A queue that starts no new test. */
struct pause_row {
    struct user_id user; /* whose queue; there is at most one for each */
    const char *login;   /* who paused it */
    struct wall at;
};

/* PREPARING: its server brings its code, and does what `prepare` asks for, and takes longer than an instant. */
enum run_state {
    RUN_ASSIGNED,
    RUN_PREPARING,
    RUN_RUNNING,
    RUN_STOPPING,
    RUN_DONE,
    RUN_LOST,
    RUN_STATE_COUNT
};
#define RUN_STEP_BYTES_MAX 200u
#define RUN_IMAGE_BYTES_MAX 400u
const char *run_state_name(enum run_state s); /* "assigned" "preparing" "running" "stopping" "done" "lost" */

struct run_row {
    struct run_id id;
    struct test_id test;
    struct launch_id launch;
    struct server_id server;
    const char *server_name; /* kept for history */
    const char *path;        /* of its test, kept for history and search */
    uint32_t attempt;        /* 1.. */
    uint32_t slot;           /* UINT32_MAX until it is in one */
    enum run_state state;
    enum outcome outcome;
    const char *reason; /* why it ended so; PREPARING: what is done */
    const char
        *image; /* what its container was made of, "debian:12@sha256:..."; "": it ran on the machine itself */
    struct finish finish;
    struct tally tally;
    struct wall created_at;
    struct wall started_at;
    struct wall ended_at;
    struct wall slot_at;  /* it holds its slot, and has been charged for it up to here; 0: it holds none */
    int64_t cost_nanousd; /* charged so far */
    /* what its launch and its test say: of rows that the store has read, for people */
    struct {
        struct user_id user;
        struct project_id project;
        const char *project_name;
        const char *ref;
        const char *language;
        const char *browser;
    } from;
    /* What was given up of it meanwhile (store/prune.h): why, "" or NULL: it is there; and when. Read only. */
    const char *log_gone;
    struct wall log_gone_at;
    const char *examples_gone;
    struct wall examples_gone_at;
};

/* What a piece of time of a machine cost: an entry of the ledger. */
struct cost_row {
    int64_t day; /* since 1970, UTC */
    struct server_id server;
    const char *server_name;
    struct fleet_id fleet;
    const char *fleet_name;
    struct launch_id launch; /* 0: the whole machine; else the part of it that runs of this launch had */
    int64_t nanousd;
    int64_t ms; /* of the machine, or of a slot */
    /* of the whole machine: what its server's row says from now on */
    struct wall charged_at;
    int64_t server_nanousd;
};

/* Projects live beside the engine: their rows are written by the API and read by it. */
struct project_row {
    struct project_id id;
    const char *name;
    const char *url;
    struct wall created_at;
    struct wall refreshed_at; /* 0 never */
    const char *error;        /* of the last refresh; "" fine */
    uint32_t refresh_s;       /* fetched when it is so old; 0: only when somebody asks */
};
#define PROJECT_REFRESH_S 300u /* unless an admin says otherwise */
#define PROJECT_REFRESH_S_MIN 30u
#define PROJECT_REFRESH_S_MAX 604800u

/* One example of a run, from the results channel. */
enum example_status { EXAMPLE_PASSED, EXAMPLE_FAILED, EXAMPLE_PENDING, EXAMPLE_ERROR, EXAMPLE_STATUS_COUNT };
const char *example_status_name(enum example_status s);
enum example_status example_status_parse(const char *name); /* EXAMPLE_STATUS_COUNT: none */

struct example_row {
    struct run_id run;
    uint32_t seq;            /* order of arrival within the run, from 0 */
    const char *id;          /* "./spec/a_spec.rb[1:1]" */
    const char *const *path; /* n_path descriptions, outermost first */
    uint32_t n_path;
    const char *file;
    uint32_t line;
    enum example_status status;
    double duration_ms;
    const char *exception;
    const char *message;
    const char *const *backtrace;
    uint32_t n_backtrace;
    const char *pending;          /* reason; "" none */
    const char *page_url;         /* of the page that it failed on: http or https; "" not said */
    const char *screenshot;       /* the same of a picture that is no artifact; "" none */
    uint64_t cause;               /* of one that failed (model/cause.h); 0 none. The store finds it itself */
    const char *const *artifacts; /* n_artifacts paths that it says it left; not read back */
    uint32_t n_artifacts;
    const uint64_t *kept; /* n_kept ids of artifacts that belong to it; of rows that are read */
    uint32_t n_kept;
};
#define EXAMPLE_ARTIFACTS_MAX 50u

#endif
