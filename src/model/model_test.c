/* Checks model.c: layout, comparison, order, metadata, and every refusal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

static const struct model_shape wb[] = {{"w", 2, {2, 3}}, {"b", 0, {0}}};

static struct model *made(const struct model_shape *shapes, size_t count)
{
    struct model *m = NULL;
    assert_int_equal(model_new(shapes, count, &m), ST_OK);
    return m;
}

static void tensors_lie_in_one_block_in_order(void **state)
{
    (void)state;
    struct model *m = made(wb, 2);
    assert_int_equal(model_tensor_count(m), 2);
    assert_int_equal(model_param_count(m), 7); /* 2 * 3 + 1 */
    const struct tensor *w = model_tensor(m, 0), *b = model_tensor(m, 1);
    assert_string_equal(w->name, "w");
    assert_int_equal(w->rank, 2);
    assert_int_equal(w->shape[0], 2);
    assert_int_equal(w->shape[1], 3);
    assert_int_equal(w->count, 6);
    assert_int_equal(b->rank, 0);
    assert_int_equal(b->count, 1);
    assert_ptr_equal(w->data, model_params(m));
    assert_ptr_equal(b->data, model_params(m) + 6);
    for (size_t i = 0; i < 7; i++)
        assert_true(model_params(m)[i] == 0.0f);
    model_free(m);
}

static void tensors_are_found_by_name(void **state)
{
    (void)state;
    struct model *m = made(wb, 2);
    assert_ptr_equal(model_find(m, "w"), model_tensor(m, 0));
    assert_ptr_equal(model_find(m, "b"), model_tensor(m, 1));
    assert_null(model_find(m, "c"));
    assert_null(model_find(m, ""));
    model_free(m);
}

static void a_model_without_tensors_is_a_model(void **state)
{
    (void)state;
    struct model *m = made(NULL, 0), *like = NULL;
    assert_int_equal(model_tensor_count(m), 0);
    assert_int_equal(model_param_count(m), 0);
    assert_null(model_find(m, "w"));
    assert_int_equal(model_check_finite(m, NULL), ST_OK);
    assert_int_equal(model_like(m, &like), ST_OK);
    assert_true(model_same_shape(m, like, NULL));
    assert_int_equal(model_reorder(like, m), ST_OK);
    model_free(like);
    model_free(m);
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    struct model *m = NULL;
    assert_int_equal(model_new(&(struct model_shape){"", 0, {0}}, 1, &m), ST_INVALID);
    assert_int_equal(model_new(&(struct model_shape){"version", 0, {0}}, 1, &m), ST_INVALID);
    assert_int_equal(model_new(&(struct model_shape){"__metadata__", 0, {0}}, 1, &m), ST_INVALID);
    assert_int_equal(model_new(&(struct model_shape){"w", 2, {3, 0}}, 1, &m), ST_INVALID);
    assert_int_equal(model_new(&(struct model_shape){"w", TENSOR_RANK_MAX + 1, {1}}, 1, &m),
                     ST_LIMIT);
    assert_int_equal(model_new((struct model_shape[]){wb[0], wb[1], wb[0]}, 3, &m), ST_INVALID);
    assert_null(m);
}

static void products_that_overflow_are_refused(void **state)
{
    (void)state;
    struct model *m = NULL;
    size_t half = (size_t)1 << 32; /* half * half is 0 in 64 bits */
    assert_int_equal(model_new(&(struct model_shape){"w", 2, {half, half}}, 1, &m), ST_LIMIT);
    assert_int_equal(model_new(&(struct model_shape){"w", 1, {SIZE_MAX}}, 1, &m), ST_LIMIT);
    assert_int_equal(model_new(&(struct model_shape){"w", 1, {MODEL_PARAMS_MAX + 1}}, 1, &m),
                     ST_LIMIT);
    /* Each fits, both together do not. */
    const struct model_shape two[] = {{"a", 1, {MODEL_PARAMS_MAX}}, {"b", 0, {0}}};
    assert_int_equal(model_new(two, 2, &m), ST_LIMIT);
    assert_null(m);
}

static void tensors_are_limited(void **state)
{
    (void)state;
    size_t count = TENSORS_MAX + 1;
    struct model_shape *shapes = calloc(count, sizeof shapes[0]);
    assert_non_null(shapes);
    for (size_t i = 0; i < count; i++)
        (void)snprintf(shapes[i].name, sizeof shapes[i].name, "t%zu", i);
    struct model *m = NULL;
    assert_int_equal(model_new(shapes, count, &m), ST_LIMIT);
    assert_null(m);
    assert_int_equal(model_new(shapes, count - 1, &m), ST_OK);
    assert_non_null(model_find(m, "t4095"));
    model_free(m);
    free(shapes);
}

static void like_has_the_same_tensors_and_nothing_else(void **state)
{
    (void)state;
    struct model *m = made(wb, 2), *like = NULL;
    model_params_mutable(m)[0] = 5;
    assert_int_equal(model_set_meta(m, "version", "3"), ST_OK);
    assert_int_equal(model_like(m, &like), ST_OK);
    assert_true(model_same_shape(m, like, NULL));
    assert_string_equal(model_tensor(like, 0)->name, "w");
    assert_true(model_params(like)[0] == 0.0f);
    assert_int_equal(model_meta_count(like), 0);
    model_free(like);
    model_free(m);
}

static void same_shape_ignores_order_and_names_the_difference(void **state)
{
    (void)state;
    struct why why = {""};
    struct model *a = made(wb, 2);
    struct model *swapped = made((struct model_shape[]){wb[1], wb[0]}, 2);
    struct model *flat = made((struct model_shape[]){{"w", 1, {6}}, wb[1]}, 2);
    struct model *turned = made((struct model_shape[]){{"w", 2, {3, 2}}, wb[1]}, 2);
    struct model *less = made(wb, 1);
    struct model *more = made((struct model_shape[]){wb[0], wb[1], {"c", 0, {0}}}, 3);

    assert_true(model_same_shape(a, swapped, &why));
    assert_string_equal(why.text, "");
    assert_false(model_same_shape(a, flat, &why));
    assert_string_equal(why.text, "tensor w has shape [6], expected [2,3]");
    assert_false(model_same_shape(a, turned, &why));
    assert_string_equal(why.text, "tensor w has shape [3,2], expected [2,3]");
    assert_false(model_same_shape(a, less, &why));
    assert_string_equal(why.text, "tensor b is missing");
    assert_false(model_same_shape(a, more, &why));
    assert_string_equal(why.text, "tensor c is not in the model");
    model_free(a);
    model_free(swapped);
    model_free(flat);
    model_free(turned);
    model_free(less);
    model_free(more);
}

static void the_longest_shape_can_be_told(void **state)
{
    (void)state;
    struct why why;
    struct model *a = made(&(struct model_shape){"w", 8, {4, 4, 4, 4, 4, 4, 4, 4}}, 1);
    struct model *b = made(&(struct model_shape){"w", 8, {1, 1, 1, 1, 1, 1, 1, 65536}}, 1);
    assert_false(model_same_shape(a, b, &why));
    assert_string_equal(why.text,
                        "tensor w has shape [1,1,1,1,1,1,1,65536], expected [4,4,4,4,4,4,4,4]");
    model_free(a);
    model_free(b);
}

static void reorder_makes_vectors_correspond(void **state)
{
    (void)state;
    struct model *a = made(wb, 2);
    struct model *b = made((struct model_shape[]){wb[1], wb[0]}, 2);
    for (size_t i = 0; i < 7; i++)
        model_params_mutable(b)[i] = (float)i; /* b is 0, w is 1..6 */
    assert_int_equal(model_reorder(b, a), ST_OK);

    const float expected[] = {1, 2, 3, 4, 5, 6, 0};
    assert_memory_equal(model_params(b), expected, sizeof expected);
    assert_string_equal(model_tensor(b, 0)->name, "w");
    assert_string_equal(model_tensor(b, 1)->name, "b");
    assert_ptr_equal(model_find(b, "b"), model_tensor(b, 1));
    assert_true(model_find(b, "b")->data == model_params(b) + 6);

    const float *before = model_params(b);
    assert_int_equal(model_reorder(b, a), ST_OK); /* nothing left to do */
    assert_ptr_equal(model_params(b), before);
    model_free(a);
    model_free(b);
}

static void values_that_are_not_finite_are_named(void **state)
{
    (void)state;
    struct why why;
    struct model *m = made(wb, 2);
    assert_int_equal(model_check_finite(m, &why), ST_OK);
    model_params_mutable(m)[4] = NAN;
    assert_int_equal(model_check_finite(m, &why), ST_NOT_FINITE);
    assert_string_equal(why.text, "tensor w holds a NaN at index 4");
    model_params_mutable(m)[4] = 0;
    model_params_mutable(m)[6] = -INFINITY;
    assert_int_equal(model_check_finite(m, &why), ST_NOT_FINITE);
    assert_string_equal(why.text, "tensor b holds an infinity at index 0");
    model_free(m);
}

static void metadata_is_kept_in_order_and_replaced(void **state)
{
    (void)state;
    struct model *m = made(wb, 2);
    assert_null(model_meta(m, "name"));
    assert_int_equal(model_set_meta(m, "name", "global_model"), ST_OK);
    assert_int_equal(model_set_meta(m, "version", "1"), ST_OK);
    assert_int_equal(model_set_meta(m, "name", "other"), ST_OK);
    assert_int_equal(model_meta_count(m), 2);
    assert_string_equal(model_meta(m, "name"), "other");
    const char *key, *value;
    model_meta_at(m, 1, &key, &value);
    assert_string_equal(key, "version");
    assert_string_equal(value, "1");
    model_free(m);
}

static void a_metadata_value_may_be_set_from_itself(void **state)
{
    (void)state;
    struct model *m = made(wb, 2);
    assert_int_equal(model_set_meta(m, "name", "global_model"), ST_OK);
    assert_int_equal(model_set_meta(m, "name", model_meta(m, "name")), ST_OK);
    assert_string_equal(model_meta(m, "name"), "global_model");
    model_free(m);
}

static void metadata_is_limited(void **state)
{
    (void)state;
    struct model *m = made(wb, 2);
    char text[METADATA_VALUE_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(model_set_meta(m, "k", text), ST_LIMIT);
    text[TENSOR_NAME_MAX + 1] = '\0';
    assert_int_equal(model_set_meta(m, text, "v"), ST_LIMIT);
    assert_int_equal(model_meta_count(m), 0);

    for (size_t i = 0; i < METADATA_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%zu", i);
        assert_int_equal(model_set_meta(m, key, "v"), ST_OK);
    }
    assert_int_equal(model_set_meta(m, "one more", "v"), ST_LIMIT);
    assert_int_equal(model_set_meta(m, "k3", "new"), ST_OK);
    assert_int_equal(model_meta_count(m), METADATA_MAX);
    assert_string_equal(model_meta(m, "k3"), "new");
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_lie_in_one_block_in_order),
        cmocka_unit_test(tensors_are_found_by_name),
        cmocka_unit_test(a_model_without_tensors_is_a_model),
        cmocka_unit_test(bad_shapes_are_refused),
        cmocka_unit_test(products_that_overflow_are_refused),
        cmocka_unit_test(tensors_are_limited),
        cmocka_unit_test(like_has_the_same_tensors_and_nothing_else),
        cmocka_unit_test(same_shape_ignores_order_and_names_the_difference),
        cmocka_unit_test(the_longest_shape_can_be_told),
        cmocka_unit_test(reorder_makes_vectors_correspond),
        cmocka_unit_test(values_that_are_not_finite_are_named),
        cmocka_unit_test(metadata_is_kept_in_order_and_replaced),
        cmocka_unit_test(a_metadata_value_may_be_set_from_itself),
        cmocka_unit_test(metadata_is_limited),
    };
    return cmocka_run_group_tests_name("model/model", tests, NULL, NULL);
}
