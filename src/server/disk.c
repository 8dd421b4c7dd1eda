#include "server/disk.h"

#include <stdio.h>
#include <sys/statvfs.h>

void disk_look(const char *data_dir, const struct settings *set, bool was_low, struct api_disk *ret)
{
    struct statvfs fs;
    uint64_t low;
    uint64_t enough;

    *ret = (struct api_disk){0};
    if (statvfs(data_dir, &fs) != 0) {
        (void)snprintf(ret->why, sizeof(ret->why),
                       "the disk of the data folder cannot be asked for its room");
        return;
    }
    ret->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    ret->total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    low = ret->total_bytes / 100 * (uint64_t)set->disk_low_percent;
    if (low > (uint64_t)set->disk_low_bytes)
        low = (uint64_t)set->disk_low_bytes;
    enough = low + low / 8;
    ret->is_low = ret->free_bytes < (was_low ? enough : low);
    if (!ret->is_low)
        return;
    ret->missing_bytes = enough - ret->free_bytes;
    (void)snprintf(ret->why, sizeof(ret->why),
                   "the disk of the server is nearly full: less than %llu MiB are free",
                   (unsigned long long)((was_low ? enough : low) >> 20));
}
