/* fuzz_zone.c - bytes as a TZif file: refused, or a zone that answers for any moment. */
#include <stdint.h>

#include "base/check.h"
#include "schedule/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone *z;
    struct why why;

    if (zone_parse(data, size, &z, &why) != ERR_OK) {
        CHECK(z == NULL);
        return 0;
    }
    for (int64_t t = INT64_C(-3000000000); t < INT64_C(9000000000); t += INT64_C(19000003)) {
        int32_t offset = zone_offset(z, t);

        CHECK(offset >= -27 * 3600 && offset <= 27 * 3600);
        CHECK(zone_utc(z, t) >= t - 3 * 86400 && zone_utc(z, t) <= t + 3 * 86400);
    }
    zone_free(z);
    return 0;
}
