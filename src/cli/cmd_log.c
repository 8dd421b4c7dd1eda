/* cmd_log.c - `wrata log`: the bytes of a run's log.
 *
 * The live stream carries text, not bytes; so it only says that there is more, and the bytes come from the log itself. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_private.h"
#include "cli/discover.h"

#define CHUNK_BYTES (1024 * 1024)
#define LOST_MS 2000
#define TRIES_MAX 150 /* five minutes of LOST_MS */

struct log {
    struct cli *cli;
    int64_t run;
    uint64_t at; /* the next byte */
    bool is_complete;
    bool has_news; /* the stream said that there is more */
    bool must_filter;
    struct log_filter filter;
};

static bool put(struct log *l, const struct buf *bytes)
{
    struct buf out;
    bool ok;

    if (!l->must_filter)
        return fwrite(buf_str(bytes), 1, bytes->len, stdout) == bytes->len;
    buf_init(&out, MIB(64)); /* at most six times a chunk */
    log_filter_feed(&l->filter, buf_str(bytes), bytes->len, &out);
    ok = fwrite(buf_str(&out), 1, out.len, stdout) == out.len;
    buf_done(&out);
    return ok;
}

/* Print what is stored from l->at on. */
static enum err print_stored(struct log *l, struct why *reterr)
{
    enum err err = ERR_OK;
    bool goes_on = true;

    while (err == ERR_OK && goes_on) {
        char path[160];
        struct client_request rq = {.path = path};
        struct client_reply reply;

        (void)snprintf(path, sizeof(path), API "/runs/%lld/log?from=%llu&max=%d", (long long)l->run,
                       (unsigned long long)l->at, CHUNK_BYTES);
        err = client_call(l->cli->client, &rq, &reply, reterr);
        if (err == ERR_OK) {
            l->at = client_reply_number(&reply, "X-Log-To", l->at + reply.body.len);
            l->is_complete = client_reply_number(&reply, "X-Log-Complete", 1) != 0;
            goes_on = reply.body.len > 0 && l->at < client_reply_number(&reply, "X-Log-Size", l->at);
            if (!put(l, &reply.body))
                err = why_set(reterr, ERR_LIMIT, NULL, "standard output is closed");
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

int cmd_log(struct cli *cli)
{
    struct log l = {.cli = cli, .at = (uint64_t)cli->o.from, .must_filter = cli->out.is_tty};
    const char *text = cli->args[0];
    struct why why = {0};
    enum err err = parse_id("run", strncmp(text, "run:", 4) == 0 ? text + 4 : text, &l.run, &why);

    log_filter_init(&l.filter);
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
    if (err == ERR_LIMIT)
        return EXIT_PASSED; /* whoever read us has enough; cli_main sees to the rest */
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}
