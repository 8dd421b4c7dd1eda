#include "notify/notice_text.h"

#include <string.h>

#include "model/mail.h"
#include "wire/json_out.h"

#define DETAILS_BYTES_MAX KIB(24) /* in HTML six times as much, at the worst */
#define NAME_CHARS 80u
#define REASON_CHARS 200u
#define PATH_CHARS 160u
#define MESSAGE_LINES 3u
#define MESSAGE_CHARS 160u
#define LOG_CHARS 200u
#define SUBJECT_CHARS 34u /* of each name in it: 4 bytes each at the most, and there are three */

/* ---- text from anywhere ---- */

/* Marks that turn the direction of what follows: a name must not rearrange the mail around it. */
static bool turns_direction(const char *s, int len)
{
    const unsigned char *u = (const unsigned char *)s;

    if (len != 3 || u[0] != 0xe2)
        return false;
    return (u[1] == 0x80 && (u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xa8 && u[2] <= 0xae))) ||
           (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9);
}

/* Behind a sequence like "ESC [ 31 m", which paints a terminal. */
static const char *after_escape(const char *s, const char *end)
{
    s++;
    if (s < end && *s == '[') {
        s++;
        while (s < end && (unsigned char)*s >= 0x20 && (unsigned char)*s < 0x40)
            s++;
        return s < end ? s + 1 : s;
    }
    return s;
}

static void put_line(struct buf *out, struct slice in, uint32_t chars_max)
{
    const char *p = in.ptr;
    const char *end = in.ptr + in.len;
    uint32_t n = 0;

    while (p < end) {
        int len = utf8_next(p, (size_t)(end - p));
        unsigned char c = (unsigned char)*p;

        if (c == 0x1b) {
            p = after_escape(p, end);
            continue;
        }
        if (n++ == chars_max) {
            buf_puts(out, "\u2026");
            return;
        }
        if (len <= 0 || turns_direction(p, len) || (len == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0)) {
            buf_puts(out, "?");
            p += len > 0 ? len : 1;
        } else if (c < 0x20 || c == 0x7f) {
            buf_puts(out, " ");
            p++;
        } else {
            buf_put(out, p, (size_t)len);
            p += len;
        }
    }
}

void notice_text_line(struct buf *out, const char *s, uint32_t chars_max)
{
    put_line(out, slice_of(s), chars_max);
}

/* Up to lines_max lines of s that are not empty, each behind `before`. */
static void put_lines(struct buf *out, const char *s, const char *before, uint32_t lines_max,
                      uint32_t chars_max)
{
    uint32_t n = 0;

    while (*s != '\0' && n < lines_max) {
        size_t len = strcspn(s, "\n");

        if (strspn(s, " \t\r") < len) {
            buf_puts(out, before);
            put_line(out, (struct slice){s, len > 0 && s[len - 1] == '\r' ? len - 1 : len}, chars_max);
            buf_puts(out, "\n");
            n++;
        }
        s += len;
        s += *s == '\n';
    }
}

/* ---- details: they end where there is no more room ---- */

/* Room for one more paragraph; else says so, once, and everything after it is left out. */
static bool has_room(struct buf *out, bool *is_cut, size_t bytes)
{
    if (*is_cut)
        return false;
    if (out->len + bytes <= DETAILS_BYTES_MAX)
        return true;
    *is_cut = true;
    buf_puts(out, "\n(The mail would be too long: the rest is on the page.)\n");
    return false;
}

/* The paragraph is made apart, and goes in whole or not at all. */
static void add_paragraph(struct buf *out, bool *is_cut, struct buf *paragraph)
{
    if (has_room(out, is_cut, paragraph->len))
        buf_put(out, buf_str(paragraph), paragraph->len);
    buf_clear(paragraph);
}

static void put_time(struct buf *out, struct wall at)
{
    char text[JSON_TIME_BYTES];

    jo_time_text(at, text);
    buf_printf(out, "%.10s %.8s UTC", text, text + 11);
}

static void put_span(struct buf *out, int64_t ms)
{
    int64_t s = ms / 1000;

    if (s >= 3600)
        buf_printf(out, "%lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
    else if (s >= 60)
        buf_printf(out, "%lld min %lld s", (long long)(s / 60), (long long)(s % 60));
    else
        buf_printf(out, "%lld s", (long long)(s < 0 ? 0 : s));
}

/* ---- launches ---- */

static const char *const outcome_words[] = {
    [OUTCOME_NONE] = "over",       [OUTCOME_PASSED] = "passed",
    [OUTCOME_STOPPED] = "stopped", [OUTCOME_NO_TESTS] = "no tests",
    [OUTCOME_FAILED] = "failed",   [OUTCOME_TIMED_OUT] = "timed out",
    [OUTCOME_ERROR] = "error",     [OUTCOME_INFRASTRUCTURE] = "infrastructure failed",
};
_Static_assert(ARRAY_LEN(outcome_words) == OUTCOME_COUNT, "a word for each");

/* "nightly: docs develop" */
static void put_what(struct buf *out, const char *name, const char *project, const char *ref, uint32_t chars)
{
    notice_text_line(out, name, chars);
    if (name[0] != '\0' && project[0] != '\0')
        buf_puts(out, ": ");
    notice_text_line(out, project, chars);
    if (project[0] != '\0' && ref[0] != '\0')
        buf_puts(out, " ");
    notice_text_line(out, ref, chars);
}

static void put_files(struct buf *out, const struct notice_launch *l)
{
    const char *comma = ": ";

    buf_printf(out, "Files: %u", l->row.n_tests);
    for (int i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++) {
        if (l->by_outcome[i] == 0)
            continue;
        buf_printf(out, "%s%u %s", comma, l->by_outcome[i], outcome_words[i]);
        comma = ", ";
    }
    buf_puts(out, "\n");
}

static void put_examples(struct buf *out, const struct tally *t)
{
    if (t->discovered + tally_reported(t) + t->errors == 0)
        return;
    buf_printf(out, "Examples: %u passed, %u failed, %u pending, %u not run", t->passed, t->failed,
               t->pending, t->not_run);
    if (t->errors > 0)
        buf_printf(out, ", %u error%s outside of examples", t->errors, t->errors == 1 ? "" : "s");
    buf_puts(out, "\n");
}

static void put_test(struct buf *out, const struct notice_site *site, const struct notice_test *t)
{
    buf_puts(out, "\n");
    notice_text_line(out, t->path, PATH_CHARS);
    buf_printf(out, ": %s", outcome_words[t->outcome]);
    if (t->reason[0] != '\0') {
        buf_puts(out, ", ");
        notice_text_line(out, t->reason, REASON_CHARS);
    }
    buf_puts(out, "\n");
    for (uint32_t i = 0; i < t->n_examples; i++) {
        const struct notice_example *x = &t->examples[i];

        buf_puts(out, "  ");
        notice_text_line(out, x->name[0] != '\0' ? x->name : "outside of examples", PATH_CHARS);
        if (x->file[0] != '\0') {
            buf_puts(out, " (");
            notice_text_line(out, x->file, PATH_CHARS);
            if (x->line > 0)
                buf_printf(out, ":%u", x->line);
            buf_puts(out, ")");
        }
        buf_puts(out, "\n");
        put_lines(out, x->message, "    ", MESSAGE_LINES, MESSAGE_CHARS);
    }
    if (t->n_failed > t->n_examples)
        buf_printf(out, "  and %u more\n", t->n_failed - t->n_examples);
    if (t->run.v != 0)
        buf_printf(out, "  %s/runs/%llu\n", site->url, (unsigned long long)t->run.v);
}

static uint32_t bad_tests(const struct notice_launch *l)
{
    uint32_t n = 0;

    for (int i = OUTCOME_NO_TESTS; i < OUTCOME_COUNT; i++)
        n += l->by_outcome[i];
    return n;
}

static void put_failures(struct buf *out, const struct notice_site *site, const struct notice_launch *l)
{
    struct buf one;
    bool is_cut = false;
    uint32_t bad = bad_tests(l);

    if (l->n_tests == 0)
        return;
    buf_init(&one, MAIL_BYTES_MAX);
    buf_puts(out, "What did not pass:\n");
    for (uint32_t i = 0; i < l->n_tests; i++) {
        put_test(&one, site, &l->tests[i]);
        add_paragraph(out, &is_cut, &one);
    }
    if (bad > l->n_tests && !is_cut)
        buf_printf(out, "\nand %u more\n", bad - l->n_tests);
    buf_done(&one);
}

/* The placeholders of a template that are made here; each with what it is made in. */
struct values {
    struct buf bufs[6];
    struct template_value at[12];
    size_t n;
    size_t n_bufs;
};

static struct buf *value_buf(struct values *v, const char *name)
{
    struct buf *b = &v->bufs[v->n_bufs++];

    CHECK(v->n_bufs <= ARRAY_LEN(v->bufs));
    buf_init(b, MAIL_BYTES_MAX);
    v->at[v->n++].name = name; /* its value: when it is whole */
    return b;
}

static void value_text(struct values *v, const char *name, const char *value)
{
    CHECK(v->n < ARRAY_LEN(v->at));
    v->at[v->n++] = (struct template_value){name, value};
}

static enum err render(struct values *v, const char *kind, struct buf *subject, struct buf *text,
                       struct buf *html, struct why *reterr)
{
    size_t b = 0;
    enum err err;

    for (size_t i = 0; i < v->n; i++) {
        if (v->at[i].value == NULL)
            v->at[i].value = buf_str(&v->bufs[b++]);
    }
    err = template_render(kind, v->at, v->n, subject, text, html, reterr);
    for (size_t i = 0; i < v->n_bufs; i++)
        buf_done(&v->bufs[i]);
    return err;
}

enum err notice_text_launch(const struct notice_site *site, const char *login, const struct notice_launch *l,
                            struct buf *subject, struct buf *text, struct buf *html, struct why *reterr)
{
    struct values v = {0};
    struct buf *b;

    value_text(&v, "site", site->site);
    value_text(&v, "login", login);
    value_text(&v, "base", site->url);
    value_text(&v, "outcome", outcome_words[l->row.outcome]);
    b = value_buf(&v, "head");
    put_what(b, l->row.name, l->row.project_name, l->row.ref, SUBJECT_CHARS);
    buf_printf(b, "%slaunch %llu", b->len > 0 ? ", " : "", (unsigned long long)l->row.id.v);
    b = value_buf(&v, "what");
    put_what(b, l->row.name, l->row.project_name, l->row.ref, NAME_CHARS);
    b = value_buf(&v, "facts");
    put_files(b, l);
    put_examples(b, &l->tally);
    buf_puts(b, "It began at ");
    put_time(b, l->row.created_at);
    buf_puts(b, " and took ");
    put_span(b, l->row.ended_at.ms - l->row.created_at.ms);
    if (l->schedule[0] != '\0') {
        buf_puts(b, "; the schedule ");
        notice_text_line(b, l->schedule, NAME_CHARS);
        buf_puts(b, " started it");
    }
    buf_puts(b, ".");
    if (l->row.note[0] != '\0') {
        buf_puts(b, "\n");
        notice_text_line(b, l->row.note, REASON_CHARS);
    }
    b = value_buf(&v, "url");
    buf_printf(b, "%s/launches/%llu", site->url, (unsigned long long)l->row.id.v);
    b = value_buf(&v, "failures");
    put_failures(b, site, l);
    b = value_buf(&v, "change");
    if (l->row.mail != WHEN_AS_CHOSEN)
        buf_puts(b, "Whoever started the launch asked for a mail about it (mail).");
    else
        buf_printf(
            b,
            "You chose to hear of this: `wrata account edit --mail-%slaunches never` changes it, and so "
            "does the page:",
            l->schedule[0] != '\0' ? "schedule-" : "");
    return render(&v, "launch", subject, text, html, reterr);
}

enum err notice_text_launches(const struct notice_site *site, const char *login,
                              const struct notice_launch *const *ls, uint32_t n, uint64_t all,
                              struct buf *subject, struct buf *text, struct buf *html, struct why *reterr)
{
    struct values v = {0};
    struct buf one;
    struct buf *b;
    bool is_cut = false;

    value_text(&v, "site", site->site);
    value_text(&v, "login", login);
    value_text(&v, "base", site->url);
    b = value_buf(&v, "count");
    buf_printf(b, "%llu", (unsigned long long)all);
    b = value_buf(&v, "details");
    buf_init(&one, MAIL_BYTES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(&one, "%slaunch %llu, ", i > 0 ? "\n" : "", (unsigned long long)ls[i]->row.id.v);
        put_what(&one, ls[i]->row.name, ls[i]->row.project_name, ls[i]->row.ref, NAME_CHARS);
        buf_printf(&one, ": %s\n  ", outcome_words[ls[i]->row.outcome]);
        put_files(&one, ls[i]);
        buf_printf(&one, "  %s/launches/%llu\n", site->url, (unsigned long long)ls[i]->row.id.v);
        add_paragraph(b, &is_cut, &one);
    }
    if (all > n && !is_cut)
        buf_printf(b, "\nand %llu more\n", (unsigned long long)(all - n));
    buf_done(&one);
    return render(&v, "launches", subject, text, html, reterr);
}

/* ---- schedules and troubles ---- */

/* What is said of a kind. `%s` is not there: names come beside. */
static const struct kind_words {
    const char *title; /* of one thing */
    const char *many;  /* of several */
    const char *means;
    const char *option; /* of `wrata account edit` */
} words[] = {
    [NOTICE_LAUNCH_DONE] = {"", "", "", "mail-launches never"},
    [NOTICE_SCHEDULE_FAILED] = {"A schedule did not start", "Schedules did not start",
                                "Its list could not be started. The next time is tried as usual.",
                                "mail-schedule-failed no"},
    [NOTICE_SCHEDULE_MISSED] = {"A schedule missed its start", "Schedules missed their starts",
                                "No server was there when it was due, and it is too late to make up for it.",
                                "mail-schedule-missed no"},
    [NOTICE_SCHEDULE_DISABLED] =
        {"A schedule was disabled", "Schedules were disabled",
         "It would not start the next time either, so it is not tried any more. Put right what "
         "is wrong, then enable it again: `wrata schedules enable NAME`.",
         "mail-schedule-disabled no"},
    [NOTICE_HOOK_DISABLED] =
        {"A webhook was disabled", "Webhooks were disabled",
         "Its receiver took nothing for days, or says that it is gone, so nothing is sent there any more. "
         "Put right what is wrong, "
         "see that it arrives, and enable it again: `wrata hooks enable NAME`, `wrata hooks test NAME`.",
         ""},
    [NOTICE_RUNS_LOST] =
        {"Runs were lost", "Runs were lost",
         "A machine or the way to it failed while files ran there, not the files. What may be tried again "
         "is tried again elsewhere.",
         NULL},
    [NOTICE_NO_TESTS] = {"No tests were executed", "No tests were executed",
                         "Files ended without having executed a single example.", NULL},
    [NOTICE_NOT_CREATED] = {"A server could not be created", "Servers could not be created",
                            "Its machine did not come to life. Files that may only run there wait.", NULL},
    [NOTICE_SICK] = {"A server was taken out", "Servers were taken out",
                     "It is sick: it takes no more files until somebody says that it is well (`wrata servers "
                     "resume NAME`).",
                     NULL},
    [NOTICE_ERROR] = {"An unexpected error", "Unexpected errors",
                      "The server's own log has lines that somebody should look at.", NULL},
};
_Static_assert(ARRAY_LEN(words) == NOTICE_KIND_COUNT, "words for each");

static bool is_about_launch(enum notice_kind k)
{
    return k == NOTICE_RUNS_LOST || k == NOTICE_NO_TESTS;
}

static void put_thing_name(struct buf *out, const struct notice_thing *t, uint32_t chars)
{
    enum notice_kind k = t->row.kind;

    if (is_about_launch(k)) {
        buf_printf(out, "launch %llu", (unsigned long long)t->row.object);
        if (t->launch_name[0] != '\0' || t->project[0] != '\0')
            buf_puts(out, ", ");
        put_what(out, t->launch_name, t->project, t->ref, chars);
    } else if (k == NOTICE_ERROR) {
        notice_text_line(out, t->row.word, chars);
    } else {
        buf_puts(out, k == NOTICE_NOT_CREATED || k == NOTICE_SICK ? "server "
                      : k == NOTICE_HOOK_DISABLED                 ? "hook "
                                                                  : "schedule ");
        notice_text_line(out, t->row.name, chars);
    }
}

static void put_link(struct buf *out, const struct notice_site *site, const struct notice_thing *t)
{
    enum notice_kind k = t->row.kind;

    if (is_about_launch(k))
        buf_printf(out, "  %s/launches/%llu\n", site->url, (unsigned long long)t->row.object);
    else if (k == NOTICE_NOT_CREATED || k == NOTICE_SICK || k == NOTICE_ERROR)
        buf_printf(out, "  %s/board\n", site->url);
    else if (k != NOTICE_HOOK_DISABLED)
        buf_printf(out, "  %s/schedules/%llu\n", site->url, (unsigned long long)t->row.object);
    if (t->row.run.v != 0)
        buf_printf(out, "  %s run: %s/runs/%llu\n", t->row.n > 1 ? "the first" : "the", site->url,
                   (unsigned long long)t->row.run.v);
}

static void put_thing(struct buf *out, const struct notice_site *site, const struct notice_thing *t)
{
    const struct notice_row *r = &t->row;

    put_thing_name(out, t, NAME_CHARS);
    if (r->n > 1) {
        buf_printf(out, ": %llu times, from ", (unsigned long long)r->n);
        put_time(out, r->at);
        buf_puts(out, " to ");
        put_time(out, r->last_at);
    } else {
        buf_puts(out, ": ");
        put_time(out, r->at);
    }
    buf_puts(out, "\n");
    if (r->text[0] != '\0') {
        buf_puts(out, r->n > 1 ? "  the newest: " : "  ");
        if (is_about_launch(r->kind) && r->name[0] != '\0') {
            buf_puts(out, "on ");
            notice_text_line(out, r->name, NAME_CHARS);
            buf_puts(out, ": ");
        }
        notice_text_line(out, r->text, NOTICE_TEXT_BYTES_MAX);
        buf_puts(out, "\n");
    }
    put_link(out, site, t);
}

/* Its last lines. */
static void put_log(struct buf *out, const char *log)
{
    const char *p = log + strlen(log);
    uint32_t n = 0;

    if (p > log && p[-1] == '\n')
        p--;
    while (p > log && (p[-1] != '\n' || ++n < NOTICE_LOG_LINES))
        p--;
    buf_puts(out, "  the end of its log:\n");
    put_lines(out, p, "  | ", NOTICE_LOG_LINES, LOG_CHARS);
}

static void put_things(struct buf *out, const struct notice_site *site, const struct notice_things *things)
{
    struct buf one;
    bool is_cut = false;

    buf_init(&one, MAIL_BYTES_MAX);
    for (uint32_t i = 0; i < things->n; i++) {
        if (i > 0)
            buf_puts(&one, "\n");
        put_thing(&one, site, &things->at[i]);
        add_paragraph(out, &is_cut, &one);
    }
    if (things->things > things->n && !is_cut)
        buf_printf(out, "\nand %llu more\n", (unsigned long long)(things->things - things->n));
    for (uint32_t i = 0; i < things->n; i++) { /* behind all of the list: that comes first */
        if (things->at[i].log[0] == '\0')
            continue;
        buf_printf(&one, "\nrun %llu:\n", (unsigned long long)things->at[i].row.run.v);
        put_log(&one, things->at[i].log);
        add_paragraph(out, &is_cut, &one);
    }
    buf_done(&one);
}

/* "Runs were lost: 1000 in launch 12, docs develop" */
static void put_head(struct buf *out, const struct notice_things *things)
{
    const struct kind_words *w = &words[things->kind];

    buf_puts(out, things->things > 1 ? w->many : w->title);
    if (things->things > 1) {
        buf_printf(out, ": %llu", (unsigned long long)things->things);
        if (is_about_launch(things->kind))
            buf_printf(out, " launches, %llu runs", (unsigned long long)things->count);
    } else if (things->n > 0) {
        buf_puts(out, ": ");
        if (things->count > 1)
            buf_printf(out, "%llu times, ", (unsigned long long)things->count);
        put_thing_name(out, &things->at[0], SUBJECT_CHARS);
    }
}

static enum err render_things(struct values *v, const char *kind, const struct notice_site *site,
                              const struct notice_things *things, struct buf *subject, struct buf *text,
                              struct buf *html, struct why *reterr)
{
    struct buf *b;

    value_text(v, "site", site->site);
    value_text(v, "base", site->url);
    value_text(v, "means", words[things->kind].means);
    value_text(v, "option", words[things->kind].option != NULL ? words[things->kind].option : "");
    b = value_buf(v, "head");
    put_head(b, things);
    b = value_buf(v, "details");
    put_things(b, site, things);
    return render(v, kind, subject, text, html, reterr);
}

enum err notice_text_schedules(const struct notice_site *site, const char *login,
                               const struct notice_things *things, struct buf *subject, struct buf *text,
                               struct buf *html, struct why *reterr)
{
    struct values v = {0};

    value_text(&v, "login", login);
    return render_things(&v, things->kind == NOTICE_HOOK_DISABLED ? "hook" : "schedule", site, things,
                         subject, text, html, reterr);
}

enum err notice_text_trouble(const struct notice_site *site, const struct notice_things *things,
                             struct buf *subject, struct buf *text, struct buf *html, struct why *reterr)
{
    struct values v = {0};

    return render_things(&v, "trouble", site, things, subject, text, html, reterr);
}
