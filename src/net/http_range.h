/* http_range.h - the Range header of a request (RFC 9110, 14): one range of bytes. No I/O. */
#ifndef WRATA_NET_HTTP_RANGE_H
#define WRATA_NET_HTTP_RANGE_H

#include <stdint.h>

enum http_range {
    RANGE_NONE,   /* none, several, or one that makes no sense: the whole is answered */
    RANGE_PART,   /* [*ret_from, *ret_to) */
    RANGE_BEYOND, /* it begins behind the end: 416 */
};

/* header: NULL none. size: of the whole. */
enum http_range http_range_parse(const char *header, uint64_t size, uint64_t *ret_from, uint64_t *ret_to);

#endif
