/* smtp.h - one mail at a time to one mail server, on a thread of its own.
 *
 * A thread, though libcurl could share the loop's: reading the authorities' certificates, the TLS handshake and some
 * resolvers block for as long as they like, and on the loop everything else would wait for them.
 *
 * All functions are the loop thread's. At most one mail is at work: smtp_send(), wake(), smtp_take(). */
#ifndef WRATA_NOTIFY_SMTP_H
#define WRATA_NOTIFY_SMTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum smtp_tls { SMTP_TLS_REQUIRED, SMTP_TLS_OPTIONAL, SMTP_TLS_OFF }; /* as the setting mail_tls lists them */

struct smtp_server {
    const char *host; /* name or address */
    uint16_t port;    /* 465: TLS from the first byte; any other: STARTTLS as `tls` says */
    const char *user; /* "" without authentication */
    const char *password;
    const char *from; /* of the envelope */
    enum smtp_tls tls;
    const char *ca;      /* PEM file of the authorities to believe; "" those of this computer */
    uint32_t connect_ms; /* until it greets, TLS included */
    uint32_t whole_ms;   /* until it has accepted the mail */
};

enum smtp_verdict {
    SMTP_SENT,      /* the server has taken responsibility: 250 after the last byte */
    SMTP_REFUSED,   /* it will not take this mail, now or ever */
    SMTP_LATER,     /* it did not take it now */
    SMTP_UNREACHED, /* nobody there, no TLS, wrong password: no other mail would fare better just now */
    SMTP_CANCELLED  /* we are ending */
};

struct smtp_result {
    enum smtp_verdict verdict;
    char text[240]; /* why; one line of printable ASCII */
};

struct smtp;

/* wake: called on the thread when a result can be taken. */
OWNED struct smtp *smtp_new(void (*wake)(void *ctx), void *ctx);
/* The server and the address are copied; the message is taken. None may be at work. */
void smtp_send(struct smtp *s, const struct smtp_server *server, const char *to, TAKES struct buf *message);
bool smtp_take(struct smtp *s, struct smtp_result *ret); /* false: none yet */
/* Let what is at work come to its end for up to grace_ms, then cut it; stop the thread. A result may be left to take. */
void smtp_stop(struct smtp *s, uint32_t grace_ms);
void smtp_free(struct smtp *s); /* NULL is fine; stops it */

#endif
