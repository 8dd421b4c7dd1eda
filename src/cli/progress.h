/* progress.h - the line at the bottom of a terminal while a launch runs. Pure. */
#ifndef WRATA_CLI_PROGRESS_H
#define WRATA_CLI_PROGRESS_H

#include "cli/term.h"

struct progress {
    int64_t total, done, running;
    int64_t counts[OUTCOME_COUNT]; /* of the tests that are over */
    int64_t eta_ms;                /* -1: not known */
    int64_t preparing;             /* of those running; their process was not started */
    const char *step;              /* of one of them */
    const char *paused_by;         /* who paused its queue; NULL, "": nobody */
    const char *note;              /* instead of the counts: "reconnecting…"; NULL none */
};

/* Append one line, never wider than width - 1 columns (the last one would wrap), without a newline. */
void progress_render(struct buf *out, const struct progress *p, const struct term *t);

#endif
