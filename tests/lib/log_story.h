/* log_story.h - the log of a run as a story told by bytes, beside a plain buffer that it must equal: appended to, ended, the
 * store closed and opened in between; read by bytes, by lines, by times, and searched all the while. For the fuzzer and
 * the unit test of the log's reader. Each call makes a run of its own in one store. */
#ifndef WRATA_TEST_LOG_STORY_H
#define WRATA_TEST_LOG_STORY_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/log_search.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/log_times.h"
#include "store/store.h"

#define STORY_LOG_MAX MIB(4)
#define STORY_APPENDS_MAX 200u
#define STORY_NEEDLE "needle"

struct log_story {
    const char *dir;
    struct store *st;
    int wake[2];
    uint32_t pending;
    uint64_t run;   /* of the present story */
    size_t log_max; /* no log becomes longer */

    /* of the present story */
    struct rng rng;
    struct buf model;
    struct {
        uint64_t from;
        int64_t ms;
    } appends[STORY_APPENDS_MAX];
    uint32_t n_appends;
    int64_t ms;
    bool is_ended;
    struct log_search *search;
    uint64_t searched; /* bytes */
};

/* ---- the store ---- */

static inline void story_wake(void *ctx)
{
    struct log_story *s = ctx;

    CHECK(write(s->wake[1], "x", 1) == 1);
}

static inline void story_open(struct log_story *s)
{
    struct why why;

    if (store_open(&(struct store_opts){.dir = s->dir,
                                        .wake = story_wake,
                                        .wake_ctx = s,
                                        .is_unpaced = true}, /* it waits for each commit by itself */
                   &s->st, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
}

/* dir: an empty folder; kept, not copied. */
static inline void log_story_init(struct log_story *s, const char *dir)
{
    *s = (struct log_story){.dir = dir, .log_max = STORY_LOG_MAX};
    CHECK(pipe(s->wake) == 0);
    story_open(s);
}

static inline void log_story_done(struct log_story *s)
{
    store_close(s->st);
    (void)close(s->wake[0]);
    (void)close(s->wake[1]);
}

static inline void story_turn(struct log_story *s)
{
    char bytes[64];
    ssize_t n = read(s->wake[0], bytes, sizeof(bytes));

    CHECK(n > 0 || errno == EINTR); /* a fuzzer has a timer */
    store_turn(s->st);
}

static inline void story_settle(struct log_story *s)
{
    while (s->pending > 0)
        story_turn(s);
}

static inline void story_done(void *ctx, enum err err, const struct why *why)
{
    if (err != ERR_OK)
        fprintf(stderr, "%s\n", why->text);
    CHECK(err == ERR_OK);
    ((struct log_story *)ctx)->pending--;
}

static inline void story_add_run(struct log_story *s)
{
    static const char *argv[] = {"true"};
    uint64_t id = ++s->run;
    struct change c[] = {
        {.kind = CHANGE_LAUNCH_ADD,
         .launch = {.id = {id},
                    .project = {1},
                    .project_name = "p",
                    .name = "",
                    .ref = "",
                    .commit = "",
                    .n_tests = 1,
                    .user = {1}}},
        {.kind = CHANGE_TEST_ADD,
         .test = {.id = {id},
                  .launch = {id},
                  .path = "a.sh",
                  .adapter = ADAPTER_RSPEC,
                  .argv = argv,
                  .n_argv = 1}},
        {.kind = CHANGE_RUN_ADD,
         .run = {.id = {id},
                 .test = {id},
                 .launch = {id},
                 .server = {1},
                 .server_name = "s",
                 .path = "",
                 .attempt = 1,
                 .created_at = {1}}},
    };

    s->pending++;
    store_changes(s->st, c, ARRAY_LEN(c), story_done, s);
    story_settle(s);
}

struct story_read {
    struct log_story *s;
    void (*fn)(struct log_story *s, struct reader *r);
    bool done;
};

static inline void story_read_fn(struct reader *r, void *arg)
{
    struct story_read *j = arg;

    j->fn(j->s, r);
}

static inline void story_read_done(void *arg)
{
    ((struct story_read *)arg)->done = true;
}

/* `fn` on a reader thread. */
static inline void story_read(struct log_story *s, void (*fn)(struct log_story *s, struct reader *r))
{
    struct story_read j = {s, fn, false};

    store_read(s->st, story_read_fn, story_read_done, &j);
    while (!j.done)
        story_turn(s);
}

/* ---- what must be so ---- */

static inline void story_check_range(struct log_story *s, struct reader *r)
{
    uint64_t from = rng_below(&s->rng, s->model.len + 5);
    uint32_t max = 1 + (uint32_t)rng_below(&s->rng, rng_chance(&s->rng, 1, 2) ? 100 : MIB(1));
    size_t at = from < s->model.len ? (size_t)from : s->model.len;
    size_t n = s->model.len - at < max ? s->model.len - at : max;
    struct log_info info;
    struct buf out;

    buf_init(&out, max);
    CHECK(read_log(r, (struct run_id){s->run}, from, max, &out, &info, NULL) == ERR_OK);
    CHECK(info.size == s->model.len && info.complete == s->is_ended);
    CHECK(out.len == n && (n == 0 || memcmp(out.data, s->model.data + at, n) == 0));
    buf_done(&out);
}

/* Where line `line` (from 0) begins, and how many there are. The size when there is none. */
static inline size_t story_line(const struct log_story *s, uint64_t line, uint64_t *ret_lines)
{
    size_t found = line == 0 ? 0 : s->model.len;
    uint64_t lines = 0;

    for (const char *p = buf_str(&s->model), *end = p + s->model.len, *at;
         p < end && (at = memchr(p, '\n', (size_t)(end - p))) != NULL; p = at + 1) {
        if (++lines == line)
            found = (size_t)(at + 1 - buf_str(&s->model));
    }
    *ret_lines = lines + (s->model.len > 0 && s->model.data[s->model.len - 1] != '\n');
    return found;
}

static inline void story_check_line(struct log_story *s, struct reader *r)
{
    struct log_shape shape;
    uint64_t lines;
    uint64_t line;
    uint64_t at;
    size_t expected;
    enum err err;

    (void)story_line(s, 0, &lines);
    CHECK(read_log_shape(r, (struct run_id){s->run}, &shape, NULL) == ERR_OK);
    CHECK(shape.size == s->model.len && shape.lines == lines && shape.complete == s->is_ended);
    line = rng_below(&s->rng, lines + 3);
    expected = story_line(s, line, &lines);
    err = read_log_line(r, (struct run_id){s->run}, line, &at, NULL);
    if (line < lines)
        CHECK(err == ERR_OK && at == expected);
    else
        CHECK(err == ERR_NOTFOUND || (err == ERR_OK && at == s->model.len));
}

struct story_times {
    uint64_t line; /* which is asked for */
    int64_t ms;    /* of the last mark at or before it; 0 none */
    uint64_t last; /* line of the mark before, plus one */
    int64_t last_ms;
};

static inline bool story_time(void *ctx, uint64_t line, struct wall at)
{
    struct story_times *t = ctx;

    CHECK(line >= t->last && at.ms >= t->last_ms);
    t->last = line + 1;
    t->last_ms = at.ms;
    if (line <= t->line)
        t->ms = at.ms;
    return true;
}

/* The time of a line is that of the append which brought its first byte, but for the step of the marks. */
static inline void story_check_times(struct log_story *s, struct reader *r)
{
    uint64_t lines;
    struct story_times t = {0};
    uint64_t from;
    uint64_t at;
    int64_t exact = 0;

    (void)story_line(s, 0, &lines);
    if (lines == 0)
        return;
    t.line = rng_below(&s->rng, lines);
    from = rng_below(&s->rng, t.line + 1);
    CHECK(read_log_times(r, (struct run_id){s->run}, from, t.line - from + 1 + rng_below(&s->rng, 50),
                         story_time, &t, NULL) == ERR_OK);
    at = story_line(s, t.line, &lines);
    for (uint32_t i = 0; i < s->n_appends && s->appends[i].from <= at; i++)
        exact = s->appends[i].ms;
    CHECK(exact >= t.ms && exact - t.ms < LOG_TIMES_STEP_MS);
}

static inline void story_search_step(struct log_story *s, struct reader *r)
{
    struct log_info info;
    struct buf out;

    buf_init(&out, LOG_SEARCH_PIECE);
    CHECK(read_log(r, (struct run_id){s->run}, s->searched,
                   LOG_SEARCH_PIECE - (uint32_t)(s->searched % LOG_SEARCH_PIECE), &out, &info,
                   NULL) == ERR_OK);
    CHECK(log_search_feed(s->search, buf_str(&out), out.len, MONO_NEVER) == out.len);
    s->searched += out.len;
    buf_done(&out);
}

/* Lines of the model that hold the needle. */
static inline uint64_t story_needles(const struct log_story *s)
{
    const char *p = buf_str(&s->model);
    const char *end = p + s->model.len;
    uint64_t n = 0;

    while (p < end) {
        const char *hit = memmem(p, (size_t)(end - p), STORY_NEEDLE, strlen(STORY_NEEDLE));
        const char *newline = hit == NULL ? NULL : memchr(hit, '\n', (size_t)(end - hit));

        n += hit != NULL;
        p = newline == NULL ? end : newline + 1;
    }
    return n;
}

/* ---- telling it ---- */

static inline void story_append(struct log_story *s, size_t n, uint32_t kind)
{
    static const char *const words[] = {"a line\n", "no end ", "\n", "needle", "\r\n", "nee", "dle"};
    struct buf b;
    size_t again;

    if (s->n_appends == STORY_APPENDS_MAX || s->model.len + n + 16 > s->log_max || s->is_ended)
        return;
    buf_init(&b, STORY_LOG_MAX);
    while (b.len < n) {
        uint32_t dice = (uint32_t)rng_below(&s->rng, 100);

        if (kind == 0)
            buf_puts(&b, words[dice % ARRAY_LEN(words)]);
        else if (kind == 1)
            buf_puts(&b, dice == 0 ? "\nneedle" : "xxxxxxxxxxxxxxxx"); /* long lines */
        else if (kind == 2) /* any byte but ESC: a control sequence would take letters of the needle */
            buf_putc(&b, (char)(dice = (uint32_t)rng_below(&s->rng, 256), dice == 0x1b ? 'e' : dice));
        else
            buf_puts(&b, dice < 2 ? "needle\n" : "a line as they are, with some words in it\n");
    }
    again = (size_t)rng_below(&s->rng,
                              1 + (s->model.len < 50 ? s->model.len : 50)); /* sent twice, as after a cut */
    s->appends[s->n_appends].from = s->model.len;
    s->appends[s->n_appends++].ms = s->ms;
    buf_put(&s->model, b.data, b.len);
    s->pending++;
    store_log_append_at(s->st, (struct run_id){s->run}, s->model.len - b.len - again,
                        xstrndup(s->model.data + s->model.len - b.len - again, b.len + again),
                        (uint32_t)(b.len + again), (struct wall){s->ms}, story_done, s);
    buf_done(&b);
}

static inline void story_check(struct log_story *s, uint32_t what)
{
    story_settle(s);
    story_read(s, what % 4 == 0   ? story_check_range
                  : what % 4 == 1 ? story_check_line
                  : what % 4 == 2 ? story_check_times
                                  : story_search_step);
}

static inline void story_end(struct log_story *s)
{
    uint64_t first;

    s->pending++;
    store_log_end(s->st, (struct run_id){s->run}, story_done, s);
    story_settle(s);
    s->is_ended = true;
    for (uint32_t i = 0; i < 12; i++)
        story_check(s, i);
    while (s->searched < s->model.len)
        story_read(s, story_search_step);
    log_search_end(s->search);
    CHECK(log_search_count(s->search) == story_needles(s) && log_search_gave_up(s->search, &first) == 0);
}

/* Two bytes a step: what, and how much of it. may_reopen: closing the store is slow. */
static inline void log_story_tell(struct log_story *s, const uint8_t *data, size_t size, bool may_reopen)
{
    struct why why;

    story_add_run(s);
    rng_seed(&s->rng, size > 0 ? data[0] + size : 1);
    buf_init(&s->model, STORY_LOG_MAX);
    s->n_appends = 0;
    s->ms = 1700000000000;
    s->is_ended = false;
    s->searched = 0;
    CHECK(log_search_new(STORY_NEEDLE, strlen(STORY_NEEDLE), false, LOG_CASE_YES, 3, &s->search, &why) ==
          ERR_OK);
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint32_t what = data[i] & 15;
        uint32_t much = data[i + 1];

        if (what < 8)
            story_append(s, 1 + ((much & 63) << ((much >> 6) * 4)), what & 3);
        else if (what == 8)
            s->ms += much;
        else if (what == 9)
            story_settle(s);
        else if (what == 10 && may_reopen) {
            story_settle(s);
            store_close(s->st);
            story_open(s);
        } else
            story_check(s, much);
    }
    story_end(s);
    log_search_free(s->search);
    buf_done(&s->model);
}

#endif
