/* server.h - the wiring: where deciding and acting meet. Shared by the files of src/server/ only.
 *
 * A turn: whatever happened in one round of the loop goes through the engine into one outbox; its changes go to
 * the store; when they are committed, and not before, replies, goals, orders and notes leave. Turns are released
 * in the order they were closed, also the ones without changes: a goal may build on a change that an
 * earlier turn still waits for. */
#ifndef WRATA_SERVER_SERVER_H
#define WRATA_SERVER_SERVER_H

#include <uv.h>

#include "api/api.h"
#include "config/config.h"
#include "config/credentials.h"
#include "engine/engine.h"
#include "link/link.h"
#include "notify/hooks.h"
#include "project/project.h"
#include "server/disk.h"
#include "store/store.h"

struct clouds;
struct forwarded;
struct http_redirect;
struct jobs;
struct keeper;
struct retention;
struct mails;
struct metrics;
struct mail;
struct mail_row;
struct notice_site;
struct notices;
struct posts;
struct schedules;
struct sealer;
struct server;
struct streams;
struct tls;

#define ADMIN_EMAILS_MAX 64u

struct server_opts {
    const char *data_dir;
    struct config *config;                /* in force; what can be reloaded changes with SIGHUP */
    const struct config_sources *sources; /* where it came from */
    const char *listen;
    const char *redirect;    /* a plain listener that points to the TLS one; NULL: the preset, "none": none */
    const char *public_host; /* the Host of requests that a proxy in front passes on; NULL: none */
    unsigned connections_per_address;     /* 0: the preset */
    bool may_be_insecure;                 /* plain HTTP on an address that other machines reach */
    const char *agent_path;               /* NULL: the embedded one */
    int private_fd;                       /* -1, or a pipe whose end means: the starter is gone */
    void (*on_renewed)(struct server *s); /* the certificate is another one; NULL: never mind */
};

struct turn {
    struct server *server;
    struct outbox *out;
    struct turn *next_free;
};

struct server {
    struct server_opts opts;
    uv_loop_t loop;
    uv_async_t store_wake;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t engine_timer;
    uv_timer_t stop_timer;
    uv_timer_t room_timer;
    uv_signal_t sigint;
    uv_signal_t sigterm;
    uv_signal_t sighup;
    uv_poll_t starter; /* watches private_fd */
    bool has_starter_watch;

    struct store *store;
    struct engine *engine;
    struct projects *projects;
    struct links *links;
    struct streams *streams;
    struct api *api;
    struct mails *mails;
    struct healths *healths;        /* health.c */
    struct metrics *metrics;        /* metrics.c */
    struct notices *notices;        /* NULL: a private server */
    struct posts *posts;            /* hooks.c; NULL: a private server */
    struct keeper *keeper;          /* of artifacts */
    struct jobs *jobs;              /* jobs.c */
    struct retention *retention;    /* retention.c */
    struct schedules *schedules;    /* NULL: a private server */
    struct clouds *clouds;          /* NULL: closed */
    struct credentials credentials; /* in force; read again on SIGHUP; projects borrow from them */
    char admin_emails_text[ADMIN_EMAILS_MAX * 256];
    const char *admin_emails[ADMIN_EMAILS_MAX];
    struct tls *tls;                /* NULL: plain HTTP */
    struct http_redirect *redirect; /* NULL: none */
    struct forwarded *trusted;      /* proxies in front */
    struct sealer *sealer;          /* NULL: no secret was met yet, or its key cannot be had */
    struct mono sealer_again;       /* after that was tried: not before this */
    struct why sealer_why;

    struct now now; /* of the open turn */
    bool now_is_read;
    struct turn *open; /* collects; NULL until the first event of a round */
    struct turn *free_turns;
    uint32_t turns_in_store; /* closed, not yet released */
    struct wall started_at;
    struct disk_room_look room; /* room.c: as it was looked at last */
    bool is_stopping;
    bool starter_is_gone;
    int exit_code;
};

/* ---- server.c ---- */
MUST_USE enum err server_open(struct server *s, const struct server_opts *opts, struct why *reterr);
void server_run(struct server *s); /* until it was told to stop */
void server_close(struct server *s);
/* Step the engine with one event. `ev` is borrowed for the call. Its effects leave after the commit. */
void server_post(struct server *s, const struct event *ev);
/* Begin to end: leases are extended, agents told; the loop ends soon after. */
void server_stop(struct server *s);
/* Read again what may change while the server runs (SIGHUP). */
void server_reload(struct server *s);
/* Memory is ahead of disk: the only safe way on is a restart from the store. */
_Noreturn void server_die(const char *what, const struct why *why);

/* ---- listen.c: TLS or not, and on which addresses ---- */
/* Fills s->tls when there is a certificate. Refuses plain HTTP where others could listen. */
MUST_USE enum err listen_prepare(struct server *s, struct why *reterr);
/* After the API listens: the redirect, when there is to be one. */
MUST_USE enum err listen_redirect(struct server *s, struct why *reterr);
void listen_close(struct server *s);

/* ---- settings.c: config.yml, again on SIGHUP ---- */
void settings_apply(const struct config *c); /* to what is the same for the whole process: the log */
void settings_of_launches(const struct config *c, struct api_launch_defaults *ret);
void settings_of_keep(const struct config *c, struct api_keep *ret);
void settings_of_accounts(struct server *s, struct api_account_settings *ret); /* texts live in s */
/* Who may fetch by https. Borrows the texts of c. */
MUST_USE enum err settings_of_git(struct projects *ps, const struct credentials *c, struct why *reterr);
MUST_USE enum err settings_credentials(struct server *s, struct why *reterr); /* read them (again) */
void settings_reload(struct server *s);

/* ---- secrets.c: of users; ctx: struct server. Callbacks of the API and of the links ---- */
enum err secrets_seal(void *ctx, const char *context, const char *value, struct buf *out, struct why *reterr);
enum err secrets_open(void *ctx, struct user_id user, const char *line, struct buf *out, struct why *reterr);

/* The sealer of this data folder; its key is made when there is none. Borrowed. */
MUST_USE enum err secrets_sealer(struct server *s, const struct sealer **ret, struct why *reterr);

/* ---- clouds.c: fleets that make machines ---- */
MUST_USE enum err clouds_open(struct server *s, struct why *reterr); /* before EV_BOOTED */
void clouds_order(struct server *s, const struct order *o);
void clouds_connect(struct server *s, const struct server_row *row,
                    uint64_t era);                                 /* to a machine that was made */
void clouds_disconnect(struct server *s, struct server_id server); /* what waits for its way to it */
void clouds_reload(struct server *s);                              /* the credentials may be others */
void clouds_close(struct server *s);                               /* before the loop's last turn */
int64_t clouds_budget(const struct server *s);                     /* fleets_cloud_budget() */
/* For the API; ctx: struct server. False: there is no such fleet. */
bool clouds_catalog(void *ctx, struct fleet_id id, struct buf *out);
enum err clouds_check_options(void *ctx, const char *kind, const char *json, size_t len, struct why *reterr);

/* ---- mails.c: the queue of mail ---- */
void mails_open(struct server *s);                          /* after the store, before the API */
void mails_of_api(struct server *s, struct api_opts *opts); /* its callbacks there */
void mails_reload(struct server *s);                        /* the credentials may be others */
void mails_halt(struct server *s);                          /* before the store closes */
void mails_free(struct server *s);                          /* after it, before the loop's last turn */

bool mails_can_be_sent(const struct server *s); /* a mail server is configured */
MUST_USE enum err mails_row(struct server *s, const struct mail *mail, struct arena *arena,
                            struct mail_row *ret, struct why *reterr); /* notify_row() */
void mails_look(struct server *s);                                     /* mail was stored */
/* Where the page is, for links that go out. In the arena. */
void mails_site(const struct server *s, struct arena *arena, struct notice_site *ret);

/* ---- notices.c: what happened becomes mail ---- */
void notices_open(struct server *s); /* after the API */
void notices_look(struct server *s); /* one was saved */
void notices_halt(struct server *s); /* before the store closes */
void notices_free(struct server *s); /* after it, before the loop's last turn */

/* ---- hooks.c: programs elsewhere are told ---- */
MUST_USE enum err posts_open(struct server *s, struct why *reterr); /* after the store, before the API */
void posts_look(struct server *s);                                  /* a delivery may wait */
void posts_reload(struct server *s);
void posts_halt(struct server *s); /* before the store closes */
void posts_free(struct server *s); /* after it, before the loop's last turn */
struct hooks_counts posts_counts(const struct server *s);
/* For the API; ctx: struct server. */
void posts_changed(void *server);
enum err posts_url_check(void *server, const char *url, struct why *reterr);
/* `done` once that delivery of the hook was tried, or will not be: the hook is gone or disabled, hooks are off, the server ends. It may be
 * called from inside. */
void posts_wait(void *server, uint64_t hook, uint64_t delivery, void (*done)(void *arg), void *arg);
void posts_gone(void *server, uint64_t hook); /* nothing is sent to it any more; 0: to some */

/* ---- schedules.c: what is due is started ---- */
void schedules_open(struct server *s); /* after the API */
void schedules_changed(void *server);  /* by the API: the next one due may be another */
void schedules_halt(struct server *s); /* nothing more is started; before the store closes */
void schedules_free(struct server *s); /* after the projects, before the loop's last turn */

/* ---- translate.c: frames of agents -> events ---- */
extern const struct link_ops server_link_ops; /* ctx: struct server */

/* ---- health.c: how machines are ---- */
void healths_begin(struct server *s, struct server_id id,
                   uint32_t protocol); /* a new link: nothing is known */
void healths_frame(struct server *s, struct server_id id, uint64_t link, const struct frame_health *f);
void healths_gone(struct server *s, struct server_id id);
int64_t healths_skew_ms(const struct server *s, struct server_id id); /* its clock minus ours; 0 not known */
void healths_free(struct server *s);

/* ---- metrics.c: numbers for /metrics ---- */
void metrics_open(struct server *s);                       /* before the first turn */
void metrics_note(struct server *s, const struct note *n); /* after its commit */
void metrics_free(struct server *s);
void metrics_write(void *server, const struct api_metrics *read, struct buf *out); /* for the API */
enum api_metrics_for metrics_for(void *server);

/* ---- streams.c: logs and results of living runs, between the links, the store and the watchers ---- */
OWNED struct streams *streams_new(struct server *s);
void streams_free(struct streams *st);
/* Bytes before the given positions are durable already; for runs found alive at boot. */
void streams_resume(struct streams *st, const struct stream_pos *pos, struct launch_id launch,
                    struct server_id server);
/* Is the run alive, and was it given to this server? */
bool streams_is_held(const struct streams *st, struct server_id server, struct run_id run);
/* A run exists from now on: called with the changes of each turn before they are submitted. */
void streams_note_changes(struct streams *st, const struct change *changes, uint32_t n);
void streams_bytes(struct streams *st, struct server_id server, const struct frame_stream *f);
/* How much of a run's output its agent has, as it said last. */
void streams_held(struct streams *st, struct server_id server, const struct wire_held *held, uint32_t n);
/* Of that what is not durable here, of all living runs. */
uint64_t streams_spooled(const struct streams *st);
/* An agent is back with these runs: tell it from where to go on. */
void streams_hello(struct streams *st, struct server_id server, const struct frame_hello *hello);
/* The agent says that the run ended. When all bytes are here, EV_RUN_FINISHED is posted; until then it waits. */
void streams_finished(struct streams *st, struct server_id server, uint64_t link,
                      const struct frame_finished *f);

/* The disk is as good as full: what is durable is not acknowledged, so agents keep what they have; or that is over. */
void streams_tight(struct streams *st, bool is_tight);

/* ---- room.c: whether there is room on the disk for what begins ---- */
void room_open(struct server *s); /* before EV_BOOTED */

#endif
