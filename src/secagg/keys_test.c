/* X25519 by RFC 7748 and Project Wycheproof, ChaCha20-Poly1305 by RFC 8439, as the libraries
 * give them; then what the keys of a round must be: bound to it, and to the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "secagg/hex.h"
#include "secagg/keys.h"

/* ---- the primitives ---- */

static void x25519_is_that_of_rfc_7748_iterated(void **state)
{
    (void)state;
    uint8_t k[32] = {9}, u[32] = {9}, next[32], expected[32];
    for (int i = 1; i <= 1000; i++) {
        assert_int_equal(crypto_scalarmult(next, k, u), 0);
        memcpy(u, k, sizeof u);
        memcpy(k, next, sizeof k);
        if (i == 1) {
            from_hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", expected,
                     32);
            assert_memory_equal(k, expected, 32);
        }
    }
    from_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", expected, 32);
    assert_memory_equal(k, expected, 32);
}

static void x25519_agrees_as_in_rfc_7748_section_6_1(void **state)
{
    (void)state;
    uint8_t a[32], b[32], public_a[32], public_b[32], one[32], other[32], expected[32];
    from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a, 32);
    from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, 32);
    from_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", expected, 32);
    assert_int_equal(crypto_scalarmult_base(public_a, a), 0);
    assert_int_equal(crypto_scalarmult_base(public_b, b), 0);
    assert_int_equal(crypto_scalarmult(one, a, public_b), 0);
    assert_int_equal(crypto_scalarmult(other, b, public_a), 0);
    assert_memory_equal(one, expected, 32);
    assert_memory_equal(other, expected, 32);
}

/* A point of low order gives all zeros: libsodium refuses, and so may "acceptable" cases. */
static void x25519_is_that_of_wycheproof(void **state)
{
    (void)state;
    char line[512], result[16], public_hex[65], private_hex[65], shared_hex[65];
    size_t cases = 0, refused = 0;
    FILE *file = fopen("tests/vectors/x25519_wycheproof.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        uint8_t public[32], private[32], shared[32], found[32], zero[32] = {0};
        if (line[0] == '#')
            continue;
        assert_int_equal(
            sscanf(line, "%*d %15s %64s %64s %64s", result, public_hex, private_hex, shared_hex),
            4);
        from_hex(public_hex, public, 32);
        from_hex(private_hex, private, 32);
        from_hex(shared_hex, shared, 32);
        cases++;
        if (crypto_scalarmult(found, private, public) != 0) {
            refused++;
            assert_memory_equal(shared, zero, 32);
            assert_string_not_equal(result, "valid");
        } else {
            assert_memory_equal(found, shared, 32);
        }
    }
    (void)fclose(file);
    assert_int_equal(cases, 518);
    assert_true(refused > 0);
}

static void boxes_are_sealed_as_in_rfc_8439_section_2_8_2(void **state)
{
    (void)state;
    const char *text = "Ladies and Gentlemen of the class of '99: If I could offer you only one "
                       "tip for the future, sunscreen would be it.";
    uint8_t key[32], nonce[12], ad[12], sealed[130], tag[16];
    unsigned long long size = 0;
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)(0x80 + i);
    from_hex("070000004041424344454647", nonce, 12);
    from_hex("50515253c0c1c2c3c4c5c6c7", ad, 12);
    from_hex("1ae10b594f09e26a7e902ecbd0600691", tag, 16);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &size, (const uint8_t *)text,
                                                    strlen(text), ad, sizeof ad, NULL, nonce, key);
    assert_int_equal(size, 114 + 16);
    assert_memory_equal(sealed + 114, tag, 16);
}

/* ---- a round's keys ---- */

struct two {
    struct secagg_keys *a, *b;
    struct secagg_context context;
};

static int begin(void **state)
{
    struct two *t = calloc(1, sizeof *t);
    assert_non_null(t);
    assert_int_equal(secagg_keys_new(&t->a), ST_OK);
    assert_int_equal(secagg_keys_new(&t->b), ST_OK);
    t->context.config.bytes[0] = 1;
    t->context.roster.bytes[0] = 2;
    *state = t;
    return 0;
}

static int end(void **state)
{
    struct two *t = *state;
    secagg_keys_free(t->a);
    secagg_keys_free(t->b);
    free(t);
    return 0;
}

static struct secagg_shares some_shares(void)
{
    struct secagg_shares shares;
    scalar_random(&shares.mask_seed);
    scalar_random(&shares.self_seed);
    return shares;
}

static void close_box(const struct two *t, const struct secagg_shares *shares,
                      uint8_t ret[SECAGG_BOX_SIZE])
{
    assert_int_equal(
        secagg_box_close(t->a, &t->context, 3, 5, secagg_keys_public(t->b), shares, ret), ST_OK);
}

static void a_box_opens_at_its_other_end(void **state)
{
    struct two *t = *state;
    struct secagg_shares shares = some_shares(), found;
    uint8_t box[SECAGG_BOX_SIZE];
    close_box(t, &shares, box);
    assert_int_equal(
        secagg_box_open(t->b, &t->context, 5, 3, secagg_keys_public(t->a), box, &found), ST_OK);
    assert_memory_equal(&found, &shares, sizeof shares);
}

static void expect_shut(const struct two *t, const struct secagg_context *context, uint32_t me,
                        uint32_t other, const uint8_t *box)
{
    struct secagg_shares found, untouched;
    memset(&found, 0x55, sizeof found);
    untouched = found;
    assert_int_equal(
        secagg_box_open(t->b, context, me, other, secagg_keys_public(t->a), box, &found),
        ST_CORRUPT);
    assert_memory_equal(&found, &untouched, sizeof found);
}

static void a_box_opens_for_no_other_way_round_or_roster_and_not_when_changed(void **state)
{
    struct two *t = *state;
    struct secagg_shares shares = some_shares();
    uint8_t box[SECAGG_BOX_SIZE];
    struct secagg_context other = t->context;
    close_box(t, &shares, box);
    expect_shut(t, &t->context, 3, 5, box);
    expect_shut(t, &t->context, 5, 4, box);
    other.config.bytes[31] ^= 1;
    expect_shut(t, &other, 5, 3, box);
    other = t->context;
    other.roster.bytes[31] ^= 1;
    expect_shut(t, &other, 5, 3, box);
    for (size_t i = 0; i < SECAGG_BOX_SIZE; i++) {
        box[i] ^= 1;
        expect_shut(t, &t->context, 5, 3, box);
        box[i] ^= 1;
    }
}

static void a_key_of_low_order_is_refused(void **state)
{
    struct two *t = *state;
    const struct secagg_public zero = {{0}, {0}};
    struct secagg_shares shares = some_shares();
    uint8_t box[SECAGG_BOX_SIZE];
    struct mask mask;
    assert_int_equal(secagg_box_close(t->a, &t->context, 1, 2, &zero, &shares, box), ST_INVALID);
    assert_int_equal(secagg_pair_mask(t->a, &t->context, 1, 2, &zero, &mask), ST_INVALID);
}

static void pair_masks_cancel_and_are_bound_to_the_round(void **state)
{
    struct two *t = *state;
    struct mask one, other, elsewhere;
    struct secagg_context context = t->context;
    assert_int_equal(secagg_pair_mask(t->a, &t->context, 1, 2, secagg_keys_public(t->b), &one),
                     ST_OK);
    assert_int_equal(secagg_pair_mask(t->b, &t->context, 2, 1, secagg_keys_public(t->a), &other),
                     ST_OK);
    assert_memory_equal(one.key, other.key, sizeof one.key);
    assert_true(one.subtract != other.subtract);
    context.config.bytes[5] ^= 1;
    assert_int_equal(secagg_pair_mask(t->b, &context, 2, 1, secagg_keys_public(t->a), &elsewhere),
                     ST_OK);
    assert_memory_not_equal(one.key, elsewhere.key, sizeof one.key);
}

/* 256 bits of key, each of which the mask depends on. */
static void every_bit_of_a_seed_makes_another_mask(void **state)
{
    struct two *t = *state;
    struct scalar seed;
    struct mask mask, other;
    scalar_random(&seed);
    assert_int_equal(secagg_self_mask(&seed, &t->context, 4, &mask), ST_OK);
    for (size_t bit = 0; bit < 252; bit++) {
        struct scalar changed = seed;
        changed.bytes[bit / 8] = (uint8_t)(changed.bytes[bit / 8] ^ 1u << bit % 8);
        assert_int_equal(secagg_self_mask(&changed, &t->context, 4, &other), ST_OK);
        assert_memory_not_equal(mask.key, other.key, sizeof mask.key);
    }
    assert_int_equal(secagg_self_mask(&seed, &t->context, 5, &other), ST_OK);
    assert_memory_not_equal(mask.key, other.key, sizeof mask.key);
}

static void a_rebuilt_seed_is_checked_against_what_was_advertised(void **state)
{
    struct two *t = *state;
    struct secagg_shares dealt[4];
    struct scalar shares[2], weights[2], seed;
    struct secagg_keys *rebuilt = NULL;
    struct mask own, again;
    secagg_keys_share(t->a, 2, 4, dealt);
    shares[0] = dealt[1].mask_seed;
    shares[1] = dealt[3].mask_seed;
    assert_int_equal(shamir_weights((const uint32_t[]){2, 4}, 2, weights), ST_OK);
    shamir_combine(weights, shares, 2, &seed);
    assert_int_equal(secagg_keys_rebuild(&seed, secagg_keys_public(t->b), &rebuilt), ST_CORRUPT);
    assert_null(rebuilt);
    assert_int_equal(secagg_keys_rebuild(&seed, secagg_keys_public(t->a), &rebuilt), ST_OK);
    assert_int_equal(secagg_pair_mask(rebuilt, &t->context, 1, 2, secagg_keys_public(t->b), &again),
                     ST_OK);
    assert_int_equal(secagg_pair_mask(t->a, &t->context, 1, 2, secagg_keys_public(t->b), &own),
                     ST_OK);
    assert_memory_equal(&own, &again, sizeof own);
    secagg_keys_free(rebuilt);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_is_that_of_rfc_7748_iterated),
        cmocka_unit_test(x25519_agrees_as_in_rfc_7748_section_6_1),
        cmocka_unit_test(x25519_is_that_of_wycheproof),
        cmocka_unit_test(boxes_are_sealed_as_in_rfc_8439_section_2_8_2),
        CASE(a_box_opens_at_its_other_end),
        CASE(a_box_opens_for_no_other_way_round_or_roster_and_not_when_changed),
        CASE(a_key_of_low_order_is_refused),
        CASE(pair_masks_cancel_and_are_bound_to_the_round),
        CASE(every_bit_of_a_seed_makes_another_mask),
        CASE(a_rebuilt_seed_is_checked_against_what_was_advertised),
    };
    return cmocka_run_group_tests_name("secagg/keys", tests, NULL, NULL);
}
