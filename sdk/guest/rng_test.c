/* Checks rng.c against splitmix64's published first outputs and against the
 * reference's shuffle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fml_guest.h"

/* The first outputs for seed 1234567, as commonly published for splitmix64. */
static void draws_the_published_numbers(void **state)
{
    (void)state;
    struct fml_rng r = {1234567};
    assert_true(fml_rng_u64(&r) == 6457827717110365317u);
    assert_true(fml_rng_u64(&r) == 3203168211198807973u);
    assert_true(fml_rng_u64(&r) == 9817491932198370423u);
}

static void unit_is_in_its_range(void **state)
{
    (void)state;
    struct fml_rng r = {0};
    for (int i = 0; i < 10000; i++) {
        double x = fml_rng_unit(&r);
        assert_true(x >= 0.0 && x < 1.0);
    }
}

/* shuffled(8, LCG(1)) of the reference. */
static void shuffles_as_the_reference(void **state)
{
    (void)state;
    static const uint32_t expected[] = {4, 3, 2, 7, 5, 6, 0, 1};
    uint32_t items[8];
    struct fml_rng r = {1};
    for (uint32_t i = 0; i < 8; i++)
        items[i] = i;
    fml_shuffle(items, 8, &r);
    assert_memory_equal(items, expected, sizeof expected);
}

static void a_shuffle_loses_nothing(void **state)
{
    (void)state;
    uint32_t items[100];
    unsigned seen[100] = {0};
    struct fml_rng r = {42};
    for (uint32_t i = 0; i < 100; i++)
        items[i] = i;
    fml_shuffle(items, 100, &r);
    for (uint32_t i = 0; i < 100; i++)
        seen[items[i]]++;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
}

static void nothing_to_shuffle_draws_nothing(void **state)
{
    (void)state;
    uint32_t one = 7;
    struct fml_rng r = {9};
    fml_shuffle(NULL, 0, &r);
    fml_shuffle(&one, 1, &r);
    assert_int_equal(one, 7);
    assert_true(r.state == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_the_published_numbers),
        cmocka_unit_test(unit_is_in_its_range),
        cmocka_unit_test(shuffles_as_the_reference),
        cmocka_unit_test(a_shuffle_loses_nothing),
        cmocka_unit_test(nothing_to_shuffle_draws_nothing),
    };
    return cmocka_run_group_tests_name("guest/rng", tests, NULL, NULL);
}
