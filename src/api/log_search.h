/* log_search.h - which lines of a log hold a text or fit an expression, and where.
 *
 * Lines are looked at as a person reads them (wire/log_text.h): without colours, and without the '\r' at their end. A literal
 * is found in any line, however long; an expression is PCRE2's, is tried on each line alone, and sees a line of more
 * than LOG_SEARCH_PIECE bytes in pieces that overlap by LOG_SEARCH_OVERLAP. No expression is compiled to machine code,
 * and none gets more than a fixed number of steps, bytes and milliseconds on a line: one that needs more is passed over and
 * counted.
 *
 * Bytes go in as they lie in the log; the work stops between two lines when its time is up. No I/O. One thread at a time. */
#ifndef WRATA_API_LOG_SEARCH_H
#define WRATA_API_LOG_SEARCH_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"

#define LOG_SEARCH_QUERY_BYTES 1000u
#define LOG_SEARCH_HITS_MAX 1000u
#define LOG_SEARCH_PIECE 262144u
#define LOG_SEARCH_OVERLAP 4096u
#define LOG_SEARCH_TEXT_BYTES 2048u /* shown of a line */
#define LOG_SEARCH_MARKS 32u        /* places in it */

enum log_case {
    LOG_CASE_SMART, /* capitals count when the query has one */
    LOG_CASE_YES,   /* they count */
    LOG_CASE_NO,
    LOG_CASE_COUNT
};

struct log_search;

struct log_hit {
    uint64_t line;  /* from 1 */
    uint64_t byte;  /* of the log, where the line begins */
    uint64_t bytes; /* of the line, without its newline; as far as it was looked at */
    uint64_t
        text_byte; /* of the log, where the text begins: the beginning of the line, or shortly before the first place */
    struct slice text;       /* valid UTF-8; until the next feed */
    const uint32_t (*at)[2]; /* places: from, to in the text, counted in UTF-16 units as JavaScript does */
    uint32_t n_at;
};

/* What is to be found: 1..LOG_SEARCH_QUERY_BYTES bytes of valid UTF-8. The first `hits_max` lines are kept, all are counted.
 * ERR_INVALID: an expression that does not compile; why says where. */
MUST_USE enum err log_search_new(const char *query, size_t len, bool is_regex, enum log_case how,
                                 uint32_t hits_max, struct log_search **ret, struct why *reterr);
void log_search_free(struct log_search *s); /* NULL is fine */

/* For tests: smaller pieces than LOG_SEARCH_PIECE and LOG_SEARCH_OVERLAP; piece >= 4 * overlap >= 256. */
void log_search_pieces(struct log_search *s, uint32_t piece, uint32_t overlap);

/* Where the next byte stands: line from 1, which begins there. Before the first feed. */
void log_search_from(struct log_search *s, uint64_t line, uint64_t byte);

/* The next bytes of the log, at most LOG_SEARCH_PIECE. Returns how many were taken: fewer when `until` has passed, then feed
 * the rest later. */
size_t log_search_feed(struct log_search *s, const char *bytes, size_t n, struct mono until);

/* The log ends here, so its last line does. */
void log_search_end(struct log_search *s);

uint64_t log_search_count(const struct log_search *s); /* lines found so far */
uint32_t log_search_hits(const struct log_search *s);  /* of them kept */
void log_search_hit(const struct log_search *s, uint32_t i, struct log_hit *ret);

/* The first line found that was not kept; 0: all were. */
uint64_t log_search_more(const struct log_search *s);
/* The line that the next byte belongs to. */
uint64_t log_search_line(const struct log_search *s);
/* Lines on which the expression needed more than it may; *ret_first is the first of them. */
uint64_t log_search_gave_up(const struct log_search *s, uint64_t *ret_first);

#endif
