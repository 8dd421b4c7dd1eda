/* words.c - small translations between rows and the model: lists of texts, names, tallies, pages. */
#include <stdio.h>
#include <string.h>

#include "store/store_private.h"

/* ---- lists of texts: a NUL after each ------------------------------------------------------------------- */

void words_encode(struct buf *out, const char *const *words, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        buf_put(out, words[i], strlen(words[i]) + 1);
}

struct slice words_in(struct arena *a, const char *const *words, uint32_t n)
{
    size_t len = 0;
    char *out;
    char *p;
    uint32_t i;

    for (i = 0; i < n; i++)
        len += strlen(words[i]) + 1;
    if (len == 0)
        return (struct slice){"", 0};
    out = p = arena_alloc(a, len);
    for (i = 0; i < n; i++) {
        size_t size = strlen(words[i]) + 1;

        memcpy(p, words[i], size);
        p += size;
    }
    return (struct slice){out, len};
}

const char *const *words_decode(struct arena *a, struct slice bytes, uint32_t *retn)
{
    const char **words;
    char *copy;
    uint32_t n = 0;
    size_t i;

    /* Copied with a NUL, so that damaged bytes cannot be read past their end. */
    copy = arena_strndup(a, bytes.ptr, bytes.len);
    for (i = 0; i < bytes.len; i++)
        n += copy[i] == '\0';
    if (bytes.len > 0 && copy[bytes.len - 1] != '\0')
        n++;
    words = arena_alloc(a, (n + 1) * sizeof(*words));
    *retn = n;
    for (i = 0; i < n; i++) {
        words[i] = copy;
        copy += strlen(copy) + 1;
    }
    return words;
}

const char *names_joined(struct arena *a, struct slice words)
{
    char *text = arena_strndup(a, words.ptr, words.len);

    for (size_t i = 0; i + 1 < words.len; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    return text;
}

/* ---- names ----------------------------------------------------------------------------------------------- */

#define NAME_PARSER(function, type, name_of, count)  \
    type function(const char *name)                  \
    {                                                \
        int i;                                       \
                                                     \
        for (i = 0; i < (int)(count); i++)           \
            if (strcmp(name, name_of((type)i)) == 0) \
                return (type)i;                      \
        return (type)0;                              \
    }

/* What the tables hold was written by the same names; anything else reads as the first of them. */
NAME_PARSER(outcome_of, enum outcome, outcome_name, OUTCOME_COUNT)
NAME_PARSER(link_of, enum link_state, link_state_name, LINK_STATE_COUNT)
NAME_PARSER(launch_state_of, enum launch_state, launch_state_name, LAUNCH_STATE_COUNT)
NAME_PARSER(test_state_of, enum test_state, test_state_name, TEST_STATE_COUNT)
NAME_PARSER(run_state_of, enum run_state, run_state_name, RUN_STATE_COUNT)
NAME_PARSER(server_status_of, enum server_status, server_status_name, SERVER_STATUS_COUNT)
NAME_PARSER(sick_of, enum sick_cause, sick_cause_name, SICK_CAUSE_COUNT)
NAME_PARSER(fleet_of, enum fleet_kind, fleet_kind_name, FLEET_COUNT)
NAME_PARSER(order_of, enum launch_order, launch_order_name, ORDER_COUNT)
NAME_PARSER(adapter_of, enum adapter_kind, adapter_name, ADAPTER_COUNT)
NAME_PARSER(example_status_of, enum example_status, example_status_name, EXAMPLE_STATUS_COUNT)
NAME_PARSER(scope_of, enum token_scope, token_scope_name, SCOPE_COUNT) /* the first is the smallest */
NAME_PARSER(purpose_of, enum link_purpose, link_purpose_name, LINK_PURPOSE_COUNT)

/* ---- tallies --------------------------------------------------------------------------------------------- */

enum { TALLY_STARTED = 1, TALLY_ENDED = 2, TALLY_ABORTED = 4, TALLY_MISCOUNTED = 8 };

void bind_tally(struct db_stmt *s, const struct tally *t)
{
    db_int(s, t->discovered);
    db_int(s, t->passed);
    db_int(s, t->failed);
    db_int(s, t->pending);
    db_int(s, t->errors);
    db_int(s, (t->started ? TALLY_STARTED : 0) | (t->ended ? TALLY_ENDED : 0) |
                  (t->aborted ? TALLY_ABORTED : 0) | (t->miscounted ? TALLY_MISCOUNTED : 0));
    db_int(s, t->bad_lines);
    db_int(s, t->not_run);
    db_text(s, t->not_run_reason);
}

struct tally get_tally(struct db_stmt *s)
{
    struct tally t = {0};
    uint64_t flags;

    t.discovered = (uint32_t)db_get_uint(s);
    t.passed = (uint32_t)db_get_uint(s);
    t.failed = (uint32_t)db_get_uint(s);
    t.pending = (uint32_t)db_get_uint(s);
    t.errors = (uint32_t)db_get_uint(s);
    flags = db_get_uint(s);
    t.started = (flags & TALLY_STARTED) != 0;
    t.ended = (flags & TALLY_ENDED) != 0;
    t.aborted = (flags & TALLY_ABORTED) != 0;
    t.miscounted = (flags & TALLY_MISCOUNTED) != 0;
    t.bad_lines = (uint32_t)db_get_uint(s);
    t.not_run = (uint32_t)db_get_uint(s);
    (void)snprintf(t.not_run_reason, sizeof(t.not_run_reason), "%s", db_get_text(s));
    return t;
}

/* ---- pages ----------------------------------------------------------------------------------------------- */

int64_t page_limit(const struct page *p)
{
    CHECK(p->limit >= 1);
    CHECK(p->limit <= PAGE_LIMIT_MAX);
    return (int64_t)p->limit + 1;
}

bool page_take(struct page *p, uint32_t *n, uint64_t last_key)
{
    if (*n == p->limit) {
        p->next = last_key;
        return false;
    }
    (*n)++;
    return true;
}
