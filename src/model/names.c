/* names.c - the words for the model's enums: what the API, the store and the page call them. */
#include <string.h>

#include "base/check.h"
#include "model/account.h"
#include "model/goal.h"
#include "model/rows.h"
#include "wire/frame.h"

/* The engine may not see the wire; these keep its numbers equal to the wire's. */
_Static_assert((int)GOAL_RUN == (int)WANT_RUN, "goal_want");
_Static_assert((int)GOAL_STOP == (int)WANT_STOP, "goal_want");
_Static_assert((int)GOAL_BACK == (int)WANT_BACK, "goal_want");
_Static_assert((int)HOLDS_WAITING == (int)HELD_WAITING, "held_state");
_Static_assert((int)HOLDS_PREPARING == (int)HELD_PREPARING, "held_state");
_Static_assert((int)HOLDS_RUNNING == (int)HELD_RUNNING, "held_state");
_Static_assert((int)HOLDS_STOPPING == (int)HELD_STOPPING, "held_state");
_Static_assert((int)HOLDS_FINISHED == (int)HELD_FINISHED, "held_state");

static const char *const fleet_kinds[] = {[FLEET_LOCAL] = "local",
                                          [FLEET_SSH] = "ssh",
                                          [FLEET_DIGITALOCEAN] = "digitalocean",
                                          [FLEET_COMMAND] = "command",
                                          [FLEET_FAKE] = "fake"};
_Static_assert(ARRAY_LEN(fleet_kinds) == FLEET_COUNT, "a name for each");

static const char *const link_states[] = {[LINK_OFFLINE] = "offline",
                                          [LINK_CONNECTING] = "connecting",
                                          [LINK_ONLINE] = "online",
                                          [LINK_LOST] = "lost"};
_Static_assert(ARRAY_LEN(link_states) == LINK_STATE_COUNT, "a name for each");

static const char *const sick_causes[] = {
    [SICK_NOT] = "", [SICK_FAILURES] = "failures", [SICK_LOSSES] = "losses", [SICK_DISK] = "disk"};
_Static_assert(ARRAY_LEN(sick_causes) == SICK_CAUSE_COUNT, "a name for each");

static const char *const server_statuses[] = {[SERVER_DESTROYED] = "destroyed",
                                              [SERVER_CREATING] = "creating",
                                              [SERVER_CREATED] = "created",
                                              [SERVER_DESTROYING] = "destroying"};
_Static_assert(ARRAY_LEN(server_statuses) == SERVER_STATUS_COUNT, "a name for each");

static const char *const launch_states[] = {
    [LAUNCH_RUNNING] = "running", [LAUNCH_STOPPING] = "stopping", [LAUNCH_DONE] = "done"};
_Static_assert(ARRAY_LEN(launch_states) == LAUNCH_STATE_COUNT, "a name for each");

static const char *const launch_orders[] = {
    [ORDER_AS_GIVEN] = "as-given", [ORDER_FINISH_SOONEST] = "finish-soonest"};
_Static_assert(ARRAY_LEN(launch_orders) == ORDER_COUNT, "a name for each");

static const char *const test_states[] = {
    [TEST_WAITING] = "waiting", [TEST_ACTIVE] = "running", [TEST_REMOVED] = "removed", [TEST_DONE] = "done"};
_Static_assert(ARRAY_LEN(test_states) == TEST_STATE_COUNT, "a name for each");

static const char *const adapters[] = {[ADAPTER_EXIT] = "exit",
                                       [ADAPTER_RSPEC] = "rspec",
                                       [ADAPTER_TAP] = "tap",
                                       [ADAPTER_JUNIT] = "junit",
                                       [ADAPTER_PYTEST] = "pytest"};
_Static_assert(ARRAY_LEN(adapters) == ADAPTER_COUNT, "a name for each");

static const char *const run_states[] = {
    [RUN_ASSIGNED] = "assigned", [RUN_PREPARING] = "preparing", [RUN_RUNNING] = "running",
    [RUN_STOPPING] = "stopping", [RUN_DONE] = "done",           [RUN_LOST] = "lost"};
_Static_assert(ARRAY_LEN(run_states) == RUN_STATE_COUNT, "a name for each");

static const char *const example_statuses[] = {[EXAMPLE_PASSED] = "passed",
                                               [EXAMPLE_FAILED] = "failed",
                                               [EXAMPLE_PENDING] = "pending",
                                               [EXAMPLE_ERROR] = "error"};
_Static_assert(ARRAY_LEN(example_statuses) == EXAMPLE_STATUS_COUNT, "a name for each");

static const char *const token_scopes[] = {
    [SCOPE_READ] = "read", [SCOPE_RUN] = "run", [SCOPE_ADMIN] = "admin"};
_Static_assert(ARRAY_LEN(token_scopes) == SCOPE_COUNT, "a name for each");

static const char *const link_purposes[] = {
    [LINK_INVITE] = "invite", [LINK_RESET] = "reset", [LINK_CONFIRM] = "confirm"};
_Static_assert(ARRAY_LEN(link_purposes) == LINK_PURPOSE_COUNT, "a name for each");

/* n when there is none of that name */
static unsigned find(const char *const *names, unsigned n, const char *name)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (name != NULL && strcmp(names[i], name) == 0)
            return i;
    }
    return n;
}

const char *fleet_kind_name(enum fleet_kind k)
{
    CHECK(k < FLEET_COUNT);
    return fleet_kinds[k];
}

enum fleet_kind fleet_kind_parse(const char *name)
{
    return (enum fleet_kind)find(fleet_kinds, FLEET_COUNT, name);
}

bool fleet_kind_makes_machines(enum fleet_kind k)
{
    return k != FLEET_LOCAL && k != FLEET_SSH;
}

const char *server_status_name(enum server_status s)
{
    CHECK(s < SERVER_STATUS_COUNT);
    return server_statuses[s];
}

const char *link_state_name(enum link_state s)
{
    CHECK(s < LINK_STATE_COUNT);
    return link_states[s];
}

const char *sick_cause_name(enum sick_cause c)
{
    CHECK(c < SICK_CAUSE_COUNT);
    return sick_causes[c];
}

const char *launch_state_name(enum launch_state s)
{
    CHECK(s < LAUNCH_STATE_COUNT);
    return launch_states[s];
}

const char *launch_order_name(enum launch_order o)
{
    CHECK(o < ORDER_COUNT);
    return launch_orders[o];
}

enum launch_order launch_order_parse(const char *name)
{
    return (enum launch_order)find(launch_orders, ORDER_COUNT, name);
}

const char *test_state_name(enum test_state s)
{
    CHECK(s < TEST_STATE_COUNT);
    return test_states[s];
}

const char *adapter_name(enum adapter_kind a)
{
    CHECK(a < ADAPTER_COUNT);
    return adapters[a];
}

enum adapter_kind adapter_parse(const char *name)
{
    unsigned i;

    for (i = 0; i < ADAPTER_COUNT; i++) {
        if (name != NULL && strcmp(adapters[i], name) == 0)
            return (enum adapter_kind)i;
    }
    return ADAPTER_COUNT;
}

bool adapter_has_results(enum adapter_kind a)
{
    CHECK(a < ADAPTER_COUNT);
    return a != ADAPTER_EXIT;
}

const char *run_state_name(enum run_state s)
{
    CHECK(s < RUN_STATE_COUNT);
    return run_states[s];
}

const char *example_status_name(enum example_status s)
{
    CHECK(s < EXAMPLE_STATUS_COUNT);
    return example_statuses[s];
}

enum example_status example_status_parse(const char *name)
{
    return (enum example_status)find(example_statuses, EXAMPLE_STATUS_COUNT, name);
}

const char *token_scope_name(enum token_scope s)
{
    CHECK(s < SCOPE_COUNT);
    return token_scopes[s];
}

enum token_scope token_scope_parse(const char *name)
{
    return (enum token_scope)find(token_scopes, SCOPE_COUNT, name);
}

const char *link_purpose_name(enum link_purpose p)
{
    CHECK(p < LINK_PURPOSE_COUNT);
    return link_purposes[p];
}

enum link_purpose link_purpose_parse(const char *name)
{
    return (enum link_purpose)find(link_purposes, LINK_PURPOSE_COUNT, name);
}
