/* launch_start.h - what a launch is started from: a body of POST /launches, or another launch. */
#ifndef WRATA_API_LAUNCH_START_H
#define WRATA_API_LAUNCH_START_H

#include "api/api_private.h"

struct launch_body {
    struct field_int_or_text project;
    const char *ref;
    struct field_texts files;
    const char *name;
    int order;
    int64_t retries;
    int64_t time_limit_s;
    int64_t silence_limit_s;
    int64_t lease_s;
    int64_t slots;
    struct field_texts servers;
    struct field_texts env;
    int at;
    const char *location;
    struct field_texts languages;
    struct field_texts browsers;
    struct field_texts artifacts;
    int mail; /* enum mail_when */
};

extern const struct field launch_fields[];
extern const struct launch_body launch_preset;
/* When the one who starts it hears how it ended, as a field of `owner`. */
extern const char *const launch_mails[];
#define LAUNCH_MAIL_FIELD(owner)                                                                      \
    {                                                                                                 \
        .name = "mail", .type = FIELD_ENUM, .offset = offsetof(owner, mail), .names = launch_mails,   \
        .help = "when you get a mail about its end; choice: as your account says", .preset = "choice" \
    }

/* A test of another launch, to be run again as it was. */
struct launch_again_test {
    const char *path;
    const char *language;
    const char *browser;
    struct test_limits limits;
};

/* Instead of files, languages, browsers, servers and limits of the body. In the request's arena. */
struct launch_again {
    const struct launch_again_test *tests;
    uint32_t n_tests;
    const char *location;
    const uint64_t *servers;
    uint32_t n_servers;
    struct api_launch_defaults limits;
    const char *note; /* a sentence for the launch's people; NULL none */
};

void launches_start(struct req *rq);
void launches_plan(struct req *rq);
void launches_retest(struct req *rq); /* launch_retest.c */
extern const struct field launch_retest_fields[];
struct launch_retest_body {
    int what; /* 0 failed, 1 all, 2 failed examples */
    bool fresh;
    int mail; /* enum mail_when */
};
void runs_retest(struct req *rq); /* the same file: chosen runs */
extern const struct field runs_retest_fields[];
struct runs_retest_body {
    struct field_ints runs;
    bool fresh;
    int mail;
};

/* Start with this body; `again` may be NULL. Both live in the request's arena. */
void launch_begin(struct req *rq, const struct launch_body *in, bool is_dry,
                  const struct launch_again *again);

/* The default of `on_reply` of whatever changes a launch: answers with it. */
void launch_answer(struct req *rq, uint64_t id);

#endif
