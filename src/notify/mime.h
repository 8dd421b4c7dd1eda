/* mime.h - one mail as the bytes that SMTP carries. Pure: equal mails give equal bytes, whenever they are tried.
 *
 * Bodies become quoted-printable: whatever they hold, every line is 7-bit, at most 76 characters, ends with CRLF and
 * begins with neither a dot nor "From ". */
#ifndef WRATA_NOTIFY_MIME_H
#define WRATA_NOTIFY_MIME_H

#include "base/buf.h"
#include "base/clock.h"

#define MIME_BYTES_MAX MIB(1) /* three for each byte of the largest mail, line ends, headers */

struct mime {
    const char *from; /* an address */
    const char *to;
    const char *subject;
    const char *text;
    const char *html; /* "" none: then the mail is plain text */
    const char *message_id;
    struct wall date;
};

/* Is it one address that can stand in a header and in an envelope as it is? ASCII, one '@', no blank, control
 * character, bracket, quote, comma. NULL: it is; else what would be right. */
const char *mime_wrong_address(const char *address);
/* A subject: valid UTF-8 without control characters, 1..MAIL_SUBJECT_BYTES_MAX bytes. As above. */
const char *mime_wrong_subject(const char *subject);

/* Append the whole message. Its parts have been checked. */
void mime_write(const struct mime *m, struct buf *out);

#endif
