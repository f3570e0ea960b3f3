/* Who is whose neighbour among those who aggregate: whom one shares its secrets with, and
 * has pair masks with.
 *
 * Source: Bell et al. 2020, "Secure Single-Server Aggregation with (Poly)Logarithmic
 * Overhead", ePrint 2020/704. All stand on a circle in an order drawn from a seed, and each
 * is a neighbour of degree / 2 on either side (a Harary graph over a random order). With a
 * degree of count - 1 or more it is the complete graph of Bonawitz et al. 2017
 * (arXiv:1611.04482). Pure, and the same on every machine. */
#ifndef SECAGG_GRAPH_H
#define SECAGG_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

#define GRAPH_NODES_MAX      1024
#define GRAPH_COMPLETE_NODES 200 /* up to here the default is the complete graph */
#define GRAPH_DEGREE         120 /* above, the default: see README.md */

struct graph {
    uint32_t count;
    uint32_t degree;                 /* of each: even, or count - 1 */
    uint16_t order[GRAPH_NODES_MAX]; /* the node at each place of the circle */
    uint16_t place[GRAPH_NODES_MAX]; /* of each node */
};

/* What stands for "degree 0" among so many: the default. */
uint32_t graph_degree(uint32_t count);

/* count: 1..GRAPH_NODES_MAX; degree: even, 2 or more, or 0 for the default */
void graph_init(struct graph *g, uint32_t count, uint32_t degree, const struct digest *seed);

bool graph_adjacent(const struct graph *g, uint32_t a, uint32_t b);

/* The neighbours of a node and the node itself, ascending.
 * ret: (g->degree + 1,). gives: how many: g->degree + 1 */
size_t graph_neighbourhood(const struct graph *g, uint32_t node, uint16_t *ret);

#endif
