/* Checks tree.c by hand, and its sensitivity against every way to take part in small runs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp/tree.h"

static void live_nodes_by_hand(void **state)
{
    (void)state;
    struct tree_node nodes[TREE_LEVELS_MAX];
    assert_int_equal(tree_live(0, nodes), 0);
    /* 11 = 8 + 2 + 1: rounds 1..8, 9..10, 11 */
    assert_int_equal(tree_live(11, nodes), 3);
    assert_true(nodes[0].level == 3 && nodes[0].index == 0);
    assert_true(nodes[1].level == 1 && nodes[1].index == 4);
    assert_true(nodes[2].level == 0 && nodes[2].index == 10);
    assert_int_equal(tree_live(TREE_ROUNDS_MAX, nodes), 1);
    assert_true(nodes[0].level == 20 && nodes[0].index == 0);
}

static void live_nodes_cover_each_round_once(void **state)
{
    (void)state;
    for (uint32_t t = 1; t < 300; t++) {
        struct tree_node nodes[TREE_LEVELS_MAX];
        size_t count = tree_live(t, nodes);
        uint32_t next = 0;
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(nodes[i].index << nodes[i].level, next);
            next += (uint32_t)1 << nodes[i].level;
        }
        assert_int_equal(next, t);
    }
}

static uint64_t square_of(uint32_t rounds, uint32_t most, uint32_t gap)
{
    return tree_square_sensitivity(
        &(struct tree_participation){.rounds = rounds, .most = most, .gap = gap});
}

static void sensitivity_by_hand(void **state)
{
    (void)state;
    /* Once: the depth. */
    assert_true(square_of(1, 1, 1) == 1 && square_of(7, 1, 1) == 3 && square_of(8, 1, 8) == 4);
    assert_true(square_of(TREE_ROUNDS_MAX, 1, 1) == 21);
    /* In all of four rounds: 4 of 1, 2 of 2^2, 1 of 4^2. */
    assert_true(square_of(4, 4, 1) == 4 + 8 + 16);
    /* Twice in eight rounds, four apart: 2, 2, 2, then one node with both. */
    assert_true(square_of(8, 2, 4) == 2 + 2 + 2 + 4);
    /* Three times of five, where level 1 has two full nodes and level 2 has one. */
    assert_true(square_of(5, 3, 1) == 3 + (4 + 1) + 9);
}

/* A set of rounds as bits, the first round in bit 0. */
static bool is_allowed(uint32_t set, const struct tree_participation *p)
{
    uint32_t times = 0, last = 0;
    for (uint32_t round = 1; round <= p->rounds; round++)
        if ((set >> (round - 1) & 1) == 1) {
            if (times > 0 && round - last < p->gap)
                return false;
            times++;
            last = round;
        }
    return times <= p->most;
}

static uint64_t square_of_set(uint32_t set, uint32_t rounds)
{
    uint64_t square = 0;
    for (uint32_t level = 0; rounds >> level > 0; level++)
        for (uint32_t index = 0; index < rounds >> level; index++) {
            uint32_t width = (uint32_t)1 << level, mask = ((uint32_t)1 << width) - 1;
            uint64_t times = (uint64_t)__builtin_popcount(set >> (index * width) & mask);
            square += times * times;
        }
    return square;
}

static uint64_t square_by_force(const struct tree_participation *p)
{
    uint64_t most = 0;
    for (uint32_t set = 0; set < (uint32_t)1 << p->rounds; set++)
        if (is_allowed(set, p)) {
            uint64_t square = square_of_set(set, p->rounds);
            most = square > most ? square : most;
        }
    return most;
}

static void sensitivity_is_never_below_and_less_than_twice_that_of_any_participation(void **state)
{
    (void)state;
    struct tree_participation p;
    for (p.rounds = 1; p.rounds <= 11; p.rounds++)
        for (p.most = 1; p.most <= p.rounds; p.most++)
            for (p.gap = 1; p.gap <= p.rounds; p.gap++) {
                uint64_t bound = tree_square_sensitivity(&p), force = square_by_force(&p);
                assert_true(bound >= force && bound < 2 * force);
                if (p.most == 1 || (p.most == p.rounds && p.gap == 1))
                    assert_true(bound == force);
            }
}

static void all_rounds_are_one_release_with_less_noise(void **state)
{
    (void)state;
    struct rdp tree = {0}, one = {0};
    struct tree_participation p = {.rounds = 1000, .most = 1, .gap = 1};
    assert_int_equal(tree_add(&tree, &p, 8), ST_OK);
    assert_int_equal(rdp_add_gaussian(&one, 8 / sqrt(10), 1, 1), ST_OK);
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(tree.at[i] == one.at[i]);
}

static void refused(struct tree_participation p, double z)
{
    struct rdp r = {0};
    assert_int_equal(tree_add(&r, &p, z), ST_INVALID);
    for (size_t i = 0; i < RDP_ORDERS; i++)
        assert_true(r.at[i] == 0.0);
}

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    refused((struct tree_participation){.rounds = 0, .most = 1, .gap = 1}, 1);
    refused((struct tree_participation){.rounds = TREE_ROUNDS_MAX + 1, .most = 1, .gap = 1}, 1);
    refused((struct tree_participation){.rounds = 4, .most = 0, .gap = 1}, 1);
    refused((struct tree_participation){.rounds = 4, .most = 5, .gap = 1}, 1);
    refused((struct tree_participation){.rounds = 4, .most = 1, .gap = 0}, 1);
    refused((struct tree_participation){.rounds = 4, .most = 1, .gap = 5}, 1);
    refused((struct tree_participation){.rounds = 4, .most = 1, .gap = 1}, (double)NAN);
    refused((struct tree_participation){.rounds = 4, .most = 1, .gap = 1}, RDP_Z_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_nodes_by_hand),
        cmocka_unit_test(live_nodes_cover_each_round_once),
        cmocka_unit_test(sensitivity_by_hand),
        cmocka_unit_test(sensitivity_is_never_below_and_less_than_twice_that_of_any_participation),
        cmocka_unit_test(all_rounds_are_one_release_with_less_noise),
        cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("dp/tree", tests, NULL, NULL);
}
