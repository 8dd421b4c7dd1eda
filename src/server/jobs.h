/* jobs.h - what takes longer than an answer may (model/job.h). Loop thread. */
#ifndef WRATA_SERVER_JOBS_H
#define WRATA_SERVER_JOBS_H

#include "server/server.h"

void jobs_open(struct server *s); /* after the API; those that run go on */
void jobs_look(struct server *s); /* one was made, or canceled */
void jobs_halt(struct server *s); /* before the store closes */
void jobs_free(struct server *s); /* after the loop's last turn */

#endif
