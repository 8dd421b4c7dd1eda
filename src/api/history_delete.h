/* history_delete.h - what goes from the history, and the jobs that do it: shared by the files of src/api/. */
#ifndef WRATA_API_HISTORY_DELETE_H
#define WRATA_API_HISTORY_DELETE_H

#include "api/account_common.h"

void render_job(struct json_out *j, const struct job_row *row);

#endif
