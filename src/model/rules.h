/* rules.h - what input from people must keep to, checked where it enters the engine, the same for API, page and
 * command line. The sentence names the field, shows the value and says what would be right. */
#ifndef WRATA_MODEL_RULES_H
#define WRATA_MODEL_RULES_H

#include "base/err.h"
#include "model/rows.h"

#define LEASE_MS_MIN 1000u /* shorter than a beat or two nothing could stay alive */
#define LEASE_MS_MAX 3600000u
#define LAUNCH_RETRIES_MAX 10u
#define TEST_ARGV_MAX 256u   /* the wire's limit */
#define ARG_BYTES_MAX 65536u /* the wire's limit */
#define LIMIT_MS_MAX (INT64_C(30) * 24 * 3600 * 1000)

/* Valid UTF-8 without control characters (escapes, newlines), at most max bytes. */
MUST_USE enum err text_check(const char *field, const char *value, uint32_t max_bytes, struct why *reterr);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,62}: names that travel in command lines, file names and URLs. */
MUST_USE enum err name_check(const char *field, const char *value, struct why *reterr);

/* A path inside a project: relative, no "..", no control characters, not empty. */
MUST_USE enum err path_check(const char *field, const char *value, struct why *reterr);

#define IDLE_MS_MIN \
    5000 /* a countdown is shown for a moment at least; clouds bill a minute, other machines cost nothing */
#define IDLE_MS_MAX (INT64_C(30) * 24 * 3600 * 1000)
#define DAY_MICROUSD_MAX INT64_C(1000000000000) /* a million dollars */

/* After how much doing nothing a machine goes; 0 never. `of_server`: also IDLE_AS_FLEET. */
MUST_USE enum err idle_ms_check(int64_t ms, bool of_server, struct why *reterr);
MUST_USE enum err address_check(const char *address, struct why *reterr);
MUST_USE enum err fleet_row_check(const struct fleet_row *f,
                                  struct why *reterr); /* but for what its options say */
MUST_USE enum err server_row_check(const struct server_row *s, struct why *reterr);
MUST_USE enum err launch_row_check(const struct launch_row *l, struct why *reterr);
MUST_USE enum err test_row_check(const struct test_row *t,
                                 struct why *reterr); /* path, adapter, argv, reports, prediction */
MUST_USE enum err report_glob_check(const char *glob,
                                    struct why *reterr); /* relative, without "..", of the field "reports" */

#endif
