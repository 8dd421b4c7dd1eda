/* term.h - what a terminal shows: text from elsewhere made harmless, its width, colours, aligned tables. */
#ifndef WRATA_CLI_TERM_H
#define WRATA_CLI_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/outcome.h"

enum color {
    COLOR_NONE,
    COLOR_RED,
    COLOR_GREEN,
    COLOR_YELLOW,
    COLOR_CYAN,
    COLOR_BOLD,
    COLOR_DIM,
    COLOR_COUNT
};

struct term {
    bool is_tty;
    bool color;
    bool utf8; /* the locale can show ✓ */
    int width; /* columns; 80 when unknown */
};

/* color: "auto", "always" or "never"; fd: where it goes. */
void term_init(struct term *t, int fd, const char *color);
void term_resize(struct term *t, int fd);

/* Append s with control characters, invalid bytes and direction overrides as \n, \t, \x1b, \u202e.
 * At most 64 KiB of it: the result takes less than 1 MiB. */
void text_escape(struct buf *out, const char *s);
/* The same, but a newline stays and begins the next line with `indent`. */
void text_escape_lines(struct buf *out, const char *s, const char *indent);
/* Columns that a text takes which text_escape() made. */
int text_width(const char *s);
void text_pad(struct buf *out, int columns);

void term_paint(struct buf *out, const struct term *t, enum color c, const char *s);

/* A word for a shell: quoted when it must be. */
void text_shell_word(struct buf *out, const char *s);

/* "0.4s", "1m 04s", "2h 03m". */
void text_duration(struct buf *out, int64_t ms);
/* "312 bytes", "1.5 KiB", "20.0 MiB". */
void text_bytes(struct buf *out, int64_t n);
/* "340 files", "1 file". */
void text_count(struct buf *out, int64_t n, const char *one, const char *many);

/* How an outcome looks: state by shape and word, colour only on top. */
struct look {
    const char *utf8;
    const char *ascii;
    const char *word;
    enum color color;
};
const struct look *look_of(enum outcome o);
const char *look_mark(const struct look *l, const struct term *t);

/* ---- log output on a terminal ---- */

/* Bytes of a log, made harmless as they come: colours stay (or go), every other control sequence is shown. */
struct log_filter {
    struct buf held; /* the beginning of a sequence or a character */
    bool drop_colors;
};
void log_filter_init(struct log_filter *f);
void log_filter_done(struct log_filter *f);
void log_filter_feed(struct log_filter *f, const char *bytes, size_t n, struct buf *out);
void log_filter_end(struct log_filter *f, struct buf *out);

/* ---- tables ---- */

/* Cells are collected row by row, then printed with aligned columns; the first row is the heading. */
struct table {
    char **cells; /* escaped; owned */
    size_t n;
    size_t columns;
};
void table_init(struct table *t, size_t columns);
void table_done(struct table *t);
void table_cell(struct table *t, const char *text); /* escapes it */
void table_cellf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_print(const struct table *t, const struct term *term, struct buf *out);

#endif
