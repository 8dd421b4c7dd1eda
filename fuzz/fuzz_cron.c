/* fuzz_cron.c - bytes as a cron expression and a moment: what is taken has a next minute, which fits by a plain reading
 * of the fields, and none between does. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schedule/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool fits(const struct cron *c, int64_t local_s)
{
    int64_t minutes = local_s / 60;
    struct civil d = civil_of_days(minutes / 1440);
    bool day = (c->days >> d.day & 1) != 0;
    bool weekday = (c->weekdays >> weekday_of_days(minutes / 1440) & 1) != 0;

    return (c->minutes >> (minutes % 60) & 1) != 0 && (c->hours >> (minutes / 60 % 24) & 1) != 0 &&
           (c->months >> d.month & 1) != 0 &&
           (c->any_day || c->any_weekday ? day && weekday : day || weekday);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t at = 0;
    char *s;
    struct cron c;
    struct why why = {0};

    if (size < sizeof(at))
        return 0;
    memcpy(&at, data, sizeof(at));
    s = xmalloc(size + 1);
    memcpy(s, data + sizeof(at), size - sizeof(at));
    s[size - sizeof(at)] = '\0';
    if (cron_parse(s, &c, &why) == ERR_OK) {
        int64_t next = cron_next_local(&c, at);
        int64_t step = ((int64_t)at + 59) / 60 * 60;

        CHECK(next != INT64_MAX && next >= at && next % 60 == 0);
        CHECK(fits(&c, next));
        for (int i = 0; i < 3000 && step < next; i++, step += 60)
            CHECK(!fits(&c, step));
    } else {
        CHECK(why.field != NULL && strcmp(why.field, "cron") == 0);
        CHECK(why.text[0] != '\0');
    }
    free(s);
    return 0;
}
