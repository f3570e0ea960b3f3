/* Three hundred devices over the graph that is the default for so many, some of whom leave
 * before each phase: the sum of those who are left is exact. (A thousand are in bench/secagg.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "secagg/scene.h"

#define COUNT 300
#define GONE  9 /* before each phase */

/* So many draw each phase; one that is drawn twice leaves in the earlier one. */
static void draw_leaves(enum secagg_phase *leaves)
{
    struct rand rand = {17};
    for (size_t i = 0; i < COUNT; i++)
        leaves[i] = SECAGG_DONE;
    for (enum secagg_phase phase = SECAGG_ADVERTISING; phase < SECAGG_DONE; phase++)
        for (size_t g = 0; g < GONE; g++) {
            enum secagg_phase *drawn = &leaves[rand_below(&rand, COUNT)];
            *drawn = *drawn < phase ? *drawn : phase;
        }
}

static void the_sum_of_many_is_exact_though_some_leave_in_every_phase(void **state)
{
    (void)state;
    struct scene s;
    enum secagg_phase leaves[COUNT];
    draw_leaves(leaves);
    assert_true(graph_degree(COUNT) < COUNT / 2);
    scene_begin(&s, COUNT, (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
    scene_run(&s, leaves, SECAGG_DONE);
    struct secagg_counts counts = secagg_server_counts(s.server);
    print_message("advertised %u, shared %u, masked %u, confirmed %u, unmasked %u\n",
                  counts.advertised, counts.shared, counts.masked, counts.confirmed,
                  counts.unmasked);
    assert_true(counts.advertised < COUNT && counts.shared < counts.advertised &&
                counts.masked < counts.shared && counts.confirmed < counts.masked &&
                counts.unmasked < counts.confirmed);
    scene_expect_exact_sum(&s, leaves);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_of_many_is_exact_though_some_leave_in_every_phase),
    };
    return cmocka_run_group_tests_name("secagg/many", tests, NULL, NULL);
}
