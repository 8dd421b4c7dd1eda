/* mask.h - hide words in a stream of bytes: each of their occurrences becomes three stars.
 *
 * What is hidden of a secret: itself; its base64, at each of the three places where it can begin in a group, in both
 * alphabets, also wrapped; as it stands in JSON and in a URL; and each line of it, if that is long enough. Where
 * occurrences overlap, one `***` stands for all of them; where they only touch, one for each.
 *
 * A stream comes in pieces of any size. An automaton (Aho-Corasick) follows it, a step per byte whatever is hidden, and
 * holds back only what may still become an occurrence: less than the longest form.
 *
 * What can show: when nothing comes for a while, mask_rest() lets go what is held, so that a live log does not lag.
 * It keeps the beginning of a form from more than a quarter on. So of a secret that is written with pauses at most its
 * first quarter shows, and the rest is hidden still. mask_end() hides such a beginning if it is more than half.
 * Nobody can hide what was changed otherwise: reversed, in hex, encrypted, one byte a line. */
#ifndef WRATA_BASE_MASK_H
#define WRATA_BASE_MASK_H

#include "base/buf.h"

#define MASK_STARS "***"
#define MASK_SECRET_BYTES_MIN 6u       /* shorter ones are not hidden: every other word would be stars */
#define MASK_SECRETS_BYTES_MAX KIB(32) /* all of one mask: a thousand times as much memory, usually less */
#define MASK_FEED_BYTES_MAX KIB(64)    /* of one call */
#define MASK_GROWTH 3u                 /* out of n bytes, with what was held, come at most n times this */
#define MASK_FORM_BYTES_MAX KIB(512)   /* JSON twice over of control characters */

/* What to hide. Read-only once it is made: for any number of streams, from any thread. */
struct mask;

/* NULL when there is nothing to hide. CHECKs MASK_SECRETS_BYTES_MAX. */
OWNED struct mask *mask_new(const struct slice *secrets, uint32_t n);
void mask_free(struct mask *m);            /* overwrites what it knew; NULL is fine */
size_t mask_longest(const struct mask *m); /* bytes of the longest form */

/* Every form in which a secret is looked for, once or more. Borrowed for the call. */
void mask_forms(struct slice secret, void (*each)(void *ctx, struct slice form), void *ctx);

struct mask_cover;

struct mask_stream {
    const struct mask *mask;
    uint32_t node;
    uint64_t base; /* position of the first byte held */
    uint64_t pos;  /* behind the last byte seen */
    struct buf held;
    struct mask_cover *covers; /* in order, apart from each other: what is hidden of the bytes held */
    size_t covers_first;
    size_t n_covers;
    size_t covers_cap;
};

void mask_stream_init(struct mask_stream *s, const struct mask *m); /* m outlives it */
void mask_stream_done(struct mask_stream *s);                       /* overwrites what was held */
/* n <= MASK_FEED_BYTES_MAX. Appends what may be shown. */
void mask_feed(struct mask_stream *s, const char *data, size_t n, struct buf *out);
void mask_rest(struct mask_stream *s, struct buf *out); /* nothing came for a while */
void mask_end(struct mask_stream *s, struct buf *out);  /* nothing will come: nothing is held afterwards */
size_t mask_held(const struct mask_stream *s);          /* bytes */

#endif
