/* spool_private.h - what spool.c and spool_open.c share: the records and the index of them.
 *
 * A segment is SEGMENT_MAGIC, then records:
 *
 *     u32 crc    of everything after it, started from the segment's number: a stale record never fits
 *     u32 len    of the payload
 *     u32 type   enum record_type | stream << 8
 *     u64 run
 *     u64 at     STREAM: offset of the payload in its stream; else 0
 *     payload */
#ifndef WRATA_AGENT_SPOOL_PRIVATE_H
#define WRATA_AGENT_SPOOL_PRIVATE_H

#include "agent/spool.h"

#define SEGMENT_MAGIC "wspool1\n"
#define MAGIC_BYTES 8u
#define HEADER_BYTES 28u
#define RECORD_MAX (FRAME_BODY_MAX + KIB(4))
#define OUT_MAX MIB(32)             /* what can wait for a full disk; bounded by runs held */
#define OUT_FLUSH_BYTES KIB(512)    /* do not wait for the turn's end with more than this */
#define CACHE_STREAM_BYTES KIB(256) /* of one stream in memory */
#define CACHE_ALL_BYTES MIB(4)
#define INDEX_EVERY_BYTES KIB(64)
#define WINDOW_BYTES KIB(16)
#define MARKS_MAX 256u
#define MARKS_STEP_MS 20u
#define SQUEEZE_BYTES KIB(64) /* a segment smaller than this is not worth letting go for room */

enum record_type {
    REC_SPEC = 1,
    REC_STARTED = 2,
    REC_STREAM = 3,
    REC_FINISHED = 4,
    REC_RELEASED = 5,
    REC_LENGTHS = 6, /* acked and len of both streams: written when records are copied forward */
};

/* Where in the journal something lies. seg 0: nowhere. */
struct place {
    uint32_t seg;
    uint32_t off;
};

struct index_entry {
    struct place place; /* of the record's header */
    uint64_t at;        /* its first byte in the stream */
};

/* From byte `at` on a stream was appended at `ms`, by the clock of this machine. */
struct spool_mark {
    uint64_t at;
    int64_t ms;
};

struct spool_stream {
    uint64_t len;
    uint64_t acked;
    struct spool_mark *marks; /* of the log, what is not acknowledged; gone with the process */
    uint32_t n_marks;
    uint32_t cap_marks;
    uint32_t marks_step_ms;    /* they are so far from each other */
    struct index_entry *index; /* sparse: one per segment and per INDEX_EVERY_BYTES */
    uint32_t n_index;
    uint32_t cap_index;
    char *cache; /* bytes cache_at .. cache_at + cache_len */
    size_t cache_cap;
    size_t cache_len;
    uint64_t cache_at;
};

struct spool_run {
    uint64_t id;
    struct place spec;
    struct place started;
    struct place finished;
    struct place lengths;
    struct spool_stream stream[STREAM_COUNT];
    struct spool_run *hash_next;
    struct spool_run *prev;
    struct spool_run *next;
};

struct spool {
    char *dir;
    int dir_fd;
    size_t segment_bytes;
    ssize_t (*write_at)(void *ctx, int fd, const void *data, size_t n, off_t at);
    void *write_ctx;

    uint32_t oldest; /* number of the first segment that still exists */
    uint32_t current;
    int fd;           /* of the current segment */
    uint32_t written; /* bytes of it on disk */
    struct buf out;   /* records not written yet; the first lies at `written` */

    uint64_t last_seq; /* number of the last numbered record appended */
    bool want_sync;
    bool is_low;
    bool has_reserve;

    struct spool_run *buckets[256];
    struct spool_run *first;
    struct spool_run *last;
    size_t cached_bytes;

    int read_fd; /* of the last older segment read */
    uint32_t read_seg;
    struct place win;
    uint32_t win_len;
    char window[WINDOW_BYTES];
};

/* ---- little-endian ---- */

static inline void put32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i));
}

static inline void put64(char *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint32_t get32(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get64(const char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- shared functions ---- */

struct spool_run *spool_run_find(const struct spool *s, uint64_t id);
struct spool_run *spool_run_make(struct spool *s, uint64_t id);
void spool_run_free(struct spool *s, struct spool_run *r);
void spool_index_add(struct spool_stream *st, struct place place, uint64_t at);
int spool_segment_open(const struct spool *s, uint32_t seg, int flags);
MUST_USE enum err spool_segment_begin(struct spool *s, uint32_t seg, struct why *reterr);
void spool_reserve_take(struct spool *s);
/* n bytes of the journal at `p`, n <= WINDOW_BYTES; NULL: they are not there. Valid until the next call. */
const char *spool_window(struct spool *s, struct place p, uint32_t n);
MUST_USE enum err spool_copy(struct spool *s, struct place p, size_t n, struct buf *out);

#endif
