/* spool.h - what a server must not lose: which runs it holds, what they wrote, how they ended.
 *
 * One journal for all runs, not a file per run: records with a checksum, appended to segments of 8 MiB
 * (spool/00000001.seg ...). Records gather in memory during a turn of the loop and leave with one write; one
 * fdatasync, where serve.c asks for it, makes all of them durable. A crash of the process loses nothing that was written, a
 * crash of the machine nothing that was synced; a torn tail is cut at the first bad checksum.
 *
 * Bytes of streams are kept in memory while they are few, else read back from the segments. The oldest
 * segment goes when no run needs stream bytes in it; the few records of runs that live on are copied forward.
 *
 * A full disk: a reserve file is given up, so that ends can still be recorded; streams and new runs are
 * refused with ERR_LIMIT until there is room again (spool_tidy). No domain rules here: see agent_core.c. */
#ifndef WRATA_AGENT_SPOOL_H
#define WRATA_AGENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/agent_core.h"
#include "base/buf.h"

#define SPOOL_SEGMENT_BYTES MIB(8)
#define SPOOL_RESERVE_BYTES MIB(1)

struct spool;

struct spool_opts {
    const char *dir;      /* made when missing */
    size_t segment_bytes; /* 0: SPOOL_SEGMENT_BYTES; tests take less */
    /* NULL: pwrite. Tests put a disk that fails here. */
    ssize_t (*write_at)(void *ctx, int fd, const void *data, size_t n, off_t at);
    void *write_ctx;
};

/* A process that a run was started as. */
struct spool_started {
    uint32_t pid;
    uint32_t slot;
    uint64_t start_us; /* CLOCK_BOOTTIME around its fork */
    uint64_t boot;     /* which boot of the machine */
};

/* Open or make the journal and read it. */
MUST_USE enum err spool_open(const struct spool_opts *opts, OWNED struct spool **ret, struct why *reterr);
void spool_close(struct spool *s);

/* Each run of the journal that was not released, oldest first; `started` is NULL when it had not been. */
typedef void spool_restored_fn(void *ctx, const struct agent_restored *r,
                               const struct spool_started *started);
void spool_each(struct spool *s, spool_restored_fn *fn, void *ctx);

/* Append records. ERR_LIMIT: the disk is full, nothing was recorded. The others always find a place. */
MUST_USE enum err spool_spec(struct spool *s, uint64_t run, struct slice spec, uint64_t seq);
MUST_USE enum err spool_stream(struct spool *s, uint64_t run, uint32_t stream, const char *data, size_t n);
/* The same for the closing lines of a stream, which go in even when the disk is low. */
void spool_stream_end(struct spool *s, uint64_t run, uint32_t stream, const char *data, size_t n);
void spool_started(struct spool *s, uint64_t run, const struct spool_started *st);
void spool_finished(struct spool *s, uint64_t run, struct slice frame, uint64_t seq);
void spool_acked(struct spool *s, uint64_t run, uint32_t stream, uint64_t offset);
void spool_release(struct spool *s, uint64_t run);

uint64_t spool_len(const struct spool *s, uint64_t run, uint32_t stream);

/* Append len bytes of a stream from offset `from` to out. ERR_NOTFOUND: they are not there (any more). */
MUST_USE enum err spool_read(struct spool *s, uint64_t run, uint32_t stream, uint64_t from, size_t len,
                             struct buf *out);

/* When the byte of the log at `from` was appended, in milliseconds since 1970, give or take 20 ms (more when much waits for a
 * link); 0: not known, another process did. *ret_end: up to there it holds; the end of the log at most. */
int64_t spool_log_time(const struct spool *s, uint64_t run, uint64_t from, uint64_t *ret_end);

/* The last n bytes of a stream at most, for a reason's last lines. */
void spool_tail(struct spool *s, uint64_t run, uint32_t stream, size_t n, struct buf *out);

/* Write what gathered. ERR_LIMIT or ERR_IO: it stays in memory and is tried again. */
MUST_USE enum err spool_flush(struct spool *s, struct why *reterr);
uint64_t spool_flushed_seq(const struct spool *s); /* after a flush: the number of the last record */

bool spool_wants_sync(const struct spool *s); /* an end is not durable yet */
/* Flush and make durable; *retseq: the number of the last record that is durable now. */
MUST_USE enum err spool_sync(struct spool *s, uint64_t *retseq, struct why *reterr);

bool spool_is_low(const struct spool *s); /* the reserve is given up */
/* Now and then: delete segments nobody needs, take a reserve again when there is room. */
void spool_tidy(struct spool *s);
uint64_t spool_disk_free(const struct spool *s);

#endif
