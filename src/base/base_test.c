/* Checks status, bytes, id, digest and rand against published or hand-made
 * values, then what each must refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/rand.h"
#include "base/status.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void every_status_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = ST_OK; a <= ST_TOO_LARGE; a++) {
        assert_string_not_equal(status_name((enum status)a), "unknown");
        for (int b = ST_OK; b < a; b++)
            assert_string_not_equal(status_name((enum status)a), status_name((enum status)b));
    }
    assert_string_equal(status_name(ST_NOT_FOUND), "not_found");
    assert_string_equal(status_name((enum status)999), "unknown");
}

static void why_is_written_cut_and_may_be_null(void **state)
{
    (void)state;
    struct why why;
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';

    why_set(NULL, "%d", 1);
    why_set(&why, "%s has %d legs", "cat", 4);
    assert_string_equal(why.text, "cat has 4 legs");
    why_set(&why, "%s", longer);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

static void why_is_not_cut_within_a_character(void **state)
{
    (void)state;
    struct why why;
    char text[300];
    memset(text, 'x', sizeof text);
    memcpy(text + 254, "\xe2\x82\xac", 4); /* the euro sign: 254 + 3 bytes, 255 fit */

    why_set(&why, "%s", text);

    assert_int_equal(strlen(why.text), 254);
    assert_true(why.text[253] == 'x');
}

static void trim_removes_only_an_incomplete_character(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"", ""},
        {"abc", "abc"},
        {"ab\xc3\xa4", "ab\xc3\xa4"}, /* two bytes, whole */
        {"ab\xc3", "ab"},
        {"ab\xe2\x82\xac", "ab\xe2\x82\xac"}, /* three */
        {"ab\xe2\x82", "ab"},
        {"ab\xe2", "ab"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}, /* four */
        {"\xf0\x9f\x98", ""},
        {"\xf0\x9f", ""},
        {"\x80", "\x80"}, /* never was UTF-8: not the cut's doing */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[16];
        memcpy(text, cases[i].before, strlen(cases[i].before) + 1);
        text_trim(text);
        assert_string_equal(text, cases[i].after);
    }
}

static void views_are_equal_by_content(void **state)
{
    (void)state;
    assert_true(view_equal(view_text("abc"), view_of("abcd", 3)));
    assert_true(view_equal(view_of(NULL, 0), view_text("")));
    assert_false(view_equal(view_text("abc"), view_text("abd")));
    assert_false(view_equal(view_text("abc"), view_text("ab")));
}

static void append_keeps_what_was_there(void **state)
{
    (void)state;
    struct bytes b = {0};
    for (int i = 0; i < 1000; i++) {
        uint8_t byte = (uint8_t)i;
        assert_int_equal(bytes_append(&b, view_of(&byte, 1), 1000), ST_OK);
    }
    assert_int_equal(b.size, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], i & 255);
    assert_int_equal(bytes_append(&b, view_of(NULL, 0), 1000), ST_OK);
    assert_int_equal(b.size, 1000);
    bytes_done(&b);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
}

static void append_over_the_limit_changes_nothing(void **state)
{
    (void)state;
    struct bytes b = {0};
    assert_int_equal(bytes_append(&b, view_text("12345"), 8), ST_OK);
    assert_int_equal(bytes_append(&b, view_text("6789"), 8), ST_LIMIT);
    assert_int_equal(bytes_append(&b, view_text("6"), 3), ST_LIMIT); /* below what is there */
    assert_true(view_equal(bytes_view(&b), view_text("12345")));
    assert_int_equal(bytes_append(&b, view_text("678"), 8), ST_OK); /* exactly full */
    assert_true(view_equal(bytes_view(&b), view_text("12345678")));
    bytes_done(&b);
}

static void resize_fills_with_zeros_also_after_shrinking(void **state)
{
    (void)state;
    struct bytes b = {0};
    assert_int_equal(bytes_append(&b, view_text("abcd"), 100), ST_OK);
    assert_int_equal(bytes_resize(&b, 2), ST_OK);
    assert_int_equal(bytes_resize(&b, 5), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_of("ab\0\0\0", 5)));
    assert_int_equal(bytes_resize(&b, 0), ST_OK);
    assert_int_equal(b.size, 0);
    bytes_done(&b);
}

static void copy_replaces_even_by_a_part_of_itself(void **state)
{
    (void)state;
    struct bytes b = {0};
    assert_int_equal(bytes_copy(&b, view_text("hello world")), ST_OK);
    assert_int_equal(bytes_copy(&b, view_of(b.data + 6, 5)), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_text("world")));
    bytes_done(&b);
    bytes_done(&b);
    bytes_done(NULL);
}

static void text_of_refuses_a_zero_byte(void **state)
{
    (void)state;
    char *text = text_of(view_of("abcd", 3));
    assert_string_equal(text, "abc");
    free(text);
    text = text_of(view_of(NULL, 0));
    assert_string_equal(text, "");
    free(text);
    assert_null(text_of(view_of("a\0b", 3)));
}

static void an_id_is_one_safe_topic_level(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",    "Z", "0",   "r-0001", "proplet_1", "aaaaaaaa-0000-4000-8000-000000000001",
        "a..b", "-", "x:y", "a.",     "____",
    };
    static const char *const bad[] = {
        "",    ".",   "..",     ".hidden", "a/b",      "a+",   "#",
        "a b", "a\n", "$SYS/x", "$a",      "\xc3\xa4", "a\\b", "a\x7f",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct id id;
        assert_int_equal(id_from(good[i], &id), ST_OK);
        assert_string_equal(id.text, good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct id id = {"kept"};
        assert_int_equal(id_from(bad[i], &id), ST_INVALID);
        assert_string_equal(id.text, "kept");
    }
}

static void an_id_has_1_to_64_bytes_and_no_zero(void **state)
{
    (void)state;
    char text[ID_SIZE_MAX + 2];
    memset(text, 'a', sizeof text);
    struct id id = {"kept"};

    assert_int_equal(id_of(view_of(text, ID_SIZE_MAX + 1), &id), ST_INVALID);
    assert_int_equal(id_of(view_of(NULL, 0), &id), ST_INVALID);
    assert_int_equal(id_of(view_of("a\0b", 3), &id), ST_INVALID);
    assert_string_equal(id.text, "kept");
    assert_int_equal(id_of(view_of(text, ID_SIZE_MAX), &id), ST_OK);
    assert_int_equal(strlen(id.text), 64);
}

static void ids_are_equal_by_text(void **state)
{
    (void)state;
    struct id a, b;
    assert_int_equal(id_from("a-long-name", &a), ST_OK);
    b = a;
    assert_true(id_equal(&a, &b));
    assert_int_equal(id_from("a-long", &b), ST_OK);
    assert_false(id_equal(&a, &b));
    /* What the longer name left behind must not count. */
    assert_int_equal(id_from("a-long", &a), ST_OK);
    assert_true(id_equal(&a, &b));
}

static void check_hex(struct view v, const char *expected)
{
    struct digest d = digest_of(v);
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&d, hex);
    assert_string_equal(hex, expected);
}

static void digest_is_that_of_fips_180_4(void **state)
{
    (void)state;
    check_hex(view_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_hex(view_of(NULL, 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hex(view_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

    struct bytes million = {0};
    assert_int_equal(bytes_resize(&million, 1000000), ST_OK);
    memset(million.data, 'a', million.size);
    check_hex(bytes_view(&million),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    bytes_done(&million);
}

static void digest_of_pieces_is_that_of_the_whole(void **state)
{
    (void)state;
    struct digest_stream *stream;
    struct digest whole = digest_of(view_text("federated learning"));
    assert_int_equal(digest_begin(&stream), ST_OK);
    digest_more(stream, view_text("federated"));
    digest_more(stream, view_of(NULL, 0));
    digest_more(stream, view_text(" learning"));
    struct digest pieces = digest_end(stream);
    assert_true(digest_equal(&pieces, &whole));

    assert_int_equal(digest_begin(&stream), ST_OK);
    pieces = digest_end(stream);
    whole = digest_of(view_of(NULL, 0));
    assert_true(digest_equal(&pieces, &whole));

    assert_int_equal(digest_begin(&stream), ST_OK);
    digest_drop(stream);
    digest_drop(NULL);
}

static void digest_reads_back_what_it_wrote_in_both_forms(void **state)
{
    (void)state;
    struct digest d = digest_of(view_text("abc")), read;
    char text[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];

    digest_text(&d, text);
    digest_hex(&d, hex);
    assert_string_equal(text, "sha256:"
                              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(&read, 0, sizeof read);
    assert_int_equal(digest_parse(text, &read), ST_OK);
    assert_true(digest_equal(&read, &d));
    memset(&read, 0, sizeof read);
    assert_int_equal(digest_parse(hex, &read), ST_OK);
    assert_true(digest_equal(&read, &d));
    read.bytes[31] ^= 1;
    assert_false(digest_equal(&read, &d));
}

static void digest_refuses_all_but_64_lower_case_digits(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "sha256:",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
        "sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        " ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct digest d = digest_of(view_text("kept")), before = d;
        assert_int_equal(digest_parse(bad[i], &d), ST_INVALID);
        assert_true(digest_equal(&d, &before));
    }
}

static void rand_is_splitmix64(void **state)
{
    (void)state;
    /* The first draws of the authors' reference code for two seeds. */
    static const uint64_t of_zero[] = {
        UINT64_C(0xE220A8397B1DCDAF),
        UINT64_C(0x6E789E6AA1B965F4),
        UINT64_C(0x06C45D188009454F),
        UINT64_C(0xF88BB8A8724C81EC),
    };
    static const uint64_t of_1234567[] = {
        UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),  UINT64_C(4593380528125082431),
        UINT64_C(16408922859458223821),
    };
    struct rand r = {0};
    for (size_t i = 0; i < COUNT(of_zero); i++)
        assert_true(rand_u64(&r) == of_zero[i]);
    r.state = 1234567;
    for (size_t i = 0; i < COUNT(of_1234567); i++)
        assert_true(rand_u64(&r) == of_1234567[i]);
}

static void rand_stays_in_its_range_and_fills_it(void **state)
{
    (void)state;
    struct rand r = {42};
    unsigned counts[7] = {0};
    double sum = 0;
    for (int i = 0; i < 70000; i++) {
        double unit = rand_unit(&r);
        assert_true(unit >= 0.0 && unit < 1.0);
        sum += unit;
        counts[rand_below(&r, 7)]++;
    }
    /* The mean of 70000 has a standard deviation of 0.0011; a count of 93. */
    assert_true(fabs(sum / 70000 - 0.5) < 0.006);
    for (size_t i = 0; i < COUNT(counts); i++)
        assert_true(counts[i] > 9500 && counts[i] < 10500);
    assert_true(rand_below(&r, 1) == 0);
}

static void rand_unit_is_the_upper_53_bits(void **state)
{
    (void)state;
    struct rand r = {0};
    /* 0xE220A8397B1DCDAF / 2^64, worked with long arithmetic. */
    assert_true(fabs(rand_unit(&r) - 0.8833108082136426) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(why_is_written_cut_and_may_be_null),
        cmocka_unit_test(why_is_not_cut_within_a_character),
        cmocka_unit_test(trim_removes_only_an_incomplete_character),
        cmocka_unit_test(views_are_equal_by_content),
        cmocka_unit_test(append_keeps_what_was_there),
        cmocka_unit_test(append_over_the_limit_changes_nothing),
        cmocka_unit_test(resize_fills_with_zeros_also_after_shrinking),
        cmocka_unit_test(copy_replaces_even_by_a_part_of_itself),
        cmocka_unit_test(text_of_refuses_a_zero_byte),
        cmocka_unit_test(an_id_is_one_safe_topic_level),
        cmocka_unit_test(an_id_has_1_to_64_bytes_and_no_zero),
        cmocka_unit_test(ids_are_equal_by_text),
        cmocka_unit_test(digest_is_that_of_fips_180_4),
        cmocka_unit_test(digest_of_pieces_is_that_of_the_whole),
        cmocka_unit_test(digest_reads_back_what_it_wrote_in_both_forms),
        cmocka_unit_test(digest_refuses_all_but_64_lower_case_digits),
        cmocka_unit_test(rand_is_splitmix64),
        cmocka_unit_test(rand_stays_in_its_range_and_fills_it),
        cmocka_unit_test(rand_unit_is_the_upper_53_bits),
    };
    return cmocka_run_group_tests_name("base/base", tests, NULL, NULL);
}
