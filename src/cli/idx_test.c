/* IDX files against bytes written by hand, then what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/idx.h"

/* Three images of 1 x 2. */
static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 9, 0};

static void images_are_read(void **state)
{
    (void)state;
    struct idx_images i;
    assert_int_equal(idx_images_decode(view_of(images, sizeof images), &i, NULL), ST_OK);
    assert_int_equal(i.count, 3);
    assert_int_equal(i.rows, 1);
    assert_int_equal(i.columns, 2);
    assert_int_equal(i.pixels[5], 6);
}

static void labels_are_read_with_the_highest(void **state)
{
    (void)state;
    struct idx_labels l;
    assert_int_equal(idx_labels_decode(view_of(labels, sizeof labels), &l, NULL), ST_OK);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.highest, 9);
    assert_int_equal(l.values[2], 0);
}

static void refuse_images(const uint8_t *bytes, size_t size, enum status expected)
{
    struct idx_images i = {.count = 42};
    struct why why = {""};
    assert_int_equal(idx_images_decode(view_of(bytes, size), &i, &why), expected);
    assert_int_equal(i.count, 42);
    assert_true(strlen(why.text) > 0);
}

static void every_shorter_file_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof images; size++)
        refuse_images(images, size, ST_MALFORMED);
}

static void a_longer_file_is_refused(void **state)
{
    (void)state;
    uint8_t longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    refuse_images(longer, sizeof longer, ST_MALFORMED);
}

static void another_format_is_refused(void **state)
{
    (void)state;
    uint8_t wrong[sizeof images];
    for (size_t at = 0; at < 4; at++) {
        memcpy(wrong, images, sizeof images);
        wrong[at] ^= 1;
        refuse_images(wrong, sizeof wrong, ST_MALFORMED);
    }
    refuse_images(labels, sizeof labels, ST_MALFORMED);
}

static void a_packed_file_is_named_as_such(void **state)
{
    (void)state;
    uint8_t packed[32] = {0x1f, 0x8b, 8};
    struct idx_images i;
    struct why why = {""};
    assert_int_equal(idx_images_decode(view_of(packed, sizeof packed), &i, &why), ST_MALFORMED);
    assert_non_null(strstr(why.text, "gunzip"));
}

static void impossible_dimensions_are_refused(void **state)
{
    (void)state;
    uint8_t wrong[sizeof images];
    memcpy(wrong, images, sizeof images);
    wrong[7] = 0; /* no images */
    refuse_images(wrong, sizeof wrong, ST_MALFORMED);
    memcpy(wrong, images, sizeof images);
    wrong[4] = 0xff; /* four billion of them: the product must not wrap */
    refuse_images(wrong, sizeof wrong, ST_LIMIT);
    memcpy(wrong, images, sizeof images);
    wrong[8] = 0xff;
    refuse_images(wrong, sizeof wrong, ST_LIMIT);
}

static void wrong_labels_are_refused(void **state)
{
    (void)state;
    struct idx_labels l = {.count = 42};
    for (size_t size = 0; size < sizeof labels; size++)
        assert_int_equal(idx_labels_decode(view_of(labels, size), &l, NULL), ST_MALFORMED);
    assert_int_equal(idx_labels_decode(view_of(images, sizeof images), &l, NULL), ST_MALFORMED);
    assert_int_equal(l.count, 42);
}

static void a_choice_is_written_in_its_order(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6, 1, 2};
    static const uint8_t expected_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 7};
    struct idx_images i;
    struct idx_labels l;
    struct bytes out = {0};
    assert_int_equal(idx_images_decode(view_of(images, sizeof images), &i, NULL), ST_OK);
    assert_int_equal(idx_labels_decode(view_of(labels, sizeof labels), &l, NULL), ST_OK);
    assert_int_equal(idx_images_encode(&i, (const uint32_t[]){2, 0}, 2, &out), ST_OK);
    assert_int_equal(out.size, sizeof expected);
    assert_memory_equal(out.data, expected, sizeof expected);
    assert_int_equal(idx_labels_encode(&l, (const uint32_t[]){2, 0}, 2, &out), ST_OK);
    assert_int_equal(out.size, sizeof expected_labels);
    assert_memory_equal(out.data, expected_labels, sizeof expected_labels);
    bytes_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_read),
        cmocka_unit_test(labels_are_read_with_the_highest),
        cmocka_unit_test(every_shorter_file_is_refused),
        cmocka_unit_test(a_longer_file_is_refused),
        cmocka_unit_test(another_format_is_refused),
        cmocka_unit_test(a_packed_file_is_named_as_such),
        cmocka_unit_test(impossible_dimensions_are_refused),
        cmocka_unit_test(wrong_labels_are_refused),
        cmocka_unit_test(a_choice_is_written_in_its_order),
    };
    return cmocka_run_group_tests_name("cli/idx", tests, NULL, NULL);
}
