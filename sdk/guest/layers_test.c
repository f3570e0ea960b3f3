/* Checks layers.c against values worked by hand, and every gradient of a small
 * network against finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fml_guest.h"

static bool near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance;
}

static void dense_forward_by_hand(void **state)
{
    (void)state;
    const float x[] = {1, 2, -1, 0};      /* (2, 2) */
    const float w[] = {1, 2, 3, 4, 5, 6}; /* (2, 3) */
    const float b[] = {0.5f, -0.5f, 1.0f};
    const float expected[] = {9.5f, 11.5f, 16.0f, -0.5f, -2.5f, -2.0f};
    float y[6];
    fml_dense_forward(2, 2, 3, x, w, b, y);
    assert_memory_equal(y, expected, sizeof y);
}

static void dense_backward_by_hand(void **state)
{
    (void)state;
    const float x[] = {1, 2, -1, 0};       /* (2, 2) */
    const float w[] = {1, 2, 3, 4, 5, 6};  /* (2, 3) */
    const float dy[] = {1, 0, 2, 0, 1, 3}; /* (2, 3) */
    const float expected_dw[] = {1, -1, -1, 2, 0, 4};
    const float expected_db[] = {1, 1, 5};
    const float expected_dx[] = {7, 16, 11, 23}; /* 1+6, 4+12; 2+9, 5+18 */
    float dw[6];
    float db[3];
    float dx[4];
    fml_dense_backward(2, 2, 3, x, w, dy, dw, db, dx);
    assert_memory_equal(dw, expected_dw, sizeof dw);
    assert_memory_equal(db, expected_db, sizeof db);
    assert_memory_equal(dx, expected_dx, sizeof dx);
    memset(dw, 0, sizeof dw);
    fml_dense_backward(2, 2, 3, x, w, dy, dw, db, NULL);
    assert_memory_equal(dw, expected_dw, sizeof dw);
}

static void relu_passes_what_is_above_zero(void **state)
{
    (void)state;
    float y[] = {-1, 0, 2};
    float dy[] = {5, 6, 7};
    const float expected_y[] = {0, 0, 2};
    const float expected_dy[] = {0, 0, 7};
    fml_relu_forward(3, y);
    assert_memory_equal(y, expected_y, sizeof y);
    fml_relu_backward(3, y, dy);
    assert_memory_equal(dy, expected_dy, sizeof dy);
}

/* Logits ln 1, ln 2, ln 5: softmax 1/8, 2/8, 5/8. */
static void softmax_loss_by_hand(void **state)
{
    (void)state;
    const uint8_t labels[] = {1, 2};
    float z[] = {0.0f, logf(2.0f), logf(5.0f), 7.0f, 7.0f, 7.0f};
    double loss = fml_softmax_loss(2, 3, z, labels);
    assert_true(near(loss, log(4.0) + log(3.0), 1e-6));
    const double expected[] = {0.0625, -0.375, 0.3125, 1.0 / 6, 1.0 / 6, -1.0 / 3};
    for (size_t i = 0; i < 6; i++)
        assert_true(near((double)z[i], expected[i], 1e-6));
}

static void huge_logits_do_not_overflow(void **state)
{
    (void)state;
    const uint8_t labels[] = {0, 1};
    float z[] = {1e30f, -1e30f, 1000.0f, 0.0f};
    double loss = fml_softmax_loss(2, 2, z, labels);
    assert_true(near(loss, 1000.0, 1e-3));
    assert_true(z[0] == 0.0f && z[1] == 0.0f);
    assert_true(near((double)z[2], 0.5, 1e-6) && near((double)z[3], -0.5, 1e-6));
}

static void gradients_of_softmax_sum_to_zero(void **state)
{
    (void)state;
    const uint8_t labels[] = {3};
    float z[] = {0.3f, -2.0f, 5.0f, 1.0f};
    (void)fml_softmax_loss(1, 4, z, labels);
    assert_true(near((double)(z[0] + z[1] + z[2] + z[3]), 0.0, 1e-6));
}

static void the_first_of_equals_is_the_answer(void **state)
{
    (void)state;
    const float z[] = {1, 1, 0, 0, 2, 1, 5, 5, 9};
    const uint8_t labels[] = {0, 1, 2};
    assert_int_equal(fml_count_correct(3, 3, z, labels), 3);
    const uint8_t others[] = {1, 2, 0};
    assert_int_equal(fml_count_correct(3, 3, z, others), 0);
}

/* ---- A network of 5-7-3 on a batch of 4 ---- */

#define BATCH   ((size_t)4)
#define IN      ((size_t)5)
#define HIDDEN  ((size_t)7)
#define CLASSES ((size_t)3)
#define PARAMS  (IN * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES)

struct parts {
    float *w1, *b1, *w2, *b2;
};

static struct parts parts_of(float *params)
{
    struct parts p = {.w1 = params};
    p.b1 = p.w1 + IN * HIDDEN;
    p.w2 = p.b1 + HIDDEN;
    p.b2 = p.w2 + HIDDEN * CLASSES;
    return p;
}

static const uint8_t labels[BATCH] = {2, 0, 1, 2};

/* The mean loss; h and z are left for a backward pass. */
static double loss_of(float *params, const float *x, float *h, float *z)
{
    struct parts p = parts_of(params);
    fml_dense_forward(BATCH, IN, HIDDEN, x, p.w1, p.b1, h);
    fml_relu_forward(BATCH * HIDDEN, h);
    fml_dense_forward(BATCH, HIDDEN, CLASSES, h, p.w2, p.b2, z);
    return fml_softmax_loss(BATCH, CLASSES, z, labels) / (double)BATCH;
}

/* Central differences: (L(p + e) - L(p - e)) / 2e. float32 losses near 1 have an
 * error of 1e-7, so with e = 1e-2 the quotient is good to about 1e-4. */
static void gradients_are_the_finite_differences(void **state)
{
    (void)state;
    float params[PARAMS];
    float gradient[PARAMS];
    float x[BATCH * IN];
    float h[BATCH * HIDDEN];
    float z[BATCH * CLASSES];
    float dh[BATCH * HIDDEN];
    struct fml_rng r = {5};
    const float step = 1e-2f;
    double largest = 0.0;

    for (size_t i = 0; i < PARAMS; i++)
        params[i] = (float)(fml_rng_unit(&r) - 0.5);
    for (size_t i = 0; i < BATCH * IN; i++)
        x[i] = (float)(2.0 * fml_rng_unit(&r) - 1.0);

    struct parts p = parts_of(params);
    struct parts g = parts_of(gradient);
    (void)loss_of(params, x, h, z);
    fml_dense_backward(BATCH, HIDDEN, CLASSES, h, p.w2, z, g.w2, g.b2, dh);
    fml_relu_backward(BATCH * HIDDEN, h, dh);
    fml_dense_backward(BATCH, IN, HIDDEN, x, p.w1, dh, g.w1, g.b1, NULL);

    for (size_t i = 0; i < PARAMS; i++) {
        float kept = params[i];
        params[i] = kept + step;
        double above = loss_of(params, x, h, z);
        params[i] = kept - step;
        double below = loss_of(params, x, h, z);
        params[i] = kept;
        double difference = fabs((above - below) / (2.0 * (double)step) - (double)gradient[i]);
        largest = difference > largest ? difference : largest;
        if (difference > 1e-3)
            fail_msg("parameter %zu: the gradient %g differs by %g", i, (double)gradient[i],
                     difference);
    }
    print_message("largest difference of a gradient: %g\n", largest);
}

static void steps_along_the_gradient_lower_the_loss(void **state)
{
    (void)state;
    float params[PARAMS];
    float gradient[PARAMS];
    float x[BATCH * IN];
    float h[BATCH * HIDDEN];
    float z[BATCH * CLASSES];
    float dh[BATCH * HIDDEN];
    struct fml_rng r = {7}; /* of other seeds, some begin with units that never fire */

    for (size_t i = 0; i < PARAMS; i++)
        params[i] = (float)(fml_rng_unit(&r) - 0.5);
    for (size_t i = 0; i < BATCH * IN; i++)
        x[i] = (float)(2.0 * fml_rng_unit(&r) - 1.0);
    struct parts p = parts_of(params);
    struct parts g = parts_of(gradient);
    double first = loss_of(params, x, h, z);
    for (int i = 0; i < 1000; i++) {
        (void)loss_of(params, x, h, z);
        fml_dense_backward(BATCH, HIDDEN, CLASSES, h, p.w2, z, g.w2, g.b2, dh);
        fml_relu_backward(BATCH * HIDDEN, h, dh);
        fml_dense_backward(BATCH, IN, HIDDEN, x, p.w1, dh, g.w1, g.b1, NULL);
        fml_sgd_step(PARAMS, 0.1f, gradient, params);
    }
    double last = loss_of(params, x, h, z);
    print_message("loss %g, after the steps %g\n", first, last);
    assert_true(last < first / 10.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_forward_by_hand),
        cmocka_unit_test(dense_backward_by_hand),
        cmocka_unit_test(relu_passes_what_is_above_zero),
        cmocka_unit_test(softmax_loss_by_hand),
        cmocka_unit_test(huge_logits_do_not_overflow),
        cmocka_unit_test(gradients_of_softmax_sum_to_zero),
        cmocka_unit_test(the_first_of_equals_is_the_answer),
        cmocka_unit_test(gradients_are_the_finite_differences),
        cmocka_unit_test(steps_along_the_gradient_lower_the_loss),
    };
    return cmocka_run_group_tests_name("guest/layers", tests, NULL, NULL);
}
