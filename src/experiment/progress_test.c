/* Checks progress.c: what an improvement is, for either goal, and when it is enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "experiment/progress.h"

static void more_is_better_when_the_goal_is_max(void **state)
{
    (void)state;
    const struct stop_rule rule = {.goal = METRIC_MAX};
    struct progress p = {0};
    assert_true(progress_add(&p, &rule, -5)); /* the first is always the best */
    assert_true(p.has_best && p.best == -5);
    assert_false(progress_add(&p, &rule, -6));
    assert_false(progress_add(&p, &rule, -5)); /* as good is no improvement */
    assert_int_equal(p.since_best, 2);
    assert_true(progress_add(&p, &rule, -4.5));
    assert_true(p.best == -4.5);
    assert_int_equal(p.since_best, 0);
}

static void less_is_better_when_the_goal_is_min(void **state)
{
    (void)state;
    const struct stop_rule rule = {.goal = METRIC_MIN};
    struct progress p = {0};
    assert_true(progress_add(&p, &rule, 5));
    assert_false(progress_add(&p, &rule, 6));
    assert_true(progress_add(&p, &rule, 4));
    assert_true(p.best == 4);
}

static void a_little_better_is_no_improvement(void **state)
{
    (void)state;
    const struct stop_rule rule = {.goal = METRIC_MAX, .min_delta = 0.25};
    struct progress p = {0};
    assert_true(progress_add(&p, &rule, 1));
    assert_false(progress_add(&p, &rule, 1.25)); /* exactly min_delta is not more than it */
    assert_true(p.best == 1);
    assert_true(progress_add(&p, &rule, 1.5)); /* so small steps add up */
    assert_true(p.best == 1.5);
}

static void a_target_is_reached_from_its_side_and_exactly(void **state)
{
    (void)state;
    const struct stop_rule max = {.goal = METRIC_MAX, .has_target = true, .target = 0.5};
    assert_false(progress_reached(&max, 0.49));
    assert_true(progress_reached(&max, 0.5));
    assert_true(progress_reached(&max, 0.51));
    const struct stop_rule min = {.goal = METRIC_MIN, .has_target = true, .target = 0.5};
    assert_false(progress_reached(&min, 0.51));
    assert_true(progress_reached(&min, 0.5));
    assert_true(progress_reached(&min, 0.49));
    const struct stop_rule none = {.goal = METRIC_MAX};
    assert_false(progress_reached(&none, 1e300));
}

static void patience_ends_after_so_many_without_improvement(void **state)
{
    (void)state;
    const struct stop_rule rule = {.goal = METRIC_MAX, .patience = 2};
    struct progress p = {0};
    assert_true(progress_add(&p, &rule, 1));
    assert_false(progress_exhausted(&p, &rule));
    assert_false(progress_add(&p, &rule, 0));
    assert_false(progress_exhausted(&p, &rule));
    assert_true(progress_add(&p, &rule, 2)); /* counts anew */
    assert_false(progress_add(&p, &rule, 0));
    assert_false(progress_exhausted(&p, &rule));
    assert_false(progress_add(&p, &rule, 0));
    assert_true(progress_exhausted(&p, &rule));
}

static void without_patience_it_never_ends(void **state)
{
    (void)state;
    const struct stop_rule rule = {.goal = METRIC_MAX};
    struct progress p = {.has_best = true, .best = 1, .since_best = UINT32_MAX};
    assert_false(progress_exhausted(&p, &rule));
    assert_false(progress_add(&p, &rule, 0));
    assert_int_equal(p.since_best, UINT32_MAX); /* does not begin again at 0 */
}

static void values_of_any_size_are_compared(void **state)
{
    (void)state;
    const struct stop_rule rule = {.goal = METRIC_MAX, .has_target = true, .target = -1e308};
    struct progress p = {0};
    assert_true(progress_add(&p, &rule, -1e308));
    assert_true(progress_add(&p, &rule, 1e308)); /* the difference is infinite */
    assert_true(progress_reached(&rule, 1e308));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_is_better_when_the_goal_is_max),
        cmocka_unit_test(less_is_better_when_the_goal_is_min),
        cmocka_unit_test(a_little_better_is_no_improvement),
        cmocka_unit_test(a_target_is_reached_from_its_side_and_exactly),
        cmocka_unit_test(patience_ends_after_so_many_without_improvement),
        cmocka_unit_test(without_patience_it_never_ends),
        cmocka_unit_test(values_of_any_size_are_compared),
    };
    return cmocka_run_group_tests_name("experiment/progress", tests, NULL, NULL);
}
