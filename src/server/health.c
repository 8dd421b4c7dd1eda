/* health.c - what agents say about their machines: kept in memory, shown by the API, and the part that decides something, the
 * disks, told to the engine. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/health.h"
#include "server/server.h"

#define uthash_malloc(n) xmalloc(n)
#define uthash_free(p, n) free(p)
#include <uthash.h>

struct healths {
    uint64_t server;
    struct server_health h;
    UT_hash_handle hh;
};

static struct healths *entry_of(struct server *s, struct server_id id)
{
    struct healths *x;

    HASH_FIND(hh, s->healths, &id.v, sizeof(id.v), x);
    if (x != NULL)
        return x;
    x = xcalloc(1, sizeof(*x));
    x->server = id.v;
    HASH_ADD(hh, s->healths, server, sizeof(x->server), x);
    return x;
}

/* Input from outside: cut to fit, control characters shown as '?'. */
static void take_text(struct slice from, char *to, size_t size)
{
    size_t n = from.len < size - 1 ? from.len : size - 1;

    while (n < from.len && n > 0 && ((unsigned char)from.ptr[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)from.ptr[i] < 0x20 || from.ptr[i] == 0x7f ? '?' : from.ptr[i];
    to[n] = '\0';
}

static void take_frame(struct server_health *h, const struct frame_health *f)
{
    h->at = wall_now();
    h->skew_ms = f->skew_ms;
    h->skew_error_ms = f->skew_error_ms;
    take_text(f->disk_path, h->disk_path, sizeof(h->disk_path));
    h->disk_free_bytes = f->disk_free_bytes;
    h->disk_total_bytes = f->disk_total_bytes;
    h->tmp_free_bytes = f->tmp_free_bytes;
    h->tmp_total_bytes = f->tmp_total_bytes;
    h->load_percent = f->load_percent;
    h->cores = f->cores;
    h->memory_available_bytes = f->memory_available_bytes;
    h->memory_total_bytes = f->memory_total_bytes;
    if (f->os.len > 0)
        take_text(f->os, h->os, sizeof(h->os));
    if (f->kernel.len > 0)
        take_text(f->kernel, h->kernel, sizeof(h->kernel));
    if (f->n_tools == 0)
        return;
    h->n_tools = f->n_tools < HEALTH_TOOLS_MAX ? f->n_tools : HEALTH_TOOLS_MAX;
    for (uint32_t i = 0; i < h->n_tools; i++)
        take_text(f->tools[i].s, h->tools[i], sizeof(h->tools[i]));
}

int64_t healths_skew_ms(const struct server *s, struct server_id id)
{
    struct healths *x;

    HASH_FIND(hh, s->healths, &id.v, sizeof(id.v), x);
    return x == NULL || x->h.skew_error_ms == 0 ? 0 : x->h.skew_ms;
}

void healths_begin(struct server *s, struct server_id id, uint32_t protocol)
{
    struct healths *x = entry_of(s, id);

    x->h = (struct server_health){.protocol = protocol};
    api_health(s->api, id, &x->h);
}

void healths_frame(struct server *s, struct server_id id, uint64_t link, const struct frame_health *f)
{
    struct healths *x = entry_of(s, id);
    struct disk_room disks[2];

    take_frame(&x->h, f);
    disks[0] = (struct disk_room){x->h.disk_path, x->h.disk_free_bytes, x->h.disk_total_bytes};
    disks[1] = (struct disk_room){"/tmp", x->h.tmp_free_bytes, x->h.tmp_total_bytes};
    server_post(s, &(struct event){.kind = EV_HEALTH,
                                   .health = {.server = id, .link = link, .disks = disks, .n_disks = 2}});
    api_health(s->api, id, &x->h);
}

void healths_gone(struct server *s, struct server_id id)
{
    struct healths *x;

    api_health(s->api, id, NULL);
    HASH_FIND(hh, s->healths, &id.v, sizeof(id.v), x);
    if (x == NULL)
        return;
    HASH_DEL(s->healths, x);
    free(x);
}

void healths_free(struct server *s)
{
    struct healths *x = s->healths;
    struct healths *next;

    HASH_CLEAR(hh, s->healths); /* the table; its entries stay linked */
    for (; x != NULL; x = next) {
        next = x->hh.next;
        free(x);
    }
}
