/* machine.c - the words of machine.h. */
#include "model/machine.h"

#include "base/check.h"

const char *machine_state_name(enum machine_state s)
{
    static const char *const names[] = {"new", "active", "off", "gone"};

    _Static_assert(ARRAY_LEN(names) == MACHINE_STATE_COUNT, "a name for each");
    CHECK((unsigned)s < MACHINE_STATE_COUNT);
    return names[s];
}

static const struct {
    const char *name;
    const char *sentence;
} faults[] = {
#define X(name, word, text) {word, text},
    FLEET_FAULT_MAP(X)
#undef X
};

const char *fleet_fault_name(enum fleet_fault f)
{
    CHECK((unsigned)f < FLEET_FAULT_COUNT);
    return faults[f].name;
}

const char *fleet_fault_sentence(enum fleet_fault f)
{
    CHECK((unsigned)f < FLEET_FAULT_COUNT);
    return faults[f].sentence;
}
