/* RFC 8439, appendix A.1, and libsodium's keystream beside OpenSSL's; then that parts of a
 * vector can be masked in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "secagg/hex.h"
#include "secagg/mask.h"

#define WORDS 10007 /* more than one piece of the keystream, and some */

static void expect_stream(const char *key, uint64_t first, const char *stream)
{
    struct mask mask = {.subtract = false};
    uint8_t expected[64];
    uint32_t words[16] = {0};
    from_hex(key, mask.key, sizeof mask.key);
    from_hex(stream, expected, sizeof expected);
    assert_int_equal(masks_apply(&mask, 1, MASK_WORD_32, first, words, 16), ST_OK);
    assert_memory_equal(words, expected, sizeof expected);
}

static void the_keystream_is_that_of_rfc_8439(void **state)
{
    (void)state;
    const char *zero = "0000000000000000000000000000000000000000000000000000000000000000";
    expect_stream(zero, 0,
                  "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
                  "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
    expect_stream(zero, 16,
                  "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
                  "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
    expect_stream("0000000000000000000000000000000000000000000000000000000000000001", 16,
                  "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
                  "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0");
    expect_stream("00ff000000000000000000000000000000000000000000000000000000000000", 32,
                  "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
                  "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
}

static struct mask drawn(bool subtract)
{
    struct mask mask = {.subtract = subtract};
    randombytes_buf(mask.key, sizeof mask.key);
    return mask;
}

static void both_libraries_give_the_same_keystream(void **state)
{
    (void)state;
    static uint32_t words[WORDS], stream[WORDS];
    const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
    struct mask mask = drawn(false);
    memset(words, 0, sizeof words);
    memset(stream, 0, sizeof stream);
    assert_int_equal(masks_apply(&mask, 1, MASK_WORD_32, 1600, words, WORDS), ST_OK);
    (void)crypto_stream_chacha20_ietf_xor_ic((uint8_t *)stream, (uint8_t *)stream, sizeof stream,
                                             nonce, 100, mask.key);
    assert_memory_equal(words, stream, sizeof words);
}

/* What one pass over the whole does, parts do in any order, for either width. */
static void parts_in_any_order_are_the_whole(enum mask_word word)
{
    struct mask masks[3] = {drawn(false), drawn(true), drawn(false)};
    uint8_t *whole = calloc(WORDS, word), *parts = calloc(WORDS, word);
    assert_non_null(whole);
    assert_non_null(parts);
    assert_int_equal(masks_apply(masks, 3, word, 0, whole, WORDS), ST_OK);
    const size_t cuts[] = {0, 16, 4096, 4112, 9008, WORDS};
    for (size_t i = 5; i > 0; i--)
        assert_int_equal(masks_apply(masks, 3, word, cuts[i - 1], parts + cuts[i - 1] * word,
                                     cuts[i] - cuts[i - 1]),
                         ST_OK);
    assert_memory_equal(whole, parts, WORDS * word);
    free(whole);
    free(parts);
}

static void parts_of_32_bits_in_any_order_are_the_whole(void **state)
{
    (void)state;
    parts_in_any_order_are_the_whole(MASK_WORD_32);
}

static void parts_of_64_bits_in_any_order_are_the_whole(void **state)
{
    (void)state;
    parts_in_any_order_are_the_whole(MASK_WORD_64);
}

static void what_one_adds_the_other_subtracts(void **state)
{
    (void)state;
    static uint64_t words[WORDS];
    struct mask masks[2] = {drawn(false), drawn(false)};
    struct mask off[2] = {masks[1], masks[0]};
    off[0].subtract = off[1].subtract = true;
    for (size_t i = 0; i < WORDS; i++)
        words[i] = i * 0x9e3779b97f4a7c15u;
    assert_int_equal(masks_apply(masks, 2, MASK_WORD_64, 0, words, WORDS), ST_OK);
    assert_int_not_equal(words[5], 5 * 0x9e3779b97f4a7c15u);
    assert_int_equal(masks_apply(off, 2, MASK_WORD_64, 0, words, WORDS), ST_OK);
    for (size_t i = 0; i < WORDS; i++)
        assert_int_equal(words[i], i * 0x9e3779b97f4a7c15u);
}

/* Chi-square over the values of bytes, of a vector of zeros under one mask: 255 degrees of
 * freedom; beyond 400 its chance is below 1e-7. A fixed key, so that it always is the same. */
static void a_masked_zero_looks_uniform(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    uint32_t seen[256] = {0};
    struct mask mask = {.key = {1, 2, 3}};
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(masks_apply(&mask, 1, MASK_WORD_32, 0, bytes, sizeof bytes / 4), ST_OK);
    for (size_t i = 0; i < sizeof bytes; i++)
        seen[bytes[i]]++;
    double expected = sizeof bytes / 256.0, chi = 0;
    for (int v = 0; v < 256; v++)
        chi += (seen[v] - expected) * (seen[v] - expected) / expected;
    assert_true(chi > 130 && chi < 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keystream_is_that_of_rfc_8439),
        cmocka_unit_test(both_libraries_give_the_same_keystream),
        cmocka_unit_test(parts_of_32_bits_in_any_order_are_the_whole),
        cmocka_unit_test(parts_of_64_bits_in_any_order_are_the_whole),
        cmocka_unit_test(what_one_adds_the_other_subtracts),
        cmocka_unit_test(a_masked_zero_looks_uniform),
    };
    return cmocka_run_group_tests_name("secagg/mask", tests, NULL, NULL);
}
