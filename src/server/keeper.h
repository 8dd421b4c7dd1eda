/* keeper.h - what runs leave to be kept: from the links to disk, to the watchers, and away again when it is old.
 *
 * Bytes are read and written on the thread pool, a few sendings at a time; the loop only hands them over. A sending
 * is answered when its pack is on disk under its name and its rows are committed, in this order. Loop thread. */
#ifndef WRATA_SERVER_KEEPER_H
#define WRATA_SERVER_KEEPER_H

#include "link/link.h"

struct server;
struct keeper;
struct why;

/* Makes the folders, removes what was arriving when the last server ended. After the store, before the links. */
MUST_USE enum err keeper_open(struct server *s, struct why *reterr);
void keeper_start(struct server *s); /* what no row names is removed; then retention_start() */
void keeper_halt(struct server *s);  /* nothing more is begun; after the links, before the store closes */
void keeper_free(struct server *s);  /* after the loop's last turn, in which all that was under way ended */

/* Of server_link_ops. */
void *keeper_begin(void *ctx, struct server_id server, struct run_id run, struct artifact_chan *chan,
                   struct why *reterr);
void keeper_bytes(void *sink, TAKES char *bytes, size_t n);
void keeper_drop(void *sink);

/* Old artifacts, too many of them, and those of runs that are not there any more go. With `needed` only so many bytes, of the
 * oldest that are older than a day. What went is told at the end, perhaps from inside the call; one at a time. */
typedef void keeper_pruned_fn(void *ctx, uint32_t n, uint64_t bytes);
void keeper_prune(struct server *s, uint64_t needed, keeper_pruned_fn *done, void *ctx);

/* For the API: the bytes of an artifact whose row is gone are given back. */
struct artifact_gone;
void keeper_gone(void *server, const struct artifact_gone *gone);

#endif
