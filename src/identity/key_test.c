/* Checks keys against RFC 8032 and libsodium against Wycheproof, then what domains are for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "identity/key.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static size_t from_hex(const char *hex, uint8_t *ret, size_t room)
{
    size_t size = 0;
    assert_int_equal(sodium_hex2bin(ret, room, hex, strlen(hex), NULL, &size, NULL), 0);
    return size;
}

/* RFC 8032, section 7.1, TEST 1 to 3: seed, public key, message, signature. */
static const struct {
    const char *seed, *public, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
};

static void seeds_make_the_keys_of_rfc_8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rfc8032); i++) {
        uint8_t seed[KEY_SEED_SIZE], again[KEY_SEED_SIZE];
        char hex[KEY_HEX_SIZE];
        struct key *k = NULL;
        assert_int_equal(from_hex(rfc8032[i].seed, seed, sizeof seed), KEY_SEED_SIZE);
        assert_int_equal(key_of_seed(seed, &k), ST_OK);
        key_public_hex(key_public(k), hex);
        assert_string_equal(hex, rfc8032[i].public);
        key_seed(k, again);
        assert_memory_equal(seed, again, sizeof seed);
        assert_null(key_free(k));
    }
    assert_null(key_free(NULL));
}

/* The library's own calls, without our domain: is it the algorithm that we take it for. */
static void libsodium_signs_as_rfc_8032_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rfc8032); i++) {
        uint8_t seed[32], public[32], secret[64], message[8], expected[64], got[64];
        (void)from_hex(rfc8032[i].seed, seed, sizeof seed);
        size_t size = from_hex(rfc8032[i].message, message, sizeof message);
        assert_int_equal(from_hex(rfc8032[i].signature, expected, sizeof expected), 64);
        assert_int_equal(crypto_sign_seed_keypair(public, secret, seed), 0);
        assert_int_equal(crypto_sign_detached(got, NULL, message, size, secret), 0);
        assert_memory_equal(got, expected, sizeof got);
        assert_int_equal(crypto_sign_verify_detached(got, message, size, public), 0);
    }
}

/* One line of the vectors. gives: whether the library takes the signature */
static bool verifies(const char *key_hex, const char *message_hex, const char *signature_hex)
{
    static uint8_t key[32], message[2048], signature[256];
    size_t message_size = 0, signature_size = 0;
    assert_int_equal(from_hex(key_hex, key, sizeof key), sizeof key);
    if (strcmp(message_hex, "-") != 0)
        message_size = from_hex(message_hex, message, sizeof message);
    if (strcmp(signature_hex, "-") != 0)
        signature_size = from_hex(signature_hex, signature, sizeof signature);
    /* All lengths of ours are fixed: what is not 64 bytes is refused by whoever reads it. */
    return signature_size == KEY_SIGNATURE_SIZE &&
           crypto_sign_verify_detached(signature, message, message_size, key) == 0;
}

static void libsodium_judges_as_wycheproof_says(void **state)
{
    (void)state;
    static char line[8192], result[16], key[128], message[4096], signature[512];
    FILE *f = fopen("tests/vectors/ed25519_wycheproof.txt", "r");
    assert_non_null(f);
    int count = 0, id;
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#')
            continue;
        assert_int_equal(
            sscanf(line, "%d %15s %127s %4095s %511s", &id, result, key, message, signature), 5);
        if (verifies(key, message, signature) != (strcmp(result, "valid") == 0))
            fail_msg("case %d is %s", id, result);
        count++;
    }
    (void)fclose(f);
    assert_int_equal(count, 151);
}

/* The rule of the header, byte for byte: 3, "abc", then the message. */
static void what_is_signed_is_length_domain_message(void **state)
{
    (void)state;
    struct key *k = NULL;
    struct key_signature signature;
    static const char joined[] = "\003abcdef";
    assert_int_equal(key_new(&k), ST_OK);
    assert_int_equal(key_sign(k, "abc", view_text("def"), &signature), ST_OK);
    assert_int_equal(crypto_sign_verify_detached(signature.bytes, (const uint8_t *)joined,
                                                 sizeof joined - 1, key_public(k)->bytes),
                     0);
    (void)key_free(k);
}

static void a_signature_is_for_one_key_domain_and_message(void **state)
{
    (void)state;
    struct key *a = NULL, *b = NULL;
    struct key_signature s, spoilt;
    assert_int_equal(key_new(&a), ST_OK);
    assert_int_equal(key_new(&b), ST_OK);
    assert_false(key_public_equal(key_public(a), key_public(b)));
    assert_int_equal(key_sign(a, "abc", view_text("def"), &s), ST_OK);
    assert_true(key_verify(key_public(a), "abc", view_text("def"), &s));
    assert_false(key_verify(key_public(b), "abc", view_text("def"), &s));
    assert_false(key_verify(key_public(a), "abcd", view_text("ef"), &s));
    assert_false(key_verify(key_public(a), "ab", view_text("cdef"), &s));
    assert_false(key_verify(key_public(a), "abc", view_text("deg"), &s));
    assert_false(key_verify(key_public(a), "abc", view_text("de"), &s));
    assert_false(key_verify(key_public(a), "abc", view_of(NULL, 0), &s));
    for (size_t bit = 0; bit < 8 * sizeof s.bytes; bit++) {
        spoilt = s;
        spoilt.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(key_verify(key_public(a), "abc", view_text("def"), &spoilt));
    }
    (void)key_free(a);
    (void)key_free(b);
}

static void a_signature_may_be_the_end_of_what_it_signs(void **state)
{
    (void)state;
    struct key *k = NULL;
    struct key_signature s;
    uint8_t bytes[3 + KEY_SIGNATURE_SIZE] = "def";
    assert_int_equal(key_new(&k), ST_OK);
    assert_int_equal(key_sign(k, "abc", view_text("def"), &s), ST_OK);
    memcpy(bytes + 3, s.bytes, sizeof s.bytes);
    assert_true(key_verify_tail(key_public(k), "abc", view_of(bytes, sizeof bytes)));
    for (size_t size = 0; size < sizeof bytes; size++)
        assert_false(key_verify_tail(key_public(k), "abc", view_of(bytes, size)));
    /* Nothing may be signed, too. */
    assert_int_equal(key_sign(k, "abc", view_of(NULL, 0), &s), ST_OK);
    assert_true(key_verify_tail(key_public(k), "abc", view_of(s.bytes, sizeof s.bytes)));
    (void)key_free(k);
}

/* Of order 1 (the neutral element) and 2: with such a key, R = neutral and S = 0 would "sign"
 * everything. */
static void keys_of_low_order_sign_nothing(void **state)
{
    (void)state;
    struct key_public neutral = {{1}}, order_2 = {{0}};
    struct key_signature s = {{1}};
    memset(order_2.bytes, 0xff, sizeof order_2.bytes);
    order_2.bytes[0] = 0xec;
    order_2.bytes[31] = 0x7f;
    for (uint8_t i = 0; i < 64; i++) {
        assert_false(key_verify(&neutral, "abc", view_of(&i, 1), &s));
        assert_false(key_verify(&order_2, "abc", view_of(&i, 1), &s));
    }
}

static void a_public_key_has_one_spelling(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a0",
        "D75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        " 75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "g75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    };
    struct key_public key = {{7}}, untouched = {{7}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(key_public_parse(wrong[i], &key), ST_INVALID);
        assert_true(key_public_equal(&key, &untouched));
    }
    char hex[KEY_HEX_SIZE];
    assert_int_equal(key_public_parse(rfc8032[0].public, &key), ST_OK);
    key_public_hex(&key, hex);
    assert_string_equal(hex, rfc8032[0].public);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_make_the_keys_of_rfc_8032),
        cmocka_unit_test(libsodium_signs_as_rfc_8032_says),
        cmocka_unit_test(libsodium_judges_as_wycheproof_says),
        cmocka_unit_test(what_is_signed_is_length_domain_message),
        cmocka_unit_test(a_signature_is_for_one_key_domain_and_message),
        cmocka_unit_test(a_signature_may_be_the_end_of_what_it_signs),
        cmocka_unit_test(keys_of_low_order_sign_nothing),
        cmocka_unit_test(a_public_key_has_one_spelling),
    };
    return cmocka_run_group_tests_name("identity/key", tests, NULL, NULL);
}
