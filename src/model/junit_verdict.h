/* junit_verdict.h - what an outcome is called in a JUnit report. */
#ifndef WRATA_MODEL_JUNIT_VERDICT_H
#define WRATA_MODEL_JUNIT_VERDICT_H

#include "model/outcome.h"
#include "wire/junit_out.h"

static inline enum junit_verdict junit_verdict_of(enum outcome o)
{
    switch (o) {
    case OUTCOME_PASSED:
        return JUNIT_PASSED;
    case OUTCOME_FAILED:
        return JUNIT_FAILED;
    case OUTCOME_STOPPED:
        return JUNIT_SKIPPED;
    default:
        return JUNIT_ERROR;
    }
}

#endif
