/* Checks safetensors.c against files that Python's safetensors wrote, against
 * damaged ones, and against its own output. tests/vectors/safetensors/make.py
 * made the files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/safetensors.h"

#define FOLDER "tests/vectors/safetensors/"

static struct bytes file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, FOLDER "%s.safetensors", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    struct bytes b = {0};
    assert_int_equal(bytes_resize(&b, 64 << 10), ST_OK);
    b.size = fread(b.data, 1, b.size, f);
    assert_int_equal(fclose(f), 0);
    /* An exact copy, so that AddressSanitizer sees a read beyond the end. */
    struct bytes exact = {malloc(b.size), b.size, b.size};
    assert_non_null(exact.data);
    memcpy(exact.data, b.data, b.size);
    bytes_done(&b);
    return exact;
}

static struct model *decoded(const char *name)
{
    struct bytes b = file(name);
    struct model *m = NULL;
    struct why why = {""};
    enum status status = safetensors_decode(bytes_view(&b), &m, &why);
    if (status != ST_OK)
        fail_msg("%s: %s", name, why.text);
    bytes_done(&b);
    return m;
}

static void a_model_of_python_is_read(void **state)
{
    (void)state;
    struct model *m = decoded("good_model");
    const float expected[] = {-1.5f, 0.33f, 0, 1, 2, 3, 4, 5};
    assert_int_equal(model_tensor_count(m), 3);
    assert_int_equal(model_param_count(m), 8);
    assert_memory_equal(model_params(m), expected, sizeof expected);
    assert_string_equal(model_tensor(m, 0)->name, "a.first");
    assert_int_equal(model_tensor(m, 1)->rank, 0); /* shape [] */
    assert_int_equal(model_find(m, "w")->rank, 2);
    assert_int_equal(model_find(m, "w")->shape[0], 2);
    assert_int_equal(model_find(m, "w")->shape[1], 3);
    assert_int_equal(model_meta_count(m), 3);
    assert_string_equal(model_meta(m, "version"), "3");
    assert_string_equal(model_meta(m, "note"), "Gr\xc3\xbc\xc3\x9f"
                                               "e \"quoted\" \n");
    model_free(m);
}

static void an_update_of_python_is_read(void **state)
{
    (void)state;
    struct model *m = decoded("good_update");
    const float w[] = {0.12f, -0.05f, 1.01f};
    assert_memory_equal(model_find(m, "w")->data, w, sizeof w);
    assert_true(model_find(m, "b")->data[0] == 0.33f);
    assert_string_equal(model_meta(m, "num_samples"), "512");
    assert_string_equal(model_meta(m, "metrics"), "{\"loss\": 0.73}");
    model_free(m);
}

static void metadata_and_tensors_may_be_absent(void **state)
{
    (void)state;
    struct model *m = decoded("good_no_metadata");
    assert_int_equal(model_meta_count(m), 0);
    assert_int_equal(model_param_count(m), 6);
    model_free(m);
    m = decoded("good_no_tensors");
    assert_int_equal(model_tensor_count(m), 0);
    assert_string_equal(model_meta(m, "round_id"), "r-0001");
    model_free(m);
}

static void values_that_are_not_finite_are_read_for_others_to_judge(void **state)
{
    (void)state;
    struct model *m = decoded("good_not_finite");
    assert_true(isnan(model_params(m)[1]));
    assert_true(isinf(model_params(m)[2]));
    assert_int_equal(model_check_finite(m, NULL), ST_NOT_FINITE);
    model_free(m);
}

/* Each damaged file, its status, and a piece of the sentence. */
static const struct {
    const char *name;
    enum status status;
    const char *sentence;
} damaged[] = {
    {"bad_zero_elements", ST_INVALID, "tensor w has a dimension of 0"},
    {"bad_dtype_f16", ST_TYPE, "tensor w has dtype F16, only F32"},
    {"bad_dtype_i64", ST_TYPE, "tensor n has dtype I64"},
    {"bad_truncated_data", ST_MALFORMED, "cut off: tensors of 16 bytes in 15 bytes"},
    {"bad_truncated_header", ST_MALFORMED, "cut off: a header of"},
    {"bad_truncated_length", ST_MALFORMED, "5 bytes are too few"},
    {"bad_trailing_bytes", ST_MALFORMED, "tensors of 16 bytes in 17 bytes"},
    {"bad_overlap", ST_MALFORMED, "tensor b begins at 0, overlapping up to byte 4"},
    {"bad_hole", ST_MALFORMED, "tensor b begins at 8, which leaves a hole after byte 4"},
    {"bad_hole_at_start", ST_MALFORMED, "tensor a begins at 4, which leaves a hole after byte 0"},
    {"bad_header_too_long", ST_LIMIT, "a header of 4194305 bytes"},
    {"bad_header_huge", ST_LIMIT, "a header of 18446744073709551615 bytes"},
    {"bad_header_empty", ST_MALFORMED, "does not begin with '{'"},
    {"bad_header_array", ST_MALFORMED, "does not begin with '{'"},
    {"bad_header_leading_space", ST_MALFORMED, "does not begin with '{'"},
    {"bad_header_not_json", ST_MALFORMED, "not JSON"},
    {"bad_name_twice", ST_MALFORMED, "duplicate"},
    {"bad_name_empty", ST_INVALID, "cannot be named \"\""},
    {"bad_name_reserved", ST_INVALID, "cannot be named \"version\""},
    {"bad_name_long", ST_LIMIT, "name of 129 bytes"},
    {"bad_shape_larger", ST_MALFORMED, "tensor a has 8 bytes for 3 values"},
    {"bad_shape_smaller", ST_MALFORMED, "tensor a has 8 bytes for 1 values"},
    {"bad_shape_overflow", ST_LIMIT, "tensor a has more than 268435456 values"},
    {"bad_shape_beyond_64_bits", ST_MALFORMED, "too big integer"},
    {"bad_shape_negative", ST_MALFORMED, "dimension that is not a whole number"},
    {"bad_shape_fraction", ST_MALFORMED, "dimension that is not a whole number"},
    {"bad_shape_missing", ST_MALFORMED, "tensor a has no shape"},
    {"bad_rank", ST_LIMIT, "tensor a has 9 dimensions"},
    {"bad_offsets_backwards", ST_MALFORMED, "no data_offsets"},
    {"bad_offsets_negative", ST_MALFORMED, "no data_offsets"},
    {"bad_offsets_three", ST_MALFORMED, "no data_offsets"},
    {"bad_offsets_missing", ST_MALFORMED, "no data_offsets"},
    {"bad_entry_text", ST_MALFORMED, "tensor a has no dtype"},
    {"bad_metadata_number", ST_MALFORMED, "not a text"},
    {"bad_metadata_array", ST_MALFORMED, "not an object"},
    {"bad_metadata_many", ST_LIMIT, "more than 64 entries"},
    {"bad_metadata_long", ST_LIMIT, "longer than 16384 bytes"},
};

static void damaged_files_are_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct bytes b = file(damaged[i].name);
        struct model *m = NULL;
        struct why why = {""};
        enum status status = safetensors_decode(bytes_view(&b), &m, &why);
        if (status != damaged[i].status || strstr(why.text, damaged[i].sentence) == NULL)
            fail_msg("%s: %s: %s", damaged[i].name, status_name(status), why.text);
        assert_null(m);
        bytes_done(&b);
    }
}

static void every_cut_of_a_good_file_is_refused(void **state)
{
    (void)state;
    struct bytes b = file("good_model");
    for (size_t size = 0; size < b.size; size++) {
        struct model *m = NULL;
        assert_int_equal(safetensors_decode(view_of(b.data, size), &m, NULL), ST_MALFORMED);
        assert_null(m);
    }
    bytes_done(&b);
}

/* ---- the layout ---- */

static void a_layout_says_where_the_values_of_a_model_lie(void **state)
{
    (void)state;
    struct bytes b = file("good_model");
    struct model *m = decoded("good_model");
    struct safetensors_layout l;
    assert_int_equal(safetensors_layout(bytes_view(&b), &l, NULL), ST_OK);
    assert_int_equal(l.count, model_tensor_count(m));
    for (size_t i = 0; i < l.count; i++) {
        const struct tensor *t = model_tensor(m, i);
        assert_string_equal(l.tensors[i].shape.name, t->name);
        assert_int_equal(l.tensors[i].shape.rank, t->rank);
        assert_int_equal(l.tensors[i].count, t->count);
        assert_int_equal(l.tensors[i].dtype, DTYPE_F32);
        assert_memory_equal(l.tensors[i].bytes, t->data, t->count * sizeof(float));
    }
    assert_ptr_equal(l.tensors[l.count - 1].bytes + 24, b.data + b.size); /* (2, 3) at the end */
    assert_int_equal(model_tensor_count(l.texts), 0);
    assert_string_equal(model_meta(l.texts, "version"), "3");
    safetensors_layout_done(&l);
    assert_null(l.tensors);
    safetensors_layout_done(&l);
    model_free(m);
    bytes_done(&b);
}

/* Appends a header, its length before it, and size bytes of data. */
static struct bytes file_of(const char *header, size_t size)
{
    struct bytes b = {0};
    uint64_t length = strlen(header);
    static const uint8_t data[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    assert_int_equal(bytes_append(&b, view_of(&length, sizeof length), SIZE_MAX), ST_OK);
    assert_int_equal(bytes_append(&b, view_text(header), SIZE_MAX), ST_OK);
    assert_int_equal(bytes_append(&b, view_of(data, size), SIZE_MAX), ST_OK);
    return b;
}

static void a_layout_has_every_dtype(void **state)
{
    (void)state;
    struct bytes b = file_of("{\"d\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[10,13]},"
                             "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                             "\"c\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[8,10]},"
                             "\"b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[4,8]}}",
                             13);
    static const enum dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8};
    static const size_t counts[] = {1, 2, 1, 3};
    static const uint8_t firsts[] = {1, 5, 9, 11};
    struct safetensors_layout l;
    assert_int_equal(safetensors_layout(bytes_view(&b), &l, NULL), ST_OK);
    assert_int_equal(l.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(l.tensors[i].shape.name[0], 'a' + (int)i);
        assert_int_equal(l.tensors[i].dtype, dtypes[i]);
        assert_int_equal(l.tensors[i].count, counts[i]);
        assert_int_equal(l.tensors[i].bytes[0], firsts[i]);
    }
    safetensors_layout_done(&l);
    bytes_done(&b);
}

static void sizes_are_those_of_the_dtype(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"F32", "F16", "BF16", "I8"};
    static const size_t sizes[] = {8, 4, 4, 2};
    for (size_t i = 0; i < 4; i++)
        for (size_t size = 0; size <= 9; size++) {
            char header[128];
            (void)snprintf(header, sizeof header,
                           "{\"a\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,%zu]}}",
                           dtypes[i], size);
            struct bytes b = file_of(header, size);
            struct safetensors_layout l = {0};
            assert_int_equal(safetensors_layout(bytes_view(&b), &l, NULL),
                             size == sizes[i] ? ST_OK : ST_MALFORMED);
            assert_int_equal(l.count, size == sizes[i]);
            safetensors_layout_done(&l);
            bytes_done(&b);
        }
}

static void a_layout_holds_tensors_to_the_limit_in_all(void **state)
{
    (void)state;
    /* 2^27 + 2^27 values are as many as there may be; the data is not there. */
    struct bytes b = file_of(
        "{\"a\":{\"dtype\":\"I8\",\"shape\":[134217728],\"data_offsets\":[0,134217728]},"
        "\"b\":{\"dtype\":\"I8\",\"shape\":[134217729],\"data_offsets\":[134217728,268435457]}}",
        0);
    size_t header = b.size;
    struct safetensors_layout l = {0};
    struct why why = {""};
    assert_int_equal(safetensors_layout(bytes_view(&b), &l, &why), ST_MALFORMED);
    assert_non_null(strstr(why.text, "cut off"));
    assert_int_equal(bytes_resize(&b, header + 268435457), ST_OK);
    assert_int_equal(safetensors_layout(bytes_view(&b), &l, &why), ST_LIMIT);
    assert_string_equal(why.text, "tensors with more than 268435456 values in all");
    assert_null(l.tensors);
    bytes_done(&b);
}

static void damaged_files_have_no_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        if (strcmp(damaged[i].name, "bad_dtype_f16") == 0)
            continue; /* bad for a model only */
        struct bytes b = file(damaged[i].name);
        struct safetensors_layout l = {0};
        struct why why = {""};
        enum status status = safetensors_layout(bytes_view(&b), &l, &why);
        if (status != damaged[i].status || strstr(why.text, damaged[i].sentence) == NULL)
            fail_msg("%s: %s: %s", damaged[i].name, status_name(status), why.text);
        assert_null(l.tensors);
        bytes_done(&b);
    }
}

/* A model of which every byte is worked out by hand below. */
static struct model *small(void)
{
    const struct model_shape shapes[] = {{"w", 1, {2}}, {"b", 0, {0}}};
    struct model *m = NULL;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    model_params_mutable(m)[0] = 1;
    model_params_mutable(m)[1] = -2;
    model_params_mutable(m)[2] = 0.5f;
    assert_int_equal(model_set_meta(m, "version", "3"), ST_OK);
    return m;
}

static void the_bytes_are_those_of_the_format(void **state)
{
    (void)state;
    /* 138 letters and 6 spaces: 144, a multiple of 8. */
    static const char header[] = "{\"__metadata__\":{\"version\":\"3\"},"
                                 "\"b\":{\"data_offsets\":[8,12],\"dtype\":\"F32\",\"shape\":[]},"
                                 "\"w\":{\"data_offsets\":[0,8],\"dtype\":\"F32\",\"shape\":[2]}}";
    static const uint8_t data[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f};
    struct model *m = small();
    struct bytes out = {0};
    assert_int_equal(safetensors_encode(m, &out), ST_OK);

    size_t padded = 144;
    assert_int_equal(out.size, 8 + padded + sizeof data);
    assert_int_equal(out.data[0], padded);
    for (size_t i = 1; i < 8; i++)
        assert_int_equal(out.data[i], 0);
    assert_memory_equal(out.data + 8, header, sizeof header - 1);
    for (size_t i = 8 + sizeof header - 1; i < 8 + padded; i++)
        assert_int_equal(out.data[i], ' ');
    assert_memory_equal(out.data + 8 + padded, data, sizeof data);
    bytes_done(&out);
    model_free(m);
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    struct model *m = small(), *again = NULL;
    struct bytes out = {0}, twice = {0};
    assert_int_equal(safetensors_encode(m, &out), ST_OK);
    assert_int_equal(safetensors_decode(bytes_view(&out), &again, NULL), ST_OK);
    assert_string_equal(model_tensor(again, 0)->name, "w"); /* the order is kept */
    assert_memory_equal(model_params(again), model_params(m), 3 * sizeof(float));
    assert_string_equal(model_meta(again, "version"), "3");
    assert_int_equal(safetensors_encode(again, &twice), ST_OK);
    assert_true(view_equal(bytes_view(&out), bytes_view(&twice)));
    bytes_done(&out);
    bytes_done(&twice);
    model_free(again);
    model_free(m);
}

static void bytes_are_appended(void **state)
{
    (void)state;
    struct model *m = small(), *again = NULL;
    struct bytes out = {0};
    assert_int_equal(bytes_append(&out, view_text("before"), 6), ST_OK);
    assert_int_equal(safetensors_encode(m, &out), ST_OK);
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(safetensors_decode(view_of(out.data + 6, out.size - 6), &again, NULL), ST_OK);
    bytes_done(&out);
    model_free(again);
    model_free(m);
}

static void a_header_that_nobody_would_read_is_not_written(void **state)
{
    (void)state;
    struct model *m = small();
    static char value[METADATA_VALUE_MAX + 1];
    memset(value, '\n', sizeof value - 1); /* two bytes each in JSON */
    memset(value, '\x01', 16000);          /* six bytes each */
    for (size_t i = 0; i < 60; i++) {      /* 60 * 96 KB is more than 4 MiB */
        char key[8];
        (void)snprintf(key, sizeof key, "k%zu", i);
        assert_int_equal(model_set_meta(m, key, value), ST_OK);
    }
    struct bytes out = {0};
    assert_int_equal(bytes_append(&out, view_text("before"), 6), ST_OK);
    assert_int_equal(safetensors_encode(m, &out), ST_LIMIT);
    assert_int_equal(out.size, 6);
    bytes_done(&out);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_of_python_is_read),
        cmocka_unit_test(an_update_of_python_is_read),
        cmocka_unit_test(metadata_and_tensors_may_be_absent),
        cmocka_unit_test(values_that_are_not_finite_are_read_for_others_to_judge),
        cmocka_unit_test(damaged_files_are_refused_with_a_reason),
        cmocka_unit_test(every_cut_of_a_good_file_is_refused),
        cmocka_unit_test(a_layout_says_where_the_values_of_a_model_lie),
        cmocka_unit_test(a_layout_has_every_dtype),
        cmocka_unit_test(sizes_are_those_of_the_dtype),
        cmocka_unit_test(a_layout_holds_tensors_to_the_limit_in_all),
        cmocka_unit_test(damaged_files_have_no_layout),
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(bytes_are_appended),
        cmocka_unit_test(a_header_that_nobody_would_read_is_not_written),
    };
    return cmocka_run_group_tests_name("model/safetensors", tests, NULL, NULL);
}
