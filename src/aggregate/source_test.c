/* Checks source.c: values worked by hand for each dtype and for few values, what a measure says,
 * and each way in which sources do not fit a rule. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/source.h"

/* One tensor of each dtype: coordinates 0..1, 2..4, 5..6, 7..9. */
static const uint8_t f32_bytes[] = {0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0}; /* 1.5, -2 */
static const uint8_t f16_bytes[] = {0, 0x3c, 1, 0, 0xff, 0xfb};       /* 1, 2^-24, -65504 */
static const uint8_t bf16_bytes[] = {0x80, 0x3f, 0x40, 0xc0};         /* 1, -3 */
static const uint8_t i8_bytes[] = {0, 0x80, 0x7f};                    /* 0, -128, 127 */
static const float values[10] = {1.5f, -2, 1, 0x1p-24f, -65504, 1, -3, 0, -32, 31.75f};

static const struct piece pieces[] = {
    {.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
    {.from = 2, .count = 3, .bytes = f16_bytes, .dtype = DTYPE_F16},
    {.from = 5, .count = 2, .bytes = bf16_bytes, .dtype = DTYPE_BF16},
    {.from = 7, .count = 3, .bytes = i8_bytes, .dtype = DTYPE_I8, .scale = 0.25f},
};

static struct source source(const char *participant)
{
    struct source s = {.weight = 1, .pieces = pieces, .piece_count = 4};
    assert_int_equal(id_from(participant, &s.participant), ST_OK);
    return s;
}

static void each_dtype_is_decoded(void **state)
{
    (void)state;
    struct source s = source("a");
    float out[10];
    source_read(&s, 0, 10, out);
    for (size_t i = 0; i < 10; i++)
        assert_true(out[i] == values[i]);
}

static void any_range_is_read(void **state)
{
    (void)state;
    struct source s = source("a");
    for (size_t from = 0; from < 10; from++)
        for (size_t to = from + 1; to <= 10; to++) {
            float out[11];
            out[to - from] = 77;
            source_read(&s, from, to, out);
            assert_memory_equal(out, values + from, (to - from) * sizeof out[0]);
            assert_true(out[to - from] == 77);
        }
}

static void bytes_need_no_alignment(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t moved[sizeof f32_bytes + 8];
        memcpy(moved + shift, f32_bytes, sizeof f32_bytes);
        struct piece p = {.count = 2, .bytes = moved + shift, .dtype = DTYPE_F32};
        struct source s = source("a");
        s.pieces = &p;
        s.piece_count = 1;
        float out[2];
        source_read(&s, 0, 2, out);
        assert_true(out[0] == 1.5f && out[1] == -2);
    }
}

static void a_difference_is_added_to_its_base(void **state)
{
    (void)state;
    struct source s = source("a");
    float base[10], out[5];
    for (size_t i = 0; i < 10; i++)
        base[i] = (float)i;
    s.base = base;
    source_read(&s, 5, 10, out);
    for (size_t i = 0; i < 5; i++)
        assert_true(out[i] == values[5 + i] + (float)(5 + i));
}

/* 3000 coordinates of which every 7th has a value, so that a list is longer than what is
 * decoded at a time; two coordinates before it and three after it. */
static void few_values_are_read_at_their_places(void **state)
{
    (void)state;
    enum { COUNT = 3000, STEP = 7, LISTED = (COUNT + STEP - 1) / STEP, ALL = COUNT + 5 };
    static uint8_t moved[LISTED * 4 + 1];
    static int8_t small[LISTED];
    static float base[ALL], expected[ALL], out[ALL + 1];
    const float dense[5] = {1, 2, 3, 4, 5};
    for (uint32_t i = 0; i < LISTED; i++) {
        uint32_t index = i * STEP;
        memcpy(moved + 1 + 4 * (size_t)i, &index, 4); /* at no alignment */
        small[i] = (int8_t)(i % 100);
    }
    for (size_t c = 0; c < ALL; c++) {
        base[c] = (float)c;
        size_t in = c - 2; /* wraps before it: not below COUNT */
        float value = c < 2 ? dense[c] : in >= COUNT ? dense[c - COUNT] : 0;
        if (in < COUNT && in % STEP == 0)
            value = 0.5f * (float)small[in / STEP];
        expected[c] = base[c] + value;
    }
    const struct piece few[] = {
        {.from = 0, .count = 2, .bytes = (const uint8_t *)dense, .dtype = DTYPE_F32},
        {.from = 2,
         .count = COUNT,
         .bytes = (const uint8_t *)small,
         .dtype = DTYPE_I8,
         .scale = 0.5f,
         .indices = moved + 1,
         .listed = LISTED},
        {.from = 2 + COUNT, .count = 3, .bytes = (const uint8_t *)(dense + 2), .dtype = DTYPE_F32}};
    struct source s = source("a");
    s.pieces = few;
    s.piece_count = 3;
    s.base = base;
    assert_int_equal(sources_check(&s, 1, 0, ALL, NULL), ST_OK);
    const size_t ends[] = {0, 1, 2, 3, 8, 9, 10, 1024, 1025, 2998, 3000, 3001, 3002, 3003, ALL};
    size_t ends_count = sizeof ends / sizeof ends[0];
    for (size_t i = 0; i < ends_count; i++)
        for (size_t j = i + 1; j < ends_count; j++) {
            size_t count = ends[j] - ends[i];
            out[count] = 77;
            source_read(&s, ends[i], ends[j], out);
            assert_memory_equal(out, expected + ends[i], count * sizeof out[0]);
            assert_true(out[count] == 77);
        }
    double squares = 0, by_hand = 0;
    assert_int_equal(source_measure(&s, base, &squares, NULL), ST_OK);
    for (size_t c = 0; c < ALL; c++)
        by_hand += (double)(expected[c] - base[c]) * (double)(expected[c] - base[c]);
    assert_true(fabs(squares - by_hand) < 1e-9 * by_hand);

    /* The bytes behind a range are those of its values, and as many indices. */
    assert_int_equal(piece_values(&few[1], 2, 10).size, 2);
    assert_int_equal(piece_indices(&few[1], 2, 10).size, 8);
    assert_ptr_equal(piece_indices(&few[1], 9, 10).data, moved + 5);
    assert_int_equal(piece_indices(&few[1], 3, 9).size, 0);
    assert_int_equal(piece_values(&few[0], 1, 2).size, 4);
    assert_int_equal(piece_indices(&few[0], 1, 2).size, 0);
}

static void few_values_that_are_no_differences_are_refused(void **state)
{
    (void)state;
    const uint32_t index = 1;
    const float value = 1, base[2] = {0, 0};
    struct piece p = {.count = 2,
                      .bytes = (const uint8_t *)&value,
                      .dtype = DTYPE_F32,
                      .indices = (const uint8_t *)&index,
                      .listed = 1};
    struct source s = source("a");
    struct why why = {""};
    s.pieces = &p;
    s.piece_count = 1;
    assert_int_equal(sources_check(&s, 1, 0, 2, &why), ST_INVALID);
    assert_string_equal(why.text, "piece 0 of a lists values that are not a few differences");
    s.base = base;
    assert_int_equal(sources_check(&s, 1, 0, 2, NULL), ST_OK);
    p.listed = 3;
    assert_int_equal(sources_check(&s, 1, 0, 2, NULL), ST_INVALID);
    p.listed = 0;
    assert_int_equal(sources_check(&s, 1, 0, 2, NULL), ST_INVALID);
}

static void a_measure_is_the_squared_distance(void **state)
{
    (void)state;
    struct source s = source("a");
    s.piece_count = 1;
    float model[10] = {-1.5f, 2};
    double squares = 0;
    assert_int_equal(source_measure(&s, NULL, &squares, NULL), ST_OK);
    assert_true(squares == 1.5 * 1.5 + 2 * 2);
    assert_int_equal(source_measure(&s, model, &squares, NULL), ST_OK);
    assert_true(squares == 3 * 3 + 4 * 4);
}

static void a_measure_sees_each_piece(void **state)
{
    (void)state;
    struct source s = source("a");
    double squares = 0;
    assert_int_equal(source_measure(&s, NULL, &squares, NULL), ST_OK);
    assert_true(squares == 2.25 + 4 + 1 + 0x1p-48 + 65504.0 * 65504 + 1 + 9 + 1024 + 31.75 * 31.75);
}

static void differences_are_measured_with_their_base(void **state)
{
    (void)state;
    struct source s = source("a");
    float base[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    double with_base = 0, without = 0;
    assert_int_equal(source_measure(&s, NULL, &without, NULL), ST_OK);
    s.base = base;
    s.piece_count = 1;
    assert_int_equal(source_measure(&s, base, &with_base, NULL), ST_OK);
    assert_true(with_base == 2.25 + 4);
    assert_int_equal(source_measure(&s, NULL, &with_base, NULL), ST_OK);
    assert_true(with_base == 2.5 * 2.5 + 1);
}

static void a_value_that_is_not_finite_is_named(void **state)
{
    (void)state;
    /* Infinities and NaN of each dtype that has them, at coordinate 1. */
    static const struct {
        uint8_t bytes[8];
        enum dtype dtype;
    } cases[] = {
        {{0, 0, 0, 0, 0, 0, 0x80, 0x7f}, DTYPE_F32},
        {{0, 0, 0, 0, 0, 0, 0x80, 0xff}, DTYPE_F32},
        {{0, 0, 0, 0, 1, 0, 0x80, 0x7f}, DTYPE_F32},
        {{0, 0, 0, 0x7c}, DTYPE_F16},
        {{0, 0, 1, 0x7c}, DTYPE_F16},
        {{0, 0, 0, 0xfc}, DTYPE_F16},
        {{0, 0, 0x80, 0xff}, DTYPE_BF16},
        {{0, 0, 0x81, 0x7f}, DTYPE_BF16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct piece p = {.count = 2, .bytes = cases[i].bytes, .dtype = cases[i].dtype};
        struct source s = source("a");
        s.pieces = &p;
        s.piece_count = 1;
        struct why why;
        double squares = 5;
        assert_int_equal(source_measure(&s, NULL, &squares, &why), ST_NOT_FINITE);
        assert_string_equal(why.text, "the value at 1 is not finite");
        assert_true(squares == 5);
    }
}

static void a_base_that_lifts_a_value_out_of_range_is_seen(void **state)
{
    (void)state;
    const float largest = 3.4028235e38f;
    struct piece p = {.count = 1, .bytes = (const uint8_t *)&largest, .dtype = DTYPE_F32};
    struct source s = source("a");
    s.pieces = &p;
    s.piece_count = 1;
    s.base = &largest;
    double squares = 5;
    assert_int_equal(source_measure(&s, NULL, &squares, NULL), ST_NOT_FINITE);
    assert_true(squares == 5);
}

static void the_largest_values_have_a_finite_measure(void **state)
{
    (void)state;
    const float largest = 3.4028235e38f, model = -3.4028235e38f;
    struct piece p = {.count = 1, .bytes = (const uint8_t *)&largest, .dtype = DTYPE_F32};
    struct source s = source("a");
    s.pieces = &p;
    s.piece_count = 1;
    double squares = 0, distance = 2.0 * (double)largest;
    assert_int_equal(source_measure(&s, &model, &squares, NULL), ST_OK);
    assert_true(squares == distance * distance);
}

static void sources_in_the_order_of_ids_fit(void **state)
{
    (void)state;
    struct source s[] = {source("a"), source("b"), source("b0")};
    assert_int_equal(sources_check(s, 3, 0, 10, NULL), ST_OK);
    assert_int_equal(sources_check(s, 3, 4, 6, NULL), ST_OK);
}

static void ids_out_of_order_or_twice_are_refused(void **state)
{
    (void)state;
    struct source s[] = {source("b"), source("a")};
    struct why why;
    assert_int_equal(sources_check(s, 2, 0, 10, &why), ST_INVALID);
    assert_string_equal(why.text, "a does not come after b");
    s[1] = s[0];
    assert_int_equal(sources_check(s, 2, 0, 10, &why), ST_INVALID);
    assert_string_equal(why.text, "b does not come after b");
}

static void nothing_to_fold_is_refused(void **state)
{
    (void)state;
    struct source s = source("a");
    assert_int_equal(sources_check(&s, 0, 0, 10, NULL), ST_INVALID);
    assert_int_equal(sources_check(&s, 1, 3, 3, NULL), ST_INVALID);
    assert_int_equal(sources_check(&s, 1, 4, 3, NULL), ST_INVALID);
    assert_int_equal(sources_check(&s, ROUND_PARTICIPANTS_MAX + 1, 0, 1, NULL), ST_LIMIT);
}

static void weights_out_of_range_are_refused(void **state)
{
    (void)state;
    const double bad[] = {0, -1, SOURCE_WEIGHT_MIN / 2, SOURCE_WEIGHT_MAX * 2, INFINITY, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct source s = source("a");
        s.weight = bad[i];
        assert_int_equal(sources_check(&s, 1, 0, 10, NULL), ST_INVALID);
    }
    struct source s = source("a");
    s.weight = SOURCE_WEIGHT_MIN;
    assert_int_equal(sources_check(&s, 1, 0, 10, NULL), ST_OK);
    s.weight = SOURCE_WEIGHT_MAX;
    assert_int_equal(sources_check(&s, 1, 0, 10, NULL), ST_OK);
}

static void scales_that_are_not_above_0_are_refused(void **state)
{
    (void)state;
    const float bad[] = {0, -1, INFINITY, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct piece p = {.count = 3, .bytes = i8_bytes, .dtype = DTYPE_I8, .scale = bad[i]};
        struct source s = source("a");
        s.pieces = &p;
        s.piece_count = 1;
        assert_int_equal(sources_check(&s, 1, 0, 3, NULL), ST_INVALID);
    }
}

static void pieces_out_of_order_are_refused(void **state)
{
    (void)state;
    const struct piece bad[][2] = {
        {{.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
         {.from = 1, .count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32}},
        {{.from = 2, .count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
         {.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32}},
        {{.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
         {.from = 2, .count = 0, .bytes = f32_bytes, .dtype = DTYPE_F32}},
        {{.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
         {.from = 2, .count = SIZE_MAX, .bytes = f32_bytes, .dtype = DTYPE_F32}},
        {{.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
         {.from = SIZE_MAX, .count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32}},
        {{.count = 2, .bytes = f32_bytes, .dtype = DTYPE_F32},
         {.from = 2, .count = 2, .bytes = NULL, .dtype = DTYPE_F32}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct source s = source("a");
        s.pieces = bad[i];
        s.piece_count = 2;
        assert_int_equal(sources_check(&s, 1, 0, 2, NULL), ST_INVALID);
    }
}

static void a_hole_is_refused_only_where_it_is(void **state)
{
    (void)state;
    const struct piece two[] = {pieces[0], pieces[2]}; /* 0..1 and 5..6 */
    struct source s = source("a");
    s.pieces = two;
    s.piece_count = 2;
    struct why why;
    assert_int_equal(sources_check(&s, 1, 0, 2, NULL), ST_OK);
    assert_int_equal(sources_check(&s, 1, 5, 7, NULL), ST_OK);
    assert_int_equal(sources_check(&s, 1, 1, 6, &why), ST_SHAPE);
    assert_string_equal(why.text, "a has no value for coordinate 2");
    assert_int_equal(sources_check(&s, 1, 6, 8, &why), ST_SHAPE);
    assert_string_equal(why.text, "a has no value for coordinate 7");
    assert_null(source_piece(&s, 4));
    assert_ptr_equal(source_piece(&s, 5), &two[1]);
    assert_ptr_equal(source_piece(&s, 6), &two[1]);
    assert_null(source_piece(&s, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dtype_is_decoded),
        cmocka_unit_test(any_range_is_read),
        cmocka_unit_test(bytes_need_no_alignment),
        cmocka_unit_test(a_difference_is_added_to_its_base),
        cmocka_unit_test(few_values_are_read_at_their_places),
        cmocka_unit_test(few_values_that_are_no_differences_are_refused),
        cmocka_unit_test(a_measure_is_the_squared_distance),
        cmocka_unit_test(a_measure_sees_each_piece),
        cmocka_unit_test(differences_are_measured_with_their_base),
        cmocka_unit_test(a_value_that_is_not_finite_is_named),
        cmocka_unit_test(a_base_that_lifts_a_value_out_of_range_is_seen),
        cmocka_unit_test(the_largest_values_have_a_finite_measure),
        cmocka_unit_test(sources_in_the_order_of_ids_fit),
        cmocka_unit_test(ids_out_of_order_or_twice_are_refused),
        cmocka_unit_test(nothing_to_fold_is_refused),
        cmocka_unit_test(weights_out_of_range_are_refused),
        cmocka_unit_test(scales_that_are_not_above_0_are_refused),
        cmocka_unit_test(pieces_out_of_order_are_refused),
        cmocka_unit_test(a_hole_is_refused_only_where_it_is),
    };
    return cmocka_run_group_tests_name("aggregate/source", tests, NULL, NULL);
}
