/* The graph is regular, symmetric, connected and drawn by its seed; and the default degree
 * is as safe as README.md says, by exact tails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secagg/graph.h"
#include "secagg/rules.h"

static struct digest seed(const char *text)
{
    return digest_of(view_text(text));
}

static void expect_regular(uint32_t count, uint32_t degree, uint32_t expected)
{
    static struct graph g;
    struct digest s = seed("a seed");
    graph_init(&g, count, degree, &s);
    assert_int_equal(g.degree, expected);
    for (uint32_t a = 0; a < count; a++) {
        uint16_t near[GRAPH_NODES_MAX];
        size_t found = graph_neighbourhood(&g, a, near);
        assert_int_equal(found, expected + 1);
        for (size_t i = 0; i < found; i++) {
            assert_true(near[i] == a || graph_adjacent(&g, a, near[i]));
            assert_int_equal(graph_adjacent(&g, a, near[i]), graph_adjacent(&g, near[i], a));
            if (i > 0)
                assert_true(near[i] > near[i - 1]);
        }
    }
}

static void every_graph_is_regular_and_symmetric(void **state)
{
    (void)state;
    expect_regular(1, 0, 0);
    expect_regular(2, 0, 1);
    expect_regular(7, 2, 2);
    expect_regular(8, 4, 4);
    expect_regular(8, 6, 6);
    expect_regular(8, 8, 7);
    expect_regular(9, 0, 8);
    expect_regular(GRAPH_COMPLETE_NODES, 0, GRAPH_COMPLETE_NODES - 1);
    expect_regular(GRAPH_COMPLETE_NODES + 1, 0, GRAPH_DEGREE);
    expect_regular(GRAPH_NODES_MAX, 0, GRAPH_DEGREE);
}

static void the_seed_draws_the_graph(void **state)
{
    (void)state;
    static struct graph a, b, c;
    struct digest one = seed("one"), two = seed("two");
    uint32_t same = 0, other = 0;
    graph_init(&a, 500, 20, &one);
    graph_init(&b, 500, 20, &one);
    graph_init(&c, 500, 20, &two);
    for (uint32_t i = 0; i < 500; i++)
        for (uint32_t j = 0; j < 500; j++) {
            same += graph_adjacent(&a, i, j) != graph_adjacent(&b, i, j);
            other += graph_adjacent(&a, i, j) && graph_adjacent(&c, i, j);
        }
    assert_int_equal(same, 0);
    assert_true(other < 1000); /* of 10,000 edges about 400 are common by chance */
}

/* ---- how safe the default degree is ---- */

static double log_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* log2 of the chance that at least `least` of `drawn` out of `all` are among `marked`. */
static double tail(uint32_t all, uint32_t marked, uint32_t drawn, uint32_t least)
{
    double sum = 0;
    for (uint32_t k = least; k <= drawn && k <= marked; k++)
        sum += exp(log_choose(marked, k) + log_choose(all - marked, drawn - k) -
                   log_choose(all, drawn));
    return log2(sum);
}

/* Bell et al. 2020, section 3: a neighbourhood is unsafe if the server has both secrets of
 * the one in its middle, so with 2t <= size + corrupt, and it is stuck if fewer than t
 * stay. The union over all neighbourhoods. */
static void the_default_degree_is_safe(void **state)
{
    (void)state;
    const struct secagg_rules rules = {.server = SECAGG_SERVER_MALICIOUS};
    const struct secagg_rules curious = {.server = SECAGG_SERVER_CURIOUS};
    const uint32_t counts[] = {201, 500, 1000, GRAPH_NODES_MAX};
    for (size_t i = 0; i < 4; i++) {
        uint32_t n = counts[i], size = GRAPH_DEGREE + 1;
        uint32_t t = secagg_threshold(&rules, size), half = secagg_threshold(&curious, size);
        double both = tail(n - 1, n / 10, size - 1, 2 * t - size) + log2(n);
        double curious_gets = tail(n - 1, n / 4, size - 1, half) + log2(n);
        double stuck = tail(n, n / 10, size, size - t + 1) + log2(n);
        print_message("%4u devices: both secrets 2^%.1f, half's shares 2^%.1f, stuck 2^%.1f\n", n,
                      both, curious_gets, stuck);
        assert_true(both < -20);
        assert_true(curious_gets < -20);
        assert_true(stuck < -30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_graph_is_regular_and_symmetric),
        cmocka_unit_test(the_seed_draws_the_graph),
        cmocka_unit_test(the_default_degree_is_safe),
    };
    return cmocka_run_group_tests_name("secagg/graph", tests, NULL, NULL);
}
