/* do_read.c - DigitalOcean's JSON; see do_read.h. */
#include "fleet/do_read.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fleet/fleet_private.h"

#define TEXT_BYTES_MAX 255u
#define REGIONS_MAX 200u
#define NETWORKS_MAX 32u
#define PRICE_MAX 10000.0 /* dollars an hour */

/* ---- small parts ---- */

static enum err broken(struct why *reterr, const char *what)
{
    return why_set(reterr, ERR_PROTO, NULL, "the cloud's answer makes no sense: %s", what);
}

static enum err parse(struct slice json, json_t **ret, struct why *reterr)
{
    json_error_t e;

    *ret = json.len > 0 ? json_loadb(json.ptr, json.len, 0, &e) : NULL;
    if (!json_is_object(*ret)) {
        json_decref(*ret);
        *ret = NULL;
        return broken(reterr, "it is not a JSON object");
    }
    return ERR_OK;
}

/* A text as we show it: without control characters, cut. "" when it is none. */
static const char *text(const json_t *o, const char *key, struct arena *arena)
{
    const json_t *v = json_object_get(o, key);
    char clean[TEXT_BYTES_MAX + 1];

    if (!json_is_string(v))
        return "";
    return arena_strdup(arena, fleet_clean_text((struct slice){json_string_value(v), json_string_length(v)},
                                                clean, sizeof(clean)));
}

/* A whole number of 1..max; 0: it is none. */
static uint64_t number(const json_t *o, const char *key, uint64_t max)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_integer(v) || json_integer_value(v) <= 0 || (uint64_t)json_integer_value(v) > max)
        return 0;
    return (uint64_t)json_integer_value(v);
}

/* Dollars to millionths; -1: no price. */
static int64_t price(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    double dollars = json_number_value(v);

    if (!json_is_number(v) || !(dollars >= 0) || dollars > PRICE_MAX)
        return -1;
    return llround(dollars * 1e6);
}

/* "2020-07-21T18:37:44Z"; 0: it is none. */
static struct wall when(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    struct tm tm = {0};
    const char *end;
    time_t t;

    if (s == NULL)
        return (struct wall){0};
    end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == NULL || (*end != 'Z' && *end != '.' && *end != '+') || tm.tm_year < 70 || tm.tm_year > 8000)
        return (struct wall){0};
    t = timegm(&tm);
    return (struct wall){t > 0 ? (int64_t)t * 1000 : 0};
}

/* A list of texts. False: it is none, or too long. */
static bool texts(const json_t *o, const char *key, uint32_t max, struct arena *arena,
                  const char *const **ret, uint32_t *n)
{
    const json_t *list = json_object_get(o, key);
    const char **at;

    *n = 0;
    *ret = NULL;
    if (!json_is_array(list) || json_array_size(list) > max)
        return false;
    at = arena_alloc(arena, (json_array_size(list) + 1) * sizeof(*at));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        char clean[TEXT_BYTES_MAX + 1];

        if (!json_is_string(v))
            return false;
        (void)fleet_clean_text((struct slice){json_string_value(v), json_string_length(v)}, clean,
                               sizeof(clean));
        at[i] = arena_strdup(arena, clean);
    }
    *n = (uint32_t)json_array_size(list);
    *ret = at;
    return true;
}

/* A page: its items, and what stands around them. A list without its total cannot be known to be whole. */
static enum err page(const json_t *root, const char *key, const json_t **items, struct do_page *ret,
                     struct why *reterr)
{
    const json_t *total = json_object_get(json_object_get(root, "meta"), "total");
    const json_t *pages = json_object_get(json_object_get(root, "links"), "pages");
    const json_t *next = json_object_get(pages, "next");

    *items = json_object_get(root, key);
    if (!json_is_array(*items))
        return why_set(reterr, ERR_PROTO, NULL, "the cloud's answer makes no sense: there is no list of %s",
                       key);
    if (json_array_size(*items) > DO_PAGE_ITEMS_MAX)
        return broken(reterr, "a page has more items than pages have");
    if (!json_is_integer(total) || json_integer_value(total) < 0)
        return broken(reterr, "it does not say how many there are");
    ret->total = (uint64_t)json_integer_value(total);
    ret->has_next = json_is_string(next) && json_string_length(next) > 0;
    return ERR_OK;
}

/* ---- droplets ---- */

static enum machine_state state_of(const char *status)
{
    static const struct {
        const char *word;
        enum machine_state state;
    } all[] = {
        {"new", MACHINE_NEW},
        {"active", MACHINE_ACTIVE},
        {"off", MACHINE_OFF},
        {"archive", MACHINE_GONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(status, all[i].word) == 0)
            return all[i].state;
    }
    return MACHINE_OFF; /* a new word of theirs: it exists, and we do not know that it works */
}

static bool is_v4(const char *s)
{
    unsigned part[4];
    int end = 0;

    return strspn(s, "0123456789.") == strlen(s) && strlen(s) <= 15 &&
           sscanf(s, "%3u.%3u.%3u.%3u%n", &part[0], &part[1], &part[2], &part[3], &end) == 4 &&
           s[end] == '\0' && part[0] < 256 && part[1] < 256 && part[2] < 256 && part[3] < 256;
}

/* The first IPv4 address of the wanted type; "" none yet. Whatever else stands there never reaches a command. */
static const char *address_of(const json_t *droplet, bool is_private, struct arena *arena)
{
    const json_t *v4 = json_object_get(json_object_get(droplet, "networks"), "v4");
    size_t n = json_array_size(v4);

    for (size_t i = 0; i < n && i < NETWORKS_MAX; i++) {
        const json_t *net = json_array_get(v4, i);
        const char *type = json_string_value(json_object_get(net, "type"));
        const char *address = json_string_value(json_object_get(net, "ip_address"));

        if (type != NULL && address != NULL && is_v4(address) &&
            strcmp(type, is_private ? "private" : "public") == 0)
            return arena_strdup(arena, address);
    }
    return "";
}

static enum err droplet(const json_t *o, const struct do_reading *how, bool needs_tags, struct arena *arena,
                        struct do_droplet *ret, struct why *reterr)
{
    uint64_t id = number(o, "id", INT64_MAX);

    *ret = (struct do_droplet){0};
    if (!json_is_object(o) || id == 0)
        return broken(reterr, "a droplet has no id");
    if (!texts(o, "tags", DO_TAGS_MAX, arena, &ret->tags, &ret->n_tags) && needs_tags)
        return why_set(
            reterr, ERR_PROTO, NULL,
            "the cloud does not show the tags of droplet %llu; the token must be allowed to read tags (scope "
            "tag:read)",
            (unsigned long long)id);
    ret->id = id;
    do_mark_read(ret->tags, ret->n_tags, how->instance, &ret->mark);
    ret->m = (struct machine){
        .id = arena_printf(arena, "%llu", (unsigned long long)id),
        .server = ret->mark.server,
        .intent = ret->mark.intent,
        .name = text(o, "name", arena),
        .state = state_of(text(o, "status", arena)),
        .address = address_of(o, how->is_private, arena),
        .size = text(o, "size_slug", arena),
        .region = text(json_object_get(o, "region"), "slug", arena),
        .created_at = when(o, "created_at"),
        .lease_until = ret->mark.lease_until,
        .price_hour_microusd = price(json_object_get(o, "size"), "price_hourly"),
    };
    return ERR_OK;
}

static enum err read_one(struct slice json, const struct do_reading *how, bool needs_tags,
                         struct arena *arena, struct do_droplet *ret, struct why *reterr)
{
    json_t *root;
    enum err err = parse(json, &root, reterr);

    if (err == ERR_OK)
        err = droplet(json_object_get(root, "droplet"), how, needs_tags, arena, ret, reterr);
    json_decref(root);
    return err;
}

enum err do_read_droplet(struct slice json, const struct do_reading *how, struct arena *arena,
                         struct do_droplet *ret, struct why *reterr)
{
    return read_one(json, how, true, arena, ret, reterr);
}

enum err do_read_created(struct slice json, const struct do_reading *how, struct arena *arena,
                         struct do_droplet *ret, struct why *reterr)
{
    return read_one(json, how, false, arena, ret, reterr);
}

enum err do_read_droplets(struct slice json, const struct do_reading *how, struct arena *arena,
                          struct do_droplets *ret, struct why *reterr)
{
    json_t *root;
    const json_t *items;
    enum err err = parse(json, &root, reterr);

    *ret = (struct do_droplets){0};
    if (err == ERR_OK)
        err = page(root, "droplets", &items, &ret->page, reterr);
    if (err == ERR_OK) {
        ret->at = arena_alloc(arena, (json_array_size(items) + 1) * sizeof(*ret->at));
        for (size_t i = 0; err == ERR_OK && i < json_array_size(items); i++)
            err = droplet(json_array_get(items, i), how, true, arena, &ret->at[ret->n++], reterr);
    }
    json_decref(root);
    return err;
}

/* ---- what can be had ---- */

enum err do_read_sizes(struct slice json, struct arena *arena, struct do_sizes *ret, struct why *reterr)
{
    json_t *root;
    const json_t *items;
    enum err err = parse(json, &root, reterr);

    *ret = (struct do_sizes){0};
    if (err == ERR_OK)
        err = page(root, "sizes", &items, &ret->page, reterr);
    if (err == ERR_OK) {
        ret->at = arena_alloc(arena, (json_array_size(items) + 1) * sizeof(*ret->at));
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *o = json_array_get(items, i);
            struct fleet_size *s = &ret->at[ret->n];

            s->name = text(o, "slug", arena);
            s->description = text(o, "description", arena);
            s->price_hour_microusd = price(o, "price_hourly");
            s->memory_mib = (uint32_t)number(o, "memory", UINT32_MAX);
            s->cpus = (uint32_t)number(o, "vcpus", 100000);
            s->disk_gib = (uint32_t)number(o, "disk", UINT32_MAX);
            s->is_available = json_is_true(json_object_get(o, "available"));
            if (s->name[0] != '\0' && texts(o, "regions", REGIONS_MAX, arena, &s->regions, &s->n_regions))
                ret->n++; /* others are left out: one that we cannot read must not hide the rest */
        }
    }
    json_decref(root);
    return err;
}

enum err do_read_regions(struct slice json, struct arena *arena, struct do_regions *ret, struct why *reterr)
{
    json_t *root;
    const json_t *items;
    enum err err = parse(json, &root, reterr);

    *ret = (struct do_regions){0};
    if (err == ERR_OK)
        err = page(root, "regions", &items, &ret->page, reterr);
    if (err == ERR_OK) {
        ret->at = arena_alloc(arena, (json_array_size(items) + 1) * sizeof(*ret->at));
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *o = json_array_get(items, i);
            struct fleet_region *r = &ret->at[ret->n];

            r->name = text(o, "slug", arena);
            r->description = text(o, "name", arena);
            r->is_available = json_is_true(json_object_get(o, "available"));
            if (r->name[0] != '\0')
                ret->n++;
        }
    }
    json_decref(root);
    return err;
}

static bool is_usable(const json_t *image)
{
    const json_t *status = json_object_get(image, "status");

    return !json_is_string(status) || strcmp(json_string_value(status), "available") == 0;
}

enum err do_read_images(struct slice json, struct arena *arena, struct do_images *ret, struct why *reterr)
{
    json_t *root;
    const json_t *items;
    enum err err = parse(json, &root, reterr);

    *ret = (struct do_images){0};
    if (err == ERR_OK)
        err = page(root, "images", &items, &ret->page, reterr);
    if (err == ERR_OK) {
        ret->at = arena_alloc(arena, (json_array_size(items) + 1) * sizeof(*ret->at));
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *o = json_array_get(items, i);
            struct do_image *x = &ret->at[ret->n];

            x->id = number(o, "id", INT64_MAX);
            x->slug = text(o, "slug", arena);
            x->image.id =
                x->slug[0] != '\0' ? x->slug : arena_printf(arena, "%llu", (unsigned long long)x->id);
            x->image.name = text(o, "name", arena);
            x->image.is_snapshot = json_is_false(json_object_get(o, "public"));
            x->image.created_at = when(o, "created_at");
            if (x->id != 0 && is_usable(o) &&
                texts(o, "regions", REGIONS_MAX, arena, &x->regions, &x->n_regions))
                ret->n++;
        }
    }
    json_decref(root);
    return err;
}

enum err do_read_tags(struct slice json, struct arena *arena, struct do_tags *ret, struct why *reterr)
{
    json_t *root;
    const json_t *items;
    enum err err = parse(json, &root, reterr);

    *ret = (struct do_tags){0};
    if (err == ERR_OK)
        err = page(root, "tags", &items, &ret->page, reterr);
    if (err == ERR_OK) {
        ret->at = arena_alloc(arena, (json_array_size(items) + 1) * sizeof(*ret->at));
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *o = json_array_get(items, i);
            const json_t *count = json_object_get(json_object_get(o, "resources"), "count");
            struct do_tag *t = &ret->at[ret->n];

            t->name = text(o, "name", arena);
            /* What is not said to be free is taken to be in use. */
            t->resources = json_is_integer(count) && json_integer_value(count) >= 0
                               ? (uint64_t)json_integer_value(count)
                               : UINT64_MAX;
            if (t->name[0] != '\0')
                ret->n++;
        }
    }
    json_decref(root);
    return err;
}

enum err do_read_account(struct slice json, uint32_t *ret, struct why *reterr)
{
    json_t *root;
    enum err err = parse(json, &root, reterr);

    if (err == ERR_OK) {
        const json_t *account = json_object_get(root, "account");

        if (json_is_object(account))
            *ret = (uint32_t)number(account, "droplet_limit", UINT32_MAX);
        else
            err = broken(reterr, "there is no account");
    }
    json_decref(root);
    return err;
}

char *do_read_error(struct slice json, char *out, size_t size)
{
    struct why ignored;
    json_t *root;
    const json_t *message = NULL;

    out[0] = '\0';
    if (parse(json, &root, &ignored) == ERR_OK)
        message = json_object_get(root, "message");
    if (json_is_string(message))
        (void)fleet_clean_text((struct slice){json_string_value(message), json_string_length(message)}, out,
                               size);
    json_decref(root);
    return out;
}
