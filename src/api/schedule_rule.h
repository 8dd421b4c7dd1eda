/* schedule_rule.h - the rule of a stored schedule. */
#ifndef WRATA_API_SCHEDULE_RULE_H
#define WRATA_API_SCHEDULE_RULE_H

#include "base/err.h"
#include "model/list.h"
#include "schedule/schedule.h"

/* Zone and rule of a row. *ret_zone is the caller's, zone_free() it; NULL after a failure. It reads the file of
 * the zone: not on the loop. */
MUST_USE enum err schedule_rule(const struct schedule_row *row, struct zone **ret_zone, struct rule *ret,
                                struct why *reterr);

#endif
