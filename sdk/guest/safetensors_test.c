/* Checks safetensors.c against files that Python's safetensors wrote, damaged
 * ones, and its own output (tests/vectors/safetensors). */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fml_guest.h"

#define FOLDER "tests/vectors/safetensors/"

static enum fml_status decode_file(const char *name, struct fml_model **ret)
{
    char path[512];
    uint8_t *data = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, FOLDER "%s", name);
    assert_int_equal(fml_file_read(path, FML_MODEL_SIZE_MAX, &data, &size), FML_OK);
    enum fml_status status = fml_model_decode(data, size, ret);
    free(data);
    return status;
}

static void reads_what_python_wrote(void **state)
{
    (void)state;
    struct fml_model *m = NULL;
    assert_int_equal(decode_file("good_model.safetensors", &m), FML_OK);
    assert_int_equal(fml_model_tensor_count(m), 3);
    const struct fml_tensor *w = fml_model_find(m, "w");
    assert_int_equal(w->rank, 2);
    assert_int_equal(w->shape[0], 2);
    assert_int_equal(w->shape[1], 3);
    for (size_t i = 0; i < 6; i++)
        assert_true(w->data[i] == (float)i);
    assert_int_equal(fml_model_find(m, "b")->rank, 0);
    assert_true(fml_model_find(m, "b")->data[0] == 0.33f);
    assert_true(fml_model_find(m, "a.first")->data[0] == -1.5f);
    assert_string_equal(fml_model_text(m, "name"), "global_model");
    assert_string_equal(fml_model_text(m, "note"), "Grüße \"quoted\" \n");
    fml_model_free(m);
}

static void reads_models_without_texts_or_tensors(void **state)
{
    (void)state;
    struct fml_model *m = NULL;
    assert_int_equal(decode_file("good_no_metadata.safetensors", &m), FML_OK);
    assert_int_equal(fml_model_param_count(m), 6);
    m = fml_model_free(m);
    assert_int_equal(decode_file("good_no_tensors.safetensors", &m), FML_OK);
    assert_int_equal(fml_model_tensor_count(m), 0);
    assert_string_equal(fml_model_text(m, "round_id"), "r-0001");
    fml_model_free(m);
}

static void reads_numbers_that_are_not_finite(void **state)
{
    (void)state;
    struct fml_model *m = NULL;
    assert_int_equal(decode_file("good_not_finite.safetensors", &m), FML_OK);
    assert_int_equal(fml_model_check_finite(m), FML_NOT_FINITE);
    fml_model_free(m);
}

static void every_damaged_file_is_refused(void **state)
{
    (void)state;
    size_t refused = 0;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        struct fml_model *m = NULL;
        /* A tensor named "version" is only beyond what JSON models can say. */
        if (strncmp(e->d_name, "bad_", 4) != 0 || strstr(e->d_name, "reserved") != NULL)
            continue;
        enum fml_status status = decode_file(e->d_name, &m);
        if (status == FML_OK || m != NULL)
            fail_msg("%s was read", e->d_name);
        assert_true(strlen(fml_why()) > 0);
        refused++;
    }
    closedir(folder);
    assert_true(refused >= 30);
}

static void the_fault_has_its_name(void **state)
{
    (void)state;
    struct fml_model *m = NULL;
    assert_int_equal(decode_file("bad_dtype_f16.safetensors", &m), FML_TYPE);
    assert_int_equal(decode_file("bad_hole.safetensors", &m), FML_MALFORMED);
    assert_int_equal(decode_file("bad_overlap.safetensors", &m), FML_MALFORMED);
    assert_int_equal(decode_file("bad_truncated_data.safetensors", &m), FML_MALFORMED);
    assert_int_equal(decode_file("bad_trailing_bytes.safetensors", &m), FML_MALFORMED);
    assert_int_equal(decode_file("bad_header_too_long.safetensors", &m), FML_LIMIT);
    assert_int_equal(decode_file("bad_name_twice.safetensors", &m), FML_INVALID);
    assert_int_equal(decode_file("bad_rank.safetensors", &m), FML_LIMIT);
    assert_null(m);
}

static struct fml_model *example(void)
{
    const struct fml_tensor tensors[] = {{.name = "w", .rank = 1, .shape = {3}},
                                         {.name = "b", .rank = 0}};
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_new(tensors, 2, &m), FML_OK);
    for (size_t i = 0; i < 4; i++)
        fml_model_params(m)[i] = 0.5f * (float)i;
    assert_int_equal(fml_model_set_text(m, "note", "a\"b\\c\n"), FML_OK);
    return m;
}

/* The header by hand, padded with spaces to a multiple of 8; then 0, 0.5, 1, 1.5. */
static void writes_the_documented_bytes(void **state)
{
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"note\":\"a\\\"b\\\\c\\u000a\"},"
                                 "\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
                                 "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]}}";
    static const uint8_t values[] = {0, 0, 0, 0, 0, 0, 0, 0x3F, 0, 0, 0x80, 0x3F, 0, 0, 0xC0, 0x3F};
    size_t text = strlen(header);
    size_t padded = (text + 7) / 8 * 8;
    uint8_t *data = NULL;
    size_t size = 0;
    struct fml_model *m = example();

    assert_int_equal(fml_model_encode(m, &data, &size), FML_OK);
    assert_int_equal(size, 8 + padded + sizeof values);
    assert_int_equal(data[0], padded & 0xFF);
    assert_int_equal(data[1], padded >> 8);
    assert_memory_equal(data + 8, header, text);
    for (size_t i = text; i < padded; i++)
        assert_int_equal(data[8 + i], ' ');
    assert_memory_equal(data + 8 + padded, values, sizeof values);
    free(data);
    fml_model_free(m);
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    uint8_t *data = NULL;
    uint8_t *again = NULL;
    size_t size = 0;
    size_t again_size = 0;
    struct fml_model *m = example();
    struct fml_model *back = NULL;

    assert_int_equal(fml_model_encode(m, &data, &size), FML_OK);
    assert_int_equal(fml_model_decode(data, size, &back), FML_OK);
    assert_string_equal(fml_model_text(back, "note"), "a\"b\\c\n");
    assert_int_equal(fml_model_encode(back, &again, &again_size), FML_OK);
    assert_int_equal(size, again_size);
    assert_memory_equal(data, again, size);
    free(data);
    free(again);
    fml_model_free(m);
    fml_model_free(back);
}

/* Every prefix of a good file is refused, and none is read beyond its end. */
static void every_cut_is_refused(void **state)
{
    (void)state;
    uint8_t *data = NULL;
    size_t size = 0;
    struct fml_model *m = example();
    struct fml_model *back = NULL;

    assert_int_equal(fml_model_encode(m, &data, &size), FML_OK);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1); /* of its own, so that a read beyond it is seen */
        assert_non_null(part);
        memcpy(part, data, cut);
        assert_int_not_equal(fml_model_decode(part, cut, &back), FML_OK);
        assert_null(back);
        free(part);
    }
    free(data);
    fml_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_python_wrote),
        cmocka_unit_test(reads_models_without_texts_or_tensors),
        cmocka_unit_test(reads_numbers_that_are_not_finite),
        cmocka_unit_test(every_damaged_file_is_refused),
        cmocka_unit_test(the_fault_has_its_name),
        cmocka_unit_test(writes_the_documented_bytes),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(every_cut_is_refused),
    };
    return cmocka_run_group_tests_name("guest/safetensors", tests, NULL, NULL);
}
