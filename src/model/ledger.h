/* ledger.h - the ledger of a run's examples: each that was found ends in exactly one column, or it is said why not.
 *
 *     discovered = passed + failed + pending + not run
 *
 * It adds up for every run that is over, and so for its launch; where it does not, that is an outcome (outcome.c). */
#ifndef WRATA_MODEL_LEDGER_H
#define WRATA_MODEL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#define NOT_RUN_REASON_BYTES_MAX 256u

/* Counts of examples, from the results channel. */
struct tally {
    uint32_t discovered;
    uint32_t passed;
    uint32_t failed;
    uint32_t pending;
    uint32_t not_run;   /* found and not executed, and it is known why */
    uint32_t errors;    /* outside of examples */
    bool started;       /* the adapter announced itself */
    bool ended;         /* the adapter said how it ended */
    bool aborted;       /* it said that it was cut short */
    bool miscounted;    /* its own counts at the end are not those of what was read */
    uint32_t bad_lines; /* lines of the channel that could not be read */
    char not_run_reason[NOT_RUN_REASON_BYTES_MAX];
};

void tally_add(struct tally *sum, const struct tally *t); /* numbers only */

uint64_t tally_reported(const struct tally *t); /* passed + failed + pending */
bool tally_adds_up(const struct tally *t);

/* `n` examples were found and not executed. `why`: for people; cut at a character's border when it is too long. The
 * reasons of several calls stand behind each other, the same one once. Counters stay at their maximum. */
void tally_not_run(struct tally *t, uint64_t n, const char *why);

/* The run is over, and what it came to explains why examples are missing: they are not run, for that reason. */
void tally_close(struct tally *t, const char *why);

#endif
