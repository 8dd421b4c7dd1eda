/* retention.h - what is old or too much goes, by itself, in small steps; and the space that it took goes back to the disk.
 *
 * How long and how much of each kind is kept is in the settings. Loop thread. */
#ifndef WRATA_SERVER_RETENTION_H
#define WRATA_SERVER_RETENTION_H

#include "server/server.h"

void retention_open(struct server *s);  /* after the API: files of before are removed */
void retention_start(struct server *s); /* the first round, and then one from time to time */
void retention_now(struct server *s);   /* a round, as soon as the one under way is over */
void retention_api(struct server *s, struct api_retention *ret); /* for the API */
void retention_files(struct server *s); /* something was deleted: its files and its space are to go */
void retention_halt(struct server *s);  /* before the store closes */
void retention_free(struct server *s);  /* after the loop's last turn */

#endif
