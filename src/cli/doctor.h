/* doctor.h - what `wrata doctor` is given from the server's side: the command line may not see the store. */
#ifndef WRATA_CLI_DOCTOR_H
#define WRATA_CLI_DOCTOR_H

#include <stdbool.h>

#include "base/err.h"
#include "model/rows.h"

struct data_look {
    int64_t schema;          /* of the database */
    int64_t schema_known;    /* the newest that this program knows */
    char damage[160];        /* "": none found */
    uint64_t artifact_files; /* that runs left, and what they take */
    uint64_t artifact_bytes;
    bool has_admin; /* an account of an admin that has a password and is not locked, beside the operator */
};

/* Look at the database of a data folder without a change to it. `each` gets its servers, borrowed for the call. */
typedef enum err look_fn(const char *data, struct data_look *ret,
                         void (*each)(void *ctx, const struct server_row *row), void *ctx,
                         struct why *reterr);

#endif
