#include "net/outward.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct outward {
    unsigned n;
    struct network at[OUTWARD_NETWORKS_MAX];
};

/* What is no host of the internet (IANA's registries of special-purpose addresses, RFC 6890). Of IPv6 only 2000::/3 is given out at
 * all; of that these are ways to IPv4, or for documents. */
static const struct {
    const char *network;
    const char *what;
} special[] = {
    {"0.0.0.0/8", "this computer itself"},
    {"10.0.0.0/8", "a private address"},
    {"100.64.0.0/10", "an address shared by a provider"},
    {"127.0.0.0/8", "this computer itself"},
    {"169.254.0.0/16", "a link-local address, where clouds answer about their machines"},
    {"172.16.0.0/12", "a private address"},
    {"192.0.0.0/24", "an address of the protocol itself"},
    {"192.0.2.0/24", "an address of documents"},
    {"192.88.99.0/24", "a way to IPv6"},
    {"192.168.0.0/16", "a private address"},
    {"198.18.0.0/15", "an address of measurements"},
    {"198.51.100.0/24", "an address of documents"},
    {"203.0.113.0/24", "an address of documents"},
    {"224.0.0.0/4", "an address of many"},
    {"240.0.0.0/4", "an address that nobody has"},
    {"2001::/23", "an address of the protocol itself"},
    {"2001:db8::/32", "an address of documents"},
    {"2002::/16", "a way to IPv4"},
    {"3fff::/20", "an address of documents"},
};

static bool is_in(const char *network, const struct address *a)
{
    struct network n;
    struct why why;

    CHECK(network_read(slice_of(network), &n, &why) == ERR_OK);
    return network_has(&n, a);
}

enum err outward_parse(const char *list, struct outward **ret, struct why *reterr)
{
    struct outward *o = xcalloc(1, sizeof(*o));
    enum err err = ERR_OK;

    for (const char *p = list; err == ERR_OK && p[strspn(p, " ,")] != '\0';) {
        size_t n;

        p += strspn(p, " ,");
        n = strcspn(p, " ,");
        if (o->n == OUTWARD_NETWORKS_MAX)
            err = why_set(reterr, ERR_INVALID, NULL, "more than %d networks", OUTWARD_NETWORKS_MAX);
        else
            err = network_read((struct slice){p, n}, &o->at[o->n], reterr);
        o->n += err == ERR_OK;
        p += n;
    }
    if (err != ERR_OK) {
        free(o);
        return err;
    }
    *ret = o;
    return ERR_OK;
}

void outward_free(struct outward *o)
{
    free(o);
}

static const char *special_of(const struct address *a)
{
    for (size_t i = 0; i < ARRAY_LEN(special); i++) {
        if (is_in(special[i].network, a))
            return special[i].what;
    }
    if (!address_is_v4(a) && !is_in("2000::/3", a))
        return "no address of the internet";
    return NULL;
}

const char *outward_fault(const struct outward *o, const struct address *a, bool is_plain)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (network_has(&o->at[i], a))
            return NULL;
    }
    if (special_of(a) != NULL)
        return "it is at an address that is not of the internet (this computer, a private network, a cloud's "
               "metadata); an admin "
               "names those that hooks may reach in the setting hooks_private";
    if (is_plain)
        return "plain http could be read on the way: write https (http is for the networks of the setting "
               "hooks_private)";
    return NULL;
}

const char *outward_fault_of_socket(const struct outward *o, const struct sockaddr *sa, bool is_plain)
{
    char text[ADDRESS_BYTES];
    struct address a;

    address_of_socket(sa, text);
    if (!address_read(slice_of(text), &a))
        return "it has no IP address";
    return outward_fault(o, &a, is_plain);
}
