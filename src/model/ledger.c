#include "model/ledger.h"

#include <string.h>

#define BETWEEN "; "

void tally_add(struct tally *sum, const struct tally *t)
{
    sum->discovered += t->discovered;
    sum->passed += t->passed;
    sum->failed += t->failed;
    sum->pending += t->pending;
    sum->not_run += t->not_run;
    sum->errors += t->errors;
    sum->bad_lines += t->bad_lines;
}

uint64_t tally_reported(const struct tally *t)
{
    return (uint64_t)t->passed + t->failed + t->pending;
}

bool tally_adds_up(const struct tally *t)
{
    return tally_reported(t) + t->not_run == t->discovered;
}

/* How much of s fits into `room` bytes without cutting a character. */
static size_t fitting(const char *s, size_t room)
{
    size_t n = strlen(s);

    if (n <= room)
        return n;
    n = room;
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void add_reason(struct tally *t, const char *why)
{
    size_t len = strlen(t->not_run_reason);
    size_t room = sizeof(t->not_run_reason) - 1 - len;
    size_t n;

    if (why[0] == '\0' || strstr(t->not_run_reason, why) != NULL)
        return;
    if (len > 0) {
        if (room < sizeof(BETWEEN))
            return;
        memcpy(t->not_run_reason + len, BETWEEN, sizeof(BETWEEN));
        len += sizeof(BETWEEN) - 1;
        room -= sizeof(BETWEEN) - 1;
    }
    n = fitting(why, room);
    memcpy(t->not_run_reason + len, why, n);
    t->not_run_reason[len + n] = '\0';
}

void tally_not_run(struct tally *t, uint64_t n, const char *why)
{
    if (n == 0)
        return;
    t->not_run = n < UINT32_MAX - t->not_run ? t->not_run + (uint32_t)n : UINT32_MAX;
    add_reason(t, why);
}

void tally_close(struct tally *t, const char *why)
{
    uint64_t known = tally_reported(t) + t->not_run;

    if (t->discovered > known)
        tally_not_run(t, t->discovered - known, why);
}
