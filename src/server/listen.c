/* listen.c - TLS or not, and on which addresses.
 *
 * With DATA/certs/tls.crt and tls.key there, the server speaks TLS on --listen and nothing else. Without them it
 * speaks plain HTTP on this machine alone, for a browser on it or a proxy in front. Plain HTTP for others to hear must be
 * asked for. A private server is of this machine and of this moment: it never needs a certificate. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/forwarded.h"
#include "net/http_listen.h"
#include "net/http_redirect.h"
#include "net/tls.h"
#include "server/server.h"

#define TLS_PORT 443
#define SOON_S (INT64_C(14) * 24 * 60 * 60)

static void on_renewed(void *ctx)
{
    struct server *s = ctx;

    if (s->opts.on_renewed != NULL)
        s->opts.on_renewed(s);
}

static enum err open_pair(struct server *s, struct why *reterr)
{
    char crt[PATH_MAX];
    char key[PATH_MAX];
    bool has_crt;
    bool has_key;
    enum err err;

    (void)snprintf(crt, sizeof(crt), "%s/certs/tls.crt", s->opts.data_dir);
    (void)snprintf(key, sizeof(key), "%s/certs/tls.key", s->opts.data_dir);
    has_crt = access(crt, F_OK) == 0;
    has_key = access(key, F_OK) == 0;
    if (!has_crt && !has_key)
        return ERR_OK;
    if (!has_key)
        return why_set(reterr, ERR_INVALID, NULL, "%s is there, but not its key; put it beside, as tls.key",
                       crt);
    if (!has_crt)
        return why_set(reterr, ERR_INVALID, NULL,
                       "%s is there, but not its certificate; put it beside, as tls.crt", key);
    err = tls_open(&s->loop, crt, key, on_renewed, s, &s->tls, reterr);
    if (err == ERR_OK && tls_info(s->tls)->not_after_s < s->started_at.ms / 1000 + SOON_S)
        LOG_WARN("tls.expires", "days=%lld",
                 (long long)((tls_info(s->tls)->not_after_s - s->started_at.ms / 1000) / 86400));
    return err;
}

/* Whoever names the host that a proxy passes on has a proxy, and most often on this machine. */
static enum err trust_proxies(struct server *s, struct why *reterr)
{
    const char *list = s->opts.config->set.trusted_proxies;
    struct why why = {0};

    if (list[0] == '\0' && s->opts.public_host != NULL)
        list = "127.0.0.1,::1";
    else if (strcmp(list, "none") == 0)
        list = "";
    if (forwarded_parse(list, &s->trusted, &why) != ERR_OK)
        return why_set(reterr, ERR_INVALID, "trusted_proxies", "trusted_proxies: %s", why.text);
    return ERR_OK;
}

enum err listen_prepare(struct server *s, struct why *reterr)
{
    bool is_loopback = false;
    enum err err = http_listen_is_loopback(s->opts.listen, &is_loopback, reterr);

    if (err == ERR_OK)
        err = trust_proxies(s, reterr);
    if (err == ERR_OK && s->opts.config->set.accounts != 0 &&
        (!is_loopback || s->opts.public_host != NULL || s->opts.redirect != NULL))
        return why_set(
            reterr, ERR_INVALID, "accounts",
            "accounts: 'off' makes everybody who reaches the server its operator; that is for a server on "
            "127.0.0.1 without public_host and redirect, not for %s",
            s->opts.public_host != NULL ? s->opts.public_host : s->opts.listen);
    if (err == ERR_OK && s->opts.private_fd < 0)
        err = open_pair(s, reterr);
    if (err != ERR_OK || s->tls != NULL || is_loopback || s->opts.may_be_insecure)
        return err;
    return why_set(
        reterr, ERR_INVALID, "listen",
        "listen: without TLS what goes to %s could be read on the way: put a certificate into "
        "DATA/certs/tls.crt and its key into tls.key, or listen on 127.0.0.1 with a proxy in front, or "
        "give --insecure-listen",
        s->opts.listen);
}

/* The usual port for TLS has a usual one beside it, where browsers try first; other ports have none. */
static bool preset_redirect(const struct server *s, char *out, size_t size)
{
    const char *colon = strrchr(s->opts.listen, ':');

    if (colon == NULL || api_port(s->api) != TLS_PORT)
        return false;
    (void)snprintf(out, size, "%.*s:80", (int)(colon - s->opts.listen), s->opts.listen);
    return true;
}

enum err listen_redirect(struct server *s, struct why *reterr)
{
    const char *listen = s->opts.redirect;
    char preset[128];
    char tmp[PATH_MAX];
    struct why why = {0};
    enum err err;

    if (listen != NULL && strcmp(listen, "none") == 0)
        return ERR_OK;
    if (s->tls == NULL)
        return listen == NULL ? ERR_OK
                              : why_set(reterr, ERR_INVALID, "redirect",
                                        "redirect: there is no TLS to send anybody to: %s",
                                        "DATA/certs/tls.crt and tls.key are missing");
    if (listen == NULL && !preset_redirect(s, preset, sizeof(preset)))
        return ERR_OK;
    if (listen == NULL)
        listen = preset;
    (void)snprintf(tmp, sizeof(tmp), "%s/tmp", s->opts.data_dir);
    err = http_redirect_open(&s->loop, listen, api_port(s->api), tmp, &s->redirect, &why);
    if (err != ERR_OK)
        return why_set(reterr, err, "redirect", "redirect: %s; --redirect none does without", why.text);
    LOG_INFO("redirecting", "url=%s", http_redirect_url(s->redirect));
    return ERR_OK;
}

void listen_close(struct server *s)
{
    http_redirect_close(s->redirect);
    tls_close(s->tls);
    forwarded_free(s->trusted);
    s->trusted = NULL;
    s->redirect = NULL;
    s->tls = NULL;
}
