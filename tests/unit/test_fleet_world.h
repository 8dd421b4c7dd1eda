/* test_fleet_world.h - a DigitalOcean in memory and in virtual time, and a fleet in front of it.
 *
 * Written from the public description of the API: what it answers, how it pages, which headers it sends, how it counts requests. A
 * test names the fault that a request shall have; the world remembers what was asked and what the fleet told. */
#ifndef WRATA_TEST_FLEET_WORLD_H
#define WRATA_TEST_FLEET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "fleet/cloud.h"
#include "fleet/do_mark.h"
#include "net/ssh_key.h"

#pragma GCC diagnostic ignored "-Wunused-function" /* a test uses what it needs */

#define INSTANCE "0123456789abcdef"
#define LATENCY_MS 120
#define DROPLETS_MAX 4096
#define TAGS_MAX 8192

struct droplet {
    uint64_t id;
    char name[64];
    char size[32];
    char region[16];
    char image[32];
    char user_data[4096];
    char tags[12][160];
    unsigned n_tags;
    struct wall created_at;
    const char *status;
    const char *address;
    bool is_gpu;
    bool is_hidden; /* lists do not show it yet */
};

/* What shall happen to a request. */
enum fault { FINE, NOT_SENT, LOST, LOST_AFTER, STATUS, STATUS_AFTER };
struct rule {
    const char *method; /* NULL: any */
    const char *path;   /* a beginning */
    enum fault fault;
    int status;
    const char *body;
    int times; /* how often; it is taken away then */
};

struct flight {
    uint64_t number; /* 0: free */
    struct mono due;
    char method[8];
    char path[1024];
    char *body;
    char bearer[64];
};

struct world {
    struct mono now;
    struct wall wall;
    struct mono wake;
    struct fleets *all;
    struct fleet *f;
    struct flight flights[64];
    struct droplet *droplets;
    unsigned n_droplets;
    uint64_t next_id;
    char (*tags)[160];
    unsigned n_tags;
    unsigned limit; /* of droplets */
    struct rule rules[16];
    const char *no_room; /* a region without room */
    const char *images;  /* JSON of the images of the account, a list */
    unsigned per_page_max;
    unsigned list_lies;      /* so many pages show the last of the page before again, and drop one */
    bool tags_come_late;     /* a new droplet has none */
    unsigned remaining_says; /* instead of what is left; 0: the truth */
    bool says_no_retry_after;
    bool any_fleet; /* more than one is open */
    /* what was asked */
    unsigned asked;
    unsigned limited;
    unsigned posts;
    unsigned deletes;
    struct mono times[6000];
    unsigned next_time;
    char paths[65536]; /* the newest requests, a line each */
    /* what the fleet told */
    struct buf told;
    unsigned n_created;
    unsigned n_failed;
    unsigned n_destroyed;
    unsigned n_listed;
    uint32_t listed_n;
    char last_id[32];
    uint64_t last_ask;
    int64_t retry_after_ms;
    enum fleet_fault last_fault;
    uint32_t catalog_sizes;
    struct wall catalog_at;
};

/* ---- the API ---- */

static void world_tag_made(struct world *w, const char *tag)
{
    for (unsigned i = 0; i < w->n_tags; i++) {
        if (strcmp(w->tags[i], tag) == 0)
            return;
    }
    assert_true(w->n_tags < TAGS_MAX);
    (void)snprintf(w->tags[w->n_tags++], sizeof(w->tags[0]), "%s", tag);
}

static bool droplet_has(const struct droplet *d, const char *tag)
{
    for (unsigned i = 0; i < d->n_tags; i++) {
        if (strcmp(d->tags[i], tag) == 0)
            return true;
    }
    return false;
}

static struct droplet *world_droplet(struct world *w, uint64_t id)
{
    for (unsigned i = 0; i < w->n_droplets; i++) {
        if (w->droplets[i].id == id)
            return &w->droplets[i];
    }
    return NULL;
}

static unsigned world_tagged(const struct world *w, const char *tag)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->n_droplets; i++)
        n += droplet_has(&w->droplets[i], tag);
    return n;
}

static struct droplet *world_add(struct world *w, const char *name)
{
    struct droplet *d = &w->droplets[w->n_droplets++];

    assert_true(w->n_droplets < DROPLETS_MAX);
    *d = (struct droplet){.id = w->next_id++, .created_at = w->wall, .status = "new", .address = ""};
    (void)snprintf(d->name, sizeof(d->name), "%s", name);
    return d;
}

static void droplet_tag(struct world *w, struct droplet *d, const char *tag)
{
    if (droplet_has(d, tag))
        return;
    assert_true(d->n_tags < 12);
    (void)snprintf(d->tags[d->n_tags++], sizeof(d->tags[0]), "%s", tag);
    world_tag_made(w, tag);
}

static void droplet_untag(struct droplet *d, const char *tag)
{
    for (unsigned i = 0; i < d->n_tags; i++) {
        if (strcmp(d->tags[i], tag) == 0) {
            memmove(d->tags[i], d->tags[d->n_tags - 1], sizeof(d->tags[0]));
            d->n_tags--;
            return;
        }
    }
}

static void droplet_json(struct json_out *j, const struct droplet *d)
{
    jo_obj(j);
    jo_kuint(j, "id", d->id);
    jo_ktext(j, "name", d->name);
    jo_ktext(j, "status", d->status);
    jo_ktime(j, "created_at", d->created_at);
    jo_ktext(j, "size_slug", d->size);
    jo_kobj(j, "size");
    jo_kdouble(j, "price_hourly", 0.00744);
    jo_obj_end(j);
    jo_kobj(j, "region");
    jo_ktext(j, "slug", d->region);
    jo_obj_end(j);
    jo_kobj(j, "networks");
    jo_karr(j, "v4");
    if (d->address[0] != '\0') {
        jo_obj(j);
        jo_ktext(j, "ip_address", "10.1.2.3");
        jo_ktext(j, "type", "private");
        jo_obj_end(j);
        jo_obj(j);
        jo_ktext(j, "ip_address", d->address);
        jo_ktext(j, "type", "public");
        jo_obj_end(j);
    }
    jo_arr_end(j);
    jo_obj_end(j);
    jo_karr(j, "tags");
    for (unsigned i = 0; i < d->n_tags; i++)
        jo_text(j, d->tags[i]);
    jo_arr_end(j);
    jo_obj_end(j);
}

static unsigned query_number(const char *path, const char *name, unsigned preset)
{
    const char *p = strstr(path, name);

    return p != NULL ? (unsigned)strtoul(p + strlen(name), NULL, 10) : preset;
}

static void page_end(struct json_out *j, unsigned page, unsigned per_page, unsigned total)
{
    jo_kobj(j, "links");
    if (page * per_page < total) {
        jo_kobj(j, "pages");
        jo_ktext(j, "next", "https://api.digitalocean.com/v2/anything?page=2");
        jo_obj_end(j);
    }
    jo_obj_end(j);
    jo_kobj(j, "meta");
    jo_kuint(j, "total", total);
    jo_obj_end(j);
}

static void api_list(struct world *w, const char *path, struct json_out *j)
{
    unsigned page = query_number(path, "&page=", 1);
    unsigned per_page = query_number(path, "per_page=", 20);
    bool gpus = strstr(path, "type=gpus") != NULL;
    char tag[160] = "";
    const char *p = strstr(path, "tag_name=");
    unsigned n = 0;
    unsigned total = 0;
    unsigned first;

    if (per_page > w->per_page_max)
        per_page = w->per_page_max;
    if (p != NULL) {
        for (p += 9; *p != '\0' && *p != '&' && n < sizeof(tag) - 1; p++) {
            if (strncmp(p, "%3A", 3) == 0) {
                tag[n++] = ':';
                p += 2;
            } else {
                tag[n++] = *p;
            }
        }
        tag[n] = '\0';
    }
    first = (page - 1) * per_page;
    jo_obj(j);
    jo_karr(j, "droplets");
    for (unsigned i = 0; i < w->n_droplets; i++) {
        const struct droplet *d = &w->droplets[i];
        unsigned at;

        if (d->is_hidden || (gpus ? !d->is_gpu : d->is_gpu) || (tag[0] != '\0' && !droplet_has(d, tag)))
            continue;
        at = total++;
        if (at < first || at >= first + per_page)
            continue;
        if (w->list_lies > 0 && page > 1 && at == first + per_page - 1) {
            w->list_lies--; /* it is dropped, and one of the page before is shown again */
            droplet_json(j, &w->droplets[0]);
            continue;
        }
        droplet_json(j, d);
    }
    jo_arr_end(j);
    page_end(j, page, per_page, total);
    jo_obj_end(j);
}

static int api_create(struct world *w, const char *text, struct json_out *j)
{
    json_t *body = json_loads(text, 0, NULL);
    const char *region = json_string_value(json_object_get(body, "region"));
    const json_t *tags = json_object_get(body, "tags");
    const json_t *image = json_object_get(body, "image");
    struct droplet *d;

    assert_non_null(body);
    w->posts++;
    if (w->no_room != NULL && strcmp(region, w->no_room) == 0) {
        json_decref(body);
        jo_obj(j);
        jo_ktext(j, "id", "unprocessable_entity");
        jo_ktext(j, "message", "Size is not available in this region.");
        jo_obj_end(j);
        return 422;
    }
    if (w->n_droplets >= w->limit) {
        json_decref(body);
        jo_obj(j);
        jo_ktext(j, "id", "unprocessable_entity");
        jo_ktext(j, "message", "creating this/these droplet(s) will exceed your droplet limit");
        jo_obj_end(j);
        return 422;
    }
    d = world_add(w, json_string_value(json_object_get(body, "name")));
    (void)snprintf(d->size, sizeof(d->size), "%s", json_string_value(json_object_get(body, "size")));
    (void)snprintf(d->region, sizeof(d->region), "%s", region);
    if (json_is_integer(image))
        (void)snprintf(d->image, sizeof(d->image), "%lld", (long long)json_integer_value(image));
    else
        (void)snprintf(d->image, sizeof(d->image), "%s", json_string_value(image));
    (void)snprintf(d->user_data, sizeof(d->user_data), "%s",
                   json_string_value(json_object_get(body, "user_data")));
    for (size_t i = 0; i < json_array_size(tags) && !w->tags_come_late; i++)
        droplet_tag(w, d, json_string_value(json_array_get(tags, i)));
    json_decref(body);
    jo_obj(j);
    jo_key(j, "droplet");
    droplet_json(j, d);
    jo_obj_end(j);
    return 202;
}

static int not_found(struct json_out *j)
{
    jo_obj(j);
    jo_ktext(j, "id", "not_found");
    jo_ktext(j, "message", "The resource you were accessing could not be found.");
    jo_obj_end(j);
    return 404;
}

static int api_tag_resources(struct world *w, const struct flight *x, struct json_out *j)
{
    json_t *body = json_loads(x->body, 0, NULL);
    const json_t *list = json_object_get(body, "resources");
    char tag[160];
    size_t n = 0;
    bool is_known = false;
    int status = 204;

    for (const char *p = x->path + strlen("/v2/tags/"); strncmp(p, "/resources", 10) != 0; p++) {
        if (strncmp(p, "%3A", 3) == 0) {
            tag[n++] = ':';
            p += 2;
        } else {
            tag[n++] = *p;
        }
    }
    tag[n] = '\0';
    for (unsigned i = 0; i < w->n_tags; i++)
        is_known = is_known || strcmp(w->tags[i], tag) == 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(list, i), "resource_id"));

        if (world_droplet(w, strtoull(id, NULL, 10)) == NULL)
            is_known = false;
    }
    for (size_t i = 0; is_known && i < json_array_size(list); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(list, i), "resource_id"));
        struct droplet *d = world_droplet(w, strtoull(id, NULL, 10));

        if (strcmp(x->method, "POST") == 0)
            droplet_tag(w, d, tag);
        else
            droplet_untag(d, tag);
    }
    if (!is_known)
        status = not_found(j);
    json_decref(body);
    return status;
}

static void api_tags(struct world *w, const char *path, struct json_out *j)
{
    unsigned page = query_number(path, "&page=", 1);
    unsigned per_page = query_number(path, "per_page=", 20);

    jo_obj(j);
    jo_karr(j, "tags");
    for (unsigned i = (page - 1) * per_page; i < page * per_page && i < w->n_tags; i++) {
        jo_obj(j);
        jo_ktext(j, "name", w->tags[i]);
        jo_kobj(j, "resources");
        jo_kuint(j, "count", world_tagged(w, w->tags[i]));
        jo_obj_end(j);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    page_end(j, page, per_page, w->n_tags);
    jo_obj_end(j);
}

static int api_tag_delete(struct world *w, const char *path)
{
    char tag[160];
    size_t n = 0;

    for (const char *p = path + strlen("/v2/tags/"); *p != '\0'; p++) {
        if (strncmp(p, "%3A", 3) == 0) {
            tag[n++] = ':';
            p += 2;
        } else {
            tag[n++] = *p;
        }
    }
    tag[n] = '\0';
    for (unsigned i = 0; i < w->n_tags; i++) {
        if (strcmp(w->tags[i], tag) == 0) {
            assert_int_equal(world_tagged(w, tag), 0); /* nobody takes away a tag that is in use */
            memmove(w->tags[i], w->tags[w->n_tags - 1], sizeof(w->tags[0]));
            w->n_tags--;
            return 204;
        }
    }
    return 404;
}

static int api(struct world *w, const struct flight *x, struct json_out *j)
{
    struct droplet *d;

    if (strcmp(x->method, "POST") == 0 && strcmp(x->path, "/v2/droplets") == 0)
        return api_create(w, x->body, j);
    if (strcmp(x->method, "POST") == 0 && strcmp(x->path, "/v2/tags") == 0) {
        json_t *body = json_loads(x->body, 0, NULL);

        world_tag_made(w, json_string_value(json_object_get(body, "name")));
        json_decref(body);
        return 201;
    }
    if (strncmp(x->path, "/v2/tags/", 9) == 0 && strstr(x->path, "/resources") != NULL)
        return api_tag_resources(w, x, j);
    if (strncmp(x->path, "/v2/tags/", 9) == 0)
        return api_tag_delete(w, x->path);
    if (strncmp(x->path, "/v2/tags?", 9) == 0) {
        api_tags(w, x->path, j);
        return 200;
    }
    if (strncmp(x->path, "/v2/projects/", 13) == 0)
        return 200;
    if (strncmp(x->path, "/v2/droplets?", 13) == 0) {
        api_list(w, x->path, j);
        return 200;
    }
    if (strncmp(x->path, "/v2/droplets/", 13) == 0) {
        d = world_droplet(w, strtoull(x->path + 13, NULL, 10));
        if (d == NULL)
            return not_found(j);
        if (strcmp(x->method, "DELETE") == 0) {
            w->deletes++;
            *d = w->droplets[--w->n_droplets];
            return 204;
        }
        jo_obj(j);
        jo_key(j, "droplet");
        droplet_json(j, d);
        jo_obj_end(j);
        return 200;
    }
    jo_obj(j);
    if (strncmp(x->path, "/v2/images?private", 18) == 0) {
        const char *images = w->images != NULL ? w->images : "[]";
        json_t *list = json_loads(images, 0, NULL);

        jo_key(j, "images");
        jo_raw(j, images, strlen(images));
        page_end(j, 1, 200, (unsigned)json_array_size(list));
        json_decref(list);
    } else if (strncmp(x->path, "/v2/images?type", 15) == 0) {
        static const char image[] =
            "[{\"id\":1,\"slug\":\"debian-12-x64\",\"name\":\"12 x64\",\"public\":true,\"regions\":"
            "[\"fra1\"],\"created_at\":\"2026-01-01T00:00:00Z\",\"status\":\"available\"}]";

        jo_key(j, "images");
        jo_raw(j, image, sizeof(image) - 1);
        page_end(j, 1, 200, 1);
    } else if (strncmp(x->path, "/v2/sizes", 9) == 0) {
        static const char sizes[] =
            "[{\"slug\":\"s-2vcpu-2gb\",\"memory\":2048,\"vcpus\":2,\"disk\":60,"
            "\"price_hourly\":0.02679,\"regions\":"
            "[\"fra1\"],\"available\":true,\"description\":\"Basic\"},{\"slug\":\"s-"
            "1vcpu-1gb\",\"memory\":1024,\"vcpus\":1,"
            "\"disk\":25,\"price_hourly\":0.00892999991774559,\"regions\":[\"fra1\","
            "\"ams3\"],\"available\":true,"
            "\"description\":\"Basic\"},{\"slug\":\"s-3vcpu\",\"price_hourly\":0.05,\"regions\":[\"nyc3\"]}]";

        jo_key(j, "sizes");
        jo_raw(j, sizes, sizeof(sizes) - 1);
        page_end(j, 1, 200, 3);
    } else if (strncmp(x->path, "/v2/regions", 11) == 0) {
        static const char regions[] =
            "[{\"slug\":\"fra1\",\"name\":\"Frankfurt 1\",\"available\":true,\"sizes\":[]}]";

        jo_key(j, "regions");
        jo_raw(j, regions, sizeof(regions) - 1);
        page_end(j, 1, 200, 1);
    } else if (strcmp(x->path, "/v2/account") == 0) {
        jo_kobj(j, "account");
        jo_kuint(j, "droplet_limit", w->limit);
        jo_obj_end(j);
    } else {
        fail_msg("the world has no %s %s", x->method, x->path);
    }
    jo_obj_end(j);
    return 200;
}

/* ---- requests ---- */

static struct rule *rule_for(struct world *w, const struct flight *x)
{
    for (size_t i = 0; i < ARRAY_LEN(w->rules); i++) {
        struct rule *r = &w->rules[i];

        if (r->times > 0 && (r->method == NULL || strcmp(r->method, x->method) == 0) &&
            strncmp(x->path, r->path, strlen(r->path)) == 0) {
            r->times--;
            return r;
        }
    }
    return NULL;
}

static void world_fault(struct world *w, struct rule rule)
{
    for (size_t i = 0; i < ARRAY_LEN(w->rules); i++) {
        if (w->rules[i].times == 0) {
            w->rules[i] = rule;
            return;
        }
    }
    fail_msg("too many faults");
}

/* How many requests came in the last so many milliseconds. */
static unsigned world_asked_in(const struct world *w, int64_t ms)
{
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_LEN(w->times); i++)
        n += w->times[i].us != 0 && mono_ms_between(w->times[i], w->now) < ms;
    return n;
}

static void world_answer(struct world *w, struct flight *x)
{
    struct rule *r = rule_for(w, x);
    enum fault fault = r != NULL ? r->fault : FINE;
    struct http_answer a = {.error = ""};
    char headers[512];
    uint64_t number = x->number;
    unsigned hour;
    struct buf body;
    struct json_out j;

    buf_init(&body, MIB(16));
    jo_begin(&j, &body);
    x->number = 0;
    if (fault == NOT_SENT) {
        a.fate = HTTP_NOT_SENT;
        a.error = "Connection refused";
    } else {
        unsigned minute;

        w->times[w->next_time++ % ARRAY_LEN(w->times)] = w->now;
        minute = world_asked_in(w, 60000);
        hour = world_asked_in(w, 3600000);
        (void)snprintf(headers, sizeof(headers),
                       "HTTP/1.1 200 OK\r\nratelimit-limit: 5000\r\nratelimit-remaining: "
                       "%u\r\nrateLimit-reset: %lld\r\n%s\r\n",
                       w->remaining_says > 0 ? w->remaining_says
                       : hour > 5000         ? 0
                                             : 5000 - hour,
                       (long long)w->wall.ms / 1000 + 30,
                       minute > 250 || (r != NULL && r->status == 429 && !w->says_no_retry_after)
                           ? "retry-after: 29\r\n"
                           : "");
        a.headers = slice_of(headers);
        if (minute > 250 || hour > 5000) {
            w->limited++;
            a.status = 429;
        } else if (fault == LOST || fault == STATUS) {
            a.status = r->status;
        } else {
            a.status = api(w, x, &j);
        }
        if (fault == LOST || fault == LOST_AFTER) {
            a = (struct http_answer){.fate = HTTP_LOST, .error = "Operation timed out"};
            buf_clear(&body);
        }
        if (fault == STATUS || fault == STATUS_AFTER) {
            buf_clear(&body);
            a.status = r->status;
            buf_puts(&body, r->body != NULL ? r->body : "{\"id\":\"x\",\"message\":\"a fault of the test\"}");
        }
    }
    free(x->body);
    x->body = NULL;
    a.body = buf_slice(&body);
    fleets_answered(w->all, number, &a);
    buf_done(&body);
}

static void io_send(void *ctx, uint64_t number, const struct http_call_opts *rq)
{
    struct world *w = ctx;
    size_t used = strlen(w->paths);
    struct flight *x = w->flights;

    while (x->number != 0)
        x++;
    assert_true(x < w->flights + ARRAY_LEN(w->flights));
    assert_non_null(rq->bearer.ptr);
    *x = (struct flight){.number = number, .due = mono_add_ms(w->now, LATENCY_MS)};
    (void)snprintf(x->method, sizeof(x->method), "%s", rq->method != NULL ? rq->method : "GET");
    assert_ptr_equal(strstr(rq->url, "https://api.example.org/v2/"), rq->url);
    (void)snprintf(x->path, sizeof(x->path), "%s", rq->url + strlen("https://api.example.org"));
    x->body = rq->body.ptr != NULL ? xstrndup(rq->body.ptr, rq->body.len) : NULL;
    w->asked++;
    if (used + strlen(x->path) + 16 > sizeof(w->paths))
        used = 0;
    (void)snprintf(w->paths + used, sizeof(w->paths) - used, "%s %s\n", x->method, x->path);
}

static void io_cancel(void *ctx, uint64_t number)
{
    struct world *w = ctx;

    for (size_t i = 0; i < ARRAY_LEN(w->flights); i++) {
        if (w->flights[i].number == number) {
            free(w->flights[i].body);
            w->flights[i] = (struct flight){0};
        }
    }
}

static struct mono io_now(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static struct wall io_wall(void *ctx)
{
    return ((struct world *)ctx)->wall;
}

static void io_wake_at(void *ctx, struct mono at)
{
    ((struct world *)ctx)->wake = at;
}

static void io_free(void *ctx)
{
    (void)ctx;
}

/* ---- time ---- */

static void world_to(struct world *w, struct mono t)
{
    if (!mono_before(w->now, t))
        return;
    w->wall.ms += mono_ms_between(w->now, t);
    w->now = t;
}

/* Whatever happens within ms. */
static void world_run(struct world *w, int64_t ms)
{
    struct mono end = mono_add_ms(w->now, ms);

    for (;;) {
        struct flight *first = NULL;
        struct mono next = w->wake;

        for (size_t i = 0; i < ARRAY_LEN(w->flights); i++) {
            struct flight *x = &w->flights[i];

            if (x->number != 0 && (first == NULL || mono_before(x->due, first->due)))
                first = x;
        }
        if (first != NULL && mono_before(first->due, next))
            next = first->due;
        if (mono_before(end, next))
            break;
        world_to(w, next);
        if (first != NULL && !mono_before(w->now, first->due)) {
            world_answer(w, first);
        } else {
            w->wake = MONO_NEVER;
            fleets_turn(w->all);
        }
    }
    world_to(w, end);
}

/* ---- what it tells ---- */

static void told_created(void *ctx, struct fleet *f, uint64_t server, uint64_t intent,
                         const struct machine *m)
{
    struct world *w = ctx;

    assert_true(w->any_fleet || f == w->f);
    w->n_created++;
    (void)snprintf(w->last_id, sizeof(w->last_id), "%s", m->id);
    buf_printf(&w->told, "created s%llu i%llu %s %s\n", (unsigned long long)server,
               (unsigned long long)intent, m->id, m->region);
}

static void failed(struct world *w, const char *what, const struct fleet_failure *why)
{
    w->n_failed++;
    w->last_fault = why->fault;
    w->retry_after_ms = why->retry_after_ms;
    buf_printf(&w->told, "%s: %s: %s\n", what, fleet_fault_name(why->fault), why->reason);
}

static void told_create_failed(void *ctx, struct fleet *f, uint64_t server, uint64_t intent,
                               const struct fleet_failure *why)
{
    char what[64];

    (void)f;
    (void)snprintf(what, sizeof(what), "create failed s%llu i%llu", (unsigned long long)server,
                   (unsigned long long)intent);
    failed(ctx, what, why);
}

static void told_destroyed(void *ctx, struct fleet *f, const char *machine)
{
    struct world *w = ctx;

    (void)f;
    w->n_destroyed++;
    buf_printf(&w->told, "destroyed %s\n", machine);
}

static void told_destroy_failed(void *ctx, struct fleet *f, const char *machine,
                                const struct fleet_failure *why)
{
    (void)f;
    (void)machine;
    failed(ctx, "destroy failed", why);
}

static void told_listed(void *ctx, struct fleet *f, uint64_t ask, const struct machine *all, uint32_t n)
{
    struct world *w = ctx;

    (void)f;
    w->n_listed++;
    w->listed_n = n;
    w->last_ask = ask;
    buf_printf(&w->told, "listed %llu: %u", (unsigned long long)ask, n);
    for (uint32_t i = 0; i < n && n <= 8; i++)
        buf_printf(&w->told, " %s(s%llu i%llu %s %s)", all[i].id, (unsigned long long)all[i].server,
                   (unsigned long long)all[i].intent, machine_state_name(all[i].state), all[i].address);
    buf_puts(&w->told, "\n");
}

static void told_list_failed(void *ctx, struct fleet *f, uint64_t ask, const struct fleet_failure *why)
{
    struct world *w = ctx;

    (void)f;
    w->last_ask = ask;
    failed(w, "list failed", why);
}

static void told_renewed(void *ctx, struct fleet *f, const char *machine, struct wall lease_until)
{
    struct world *w = ctx;
    char tag[DO_TAG_BYTES];

    (void)f;
    buf_printf(&w->told, "renewed %s %s\n", machine, do_tag_until(lease_until, tag));
}

static void told_renew_failed(void *ctx, struct fleet *f, const char *machine,
                              const struct fleet_failure *why)
{
    (void)f;
    (void)machine;
    failed(ctx, "renew failed", why);
}

static void told_catalog(void *ctx, struct fleet *f, const struct fleet_catalog *c)
{
    struct world *w = ctx;

    (void)f;
    w->catalog_sizes = c->n_sizes;
    w->catalog_at = c->at;
    buf_printf(&w->told, "catalog:");
    for (uint32_t i = 0; i < c->n_sizes; i++)
        buf_printf(&w->told, " %s=%lld", c->sizes[i].name, (long long)c->sizes[i].price_hour_microusd);
    buf_printf(&w->told, "; %u regions, %u images, at most %u%s%s\n", c->n_regions, c->n_images,
               c->machines_max, c->error[0] != '\0' ? "; " : "", c->error);
}

static void told_catalog_failed(void *ctx, struct fleet *f, const struct fleet_failure *why)
{
    (void)f;
    failed(ctx, "catalog failed", why);
}

static void told_way(void *ctx, struct fleet *f, const char *machine, const struct fleet_way *way)
{
    struct world *w = ctx;

    (void)f;
    buf_printf(&w->told, "way %s: %s@%s\n", machine, way->user, way->address);
}

static void told_way_failed(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why)
{
    (void)f;
    (void)machine;
    failed(ctx, "way failed", why);
}

static const struct fleet_told world_told = {
    .created = told_created,
    .create_failed = told_create_failed,
    .destroyed = told_destroyed,
    .destroy_failed = told_destroy_failed,
    .listed = told_listed,
    .list_failed = told_list_failed,
    .renewed = told_renewed,
    .renew_failed = told_renew_failed,
    .catalog = told_catalog,
    .catalog_failed = told_catalog_failed,
    .way = told_way,
    .way_failed = told_way_failed,
};

/* What it told since the last time. */
static const char *world_said(struct world *w)
{
    static char text[65536];

    (void)snprintf(text, sizeof(text), "%s", buf_str(&w->told));
    buf_clear(&w->told);
    return text;
}

/* ---- begin and end ---- */

static struct world *world_new(const char *kind, const char *options)
{
    struct world *w = xcalloc(1, sizeof(*w));
    const struct fleet_io io = {.ctx = w,
                                .now = io_now,
                                .wall = io_wall,
                                .wake_at = io_wake_at,
                                .send = io_send,
                                .cancel = io_cancel,
                                .free = io_free};
    struct why why;

    w->now.us = 1000000000;
    w->wall.ms = INT64_C(1796000000000);
    w->wake = MONO_NEVER;
    w->droplets = xcalloc(DROPLETS_MAX, sizeof(*w->droplets));
    w->tags = xcalloc(TAGS_MAX, sizeof(*w->tags));
    w->next_id = 3164444;
    w->limit = 3000;
    w->per_page_max = 200;
    buf_init(&w->told, MIB(16));
    if (fleets_new_in(
            &io,
            &(struct fleets_opts){.instance = INSTANCE, .cloud_url = "https://api.example.org", .seed = 7},
            &world_told, w, &w->all, &why) != ERR_OK)
        fail_msg("%s", why.text);
    fleets_set_token(w->all, SLICE("dop_v1_secret"));
    if (fleet_open(w->all, kind, "cloud", options, strlen(options), &w->f, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return w;
}

static void world_free(struct world *w)
{
    fleets_free(w->all);
    for (size_t i = 0; i < ARRAY_LEN(w->flights); i++)
        assert_int_equal(w->flights[i].number, 0); /* what flew was cancelled */
    buf_done(&w->told);
    free(w->droplets);
    free(w->tags);
    free(w);
}

/* Ask for a machine of `server`, by create call `intent`. */
static void world_create_sized(struct world *w, uint64_t server, uint64_t intent, const char *size)
{
    static struct ssh_key key;
    char name[32];

    if (key.public_line[0] == '\0') {
        static const uint8_t seed[SSH_KEY_SEED_BYTES] = {7};

        ssh_key_from_seed(seed, "test", &key);
    }
    (void)snprintf(name, sizeof(name), "web-%llu", (unsigned long long)server);
    fleet_create(w->f, &(struct machine_spec){.server = server,
                                              .intent = intent,
                                              .name = name,
                                              .size = size,
                                              .lease_until = {w->wall.ms + 7200000},
                                              .host_key_private = key.private_file,
                                              .host_key_public = key.public_line,
                                              .authorized_key = key.public_line,
                                              .user = ""});
}

static void world_create(struct world *w, uint64_t server, uint64_t intent)
{
    world_create_sized(w, server, intent, "");
}

#endif
