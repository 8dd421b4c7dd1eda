/* sha256.h - the agent's hash of its own file: the first half of SHA-256 is its name on a machine. */
#ifndef WRATA_AGENT_SHA256_H
#define WRATA_AGENT_SHA256_H

#include "base/err.h"

/* The hash of a file as 64 hex digits and a NUL. ERR_IO: it cannot be read. */
MUST_USE enum err sha256_file(const char *path, char ret[65]);

#endif
