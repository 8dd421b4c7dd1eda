/* pack.h - what a run left to be kept, in one file: the bytes of its artifacts, one after the other.
 *
 *     DATA/artifacts/tmp/NAME     while it arrives
 *     DATA/artifacts/AA/NAME      whole and on disk; AA is the low byte of the run's number in hex
 *
 * NAME is RUN-STAMP-N, new for each sending: what came before stays readable until the rows name the new one. One file for a
 * run, and not one for each artifact: one fsync and one rename instead of a thousand, and a name to tidy for each run. A file
 * that no row names is of a crash, and removed at the next start (server/keeper.c).
 *
 * All of it may block: on any thread but the loop's. */
#ifndef WRATA_STORE_PACK_H
#define WRATA_STORE_PACK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/artifact.h"

#define PACK_STAMP_BYTES 20u

struct pack;

/* Begin one. `dir`: the data folder; borrowed until its end, as the stamp is for the call. `number`: of this process, each once.
 * ERR_LIMIT: the disk is too full. */
MUST_USE enum err pack_begin(const char *dir, struct run_id run, const char *stamp, uint64_t number,
                             struct pack **ret, struct why *reterr);
/* ERR_LIMIT: the disk is full, or so full that the rest is for the database and the logs. */
MUST_USE enum err pack_write(struct pack *p, const char *bytes, size_t n, struct why *reterr);
/* On disk, and under its name. pack_free() is still to come. */
MUST_USE enum err pack_keep(struct pack *p, struct why *reterr);
const char *pack_name(const struct pack *p);
uint64_t pack_bytes(const struct pack *p); /* written so far */
/* What was not kept is gone. NULL is fine. */
void pack_free(struct pack *p);

/* DATA/artifacts/AA/NAME into out. */
void pack_path(char *out, size_t size, const char *dir, const char *name);

/* The run that a name is of; 0: it is no name of a pack. `stamp` (NULL: never mind): whether it has this one. */
uint64_t pack_run(const char *name, const char *stamp, bool *ret_has_stamp);

/* Read up to n bytes at an offset. ERR_NOTFOUND: the file is not there. *ret_n less than n: it ends there. */
MUST_USE enum err pack_read(const char *dir, const char *name, uint64_t offset, char *out, size_t n,
                            size_t *ret_n, struct why *reterr);

/* Gone; fine when it is not there. False: it is still there. */
bool pack_remove(const char *dir, const char *name);
/* Give the space of a piece back where the file system can; its bytes become zeros. */
void pack_punch(const char *dir, const char *name, uint64_t offset, uint64_t bytes);

/* At a start: remove all that was arriving; make the folders. */
MUST_USE enum err pack_tidy(const char *dir, struct why *reterr);
/* The names in folder `aa` (0 to 255), a NUL after each, appended to out; at most what fits. */
void pack_list(const char *dir, unsigned aa, struct buf *out);

#endif
