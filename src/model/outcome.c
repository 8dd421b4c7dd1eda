/* outcome.c - the one table that decides what a run came to; docs/outcomes.md shows it.
 *
 * Rows are tried from the top, the first that applies decides. The order carries meaning: how the process ended
 * comes before what its results say, an error outside of examples before failures, "nothing ran" before an exit
 * status. Nothing is green unless the results were read whole, add up, and say so.
 *
 * Not here: whether the run is tried again (engine/retry.c). */
#include "model/outcome.h"

#include <string.h>

#include "base/buf.h"
#include "wire/frame.h"

static const struct {
    const char *name;
    const char *sentence;
} outcomes[] = {
#define X(name, wire, text) [OUTCOME_##name] = {(wire), (text)},
    OUTCOME_MAP(X)
#undef X
};
_Static_assert(ARRAY_LEN(outcomes) == OUTCOME_COUNT, "a row for each");

const char *outcome_name(enum outcome o)
{
    CHECK(o < OUTCOME_COUNT);
    return outcomes[o].name;
}

const char *outcome_sentence(enum outcome o)
{
    CHECK(o < OUTCOME_COUNT);
    return outcomes[o].sentence;
}

enum outcome outcome_parse(const char *name)
{
    unsigned o;

    for (o = 0; o < OUTCOME_COUNT; o++) {
        if (name != NULL && strcmp(outcomes[o].name, name) == 0)
            return (enum outcome)o;
    }
    return OUTCOME_COUNT;
}

enum outcome outcome_worst(enum outcome a, enum outcome b)
{
    return a > b ? a : b;
}

bool outcome_is_infrastructure(enum outcome o)
{
    return o == OUTCOME_INFRASTRUCTURE;
}

bool finish_is_loss(const struct finish *f)
{
    return f->how == FINISH_AGENT_DIED || f->how == FINISH_LEASE_ENDED;
}

bool finish_is_final(const struct finish *f)
{
    return f->how == FINISH_NO_SECRET;
}

/* ---- conditions: what the results say ---- */

struct facts {
    const struct finish *f;
    const struct tally *t;
    uint64_t reported; /* passed + failed + pending */
};

static bool always(const struct facts *x)
{
    return x != NULL;
}

static bool never_began(const struct facts *x)
{
    return !x->t->started;
}

static bool has_errors(const struct facts *x)
{
    return x->t->errors > 0;
}

static bool was_aborted(const struct facts *x)
{
    return x->t->aborted;
}

static bool closed_early(const struct facts *x)
{
    return !x->t->ended;
}

static bool has_bad_lines(const struct facts *x)
{
    return x->t->bad_lines > 0;
}

static bool has_failed(const struct facts *x)
{
    return x->t->failed > 0;
}

static bool nothing_ran(const struct facts *x)
{
    return x->reported == 0;
}

static bool unbalanced(const struct facts *x)
{
    return x->t->miscounted || !tally_adds_up(x->t);
}

static bool some_not_run(const struct facts *x)
{
    return x->t->not_run > 0;
}

static bool exit_not_zero(const struct facts *x)
{
    return x->f->exit_code != 0;
}

/* ---- the table ---- */

enum who { ANY, EXAMPLES, SCRIPT }; /* EXAMPLES: there is a results channel */

/* What is put behind the sentence. */
enum detail { NO_DETAIL, EXIT_STATUS, SIGNAL, ERRORS, FAILED, BAD_LINES, NOT_RUN, COUNTS, LEDGER };

static const struct outcome_rule {
    enum finish_how how;
    enum who who;
    bool (*when)(const struct facts *x);
    enum outcome outcome;
    enum detail detail;
    const char *sentence;
} rules[] = {
    /* clang-format off */
    {FINISH_STOPPED,       ANY,      always,        OUTCOME_STOPPED,        NO_DETAIL,   "it was stopped"},
    {FINISH_TIME_LIMIT,    ANY,      always,        OUTCOME_TIMED_OUT,      NO_DETAIL,   "it ran longer than its time limit"},
    {FINISH_SILENCE_LIMIT, ANY,      always,        OUTCOME_TIMED_OUT,      NO_DETAIL,   "it wrote nothing for longer than its silence limit"},
    {FINISH_LEASE_ENDED,   ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "the server heard nothing from wrata until the lease ended"},
    {FINISH_NOT_STARTED,   ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "the command could not be started on this server"},
    {FINISH_NO_CODE,       ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "the code could not be brought to the server"},
    {FINISH_AGENT_DIED,    ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "the agent was killed while the script ran"},
    {FINISH_NO_DISK,       ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "the disk of the server is full"},
    {FINISH_DISK_LOST,     ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "the disk of the server lost what the run wrote"},
    {FINISH_NO_SECRET,     ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "a secret of its user could not be given to it"},
    {FINISH_NOT_PREPARED,  ANY,      always,        OUTCOME_INFRASTRUCTURE, NO_DETAIL,   "prepare failed"},
    {FINISH_MEMORY_LIMIT,  ANY,      always,        OUTCOME_ERROR,          NO_DETAIL,   "it used more memory than its limit"},
    {FINISH_SIGNALLED,     EXAMPLES, always,        OUTCOME_ERROR,          SIGNAL,      "a signal that wrata did not send ended it"},
    {FINISH_SIGNALLED,     SCRIPT,   always,        OUTCOME_FAILED,         SIGNAL,      "a signal that wrata did not send ended it"},
    {FINISH_EXITED,        SCRIPT,   exit_not_zero, OUTCOME_FAILED,         EXIT_STATUS, "the script failed"},
    {FINISH_EXITED,        SCRIPT,   always,        OUTCOME_PASSED,         NO_DETAIL,   "the script exited with status 0"},
    {FINISH_EXITED,        EXAMPLES, has_errors,    OUTCOME_ERROR,          ERRORS,      "an error outside of examples"},
    {FINISH_EXITED,        EXAMPLES, never_began,   OUTCOME_ERROR,          EXIT_STATUS, "it ended before its tests began to report"},
    {FINISH_EXITED,        EXAMPLES, was_aborted,   OUTCOME_ERROR,          COUNTS,      "the tests were cut short from within"},
    {FINISH_EXITED,        EXAMPLES, closed_early,  OUTCOME_ERROR,          EXIT_STATUS, "the process went away in mid-suite: its results have no end"},
    {FINISH_EXITED,        EXAMPLES, has_bad_lines, OUTCOME_ERROR,          BAD_LINES,   "a part of the results could not be read"},
    {FINISH_EXITED,        EXAMPLES, unbalanced,    OUTCOME_ERROR,          LEDGER,      "the examples do not add up"},
    {FINISH_EXITED,        EXAMPLES, has_failed,    OUTCOME_FAILED,         FAILED,      "examples failed"},
    {FINISH_EXITED,        EXAMPLES, nothing_ran,   OUTCOME_NO_TESTS,       NOT_RUN,     "no example was executed"},
    {FINISH_EXITED,        EXAMPLES, some_not_run,  OUTCOME_ERROR,          NOT_RUN,     "examples were found and not run"},
    {FINISH_EXITED,        EXAMPLES, exit_not_zero, OUTCOME_ERROR,          EXIT_STATUS, "no example failed, but the process says that it failed"},
    {FINISH_EXITED,        EXAMPLES, always,        OUTCOME_PASSED,         COUNTS,      "every example passed or is pending"},
    /* clang-format on */
};

/* In words, for docs/outcomes.md. */
static const struct {
    bool (*when)(const struct facts *x);
    const char *words;
} conditions[] = {
    {always, "always"},
    {never_began, "the adapter never announced itself"},
    {has_errors, "errors outside of examples > 0"},
    {was_aborted, "the adapter said that it was cut short"},
    {closed_early, "the adapter never said how it ended"},
    {has_bad_lines, "unreadable lines > 0"},
    {has_failed, "failed > 0"},
    {nothing_ran, "passed + failed + pending = 0"},
    {unbalanced, "discovered is not passed + failed + pending + not run, or the adapter counted others"},
    {some_not_run, "not run > 0"},
    {exit_not_zero, "exit status is not 0"},
};

static void put_detail(struct buf *b, enum detail d, const struct facts *x)
{
    switch (d) {
    case NO_DETAIL:
        break;
    case EXIT_STATUS:
        buf_printf(b, " (exit status %d)", x->f->exit_code);
        break;
    case SIGNAL:
        buf_printf(b, " (signal %d)", x->f->signal);
        break;
    case ERRORS:
        buf_printf(b, " (%u)", x->t->errors);
        break;
    case FAILED:
        buf_printf(b, " (%u of %llu)", x->t->failed, (unsigned long long)x->reported);
        break;
    case BAD_LINES:
        buf_printf(b, " (%u lines)", x->t->bad_lines);
        break;
    case NOT_RUN:
        if (x->t->not_run > 0)
            buf_printf(b, " (%u of %u not run: %s)", x->t->not_run, x->t->discovered, x->t->not_run_reason);
        break;
    case COUNTS:
        buf_printf(b, " (%u passed, %u failed, %u pending)", x->t->passed, x->t->failed, x->t->pending);
        break;
    case LEDGER:
        buf_printf(b, " (%u discovered; %u passed, %u failed, %u pending, %u not run)", x->t->discovered,
                   x->t->passed, x->t->failed, x->t->pending, x->t->not_run);
        break;
    }
}

static const struct outcome_rule *rule_find(enum finish_how how, bool has_adapter, const struct facts *x)
{
    size_t i;

    for (i = 0; i < ARRAY_LEN(rules); i++) {
        if (rules[i].how != how)
            continue;
        if (rules[i].who != ANY && (rules[i].who == EXAMPLES) != has_adapter)
            continue;
        if (rules[i].when(x))
            return &rules[i];
    }
    return NULL;
}

static void text_cut(char *out, uint32_t size, const char *s)
{
    size_t n = strlen(s);

    if (size == 0)
        return;
    if (n >= size)
        n = size - 1;
    memcpy(out, s, n);
    out[n] = '\0';
}

/* Whether the way it ended says why examples are missing. Where lines could not be read they may well have run. */
static bool explains_missing(const struct outcome_rule *r)
{
    return r->how != FINISH_EXITED || r->when == has_errors || r->when == was_aborted ||
           r->when == closed_early;
}

enum outcome outcome_decide(const struct finish *f, bool has_adapter, struct tally *t, char *reason,
                            uint32_t size)
{
    struct facts x = {f, t, tally_reported(t)};
    const struct outcome_rule *r = rule_find((enum finish_how)f->how, has_adapter, &x);
    struct buf b;

    if (r == NULL) { /* an agent newer than this server: a person should look at it */
        text_cut(reason, size, "it ended in a way that this version does not know");
        return OUTCOME_ERROR;
    }
    buf_init(&b, 1024);
    buf_puts(&b, r->sentence);
    put_detail(&b, r->detail, &x);
    if (explains_missing(r))
        tally_close(t, r->sentence);
    if (!tally_adds_up(t) && r->when != unbalanced) {
        buf_puts(&b, "; the examples do not add up");
        put_detail(&b, LEDGER, &x);
    }
    text_cut(reason, size, buf_str(&b));
    buf_done(&b);
    return r->outcome;
}

static const char *condition_words(bool (*when)(const struct facts *x))
{
    size_t i;

    for (i = 0; i < ARRAY_LEN(conditions); i++) {
        if (conditions[i].when == when)
            return conditions[i].words;
    }
    CHECK(!"a condition without words");
    return "";
}

void outcome_draw(struct buf *out)
{
    static const char *const whos[] = {[ANY] = "any", [EXAMPLES] = "examples", [SCRIPT] = "script"};
    size_t i;

    buf_puts(out, "| how the process ended | of | when | outcome | reason |\n|---|---|---|---|---|\n");
    for (i = 0; i < ARRAY_LEN(rules); i++) {
        buf_printf(out, "| %s | %s | %s | `%s` | %s |\n", finish_how_sentence(rules[i].how),
                   whos[rules[i].who], condition_words(rules[i].when), outcome_name(rules[i].outcome),
                   rules[i].sentence);
    }
}
