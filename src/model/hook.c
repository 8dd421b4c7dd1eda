#include "model/hook.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum who { OWNER, ADMINS };

static const struct {
    const char *name;
    enum who who;
    bool many;
    const char *help;
} kinds_of[] = {
#define X(name, wire, who, many, help) [HOOK_KIND_##name] = {wire, who, many, help},
    HOOK_KIND_MAP(X)
#undef X
};
_Static_assert(ARRAY_LEN(kinds_of) == HOOK_KIND_COUNT, "a row for each");
_Static_assert(HOOK_KIND_COUNT <= 32, "a bit for each");

const char *const hook_kind_names[] = {
#define X(name, wire, ...) [HOOK_KIND_##name] = wire,
    HOOK_CHOICE_MAP(X)
#undef X
        [HOOK_KIND_TEST] = NULL};
_Static_assert(ARRAY_LEN(hook_kind_names) == HOOK_KIND_COUNT && HOOK_KIND_TEST == HOOK_KIND_COUNT - 1,
               "all but the last, which nobody can choose");

static const char *const types[] = {[HOOK_WEBHOOK] = "webhook", [HOOK_GITHUB] = "github"};
_Static_assert(ARRAY_LEN(types) == HOOK_TYPE_COUNT, "a name for each");

static const char *const states[] = {
    [DELIVERY_WAITING] = "waiting", [DELIVERY_DELIVERED] = "delivered", [DELIVERY_FAILED] = "failed"};
_Static_assert(ARRAY_LEN(states) == DELIVERY_STATE_COUNT, "a name for each");

static unsigned find(const char *const *names, unsigned n, const char *name)
{
    unsigned i = 0;

    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i;
}

const char *hook_kind_name(enum hook_kind k)
{
    CHECK((unsigned)k < HOOK_KIND_COUNT);
    return kinds_of[k].name;
}

enum hook_kind hook_kind_parse(const char *name)
{
    unsigned k = 0;

    while (k < HOOK_KIND_COUNT && strcmp(kinds_of[k].name, name) != 0)
        k++;
    return (enum hook_kind)k;
}

const char *hook_kind_help(enum hook_kind k)
{
    CHECK((unsigned)k < HOOK_KIND_COUNT);
    return kinds_of[k].help;
}

bool hook_kind_is_for_admins(enum hook_kind k)
{
    return kinds_of[k].who == ADMINS;
}

bool hook_kind_is_many(enum hook_kind k)
{
    return kinds_of[k].many;
}

void hook_kinds_write(uint32_t kinds, char *out, size_t size)
{
    size_t n = 0;

    CHECK(size >= HOOK_KINDS_BYTES);
    out[0] = '\0';
    for (unsigned k = 0; k < HOOK_KIND_COUNT; k++) {
        if (kinds & (1u << k))
            n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? "," : "", kinds_of[k].name);
    }
}

const char *hook_type_name(enum hook_type t)
{
    CHECK((unsigned)t < HOOK_TYPE_COUNT);
    return types[t];
}

enum hook_type hook_type_parse(const char *name)
{
    return (enum hook_type)find(types, HOOK_TYPE_COUNT, name);
}

const char *delivery_state_name(enum delivery_state s)
{
    CHECK((unsigned)s < DELIVERY_STATE_COUNT);
    return states[s];
}

enum delivery_state delivery_state_parse(const char *name)
{
    return (enum delivery_state)find(states, DELIVERY_STATE_COUNT, name);
}

bool hook_wants(const struct hook_row *h, const struct hook_event *ev)
{
    if (!h->is_enabled || !(h->kinds & (1u << ev->kind)))
        return false;
    if (!h->is_all && (ev->user.v == 0 || ev->user.v != h->user.v))
        return false;
    return h->project.v == 0 || h->project.v == ev->project.v;
}

const char *hook_repository_fault(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t owner = strspn(name, allowed);
    size_t rest = name[owner] == '/' ? strspn(name + owner + 1, allowed) : 0;

    if (owner == 0 || rest == 0 || name[owner + 1 + rest] != '\0')
        return "is not of the form owner/name";
    if (strlen(name) > HOOK_REPOSITORY_BYTES_MAX)
        return "is too long";
    if (name[0] == '.' || name[owner + 1] == '.')
        return "has a part that begins with a dot";
    return NULL;
}
