/* fuzz_cause.c - any message and backtrace: the general form keeps its limits, is one line, and is its own general form. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/cause.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *message = xstrndup((const char *)data, size);
    const char *frame = strchr(message, '\n') != NULL ? strchr(message, '\n') + 1 : "";
    struct buf once;
    struct buf twice;
    struct arena a;
    struct cause c;
    struct slice url;
    struct slice shot;
    struct slice file;
    uint32_t line;

    arena_init(&a);
    buf_init(&once, CAUSE_TEXT_BYTES + 1);
    buf_init(&twice, CAUSE_TEXT_BYTES + 1);
    cause_general(&once, message);
    cause_general(&twice, buf_str(&once));
    CHECK(once.len <= CAUSE_TEXT_BYTES);
    CHECK(strpbrk(buf_str(&once), "\n\r\t") == NULL);
    CHECK(twice.len <= once.len); /* a mark may meet its like only then */
    cause_of_failure(&a, "E", message, &frame, 1, &c);
    CHECK(c.id != 0);
    CHECK(c.id <= (uint64_t)INT64_MAX);
    CHECK(strlen(c.title) <= CAUSE_TITLE_BYTES);
    CHECK(c.title[0] != '\0');
    cause_of_run(&a, OUTCOME_ERROR, message, &c);
    CHECK(c.title[0] != '\0');
    message_page(message, &url, &shot);
    CHECK(url.len <= size);
    CHECK(shot.len <= size);
    if (frame_place(frame, &file, &line))
        CHECK(line > 0 && file.len > 0);
    buf_done(&once);
    buf_done(&twice);
    arena_done(&a);
    free(message);
    return 0;
}
