/* health.h - how a server's machine is, as its agent said last. Kept in memory alone: it is news, not history. */
#ifndef WRATA_MODEL_HEALTH_H
#define WRATA_MODEL_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define HEALTH_TOOLS_MAX 16u
#define HEALTH_TOOL_BYTES 160u

struct server_health {
    struct wall at; /* when it said so, by our clock; 0 never: its agent is too old, or has not said it yet */
    uint32_t protocol;      /* of the link to it; 0 not known */
    int64_t skew_ms;        /* its clock minus ours... */
    uint64_t skew_error_ms; /* ...off by at most so much; 0 not known */
    char disk_path[256];    /* of the agent's folder */
    uint64_t disk_free_bytes;
    uint64_t disk_total_bytes; /* 0 not known; the same below */
    uint64_t tmp_free_bytes;   /* of /tmp */
    uint64_t tmp_total_bytes;
    uint32_t load_percent; /* the load average of a minute, times 100 */
    uint32_t cores;
    uint64_t memory_available_bytes;
    uint64_t memory_total_bytes;
    char os[128];     /* "Debian GNU/Linux 12 (bookworm)" */
    char kernel[128]; /* "Linux 6.1.0-18-amd64" */
    char tools[HEALTH_TOOLS_MAX][HEALTH_TOOL_BYTES];
    uint32_t n_tools; /* "git 2.39.5" */
};

#endif
