#include "net/http_guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_named(struct slice name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.ptr, word, name.len) == 0;
}

/* RFC 9110, 5.6.2. */
static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *check_length(struct slice v)
{
    if (v.len == 0 || v.len > 18)
        return "Content-Length is not a number";
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return "Content-Length is not a number";
    }
    return NULL;
}

void http_guard_header(struct http_guard *g, struct slice name, struct slice value)
{
    if (name.len == 0)
        g->bad = "a header without a name";
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char((unsigned char)name.ptr[i]))
            g->bad = "a header's name holds a character that it may not";
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            g->bad = "a header's value holds a control character";
    }
    if (is_named(name, "Host")) {
        g->hosts++;
        if (value.len == 0 || memchr(value.ptr, ',', value.len) != NULL ||
            memchr(value.ptr, ' ', value.len) != NULL)
            g->bad = "Host is not the name of a host";
    } else if (is_named(name, "Content-Length")) {
        const char *bad = check_length(value);

        g->lengths++;
        if (bad != NULL)
            g->bad = bad;
    } else if (is_named(name, "Transfer-Encoding")) {
        g->encodings++;
        if (!is_named(value, "chunked"))
            g->bad = "the only Transfer-Encoding is chunked";
    }
}

const char *http_guard_verdict(const struct http_guard *g, const char *version, const char *target)
{
    bool is_11 = strcmp(version, "HTTP/1.1") == 0;

    if (!is_11 && strcmp(version, "HTTP/1.0") != 0)
        return "the version is neither HTTP/1.1 nor HTTP/1.0";
    if (g->bad != NULL)
        return g->bad;
    if (g->hosts > 1 || (is_11 && g->hosts == 0))
        return "there must be exactly one Host";
    if (g->lengths > 1)
        return "there is more than one Content-Length";
    if (g->encodings > 1)
        return "there is more than one Transfer-Encoding";
    if (g->lengths > 0 && g->encodings > 0)
        return "Content-Length and Transfer-Encoding exclude each other";
    if (g->encodings > 0 && !is_11)
        return "HTTP/1.0 has no Transfer-Encoding";
    if (target[0] != '/')
        return "the target is not a path";
    for (const char *p = target; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;

        if (c <= 0x20 || c >= 0x7f)
            return "the target holds a character that it may not";
    }
    return NULL;
}

bool http_host_is_local(const char *host, unsigned port)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    char with_port[64];

    if (host == NULL)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(with_port, sizeof(with_port), "%s:%u", names[i], port);
        if (strcasecmp(host, with_port) == 0 ||
            ((port == 80 || port == 443) && strcasecmp(host, names[i]) == 0))
            return true;
    }
    return false;
}

bool http_origin_is_host(const char *origin, const char *host)
{
    static const char *const schemes[] = {"http://", "https://"};

    if (host == NULL)
        return false;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i]);

        if (strncasecmp(origin, schemes[i], n) == 0 && strcasecmp(origin + n, host) == 0)
            return true;
    }
    return false;
}
