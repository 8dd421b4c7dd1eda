/* fuzz_tap.c - any bytes as a script's output: no crash, and every line that comes out is one the server takes. The first byte
 * says how long the pieces are and whether there are pauses. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "report/tap.h"
#include "report_taken.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct taken taken = {.list = {.n = 0}};
    struct tap *t = tap_new("/work", take, &taken);
    size_t piece = size > 0 ? (size_t)(data[0] & 127) + 1 : 1;

    results_init(&taken.r, (struct run_id){1}, 0, NULL, 0);
    for (size_t at = 1; at < size; at += piece) {
        tap_feed(t, (const char *)data + at, size - at < piece ? size - at : piece);
        if ((data[0] & 128) != 0)
            tap_pause(t);
    }
    tap_end(t, true);
    CHECK(taken.r.tally.bad_lines == 0);
    CHECK(taken.r.tally.started == taken.r.tally.ended);
    CHECK(tally_adds_up(&taken.r.tally));
    CHECK(!taken.r.tally.miscounted);
    tap_free(t);
    results_done(&taken.r);
    arena_done(&taken.list.arena);
    return 0;
}
