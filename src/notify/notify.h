/* notify.h - the queue of mail: stored first, then sent, one at a time, again and again until it is or has no hope.
 *
 * Where a mail is kept is the caller's (struct notify_store): the queue holds the one at work and asks for the next.
 * So it is bounded, and a restart goes on where the last process was.
 *
 * A mail is sent once: that the server took it is stored before anything else is done. Only when the program dies
 * between the server's 250 and that commit, or the connection breaks before the 250 arrives, is it sent again, with
 * the same Message-ID and the same bytes, by which receivers know a double.
 *
 * Loop thread. Nothing here blocks it. */
#ifndef WRATA_NOTIFY_NOTIFY_H
#define WRATA_NOTIFY_NOTIFY_H

#include "base/mem.h"
#include "model/mail.h"
#include "notify/smtp.h"

struct uv_loop_s;
struct notify;

typedef void notify_done_fn(void *ctx, enum err err, const struct why *why);
typedef void notify_next_fn(void *ctx, enum err err, const struct mail_row *row); /* row NULL: none waits */

/* Each calls its callback later, from the loop, also when the store is closing. */
struct notify_store {
    void (*add)(void *ctx, const struct mail_row *row, uint64_t *ret_id, notify_done_fn *done, void *arg);
    void (*set)(void *ctx, const struct mail_row *row, notify_done_fn *done, void *arg);
    void (*next)(void *ctx, notify_next_fn *got,
                 void *arg); /* of those that wait the one that is due first */
    void (*retry)(void *ctx, struct wall now, struct wall give_up_at, uint64_t *ret_n, notify_done_fn *done,
                  void *arg);
    void (*prune)(void *ctx, struct wall before, uint32_t max, uint64_t *ret_n, notify_done_fn *done,
                  void *arg);
};

struct notify_opts {
    struct uv_loop_s *loop;
    const struct notify_store *store;
    void *store_ctx;
    uint64_t seed;                  /* of the jitter */
    void (*ended)(void *store_ctx); /* a mail was sent or given up, and that is stored; NULL: never mind */
};

OWNED struct notify *notify_new(const struct notify_opts *opts);
/* No mail is begun any more; the one at work may end within grace_ms (the call waits for it). Before the store closes. */
void notify_halt(struct notify *n, uint32_t grace_ms);
/* After the store has closed. Its memory goes when the loop has turned once more. NULL is fine. */
void notify_free(struct notify *n);

/* From now on mail goes by this server (texts are copied), also what waits. NULL: by none, and `reason` is what
 * notify_mail() says ("smtp_host is not set"). ERR_INVALID: it cannot be used so; then by none, for that reason. */
enum err notify_configure(struct notify *n, const struct smtp_server *server, const char *reason,
                          struct why *reterr);
bool notify_is_configured(const struct notify *n);

struct mail {
    const char *to; /* one address */
    const char *subject;
    const char *text;
    const char *html;  /* NULL none */
    const char *kind;  /* a word: which template */
    const char *group; /* a word for mails of one storm; NULL none */
};

/* A mail is in the queue (id) or is not (why). `why` is borrowed. */
typedef void notify_queued_fn(void *ctx, uint64_t id, enum err err, const struct why *why);

/* Put a mail into the queue. An error means: nothing was queued, and `done` is not called. ERR_BUSY: no server is
 * configured, or we are ending; ERR_INVALID names the member; ERR_LIMIT: too large, or too many on their way to
 * disk. Else done(ctx, id, ...) comes later, once, after the commit; NULL: never mind, a failure is logged. */
MUST_USE enum err notify_mail(struct notify *n, const struct mail *mail, notify_queued_fn *done, void *ctx,
                              struct why *reterr);

/* The row of a mail that the caller stores itself, together with what it tells of; its texts are those of `mail`, its
 * message_id is in the arena. The same errors as notify_mail()'s. When it is stored: notify_look(). */
MUST_USE enum err notify_row(const struct notify *n, const struct mail *mail, struct arena *arena,
                             struct mail_row *ret, struct why *reterr);
void notify_look(struct notify *n); /* mail was stored */

/* One made of a template (template.h). The same errors, and ERR_NOTFOUND: no such template. */
struct template_value;
MUST_USE enum err notify_template(struct notify *n, const char *to, const char *kind,
                                  const struct template_value *values, size_t n_values,
                                  notify_queued_fn *done, void *ctx, struct why *reterr);

/* Try all that wait now, and those that failed once more. done(ctx, how many wait now, ...). */
void notify_retry(struct notify *n, notify_queued_fn *done, void *ctx);

#endif
