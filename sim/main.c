/* main.c - wrata-sim: worlds made of seeds.
 *
 *   wrata-sim --seed N [--steps N] [--verbose]      one world, with its story
 *   wrata-sim --runs FROM:TO                        many, one line at the end
 *   wrata-sim --cloud ...                           all of them with a cloud and its faults
 *   wrata-sim --break RULE ...                      with a rule broken on purpose; the checks must catch it
 *
 * A failure is a line that begins with FAIL and a command that plays it again. Exit 1 when a world failed. */
#include "sim/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEPS_DEFAULT 1500
#define REST_HOURS 6

static struct {
    uint64_t seed;
    uint64_t step;
    enum broken broken;
    bool has_cloud;
    uint64_t steps;
} current; /* for the line that a failed CHECK leaves behind */

/* What each needs to show, beside what the seed draws. */
static const struct {
    const char *name;
    uint32_t faults;
    bool only; /* and no others */
} rules[BROKEN_COUNT] = {
    [BROKEN_NONE] = {"none", 0},
    [BROKEN_LEASE_GRACE] = {"lease-grace", 0},
    [BROKEN_INTENT_UNSAVED] = {"intent-unsaved", FAULT_CLOUD | FAULT_ENGINE | FAULT_COMMIT},
    [BROKEN_ADOPTION] = {"adoption", FAULT_CLOUD},
    [BROKEN_DESTROY] = {"destroy", FAULT_CLOUD},
    [BROKEN_CAP] = {"cap", FAULT_CLOUD},
    [BROKEN_CLOCK] = {"clock", 0},
    [BROKEN_BLAME] = {"blame", FAULT_DELAY, .only = true},
    [BROKEN_CHARGED_TWICE] = {"charged-twice", FAULT_CLOUD},
    [BROKEN_LEFT_OUT] = {"left-out", 0},
    [BROKEN_TOLD_TWICE] = {"told-twice", 0},
};

/* NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c) */
static void replay_line(FILE *out)
{
    (void)fprintf(out, "replay: wrata-sim --seed %llu --steps %llu%s%s%s --verbose\n",
                  (unsigned long long)current.seed, (unsigned long long)current.steps,
                  current.has_cloud ? " --cloud" : "", current.broken != BROKEN_NONE ? " --break " : "",
                  current.broken != BROKEN_NONE ? rules[current.broken].name : "");
}

/* The process is about to die of a failed CHECK on this very thread: printing is all that is left to do. */
static void on_abort(int signal_number)
{
    (void)signal_number;
    (void)printf("FAIL a CHECK seed=%llu step=%llu\n", (unsigned long long)current.seed,
                 (unsigned long long)current.step);
    replay_line(stdout);
    (void)fflush(stdout);
}
/* NOLINTEND(bugprone-signal-handler,cert-sig30-c) */

static void tell(void *ctx, int64_t ms, const char *text)
{
    (void)ctx;
    (void)printf("[%9lld] %s\n", (long long)ms, text);
}

/* Each seed has the faults of some coins: calm in all but one respect, or everything at once. */
static uint32_t faults_of(uint64_t seed)
{
    struct rng rng;
    uint32_t all;

    rng_seed(&rng, seed ^ 0x5eed);
    (void)rng_next(&rng);
    switch (rng_below(&rng, 4)) {
    case 0:
        return 1u << rng_below(&rng, FAULTS);
    case 1:
        return FAULT_ALL;
    default:
        all = (uint32_t)rng_next(&rng) & (uint32_t)rng_next(&rng) & FAULT_ALL;
        return all | FAULT_DELAY;
    }
}

static bool world_play(struct world *w, uint64_t steps)
{
    int64_t end_us;

    world_boot(w);
    people_begin(w);
    while (!w->failed && w->step < steps && world_next_us(w) != INT64_MAX) {
        current.step = w->step;
        world_step(w);
    }
    people_calm(w);
    end_us = w->now_us + (int64_t)REST_HOURS * 3600 * 1000000;
    while (!w->failed && !checks_at_rest(w)) {
        current.step = w->step;
        if (w->now_us > end_us) {
            world_fail(w, "it does not come to rest within %d hours after the last fault", REST_HOURS);
            break;
        }
        if (w->step % 64 == 0 || world_next_us(w) == INT64_MAX)
            people_calm(w);
        if (world_next_us(w) == INT64_MAX)
            world_fail(w, "nothing will ever happen again, and not every launch is done");
        else
            world_step(w);
    }
    return !w->failed;
}

static bool seed_play(uint64_t seed, uint64_t steps, bool verbose, uint64_t *retsteps)
{
    struct world_opts opts = {.seed = seed,
                              .faults = (rules[current.broken].only ? 0 : faults_of(seed)) |
                                        rules[current.broken].faults | (current.has_cloud ? FAULT_CLOUD : 0),
                              .grace_ms = current.broken == BROKEN_LEASE_GRACE ? 0 : 1000,
                              .broken = current.broken,
                              .trace = verbose};
    struct world *w = xcalloc(1, sizeof(*w));
    bool ok;

    if (verbose) {
        opts.on_trace = tell;
        (void)printf("seed %llu faults 0x%x\n", (unsigned long long)seed, opts.faults);
    }
    world_init(w, &opts);
    current.seed = seed;
    ok = world_play(w, steps);
    if (!ok) {
        (void)printf("FAIL %s seed=%llu step=%llu\n", w->what, (unsigned long long)seed,
                     (unsigned long long)w->step);
        replay_line(stdout);
    } else if (verbose) {
        (void)printf("came to rest at step %llu, %.1f s of virtual time, %llu crashes of the engine\n",
                     (unsigned long long)w->step, (double)w->now_us / 1e6, (unsigned long long)w->crashes);
    }
    (void)fflush(stdout);
    *retsteps += w->step;
    world_done(w);
    free(w);
    return ok;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: wrata-sim [--seed N | --runs FROM:TO] [--steps N] [--cloud] [--break RULE] "
                          "[--keep-going] [--verbose]\nrules:");
    for (int i = 1; i < BROKEN_COUNT; i++)
        (void)fprintf(stderr, " %s", rules[i].name);
    (void)fprintf(stderr, "\n");
    return 2;
}

static bool rule_set(const char *name)
{
    for (int i = 1; i < BROKEN_COUNT; i++) {
        if (strcmp(rules[i].name, name) == 0)
            current.broken = (enum broken)i;
    }
    return current.broken != BROKEN_NONE;
}

int main(int argc, char **argv)
{
    uint64_t from = 1;
    uint64_t to = 1;
    uint64_t failures = 0;
    uint64_t steps = 0;
    bool verbose = false;
    bool keep_going = false;
    struct timespec a, b;
    double seconds;

    current.steps = STEPS_DEFAULT;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--keep-going") == 0) {
            keep_going = true;
        } else if (strcmp(argv[i], "--cloud") == 0) {
            current.has_cloud = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            from = to = strtoull(argv[++i], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--steps") == 0) {
            current.steps = strtoull(argv[++i], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--break") == 0 && rule_set(argv[i + 1])) {
            i++;
        } else if (i + 1 < argc && strcmp(argv[i], "--runs") == 0 && strchr(argv[i + 1], ':') != NULL) {
            from = strtoull(argv[++i], NULL, 0);
            to = strtoull(strchr(argv[i], ':') + 1, NULL, 0);
        } else {
            return usage();
        }
    }
    (void)signal(SIGABRT, on_abort);
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (uint64_t seed = from; seed <= to && (failures == 0 || keep_going); seed++)
        failures += !seed_play(seed, current.steps, verbose, &steps);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    to = to - from + 1;
    (void)printf("%llu seeds, %llu failed, %llu steps, %.1f s, %.0f seeds/s\n", (unsigned long long)to,
                 (unsigned long long)failures, (unsigned long long)steps, seconds,
                 seconds > 0 ? (double)to / seconds : 0);
    return failures > 0;
}
