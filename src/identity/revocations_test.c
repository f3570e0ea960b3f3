/* Checks lists of revocations: order, bytes, who signed, which may follow which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "identity/revocations.h"

static struct key *fleet, *other;

static int setup(void **state)
{
    (void)state;
    return key_new(&fleet) == ST_OK && key_new(&other) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fleet = key_free(fleet);
    other = key_free(other);
    return 0;
}

static struct revocations *list_of(const uint64_t *serials, size_t count)
{
    struct revocations *r = NULL;
    assert_int_equal(revocations_new(&r), ST_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(revocations_add(r, serials[i]), ST_OK);
    return r;
}

static struct bytes signed_list(const uint64_t *serials, size_t count)
{
    struct revocations *r = list_of(serials, count);
    struct bytes b = {0};
    assert_int_equal(revocations_sign(r, fleet, &b), ST_OK);
    (void)revocations_free(r);
    return b;
}

static enum status judge(struct view bytes, const struct revocations *known)
{
    struct revocations *r = NULL;
    struct why why = {""};
    enum status status = revocations_check(bytes, key_public(fleet), known, &r, &why);
    assert_true((status == ST_OK) == (r != NULL));
    assert_true((status == ST_OK) == (why.text[0] == '\0'));
    (void)revocations_free(r);
    return status;
}

static void serials_are_found_whatever_their_order(void **state)
{
    (void)state;
    struct rand rand = {5};
    for (int i = 0; i < 30; i++) {
        struct revocations *r = list_of(NULL, 0);
        uint64_t in[40];
        size_t count = (size_t)rand_below(&rand, 40);
        for (size_t k = 0; k < count; k++) {
            do
                in[k] = rand_below(&rand, 200) * 2; /* even */
            while (revocations_contain(r, in[k]));
            assert_int_equal(revocations_add(r, in[k]), ST_OK);
            assert_int_equal(revocations_add(r, in[k]), ST_EXISTS);
        }
        assert_int_equal(revocations_count(r), count);
        assert_int_equal(revocations_number(r), count);
        for (size_t k = 0; k < count; k++) {
            assert_true(revocations_contain(r, in[k]));
            assert_false(revocations_contain(r, in[k] + 1));
        }
        (void)revocations_free(r);
    }
    assert_null(revocations_free(NULL));
}

static void the_bytes_are_those_of_the_header(void **state)
{
    (void)state;
    struct bytes b = signed_list((const uint64_t[]){0x0102030405060708u, 5}, 2);
    static const uint8_t expected[] = {'F', 'M', 'L', 'R', 1, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
                                       5,   0,   0,   0,   0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1};
    assert_int_equal(b.size, sizeof expected + 64);
    assert_memory_equal(b.data, expected, sizeof expected);
    struct key_signature s;
    memcpy(s.bytes, b.data + sizeof expected, 64);
    assert_true(
        key_verify(key_public(fleet), "fml-revocations-v1", view_of(b.data, sizeof expected), &s));
    bytes_done(&b);
}

static void what_was_signed_is_read(void **state)
{
    (void)state;
    for (size_t count = 0; count < 4; count++) {
        struct bytes b = signed_list((const uint64_t[]){9, 0, UINT64_MAX}, count);
        struct revocations *r = NULL;
        assert_int_equal(b.size, 81 + 8 * count);
        assert_int_equal(revocations_check(bytes_view(&b), key_public(fleet), NULL, &r, NULL),
                         ST_OK);
        assert_int_equal(revocations_count(r), count);
        assert_int_equal(revocations_number(r), count);
        assert_true(revocations_contain(r, 9) == (count > 0));
        assert_true(revocations_contain(r, UINT64_MAX) == (count > 2));
        /* A list that was read can be added to. */
        assert_int_equal(revocations_add(r, 10), ST_OK);
        assert_true(revocations_contain(r, 10));
        (void)revocations_free(r);
        bytes_done(&b);
    }
}

static void no_bit_can_be_changed_and_no_other_length_is_read(void **state)
{
    (void)state;
    struct bytes b = signed_list((const uint64_t[]){1, 2, 3}, 3);
    size_t size = b.size;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        enum status status = judge(bytes_view(&b), NULL);
        assert_true(status == ST_MALFORMED || status == ST_CORRUPT);
        b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(judge(bytes_view(&b), NULL), ST_OK);
    assert_int_equal(bytes_resize(&b, size + 16), ST_OK);
    for (size_t cut = 0; cut <= b.size; cut++)
        if (cut != size)
            assert_int_equal(judge(view_of(b.data, cut), NULL), ST_MALFORMED);
    bytes_done(&b);
}

static void another_key_is_not_the_fleets(void **state)
{
    (void)state;
    struct revocations *r = list_of(NULL, 0);
    struct bytes b = {0};
    assert_int_equal(revocations_sign(r, other, &b), ST_OK);
    assert_int_equal(judge(bytes_view(&b), NULL), ST_CORRUPT);
    (void)revocations_free(r);
    bytes_done(&b);
}

static void an_older_list_does_not_come_back(void **state)
{
    (void)state;
    struct revocations *known = list_of((const uint64_t[]){1, 2}, 2);
    struct bytes older = signed_list((const uint64_t[]){1}, 1);
    struct bytes same = signed_list((const uint64_t[]){2, 1}, 2);
    struct bytes fork = signed_list((const uint64_t[]){1, 3}, 2);
    struct bytes newer = signed_list((const uint64_t[]){4, 5, 6}, 3);
    assert_int_equal(judge(bytes_view(&older), known), ST_EXISTS);
    assert_int_equal(judge(bytes_view(&same), known), ST_OK);
    assert_int_equal(judge(bytes_view(&fork), known), ST_EXISTS);
    assert_int_equal(judge(bytes_view(&newer), known), ST_OK);
    (void)revocations_free(known);
    bytes_done(&older);
    bytes_done(&same);
    bytes_done(&fork);
    bytes_done(&newer);
}

/* Signed as they are: only the form can refuse them. */
static void serials_out_of_order_or_twice_are_malformed(void **state)
{
    (void)state;
    static const uint8_t second[] = {1, 0};
    for (size_t i = 0; i < sizeof second; i++) {
        struct bytes b = signed_list((const uint64_t[]){1, 2}, 2);
        size_t size = b.size - 64;
        struct key_signature s;
        b.data[25] = second[i];
        assert_int_equal(key_sign(fleet, "fml-revocations-v1", view_of(b.data, size), &s), ST_OK);
        memcpy(b.data + size, s.bytes, 64);
        assert_int_equal(judge(bytes_view(&b), NULL), ST_MALFORMED);
        bytes_done(&b);
    }
}

static void a_list_has_its_limit(void **state)
{
    (void)state;
    struct revocations *r = list_of(NULL, 0), *again = NULL;
    for (uint64_t i = 0; i < REVOCATIONS_MAX; i++)
        assert_int_equal(revocations_add(r, i), ST_OK);
    assert_int_equal(revocations_add(r, REVOCATIONS_MAX), ST_LIMIT);
    assert_int_equal(revocations_number(r), REVOCATIONS_MAX);
    struct bytes b = {0};
    assert_int_equal(revocations_sign(r, fleet, &b), ST_OK);
    assert_int_equal(b.size, REVOCATIONS_SIZE_MAX);
    assert_int_equal(revocations_read(bytes_view(&b), &again), ST_OK);
    assert_true(revocations_contain(again, REVOCATIONS_MAX - 1));
    (void)revocations_free(again);
    again = NULL;
    /* One more would be a list as it should be, but for the limit. */
    assert_int_equal(bytes_resize(&b, b.size + 8), ST_OK);
    b.data[13]++;
    assert_int_equal(revocations_read(bytes_view(&b), &again), ST_MALFORMED);
    assert_null(again);
    bytes_done(&b);
    (void)revocations_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serials_are_found_whatever_their_order),
        cmocka_unit_test(the_bytes_are_those_of_the_header),
        cmocka_unit_test(what_was_signed_is_read),
        cmocka_unit_test(no_bit_can_be_changed_and_no_other_length_is_read),
        cmocka_unit_test(another_key_is_not_the_fleets),
        cmocka_unit_test(an_older_list_does_not_come_back),
        cmocka_unit_test(serials_out_of_order_or_twice_are_malformed),
        cmocka_unit_test(a_list_has_its_limit),
    };
    return cmocka_run_group_tests_name("identity/revocations", tests, setup, teardown);
}
