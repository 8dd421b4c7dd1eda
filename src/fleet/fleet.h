/* fleet.h - where machines come from: the table of functions per kind of fleet, and what a fleet answers.
 *
 * The engine decides how many machines there should be; a fleet obeys, and reports what really exists.
 *
 *     fleet_create(intent)  ──▶  created(machine)            it exists, and is being paid for
 *                           ──▶  create_failed(LIMIT ...)    it certainly does not exist
 *                           ──▶  create_failed(UNKNOWN)      it may exist: look at the list before trying again
 *     fleet_destroy(id)     ──▶  destroyed(id)               also when it was gone already
 *     fleet_list(ask)       ──▶  listed(all that carry our mark)
 *
 * Every machine carries our mark: this instance of wrata, the server and the intent it was made for, and the end of its
 * lease. A machine without the mark of this instance is never listed and never touched, whatever its id: the mark is read
 * again right before it is destroyed. What a fleet cannot find out it says: an answer that was lost is UNKNOWN, never a guess,
 * and no create is ever repeated by a fleet on its own unless it is certain that the one before made nothing.
 *
 * Each call is answered exactly once, on the loop thread, never from inside a call of this header; none is answered after
 * fleet_close(). Lists and catalogs that are asked for while one is under way share an answer. Texts and structs of an answer
 * are borrowed for the call. An answer may make any call but fleet_close() and fleets_free(). Loop thread. */
#ifndef WRATA_FLEET_FLEET_H
#define WRATA_FLEET_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/machine.h"
#include "wire/field.h"

struct uv_loop_s;
struct fleets; /* all that are open */
struct fleet;  /* one of them */

#define MACHINE_ID_BYTES_MAX \
    128u                    /* of the provider's own name for a machine; printable ASCII without blanks */
#define MACHINES_MAX 10000u /* of a list; one that is longer fails as a whole */
#define FLEET_NAME_BYTES_MAX 63u

/* ---- what is asked for ---- */

struct machine_spec {
    uint64_t server;
    /* Chosen by the engine and saved before the call; never used twice, and never 0. A second call with the intent of one that
     * was answered UNKNOWN is refused by nobody: it is the engine that looks first. */
    uint64_t intent;
    const char *name;        /* as the server is named; what cannot stand in a host name becomes a dash */
    const char *size;        /* "": the fleet's own */
    struct wall lease_until; /* when anybody with the token may destroy it (`wrata reap`); never 0 */
    /* The ssh host key that it shall have, so that the first connection is verified already (net/ssh_key.h). */
    const char *host_key_private; /* OpenSSH's file, "-----BEGIN OPENSSH PRIVATE KEY-----..."; a secret */
    const char *host_key_public;  /* "ssh-ed25519 AAAA..." */
    const char *authorized_key;   /* whose private half is ours: "ssh-ed25519 AAAA... comment" */
    const char *user;             /* who may log in with it; "": the fleet's own */
};

/* ---- what comes back ---- */

struct fleet_region {
    const char *name; /* "fra1" */
    const char *description;
    bool is_available;
};

struct fleet_image {
    const char *id;   /* what the option `image` takes: a slug, else the number */
    const char *name; /* as a person knows it */
    bool is_snapshot; /* the account's own */
    struct wall created_at;
};

struct fleet_catalog {
    struct wall at;                 /* when it was read: it is kept for a while, and shown with its age */
    const char *error;              /* why it is not newer, a sentence; "" it is new enough */
    const struct fleet_size *sizes; /* cheapest first */
    uint32_t n_sizes;
    const struct fleet_region *regions;
    uint32_t n_regions;
    const struct fleet_image *images; /* own snapshots first, newest first */
    uint32_t n_images;
    uint32_t machines_max; /* that the account may have; 0 unknown */
};

/* How the stdio of a command reaches a machine. */
struct fleet_way {
    /* by ssh: */
    const char *address; /* "" when argv is used */
    uint32_t port;       /* 0: ssh's own choice */
    const char *user;    /* "": ssh's own choice */
    /* or: words before the remote command, which becomes one more word for a shell there; NULL: by ssh */
    const char *const *argv;
    uint32_t n_argv;
};

/* The answers. None may be NULL. */
struct fleet_told {
    /* Its id is known, its address perhaps not yet: that comes with a list. */
    void (*created)(void *ctx, struct fleet *f, uint64_t server, uint64_t intent, const struct machine *m);
    void (*create_failed)(void *ctx, struct fleet *f, uint64_t server, uint64_t intent,
                          const struct fleet_failure *why);
    void (*destroyed)(void *ctx, struct fleet *f, const char *machine);
    /* INVALID: it does not carry the mark of this instance (any more), and was left alone. */
    void (*destroy_failed)(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why);
    /* All machines with the mark of this instance, as they were after fleet_list(ask) was called; each once. It answers all
     * asks up to this one. Clouds show things late: a machine of a young create may be missing, one that was destroyed a moment
     * ago may be there. */
    void (*listed)(void *ctx, struct fleet *f, uint64_t ask, const struct machine *all, uint32_t n);
    void (*list_failed)(void *ctx, struct fleet *f, uint64_t ask, const struct fleet_failure *why);
    void (*renewed)(void *ctx, struct fleet *f, const char *machine, struct wall lease_until);
    void (*renew_failed)(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why);
    void (*catalog)(void *ctx, struct fleet *f, const struct fleet_catalog *c);
    void (*catalog_failed)(void *ctx, struct fleet *f, const struct fleet_failure *why);
    void (*way)(void *ctx, struct fleet *f, const char *machine, const struct fleet_way *way);
    void (*way_failed)(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why);
};

/* ---- kinds ---- */

/* How machines of a kind are paid for: by started units of so many seconds, at least min_s. */
struct fleet_billing {
    uint32_t unit_s; /* 0: they cost nothing */
    uint32_t min_s;
};

/* What drivers provide; called through the functions below. */
struct fleet_ops {
    const char *kind;            /* "digitalocean": the word of the API and of the configuration */
    const char *help;            /* a line for a form */
    const struct field *options; /* its configuration; also draws forms and checks what is saved */
    const void *presets;         /* the struct that they fill, with what holds where nothing is said */
    size_t options_bytes;        /* of that struct; 0: no options */
    enum err (*check)(const void *options, struct why *reterr); /* what the table cannot say; NULL: nothing */
    bool makes_machines; /* false: its servers are there already (local, ssh); then all below is NULL */
    struct fleet_billing billing;
    enum err (*open)(struct fleet *f, const void *options,
                     struct why *reterr);                 /* on failure nothing is open */
    void (*change)(struct fleet *f, const void *options); /* these from now on; what is under way goes on */
    void (*create)(struct fleet *f, const struct machine_spec *spec);  /* copied */
    void (*cancel)(struct fleet *f, uint64_t server, uint64_t intent); /* NULL: nothing waits for its turn */
    void (*destroy)(struct fleet *f, const char *machine);
    void (*list)(struct fleet *f, uint64_t ask);
    void (*renew)(struct fleet *f, const char *machine, struct wall lease_until);
    void (*catalog)(struct fleet *f, bool fresh);
    void (*connect)(struct fleet *f, const struct machine *m, const char *user);
    void (*close)(struct fleet *f);
};

const struct fleet_ops *fleet_ops_find(const char *kind); /* NULL: there is no such kind */
const struct fleet_ops *fleet_ops_at(uint32_t i);         /* from 0; NULL: no more */

/* Are these options of that kind? `json`: an object; "" counts as {}. ERR_INVALID names the field. */
MUST_USE enum err fleet_options_check(const char *kind, const char *json, size_t len, struct why *reterr);

/* ---- all fleets of a controller ---- */

struct fleets_opts {
    const char *
        instance; /* of this wrata, part of every mark: [A-Za-z0-9-]{1,64}. Two that share an account differ in it */
    const char *cloud_url; /* "https://api.digitalocean.com"; plain http only to a loopback address */
    const char *cloud_ca;  /* PEM file of authorities to believe there; NULL: those of this computer */
    const char *data_dir;  /* NULL: none. Fake machines have their folders there */
    uint64_t seed;         /* of the jitter between tries */
};

/* All is copied. ERR_INVALID: cloud_url or instance makes no sense. */
MUST_USE enum err fleets_new(struct uv_loop_s *loop, const struct fleets_opts *opts,
                             const struct fleet_told *told, void *ctx, struct fleets **ret,
                             struct why *reterr);
/* Closes all. What was on its way to a cloud may still happen there. The loop must turn once more. NULL is fine. */
void fleets_free(struct fleets *all);
/* How many calls the cloud still takes within the hour, as it said last; -1: it was not asked yet. */
int64_t fleets_cloud_budget(const struct fleets *all);

/* The secret by which the cloud knows us, from now on, for all fleets; "" none. Copied, and overwritten at its end. */
void fleets_set_token(struct fleets *all, struct slice token);

/* ---- one fleet ---- */

/* name: for sentences and the log. Nothing is asked of the cloud yet. ERR_INVALID as fleet_options_check(). */
MUST_USE enum err fleet_open(struct fleets *all, const char *kind, const char *name, const char *json,
                             size_t len, struct fleet **ret, struct why *reterr);
/* Other options from now on; what is under way goes on, and is answered. On failure nothing changes. */
MUST_USE enum err fleet_change(struct fleet *f, const char *json, size_t len, struct why *reterr);
/* No more answers, also to what is under way: a create call may have made a machine. NULL is fine. */
void fleet_close(struct fleet *f);

const struct fleet_ops *fleet_kind_of(const struct fleet *f);
const char *fleet_name(const struct fleet *f);

/* Each is answered by one of the two functions of `told` with its name. Only of a kind that makes machines. */
void fleet_create(struct fleet *f, const struct machine_spec *spec);
/* The create call with this intent need not be made: if it has not left, it fails with BUSY. Else nothing happens. */
void fleet_cancel(struct fleet *f, uint64_t server, uint64_t intent);
void fleet_destroy(struct fleet *f, const char *machine);
void fleet_list(struct fleet *f, uint64_t ask); /* asks grow; one that waits is overtaken by a later one */
void fleet_renew(struct fleet *f, const char *machine, struct wall lease_until);
/* What can be had. The last answer while it is younger than an hour, unless `fresh`. */
void fleet_catalog_ask(struct fleet *f, bool fresh);
/* How to reach a machine that has an address. user: as in its machine_spec. */
void fleet_connect(struct fleet *f, const struct machine *m, const char *user);

#endif
