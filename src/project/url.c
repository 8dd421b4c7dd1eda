/* url.c - urls of repositories: which there are, and what one that stands in a project's .gitmodules means. Pure.
 *
 * Whoever may push to a project writes its .gitmodules, and it is us who fetch what stands there. So an address there may
 * be no weaker than that of the project: a folder of this computer only for a project that is one, no way without encryption
 * for a project that is fetched with it; and what is relative stays on the host it is relative to. */
#include <stdio.h>
#include <string.h>

#include "project/project_private.h"

static const struct {
    const char *begins;
    enum url_kind kind;
} schemes[] = {
    {"https://", URL_HTTPS}, {"http://", URL_HTTP},   {"ssh://", URL_SSH},
    {"git://", URL_GIT},     {"file:///", URL_LOCAL},
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WORD_CHARS LETTERS "0123456789._-"

/* "owner/name", as GitHub and others write it. */
static bool is_short_name(const char *url)
{
    size_t owner = strspn(url, LETTERS "0123456789-");
    const char *name = url + owner + 1;

    return owner > 0 && url[0] != '-' && url[owner] == '/' && name[0] != '\0' && name[0] != '.' &&
           name[0] != '-' && name[strspn(name, WORD_CHARS)] == '\0';
}

/* "git@host:path": a colon before any slash, and something on both sides. */
static bool is_scp_like(const char *url)
{
    size_t n = strcspn(url, ":/");
    const char *at = memchr(url, '@', n);
    const char *host = at != NULL ? at + 1 : url;

    return url[0] != '-' && url[n] == ':' && url + n > host && url[n + 1] != '\0' && url[n + 1] != ':' &&
           host[0] != '-' && strspn(host, WORD_CHARS) >= (size_t)(url + n - host);
}

/* "ssh://me@-oProxyCommand=…": ssh would take the host for an option. git knows this as well. */
static bool is_option_host(const char *url)
{
    const char *host = strstr(url, "://");
    size_t n;

    if (host == NULL)
        return false;
    host += 3;
    n = strcspn(host, "/");
    for (size_t i = 0; i < n; i++) {
        if ((i == 0 || host[i - 1] == '@') && host[i] == '-')
            return true;
    }
    return false;
}

enum url_kind url_kind(const char *url)
{
    for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i].begins);

        if (strncmp(url, schemes[i].begins, n) == 0)
            return url[n] == '\0' || is_option_host(url) ? URL_NONE : schemes[i].kind;
    }
    if (strstr(url, "://") != NULL)
        return URL_NONE;
    return url[0] == '/' ? URL_LOCAL : is_scp_like(url) ? URL_SSH : URL_NONE;
}

static enum err text_is_url(const char *url, size_t size, struct why *reterr)
{
    size_t n = strlen(url);

    if (n == 0 || n >= URL_BYTES_MAX || n >= size)
        return why_set(reterr, ERR_INVALID, "url", "url: it must have 1 to %u bytes", URL_BYTES_MAX - 1);
    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return why_set(reterr, ERR_INVALID, "url", "url: it holds a blank or a control character");
    }
    return ERR_OK;
}

enum err project_url(const char *url, const char *git_host, char *out, size_t size, struct why *reterr)
{
    size_t n = strlen(url);
    int len;

    if (text_is_url(url, size, reterr) != ERR_OK)
        return ERR_INVALID;
    if (is_short_name(url)) {
        if (n > 4 && strcmp(url + n - 4, ".git") == 0)
            n -= 4;
        len = snprintf(out, size, "https://%s/%.*s.git", git_host, (int)n, url);
        return len > 0 && (size_t)len < size ? ERR_OK
                                             : why_set(reterr, ERR_LIMIT, "url", "url: it is too long");
    }
    if (url_kind(url) != URL_NONE) {
        (void)snprintf(out, size, "%s", url);
        return ERR_OK;
    }
    return why_set(
        reterr, ERR_INVALID, "url",
        "url: '%.100s' is none of: https://…, http://…, ssh://…, git://…, file:///…, user@host:path, "
        "/path on this computer, owner/name of the git host",
        url);
}

const char *url_shown(const char *url, char *out, size_t size)
{
    const char *host = strstr(url, "://");
    size_t login = 0;
    size_t n;

    host = host != NULL ? host + 3 : url;
    n = host != url ? strcspn(host, "/") : 0;
    for (size_t i = 0; i < n; i++) {
        if (host[i] == '@')
            login = i + 1;
    }
    (void)snprintf(out, size, "%.*s%s", (int)(host - url), url, host + login);
    return out;
}

/* ---- of submodules ---- */

/* Bytes of it that no ".." may take away: scheme and host. */
static size_t url_root(const char *url)
{
    const char *host = strstr(url, "://");

    if (host != NULL)
        return (size_t)(host + 3 - url) + strcspn(host + 3, "/");
    return url[0] == '/' ? 0 : strcspn(url, ":");
}

/* As git resolves "../lib.git" against the url of the repository whose .gitmodules it stands in. */
static enum err resolve(const char *parent, const char *url, char *out, size_t size, struct why *reterr)
{
    size_t root = url_root(parent);
    size_t n = strlen(parent);
    const char *rest = url;
    bool is_host = false; /* all of a path "me@host:path" was taken away */
    int len;

    while (n > root && parent[n - 1] == '/')
        n--;
    for (;;) {
        if (strncmp(rest, "./", 2) == 0) {
            rest += 2;
            continue;
        }
        if (strncmp(rest, "../", 3) != 0)
            break;
        rest += 3;
        while (n > root && parent[n - 1] != '/' && !(n - 1 == root && parent[root] == ':'))
            n--;
        if (n <= root || is_host)
            return why_set(reterr, ERR_INVALID, "submodules", "leads out of the host by '..'");
        is_host = parent[--n] == ':'; /* the slash goes as well */
    }
    if (strcmp(rest, "..") == 0 || strncmp(rest, "../", 3) == 0 || strstr(rest, "/../") != NULL ||
        (strlen(rest) >= 3 && strcmp(rest + strlen(rest) - 3, "/..") == 0))
        return why_set(reterr, ERR_INVALID, "submodules", "has '..' where it does not begin");
    len = snprintf(out, size, "%.*s%s%s", (int)n, parent, rest[0] == '\0' ? "" : is_host ? ":" : "/", rest);
    if (len <= 0 || (size_t)len >= size)
        return why_set(reterr, ERR_LIMIT, "submodules", "is too long");
    while (len > 1 && (size_t)len > root + 1 && out[len - 1] == '/')
        out[--len] = '\0';
    return ERR_OK;
}

enum err submodule_url(enum url_kind project, const char *parent, const char *url, char *out, size_t size,
                       struct why *reterr)
{
    struct why ignored;
    enum url_kind kind;
    bool is_relative = strncmp(url, "./", 2) == 0 || strncmp(url, "../", 3) == 0;

    if (text_is_url(url, size, &ignored) != ERR_OK)
        return why_set(reterr, ERR_INVALID, "submodules",
                       "is empty, too long, or holds a blank or a control character");
    if (is_relative && parent[0] == '\0')
        return why_set(reterr, ERR_INVALID, "submodules", "is relative to an address that is not known");
    if (is_relative && resolve(parent, url, out, size, reterr) != ERR_OK)
        return ERR_INVALID;
    if (!is_relative)
        (void)snprintf(out, size, "%s", url);
    kind = url_kind(out);
    if (kind == URL_NONE)
        return why_set(reterr, ERR_INVALID, "submodules",
                       "is none of: https://…, http://…, ssh://…, git://…, user@host:path, ./… or ../…");
    if (kind == URL_LOCAL && project != URL_LOCAL)
        return why_set(reterr, ERR_INVALID, "submodules",
                       "is a folder of this computer; that is for projects which are one themselves");
    if ((kind == URL_HTTP || kind == URL_GIT) && project != URL_HTTP && project != URL_GIT &&
        project != URL_LOCAL)
        return why_set(reterr, ERR_INVALID, "submodules",
                       "is fetched without encryption, the project with it; write https://");
    return ERR_OK;
}

bool url_as_https(const char *url, char *out, size_t size)
{
    static const char scheme[] = "ssh://git@";
    static const char user[] = "git@";
    bool is_scheme = strncmp(url, scheme, sizeof(scheme) - 1) == 0;
    const char *host = is_scheme ? url + sizeof(scheme) - 1 : url + sizeof(user) - 1;
    size_t n;
    int len;

    if (!is_scheme && (strncmp(url, user, sizeof(user) - 1) != 0 || url_kind(url) != URL_SSH))
        return false;
    n = strcspn(host, ":/");
    if (n == 0 || host[n] != (is_scheme ? '/' : ':')) /* a port: who knows what listens for https */
        return false;
    len = snprintf(out, size, "https://%.*s/%s", (int)n, host, host + n + 1 + (host[n + 1] == '/'));
    return len > 0 && (size_t)len < size;
}
