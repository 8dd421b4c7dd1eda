/* do_private.h - what the files of the DigitalOcean driver share. */
#ifndef WRATA_FLEET_DO_PRIVATE_H
#define WRATA_FLEET_DO_PRIVATE_H

#include "fleet/cloud.h"
#include "fleet/do_read.h"
#include "fleet/do_write.h"

#define DO_CREATE_PATIENCE_MS 300000
#define DO_DESTROY_PATIENCE_MS 600000
#define DO_LIST_PATIENCE_MS 120000
#define DO_RENEW_PATIENCE_MS 600000
#define DO_CATALOG_PATIENCE_MS 120000
#define DO_PATH_BYTES 512u

struct do_fleet;

/* One thing under way. */
struct do_op {
    struct do_op *prev;
    struct do_op *next;
    struct do_fleet *d;
    struct cloud_call *call;  /* NULL: it waits for something else */
    struct fleet_timer timer; /* its begin */
    char *machine;            /* destroy, renew; NULL: create */
    /* create */
    struct machine_spec *spec;
    uint32_t region; /* which of the options' is tried */
    bool waits_for_image;
    bool looked_again; /* the image was looked up anew after it was refused */
    char refusal[400]; /* what the last region said */
    char asked_region[112];
    bool has_hope; /* one of them may have room later */
    /* renew */
    struct wall lease_until;
    bool is_checked; /* it carries our mark */
};

struct do_ops {
    struct do_op *first;
    struct do_op *last;
};

/* A machine as the last list, or its create call, showed it. */
struct do_known {
    char *id;
    char until[DO_TAG_BYTES]; /* the tag of its lease; "" none */
    bool is_young;            /* made by this process, and not yet shown by a list */
    struct mono made_at;
    uint64_t server; /* while it is young */
    uint64_t intent;
    struct wall lease_until;
};

/* What the option `image` means at present. */
struct do_image_choice {
    bool is_known;
    struct mono at;
    char *image;    /* a number or a slug */
    char **regions; /* n_regions; of an image of the account */
    uint32_t n_regions;
    bool is_own;
    /* being looked up: */
    struct cloud_call *call;
    uint32_t page;
    uint64_t best_id;
    struct wall best_at;
};

struct do_list {
    bool is_under_way;
    uint64_t ask;
    uint64_t next_ask; /* 0: nobody asked again meanwhile */
    struct mono began_at;
    struct cloud_call *call;
    struct arena arena;
    struct do_droplet *at;
    uint32_t n;
    uint32_t cap;
    bool is_gpus; /* the second half: droplets with a GPU, which no tag selects */
    uint32_t page;
    unsigned tries;
    uint32_t half;  /* where this half begins in `at` */
    uint64_t total; /* of this half, as its newest page says */
    char *young;    /* the machine that is asked for by its id; NULL: none is */
    uint32_t young_at;
};

struct do_catalog {
    struct arena arena; /* of the answer that is kept */
    struct fleet_catalog kept;
    bool has_kept;
    struct mono at;
    bool is_wanted;
    int step;
    uint32_t page;
    struct cloud_call *call;
    struct arena new_arena;
    struct fleet_catalog new;
    struct fleet_size *sizes;
    struct fleet_region *regions;
    struct fleet_image *images;
    struct fleet_timer later;
};

struct do_renew {
    struct do_ops waiting;
    struct do_ops batch;
    struct fleet_timer timer;
    struct cloud_call *call; /* takes an old tag off */
    bool is_tagging;
    uint32_t singly; /* so many go alone: one of them was not there, and nobody says which */
    struct wall until;
    char tag[DO_TAG_BYTES];
};

/* A tag is made, and then put on droplets. */
struct do_tagging {
    struct do_tagging *prev;
    struct do_tagging *next;
    struct do_fleet *d;
    struct cloud_call *call;
    enum cloud_rank rank;
    struct buf body;
    char tag[DO_TAG_BYTES];
    void (*done)(void *ctx, const struct cloud_answer *a);
    void *ctx;
};

struct do_texts {
    char **at;
    uint32_t n;
    uint32_t cap;
};
void do_texts_add(struct do_texts *t, const char *text);
bool do_texts_has(const struct do_texts *t, const char *text);
void do_texts_done(struct do_texts *t);

/* Tags that nothing carries any more are taken away, now and then. */
struct do_tidy {
    bool is_begun; /* next_at is set */
    struct mono next_at;
    struct cloud_call *call;
    uint32_t page;
    struct do_texts unused; /* seen without a resource in this round */
    struct do_texts before; /* and in the round before */
    uint32_t at;
};

/* How far it reaches: other than presets only for `wrata reap`. */
struct do_reach {
    bool is_reaper;
    bool is_any;      /* machines of any wrata */
    bool needs_lease; /* what has none is left alone */
    bool force;       /* also what has a lease that goes on */
};

struct do_fleet {
    struct fleet *f;
    const struct do_options *o;
    char image_option[208]; /* as a text */
    struct do_reach reach;
    struct do_ops creates;
    struct do_ops destroys;
    struct do_image_choice image;
    struct do_known *known;
    uint32_t n_known;
    uint32_t cap_known;
    struct do_list list;
    struct do_catalog catalog;
    struct do_renew renew;
    struct do_tidy tidy;
    struct fleet_timer ways_timer;
    struct do_way *ways;  /* answers of connect that wait for the loop */
    struct do_ops asides; /* nobody waits for them: the project */
    struct do_tagging *taggings;
};

/* ---- digitalocean.c ---- */

struct do_op *do_op_new(struct do_fleet *d, struct do_ops *in);
void do_op_free(struct do_ops *in, struct do_op *op);

struct do_failure {
    struct fleet_failure f;
    char text[400];
};
/* Why a call came to nothing. doing: "making a machine". */
void do_failure_of(const struct cloud_answer *a, const char *doing, bool is_create, struct do_failure *ret);
void do_failure_set(struct do_failure *ret, enum fleet_fault fault, int64_t retry_after_ms, const char *fmt,
                    ...) PRINTF_LIKE(4, 5);
static inline bool do_is_ok(const struct cloud_answer *a)
{
    return a->fate == HTTP_ANSWERED && a->status >= 200 && a->status < 300;
}

bool do_is_id(const char *machine); /* could it be a droplet's number? */

struct do_known *do_known_find(struct do_fleet *d, const char *id);
struct do_known *do_known_add(struct do_fleet *d, const char *id);
void do_known_remove(struct do_fleet *d, const char *id);

struct do_reading do_reading_of(const struct do_fleet *d);

/* Put a tag on up to DO_TAGGED_MAX droplets. done: once, from the loop, with what the last call said. */
#define DO_TAGGED_MAX 100u
void do_tag(struct do_fleet *d, const char *tag, const char *const *ids, uint32_t n, enum cloud_rank rank,
            void (*done)(void *ctx, const struct cloud_answer *a), void *ctx);
void do_tag_done(struct do_fleet *d); /* at its close */

/* Become a reaper: reap.c. */
void do_reap(struct fleet *f, bool any, bool needs_lease, bool force);

/* ---- do_create.c ---- */
void do_create(struct fleet *f, const struct machine_spec *spec);
void do_cancel(struct fleet *f, uint64_t server, uint64_t intent);
void do_create_changed(struct do_fleet *d); /* the options are others */
void do_create_done(struct do_fleet *d);    /* at its close */

/* ---- do_list.c ---- */
void do_list(struct fleet *f, uint64_t ask);
void do_list_done(struct do_fleet *d);

/* ---- do_renew.c ---- */
void do_renew(struct fleet *f, const char *machine, struct wall lease_until);
void do_renew_done(struct do_fleet *d);

/* ---- do_catalog.c ---- */
void do_catalog(struct fleet *f, bool fresh);
void do_catalog_done(struct do_fleet *d);

/* ---- do_tidy.c ---- */
void do_tidy(struct do_fleet *d); /* after a list; does nothing for most of the time */
void do_tidy_done(struct do_fleet *d);

#endif
