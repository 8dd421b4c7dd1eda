#include "model/git_url.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

struct part {
    const char *ptr;
    size_t len;
};

static const struct scheme {
    const char *name;
    const char *port; /* its own */
    bool has_ports;   /* false: another port is no other repository */
} schemes[] = {
    {"https://", "443", true}, {"http://", "80", true}, {"git://", "9418", true}, {"ssh://", "22", false}};

/* Without slashes around it and without ".git". */
static struct part trim(const char *p)
{
    size_t n = strlen(p);

    while (n > 0 && *p == '/') {
        p++;
        n--;
    }
    while (n > 0 && p[n - 1] == '/')
        n--;
    if (n > 4 && strncmp(p + n - 4, ".git", 4) == 0 && p[n - 5] != '/')
        n -= 4;
    return (struct part){p, n};
}

static bool join(struct part host, struct part port, const char *path, char *out, size_t size)
{
    struct part p = trim(path);
    int len;

    if (p.len == 0 || memchr(p.ptr, '\n', p.len) != NULL)
        return false;
    len = snprintf(out, size, "%.*s%s%.*s/%.*s", (int)host.len, host.ptr, port.len > 0 ? ":" : "",
                   (int)port.len, port.ptr, (int)p.len, p.ptr);
    if (len <= 0 || (size_t)len >= size)
        return false;
    for (size_t i = 0; i < host.len; i++)
        out[i] = out[i] >= 'A' && out[i] <= 'Z' ? (char)(out[i] + ('a' - 'A')) : out[i];
    return true;
}

/* "me:pw@host:port/path" after the scheme. */
static bool key_of_url(const char *p, const struct scheme *scheme, char *out, size_t size)
{
    size_t n = strcspn(p, "/");
    struct part host = {p, n};
    struct part port = {"", 0};
    size_t colon;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '@')
            host = (struct part){p + i + 1, n - i - 1};
    }
    colon = host.len > 0 && host.ptr[0] == '[' ? strcspn(host.ptr, "]") : 0;
    while (colon < host.len && host.ptr[colon] != ':')
        colon++;
    if (colon < host.len) {
        port = (struct part){host.ptr + colon + 1, host.len - colon - 1};
        host.len = colon;
    }
    if (!scheme->has_ports ||
        (port.len == strlen(scheme->port) && strncmp(port.ptr, scheme->port, port.len) == 0))
        port.len = 0;
    return host.len > 0 && p[n] == '/' && join(host, port, p + n, out, size);
}

static bool key_of_folder(const char *path, char *out, size_t size)
{
    return path[0] == '/' && join((struct part){"", 0}, (struct part){"", 0}, path, out, size);
}

bool git_url_key(const char *url, const char *git_host, char *out, size_t size)
{
    const char *colon = strchr(url, ':');
    const char *slash = strchr(url, '/');
    const char *at;
    struct part host;

    if (strncmp(url, "file://", 7) == 0)
        return key_of_folder(url + 7, out, size);
    for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
        if (strncmp(url, schemes[i].name, strlen(schemes[i].name)) == 0)
            return key_of_url(url + strlen(schemes[i].name), &schemes[i], out, size);
    }
    if (strstr(url, "://") != NULL)
        return false;
    if (url[0] == '/')
        return key_of_folder(url, out, size);
    if (colon != NULL && (slash == NULL || colon < slash)) { /* me@host:path */
        at = memchr(url, '@', (size_t)(colon - url));
        host.ptr = at != NULL ? at + 1 : url;
        host.len = (size_t)(colon - host.ptr);
        return host.len > 0 && join(host, (struct part){"", 0}, colon + 1, out, size);
    }
    if (git_host == NULL || slash == NULL || slash == url || url[0] == '.' || url[0] == '~' ||
        strchr(slash + 1, '/') != NULL)
        return false;
    return join((struct part){git_host, strlen(git_host)}, (struct part){"", 0}, url, out, size);
}
