/* spool.c - the journal: see spool.h.
 *
 * A segment is SEGMENT_MAGIC, then records:
 *
 *     u32 crc    of everything after it, started from the segment's number: a stale record never fits
 *     u32 len    of the payload
 *     u32 type   enum record_type | stream << 8
 *     u64 run
 *     u64 at     STREAM: offset of the payload in its stream; else 0
 *     payload
 *
 * Invariants:
 *   S1  bytes of a stream are appended in order, without gaps
 *   S2  segments are deleted oldest first, so a record never outlives the one that ends its meaning
 *   S3  what is not in the index of runs is not needed
 *   S4  a segment is synced before the next one begins */
#include "agent/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/crc32.h"
#include "base/log.h"

#define SEGMENT_MAGIC "wspool1\n"
#define MAGIC_BYTES 8u
#define HEADER_BYTES 28u
#define RECORD_MAX (FRAME_BODY_MAX + KIB(4))
#define OUT_MAX MIB(32)              /* what can wait for a full disk; bounded by runs held */
#define OUT_FLUSH_BYTES KIB(512)     /* do not wait for the turn's end with more than this */
#define CACHE_STREAM_BYTES KIB(256)  /* of one stream in memory */
#define CACHE_ALL_BYTES MIB(4)
#define INDEX_EVERY_BYTES KIB(64)
#define WINDOW_BYTES KIB(16)

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

struct spool_stream {
    uint64_t len;
    uint64_t acked;
    struct index_entry *index; /* sparse: one per segment and per INDEX_EVERY_BYTES */
    uint32_t n_index;
    uint32_t cap_index;
    char *cache;        /* bytes cache_at .. cache_at + cache_len */
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
    int fd;          /* of the current segment */
    uint32_t written; /* bytes of it on disk */
    struct buf out;  /* records not written yet; the first lies at `written` */

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

static void put32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i));
}

static void put64(char *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- the index of runs ---- */

static struct spool_run *run_find(const struct spool *s, uint64_t id)
{
    struct spool_run *r = s->buckets[id & 255];

    while (r != NULL && r->id != id)
        r = r->hash_next;
    return r;
}

static struct spool_run *run_make(struct spool *s, uint64_t id)
{
    struct spool_run *r = run_find(s, id);

    if (r != NULL)
        return r;
    r = xcalloc(1, sizeof(*r));
    r->id = id;
    r->hash_next = s->buckets[id & 255];
    s->buckets[id & 255] = r;
    r->prev = s->last;
    if (s->last != NULL)
        s->last->next = r;
    else
        s->first = r;
    s->last = r;
    return r;
}

static void cache_drop(struct spool *s, struct spool_stream *st)
{
    s->cached_bytes -= st->cache_cap;
    free(st->cache);
    st->cache = NULL;
    st->cache_cap = st->cache_len = 0;
}

static void run_free(struct spool *s, struct spool_run *r)
{
    struct spool_run **p = &s->buckets[r->id & 255];

    while (*p != r)
        p = &(*p)->hash_next;
    *p = r->hash_next;
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        s->first = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        s->last = r->prev;
    for (int i = 0; i < STREAM_COUNT; i++) {
        cache_drop(s, &r->stream[i]);
        free(r->stream[i].index);
    }
    free(r);
}

static void index_add(struct spool_stream *st, struct place place, uint64_t at)
{
    if (st->n_index > 0) {
        const struct index_entry *e = &st->index[st->n_index - 1];

        if (e->place.seg == place.seg && at - e->at < INDEX_EVERY_BYTES)
            return;
    }
    if (st->n_index == st->cap_index) {
        st->cap_index = st->cap_index == 0 ? 4 : st->cap_index * 2;
        st->index = xrealloc(st->index, st->cap_index * sizeof(*st->index));
    }
    st->index[st->n_index++] = (struct index_entry){place, at};
}

/* The last entry at or before `at`; NULL: the bytes are gone. */
static const struct index_entry *index_find(const struct spool_stream *st, uint64_t at)
{
    uint32_t low = 0;
    uint32_t high = st->n_index;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (st->index[mid].at <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? NULL : &st->index[low - 1];
}

/* ---- segments ---- */

static void segment_name(char *out, size_t size, uint32_t seg)
{
    (void)snprintf(out, size, "%08" PRIu32 ".seg", seg);
}

static int segment_open(const struct spool *s, uint32_t seg, int flags)
{
    char name[24];

    segment_name(name, sizeof(name), seg);
    return openat(s->dir_fd, name, flags | O_CLOEXEC, 0600);
}

static void reserve_take(struct spool *s)
{
    int fd;

    if (s->has_reserve)
        return;
    fd = openat(s->dir_fd, "reserve", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (posix_fallocate(fd, 0, (off_t)SPOOL_RESERVE_BYTES) == 0)
        s->has_reserve = true;
    else
        (void)unlinkat(s->dir_fd, "reserve", 0);
    (void)close(fd);
}

static void reserve_give(struct spool *s)
{
    if (s->has_reserve)
        (void)unlinkat(s->dir_fd, "reserve", 0);
    s->has_reserve = false;
}

static enum err write_out(struct spool *s, struct why *reterr)
{
    size_t done = 0;

    while (done < s->out.len) {
        ssize_t n = s->write_at != NULL
                        ? s->write_at(s->write_ctx, s->fd, s->out.data + done, s->out.len - done,
                                      (off_t)(s->written + done))
                        : pwrite(s->fd, s->out.data + done, s->out.len - done, (off_t)(s->written + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return why_errno(reterr, errno == ENOSPC || errno == EDQUOT ? ERR_LIMIT : ERR_IO, errno,
                             "the spool cannot be written");
        done += (size_t)n;
    }
    s->written += (uint32_t)done;
    if (s->out.cap > OUT_FLUSH_BYTES / 4)
        buf_done(&s->out);
    else
        buf_clear(&s->out);
    return ERR_OK;
}

enum err spool_flush(struct spool *s, struct why *reterr)
{
    enum err e;

    if (s->out.len == 0)
        return ERR_OK;
    e = write_out(s, reterr);
    if (e == ERR_OK)
        return ERR_OK;
    /* Nothing counts as written; the same bytes are written to the same place again. */
    s->is_low = true;
    if (!s->has_reserve)
        return e;
    reserve_give(s);
    return write_out(s, reterr);
}

static enum err segment_begin(struct spool *s, uint32_t seg, struct why *reterr)
{
    int fd = segment_open(s, seg, O_RDWR | O_CREAT | O_EXCL);

    if (fd < 0 && s->has_reserve && (errno == ENOSPC || errno == EDQUOT)) {
        s->is_low = true;
        reserve_give(s);
        fd = segment_open(s, seg, O_RDWR | O_CREAT | O_EXCL);
    }
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "segment %" PRIu32 " of the spool cannot be made", seg);
    (void)fsync(s->dir_fd); /* the name; when it fails the next sync of data fails as well */
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = fd;
    s->current = seg;
    s->written = 0;
    buf_put(&s->out, SEGMENT_MAGIC, MAGIC_BYTES);
    return ERR_OK;
}

/* Begin the next segment when a record of n bytes does not fit this one. On trouble the segment just grows:
 * its size is a wish, the records are not. */
static void segment_rotate(struct spool *s, size_t n)
{
    struct why why;

    if (s->written + s->out.len + n <= s->segment_bytes || s->written + s->out.len <= MAGIC_BYTES)
        return;
    if (spool_flush(s, &why) != ERR_OK)
        return;
    if (fdatasync(s->fd) != 0) /* S4 */
        return;
    (void)segment_begin(s, s->current + 1, &why);
}

static struct place append(struct spool *s, enum record_type type, uint32_t stream, uint64_t run, uint64_t at,
                           const char *data, size_t n)
{
    struct place place;
    char h[HEADER_BYTES];
    uint32_t crc;

    CHECK(n <= RECORD_MAX);
    segment_rotate(s, HEADER_BYTES + n);
    place = (struct place){s->current, s->written + (uint32_t)s->out.len};
    put32(h + 4, (uint32_t)n);
    put32(h + 8, (uint32_t)type | stream << 8);
    put64(h + 12, run);
    put64(h + 20, at);
    crc = crc32_of(place.seg, h + 4, HEADER_BYTES - 4);
    crc = crc32_of(crc, data, n);
    put32(h, crc);
    buf_put(&s->out, h, HEADER_BYTES);
    buf_put(&s->out, data, n);
    return place;
}

/* ---- reading back ---- */

/* n bytes of the journal at `p`, n <= WINDOW_BYTES; NULL: they are not there. Valid until the next call. */
static const char *window_get(struct spool *s, struct place p, uint32_t n)
{
    ssize_t got;
    int fd;

    CHECK(n <= WINDOW_BYTES);
    if (p.seg == s->win.seg && p.off >= s->win.off && p.off + n <= s->win.off + s->win_len)
        return s->window + (p.off - s->win.off);
    if (p.seg == s->current) {
        struct why why;

        if (p.off + n > s->written && spool_flush(s, &why) != ERR_OK)
            return NULL;
        fd = s->fd;
    } else {
        if (s->read_seg != p.seg) {
            if (s->read_fd >= 0)
                (void)close(s->read_fd);
            s->read_fd = segment_open(s, p.seg, O_RDONLY);
            s->read_seg = p.seg;
        }
        fd = s->read_fd;
    }
    do
        got = pread(fd, s->window, WINDOW_BYTES, (off_t)p.off);
    while (got < 0 && errno == EINTR);
    s->win = p;
    s->win_len = got > 0 ? (uint32_t)got : 0;
    if (p.seg == s->current && s->win_len > s->written - p.off)
        s->win_len = s->written - p.off; /* what a failed write left behind does not count */
    return s->win_len >= n ? s->window : NULL;
}

static enum err copy_out(struct spool *s, struct place p, size_t n, struct buf *out)
{
    while (n > 0) {
        uint32_t part = n < WINDOW_BYTES ? (uint32_t)n : (uint32_t)WINDOW_BYTES;
        const char *w = window_get(s, p, part);

        if (w == NULL)
            return ERR_NOTFOUND;
        if (buf_add(out, w, part) != ERR_OK)
            return ERR_LIMIT;
        p.off += part;
        n -= part;
    }
    return ERR_OK;
}

static enum err read_journal(struct spool *s, uint64_t run, uint32_t stream, const struct spool_stream *st,
                             uint64_t from, size_t len, struct buf *out)
{
    const struct index_entry *e = index_find(st, from);
    struct place p;

    if (e == NULL)
        return ERR_NOTFOUND;
    p = e->place;
    while (len > 0) {
        const char *h = window_get(s, p, HEADER_BYTES);
        uint32_t n;
        uint64_t at;
        bool is_ours;

        if (h == NULL) { /* this segment's end: the stream goes on where the index says */
            e = index_find(st, from);
            if (e == NULL || e->place.seg <= p.seg)
                return ERR_NOTFOUND;
            p = e->place;
            continue;
        }
        n = get32(h + 4);
        at = get64(h + 20);
        is_ours = get32(h + 8) == (REC_STREAM | stream << 8) && get64(h + 12) == run;
        if (is_ours && at <= from && from < at + n) {
            size_t part = (size_t)(at + n - from) < len ? (size_t)(at + n - from) : len;
            enum err err = copy_out(s, (struct place){p.seg, p.off + HEADER_BYTES + (uint32_t)(from - at)}, part, out);

            if (err != ERR_OK)
                return err;
            from += part;
            len -= part;
        }
        p.off += HEADER_BYTES + n;
    }
    return ERR_OK;
}

enum err spool_read(struct spool *s, uint64_t run, uint32_t stream, uint64_t from, size_t len, struct buf *out)
{
    const struct spool_run *r = run_find(s, run);
    const struct spool_stream *st;

    CHECK(stream < STREAM_COUNT);
    if (r == NULL || from + len > r->stream[stream].len)
        return ERR_NOTFOUND;
    st = &r->stream[stream];
    if (st->cache != NULL && from >= st->cache_at && from + len <= st->cache_at + st->cache_len)
        return buf_add(out, st->cache + (from - st->cache_at), len);
    return read_journal(s, run, stream, st, from, len, out);
}

void spool_tail(struct spool *s, uint64_t run, uint32_t stream, size_t n, struct buf *out)
{
    uint64_t len = spool_len(s, run, stream);

    if (n > len)
        n = (size_t)len;
    if (spool_read(s, run, stream, len - n, n, out) != ERR_OK)
        buf_clear(out); /* a reason without its last lines is still one */
}

uint64_t spool_len(const struct spool *s, uint64_t run, uint32_t stream)
{
    const struct spool_run *r = run_find(s, run);

    return r == NULL ? 0 : r->stream[stream].len;
}

/* ---- appending ---- */

/* Keep bytes in memory as long as they follow on what is there and there is room. */
static void cache_add(struct spool *s, struct spool_stream *st, const char *data, size_t n)
{
    size_t cap = st->cache_cap;

    if (st->cache_len == 0)
        st->cache_at = st->len;
    if (st->cache_at + st->cache_len != st->len || st->cache_len + n > CACHE_STREAM_BYTES)
        return;
    if (st->cache_len + n > cap) {
        while (cap < st->cache_len + n)
            cap = cap == 0 ? 256 : cap * 2;
        if (s->cached_bytes + cap - st->cache_cap > CACHE_ALL_BYTES)
            return;
        st->cache = xrealloc(st->cache, cap);
        s->cached_bytes += cap - st->cache_cap;
        st->cache_cap = cap;
    }
    memcpy(st->cache + st->cache_len, data, n);
    st->cache_len += n;
}

void spool_stream_end(struct spool *s, uint64_t run, uint32_t stream, const char *data, size_t n)
{
    struct spool_run *r = run_make(s, run);
    struct spool_stream *st = &r->stream[stream];
    struct why why;

    CHECK(stream < STREAM_COUNT);
    while (n > 0) {
        size_t part = n < KIB(64) ? n : KIB(64);

        index_add(st, append(s, REC_STREAM, stream, run, st->len, data, part), st->len);
        cache_add(s, st, data, part);
        st->len += part;
        data += part;
        n -= part;
    }
    if (s->out.len > OUT_FLUSH_BYTES && spool_flush(s, &why) != ERR_OK)
        return; /* the turn's own flush tries again and tells of it */
}

enum err spool_stream(struct spool *s, uint64_t run, uint32_t stream, const char *data, size_t n)
{
    if (s->is_low)
        return ERR_LIMIT;
    spool_stream_end(s, run, stream, data, n);
    return ERR_OK;
}

enum err spool_spec(struct spool *s, uint64_t run, struct slice spec, uint64_t seq)
{
    if (s->is_low || spec.len > RECORD_MAX)
        return ERR_LIMIT;
    run_make(s, run)->spec = append(s, REC_SPEC, 0, run, 0, spec.ptr, spec.len);
    s->last_seq = seq;
    return ERR_OK;
}

void spool_started(struct spool *s, uint64_t run, const struct spool_started *st)
{
    char p[24];

    put32(p, st->pid);
    put32(p + 4, st->slot);
    put64(p + 8, st->start_us);
    put64(p + 16, st->boot);
    run_make(s, run)->started = append(s, REC_STARTED, 0, run, 0, p, sizeof(p));
}

void spool_finished(struct spool *s, uint64_t run, struct slice frame, uint64_t seq)
{
    run_make(s, run)->finished = append(s, REC_FINISHED, 0, run, 0, frame.ptr, frame.len);
    s->last_seq = seq;
    s->want_sync = true;
}

void spool_acked(struct spool *s, uint64_t run, uint32_t stream, uint64_t offset)
{
    struct spool_run *r = run_find(s, run);
    struct spool_stream *st;
    size_t n;

    if (r == NULL || stream >= STREAM_COUNT)
        return;
    st = &r->stream[stream];
    if (offset > st->acked && offset <= st->len)
        st->acked = offset;
    if (st->cache == NULL || st->acked <= st->cache_at)
        return;
    if (st->acked >= st->cache_at + st->cache_len) {
        if (st->acked == st->len && st->cache_cap <= KIB(4))
            st->cache_len = 0; /* it will be wanted again */
        else
            cache_drop(s, st);
        return;
    }
    n = (size_t)(st->acked - st->cache_at);
    if (n < st->cache_len / 2)
        return; /* moving little by little would cost a square */
    memmove(st->cache, st->cache + n, st->cache_len - n);
    st->cache_len -= n;
    st->cache_at = st->acked;
}

void spool_release(struct spool *s, uint64_t run)
{
    struct spool_run *r = run_find(s, run);

    if (r == NULL)
        return;
    (void)append(s, REC_RELEASED, 0, run, 0, "", 0);
    run_free(s, r);
}

bool spool_wants_sync(const struct spool *s)
{
    return s->want_sync;
}

enum err spool_sync(struct spool *s, uint64_t *retseq, struct why *reterr)
{
    enum err e = spool_flush(s, reterr);

    if (e != ERR_OK)
        return e;
    if (fdatasync(s->fd) != 0)
        return why_errno(reterr, ERR_IO, errno, "the spool cannot be made durable");
    s->want_sync = false;
    *retseq = s->last_seq;
    return ERR_OK;
}

bool spool_is_low(const struct spool *s)
{
    return s->is_low;
}

uint64_t spool_disk_free(const struct spool *s)
{
    struct statvfs v;

    if (fstatvfs(s->dir_fd, &v) != 0)
        return 0;
    return (uint64_t)v.f_bavail * v.f_frsize;
}

/* ---- letting segments go ---- */

static uint32_t oldest_needed(const struct spool *s)
{
    uint32_t oldest = s->current;

    for (const struct spool_run *r = s->first; r != NULL; r = r->next) {
        for (int i = 0; i < STREAM_COUNT; i++) {
            const struct spool_stream *st = &r->stream[i];
            const struct index_entry *e = st->acked < st->len ? index_find(st, st->acked) : NULL;

            if (e != NULL && e->place.seg < oldest)
                oldest = e->place.seg;
        }
    }
    return oldest;
}

static bool copy_forward(struct spool *s, struct spool_run *r, enum record_type type, struct place *place)
{
    struct buf b;
    const char *h;
    bool ok;

    h = window_get(s, *place, HEADER_BYTES);
    if (h == NULL)
        return false;
    buf_init(&b, RECORD_MAX);
    ok = copy_out(s, (struct place){place->seg, place->off + HEADER_BYTES}, get32(h + 4), &b) == ERR_OK;
    if (ok)
        *place = append(s, type, 0, r->id, 0, buf_str(&b), b.len);
    buf_done(&b);
    return ok;
}

/* Write again what records before segment `keep` say of a run. */
static bool run_copy_forward(struct spool *s, struct spool_run *r, uint32_t keep)
{
    char p[8 * 2 * STREAM_COUNT];
    bool ok = true;
    struct place *place = r->finished.seg != 0  ? &r->finished
                          : r->started.seg != 0 ? &r->started
                                                : &r->spec;
    enum record_type type = r->finished.seg != 0 ? REC_FINISHED : r->started.seg != 0 ? REC_STARTED : REC_SPEC;

    if (place->seg != 0 && place->seg < keep)
        ok = copy_forward(s, r, type, place);
    for (int i = 0; i < STREAM_COUNT; i++) {
        struct spool_stream *st = &r->stream[i];
        uint32_t gone = 0;

        while (gone < st->n_index && st->index[gone].place.seg < keep)
            gone++;
        if (gone > 0)
            memmove(st->index, st->index + gone, (st->n_index - gone) * sizeof(*st->index));
        st->n_index -= gone;
        put64(p + 16 * i, st->acked);
        put64(p + 16 * i + 8, st->len);
    }
    if (ok && (r->stream[0].len > 0 || r->stream[1].len > 0) && r->lengths.seg < keep)
        r->lengths = append(s, REC_LENGTHS, 0, r->id, 0, p, sizeof(p));
    return ok;
}

static void trim(struct spool *s)
{
    uint32_t keep = oldest_needed(s);
    uint64_t seq;
    struct why why;
    char name[24];

    if (keep <= s->oldest)
        return;
    for (struct spool_run *r = s->first; r != NULL; r = r->next)
        if (!run_copy_forward(s, r, keep))
            return;
    if (spool_sync(s, &seq, &why) != ERR_OK) /* the copies first, then the originals */
        return;
    s->want_sync = true; /* whoever waits for an end is still to be told */
    for (; s->oldest < keep; s->oldest++) {
        segment_name(name, sizeof(name), s->oldest);
        (void)unlinkat(s->dir_fd, name, 0);
    }
    if (s->read_seg < keep && s->read_fd >= 0) {
        (void)close(s->read_fd);
        s->read_fd = -1;
        s->read_seg = 0;
    }
    s->win_len = 0;
}

void spool_tidy(struct spool *s)
{
    struct why why;

    /* Nothing is held: a long history of released runs would only be read at the next start. */
    if (s->first == NULL && s->written > s->segment_bytes / 8 && spool_flush(s, &why) == ERR_OK)
        (void)segment_begin(s, s->current + 1, &why);
    if (s->oldest < s->current)
        trim(s);
    if (!s->is_low || spool_disk_free(s) < SPOOL_RESERVE_BYTES * 4)
        return;
    if (spool_flush(s, &why) != ERR_OK)
        return;
    reserve_take(s);
    s->is_low = !s->has_reserve;
}

/* ---- opening ---- */

static void replay_lengths(struct spool_run *r, const char *data, size_t n, struct place place)
{
    if (n < 16 * STREAM_COUNT)
        return;
    r->lengths = place;
    for (int i = 0; i < STREAM_COUNT; i++) {
        struct spool_stream *st = &r->stream[i];

        if (get64(data + 16 * i) > st->acked)
            st->acked = get64(data + 16 * i);
        if (get64(data + 16 * i + 8) > st->len)
            st->len = get64(data + 16 * i + 8);
    }
}

static void replay_stream(struct spool_run *r, uint32_t stream, uint64_t at, size_t n, struct place place)
{
    struct spool_stream *st;

    if (stream >= STREAM_COUNT)
        return;
    st = &r->stream[stream];
    if (st->n_index == 0 && at > st->len) {
        /* The first bytes were acknowledged, and their segment is gone. */
        st->len = at;
        st->acked = at;
    }
    if (at > st->len || at + n <= st->len)
        return; /* behind a gap (S1), or known from a record that was copied */
    index_add(st, place, at);
    st->len = at + n;
}

static void replay(struct spool *s, const char *h, struct place place)
{
    uint32_t n = get32(h + 4);
    uint32_t type = get32(h + 8) & 0xff;
    uint64_t id = get64(h + 12);
    struct spool_run *r;

    if (type == REC_RELEASED) {
        r = run_find(s, id);
        if (r != NULL)
            run_free(s, r);
        return;
    }
    if (type < REC_SPEC || type > REC_LENGTHS || id == 0)
        return; /* of a newer agent */
    r = run_make(s, id);
    if (type == REC_SPEC)
        r->spec = place;
    else if (type == REC_STARTED)
        r->started = place;
    else if (type == REC_FINISHED)
        r->finished = place;
    else if (type == REC_LENGTHS)
        replay_lengths(r, h + HEADER_BYTES, n, place);
    else
        replay_stream(r, get32(h + 8) >> 8, get64(h + 20), n, place);
}

/* How many bytes at the start of a segment are whole records. */
static uint32_t replay_segment(struct spool *s, uint32_t seg, const char *data, size_t len)
{
    size_t at = MAGIC_BYTES;

    if (len < MAGIC_BYTES || memcmp(data, SEGMENT_MAGIC, MAGIC_BYTES) != 0)
        return 0;
    while (len - at >= HEADER_BYTES) {
        const char *h = data + at;
        uint32_t n = get32(h + 4);

        if (n > RECORD_MAX || n > len - at - HEADER_BYTES)
            break;
        if (crc32_of(seg, h + 4, HEADER_BYTES - 4 + n) != get32(h))
            break;
        replay(s, h, (struct place){seg, (uint32_t)at});
        at += HEADER_BYTES + n;
    }
    return (uint32_t)at;
}

static enum err segment_read(struct spool *s, uint32_t seg, uint32_t *retgood, struct why *reterr)
{
    struct stat st;
    size_t len = 0;
    char *data;
    int fd = segment_open(s, seg, O_RDWR);

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > (off_t)MIB(256)) {
        if (fd >= 0)
            (void)close(fd);
        return why_errno(reterr, ERR_IO, errno, "segment %" PRIu32 " of the spool cannot be read", seg);
    }
    data = xmalloc((size_t)st.st_size + 1);
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, data + len, (size_t)st.st_size - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    *retgood = replay_segment(s, seg, data, len);
    free(data);
    if (*retgood < len) {
        LOG_WARN("spool.cut", "segment=%" PRIu32 " good_bytes=%" PRIu32 " bytes=%zu", seg, *retgood, len);
        if (ftruncate(fd, (off_t)*retgood) != 0) { /* readers walk from record to record: garbage must go */
            (void)close(fd);
            return why_errno(reterr, ERR_IO, errno, "segment %" PRIu32 " of the spool cannot be cut", seg);
        }
    }
    (void)close(fd);
    return ERR_OK;
}

static int number_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static enum err segments_read(struct spool *s, struct why *reterr)
{
    uint32_t *numbers = NULL;
    uint32_t n = 0;
    uint32_t good = 0;
    enum err err = ERR_OK;
    struct dirent *de;
    DIR *d = fdopendir(dup(s->dir_fd));

    if (d == NULL)
        return why_errno(reterr, ERR_IO, errno, "the spool folder cannot be read");
    while ((de = readdir(d)) != NULL) {
        char *end;
        unsigned long v = strtoul(de->d_name, &end, 10);

        if (end == de->d_name || strcmp(end, ".seg") != 0 || v == 0 || v > 99999999)
            continue;
        numbers = xrealloc(numbers, (n + 1) * sizeof(*numbers));
        numbers[n++] = (uint32_t)v;
    }
    (void)closedir(d);
    if (n > 0)
        qsort(numbers, n, sizeof(*numbers), number_order);
    for (uint32_t i = 0; i < n && err == ERR_OK; i++)
        err = segment_read(s, numbers[i], &good, reterr);
    if (err == ERR_OK) {
        /* Never append behind a torn record: the new agent's records begin a segment of their own. */
        s->oldest = n > 0 ? numbers[0] : 1;
        err = segment_begin(s, n > 0 ? numbers[n - 1] + 1 : 1, reterr);
    }
    free(numbers);
    return err;
}

enum err spool_open(const struct spool_opts *opts, struct spool **ret, struct why *reterr)
{
    struct spool *s;
    enum err err;

    if (mkdir(opts->dir, 0700) != 0 && errno != EEXIST)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be made", opts->dir);
    s = xcalloc(1, sizeof(*s));
    s->dir = xstrdup(opts->dir);
    s->segment_bytes = opts->segment_bytes != 0 ? opts->segment_bytes : SPOOL_SEGMENT_BYTES;
    s->write_at = opts->write_at;
    s->write_ctx = opts->write_ctx;
    s->fd = s->read_fd = -1;
    buf_init(&s->out, OUT_MAX);
    s->dir_fd = open(opts->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) {
        err = why_errno(reterr, ERR_IO, errno, "%s cannot be opened", opts->dir);
        spool_close(s);
        return err;
    }
    reserve_take(s);
    s->is_low = !s->has_reserve;
    err = segments_read(s, reterr);
    if (err != ERR_OK) {
        spool_close(s);
        return err;
    }
    *ret = s;
    return ERR_OK;
}

void spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    while (s->first != NULL)
        run_free(s, s->first);
    buf_done(&s->out);
    if (s->fd >= 0)
        (void)close(s->fd);
    if (s->read_fd >= 0)
        (void)close(s->read_fd);
    if (s->dir_fd >= 0)
        (void)close(s->dir_fd);
    free(s->dir);
    free(s);
}

static void payload_read(struct spool *s, struct place place, struct buf *out)
{
    const char *h;

    if (place.seg == 0)
        return;
    h = window_get(s, place, HEADER_BYTES);
    if (h == NULL || copy_out(s, (struct place){place.seg, place.off + HEADER_BYTES}, get32(h + 4), out) != ERR_OK)
        buf_clear(out);
}

void spool_each(struct spool *s, spool_restored_fn *fn, void *ctx)
{
    struct buf spec;
    struct buf started;
    struct buf finished;
    struct spool_run *next;

    buf_init(&spec, RECORD_MAX);
    buf_init(&started, RECORD_MAX);
    buf_init(&finished, RECORD_MAX);
    for (struct spool_run *r = s->first; r != NULL; r = next) {
        struct agent_restored re = {.run = r->id};
        struct spool_started st = {0};

        next = r->next;
        buf_clear(&spec);
        buf_clear(&started);
        buf_clear(&finished);
        payload_read(s, r->spec, &spec);
        payload_read(s, r->started, &started);
        payload_read(s, r->finished, &finished);
        re.spec = buf_slice(&spec);
        re.finished = buf_slice(&finished);
        re.was_started = r->started.seg != 0 || r->stream[0].len > 0 || r->stream[1].len > 0;
        for (int i = 0; i < STREAM_COUNT; i++) {
            re.acked[i] = r->stream[i].acked;
            re.len[i] = r->stream[i].len;
        }
        if (started.len >= 24)
            st = (struct spool_started){get32(started.data), get32(started.data + 4), get64(started.data + 8),
                                        get64(started.data + 16)};
        fn(ctx, &re, st.pid != 0 ? &st : NULL);
    }
    buf_done(&spec);
    buf_done(&started);
    buf_done(&finished);
}
