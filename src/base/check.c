#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *cond, const char *file, int line, const char *func)
{
    (void)fprintf(stderr, "level=error event=check.failed at=%s:%d in=%s cond=\"%s\"\n", file, line, func,
                  cond);
    (void)fflush(stderr);
    abort();
}
