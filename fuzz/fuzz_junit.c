/* fuzz_junit.c - any bytes as a report file: no crash, every line that comes out is one the server takes, and what is no whole
 * report never goes without an error. The first byte says how long the pieces are. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "report/junit.h"
#include "report_taken.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct taken taken = {.list = {.n = 0}};
    struct junit *j = junit_new(take, &taken);
    size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;
    bool ok = true;

    results_init(&taken.r, (struct run_id){1}, 0, NULL, 0);
    junit_open(j, "r.xml");
    for (size_t at = 1; at < size && ok; at += piece)
        ok = junit_feed(j, (const char *)data + at, size - at < piece ? size - at : piece);
    junit_close(j);
    junit_end(j, true);
    CHECK(taken.r.tally.bad_lines == 0);
    CHECK(taken.r.tally.ended);
    CHECK(ok || taken.r.tally.errors > 0);
    CHECK(tally_adds_up(&taken.r.tally) || taken.r.tally.discovered == UINT32_MAX);
    CHECK(!taken.r.tally.miscounted);
    junit_free(j);
    results_done(&taken.r);
    arena_done(&taken.list.arena);
    return 0;
}
