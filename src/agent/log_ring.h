/* log_ring.h - the last bytes of an output that is longer than what is kept of it.
 *
 * A ring in a nameless file of the agent's folder, so that it costs no memory; where none can be made, a smaller one in
 * memory. It lives as long as its process does: what ends the agent ends the run too, which is then made again elsewhere. */
#ifndef WRATA_AGENT_LOG_RING_H
#define WRATA_AGENT_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RING_MEMORY_MAX 65536u

struct log_ring;

/* For the last `max` bytes, at least 1. dir: where the file may lie, NULL: in memory. */
struct log_ring *log_ring_new(const char *dir, uint64_t max);
void log_ring_free(struct log_ring *r); /* NULL is fine */

void log_ring_put(struct log_ring *r, const char *data, size_t n);

uint64_t log_ring_total(const struct log_ring *r); /* put in all */
/* How many of the last bytes are there: all, or the maximum, or those since a disk took no more. */
uint64_t log_ring_kept(const struct log_ring *r);

/* Copy n bytes that begin `back` bytes before the end; n <= back <= log_ring_kept(). False: they cannot be read. */
bool log_ring_read(const struct log_ring *r, uint64_t back, char *out, size_t n);

#endif
