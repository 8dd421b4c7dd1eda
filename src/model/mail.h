/* mail.h - mail that waits, was sent, or was given up: the row, as the store keeps it. */
#ifndef WRATA_MODEL_MAIL_H
#define WRATA_MODEL_MAIL_H

#include <stdint.h>

#include "base/clock.h"

#define MAILS_WAITING_MAX 10000u
#define MAIL_BYTES_MAX 262144u /* subject and both bodies together */
#define MAIL_SUBJECT_BYTES_MAX 500u
#define MAIL_ADDRESS_BYTES_MAX 254u /* RFC 5321, 4.5.3.1.3 less the brackets */
#define MAIL_WORD_BYTES_MAX 64u     /* of kind and group */
#define MAIL_KEPT_MS (INT64_C(30) * 24 * 3600 * 1000)

enum mail_state { MAIL_WAITING, MAIL_SENT, MAIL_FAILED, MAIL_STATE_COUNT };
const char *mail_state_name(enum mail_state s);     /* "waiting" "sent" "failed" */
enum mail_state mail_state_parse(const char *name); /* MAIL_STATE_COUNT: none of that name */

/* Texts as in rows.h: borrowed, NUL-ended UTF-8, never NULL. */
struct mail_row {
    uint64_t id;
    enum mail_state state;
    const char *to;    /* one address */
    const char *kind;  /* which template: "reset" */
    const char *group; /* mails of one storm; "" none */
    const char
        *subject;     /* "" of one that was sent, like the bodies: they may hold links that open accounts */
    const char *text; /* in lists "" */
    const char *html; /* "" none; in lists "" */
    const char
        *message_id; /* without the brackets; the same for every try, so that receivers can drop a double */
    struct wall created_at;
    struct wall next_at;    /* waiting: when it is tried next */
    struct wall ended_at;   /* sent or failed; 0: waits */
    struct wall give_up_at; /* when no further try is made */
    uint32_t tries;
    const char *error; /* what the last try met; "" nothing */
};

#endif
