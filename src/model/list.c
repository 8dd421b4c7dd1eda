/* list.c - names of lists and schedules, and the words of their states. */
#include "model/list.h"

#include <string.h>

#include "model/rules.h"

enum err list_name_check(const char *field, const char *name, struct why *reterr)
{
    size_t n = strlen(name);
    size_t chars = 0;
    enum err err = text_check(field, name, LIST_NAME_CHARS_MAX * 4, reterr);

    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)name[i] & 0xc0u) != 0x80;
    if (chars < 1 || chars > LIST_NAME_CHARS_MAX || name[0] == ' ' || name[n - 1] == ' ')
        return why_set(reterr, ERR_INVALID, field,
                       "%s: '%.80s' is not a name: it has 1 to %u characters, none of them a blank at an end",
                       field, name, LIST_NAME_CHARS_MAX);
    return ERR_OK;
}

static int find(const char *const *names, int n, const char *name)
{
    int i = 0;

    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static const char *const overlaps[] = {"skip", "queue"};
static const char *const results[] = {"started", "skipped", "missed", "failed"};

const char *schedule_overlap_name(enum schedule_overlap o)
{
    CHECK(o < OVERLAP_COUNT);
    return overlaps[o];
}

enum schedule_overlap schedule_overlap_parse(const char *name)
{
    return (enum schedule_overlap)find(overlaps, OVERLAP_COUNT, name);
}

const char *start_result_name(enum start_result r)
{
    CHECK(r < START_RESULT_COUNT);
    return results[r];
}

enum start_result start_result_parse(const char *name)
{
    return (enum start_result)find(results, START_RESULT_COUNT, name);
}
