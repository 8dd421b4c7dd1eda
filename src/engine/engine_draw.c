/* engine_draw.c - the state tables as text for docs/engine.md. */
#include "engine/engine_private.h"

static void table_draw(const struct edge_table *t, struct buf *out)
{
    const struct edge *edge;
    size_t i;

    buf_printf(out, "### %s\n\n```mermaid\nstateDiagram-v2\n    [*] --> %s\n", t->name, t->states[t->first]);
    for (i = 0; i < t->n; i++) {
        edge = &t->edges[i];
        buf_printf(out, "    %s --> %s : %s\n", t->states[edge->from], t->states[edge->to],
                   t->causes[edge->cause]);
    }
    buf_puts(out, "```\n\n| from | cause | to | sentence |\n|---|---|---|---|\n");
    for (i = 0; i < t->n; i++) {
        edge = &t->edges[i];
        buf_printf(out, "| %s | %s | %s | %s |\n", t->states[edge->from], t->causes[edge->cause],
                   t->states[edge->to], edge->sentence);
    }
    buf_putc(out, '\n');
}

void engine_draw(struct buf *out)
{
    table_draw(&server_table, out);
    table_draw(&link_table, out);
    table_draw(&launch_table, out);
    table_draw(&test_table, out);
    table_draw(&run_table, out);
}
