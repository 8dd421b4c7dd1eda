/* cookie.h - one cookie of a Cookie header, read as RFC 6265, 4.2 writes it. Pure.
 *
 * A cookie that is there twice counts as absent: a page on a neighbouring name or port can plant a second one of the
 * same name, and nothing in the header says which is ours. Other cookies may be as odd as they like (those of every
 * other server on the same host are in the header, too); the one that is asked for may not. */
#ifndef WRATA_NET_COOKIE_H
#define WRATA_NET_COOKIE_H

#include <stddef.h>

#define COOKIE_BYTES_MAX 16384 /* of the header; in a longer one there is no cookie */

/* The value of cookie `name` (case counts), inside of `header`, *ret_len bytes; quotes around it belong to it, as for
 * browsers. NULL: not there, more than once, or its value holds what none may. `header` NULL is fine. */
const char *cookie_find(const char *header, const char *name, size_t *ret_len);

#endif
