/* fuzz_frame.c - bytes as frames. What decodes must encode, and decode to the same bytes again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Encoding drops what a newer peer appended; the second time nothing may change any more. */
static void check_round_trip(const struct frame *f, struct arena *lists)
{
    struct frame again;
    struct buf first;
    struct buf second;
    struct why why;
    size_t used;

    buf_init(&first, FRAME_HEADER_BYTES + FRAME_BODY_MAX);
    buf_init(&second, FRAME_HEADER_BYTES + FRAME_BODY_MAX);
    frame_encode(f, &first);
    CHECK(frame_decode(first.data, first.len, lists, &again, &used, &why) == ERR_OK);
    CHECK(used == first.len);
    CHECK(again.type == f->type);
    frame_encode(&again, &second);
    CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_done(&first);
    buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct arena lists;
    struct frame f;
    struct why why;
    size_t used;

    arena_init(&lists);
    while (frame_decode(p, size, &lists, &f, &used, &why) == ERR_OK && used > 0) {
        CHECK(used <= size);
        /* A list of empty parts takes 4 bytes an element here and more when it is written whole: it may then be
         * over the limit of a body, which is a CHECK of ours and not a peer's doing. */
        if ((int)f.type != 0 && used < KIB(64))
            check_round_trip(&f, &lists);
        p += used;
        size -= used;
        arena_reset(&lists);
    }
    arena_done(&lists);
    return 0;
}
