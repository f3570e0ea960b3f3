/* The binary tree over rounds 1..T in which noise is correlated: each node holds noise for
 * 2^level rounds in a row, and what was released up to round t carries that of the few nodes
 * that make up 1..t. So noise grows with the logarithm of t and not with t, and nobody has to
 * be sampled.
 *
 * Source: Kairouz, McMahan, Song, Thakkar, Thakurta, Xu 2021, arXiv:2103.00039, section 3 and
 * Algorithm 1; the tree is that of Dwork et al. 2010 (STOC) and Chan et al. 2011 (TISSEC). */
#ifndef DP_TREE_H
#define DP_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "dp/rdp.h"

#define TREE_ROUNDS_MAX ((uint32_t)1 << 20)
#define TREE_LEVELS_MAX 21

/* Rounds index * 2^level + 1 .. (index + 1) * 2^level. */
struct tree_node {
    uint32_t level, index;
};

/* The nodes that make up rounds 1..t, from the largest: one for each bit of t.
 * t: 0..TREE_ROUNDS_MAX. Returns how many, 0 for t = 0. */
size_t tree_live(uint32_t t, struct tree_node ret_nodes[TREE_LEVELS_MAX]);

/* How a device may take part. */
struct tree_participation {
    uint32_t rounds; /* T, 1..TREE_ROUNDS_MAX */
    uint32_t most;   /* times in all, 1..rounds */
    uint32_t gap;    /* at least so many rounds from one time to the next; 1..rounds */
};

/* The square of the L2 sensitivity of all nodes together, in units of one update's: if a
 * device is c times below a node, all of them may point the same way, and the node moves by
 * c updates. On a level where a node can hold m of its k times, that is most when as many
 * nodes as possible hold m:
 *     sum over levels of floor(k / m) m^2 + (k mod m)^2,  m = min(k, ceil(2^level / gap))
 * with no more nodes than are full by round T. For one time it is the depth of the tree,
 * floor(log2 T) + 1. Never too small; somewhat too large where levels would want different
 * rounds (by a factor below 2 in every run of up to 11 rounds: tree_test.c). */
uint64_t tree_square_sensitivity(const struct tree_participation *p);

/* Adds all T rounds at once, as the promise is made before the first: the nodes are one
 * Gaussian release with noise multiplier z / sqrt(tree_square_sensitivity()). It holds also
 * where later updates depend on what was released, as each node has noise of its own.
 * z: sigma of a node / sensitivity of one update
 * fails: ST_INVALID (a number out of its range, or z / sqrt(..) not in
 *        RDP_Z_MIN..RDP_Z_MAX); r is then unchanged */
MUST_CHECK enum status tree_add(struct rdp *r, const struct tree_participation *p, double z);

#endif
