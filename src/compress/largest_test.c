/* Checks largest.c against sorting, for values with many ties and of every size. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "compress/largest.h"

#define COUNT 500

static int falling(const void *a, const void *b)
{
    float x = fabsf(*(const float *)a), y = fabsf(*(const float *)b);
    return (x < y) - (x > y);
}

/* Looks at all values in portions; gives in taken[] which ones are among the k largest. */
static void select_largest(struct largest *l, const float *values, size_t k, bool *taken)
{
    largest_begin(l, k);
    for (size_t i = 0; i < COUNT; i += 100)
        largest_count(l, values + i, 100);
    for (size_t i = 0; i < COUNT; i += 50)
        largest_count_again(l, values + i, 50);
    for (size_t i = 0; i < COUNT; i++)
        taken[i] = largest_takes(l, values[i]);
}

static void check(struct largest *l, const float *values, size_t k)
{
    float sorted[COUNT];
    bool taken[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        sorted[i] = values[i];
    qsort(sorted, COUNT, sizeof sorted[0], falling);
    float threshold = fabsf(sorted[k - 1]);
    size_t above = 0;
    while (above < COUNT && fabsf(sorted[above]) > threshold)
        above++;

    select_largest(l, values, k, taken);
    size_t ties = k - above, count = 0;
    for (size_t i = 0; i < COUNT; i++) {
        float magnitude = fabsf(values[i]);
        bool expected = magnitude > threshold || (magnitude == threshold && ties > 0);
        if (magnitude == threshold && ties > 0)
            ties--;
        assert_int_equal(taken[i], expected);
        count += taken[i];
    }
    assert_int_equal(count, k);
}

static void the_k_largest_are_those_of_a_sort(void **state)
{
    (void)state;
    struct largest *l = NULL;
    assert_int_equal(largest_new(&l), ST_OK);
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rand r = {seed};
        float values[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            int exponent = (int)rand_below(&r, 250) - 140; /* also subnormal ones */
            double value = (rand_unit(&r) - 0.5) * (seed % 3 == 0 ? 1 : ldexp(1, exponent));
            values[i] = seed % 3 == 1 ? (float)(int)(value * 4) : (float)value; /* many ties */
        }
        const size_t ks[] = {1, 2, 5, 250, COUNT - 1, COUNT};
        for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++)
            check(l, values, ks[i]);
    }
    largest_free(l);
}

static void of_nothing_but_ties_the_first_are_taken(void **state)
{
    (void)state;
    struct largest *l = NULL;
    float values[COUNT] = {0};
    bool taken[COUNT];
    assert_int_equal(largest_new(&l), ST_OK);
    select_largest(l, values, 3, taken);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(taken[i], i < 3);
    largest_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_k_largest_are_those_of_a_sort),
        cmocka_unit_test(of_nothing_but_ties_the_first_are_taken),
    };
    return cmocka_run_group_tests_name("compress/largest", tests, NULL, NULL);
}
