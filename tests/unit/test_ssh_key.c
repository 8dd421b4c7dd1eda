/* test_ssh_key.c - keys made here are read by OpenSSH, and by a server of it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/ssh_key.h"

static const uint8_t seed_of_ones[SSH_KEY_SEED_BYTES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static char folder[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/wrata-ssh-key-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

/* What a command says, in the folder. */
static const char *said(const char *script)
{
    static char out[4096];
    char command[1024];
    size_t n;
    FILE *f;

    (void)snprintf(command, sizeof(command), "cd '%s' && { %s; } 2>&1", folder, script);
    f = popen(command, "r");
    assert_non_null(f);
    n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = '\0';
    (void)pclose(f);
    return out;
}

static void test_ssh_key__openssh_reads_the_private_file_and_finds_the_public_line(void **state)
{
    static const char *const comments[] = {"", "a", "web-1", "wrata 0123456789abcdef server 17 create 4711",
                                           "1234567"};
    struct ssh_key k;
    char expected[SSH_KEY_PUBLIC_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(comments); i++) {
        uint8_t seed[SSH_KEY_SEED_BYTES];

        ssh_key_new_seed(seed);
        ssh_key_from_seed(seed, comments[i], &k);
        assert_true(ssh_key_is_public_line(k.public_line));
        write_file("key", k.private_file);
        (void)snprintf(expected, sizeof(expected), "%s\n", k.public_line);
        assert_string_equal(said("ssh-keygen -y -f key"), expected);
        write_file("key.pub", k.public_line);
        assert_non_null(strstr(said("ssh-keygen -l -f key.pub"), "ED25519"));
    }
    ssh_key_done(&k);
    assert_int_equal(k.private_file[0], 0);
}

static void test_ssh_key__the_same_seed_gives_the_same_key(void **state)
{
    struct ssh_key a;
    struct ssh_key b;

    (void)state;
    ssh_key_from_seed(seed_of_ones, "x", &a);
    ssh_key_from_seed(seed_of_ones, "x", &b);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_string_equal(a.private_file, b.private_file);
    /* RFC 8032 keys of this seed, as any other program would make them. */
    assert_string_equal(a.public_line,
                        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c x");
}

static void test_ssh_key__a_signature_of_it_is_verified_by_ssh_keygen(void **state)
{
    struct ssh_key k;
    char allowed[SSH_KEY_PUBLIC_BYTES + 16];
    uint8_t seed[SSH_KEY_SEED_BYTES];

    (void)state;
    ssh_key_new_seed(seed);
    ssh_key_from_seed(seed, "", &k);
    write_file("key", k.private_file);
    (void)snprintf(allowed, sizeof(allowed), "me %s\n", k.public_line);
    write_file("allowed", allowed);
    write_file("text", "hello");
    (void)said(
        "rm -f key.pub text.sig; ssh-keygen -y -f key >key.pub; ssh-keygen -q -Y sign -f key -n file text");
    assert_string_equal(
        said("ssh-keygen -q -Y verify -f allowed -I me -n file -s text.sig <text && echo good"), "good\n");
}

static void test_ssh_key__public_lines_are_told_from_what_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c", /* says another type inside */
        "command=\"x\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c a\nssh-ed25519 "
        "AAAA",
        "ssh-ed25519 !!!!",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    };

    (void)state;
    assert_true(ssh_key_is_public_line(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"));
    assert_true(ssh_key_is_public_line(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c two words"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (ssh_key_is_public_line(bad[i]))
            fail_msg("'%s' is taken for a public key", bad[i]);
    }
}

static void test_ssh_key__the_public_half_is_found_in_files_of_every_type(void **state)
{
    static const char *const types[] = {"-t ed25519", "-t rsa -b 2048", "-t ecdsa -b 384"};
    char command[256];
    struct buf out;
    struct why why;

    (void)state;
    buf_init(&out, KIB(16));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct ssh_key ours;
        char *file;
        char expected[4096];

        (void)snprintf(command, sizeof(command), "rm -f k k.pub; ssh-keygen -q %s -N '' -C '' -f k",
                       types[i]);
        (void)said(command);
        (void)snprintf(expected, sizeof(expected), "%s",
                       said("ssh-keygen -y -f k | cut -d' ' -f1,2 | tr -d '\\n'"));
        file = xstrdup(said("cat k"));
        buf_clear(&out);
        assert_int_equal(ssh_key_public_of(slice_of(file), &out, &why), ERR_OK);
        assert_string_equal(buf_str(&out), expected);
        assert_true(ssh_key_is_public_line(buf_str(&out)));
        free(file);
        ssh_key_from_seed(seed_of_ones, "", &ours);
        buf_clear(&out);
        assert_int_equal(ssh_key_public_of(slice_of(ours.private_file), &out, &why), ERR_OK);
        assert_string_equal(buf_str(&out), ours.public_line);
    }
    buf_done(&out);
}

static void test_ssh_key__files_that_cannot_be_used_say_why(void **state)
{
    static const struct {
        const char *make;
        const char *says;
    } cases[] = {
        {"ssh-keygen -q -t ed25519 -N secret -f k", "passphrase"},
        {"ssh-keygen -q -t rsa -m PEM -N '' -f k", "older form"},
        {"echo hello >k", "no private key"},
        {": >k", "no private key"},
        {"ssh-keygen -q -t ed25519 -N '' -f k; sed -i 3d k", "broken"},
        {"printf '%s\\n%s\\n' '-----BEGIN OPENSSH PRIVATE KEY-----' '-----END OPENSSH PRIVATE KEY-----' >k",
         "broken"},
    };
    char command[256];
    struct buf out;
    struct why why;

    (void)state;
    buf_init(&out, KIB(16));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(command, sizeof(command), "rm -f k k.pub; %s", cases[i].make);
        (void)said(command);
        assert_int_equal(ssh_key_public_of(slice_of(said("cat k")), &out, &why), ERR_INVALID);
        if (strstr(why.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].make, why.text);
        assert_int_equal(out.len, 0);
    }
    buf_done(&out);
}

static void test_ssh_key__known_hosts_lines_are_found_by_ssh_keygen(void **state)
{
    struct ssh_key k;
    struct buf out;
    struct why why;

    (void)state;
    ssh_key_from_seed(seed_of_ones, "x", &k);
    buf_init(&out, KIB(4));
    assert_int_equal(ssh_known_host("10.0.0.1", 22, k.public_line, &out, &why), ERR_OK);
    assert_int_equal(ssh_known_host("2001:db8::1", 0, k.public_line, &out, &why), ERR_OK);
    assert_int_equal(ssh_known_host("web-1.example.org", 2222, k.public_line, &out, &why), ERR_OK);
    write_file("known", buf_str(&out));
    assert_non_null(strstr(said("ssh-keygen -F 10.0.0.1 -f known"), "ssh-ed25519"));
    assert_non_null(strstr(said("ssh-keygen -F 2001:db8::1 -f known"), "ssh-ed25519"));
    assert_non_null(strstr(said("ssh-keygen -F '[web-1.example.org]:2222' -f known"), "ssh-ed25519"));
    assert_string_equal(said("ssh-keygen -F web-1.example.org -f known"), "");
    buf_done(&out);
}

static void test_ssh_key__what_would_be_a_pattern_is_no_known_host(void **state)
{
    static const char *const bad[] = {"",  "*", "a,b", "a b", "!a", "|1|x", "a\nb", "[a]", "@cert-authority",
                                      "-a"};
    struct ssh_key k;
    struct buf out;
    struct why why;

    (void)state;
    ssh_key_from_seed(seed_of_ones, "", &k);
    buf_init(&out, KIB(4));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(ssh_known_host(bad[i], 22, k.public_line, &out, &why), ERR_INVALID);
        assert_string_equal(why.field, "address");
    }
    assert_int_equal(ssh_known_host("a", 65536, k.public_line, &out, &why), ERR_INVALID);
    assert_string_equal(why.field, "port");
    assert_int_equal(ssh_known_host("a", 22, "ssh-ed25519 AAAA", &out, &why), ERR_INVALID);
    assert_string_equal(why.field, "host_key");
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_key__openssh_reads_the_private_file_and_finds_the_public_line),
        cmocka_unit_test(test_ssh_key__the_same_seed_gives_the_same_key),
        cmocka_unit_test(test_ssh_key__a_signature_of_it_is_verified_by_ssh_keygen),
        cmocka_unit_test(test_ssh_key__public_lines_are_told_from_what_is_none),
        cmocka_unit_test(test_ssh_key__the_public_half_is_found_in_files_of_every_type),
        cmocka_unit_test(test_ssh_key__files_that_cannot_be_used_say_why),
        cmocka_unit_test(test_ssh_key__known_hosts_lines_are_found_by_ssh_keygen),
        cmocka_unit_test(test_ssh_key__what_would_be_a_pattern_is_no_known_host),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
