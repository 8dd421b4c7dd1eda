/* keeper_private.h - what keeper.c (what arrives) and keeper_tidy.c (what goes) share. */
#ifndef WRATA_SERVER_KEEPER_PRIVATE_H
#define WRATA_SERVER_KEEPER_PRIVATE_H

#include "server/keeper.h"
#include "server/server.h"
#include "store/pack.h"

struct sending;
struct tidy;

struct keeper {
    struct server *server;
    char *dir;                    /* the data folder */
    char stamp[PACK_STAMP_BYTES]; /* of this process: what has it is not of a crash */
    uint64_t last_number;
    struct sending *line; /* wait for a job */
    uint32_t n_jobs;      /* of sendings, at work */
    uint32_t n_sendings;
    uint32_t n_removals;
    bool is_halted;
    struct tidy *tidy; /* at a start; NULL: done */
    struct prune *prune;
};

void keeper_remove(struct keeper *k, const char *name); /* no row names it (P2) */

/* ---- keeper_tidy.c ---- */
void tidy_start(struct keeper *k); /* then retention_start() */

#endif
