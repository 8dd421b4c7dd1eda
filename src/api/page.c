/* page.c - the page: every path that is not the API's is index.html, whose script knows what to show. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api_private.h"
#include "net/static.h"

#define CSP                                                                                                  \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src " \
    "'self'; "                                                                                               \
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "  \
    "require-trusted-types-for 'script'; trusted-types hub"

static const char not_built[] =
    "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>wrata</title></head>\n<body>\n"
    "<h1>wrata</h1>\n<p>This program was built without its page.</p>\n"
    "<p>The API answers: <a href=\"/api/v1/status\">/api/v1/status</a>, "
    "<a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p>\n</body>\n</html>\n";

void security_headers(struct http_req *http)
{
    http_add(http, "Content-Security-Policy", CSP);
    http_add(http, "X-Content-Type-Options", "nosniff");
    http_add(http, "Referrer-Policy", "same-origin");
    http_add(http, "Cross-Origin-Opener-Policy", "same-origin");
}

static void serve_asset(struct http_req *http, const struct web_asset *a)
{
    struct buf plain;

    security_headers(http); /* a worker lives under the policy of its own file */
    /* Names under /assets/ hold the hash of their content. */
    http_add(http, "Cache-Control",
             strncmp(a->path, "/assets/", 8) == 0 ? "public, max-age=31536000, immutable" : "no-cache");
    http_add(http, "ETag", a->etag);
    http_add(http, "Vary", "Accept-Encoding");
    if (static_matches(http_header(http, "If-None-Match"), a->etag)) {
        http_reply(http, 304, NULL);
        return;
    }
    http_add(http, "Content-Type", a->type);
    if (static_takes_gzip(http_header(http, "Accept-Encoding"))) {
        http_add(http, "Content-Encoding", "gzip");
        http_reply_static(http, 200, a->gz, a->gz_len);
        return;
    }
    buf_init(&plain, MIB(64));
    if (static_unpack(a, &plain) == ERR_OK)
        http_reply(http, 200, &plain);
    else
        http_reply(http, 500, NULL);
    buf_done(&plain);
}

void page_serve(struct http_req *http, const char *path, size_t path_len)
{
    const struct web_asset *a = static_find((struct slice){path, path_len});

    if (a == NULL && path_len >= 8 && strncmp(path, "/assets/", 8) == 0) {
        http_add(http, "Content-Type", "text/plain; charset=utf-8");
        http_add(http, "Cache-Control", "no-store");
        http_reply_static(http, 404, "there is no such file\n", 22);
        return;
    }
    if (a == NULL)
        a = static_find(SLICE("/index.html"));
    if (a != NULL) {
        serve_asset(http, a);
        return;
    }
    security_headers(http);
    http_add(http, "Content-Type", "text/html; charset=utf-8");
    http_add(http, "Cache-Control", "no-cache");
    http_reply_static(http, 200, not_built, sizeof(not_built) - 1);
}

enum err upload_dir_prepare(const char *dir, struct why *reterr)
{
    struct dirent *entry;
    char path[4400];
    DIR *d;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return why_errno(reterr, ERR_IO, errno, "the folder of uploads %s", dir);
    d = opendir(dir);
    if (d == NULL)
        return why_errno(reterr, ERR_IO, errno, "the folder of uploads %s", dir);
    while ((entry = readdir(d)) != NULL) {
        if (strncmp(entry->d_name, "upload-", 7) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(d);
    return ERR_OK;
}
