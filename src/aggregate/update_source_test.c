/* From the bytes of updates in every form to the values that rules see. The files are
 * written by hand, so that no encoder of ours is believed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/update_source.h"

#define FACTS(more)                                                                                \
    "\"__metadata__\":{\"round_id\":\"r\",\"base_model_uri\":\"fl/models/m_v0\","                  \
    "\"num_samples\":\"3\"" more "}"
#define W(dtype, from, to)                                                                         \
    ",\"w\":{\"dtype\":\"" dtype "\",\"shape\":[2],\"data_offsets\":[" from "," to "]}"
#define B(dtype, from, to)                                                                         \
    ",\"b\":{\"dtype\":\"" dtype "\",\"shape\":[],\"data_offsets\":[" from "," to "]}"

static const struct id device = {"d"};

/* {"w": [1, 2], "b": 4} */
static struct model *base_model(void)
{
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {2}}, {.name = "b"}};
    struct model *m;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    static const float values[] = {1, 2, 4};
    memcpy(model_params_mutable(m), values, sizeof values);
    return m;
}

static struct bytes file_of(const char *header, const void *data, size_t size)
{
    struct bytes b = {0};
    uint64_t length = strlen(header);
    assert_int_equal(bytes_append(&b, view_of(&length, 8), SIZE_MAX), ST_OK);
    assert_int_equal(bytes_append(&b, view_text(header), SIZE_MAX), ST_OK);
    assert_int_equal(bytes_append(&b, view_of(data, size), SIZE_MAX), ST_OK);
    return b;
}

static void expect_values(struct view bytes, const float expected[3])
{
    struct model *base = base_model();
    struct update u;
    struct update_source s;
    struct why why = {0};
    float values[3];
    double squares;
    assert_int_equal(update_read(bytes, &u, &why), UPDATE_FINE);
    assert_int_equal(u.num_samples, 3);
    assert_int_equal(update_source_of(base, false, &u, &s, &why), ST_OK);
    struct source source = update_source_as(&s, &device, 3);
    assert_int_equal(source_measure(&source, NULL, &squares, &why), ST_OK);
    source_read(&source, 0, 3, values);
    assert_memory_equal(values, expected, sizeof values);
    update_source_done(&s);
    update_done(&u);
    model_free(base);
}

static void every_dtype_has_its_values(void **state)
{
    (void)state;
    static const float f32[] = {0.5F, -1.5F, 8};
    static const uint16_t f16[] = {0x3800, 0xbe00, 0x4800}; /* the same three */
    static const uint16_t bf16[] = {0x3f00, 0xbfc0, 0x4100};
    struct bytes b = file_of("{" FACTS("") W("F32", "0", "8") B("F32", "8", "12") "}", f32, 12);
    expect_values(bytes_view(&b), f32);
    bytes_done(&b);
    b = file_of("{" FACTS("") W("F16", "0", "4") B("F16", "4", "6") "}", f16, 6);
    expect_values(bytes_view(&b), f32);
    bytes_done(&b);
    b = file_of("{" FACTS("") W("BF16", "0", "4") B("BF16", "4", "6") "}", bf16, 6);
    expect_values(bytes_view(&b), f32);
    bytes_done(&b);
}

#define SCALE(from, to)                                                                            \
    ",\"w.scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[" from "," to "]}"

/* w = base + 0.25 * {2, -4}, b = base + 0.5 */
static void differences_are_added_to_the_base(void **state)
{
    (void)state;
    uint8_t data[10] = {2, (uint8_t)-4};
    static const float scale = 0.25F, b_difference = 0.5F;
    static const float expected[] = {1.5F, 1, 4.5F};
    memcpy(data + 2, &scale, 4);
    memcpy(data + 6, &b_difference, 4);
    struct bytes b = file_of("{" FACTS(",\"values\":\"differences\"") W("I8", "0", "2")
                                 SCALE("2", "6") B("F32", "6", "10") "}",
                             data, sizeof data);
    expect_values(bytes_view(&b), expected);
    bytes_done(&b);
}

static void json_has_the_bases_order(void **state)
{
    (void)state;
    static const float expected[] = {0.5F, -1.5F, 8};
    expect_values(view_text("{\"round_id\":\"r\",\"base_model_uri\":\"fl/models/m_v0\","
                            "\"num_samples\":3,\"update\":{\"b\":8,\"w\":[0.5,-1.5]}}"),
                  expected);
}

static void expect_refused(const char *header, const void *data, size_t size, enum status expected)
{
    struct model *base = base_model();
    struct bytes b = file_of(header, data, size);
    struct update u;
    struct update_source s = {.piece_count = 77};
    struct why why = {0};
    assert_int_equal(update_read(bytes_view(&b), &u, &why), UPDATE_FINE);
    assert_int_equal(update_source_of(base, false, &u, &s, &why), expected);
    assert_true(why.text[0] != '\0');
    assert_int_equal(s.piece_count, 77); /* untouched */
    update_done(&u);
    bytes_done(&b);
    model_free(base);
}

static void what_does_not_fit_the_base_is_refused(void **state)
{
    (void)state;
    static const float zero[3] = {0};
    expect_refused("{" FACTS("") W("F32", "0", "8") "}", zero, 8, ST_SHAPE);
    expect_refused("{" FACTS("") "}", zero, 0, ST_SHAPE);
    expect_refused("{" FACTS("") W("F32", "0", "8") ",\"c\":{\"dtype\":\"F32\",\"shape\":[],"
                                                    "\"data_offsets\":[8,12]}}",
                   zero, 12, ST_SHAPE);
    expect_refused("{" FACTS("") W("I8", "0", "2") B("F32", "2", "6") "}", zero, 6, ST_SHAPE);
    expect_refused("{" FACTS("") W("I8", "0", "2") SCALE("2", "6") B("F32", "6", "10") "}", zero,
                   10, ST_INVALID);
}

static void a_partial_one_has_what_it_has(void **state)
{
    (void)state;
    static const float w[] = {0.5F, -1.5F};
    struct model *base = base_model();
    struct bytes b = file_of("{" FACTS("") W("F32", "0", "8") "}", w, 8);
    struct update u;
    struct update_source s;
    struct why why = {0};
    assert_int_equal(update_read(bytes_view(&b), &u, &why), UPDATE_FINE);
    assert_int_equal(update_source_of(base, true, &u, &s, &why), ST_OK);
    assert_int_equal(s.piece_count, 1);
    assert_int_equal(s.pieces[0].from, 0);
    assert_int_equal(s.pieces[0].count, 2);
    update_source_done(&s);
    update_done(&u);
    bytes_done(&b);

    b = file_of("{" FACTS("") "}", w, 0); /* nothing at all */
    assert_int_equal(update_read(bytes_view(&b), &u, &why), UPDATE_FINE);
    assert_int_equal(update_source_of(base, true, &u, &s, &why), ST_SHAPE);
    update_done(&u);
    bytes_done(&b);
    model_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_has_its_values),
        cmocka_unit_test(differences_are_added_to_the_base),
        cmocka_unit_test(json_has_the_bases_order),
        cmocka_unit_test(what_does_not_fit_the_base_is_refused),
        cmocka_unit_test(a_partial_one_has_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
