/* show.h - texts from outside, inside of messages. */
#ifndef WRATA_BASE_SHOW_H
#define WRATA_BASE_SHOW_H

#include <stddef.h>

/* The first `bytes_max` bytes of value, control characters as \xNN, cut at the end of a character; "..." says that there is
 * more. Into out (size: more than 16), which is returned. Any thread. */
char *show_text(char *out, size_t size, const char *value, size_t bytes_max);

#endif
