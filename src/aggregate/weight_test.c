/* Checks weight.c against weights worked by hand, then what it must refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregate/weight.h"

static void fednova_by_hand(void **state)
{
    (void)state;
    /* p = 1/4, 3/4; tau_eff = 1/4 * 8 + 3/4 * 2 = 3.5 */
    const struct local_work work[] = {{.samples = 10, .steps = 8}, {.samples = 30, .steps = 2}};
    double w[2];
    assert_int_equal(weight_fednova(work, 2, w, NULL), ST_OK);
    assert_true(w[0] == 0.25 * 3.5 / 8);
    assert_true(w[1] == 0.75 * 3.5 / 2);
}

static void fednova_with_equal_steps_is_fedavg(void **state)
{
    (void)state;
    const struct local_work work[] = {{3, 7}, {5, 7}, {8, 7}};
    double w[3];
    assert_int_equal(weight_fednova(work, 3, w, NULL), ST_OK);
    assert_true(w[0] == 3.0 / 16 && w[1] == 5.0 / 16 && w[2] == 8.0 / 16);
}

static void fednova_does_not_depend_on_the_order(void **state)
{
    (void)state;
    const struct local_work work[] = {{977, 13}, {3, 999983}, {60000, 7}, {1, 1}};
    const struct local_work other[] = {{1, 1}, {60000, 7}, {977, 13}, {3, 999983}};
    double a[4], b[4];
    assert_int_equal(weight_fednova(work, 4, a, NULL), ST_OK);
    assert_int_equal(weight_fednova(other, 4, b, NULL), ST_OK);
    assert_true(a[0] == b[2] && a[1] == b[3] && a[2] == b[1] && a[3] == b[0]);
}

static void fednova_takes_the_largest_numbers(void **state)
{
    (void)state;
    static struct local_work work[ROUND_PARTICIPANTS_MAX];
    static double w[ROUND_PARTICIPANTS_MAX];
    for (size_t i = 0; i < ROUND_PARTICIPANTS_MAX; i++)
        work[i] = (struct local_work){UPDATE_SAMPLES_MAX, WEIGHT_STEPS_MAX};
    assert_int_equal(weight_fednova(work, ROUND_PARTICIPANTS_MAX, w, NULL), ST_OK);
    assert_true(w[0] == 1e-4);
    /* tau_eff is at most 2^30, p below 1, tau at least 1. */
    work[0] = (struct local_work){1, 1};
    assert_int_equal(weight_fednova(work, ROUND_PARTICIPANTS_MAX, w, NULL), ST_OK);
    assert_true(w[0] > 0 && w[0] < 0x1p30);
}

static void fednova_refuses_without_a_trace(void **state)
{
    (void)state;
    double w[2] = {5, 6};
    struct why why = {""};
    assert_int_equal(weight_fednova((struct local_work[]){{1, 1}, {1, 0}}, 2, w, &why), ST_INVALID);
    assert_string_equal(why.text,
                        "update 1 is of 0 local steps, and FedNova needs 1 to 1073741824");
    assert_int_equal(weight_fednova((struct local_work[]){{0, 1}, {1, 1}}, 2, w, &why), ST_INVALID);
    assert_string_equal(why.text, "update 0 is of 0 samples");
    assert_int_equal(
        weight_fednova((struct local_work[]){{1, 1}, {UPDATE_SAMPLES_MAX + 1, 1}}, 2, w, &why),
        ST_INVALID);
    assert_int_equal(
        weight_fednova((struct local_work[]){{1, 1}, {1, WEIGHT_STEPS_MAX + 1}}, 2, w, &why),
        ST_INVALID);
    assert_int_equal(weight_fednova(NULL, 0, w, &why), ST_INVALID);
    assert_int_equal(weight_fednova(NULL, ROUND_PARTICIPANTS_MAX + 1, w, &why), ST_LIMIT);
    assert_true(w[0] == 5.0 && w[1] == 6.0);
}

static void staleness_by_hand(void **state)
{
    (void)state;
    assert_true(weight_fedbuff(0) == 1.0);
    assert_true(weight_fedbuff(3) == 0.5);
    assert_true(weight_fedbuff(8) == 1.0 / 3);
    assert_true(weight_fedbuff(WEIGHT_STALENESS_MAX) == 1 / sqrt(1048577));
    assert_true(weight_fedbuff(UINT64_MAX) == weight_fedbuff(WEIGHT_STALENESS_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fednova_by_hand),
        cmocka_unit_test(fednova_with_equal_steps_is_fedavg),
        cmocka_unit_test(fednova_does_not_depend_on_the_order),
        cmocka_unit_test(fednova_takes_the_largest_numbers),
        cmocka_unit_test(fednova_refuses_without_a_trace),
        cmocka_unit_test(staleness_by_hand),
    };
    return cmocka_run_group_tests_name("aggregate/weight", tests, NULL, NULL);
}
