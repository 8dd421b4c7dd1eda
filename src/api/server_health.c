/* server_health.c - the `health` of a server: what its agent said last, from memory. Watchers of servers see it move, but not
 * more often than each SHOWN_EVERY_MS per server, nor more than SHOWN_A_SECOND servers a second: each costs a reading. Who is left
 * out is shown with its next report. */
#include <stdlib.h>

#include "api/api_private.h"
#include "api/live/hub.h"
#include "model/health.h"

#define SHOWN_EVERY_MS 10000
#define SHOWN_A_SECOND 25u

struct health_entry {
    uint64_t server;
    struct server_health h;
    struct mono shown_at;
    UT_hash_handle hh;
};

/* Is there room for one more in this second? */
static bool may_show(struct api *a, struct mono now)
{
    if (a->n_healths_shown == 0 || mono_ms_between(a->healths_shown_from, now) >= 1000) {
        a->healths_shown_from = now;
        a->n_healths_shown = 0;
    }
    return a->n_healths_shown++ < SHOWN_A_SECOND;
}

void api_health(struct api *a, struct server_id id, const struct server_health *h)
{
    struct mono now = mono_now();
    struct health_entry *x;

    if (a->is_closed)
        return;
    HASH_FIND(hh, a->healths, &id.v, sizeof(id.v), x);
    if (h == NULL) {
        if (x == NULL)
            return;
        HASH_DEL(a->healths, x);
        free(x);
        return;
    }
    if (x == NULL) {
        x = xcalloc(1, sizeof(*x));
        x->server = id.v;
        HASH_ADD(hh, a->healths, server, sizeof(x->server), x);
    }
    if (((x->h.at.ms == 0) != (h->at.ms == 0) || x->h.n_tools != h->n_tools ||
         mono_ms_between(x->shown_at, now) >= SHOWN_EVERY_MS) &&
        may_show(a, now)) {
        x->shown_at = now;
        hub_note(a->hub, &(struct note){.kind = NOTE_SERVER, .server = {.id = id}});
    }
    x->h = *h;
}

void healths_done(struct api *a)
{
    struct health_entry *x = a->healths;
    struct health_entry *next;

    HASH_CLEAR(hh, a->healths); /* the table; its entries stay linked */
    for (; x != NULL; x = next) {
        next = x->hh.next;
        free(x);
    }
}

static void render_disk(struct json_out *j, const char *key, const char *path, uint64_t free_bytes,
                        uint64_t total_bytes)
{
    jo_key(j, key);
    if (total_bytes == 0) {
        jo_null(j);
        return;
    }
    jo_obj(j);
    jo_ktext(j, "path", path);
    jo_kuint(j, "free_bytes", free_bytes);
    jo_kuint(j, "total_bytes", total_bytes);
    jo_obj_end(j);
}

void health_render(struct api *a, struct json_out *j, struct server_id id)
{
    const struct server_health *h;
    const struct health_entry *x;

    HASH_FIND(hh, a->healths, &id.v, sizeof(id.v), x);
    if (x == NULL || x->h.at.ms == 0) {
        jo_null(j);
        return;
    }
    h = &x->h;
    jo_obj(j);
    jo_ktime(j, "at", h->at);
    jo_kint_if(j, "skew_ms", h->skew_error_ms > 0, h->skew_ms);
    jo_kint_if(j, "skew_error_ms", h->skew_error_ms > 0, (int64_t)h->skew_error_ms);
    render_disk(j, "disk", h->disk_path, h->disk_free_bytes, h->disk_total_bytes);
    render_disk(j, "tmp", "/tmp", h->tmp_free_bytes, h->tmp_total_bytes);
    jo_kdouble(j, "load", h->load_percent / 100.0);
    jo_kint_if(j, "cores", h->cores > 0, h->cores);
    jo_kint_if(j, "memory_available_bytes", h->memory_total_bytes > 0, (int64_t)h->memory_available_bytes);
    jo_kint_if(j, "memory_total_bytes", h->memory_total_bytes > 0, (int64_t)h->memory_total_bytes);
    jo_kuint(j, "protocol", h->protocol);
    jo_ktext(j, "os", h->os);
    jo_ktext(j, "kernel", h->kernel);
    jo_karr(j, "tools");
    for (uint32_t i = 0; i < h->n_tools; i++)
        jo_text(j, h->tools[i]);
    jo_arr_end(j);
    jo_obj_end(j);
}
