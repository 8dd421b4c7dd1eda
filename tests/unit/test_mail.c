/* test_mail.c - what wrata writes in a mail, byte for byte, and which addresses and subjects it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/mail.h"
#include "notify/mime.h"
#include "notify/template.h"

static struct buf built;

static const char *build(const struct mime *m)
{
    buf_done(&built);
    buf_init(&built, MIME_BYTES_MAX);
    mime_write(m, &built);
    return buf_str(&built);
}

static const struct mime plain = {.from = "wrata@ci.example.org",
                                  .to = "mira@example.org",
                                  .subject = "Hello",
                                  .text = "one\ntwo\n",
                                  .html = "",
                                  .message_id = "wrata.1@ci.example.org",
                                  .date = {1795400593000}};

/* Every line as SMTP and MIME want it, whatever was in the mail. */
static void assert_lines(const char *s)
{
    size_t n = strlen(s);
    size_t column = 0;

    assert_true(n >= 2 && strcmp(s + n - 2, "\r\n") == 0);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\r') {
            assert_int_equal(s[i + 1], '\n');
            column = 0;
            i++;
            continue;
        }
        assert_in_range((unsigned char)s[i], 0x20, 0x7e);
        assert_false(column == 0 && s[i] == '.');
        column++;
        assert_true(column <= 78 || strncmp(s + i + 1 - column, "From: ", 6) == 0);
    }
}

static void test_mime__a_plain_mail_is_these_bytes(void **state)
{
    (void)state;
    assert_string_equal(build(&plain), "Date: Mon, 23 Nov 2026 02:23:13 +0000\r\n"
                                       "From: wrata@ci.example.org\r\n"
                                       "To: mira@example.org\r\n"
                                       "Subject: Hello\r\n"
                                       "Message-ID: <wrata.1@ci.example.org>\r\n"
                                       "Auto-Submitted: auto-generated\r\n"
                                       "MIME-Version: 1.0\r\n"
                                       "Content-Type: text/plain; charset=utf-8\r\n"
                                       "Content-Transfer-Encoding: quoted-printable\r\n"
                                       "\r\n"
                                       "one\r\n"
                                       "two\r\n");
}

static void test_mime__two_bodies_are_alternatives(void **state)
{
    struct mime m = plain;
    const char *s;

    (void)state;
    m.html = "<p>one</p>";
    s = build(&m);
    assert_non_null(strstr(s, "Content-Type: multipart/alternative; boundary=\"=_wrata_part\"\r\n\r\n"
                              "--=_wrata_part\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(s, "two\r\n--=_wrata_part\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(s, "<p>one</p>\r\n--=_wrata_part--\r\n"));
    assert_lines(s);
}

static void test_mime__bodies_cannot_leave_their_place(void **state)
{
    struct mime m = plain;
    const char *s;

    (void)state;
    m.text = ".\r\nQUIT\n..\nFrom here\n--=_wrata_part--\nend \t\nr\rm\n\x01\x7f\nau\xc3\x9f";
    m.html = ".";
    s = build(&m);
    assert_lines(s);
    assert_non_null(strstr(s, "\r\n=2E\r\nQUIT\r\n=2E.\r\n=46rom here\r\n--=3D_wrata_part--\r\nend =09\r\n"
                              "r=0Dm\r\n=01=7F\r\nau=C3=9F\r\n"));
}

static void test_mime__long_lines_are_cut_softly(void **state)
{
    static char text[MAIL_BYTES_MAX];
    struct mime m = plain;

    (void)state;
    memset(text, '.', sizeof(text) - 1);
    m.text = text;
    assert_lines(build(&m));
    memset(text, 0xff, sizeof(text) - 1); /* the most that one byte can become */
    assert_lines(build(&m));
    memset(text, '\n', sizeof(text) - 1);
    assert_lines(build(&m));
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        text[i] = "a b"[i % 3];
    assert_lines(build(&m));
}

static void test_mime__subjects_are_encoded_words_of_whole_characters(void **state)
{
    static char subject[MAIL_SUBJECT_BYTES_MAX + 1];
    struct mime m = plain;
    const char *s;

    (void)state;
    m.subject = "Gr\xc3\xbc\xc3\x9f"
                "e";
    assert_non_null(strstr(build(&m), "\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
    m.subject = "=?UTF-8?B?AAAA?="; /* would be read as another one */
    assert_non_null(strstr(build(&m), "\r\nSubject: =?UTF-8?B?PT9VVEYtOD9CP0FBQUE/PQ==?=\r\n"));
    for (size_t i = 0; i + 3 < sizeof(subject); i += 3)
        memcpy(subject + i, "\xe2\x82\xac", 3); /* euro signs: 42 bytes are 14 of them */
    m.subject = subject;
    s = build(&m);
    assert_lines(s);
    assert_non_null(strstr(s, "4oKs4oKs?=\r\n =?UTF-8?B?4oKs"));
}

static void test_mime__wrong_addresses_are_refused(void **state)
{
    static const char *const good[] = {"qa@example.org", "a.b+c=d@sub.example.org", "root@localhost",
                                       "x@[192.0.2.1]"};
    static const char *const bad[] = {"",
                                      "qa",
                                      "@example.org",
                                      "qa@",
                                      "a@b@c",
                                      "a b@c",
                                      "a@b c",
                                      "a@b\r\n",
                                      "a@b\nBcc:c",
                                      "a@b>,<c@d",
                                      "\"a\"@b",
                                      "a,b@c",
                                      "<a@b>",
                                      "a@b;",
                                      "\xc3\xbc@b",
                                      "a@b\t",
                                      "a@b\x01",
                                      "a(c)@b",
                                      "a@b\r\nRCPT TO:<c@d>",
                                      "a@b/../c"};
    static char longest[400];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_null(mime_wrong_address(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (mime_wrong_address(bad[i]) == NULL)
            fail_msg("'%s' is taken for an address", bad[i]);
    memset(longest, 'a', sizeof(longest) - 1);
    memcpy(longest + 100, "@", 1);
    assert_non_null(mime_wrong_address(longest));
    longest[254] = '\0';
    assert_null(mime_wrong_address(longest));
}

static void test_mime__wrong_subjects_are_refused(void **state)
{
    static char longest[MAIL_SUBJECT_BYTES_MAX + 2];

    (void)state;
    memset(longest, 'a', sizeof(longest) - 1);
    assert_non_null(mime_wrong_subject(longest));
    longest[MAIL_SUBJECT_BYTES_MAX] = '\0';
    assert_null(mime_wrong_subject(longest));
    assert_non_null(mime_wrong_subject(""));
    assert_non_null(mime_wrong_subject("a\r\nBcc: b@c"));
    assert_non_null(mime_wrong_subject("a\nb"));
    assert_non_null(mime_wrong_subject("a\x7f"));
    assert_non_null(mime_wrong_subject("a\xff"));
}

/* ---- templates ---- */

static const struct template_value values[] = {{"site", "ci.example.org"},
                                               {"login", "<b>'\"&"},
                                               {"url", "https://ci.example.org/welcome#a&b"},
                                               {"until", "2026-11-25 07:50 UTC"},
                                               {"base", "https://ci.example.org"},
                                               {"outcome", "failed"},
                                               {"head", "launch 12 at ci.example.org"},
                                               {"what", "docs <b>'develop"},
                                               {"facts", "Files: 3"},
                                               {"failures", "a_spec.rb <b>'"},
                                               {"change", "--mail-launches never"},
                                               {"count", "4"},
                                               {"means", "It is so."},
                                               {"option", "mail-launches never"},
                                               {"details", "launch 12: <b>'"}};

static enum err render(const char *kind, size_t n_values, struct buf *three, struct why *why)
{
    for (int i = 0; i < 3; i++)
        buf_init(&three[i], KIB(64));
    return template_render(kind, values, n_values, &three[0], &three[1], &three[2], why);
}

static void done(struct buf *three)
{
    for (int i = 0; i < 3; i++)
        buf_done(&three[i]);
}

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i], s) == 0)
            return true;
    }
    return false;
}

static void test_template__all_of_them_render(void **state)
{
    static const char *const kinds[] = {"confirm",  "email_changed", "hook",     "invite",
                                        "launch",   "launches",      "password", "reset",
                                        "schedule", "test",          "trouble",  "verified"};
    static const char *const without_site[] = {"email_changed", "launches", "password"}; /* in the subject */
    struct buf three[3];
    struct why why = {0};

    (void)state;
    assert_int_equal(mail_templates_count, ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_string_equal(mail_templates[i].kind, kinds[i]);
        if (render(kinds[i], ARRAY_LEN(values), three, &why) != ERR_OK)
            fail_msg("%s", why.text);
        assert_null(mime_wrong_subject(buf_str(&three[0])));
        assert_true(three[2].len > 0);
        for (int k = 0; k < 3; k++) {
            assert_null(strstr(buf_str(&three[k]), "{{"));
            assert_null(strstr(buf_str(&three[k]), "}}"));
            if (k > 0 || !is_one_of(kinds[i], without_site, ARRAY_LEN(without_site)))
                assert_non_null(strstr(buf_str(&three[k]), "ci.example.org"));
        }
        assert_null(strstr(buf_str(&three[2]), "<b>'"));
        done(three);
    }
}

static void test_template__html_is_escaped_and_text_is_not(void **state)
{
    struct buf three[3];
    struct why why = {0};

    (void)state;
    assert_int_equal(render("reset", ARRAY_LEN(values), three, &why), ERR_OK);
    assert_non_null(strstr(buf_str(&three[1]), "Hello <b>'\"&,\n"));
    assert_non_null(strstr(buf_str(&three[1]), "\nhttps://ci.example.org/welcome#a&b\n"));
    assert_non_null(strstr(buf_str(&three[2]), "Hello &lt;b&gt;&#39;&quot;&amp;,"));
    assert_non_null(strstr(buf_str(&three[2]), "href=\"https://ci.example.org/welcome#a&amp;b\""));
    done(three);
}

static void test_template__a_hole_is_an_error(void **state)
{
    struct buf three[3];
    struct why why = {0};

    (void)state;
    assert_int_equal(render("reset", 2, three, &why), ERR_INVALID);
    assert_string_equal(why.text, "template reset: {{url}} has no value");
    done(three);
    assert_int_equal(render("resett", 3, three, &why), ERR_NOTFOUND);
    done(three);
}

static void test_template__a_value_breaks_no_subject(void **state)
{
    static const struct template_value evil[] = {{"site", "x\r\nBcc: a@b"}};
    struct buf three[3];
    struct why why = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        buf_init(&three[i], KIB(64));
    assert_int_equal(template_render("test", evil, 1, &three[0], &three[1], &three[2], &why), ERR_INVALID);
    assert_string_equal(why.field, "subject");
    done(three);
}

static int free_built(void **state)
{
    (void)state;
    buf_done(&built);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mime__a_plain_mail_is_these_bytes),
        cmocka_unit_test(test_mime__two_bodies_are_alternatives),
        cmocka_unit_test(test_mime__bodies_cannot_leave_their_place),
        cmocka_unit_test(test_mime__long_lines_are_cut_softly),
        cmocka_unit_test(test_mime__subjects_are_encoded_words_of_whole_characters),
        cmocka_unit_test(test_mime__wrong_addresses_are_refused),
        cmocka_unit_test(test_mime__wrong_subjects_are_refused),
        cmocka_unit_test(test_template__all_of_them_render),
        cmocka_unit_test(test_template__html_is_escaped_and_text_is_not),
        cmocka_unit_test(test_template__a_hole_is_an_error),
        cmocka_unit_test(test_template__a_value_breaks_no_subject),
    };

    return cmocka_run_group_tests(tests, NULL, free_built);
}
