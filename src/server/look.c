#include "server/look.h"

#include <stdio.h>

#include "store/inspect.h"

enum err look_at_store(const char *data, struct data_look *ret,
                       void (*each)(void *ctx, const struct server_row *row), void *ctx, struct why *reterr)
{
    struct store_look look;
    enum err err = store_inspect(data, &look, each, ctx, reterr);

    *ret = (struct data_look){.schema = look.schema,
                              .schema_known = look.schema_known,
                              .has_admin = look.has_admin,
                              .artifact_files = look.artifacts.files,
                              .artifact_bytes = look.artifacts.bytes};
    (void)snprintf(ret->damage, sizeof(ret->damage), "%s", look.damage);
    return err;
}
