/* log_search.c - lines of a log, matched as they come.
 *
 * Most bytes of a log lie between two lines that are asked for, so whole lines are taken together: a literal is looked for
 * in all of them at once, and only where it is found the line around it is. Only a line that is cut by the end of
 * a feed is copied (`held`); one that outgrows a piece is looked at piece by piece, each with the end of the one before. */
#include "api/log_search.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "wire/json_out.h"
#include "wire/log_text.h"

#define STEPS_MAX 1000000u  /* of an expression from one start, and from all of a window: about 10 ms */
#define STARTS_MAX 512u     /* of a window: most lines are not longer */
#define WINDOW_US 1000      /* a window that took as long is not to grow */
#define LINE_US 40000       /* of work, on a line */
#define HEAP_KIB_MAX 16384u /* the same, of memory */
#define NEST_MAX 100u       /* parentheses in parentheses */
#define LINES_PER_LOOK 16u  /* between two looks at the clock */
#define BEFORE_BYTES 256u   /* shown in front of the first place, of a line that is cut */
#define SEQUENCE_BYTES 64u  /* a control sequence that is not longer is not cut by the border of a piece */

struct hit {
    uint64_t line;
    uint64_t byte;
    uint64_t bytes;
    uint64_t text_byte;
    size_t text; /* in `texts` */
    uint32_t text_len;
    uint32_t at; /* in `marks` */
    uint32_t n_at;
};

struct log_search {
    char *needle; /* of a literal that is found by its bytes: small letters when is_icase */
    size_t needle_len;
    bool is_icase;
    pcre2_code *code; /* else */
    pcre2_match_data *match;
    pcre2_match_context *limits;
    bool has_one_start; /* it is tried where the search begins, and nowhere else */

    uint64_t line;      /* of the next byte */
    uint64_t line_byte; /* where that begins */
    uint64_t held_byte; /* where held begins */
    struct buf held;    /* of that line, what is not looked at; at most `piece` bytes */
    uint32_t piece;
    uint32_t overlap;
    bool is_piece;    /* it goes on what was looked at already */
    bool is_found;    /* it is a hit already */
    struct hit *open; /* the hit whose length is not known yet; NULL none */

    struct buf shown; /* scratch */
    struct buf lower;

    struct hit *hits;
    uint32_t n_hits;
    uint32_t hits_max;
    struct buf texts;
    uint32_t (*marks)[2];
    uint32_t n_marks;
    uint64_t count;
    uint64_t more;
    uint64_t gave_up;
    uint64_t gave_up_first;
};

/* ---- the query ---- */

static bool has_capital(const char *s, size_t n)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *capital =
        pcre2_compile((PCRE2_SPTR) "\\p{Lu}", PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    pcre2_match_data *match;
    bool found;

    CHECK(capital != NULL);
    match = pcre2_match_data_create_from_pattern(capital, NULL);
    found = pcre2_match(capital, (PCRE2_SPTR)s, n, 0, 0, match, NULL) > 0;
    pcre2_match_data_free(match);
    pcre2_code_free(capital);
    return found;
}

/* An expression without its escapes: \S asks for no capital. */
static size_t drop_escapes(const char *s, size_t n, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\' || i + 1 == n) {
            out[len++] = s[i];
            continue;
        }
        i++;
        if (i + 1 < n && s[i + 1] == '{' && strchr("pPxoNgku", s[i]) != NULL)
            while (i + 1 < n && s[i] != '}')
                i++;
    }
    return len;
}

static bool ignores_case(const char *s, size_t n, bool is_regex, enum log_case how)
{
    char bare[LOG_SEARCH_QUERY_BYTES];

    if (how != LOG_CASE_SMART)
        return how == LOG_CASE_NO;
    if (!is_regex)
        return !has_capital(s, n);
    n = drop_escapes(s, n, bare);
    return utf8_whole(bare, n) != n || !has_capital(bare, n);
}

/* How JavaScript counts. */
static uint32_t utf16_units(const char *s, size_t n)
{
    uint32_t units = 0;

    for (size_t i = 0; i < n; i++)
        units += ((unsigned char)s[i] & 0xc0) == 0x80 ? 0 : (unsigned char)s[i] >= 0xf0 ? 2 : 1;
    return units;
}

static enum err compile(struct log_search *s, const char *query, size_t len, uint32_t options,
                        struct why *reterr)
{
    pcre2_compile_context *cx = pcre2_compile_context_create(NULL);
    PCRE2_UCHAR text[160];
    PCRE2_SIZE at = 0;
    uint32_t all = 0;
    uint32_t first = 0;
    int code = 0;

    CHECK(cx != NULL);
    (void)pcre2_set_parens_nest_limit(cx, NEST_MAX);
    s->code =
        pcre2_compile((PCRE2_SPTR)query, len, PCRE2_UTF | PCRE2_USE_OFFSET_LIMIT | options, &code, &at, cx);
    pcre2_compile_context_free(cx);
    if (s->code == NULL) {
        (void)pcre2_get_error_message(code, text, sizeof(text));
        return why_set(reterr, ERR_INVALID, "q", "q: the expression is wrong at character %u: %s",
                       utf16_units(query, at < len ? at : len) + 1, (const char *)text);
    }
    s->match = pcre2_match_data_create(1, NULL);
    s->limits = pcre2_match_context_create(NULL);
    CHECK(s->match != NULL && s->limits != NULL);
    (void)pcre2_set_heap_limit(s->limits, HEAP_KIB_MAX);
    (void)pcre2_pattern_info(s->code, PCRE2_INFO_ALLOPTIONS, &all);
    (void)pcre2_pattern_info(s->code, PCRE2_INFO_FIRSTCODETYPE, &first);
    s->has_one_start = (all & PCRE2_ANCHORED) != 0 || first == 2; /* 2: only where a line begins, as .*x */
    return ERR_OK;
}

/* Small letters of ASCII; eight at a time, for it is done to all of a log. */
static void lower_ascii(char *out, const char *s, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        uint64_t low;
        uint64_t is_letter;

        memcpy(&w, s + i, 8);
        low = w & 0x7f7f7f7f7f7f7f7fu;
        is_letter = (low + 0x3f3f3f3f3f3f3f3fu) & ~(low + 0x2525252525252525u) & ~w & 0x8080808080808080u;
        w |= is_letter >> 2;
        memcpy(out + i, &w, 8);
    }
    for (; i < n; i++)
        out[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 0x20) : s[i];
}

enum err log_search_new(const char *query, size_t len, bool is_regex, enum log_case how, uint32_t hits_max,
                        struct log_search **ret, struct why *reterr)
{
    struct log_search *s;
    bool is_icase;
    enum err err = ERR_OK;

    CHECK(len > 0 && len <= LOG_SEARCH_QUERY_BYTES && hits_max <= LOG_SEARCH_HITS_MAX);
    s = xcalloc(1, sizeof(*s));
    is_icase = ignores_case(query, len, is_regex, how);
    if (is_regex) {
        err = compile(s, query, len, PCRE2_NEVER_BACKSLASH_C | (is_icase ? (uint32_t)PCRE2_CASELESS : 0),
                      reterr);
    } else if (is_icase &&
               !log_text_is_plain(query, len)) { /* other letters than those of ASCII are the library's */
        err = compile(s, query, len, PCRE2_LITERAL | PCRE2_CASELESS, reterr);
    } else {
        s->needle = xmalloc(len);
        s->needle_len = len;
        s->is_icase = is_icase;
        if (is_icase)
            lower_ascii(s->needle, query, len);
        else
            memcpy(s->needle, query, len);
    }
    if (err != ERR_OK) {
        free(s);
        return err;
    }
    s->line = 1;
    s->piece = LOG_SEARCH_PIECE;
    s->overlap = LOG_SEARCH_OVERLAP;
    s->hits_max = hits_max;
    s->hits = xcalloc((size_t)hits_max + 1, sizeof(*s->hits));
    s->marks = xcalloc((size_t)hits_max * LOG_SEARCH_MARKS + 1, sizeof(*s->marks));
    buf_init(&s->held, LOG_SEARCH_PIECE);
    buf_init(&s->shown, (size_t)LOG_TEXT_GROWTH * LOG_SEARCH_PIECE);
    buf_init(&s->lower, (size_t)LOG_TEXT_GROWTH * LOG_SEARCH_PIECE);
    buf_init(&s->texts, (size_t)hits_max * LOG_SEARCH_TEXT_BYTES + 1);
    *ret = s;
    return ERR_OK;
}

void log_search_free(struct log_search *s)
{
    if (s == NULL)
        return;
    pcre2_code_free(s->code);
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
    buf_done(&s->held);
    buf_done(&s->shown);
    buf_done(&s->lower);
    buf_done(&s->texts);
    free(s->needle);
    free(s->hits);
    free(s->marks);
    free(s);
}

void log_search_pieces(struct log_search *s, uint32_t piece, uint32_t overlap)
{
    CHECK(overlap >= SEQUENCE_BYTES && piece >= 4 * overlap && piece <= LOG_SEARCH_PIECE);
    s->piece = piece;
    s->overlap = overlap;
}

void log_search_from(struct log_search *s, uint64_t line, uint64_t byte)
{
    s->line = line;
    s->line_byte = s->held_byte = byte;
}

/* ---- a place in a text ---- */

struct place {
    size_t from;
    size_t to;
};

/* A match that begins in text[at..next). Looks behind `at` and ahead of `next` see all of the text. As pcre2_match() answers. */
static int match_window(struct log_search *s, struct slice text, size_t at, size_t next, uint32_t steps,
                        uint32_t options)
{
    (void)pcre2_set_match_limit(s->limits, steps);
    (void)pcre2_set_offset_limit(s->limits, next > text.len ? PCRE2_UNSET : next - 1);
    return pcre2_match(s->code, (PCRE2_SPTR)text.ptr, text.len, at, PCRE2_NO_UTF_CHECK | options, s->match,
                       s->limits);
}

/* Of this thread alone: a busy machine is no reason to give up a line. */
static int64_t worked_us(void)
{
    struct timespec ts;

    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The library counts its steps anew from each start, and not what one step runs over: a long line would take minutes. So
 * it gets a window of starts at a time, which share the steps; where one needs more than its share, a window of that start
 * alone. Behind each window is a look at the clock. Where \G or a verb as (*COMMIT) is not the first of an expression,
 * it counts from its window. */
static int match_in_windows(struct log_search *s, struct slice text, size_t at, uint32_t options)
{
    uint32_t starts = STARTS_MAX;
    int64_t begun = -1; /* most lines have one window, and need no clock */
    int64_t before = -1;

    for (;;) {
        size_t next = at + starts < text.len ? at + starts : text.len + 1;
        int64_t now;
        int n;

        while (next < text.len && ((unsigned char)text.ptr[next] & 0xc0) == 0x80)
            next++;
        n = match_window(s, text, at, next, STEPS_MAX / starts, options);
        if (n == PCRE2_ERROR_MATCHLIMIT ? starts == 1 : n != PCRE2_ERROR_NOMATCH || next > text.len)
            return n;
        now = worked_us();
        if (begun < 0)
            begun = before = now;
        if (now - begun >= LINE_US)
            return PCRE2_ERROR_MATCHLIMIT;
        if (n == PCRE2_ERROR_MATCHLIMIT) {
            starts = 1;
        } else {
            at = next;
            if (starts < STARTS_MAX && now - before < WINDOW_US)
                starts *= 2;
        }
        before = now;
    }
}

/* The first place in text[0..n) at or behind `at`. False: none, or the limits were reached (*ret_gave_up). Neither an empty
 * place nor one that \K turned round is one to be shown, but it is a match. */
static bool find_regex(struct log_search *s, struct slice text, size_t at, uint32_t options,
                       struct place *ret, bool *ret_gave_up)
{
    const PCRE2_SIZE *v;
    int n = s->has_one_start ? match_window(s, text, at, text.len + 1, STEPS_MAX, options)
                             : match_in_windows(s, text, at, options);

    *ret_gave_up = n < 0 && n != PCRE2_ERROR_NOMATCH;
    if (n < 0)
        return false;
    v = pcre2_get_ovector_pointer(s->match);
    *ret = (struct place){v[0], v[1] > v[0] ? v[1] : v[0]};
    return true;
}

/* The same for a literal; hay is the text, or its small letters. */
static bool find_literal(const struct log_search *s, struct slice hay, size_t at, struct place *ret)
{
    const char *p =
        hay.len - at < s->needle_len ? NULL : memmem(hay.ptr + at, hay.len - at, s->needle, s->needle_len);

    if (p == NULL)
        return false;
    ret->from = (size_t)(p - hay.ptr);
    ret->to = ret->from + s->needle_len;
    return true;
}

static size_t char_bytes(struct slice text, size_t at)
{
    int n = at < text.len ? utf8_next(text.ptr + at, text.len - at) : 1;

    return n > 0 ? (size_t)n : 1;
}

/* ---- a line that was found ---- */

/* A line or a piece of one. */
struct piece {
    struct slice text; /* what is shown of it */
    struct slice hay;  /* the same, or its small letters */
    struct slice raw;
    uint64_t byte; /* of the log, where raw begins */
    uint32_t options;
};

/* What is shown of a long text: from shortly before the place on. Both ends are between characters. */
static struct slice window(struct slice text, size_t place)
{
    size_t from = text.len <= LOG_SEARCH_TEXT_BYTES || place <= BEFORE_BYTES ? 0 : place - BEFORE_BYTES;
    size_t n;

    while (from > 0 && from < text.len && ((unsigned char)text.ptr[from] & 0xc0) == 0x80)
        from++;
    n = text.len - from < LOG_SEARCH_TEXT_BYTES ? text.len - from
                                                : utf8_whole(text.ptr + from, LOG_SEARCH_TEXT_BYTES);
    return (struct slice){text.ptr + from, n};
}

static void mark_places(struct log_search *s, struct hit *h, const struct piece *p, struct slice shown,
                        struct place place)
{
    size_t base = (size_t)(shown.ptr - p->text.ptr);
    size_t end = base + shown.len;
    bool gave_up;

    h->at = s->n_marks;
    while (h->n_at < LOG_SEARCH_MARKS && place.from < end) {
        size_t to = place.to < end ? place.to : end;
        size_t next = place.to;
        bool more;

        if (to > place.from) {
            uint32_t from16 = utf16_units(shown.ptr, place.from - base);

            s->marks[s->n_marks][0] = from16;
            s->marks[s->n_marks++][1] = from16 + utf16_units(p->text.ptr + place.from, to - place.from);
            h->n_at++;
        } else {
            next += char_bytes(p->text, next);
        }
        if (next > p->text.len)
            break;
        more = s->code != NULL ? find_regex(s, p->text, next, p->options, &place, &gave_up)
                               : find_literal(s, p->hay, next, &place);
        if (!more || place.from < next)
            break;
    }
}

static void found(struct log_search *s, const struct piece *p, struct place place, uint64_t line,
                  uint64_t line_byte)
{
    struct slice shown = window(p->text, place.from);
    struct hit *h = &s->hits[s->n_hits];

    s->count++;
    if (s->n_hits == s->hits_max) {
        if (s->more == 0)
            s->more = line;
        return;
    }
    *h = (struct hit){.line = line, .byte = line_byte, .bytes = p->byte + p->raw.len - line_byte};
    h->text_byte = p->byte + log_text_raw(p->raw.ptr, p->raw.len, (size_t)(shown.ptr - p->text.ptr));
    if (shown.ptr == p->text.ptr && p->byte == line_byte)
        h->text_byte = line_byte;
    h->text = s->texts.len;
    h->text_len = (uint32_t)shown.len;
    buf_put(&s->texts, shown.ptr, shown.len);
    mark_places(s, h, p, shown, place);
    s->n_hits++;
}

static void give_up(struct log_search *s, uint64_t line)
{
    if (s->gave_up++ == 0)
        s->gave_up_first = line;
}

/* ---- one line, or a piece of it ---- */

static struct slice lowered(struct log_search *s, struct slice text)
{
    buf_clear(&s->lower);
    if (!s->is_icase)
        return text;
    lower_ascii(buf_reserve(&s->lower, text.len + 1), text.ptr, text.len);
    buf_commit(&s->lower, text.len);
    return buf_slice(&s->lower);
}

static struct slice shown_of(struct log_search *s, struct slice raw)
{
    if (log_text_is_plain(raw.ptr, raw.len))
        return raw;
    buf_clear(&s->shown);
    log_text_show(raw.ptr, raw.len, &s->shown);
    return buf_slice(&s->shown);
}

static struct slice without_cr(struct slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* What is held, as the last piece of its line or not. */
static void look_at_held(struct log_search *s, bool is_last)
{
    struct piece p = {.raw = buf_slice(&s->held), .byte = s->held_byte};
    struct place place;
    bool gave_up = false;
    bool is_hit;

    if (s->is_found) {
        if (s->open != NULL)
            s->open->bytes = s->held_byte + p.raw.len - s->line_byte;
        return;
    }
    p.text = shown_of(s, p.raw);
    if (is_last) { /* as in walk_piece() */
        p.text = without_cr(p.text);
        p.raw = without_cr(p.raw);
    }
    p.options = (s->is_piece ? (uint32_t)PCRE2_NOTBOL : 0) | (is_last ? 0 : (uint32_t)PCRE2_NOTEOL);
    if (s->code != NULL) {
        is_hit = find_regex(s, p.text, 0, p.options, &place, &gave_up);
    } else {
        p.hay = lowered(s, p.text);
        is_hit = find_literal(s, p.hay, 0, &place);
    }
    if (gave_up)
        give_up(s, s->line);
    s->is_found = is_hit || gave_up;
    if (!is_hit)
        return;
    found(s, &p, place, s->line, s->line_byte);
    s->open = s->more == 0 ? &s->hits[s->n_hits - 1] : NULL;
    if (s->open != NULL)
        s->open->bytes = s->held_byte + s->held.len - s->line_byte;
}

/* The line that is held has ended; `next` is the first byte of the one behind it. */
static void end_line(struct log_search *s, uint64_t next)
{
    look_at_held(s, true);
    buf_clear(&s->held);
    s->is_piece = s->is_found = false;
    s->open = NULL;
    s->line++;
    s->line_byte = s->held_byte = next;
}

/* held is full and its line goes on: look at it, and keep its end for what begins there. */
static void end_piece(struct log_search *s)
{
    size_t from = s->held.len - s->overlap;
    const char *esc;

    look_at_held(s, false);
    esc = memrchr(s->held.data + from - SEQUENCE_BYTES, '\033', SEQUENCE_BYTES);
    if (esc != NULL)
        from = (size_t)(esc - s->held.data);
    else
        while (from < s->held.len && ((unsigned char)s->held.data[from] & 0xc0) == 0x80)
            from++;
    buf_consume(&s->held, from);
    s->held_byte += from;
    s->is_piece = true;
}

/* ---- many whole lines at once ---- */

/* Two hands that go through the raw lines and through what is shown of them, line by line. */
struct walk {
    struct slice raw;
    struct slice text;
    size_t raw_at; /* where the line begins */
    size_t text_at;
    uint64_t line;
};

/* The end of the line that begins at `at`: its newline. */
static size_t line_end(struct slice s, size_t at)
{
    const char *p = memchr(s.ptr + at, '\n', s.len - at);

    return p == NULL ? s.len : (size_t)(p - s.ptr);
}

static void walk_next(struct walk *w)
{
    w->raw_at = line_end(w->raw, w->raw_at) + 1;
    w->text_at = w->raw.ptr == w->text.ptr ? w->raw_at : line_end(w->text, w->text_at) + 1;
    w->line++;
}

/* The line at which the walk is, as a piece. */
static struct piece walk_piece(const struct log_search *s, const struct walk *w, struct slice hay)
{
    size_t end = line_end(w->text, w->text_at);
    struct piece p = {.byte = s->held_byte + w->raw_at};

    p.raw = without_cr((struct slice){w->raw.ptr + w->raw_at, line_end(w->raw, w->raw_at) - w->raw_at});
    p.text = without_cr((struct slice){w->text.ptr + w->text_at, end - w->text_at});
    p.hay = (struct slice){hay.ptr + w->text_at, p.text.len};
    return p;
}

static void found_in_walk(struct log_search *s, const struct walk *w, const struct piece *p,
                          struct place place)
{
    uint32_t before = s->n_hits;

    found(s, p, place, w->line, p->byte);
    if (s->n_hits > before)
        s->hits[before].bytes = line_end(w->raw, w->raw_at) - w->raw_at;
}

static void literal_in_lines(struct log_search *s, struct walk *w)
{
    struct slice hay = lowered(s, w->text);
    struct place place;

    while (w->text_at < hay.len && find_literal(s, hay, w->text_at, &place)) {
        struct piece p;

        while (line_end(w->text, w->text_at) < place.from)
            walk_next(w);
        p = walk_piece(s, w, hay);
        place.from -= w->text_at;
        place.to -= w->text_at;
        found_in_walk(s, w, &p, place);
        walk_next(w);
    }
    while (w->raw_at < w->raw.len)
        walk_next(w);
}

static void regex_in_lines(struct log_search *s, struct walk *w, struct mono until)
{
    uint32_t looked = 0;

    while (w->raw_at < w->raw.len) {
        struct piece p = walk_piece(s, w, w->text);
        struct place place;
        bool gave_up;

        if (find_regex(s, p.text, 0, 0, &place, &gave_up))
            found_in_walk(s, w, &p, place);
        else if (gave_up)
            give_up(s, w->line);
        walk_next(w);
        if ((gave_up || p.text.len > STARTS_MAX || ++looked % LINES_PER_LOOK == 0) &&
            !mono_before(mono_now(), until))
            return;
    }
}

/* Whole lines, nothing is held. Returns the bytes that were looked at. */
static size_t look_at_lines(struct log_search *s, struct slice raw, struct mono until)
{
    struct walk w = {.raw = raw, .text = shown_of(s, raw), .line = s->line};

    if (s->code != NULL)
        regex_in_lines(s, &w, until);
    else
        literal_in_lines(s, &w);
    s->line = w.line;
    s->line_byte = s->held_byte = s->held_byte + w.raw_at;
    return w.raw_at;
}

/* Bytes of a line that is held already. Returns how many were taken, its newline too. */
static size_t feed_held(struct log_search *s, const char *bytes, size_t n)
{
    const char *newline = memchr(bytes, '\n', n);
    size_t len = newline == NULL ? n : (size_t)(newline - bytes);
    size_t taken = 0;

    while (s->held.len + len - taken > s->piece) {
        size_t room = s->piece - s->held.len;

        buf_put(&s->held, bytes + taken, room);
        taken += room;
        end_piece(s);
    }
    buf_put(&s->held, bytes + taken, len - taken);
    if (newline == NULL)
        return len;
    end_line(s, s->held_byte + s->held.len + 1);
    return len + 1;
}

size_t log_search_feed(struct log_search *s, const char *bytes, size_t n, struct mono until)
{
    const char *last = n > 0 ? memrchr(bytes, '\n', n) : NULL;
    size_t whole = last == NULL ? 0 : (size_t)(last - bytes) + 1;
    size_t at = 0;

    CHECK(n <= LOG_SEARCH_PIECE);
    if (n > 0 && (s->held.len > 0 || s->is_piece))
        at = feed_held(s, bytes, n);
    while (at < whole) {
        at += look_at_lines(s, (struct slice){bytes + at, whole - at}, until);
        if (at < whole && !mono_before(mono_now(), until))
            return at;
    }
    if (at < n)
        (void)feed_held(s, bytes + at, n - at);
    return n;
}

void log_search_end(struct log_search *s)
{
    if (s->held.len > 0 || s->is_piece)
        end_line(s, s->held_byte + s->held.len);
}

/* ---- what was found ---- */

uint64_t log_search_count(const struct log_search *s)
{
    return s->count;
}

uint32_t log_search_hits(const struct log_search *s)
{
    return s->n_hits;
}

void log_search_hit(const struct log_search *s, uint32_t i, struct log_hit *ret)
{
    const struct hit *h = &s->hits[i];

    CHECK(i < s->n_hits);
    *ret = (struct log_hit){.line = h->line,
                            .byte = h->byte,
                            .bytes = h->bytes,
                            .text_byte = h->text_byte,
                            .text = {buf_str(&s->texts) + h->text, h->text_len},
                            .at = (const uint32_t(*)[2])s->marks + h->at,
                            .n_at = h->n_at};
}

uint64_t log_search_more(const struct log_search *s)
{
    return s->more;
}

uint64_t log_search_line(const struct log_search *s)
{
    return s->line;
}

uint64_t log_search_gave_up(const struct log_search *s, uint64_t *ret_first)
{
    *ret_first = s->gave_up_first;
    return s->gave_up;
}
