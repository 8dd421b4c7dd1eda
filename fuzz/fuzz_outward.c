/* fuzz_outward.c - which addresses hooks may reach. Input: lines: the networks of the setting, then addresses. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/outward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What nobody may ever reach unless it is named. */
static bool is_own(const struct address *a)
{
    static const uint8_t zeros[16];
    bool is_v4 = address_is_v4(a);

    return (is_v4 && (a->at[12] == 127 || a->at[12] == 10 || a->at[12] == 0 ||
                      (a->at[12] == 169 && a->at[13] == 254))) ||
           (!is_v4 && (memcmp(a->at, zeros, 15) == 0 || a->at[0] >= 0xfc));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outward *named = NULL;
    struct outward *none;
    struct why why = {0};
    char *text;
    char *rest;

    if (size > 16384)
        return 0;
    CHECK(outward_parse("", &none, &why) == ERR_OK);
    rest = text = xstrndup((const char *)data, size);
    if (outward_parse(strsep(&rest, "\n"), &named, &why) != ERR_OK)
        CHECK(strlen(why.text) > 0 && named == NULL);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        struct address a;

        if (!address_read(slice_of(line), &a))
            continue;
        CHECK(!is_own(&a) || outward_fault(none, &a, false) != NULL);
        CHECK(outward_fault(none, &a, true) != NULL); /* plain http: nowhere */
        if (named == NULL)
            continue;
        /* Names only ever open: what none of them forbids is open with them, too; and what they open is open plainly. */
        CHECK(outward_fault(none, &a, false) != NULL || outward_fault(named, &a, false) == NULL);
        CHECK(outward_fault(named, &a, true) != NULL || outward_fault(named, &a, false) == NULL);
    }
    outward_free(named);
    outward_free(none);
    free(text);
    return 0;
}
