#include "server/results.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/cause.h"

/* Most of each text that is kept; the adapter keeps to the same limits (docs/results-channel.md). */
#define ID_BYTES_MAX 1024
#define TEXT_BYTES_MAX KIB(64)
#define FRAME_BYTES_MAX 1024
#define PATH_PARTS_MAX 64
#define BACKTRACE_MAX 200

void results_init(struct results *r, struct run_id run, uint64_t at, const struct tally *tally,
                  uint32_t next_seq)
{
    *r = (struct results){.run = run, .line_start = at, .next_seq = next_seq};
    buf_init(&r->line, RESULTS_LINE_MAX);
    if (tally != NULL)
        r->tally = *tally;
}

void results_done(struct results *r)
{
    buf_done(&r->line);
    free(r->running);
    *r = (struct results){0};
}

/* The text of a member, cut at max bytes on a character's border; "" when it is absent or not a text. */
static const char *text_of(const json_t *obj, const char *key, size_t max, struct arena *a)
{
    const char *s = json_string_value(json_object_get(obj, key));
    size_t n;

    if (s == NULL)
        return "";
    n = strlen(s);
    if (n > max) {
        n = max;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
            n--;
    }
    return arena_strndup(a, s, n);
}

static uint32_t count_of(const json_t *obj, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(obj, key));

    if (v < 0)
        return 0;
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* A member that is a list of texts: at most `max` of them, each at most `bytes`. */
static const char *const *texts_of(const json_t *obj, const char *key, uint32_t max, size_t bytes,
                                   struct arena *a, uint32_t *ret_n)
{
    const json_t *list = json_object_get(obj, key);
    size_t n = json_array_size(list);
    const char **out;
    const char *s;

    *ret_n = 0;
    if (n == 0)
        return NULL;
    if (n > max)
        n = max;
    out = arena_alloc(a, n * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        s = json_string_value(json_array_get(list, i));
        if (s != NULL)
            out[(*ret_n)++] = arena_strndup(a, s, strnlen(s, bytes));
    }
    return out;
}

static struct example_row *list_add(struct example_list *out)
{
    struct example_row *rows;

    if (out->n == out->cap) {
        out->cap = out->cap == 0 ? 16 : out->cap * 2;
        rows = arena_alloc(&out->arena, out->cap * sizeof(*rows));
        if (out->n > 0)
            memcpy(rows, out->rows, out->n * sizeof(*rows));
        out->rows = rows;
    }
    return &out->rows[out->n++];
}

/* A picture that a message names: an address, or a file as those that the example itself says it left. */
static void take_screenshot(struct example_row *row, struct slice shot, struct arena *a)
{
    const char **all;

    if (shot.len == 0 || shot.len > ID_BYTES_MAX)
        return;
    if (url_is_web(shot.ptr, shot.len)) {
        row->screenshot = arena_strndup(a, shot.ptr, shot.len);
        return;
    }
    if (row->n_artifacts == EXAMPLE_ARTIFACTS_MAX)
        return;
    all = arena_alloc(a, ((size_t)row->n_artifacts + 1) * sizeof(*all));
    if (row->n_artifacts > 0)
        memcpy(all, row->artifacts, row->n_artifacts * sizeof(*all));
    all[row->n_artifacts++] = arena_strndup(a, shot.ptr, shot.len);
    row->artifacts = all;
}

/* The page that a failure is about: as the adapter says, else as its message does. */
static void take_page(const json_t *obj, struct example_row *row, struct arena *a)
{
    struct slice url;
    struct slice shot;

    row->page_url = text_of(obj, "page_url", URL_BYTES_MAX, a);
    row->screenshot = "";
    message_page(row->message, &url, &shot);
    if (row->page_url[0] == '\0' && url.len <= URL_BYTES_MAX)
        row->page_url = arena_strndup(a, url.ptr, url.len);
    if (!url_is_web(row->page_url, strlen(row->page_url)))
        row->page_url = "";
    take_screenshot(row, shot, a);
}

static struct example_row *add_row(struct results *r, const json_t *obj, enum example_status status,
                                   struct example_list *out)
{
    struct arena *a = &out->arena;
    struct example_row *row = list_add(out);
    double ms = json_number_value(json_object_get(obj, "ms"));
    struct cause cause;

    *row = (struct example_row){.run = r->run, .seq = r->next_seq++, .status = status};
    row->id = text_of(obj, "id", ID_BYTES_MAX, a);
    row->path = texts_of(obj, "path", PATH_PARTS_MAX, ID_BYTES_MAX, a, &row->n_path);
    row->file = text_of(obj, "file", PATH_BYTES_MAX, a);
    row->line = count_of(obj, "line");
    row->duration_ms = ms > 0 && ms < 1e12 ? ms : 0;
    row->exception = text_of(obj, "exception", ID_BYTES_MAX, a);
    row->message = text_of(obj, "message", TEXT_BYTES_MAX, a);
    row->backtrace = texts_of(obj, "backtrace", BACKTRACE_MAX, FRAME_BYTES_MAX, a, &row->n_backtrace);
    row->pending = text_of(obj, "pending", TEXT_BYTES_MAX, a);
    row->artifacts = texts_of(obj, "artifacts", EXAMPLE_ARTIFACTS_MAX, ID_BYTES_MAX, a, &row->n_artifacts);
    take_page(obj, row, a);
    if (status == EXAMPLE_FAILED || status == EXAMPLE_ERROR) {
        cause_of_failure(a, row->exception, row->message, row->backtrace, row->n_backtrace, &cause);
        row->cause = cause.id;
    }
    return row;
}

/* ---- one function a kind of line ---- */

static void discovered(struct results *r, const json_t *obj)
{
    uint32_t more = count_of(obj, "discovered");

    r->tally.discovered += more < UINT32_MAX - r->tally.discovered ? more : UINT32_MAX - r->tally.discovered;
}

static void on_start(struct results *r, const json_t *obj, struct example_list *out)
{
    (void)out;
    r->tally.started = true;
    discovered(r, obj);
}

/* So many more will come: adapters that learn it late, or bit by bit. */
static void on_plan(struct results *r, const json_t *obj, struct example_list *out)
{
    (void)out;
    discovered(r, obj);
}

static void on_running(struct results *r, const json_t *obj, struct example_list *out)
{
    const char *id = json_string_value(json_object_get(obj, "id"));

    (void)out;
    free(r->running);
    r->running = id == NULL ? NULL : xstrndup(id, strnlen(id, ID_BYTES_MAX));
}

static void on_example(struct results *r, const json_t *obj, struct example_list *out)
{
    const char *name = json_string_value(json_object_get(obj, "status"));
    enum example_status status = name == NULL ? EXAMPLE_STATUS_COUNT : example_status_parse(name);

    switch (status) {
    case EXAMPLE_PASSED:
        r->tally.passed++;
        break;
    case EXAMPLE_FAILED:
        r->tally.failed++;
        break;
    case EXAMPLE_PENDING:
        r->tally.pending++;
        break;
    default:
        r->tally.bad_lines++;
        return;
    }
    (void)add_row(r, obj, status, out);
    free(r->running);
    r->running = NULL;
}

static void on_error(struct results *r, const json_t *obj, struct example_list *out)
{
    r->tally.errors++;
    (void)add_row(r, obj, EXAMPLE_ERROR, out);
}

/* So many of those that were announced are not executed, and the adapter knows why. */
static void on_not_run(struct results *r, const json_t *obj, struct example_list *out)
{
    char why[NOT_RUN_REASON_BYTES_MAX];
    const char *s = text_of(obj, "why", sizeof(why) - 1, &out->arena);

    (void)snprintf(why, sizeof(why), "%s", s[0] != '\0' ? s : "its framework does not say why");
    for (char *p = why; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    tally_not_run(&r->tally, count_of(obj, "count"), why);
}

/* Whether the adapter counted more than it could tell: a line that got lost on the way. */
static bool counted_more(const json_t *obj, const struct tally *t)
{
    return count_of(obj, "examples") > tally_reported(t) || count_of(obj, "failed") > t->failed ||
           count_of(obj, "errors") > t->errors;
}

static void on_end(struct results *r, const json_t *obj, struct example_list *out)
{
    (void)out;
    r->tally.ended = true;
    r->tally.miscounted = r->tally.miscounted || counted_more(obj, &r->tally);
    if (json_is_true(json_object_get(obj, "aborted")))
        r->tally.aborted = true;
}

static const struct {
    const char *name;
    void (*on)(struct results *r, const json_t *obj, struct example_list *out);
} kinds[] = {
    {"start", on_start}, {"plan", on_plan},       {"running", on_running}, {"example", on_example},
    {"error", on_error}, {"not_run", on_not_run}, {"end", on_end},
};

static void take_line(struct results *r, const char *line, size_t len, struct example_list *out)
{
    json_t *obj;
    const char *kind;

    if (len == 0)
        return;
    obj = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    kind = json_string_value(json_object_get(obj, "e"));
    if (kind == NULL) {
        r->tally.bad_lines++;
    } else {
        /* A kind that is not known comes from a newer adapter and is passed over. */
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            if (strcmp(kinds[i].name, kind) == 0)
                kinds[i].on(r, obj, out);
    }
    json_decref(obj);
}

void results_feed(struct results *r, const char *bytes, size_t len, struct example_list *out)
{
    const char *nl;
    size_t n;

    while (len > 0) {
        nl = memchr(bytes, '\n', len);
        n = nl != NULL ? (size_t)(nl - bytes) : len;
        if (!r->skipping && buf_add(&r->line, bytes, n) != ERR_OK) {
            r->skipping = true;
            r->tally.bad_lines++;
        }
        if (nl == NULL) {
            /* The position stays at the line's start: after a restart the whole line is sent again. But a line
             * that is skipped anyway must not hold back the acknowledgement for ever. */
            if (r->skipping) {
                r->line_start += r->line.len + n;
                buf_clear(&r->line);
            }
            return;
        }
        if (!r->skipping)
            take_line(r, buf_str(&r->line), r->line.len, out);
        r->line_start += r->line.len + (r->skipping ? n : 0) + 1;
        r->skipping = false;
        buf_clear(&r->line);
        bytes += n + 1;
        len -= n + 1;
    }
}
