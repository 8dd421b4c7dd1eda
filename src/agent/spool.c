/* spool.c - the journal: see spool.h. Its records are in spool_private.h, reading it again in spool_open.c.
 *
 * Invariants:
 *   S1  bytes of a stream are appended in order, without gaps
 *   S2  segments are deleted oldest first, so a record never outlives the one that ends its meaning
 *   S3  what is not in the index of runs is not needed
 *   S4  a segment is synced before the next one begins */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/crc32.h"
#include "agent/spool_private.h"

/* ---- the index of runs ---- */

struct spool_run *spool_run_find(const struct spool *s, uint64_t id)
{
    struct spool_run *r = s->buckets[id & 255];

    while (r != NULL && r->id != id)
        r = r->hash_next;
    return r;
}

struct spool_run *spool_run_make(struct spool *s, uint64_t id)
{
    struct spool_run *r = spool_run_find(s, id);

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

void spool_run_free(struct spool *s, struct spool_run *r)
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
        free(r->stream[i].marks);
    }
    free(r);
}

void spool_index_add(struct spool_stream *st, struct place place, uint64_t at)
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

int spool_segment_open(const struct spool *s, uint32_t seg, int flags)
{
    char name[24];

    segment_name(name, sizeof(name), seg);
    return openat(s->dir_fd, name, flags | O_CLOEXEC, 0600);
}

void spool_reserve_take(struct spool *s)
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

enum err spool_segment_begin(struct spool *s, uint32_t seg, struct why *reterr)
{
    int fd = spool_segment_open(s, seg, O_RDWR | O_CREAT | O_EXCL);

    if (fd < 0 && s->has_reserve && (errno == ENOSPC || errno == EDQUOT)) {
        s->is_low = true;
        reserve_give(s);
        fd = spool_segment_open(s, seg, O_RDWR | O_CREAT | O_EXCL);
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
    if (spool_segment_begin(s, s->current + 1, &why) != ERR_OK)
        return;
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
const char *spool_window(struct spool *s, struct place p, uint32_t n)
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
            s->read_fd = spool_segment_open(s, p.seg, O_RDONLY);
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

enum err spool_copy(struct spool *s, struct place p, size_t n, struct buf *out)
{
    while (n > 0) {
        uint32_t part = n < WINDOW_BYTES ? (uint32_t)n : (uint32_t)WINDOW_BYTES;
        const char *w = spool_window(s, p, part);

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
        const char *h = spool_window(s, p, HEADER_BYTES);
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
        if (n > RECORD_MAX) /* what was good when it was written need not be now */
            return ERR_NOTFOUND;
        is_ours = get32(h + 8) == (REC_STREAM | stream << 8) && get64(h + 12) == run;
        if (is_ours && at <= from && from < at + n) {
            size_t part = (size_t)(at + n - from) < len ? (size_t)(at + n - from) : len;
            enum err err =
                spool_copy(s, (struct place){p.seg, p.off + HEADER_BYTES + (uint32_t)(from - at)}, part, out);

            if (err != ERR_OK)
                return err;
            from += part;
            len -= part;
        }
        p.off += HEADER_BYTES + n;
    }
    return ERR_OK;
}

enum err spool_read(struct spool *s, uint64_t run, uint32_t stream, uint64_t from, size_t len,
                    struct buf *out)
{
    const struct spool_run *r = spool_run_find(s, run);
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
    const struct spool_run *r = spool_run_find(s, run);

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

/* What is appended next is of now. With too many marks every second one goes. */
static void mark_time(struct spool_stream *st)
{
    int64_t ms = wall_now().ms;

    if (st->n_marks == 0)
        st->marks_step_ms = MARKS_STEP_MS;
    if (st->n_marks > 0 && ms < st->marks[st->n_marks - 1].ms + st->marks_step_ms)
        return;
    if (st->n_marks == MARKS_MAX) {
        for (uint32_t i = 0; i < MARKS_MAX / 2; i++)
            st->marks[i] = st->marks[2 * i];
        st->n_marks = MARKS_MAX / 2;
        st->marks_step_ms *= 2;
    }
    if (st->n_marks == st->cap_marks) {
        st->cap_marks = st->cap_marks == 0 ? 4 : st->cap_marks * 2;
        st->marks = xrealloc(st->marks, st->cap_marks * sizeof(*st->marks));
    }
    st->marks[st->n_marks++] = (struct spool_mark){st->len, ms};
}

/* Those of bytes that are acknowledged go; the last one may be of the next byte, too. */
static void marks_acked(struct spool_stream *st)
{
    uint32_t n = 0;

    while (n + 1 < st->n_marks && st->marks[n + 1].at <= st->acked)
        n++;
    if (n == 0)
        return;
    st->n_marks -= n;
    memmove(st->marks, st->marks + n, st->n_marks * sizeof(*st->marks));
    st->marks_step_ms = MARKS_STEP_MS;
}

int64_t spool_log_time(const struct spool *s, uint64_t run, uint64_t from, uint64_t *ret_end)
{
    const struct spool_run *r = spool_run_find(s, run);
    const struct spool_stream *st;
    int64_t ms = 0;

    *ret_end = from;
    if (r == NULL)
        return 0;
    st = &r->stream[STREAM_LOG];
    *ret_end = st->len;
    for (uint32_t i = 0; i < st->n_marks; i++) {
        if (st->marks[i].at > from) {
            *ret_end = st->marks[i].at;
            break;
        }
        ms = st->marks[i].ms;
    }
    return ms;
}

void spool_stream_end(struct spool *s, uint64_t run, uint32_t stream, const char *data, size_t n)
{
    struct spool_run *r = spool_run_make(s, run);
    struct spool_stream *st = &r->stream[stream];
    struct why why;

    CHECK(stream < STREAM_COUNT);
    if (stream == STREAM_LOG && n > 0)
        mark_time(st);
    while (n > 0) {
        size_t part = n < KIB(64) ? n : KIB(64);

        spool_index_add(st, append(s, REC_STREAM, stream, run, st->len, data, part), st->len);
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
    spool_run_make(s, run)->spec = append(s, REC_SPEC, 0, run, 0, spec.ptr, spec.len);
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
    spool_run_make(s, run)->started = append(s, REC_STARTED, 0, run, 0, p, sizeof(p));
}

void spool_finished(struct spool *s, uint64_t run, struct slice frame, uint64_t seq)
{
    spool_run_make(s, run)->finished = append(s, REC_FINISHED, 0, run, 0, frame.ptr, frame.len);
    s->last_seq = seq;
    s->want_sync = true;
}

void spool_acked(struct spool *s, uint64_t run, uint32_t stream, uint64_t offset)
{
    struct spool_run *r = spool_run_find(s, run);
    struct spool_stream *st;
    size_t n;

    if (r == NULL || stream >= STREAM_COUNT)
        return;
    st = &r->stream[stream];
    if (offset > st->acked && offset <= st->len)
        st->acked = offset;
    marks_acked(st);
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
    struct spool_run *r = spool_run_find(s, run);

    if (r == NULL)
        return;
    (void)append(s, REC_RELEASED, 0, run, 0, "", 0);
    spool_run_free(s, r);
}

uint64_t spool_flushed_seq(const struct spool *s)
{
    return s->last_seq;
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

static bool has_unacked(const struct spool *s)
{
    for (const struct spool_run *r = s->first; r != NULL; r = r->next)
        for (int i = 0; i < STREAM_COUNT; i++)
            if (r->stream[i].acked < r->stream[i].len)
                return true;
    return false;
}

static bool copy_forward(struct spool *s, struct spool_run *r, enum record_type type, struct place *place)
{
    struct buf b;
    const char *h;
    bool ok;

    h = spool_window(s, *place, HEADER_BYTES);
    if (h == NULL)
        return false;
    buf_init(&b, RECORD_MAX);
    ok = spool_copy(s, (struct place){place->seg, place->off + HEADER_BYTES}, get32(h + 4), &b) == ERR_OK;
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
    struct place *place = r->finished.seg != 0 ? &r->finished : r->started.seg != 0 ? &r->started : &r->spec;
    enum record_type type = r->finished.seg != 0  ? REC_FINISHED
                            : r->started.seg != 0 ? REC_STARTED
                                                  : REC_SPEC;

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

    /* Nothing is held: a long history of released runs would only be read at the next start. Or the disk is
     * full, and what lies in the present segment is mostly acknowledged: make it one that can go. */
    if (((s->first == NULL && s->written > s->segment_bytes / 8) ||
         (s->is_low && s->written > SQUEEZE_BYTES && !has_unacked(s))) &&
        spool_flush(s, &why) == ERR_OK && spool_segment_begin(s, s->current + 1, &why) != ERR_OK)
        return;
    if (s->oldest < s->current)
        trim(s);
    if (!s->is_low || spool_disk_free(s) < SPOOL_RESERVE_BYTES * 4)
        return;
    if (spool_flush(s, &why) != ERR_OK)
        return;
    spool_reserve_take(s);
    s->is_low = !s->has_reserve;
}
