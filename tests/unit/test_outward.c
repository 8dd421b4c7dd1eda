/* test_outward.c - where hooks may lead, and how what they are sent is signed. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/hook.h"
#include "net/hook_sign.h"
#include "net/outward.h"

static const char *fault(const struct outward *o, const char *text, bool is_plain)
{
    struct address a;

    if (!address_read(slice_of(text), &a))
        fail_msg("no address: %s", text);
    return outward_fault(o, &a, is_plain);
}

static void test_outward__only_the_internet_may_be_reached(void **state)
{
    static const char *const inside[] = {"0.0.0.0",
                                         "0.1.2.3",
                                         "10.0.0.1",
                                         "10.255.255.255",
                                         "100.64.0.1",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.254",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.255.255",
                                         "192.0.0.8",
                                         "192.0.2.1",
                                         "192.88.99.1",
                                         "192.168.0.1",
                                         "198.18.0.1",
                                         "198.19.255.255",
                                         "198.51.100.7",
                                         "203.0.113.9",
                                         "224.0.0.1",
                                         "239.1.1.1",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:10.0.0.1",
                                         "::127.0.0.1",
                                         "64:ff9b::7f00:1",
                                         "64:ff9b:1::1",
                                         "100::1",
                                         "2001::1",
                                         "2001:0:1::1",
                                         "2001:db8::1",
                                         "2002:7f00:1::",
                                         "3fff::1",
                                         "fc00::1",
                                         "fd12:3456::1",
                                         "fe80::1",
                                         "fec0::1",
                                         "ff02::1",
                                         "4000::1"};
    static const char *const outside[] = {
        "1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "128.0.0.1",       "169.253.255.255", "172.15.255.255",  "172.32.0.0",
        "192.0.1.1",       "192.167.255.255", "192.169.0.0",     "198.17.255.255",  "198.20.0.0",
        "223.255.255.255", "::ffff:8.8.8.8",  "2001:200::1",     "2606:4700::1111", "2a00:1450::1"};
    struct outward *o;
    struct why why;

    (void)state;
    assert_int_equal(outward_parse("", &o, &why), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (fault(o, inside[i], false) == NULL)
            fail_msg("%s may be reached", inside[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        if (fault(o, outside[i], false) != NULL)
            fail_msg("%s may not be reached", outside[i]);
        if (fault(o, outside[i], true) == NULL)
            fail_msg("%s may be reached without TLS", outside[i]);
    }
    outward_free(o);
}

static void test_outward__networks_that_are_named_may_be_reached_also_plainly(void **state)
{
    struct outward *o;
    struct why why;

    (void)state;
    assert_int_equal(outward_parse(" 10.1.0.0/16, 127.0.0.1 ,fd00:1::/32", &o, &why), ERR_OK);
    assert_null(fault(o, "10.1.2.3", true));
    assert_null(fault(o, "127.0.0.1", true));
    assert_null(fault(o, "::ffff:127.0.0.1", false));
    assert_null(fault(o, "fd00:1::7", false));
    assert_non_null(fault(o, "10.2.0.1", false));
    assert_non_null(fault(o, "127.0.0.2", false));
    assert_non_null(fault(o, "fd00:2::7", false));
    outward_free(o);
    assert_int_equal(outward_parse("10.1.2.3/8", &o, &why), ERR_INVALID);
    assert_int_equal(outward_parse("everywhere", &o, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "everywhere"));
}

static void test_outward__a_socket_without_an_address_is_refused(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr odd = {.sa_family = AF_UNIX};
    struct outward *o;
    struct why why;

    (void)state;
    assert_int_equal(outward_parse("", &o, &why), ERR_OK);
    in.sin_addr.s_addr = htonl(0x7f000001);
    assert_non_null(outward_fault_of_socket(o, (const struct sockaddr *)&in, false));
    in.sin_addr.s_addr = htonl(0x01010101);
    assert_null(outward_fault_of_socket(o, (const struct sockaddr *)&in, false));
    assert_non_null(outward_fault_of_socket(o, &odd, false));
    outward_free(o);
}

/* The vector of the standard's own libraries. */
static void test_sign__is_that_of_standard_webhooks(void **state)
{
    char out[HOOK_SIGNATURE_BYTES];
    struct why why;

    (void)state;
    assert_int_equal(hook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                               1614265330, slice_of("{\"test\": 2432232314}"), out, &why),
                     ERR_OK);
    assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void test_sign__a_secret_is_new_each_time_and_a_damaged_one_is_refused(void **state)
{
    char a[HOOK_SECRET_BYTES];
    char b[HOOK_SECRET_BYTES];
    char out[HOOK_SIGNATURE_BYTES];
    struct why why;

    (void)state;
    hook_secret_make(a);
    hook_secret_make(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 6 + 44);
    assert_int_equal(hook_sign(a, "msg_1", 1, slice_of(""), out, &why), ERR_OK);
    assert_int_equal(hook_sign("whsec_", "msg_1", 1, slice_of(""), out, &why), ERR_INVALID);
    assert_int_equal(hook_sign("whsec_%%%", "msg_1", 1, slice_of(""), out, &why), ERR_INVALID);
    assert_int_equal(hook_sign(a + 1, "msg_1", 1, slice_of(""), out, &why), ERR_INVALID);
}

static void test_hook__names_of_repositories(void **state)
{
    static const char *const wrong[] = {"",     "a",    "/",      "a/",    "/b",   "a/b/c",   "a b/c",
                                        "../b", "a/..", "a/.git", "a/b?x", "a/b#", "a%2fb/c", "ä/b"};

    (void)state;
    assert_null(hook_repository_fault("ONLYOFFICE/testing-project"));
    assert_null(hook_repository_fault("a.b-c_d/e.f"));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (hook_repository_fault(wrong[i]) == NULL)
            fail_msg("'%s' is fine", wrong[i]);
    }
}

static void test_hook__who_hears_of_what(void **state)
{
    struct hook_row h = {
        .user = {7}, .kinds = 1u << HOOK_KIND_LAUNCH_ENDED | 1u << HOOK_KIND_ERROR, .is_enabled = true};
    struct hook_event ev = {.kind = HOOK_KIND_LAUNCH_ENDED, .user = {7}, .project = {3}};

    (void)state;
    assert_true(hook_wants(&h, &ev));
    ev.user.v = 8;
    assert_false(hook_wants(&h, &ev));
    h.is_all = true;
    assert_true(hook_wants(&h, &ev));
    h.project.v = 4;
    assert_false(hook_wants(&h, &ev));
    h.project.v = 3;
    ev.kind = HOOK_KIND_LAUNCH_STARTED;
    assert_false(hook_wants(&h, &ev));
    ev.kind = HOOK_KIND_LAUNCH_ENDED;
    h.is_enabled = false;
    assert_false(hook_wants(&h, &ev));
    h = (struct hook_row){.user = {0}, .kinds = 1u << HOOK_KIND_ERROR, .is_enabled = true};
    assert_false(
        hook_wants(&h, &(struct hook_event){.kind = HOOK_KIND_ERROR})); /* nobody's is for hooks of all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outward__only_the_internet_may_be_reached),
        cmocka_unit_test(test_outward__networks_that_are_named_may_be_reached_also_plainly),
        cmocka_unit_test(test_outward__a_socket_without_an_address_is_refused),
        cmocka_unit_test(test_sign__is_that_of_standard_webhooks),
        cmocka_unit_test(test_sign__a_secret_is_new_each_time_and_a_damaged_one_is_refused),
        cmocka_unit_test(test_hook__names_of_repositories),
        cmocka_unit_test(test_hook__who_hears_of_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
