/* web_assets.h - the built page (web/dist), embedded in the program, each file gzipped. */
#ifndef WRATA_NET_WEB_ASSETS_H
#define WRATA_NET_WEB_ASSETS_H

struct web_asset {
    const char *path; /* as in the URL: "/index.html", "/assets/app.js" */
    const char *type; /* Content-Type */
    const unsigned char *gz;
    unsigned int gz_len;
    const char *etag; /* with its quotes; from the content, so equal files keep it */
};

extern const struct web_asset web_assets[]; /* sorted by path; the row after the last has path NULL */
extern const unsigned int web_assets_count; /* 0 when the page was not built */

#endif
