/* The route table and the parsing of a stream's topics and ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/live/live_private.h"

static const struct route *find(const char *method, const char *path, uint64_t *ids, unsigned *allowed)
{
    return route_find(method, path, strlen(path), ids, allowed);
}

static void test_api_route__finds_rows_and_numbers(void **state)
{
    uint64_t ids[ROUTE_IDS_MAX] = {0};
    unsigned allowed;

    (void)state;
    assert_string_equal(find("GET", "/api/v1/runs/345/log", ids, &allowed)->path, "/api/v1/runs/{run}/log");
    assert_int_equal(ids[0], 345);
    assert_non_null(find("HEAD", "/api/v1/status", ids, &allowed));
    assert_non_null(find("DELETE", "/api/v1/servers/7", ids, &allowed));
    assert_int_equal(ids[0], 7);
}

static void test_api_route__tells_no_path_from_no_method(void **state)
{
    static const char *const none[] = {"/",
                                       "/api/v1",
                                       "/api/v1/runs/",
                                       "/api/v1/runs/x",
                                       "/api/v1/runs/1x",
                                       "/api/v1/runs/1/",
                                       "/api/v1/runs/-1",
                                       "/api/v1/runs/1234567890123456789",
                                       "/api/v1/runs/1/logs",
                                       "/api/v1/%72uns",
                                       "/API/v1/runs"};
    uint64_t ids[ROUTE_IDS_MAX];
    unsigned allowed;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        assert_null(find("GET", none[i], ids, &allowed));
        assert_int_equal(allowed, 0);
    }
    assert_null(find("DELETE", "/api/v1/launches", ids, &allowed));
    assert_int_equal(allowed, (1u << ROUTE_GET) | (1u << ROUTE_POST));
    assert_null(find("BREW", "/healthz", ids, &allowed));
    assert_int_equal(allowed, 1u << ROUTE_GET);
}

static void test_api_route__every_row_is_whole(void **state)
{
    (void)state;
    for (const struct route *const *table = all_routes; *table != NULL; table++) {
        for (const struct route *r = *table; r->path != NULL; r++) {
            assert_non_null(r->handle);
            assert_true(strlen(r->doc) > 5);
            assert_true(strlen(r->reply) > 1);
            assert_true(r->query == NULL || r->query_bytes > 0);
            assert_true(r->body_kind != BODY_JSON || (r->body != NULL && r->body_bytes > 0));
        }
    }
}

static enum err parse(struct arena *arena, const char *text, struct topic **topics, uint32_t *n)
{
    struct why why;

    return topics_parse(text, arena, topics, n, &why);
}

static void test_api_stream__topics_are_parsed(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "servers,x",
                                      "launch:",
                                      "launch:1:",
                                      "launch:a",
                                      "log:1@",
                                      "log:1@2@3",
                                      "run:1x",
                                      ",",
                                      "servers,,launches",
                                      "log:1,log:1@7",
                                      "launch:99999999999999999999"};
    struct topic *t;
    struct arena arena;
    uint32_t n;

    (void)state;
    arena_init(&arena);
    assert_int_equal(parse(&arena, "servers,launches,launch:12,launch:13:all,run:4,log:345@10,log:6", &t, &n),
                     ERR_OK);
    assert_int_equal(n, 7);
    assert_int_equal(t[3].kind, TOPIC_LAUNCH_ALL);
    assert_int_equal(t[3].id, 13);
    assert_int_equal(t[5].kind, TOPIC_LOG);
    assert_int_equal(t[5].id, 345);
    assert_int_equal(t[5].from, 10);
    assert_int_equal(t[6].from, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (parse(&arena, bad[i], &t, &n) == ERR_OK)
            fail_msg("it passed: %s", bad[i]);
    }
    arena_done(&arena);
}

static void test_api_stream__ids_are_of_this_process_and_carry_log_positions(void **state)
{
    struct hub h = {.epoch = "ab12", .rev = 100};
    struct topic t[] = {{.kind = TOPIC_LOG, .id = 7, .from = 5}, {.kind = TOPIC_SERVERS}};
    uint64_t rev;

    (void)state;
    assert_true(rev_parse(&h, "ab12-100", t, 2, &rev));
    assert_int_equal(rev, 100);
    assert_true(rev_parse(&h, "ab12-3~7@90~9@1", t, 2, &rev));
    assert_int_equal(rev, 3);
    assert_int_equal(t[0].from, 90);
    assert_true(rev_parse(&h, "ab12-3~7@10", t, 2, &rev));
    assert_int_equal(t[0].from, 90); /* the URL was further */
    assert_false(rev_parse(&h, "ab12-101", t, 2, &rev));
    assert_false(rev_parse(&h, "ab13-1", t, 2, &rev));
    assert_false(rev_parse(&h, "ab1", t, 2, &rev));
    assert_false(rev_parse(&h, "ab12-", t, 2, &rev));
    assert_false(rev_parse(&h, "ab12-1~7", t, 2, &rev));
    assert_false(rev_parse(&h, "ab12-1 ", t, 2, &rev));
    assert_false(rev_parse(&h, "", t, 2, &rev));
}

static void test_api_stream__an_event_concerns_its_topics_only(void **state)
{
    struct live_event passed = {.topics = TOPIC_RUN | TOPIC_LAUNCH_ALL, .launch = 12, .run = 345};
    struct topic t = {.kind = TOPIC_LAUNCH, .id = 12};

    (void)state;
    assert_false(event_concerns(&passed, &t, 1));
    t.kind = TOPIC_LAUNCH_ALL;
    assert_true(event_concerns(&passed, &t, 1));
    t.id = 13;
    assert_false(event_concerns(&passed, &t, 1));
    t = (struct topic){.kind = TOPIC_RUN, .id = 345};
    assert_true(event_concerns(&passed, &t, 1));
    t = (struct topic){.kind = TOPIC_LOG, .id = 345};
    assert_false(event_concerns(&passed, &t, 1));
    assert_false(event_concerns(&passed, &t, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_route__finds_rows_and_numbers),
        cmocka_unit_test(test_api_route__tells_no_path_from_no_method),
        cmocka_unit_test(test_api_route__every_row_is_whole),
        cmocka_unit_test(test_api_stream__topics_are_parsed),
        cmocka_unit_test(test_api_stream__ids_are_of_this_process_and_carry_log_positions),
        cmocka_unit_test(test_api_stream__an_event_concerns_its_topics_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
