#include "model/notice.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const char *const kinds[] = {[NOTICE_LAUNCH_DONE] = "launch_done",
                                    [NOTICE_SCHEDULE_FAILED] = "schedule_failed",
                                    [NOTICE_SCHEDULE_MISSED] = "schedule_missed",
                                    [NOTICE_SCHEDULE_DISABLED] = "schedule_disabled",
                                    [NOTICE_HOOK_DISABLED] = "hook_disabled",
                                    [NOTICE_RUNS_LOST] = "runs_lost",
                                    [NOTICE_NO_TESTS] = "no_tests",
                                    [NOTICE_NOT_CREATED] = "not_created",
                                    [NOTICE_SICK] = "sick",
                                    [NOTICE_ERROR] = "error"};
_Static_assert(ARRAY_LEN(kinds) == NOTICE_KIND_COUNT, "a name for each");

static const char *const whens[] = {
    [WHEN_AS_CHOSEN] = "choice", [WHEN_NEVER] = "never", [WHEN_FAILED] = "failed", [WHEN_ALWAYS] = "always"};
_Static_assert(ARRAY_LEN(whens) == MAIL_WHEN_COUNT, "a name for each");

static unsigned find(const char *const *names, unsigned n, const char *name)
{
    unsigned i = 0;

    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i;
}

const char *notice_kind_name(enum notice_kind k)
{
    CHECK((unsigned)k < NOTICE_KIND_COUNT);
    return kinds[k];
}

enum notice_kind notice_kind_parse(const char *name)
{
    return (enum notice_kind)find(kinds, NOTICE_KIND_COUNT, name);
}

bool notice_is_for_admins(enum notice_kind k)
{
    return k >= NOTICE_RUNS_LOST;
}

void notice_group_word(enum notice_kind k, struct user_id user, char *out, size_t size)
{
    (void)snprintf(out, size, "%s:%llu", notice_kind_name(k), (unsigned long long)user.v);
}

const char *mail_when_name(enum mail_when w)
{
    CHECK((unsigned)w < MAIL_WHEN_COUNT);
    return whens[w];
}

enum mail_when mail_when_parse(const char *name)
{
    return (enum mail_when)find(whens, MAIL_WHEN_COUNT, name);
}

bool mail_choices_equal(const struct mail_choices *a, const struct mail_choices *b)
{
    return a->launches == b->launches && a->launch_min_s == b->launch_min_s &&
           a->schedule_launches == b->schedule_launches && a->schedule_failed == b->schedule_failed &&
           a->schedule_missed == b->schedule_missed && a->schedule_disabled == b->schedule_disabled;
}
