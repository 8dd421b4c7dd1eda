/* fuzz_log_reader.c - a stored log, by bytes, lines, times and searches, against a plain buffer: tests/lib/log_story.h.
 *
 * The store is real, in a folder in memory where there is one; a log is a row, a row with others, or a file, as it grows. */
#include <ftw.h>
#include <stdint.h>

#include "lib/log_story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_BYTES_MAX 100u
#define LOG_MAX KIB(640) /* two blocks and a half */

static struct log_story story;
static char dir[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void at_end(void)
{
    log_story_done(&story);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (story.st == NULL) {
        (void)snprintf(dir, sizeof(dir), "%s/wrata-fuzz-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(dir) != NULL);
        log_story_init(&story, dir);
        story.log_max = LOG_MAX;
        CHECK(atexit(at_end) == 0);
    }
    log_story_tell(&story, data, size < STEPS_BYTES_MAX ? size : STEPS_BYTES_MAX, false);
    return 0;
}
