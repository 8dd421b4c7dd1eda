/* junit.c - see junit.h. */
#include "report/junit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/tap_private.h"
#include "report/xml.h"

#define SUITES_MAX (REPORT_DEPTH_MAX - 2) /* deeper ones do not show */

#define ATTACHMENT \
    "[[ATTACHMENT|" /* then a path, and ]]: what GitLab, Jenkins and others take for a file of the test */

enum part { PART_NONE, PART_FAILURE, PART_SKIPPED, PART_OUTSIDE, PART_OUTPUT };

/* What an element that holds test cases says of them, and what is there. */
struct said {
    uint32_t tests;
    uint32_t failed;   /* with errors */
    uint32_t seen;     /* elements that are a test or a suite */
    uint32_t n_failed; /* examples and errors when it began */
};

struct junit {
    struct report r;
    struct xml xml;
    char *file;
    uint32_t depth; /* of elements */
    struct buf suites[SUITES_MAX];
    uint32_t n_suites;
    struct said root; /* <testsuites> */
    struct said said[SUITES_MAX];
    bool in_case;
    uint32_t case_depth;
    struct buf name;
    struct buf class_name;
    struct buf source;
    uint32_t line;
    double ms;
    bool failed;
    bool skipped;
    enum part part;
    uint32_t part_depth;
    struct buf exception;
    struct buf message; /* of the attributes */
    struct buf text;    /* of the elements */
    struct buf reason;
    bool has_reason;
    char mark[sizeof(ATTACHMENT) + REPORT_NAME_MAX + 2]; /* of an output: what may be an ATTACHMENT */
    uint32_t mark_len;
    char *artifacts[REPORT_ARTIFACTS_MAX];
    uint32_t n_artifacts;
    uint32_t told; /* examples announced */
};

static void on_open(void *ctx, const char *name, const struct xml_attr *attrs, uint32_t n);
static void on_text(void *ctx, const char *s, size_t n);
static void on_close(void *ctx, const char *name);

static const struct xml_handler handler = {on_open, on_text, on_close};

struct junit *junit_new(report_sink *sink, void *ctx)
{
    struct junit *j = xcalloc(1, sizeof(*j));

    report_init(&j->r, sink, ctx);
    for (uint32_t i = 0; i < SUITES_MAX; i++)
        text_init(&j->suites[i], REPORT_NAME_MAX - 8);
    text_init(&j->name, REPORT_NAME_MAX - 8);
    text_init(&j->class_name, REPORT_NAME_MAX - 8);
    text_init(&j->source, REPORT_FILE_MAX - 8);
    text_init(&j->exception, REPORT_NAME_MAX - 8);
    text_init(&j->message, REPORT_TEXT_MAX - 8);
    text_init(&j->text, KIB(256));
    text_init(&j->reason, REPORT_TEXT_MAX - 8);
    return j;
}

static void file_done(struct junit *j)
{
    if (j->file == NULL)
        return;
    xml_done(&j->xml);
    free(j->file);
    j->file = NULL;
}

static void artifacts_clear(struct junit *j)
{
    while (j->n_artifacts > 0)
        free(j->artifacts[--j->n_artifacts]);
}

void junit_free(struct junit *j)
{
    if (j == NULL)
        return;
    file_done(j);
    artifacts_clear(j);
    for (uint32_t i = 0; i < SUITES_MAX; i++)
        buf_done(&j->suites[i]);
    buf_done(&j->name);
    buf_done(&j->class_name);
    buf_done(&j->source);
    buf_done(&j->exception);
    buf_done(&j->message);
    buf_done(&j->text);
    buf_done(&j->reason);
    report_done(&j->r);
    free(j);
}

/* ---- elements ---- */

static const struct buf *attr(const struct xml_attr *attrs, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(attrs[i].name, name) == 0)
            return &attrs[i].value;
    return NULL;
}

static void set(struct buf *to, const struct buf *value)
{
    buf_clear(to);
    if (value != NULL && value->len > 0)
        text_add(to, value->data, value->len);
}

static void add(struct buf *to, const struct buf *value)
{
    if (value == NULL || value->len == 0)
        return;
    if (to->len > 0)
        text_add(to, "\n\n", 2);
    text_add(to, value->data, value->len);
}

static bool is_word(const struct buf *value, const char *a, const char *b, const char *c)
{
    const char *s = value != NULL ? buf_str(value) : "";

    return strcmp(s, a) == 0 || strcmp(s, b) == 0 || strcmp(s, c) == 0;
}

/* ---- what a suite says of itself ---- */

static struct said *said_of(struct junit *j)
{
    if (j->n_suites == 0)
        return &j->root;
    return j->n_suites <= SUITES_MAX ? &j->said[j->n_suites - 1] : NULL;
}

static uint32_t number_of(const struct xml_attr *attrs, uint32_t n, const char *name)
{
    const struct buf *value = attr(attrs, n, name);
    uint32_t number = 0;
    size_t used;

    if (value == NULL || !tap_number(buf_str(value), value->len, &number, &used))
        return 0;
    return number;
}

static uint32_t failures_so_far(const struct junit *j)
{
    return j->r.failed + j->r.errors;
}

static void said_open(struct junit *j, struct said *said, const struct xml_attr *attrs, uint32_t n)
{
    uint32_t failures = number_of(attrs, n, "failures");
    uint32_t errors = number_of(attrs, n, "errors");

    *said = (struct said){.tests = number_of(attrs, n, "tests"),
                          .failed = failures < UINT32_MAX - errors ? failures + errors : UINT32_MAX,
                          .n_failed = failures_so_far(j)};
}

/* Only "none at all" can be held against it: Catch2 and doctest write how many assertions there were, and how many failed. */
static void said_close(struct junit *j, const struct said *said, const char *name)
{
    if (said->tests > 0 && said->seen == 0) {
        report_plan(&j->r, said->tests);
        report_not_run(&j->r, said->tests, "JUnit: %.200s says tests=\"%u\" of %.100s, and holds none",
                       j->file, said->tests, name);
    }
    if (said->failed > 0 && failures_so_far(j) == said->n_failed)
        report_error(&j->r, "JUnit: %.300s says that %u failed of %.200s, and shows none of them", j->file,
                     said->failed, name);
}

static void case_open(struct junit *j, const struct xml_attr *attrs, uint32_t n)
{
    const struct buf *time = attr(attrs, n, "time");
    const struct buf *line = attr(attrs, n, "line");
    size_t used;

    j->in_case = true;
    j->case_depth = j->depth;
    set(&j->name, attr(attrs, n, "name"));
    set(&j->class_name, attr(attrs, n, "classname"));
    set(&j->source, attr(attrs, n, "file"));
    buf_clear(&j->exception);
    buf_clear(&j->message);
    buf_clear(&j->text);
    buf_clear(&j->reason);
    artifacts_clear(j);
    j->failed = false;
    /* gtest writes so of a test that is disabled, newer ones in `result` */
    j->skipped = is_word(attr(attrs, n, "status"), "notrun", "disabled", "skipped") ||
                 is_word(attr(attrs, n, "result"), "suppressed", "skipped", "skipped");
    j->ms = time != NULL ? tap_decimal(buf_str(time), time->len) * 1000 : 0;
    j->line = 0;
    if (line != NULL && !tap_number(buf_str(line), line->len, &j->line, &used))
        j->line = 0;
}

static void part_open(struct junit *j, enum part part, const struct xml_attr *attrs, uint32_t n)
{
    if (j->part != PART_NONE)
        return;
    j->part = part;
    j->part_depth = j->depth;
    j->mark_len = 0;
    if (part == PART_OUTPUT)
        return;
    if (part == PART_SKIPPED) {
        j->skipped = true;
        set(&j->reason, attr(attrs, n, "message"));
        j->has_reason = j->reason.len > 0; /* the text below often says it again */
        return;
    }
    if (part == PART_OUTSIDE) {
        buf_clear(&j->exception);
        buf_clear(&j->message);
        buf_clear(&j->text);
    }
    j->failed = true;
    if (j->exception.len == 0)
        set(&j->exception, attr(attrs, n, "type"));
    add(&j->message, attr(attrs, n, "message"));
    if (j->text.len > 0)
        text_add(&j->text, "\n", 1);
}

static void child_seen(struct junit *j)
{
    struct said *said = said_of(j);

    if (said != NULL)
        said->seen++;
}

static void suite_open(struct junit *j, const struct xml_attr *attrs, uint32_t n)
{
    child_seen(j);
    if (j->n_suites < SUITES_MAX) {
        set(&j->suites[j->n_suites], attr(attrs, n, "name"));
        said_open(j, &j->said[j->n_suites], attrs, n);
    }
    j->n_suites++;
}

static void suite_close(struct junit *j)
{
    const struct said *said = said_of(j);

    if (said != NULL)
        said_close(j, said,
                   j->suites[j->n_suites - 1].len > 0 ? buf_str(&j->suites[j->n_suites - 1]) : "a suite");
    j->n_suites--;
}

static void on_open(void *ctx, const char *name, const struct xml_attr *attrs, uint32_t n)
{
    struct junit *j = ctx;
    bool is_failure = strcmp(name, "failure") == 0 || strcmp(name, "error") == 0;

    if (j->depth++ == 0 && strcmp(name, "testsuites") != 0 && strcmp(name, "testsuite") != 0) {
        report_error(
            &j->r, "JUnit: %.300s is no report: it begins with <%.60s>, not with <testsuites> or <testsuite>",
            j->file, name);
        j->xml.state = XML_FAILED;
        j->xml.why[0] = '\0';
        return;
    }
    if (j->depth == 1 && strcmp(name, "testsuites") == 0)
        said_open(j, &j->root, attrs, n);
    if (j->in_case) {
        if (j->depth == j->case_depth + 1 && is_failure)
            part_open(j, PART_FAILURE, attrs, n);
        else if (j->depth == j->case_depth + 1 && strcmp(name, "skipped") == 0)
            part_open(j, PART_SKIPPED, attrs, n);
        else if (j->depth == j->case_depth + 1 &&
                 (strcmp(name, "system-out") == 0 || strcmp(name, "system-err") == 0))
            part_open(j, PART_OUTPUT, attrs, n);
    } else if (strcmp(name, "testcase") == 0) {
        child_seen(j);
        case_open(j, attrs, n);
    } else if (strcmp(name, "testsuite") == 0) {
        suite_open(j, attrs, n);
    } else if (is_failure && j->n_suites > 0) {
        part_open(j, PART_OUTSIDE, attrs, n);
    }
}

/* An output is not kept; only the paths of ATTACHMENTs in it are. */
static void take_output(struct junit *j, const char *s, size_t n)
{
    static const char begin[] = ATTACHMENT;
    const uint32_t begin_len = sizeof(begin) - 1;

    for (size_t i = 0; i < n; i++) {
        bool is_begin = j->mark_len < begin_len;

        if (is_begin && s[i] != begin[j->mark_len]) {
            /* "[[[" begins anew with its last two */
            j->mark_len = s[i] != '[' ? 0 : j->mark_len == 2 ? 2 : 1;
            continue;
        }
        if (!is_begin && (s[i] == '\n' || j->mark_len == sizeof(j->mark) - 1)) {
            j->mark_len = 0;
            continue;
        }
        j->mark[j->mark_len++] = s[i];
        if (j->mark_len < begin_len + 2 || s[i] != ']' || j->mark[j->mark_len - 2] != ']')
            continue;
        if (j->mark_len > begin_len + 2 && j->n_artifacts < REPORT_ARTIFACTS_MAX)
            j->artifacts[j->n_artifacts++] = xstrndup(j->mark + begin_len, j->mark_len - begin_len - 2);
        j->mark_len = 0;
    }
}

static void on_text(void *ctx, const char *s, size_t n)
{
    struct junit *j = ctx;

    if (j->part == PART_NONE || j->depth != j->part_depth)
        return;
    if (j->part == PART_OUTPUT) {
        take_output(j, s, n);
        return;
    }
    if (j->part == PART_SKIPPED) {
        if (!j->has_reason && (j->reason.len > 0 || strchr(" \t\r\n", *s) == NULL || *s == '\0'))
            text_add(&j->reason, s, n);
    } else if (j->text.len > 0 || (*s != '\n' && *s != '\r')) {
        text_add(&j->text, s, n);
    }
}

/* The groups around a testcase. The classname often is the innermost suite's name, and node writes "test" for all. */
static uint32_t case_path(const struct junit *j, struct slice *path)
{
    bool has_class = j->class_name.len > 0 && strcmp(buf_str(&j->class_name), "test") != 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < j->n_suites && i < SUITES_MAX; i++) {
        has_class = has_class && strcmp(buf_str(&j->suites[i]), buf_str(&j->class_name)) != 0;
        path[n++] = buf_slice(&j->suites[i]);
    }
    if (has_class)
        path[n++] = buf_slice(&j->class_name);
    path[n++] = j->name.len > 0 ? buf_slice(&j->name) : SLICE("(a test without a name)");
    return n;
}

/* The message is the attribute; the text below it mostly is the backtrace. Without an attribute the text is all there is. */
static void split_text(const struct junit *j, struct slice *message, struct slice *backtrace)
{
    *message = buf_slice(&j->message);
    *backtrace = buf_slice(&j->text);
    if (message->len == 0) {
        *message = *backtrace;
        backtrace->len = 0;
    }
    while (message->len > 0 && strchr(" \n\r\t", message->ptr[message->len - 1]) != NULL &&
           message->ptr[message->len - 1] != '\0')
        message->len--;
}

static void case_close(struct junit *j)
{
    struct slice path[REPORT_DEPTH_MAX];
    struct report_example e = {.path = path, .ms = j->ms, .file = buf_slice(&j->source), .line = j->line};

    e.artifacts = (const char *const *)j->artifacts;
    e.n_artifacts = j->n_artifacts;
    j->in_case = false;
    e.n_path = case_path(j, path);
    if (j->failed) {
        e.status = REPORT_FAILED;
        e.exception = buf_slice(&j->exception);
        split_text(j, &e.message, &e.backtrace);
    } else if (j->skipped) {
        e.status = REPORT_PENDING;
        e.pending = j->reason.len > 0 ? buf_slice(&j->reason) : SLICE("skipped");
    }
    report_example(&j->r, &e);
}

static void outside_close(struct junit *j)
{
    struct slice message;
    struct slice backtrace;

    split_text(j, &message, &backtrace);
    report_error_text(&j->r, buf_slice(&j->exception),
                      message.len > 0 ? message : SLICE("JUnit: an error of a test suite"), backtrace);
}

static void on_close(void *ctx, const char *name)
{
    struct junit *j = ctx;
    uint32_t depth = j->depth--;

    if (j->part != PART_NONE && depth == j->part_depth) {
        if (j->part == PART_OUTSIDE)
            outside_close(j);
        j->part = PART_NONE;
    } else if (j->in_case && depth == j->case_depth) {
        case_close(j);
    } else if (!j->in_case && strcmp(name, "testsuite") == 0) {
        suite_close(j);
    } else if (depth == 1 && strcmp(name, "testsuites") == 0) {
        said_close(j, &j->root, "all its suites");
    }
}

/* ---- files ---- */

void junit_open(struct junit *j, const char *file)
{
    CHECK(j->file == NULL);
    report_start(&j->r, "junit", "");
    j->file = xstrdup(file);
    xml_init(&j->xml, &handler, j);
    j->depth = j->n_suites = 0;
    j->root = (struct said){0};
    j->in_case = false;
    j->part = PART_NONE;
}

bool junit_feed(struct junit *j, const char *bytes, size_t n)
{
    return xml_feed(&j->xml, bytes, n);
}

void junit_close(struct junit *j)
{
    if (!xml_end(&j->xml) && j->xml.why[0] != '\0')
        report_error(&j->r, "JUnit: %.300s, line %u: %s", j->file, j->xml.line, j->xml.why);
    report_plan(&j->r, j->r.examples - j->told);
    j->told = j->r.examples;
    file_done(j);
}

void junit_error(struct junit *j, const char *text)
{
    report_start(&j->r, "junit", "");
    report_error(&j->r, "JUnit: %s", text);
}

void junit_end(struct junit *j, bool whole)
{
    if (whole && j->r.started)
        report_end(&j->r, false);
}
