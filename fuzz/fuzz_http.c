/* fuzz_http.c - what a stranger's request meets first: guard, routes, query, topics, ids.
 *
 * Input: "METHOD TARGET\n" then header lines "Name: value\n". */
#include <stdlib.h>
#include <string.h>

#include "api/live/live_private.h"
#include "net/http_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_stream(const char *text, struct arena *arena)
{
    struct hub hub = {.epoch = "ab12", .rev = 1000};
    struct topic *topics;
    struct why why;
    uint32_t n;
    uint64_t rev;

    if (topics_parse(text, arena, &topics, &n, &why) == ERR_OK) {
        CHECK(n > 0);
        CHECK(n <= SUB_TOPICS_MAX);
        (void)rev_parse(&hub, text, topics, n, &rev);
    }
    (void)rev_parse(&hub, text, NULL, 0, &rev);
}

static void try_query(const char *query, struct arena *arena)
{
    for (const struct route *const *table = all_routes; *table != NULL; table++) {
        for (const struct route *r = *table; r->path != NULL; r++) {
            void *out;
            struct why why;

            if (r->query == NULL)
                continue;
            out = arena_alloc(arena, r->query_bytes);
            if (field_read_query(r->query, query, arena, out, &why) != ERR_OK)
                CHECK(strlen(why.text) > 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_guard guard = {0};
    uint64_t ids[ROUTE_IDS_MAX];
    struct arena arena;
    unsigned allowed;
    char *text;
    char *target;
    char *line;
    char *query;

    if (size > 16384)
        return 0;
    arena_init(&arena);
    text = arena_strndup(&arena, (const char *)data, size);
    line = strchr(text, '\n');
    if (line != NULL)
        *line++ = '\0';
    target = strchr(text, ' ');
    if (target != NULL)
        *target++ = '\0';
    else
        target = text;
    query = strchr(target, '?');
    (void)route_find(text, target, strcspn(target, "?#"), ids, &allowed);
    if (query != NULL) {
        try_query(query + 1, &arena);
        try_stream(query + 1, &arena);
    }
    while (line != NULL && *line != '\0') {
        size_t n = strcspn(line, "\n");
        char *colon = memchr(line, ':', n);

        if (colon != NULL)
            http_guard_header(&guard, (struct slice){line, (size_t)(colon - line)},
                              (struct slice){colon + 1, n - (size_t)(colon - line) - 1});
        line += n + (line[n] == '\n');
    }
    if (http_guard_verdict(&guard, "HTTP/1.1", target) == NULL) {
        CHECK(guard.hosts == 1);
        CHECK(guard.lengths + guard.encodings <= 1);
    }
    (void)http_host_is_local(target, 3000);
    (void)http_origin_is_host(target, text);
    arena_done(&arena);
    return 0;
}
