/* The guard: what is ambiguous in a request's head is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_guard.h"
#include "net/static.h"

/* Lines "Name: value" with '|' between. */
static const char *verdict(const char *version, const char *target, const char *lines)
{
    struct http_guard g = {0};

    while (*lines != '\0') {
        size_t n = strcspn(lines, "|");
        const char *colon = memchr(lines, ':', n);

        assert_non_null(colon);
        http_guard_header(&g, (struct slice){lines, (size_t)(colon - lines)},
                          (struct slice){colon + 2, n - (size_t)(colon - lines) - 2});
        lines += n + (lines[n] == '|');
    }
    return http_guard_verdict(&g, version, target);
}

static void test_http_guard__lets_plain_requests_pass(void **state)
{
    (void)state;
    assert_null(verdict("HTTP/1.1", "/a?b=%20", "Host: a:80|Accept: */*|X: a\tb\xc3\xbc"));
    assert_null(verdict("HTTP/1.0", "/", "Accept: */*"));
    assert_null(verdict("HTTP/1.1", "/", "Host: [::1]:80|Content-Length: 0"));
    assert_null(verdict("HTTP/1.1", "/", "host: a|transfer-encoding: Chunked"));
}

static void test_http_guard__refuses_what_can_be_read_two_ways(void **state)
{
    static const char *const rows[] = {
        "Accept: a",
        "Host: a|Host: a",
        "Host: a, b",
        "Host: a|Content-Length: 1|Content-Length: 1",
        "Host: a|Content-Length: 1|content-length: 2",
        "Host: a|Content-Length: 1, 1",
        "Host: a|Content-Length: -1",
        "Host: a|Content-Length: 0x1",
        "Host: a|Content-Length: 9999999999999999999",
        "Host: a|Content-Length: 1|Transfer-Encoding: chunked",
        "Host: a|Transfer-Encoding: xchunked",
        "Host: a|Transfer-Encoding: gzip, chunked",
        "Host: a|Transfer-Encoding: chunked|Transfer-Encoding: chunked",
        "Host: a|X: a\rb",
        "Host: a|X: a\x7f",
        "Host: a|X : a",
        "Host: a|X\"Y: a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (verdict("HTTP/1.1", "/", rows[i]) == NULL)
            fail_msg("it passed: %s", rows[i]);
    }
    assert_non_null(verdict("HTTP/1.0", "/", "Transfer-Encoding: chunked"));
    assert_non_null(verdict("HTTP/2.0", "/", "Host: a"));
    assert_non_null(verdict("HTTP/1.1", "http://a/", "Host: a"));
    assert_non_null(verdict("HTTP/1.1", "/a b", "Host: a"));
    assert_non_null(verdict("HTTP/1.1", "/\xff", "Host: a"));
}

static void test_http_guard__knows_this_machine_and_this_page(void **state)
{
    (void)state;
    assert_true(http_host_is_local("localhost:3000", 3000));
    assert_true(http_host_is_local("127.0.0.1:3000", 3000));
    assert_true(http_host_is_local("[::1]:3000", 3000));
    assert_true(http_host_is_local("LOCALHOST", 80));
    assert_false(http_host_is_local("localhost:3001", 3000));
    assert_false(http_host_is_local("localhost", 3000));
    assert_false(http_host_is_local("localhost.evil.example:3000", 3000));
    assert_false(http_host_is_local("evil.example:3000", 3000));
    assert_false(http_host_is_local(NULL, 3000));
    assert_true(http_origin_is_host("http://localhost:3000", "localhost:3000"));
    assert_true(http_origin_is_host("https://ci.example", "ci.example"));
    assert_false(http_origin_is_host("http://localhost:3001", "localhost:3000"));
    assert_false(http_origin_is_host("null", "localhost:3000"));
    assert_false(http_origin_is_host("http://localhost:3000", NULL));
}

static void test_http_static__gzip_is_negotiated(void **state)
{
    (void)state;
    assert_true(static_takes_gzip("gzip"));
    assert_true(static_takes_gzip("br, GZIP;q=0.5"));
    assert_true(static_takes_gzip("gzip; q=1, br"));
    assert_false(static_takes_gzip("gzip;q=0"));
    assert_false(static_takes_gzip("gzip; q=0.000, br"));
    assert_false(static_takes_gzip("identity"));
    assert_false(static_takes_gzip(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_guard__lets_plain_requests_pass),
        cmocka_unit_test(test_http_guard__refuses_what_can_be_read_two_ways),
        cmocka_unit_test(test_http_guard__knows_this_machine_and_this_page),
        cmocka_unit_test(test_http_static__gzip_is_negotiated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
