/* history_filter.c - a query as a filter of the history. */
#include "api/history_filter.h"

#include "api/account_common.h"

const char *const run_states[] = {"assigned", "preparing", "running", "stopping", "done", "lost", NULL};
_Static_assert(ARRAY_LEN(run_states) == RUN_STATE_COUNT + 1, "a name for each state, in their order");
#define X(name, wire, text) wire,
const char *const outcome_names[] = {OUTCOME_MAP(X) NULL};
#undef X

enum err run_filter_read(const struct run_query *q, struct run_filter *ret, struct why *reterr)
{
    enum err err = ERR_OK;

    *ret = (struct run_filter){.launch = {(uint64_t)q->launch},
                               .server = {(uint64_t)q->server},
                               .test = {(uint64_t)q->test},
                               .user = {(uint64_t)q->user},
                               .project = {(uint64_t)q->project},
                               .state = q->state,
                               .outcomes = q->outcomes << 1, /* names skip "not over yet" */
                               .file = q->file,
                               .path = q->path,
                               .ref = q->ref,
                               .language = q->language,
                               .browser = q->browser};
    if (q->since != NULL)
        err = time_read("since", q->since, &ret->since, reterr);
    if (err == ERR_OK && q->until != NULL)
        err = time_read("until", q->until, &ret->until, reterr);
    return err;
}

bool run_filter_of(struct req *rq, const struct run_query *q, struct run_filter *ret)
{
    if (run_filter_read(q, ret, &rq->why) == ERR_OK)
        return true;
    req_error(rq, &rq->why);
    return false;
}
