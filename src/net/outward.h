/* outward.h - which addresses a url that somebody typed may lead to: those of the internet, and those that an admin has named.
 *
 * Whoever may have this server call a url must not reach through it what only it can reach: itself, its neighbours, the metadata
 * service of its cloud. Names say nothing about that: what is looked at is the address that is connected to, when it is. Pure. */
#ifndef WRATA_NET_OUTWARD_H
#define WRATA_NET_OUTWARD_H

#include "net/address.h"

#define OUTWARD_NETWORKS_MAX 64

struct outward;

/* The networks that may be reached besides the internet, with commas between ("10.1.0.0/16, 127.0.0.1"); "" none. ERR_INVALID names
 * the part and what would be right. Freed by the caller. */
MUST_USE enum err outward_parse(const char *list, struct outward **ret, struct why *reterr);
void outward_free(struct outward *o); /* NULL is fine */

/* Why it may not be connected to; NULL: it may. `is_plain`: without TLS, which is for the named networks alone. A text that
 * stays. */
const char *outward_fault(const struct outward *o, const struct address *a, bool is_plain);

/* The same of a socket's address; of another family than IP it is refused. */
const char *outward_fault_of_socket(const struct outward *o, const struct sockaddr *sa, bool is_plain);

#endif
