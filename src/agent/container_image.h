/* container_image.h - `wrata-agent container image`, and which engine a machine has. For helper processes. */
#ifndef WRATA_AGENT_CONTAINER_IMAGE_H
#define WRATA_AGENT_CONTAINER_IMAGE_H

#include "agent/container_call.h"
#include "agent/container_plan.h"

#define ENGINE_FILE "../engine" /* seen from DIR/ID: the machine's own word on it, engine_setting() */
#define ENGINE_LIMIT_MS 10000   /* for its version */

/* Which engine answers here, in *ret (engine, version, patience). NULL, or why none does. */
const char *engine_find(struct helper *h, int64_t limit_ms, struct container_ground *ret);

/* "containers by podman 4.3.1", or "no containers: why", on standard output. */
void container_engine_say(void);

/* FILE NAME POLICY: fetch the image as the policy wants it, with the engine's words on standard output, and write to FILE what
 * is there, for container_ground_read(). Exit status 0: it is there. */
int container_image_main(int argc, char **argv);

/* False: it holds a failure, which goes into ret_why (size bytes). */
bool container_ground_read(const char *file, struct container_ground *ret, char *ret_why, size_t size);

#endif
