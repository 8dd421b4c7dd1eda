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

/* `part` of the disk's size, `bytes` at most. */
static uint64_t threshold(const struct statvfs *fs, int64_t bytes, uint64_t percent, uint64_t of)
{
    uint64_t part = (uint64_t)fs->f_blocks * fs->f_frsize / 100 * percent / of;

    return part < (uint64_t)bytes ? part : (uint64_t)bytes;
}

static bool is_below(uint64_t free_bytes, uint64_t limit, bool was)
{
    return free_bytes < (was ? limit + limit / 4 : limit);
}

/* What cannot be asked has room: nobody is stopped for that. */
void disk_room_look(const char *data_dir, const struct settings *set, enum disk_state was,
                    struct disk_room_look *ret)
{
    struct statvfs fs;
    uint64_t hold;

    *ret = (struct disk_room_look){.state = DISK_ROOM};
    if (statvfs(data_dir, &fs) != 0)
        return;
    ret->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    hold = threshold(&fs, set->disk_hold_bytes, (uint64_t)set->disk_low_percent, 4);
    if (is_below(ret->free_bytes, hold / 4, was == DISK_TIGHT))
        ret->state = DISK_TIGHT;
    else if (is_below(ret->free_bytes, hold, was != DISK_ROOM))
        ret->state = DISK_HELD;
    if (ret->state != DISK_ROOM)
        (void)snprintf(
            ret->why, sizeof(ret->why),
            "the disk of the server is full: less than %.4g MiB are free in %.200s; make room there, "
            "or delete history, and it goes on by itself",
            (double)(hold + hold / 4) / (double)MIB(1), data_dir);
}
