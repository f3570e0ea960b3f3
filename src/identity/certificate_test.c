/* Checks certificates: their bytes, each reason to refuse one, and that none survives a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "identity/certificate.h"

#define NOW 1800000000u

static struct key *fleet, *device;

static int setup(void **state)
{
    (void)state;
    return key_new(&fleet) == ST_OK && key_new(&device) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fleet = key_free(fleet);
    device = key_free(device);
    return 0;
}

static struct certificate claims(const char *id, uint64_t serial, uint64_t not_after)
{
    struct certificate c = {.serial = serial, .not_after = not_after};
    assert_int_equal(id_from(id, &c.id), ST_OK);
    c.key = *key_public(device);
    return c;
}

static struct certificate_bytes made(const char *id, uint64_t serial, uint64_t not_after)
{
    struct certificate c = claims(id, serial, not_after);
    struct certificate_bytes b;
    assert_int_equal(certificate_sign(&c, fleet, &b), ST_OK);
    return b;
}

static enum certificate_verdict judge(struct view bytes, uint64_t now_s)
{
    struct certificate c;
    return certificate_check(bytes, key_public(fleet), now_s, NULL, &c);
}

static void the_bytes_are_those_of_the_header(void **state)
{
    (void)state;
    struct certificate_bytes b = made("dev-1", 0x0102030405060708u, 0x1112131415161718u);
    static const uint8_t numbers[] = {8,    7,    6,    5,    4,    3,    2,    1,
                                      0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
    assert_int_equal(b.size, 118 + 5);
    assert_memory_equal(b.data, "FMLC\001\005dev-1", 11);
    assert_memory_equal(b.data + 11, key_public(device)->bytes, 32);
    assert_memory_equal(b.data + 43, numbers, sizeof numbers);
    struct key_signature s;
    memcpy(s.bytes, b.data + 59, 64);
    assert_true(key_verify(key_public(fleet), "fml-certificate-v1", view_of(b.data, 59), &s));
}

static void what_was_signed_is_read_and_counts(void **state)
{
    (void)state;
    struct rand r = {3};
    for (int i = 0; i < 50; i++) {
        char id[ID_SIZE_MAX + 1];
        size_t size = (size_t)(1 + rand_below(&r, ID_SIZE_MAX));
        for (size_t k = 0; k < size; k++)
            id[k] = "abcXYZ019-_:"[rand_below(&r, 12)];
        id[size] = '\0';
        uint64_t serial = rand_u64(&r);
        struct certificate_bytes b = made(id, serial, NOW + 1);
        struct certificate c;
        assert_int_equal(certificate_check(certificate_view(&b), key_public(fleet), NOW, NULL, &c),
                         CERTIFICATE_FINE);
        assert_string_equal(c.id.text, id);
        assert_true(c.serial == serial && c.not_after == NOW + 1);
        assert_true(key_public_equal(&c.key, key_public(device)));
    }
}

static void each_reason_has_its_name(void **state)
{
    (void)state;
    struct certificate_bytes b = made("dev-1", 7, NOW);
    struct certificate c = {.serial = 99};
    struct revocations *revoked = NULL;
    assert_int_equal(revocations_new(&revoked), ST_OK);
    assert_int_equal(revocations_add(revoked, 8), ST_OK);
    const struct view v = certificate_view(&b);
    assert_int_equal(certificate_check(v, key_public(fleet), NOW, revoked, &c), CERTIFICATE_FINE);
    assert_int_equal(c.serial, 7);
    c.serial = 99;
    assert_int_equal(certificate_check(v, key_public(device), NOW, revoked, &c),
                     CERTIFICATE_FORGED);
    assert_int_equal(certificate_check(v, key_public(fleet), NOW + 1, revoked, &c),
                     CERTIFICATE_EXPIRED);
    assert_int_equal(revocations_add(revoked, 7), ST_OK);
    assert_int_equal(certificate_check(v, key_public(fleet), NOW, revoked, &c),
                     CERTIFICATE_REVOKED);
    assert_int_equal(certificate_check(view_text("FMLC"), key_public(fleet), NOW, revoked, &c),
                     CERTIFICATE_MALFORMED);
    assert_int_equal(c.serial, 99);
    (void)revocations_free(revoked);

    static const char *const names[] = {"fine", "malformed", "forged", "expired", "revoked"};
    for (int i = 0; i < CERTIFICATE_VERDICT_COUNT; i++)
        assert_string_equal(certificate_verdict_name((enum certificate_verdict)i), names[i]);
}

static void without_an_end_it_never_expires(void **state)
{
    (void)state;
    struct certificate_bytes b = made("dev-1", 7, 0);
    assert_int_equal(judge(certificate_view(&b), UINT64_MAX), CERTIFICATE_FINE);
}

static void no_bit_can_be_changed(void **state)
{
    (void)state;
    struct certificate_bytes b = made("dev-1", 7, NOW);
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        enum certificate_verdict verdict = judge(certificate_view(&b), NOW);
        assert_true(verdict == CERTIFICATE_MALFORMED || verdict == CERTIFICATE_FORGED);
        b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(judge(certificate_view(&b), NOW), CERTIFICATE_FINE);
}

static void no_other_length_is_read(void **state)
{
    (void)state;
    struct certificate_bytes b = made("dev-1", 7, NOW);
    uint8_t longer[CERTIFICATE_SIZE_MAX + 8] = {0};
    memcpy(longer, b.data, b.size);
    struct certificate c = {.serial = 99};
    for (size_t size = 0; size <= sizeof longer; size++)
        if (size != b.size) {
            assert_int_equal(certificate_read(view_of(longer, size), &c), ST_MALFORMED);
            assert_int_equal(judge(view_of(longer, size), NOW), CERTIFICATE_MALFORMED);
        }
    assert_int_equal(c.serial, 99);
}

/* A true signature over bytes that are no certificate: form is judged first. */
static void an_id_that_is_none_is_malformed(void **state)
{
    (void)state;
    struct certificate_bytes b = made("a-b", 7, NOW);
    struct key_signature s;
    memcpy(b.data + 6, "a/b", 3);
    size_t size = b.size - 64;
    assert_int_equal(key_sign(fleet, "fml-certificate-v1", view_of(b.data, size), &s), ST_OK);
    memcpy(b.data + size, s.bytes, 64);
    assert_int_equal(judge(certificate_view(&b), NOW), CERTIFICATE_MALFORMED);
}

static void it_comes_back_from_text(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "a", "ab", "abc", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < 4; i++) {
        struct certificate_bytes b = made(ids[i], 7, NOW), again = {{0}, 0};
        char text[CERTIFICATE_TEXT_SIZE];
        certificate_text(&b, text);
        assert_int_equal(certificate_parse(text, &again), ST_OK);
        assert_true(view_equal(certificate_view(&b), certificate_view(&again)));
        text[strlen(text) - 1] = '\0';
        assert_int_equal(certificate_parse(text, &again), ST_MALFORMED);
    }
    struct certificate_bytes b = {{0}, 5};
    static const char *const wrong[] = {"", "====", "Rk1MQw==", "no base64!", "Rk1M Qw=="};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(certificate_parse(wrong[i], &b), ST_MALFORMED);
    assert_int_equal(b.size, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_header),
        cmocka_unit_test(what_was_signed_is_read_and_counts),
        cmocka_unit_test(each_reason_has_its_name),
        cmocka_unit_test(without_an_end_it_never_expires),
        cmocka_unit_test(no_bit_can_be_changed),
        cmocka_unit_test(no_other_length_is_read),
        cmocka_unit_test(an_id_that_is_none_is_malformed),
        cmocka_unit_test(it_comes_back_from_text),
    };
    return cmocka_run_group_tests_name("identity/certificate", tests, setup, teardown);
}
