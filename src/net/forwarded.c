#include "net/forwarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "net/address.h"

struct forwarded {
    unsigned n;
    struct network at[FORWARDED_NETWORKS_MAX];
};

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s.ptr++, s.len--;
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* ---- the trusted ---- */

static enum err take_part(struct forwarded *f, struct slice part, struct why *reterr)
{
    struct network *n = &f->at[f->n];
    enum err err;

    if (f->n == FORWARDED_NETWORKS_MAX)
        return why_set(reterr, ERR_INVALID, NULL, "more than %d addresses", FORWARDED_NETWORKS_MAX);
    err = network_read(part, n, reterr);
    if (err != ERR_OK)
        return err;
    if (n->bits == 0 || (n->bits == 96 && address_is_v4(&n->base)))
        return why_set(reterr, ERR_INVALID, NULL, "'%.*s' is everybody: then each could say who he is",
                       (int)part.len, part.ptr);
    f->n++;
    return ERR_OK;
}

enum err forwarded_parse(const char *list, struct forwarded **ret, struct why *reterr)
{
    struct forwarded *f = xcalloc(1, sizeof(*f));
    enum err err = ERR_OK;

    if (trim(slice_of(list)).len > 0) {
        for (const char *p = list; err == ERR_OK; p++) {
            size_t n = strcspn(p, ",");

            err = take_part(f, trim((struct slice){p, n}), reterr);
            p += n;
            if (*p == '\0')
                break;
        }
    }
    if (err != ERR_OK) {
        free(f);
        f = NULL;
    }
    *ret = f;
    return err;
}

void forwarded_free(struct forwarded *f)
{
    free(f);
}

static bool is_trusted(const struct forwarded *f, const struct address *a)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (network_has(&f->at[i], a))
            return true;
    }
    return false;
}

/* ---- who is it ---- */

/* One hop. Some proxies add the port: "192.0.2.1:4711", "[2001:db8::1]:4711". */
static bool read_hop(struct slice s, struct address *ret)
{
    const char *colon = memchr(s.ptr, ':', s.len);
    const char *close = memchr(s.ptr, ']', s.len);
    struct slice host = s;
    struct slice port = {"", 0};

    if (s.len > 0 && s.ptr[0] == '[') {
        if (close == NULL)
            return false;
        host = (struct slice){s.ptr + 1, (size_t)(close - s.ptr) - 1};
        port = (struct slice){close + 1, s.len - host.len - 2};
        if (memchr(host.ptr, ':', host.len) == NULL)
            return false;
    } else if (colon != NULL && memchr(colon + 1, ':', s.len - (size_t)(colon - s.ptr) - 1) == NULL) {
        host.len = (size_t)(colon - s.ptr);
        port = (struct slice){colon, s.len - host.len};
    }
    if (port.len > 0 && (port.ptr[0] != ':' || port.len < 2 || port.len > 6))
        return false;
    for (size_t i = 1; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
    }
    return address_read(host, ret);
}

/* Walk from the right, as long as who speaks is trusted and is understood. */
static struct address client_of(const struct forwarded *trusted, struct address last, struct slice list)
{
    while (is_trusted(trusted, &last)) {
        const char *comma = memrchr(list.ptr, ',', list.len);
        const char *from = comma != NULL ? comma + 1 : list.ptr;
        struct slice hop = trim((struct slice){from, list.len - (size_t)(from - list.ptr)});
        struct address a;

        if (!read_hop(hop, &a))
            break;
        last = a;
        if (comma == NULL)
            break;
        list.len = (size_t)(comma - list.ptr);
    }
    return last;
}

void forwarded_client(const struct forwarded *trusted, const char *peer, const char *xff, const char *xfp,
                      char out[64], bool *ret_https)
{
    struct address a;

    _Static_assert(ADDRESS_BYTES == 64, "the header promises room for any address");
    *ret_https = false;
    (void)snprintf(out, ADDRESS_BYTES, "%s", peer);
    if (!address_read(slice_of(peer), &a))
        return;
    address_write(&a, out);
    if (trusted == NULL || !is_trusted(trusted, &a))
        return;
    if (xfp != NULL) {
        struct slice s = trim((struct slice){xfp, strnlen(xfp, FORWARDED_BYTES_MAX + 1)});

        *ret_https = s.len == 5 && strncasecmp(s.ptr, "https", 5) == 0;
    }
    if (xff != NULL) {
        struct slice list = {xff, strnlen(xff, FORWARDED_BYTES_MAX + 1)};

        if (list.len <= FORWARDED_BYTES_MAX)
            a = client_of(trusted, a, list);
    }
    address_write(&a, out);
}
