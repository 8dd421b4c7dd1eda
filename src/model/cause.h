/* cause.h - why something failed, so that many failures are told as few causes (docs/causes.md).
 *
 * Two failures have one cause when they agree in exception, message and place, once that is taken out of these which
 * differs each time: numbers, times, addresses, ids, temporary paths, line numbers. Pure. Any thread. */
#ifndef WRATA_MODEL_CAUSE_H
#define WRATA_MODEL_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/outcome.h"

#define CAUSE_READ_BYTES KIB(16) /* of a message; what comes later does not tell causes apart */
#define CAUSE_TEXT_BYTES 2000u   /* of a message in its general form */
#define CAUSE_TITLE_BYTES 240u
#define CAUSE_FRAME_BYTES 400u
#define CAUSE_ID_BYTES 17u /* 16 hex digits and the NUL */

struct cause {
    uint64_t id;           /* 1..INT64_MAX; the same for the same cause in every launch of every server */
    const char *title;     /* the message in its general form, one line; never empty */
    const char *exception; /* its class; "" none */
    const char *frame;     /* the place as this failure has it: "./lib/page.rb:12:in `click'"; "" none */
};

/* Of an example that failed, or of an error outside of examples. Texts in the arena. */
void cause_of_failure(struct arena *a, const char *exception, const char *message,
                      const char *const *backtrace, uint32_t n_backtrace, struct cause *ret);
/* Of a run that no example explains: its outcome and why it had it. */
void cause_of_run(struct arena *a, enum outcome outcome, const char *reason, struct cause *ret);

void cause_id_text(uint64_t id, char out[CAUSE_ID_BYTES]);
uint64_t cause_id_parse(const char *text); /* 0: it is none */

/* The message in its general form, in one line, appended; at most CAUSE_TEXT_BYTES. Doing it again changes nothing. */
void cause_general(struct buf *out, const char *message);

/* A line of a backtrace that is of the project itself, not of a library. */
bool frame_is_own(const char *line);
/* The first of these, else the first of all; NULL: there is none. */
const char *frame_top(const char *const *backtrace, uint32_t n);
/* "./lib/page.rb:12:in `click'": its file without "./", of the project, and its line. false: it names none. */
bool frame_place(const char *line, struct slice *ret_file, uint32_t *ret_line);

/* What a message itself says of the page that it is about: the text between single quotes behind "Page address:" and
 * "Error screenshot:". Slices of the message; empty: not said. */
void message_page(const char *message, struct slice *ret_page_url, struct slice *ret_screenshot);

/* "http://..." or "https://...": what a person may be led to. */
bool url_is_web(const char *url, size_t n);

#endif
