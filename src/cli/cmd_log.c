/* cmd_log.c - `wrata log`: the bytes of a run's log, from some place to another, as they are or made harmless for a terminal.
 *
 * The live stream carries text, not bytes; so it only says that there is more, and the bytes come from the log itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cmd_log.h"
#include "cli/discover.h"

#define CHUNK_BYTES (1024 * 1024)
#define LOST_MS 2000
#define TRIES_MAX 150 /* five minutes of LOST_MS */
#define LINE_MAX_NUMBER 1000000000000

struct mark {
    int64_t line;
    int64_t ms;
};

struct log {
    struct cli *cli;
    int64_t run;
    uint64_t at; /* the next byte */
    uint64_t to; /* not further than this */
    bool is_complete;
    bool has_news; /* the stream said that there is more */
    bool must_filter;
    struct log_filter filter;

    /* --times */
    int64_t line; /* of the next byte; 0: no times */
    bool in_line; /* its line has begun */
    struct mark *marks;
    size_t n_marks;
    size_t cap_marks;
    size_t used; /* the mark that is in force, plus one */
};

/* ---- times ---- */

static bool marks_full(struct log *l, const json_t *times)
{
    size_t i;
    const json_t *pair;

    json_array_foreach(times, i, pair)
    {
        if (l->n_marks == l->cap_marks) {
            l->cap_marks = l->cap_marks == 0 ? 256 : l->cap_marks * 2;
            l->marks = xrealloc(l->marks, l->cap_marks * sizeof(*l->marks));
        }
        l->marks[l->n_marks++] = (struct mark){json_integer_value(json_array_get(pair, 0)),
                                               json_integer_value(json_array_get(pair, 1))};
    }
    return true;
}

/* The times of `lines` lines from l->line on. */
static enum err marks_read(struct log *l, int64_t lines, struct why *reterr)
{
    int64_t from = l->line;
    int64_t end = l->line + lines;
    enum err err = ERR_OK;

    l->n_marks = l->used = 0;
    while (err == ERR_OK && from > 0 && from < end) {
        char path[160];
        json_t *doc = NULL;

        (void)snprintf(path, sizeof(path), API "/runs/%lld/log/times?from_line=%lld&lines=%lld",
                       (long long)l->run, (long long)from, (long long)(end - from));
        err = ask(l->cli, "GET", path, NULL, &doc, reterr);
        if (err == ERR_OK) {
            (void)marks_full(l, js_obj(doc, "times"));
            from = js_int(doc, "next_line");
        }
        json_decref(doc);
    }
    return err;
}

void log_clock(struct buf *out, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (ms > 0 && localtime_r(&s, &tm) != NULL)
        buf_printf(out, "%02d:%02d:%02d.%03d  ", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
    else
        buf_puts(out, "              "); /* not known */
}

static void put_clock(struct log *l, struct buf *out)
{
    while (l->used < l->n_marks && l->marks[l->used].line <= l->line)
        l->used++;
    log_clock(out, l->used == 0 ? 0 : l->marks[l->used - 1].ms);
}

/* Bytes with the time in front of each line that begins in them. */
static void with_clock(struct log *l, const char *p, size_t n, struct buf *out)
{
    while (n > 0) {
        const char *newline = memchr(p, '\n', n);
        size_t len = newline == NULL ? n : (size_t)(newline - p) + 1;

        if (!l->in_line)
            put_clock(l, out);
        if (l->must_filter)
            log_filter_feed(&l->filter, p, len, out);
        else
            buf_put(out, p, len);
        l->in_line = newline == NULL;
        l->line += newline != NULL;
        p += len;
        n -= len;
    }
}

static int64_t lines_in(const char *p, size_t n)
{
    int64_t lines = 1;

    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        lines++;
    return lines;
}

/* ---- bytes ---- */

static enum err put(struct log *l, const struct buf *bytes, struct why *reterr)
{
    const char *p = buf_str(bytes);
    struct buf out;
    bool ok;

    if (!l->must_filter && l->line == 0)
        return fwrite(p, 1, bytes->len, stdout) == bytes->len
                   ? ERR_OK
                   : why_set(reterr, ERR_LIMIT, NULL, "standard output is closed");
    buf_init(&out, MIB(64)); /* at most six times a chunk, and a time for each byte */
    if (l->line == 0) {
        log_filter_feed(&l->filter, p, bytes->len, &out);
    } else {
        enum err err = marks_read(l, lines_in(p, bytes->len), reterr);

        if (err != ERR_OK) {
            buf_done(&out);
            return err;
        }
        with_clock(l, p, bytes->len, &out);
    }
    ok = fwrite(buf_str(&out), 1, out.len, stdout) == out.len;
    buf_done(&out);
    return ok ? ERR_OK : why_set(reterr, ERR_LIMIT, NULL, "standard output is closed");
}

/* Print what is stored from l->at on. */
static enum err print_stored(struct log *l, struct why *reterr)
{
    enum err err = ERR_OK;
    bool goes_on = l->at < l->to;

    while (err == ERR_OK && goes_on) {
        char path[160];
        struct client_request rq = {.path = path};
        struct client_reply reply;

        (void)snprintf(path, sizeof(path), API "/runs/%lld/log?from=%llu&max=%llu", (long long)l->run,
                       (unsigned long long)l->at,
                       (unsigned long long)(l->to - l->at < CHUNK_BYTES ? l->to - l->at : CHUNK_BYTES));
        err = client_call(l->cli->client, &rq, &reply, reterr);
        if (err == ERR_OK) {
            l->at = client_reply_number(&reply, "X-Log-To", l->at + reply.body.len);
            l->is_complete = client_reply_number(&reply, "X-Log-Complete", 1) != 0;
            goes_on = reply.body.len > 0 && l->at < l->to &&
                      l->at < client_reply_number(&reply, "X-Log-Size", l->at);
            if (reply.body.len > 0)
                err = put(l, &reply.body, reterr);
        }
        client_reply_done(&reply);
    }
    (void)fflush(stdout);
    return err;
}

static void on_event(void *ctx, const struct sse_event *ev)
{
    struct log *l = ctx;

    (void)ev; /* also a reset: the log is asked in every case */
    l->has_news = true;
}

/* Follow until the log is complete. A lost connection is made again; bytes are counted, so none is missed. */
static enum err follow(struct log *l, struct why *reterr)
{
    struct client_stream *s = NULL;
    int failures = 0;
    enum err err = ERR_OK;

    while (err == ERR_OK && !l->is_complete && failures < TRIES_MAX) {
        if (s == NULL) {
            char path[128];

            (void)snprintf(path, sizeof(path), API "/stream?topics=log:%lld@%llu", (long long)l->run,
                           (unsigned long long)l->at);
            s = client_stream_open(l->cli->client, path, NULL, on_event, l);
            l->has_news = true;
        }
        err = client_stream_wait(s, -1, LOST_MS, reterr);
        if (err == ERR_OK && client_stream_is_open(s))
            failures = 0;
        if (err == ERR_OK && l->has_news) {
            l->has_news = false;
            err = print_stored(l, reterr);
        }
        if ((err == ERR_IO || err == ERR_BUSY || err == ERR_TIMEOUT) && ++failures < TRIES_MAX) {
            struct client *c = NULL;

            client_stream_close(s);
            s = NULL;
            if (failures > 1)
                (void)usleep(LOST_MS * 1000);
            if (discovery_find(l->cli->discovery, &c, reterr) == ERR_OK) {
                client_free(l->cli->client);
                l->cli->client = c;
            }
            err = ERR_OK;
        }
    }
    client_stream_close(s);
    if (err == ERR_OK && !l->is_complete)
        err = why_set(reterr, ERR_IO, NULL, "the log of run %lld cannot be followed any more",
                      (long long)l->run);
    return err;
}

/* ---- from where, and where to ---- */

static bool take_number(const char **p, int64_t *ret)
{
    char *end;
    long long v;

    if (**p < '0' || **p > '9')
        return false;
    v = strtoll(*p, &end, 10);
    *p = end;
    *ret = v;
    return v >= 1 && v <= LINE_MAX_NUMBER;
}

enum err log_lines_parse(const char *text, int64_t *ret_first, int64_t *ret_last, struct why *reterr)
{
    const char *p = text;

    *ret_last = LINE_MAX_NUMBER;
    if (take_number(&p, ret_first) &&
        ((*p == '\0' && (*ret_last = *ret_first) != 0) ||
         (*p++ == '-' &&
          (*p == '\0' || (take_number(&p, ret_last) && *p == '\0' && *ret_last >= *ret_first)))))
        return ERR_OK;
    return why_set(reterr, ERR_INVALID, NULL,
                   "--lines '%s' is none: write 12, 10-20 or 10- (lines count from 1)", text);
}

/* The byte where line `line` begins (negative: from the end); *ret_line: which one that is. */
static enum err line_begin(struct log *l, int64_t line, uint64_t *ret_byte, int64_t *ret_line,
                           struct why *reterr)
{
    char path[128];
    struct client_request rq = {.path = path};
    struct client_reply reply;
    enum err err;

    (void)snprintf(path, sizeof(path), API "/runs/%lld/log?line=%lld&max=1", (long long)l->run,
                   (long long)line);
    err = client_call(l->cli->client, &rq, &reply, reterr);
    if (err == ERR_OK) {
        *ret_byte = client_reply_number(&reply, "X-Log-From", 0);
        *ret_line = (int64_t)client_reply_number(&reply, "X-Log-Line", 1);
    }
    client_reply_done(&reply);
    return err;
}

static enum err place(struct log *l, struct why *reterr)
{
    const struct cli_opts *o = &l->cli->o;
    int64_t first = 1;
    int64_t last = LINE_MAX_NUMBER;
    int64_t unused;
    enum err err = ERR_OK;

    if (o->lines != NULL)
        err = log_lines_parse(o->lines, &first, &last, reterr);
    else if (o->tail > 0)
        first = -o->tail;
    if (err == ERR_OK && first != 1)
        err = line_begin(l, first, &l->at, &first, reterr);
    if (err == ERR_OK && last < LINE_MAX_NUMBER)
        err = line_begin(l, last + 1, &l->to, &unused, reterr);
    if (o->times)
        l->line = first;
    return err;
}

/* Which options exclude each other. NULL: all is well. */
static const char *misuse(const struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    bool finds = o->grep != NULL || o->regex != NULL;

    if (o->grep != NULL && o->regex != NULL)
        return "--grep and --regex exclude each other";
    if ((o->lines != NULL) + (o->tail > 0) + (o->from > 0) > 1)
        return "--from, --tail and --lines exclude each other";
    if (o->follow && (finds || o->lines != NULL))
        return "--follow goes on to the end; it excludes --lines, --grep and --regex";
    if (finds && (o->tail > 0 || o->from > 0 || o->raw))
        return "--grep and --regex go with --lines, not with --from, --tail or --raw";
    if (o->ignore_case && !finds)
        return "--ignore-case is for --grep and --regex";
    if (o->times && (o->raw || o->from > 0))
        return "--times excludes --raw and --from: it stands in front of whole lines";
    if (o->raw && isatty(STDOUT_FILENO))
        return "--raw writes what the script wrote, also what takes over a terminal: send it to a file or a "
               "program";
    return NULL;
}

int cmd_log(struct cli *cli)
{
    struct log l = {.cli = cli,
                    .at = (uint64_t)cli->o.from,
                    .to = INT64_MAX,
                    .must_filter = cli->out.is_tty && !cli->o.raw};
    const char *text = cli->args[0];
    const char *wrong = misuse(cli);
    struct why why = {0};
    enum err err = parse_id("run", strncmp(text, "run:", 4) == 0 ? text + 4 : text, &l.run, &why);

    if (wrong != NULL)
        return cli_fail(EXIT_USAGE, "%s", wrong);
    if (err == ERR_OK && (cli->o.grep != NULL || cli->o.regex != NULL))
        return log_find(cli, l.run);
    log_filter_init(&l.filter);
    l.filter.drop_colors = !cli->out.color;
    if (err == ERR_OK)
        err = place(&l, &why);
    if (err == ERR_OK)
        err = print_stored(&l, &why);
    if (err == ERR_OK && cli->o.follow && !l.is_complete)
        err = follow(&l, &why);
    if (l.must_filter) {
        struct buf out;

        buf_init(&out, KIB(4));
        log_filter_end(&l.filter, &out);
        if (cli->out.color)
            buf_puts(&out, "\033[0m");
        (void)fwrite(buf_str(&out), 1, out.len, stdout);
        buf_done(&out);
    }
    log_filter_done(&l.filter);
    free(l.marks);
    if (err == ERR_LIMIT)
        return EXIT_PASSED; /* whoever read us has enough; cli_main sees to the rest */
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}
