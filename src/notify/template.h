/* template.h - the mails that wrata writes: src/notify/templates/KIND.txt and KIND.html, inside the program.
 *
 * The first line of the text is "Subject: ...", the second is empty. {{name}} is replaced by the value of that name,
 * escaped in the HTML part; a name without a value is an error, so that no mail goes out with a hole in it. */
#ifndef WRATA_NOTIFY_TEMPLATE_H
#define WRATA_NOTIFY_TEMPLATE_H

#include "base/buf.h"

/* As embedded by cmake/embed.cmake. */
struct mail_template {
    const char *kind;
    const char *text;
    const char *html; /* "" none */
};
extern const struct mail_template mail_templates[];
extern const unsigned int mail_templates_count;

struct template_value {
    const char *name;
    const char *value;
};

/* Append the parts of the mail `kind`. ERR_NOTFOUND: no such template; ERR_INVALID: a placeholder without a value,
 * or a value with a line end in the subject; ERR_LIMIT: a buffer's maximum. The buffers hold a part of it then. */
MUST_USE enum err template_render(const char *kind, const struct template_value *values, size_t n,
                                  struct buf *subject, struct buf *text, struct buf *html,
                                  struct why *reterr);

#endif
