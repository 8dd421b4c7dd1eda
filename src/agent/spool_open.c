/* spool_open.c - read the journal when the agent starts: what a former agent held is known again.
 *
 * Each segment is read up to its first bad checksum and cut there; the new agent's records begin a segment of
 * their own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/crc32.h"
#include "agent/spool_private.h"
#include "base/log.h"

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
    spool_index_add(st, place, at);
    st->len = at + n;
}

static void replay(struct spool *s, const char *h, struct place place)
{
    uint32_t n = get32(h + 4);
    uint32_t type = get32(h + 8) & 0xff;
    uint64_t id = get64(h + 12);
    struct spool_run *r;

    if (type == REC_RELEASED) {
        r = spool_run_find(s, id);
        if (r != NULL)
            spool_run_free(s, r);
        return;
    }
    if (type < REC_SPEC || type > REC_LENGTHS || id == 0)
        return; /* of a newer agent */
    r = spool_run_make(s, id);
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
    int fd = spool_segment_open(s, seg, O_RDWR);

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
        err = spool_segment_begin(s, n > 0 ? numbers[n - 1] + 1 : 1, reterr);
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
    spool_reserve_take(s);
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
        spool_run_free(s, s->first);
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
    h = spool_window(s, place, HEADER_BYTES);
    if (h == NULL ||
        spool_copy(s, (struct place){place.seg, place.off + HEADER_BYTES}, get32(h + 4), out) != ERR_OK)
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
