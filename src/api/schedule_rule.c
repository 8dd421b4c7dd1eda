#include "api/schedule_rule.h"

enum err schedule_rule(const struct schedule_row *row, struct zone **ret_zone, struct rule *ret,
                       struct why *reterr)
{
    struct rule_text text = {.kind = rule_kind_parse(row->kind),
                             .at = row->at,
                             .every_minutes = row->every_minutes,
                             .weekdays = row->weekdays,
                             .cron = row->cron,
                             .until = row->until,
                             .start = row->start_at};
    enum err err = zone_load(row->zone, ret_zone, reterr);

    if (err == ERR_OK)
        err = rule_make(&text, *ret_zone, ret, reterr);
    if (err != ERR_OK) {
        zone_free(*ret_zone);
        *ret_zone = NULL;
    }
    return err;
}
