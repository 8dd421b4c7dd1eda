#include "store/log_times.h"

void log_marks_add(struct log_marks *m, uint64_t line, int64_t ms)
{
    const struct log_mark *last = m->n > 0 ? &m->at[m->n - 1] : NULL;

    if (m->step_ms == 0)
        m->step_ms = LOG_TIMES_STEP_MS;
    if (last != NULL && (line <= last->line || ms < last->ms + m->step_ms))
        return;
    if (m->n == LOG_TIMES_MAX) {
        for (uint32_t i = 0; i < LOG_TIMES_MAX / 2; i++)
            m->at[i] = m->at[2 * i];
        m->n = LOG_TIMES_MAX / 2;
        m->step_ms *= 2;
    }
    m->at[m->n++] = (struct log_mark){line, ms};
}

static void put_number(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_putc(out, (char)(v | 0x80));
        v >>= 7;
    }
    buf_putc(out, (char)v);
}

void log_times_encode(const struct log_marks *m, struct buf *out)
{
    struct log_mark last = {0};

    for (uint32_t i = 0; i < m->n; i++) {
        put_number(out, m->at[i].line - last.line);
        put_number(out, (uint64_t)(m->at[i].ms - last.ms));
        last = m->at[i];
    }
}

static bool get_number(struct slice *s, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; s->len > 0 && shift < 63; shift += 7) {
        unsigned char c = (unsigned char)*s->ptr++;

        s->len--;
        v |= (uint64_t)(c & 0x7f) << shift;
        if ((c & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

void log_times_each(struct slice coded, void (*each)(void *ctx, struct log_mark mark), void *ctx)
{
    struct log_mark mark = {0};
    uint64_t lines;
    uint64_t ms;

    while (coded.len > 0 && get_number(&coded, &lines) && get_number(&coded, &ms)) {
        if (lines > INT64_MAX - mark.line || ms > (uint64_t)(INT64_MAX - mark.ms))
            return;
        mark.line += lines;
        mark.ms += (int64_t)ms;
        each(ctx, mark);
    }
}
