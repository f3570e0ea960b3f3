/* Checks compress.c: what comes out is read back as the differences that went in, as exactly
 * as its dtype allows; what is left out and what is sent are together what there was; and
 * what cannot be compressed is refused by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "compress/compress.h"
#include "compress/narrow.h"
#include "model/model_file.h"

/* a: 3000 values, b: a scalar, c: 40 x 50; a base, and an update in another order. */
enum { A = 3000, C = 2000, ALL = A + 1 + C };

struct world {
    struct bytes base, update;
    float d[ALL]; /* a, b, c */
};

static void fill(struct model *m, const char *name, const float *values)
{
    const struct tensor *t = model_find(m, name);
    memcpy(t->data, values, t->count * sizeof values[0]);
}

static void make_world(struct world *w, enum model_form form, uint64_t seed)
{
    const struct model_shape in_base[] = {{"a", 1, {A}}, {"b", 0, {0}}, {"c", 2, {40, 50}}};
    const struct model_shape in_update[] = {{"c", 2, {40, 50}}, {"a", 1, {A}}, {"b", 0, {0}}};
    struct model *base = NULL, *update = NULL;
    struct rand r = {seed};
    float old[ALL], new[ALL];
    for (size_t i = 0; i < ALL; i++) {
        old[i] = (float)(rand_unit(&r) - 0.5);
        new[i] = old[i] + (float)((rand_unit(&r) - 0.5) * 0.02);
        w->d[i] = new[i] - old[i];
    }
    assert_int_equal(model_new(in_base, 3, &base), ST_OK);
    assert_int_equal(model_new(in_update, 3, &update), ST_OK);
    fill(base, "a", old), fill(base, "b", old + A), fill(base, "c", old + A + 1);
    fill(update, "a", new), fill(update, "b", new + A), fill(update, "c", new + A + 1);
    assert_int_equal(model_encode(base, form, &w->base), ST_OK);
    struct update u = {.num_samples = 42, .params = update};
    assert_int_equal(id_from("r1", &u.round_id), ST_OK);
    (void)snprintf(u.base_model_uri, sizeof u.base_model_uri, "fl/models/m_v0");
    u.metrics = (struct metrics){.count = 1, .items = {{"loss", 0.5}}};
    assert_int_equal(update_encode(&u, form, &w->update), ST_OK);
    model_free(base);
    model_free(update);
}

static void end_world(struct world *w)
{
    bytes_done(&w->base);
    bytes_done(&w->update);
}

/* Room for results, aligned as is asked for. */
struct result {
    uint8_t *update, *left_out;
    size_t update_size, left_out_size;
};

static void result_done(struct result *r)
{
    free(r->update);
    free(r->left_out);
}

/* budget: of each step, so that many take one value's worth and go on */
static enum status run(const struct compress_order *order, int64_t budget, struct result *ret,
                       struct why *why)
{
    struct compress *c = NULL;
    enum status status = compress_new(order, &c, why);
    if (status != ST_OK)
        return status;
    struct result r = {.update_size = compress_size(c), .left_out_size = compress_left_out_size(c)};
    r.update = aligned_alloc(8, (r.update_size + 7) / 8 * 8);
    r.left_out = r.left_out_size > 0 ? aligned_alloc(8, (r.left_out_size + 7) / 8 * 8) : NULL;
    compress_into(c, r.update, r.left_out);
    bool done = false;
    while (status == ST_OK && !done) {
        int64_t left = budget;
        status = compress_step(c, &left, &done, why);
    }
    compress_free(c);
    if (status == ST_OK)
        *ret = r;
    else
        result_done(&r);
    return status;
}

static const struct safetensors_tensor *tensor_of(const struct safetensors_layout *l,
                                                  const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->tensors[i].shape.name, name) == 0)
            return &l->tensors[i];
    return NULL;
}

static float number(const struct safetensors_tensor *t, size_t i, float scale)
{
    const uint8_t *at = t->bytes + i * dtype_size(t->dtype);
    uint16_t half;
    float value;
    assert_true((uintptr_t)at % dtype_size(t->dtype) == 0); /* aligned for other readers */
    if (t->dtype == DTYPE_I8)
        return scale * (float)*(const int8_t *)at;
    memcpy(&value, at, t->dtype == DTYPE_F32 ? 4 : 2);
    memcpy(&half, at, 2);
    if (t->dtype == DTYPE_F16)
        return float16_value(half);
    return t->dtype == DTYPE_BF16 ? bfloat16_value(half) : value;
}

/* What a reader sees of a tensor: 0 where nothing was sent. gives: how many were */
static size_t decode(const struct safetensors_layout *l, const char *name, size_t count,
                     float *values, float *ret_scale)
{
    char other[64];
    const struct safetensors_tensor *t = tensor_of(l, name);
    (void)snprintf(other, sizeof other, "%s.scale", name);
    const struct safetensors_tensor *scale = tensor_of(l, other);
    (void)snprintf(other, sizeof other, "%s.indices", name);
    const struct safetensors_tensor *indices = tensor_of(l, other);
    assert_non_null(t);
    *ret_scale = scale == NULL ? 0 : number(scale, 0, 0);
    assert_true((t->dtype == DTYPE_I8) == (scale != NULL));
    memset(values, 0, count * sizeof values[0]);
    size_t before = 0;
    for (size_t i = 0; i < t->count; i++) {
        uint32_t index = (uint32_t)i;
        if (indices != NULL)
            memcpy(&index, indices->bytes + 4 * i, 4);
        assert_true(index < count && (i == 0 || index > before));
        before = index;
        values[index] = number(t, i, *ret_scale);
    }
    return t->count;
}

static void check_texts(const struct model *texts)
{
    assert_string_equal(model_meta(texts, "round_id"), "r1");
    assert_string_equal(model_meta(texts, "base_model_uri"), "fl/models/m_v0");
    assert_string_equal(model_meta(texts, "num_samples"), "42");
    assert_string_equal(model_meta(texts, "metrics"), "{\"loss\":0.5}");
    assert_string_equal(model_meta(texts, "values"), "differences");
}

/* Every difference as the dtype allows it. */
static void each_dtype(void **state)
{
    (void)state;
    const enum model_form forms[] = {MODEL_SAFETENSORS, MODEL_JSON};
    for (size_t f = 0; f < 2; f++) {
        struct world w = {0};
        make_world(&w, forms[f], 5 + f);
        for (enum dtype dtype = DTYPE_F16; dtype < DTYPE_VALUES; dtype++) {
            const struct compress_order order = {.compression = {.dtype = dtype},
                                                 .base = bytes_view(&w.base),
                                                 .update = bytes_view(&w.update),
                                                 .seed = 9};
            struct result r = {0};
            struct safetensors_layout l;
            float read[ALL], scale;
            assert_int_equal(run(&order, 1, &r, NULL), ST_OK);
            assert_int_equal(r.left_out_size, 0);
            assert_int_equal(safetensors_layout(view_of(r.update, r.update_size), &l, NULL), ST_OK);
            check_texts(l.texts);
            assert_int_equal(decode(&l, "a", A, read, &scale), A);
            for (size_t i = 0; i < A; i++) {
                float exact = dtype == DTYPE_F16    ? float16_value(float16_of(w.d[i]))
                              : dtype == DTYPE_BF16 ? bfloat16_value(bfloat16_of(w.d[i]))
                                                    : read[i];
                assert_true(read[i] == exact);
                assert_true(dtype != DTYPE_I8 || fabsf(read[i] - w.d[i]) <= scale * 1.0001f);
            }
            assert_int_equal(decode(&l, "b", 1, read, &scale), 1);
            assert_int_equal(tensor_of(&l, "c")->shape.rank, 2);
            safetensors_layout_done(&l);
            result_done(&r);
        }
        end_world(&w);
    }
}

/* The same order gives the same bytes, in whatever turns. */
static void turns_do_not_matter(void **state)
{
    (void)state;
    struct world w = {0};
    make_world(&w, MODEL_SAFETENSORS, 1);
    const struct compress_order order = {.compression = {DTYPE_I8, 0.1},
                                         .base = bytes_view(&w.base),
                                         .update = bytes_view(&w.update),
                                         .seed = 3};
    struct result small = {0}, whole = {0};
    assert_int_equal(run(&order, 1, &small, NULL), ST_OK);
    assert_int_equal(run(&order, INT64_MAX, &whole, NULL), ST_OK);
    assert_int_equal(small.update_size, whole.update_size);
    assert_memory_equal(small.update, whole.update, whole.update_size);
    assert_memory_equal(small.left_out, whole.left_out, whole.left_out_size);
    result_done(&small);
    result_done(&whole);
    end_world(&w);
}

/* d = sent + left out, for each value; the largest are those that are sent. */
static void check_parts(const struct result *r, const char *name, const float *d, size_t count,
                        size_t sent, const float *before)
{
    struct safetensors_layout l, left;
    float read[ALL], scale;
    assert_int_equal(safetensors_layout(view_of(r->update, r->update_size), &l, NULL), ST_OK);
    assert_int_equal(safetensors_layout(view_of(r->left_out, r->left_out_size), &left, NULL),
                     ST_OK);
    assert_int_equal(decode(&l, name, count, read, &scale), sent);
    const struct safetensors_tensor *rest = tensor_of(&left, name);
    assert_int_equal(rest->count, count);
    float least_sent = INFINITY, most_left = 0;
    for (size_t i = 0; i < count; i++) {
        float whole = d[i] + (before == NULL ? 0 : before[i]);
        assert_true(number(rest, i, 0) == whole - read[i]);
        if (read[i] != 0)
            least_sent = fminf(least_sent, fabsf(whole));
        else if (number(rest, i, 0) == whole && fabsf(whole) > most_left && scale == 0)
            most_left = fabsf(whole);
    }
    assert_true(most_left <= least_sent);
    safetensors_layout_done(&l);
    safetensors_layout_done(&left);
}

static void what_is_left_out_goes_into_the_next(void **state)
{
    (void)state;
    for (enum dtype dtype = DTYPE_F32; dtype < DTYPE_VALUES; dtype++) {
        struct world w = {0};
        make_world(&w, MODEL_SAFETENSORS, 11);
        struct compress_order order = {.compression = {dtype, 0.01},
                                       .base = bytes_view(&w.base),
                                       .update = bytes_view(&w.update),
                                       .seed = 4};
        struct result first = {0}, second = {0};
        assert_int_equal(run(&order, 5000, &first, NULL), ST_OK);
        check_parts(&first, "a", w.d, A, 30, NULL);
        check_parts(&first, "b", w.d + A, 1, 1, NULL);
        check_parts(&first, "c", w.d + A + 1, C, 20, NULL);
        assert_true(first.update_size < w.update.size / 20);

        struct safetensors_layout left;
        order.left_out = view_of(first.left_out, first.left_out_size);
        assert_int_equal(safetensors_layout(order.left_out, &left, NULL), ST_OK);
        float before[A];
        memcpy(before, tensor_of(&left, "a")->bytes, sizeof before);
        assert_int_equal(run(&order, 5000, &second, NULL), ST_OK);
        check_parts(&second, "a", w.d, A, 30, before);
        safetensors_layout_done(&left);
        result_done(&first);
        result_done(&second);
        end_world(&w);
    }
}

/* The same update again and again: the sum of what arrives comes near to that of all. */
static void nothing_is_lost_but_time(void **state)
{
    (void)state;
    enum { ROUNDS = 60 };
    struct world w = {0};
    make_world(&w, MODEL_SAFETENSORS, 2);
    struct compress_order order = {.compression = {DTYPE_I8, 0.1},
                                   .base = bytes_view(&w.base),
                                   .update = bytes_view(&w.update)};
    struct result before = {0};
    float sums[A] = {0}, worst = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct result r = {0};
        struct safetensors_layout l;
        float read[A], scale;
        order.seed = round;
        order.left_out = view_of(before.left_out, before.left_out_size);
        assert_int_equal(run(&order, INT64_MAX, &r, NULL), ST_OK);
        assert_int_equal(safetensors_layout(view_of(r.update, r.update_size), &l, NULL), ST_OK);
        (void)decode(&l, "a", A, read, &scale);
        for (size_t i = 0; i < A; i++)
            sums[i] += read[i];
        safetensors_layout_done(&l);
        result_done(&before);
        before = r;
    }
    for (size_t i = 0; i < A; i++)
        worst = fmaxf(worst, fabsf(sums[i] - ROUNDS * w.d[i]));
    /* A difference is at most 0.01, and waits for 10 rounds or some more. */
    assert_true(worst < 0.01f * 20);
    result_done(&before);
    end_world(&w);
}

static void refused(const struct compress_order *order, enum status status, const char *sentence)
{
    struct result r = {0};
    struct why why = {""};
    assert_int_equal(run(order, INT64_MAX, &r, &why), status);
    assert_string_equal(why.text, sentence);
    assert_null(r.update);
}

/* A base of one tensor w of four, and an update of this tensor. */
static void small(struct bytes *base, struct bytes *update, const struct model_shape *shape,
                  const float *values, const char *values_are)
{
    const struct model_shape of_base = {"w", 1, {4}};
    struct model *m = NULL, *u = NULL;
    assert_int_equal(model_new(&of_base, 1, &m), ST_OK);
    assert_int_equal(safetensors_encode(m, base), ST_OK);
    assert_int_equal(model_new(shape, shape == NULL ? 0 : 1, &u), ST_OK);
    if (shape != NULL)
        memcpy(model_params_mutable(u), values, model_param_count(u) * sizeof values[0]);
    assert_int_equal(model_set_meta(u, "round_id", "r1"), ST_OK);
    assert_int_equal(model_set_meta(u, "base_model_uri", "fl/models/m_v0"), ST_OK);
    assert_int_equal(model_set_meta(u, "num_samples", "1"), ST_OK);
    if (values_are != NULL)
        assert_int_equal(model_set_meta(u, "values", values_are), ST_OK);
    assert_int_equal(safetensors_encode(u, update), ST_OK);
    model_free(m);
    model_free(u);
}

static void what_cannot_be_compressed_is_refused(void **state)
{
    (void)state;
    const struct model_shape w = {"w", 1, {4}}, other = {"x", 1, {4}}, turned = {"w", 2, {2, 2}};
    const float fine[4] = {1, 2, 3, 4}, nan[4] = {1, NAN, 3, 4};
    const struct {
        const struct model_shape *shape;
        const float *values;
        const char *values_are;
        enum status status;
        const char *sentence;
    } cases[] = {
        {&other, fine, NULL, ST_SHAPE, "the base model has no tensor x of this shape"},
        {&turned, fine, NULL, ST_SHAPE, "the base model has no tensor w of this shape"},
        {&w, fine, "differences", ST_TYPE, "its values are differences already"},
        {&w, nan, "sums", ST_MALFORMED, "values is neither \"parameters\" nor \"differences\""},
        {NULL, NULL, NULL, ST_EXISTS, "it has no tensors"},
        {&w, fine, NULL, ST_EXISTS, "it would not be smaller"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes base = {0}, update = {0};
        small(&base, &update, cases[i].shape, cases[i].values, cases[i].values_are);
        const struct compress_order order = {.compression = {.dtype = DTYPE_F16},
                                             .base = bytes_view(&base),
                                             .update = bytes_view(&update)};
        refused(&order, cases[i].status, cases[i].sentence);
        bytes_done(&base);
        bytes_done(&update);
    }
}

static void a_base_with_names_like_ours_is_refused(void **state)
{
    (void)state;
    const char *const names[] = {"w.scale", "w.indices"};
    for (size_t i = 0; i < 2; i++) {
        struct model_shape shape = {"", 1, {4}}, w = {"w", 1, {4}};
        struct model *m = NULL;
        struct bytes base = {0}, other = {0}, update = {0};
        char sentence[100];
        (void)snprintf(shape.name, sizeof shape.name, "%s", names[i]);
        assert_int_equal(model_new(&shape, 1, &m), ST_OK);
        assert_int_equal(safetensors_encode(m, &base), ST_OK);
        small(&other, &update, &w, (const float[]){1, 2, 3, 4}, NULL);
        const struct compress_order order = {.compression = {.dtype = DTYPE_F16},
                                             .base = bytes_view(&base),
                                             .update = bytes_view(&update)};
        (void)snprintf(sentence, sizeof sentence,
                       "the base model has a tensor %s, which is named like a scale or indices",
                       names[i]);
        refused(&order, ST_INVALID, sentence);
        model_free(m);
        bytes_done(&base);
        bytes_done(&other);
        bytes_done(&update);
    }
}

/* A value of a world's update becomes this one. */
static void set_first(struct bytes *update, const char *name, float value)
{
    struct safetensors_layout l;
    assert_int_equal(safetensors_layout(bytes_view(update), &l, NULL), ST_OK);
    memcpy(update->data + (tensor_of(&l, name)->bytes - update->data), &value, sizeof value);
    safetensors_layout_done(&l);
}

static void values_that_no_dtype_can_hold_are_refused(void **state)
{
    (void)state;
    struct world w = {0};
    make_world(&w, MODEL_SAFETENSORS, 3);
    struct compress_order order = {.base = bytes_view(&w.base), .update = bytes_view(&w.update)};
    for (enum dtype dtype = DTYPE_F32; dtype < DTYPE_VALUES; dtype++) {
        order.compression = (struct compression){dtype, 0.25};
        set_first(&w.update, "a", NAN);
        refused(&order, ST_NOT_FINITE, "the difference to the base is not finite");
        set_first(&w.update, "a", INFINITY);
        refused(&order, ST_NOT_FINITE, "the difference to the base is not finite");
    }
    set_first(&w.update, "a", 70000);
    order.compression = (struct compression){.dtype = DTYPE_F16};
    struct result r = {0};
    struct why why = {""};
    assert_int_equal(run(&order, INT64_MAX, &r, &why), ST_LIMIT);
    assert_non_null(strstr(why.text, "is too large for the dtype"));
    order.compression.dtype = DTYPE_BF16;
    assert_int_equal(run(&order, INT64_MAX, &r, NULL), ST_OK);
    result_done(&r);
    end_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dtype),
        cmocka_unit_test(turns_do_not_matter),
        cmocka_unit_test(what_is_left_out_goes_into_the_next),
        cmocka_unit_test(nothing_is_lost_but_time),
        cmocka_unit_test(what_cannot_be_compressed_is_refused),
        cmocka_unit_test(a_base_with_names_like_ours_is_refused),
        cmocka_unit_test(values_that_no_dtype_can_hold_are_refused),
    };
    return cmocka_run_group_tests_name("compress/compress", tests, NULL, NULL);
}
