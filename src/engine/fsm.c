/* fsm.c - finding a row of a state table. The tables are in *_fsm.c, each beside the only function that writes
 * that state. */
#include "engine/engine_private.h"

const struct edge *edge_find(const struct edge_table *t, unsigned from, unsigned cause)
{
    size_t i;

    for (i = 0; i < t->n; i++) {
        if (t->edges[i].from == from && t->edges[i].cause == cause)
            return &t->edges[i];
    }
    return NULL;
}
