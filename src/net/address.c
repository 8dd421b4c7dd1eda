#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define MAPPED_BITS 96u

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool address_is_v4(const struct address *a)
{
    return memcmp(a->at, mapped, sizeof(mapped)) == 0;
}

static void from_v4(const struct in_addr *in, struct address *ret)
{
    memcpy(ret->at, mapped, sizeof(mapped));
    memcpy(ret->at + sizeof(mapped), in, 4);
}

bool address_read(struct slice text, struct address *ret)
{
    char z[INET6_ADDRSTRLEN];
    struct in_addr v4;

    if (text.len == 0 || text.len >= sizeof(z) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    if (inet_pton(AF_INET, z, &v4) == 1) {
        from_v4(&v4, ret);
        return true;
    }
    return inet_pton(AF_INET6, z, ret->at) == 1;
}

void address_write(const struct address *a, char out[ADDRESS_BYTES])
{
    if (address_is_v4(a))
        CHECK(inet_ntop(AF_INET, a->at + sizeof(mapped), out, ADDRESS_BYTES) != NULL);
    else
        CHECK(inet_ntop(AF_INET6, a->at, out, ADDRESS_BYTES) != NULL);
}

void address_of_socket(const struct sockaddr *sa, char out[ADDRESS_BYTES])
{
    struct address a;

    out[0] = '\0';
    if (sa->sa_family == AF_INET)
        from_v4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, &a);
    else if (sa->sa_family == AF_INET6)
        memcpy(a.at, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, sizeof(a.at));
    else
        return;
    address_write(&a, out);
}

/* ---- networks ---- */

static bool read_bits(struct slice text, unsigned most, unsigned *ret)
{
    unsigned v = 0;

    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *ret = v;
    return v <= most;
}

/* What is left of it with this many bits. */
static struct address prefix_of(const struct address *a, unsigned bits)
{
    struct address ret = {0};

    memcpy(ret.at, a->at, bits / 8);
    if (bits % 8 != 0)
        ret.at[bits / 8] = (uint8_t)(a->at[bits / 8] & (0xff00u >> (bits % 8)));
    return ret;
}

enum err network_read(struct slice text, struct network *ret, struct why *reterr)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    struct slice host = {text.ptr, slash != NULL ? (size_t)(slash - text.ptr) : text.len};
    int shown = (int)(text.len < 60 ? text.len : 60);
    char first[ADDRESS_BYTES];
    unsigned most;

    if (!address_read(host, &ret->base))
        return why_set(reterr, ERR_INVALID, NULL, "'%.*s' is not an address like 10.0.0.5 or 2001:db8::5%s",
                       shown, text.ptr, slash != NULL ? ", and a prefix's length" : "");
    /* "::ffff:10.0.0.0/104" is the same as "10.0.0.0/8": the length counts what is written. */
    most = memchr(host.ptr, ':', host.len) != NULL ? 128 : 32;
    ret->bits = most;
    if (slash != NULL && !read_bits((struct slice){slash + 1, text.len - host.len - 1}, most, &ret->bits))
        return why_set(reterr, ERR_INVALID, NULL,
                       "'%.*s' does not end in the length of a prefix, a number from 0 to %u", shown,
                       text.ptr, most);
    ret->bits += 128 - most;
    struct address base = prefix_of(&ret->base, ret->bits);
    if (memcmp(base.at, ret->base.at, sizeof(base.at)) != 0) {
        address_write(&base, first);
        return why_set(reterr, ERR_INVALID, NULL, "'%.*s' goes on after its prefix: the network begins at %s",
                       shown, text.ptr, first);
    }
    return ERR_OK;
}

bool network_has(const struct network *n, const struct address *a)
{
    struct address base = prefix_of(a, n->bits);

    /* An IPv6 network as large as the mapping is not meant to hold all of IPv4. */
    return (n->bits >= MAPPED_BITS || !address_is_v4(a)) && memcmp(base.at, n->base.at, sizeof(base.at)) == 0;
}
