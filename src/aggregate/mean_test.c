/* Checks mean.c against values worked by hand, then its algebra, then what it
 * must refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregate/mean.h"
#include "base/rand.h"

static int two(void **state)
{
    struct mean *m = NULL;
    assert_int_equal(mean_new(2, &m), ST_OK);
    *state = m;
    return 0;
}

static int end(void **state)
{
    *state = mean_free(*state);
    return *state != NULL;
}

static void samples_are_the_weights(void **state)
{
    struct mean *m = *state;
    float out[2];
    assert_int_equal(mean_add(m, (float[]){1, 10}, 1), ST_OK);
    assert_int_equal(mean_add(m, (float[]){5, 20}, 3), ST_OK);
    assert_int_equal(mean_result(m, out), ST_OK);
    assert_true(out[0] == 4.0f);  /* (1*1 + 3*5) / 4 */
    assert_true(out[1] == 17.5f); /* (1*10 + 3*20) / 4 */
}

static void one_participant_gives_its_own_parameters(void **state)
{
    struct mean *m = *state;
    float out[2];
    assert_int_equal(mean_add(m, (float[]){0.1f, -3.4028234e38f}, UPDATE_SAMPLES_MAX), ST_OK);
    assert_int_equal(mean_result(m, out), ST_OK);
    assert_true(out[0] == 0.1f);
    assert_true(out[1] == -3.4028234e38f);
}

static void participants_who_agree_are_not_rounded(void **state)
{
    struct mean *m = *state;
    struct rand r = {7};
    float out[2];
    for (int k = 0; k < 1000; k++)
        assert_int_equal(mean_add(m, (float[]){0.1f, 1e-40f}, 1 + rand_below(&r, 99999)), ST_OK);
    assert_int_equal(mean_result(m, out), ST_OK);
    assert_true(out[0] == 0.1f);
    assert_true(out[1] == 1e-40f);
}

static void a_result_does_not_end_the_sum(void **state)
{
    struct mean *m = *state;
    float out[2];
    assert_int_equal(mean_add(m, (float[]){2, 0}, 1), ST_OK);
    assert_int_equal(mean_result(m, out), ST_OK);
    assert_true(out[0] == 2.0f);
    assert_int_equal(mean_add(m, (float[]){4, 0}, 1), ST_OK);
    assert_int_equal(mean_result(m, out), ST_OK);
    assert_true(out[0] == 3.0f);
}

#define PARAMS       64
#define PARTICIPANTS 50

struct federation {
    float params[PARTICIPANTS][PARAMS];
    uint64_t samples[PARTICIPANTS];
    size_t order[PARTICIPANTS];
};

static void mean_in_order(const struct federation *f, float ret[PARAMS])
{
    struct mean *m = NULL;
    assert_int_equal(mean_new(PARAMS, &m), ST_OK);
    for (size_t k = 0; k < PARTICIPANTS; k++)
        assert_int_equal(mean_add(m, f->params[f->order[k]], f->samples[f->order[k]]), ST_OK);
    assert_int_equal(mean_result(m, ret), ST_OK);
    mean_free(m);
}

static void shuffle(struct federation *f, struct rand *r)
{
    for (size_t k = PARTICIPANTS - 1; k > 0; k--) {
        size_t j = (size_t)rand_below(r, k + 1);
        size_t t = f->order[k];
        f->order[k] = f->order[j];
        f->order[j] = t;
    }
}

/* values(r) draws one parameter. */
static void draw(struct federation *f, struct rand *r, float (*values)(struct rand *))
{
    for (size_t k = 0; k < PARTICIPANTS; k++) {
        f->order[k] = k;
        f->samples[k] = 1 + rand_below(r, 60000);
        for (size_t i = 0; i < PARAMS; i++)
            f->params[k][i] = values(r);
    }
}

static float weight_like(struct rand *r)
{
    return (float)(rand_unit(r) * 2 - 1);
}

static float whole(struct rand *r)
{
    return (float)rand_below(r, 2001) - 1000;
}

static void order_of_participants_changes_at_most_the_last_place(void **state)
{
    (void)state;
    struct rand r = {1};
    struct federation f;
    float first[PARAMS], other[PARAMS];
    draw(&f, &r, weight_like);
    mean_in_order(&f, first);
    for (int n = 0; n < 100; n++) {
        shuffle(&f, &r);
        mean_in_order(&f, other);
        for (size_t i = 0; i < PARAMS; i++)
            assert_true(other[i] >= nextafterf(first[i], -INFINITY) &&
                        other[i] <= nextafterf(first[i], INFINITY));
    }
}

static void whole_numbers_are_summed_exactly(void **state)
{
    (void)state;
    struct rand r = {2};
    struct federation f;
    float first[PARAMS], other[PARAMS];
    draw(&f, &r, whole);
    mean_in_order(&f, first);
    for (size_t i = 0; i < PARAMS; i++) {
        int64_t sum = 0, samples = 0;
        for (size_t k = 0; k < PARTICIPANTS; k++) {
            sum += (int64_t)f.samples[k] * (int64_t)f.params[k][i];
            samples += (int64_t)f.samples[k];
        }
        assert_true(first[i] == (float)((double)sum / (double)samples));
    }
    shuffle(&f, &r);
    mean_in_order(&f, other);
    for (size_t i = 0; i < PARAMS; i++)
        assert_true(other[i] == first[i]);
}

static void the_mean_lies_between_the_smallest_and_the_largest(void **state)
{
    (void)state;
    struct rand r = {3};
    struct federation f;
    float out[PARAMS];
    draw(&f, &r, weight_like);
    mean_in_order(&f, out);
    for (size_t i = 0; i < PARAMS; i++) {
        float least = INFINITY, most = -INFINITY;
        for (size_t k = 0; k < PARTICIPANTS; k++) {
            least = fminf(least, f.params[k][i]);
            most = fmaxf(most, f.params[k][i]);
        }
        assert_true(out[i] >= least && out[i] <= most);
    }
}

static void a_refused_update_leaves_no_trace(void **state)
{
    struct mean *m = *state;
    float out[2];
    assert_int_equal(mean_add(m, (float[]){1, 2}, 1), ST_OK);
    assert_int_equal(mean_add(m, (float[]){9, NAN}, 1), ST_NOT_FINITE);
    assert_int_equal(mean_add(m, (float[]){9, INFINITY}, 1), ST_NOT_FINITE);
    assert_int_equal(mean_add(m, (float[]){-INFINITY, 9}, 1), ST_NOT_FINITE);
    assert_int_equal(mean_add(m, (float[]){9, 9}, 0), ST_INVALID);
    assert_int_equal(mean_add(m, (float[]){9, 9}, UPDATE_SAMPLES_MAX + 1), ST_INVALID);
    assert_int_equal(mean_result(m, out), ST_OK);
    assert_true(out[0] == 1.0f && out[1] == 2.0f);
}

static void a_mean_of_nothing_is_refused(void **state)
{
    struct mean *m = *state;
    float out[2] = {5, 6};
    assert_int_equal(mean_result(m, out), ST_INVALID);
    assert_true(out[0] == 5.0f && out[1] == 6.0f);
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    struct mean *m = NULL;
    assert_int_equal(mean_new(0, &m), ST_INVALID);
    assert_int_equal(mean_new(MODEL_PARAMS_MAX + 1, &m), ST_INVALID);
    assert_null(m);
    assert_null(mean_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(samples_are_the_weights, two, end),
        cmocka_unit_test_setup_teardown(one_participant_gives_its_own_parameters, two, end),
        cmocka_unit_test_setup_teardown(participants_who_agree_are_not_rounded, two, end),
        cmocka_unit_test_setup_teardown(a_result_does_not_end_the_sum, two, end),
        cmocka_unit_test(order_of_participants_changes_at_most_the_last_place),
        cmocka_unit_test(whole_numbers_are_summed_exactly),
        cmocka_unit_test(the_mean_lies_between_the_smallest_and_the_largest),
        cmocka_unit_test_setup_teardown(a_refused_update_leaves_no_trace, two, end),
        cmocka_unit_test_setup_teardown(a_mean_of_nothing_is_refused, two, end),
        cmocka_unit_test(sizes_out_of_range_are_refused),
    };
    return cmocka_run_group_tests_name("aggregate/mean", tests, NULL, NULL);
}
