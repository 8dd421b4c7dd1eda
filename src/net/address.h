/* address.h - IP addresses, and networks of them, as bytes and as text. IPv4 is ::ffff:a.b.c.d everywhere inside,
 * so that there is one kind; text never shows it so. Pure. */
#ifndef WRATA_NET_ADDRESS_H
#define WRATA_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define ADDRESS_BYTES 64 /* of the text, its NUL included */

struct sockaddr;

struct address {
    uint8_t at[16];
};

struct network {
    struct address base; /* bits after the prefix are 0 */
    unsigned bits;       /* of the prefix: 0..128; of IPv4 96 are the mapping's */
};

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1" (IPv4); nothing around it: no port, brackets, zone or blank. */
MUST_USE bool address_read(struct slice text, struct address *ret);
void address_write(const struct address *a, char out[ADDRESS_BYTES]);
bool address_is_v4(const struct address *a);

/* Of a connection's other side, as text; "" of a family without addresses. */
void address_of_socket(const struct sockaddr *sa, char out[ADDRESS_BYTES]);

/* "192.0.2.1" or "10.0.0.0/8", "2001:db8::/32". ERR_INVALID: `text` in reterr says what would be right. */
MUST_USE enum err network_read(struct slice text, struct network *ret, struct why *reterr);
bool network_has(const struct network *n, const struct address *a);

#endif
