#include "model/choice.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "model/rows.h"
#include "model/rules.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static const char *const kinds[] = {
    [CHOICE_LOCATION] = "location", [CHOICE_BROWSER] = "browser", [CHOICE_LANGUAGE] = "language"};
_Static_assert(ARRAY_LEN(kinds) == CHOICE_KIND_COUNT, "a name for each");

const char *choice_kind_name(enum choice_kind k)
{
    CHECK((unsigned)k < CHOICE_KIND_COUNT);
    return kinds[k];
}

enum choice_kind choice_kind_parse(const char *name)
{
    unsigned i = 0;

    while (i < CHOICE_KIND_COUNT && strcmp(kinds[i], name) != 0)
        i++;
    return (enum choice_kind)i;
}

/* ---- urls ---- */

static const char *after_scheme(const char *url)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return url + strlen(schemes[i]);
    }
    return NULL;
}

/* Bytes of the host at p; 0: none. An IPv6 address counts with its brackets. */
static size_t host_len(const char *p)
{
    size_t n;

    if (p[0] == '[') {
        n = 1 + strspn(p + 1, "0123456789abcdefABCDEF:.");
        return n > 2 && p[n] == ']' ? n + 1 : 0;
    }
    n = strspn(p, LETTERS DIGITS "-._");
    return n > 253 || p[0] == '-' || p[0] == '.' ? 0 : n;
}

static bool is_port(const char *p, size_t n)
{
    long port = n >= 1 && n <= 5 && strspn(p, DIGITS) >= n ? strtol(p, NULL, 10) : 0;

    return port >= 1 && port <= 65535;
}

enum err http_url_check(const char *field, const char *url, struct why *reterr)
{
    enum err err = text_check(field, url, URL_BYTES_MAX - 1, reterr);
    const char *p = after_scheme(url);
    size_t n;

    if (err != ERR_OK)
        return err;
    if (p == NULL)
        return why_set(reterr, ERR_INVALID, field,
                       "%s: '%.80s' begins neither with http:// nor with https://", field, url);
    if (strchr(url, ' ') != NULL || strpbrk(url, "\\\"<>^`{|}") != NULL)
        return why_set(reterr, ERR_INVALID, field,
                       "%s: '%.80s' holds a blank or a sign that no url has; write it as %%20", field, url);
    if (memchr(p, '@', strcspn(p, "/?#")) != NULL)
        return why_set(reterr, ERR_INVALID, field,
                       "%s: a login in an url would be shown to others; leave out what is before the @",
                       field);
    n = host_len(p);
    if (n == 0)
        return why_set(reterr, ERR_INVALID, field, "%s: '%.80s' has no host like example.org", field, url);
    p += n;
    if (*p == ':') {
        n = strcspn(p + 1, "/?#");
        if (!is_port(p + 1, n))
            return why_set(reterr, ERR_INVALID, field, "%s: the port in '%.80s' is none of 1 to 65535", field,
                           url);
        p += 1 + n;
    }
    if (*p != '\0' && strchr("/?#", *p) == NULL)
        return why_set(reterr, ERR_INVALID, field,
                       "%s: the host of '%.80s' holds '%.1s'; letters, digits, '-' and '.' make a host",
                       field, url, (unsigned char)*p < 0x80 ? p : "?");
    return ERR_OK;
}

void http_url_host(const char *url, char *out, size_t size)
{
    const char *p = after_scheme(url);
    size_t n = p != NULL ? host_len(p) : 0;

    if (n > 2 && p[0] == '[') {
        p++;
        n -= 2;
    }
    (void)snprintf(out, size, "%.*s", (int)n, n > 0 ? p : "");
}

/* ---- edits ---- */

static enum err name_of_choice_check(enum choice_kind kind, const char *name, struct why *reterr)
{
    enum err err = text_check("name", name, CHOICE_NAME_BYTES_MAX, reterr);
    size_t n = strlen(name);

    if (err != ERR_OK)
        return err;
    if (n == 0)
        return why_set(reterr, ERR_INVALID, "name", "name: it is empty");
    if (name[0] == '-')
        return why_set(reterr, ERR_INVALID, "name", "name: '%s' may not begin with a dash", name);
    if (kind != CHOICE_LOCATION && strchr(name, ' ') != NULL)
        return why_set(reterr, ERR_INVALID, "name", "name: '%s' holds a blank; one word is a %s", name,
                       choice_kind_name(kind));
    if (name[0] == ' ' || name[n - 1] == ' ' || strstr(name, "  ") != NULL)
        return why_set(reterr, ERR_INVALID, "name",
                       "name: '%s' has a blank at its begin or end, or two in a row", name);
    if (strchr(name, ',') != NULL)
        return why_set(reterr, ERR_INVALID, "name", "name: '%s' holds a comma, which separates names", name);
    if (strstr(name, "://") != NULL || (kind == CHOICE_LOCATION && strcmp(name, "custom") == 0))
        return why_set(reterr, ERR_INVALID, "name",
                       "name: '%s' would be taken for somebody's own location; give it a name and a url",
                       name);
    return ERR_OK;
}

static enum err optional_url_check(const char *field, const char *url, struct why *reterr)
{
    return url == NULL || url[0] == '\0' ? ERR_OK : http_url_check(field, url, reterr);
}

enum err choice_edit_check(const struct choice_edit *e, struct why *reterr)
{
    enum err err = ERR_OK;

    if (e->id == 0 && e->name == NULL)
        return why_set(reterr, ERR_INVALID, "name", "name: it is missing");
    if (e->name != NULL)
        err = name_of_choice_check(e->kind, e->name, reterr);
    if (err == ERR_OK && e->type != NULL)
        err = text_check("type", e->type, CHOICE_NAME_BYTES_MAX, reterr);
    if (err == ERR_OK && e->type != NULL && strchr(e->type, ' ') != NULL)
        err = why_set(reterr, ERR_INVALID, "type", "type: '%s' holds a blank; one word is a type", e->type);
    if (err == ERR_OK)
        err = optional_url_check("url", e->url, reterr);
    if (err == ERR_OK)
        err = optional_url_check("health_url", e->health_url, reterr);
    if (err == ERR_OK && e->is_archived == 1 && e->is_preset == 1)
        err = why_set(reterr, ERR_INVALID, "preset", "preset: what is archived cannot be the preset");
    return err;
}
