/* test_forwarded.c - addresses, networks, and who the client is behind proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "net/address.h"
#include "net/forwarded.h"

static void test_address__is_read_and_written_in_one_form(void **state)
{
    static const struct {
        const char *in;
        const char *out; /* NULL: none */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:c000:201", "192.0.2.1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::", "::"},
        {"0.0.0.0", "0.0.0.0"},
        {"", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.02.1", NULL},
        {"0x7f.0.0.1", NULL},
        {"192.0.2.1 ", NULL},
        {"192.0.2.1:80", NULL},
        {"[::1]", NULL},
        {"fe80::1%eth0", NULL},
        {"localhost", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL},
        {"1111111111111111111111111111111111111111111111111111111111111111111111", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;
        char text[ADDRESS_BYTES];

        assert_int_equal(address_read(slice_of(rows[i].in), &a), rows[i].out != NULL);
        if (rows[i].out != NULL) {
            address_write(&a, text);
            assert_string_equal(text, rows[i].out);
        }
    }
    assert_false(address_read((struct slice){"1.2.3.4\0", 8}, &(struct address){{0}}));
}

static void test_address__of_a_socket_has_no_port_and_no_mapping(void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct sockaddr other = {.sa_family = AF_UNIX};
    char text[ADDRESS_BYTES];

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr), 1);
    address_of_socket((const struct sockaddr *)&v4, text);
    assert_string_equal(text, "192.0.2.7");
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr), 1);
    address_of_socket((const struct sockaddr *)&v6, text);
    assert_string_equal(text, "192.0.2.7");
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr), 1);
    address_of_socket((const struct sockaddr *)&v6, text);
    assert_string_equal(text, "2001:db8::7");
    address_of_socket(&other, text);
    assert_string_equal(text, "");
}

static bool in_network(const char *network, const char *address)
{
    struct network n;
    struct address a;
    struct why why = {0};

    if (network_read(slice_of(network), &n, &why) != ERR_OK)
        fail_msg("%s: %s", network, why.text);
    assert_true(address_read(slice_of(address), &a));
    return network_has(&n, &a);
}

static void test_network__holds_what_shares_its_prefix(void **state)
{
    (void)state;
    assert_true(in_network("10.0.0.0/8", "10.255.1.2"));
    assert_false(in_network("10.0.0.0/8", "11.0.0.0"));
    assert_true(in_network("192.168.4.0/23", "192.168.5.255"));
    assert_false(in_network("192.168.4.0/23", "192.168.6.0"));
    assert_true(in_network("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(in_network("192.0.2.1/32", "192.0.2.2"));
    assert_true(in_network("0.0.0.0/1", "127.0.0.1"));
    assert_true(in_network("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(in_network("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(in_network("::1", "::1"));
    assert_false(in_network("::1", "0.0.0.1"));
    assert_true(in_network("::ffff:10.0.0.0/104", "10.9.9.9"));
    assert_false(in_network("::/1", "10.9.9.9")); /* nobody who writes it means IPv4 */
    assert_true(in_network("::/1", "2001:db8::1"));
}

static void test_forwarded__a_list_with_a_mistake_is_named(void **state)
{
    static const struct {
        const char *list;
        const char *text;
    } rows[] = {
        {"127.0.0.1,proxy", "'proxy' is not an address"},
        {"127.0.0.1,", "'' is not an address"},
        {",", "'' is not an address"},
        {"10.0.0.0/33", "'10.0.0.0/33' does not end in the length of a prefix, a number from 0 to 32"},
        {"10.0.0.0/", "'10.0.0.0/' does not end"},
        {"10.0.0.0/08", "'10.0.0.0/08' does not end"},
        {"10.0.0.0/-1", "'10.0.0.0/-1' does not end"},
        {"::1/129", "a number from 0 to 128"},
        {"10.1.2.3/8", "'10.1.2.3/8' goes on after its prefix: the network begins at 10.0.0.0"},
        {"2001:db8::1/32", "the network begins at 2001:db8::"},
        {"0.0.0.0/0", "'0.0.0.0/0' is everybody"},
        {"::1, ::/0", "'::/0' is everybody"},
        {"[::1]", "'[::1]' is not an address"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct forwarded *f = (struct forwarded *)&f;
        struct why why = {0};

        assert_int_equal(forwarded_parse(rows[i].list, &f, &why), ERR_INVALID);
        assert_null(f);
        if (strstr(why.text, rows[i].text) == NULL)
            fail_msg("%s: %s", rows[i].list, why.text);
    }
}

static void test_forwarded__a_list_has_an_end(void **state)
{
    char list[(FORWARDED_NETWORKS_MAX + 1) * 16] = "";
    struct forwarded *f;
    struct why why = {0};

    (void)state;
    for (int i = 0; i < FORWARDED_NETWORKS_MAX; i++)
        (void)sprintf(list + strlen(list), "%s10.0.0.%d", i > 0 ? "," : "", i);
    assert_int_equal(forwarded_parse(list, &f, &why), ERR_OK);
    forwarded_free(f);
    (void)strcat(list, ",10.0.1.1");
    assert_int_equal(forwarded_parse(list, &f, &why), ERR_INVALID);
    assert_string_equal(why.text, "more than 64 addresses");
}

/* "ADDRESS https" or "ADDRESS http". */
static const char *client(const char *list, const char *peer, const char *xff, const char *xfp)
{
    static char ret[80];
    struct forwarded *f;
    struct why why = {0};
    char out[64];
    bool https;

    assert_int_equal(forwarded_parse(list, &f, &why), ERR_OK);
    forwarded_client(f, peer, xff, xfp, out, &https);
    forwarded_free(f);
    (void)snprintf(ret, sizeof(ret), "%s %s", out, https ? "https" : "http");
    return ret;
}

static void test_forwarded__a_stranger_is_not_believed(void **state)
{
    char out[64];
    bool https = true;

    (void)state;
    forwarded_client(NULL, "127.0.0.1", "198.51.100.1", "https", out, &https);
    assert_string_equal(out, "127.0.0.1");
    assert_false(https);
    assert_string_equal(client("", "127.0.0.1", "198.51.100.1", "https"), "127.0.0.1 http");
    assert_string_equal(client("127.0.0.1", "192.0.2.1", "198.51.100.1", "https"), "192.0.2.1 http");
    assert_string_equal(client("127.0.0.1", "", "198.51.100.1", "https"), " http");
}

static void test_forwarded__the_rightmost_stranger_is_the_client(void **state)
{
    const char *trusted = "127.0.0.1, ::1, 10.0.0.0/8";

    (void)state;
    assert_string_equal(client(trusted, "127.0.0.1", NULL, NULL), "127.0.0.1 http");
    assert_string_equal(client(trusted, "127.0.0.1", "198.51.100.1", "https"), "198.51.100.1 https");
    assert_string_equal(client(trusted, "::ffff:127.0.0.1", "198.51.100.1", "HTTPS "), "198.51.100.1 https");
    /* The client may claim anything in front. */
    assert_string_equal(client(trusted, "127.0.0.1", "10.1.1.1, 127.0.0.1, 198.51.100.1", "http"),
                        "198.51.100.1 http");
    assert_string_equal(client(trusted, "::1", "203.0.113.9, 198.51.100.1 ,10.2.3.4", "https"),
                        "198.51.100.1 https");
    assert_string_equal(client(trusted, "127.0.0.1", "10.1.1.1,10.2.2.2", NULL), "10.1.1.1 http");
    assert_string_equal(client(trusted, "127.0.0.1", "2001:db8::1", NULL), "2001:db8::1 http");
    assert_string_equal(client(trusted, "127.0.0.1", "[2001:db8::1]:4711", NULL), "2001:db8::1 http");
    assert_string_equal(client(trusted, "127.0.0.1", "[2001:db8::1]", NULL), "2001:db8::1 http");
    assert_string_equal(client(trusted, "127.0.0.1", "198.51.100.1:4711", NULL), "198.51.100.1 http");
    assert_string_equal(client(trusted, "127.0.0.1", "::ffff:198.51.100.1", NULL), "198.51.100.1 http");
}

static void test_forwarded__what_is_not_understood_ends_the_walk(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        ",",
        "unknown",
        "198.51.100.1,",
        "198.51.100.1:",
        "[::1",
        "[1.2.3.4]",
        "::1]",
        "198.51.100.1:x",
        "198.51.100.1:123456",
        "_hidden",
        "a\"b",
        "[2001::1]80",
        "198.51.100.1 x",
        "198.51.100.1;by=x",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_string_equal(client("127.0.0.1", "127.0.0.1", bad[i], NULL), "127.0.0.1 http");
    /* What was understood on the way counts. */
    assert_string_equal(client("127.0.0.1,10.0.0.0/8", "127.0.0.1", "198.51.100.1, unknown, 10.9.9.9", NULL),
                        "10.9.9.9 http");
}

static void test_forwarded__only_the_whole_word_is_https(void **state)
{
    static const char *const bad[] = {"", "http", "https, http", "http,https", "httpsx", "\"https\""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_string_equal(client("127.0.0.1", "127.0.0.1", NULL, bad[i]), "127.0.0.1 http");
}

static void test_forwarded__a_header_without_end_is_not_read(void **state)
{
    static char xff[FORWARDED_BYTES_MAX + 2];

    (void)state;
    memset(xff, ' ', sizeof(xff) - 1);
    memcpy(xff + sizeof(xff) - 1 - 12, "198.51.100.1", 12);
    assert_string_equal(client("127.0.0.1", "127.0.0.1", xff, NULL), "127.0.0.1 http");
    assert_string_equal(client("127.0.0.1", "127.0.0.1", xff + 1, NULL), "198.51.100.1 http");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address__is_read_and_written_in_one_form),
        cmocka_unit_test(test_address__of_a_socket_has_no_port_and_no_mapping),
        cmocka_unit_test(test_network__holds_what_shares_its_prefix),
        cmocka_unit_test(test_forwarded__a_list_with_a_mistake_is_named),
        cmocka_unit_test(test_forwarded__a_list_has_an_end),
        cmocka_unit_test(test_forwarded__a_stranger_is_not_believed),
        cmocka_unit_test(test_forwarded__the_rightmost_stranger_is_the_client),
        cmocka_unit_test(test_forwarded__what_is_not_understood_ends_the_walk),
        cmocka_unit_test(test_forwarded__only_the_whole_word_is_https),
        cmocka_unit_test(test_forwarded__a_header_without_end_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
