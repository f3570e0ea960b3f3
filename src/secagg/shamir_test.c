/* RFC 9591, appendix E.1 (shares over the scalar field of Ed25519), then the algebra. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secagg/hex.h"
#include "secagg/shamir.h"

/* Coefficients are drawn by libsodium; a test that knows them says so here. */
static const char *coefficient;
void __real_crypto_core_ed25519_scalar_random(unsigned char *r);
void __wrap_crypto_core_ed25519_scalar_random(unsigned char *r);
void __wrap_crypto_core_ed25519_scalar_random(unsigned char *r)
{
    if (coefficient != NULL)
        from_hex(coefficient, r, SCALAR_SIZE);
    else
        __real_crypto_core_ed25519_scalar_random(r);
}

static struct scalar scalar_hex(const char *text)
{
    struct scalar s;
    from_hex(text, s.bytes, SCALAR_SIZE);
    return s;
}

static void shares_are_those_of_rfc_9591(void **state)
{
    (void)state;
    const char *expected[] = {
        "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
        "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
        "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
    };
    struct scalar secret =
        scalar_hex("7b1c33d3f5291d85de664833beb1ad469f7fb6025a0ec78b3a790c6e13a98304");
    struct scalar shares[3];
    coefficient = "178199860edd8c62f5212ee91eff1295d0d670ab4ed4506866bae57e7030b204";
    shamir_split(&secret, 2, 3, shares);
    coefficient = NULL;
    for (int i = 0; i < 3; i++) {
        struct scalar share = scalar_hex(expected[i]);
        assert_memory_equal(&shares[i], &share, sizeof share);
    }
}

static void combine(const struct scalar *all, const uint32_t *points, size_t count,
                    struct scalar *ret)
{
    struct scalar weights[SHAMIR_SHARES_MAX], shares[SHAMIR_SHARES_MAX];
    for (size_t i = 0; i < count; i++)
        shares[i] = all[points[i] - 1];
    assert_int_equal(shamir_weights(points, count, weights), ST_OK);
    shamir_combine(weights, shares, count, ret);
}

/* Every set of holders of six, and every threshold. */
static void any_threshold_of_shares_gives_the_secret_and_fewer_do_not(void **state)
{
    (void)state;
    for (uint32_t threshold = 1; threshold <= 6; threshold++) {
        struct scalar secret, shares[6], found;
        scalar_random(&secret);
        shamir_split(&secret, threshold, 6, shares);
        for (uint32_t set = 1; set < 64; set++) {
            uint32_t points[6];
            size_t count = 0;
            for (uint32_t i = 0; i < 6; i++)
                if (set >> i & 1)
                    points[count++] = i + 1;
            combine(shares, points, count, &found);
            assert_int_equal(sodium_memcmp(&found, &secret, sizeof secret) == 0,
                             count >= threshold);
        }
    }
}

static void the_largest_splitting_comes_back(void **state)
{
    (void)state;
    static struct scalar shares[SHAMIR_SHARES_MAX];
    uint32_t points[100];
    struct scalar secret, found;
    scalar_random(&secret);
    shamir_split(&secret, 100, SHAMIR_SHARES_MAX, shares);
    for (uint32_t i = 0; i < 100; i++)
        points[i] = SHAMIR_SHARES_MAX - 7 * i;
    combine(shares, points, 100, &found);
    assert_memory_equal(&found, &secret, sizeof secret);
}

static void sharing_is_linear(void **state)
{
    (void)state;
    struct scalar a, b, sum, found, shares_a[5], shares_b[5];
    const uint32_t points[] = {2, 4, 5};
    scalar_random(&a);
    scalar_random(&b);
    crypto_core_ed25519_scalar_add(sum.bytes, a.bytes, b.bytes);
    shamir_split(&a, 3, 5, shares_a);
    shamir_split(&b, 3, 5, shares_b);
    for (int i = 0; i < 5; i++)
        crypto_core_ed25519_scalar_add(shares_a[i].bytes, shares_a[i].bytes, shares_b[i].bytes);
    combine(shares_a, points, 3, &found);
    assert_memory_equal(&found, &sum, sizeof sum);
}

static void two_splittings_of_one_secret_share_nothing(void **state)
{
    (void)state;
    struct scalar secret, first[3], second[3];
    scalar_random(&secret);
    shamir_split(&secret, 2, 3, first);
    shamir_split(&secret, 2, 3, second);
    for (int i = 0; i < 3; i++)
        assert_memory_not_equal(&first[i], &second[i], sizeof first[i]);
}

static void points_twice_or_out_of_range_are_refused(void **state)
{
    (void)state;
    struct scalar weights[2];
    assert_int_equal(shamir_weights((const uint32_t[]){1, 1}, 2, weights), ST_INVALID);
    assert_int_equal(shamir_weights((const uint32_t[]){0, 1}, 2, weights), ST_INVALID);
    assert_int_equal(shamir_weights((const uint32_t[]){1, SHAMIR_SHARES_MAX + 1}, 2, weights),
                     ST_INVALID);
}

static void only_scalars_below_the_order_are_canonical(void **state)
{
    (void)state;
    struct scalar order =
        scalar_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    assert_false(scalar_is_canonical(&order));
    order.bytes[0]--;
    assert_true(scalar_is_canonical(&order));
    memset(order.bytes, 0xff, sizeof order.bytes);
    assert_false(scalar_is_canonical(&order));
    memset(order.bytes, 0, sizeof order.bytes);
    assert_true(scalar_is_canonical(&order));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_rfc_9591),
        cmocka_unit_test(any_threshold_of_shares_gives_the_secret_and_fewer_do_not),
        cmocka_unit_test(the_largest_splitting_comes_back),
        cmocka_unit_test(sharing_is_linear),
        cmocka_unit_test(two_splittings_of_one_secret_share_nothing),
        cmocka_unit_test(points_twice_or_out_of_range_are_refused),
        cmocka_unit_test(only_scalars_below_the_order_are_canonical),
    };
    return cmocka_run_group_tests_name("secagg/shamir", tests, NULL, NULL);
}
