/* cause.c - the general form of a failure, and its id.
 *
 * The id is a hash that must not change from version to version: it is stored, shown and compared across launches. So the rules
 * below are part of the data format: docs/causes.md says them, tests/unit/test_cause.c holds them. */
#include "model/cause.h"

#include <stdio.h>
#include <string.h>

/* ---- characters: of bytes, whatever the locale ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(char c)
{
    return is_digit(c) || is_letter(c);
}

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == '\x7f';
}

/* ---- the reader: each rule looks at the text from `at` and says how many bytes it takes, 0: it does not apply ---- */

struct scan {
    const char *s;
    size_t n;
    size_t at;
};

static char look(const struct scan *sc, size_t ahead)
{
    return sc->at + ahead < sc->n ? sc->s[sc->at + ahead] : '\0';
}

static size_t digits_at(const struct scan *sc, size_t from)
{
    size_t n = 0;

    while (is_digit(look(sc, from + n)))
        n++;
    return n;
}

/* A colour or another escape sequence of a terminal. */
static size_t take_escape(const struct scan *sc)
{
    size_t n = 2;

    if (look(sc, 0) != '\x1b' || look(sc, 1) != '[')
        return 0;
    while (look(sc, n) != '\0' && (look(sc, n) < '@' || look(sc, n) > '~'))
        n++;
    return look(sc, n) == '\0' ? n : n + 1;
}

static size_t take_tmp_path(const struct scan *sc)
{
    static const char *const folders[] = {"/tmp/",         "/var/tmp/", "/var/folders/", "/private/tmp/",
                                          "/private/var/", "/dev/shm/", "/run/user/"};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(folders) && n == 0; i++) {
        size_t len = strlen(folders[i]);

        if (sc->n - sc->at >= len && memcmp(sc->s + sc->at, folders[i], len) == 0)
            n = len;
    }
    if (n == 0)
        return 0;
    while (look(sc, n) != '\0' && !is_blank(look(sc, n)) && strchr("'\"`<>()[]{},;:", look(sc, n)) == NULL)
        n++;
    return n;
}

static size_t take_uuid(const struct scan *sc)
{
    static const uint8_t groups[] = {8, 4, 4, 4, 12};
    size_t n = 0;

    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        if (g > 0 && look(sc, n++) != '-')
            return 0;
        for (size_t i = 0; i < groups[g]; i++)
            if (!is_hex(look(sc, n++)))
                return 0;
    }
    return is_word(look(sc, n)) ? 0 : n;
}

/* "12:30", "12:30:01.123", with "Z", " UTC" or "+02:00" behind it. */
static size_t clock_at(const struct scan *sc, size_t from)
{
    size_t n = from;
    size_t d = digits_at(sc, n);

    if (d < 1 || d > 2 || look(sc, n + d) != ':' || digits_at(sc, n + d + 1) != 2)
        return 0;
    n += d + 3;
    if (look(sc, n) == ':' && digits_at(sc, n + 1) == 2)
        n += 3;
    if ((look(sc, n) == '.' || look(sc, n) == ',') && digits_at(sc, n + 1) > 0)
        n += 1 + digits_at(sc, n + 1);
    if (look(sc, n) == 'Z' && !is_word(look(sc, n + 1)))
        return n + 1;
    if (look(sc, n) == ' ' && look(sc, n + 1) == 'U' && look(sc, n + 2) == 'T' && look(sc, n + 3) == 'C')
        return n + 4;
    d = n + (look(sc, n) == ' ');
    if ((look(sc, d) == '+' || look(sc, d) == '-') && digits_at(sc, d + 1) >= 2) {
        if (digits_at(sc, d + 1) == 4)
            return d + 5;
        if (digits_at(sc, d + 1) == 2 && look(sc, d + 3) == ':' && digits_at(sc, d + 4) == 2)
            return d + 6;
    }
    return n;
}

static size_t take_time(const struct scan *sc)
{
    size_t n = 0;
    size_t clock;

    if (digits_at(sc, 0) == 4 && (look(sc, 4) == '-' || look(sc, 4) == '/') && digits_at(sc, 5) == 2 &&
        look(sc, 7) == look(sc, 4) && digits_at(sc, 8) == 2)
        n = 10;
    if (n == 0) {
        n = clock_at(sc, 0);
        return n > 0 && !is_word(look(sc, n)) ? n : 0;
    }
    if (look(sc, n) == 'T' || look(sc, n) == ' ') {
        clock = clock_at(sc, n + 1);
        if (clock > 0)
            return clock;
    }
    return is_word(look(sc, n)) ? 0 : n;
}

/* ---- the writer ---- */

struct general {
    char text[CAUSE_TEXT_BYTES + 1];
    size_t n;
    bool is_full;
};

static void put(struct general *g, const char *s, size_t n)
{
    if (n > CAUSE_TEXT_BYTES - g->n) {
        g->is_full = true;
        n = CAUSE_TEXT_BYTES - g->n;
    }
    memcpy(g->text + g->n, s, n);
    g->n += n;
}

static bool ends_in(const struct general *g, const char *end)
{
    size_t n = strlen(end);

    return g->n >= n && memcmp(g->text + g->n - n, end, n) == 0;
}

/* "<n>, <n>, <n>" is "<n>": how long a list of numbers is does not tell causes apart. */
static void put_mark(struct general *g, const char *mark)
{
    char again[32];
    size_t n = strlen(mark);

    put(g, mark, n);
    for (int blank = 0; blank < 2; blank++) {
        size_t len = (size_t)snprintf(again, sizeof(again), "%s%s%s", mark, blank != 0 ? " " : ", ", mark);

        if (ends_in(g, again))
            g->n -= len - n;
    }
}

/* A minus that is a sign, not a hyphen, belongs to its number. */
static void drop_sign(struct general *g)
{
    if (g->n > 0 && (g->text[g->n - 1] == '-' || g->text[g->n - 1] == '+') &&
        (g->n == 1 || strchr(" ([{=<,:", g->text[g->n - 2]) != NULL))
        g->n--;
}

/* "1,234.5", "10.0.0.7". */
static size_t number_bytes(const struct scan *sc)
{
    size_t n = digits_at(sc, 0);

    while ((look(sc, n) == '.' || look(sc, n) == ',') && digits_at(sc, n + 1) > 0 &&
           !is_letter(look(sc, n + 1 + digits_at(sc, n + 1))))
        n += 1 + digits_at(sc, n + 1);
    return n;
}

/* Letters and digits that stand together, up to a border. */
static size_t put_word(struct general *g, const struct scan *sc)
{
    size_t n = 0;
    size_t n_digits = 0;
    size_t n_hex = 0;
    size_t switches = 0;

    while (is_word(look(sc, n))) {
        n_digits += is_digit(look(sc, n));
        n_hex += is_hex(look(sc, n));
        switches += n > 0 && is_digit(look(sc, n)) != is_digit(look(sc, n - 1));
        n++;
    }
    if (n_digits == 0) {
        put(g, sc->s + sc->at, n);
        return n;
    }
    if (n_digits == n) {
        drop_sign(g);
        put_mark(g, "<n>");
        return number_bytes(sc);
    }
    if (look(sc, 0) == '0' && (look(sc, 1) == 'x' || look(sc, 1) == 'X') && n_hex == n - 1) {
        put_mark(g, "<hex>");
        return n;
    }
    if (n >= 8 && n_hex == n) {
        put_mark(g, "<hex>");
        return n;
    }
    if (n >= 6 && switches >= 3) {
        put_mark(g, "<id>");
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(look(sc, i)))
            put(g, sc->s + sc->at + i, 1);
        else if (i == 0 || !is_digit(look(sc, i - 1)))
            put(g, "<n>", 3);
    }
    return n;
}

/* A mark of an earlier pass stays as it is. */
static size_t take_mark(const struct scan *sc)
{
    static const char *const marks[] = {"<n>", "<hex>", "<id>", "<uuid>", "<time>", "<tmp>"};

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        size_t len = strlen(marks[i]);

        if (sc->n - sc->at >= len && memcmp(sc->s + sc->at, marks[i], len) == 0)
            return len;
    }
    return 0;
}

static void generalise(struct general *g, const char *message)
{
    static const struct {
        size_t (*take)(const struct scan *sc);
        const char *mark;
    } rules[] = {{take_tmp_path, "<tmp>"}, {take_uuid, "<uuid>"}, {take_time, "<time>"}};
    struct scan sc = {message, strnlen(message, CAUSE_READ_BYTES), 0};

    g->n = 0;
    g->is_full = false;
    while (sc.at < sc.n && !g->is_full) {
        bool is_border = sc.at == 0 || !(is_word(message[sc.at - 1]) || message[sc.at - 1] == '.');
        size_t n = take_escape(&sc);

        if (n == 0 && is_blank(look(&sc, 0))) {
            if (g->n > 0 && g->text[g->n - 1] != ' ')
                put(g, " ", 1);
            n = 1;
        }
        if (n == 0)
            n = take_mark(&sc);
        else {
            sc.at += n;
            continue;
        }
        if (n > 0) {
            char mark[16];

            (void)snprintf(mark, sizeof(mark), "%.*s", (int)n, sc.s + sc.at);
            put_mark(g, mark);
        }
        for (size_t i = 0; i < ARRAY_LEN(rules) && n == 0 && is_border; i++) {
            n = rules[i].take(&sc);
            if (n > 0)
                put_mark(g, rules[i].mark);
        }
        if (n == 0 && is_word(look(&sc, 0)))
            n = put_word(g, &sc);
        if (n == 0) {
            put(g, sc.s + sc.at, 1);
            n = 1;
        }
        sc.at += n;
    }
    while (g->n > 0 && (g->text[g->n - 1] == ' ' || (g->is_full && (unsigned char)g->text[g->n - 1] >= 0x80)))
        g->n--;
    g->text[g->n] = '\0';
}

void cause_general(struct buf *out, const char *message)
{
    struct general g;

    generalise(&g, message);
    buf_put(out, g.text, g.n);
}

/* ---- places ---- */

bool frame_is_own(const char *line)
{
    static const char *const foreign[] = {"/gems/",          "/ruby/",      "/site-packages/",
                                          "/dist-packages/", "/lib/python", "node_modules/"};

    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        if (strstr(line, foreign[i]) != NULL)
            return false;
    return line[0] != '/' && line[0] != '\0' && strncmp(line, "<internal:", 10) != 0;
}

const char *frame_top(const char *const *backtrace, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (frame_is_own(backtrace[i]))
            return backtrace[i];
    return n > 0 ? backtrace[0] : NULL;
}

bool frame_place(const char *line, struct slice *ret_file, uint32_t *ret_line)
{
    const char *colon;
    uint64_t n = 0;

    while (line[0] == '.' && line[1] == '/')
        line += 2;
    for (colon = strchr(line, ':'); colon != NULL && !is_digit(colon[1]); colon = strchr(colon + 1, ':'))
        continue;
    if (colon == NULL || colon == line)
        return false;
    for (const char *p = colon + 1; is_digit(*p) && n < UINT32_MAX; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    if (n == 0 || n > UINT32_MAX)
        return false;
    *ret_file = (struct slice){line, (size_t)(colon - line)};
    *ret_line = (uint32_t)n;
    return true;
}

/* Without its line numbers, which move with every edit of the file: behind a colon ("a.rb:12:in `x'") and behind the word
 * "line". */
static void frame_general(struct buf *out, const char *frame)
{
    static const char word[] = "line ";

    for (const char *p = frame; *p != '\0' && p < frame + CAUSE_FRAME_BYTES;) {
        bool is_number = is_digit(*p) && p > frame &&
                         (p[-1] == ':' || ((size_t)(p - frame) >= sizeof(word) - 1 &&
                                           memcmp(p - (sizeof(word) - 1), word, sizeof(word) - 1) == 0));

        if (!is_number) {
            buf_putc(out, *p++);
            continue;
        }
        buf_putc(out, '#');
        while (is_digit(*p))
            p++;
    }
}

/* ---- ids ---- */

/* FNV-1a over parts with a NUL after each, then mixed so that all bits depend on all bytes. */
static uint64_t hash_part(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
    return (h ^ 0) * UINT64_C(0x100000001b3);
}

static uint64_t hash_end(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    h ^= h >> 33;
    h &= (uint64_t)INT64_MAX;
    return h != 0 ? h : 1;
}

void cause_id_text(uint64_t id, char out[CAUSE_ID_BYTES])
{
    (void)snprintf(out, CAUSE_ID_BYTES, "%016llx", (unsigned long long)id);
}

uint64_t cause_id_parse(const char *text)
{
    uint64_t id = 0;

    if (strlen(text) != CAUSE_ID_BYTES - 1)
        return 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (is_digit(*p))
            id = id << 4 | (uint64_t)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            id = id << 4 | (uint64_t)(*p - 'a' + 10);
        else
            return 0;
    }
    return id <= (uint64_t)INT64_MAX ? id : 0;
}

/* At most `max` bytes, cut on a character's border and marked. */
static const char *cut(struct arena *a, const char *s, size_t n, size_t max)
{
    static const char more[] = "\xe2\x80\xa6";

    if (n <= max)
        return arena_strndup(a, s, n);
    n = max - (sizeof(more) - 1);
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return arena_printf(a, "%.*s%s", (int)n, s, more);
}

static uint64_t id_of(const char *kind, const char *first, struct slice text, struct slice last)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    h = hash_part(h, kind, strlen(kind));
    h = hash_part(h, first, strlen(first));
    h = hash_part(h, text.ptr, text.len);
    return hash_end(hash_part(h, last.ptr, last.len));
}

void cause_of_failure(struct arena *a, const char *exception, const char *message,
                      const char *const *backtrace, uint32_t n_backtrace, struct cause *ret)
{
    const char *frame = frame_top(backtrace, n_backtrace);
    struct general g;
    struct buf place;

    generalise(&g, message);
    buf_init(&place, CAUSE_FRAME_BYTES + 1);
    if (frame != NULL)
        frame_general(&place, frame);
    ret->id = id_of("example", exception, (struct slice){g.text, g.n}, buf_slice(&place));
    buf_done(&place);
    ret->exception = arena_strdup(a, exception);
    ret->frame = frame != NULL ? cut(a, frame, strlen(frame), CAUSE_FRAME_BYTES) : "";
    if (g.n > 0)
        ret->title = cut(a, g.text, g.n, CAUSE_TITLE_BYTES);
    else
        ret->title = exception[0] != '\0' ? ret->exception : "failed without a message";
}

void cause_of_run(struct arena *a, enum outcome outcome, const char *reason, struct cause *ret)
{
    struct general g;

    generalise(&g, reason);
    ret->id = id_of("run", outcome_name(outcome), (struct slice){g.text, g.n}, (struct slice){"", 0});
    ret->exception = "";
    ret->frame = "";
    ret->title =
        g.n > 0 ? cut(a, g.text, g.n, CAUSE_TITLE_BYTES) : arena_strdup(a, outcome_sentence(outcome));
}

/* ---- what a message says of its page ---- */

bool url_is_web(const char *url, size_t n)
{
    return (n > 7 && memcmp(url, "http://", 7) == 0) || (n > 8 && memcmp(url, "https://", 8) == 0);
}

static struct slice quoted_behind(const char *message, const char *word)
{
    const char *p = strstr(message, word);
    const char *open;
    const char *close;

    if (p == NULL)
        return (struct slice){"", 0};
    p += strlen(word);
    open = p + strcspn(p, "'\n");
    if (*open != '\'')
        return (struct slice){"", 0};
    open++;
    close = open + strcspn(open, "'\n");
    return *close == '\'' ? (struct slice){open, (size_t)(close - open)} : (struct slice){"", 0};
}

void message_page(const char *message, struct slice *ret_page_url, struct slice *ret_screenshot)
{
    *ret_page_url = quoted_behind(message, "Page address:");
    *ret_screenshot = quoted_behind(message, "Error screenshot:");
}
