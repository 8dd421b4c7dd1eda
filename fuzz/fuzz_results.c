/* fuzz_results.c - any bytes on a results channel, in pieces: no crash, and the position accounts for all of them. */
#include <stddef.h>
#include <stdint.h>

#include "server/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct example_list out = {0};
    struct results r;
    size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;

    results_init(&r, (struct run_id){1}, 0, NULL, 0);
    for (size_t at = 0; at < size; at += piece)
        results_feed(&r, (const char *)data + at, size - at < piece ? size - at : piece, &out);
    CHECK(results_position(&r) <= size);
    CHECK(out.n <= r.next_seq);
    results_done(&r);
    arena_done(&out.arena);
    return 0;
}
