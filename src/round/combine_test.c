/* Checks the way from updates' bytes to the new parameters: each rule against numbers
 * worked by hand, both forms, and bytes that changed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "fl/update.h"
#include "round/combine.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UPDATES_MAX  8

static const struct id ids[UPDATES_MAX] = {{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"f"}, {"g"}, {"h"}};

/* {"w": [1, 1], "b": 1} */
static struct model *base_model(void)
{
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {2}}, {.name = "b"}};
    struct model *m;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    for (size_t i = 0; i < 3; i++)
        model_params_mutable(m)[i] = 1;
    return m;
}

/* The update of one participant with w = {a, b}, b = c. swapped: b comes before w */
static void make(size_t who, uint64_t samples, const float v[3], enum model_form form, bool swapped,
                 struct bytes *bytes, struct counted *ret)
{
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {2}}, {.name = "b"}};
    const struct model_shape reversed[] = {shapes[1], shapes[0]};
    struct update u = {.round_id = {"r"}, .num_samples = samples, .local_steps = who + 1};
    (void)strcpy(u.base_model_uri, "fl/models/m_v0");
    assert_int_equal(model_new(swapped ? reversed : shapes, 2, &u.params), ST_OK);
    float *w = model_find(u.params, "w")->data;
    w[0] = v[0];
    w[1] = v[1];
    model_find(u.params, "b")->data[0] = v[2];
    assert_int_equal(update_encode(&u, form, bytes), ST_OK);
    update_done(&u);
    *ret = (struct counted){.participant = &ids[who],
                            .samples = samples,
                            .bytes = bytes_view(bytes),
                            .digest = digest_of(bytes_view(bytes))};
}

struct given {
    uint64_t samples;
    float v[3];
};

static enum status run(const struct rule_settings *rule, const struct given *given, size_t count,
                       float ret[3])
{
    struct bytes bytes[UPDATES_MAX] = {0};
    struct counted updates[UPDATES_MAX];
    struct model *model = base_model();
    struct why why = {0};
    for (size_t i = 0; i < count; i++) /* in all forms */
        make(i, given[i].samples, given[i].v, i % 2 == 0 ? MODEL_SAFETENSORS : MODEL_JSON,
             i % 3 == 0, &bytes[i], &updates[i]);
    enum status status = combine_updates(rule, updates, count, NULL, NULL, model, &why);
    assert_int_equal(status == ST_OK, why.text[0] == '\0');
    memcpy(ret, model_params(model), 3 * sizeof(float));
    for (size_t i = 0; i < count; i++)
        bytes_done(&bytes[i]);
    model_free(model);
    return status;
}

static void each_rule_gives_what_was_worked_by_hand(void **state)
{
    (void)state;
    static const struct given three[] = {{1, {0, 2, 4}}, {3, {4, 2, 0}}, {4, {8, 2, 100}}};
    /* One far away among seven that are nearly alike. */
    static const struct given seven[] = {{1, {1, 1, 0}}, {1, {1, 1, 1}}, {9, {90, 90, 90}},
                                         {1, {1, 2, 1}}, {1, {1, 1, 1}}, {1, {2, 1, 1}},
                                         {1, {1, 1, 1}}};
    float got[3];
    struct rule_settings rule = rule_defaults(RULE_MEAN); /* (0 + 12 + 32) / 8, ... */
    assert_int_equal(run(&rule, three, 3, got), ST_OK);
    assert_true(got[0] == 5.5f && got[1] == 2 && got[2] == 50.5f);

    rule.weighting = WEIGHTING_EQUAL;
    assert_int_equal(run(&rule, three, 3, got), ST_OK);
    assert_true(got[0] == 4 && got[1] == 2 && got[2] == 104.0f / 3);

    /* p = 1/8, 3/8, 4/8 and tau = 1, 2, 3, so tau_eff = 19/8; from {1, 1, 1}. */
    rule.weighting = WEIGHTING_FEDNOVA;
    assert_int_equal(run(&rule, three, 3, got), ST_OK);
    const double f[3] = {19.0 / 64, 57.0 / 128, 19.0 / 48};
    assert_true(got[0] == (float)(1 - f[0] + 3 * f[1] + 7 * f[2]));
    assert_true(got[1] == (float)(1 + f[0] + f[1] + f[2]));
    assert_true(fabsf(got[2] - (float)(1 + 3 * f[0] - f[1] + 99 * f[2])) < 1e-5f);

    rule = rule_defaults(RULE_MEDIAN);
    assert_int_equal(run(&rule, three, 3, got), ST_OK);
    assert_true(got[0] == 4 && got[1] == 2 && got[2] == 4);

    rule = rule_defaults(RULE_TRIMMED_MEAN); /* one at each end of seven */
    rule.trim = 0.2;
    assert_int_equal(run(&rule, seven, 7, got), ST_OK);
    assert_true(got[0] == 1.2f && got[1] == 1.2f && got[2] == 1);

    rule = rule_defaults(RULE_KRUM); /* {1, 1, 1} is the closest to all, first of b, e, g */
    rule.byzantine = 1;
    assert_int_equal(run(&rule, seven, 7, got), ST_OK);
    assert_true(got[0] == 1 && got[1] == 1 && got[2] == 1);

    rule = rule_defaults(RULE_MULTI_KRUM);
    rule.byzantine = 1;
    rule.keep = 6; /* all but the one that is far away */
    assert_int_equal(run(&rule, seven, 7, got), ST_OK);
    assert_true(got[0] == 7.0f / 6 && got[1] == 7.0f / 6 && got[2] == 5.0f / 6);

    rule = rule_defaults(RULE_GEOMETRIC_MEDIAN);
    rule.weighting = WEIGHTING_EQUAL;
    rule.iterations = 50;
    assert_int_equal(run(&rule, seven, 7, got), ST_OK);
    assert_true(fabsf(got[0] - 1) < 0.1f && fabsf(got[1] - 1) < 0.1f && fabsf(got[2] - 1) < 0.1f);

    rule = rule_defaults(RULE_NORM_BOUND); /* from {1,1,1}: {0,3,4} is cut from 5 to 1 */
    rule.bound = 1;
    static const struct given far[] = {{1, {1, 4, 5}}, {1, {1, 1, 1}}};
    assert_int_equal(run(&rule, far, 2, got), ST_OK);
    assert_true(fabsf(got[0] - 1) < 1e-6f && fabsf(got[1] - 1.3f) < 1e-6f &&
                fabsf(got[2] - 1.4f) < 1e-6f);
}

static void too_few_for_the_rule_are_refused(void **state)
{
    (void)state;
    static const struct given two[] = {{1, {0, 0, 0}}, {1, {1, 1, 1}}};
    float got[3];
    struct rule_settings rule = rule_defaults(RULE_KRUM);
    rule.byzantine = 1;
    assert_int_equal(run(&rule, two, 2, got), ST_INVALID);
    assert_true(got[0] == 1 && got[1] == 1 && got[2] == 1);
}

static void bytes_that_changed_are_found(void **state)
{
    (void)state;
    static const enum model_form forms[] = {MODEL_SAFETENSORS, MODEL_JSON};
    static const float v[3] = {1, 2, 3};
    const struct rule_settings rule = rule_defaults(RULE_MEAN);
    for (size_t f = 0; f < COUNT(forms); f++) {
        struct bytes bytes[2] = {0};
        struct counted updates[2];
        make(0, 1, v, forms[f], false, &bytes[0], &updates[0]);
        make(1, 1, v, forms[f], false, &bytes[1], &updates[1]);
        for (size_t at = 0; at < bytes[1].size; at += 7) {
            struct model *model = base_model();
            struct why why = {0};
            bytes[1].data[at] ^= 4;
            assert_int_equal(combine_updates(&rule, updates, 2, NULL, NULL, model, &why),
                             ST_CORRUPT);
            assert_string_equal(why.text, "the update of b is not what it was when it counted");
            bytes[1].data[at] ^= 4;
            model_free(model);
        }
        bytes_done(&bytes[0]);
        bytes_done(&bytes[1]);
    }
}

/* ---- any number of threads ---- */

#define LONG        100003 /* coordinates: windows, sections and a rest */
#define THREADS_MAX 3

struct crew {
    size_t threads; /* 0: this one, from the last piece to the first */
    atomic_size_t next, done, let_go;
    size_t count;
    void (*work)(void *arg, size_t index);
    void *arg;
};

static void *take_work(void *arg)
{
    struct crew *crew = arg;
    for (size_t i; (i = atomic_fetch_add(&crew->next, 1)) < crew->count;) {
        crew->work(crew->arg, i);
        (void)atomic_fetch_add(&crew->done, 1);
    }
    return NULL;
}

static void each(void *owner, size_t count, void (*work)(void *arg, size_t index), void *arg)
{
    struct crew *crew = owner;
    pthread_t threads[THREADS_MAX];
    crew->count = count;
    crew->work = work;
    crew->arg = arg;
    atomic_store(&crew->next, 0);
    for (size_t i = count; crew->threads == 0 && i > 0; i--)
        work(arg, i - 1);
    for (size_t i = 0; i < crew->threads; i++)
        if (pthread_create(&threads[i], NULL, take_work, crew) != 0)
            abort();
    for (size_t i = 0; i < crew->threads; i++)
        (void)pthread_join(threads[i], NULL);
}

static void count_let_go(void *owner, struct view bytes)
{
    (void)bytes;
    (void)atomic_fetch_add(&((struct crew *)owner)->let_go, 1);
}

/* Values of many magnitudes, so that another order of a sum is another sum. */
static struct model *long_model(uint32_t seed)
{
    const struct model_shape shapes[] = {
        {.name = "a", .rank = 1, .shape = {LONG - 1001}},
        {.name = "b", .rank = 2, .shape = {7, 143}},
    };
    struct model *m;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    for (size_t i = 0; i < LONG; i++) {
        seed = seed * 1664525u + 1013904223u;
        model_params_mutable(m)[i] =
            ldexpf((float)(seed >> 8) / 8388608.0f - 1, (int)(seed % 13) - 6);
    }
    return m;
}

static void make_long(struct bytes bytes[UPDATES_MAX], struct counted updates[UPDATES_MAX])
{
    for (size_t k = 0; k < UPDATES_MAX; k++) {
        struct update u = {.round_id = {"r"}, .num_samples = k + 1, .local_steps = 1 + k % 3};
        (void)strcpy(u.base_model_uri, "fl/models/m_v0");
        u.params = long_model(100 + (uint32_t)k);
        assert_int_equal(update_encode(&u, MODEL_SAFETENSORS, &bytes[k]), ST_OK);
        update_done(&u);
        updates[k] = (struct counted){.participant = &ids[k],
                                      .samples = k + 1,
                                      .bytes = bytes_view(&bytes[k]),
                                      .digest = digest_of(bytes_view(&bytes[k]))};
    }
}

static struct rule_settings settings_of(enum rule which)
{
    struct rule_settings rule = rule_defaults(which);
    rule.byzantine = 1;
    rule.keep = 3;
    rule.bound = 1000;
    rule.trim = 0.2;
    if (which == RULE_GEOMETRIC_MEDIAN)
        rule.iterations = 3;
    return rule;
}

/* crew NULL: without hands. gives: the new parameters */
static struct model *combine_long(const struct rule_settings *rule, const struct counted *updates,
                                  struct crew *crew)
{
    const struct hands hands = {each, count_let_go, crew};
    struct optimiser fedadam = optimiser_defaults(OPTIMISER_FEDADAM);
    struct combine_step step = {.optimiser = &fedadam};
    struct model *model = long_model(1), *state;
    struct why why = {0};
    assert_int_equal(optimiser_state_new(&fedadam, LONG, &state), ST_OK);
    assert_int_equal(optimiser_state_of(&fedadam, state, LONG, &step.state, &why), ST_OK);
    assert_int_equal(combine_updates(rule, updates, UPDATES_MAX, &step,
                                     crew == NULL ? NULL : &hands, model, &why),
                     ST_OK);
    model_free(state);
    return model;
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    (void)state;
    static const enum rule rules[] = {RULE_MEAN,      RULE_MEDIAN,     RULE_TRIMMED_MEAN,
                                      RULE_KRUM,      RULE_MULTI_KRUM, RULE_GEOMETRIC_MEDIAN,
                                      RULE_NORM_BOUND};
    struct bytes bytes[UPDATES_MAX] = {0};
    struct counted updates[UPDATES_MAX];
    make_long(bytes, updates);
    for (size_t n = 0; n < COUNT(rules); n++) {
        const struct rule_settings rule = settings_of(rules[n]);
        struct model *alone = combine_long(&rule, updates, NULL);
        for (size_t threads = 0; threads <= THREADS_MAX; threads++) {
            struct crew crew = {.threads = threads};
            struct model *shared = combine_long(&rule, updates, &crew);
            assert_memory_equal(model_params(alone), model_params(shared), LONG * sizeof(float));
            assert_true(crew.done > 0 || threads == 0);
            assert_true(crew.let_go > UPDATES_MAX); /* each when it was read, and in windows */
            model_free(shared);
        }
        model_free(alone);
    }
    for (size_t k = 0; k < UPDATES_MAX; k++)
        bytes_done(&bytes[k]);
}

/* ---- many updates ---- */

#define CROWD      ((size_t)40)
#define CROWD_SIZE ((size_t)70001) /* coordinates: a whole window and a rest */

/* Many are no reason to weigh otherwise: from a base of 0. */
static void check_fednova(const struct model_shape *shape, const struct counted *updates,
                          double samples)
{
    double effective = 0, sum = 0, weighted = 0;
    for (size_t k = 0; k < CROWD; k++)
        effective += (double)((k + 1) * (1 + k % 3)) / samples;
    for (size_t k = 0; k < CROWD; k++) {
        double factor = (double)(k + 1) / samples * effective / (double)(1 + k % 3);
        sum += factor;
        weighted += factor * (double)k;
    }
    struct rule_settings rule = rule_defaults(RULE_MEAN);
    struct model *model;
    struct why why = {0};
    rule.weighting = WEIGHTING_FEDNOVA;
    assert_int_equal(model_new(shape, 1, &model), ST_OK);
    assert_int_equal(combine_updates(&rule, updates, CROWD, NULL, NULL, model, &why), ST_OK);
    for (size_t i = 0; i < CROWD_SIZE; i++) {
        double expected = weighted + sum * (double)(i % 100);
        assert_true(fabs((double)model_params(model)[i] - expected) <= 1e-6 * expected);
    }
    model_free(model);
}

/* Update k (of k + 1 samples) is k + i everywhere, so all sums are exact: the mean is i plus
 * the mean of k, weighted by k + 1. */
static void the_mean_of_many_is_exact_and_needs_few_at_a_time(void **state)
{
    (void)state;
    static struct bytes bytes[CROWD];
    static struct id names[CROWD];
    struct counted updates[CROWD];
    const struct model_shape shape = {.name = "w", .rank = 1, .shape = {CROWD_SIZE}};
    double weighted = 0, samples = 0;
    for (size_t k = 0; k < CROWD; k++) {
        struct update u = {.round_id = {"r"}, .num_samples = k + 1, .local_steps = 1 + k % 3};
        (void)strcpy(u.base_model_uri, "fl/models/m_v0");
        assert_int_equal(model_new(&shape, 1, &u.params), ST_OK);
        for (size_t i = 0; i < CROWD_SIZE; i++)
            model_params_mutable(u.params)[i] = (float)(k + i % 100);
        assert_int_equal(update_encode(&u, MODEL_SAFETENSORS, &bytes[k]), ST_OK);
        update_done(&u);
        (void)snprintf(names[k].text, sizeof names[k].text, "p%02zu", k);
        updates[k] = (struct counted){.participant = &names[k],
                                      .samples = k + 1,
                                      .bytes = bytes_view(&bytes[k]),
                                      .digest = digest_of(bytes_view(&bytes[k]))};
        weighted += (double)(k * (k + 1));
        samples += (double)(k + 1);
    }
    for (size_t threads = 0; threads <= THREADS_MAX; threads++) {
        struct crew crew = {.threads = threads};
        const struct hands hands = {each, count_let_go, &crew};
        struct rule_settings rule = rule_defaults(RULE_MEAN);
        struct model *model;
        struct why why = {0};
        assert_int_equal(model_new(&shape, 1, &model), ST_OK);
        assert_int_equal(combine_updates(&rule, updates, CROWD, NULL, &hands, model, &why), ST_OK);
        for (size_t i = 0; i < CROWD_SIZE; i++)
            assert_true(model_params(model)[i] ==
                        (float)((weighted + (double)(i % 100) * samples) / samples));
        assert_true(atomic_load(&crew.let_go) >= 2 * CROWD);
        rule.weighting = WEIGHTING_EQUAL;
        assert_int_equal(combine_updates(&rule, updates, CROWD, NULL, &hands, model, &why), ST_OK);
        for (size_t i = 0; i < CROWD_SIZE; i++)
            assert_true(model_params(model)[i] == (float)(i % 100) + 19.5F);
        model_free(model);
    }
    check_fednova(&shape, updates, samples);
    for (size_t k = 0; k < CROWD; k++)
        bytes_done(&bytes[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_many_is_exact_and_needs_few_at_a_time),
        cmocka_unit_test(each_rule_gives_what_was_worked_by_hand),
        cmocka_unit_test(too_few_for_the_rule_are_refused),
        cmocka_unit_test(bytes_that_changed_are_found),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
    };
    return cmocka_run_group_tests_name("round/combine", tests, NULL, NULL);
}
