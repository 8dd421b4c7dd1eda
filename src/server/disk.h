/* disk.h - how much room there is where the data folder is. */
#ifndef WRATA_SERVER_DISK_H
#define WRATA_SERVER_DISK_H

#include "api/api.h"
#include "config/config.h"

/* `was_low`: it was so the last time; then it is low until there is an eighth more room than that. Any thread. */
void disk_look(const char *data_dir, const struct settings *set, bool was_low, struct api_disk *ret);

/* Whether there is room for new runs (room.c). Worse ones behind. */
enum disk_state { DISK_ROOM, DISK_HELD, DISK_TIGHT };
struct disk_room_look {
    enum disk_state state;
    uint64_t free_bytes;
    char why[400]; /* a sentence with what to do; "" there is room */
};
void disk_room_look(const char *data_dir, const struct settings *set, enum disk_state was,
                    struct disk_room_look *ret);

#endif
