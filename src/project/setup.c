/* setup.c - what wrata.yml asks of a machine, as the lines that a launch carries to it (wire/agent_setup.h). Pure. */
#include "base/mem.h"
#include "project/project.h"

static bool has_key_files(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->yml->prepare.n; i++)
        if (plan->yml->prepare.at[i].key.n > 0)
            return true;
    return false;
}

const char *const *plan_setup(const struct plan *plan, struct arena *arena, uint32_t *retn)
{
    size_t max = 1;
    const char **lines;
    uint32_t n = 0;

    *retn = 0;
    if (plan->n_prepare == 0)
        return NULL;
    for (uint32_t i = 0; i < plan->n_prepare; i++)
        max += plan->prepare[i].n_argv + 2;
    lines = arena_alloc(arena, (max + plan->yml->env.n) * sizeof(*lines));
    for (uint32_t i = 0; i < plan->n_prepare; i++) {
        const struct plan_step *s = &plan->prepare[i];

        lines[n++] = arena_printf(arena, "step=%s", s->name);
        for (uint32_t k = 0; k < s->n_argv; k++)
            lines[n++] = arena_printf(arena, "arg=%s", s->argv[k]);
        if (s->time_limit_ms > 0)
            lines[n++] = arena_printf(arena, "limit_ms=%lld", (long long)s->time_limit_ms);
    }
    /* Each step's key holds that of the step before. Where no step names key files, the machine goes by the commit: what a step
     * reads is not known then. */
    if (has_key_files(plan))
        lines[n++] = arena_printf(arena, "key=%s", plan->prepare[plan->n_prepare - 1].key);
    for (uint32_t i = 0; i < plan->yml->env.n; i++)
        lines[n++] = arena_printf(arena, "prepare_env=%s", plan->yml->env.at[i]);
    *retn = n;
    return lines;
}
