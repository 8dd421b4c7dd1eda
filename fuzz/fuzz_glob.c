/* fuzz_glob.c - a glob and a path, NUL between them: it ends, reads nothing outside, and a path without special
 * characters matches itself. Also what stands behind the name of a spec file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "project/project_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *glob = xstrndup((const char *)data, size);
    size_t n = strlen(glob);
    char *path = n < size ? xstrndup((const char *)data + n + 1, size - n - 1) : xstrdup("");

    (void)glob_match(glob, path);
    if (strpbrk(path, "*?[\\") == NULL)
        CHECK(glob_match(path, path));
    if (path[0] != '\0')
        CHECK(glob_match("**", path));
    CHECK(command_path_len(glob) <= n);
    free(glob);
    free(path);
    return 0;
}
