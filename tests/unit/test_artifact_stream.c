/* What goes over a channel of kind `artifacts`: read whatever the pieces are, refused with a sentence when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/agent_artifacts.h"

#define STORY_BYTES 8192

static const struct artifact_limits limits = {.file_bytes = 1000, .run_bytes = 1500, .files = 3};

static void tell(char *story, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(char *story, const char *fmt, ...)
{
    size_t n = strlen(story);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(story + n, STORY_BYTES - n, fmt, ap);
    va_end(ap);
}

/* Read it in pieces: the first `cut` bytes, then the rest, or (cut 0) byte by byte. Bytes of a file are told as one. */
static void read_all(const char *text, size_t len, size_t cut, char *story)
{
    struct artifact_reader r;
    bool in_bytes = false;

    story[0] = '\0';
    artifact_reader_init(&r, &limits);
    for (size_t at = 0; at < len;) {
        size_t n = cut == 0 ? 1 : at == 0 && cut < len ? cut : len - at;
        struct slice in = {text + at, n};
        enum artifact_step step;

        while ((step = artifact_read(&r, &in)) != ARTIFACT_MORE) {
            if (step == ARTIFACT_FILE)
                tell(story, "%s%s %d %lld", story[0] != '\0' ? "|" : "", r.path, (int)r.size,
                     (long long)r.mtime_ms);
            if (step == ARTIFACT_BYTES)
                tell(story, "%s%.*s", in_bytes ? "" : ":", (int)r.bytes.len, r.bytes.ptr);
            in_bytes = step == ARTIFACT_BYTES;
            if (step == ARTIFACT_END) {
                tell(story, "|end %u", r.skipped);
                if (in.len == 0)
                    break;
            }
            if (step == ARTIFACT_BAD) {
                tell(story, "!%s %s", err_name(r.why.code), r.why.text);
                return;
            }
        }
        at += n;
    }
}

static void expect(const char *text, size_t len, const char *want)
{
    char story[STORY_BYTES];

    for (size_t cut = 0; cut <= len; cut++) {
        read_all(text, len, cut, story);
        if (strcmp(story, want) != 0)
            fail_msg("cut at %zu:\n%s\nand not\n%s", cut, story, want);
    }
}

static void expect_text(const char *text, const char *want)
{
    expect(text, strlen(text), want);
}

static void test_artifact_stream__is_read_whatever_the_pieces_are(void **state)
{
    (void)state;
    expect_text("file 5 1700000000123 5\na.pnghallofile 0 -1 3\nb/cfile 3 0 3\nd\xc3\xa4"
                "a\nbend 2\n",
                "a.png 5 1700000000123:hallo|b/c 0 0|d\xc3\xa4 3 0:a\nb|end 2");
    expect_text("end 0\n", "|end 0");
    expect_text("file 0 999999999999999999 1\naend 4294967295\n", "a 0 253402300799999|end 4294967295");
}

/* What is cut off is neither whole nor wrong: it says nothing more. */
static void test_artifact_stream__the_end_is_only_said_by_the_end(void **state)
{
    static const char text[] = "file 5 1 5\na.pnghalloend 2\n";
    char story[STORY_BYTES];

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        read_all(text, len, 0, story);
        assert_null(strstr(story, "end"));
        assert_null(strchr(story, '!'));
    }
}

static void test_artifact_stream__lines_that_are_none_are_refused(void **state)
{
    static const char *const lines[] = {
        "x",
        "\n",
        "file\n",
        "file 1\n",
        "file 1 2\n",
        "file 1 2 \n",
        "file 1 2 0\n",
        "file 1 2 1025\n",
        "file -1 2 1\n",
        "file +1 2 1\n",
        "file 0x1 2 1\n",
        "file 1  2 1\n",
        "file 1 2 1 \n",
        "file 1 --2 1\n",
        "file 1 2 1\r\n",
        "file 9999999999999999999 2 1\n",
        "file 1 9999999999999999999 1\n",
        "file 1 2 99999999999999999999999999\n",
        "FILE 1 2 1\n",
        "end 1 \n",
        "end -1\n",
        "end 4294967296\n",
        "end \n",
        "end 1 1\n",
        "file 1111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
    };
    char story[STORY_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char text[160];
        bool is_whole = strchr(lines[i], '\n') != NULL;

        (void)snprintf(text, sizeof(text), "%s%s", lines[i], is_whole ? "" : "\n");
        read_all(text, strlen(text), 0, story);
        if (strncmp(story, "!PROTO ", 7) != 0)
            fail_msg("'%s' was read as '%s'", lines[i], story);
    }
    expect_text("end 0\nx", "|end 0!PROTO bytes after the end");
}

static void test_artifact_stream__bounds_are_kept(void **state)
{
    char big[2000];
    char story[STORY_BYTES];

    (void)state;
    expect_text("file 1001 1 1\na", "!LIMIT a file of the run is larger than is kept");
    expect_text("file 0 1 1\nafile 0 1 1\nbfile 0 1 1\ncfile 0 1 1\nd",
                "a 0 1|b 0 1|c 0 1!LIMIT the run left more files than are kept of one");
    (void)snprintf(big, sizeof(big), "file 1000 1 1\na%01000dfile 501 1 1\nb", 7);
    read_all(big, strlen(big), 0, story);
    assert_non_null(strstr(story, "!LIMIT the files of the run are larger together than is kept of one"));
    *strstr(big, "501") = '4'; /* 401 fit */
    read_all(big, strlen(big), 0, story);
    assert_null(strchr(story, '!'));
}

static void test_artifact_stream__files_come_once_and_in_order(void **state)
{
    (void)state;
    expect_text("file 0 1 1\nbfile 0 1 1\nb",
                "b 0 1!PROTO the files do not come in the order of their names");
    expect_text("file 0 1 1\nbfile 0 1 2\nab",
                "b 0 1!PROTO the files do not come in the order of their names");
    expect_text("file 0 1 1\nbfile 0 1 2\nba", "b 0 1|ba 0 1");
}

static void test_artifact_stream__names_that_lead_astray_are_refused(void **state)
{
    static const struct {
        const char *path;
        const char *why;
    } names[] = {
        {"/etc/passwd", "is absolute, or has an empty part"},
        {"..", "'..'"},
        {"../x", "'..'"},
        {"a/../b", "'..'"},
        {"a/..", "'..'"},
        {"./a", "'.'"},
        {"a/.", "'.'"},
        {"a//b", "empty part"},
        {"a/", "empty part"},
        {"a\nb", "control characters"},
        {"a\x1b[2J", "control characters"},
        {"a\x7f", "control characters"},
        {"a\xc2\x9b"
         "2J",
         "control characters"},
        {"a\xe2\x80\xa8", "control characters"},
        {"a\xff", "is not UTF-8"},
        {"a\xc3", "is not UTF-8"},
        {"a\xed\xa0\x80", "is not UTF-8"},
        {"\xc0\xaf", "is not UTF-8"},
    };
    char text[200];
    char story[STORY_BYTES];
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int n = snprintf(text, sizeof(text), "file 0 1 %zu\n%s", strlen(names[i].path), names[i].path);

        read_all(text, (size_t)n, 0, story);
        if (strncmp(story, "!PROTO ", 7) != 0 || strstr(story, names[i].why) == NULL)
            fail_msg("name %zu was read as '%s'", i, story);
        assert_int_equal(artifact_path_check(slice_of(names[i].path), &why), ERR_INVALID);
    }
    expect("file 0 1 2\na\0", 13, "!PROTO a NUL in a name");
    assert_int_equal(artifact_path_check(SLICE(""), &why), ERR_INVALID);
    assert_int_equal(artifact_path_check(SLICE("...a/b c/.hidden/\xe2\x82\xac \\ 'x'"), &why), ERR_OK);
}

static void test_artifact_stream__a_name_may_have_1024_bytes(void **state)
{
    char text[1100];
    char story[STORY_BYTES];
    int head = snprintf(text, sizeof(text), "file 0 1 1024\n");

    (void)state;
    memset(text + head, 'n', 1024);
    read_all(text, (size_t)head + 1024, 0, story);
    assert_int_equal(strlen(story), 1024 + strlen(" 0 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_artifact_stream__is_read_whatever_the_pieces_are),
        cmocka_unit_test(test_artifact_stream__the_end_is_only_said_by_the_end),
        cmocka_unit_test(test_artifact_stream__lines_that_are_none_are_refused),
        cmocka_unit_test(test_artifact_stream__bounds_are_kept),
        cmocka_unit_test(test_artifact_stream__files_come_once_and_in_order),
        cmocka_unit_test(test_artifact_stream__names_that_lead_astray_are_refused),
        cmocka_unit_test(test_artifact_stream__a_name_may_have_1024_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
