/* fleet_private.h - what the files of fleet/ share.
 *
 *   fleets.c         the registry: kinds, which fleets are open, timers
 *   fleet_loop.c     the world they act through: libuv, HTTP, child processes
 *   cloud.c          calls to a cloud under one token: their budget, their turn, patience
 *   digitalocean.c   droplets: options, create, destroy   do_list.c do_renew.c do_catalog.c do_tags.c   the rest of it
 *   do_mark.c        the tags that are our mark           do_read.c do_write.c   its JSON            (pure)
 *   user_data.c      what a machine is told at its first boot                                        (pure)
 *   fleet_text.c     texts from outside                                                          (pure)
 *   command.c        four executables of the user
 *   fleet_fake.c     machines in memory */
#ifndef WRATA_FLEET_FLEET_PRIVATE_H
#define WRATA_FLEET_FLEET_PRIVATE_H

#include "fleet/fleet.h"
#include "net/child.h"
#include "net/http_call.h"

/* ---- the world ---- */

/* What fleets act through: the loop's (fleet_loop.c), or that of a test, in virtual time. All are asked on the loop thread, and
 * none calls back from inside. */
struct fleet_io {
    void *ctx;
    struct mono (*now)(void *ctx);
    struct wall (*wall)(void *ctx);
    void (*wake_at)(void *ctx, struct mono at); /* call fleets_turn() then; instead of the last such wish */
    /* Answered by fleets_answered() with its number, unless it was cancelled. on_answer and ctx are not set. */
    void (*send)(void *ctx, uint64_t number, const struct http_call_opts *rq);
    void (*cancel)(void *ctx, uint64_t number);
    struct uv_loop_s *loop; /* for child processes; NULL: none can be started */
    void (*free)(void *ctx);
};

/* As fleets_new(), in another world. io is copied; its free() is called once by fleets_free(), also when this fails. */
MUST_USE enum err fleets_new_in(const struct fleet_io *io, const struct fleets_opts *opts,
                                const struct fleet_told *told, void *ctx, struct fleets **ret,
                                struct why *reterr);
void fleets_turn(struct fleets *all);
void fleets_answered(struct fleets *all, uint64_t number, const struct http_answer *a);

/* A function that is called once, from the loop. */
struct fleet_timer {
    struct fleet_timer *prev;
    struct fleet_timer *next;
    struct mono at;
    bool is_set;
    void (*fn)(void *ctx);
    void *ctx;
};
/* At `at`, or at the next turn when that is past; of equals the one first set comes first. Replaces an earlier wish. */
void fleet_timer_set(struct fleets *all, struct fleet_timer *t, struct mono at);
void fleet_timer_stop(struct fleets *all, struct fleet_timer *t);

/* ---- who is open ---- */

struct cloud;

struct fleet {
    struct fleets *all;
    struct fleet *prev;
    struct fleet *next;
    const struct fleet_ops *ops;
    char *name;
    struct arena memory; /* its options */
    void *driver;        /* the driver's own */
};

struct fleets {
    struct fleet_io io;
    struct fleet_told told;
    void *ctx;
    char *instance;
    char *data_dir;
    struct fleet *first;
    struct cloud *cloud;
    struct fleet_timer *timers; /* the earliest first */
    struct mono woken_at;       /* what wake_at() was asked for last */
    bool is_turning;
};

extern const struct fleet_ops digitalocean_ops;
extern const struct fleet_ops command_ops;
extern const struct fleet_ops fake_ops;

/* ---- small things that drivers share ---- */

/* Text from outside for a reason: one line, printable, at most size - 1 bytes, no blanks at its ends. Returns out. */
char *fleet_clean_text(struct slice text, char *out, size_t size);

/* Is it an id that we would take from a provider: 1..MACHINE_ID_BYTES_MAX of [A-Za-z0-9._:/@+-], not beginning with '-'? */
bool machine_id_is_fine(const char *id);

/* A host name made of it: what cannot stand in one becomes '-', or goes from its ends. Returns out. */
#define MACHINE_NAME_BYTES 64
const char *machine_name_clean(const char *name, char out[MACHINE_NAME_BYTES]);

/* A machine_spec of our own memory; secrets are overwritten at its end. */
struct machine_spec *machine_spec_copy(const struct machine_spec *spec);
void machine_spec_free(struct machine_spec *spec); /* NULL is fine */

#endif
