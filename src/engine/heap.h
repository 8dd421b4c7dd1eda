/* heap.h - a binary heap of items that live inside their owners; the smallest (k1, k2) is on top.
 *
 * Used for timers (deadline, sequence), waiting tests (order, position) and launches (running, id). Keys are
 * unique in a heap, so the order never depends on addresses. Every operation is O(log n). */
#ifndef WRATA_ENGINE_HEAP_H
#define WRATA_ENGINE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_item {
    uint64_t k1;
    uint64_t k2;
    uint32_t at; /* place in the heap, from 1; 0: in none */
};

struct heap {
    struct heap_item **items; /* [0..n) */
    uint32_t n;
    uint32_t cap;
};

void heap_add(struct heap *h, struct heap_item *item, uint64_t k1, uint64_t k2);  /* not in any heap before */
void heap_remove(struct heap *h, struct heap_item *item);                         /* must be in h */
void heap_move(struct heap *h, struct heap_item *item, uint64_t k1, uint64_t k2); /* new keys; must be in h */
struct heap_item *heap_top(const struct heap *h);                                 /* NULL: empty */
void heap_done(struct heap *h);
void heap_check(const struct heap *h);

static inline bool heap_before(const struct heap_item *a, const struct heap_item *b)
{
    return a->k1 != b->k1 ? a->k1 < b->k1 : a->k2 < b->k2;
}

static inline bool heap_has(const struct heap_item *item)
{
    return item->at != 0;
}

#endif
