#include "engine/heap.h"

#include <stdlib.h>

#include "base/mem.h"

static void put(struct heap *h, uint32_t at, struct heap_item *item)
{
    h->items[at - 1] = item;
    item->at = at;
}

static void sift_up(struct heap *h, struct heap_item *item)
{
    uint32_t at = item->at;

    while (at > 1 && heap_before(item, h->items[at / 2 - 1])) {
        put(h, at, h->items[at / 2 - 1]);
        at /= 2;
    }
    put(h, at, item);
}

static void sift_down(struct heap *h, struct heap_item *item)
{
    uint32_t at = item->at;
    uint32_t child;

    while ((child = at * 2) <= h->n) {
        if (child < h->n && heap_before(h->items[child], h->items[child - 1]))
            child++;
        if (!heap_before(h->items[child - 1], item))
            break;
        put(h, at, h->items[child - 1]);
        at = child;
    }
    put(h, at, item);
}

void heap_add(struct heap *h, struct heap_item *item, uint64_t k1, uint64_t k2)
{
    CHECK(item->at == 0);
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 16 : h->cap * 2;
        h->items = xrealloc(h->items, h->cap * sizeof(struct heap_item *));
    }
    item->k1 = k1;
    item->k2 = k2;
    put(h, ++h->n, item);
    sift_up(h, item);
}

void heap_remove(struct heap *h, struct heap_item *item)
{
    uint32_t at = item->at;
    struct heap_item *last;

    CHECK(at >= 1);
    CHECK(at <= h->n);
    CHECK(h->items[at - 1] == item);
    last = h->items[--h->n];
    item->at = 0;
    if (last == item)
        return;
    put(h, at, last);
    sift_up(h, last);
    sift_down(h, last);
}

void heap_move(struct heap *h, struct heap_item *item, uint64_t k1, uint64_t k2)
{
    CHECK(item->at >= 1);
    CHECK(h->items[item->at - 1] == item);
    item->k1 = k1;
    item->k2 = k2;
    sift_up(h, item);
    sift_down(h, item);
}

struct heap_item *heap_top(const struct heap *h)
{
    return h->n > 0 ? h->items[0] : NULL;
}

void heap_done(struct heap *h)
{
    free(h->items);
    *h = (struct heap){0};
}

void heap_check(const struct heap *h)
{
    uint32_t at;

    for (at = 1; at <= h->n; at++) {
        CHECK(h->items[at - 1]->at == at);
        if (at > 1)
            CHECK(heap_before(h->items[at / 2 - 1], h->items[at - 1]));
    }
}
