/* hook.h - programs elsewhere that are told what happens: what there is to tell, whom, and what waits to be told
 * (docs/notifications.md, "Webhooks").
 *
 * What happened is saved for each hook that wants it in the commit of what happened; sending it is notify/hooks.h's. */
#ifndef WRATA_MODEL_HOOK_H
#define WRATA_MODEL_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "model/ids.h"

#define HOOKS_MAX 200u /* of all users */
#define HOOKS_OF_USER_MAX 20u
#define HOOK_NAME_BYTES_MAX 80u
#define HOOK_URL_BYTES_MAX 2000u
#define HOOK_REPOSITORY_BYTES_MAX 140u
#define HOOK_BODY_BYTES_MAX 131072u
#define HOOK_ANSWER_BYTES_MAX 1024u /* that are kept of an answer */
#define HOOK_ERROR_BYTES_MAX 400u
#define HOOK_RUNS_MAX 20u            /* that are named in what is told of many */
#define DELIVERIES_WAITING_MAX 5000u /* of a hook: what comes then has failed, and can be sent by hand */
#define DELIVERIES_KEPT_MS (INT64_C(14) * 24 * 3600 * 1000) /* after their end */
#define DELIVERIES_KEPT 1000u                               /* of a hook, the newest that ended */

/* CHOICE: what a hook can be told to hear of. OWNER: also whoever owns what it is about may be told; ADMINS: only hooks of everybody's are.
 * many: things of this kind about one object are one delivery until it is on its way. */
/* clang-format off */
#define HOOK_CHOICE_MAP(X)                                                                                   \
    /* name              wire                 who     many   what */                                       \
    X(LAUNCH_STARTED,    "launch_started",    OWNER,  false, "the first run of a launch was given to a server")     \
    X(LAUNCH_ENDED,      "launch_ended",      OWNER,  false, "a launch is done: its outcome and counts")            \
    X(RUNS_FAILED,       "runs_failed",       OWNER,  true,  "runs of a launch did not pass: how many, and the first 20") \
    X(SCHEDULE_FAILED,   "schedule_failed",   OWNER,  false, "a schedule could not start its list")                 \
    X(SCHEDULE_MISSED,   "schedule_missed",   OWNER,  false, "a schedule missed its start")                         \
    X(SCHEDULE_DISABLED, "schedule_disabled", OWNER,  false, "a schedule was disabled by wrata")                    \
    X(SERVER_LOST,       "server_lost",       ADMINS, true,  "the link to a server is lost")                        \
    X(SERVER_SICK,       "server_sick",       ADMINS, true,  "a server was taken out")                              \
    X(SERVER_NOT_CREATED,"server_not_created",ADMINS, true,  "the machine of a server could not be made")           \
    X(ERROR,             "error",             ADMINS, true,  "a line of level error in the log of wrata itself")
#define HOOK_KIND_MAP(X) \
    HOOK_CHOICE_MAP(X) \
    X(TEST,              "test",              OWNER,  false, "somebody asked for it, to see whether it arrives")
/* clang-format on */

enum hook_kind {
#define X(name, ...) HOOK_KIND_##name,
    HOOK_KIND_MAP(X)
#undef X
        HOOK_KIND_COUNT
};
const char *hook_kind_name(enum hook_kind k);     /* "launch_started" */
enum hook_kind hook_kind_parse(const char *name); /* HOOK_KIND_COUNT: none of that name */
const char *hook_kind_help(enum hook_kind k);
bool hook_kind_is_for_admins(enum hook_kind k);
bool hook_kind_is_many(enum hook_kind k);

extern const char *const hook_kind_names[]; /* in their order, without TEST; ends with NULL */

/* Sets of kinds, as bits 1 << kind, and as text with commas between: "launch_ended,runs_failed". */
#define HOOK_KINDS_BYTES 300u
void hook_kinds_write(uint32_t kinds, char *out, size_t size);

enum hook_type { HOOK_WEBHOOK, HOOK_GITHUB, HOOK_TYPE_COUNT };
const char *hook_type_name(enum hook_type t); /* "webhook" "github" */
enum hook_type hook_type_parse(const char *name);

enum delivery_state { DELIVERY_WAITING, DELIVERY_DELIVERED, DELIVERY_FAILED, DELIVERY_STATE_COUNT };
const char *delivery_state_name(enum delivery_state s); /* "waiting" "delivered" "failed" */
enum delivery_state delivery_state_parse(const char *name);

/* Something that happened. Texts as in rows.h. */
struct hook_event {
    enum hook_kind kind;
    struct user_id user; /* whose launch or schedule it is; 0: nobody's */
    struct project_id project;
    uint64_t object;
    const char *word;
    const char *name;
    const char *text; /* the reason */
    struct run_id run;
    struct wall at;
};

struct hook_row {
    uint64_t id;
    enum hook_type type;
    const char *name;
    struct user_id user;
    const char *url;
    const char *repository;
    uint32_t kinds;
    bool is_all;
    struct project_id project; /* 0 any */
    const char *seal_name;
    const char *secret; /* sealed; "" none */
    bool is_enabled;
    const char *reason;
    struct wall created_at;
    struct wall failing_since;
    uint32_t failures;
    struct wall paused_until;
    struct wall last_at;
    uint32_t last_status;
    const char *last_error;
};
/* What is wrong with the name of a repository, "owner/name"; NULL nothing. */
const char *hook_repository_fault(const char *name);
/* Is this hook to hear of it? */
bool hook_wants(const struct hook_row *h, const struct hook_event *ev);

struct delivery_row {
    uint64_t id;
    uint64_t hook;
    enum hook_kind kind;
    enum delivery_state state;
    bool is_open;
    uint64_t object;
    const char *word;
    const char *name;
    const char *text;
    const char *runs;
    uint64_t n;
    struct wall at;
    struct wall last_at;
    struct wall next_at;
    struct wall give_up_at;
    struct wall ended_at;
    uint32_t tries;
    uint32_t status;
    uint32_t took_ms;
    const char *answer;
    const char *error;
    const char *body; /* "" while it is open, and in lists */
};

/* What a hook becomes after a try. */
struct hook_fate {
    struct wall at;
    struct wall failing_since;
    uint32_t failures;
    struct wall paused_until;
    uint32_t status;
    const char *error;
    const char *disable; /* why it is disabled with it; "" it is not */
};

#endif
