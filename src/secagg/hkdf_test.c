/* RFC 5869, appendix A.1 to A.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secagg/hex.h"
#include "secagg/hkdf.h"

static void fill(uint8_t *bytes, uint8_t first, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(first + i);
}

static void expect(struct view key, struct view salt, struct view info, const char *okm,
                   size_t size)
{
    uint8_t expected[128], found[128];
    from_hex(okm, expected, size);
    assert_int_equal(hkdf_sha256(key, salt, info, found, size), ST_OK);
    assert_memory_equal(found, expected, size);
}

static void case_a1(void **state)
{
    (void)state;
    uint8_t key[22], salt[13], info[10];
    memset(key, 0x0b, sizeof key);
    fill(salt, 0, sizeof salt);
    fill(info, 0xf0, sizeof info);
    expect(view_of(key, sizeof key), view_of(salt, sizeof salt), view_of(info, sizeof info),
           "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
           "34007208d5b887185865",
           42);
}

static void case_a2(void **state)
{
    (void)state;
    uint8_t key[80], salt[80], info[80];
    fill(key, 0, sizeof key);
    fill(salt, 0x60, sizeof salt);
    fill(info, 0xb0, sizeof info);
    expect(view_of(key, sizeof key), view_of(salt, sizeof salt), view_of(info, sizeof info),
           "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
           "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
           "cc30c58179ec3e87c14c01d5c1f3434f1d87",
           82);
}

static void case_a3_has_neither_salt_nor_info(void **state)
{
    (void)state;
    uint8_t key[22];
    memset(key, 0x0b, sizeof key);
    expect(view_of(key, sizeof key), view_of(NULL, 0), view_of(NULL, 0),
           "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
           "9d201395faa4b61a96c8",
           42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_a1),
        cmocka_unit_test(case_a2),
        cmocka_unit_test(case_a3_has_neither_salt_nor_info),
    };
    return cmocka_run_group_tests_name("secagg/hkdf", tests, NULL, NULL);
}
