/* health.h - how the machine is: its disks, load, memory, what runs on it. Looked at while there is a link, told now and then.
 *
 * The versions of tools come from a child (`wrata-agent tools`, health_tools_main), once per agent: starting Ruby takes a moment. */
#ifndef WRATA_AGENT_HEALTH_H
#define WRATA_AGENT_HEALTH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/mem.h"
#include "wire/frame.h"

struct health;

struct health_opts {
    const char *dir;  /* the agent's folder, absolute; copied */
    const char *self; /* path of this program; copied */
};

OWNED struct health *health_new(const struct health_opts *opts);
void health_free(struct health *h); /* ends the child; NULL is fine */

/* Call about once a second. link: number of the link that is open and welcomed, 0 none. True: *ret is to be sent; its texts are
 * h's and live until the next call. On a new link everything is told at once; later every HEALTH_EVERY_MS, and when a disk has
 * become much fuller or emptier, but not more often than each HEALTH_LEAST_MS. */
bool health_look(struct health *h, struct mono now, uint32_t link, struct frame_health *ret);
bool health_is_known_pid(const struct health *h, pid_t pid);
bool health_reaped(struct health *h, pid_t pid); /* false: it is not its child */

#define HEALTH_EVERY_MS 15000
#define HEALTH_LEAST_MS 2000

int health_tools_main(
    void); /* prints a line for each tool that is there, "git 2.39.5", and who runs containers here */

#endif
