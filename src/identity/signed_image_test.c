/* Checks signed modules: the bytes, each reason to refuse one, and what a hostile module does to
 * the walk over its sections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/digest.h"
#include "identity/signed_image.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A type section of one function without parameters, and a custom section "ab" with one byte. */
static const uint8_t module[] = {0,    'a',  's', 'm', 1, 0, 0, 0,   1,   4,
                                 0x01, 0x60, 0,   0,   0, 4, 2, 'a', 'b', 9};
#define PREAMBLE 8

static struct key *publisher, *other;

static int setup(void **state)
{
    (void)state;
    return key_new(&publisher) == ST_OK && key_new(&other) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    publisher = key_free(publisher);
    other = key_free(other);
    return 0;
}

static struct view plain(void)
{
    return view_of(module, sizeof module);
}

static struct bytes signed_by(struct view v, const struct key *key)
{
    struct bytes b = {0};
    assert_int_equal(signed_image_sign(v, key, &b), ST_OK);
    return b;
}

/* By the publisher alone. */
static enum signed_image_verdict judge(struct view v)
{
    return signed_image_check(v, key_public(publisher), 1, NULL);
}

static void the_section_is_that_of_the_header(void **state)
{
    (void)state;
    struct bytes b = signed_by(plain(), publisher);
    struct digest digest = digest_of(plain());
    struct key_signature s;
    const uint8_t *section = b.data + sizeof module;
    assert_int_equal(b.size, sizeof module + 112);
    assert_memory_equal(b.data, module, sizeof module);
    assert_memory_equal(section, "\0\156\015fml.publisher", 16);
    assert_memory_equal(section + 16, key_public(publisher)->bytes, 32);
    memcpy(s.bytes, section + 48, 64);
    assert_true(key_verify(key_public(publisher), "fml-image-v1", view_of(digest.bytes, 32), &s));
    bytes_done(&b);
}

static void a_signature_is_found_among_publishers(void **state)
{
    (void)state;
    const struct key_public both[] = {*key_public(other), *key_public(publisher)};
    struct bytes b = signed_by(plain(), publisher);
    size_t which = 77;
    assert_int_equal(signed_image_check(bytes_view(&b), both, 1, &which), SIGNED_IMAGE_UNKNOWN);
    assert_int_equal(signed_image_check(bytes_view(&b), NULL, 0, &which), SIGNED_IMAGE_UNKNOWN);
    assert_int_equal(which, 77);
    assert_int_equal(signed_image_check(bytes_view(&b), both, 2, &which), SIGNED_IMAGE_FINE);
    assert_int_equal(which, 1);
    bytes_done(&b);
}

static void each_reason_has_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {"fine", "unsigned", "malformed", "unknown_publisher",
                                        "forged"};
    for (int i = 0; i < SIGNED_IMAGE_VERDICT_COUNT; i++)
        assert_string_equal(signed_image_verdict_name((enum signed_image_verdict)i), names[i]);
    assert_int_equal(judge(plain()), SIGNED_IMAGE_UNSIGNED);
    assert_int_equal(judge(view_of(module, PREAMBLE)), SIGNED_IMAGE_UNSIGNED);
    /* The publisher's name under another's signature. */
    struct bytes b = signed_by(plain(), other);
    memcpy(b.data + sizeof module + 16, key_public(publisher)->bytes, 32);
    assert_int_equal(judge(bytes_view(&b)), SIGNED_IMAGE_FORGED);
    bytes_done(&b);
}

static void signing_again_takes_the_place_of_a_signature(void **state)
{
    (void)state;
    struct bytes first = signed_by(plain(), other);
    struct bytes second = signed_by(bytes_view(&first), publisher);
    struct bytes direct = signed_by(plain(), publisher);
    assert_true(view_equal(bytes_view(&second), bytes_view(&direct)));
    assert_int_equal(judge(bytes_view(&second)), SIGNED_IMAGE_FINE);
    bytes_done(&first);
    bytes_done(&second);
    bytes_done(&direct);
}

static void no_bit_can_be_changed_and_nothing_cut_or_added(void **state)
{
    (void)state;
    struct bytes b = signed_by(plain(), publisher);
    size_t size = b.size;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(judge(bytes_view(&b)), SIGNED_IMAGE_FINE);
        b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(judge(bytes_view(&b)), SIGNED_IMAGE_FINE);
    assert_int_equal(bytes_resize(&b, size + 40), ST_OK);
    for (size_t cut = 0; cut <= b.size; cut++)
        if (cut != size)
            assert_int_not_equal(judge(view_of(b.data, cut)), SIGNED_IMAGE_FINE);
    bytes_done(&b);
}

/* gives: the module with these bytes behind it */
static struct bytes with(const void *tail, size_t size)
{
    struct bytes b = {0};
    assert_int_equal(bytes_append(&b, plain(), SIZE_MAX), ST_OK);
    assert_int_equal(bytes_append(&b, view_of(tail, size), SIZE_MAX), ST_OK);
    return b;
}

static void sections_that_are_none_are_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } tails[] = {
        {"\001", 1},                         /* a size is missing */
        {"\001\001", 2},                     /* shorter than its size */
        {"\001\200", 2},                     /* a size that does not end */
        {"\001\200\200\200\200\020", 6},     /* more than 32 bits */
        {"\001\200\200\200\200\200\000", 7}, /* more than five bytes */
        {"\001\377\377\377\377\017", 6},     /* 4 GiB */
        {"\000\000", 2},                     /* a custom section without a name */
        {"\000\001\001", 3},                 /* its name reaches beyond it */
        {"\000\002\377\000", 4},             /* and so does the name's size */
        {"\000\016\015fml.publisher", 16},   /* ours, but empty */
    };
    for (size_t i = 0; i < COUNT(tails); i++) {
        struct bytes b = with(tails[i].bytes, tails[i].size), unused = {0};
        if (judge(bytes_view(&b)) != SIGNED_IMAGE_MALFORMED)
            fail_msg("%zu", i);
        assert_int_equal(signed_image_sign(bytes_view(&b), publisher, &unused), ST_MALFORMED);
        assert_null(unused.data);
        bytes_done(&b);
    }
    static const char *const none[] = {"", "\0asm", "\0asm\2\0\0\0", "(module)"};
    static const size_t sizes[] = {0, 4, 8, 8};
    for (size_t i = 0; i < COUNT(none); i++)
        assert_int_equal(judge(view_of(none[i], sizes[i])), SIGNED_IMAGE_MALFORMED);
}

static void sizes_in_longer_forms_are_sizes(void **state)
{
    (void)state;
    /* Two bytes in a section whose size takes five. */
    struct bytes b = with("\013\202\200\200\200\000xy", 8);
    assert_int_equal(judge(bytes_view(&b)), SIGNED_IMAGE_UNSIGNED);
    struct bytes s = signed_by(bytes_view(&b), publisher);
    assert_int_equal(judge(bytes_view(&s)), SIGNED_IMAGE_FINE);
    bytes_done(&b);
    bytes_done(&s);
}

/* A true signature that is not the last section, or not the only one, or in another form. */
static void a_signature_has_one_place_and_one_form(void **state)
{
    (void)state;
    static const uint8_t custom[] = {0, 2, 1, 'x'};
    struct bytes b = signed_by(plain(), publisher);
    struct view section = view_of(b.data + sizeof module, SIGNED_IMAGE_SECTION_SIZE);

    struct bytes followed = {0};
    assert_int_equal(bytes_copy(&followed, bytes_view(&b)), ST_OK);
    assert_int_equal(bytes_append(&followed, view_of(custom, sizeof custom), SIZE_MAX), ST_OK);
    assert_int_equal(judge(bytes_view(&followed)), SIGNED_IMAGE_MALFORMED);

    struct bytes twice = {0};
    assert_int_equal(bytes_copy(&twice, bytes_view(&b)), ST_OK);
    assert_int_equal(bytes_append(&twice, section, SIZE_MAX), ST_OK);
    assert_int_equal(judge(bytes_view(&twice)), SIGNED_IMAGE_MALFORMED);

    /* The same size in two bytes of LEB128. */
    struct bytes longer = with("\000\356\000", 3);
    assert_int_equal(bytes_append(&longer, view_of(section.data + 2, 110), SIZE_MAX), ST_OK);
    assert_int_equal(judge(bytes_view(&longer)), SIGNED_IMAGE_MALFORMED);

    bytes_done(&b);
    bytes_done(&followed);
    bytes_done(&twice);
    bytes_done(&longer);
}

static void a_module_at_the_limit_has_no_room_for_a_signature(void **state)
{
    (void)state;
    struct bytes b = {0}, s = {0};
    assert_int_equal(bytes_append(&b, view_of(module, PREAMBLE), SIZE_MAX), ST_OK);
    /* One section that fills the rest: IMAGE_SIZE_MAX is 2^26. */
    size_t content = IMAGE_SIZE_MAX - SIGNED_IMAGE_SECTION_SIZE - PREAMBLE - 6;
    uint8_t head[6] = {11};
    for (size_t i = 0; i < 5; i++)
        head[1 + i] = (uint8_t)(((content >> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0));
    assert_int_equal(bytes_append(&b, view_of(head, sizeof head), SIZE_MAX), ST_OK);
    assert_int_equal(bytes_resize(&b, PREAMBLE + 6 + content), ST_OK);
    assert_int_equal(signed_image_sign(bytes_view(&b), publisher, &s), ST_OK);
    assert_int_equal(s.size, IMAGE_SIZE_MAX);
    bytes_done(&s);
    b.data[PREAMBLE + 1]++; /* no carry: the size's last seven bits are not all set */
    assert_int_not_equal((content & 0x7f), 0x7f);
    assert_int_equal(bytes_resize(&b, b.size + 1), ST_OK);
    assert_int_equal(signed_image_sign(bytes_view(&b), publisher, &s), ST_LIMIT);
    assert_null(s.data);
    bytes_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_section_is_that_of_the_header),
        cmocka_unit_test(a_signature_is_found_among_publishers),
        cmocka_unit_test(each_reason_has_its_name),
        cmocka_unit_test(signing_again_takes_the_place_of_a_signature),
        cmocka_unit_test(no_bit_can_be_changed_and_nothing_cut_or_added),
        cmocka_unit_test(sections_that_are_none_are_malformed),
        cmocka_unit_test(sizes_in_longer_forms_are_sizes),
        cmocka_unit_test(a_signature_has_one_place_and_one_form),
        cmocka_unit_test(a_module_at_the_limit_has_no_room_for_a_signature),
    };
    return cmocka_run_group_tests_name("identity/signed_image", tests, setup, teardown);
}
