/* test_zip.c - our zip files, as Python's zipfile reads them: names, times, what is larger than 4 GiB, more than 65,535 files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "api/zip.h"
#include "net/http_range.h"

#define T0 INT64_C(1700000001000)

struct world {
    char path[64];
    int fd;
    uint64_t at;
    struct buf entries;
    uint64_t n;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    (void)snprintf(w->path, sizeof(w->path), "/tmp/wrata-zip-XXXXXX");
    w->fd = mkstemp(w->path);
    assert_true(w->fd >= 0);
    buf_init(&w->entries, MIB(64));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    (void)close(w->fd);
    (void)unlink(w->path);
    buf_done(&w->entries);
    free(w);
    return 0;
}

static void put(struct world *w, const void *bytes, size_t n)
{
    assert_int_equal(pwrite(w->fd, bytes, n, (off_t)w->at), n);
    w->at += n;
}

static void put_buf(struct world *w, struct buf *b)
{
    put(w, b->data, b->len);
    buf_done(b);
}

/* A file whose bytes are `text`, and behind them so many zeros that it has `bytes`: a hole. */
static void add(struct world *w, const char *name, const char *text, uint64_t bytes, uint32_t crc)
{
    struct zip_file f = {.name = name, .bytes = bytes, .crc = crc, .mtime_ms = T0, .at = w->at};
    struct buf b;

    buf_init(&b, ZIP_PART_BYTES_MAX);
    zip_local(&b, &f);
    put_buf(w, &b);
    put(w, text, strlen(text));
    w->at += bytes - strlen(text);
    zip_entry(&w->entries, &f);
    w->n++;
}

static void add_text(struct world *w, const char *name, const char *text)
{
    add(w, name, text, strlen(text), (uint32_t)crc32(0, (const Bytef *)text, (uInt)strlen(text)));
}

static void finish(struct world *w)
{
    uint64_t dir_at = w->at;
    struct buf b;

    put(w, w->entries.data, w->entries.len);
    buf_init(&b, ZIP_PART_BYTES_MAX);
    zip_end(&b, w->n, dir_at, w->entries.len);
    put_buf(w, &b);
}

/* Run a piece of Python with the zip as `z`; it fails by an assertion. */
static void python(const struct world *w, const char *code)
{
    char text[4096];
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        (void)snprintf(text, sizeof(text), "import zipfile\nz = zipfile.ZipFile('%s')\n%s", w->path, code);
        (void)execl("/usr/bin/python3", "python3", "-c", text, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_zip__small_files_are_read_as_they_were(void **state)
{
    struct world *w = *state;

    add_text(w, "a.txt", "hello");
    add_text(w, "345-a_spec.rb/gro\xc3\x9f \xe2\x82\xac.png", "x");
    add_text(w, "empty", "");
    finish(w);
    python(w,
           "assert z.testzip() is None\n"
           "assert z.namelist() == ['a.txt', '345-a_spec.rb/gro\\u00df \\u20ac.png', 'empty'], z.namelist()\n"
           "assert [z.read(n) for n in z.namelist()] == [b'hello', b'x', b'']\n"
           "i = z.infolist()[0]\n"
           "assert i.date_time == (2023, 11, 14, 22, 13, 20), i.date_time\n"
           "assert i.external_attr >> 16 == 0o100644 and i.create_system == 3 and i.flag_bits == 0x800\n");
}

static void test_zip__an_empty_one_is_one(void **state)
{
    finish(*state);
    python(*state, "assert z.namelist() == [] and z.testzip() is None\n");
}

static void test_zip__files_of_more_than_4_gib_go_by_zip64(void **state)
{
    struct world *w = *state;

    add_text(w, "first", "1");
    add(w, "just below", "", UINT32_MAX - 1, 0); /* its bytes are not read here */
    add(w, "just there", "", UINT32_MAX, 0);
    add(w, "huge", "", UINT64_C(5) << 30, 0);
    add_text(w, "far", "behind 4 GiB");
    finish(w);
    python(w, "assert [i.file_size for i in z.infolist()] == [1, 2**32 - 2, 2**32 - 1, 5 << 30, 12]\n"
              "assert z.read('first') == b'1' and z.read('far') == b'behind 4 GiB'\n"
              "assert z.open('huge').read(10) == bytes(10)\n");
}

/* A log as logs_zip.c sends it: `most` bytes when its turn came, of which `pieces` pieces of `n` zeros were still there. */
static void add_deflated(struct world *w, const char *name, uint64_t most, size_t n, unsigned pieces)
{
    struct zip_file f = {.name = name, .bytes = most, .mtime_ms = T0, .at = w->at, .is_deflated = true};
    z_stream z = {0};
    Bytef *zeros = calloc(1, n);
    uLong crc = crc32(0, zeros, (uInt)n);
    struct buf b;
    struct buf piece;

    buf_init(&b, ZIP_PART_BYTES_MAX);
    zip_local_open(&b, &f);
    put_buf(w, &b);
    f.bytes = 0;
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    buf_init(&piece, MIB(1));
    z.next_in = zeros;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)buf_reserve(&piece, KIB(512));
    z.avail_out = (uInt)KIB(512);
    assert_int_equal(deflate(&z, Z_FULL_FLUSH),
                     Z_OK); /* what follows needs nothing of it: the same bytes again and again */
    buf_commit(&piece, KIB(512) - z.avail_out);
    for (unsigned i = 0; i < pieces; i++) {
        put(w, piece.data, piece.len);
        f.crc = (uint32_t)crc32_combine(f.crc, crc, (z_off_t)n);
        f.bytes += n;
    }
    f.packed = pieces * piece.len + 2;
    put(w, "\x03\x00", 2); /* the last block, which is empty */
    (void)deflateEnd(&z);
    buf_init(&b, ZIP_PART_BYTES_MAX);
    zip_local_close(&b, &f, most);
    put_buf(w, &b);
    zip_entry(&w->entries, &f);
    w->n++;
    buf_done(&piece);
    free(zeros);
}

static void test_zip__deflated_files_of_more_than_4_gib_go_by_zip64(void **state)
{
    struct world *w = *state;

    add_text(w, "first", "1");
    add_deflated(w, "huge", UINT64_C(5) << 30, MIB(64), 80);
    add_deflated(w, "small", MIB(64), MIB(1), 64);
    add_text(w, "behind", "b");
    finish(w);
    python(w, "assert [i.file_size for i in z.infolist()] == [1, 5 << 30, 64 << 20, 1]\n"
              "assert all(i.compress_size < 16 << 20 for i in z.infolist())\n"
              "assert z.open('huge').read(1 << 20) == bytes(1 << 20)\n" /* 5 GiB take too long here */
              "assert z.read('small') == bytes(64 << 20) and z.read('behind') == b'b'\n");
}

/* Deleted in the middle: what was sent is whole, also where more than 4 GiB had been announced. */
static void test_zip__a_log_that_is_deleted_while_it_is_sent_ends_there(void **state)
{
    struct world *w = *state;

    add_deflated(w, "was huge", UINT64_C(5) << 30, MIB(1), 3);
    add_deflated(w, "was small", MIB(64), MIB(1), 2);
    add_deflated(w, "at once", UINT64_C(5) << 30, 1, 0);
    add_text(w, "behind", "b");
    finish(w);
    python(
        w,
        "assert z.testzip() is None\n"
        "assert [i.file_size for i in z.infolist()] == [3 << 20, 2 << 20, 0, 1]\n"
        "assert z.read('was huge') == bytes(3 << 20) and z.read('at once') == b''\n"
        "import struct, zlib\n" /* and by what stands before and behind the bytes alone, as who takes it from a pipe reads it */
        "d = open(z.filename, 'rb').read(); at = 0; sizes = []\n"
        "for i in z.infolist()[:3]:\n"
        "    n, x = struct.unpack_from('<HH', d, at + 26); extra = d[at + 30 + n:at + 30 + n + x]; at += 30 "
        "+ n + x\n"
        "    o = zlib.decompressobj(-15); o.decompress(d[at:]); at = len(d) - len(o.unused_data)\n"
        "    long = b'\\x01\\x00\\x10\\x00' in extra\n"
        "    sig, crc, packed, size = struct.unpack_from('<IIQQ' if long else '<IIII', d, at); at += 24 if "
        "long else 16\n"
        "    assert (sig, crc, size) == (0x08074b50, i.CRC, i.file_size), (i.filename, hex(sig), size)\n");
}

static void test_zip__more_than_65535_files_go_by_zip64(void **state)
{
    struct world *w = *state;
    char name[32];

    for (unsigned i = 0; i < 65536; i++) {
        (void)snprintf(name, sizeof(name), "f/%u", i);
        add_text(w, name, name);
    }
    finish(w);
    python(w, "assert len(z.namelist()) == 65536 and z.namelist()[-1] == 'f/65535'\n"
              "assert z.read('f/65535') == b'f/65535' and z.read('f/0') == b'f/0'\n");
}

static void test_zip__times_that_dos_cannot_say_are_its_first_and_last(void **state)
{
    static const int64_t times[] = {0, INT64_C(253402300799999)};
    struct world *w = *state;
    struct buf b;

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct zip_file f = {.name = i == 0 ? "old" : "new", .mtime_ms = times[i], .at = w->at};

        buf_init(&b, ZIP_PART_BYTES_MAX);
        zip_local(&b, &f);
        put_buf(w, &b);
        zip_entry(&w->entries, &f);
        w->n++;
    }
    finish(w);
    python(w, "assert z.testzip() is None\n"
              "assert [i.date_time[0] for i in z.infolist()] == [1980, 2107]\n");
}

static void test_zip__names_mean_the_same_everywhere(void **state)
{
    char out[16];

    (void)state;
    zip_safe_name("a\\..\\b:c*?", out, sizeof(out));
    assert_string_equal(out, "a_.._b_c__");
    zip_safe_name("0123456789abcd\xe2\x82\xac", out,
                  sizeof(out)); /* cut before a character that does not fit */
    assert_string_equal(out, "0123456789abcd");
}

/* ---- ranges, for who takes only a part ---- */

static void test_range__one_range_or_the_whole(void **state)
{
    static const struct {
        const char *header;
        uint64_t size;
        enum http_range want;
        uint64_t from, to;
    } rows[] = {
        {NULL, 10, RANGE_NONE, 0, 0},
        {"bytes=0-4", 10, RANGE_PART, 0, 5},
        {"bytes=0-0", 10, RANGE_PART, 0, 1},
        {"bytes=9-", 10, RANGE_PART, 9, 10},
        {"bytes=3-99", 10, RANGE_PART, 3, 10},
        {"bytes=3-18446744073709551615", 10, RANGE_PART, 3, 10},
        {"bytes=-3", 10, RANGE_PART, 7, 10},
        {"bytes=-99", 10, RANGE_PART, 0, 10},
        {"bytes= 1-2 ", 10, RANGE_PART, 1, 3},
        {"bytes=10-", 10, RANGE_BEYOND, 0, 0},
        {"bytes=99999999999999999999-", 10, RANGE_BEYOND, 0, 0},
        {"bytes=-0", 10, RANGE_BEYOND, 0, 0},
        {"bytes=0-", 0, RANGE_BEYOND, 0, 0},
        {"bytes=5-4", 10, RANGE_NONE, 0, 0},
        {"bytes=0-1,3-4", 10, RANGE_NONE, 0, 0},
        {"bytes=", 10, RANGE_NONE, 0, 0},
        {"bytes=-", 10, RANGE_NONE, 0, 0},
        {"bytes=a-b", 10, RANGE_NONE, 0, 0},
        {"bytes=0x1-", 10, RANGE_NONE, 0, 0},
        {"bytes=--1", 10, RANGE_NONE, 0, 0},
        {"lines=1-2", 10, RANGE_NONE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t from = 0;
        uint64_t to = 0;
        enum http_range got = http_range_parse(rows[i].header, rows[i].size, &from, &to);

        if (got != rows[i].want || (got == RANGE_PART && (from != rows[i].from || to != rows[i].to)))
            fail_msg("'%s' of %llu: %d, %llu to %llu", rows[i].header, (unsigned long long)rows[i].size, got,
                     (unsigned long long)from, (unsigned long long)to);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_zip__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(small_files_are_read_as_they_were),
        T(an_empty_one_is_one),
        T(files_of_more_than_4_gib_go_by_zip64),
        T(deflated_files_of_more_than_4_gib_go_by_zip64),
        T(a_log_that_is_deleted_while_it_is_sent_ends_there),
        T(more_than_65535_files_go_by_zip64),
        T(times_that_dos_cannot_say_are_its_first_and_last),
        cmocka_unit_test(test_zip__names_mean_the_same_everywhere),
        cmocka_unit_test(test_range__one_range_or_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
