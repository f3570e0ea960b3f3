/* Checks steps.c against values worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fml_guest.h"

static void sgd_and_proximal_by_hand(void **state)
{
    (void)state;
    const float base[] = {1, 1};
    float w[] = {2, 1};
    float g[] = {4, -2};
    fml_proximal(2, 0.5f, w, base, g);
    assert_true(g[0] == 4.5f && g[1] == -2.0f);
    fml_sgd_step(2, 0.5f, g, w);
    assert_true(w[0] == -0.25f && w[1] == 2.0f);
}

/* v: 4, then 0.5 * 4 + 2 = 4, then 0.5 * 4 = 2; w: 1 - 1, - 1, - 0.5. */
static void momentum_by_hand(void **state)
{
    (void)state;
    const float gradients[] = {4, 2, 0}, expected[] = {0, -1, -1.5f};
    float w = 1.0f, v = 0.0f;
    for (size_t i = 0; i < 3; i++) {
        fml_momentum_step(1, 0.25f, 0.5f, &gradients[i], &v, &w);
        assert_true(w == expected[i]);
    }
    assert_true(v == 2.0f);
}

static void without_momentum_it_is_sgd(void **state)
{
    (void)state;
    const float g[] = {1, -3};
    float w[] = {5, 6}, plain[] = {5, 6}, v[] = {0, 0};
    for (size_t i = 0; i < 3; i++) {
        fml_momentum_step(2, 0.1f, 0.0f, g, v, w);
        fml_sgd_step(2, 0.1f, g, plain);
    }
    assert_memory_equal(w, plain, sizeof w);
}

/* Step 1: the corrected means are g and g^2, so it moves by rate * g / (|g| + e),
 * whatever g is. Step 2 with g = 0: m = 0.09 / (1 - 0.81) = 0.473684, v = 0.000999 /
 * (1 - 0.998001) = 0.499750, 0.473684 / sqrt(0.499750) = 0.670059. */
static void adam_by_hand(void **state)
{
    (void)state;
    const struct fml_adam o = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    const float first[] = {1.0f, -1000.0f, 0.0f}, second[] = {0.0f, 0.0f, 0.0f};
    float w[] = {0, 0, 7}, m[3] = {0}, v[3] = {0};
    fml_adam_step(3, &o, 1, first, m, v, w);
    assert_true(fabs((double)w[0] + 0.1) < 1e-6 && fabs((double)w[1] - 0.1) < 1e-6);
    assert_true(fabs((double)m[0] - 0.1) < 1e-7 && fabs((double)v[0] - 0.001) < 1e-9);
    fml_adam_step(3, &o, 2, second, m, v, w);
    assert_true(fabs((double)w[0] + 0.1670059) < 1e-6);
    assert_true(fabs((double)w[1] - 0.1670059) < 1e-6);
    assert_true(w[2] == 7.0f);
}

/* With an epsilon of 1 it counts: step 1 with g = 1 moves by rate / 2. */
static void epsilon_is_added_to_the_corrected_root(void **state)
{
    (void)state;
    const struct fml_adam o = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1.0};
    const float g = 1.0f;
    float w = 0.0f, m = 0.0f, v = 0.0f;
    fml_adam_step(1, &o, 1, &g, &m, &v, &w);
    assert_true(fabs((double)w + 0.05) < 1e-6);
}

/* f(x, y) = x^2 + 100 y^2 from (1, 1). */
static void momentum_and_adam_find_the_minimum(void **state)
{
    (void)state;
    const struct fml_adam o = {.rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    float a[] = {1, 1}, m[2] = {0}, v[2] = {0}, b[] = {1, 1}, u[2] = {0};
    for (uint64_t step = 1; step <= 2000; step++) {
        const float ga[] = {2 * a[0], 200 * a[1]}, gb[] = {2 * b[0], 200 * b[1]};
        fml_adam_step(2, &o, step, ga, m, v, a);
        fml_momentum_step(2, 0.001f, 0.9f, gb, u, b);
    }
    assert_true(fabsf(a[0]) < 1e-3f && fabsf(a[1]) < 1e-3f);
    assert_true(fabsf(b[0]) < 1e-3f && fabsf(b[1]) < 1e-3f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_and_proximal_by_hand),
        cmocka_unit_test(momentum_by_hand),
        cmocka_unit_test(without_momentum_it_is_sgd),
        cmocka_unit_test(adam_by_hand),
        cmocka_unit_test(epsilon_is_added_to_the_corrected_root),
        cmocka_unit_test(momentum_and_adam_find_the_minimum),
    };
    return cmocka_run_group_tests_name("guest/steps", tests, NULL, NULL);
}
