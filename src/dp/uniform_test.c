/* Checks uniform.c: counts against probabilities, and the edges by hand-made words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dp/fake_random.h"
#include "dp/fit.h"
#include "dp/uniform.h"

/* A source that says the words of a list. */
struct script {
    const uint64_t *words;
    size_t said;
};

static void say(void *owner, void *bytes, size_t size)
{
    struct script *s = owner;
    assert_int_equal(size, sizeof(uint64_t));
    memcpy(bytes, &s->words[s->said++], size);
}

static void below_is_uniform(void **state)
{
    (void)state;
    struct rand seed = {1};
    struct dp_random r = fake_random(&seed);
    for (uint64_t bound = 2; bound <= 17; bound += 5) {
        uint64_t counts[17] = {0};
        double probabilities[17];
        for (size_t i = 0; i < 100000; i++) {
            uint64_t value = uniform_below(&r, bound);
            assert_true(value < bound);
            counts[value]++;
        }
        for (size_t i = 0; i < bound; i++)
            probabilities[i] = 1 / (double)bound;
        assert_true(fit_deviation(counts, probabilities, bound) < FIT_BAD);
    }
}

/* 2^64 = 3 * 6148914691236517205 + 1: of the words one has to go, and it is 0. */
static void the_one_word_too_many_is_drawn_again(void **state)
{
    (void)state;
    const uint64_t words[] = {0, UINT64_MAX};
    struct script s = {.words = words};
    struct dp_random r = {.fill = say, .owner = &s};
    assert_int_equal(uniform_below(&r, 3), 2);
    assert_int_equal(s.said, 2);
}

static void below_one_is_zero(void **state)
{
    (void)state;
    struct rand seed = {2};
    struct dp_random r = fake_random(&seed);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(uniform_below(&r, 1), 0);
}

static double heads_deviation(__uint128_t part, __uint128_t whole, double probability)
{
    struct rand seed = {3};
    struct dp_random r = fake_random(&seed);
    uint64_t counts[2] = {0};
    for (size_t i = 0; i < 100000; i++)
        counts[uniform_coin(&r, part, whole)]++;
    return fit_deviation(counts, (double[]){1 - probability, probability}, 2);
}

static void a_coin_has_its_probability_at_every_width(void **state)
{
    (void)state;
    const __uint128_t wide = (__uint128_t)1 << 64;
    assert_true(heads_deviation(2, 7, 2.0 / 7) < FIT_BAD);
    assert_true(heads_deviation(wide / 4, wide, 0.25) < FIT_BAD);
    assert_true(heads_deviation(2 * wide + 1, 7 * wide + 1, 2.0 / 7) < FIT_BAD);
    assert_true(heads_deviation(wide / 16 * 3 * wide, wide / 4 * wide, 0.75) < FIT_BAD);
    assert_true(heads_deviation(2, 7, 0.3) > FIT_BAD);
}

static void a_coin_of_nothing_or_all_is_none(void **state)
{
    (void)state;
    struct rand seed = {4};
    struct dp_random r = fake_random(&seed);
    const __uint128_t wholes[] = {1, 7, (__uint128_t)1 << 64, (__uint128_t)5 << 100};
    for (size_t i = 0; i < 4 * 100; i++) {
        assert_false(uniform_coin(&r, 0, wholes[i % 4]));
        assert_true(uniform_coin(&r, wholes[i % 4], wholes[i % 4]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(the_one_word_too_many_is_drawn_again),
        cmocka_unit_test(below_one_is_zero),
        cmocka_unit_test(a_coin_has_its_probability_at_every_width),
        cmocka_unit_test(a_coin_of_nothing_or_all_is_none),
    };
    return cmocka_run_group_tests_name("dp/uniform", tests, NULL, NULL);
}
