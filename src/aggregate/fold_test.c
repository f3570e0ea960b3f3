/* Checks fold.c: values worked by hand, then that neither the order of arrival,
 * the split nor threads change a bit, then against sums in long double. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/fold.h"
#include "base/rand.h"

/* A source of one tensor of float32. */
static struct source source_of(const char *participant, double weight, const float *params,
                               struct piece *piece, size_t count)
{
    *piece = (struct piece){.count = count, .bytes = (const uint8_t *)params, .dtype = DTYPE_F32};
    struct source s = {.weight = weight, .pieces = piece, .piece_count = 1};
    assert_int_equal(id_from(participant, &s.participant), ST_OK);
    return s;
}

static void samples_are_the_weights(void **state)
{
    (void)state;
    struct piece pieces[2];
    float out[2];
    struct source s[] = {
        source_of("a", 1, (float[]){1, 10}, &pieces[0], 2),
        source_of("b", 3, (float[]){5, 20}, &pieces[1], 2),
    };
    assert_int_equal(fold_mean(s, 2, 0, 2, out), ST_OK);
    assert_true(out[0] == 4.0f);  /* (1*1 + 3*5) / 4 */
    assert_true(out[1] == 17.5f); /* (1*10 + 3*20) / 4 */
}

static void participants_who_agree_are_not_rounded(void **state)
{
    (void)state;
    enum { PARTICIPANTS = 1000 };
    static struct source s[PARTICIPANTS];
    struct rand r = {7};
    struct piece piece;
    float agreed[5] = {0.1f, 1e-40f, -3.4028234e38f, -0.0f, 0}, out[5];
    for (int k = 0; k < PARTICIPANTS; k++) {
        char name[16];
        snprintf(name, sizeof name, "p%04d", k);
        s[k] = source_of(name, (double)(1 + rand_below(&r, UPDATE_SAMPLES_MAX)), agreed, &piece, 5);
    }
    assert_int_equal(fold_mean(s, PARTICIPANTS, 0, 5, out), ST_OK);
    assert_memory_equal(out, agreed, sizeof agreed);
}

static void a_value_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct piece pieces[3];
        float out[2];
        struct source s[] = {
            source_of("a", 1, (float[]){1, 2}, &pieces[0], 2),
            source_of("b", 1, (float[]){1, bad[i]}, &pieces[1], 2),
            source_of("c", 1, (float[]){1, -bad[i]}, &pieces[2], 2),
        };
        assert_int_equal(fold_mean(s, 2, 0, 2, out), ST_NOT_FINITE);
        assert_int_equal(fold_mean(s, 3, 0, 2, out), ST_NOT_FINITE);
        assert_int_equal(fold_mean(s, 2, 0, 1, out), ST_OK);
        assert_true(out[0] == 1);
    }
}

/* A fleet whose updates have tensors of several dtypes at several places, some
 * as differences to a base: what makes the walk over pieces go wrong if it can. */
#define PARAMS       (2 * FOLD_TILE + 37)
#define PARTICIPANTS 11
#define TENSORS      5

struct fleet {
    float base[PARAMS];
    uint8_t *bytes[PARTICIPANTS];
    struct piece pieces[PARTICIPANTS][TENSORS];
    struct source sources[PARTICIPANTS];
};

static const size_t ends[TENSORS] = {1, FOLD_TILE - 3, FOLD_TILE + 8, 2 * FOLD_TILE + 36, PARAMS};

static void draw_number(struct rand *r, enum dtype dtype, uint8_t *number)
{
    float value = (float)(rand_unit(r) * 2 - 1);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t upper = (uint16_t)(bits >> 16), half = (uint16_t)(rand_u64(r) & 0xbbff);
    int8_t whole = (int8_t)(rand_below(r, 255) - 127);
    const void *from[DTYPE_VALUES] = {&value, &half, &upper, &whole};
    memcpy(number, from[dtype], dtype_size(dtype));
}

static void draw_source(struct fleet *f, struct rand *r, size_t k)
{
    /* Every other source has one dtype for all, so that runs of equal ones and
     * of different ones both occur. */
    enum dtype own = (enum dtype)rand_below(r, DTYPE_VALUES);
    uint8_t *at = f->bytes[k] = malloc(PARAMS * 4 + 1);
    assert_non_null(at);
    at++; /* not aligned */
    size_t from = 0;
    for (size_t t = 0; t < TENSORS; t++) {
        enum dtype dtype = k % 2 ? (enum dtype)rand_below(r, DTYPE_VALUES) : own;
        f->pieces[k][t] = (struct piece){
            .from = from, .count = ends[t] - from, .bytes = at, .dtype = dtype, .scale = 0x1p-7f};
        for (; from < ends[t]; from++, at += dtype_size(dtype))
            draw_number(r, dtype, at);
    }
    char name[16];
    snprintf(name, sizeof name, "p%02zu", k);
    f->sources[k] = (struct source){
        .weight = (double)(1 + rand_below(r, 60000)),
        .pieces = f->pieces[k],
        .piece_count = TENSORS,
        .base = k % 3 == 2 ? f->base : NULL,
    };
    assert_int_equal(id_from(name, &f->sources[k].participant), ST_OK);
}

static int draw_fleet(void **state)
{
    struct fleet *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    struct rand r = {1};
    for (size_t i = 0; i < PARAMS; i++)
        f->base[i] = (float)(rand_unit(&r) * 2 - 1);
    for (size_t k = 0; k < PARTICIPANTS; k++)
        draw_source(f, &r, k);
    *state = f;
    return sources_check(f->sources, PARTICIPANTS, 0, PARAMS, NULL) != ST_OK;
}

static int end_fleet(void **state)
{
    struct fleet *f = *state;
    for (size_t k = 0; k < PARTICIPANTS; k++)
        free(f->bytes[k]);
    free(f);
    return 0;
}

static float mean[PARAMS], other[PARAMS], decoded[PARTICIPANTS][PARAMS];

static void the_mean_is_that_of_long_double_to_the_last_place(void **state)
{
    struct fleet *f = *state;
    assert_int_equal(fold_mean(f->sources, PARTICIPANTS, 0, PARAMS, mean), ST_OK);
    for (size_t k = 0; k < PARTICIPANTS; k++)
        source_read(&f->sources[k], 0, PARAMS, decoded[k]);
    for (size_t i = 0; i < PARAMS; i++) {
        long double sum = 0, weights = 0;
        for (size_t k = 0; k < PARTICIPANTS; k++) {
            sum += (long double)f->sources[k].weight * (long double)decoded[k][i];
            weights += (long double)f->sources[k].weight;
        }
        float expected = (float)(sum / weights);
        assert_true(mean[i] >= nextafterf(expected, -INFINITY) &&
                    mean[i] <= nextafterf(expected, INFINITY));
    }
}

static void any_split_gives_the_same_bytes(void **state)
{
    struct fleet *f = *state;
    struct rand r = {3};
    assert_int_equal(fold_mean(f->sources, PARTICIPANTS, 0, PARAMS, mean), ST_OK);
    for (int n = 0; n < 50; n++) {
        memset(other, 0xff, sizeof other);
        for (size_t from = 0, to; from < PARAMS; from = to) {
            to = from + 1 + (size_t)rand_below(&r, n % 2 ? PARAMS - from : FOLD_TILE);
            to = to < PARAMS ? to : PARAMS;
            assert_int_equal(fold_mean(f->sources, PARTICIPANTS, from, to, other + from), ST_OK);
        }
        assert_memory_equal(other, mean, sizeof mean);
    }
}

struct part {
    const struct fleet *fleet;
    size_t from, to;
    enum status status;
};

static void *fold_part(void *argument)
{
    struct part *p = argument;
    p->status = fold_mean(p->fleet->sources, PARTICIPANTS, p->from, p->to, other + p->from);
    return NULL;
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    struct fleet *f = *state;
    assert_int_equal(fold_mean(f->sources, PARTICIPANTS, 0, PARAMS, mean), ST_OK);
    for (size_t count = 1; count <= 8; count++) {
        pthread_t threads[8];
        struct part parts[8];
        memset(other, 0xff, sizeof other);
        for (size_t t = 0; t < count; t++) {
            parts[t] = (struct part){f, PARAMS * t / count, PARAMS * (t + 1) / count, ST_INVALID};
            assert_int_equal(pthread_create(&threads[t], NULL, fold_part, &parts[t]), 0);
        }
        for (size_t t = 0; t < count; t++) {
            assert_int_equal(pthread_join(threads[t], NULL), 0);
            assert_int_equal(parts[t].status, ST_OK);
        }
        assert_memory_equal(other, mean, sizeof mean);
    }
}

static int by_participant(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    return strcmp(x->participant.text, y->participant.text);
}

static void any_order_of_arrival_gives_the_same_bytes(void **state)
{
    struct fleet *f = *state;
    struct rand r = {4};
    assert_int_equal(fold_mean(f->sources, PARTICIPANTS, 0, PARAMS, mean), ST_OK);
    for (int n = 0; n < 20; n++) {
        for (size_t k = PARTICIPANTS - 1; k > 0; k--) {
            size_t j = (size_t)rand_below(&r, k + 1);
            struct source t = f->sources[k];
            f->sources[k] = f->sources[j];
            f->sources[j] = t;
        }
        if (n == 0)
            assert_int_equal(sources_check(f->sources, PARTICIPANTS, 0, PARAMS, NULL), ST_INVALID);
        qsort(f->sources, PARTICIPANTS, sizeof f->sources[0], by_participant);
        assert_int_equal(fold_mean(f->sources, PARTICIPANTS, 0, PARAMS, other), ST_OK);
        assert_memory_equal(other, mean, sizeof mean);
    }
}

static void whole_numbers_are_summed_exactly(void **state)
{
    (void)state;
    enum { COUNT = 64, MANY = 50 };
    static float params[MANY][COUNT];
    static struct piece pieces[MANY];
    static struct source s[MANY];
    struct rand r = {2};
    for (size_t k = 0; k < MANY; k++) {
        char name[16];
        snprintf(name, sizeof name, "p%02zu", k);
        for (size_t i = 0; i < COUNT; i++)
            params[k][i] = (float)rand_below(&r, 2001) - 1000;
        s[k] = source_of(name, (double)(1 + rand_below(&r, 60000)), params[k], &pieces[k], COUNT);
    }
    float out[COUNT];
    assert_int_equal(fold_mean(s, MANY, 0, COUNT, out), ST_OK);
    for (size_t i = 0; i < COUNT; i++) {
        int64_t sum = 0, samples = 0;
        for (size_t k = 0; k < MANY; k++) {
            sum += (int64_t)s[k].weight * (int64_t)params[k][i];
            samples += (int64_t)s[k].weight;
        }
        assert_true(out[i] == (float)((double)sum / (double)samples));
    }
}

static void steps_give_the_bits_of_the_whole(void **state)
{
    (void)state;
    enum { COUNT = 9000, MANY = 11 };
    static float params[MANY][COUNT], whole[COUNT], stepped[COUNT];
    static struct piece pieces[MANY];
    static struct source s[MANY];
    static double sums[COUNT];
    struct rand r = {3};
    double divisor = 0;
    for (size_t k = 0; k < MANY; k++) {
        char name[16];
        snprintf(name, sizeof name, "p%02zu", k);
        for (size_t i = 0; i < COUNT; i++)
            params[k][i] = ((float)rand_below(&r, 2001) - 1000) / 7.0F;
        s[k] = source_of(name, (double)(1 + rand_below(&r, 60000)), params[k], &pieces[k], COUNT);
        divisor += s[k].weight;
    }
    assert_int_equal(fold_mean(s, MANY, 0, COUNT, whole), ST_OK);
    fold_begin(COUNT, sums);
    for (size_t k = 0; k < MANY; k += 3)
        fold_add(s + k, MANY - k < 3 ? MANY - k : 3, 0, COUNT, sums);
    assert_int_equal(fold_end(sums, divisor, COUNT, stepped), ST_OK);
    assert_memory_equal(whole, stepped, sizeof whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_the_weights),
        cmocka_unit_test(participants_who_agree_are_not_rounded),
        cmocka_unit_test(a_value_that_is_not_finite_is_refused),
        cmocka_unit_test(whole_numbers_are_summed_exactly),
        cmocka_unit_test(steps_give_the_bits_of_the_whole),
        cmocka_unit_test_setup_teardown(the_mean_is_that_of_long_double_to_the_last_place,
                                        draw_fleet, end_fleet),
        cmocka_unit_test_setup_teardown(any_split_gives_the_same_bytes, draw_fleet, end_fleet),
        cmocka_unit_test_setup_teardown(any_number_of_threads_gives_the_same_bytes, draw_fleet,
                                        end_fleet),
        cmocka_unit_test_setup_teardown(any_order_of_arrival_gives_the_same_bytes, draw_fleet,
                                        end_fleet),
    };
    return cmocka_run_group_tests_name("aggregate/fold", tests, NULL, NULL);
}
