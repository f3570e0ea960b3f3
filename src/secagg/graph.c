#include "secagg/graph.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

struct ticket {
    uint64_t drawn;
    uint16_t node;
};

static int by_draw(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;
    if (x->drawn != y->drawn)
        return x->drawn < y->drawn ? -1 : 1;
    return x->node < y->node ? -1 : 1;
}

/* Everybody draws a number, and stands in their order: uniform but for equal draws, whose
 * chance is below 2^-44. */
static void draw_order(struct graph *g, const struct digest *seed)
{
    struct ticket tickets[GRAPH_NODES_MAX];
    uint64_t drawn[GRAPH_NODES_MAX];
    _Static_assert(sizeof seed->bytes == randombytes_SEEDBYTES, "a digest is a seed");
    randombytes_buf_deterministic(drawn, g->count * sizeof drawn[0], seed->bytes);
    for (uint32_t i = 0; i < g->count; i++)
        tickets[i] = (struct ticket){drawn[i], (uint16_t)i};
    qsort(tickets, g->count, sizeof tickets[0], by_draw);
    for (uint32_t i = 0; i < g->count; i++) {
        g->order[i] = tickets[i].node;
        g->place[tickets[i].node] = (uint16_t)i;
    }
}

uint32_t graph_degree(uint32_t count)
{
    return count <= GRAPH_COMPLETE_NODES ? count - 1 : GRAPH_DEGREE;
}

void graph_init(struct graph *g, uint32_t count, uint32_t degree, const struct digest *seed)
{
    assert(count >= 1 && count <= GRAPH_NODES_MAX && degree % 2 == 0);
    if (degree == 0)
        degree = graph_degree(count);
    g->count = count;
    g->degree = degree < count - 1 ? degree : count - 1;
    draw_order(g, seed);
}

bool graph_adjacent(const struct graph *g, uint32_t a, uint32_t b)
{
    assert(a < g->count && b < g->count);
    if (a == b)
        return false;
    if (g->degree == g->count - 1)
        return true;
    uint32_t one_way = (g->place[b] + g->count - g->place[a]) % g->count;
    uint32_t other_way = g->count - one_way;
    return (one_way < other_way ? one_way : other_way) <= g->degree / 2;
}

size_t graph_neighbourhood(const struct graph *g, uint32_t node, uint16_t *ret)
{
    size_t count = 0;
    for (uint32_t i = 0; i < g->count; i++)
        if (i == node || graph_adjacent(g, node, i))
            ret[count++] = (uint16_t)i;
    assert(count == g->degree + 1);
    return count;
}
