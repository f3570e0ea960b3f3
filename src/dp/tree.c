#include "dp/tree.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

size_t tree_live(uint32_t t, struct tree_node ret_nodes[TREE_LEVELS_MAX])
{
    assert(t <= TREE_ROUNDS_MAX);
    size_t count = 0;
    for (uint32_t level = TREE_LEVELS_MAX; level-- > 0;)
        if ((t >> level & 1) == 1)
            ret_nodes[count++] = (struct tree_node){level, (t >> level) - 1};
    return count;
}

static bool is_valid(const struct tree_participation *p)
{
    return p->rounds >= 1 && p->rounds <= TREE_ROUNDS_MAX && p->most >= 1 && p->most <= p->rounds &&
           p->gap >= 1 && p->gap <= p->rounds;
}

/* How many times fit into so many rounds. */
static uint64_t times_in(uint32_t rounds, const struct tree_participation *p)
{
    uint64_t times = ((uint64_t)rounds + p->gap - 1) / p->gap;
    return times < p->most ? times : p->most;
}

static uint64_t square_of_level(uint32_t level, const struct tree_participation *p)
{
    uint64_t times = times_in(p->rounds, p), each = times_in((uint32_t)1 << level, p);
    uint64_t nodes = p->rounds >> level, full = times / each, rest = times % each;
    return full < nodes ? full * each * each + rest * rest : nodes * each * each;
}

uint64_t tree_square_sensitivity(const struct tree_participation *p)
{
    assert(is_valid(p));
    uint64_t square = 0;
    for (uint32_t level = 0; p->rounds >> level > 0; level++)
        square += square_of_level(level, p);
    return square;
}

enum status tree_add(struct rdp *r, const struct tree_participation *p, double z)
{
    if (!is_valid(p))
        return ST_INVALID;
    return rdp_add_gaussian(r, z / sqrt((double)tree_square_sensitivity(p)), 1, 1);
}
