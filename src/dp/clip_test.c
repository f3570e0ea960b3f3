/* Checks clip.c by hand, and against norms in quadruple precision, which has room for every
 * square and for their sum. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"
#include "dp/clip.h"

#define COUNT 1000

static struct clip added(const float *x, size_t count)
{
    struct clip c = {0};
    assert_int_equal(clip_add(&c, x, count), ST_OK);
    return c;
}

static void three_and_four_are_five(void **state)
{
    (void)state;
    struct clip c = added((float[]){3, -4}, 2);
    assert_true(clip_norm(&c) >= 5.0 && clip_norm(&c) < 5 * (1 + 1e-14));
    assert_true(clip_factor(&c, 6) == 1.0);
    assert_true(fabs(clip_factor(&c, 2.5) - 0.5) < 1e-14 && clip_factor(&c, 2.5) < 0.5);
    /* At its own norm nobody can say that it is not above. */
    assert_true(clip_factor(&c, 5) < 1 && clip_factor(&c, 5) > 1 - 1e-14);
}

static void pieces_make_the_same_as_the_whole(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3, 4, 5};
    struct clip whole = added(x, 5), pieces = added(x, 2);
    assert_int_equal(clip_add(&pieces, x + 2, 0), ST_OK);
    assert_int_equal(clip_add(&pieces, x + 2, 3), ST_OK);
    assert_true(pieces.squares == 55.0 && pieces.squares == whole.squares);
    assert_true(pieces.count == 5 && clip_norm(&pieces) == clip_norm(&whole));
}

static void zeros_are_left_alone(void **state)
{
    (void)state;
    struct clip c = added((float[]){0, 0}, 2);
    assert_true(clip_norm(&c) == 0.0 && clip_factor(&c, CLIP_MIN) == 1.0);
}

static __float128 exact_squares(const float *x, size_t count)
{
    __float128 sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (__float128)x[i] * x[i];
    return sum;
}

/* Magnitudes over 2^20, so that few decide and many are small beside them. */
static void draw(struct rand *r, float *x)
{
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)ldexp(2 * rand_unit(r) - 1, (int)rand_below(r, 20) - 10);
}

static void the_clipped_norm_is_never_above_the_bound_and_hardly_below(void **state)
{
    (void)state;
    struct rand r = {1};
    float x[COUNT];
    for (int round = 0; round < 500; round++) {
        draw(&r, x);
        struct clip c = added(x, COUNT);
        double norm = clip_norm(&c);
        assert_true((__float128)norm * norm >= exact_squares(x, COUNT));
        double bound = norm * (round % 2 == 0 ? 1 - 1e-15 : rand_unit(&r) + 1e-3);
        clip_apply(x, COUNT, clip_factor(&c, bound));
        __float128 square = exact_squares(x, COUNT), most = (__float128)bound * bound;
        assert_true(square <= most);
        if (bound < norm)
            assert_true(square >= most * (1 - 3e-7)); /* two of 2^-23, and some */
    }
}

static void the_largest_and_the_smallest_floats_have_norms(void **state)
{
    (void)state;
    float x[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = i % 2 == 0 ? FLT_MAX : -FLT_TRUE_MIN;
    struct clip c = added(x, COUNT);
    clip_apply(x, COUNT, clip_factor(&c, 1));
    assert_true(exact_squares(x, COUNT) <= 1 && exact_squares(x, COUNT) > 0.999999);
    struct clip tiny = added((float[]){FLT_TRUE_MIN}, 1);
    assert_true(clip_norm(&tiny) >= (double)FLT_TRUE_MIN);
}

static void what_is_not_finite_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct clip c = added((float[]){3}, 1);
    assert_int_equal(clip_add(&c, (float[]){1, NAN}, 2), ST_NOT_FINITE);
    assert_int_equal(clip_add(&c, (float[]){INFINITY, 1}, 2), ST_NOT_FINITE);
    assert_int_equal(clip_add(&c, (float[]){-INFINITY, INFINITY}, 2), ST_NOT_FINITE);
    assert_true(c.squares == 9.0 && c.count == 1);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    struct clip c = {.squares = 1, .count = CLIP_COUNT_MAX - 1};
    assert_int_equal(clip_add(&c, (float[]){1, 1}, 2), ST_LIMIT);
    assert_int_equal(c.count, CLIP_COUNT_MAX - 1);
    assert_int_equal(clip_add(&c, (float[]){1}, 1), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_and_four_are_five),
        cmocka_unit_test(pieces_make_the_same_as_the_whole),
        cmocka_unit_test(zeros_are_left_alone),
        cmocka_unit_test(the_clipped_norm_is_never_above_the_bound_and_hardly_below),
        cmocka_unit_test(the_largest_and_the_smallest_floats_have_norms),
        cmocka_unit_test(what_is_not_finite_is_refused_and_changes_nothing),
        cmocka_unit_test(too_many_are_refused),
    };
    return cmocka_run_group_tests_name("dp/clip", tests, NULL, NULL);
}
