/* notice_text.h - the words of mails about launches, schedules and troubles. Pure: what was read goes in, texts come out.
 *
 * Names, reasons, messages and log lines come from anywhere: each is written on its own lines without control and direction
 * characters, cut where it is too long; the HTML part is escaped by template.h. A mail stays far below MAIL_BYTES_MAX. */
#ifndef WRATA_NOTIFY_NOTICE_TEXT_H
#define WRATA_NOTIFY_NOTICE_TEXT_H

#include "model/rows.h"
#include "notify/template.h"

#define NOTICE_THINGS_MAX 20u   /* listed in a mail; the rest is counted */
#define NOTICE_TESTS_MAX 20u    /* of a launch, that did not pass */
#define NOTICE_EXAMPLES_MAX 3u  /* of each */
#define NOTICE_LOGS_MAX 3u      /* things with the end of a log */
#define NOTICE_LOG_LINES 60u    /* of each */
#define NOTICE_LOG_BYTES KIB(8) /* that are read of it */

/* Where links lead, and what this server is called. */
struct notice_site {
    const char *site; /* "wrata.example.org" */
    const char *url;  /* of the page, without a "/" at its end */
};

struct notice_example {
    const char *name; /* its descriptions, joined */
    const char *file;
    uint32_t line;
    const char *message;
};

struct notice_test {
    const char *path;
    enum outcome outcome;
    const char *reason; /* of its run, or its own; "" */
    struct run_id run;  /* 0 none */
    struct notice_example examples[NOTICE_EXAMPLES_MAX];
    uint32_t n_examples;
    uint32_t n_failed; /* examples that failed, all of them */
};

/* A launch that ended. */
struct notice_launch {
    struct launch_row row; /* its texts live as long as this */
    uint32_t by_outcome[OUTCOME_COUNT];
    struct tally tally;
    const char *schedule; /* that started it; "" none */
    struct notice_test tests[NOTICE_TESTS_MAX];
    uint32_t n_tests;
};

/* Something that a notice is about, as it is listed. */
struct notice_thing {
    struct notice_row row;
    const char *project; /* of a launch; "" none, or the launch is gone */
    const char *ref;
    const char *launch_name;
    const char *log; /* the end of the log of row.run; "" none */
};

struct notice_things {
    enum notice_kind kind;
    const struct notice_thing *at;
    uint32_t n;      /* listed */
    uint64_t things; /* all of them */
    uint64_t count;  /* what they count */
};

/* Each appends the parts of a mail, as template_render() does, and can fail as that does. */
MUST_USE enum err notice_text_launch(const struct notice_site *site, const char *login,
                                     const struct notice_launch *l, struct buf *subject, struct buf *text,
                                     struct buf *html, struct why *reterr);
/* Several, that ended while the mail before was on its way; `all`: how many, listed or not. */
MUST_USE enum err notice_text_launches(const struct notice_site *site, const char *login,
                                       const struct notice_launch *const *ls, uint32_t n, uint64_t all,
                                       struct buf *subject, struct buf *text, struct buf *html,
                                       struct why *reterr);
MUST_USE enum err notice_text_schedules(const struct notice_site *site, const char *login,
                                        const struct notice_things *things, struct buf *subject,
                                        struct buf *text, struct buf *html, struct why *reterr);
/* To admins. */
MUST_USE enum err notice_text_trouble(const struct notice_site *site, const struct notice_things *things,
                                      struct buf *subject, struct buf *text, struct buf *html,
                                      struct why *reterr);

/* s as one line of at most chars_max characters: exported for its test. */
void notice_text_line(struct buf *out, const char *s, uint32_t chars_max);

#endif
