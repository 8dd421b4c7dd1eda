#include "model/artifact.h"

#include <stdio.h>
#include <string.h>

void artifact_folder(struct run_id run, const char *path, char *out, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    const char *slash = strrchr(path, '/');

    (void)snprintf(out, size, "%llu%s%.100s", (unsigned long long)run.v, path[0] != '\0' ? "-" : "",
                   slash != NULL ? slash + 1 : path);
    for (char *c = out; *c != '\0'; c++)
        if (strchr(plain, *c) == NULL)
            *c = '_';
}
