#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "wire/json_out.h"

#define BAR_MIN 8
#define BAR_MAX 30
#define PARTS_MAX (OUTCOME_COUNT + 6)

struct part {
    char text[64];
    enum color color;
    int priority; /* the smallest stays longest */
    bool shown;
};

struct parts {
    struct part items[PARTS_MAX];
    size_t n;
};

static struct part *add(struct parts *ps, int priority, enum color color)
{
    struct part *p = &ps->items[ps->n++];

    *p = (struct part){.priority = priority, .color = color};
    return p;
}

static void add_counts(struct parts *ps, const struct progress *p, const struct term *t)
{
    static const enum outcome order[] = {OUTCOME_FAILED,         OUTCOME_ERROR,    OUTCOME_TIMED_OUT,
                                         OUTCOME_INFRASTRUCTURE, OUTCOME_NO_TESTS, OUTCOME_STOPPED,
                                         OUTCOME_PASSED};

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const struct look *l = look_of(order[i]);
        struct part *part;

        if (p->counts[order[i]] == 0)
            continue;
        part = add(ps, order[i] == OUTCOME_PASSED ? 8 : 2 + (int)i / 2, l->color);
        (void)snprintf(part->text, sizeof(part->text), "%s %lld %s", look_mark(l, t),
                       (long long)p->counts[order[i]], l->word);
    }
}

/* Show parts by their priority while they fit; returns the columns they take. */
static int choose(struct parts *ps, int width)
{
    int used = 0;

    for (int priority = 0; priority < 10; priority++) {
        for (size_t i = 0; i < ps->n; i++) {
            struct part *p = &ps->items[i];
            int w = text_width(p->text) + (used > 0 ? 2 : 0);

            if (p->priority == priority && used + w <= width) {
                p->shown = true;
                used += w;
            }
        }
    }
    return used;
}

static void draw_bar(struct buf *out, const struct progress *p, const struct term *t, int cells)
{
    int full = p->total > 0 ? (int)(p->done * cells / p->total) : 0;
    struct buf bar;

    buf_init(&bar, 1024);
    for (int i = 0; i < cells; i++) {
        if (t->utf8)
            buf_puts(&bar, i < full ? "\xe2\x96\x88" : "\xe2\x96\x91");
        else
            buf_putc(&bar, i < full ? '#' : '.');
    }
    term_paint(out, t, p->counts[OUTCOME_FAILED] + p->counts[OUTCOME_ERROR] > 0 ? COLOR_RED : COLOR_GREEN,
               buf_str(&bar));
    buf_done(&bar);
}

void progress_render(struct buf *out, const struct progress *p, const struct term *t)
{
    const int width = t->width - 1;
    struct parts ps = {.n = 0};
    struct part *part;
    int used;
    bool is_first = true;

    part = add(&ps, 0, COLOR_BOLD);
    (void)snprintf(part->text, sizeof(part->text), "%lld/%lld", (long long)p->done, (long long)p->total);
    if (p->note != NULL) {
        part = add(&ps, 1, COLOR_YELLOW);
        (void)snprintf(part->text, sizeof(part->text), "%s", p->note);
    } else {
        struct buf eta;

        add_counts(&ps, p, t);
        part = add(&ps, 7, COLOR_NONE);
        (void)snprintf(part->text, sizeof(part->text), "%lld running", (long long)p->running);
        if (p->preparing > 0) {
            part = add(&ps, 5, COLOR_YELLOW);
            (void)snprintf(part->text, sizeof(part->text), "%lld prepared: %.*s", (long long)p->preparing,
                           (int)utf8_whole(p->step, strnlen(p->step, 40)), p->step);
        }
        if (p->paused_by != NULL && p->paused_by[0] != '\0') {
            part = add(&ps, 1, COLOR_YELLOW);
            (void)snprintf(part->text, sizeof(part->text), "paused by %.*s",
                           (int)utf8_whole(p->paused_by, strnlen(p->paused_by, 40)), p->paused_by);
        }
        if (p->eta_ms >= 0) {
            buf_init(&eta, 64);
            text_duration(&eta, p->eta_ms);
            part = add(&ps, 6, COLOR_NONE);
            (void)snprintf(part->text, sizeof(part->text), "ETA %s", buf_str(&eta));
            buf_done(&eta);
        }
    }
    used = choose(&ps, width);
    if (width - used - 1 >= BAR_MIN && used > 0) {
        int cells = width - used - 1;

        draw_bar(out, p, t, cells > BAR_MAX ? BAR_MAX : cells);
        buf_putc(out, ' ');
    }
    for (size_t i = 0; i < ps.n; i++) {
        if (!ps.items[i].shown)
            continue;
        if (!is_first)
            buf_puts(out, "  ");
        is_first = false;
        term_paint(out, t, ps.items[i].color, ps.items[i].text);
    }
}
