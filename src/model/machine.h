/* machine.h - machines as their provider shows them, and what can go wrong with it: the words that fleets and the engine
 * share. */
#ifndef WRATA_MODEL_MACHINE_H
#define WRATA_MODEL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum machine_state {
    MACHINE_NEW,    /* being made, or starting */
    MACHINE_ACTIVE, /* on */
    MACHINE_OFF,    /* it exists, costs money, and does nothing */
    MACHINE_GONE,   /* still listed, but it will never be on again: being destroyed, or archived */
    MACHINE_STATE_COUNT
};
const char *machine_state_name(enum machine_state s); /* "new" */

/* A machine as its provider shows it. */
struct machine {
    const char *id;   /* the provider's; never empty */
    uint64_t server;  /* from our mark; 0: the mark cannot be read */
    uint64_t intent;  /* which create call made it; 0: unknown */
    const char *name; /* as shown by the provider */
    enum machine_state state;
    const char *address;         /* "" not yet */
    const char *size;            /* "" unknown */
    const char *region;          /* "" unknown */
    struct wall created_at;      /* 0 unknown */
    struct wall lease_until;     /* 0: it has no lease */
    int64_t price_hour_microusd; /* -1 unknown */
};

/* clang-format off */
#define FLEET_FAULT_MAP(X)                                                                                           \
    /* name     word       sentence for a person                          what the engine may do */                  \
    X(UNKNOWN,  "unknown", "it is not known whether it happened")         /* look at the list before trying again */ \
    X(LIMIT,    "limit",   "the account has no room for another machine") /* nothing was made: later; tell admins */ \
    X(INVALID,  "invalid", "the cloud refuses what it was asked for")     /* nothing was made: no use in retrying */ \
    X(AUTH,     "auth",    "the cloud does not accept the token")         /* nothing was made: an admin must act */  \
    X(BUSY,     "busy",    "the cloud is busy or cannot be reached")      /* nothing was made: retry_after_ms */     \
    X(GONE,     "gone",    "there is no such machine")                    /* of renew and connect */

enum fleet_fault {
#define X(name, word, text) FLEET_FAULT_##name,
    FLEET_FAULT_MAP(X)
#undef X
    FLEET_FAULT_COUNT
};
/* clang-format on */
const char *fleet_fault_name(enum fleet_fault f);     /* "limit" */
const char *fleet_fault_sentence(enum fleet_fault f); /* never NULL */

struct fleet_failure {
    enum fleet_fault fault;
    int64_t retry_after_ms; /* earliest next try that makes sense; 0: as you like */
    const char *reason;     /* a sentence for people, with the cloud's own words; never a secret */
};

/* A kind of machine that can be had, and what it costs. */
struct fleet_size {
    const char *name; /* "s-1vcpu-1gb" */
    const char *description;
    int64_t price_hour_microusd; /* -1 unknown */
    uint32_t memory_mib;
    uint32_t cpus;
    uint32_t disk_gib;
    bool is_available;          /* anywhere */
    const char *const *regions; /* n_regions names */
    uint32_t n_regions;
};

#endif
