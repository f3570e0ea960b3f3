/* Checks means of updates that lack tensors, worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/fold.h"
#include "aggregate/partial.h"

/* A model of five parameters: a has two, b one, c two. */
static const float base[] = {10, 20, 30, 40, 50};
static const float a1[] = {1, 2}, b1[] = {3}, a2[] = {5, 6}, c2[] = {7, 9};

#define PIECE(first, array)                                                                        \
    {                                                                                              \
        .from = (first), .count = sizeof(array) / sizeof(array)[0],                                \
        .bytes = (const uint8_t *)(array), .dtype = DTYPE_F32                                      \
    }

static const struct piece of_one[] = {PIECE(0, a1), PIECE(2, b1)};
static const struct piece of_two[] = {PIECE(0, a2), PIECE(3, c2)};

static const struct source sources[] = {
    {.participant = {"p1"}, .weight = 1, .pieces = of_one, .piece_count = 2},
    {.participant = {"p2"}, .weight = 3, .pieces = of_two, .piece_count = 2},
};

/* a: (1 * 1 + 3 * 5) / 4, (1 * 2 + 3 * 6) / 4; b of p1 alone; c of p2 alone */
static void each_tensor_is_the_mean_of_those_that_have_it(void **state)
{
    (void)state;
    static const float expected[] = {4, 5, 3, 7, 9};
    struct source scratch[2];
    float mean[5];
    assert_int_equal(fold_partial(sources, 2, base, 0, 5, scratch, mean), ST_OK);
    assert_memory_equal(mean, expected, sizeof mean);
    for (size_t from = 0; from < 5; from++) /* however it is split */
        for (size_t to = from + 1; to <= 5; to++) {
            assert_int_equal(fold_partial(sources, 2, base, from, to, scratch, mean), ST_OK);
            assert_memory_equal(mean, expected + from, (to - from) * sizeof mean[0]);
        }
}

static void what_nobody_sent_stays_the_bases(void **state)
{
    (void)state;
    static const float expected[] = {1, 2, 3, 40, 50};
    struct source scratch[1];
    float mean[5];
    assert_int_equal(fold_partial(sources, 1, base, 0, 5, scratch, mean), ST_OK);
    assert_memory_equal(mean, expected, sizeof mean);
}

static void whole_updates_have_the_bits_of_the_mean(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static float values[3][COUNT], whole[COUNT], partial[COUNT];
    struct piece pieces[3];
    struct source all[3], scratch[3];
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < COUNT; i++)
            values[k][i] = sinf((float)(i * (k + 1)));
        pieces[k] = (struct piece)PIECE(0, values[k]);
        all[k] = (struct source){.weight = (double)k + 0.1, .pieces = &pieces[k], .piece_count = 1};
        (void)snprintf(all[k].participant.text, sizeof all[k].participant.text, "p%zu", k);
    }
    assert_int_equal(fold_mean(all, 3, 0, COUNT, whole), ST_OK);
    assert_int_equal(fold_partial(all, 3, values[0], 0, COUNT, scratch, partial), ST_OK);
    assert_memory_equal(whole, partial, sizeof whole);
}

static void a_value_that_is_not_finite_is_found(void **state)
{
    (void)state;
    const float bad[] = {NAN};
    const struct piece piece = PIECE(4, bad);
    const struct source source = {
        .participant = {"p"}, .weight = 1, .pieces = &piece, .piece_count = 1};
    struct source scratch[1];
    float mean[5];
    assert_int_equal(fold_partial(&source, 1, base, 0, 5, scratch, mean), ST_NOT_FINITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor_is_the_mean_of_those_that_have_it),
        cmocka_unit_test(what_nobody_sent_stays_the_bases),
        cmocka_unit_test(whole_updates_have_the_bits_of_the_mean),
        cmocka_unit_test(a_value_that_is_not_finite_is_found),
    };
    return cmocka_run_group_tests_name("aggregate/partial", tests, NULL, NULL);
}
