/* Checks that the network learns what a linear model cannot, and what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "classifier.h"

#define SIDE     ((size_t)8)
#define FEATURES (SIDE * SIDE)
#define COUNT    ((size_t)240)
#define CHANNELS ((size_t)4)

/* Class 0: a bar that lies, class 1: one that stands, each anywhere, and what would
 * leave the image comes in at the other side. So every pixel is lit as often in
 * either class, and no sum over pixels tells them apart. */
static struct fml_dataset bars(void)
{
    struct fml_rng r = {4};
    struct fml_dataset d = {.count = COUNT,
                            .features = FEATURES,
                            .classes = 2,
                            .max_value = 255,
                            .pixels = calloc(COUNT, FEATURES),
                            .labels = calloc(COUNT, 1)};
    assert_non_null(d.pixels);
    assert_non_null(d.labels);
    for (size_t i = 0; i < COUNT; i++) {
        size_t line = (size_t)(fml_rng_u64(&r) % SIDE), from = (size_t)(fml_rng_u64(&r) % SIDE);
        d.labels[i] = (uint8_t)(i % 2);
        for (size_t j = 0; j < 5; j++) {
            size_t at = (from + j) % SIDE;
            d.pixels[i * FEATURES + (d.labels[i] == 0 ? line * SIDE + at : at * SIDE + line)] = 255;
        }
    }
    return d;
}

static struct fml_model *model_of(const struct fml_tensor *tensors, size_t count)
{
    struct fml_rng r = {9};
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_new(tensors, count, &m), FML_OK);
    for (size_t i = 0; i < fml_model_param_count(m); i++)
        fml_model_params(m)[i] = (float)(0.6 * (fml_rng_unit(&r) - 0.5));
    return m;
}

static const struct fml_tensor good[] = {
    {.name = "conv1.weight", .rank = 4, .shape = {3, 3, 1, CHANNELS}},
    {.name = "conv1.bias", .rank = 1, .shape = {CHANNELS}},
    {.name = "dense1.weight", .rank = 2, .shape = {SIDE / 2 * SIDE / 2 * CHANNELS, 2}},
    {.name = "dense1.bias", .rank = 1, .shape = {2}},
};

static const struct fml_training many = {
    .epochs = 40, .batch_size = 16, .seed = 1, .round = 1, .rate = 0.01};

static void it_tells_lying_bars_from_standing_ones(void **state)
{
    (void)state;
    struct fml_dataset d = bars();
    struct fml_model *m = model_of(good, 4);
    struct fml_score before, while_training, after;
    assert_int_equal(classifier_evaluate(m, &d, &before), FML_OK);
    assert_int_equal(classifier_train(m, &d, &many, &while_training), FML_OK);
    assert_int_equal(classifier_evaluate(m, &d, &after), FML_OK);
    print_message("accuracy %.3f, after training %.3f\n", before.accuracy, after.accuracy);
    assert_true(before.accuracy < 0.7);
    assert_true(after.accuracy > 0.98);
    assert_true(after.loss < while_training.loss && while_training.loss < before.loss);
    fml_dataset_done(&d);
    fml_model_free(m);
}

static double distance(const struct fml_model *a, const struct fml_model *b)
{
    double sum = 0.0;
    for (size_t t = 0; t < fml_model_tensor_count(a); t++)
        for (size_t i = 0; i < fml_model_tensor(a, t)->count; i++)
            sum += pow((double)(fml_model_tensor(a, t)->data[i] - fml_model_tensor(b, t)->data[i]),
                       2.0);
    return sqrt(sum);
}

static struct fml_model *trained(const struct fml_training *o)
{
    struct fml_dataset d = bars();
    struct fml_model *m = model_of(good, 4);
    struct fml_score report;
    assert_int_equal(classifier_train(m, &d, o, &report), FML_OK);
    fml_dataset_done(&d);
    return m;
}

static void the_same_round_gives_the_same_update(void **state)
{
    (void)state;
    struct fml_training other = many;
    other.round = 2;
    struct fml_model *a = trained(&many), *b = trained(&many), *c = trained(&other);
    assert_true(distance(a, b) == 0.0);
    assert_true(distance(a, c) > 0.0);
    fml_model_free(a);
    fml_model_free(b);
    fml_model_free(c);
}

static void fedprox_holds_the_model_near_its_base(void **state)
{
    (void)state;
    struct fml_training held = many;
    held.mu = 1.0;
    struct fml_model *base = model_of(good, 4), *a = trained(&many), *b = trained(&held);
    assert_true(distance(b, base) < 0.5 * distance(a, base));
    assert_true(distance(b, base) > 0.0);
    fml_model_free(base);
    fml_model_free(a);
    fml_model_free(b);
}

static void evaluation_changes_nothing(void **state)
{
    (void)state;
    struct fml_dataset d = bars();
    struct fml_model *m = model_of(good, 4), *before = model_of(good, 4);
    struct fml_score a, b;
    assert_int_equal(classifier_evaluate(m, &d, &a), FML_OK);
    assert_int_equal(classifier_evaluate(m, &d, &b), FML_OK);
    assert_true(a.loss == b.loss && a.accuracy == b.accuracy);
    assert_true(distance(m, before) == 0.0);
    fml_dataset_done(&d);
    fml_model_free(m);
    fml_model_free(before);
}

static void refuses(const struct fml_tensor *tensors, size_t count, size_t features,
                    const char *sentence)
{
    struct fml_dataset d = bars();
    d.features = features;
    struct fml_model *m = model_of(tensors, count), *before = model_of(tensors, count);
    struct fml_score report = {.loss = -1.0};
    assert_int_equal(classifier_train(m, &d, &many, &report), FML_SHAPE);
    if (strstr(fml_why(), sentence) == NULL)
        fail_msg("%s", fml_why());
    assert_int_equal(classifier_evaluate(m, &d, &report), FML_SHAPE);
    assert_true(report.loss == -1.0);
    assert_true(distance(m, before) == 0.0);
    fml_dataset_done(&d);
    fml_model_free(m);
    fml_model_free(before);
}

static void a_model_that_does_not_fit_is_named(void **state)
{
    (void)state;
    struct fml_tensor t[5];
    memcpy(t, good, sizeof good);
    t[4] = (struct fml_tensor){.name = "more", .rank = 0};
    refuses(t, 3, FEATURES, "the model is not conv1.weight");
    refuses(t, 5, FEATURES, "the model is not conv1.weight");
    refuses(t, 4, FEATURES - 1, "not square");
    t[0].shape[0] = 5;
    refuses(t, 4, FEATURES, "3 x 3");
    t[0] = good[0];
    t[0].shape[2] = 3;
    refuses(t, 4, FEATURES, "one channel");
    t[0] = good[0];
    t[1].shape[0] = CHANNELS + 1;
    refuses(t, 4, FEATURES, "conv1");
    t[1] = good[1];
    t[2].shape[0]++;
    refuses(t, 4, FEATURES, "64 numbers to 2 classes");
    t[2] = good[2];
    t[3].shape[0] = 3;
    refuses(t, 4, FEATURES, "2 classes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tells_lying_bars_from_standing_ones),
        cmocka_unit_test(the_same_round_gives_the_same_update),
        cmocka_unit_test(fedprox_holds_the_model_near_its_base),
        cmocka_unit_test(evaluation_changes_nothing),
        cmocka_unit_test(a_model_that_does_not_fit_is_named),
    };
    return cmocka_run_group_tests_name("examples/conv", tests, NULL, NULL);
}
