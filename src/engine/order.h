/* order.h - the waiting tests of one user in the order of (rank, id), as a tree that counts: how many stand before a
 * test and how long they are predicted to take costs O(log n), not a walk.
 *
 * A treap: its shape follows from the ids alone, so equal queues have equal trees, whatever was done to them. */
#ifndef WRATA_ENGINE_ORDER_H
#define WRATA_ENGINE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct test;

struct order_sums {
    uint32_t n;
    uint32_t n_known; /* of them with a prediction */
    int64_t known_ms; /* the sum of these */
};

/* What a test has for it. */
struct order_node {
    struct test *left;
    struct test *right;
    struct order_sums sums; /* of the subtree */
};

void order_add(struct test **root, struct test *t);
void order_remove(struct test **root, struct test *t);
/* All of them anew, in linear time: `sorted` holds n tests by (rank, id). */
void order_build(struct test **root, struct test *const *sorted, uint32_t n);

struct test *order_first(const struct test *root); /* NULL: empty */
struct test *order_last(const struct test *root);
struct test *order_after(const struct test *root, int64_t rank, uint64_t id); /* the next; NULL: none */
struct test *order_before(const struct test *root, int64_t rank,
                          uint64_t id);                                       /* the one before; NULL: none */
struct order_sums order_ahead(const struct test *root, const struct test *t); /* of those before t */
uint32_t order_list(struct test *root, struct test **out);                    /* all, in order; how many */
struct order_sums order_upto(const struct test *root, uint32_t n);            /* of the first n */

/* From the first to the last, without looking for each anew; the tree must not change meanwhile. */
struct order_walk {
    const struct test **path; /* those still to come, with all that is right of them */
    uint32_t n;
    uint32_t cap;
};
void order_walk_begin(struct order_walk *w, const struct test *root);
const struct test *order_walk_next(struct order_walk *w); /* NULL: there are no more */
void order_walk_end(struct order_walk *w);
void order_check(const struct test *root);

bool test_before(const struct test *a, const struct test *b);

#endif
