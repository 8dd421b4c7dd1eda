/* zone_file.c - zones by name, from the tz database of the system: the only file of schedule/ that reads anything. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schedule/schedule.h"

#define ZONES "/usr/share/zoneinfo"

/* A name is a path below the database, nothing else. */
static bool name_is_fine(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= ZONE_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == n &&
           name[0] != '/' && name[n - 1] != '/' && strstr(name, "//") == NULL;
}

static enum err none(const char *name, struct why *reterr)
{
    if (access(ZONES, X_OK) != 0)
        return why_set(reterr, ERR_IO, "zone",
                       "zone: there is no %s on the server; the package tzdata brings it", ZONES);
    return why_set(reterr, ERR_INVALID, "zone",
                   "zone: there is no time zone '%.64s'; they are named like Europe/Berlin", name);
}

/* TZif of UTC: no transition, one type, a footer. */
static enum err make_utc(struct zone **ret, struct why *reterr)
{
    static const char v1[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                             "\0\0\0\0\0\0UTC";
    char file[2 * sizeof(v1) + 8];

    memcpy(file, v1, sizeof(v1)); /* its end is the NUL of "UTC" */
    memcpy(file + sizeof(v1), v1, sizeof(v1));
    memcpy(file + 2 * sizeof(v1), "\nUTC0\n", 6);
    return zone_parse(file, 2 * sizeof(v1) + 6, ret, reterr);
}

enum err zone_load(const char *name, struct zone **ret, struct why *reterr)
{
    static const size_t max = ZONE_FILE_BYTES_MAX;
    char path[sizeof(ZONES) + ZONE_NAME_MAX + 2];
    char bytes[ZONE_FILE_BYTES_MAX];
    struct stat st;
    ssize_t got = -1;
    int fd;

    *ret = NULL;
    if (strcmp(name, "UTC") == 0)
        return make_utc(ret, reterr);
    if (!name_is_fine(name))
        return why_set(reterr, ERR_INVALID, "zone",
                       "zone: '%.64s' is not the name of a time zone like Europe/Berlin", name);
    (void)snprintf(path, sizeof(path), "%s/%s", ZONES, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return none(name, reterr);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= max)
        got = read(fd, bytes, max);
    (void)close(fd);
    if (got <= 0 || zone_parse(bytes, (size_t)got, ret, NULL) != ERR_OK)
        return none(name, reterr);
    return ERR_OK;
}
