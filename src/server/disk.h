/* disk.h - how much room there is where the data folder is. */
#ifndef WRATA_SERVER_DISK_H
#define WRATA_SERVER_DISK_H

#include "api/api.h"
#include "config/config.h"

/* `was_low`: it was so the last time; then it is low until there is an eighth more room than that. Any thread. */
void disk_look(const char *data_dir, const struct settings *set, bool was_low, struct api_disk *ret);

#endif
