/* notice.h - what happened that somebody should be told by mail, and who wants to hear what (docs/notifications.md).
 *
 * A notice is saved in the commit of what it tells of. Those of one kind about one thing are one row with a count, so that a
 * storm is no longer than the things that it is about; which of them become a mail, and when, is notify/notice.h's. */
#ifndef WRATA_MODEL_NOTICE_H
#define WRATA_MODEL_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "model/ids.h"

#define NOTICE_TEXT_BYTES_MAX 512u
#define NOTICE_WORD_BYTES_MAX 64u
#define NOTICE_KEPT_MS (INT64_C(3) * 24 * 3600 * 1000) /* what cannot be told for so long is not told */

enum notice_kind {
    /* to the owner */
    NOTICE_LAUNCH_DONE,       /* object: the launch */
    NOTICE_SCHEDULE_FAILED,   /* object: the schedule; it could not start its list */
    NOTICE_SCHEDULE_MISSED,   /* no server was there, for so long that it was given up */
    NOTICE_SCHEDULE_DISABLED, /* by the program */
    NOTICE_HOOK_DISABLED,     /* object: the hook; its receiver did not take anything for days */
    /* to admins */
    NOTICE_RUNS_LOST,   /* object: the launch; a run ended because of a machine or the way to it */
    NOTICE_NO_TESTS,    /* object: the launch; a run executed no example */
    NOTICE_NOT_CREATED, /* object: the server */
    NOTICE_SICK,        /* object: the server, which was taken out */
    NOTICE_ERROR,       /* word: the event of an error line in the server's own log */
    NOTICE_KIND_COUNT
};
const char *notice_kind_name(enum notice_kind k);     /* "launch_done" */
enum notice_kind notice_kind_parse(const char *name); /* NOTICE_KIND_COUNT: none of that name */
bool notice_is_for_admins(enum notice_kind k);
/* The group of its mails (mail_row.group): "runs_lost:0". */
void notice_group_word(enum notice_kind k, struct user_id user, char *out, size_t size);

/* Texts as in rows.h. Of a new one n and last_at are not looked at. */
struct notice_row {
    enum notice_kind kind;
    struct user_id user; /* who is told; 0: the admins */
    uint64_t object;     /* 0: none, see `word` */
    const char *word;    /* "" none */
    const char *name;    /* of the object, when its row may be gone by then; "" */
    const char *text;    /* the reason, of the newest */
    struct run_id run;   /* an example of it: the first; 0 none */
    uint64_t n;          /* how often */
    struct wall at;      /* the first */
    struct wall last_at;
};

/* Notices of a kind for a user. */
struct notice_group {
    enum notice_kind kind;
    struct user_id user;
    bool is_taken;
    struct wall at;      /* of its first notice */
    struct wall told_at; /* the last mail of this kind; 0 never */
    bool is_held;        /* and that is not delivered to anybody yet: it still waits */
};

/* When somebody wants to hear of a launch. */
enum mail_when { WHEN_AS_CHOSEN, WHEN_NEVER, WHEN_FAILED, WHEN_ALWAYS, MAIL_WHEN_COUNT };
const char *mail_when_name(enum mail_when w);     /* "choice" "never" "failed" "always" */
enum mail_when mail_when_parse(const char *name); /* MAIL_WHEN_COUNT: none of that name */

#define LAUNCH_MIN_S_MAX (7u * 24 * 3600)
/* What a user wants to be told. */
struct mail_choices {
    enum mail_when launches;          /* never AS_CHOSEN; of launches that no schedule started */
    uint32_t launch_min_s;            /* and that took at least so long */
    enum mail_when schedule_launches; /* of those that one did */
    bool schedule_failed;
    bool schedule_missed;
    bool schedule_disabled;
};
#define MAIL_CHOICES_PRESET                                                            \
    {                                                                                  \
        .launches = WHEN_FAILED, .launch_min_s = 60, .schedule_launches = WHEN_FAILED, \
        .schedule_failed = true, .schedule_missed = true, .schedule_disabled = true    \
    }
bool mail_choices_equal(const struct mail_choices *a, const struct mail_choices *b);

#endif
