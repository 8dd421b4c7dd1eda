/* crc32.h - the checksum of zip and PNG, eight bytes at a step. */
#ifndef WRATA_AGENT_CRC32_H
#define WRATA_AGENT_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(uint32_t seed, const void *data, size_t n); /* seed 0, or the result so far */

#endif
