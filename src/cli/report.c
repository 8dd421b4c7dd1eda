#include "cli/report.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli_private.h"
#include "model/cause.h"
#include "model/rows.h"

#define WORD_COLUMNS 10 /* "timed out" and a blank; "machine failed" is longer and rare */
#define OWN_LINES 8     /* of a backtrace */
#define OTHER_LINES 3
#define INDENT "     "

static void put_mark(struct buf *out, const struct term *t, const char *mark, const char *word,
                     enum color color)
{
    struct buf b;

    buf_init(&b, 256);
    buf_printf(&b, "%s %s", mark, word);
    term_paint(out, t, color, buf_str(&b));
    text_pad(out, WORD_COLUMNS - (int)strlen(word));
    buf_puts(out, " ");
    buf_done(&b);
}

/* "41 examples, 2 failed, 1 pending": nothing for a script, which has none. */
static void put_examples(struct buf *out, const json_t *examples, bool even_none)
{
    static const struct {
        const char *key, *one, *many;
    } counts[] = {
        {"failed", "failed", "failed"},
        {"errors", "error", "errors"},
        {"pending", "pending", "pending"},
        {"not_run", "not run", "not run"},
    };
    int64_t n = js_int(examples, "discovered");

    if (n == 0 && js_int(examples, "errors") == 0 && !even_none)
        return;
    buf_puts(out, "  ");
    text_count(out, n, "example", "examples");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        if (js_int(examples, counts[i].key) == 0)
            continue;
        buf_puts(out, ", ");
        text_count(out, js_int(examples, counts[i].key), counts[i].one, counts[i].many);
    }
}

void report_file(struct buf *out, const struct term *t, const struct view_test *test, const json_t *run)
{
    const struct look *l = look_of(test->outcome);
    bool has_reason = test->outcome == OUTCOME_INFRASTRUCTURE || test->outcome == OUTCOME_ERROR ||
                      test->outcome == OUTCOME_TIMED_OUT;
    const char *reason = js_text(run, "reason");

    put_mark(out, t, look_mark(l, t), l->word, l->color);
    text_escape(out, test->path);
    if (run != NULL) {
        put_examples(out, js_obj(run, "examples"), test->outcome == OUTCOME_NO_TESTS);
        if (json_is_integer(js_obj(run, "duration_ms"))) {
            buf_puts(out, "  ");
            text_duration(out, js_int(run, "duration_ms"));
        }
        buf_puts(out, "  ");
        text_escape(out, js_text(js_obj(run, "server"), "name"));
        if (js_int(run, "attempt") > 1)
            buf_printf(out, "  attempt %lld", (long long)js_int(run, "attempt"));
    }
    if ((has_reason ||
         (test->outcome == OUTCOME_FAILED && js_int(js_obj(run, "examples"), "discovered") == 0)) &&
        reason[0] != '\0') {
        buf_puts(out, "  ");
        text_escape(out, reason);
    }
    buf_putc(out, '\n');
}

void report_lost(struct buf *out, const struct term *t, const json_t *run)
{
    put_mark(out, t, t->utf8 ? "\xe2\x86\xbb" : "~", "lost", COLOR_CYAN);
    text_escape(out, js_text(run, "path"));
    buf_puts(out, "  ");
    text_escape(out, js_text(js_obj(run, "server"), "name"));
    buf_puts(out, ": ");
    text_escape(out, js_text(run, "reason"));
    buf_putc(out, '\n');
}

static void put_backtrace(struct buf *out, const struct term *t, const json_t *backtrace)
{
    int limits[2] = {OWN_LINES, OTHER_LINES};
    size_t n = json_array_size(backtrace);
    size_t shown = 0;

    for (int own = 1; own >= 0; own--) {
        for (size_t i = 0; i < n; i++) {
            const char *line = json_string_value(json_array_get(backtrace, i));
            struct buf b;

            if (line == NULL || frame_is_own(line) != (own == 1) || limits[1 - own] == 0)
                continue;
            limits[1 - own]--;
            shown++;
            buf_init(&b, MIB(1));
            buf_puts(&b, INDENT "# ");
            text_escape(&b, line);
            term_paint(out, t, own == 1 ? COLOR_CYAN : COLOR_DIM, buf_str(&b));
            buf_putc(out, '\n');
            buf_done(&b);
        }
    }
    if (shown < n)
        buf_printf(out, INDENT "# ... and %zu more\n", n - shown);
}

/* The path as seen from a folder of the project: "../lib/a.sh" from "spec". */
static void put_relative(struct buf *out, const char *folder, const char *path)
{
    while (*folder != '\0') {
        size_t n = strcspn(folder, "/");

        if (strncmp(path, folder, n) != 0 || path[n] != '/')
            break;
        path += n + 1;
        folder += n + (folder[n] == '/');
    }
    while (*folder != '\0') {
        size_t n = strcspn(folder, "/");

        buf_puts(out, "../");
        folder += n + (folder[n] == '/');
    }
    buf_puts(out, path);
}

static void put_again(struct buf *out, const struct term *t, const struct report_again *again,
                      const char *path)
{
    struct buf relative;
    struct buf word;
    struct buf b;

    if (strlen(path) > PATH_BYTES_MAX)
        return;
    if (path[0] == '.' && path[1] == '/')
        path += 2;
    buf_init(&relative, MIB(1));
    buf_init(&word, MIB(1));
    buf_init(&b, MIB(4));
    put_relative(&relative, again->folder, path);
    text_shell_word(&word, buf_str(&relative));
    text_escape(&b, again->command);
    buf_puts(&b, buf_str(&relative)[0] == '-' ? "-- " : "");
    buf_done(&relative);
    text_escape(
        &b, buf_str(&word)); /* the quoting left no control character; others must not reach the terminal */
    buf_puts(out, INDENT);
    term_paint(out, t, COLOR_BOLD, buf_str(&b));
    buf_putc(out, '\n');
    buf_done(&b);
    buf_done(&word);
}

static void put_where(struct buf *out, const json_t *run)
{
    if (run == NULL)
        return;
    buf_puts(out, " on ");
    text_escape(out, js_text(js_obj(run, "server"), "name"));
    buf_printf(out, ", run %lld", (long long)js_int(run, "id"));
}

/* The words of `path`, joined: "Pivot copies style keeps borders". */
static void example_name(struct buf *out, const json_t *example)
{
    const json_t *words = js_obj(example, "path");

    for (size_t i = 0; i < json_array_size(words) && out->len < KIB(256); i++) {
        const char *word = json_string_value(json_array_get(words, i));

        if (i > 0)
            buf_putc(out, ' ');
        text_escape(out, word != NULL ? word : "");
    }
}

void report_example(struct buf *out, const struct term *t, int number, const json_t *example,
                    const json_t *run, const struct report_again *again)
{
    const char *id = js_text(example, "id");
    struct buf name;

    buf_init(&name, MIB(4));
    example_name(&name, example);
    if (name.len == 0)
        buf_puts(&name, strcmp(js_text(example, "status"), "error") == 0 ? "error outside of examples"
                                                                         : "(no name)");
    buf_printf(out, "\n  %d) ", number);
    term_paint(out, t, COLOR_BOLD, buf_str(&name));
    buf_puts(out, "\n" INDENT);
    text_escape(out, js_text(example, "file")[0] != '\0' ? js_text(example, "file") : js_text(run, "path"));
    if (js_int(example, "line") > 0)
        buf_printf(out, ":%lld", (long long)js_int(example, "line"));
    put_where(out, run);
    buf_putc(out, '\n');
    buf_clear(&name);
    if (js_text(example, "exception")[0] != '\0') {
        text_escape(&name, js_text(example, "exception"));
        buf_puts(&name, ": ");
    }
    text_escape_lines(&name, js_text(example, "message") + strspn(js_text(example, "message"), "\n"), INDENT);
    if (name.len > 0) {
        buf_puts(out, INDENT);
        term_paint(out, t, COLOR_RED, buf_str(&name));
        buf_putc(out, '\n');
    }
    buf_done(&name);
    put_backtrace(out, t, js_obj(example, "backtrace"));
    put_again(out, t, again, id[0] != '\0' ? id : js_text(run, "path"));
}

void report_failed_file(struct buf *out, const struct term *t, int number, const struct view_test *test,
                        const json_t *run, const char *log, const struct report_again *again)
{
    const char *reason = js_text(run, "reason");
    struct buf b;

    buf_init(&b, MIB(2));
    text_escape(&b, test->path);
    buf_printf(&b, ": %s",
               test->outcome == OUTCOME_NO_TESTS ? "no tests executed" : look_of(test->outcome)->word);
    buf_printf(out, "\n  %d) ", number);
    term_paint(out, t, COLOR_BOLD, buf_str(&b));
    buf_puts(out, "\n" INDENT);
    text_escape(out, reason[0] != '\0' ? reason : outcome_sentence(test->outcome));
    put_where(out, run);
    buf_putc(out, '\n');
    buf_clear(&b);
    text_escape_lines(&b, log, INDENT "| ");
    if (b.len > 0)
        buf_printf(out, INDENT "| %s\n", buf_str(&b));
    buf_done(&b);
    put_again(out, t, again, test->path);
}

#define CAUSES_SHOWN 3
#define CAUSE_COLUMNS 60u

void report_causes(struct buf *out, const json_t *causes)
{
    const json_t *list = js_obj(causes, "causes");

    text_count(out, js_int(causes, "failures"), "failure", "failures");
    buf_puts(out, ", ");
    text_count(out, js_int(causes, "n_causes"), "cause", "causes");
    for (size_t i = 0; i < json_array_size(list) && i < CAUSES_SHOWN; i++) {
        const json_t *cause = json_array_get(list, i);
        const char *title = js_text(cause, "title");
        size_t n = strlen(title);
        char cut[CAUSE_COLUMNS + 8];

        if (n > CAUSE_COLUMNS) {
            n = CAUSE_COLUMNS;
            while (n > 0 && ((unsigned char)title[n] & 0xc0) == 0x80)
                n--;
        }
        (void)snprintf(cut, sizeof(cut), "%.*s%s", (int)n, title, title[n] != '\0' ? "..." : "");
        buf_printf(out, "%s%lld x ", i == 0 ? ": " : "; ", (long long)js_int(cause, "count"));
        text_escape(out, cut);
    }
    buf_puts(out, js_int(causes, "n_causes") > CAUSES_SHOWN ? "; ...\n" : "\n");
}

void report_compared(struct buf *out, const json_t *counts, int64_t with)
{
    static const char *const whats[] = {"new", "flaky", "known", "fixed", "gone"};
    const char *separator = "";

    for (size_t i = 0; i < ARRAY_LEN(whats); i++) {
        int64_t n = js_int(counts, whats[i]);

        if (n == 0 && strcmp(whats[i], "new") != 0 && strcmp(whats[i], "known") != 0 &&
            strcmp(whats[i], "fixed") != 0)
            continue;
        buf_printf(out, "%s%lld %s", separator, (long long)n, whats[i]);
        separator = ", ";
    }
    buf_printf(out, " since launch %lld\n", (long long)with);
}

void report_summary(struct buf *out, const struct term *t, const json_t *launch, int64_t elapsed_ms)
{
    static const struct {
        const char *key;
        enum outcome outcome;
    } counts[] = {
        {"passed", OUTCOME_PASSED},
        {"failed", OUTCOME_FAILED},
        {"error", OUTCOME_ERROR},
        {"timed_out", OUTCOME_TIMED_OUT},
        {"no_tests", OUTCOME_NO_TESTS},
        {"stopped", OUTCOME_STOPPED},
        {"infrastructure", OUTCOME_INFRASTRUCTURE},
    };
    const json_t *tests = js_obj(launch, "tests");
    const json_t *examples = js_obj(launch, "examples");
    enum outcome outcome = outcome_parse(js_text(launch, "outcome"));
    const struct look *l;
    const char *separator = ": ";
    struct buf b;

    if (outcome == OUTCOME_COUNT)
        outcome = OUTCOME_ERROR; /* one of a later version is at least not green */
    l = look_of(outcome);
    buf_init(&b, 1024);
    buf_printf(&b, "%s %s", look_mark(l, t), l->word);
    buf_putc(out, '\n');
    term_paint(out, t, l->color, buf_str(&b));
    buf_done(&b);
    buf_printf(out, "  launch %lld  ", (long long)js_int(launch, "id"));
    text_count(out, js_int(tests, "total"), "file", "files");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        if (js_int(tests, counts[i].key) == 0)
            continue;
        buf_printf(out, "%s%lld %s", separator, (long long)js_int(tests, counts[i].key),
                   look_of(counts[i].outcome)->word);
        separator = ", ";
    }
    put_examples(out, examples, false);
    buf_puts(out, "  in ");
    text_duration(out, elapsed_ms);
    buf_putc(out, '\n');
    if (js_text(launch, "reason")[0] != '\0' &&
        strcmp(js_text(launch, "reason"), outcome_sentence(outcome)) != 0) {
        buf_puts(out, "  ");
        text_escape(out, js_text(launch, "reason"));
        buf_putc(out, '\n');
    }
}
