#include "model/job.h"

#include <string.h>

#include "base/check.h"

static const char *const kinds[] = {[JOB_DELETE] = "delete", [JOB_CLEAR] = "clear"};
static const char *const states[] = {
    [JOB_RUNNING] = "running", [JOB_DONE] = "done", [JOB_CANCELED] = "canceled", [JOB_FAILED] = "failed"};
_Static_assert(ARRAY_LEN(kinds) == JOB_KIND_COUNT, "a name for each kind");
_Static_assert(ARRAY_LEN(states) == JOB_STATE_COUNT, "a name for each state");

const char *job_kind_name(enum job_kind k)
{
    CHECK(k < JOB_KIND_COUNT);
    return kinds[k];
}

enum job_kind job_kind_parse(const char *name)
{
    int k = 0;

    while (k < JOB_KIND_COUNT && strcmp(kinds[k], name) != 0)
        k++;
    return (enum job_kind)k;
}

const char *job_state_name(enum job_state s)
{
    CHECK(s < JOB_STATE_COUNT);
    return states[s];
}

enum job_state job_state_parse(const char *name)
{
    int s = 0;

    while (s < JOB_STATE_COUNT && strcmp(states[s], name) != 0)
        s++;
    return (enum job_state)s;
}
