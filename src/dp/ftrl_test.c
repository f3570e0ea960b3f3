/* Checks ftrl.c: differences add up, nothing is drawn differently after a restart, and what
 * is no state is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dp/fake_random.h"
#include "dp/ftrl.h"

#define COUNT  (2 * FTRL_BLOCK + 100)
#define BLOCKS 3
#define ROUNDS 21

static struct ftrl fresh(uint64_t seed)
{
    struct rand state = {seed};
    struct dp_random r = fake_random(&state);
    struct gauss noise;
    struct ftrl f;
    assert_int_equal(gauss_of_sigma(10, &noise), ST_OK);
    assert_int_equal(ftrl_init(&noise, COUNT, ROUNDS, &r, &f), ST_OK);
    return f;
}

static void differences_add_up_to_the_noise_of_all_rounds(void **state)
{
    (void)state;
    struct ftrl f = fresh(1);
    for (size_t block = 0; block < BLOCKS; block++) {
        int64_t sum[FTRL_BLOCK] = {0}, difference[FTRL_BLOCK], noise[FTRL_BLOCK];
        for (f.done = 0; f.done < ROUNDS;) {
            ftrl_difference(&f, block, difference);
            for (size_t i = 0; i < FTRL_BLOCK; i++)
                sum[i] += difference[i];
            assert_int_equal(ftrl_advance(&f), ST_OK);
            ftrl_noise(&f, f.done, block, noise);
            assert_memory_equal(sum, noise, sizeof sum);
        }
    }
}

static void there_is_no_noise_before_the_first_round_and_beyond_the_last_coordinate(void **state)
{
    (void)state;
    struct ftrl f = fresh(2);
    const int64_t zeros[FTRL_BLOCK] = {0};
    int64_t noise[FTRL_BLOCK];
    ftrl_noise(&f, 0, 0, noise);
    assert_memory_equal(noise, zeros, sizeof noise);
    ftrl_noise(&f, 1, BLOCKS - 1, noise);
    assert_memory_not_equal(noise, zeros, 100 * sizeof noise[0]);
    assert_memory_equal(noise + 100, zeros, (FTRL_BLOCK - 100) * sizeof noise[0]);
}

/* With a node for each bit of t the variance is sigma^2 = 100 times their number; five
 * standard errors of it, over 1024 coordinates, are 22 percent. */
static void as_many_nodes_as_t_has_bits_are_in_the_noise(void **state)
{
    (void)state;
    struct ftrl f = fresh(3);
    for (uint32_t t = 1; t <= ROUNDS; t++) {
        int64_t noise[FTRL_BLOCK];
        double squares = 0;
        ftrl_noise(&f, t, 0, noise);
        for (size_t i = 0; i < FTRL_BLOCK; i++)
            squares += (double)(noise[i] * noise[i]);
        double expected = 100.0 * __builtin_popcount(t);
        assert_true(fabs(squares / (double)FTRL_BLOCK / expected - 1) < 0.22);
    }
}

static void nodes_blocks_and_keys_have_noise_of_their_own(void **state)
{
    (void)state;
    struct ftrl f = fresh(4), g = fresh(5);
    int64_t noise[5][FTRL_BLOCK];
    ftrl_noise(&f, 1, 0, noise[0]);
    ftrl_noise(&f, 2, 0, noise[1]);
    ftrl_noise(&f, 4, 0, noise[2]);
    ftrl_noise(&f, 1, 1, noise[3]);
    ftrl_noise(&g, 1, 0, noise[4]);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < i; k++) {
            double product = 0; /* standard deviation 100 * 32 if they are independent */
            for (size_t at = 0; at < FTRL_BLOCK; at++)
                product += (double)(noise[i][at] * noise[k][at]);
            assert_true(fabs(product) < 6 * 3200);
        }
}

static struct ftrl restarted(const struct ftrl *f)
{
    uint8_t bytes[FTRL_STATE_SIZE];
    struct ftrl back;
    ftrl_encode(f, bytes);
    assert_int_equal(ftrl_decode(view_of(bytes, sizeof bytes), &back), ST_OK);
    return back;
}

static void a_restart_changes_no_noise(void **state)
{
    (void)state;
    struct ftrl f = fresh(6);
    for (uint32_t round = 0; round < 13; round++)
        assert_int_equal(ftrl_advance(&f), ST_OK);
    struct ftrl g = restarted(&f);
    assert_true(g.done == 13 && g.rounds == ROUNDS && g.count == COUNT);
    int64_t before[FTRL_BLOCK], after[FTRL_BLOCK];
    ftrl_difference(&f, 1, before);
    ftrl_difference(&g, 1, after);
    assert_memory_equal(before, after, sizeof before);
    ftrl_difference(&f, 1, after); /* nor does asking twice */
    assert_memory_equal(before, after, sizeof before);
}

/* What a run that is under way has to find again after an update of the program. If this
 * fails, FTRL_VERSION has to go up. */
static void the_noise_of_a_key_is_what_it_always_was(void **state)
{
    (void)state;
    struct ftrl f = fresh(7);
    for (size_t i = 0; i < FTRL_KEY_SIZE; i++)
        f.key[i] = (uint8_t)i;
    const int64_t known[8] = {-17, 16, 0, 6, -10, -9, -2, -11};
    int64_t noise[FTRL_BLOCK];
    ftrl_noise(&f, 3, 1, noise);
    assert_memory_equal(noise, known, sizeof known);
}

static void no_byte_of_a_state_can_change_unseen(void **state)
{
    (void)state;
    struct ftrl f = fresh(8), back = fresh(9), same = back;
    uint8_t bytes[FTRL_STATE_SIZE];
    ftrl_encode(&f, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(ftrl_decode(view_of(bytes, sizeof bytes), &back),
                         i < 12 ? ST_MALFORMED : ST_CORRUPT);
        bytes[i] ^= 0x10;
    }
    for (size_t size = 0; size < sizeof bytes; size++)
        assert_int_equal(ftrl_decode(view_of(bytes, size), &back), ST_MALFORMED);
    assert_memory_equal(back.key, same.key, sizeof same.key);
    assert_int_equal(back.done, 0);
}

static void state_refused(struct ftrl f)
{
    uint8_t bytes[FTRL_STATE_SIZE];
    struct ftrl back = fresh(10);
    ftrl_encode(&f, bytes);
    assert_int_equal(ftrl_decode(view_of(bytes, sizeof bytes), &back), ST_INVALID);
    assert_int_equal(back.rounds, ROUNDS);
}

static void a_state_of_values_out_of_range_is_refused(void **state)
{
    (void)state;
    struct ftrl f = fresh(11);
    f.done = ROUNDS + 1;
    state_refused(f);
    f = fresh(11);
    f.count = 0;
    state_refused(f);
    f.count = MODEL_PARAMS_MAX + 1;
    state_refused(f);
    f = fresh(11);
    f.noise.num = 0;
    state_refused(f);
    f = fresh(11);
    f.noise.den = GAUSS_PART_MAX + 1;
    state_refused(f);
}

static void a_run_ends(void **state)
{
    (void)state;
    struct ftrl f = fresh(12);
    f.done = ROUNDS;
    assert_int_equal(ftrl_advance(&f), ST_LIMIT);
    assert_int_equal(f.done, ROUNDS);
    const struct ftrl zeros = {0};
    ftrl_done(&f);
    assert_memory_equal(f.key, zeros.key, sizeof zeros.key);
}

static void a_run_of_nothing_or_too_much_is_refused(void **state)
{
    (void)state;
    struct rand seed = {13};
    struct dp_random r = fake_random(&seed);
    struct ftrl f = fresh(14);
    struct gauss noise = f.noise;
    assert_int_equal(ftrl_init(&noise, 0, 1, &r, &f), ST_INVALID);
    assert_int_equal(ftrl_init(&noise, MODEL_PARAMS_MAX + 1, 1, &r, &f), ST_INVALID);
    assert_int_equal(ftrl_init(&noise, 1, 0, &r, &f), ST_INVALID);
    assert_int_equal(ftrl_init(&noise, 1, TREE_ROUNDS_MAX + 1, &r, &f), ST_INVALID);
    assert_true(f.count == COUNT && f.rounds == ROUNDS && seed.state == 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_add_up_to_the_noise_of_all_rounds),
        cmocka_unit_test(there_is_no_noise_before_the_first_round_and_beyond_the_last_coordinate),
        cmocka_unit_test(as_many_nodes_as_t_has_bits_are_in_the_noise),
        cmocka_unit_test(nodes_blocks_and_keys_have_noise_of_their_own),
        cmocka_unit_test(a_restart_changes_no_noise),
        cmocka_unit_test(the_noise_of_a_key_is_what_it_always_was),
        cmocka_unit_test(no_byte_of_a_state_can_change_unseen),
        cmocka_unit_test(a_state_of_values_out_of_range_is_refused),
        cmocka_unit_test(a_run_ends),
        cmocka_unit_test(a_run_of_nothing_or_too_much_is_refused),
    };
    return cmocka_run_group_tests_name("dp/ftrl", tests, NULL, NULL);
}
