/* api_private.h - what the files of src/api/ share: a request, its routes, how it is answered.
 *
 * A request passes: head (route, host, origin, type) -> body -> fields of query and body read -> its route's
 * handler -> an answer. A handler answers at once, or starts something whose end answers. Whatever it starts
 * holds the request (req_hold), so its memory stays when the client goes; rq->http is NULL then and every
 * answer is dropped.
 *
 * Threads: a read job (req_read) runs on a reader thread and touches only what is said at `struct req`. */
#ifndef WRATA_API_API_PRIVATE_H
#define WRATA_API_API_PRIVATE_H

#include <uthash.h>
#include <uv.h>

#include "accounts/accounts.h"
#include "api/api.h"
#include "base/mem.h"
#include "net/httpd.h"
#include "project/project.h"
#include "store/prune.h"
#include "store/store.h"
#include "wire/field.h"
#include "wire/json_out.h"

#define BODY_SMALL_BYTES KIB(64)
#define BODY_LAUNCH_BYTES MIB(16)
#define BODY_BUNDLE_BYTES (UINT64_C(2) << 30)
#define RENDER_BYTES_MAX MIB(512) /* of one answer; lists are bounded by their page */
#define PAGE_LIMIT 50
#define PAGE_LIMIT_MAX 500

struct hub;
struct req;

/* ---- routes ---- */

enum route_method { ROUTE_GET, ROUTE_POST, ROUTE_DELETE };
enum route_body { BODY_NONE, BODY_JSON, BODY_FILE };

/* Who may use a route: the rows of access_rules[] (auth.c), which docs/security.md shows and tests/api/test_access.py
 * walks as everybody. */
enum access {
    ACCESS_UNSET, /* of no route: a test looks */
    ACCESS_ANYONE,
    ACCESS_ACCOUNT_LOOK, /* one's own account */
    ACCESS_ACCOUNT,      /* change it: signed in, or at the host; no token can */
    ACCESS_LOOK,
    ACCESS_WORK,
    ACCESS_OWN_LAUNCH, /* {launch} is the caller's, or the caller an admin */
    ACCESS_OWN_RUN,
    ACCESS_OWN_ARTIFACT,
    ACCESS_OWN_LIST,
    ACCESS_OWN_SCHEDULE,
    ACCESS_OWN_SCHEDULE_LOOK,
    ACCESS_OWN_JOB,
    ACCESS_OWN_JOB_LOOK,
    ACCESS_HOOK,
    ACCESS_OWN_HOOK,
    ACCESS_OWN_HOOK_LOOK,
    ACCESS_OWN_DELIVERY,
    ACCESS_OWN_DELIVERY_LOOK,
    ACCESS_ADMIN_LOOK,
    ACCESS_ADMIN,
    ACCESS_METRICS,
    ACCESS_COUNT
};

struct access_rule {
    const char *name;       /* "own launch" */
    enum role role;         /* at least */
    enum token_scope scope; /* of a token, at least */
    bool no_token;
    enum owner_rule {
        OWNER_NONE,
        OWNER_LAUNCH,
        OWNER_RUN,
        OWNER_ARTIFACT,
        OWNER_LIST,
        OWNER_SCHEDULE,
        OWNER_JOB,
        OWNER_HOOK,
        OWNER_DELIVERY
    } owner;
    const char *doc;
};
extern const struct access_rule access_rules[ACCESS_COUNT];

struct route {
    enum route_method method;
    enum access access;
    const char *audit; /* what the audit log calls it: "launch.start"; NULL: not there (every read) */
    const char *path;  /* "/api/v1/runs/{run}" */
    void (*handle)(struct req *rq);
    const char *doc; /* one line */
    const char
        *reply; /* what a success answers: the name of a shape (openapi.c), "page of NAME", or a type */
    int status; /* of a success; 0: 200 */
    const struct field *query;
    size_t query_bytes;
    const void *query_preset; /* NULL: zeros */
    enum route_body body_kind;
    const struct field *body;
    size_t body_bytes;
    const void *body_preset;
    uint64_t body_max;
};

/* The columns that every row has. */
#define ROUTE(METHOD, who_, path_, handle_, doc_, reply_)                                             \
    .method = ROUTE_##METHOD, .access = ACCESS_##who_, .path = path_, .handle = handle_, .doc = doc_, \
    .reply = reply_
#define ROUTES_END   \
    {                \
        .path = NULL \
    }

extern const struct route launch_routes[];
extern const struct route queue_routes[]; /* queue.c */
extern const struct route test_routes[];
extern const struct route run_routes[];
extern const struct route history_delete_routes[];
extern const struct route job_routes[];
extern const struct route retention_routes[];
extern const struct route example_routes[];
extern const struct route history_export_routes[];
extern const struct route logs_zip_routes[];  /* of many runs */
extern const struct route cause_routes[];     /* causes.c: what launches failed by */
extern const struct route compare_routes[];   /* compare.c */
extern const struct route stability_routes[]; /* stability.c: flaky, slow, trend */
extern const struct route log_routes[];
extern const struct route log_search_routes[]; /* logs_search.c */
extern const struct route artifact_routes[];
extern const struct route server_routes[];
extern const struct route server_op_routes[];
extern const struct route parameter_routes[];
extern const struct route fleet_routes[];
extern const struct route cost_routes[];
extern const struct route project_routes[];
extern const struct route project_code_routes[]; /* refs, tree, bundle */
extern const struct route board_routes[];
extern const struct route status_routes[];
extern const struct route health_routes[];
extern const struct route stream_routes[];
extern const struct route openapi_routes[];
extern const struct route plan_routes[];
extern const struct route me_routes[];         /* me.c: sign in and out, the own account */
extern const struct route user_routes[];       /* users.c: sign up; other people's accounts */
extern const struct route session_routes[];    /* sessions.c */
extern const struct route token_routes[];      /* tokens.c */
extern const struct route link_routes[];       /* links.c: one-time links */
extern const struct route env_routes[];        /* env.c: the variables of a user */
extern const struct route audit_routes[];      /* audit.c */
extern const struct route mail_routes[];       /* mails.c */
extern const struct route metrics_routes[];    /* metrics.c */
extern const struct route hook_routes[];       /* hooks.c */
extern const struct route choice_routes[];     /* choices.c: locations, browsers, languages */
extern const struct route list_routes[];       /* lists.c */
extern const struct route schedule_routes[];   /* schedules.c */
extern const struct route *const all_routes[]; /* the tables, ends with NULL */

/* The row for a request. NULL: none; then *ret_allowed holds bits 1 << method of the rows that have this path.
 * ids receives the numbers of the path. `path_len` ends before '?'. Pure. */
#define ROUTE_IDS_MAX 2
const struct route *route_find(const char *method, const char *path, size_t path_len,
                               uint64_t ids[ROUTE_IDS_MAX], unsigned *ret_allowed);
const char *route_method_name(enum route_method m);

/* ---- rendering (render.c) ---- */

/* Some members are known on the loop only (why a test waits, when a launch will be done, a login), while rows are
 * rendered on a reader thread: their places are kept and filled at the end. */
enum gap_kind { GAP_WHY, GAP_ETA, GAP_LOGIN, GAP_LOGIN_CSV, GAP_HEALTH };

struct render {
    struct buf out;
    struct json_out j;
    struct gap {
        size_t at;
        enum gap_kind kind;
        uint64_t id;
    } * gaps;
    uint32_t n_gaps;
    uint32_t cap_gaps;
};

void render_init(struct render *r);
void render_done(struct render *r);
/* Loop thread: fill the gaps. The result is in *out (initialised here); r is empty afterwards. */
void render_fill(struct api *a, struct render *r, struct buf *out);

/* The runs of servers that are at work, for their "running". */
struct busy_run {
    uint64_t server;
    uint64_t run;
    uint64_t launch;
    uint32_t slot;
    enum run_state state;
    const char *reason; /* what is done, while it is prepared */
    const char *path;
    struct wall started_at;
};
struct busy_runs {
    struct arena *arena;
    struct busy_run *at;
    uint32_t n;
    uint32_t cap;
};
/* Reader thread: of one server (0: of all). */
MUST_USE enum err busy_runs_read(struct reader *r, struct server_id server, struct busy_runs *list,
                                 struct why *reterr);

void render_launch(struct render *r, const struct launch_row *row, const struct launch_sums *sums);
/* Of a queue: {"by","at"}; null for `by` "": it is not paused. */
void render_pause(struct json_out *j, const char *key, const char *by, struct wall at);
void render_who(struct render *r, const char *key, struct user_id user); /* {"id","login"} */
void render_login_csv(struct render *r, struct user_id user);            /* a cell of CSV */
void render_test(struct render *r, const struct test_row *row);
void render_run(struct render *r, const struct run_row *row, const char *commit, uint64_t log_bytes);
/* compare.c: a launch is done; compare it with the one before it and keep the counts. Loop thread. */
void compare_ended(struct api *a, struct launch_id launch);
void render_compare_counts(struct json_out *j, const uint32_t n[COMPARE_COUNT]);
/* causes.c; reader thread: what a launch failed by, at most `max` causes, as an object. */
MUST_USE enum err causes_render(struct reader *r, struct launch_id launch, uint32_t max, struct json_out *j,
                                struct why *reterr);
void render_cause_id(struct json_out *j, const char *key, uint64_t cause); /* 16 hex digits; 0: null */
void render_example(struct json_out *j, const struct example_row *row);
void render_artifact(struct json_out *j, const struct artifact_row *row);
void render_server(struct render *r, const struct server_row *row, const struct busy_runs *busy);
void render_usd(struct json_out *j, const char *key, int64_t nanousd); /* an exact number of dollars */
void render_project(struct json_out *j, const struct project_row *row);
void render_status(struct api *a, struct json_out *j); /* loop thread */
void render_error(struct buf *out, const char *code, const char *message, const char *field,
                  const char *request_id);

/* ---- a request ---- */

struct req {
    UT_hash_handle hh; /* in api->tickets while the engine has it */
    bool has_ticket;
    uint64_t id;
    struct api *api;
    struct http_req *http; /* NULL: the client is gone. Loop thread only */
    unsigned refs;         /* loop thread only */
    const struct route *route;
    char name[24];          /* "r-7f": in answers and logs */
    struct principal who;   /* set when the head is in */
    char address[64];       /* of the client; behind a proxy that is trusted: as the proxy says */
    bool is_secure;         /* came by https, here or to that proxy */
    uint64_t audit;         /* its row in the audit log; 0 none */
    char audit_object[160]; /* a handler may say better what it was about: "server web-1" */
    char audit_detail[256]; /* and what was asked; no secrets */
    uint64_t ids[ROUTE_IDS_MAX];
    void *query; /* as the route's table read it */
    void *body;
    struct buf raw;
    struct arena arena; /* one thread at a time: the handler's, then its job's */

    /* of the job that runs; a reader thread may touch these, `arena`, `ids`, `query`, `body`, `state` */
    void (*job)(struct reader *r, struct req *rq);
    void (*after)(struct req *rq);
    bool always; /* `after` runs also when the client is gone */
    struct render render;
    enum err err;
    struct why why;
    void *state;                     /* a handler's own, in the arena */
    const char *zone;                /* of who asks; set by handlers that show local times */
    struct buf *owned;               /* a buffer in `state` that is freed with the request; NULL none */
    void (*on_free)(struct req *rq); /* with the request: what else `state` holds; NULL nothing */

    struct inside *inside;        /* asked by the server itself: there is no client (inside.c); NULL */
    struct launch_schedule cause; /* of the launch that it starts */

    void (*on_reply)(struct req *rq, uint64_t id);
    const struct queue_answer *queue; /* while on_reply runs: of queue events */
    const uint64_t *reply_ids;        /* the same: of commands that are done to many */
    uint32_t n_reply_ids;
    void (*on_gone)(struct req *rq); /* the client is gone, or has its answer; NULL none */
};

struct api {
    struct api_opts opts;
    char *data_dir;
    char *version;
    struct httpd *http;
    struct hub *hub;
    struct req *tickets;
    struct eta *etas;
    struct health_entry *healths; /* server_health.c */
    struct mono healths_shown_from;
    uint32_t n_healths_shown; /* since then */
    struct auth *auth;        /* auth.c */
    struct accounts *accounts;
    struct hasher *hasher;
    struct throttle *throttle;
    struct hashing *hashings; /* requests that wait for the hasher (account_common.c) */
    struct project_state *projects;
    uv_timer_t refresh_timer;
    uint32_t log_searches; /* at work (logs_search.c) */
    unsigned holds;        /* requests, jobs and handles that point here */
    bool is_stopping;
    bool is_closed;
};

/* ---- server_health.c; loop thread ---- */
void health_render(struct api *a, struct json_out *j, struct server_id id); /* an object, or null */
void healths_done(struct api *a);

void api_hold(struct api *a);
void api_unhold(struct api *a);

void req_hold(struct req *rq);
void req_release(struct req *rq);

/* Is there still somebody to answer, and something to answer from? */
bool req_lives(const struct req *rq);

/* ---- what the server asks for by itself (inside.c) ----
 * A request without a client, of a user: it goes the way of those of the API, and its end is told to `done`, once. */
struct req *inside_new(struct api *a, const struct user_row *user, api_started_fn *done, void *ctx);
bool inside_still(struct req *rq); /* may its user still start anything? false: it has ended */
void inside_end(struct req *rq, enum err err, const struct why *why, uint64_t id);
void inside_drop(struct api *a); /* the server ends: those that wait for the engine are let go */

/* launches.c: a launch from elsewhere than POST /launches. Read its body (any thread; an error is in rq->why), then go
 * on as that route does. */
MUST_USE enum err launch_read(struct req *rq, const char *json, size_t len);
void launch_start(struct req *rq);

/* lists.c, for a job on a reader thread: read the list and make it the body of a launch of rq->who, who may read it.
 * `over`: members that replace those of the list, or NULL. Sets rq->err. */
struct list_over {
    const char *ref;
    const char *location;
    struct field_texts languages;
    struct field_texts browsers;
    const char *at;
    const char *name;
};
void list_launch_job(struct reader *r, struct req *rq, uint64_t list, const struct list_over *over);

/* Answers. Each may be called once; with the client gone it does nothing. */
void req_json(struct req *rq, int status, TAKES struct buf *body);
void req_error(struct req *rq, const struct why *why);
/* The same, where what is not there is not what the path names but the value of a field: 422, not 404. */
void req_field_error(struct req *rq, const struct why *why);
void req_fail(struct req *rq, enum err code, const char *field, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* With a status that its code does not have. */
void req_status(struct req *rq, int status, enum err code, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* 429 or 503: it may be tried again after `retry_s` seconds. */
void req_later(struct req *rq, enum err code, int64_t retry_s, const char *text);

/* Run `job` on a reader thread; it renders into rq->render or sets rq->err and rq->why. Then `after` on the loop;
 * NULL: answer with what was rendered and the route's status. */
void req_read(struct req *rq, void (*job)(struct reader *r, struct req *rq), void (*after)(struct req *rq));
/* `after` also runs when the client is gone: rq->http may be NULL there. */
void req_read_always(struct req *rq, void (*job)(struct reader *r, struct req *rq),
                     void (*after)(struct req *rq));
void req_finish(struct req *rq); /* the default `after` */

/* Hand a command to the engine; `ev` gets the ticket. `on_reply` runs when it succeeded; a refusal is answered. */
void req_post(struct req *rq, struct event *ev, void (*on_reply)(struct req *rq, uint64_t id));

/* ---- who it is (auth.c) ---- */

MUST_USE enum err auth_open(struct api *a, struct why *reterr); /* loads the accounts */
void auth_start(struct api *a);                                 /* what is done from time to time */
void auth_stop(struct api *a);
void auth_free(struct api *a);
/* Nobody can sign in as an admin yet; the address that `wrata serve` prints makes the first one. */
bool auth_needs_admin(const struct api *a);
bool auth_is_first_admin(const struct api *a, const struct digest *digest);
/* Fills rq->who, rq->address, rq->is_secure; false: answered already (a token or cookie that is none). */
bool auth_head(struct req *rq);
/* May it use its route? false: answered. The owner rule comes later, in auth_owner(). */
bool auth_route(struct req *rq);
/* The same once more, for what comes later than the head: a body that took its time, a job, a password's hash. Whoever was
 * signed out, locked or made less meanwhile is refused. The client must still be there. false: answered. */
bool auth_still(struct req *rq);
/* Check the route's owner rule, then handle. */
void auth_owner(struct req *rq, void (*then)(struct req *rq));
/* Is what opened this stream still allowed to? */
bool auth_again(struct req *rq);

/* A command of accounts: changes are collected in `out`; req_save() saves them, then `then` answers. `then` runs also
 * when the client is gone (answers are dropped by themselves). With no changes it runs at once. */
void req_save(struct req *rq, struct accounts_out *out, void (*then)(struct req *rq));
/* The same for what no request waits for. */
void auth_save(struct api *a, struct accounts_out *out);

#define SECRET_TEXT_BYTES 64u
/* A fresh secret of 256 bits as text ("wrt_" in front of a token's, "" of a cookie's), and its digest. */
void secret_text(const char *prefix, char out[SECRET_TEXT_BYTES], struct digest *ret);
void secret_digest(const char *text, struct digest *ret);
/* The cookie of a session; "" takes it away. */
void auth_cookie(struct req *rq, const char *secret);
/* For pages: what X-CSRF-Token must be. Of the request's own cookie, or of a new session's secret. */
void auth_csrf(const char *secret, char out[SECRET_TEXT_BYTES]);
const char *auth_cookie_of(struct req *rq); /* in the request's arena; NULL none */
/* "https://host/PATH#secret", as the client sees this server, into the request's arena. */
/* The page, as the server knows its own address. */
const char *auth_page_url(struct req *rq);
const char *auth_link_url(struct req *rq, const char *path, const char *secret);

/* The hasher is gone: requests that wait for it are let go (account_common.c). */
void passwords_drop(struct api *a);

/* The audit log: a row before anything is done, completed with the answer. */
void audit_begin(struct req *rq);
void audit_end(struct req *rq, int status);
/* A handler names what it did for the audit log; object NULL: as the path says. */
void audit_say(struct req *rq, const char *object, const char *detail_fmt, ...) PRINTF_LIKE(3, 4);

/* ---- shared by resources ---- */

struct page_query {
    int64_t cursor;
    int64_t limit;
};
#define PAGE_FIELDS(owner)                                                                   \
    {.name = "cursor",                                                                       \
     .type = FIELD_INT,                                                                      \
     .offset = offsetof(owner, page.cursor),                                                 \
     .max = INT64_MAX,                                                                       \
     .help = "next of the page before"},                                                     \
    {                                                                                        \
        .name = "limit", .type = FIELD_INT, .offset = offsetof(owner, page.limit), .min = 1, \
        .max = PAGE_LIMIT_MAX, .help = "most items of a page", .preset = "50"                \
    }
#define PAGE_PRESET         \
    {                       \
        .limit = PAGE_LIMIT \
    }

struct page page_of(const struct page_query *q);
void page_begin(struct req *rq);
void page_end(struct req *rq, const struct page *p);
void render_next(struct json_out *j, const struct page *p);

/* Jobs that render one object, for answers of commands: rq->ids[0] names it. */
void launch_job(struct reader *r, struct req *rq);

/* Of the route that names a launch (launch_name.c). */
struct launch_name_body {
    const char *name;
};
extern const struct field launch_name_fields[];
void launch_rename(struct req *rq);
void run_job(struct reader *r, struct req *rq);
/* logs.c; reader thread: the line that a request means by `line` (from 1; -200 is the first of the last 200) and its first
 * byte. Behind the last line: the log's end. ERR_INVALID: 0. */
MUST_USE enum err log_line_resolve(struct reader *r, struct run_id run, int64_t line,
                                   const struct log_shape *shape, uint64_t *ret_line, uint64_t *ret_byte,
                                   struct why *reterr);
void run_delete_handle(struct req *rq); /* history_delete.c */
void launch_delete_handle(struct req *rq);
void artifacts_zip_of_run(struct req *rq); /* artifacts_zip.c */
void artifacts_zip_of_launch(struct req *rq);
void server_job(struct reader *r, struct req *rq);
/* Several, from what the engine answered: {"servers":[...]}. */
void servers_answer(struct req *rq);
void project_job(struct reader *r, struct req *rq);
/* Its row into rq->state, in the request's arena. */
void project_row_job(struct reader *r, struct req *rq);

/* Live numbers of running launches, from the engine's notes. */
void eta_set(struct api *a, struct launch_id id, int64_t eta_ms); /* -1 forgets */
int64_t eta_get(const struct api *a, struct launch_id id);        /* -1 unknown */
void eta_clear(struct api *a);

/* projects.c: bring a mirror up to date. `done` may be NULL; it comes later, never from inside the call. */
void project_refresh(struct api *a, const struct project_row *row, project_done_fn *done, void *ctx);
/* Did the last fetch go well, less than `ms` ago (in this process)? */
bool project_is_fresh(const struct api *a, struct project_id id, int64_t ms);
/* For the people of a launch whose project could not be fetched: how old `ref` is ("" the default branch), and why. In the arena. */
const char *project_old_note(struct arena *arena, const struct project_row *row, const char *ref,
                             const char *why);
/* Its row is gone: so is its mirror, and what is known of it here. */
void project_forget(struct api *a, struct project_id id);
void projects_start(struct api *a); /* the background refresh */
void projects_stop(struct api *a);
void projects_clear(struct api *a);
/* Make the folder of uploads, and empty it: whatever is there was left by a crash. */
MUST_USE enum err upload_dir_prepare(const char *dir, struct why *reterr);

/* plan.c: what a launch says itself goes before wrata.yml, that before the server. `said`: -1 where nothing is said. */
struct api_launch_defaults launch_limits(const struct api *a, const struct api_launch_defaults *said,
                                         const struct yml_file *yml);
struct test_limits test_limits_of(const struct api_launch_defaults *said, const struct yml_command *command);
/* Answer with what would be run. */
void launch_plan_answer(struct req *rq, const struct plan *plan, const struct api_launch_defaults *said);

/* A row that outlives its callback. */
struct project_row *project_copy(struct arena *arena, const struct project_row *row);

/* page.c: the page and its files. */
void page_serve(struct http_req *http, const char *path, size_t path_len);
void security_headers(struct http_req *http);

#endif
