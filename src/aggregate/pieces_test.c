/* Checks pieces.c: files whose tensors lie in another order, in every dtype and
 * with some left out, then each way in which a file does not fit its base. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/pieces.h"

/* a: coordinates 0..1, b: 2, c: 3..8 */
static struct model *base_of_three(void)
{
    const struct model_shape shapes[] = {{"a", 1, {2}}, {"b", 0, {0}}, {"c", 2, {2, 3}}};
    struct model *m = NULL;
    assert_int_equal(model_new(shapes, 3, &m), ST_OK);
    return m;
}

static int with_base(void **state)
{
    *state = base_of_three();
    return 0;
}

static int end_base(void **state)
{
    model_free(*state);
    return 0;
}

static const uint8_t bytes[32] = {0};

static struct safetensors_tensor tensor(const char *name, enum dtype dtype, uint32_t rank,
                                        size_t first, size_t second)
{
    struct safetensors_tensor t = {.count = first * second, .dtype = dtype, .bytes = bytes};
    (void)snprintf(t.shape.name, sizeof t.shape.name, "%s", name);
    t.shape.rank = rank;
    t.shape.shape[0] = rank > 0 ? first : 0;
    t.shape.shape[1] = rank > 1 ? second : 0;
    return t;
}

static struct safetensors_tensor scale_of(const char *name, const float *scale)
{
    struct safetensors_tensor t = tensor(name, DTYPE_F32, 0, 1, 1);
    t.bytes = (const uint8_t *)scale;
    return t;
}

static void tensors_lie_in_any_order(void **state)
{
    struct safetensors_tensor tensors[] = {
        tensor("c", DTYPE_F16, 2, 2, 3),
        tensor("a", DTYPE_BF16, 1, 2, 1),
        tensor("b", DTYPE_F32, 0, 1, 1),
    };
    for (size_t i = 0; i < 3; i++)
        tensors[i].bytes = bytes + i;
    struct safetensors_layout l = {tensors, 3, NULL};
    struct piece *pieces = NULL;
    size_t count = 0;
    assert_int_equal(pieces_of(*state, &l, &pieces, &count, NULL), ST_OK);
    const struct piece expected[] = {
        {.count = 2, .bytes = bytes + 1, .dtype = DTYPE_BF16},
        {.from = 2, .count = 1, .bytes = bytes + 2, .dtype = DTYPE_F32},
        {.from = 3, .count = 6, .bytes = bytes, .dtype = DTYPE_F16}};
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pieces[i].from, expected[i].from);
        assert_int_equal(pieces[i].count, expected[i].count);
        assert_ptr_equal(pieces[i].bytes, expected[i].bytes);
        assert_int_equal(pieces[i].dtype, expected[i].dtype);
    }
    free(pieces);
}

static void some_tensors_leave_holes(void **state)
{
    struct safetensors_tensor tensors[] = {tensor("c", DTYPE_F32, 2, 2, 3),
                                           tensor("a", DTYPE_F32, 1, 2, 1)};
    struct safetensors_layout l = {tensors, 2, NULL};
    struct piece *pieces = NULL;
    size_t count = 0;
    assert_int_equal(pieces_of(*state, &l, &pieces, &count, NULL), ST_OK);
    assert_int_equal(count, 2);
    struct source s = {.weight = 1, .pieces = pieces, .piece_count = count};
    assert_int_equal(id_from("p", &s.participant), ST_OK);
    assert_int_equal(sources_check(&s, 1, 0, 2, NULL), ST_OK);
    assert_int_equal(sources_check(&s, 1, 3, 9, NULL), ST_OK);
    assert_int_equal(sources_check(&s, 1, 0, 9, NULL), ST_SHAPE);
    free(pieces);
}

static void an_int8_has_its_scale_beside_it(void **state)
{
    const float scale = 0.5f, other = 3;
    struct safetensors_tensor tensors[] = {
        scale_of("c.scale", &scale), tensor("c", DTYPE_I8, 2, 2, 3), tensor("a", DTYPE_I8, 1, 2, 1),
        scale_of("a.scale", &other)};
    struct safetensors_layout l = {tensors, 4, NULL};
    struct piece *pieces = NULL;
    size_t count = 0;
    assert_int_equal(pieces_of(*state, &l, &pieces, &count, NULL), ST_OK);
    assert_int_equal(count, 2);
    assert_true(pieces[0].from == 0 && pieces[0].scale == 3);
    assert_true(pieces[1].from == 3 && pieces[1].scale == 0.5f);
    free(pieces);
}

static void a_base_may_have_a_tensor_called_scale(void **state)
{
    (void)state;
    const struct model_shape shapes[] = {{"w", 1, {2}}, {"w.scale", 1, {3}}};
    struct model *base = NULL;
    assert_int_equal(model_new(shapes, 2, &base), ST_OK);
    struct safetensors_tensor tensors[] = {tensor("w.scale", DTYPE_F32, 1, 3, 1),
                                           tensor("w", DTYPE_F32, 1, 2, 1)};
    struct safetensors_layout l = {tensors, 2, NULL};
    struct piece *pieces = NULL;
    size_t count = 0;
    assert_int_equal(pieces_of(base, &l, &pieces, &count, NULL), ST_OK);
    assert_true(count == 2 && pieces[1].from == 2 && pieces[1].count == 3);
    free(pieces);
    /* Then w cannot be int8: the name of its scale is taken. */
    pieces = NULL;
    tensors[1].dtype = DTYPE_I8;
    assert_int_equal(pieces_of(base, &l, &pieces, &count, NULL), ST_SHAPE);
    assert_null(pieces);
    model_free(base);
}

static struct safetensors_tensor indices_of(const char *name, const uint32_t *indices, size_t count)
{
    struct safetensors_tensor t = tensor(name, DTYPE_U32, 1, count, 1);
    t.bytes = (const uint8_t *)indices;
    return t;
}

static void few_values_lie_as_a_list_with_their_places(void **state)
{
    const float scale = 2;
    const uint32_t of_c[] = {0, 5}, of_a[] = {1};
    struct safetensors_tensor tensors[] = {
        indices_of("c.indices", of_c, 2), tensor("c", DTYPE_I8, 1, 2, 1),
        scale_of("c.scale", &scale), tensor("a", DTYPE_F16, 1, 1, 1),
        indices_of("a.indices", of_a, 1)};
    struct safetensors_layout l = {tensors, 5, NULL};
    struct piece *pieces = NULL;
    size_t count = 0;
    assert_int_equal(pieces_of(*state, &l, &pieces, &count, NULL), ST_OK);
    assert_int_equal(count, 2);
    assert_true(pieces[0].from == 0 && pieces[0].count == 2 && pieces[0].listed == 1);
    assert_ptr_equal(pieces[0].indices, of_a);
    assert_true(pieces[1].from == 3 && pieces[1].count == 6 && pieces[1].listed == 2);
    assert_true(pieces[1].dtype == DTYPE_I8 && pieces[1].scale == 2);
    assert_ptr_equal(pieces[1].indices, of_c);
    free(pieces);
}

static void refused(const struct model *base, const struct safetensors_tensor *tensors,
                    size_t count, enum status status, const char *sentence)
{
    struct safetensors_tensor copies[4];
    memcpy(copies, tensors, count * sizeof copies[0]);
    struct safetensors_layout l = {copies, count, NULL};
    struct piece *pieces = NULL;
    size_t pieces_count = 77;
    struct why why = {""};
    assert_int_equal(pieces_of(base, &l, &pieces, &pieces_count, &why), status);
    assert_string_equal(why.text, sentence);
    assert_null(pieces);
    assert_int_equal(pieces_count, 77);
}

static void what_does_not_fit_the_base_is_refused(void **state)
{
    struct safetensors_tensor a = tensor("a", DTYPE_F32, 1, 2, 1);
    struct safetensors_tensor unknown[] = {a, tensor("d", DTYPE_F32, 1, 2, 1)};
    refused(*state, unknown, 2, ST_SHAPE, "the base model has no tensor d");
    struct safetensors_tensor nameless[] = {a, tensor(".scale", DTYPE_F32, 0, 1, 1)};
    refused(*state, nameless, 2, ST_SHAPE, "the base model has no tensor .scale");
    struct safetensors_tensor longer = tensor("a", DTYPE_F32, 1, 3, 1);
    refused(*state, &longer, 1, ST_SHAPE, "tensor a has another shape than in the base model");
    struct safetensors_tensor turned = tensor("c", DTYPE_F32, 2, 3, 2);
    refused(*state, &turned, 1, ST_SHAPE, "tensor c has another shape than in the base model");
    struct safetensors_tensor flat = tensor("c", DTYPE_F32, 1, 6, 1);
    refused(*state, &flat, 1, ST_SHAPE, "tensor c has another shape than in the base model");
}

static void scales_that_do_not_fit_are_refused(void **state)
{
    const float good = 1;
    struct safetensors_tensor none = tensor("c", DTYPE_I8, 2, 2, 3);
    refused(*state, &none, 1, ST_SHAPE, "the I8 tensor c has no .scale");
    struct safetensors_tensor alone = scale_of("c.scale", &good);
    refused(*state, &alone, 1, ST_SHAPE, "tensor c.scale is not the F32 scale of an I8 tensor");
    struct safetensors_tensor not_i8[] = {tensor("c", DTYPE_F16, 2, 2, 3),
                                          scale_of("c.scale", &good)};
    refused(*state, not_i8, 2, ST_SHAPE, "tensor c.scale is not the F32 scale of an I8 tensor");
    struct safetensors_tensor half[] = {none, tensor("c.scale", DTYPE_F16, 0, 1, 1)};
    refused(*state, half, 2, ST_SHAPE, "tensor c.scale is not the F32 scale of an I8 tensor");
    struct safetensors_tensor vector[] = {none, tensor("c.scale", DTYPE_F32, 1, 1, 1)};
    refused(*state, vector, 2, ST_SHAPE, "tensor c.scale is not the F32 scale of an I8 tensor");
    const float bad[] = {0, -1, INFINITY, NAN};
    for (size_t i = 0; i < 4; i++) {
        struct safetensors_tensor wrong[] = {none, scale_of("c.scale", &bad[i])};
        refused(*state, wrong, 2, ST_INVALID, "tensor c.scale is not above 0");
    }
}

static void indices_that_do_not_fit_are_refused(void **state)
{
    const uint32_t good[] = {0, 1, 5}, same[] = {0, 3, 3}, falling[] = {0, 3, 2},
                   beyond[] = {0, 1, 6};
    struct safetensors_tensor list = tensor("c", DTYPE_F32, 1, 3, 1);
    struct safetensors_tensor whole[] = {tensor("c", DTYPE_F32, 2, 2, 3),
                                         indices_of("c.indices", good, 3)};
    refused(*state, whole, 2, ST_SHAPE,
            "tensor c.indices is not one U32 index for each value of a tensor");
    struct safetensors_tensor alone = indices_of("c.indices", good, 3);
    refused(*state, &alone, 1, ST_SHAPE,
            "tensor c.indices is not one U32 index for each value of a tensor");
    struct safetensors_tensor fewer[] = {list, indices_of("c.indices", good, 2)};
    refused(*state, fewer, 2, ST_SHAPE,
            "tensor c.indices is not one U32 index for each value of a tensor");
    struct safetensors_tensor floats[] = {list, tensor("c.indices", DTYPE_F32, 1, 3, 1)};
    refused(*state, floats, 2, ST_SHAPE,
            "tensor c.indices is not one U32 index for each value of a tensor");
    struct safetensors_tensor values = indices_of("c", good, 3);
    refused(*state, &values, 1, ST_SHAPE, "tensor c holds indices and no values");
    struct safetensors_tensor of_none[] = {list, indices_of("d.indices", good, 3)};
    refused(*state, of_none, 2, ST_SHAPE, "the base model has no tensor d.indices");

    struct safetensors_tensor twice[] = {list, indices_of("c.indices", same, 3)};
    refused(*state, twice, 2, ST_INVALID,
            "tensor c.indices: the index at 2 is not above the one before it");
    struct safetensors_tensor back[] = {list, indices_of("c.indices", falling, 3)};
    refused(*state, back, 2, ST_INVALID,
            "tensor c.indices: the index at 2 is not above the one before it");
    struct safetensors_tensor outside[] = {list, indices_of("c.indices", beyond, 3)};
    refused(*state, outside, 2, ST_INVALID,
            "tensor c.indices: the index at 2 is beyond the tensor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tensors_lie_in_any_order, with_base, end_base),
        cmocka_unit_test_setup_teardown(some_tensors_leave_holes, with_base, end_base),
        cmocka_unit_test_setup_teardown(an_int8_has_its_scale_beside_it, with_base, end_base),
        cmocka_unit_test_setup_teardown(few_values_lie_as_a_list_with_their_places, with_base,
                                        end_base),
        cmocka_unit_test_setup_teardown(indices_that_do_not_fit_are_refused, with_base, end_base),
        cmocka_unit_test(a_base_may_have_a_tensor_called_scale),
        cmocka_unit_test_setup_teardown(what_does_not_fit_the_base_is_refused, with_base, end_base),
        cmocka_unit_test_setup_teardown(scales_that_do_not_fit_are_refused, with_base, end_base),
    };
    return cmocka_run_group_tests_name("aggregate/pieces", tests, NULL, NULL);
}
