/* hub.h - live subscriptions: who watches what, and what they missed.
 *
 * Whatever changes becomes an event, rendered once, with the next number (rev). The newest events stay in a ring,
 * so a subscriber who was cut off goes on where it was. An id is "<epoch>-<rev>": the epoch is this process, so an
 * id of an earlier one cannot be mistaken; "~<run>@<byte>" for each followed log is appended, because log bytes
 * are not in the ring: they are in the store.
 *
 * Objects that change often (a launch, a server) are marked and read from the store when they are due, at most
 * every COALESCE_MS each, so what a watcher sees is what a GET answers. With nobody watching nothing is rendered
 * or read at all. Loop thread. */
#ifndef WRATA_API_LIVE_HUB_H
#define WRATA_API_LIVE_HUB_H

#include "base/buf.h"
#include "engine/outbox.h"
#include "model/rows.h"

struct api;
struct hub;

#define HUB_REV_BYTES 48

OWNED struct hub *hub_new(struct api *a);
void hub_stop(struct hub *h); /* closes its timers; streams are ended by httpd_close() */
void hub_free(struct hub *h);

/* The present rev as text, for a snapshot that is read from now on; out has HUB_REV_BYTES. */
void hub_rev(struct hub *h, char *out);

/* Accounts have changed: end the streams of those who may not look any more. */
void hub_look_again(struct hub *h);

void hub_note(struct hub *h, const struct note *n);
void hub_examples(struct hub *h, struct launch_id launch, const struct example_row *rows, uint32_t n);
/* What is known of a launch beside its own changes has changed. */
void hub_launch(struct hub *h, struct launch_id launch);
void hub_artifacts(struct hub *h, struct launch_id launch, struct run_id run);
void hub_job(struct hub *h, struct user_id user, struct slice json); /* of whom it is */
void hub_gone(struct hub *h, struct slice json);
void hub_log(struct hub *h, struct run_id run, uint64_t from, const char *bytes, uint32_t len);
void hub_log_end(struct hub *h, struct run_id run);

#endif
