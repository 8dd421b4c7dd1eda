#include "model/mail.h"

#include <string.h>

#include "base/check.h"

static const char *const states[] = {
    [MAIL_WAITING] = "waiting", [MAIL_SENT] = "sent", [MAIL_FAILED] = "failed"};
_Static_assert(ARRAY_LEN(states) == MAIL_STATE_COUNT, "a name for each");

const char *mail_state_name(enum mail_state s)
{
    CHECK((unsigned)s < MAIL_STATE_COUNT);
    return states[s];
}

enum mail_state mail_state_parse(const char *name)
{
    unsigned i = 0;

    while (i < MAIL_STATE_COUNT && strcmp(states[i], name) != 0)
        i++;
    return (enum mail_state)i;
}
