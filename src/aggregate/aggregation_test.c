/* Checks aggregation.c: that each rule is what its own header makes of the same
 * updates, and that none depends on how it is driven. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/aggregation.h"
#include "aggregate/differences.h"
#include "aggregate/fake_sources.h"
#include "aggregate/fold.h"
#include "aggregate/krum.h"
#include "aggregate/rank.h"
#include "aggregate/weight.h"
#include "base/rand.h"

#define COUNT  12
#define PARAMS 9001

static struct fake_sources fake;

struct fleet {
    float base[PARAMS], old_base[PARAMS];
    float params[COUNT][PARAMS];
    const float *bases[COUNT];
    double squares[COUNT];
    uint64_t steps[COUNT], staleness[COUNT];
};

static struct fleet fleet;

static struct aggregation_input drawn(void)
{
    struct rand r = {5};
    for (size_t i = 0; i < PARAMS; i++) {
        fleet.base[i] = (float)rand_unit(&r);
        fleet.old_base[i] = (float)rand_unit(&r);
    }
    for (size_t k = 0; k < COUNT; k++)
        for (size_t i = 0; i < PARAMS; i++)
            fleet.params[k][i] = fleet.base[i] + (float)(rand_unit(&r) - 0.5) * (k % 4 ? 1 : 90.0f);
    fake_sources_of(&fake, fleet.params[0], COUNT, PARAMS);
    for (size_t k = 0; k < COUNT; k++) {
        fake.sources[k].weight = (double)(100 + 7 * k);
        fleet.steps[k] = 1 + k % 3;
        fleet.staleness[k] = k % 2;
        fleet.bases[k] = k % 2 ? fleet.old_base : fleet.base;
        assert_int_equal(source_measure(&fake.sources[k], fleet.base, &fleet.squares[k], NULL),
                         ST_OK);
    }
    return (struct aggregation_input){
        .sources = fake.sources,
        .count = COUNT,
        .param_count = PARAMS,
        .base = fleet.base,
        .squares = fleet.squares,
        .steps = fleet.steps,
        .staleness = fleet.staleness,
    };
}

static struct rule_settings settings_of(enum rule rule)
{
    struct rule_settings s = rule_defaults(rule);
    s.byzantine = 3;
    s.keep = 6;
    s.bound = 20;
    return s;
}

static struct aggregation *begun(const struct rule_settings *s, const struct aggregation_input *in)
{
    struct aggregation *a = NULL;
    struct why why = {""};
    if (aggregation_new(s, in, &a, &why) != ST_OK)
        fail_msg("%s: %s", rule_name(s->rule), why.text);
    return a;
}

static void run(const struct rule_settings *s, const struct aggregation_input *in, float *out)
{
    struct aggregation *a = begun(s, in);
    for (size_t pass = 0; pass < aggregation_passes(a); pass++) {
        for (size_t section = 0; section < aggregation_section_count(a); section++)
            assert_int_equal(aggregation_measure(a, section), ST_OK);
        assert_int_equal(aggregation_next(a), ST_OK);
    }
    assert_int_equal(aggregation_write(a, 0, PARAMS, out), ST_OK);
    assert_null(aggregation_free(a));
}

struct worker {
    struct aggregation *a;
    size_t first; /* every second one from here, the last one first */
    float *out;   /* NULL: sections, else ranges */
    enum status status;
};

static void *work(void *argument)
{
    enum { RANGE = 1337 };
    struct worker *w = argument;
    size_t count = w->out == NULL ? aggregation_section_count(w->a) : (PARAMS + RANGE - 1) / RANGE;
    for (size_t i = count; i-- > 0 && w->status == ST_OK;) {
        if (i % 2 != w->first)
            continue;
        size_t from = i * RANGE, to = from + RANGE < PARAMS ? from + RANGE : PARAMS;
        w->status = w->out == NULL ? aggregation_measure(w->a, i)
                                   : aggregation_write(w->a, from, to, w->out + from);
    }
    return NULL;
}

static void in_two_threads(struct aggregation *a, float *out)
{
    struct worker workers[] = {{a, 0, out, ST_OK}, {a, 1, out, ST_OK}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, &workers[1]), 0);
    (void)work(&workers[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(workers[0].status, ST_OK);
    assert_int_equal(workers[1].status, ST_OK);
}

static void run_in_two_threads(const struct rule_settings *s, const struct aggregation_input *in,
                               float *out)
{
    struct aggregation *a = begun(s, in);
    for (size_t pass = 0; pass < aggregation_passes(a); pass++) {
        in_two_threads(a, NULL);
        assert_int_equal(aggregation_next(a), ST_OK);
    }
    in_two_threads(a, out);
    aggregation_free(a);
}

static int by_id(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    return strcmp(x->participant.text, y->participant.text);
}

/* Sources as they would be read back after the updates had come in another order. */
static void arrive_in_another_order(void)
{
    struct source arrived[COUNT];
    for (size_t k = 0; k < COUNT; k++)
        arrived[k] = fake.sources[(k * 5 + 3) % COUNT];
    qsort(arrived, COUNT, sizeof arrived[0], by_id);
    memcpy(fake.sources, arrived, sizeof arrived);
}

static void threads_and_order_of_arrival_change_no_byte_of_any_rule(void **state)
{
    (void)state;
    static float first[PARAMS], other[PARAMS];
    struct aggregation_input in = drawn();
    for (unsigned rule = 0; rule < RULE_COUNT; rule++) {
        struct rule_settings s = settings_of((enum rule)rule);
        run(&s, &in, first);
        run_in_two_threads(&s, &in, other);
        assert_memory_equal(other, first, sizeof first);
        arrive_in_another_order();
        run(&s, &in, other);
        assert_memory_equal(other, first, sizeof first);
    }
    in.bases = fleet.bases;
    struct rule_settings s = settings_of(RULE_MEAN);
    s.weighting = WEIGHTING_STALENESS;
    run(&s, &in, first);
    run_in_two_threads(&s, &in, other);
    assert_memory_equal(other, first, sizeof first);
}

static void the_mean_is_that_of_fold(void **state)
{
    (void)state;
    static float expected[PARAMS], out[PARAMS];
    struct aggregation_input in = drawn();
    struct rule_settings s = settings_of(RULE_MEAN);
    run(&s, &in, out);
    assert_int_equal(fold_mean(fake.sources, COUNT, 0, PARAMS, expected), ST_OK);
    assert_memory_equal(out, expected, sizeof expected);

    s.weighting = WEIGHTING_EQUAL;
    run(&s, &in, out);
    for (size_t k = 0; k < COUNT; k++)
        fake.sources[k].weight = 1;
    assert_int_equal(fold_mean(fake.sources, COUNT, 0, PARAMS, expected), ST_OK);
    assert_memory_equal(out, expected, sizeof expected);
}

static void ranks_are_those_of_rank(void **state)
{
    (void)state;
    static float expected[PARAMS], out[PARAMS];
    struct aggregation_input in = drawn();
    struct rule_settings s = settings_of(RULE_MEDIAN);
    run(&s, &in, out);
    assert_int_equal(rank_median(fake.sources, COUNT, 0, PARAMS, expected), ST_OK);
    assert_memory_equal(out, expected, sizeof expected);

    s = settings_of(RULE_TRIMMED_MEAN);
    s.trim = 0.25; /* 3 of 12 */
    run(&s, &in, out);
    assert_int_equal(rank_trimmed_mean(fake.sources, COUNT, 3, 0, PARAMS, expected), ST_OK);
    assert_memory_equal(out, expected, sizeof expected);
}

static void krum_keeps_one_and_multi_krum_those_who_are_close(void **state)
{
    (void)state;
    static float expected[PARAMS], out[PARAMS];
    struct aggregation_input in = drawn();
    struct rule_settings s = settings_of(RULE_KRUM);
    run(&s, &in, out);
    bool one = false;
    for (size_t k = 0; k < COUNT; k++)
        one |= memcmp(out, fleet.params[k], sizeof out) == 0;
    assert_true(one);

    /* Every fourth is far away: the other nine are kept, and weigh the same. */
    s = settings_of(RULE_MULTI_KRUM);
    s.keep = 9;
    run(&s, &in, out);
    struct source near[9];
    size_t count = 0;
    for (size_t k = 0; k < COUNT; k++)
        if (k % 4) {
            near[count] = fake.sources[k];
            near[count++].weight = 1;
        }
    assert_int_equal(fold_mean(near, count, 0, PARAMS, expected), ST_OK);
    assert_memory_equal(out, expected, sizeof expected);
}

static void the_geometric_median_takes_as_many_passes_as_iterations(void **state)
{
    (void)state;
    struct aggregation_input in = drawn();
    struct rule_settings s = settings_of(RULE_GEOMETRIC_MEDIAN);
    s.iterations = 7;
    struct aggregation *a = begun(&s, &in);
    assert_int_equal(aggregation_passes(a), 7);
    assert_true(aggregation_section_count(a) > 1);
    aggregation_free(a);
}

static void norm_bound_holds_those_who_are_far(void **state)
{
    (void)state;
    static float expected[PARAMS], out[PARAMS];
    struct aggregation_input in = drawn();
    struct rule_settings s = settings_of(RULE_NORM_BOUND);
    double factors[COUNT];
    /* Within the bound is only who is not one of every fourth: sqrt(9001 / 12) = 27. */
    s.bound = 30;
    norm_bound_factors(fake.sources, fleet.squares, COUNT, 30, factors);
    run(&s, &in, out);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, COUNT, fleet.base, 0, PARAMS, expected),
        ST_OK);
    assert_memory_equal(out, expected, sizeof expected);
    assert_true(factors[0] < factors[1] / 10);
}

static void fednova_weighs_by_steps(void **state)
{
    (void)state;
    static float expected[PARAMS], out[PARAMS];
    struct aggregation_input in = drawn();
    struct rule_settings s = settings_of(RULE_MEAN);
    s.weighting = WEIGHTING_FEDNOVA;
    struct local_work done[COUNT];
    double factors[COUNT];
    for (size_t k = 0; k < COUNT; k++)
        done[k] = (struct local_work){100 + 7 * k, fleet.steps[k]};
    assert_int_equal(weight_fednova(done, COUNT, factors, NULL), ST_OK);
    run(&s, &in, out);
    assert_int_equal(
        differences_add(fake.sources, factors, NULL, COUNT, fleet.base, 0, PARAMS, expected),
        ST_OK);
    assert_memory_equal(out, expected, sizeof expected);

    struct aggregation *a = NULL;
    struct why why = {""};
    fleet.steps[4] = 0;
    assert_int_equal(aggregation_new(&s, &in, &a, &why), ST_INVALID);
    assert_string_equal(why.text,
                        "update 4 is of 0 local steps, and FedNova needs 1 to 1073741824");
    assert_null(a);
}

static void staleness_weighs_less(void **state)
{
    (void)state;
    static float expected[PARAMS], out[PARAMS];
    struct aggregation_input in = drawn();
    in.bases = fleet.bases;
    struct rule_settings s = settings_of(RULE_MEAN);
    s.weighting = WEIGHTING_STALENESS;
    double factors[COUNT];
    for (size_t k = 0; k < COUNT; k++)
        factors[k] = 1.0 / COUNT * (k % 2 ? 1 / sqrt(2) : 1);
    run(&s, &in, out);
    assert_int_equal(
        differences_add(fake.sources, factors, fleet.bases, COUNT, fleet.base, 0, PARAMS, expected),
        ST_OK);
    assert_memory_equal(out, expected, sizeof expected);
}

static void fewer_updates_than_the_rule_needs_are_refused(void **state)
{
    (void)state;
    struct aggregation_input in = drawn();
    struct aggregation *a = NULL;
    struct why why = {""};
    struct rule_settings s = settings_of(RULE_KRUM);
    in.count = 8;
    assert_int_equal(aggregation_new(&s, &in, &a, &why), ST_INVALID);
    assert_string_equal(why.text, "Krum against 3 who lie needs at least 9 updates, not 8");
    s = settings_of(RULE_MEDIAN);
    in.count = 2;
    assert_int_equal(aggregation_new(&s, &in, &a, &why), ST_INVALID);
    assert_null(a);
    assert_null(aggregation_free(NULL));
}

static void a_value_that_is_not_finite_is_refused_by_every_rule(void **state)
{
    (void)state;
    static float out[PARAMS];
    struct aggregation_input in = drawn();
    fleet.params[5][4321] = NAN;
    for (unsigned rule = 0; rule < RULE_COUNT; rule++) {
        struct rule_settings s = settings_of((enum rule)rule);
        struct aggregation *a = begun(&s, &in);
        enum status status = ST_OK;
        if (aggregation_passes(a) == 0)
            status = aggregation_write(a, 0, PARAMS, out);
        for (size_t i = 0; i < aggregation_section_count(a) && status == ST_OK; i++)
            status = aggregation_measure(a, i);
        assert_int_equal(status, ST_NOT_FINITE);
        aggregation_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_order_of_arrival_change_no_byte_of_any_rule),
        cmocka_unit_test(the_mean_is_that_of_fold),
        cmocka_unit_test(ranks_are_those_of_rank),
        cmocka_unit_test(krum_keeps_one_and_multi_krum_those_who_are_close),
        cmocka_unit_test(the_geometric_median_takes_as_many_passes_as_iterations),
        cmocka_unit_test(norm_bound_holds_those_who_are_far),
        cmocka_unit_test(fednova_weighs_by_steps),
        cmocka_unit_test(staleness_weighs_less),
        cmocka_unit_test(fewer_updates_than_the_rule_needs_are_refused),
        cmocka_unit_test(a_value_that_is_not_finite_is_refused_by_every_rule),
    };
    return cmocka_run_group_tests_name("aggregate/aggregation", tests, NULL, NULL);
}
