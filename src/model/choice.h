/* choice.h - what a launch may choose from: locations (servers under test), browsers, languages. Data that admins edit.
 *
 * Besides the locations of all there are a user's own: any http(s) url that passes http_url_check(), told from a name
 * by its "://", which no name may hold. */
#ifndef WRATA_MODEL_CHOICE_H
#define WRATA_MODEL_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "model/ids.h"

#define CHOICES_MAX 500u /* of a kind, archived ones included */
#define CHOICE_NAME_BYTES_MAX 80u
#define OWN_LOCATIONS_MAX 20u /* that are remembered of a user, the last ones used */

enum choice_kind { CHOICE_LOCATION, CHOICE_BROWSER, CHOICE_LANGUAGE, CHOICE_KIND_COUNT };
const char *choice_kind_name(enum choice_kind k);     /* "location" "browser" "language" */
enum choice_kind choice_kind_parse(const char *name); /* CHOICE_KIND_COUNT: none of that name */

/* Texts as in rows.h. Those of a browser or language but its name are "". */
struct choice_row {
    uint64_t id;
    enum choice_kind kind;
    const char *name;       /* what is stored with a launch, and SPEC_REGION, SPEC_BROWSER, SPEC_LANGUAGE */
    const char *type;       /* a word that groups locations: "info"; "" none */
    const char *url;        /* of the server under test; "" not known */
    const char *health_url; /* asked whether it is well; "" none */
    uint32_t position;      /* 1.. in lists; 0: archived */
    bool is_preset;         /* taken when none is named; at most one of a kind */
    struct wall created_at;
    struct wall archived_at; /* 0: may be chosen */
    struct wall used_at;     /* by a launch, the last time; 0 never: then it can be deleted */
};

/* What to make of one (id 0: a new one). Texts NULL, position 0 and -1: as it is, or the usual of a new one. */
struct choice_edit {
    uint64_t id;
    enum choice_kind kind;
    const char *name, *type, *url, *health_url;
    uint32_t position; /* 1..; beyond the last means last */
    int is_preset;
    int is_archived;
    struct wall at; /* now */
};
/* Names: 1..CHOICE_NAME_BYTES_MAX bytes; of locations words with single blanks between them, of others one word. */
MUST_USE enum err choice_edit_check(const struct choice_edit *e, struct why *reterr);

/* A location of a user's own. */
struct own_location_row {
    const char *url;
    struct wall used_at;
};

/* What somebody used, so that it is kept: 0 and NULL: none. */
struct choices_used {
    struct user_id user;
    const uint64_t *ids; /* of choices */
    uint32_t n_ids;
    const char *own_location; /* an url that passed http_url_check() */
    struct wall at;
};

/* http://HOST or https://HOST with port, path and query as they please; without a login, blanks or control characters;
 * the host in ASCII. ERR_INVALID names the field. */
MUST_USE enum err http_url_check(const char *field, const char *url, struct why *reterr);
/* The host of an url that passed, without port, an IPv6 address without its brackets; cut to fit. */
void http_url_host(const char *url, char *out, size_t size);

#endif
