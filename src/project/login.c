/* login.c - name and token for projects that are fetched by https, and what git says about them.
 *
 * They are for one host. A command that asks this host gets them in its environment (askpass.h): others of the same user
 * could read them there, but these can read the master key as well; in an argument everybody could, and a file would have
 * to be removed. What git and the remote write is searched for the token before anybody sees it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "project/askpass.h"
#include "project/project_private.h"

#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]"
#define MASK "***"

/* "github.com:443" is "github.com". */
static size_t host_len(const char *host, size_t n)
{
    return n > 4 && memcmp(host + n - 4, ":443", 4) == 0 ? n - 4 : n;
}

bool login_is_host(const char *host)
{
    size_t n = strlen(host);

    return n > 0 && n < GIT_HOST_BYTES && strspn(host, HOST_CHARS) == n && host[0] != '-' && host[0] != ':' &&
           host[0] != '.';
}

bool login_host_of(const char *url, char *out, size_t size)
{
    static const char scheme[] = "https://";
    const char *host = url + sizeof(scheme) - 1;
    size_t n;

    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return false;
    n = strcspn(host, "/");
    if (n == 0 || n >= size || strspn(host, HOST_CHARS) < n) /* a name in it ('@') is a login of its own */
        return false;
    (void)snprintf(out, size, "%.*s", (int)n, host);
    return true;
}

bool login_fits(const struct git_login *login, const char *url)
{
    char host[GIT_HOST_BYTES];
    size_t n;

    if (login->token == NULL || !login_host_of(url, host, sizeof(host)))
        return false;
    n = host_len(host, strlen(host));
    return n == host_len(login->host, strlen(login->host)) && strncasecmp(host, login->host, n) == 0;
}

void login_env(const struct git_login *login, const char *url, struct login_env *ret)
{
    char host[GIT_HOST_BYTES];

    CHECK(login_host_of(url, host, sizeof(host)));
    buf_init(&ret->token, LOGIN_TOKEN_BYTES);
    /* Our own program, even when its file was replaced by a newer one meanwhile. */
    (void)snprintf(ret->askpass, sizeof(ret->askpass), "GIT_ASKPASS=/proc/%ld/exe", (long)getpid());
    (void)snprintf(ret->host, sizeof(ret->host), ASKPASS_HOST "=%s", host);
    (void)snprintf(ret->user, sizeof(ret->user), ASKPASS_USER "=%s", login->user);
    buf_printf(&ret->token, ASKPASS_TOKEN "=%s", login->token);
}

void login_env_done(struct login_env *e)
{
    if (e->token.data != NULL)
        explicit_bzero(e->token.data, e->token.cap);
    buf_done(&e->token);
}

void login_mask(const char *token, struct slice said, struct buf *out)
{
    size_t n = token != NULL ? strlen(token) : 0;

    while (said.len > 0) {
        const char *hit = n > 0 ? memmem(said.ptr, said.len, token, n) : NULL;
        size_t before = hit != NULL ? (size_t)(hit - said.ptr) : said.len;

        buf_put(out, said.ptr, before);
        said.ptr += before;
        said.len -= before;
        if (hit == NULL)
            break;
        buf_puts(out, MASK);
        said.ptr += n;
        said.len -= n;
    }
}

static bool has(struct slice s, const char *words)
{
    return memmem(s.ptr, s.len, words, strlen(words)) != NULL;
}

bool login_explains(const struct git_login *login, const char *url, struct slice said, char *out, size_t size)
{
    char host[GIT_HOST_BYTES];
    bool asked = has(said, "could not read Username for") || has(said, "could not read Password for");

    if (!login_host_of(url, host, sizeof(host)))
        return false;
    if (login_fits(login, url) && has(said, "Authentication failed for")) {
        (void)snprintf(out, size,
                       "%.80s refuses git_user '%.60s' with git_token of the credentials; "
                       "`wrata credentials set git_token` takes a new one",
                       host, login->user);
        return true;
    }
    if (!asked)
        return false;
    if (login_fits(login, url))
        (void)snprintf(out, size,
                       "%.80s sends git on to a place that asks for a name and a password; git_token is "
                       "for https://%.80s alone",
                       host, login->host);
    else if (login->token == NULL)
        (void)snprintf(out, size,
                       "%.80s asks for a name and a password, and the credentials have no git_token; "
                       "`wrata credentials set git_token` takes one",
                       host);
    else
        (void)snprintf(out, size,
                       "%.80s asks for a name and a password; git_token of the credentials is for "
                       "https://%.80s (git_host)",
                       host, login->host);
    return true;
}
