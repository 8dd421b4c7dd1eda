/* What a connection may take, and where a redirect may point: pure parts of net/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_conns.h"
#include "net/http_redirect.h"

static const struct http_limits limits = {
    .head_ms = 1000, .next_ms = 5000, .body_ms = 2000, .body_bytes_per_s = 100};

static void test_conns__a_head_has_one_deadline_and_the_next_another(void **state)
{
    struct http_conns cs;
    struct http_conn *c;

    (void)state;
    http_conns_init(&cs, &limits);
    c = http_conn_add(&cs, -1, 100);
    assert_int_equal(http_conn_deadline(&cs, c), 1100);
    c->requests++;
    http_conn_set(c, CONN_HEAD, 300);
    assert_int_equal(http_conn_deadline(&cs, c), 5300);
    http_conn_remove(&cs, c);
    assert_int_equal(cs.n, 0);
}

static void test_conns__a_body_earns_time_by_its_bytes(void **state)
{
    struct http_conns cs;
    struct http_conn *c;

    (void)state;
    http_conns_init(&cs, &limits);
    c = http_conn_add(&cs, -1, 0);
    http_conn_set(c, CONN_BODY, 1000);
    assert_int_equal(http_conn_deadline(&cs, c), 3000);
    c->body_bytes = 50;
    assert_int_equal(http_conn_deadline(&cs, c), 3500);
    http_conn_set(c, CONN_BODY, 2000);
    assert_int_equal(http_conn_deadline(&cs, c), 4000);
    http_conn_set(c, CONN_OURS, 2000);
    assert_true(http_conn_deadline(&cs, c) == INT64_MAX);
    http_conn_remove(&cs, c);
}

static void test_conns__the_overdue_are_cut_and_the_others_are_not(void **state)
{
    struct http_conns cs;
    struct http_conn *late;
    struct http_conn *good;
    int a[2];
    int b[2];
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
    http_conns_init(&cs, &limits);
    late = http_conn_add(&cs, a[0], 0);
    good = http_conn_add(&cs, b[0], 500);
    assert_int_equal(http_conns_sweep(&cs, 999), 0);
    assert_int_equal(http_conns_sweep(&cs, 1000), 1);
    assert_int_equal(http_conns_sweep(&cs, 1001), 0);
    assert_int_equal(read(a[1], &byte, 1), 0);
    assert_int_equal(read(b[1], &byte, 1), -1);
    http_conn_remove(&cs, late);
    http_conn_remove(&cs, good);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
}

static void test_redirect__points_to_a_host_and_nowhere_else(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *url; /* NULL: refused */
    } rows[] = {
        {"ci.example.org", 443, "https://ci.example.org/a?b"},
        {"ci.example.org:80", 443, "https://ci.example.org/a?b"},
        {"ci.example.org:80", 3443, "https://ci.example.org:3443/a?b"},
        {"10.0.0.7", 443, "https://10.0.0.7/a?b"},
        {"[::1]:80", 8443, "https://[::1]:8443/a?b"},
        {"", 443, NULL},
        {":80", 443, NULL},
        {"a@b", 443, NULL},
        {"a/b", 443, NULL},
        {"a:b", 443, NULL},
        {"[::1", 443, NULL},
        {"[]", 443, NULL},
        {"[::1]x", 443, NULL},
        {"a?b", 443, NULL},
        {"a#b", 443, NULL},
        {"a\\b", 443, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        enum err err;

        buf_init(&out, KIB(4));
        err = http_redirect_target(rows[i].host, rows[i].port, "/a?b", &out);
        assert_int_equal(err, rows[i].url != NULL ? ERR_OK : ERR_INVALID);
        if (rows[i].url != NULL)
            assert_string_equal(buf_str(&out), rows[i].url);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conns__a_head_has_one_deadline_and_the_next_another),
        cmocka_unit_test(test_conns__a_body_earns_time_by_its_bytes),
        cmocka_unit_test(test_conns__the_overdue_are_cut_and_the_others_are_not),
        cmocka_unit_test(test_redirect__points_to_a_host_and_nowhere_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
