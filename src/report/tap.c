/* tap.c - see tap.h. A line at a time; a level for each subtest that is open; at most one point is held. */
#include "report/tap.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "report/tap_private.h"

#define INDENT 4u

struct level {
    struct buf name; /* from "# Subtest:"; may be empty */
    bool has_plan;
    uint32_t planned;
    uint32_t seen;   /* points */
    uint32_t leaves; /* examples of it and of what is in it */
    uint32_t failed; /* of them */
};

#define WORD_UNDONE \
    "TO"            \
    "DO"

enum directive { NO_DIRECTIVE, SKIP, UNDONE };

struct point {
    bool is_held;
    bool ok;
    enum directive directive;
    uint32_t level;
    uint32_t number;
    bool has_children;
    bool is_short; /* its subtest planned another number */
    uint32_t child_leaves;
    uint32_t child_failed;
    double ms;
    struct buf name;
    struct buf reason; /* behind the directive */
    struct buf diag;   /* "# ..." lines below it */
};

struct tap {
    struct report r;
    char *root;
    struct buf line;
    struct level levels[TAP_DEPTH_MAX + 1];
    uint32_t depth; /* the innermost open level */
    struct buf next_name;
    uint32_t next_level; /* a "# Subtest:" announced this one; 0: none */
    struct point p;
    struct tap_yaml yaml;
    struct buf yaml_text;
    bool in_yaml;
    bool may_have_yaml; /* the last line was a point, at yaml_level */
    uint32_t yaml_level;
    size_t yaml_indent;
    uint32_t announced;
    uint32_t out_of_plan; /* the first number that is too high; 0: none */
    bool has_second_plan;
    bool bailed;
};

/* ---- memory ---- */

struct tap *tap_new(const char *root, report_sink *sink, void *ctx)
{
    struct tap *t = xcalloc(1, sizeof(*t));

    report_init(&t->r, sink, ctx);
    t->root = root != NULL ? xstrdup(root) : NULL;
    text_init(&t->line, TAP_LINE_MAX);
    text_init(&t->next_name, REPORT_NAME_MAX - 8);
    text_init(&t->p.name, REPORT_NAME_MAX - 8);
    text_init(&t->p.reason, REPORT_NAME_MAX - 8);
    text_init(&t->p.diag, REPORT_TEXT_MAX / 2);
    text_init(&t->yaml_text, REPORT_TEXT_MAX);
    tap_yaml_init(&t->yaml);
    for (uint32_t i = 0; i <= TAP_DEPTH_MAX; i++)
        text_init(&t->levels[i].name, REPORT_NAME_MAX - 8);
    return t;
}

void tap_free(struct tap *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i <= TAP_DEPTH_MAX; i++)
        buf_done(&t->levels[i].name);
    tap_yaml_done(&t->yaml);
    buf_done(&t->yaml_text);
    buf_done(&t->p.diag);
    buf_done(&t->p.reason);
    buf_done(&t->p.name);
    buf_done(&t->next_name);
    buf_done(&t->line);
    report_done(&t->r);
    free(t->root);
    free(t);
}

/* ---- words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice skip_blanks(struct slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

static struct slice after(struct slice s, size_t n)
{
    return n > 0 ? (struct slice){s.ptr + n, s.len - n} : s; /* an empty one has no address to add to */
}

static bool begins(struct slice s, const char *word)
{
    size_t n = strlen(word);

    return s.len >= n && strncasecmp(s.ptr, word, n) == 0;
}

/* ---- giving out what was held ---- */

static uint32_t path_to(const struct tap *t, uint32_t level, struct slice last, struct slice *path)
{
    uint32_t n = 0;

    for (uint32_t i = 1; i <= level; i++)
        path[n++] = buf_slice(&t->levels[i].name);
    path[n++] = last;
    return n;
}

/* Tell how many examples there are as soon as it is known: what came, and what the plan still promises. */
static void announce(struct tap *t, bool at_end)
{
    const struct level *top = &t->levels[0];
    uint32_t want = t->r.examples;

    if (!top->has_plan && !at_end)
        return;
    if (top->has_plan && top->planned > top->seen)
        want += top->planned - top->seen;
    if (want > t->announced) {
        report_plan(&t->r, want - t->announced);
        t->announced = want;
    }
}

static void put_point(struct tap *t)
{
    struct point *p = &t->p;
    struct slice path[TAP_DEPTH_MAX + 2];
    struct report_example e = {.path = path, .ms = p->ms > 0 ? p->ms : t->yaml.ms};
    struct buf text;

    e.n_path = path_to(t, p->level, buf_slice(&p->name), path);
    e.file = buf_slice(&t->yaml.file);
    e.line = t->yaml.line;
    text_init(&text, REPORT_TEXT_MAX);
    if (p->ok && p->directive == UNDONE) {
        e.status = REPORT_FAILED;
        text_add(&text, "Expected to fail (" WORD_UNDONE, 22);
        if (p->reason.len > 0)
            text_add(&text, ": ", 2);
        text_add(&text, p->reason.data, p->reason.len);
        text_add(&text, "), but it passed.", 17);
    } else if (p->directive == UNDONE || (p->ok && p->directive == SKIP)) {
        e.status = REPORT_PENDING;
        e.pending = p->reason.len > 0      ? buf_slice(&p->reason)
                    : p->directive == SKIP ? SLICE("SKIP")
                                           : SLICE(WORD_UNDONE);
    } else if (!p->ok) {
        e.status = REPORT_FAILED;
        e.exception = buf_slice(&t->yaml.exception);
        e.backtrace = buf_slice(&t->yaml.stack);
        if (t->yaml.message.len > 0)
            text_add(&text, t->yaml.message.data, t->yaml.message.len);
        else
            text_add(&text, t->yaml_text.data, t->yaml_text.len);
        if (text.len > 0 && p->diag.len > 0)
            text_add(&text, "\n", 1);
        text_add(&text, p->diag.data, p->diag.len);
    }
    e.message = buf_slice(&text);
    report_example(&t->r, &e);
    buf_done(&text);
    t->levels[p->level].leaves++;
    t->levels[p->level].failed += e.status == REPORT_FAILED;
}

static void flush(struct tap *t)
{
    struct point *p = &t->p;
    struct level *l = &t->levels[p->level];

    if (!p->is_held)
        return;
    p->is_held = false;
    if (p->has_children) {
        l->leaves += p->child_leaves;
        l->failed += p->child_failed;
    }
    if (p->ok && p->is_short)
        report_error(&t->r,
                     "TAP: the subtest \"%.200s\" passed, but the number of its tests is not the planned one",
                     buf_str(&p->name));
    if (!p->has_children || (!p->ok && p->directive == NO_DIRECTIVE && p->child_failed == 0))
        put_point(t);
    if (p->level == 0 && t->depth == 0)
        announce(t, false);
}

/* ---- levels ---- */

static void level_open(struct tap *t, uint32_t k)
{
    struct level *l = &t->levels[k];
    struct buf name = l->name;

    buf_clear(&name);
    *l = (struct level){.name = name};
    if (t->next_level == k)
        text_add(&l->name, t->next_name.data, t->next_name.len);
    t->next_level = 0;
    t->depth = k;
}

/* Make level k the innermost one for a line there. False: the line is indented and belongs to no subtest. */
static bool level_enter(struct tap *t, uint32_t k, bool is_sure)
{
    if (k > t->depth + 1 || k > TAP_DEPTH_MAX)
        return false;
    if (k == t->depth + 1) {
        if (!is_sure && t->next_level != k)
            return false;
        flush(t);
        level_open(t, k);
    }
    flush(t);
    return true;
}

static void begin(struct tap *t, const char *version)
{
    report_start(&t->r, "tap", version);
}

/* ---- lines ---- */

static void on_version(struct tap *t, uint32_t k, struct slice rest)
{
    char version[8] = "";
    size_t n = 0;

    if (!level_enter(t, k, true))
        return;
    rest = skip_blanks(rest);
    while (n < rest.len && n < sizeof(version) - 1 && rest.ptr[n] >= '0' && rest.ptr[n] <= '9') {
        version[n] = rest.ptr[n];
        n++;
    }
    begin(t, version);
}

static void skipped_whole(struct tap *t, struct slice reason)
{
    struct slice path = SLICE("all tests of the file");
    struct report_example e = {.path = &path, .n_path = 1, .status = REPORT_PENDING, .pending = reason};

    report_example(&t->r, &e);
}

static bool on_plan(struct tap *t, uint32_t k, struct slice s)
{
    struct slice rest;
    struct level *l;
    uint32_t n;
    size_t used;

    if (!begins(s, "1..") || !tap_number(s.ptr + 3, s.len - 3, &n, &used))
        return false;
    rest = skip_blanks(after(s, 3 + used));
    if ((rest.len > 0 && rest.ptr[0] != '#') || !level_enter(t, k, true))
        return false;
    begin(t, "12");
    l = &t->levels[k];
    if (l->has_plan) {
        t->has_second_plan = t->has_second_plan || k == 0;
        return true;
    }
    l->has_plan = true;
    l->planned = n;
    if (k == 0 && t->depth == 0) {
        if (n == 0 && rest.len > 1) {
            rest = skip_blanks(after(rest, 1));
            if (begins(rest, "skip")) {
                while (rest.len > 0 && !is_blank(rest.ptr[0]))
                    rest = after(rest, 1);
                rest = skip_blanks(rest);
                skipped_whole(t, rest.len > 0 ? rest : SLICE("SKIP"));
            }
        }
        announce(t, false);
    }
    return true;
}

/* Takes "# SKIP why", "# todo why" and "# time=5ms" off the end; what is left is the name. */
static struct slice take_directive(struct point *p, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        struct slice d;
        size_t word = 0;

        if (s.ptr[i] == '\\') {
            i++;
            continue;
        }
        if (s.ptr[i] != '#' || (i > 0 && !is_blank(s.ptr[i - 1])))
            continue;
        d = skip_blanks(after(s, i + 1));
        if (begins(d, "time=")) {
            p->ms = tap_decimal(d.ptr + 5, d.len - 5);
            return (struct slice){s.ptr, i};
        }
        while (word < d.len && !is_blank(d.ptr[word]))
            word++;
        if (begins(d, "skip"))
            p->directive = SKIP;
        else if (begins(d, "todo") && (d.len == 4 || !((d.ptr[4] | 32) >= 'a' && (d.ptr[4] | 32) <= 'z')))
            p->directive = UNDONE;
        else
            continue;
        d = skip_blanks(after(d, p->directive == UNDONE ? 4 : word));
        if (d.len > 0 && d.ptr[0] == ':')
            d = skip_blanks(after(d, 1));
        text_add(&p->reason, d.ptr, d.len);
        return (struct slice){s.ptr, i};
    }
    return s;
}

static void take_name(struct point *p, struct slice s)
{
    if (s.len > 0 && s.ptr[0] == '-' && (s.len == 1 || is_blank(s.ptr[1])))
        s = skip_blanks(after(s, 1));
    s = take_directive(p, s);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len && (s.ptr[i + 1] == '#' || s.ptr[i + 1] == '\\'))
            i++;
        text_add(&p->name, s.ptr + i, 1);
    }
}

static void point_clear(struct tap *t)
{
    struct point *p = &t->p;
    struct buf name = p->name;
    struct buf reason = p->reason;
    struct buf diag = p->diag;

    buf_clear(&name);
    buf_clear(&reason);
    buf_clear(&diag);
    *p = (struct point){.name = name, .reason = reason, .diag = diag};
    tap_yaml_clear(&t->yaml);
    buf_clear(&t->yaml_text);
}

/* The subtest below a point ends with it; what is deeper was left open. */
static void close_children(struct tap *t, uint32_t k)
{
    const struct level *child = &t->levels[k + 1];

    while (t->depth > k + 1) { /* its examples count all the same */
        t->levels[t->depth - 1].leaves += t->levels[t->depth].leaves;
        t->levels[t->depth - 1].failed += t->levels[t->depth].failed;
        t->depth--;
    }
    if (t->depth == k + 1) {
        t->p.child_leaves = child->leaves;
        t->p.child_failed = child->failed;
        t->p.has_children = child->leaves > 0;
        t->p.is_short = child->has_plan && child->planned != child->seen;
        t->depth = k;
    }
}

static bool on_point(struct tap *t, uint32_t k, struct slice s)
{
    bool ok = !begins(s, "not ");
    struct slice rest = ok ? s : skip_blanks(after(s, 4));
    struct level *l;
    uint32_t number;
    size_t used = 0;
    bool is_numbered;

    if (rest.len < 2 || memcmp(rest.ptr, "ok", 2) != 0 || (rest.len > 2 && !is_blank(rest.ptr[2])))
        return false;
    rest = skip_blanks(after(rest, 2));
    is_numbered =
        tap_number(rest.ptr, rest.len, &number, &used) && (used == rest.len || is_blank(rest.ptr[used]));
    if (!level_enter(t, k, is_numbered))
        return false;
    begin(t, "12");
    point_clear(t);
    close_children(t, k);
    t->next_level = 0;
    l = &t->levels[k];
    l->seen++;
    t->p.is_held = true;
    t->p.ok = ok;
    t->p.level = k;
    t->p.number = is_numbered ? number : l->seen;
    if (is_numbered)
        rest = skip_blanks(after(rest, used));
    if (is_numbered && k == 0 && l->has_plan && number > l->planned && t->out_of_plan == 0)
        t->out_of_plan = number;
    take_name(&t->p, rest);
    if (t->p.name.len == 0)
        buf_printf(&t->p.name, "test %u", t->p.number);
    t->may_have_yaml = true;
    t->yaml_level = k;
    return true;
}

static void on_subtest(struct tap *t, uint32_t k, struct slice name)
{
    struct slice path[TAP_DEPTH_MAX + 2];
    uint32_t n;

    if (k > t->depth + 1 || k >= TAP_DEPTH_MAX)
        return;
    flush(t);
    if (k == t->depth + 1) { /* indented like its points (Test::More), or in one that was announced (node) */
        bool was_announced = t->next_level == k;

        if (!was_announced) {
            t->next_level = k;
            buf_clear(&t->next_name);
            text_add(&t->next_name, name.ptr, name.len);
        }
        level_open(t, k);
        if (!was_announced) {
            n = path_to(t, k - 1, name, path);
            report_running(&t->r, path, n);
            return;
        }
    }
    buf_clear(&t->next_name);
    text_add(&t->next_name, name.ptr, name.len);
    t->next_level = k + 1;
    begin(t, "14");
    n = path_to(t, k < t->depth ? k : t->depth, name, path);
    report_running(&t->r, path, n);
}

static void on_comment(struct tap *t, uint32_t k, struct slice s)
{
    struct slice text = after(s, 1);

    if (begins(s, "# Subtest:")) {
        on_subtest(t, k, skip_blanks(after(s, 10)));
        return;
    }
    if (!t->p.is_held || t->p.ok || t->p.level != k)
        return;
    if (text.len > 0 && text.ptr[0] == ' ')
        text = after(text, 1);
    if (t->p.diag.len > 0)
        text_add(&t->p.diag, "\n", 1);
    text_add(&t->p.diag, text.ptr, text.len);
}

static void on_bail(struct tap *t, struct slice reason)
{
    flush(t);
    begin(t, "12");
    if (t->bailed) /* a subtest and then its parents say it */
        return;
    t->bailed = true;
    reason = skip_blanks(reason);
    report_error(&t->r, "Bail out!%s%.*s", reason.len > 0 ? " " : "",
                 reason.len > 1000 ? 1000 : (int)reason.len, reason.ptr);
}

static bool is_tap(struct tap *t, uint32_t k, struct slice s)
{
    if (begins(s, "Bail out!") && k <= t->depth)
        on_bail(t, after(s, 9));
    else if (begins(s, "TAP version "))
        on_version(t, k, after(s, 12));
    else
        return on_plan(t, k, s) || on_point(t, k, s);
    return true;
}

/* ---- YAML ---- */

static void yaml_end(struct tap *t)
{
    t->in_yaml = false;
    if (t->p.is_held)
        tap_yaml_read(&t->yaml, buf_slice(&t->yaml_text), t->root);
}

/* A line inside a block. False: the block was never closed, and this is a line of its own. */
static bool yaml_line(struct tap *t, struct slice line, size_t indent)
{
    struct slice rest = after(line, indent);

    while (rest.len > 0 && is_blank(rest.ptr[rest.len - 1]))
        rest.len--;
    if (indent == t->yaml_indent && slice_eq(rest, SLICE("..."))) {
        yaml_end(t);
        return true;
    }
    if (indent >= t->yaml_indent || rest.len == 0) {
        size_t cut = indent < t->yaml_indent ? indent : t->yaml_indent;

        text_add(&t->yaml_text, line.ptr + cut, line.len - cut);
        text_add(&t->yaml_text, "\n", 1);
        return true;
    }
    if (begins(rest, "ok") || begins(rest, "not ok") || begins(rest, "1..") || begins(rest, "Bail out!")) {
        yaml_end(t);
        return false;
    }
    return true; /* somebody else printed into it */
}

static void take_line(struct tap *t, struct slice line)
{
    struct slice rest;
    size_t indent = 0;
    bool may_have_yaml = t->may_have_yaml;
    uint32_t k;

    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    while (indent < line.len && line.ptr[indent] == ' ')
        indent++;
    if (t->in_yaml && yaml_line(t, line, indent))
        return;
    rest = after(line, indent);
    k = indent / INDENT > TAP_DEPTH_MAX ? TAP_DEPTH_MAX + 1 : (uint32_t)(indent / INDENT);
    if (rest.len == 0)
        return;
    if (may_have_yaml && k == t->yaml_level && indent % INDENT != 0 && begins(rest, "---")) {
        t->in_yaml = true;
        t->may_have_yaml = false;
        t->yaml_indent = indent;
        buf_clear(&t->yaml_text);
        return;
    }
    if (indent % INDENT != 0)
        return;
    if (rest.ptr[0] == '#') {
        on_comment(t, k, rest);
    } else {
        t->may_have_yaml = false;
        if (!is_tap(t, k, rest))
            t->may_have_yaml = may_have_yaml; /* something else was printed in between */
    }
}

/* ---- the outside ---- */

void tap_feed(struct tap *t, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *nl = memchr(bytes, '\n', n);
        size_t part = nl != NULL ? (size_t)(nl - bytes) : n;

        text_add(&t->line, bytes, part);
        if (nl == NULL)
            return;
        take_line(t, buf_slice(&t->line));
        buf_clear(&t->line);
        bytes += part + 1;
        n -= part + 1;
    }
}

void tap_pause(struct tap *t)
{
    bool has_failed = !t->p.ok && t->p.directive == NO_DIRECTIVE;

    if (t->p.is_held && !has_failed && !t->in_yaml && t->line.len == 0)
        flush(t);
}

static void check_counts(struct tap *t)
{
    const struct level *top = &t->levels[0];

    if (t->has_second_plan)
        report_error(&t->r, "TAP: there is a second plan");
    if (!top->has_plan)
        report_error(&t->r,
                     "TAP: the output has no plan (a line 1..N, first or last): it may have ended too early");
    else if (top->seen < top->planned)
        report_error(&t->r, "TAP: %u tests were planned and %u came: the output ended too early",
                     top->planned, top->seen);
    else if (top->seen > top->planned)
        report_error(&t->r, "TAP: %u tests were planned and %u came", top->planned, top->seen);
    else if (t->out_of_plan > 0)
        report_error(&t->r, "TAP: test number %u is not in the plan 1..%u", t->out_of_plan, top->planned);
}

void tap_end(struct tap *t, bool whole)
{
    if (t->line.len > 0 && whole) /* else it was cut somewhere */
        take_line(t, buf_slice(&t->line));
    buf_clear(&t->line);
    if (t->in_yaml)
        yaml_end(t);
    flush(t);
    if (!t->r.started)
        return; /* nothing of it was TAP */
    announce(t, true);
    if (!whole)
        return;
    report_not_run(&t->r, t->announced - t->r.examples, "%s",
                   t->bailed ? "TAP: Bail out!" : "TAP: the plan promised more than came");
    if (!t->bailed)
        check_counts(t);
    report_end(&t->r, t->bailed);
}
