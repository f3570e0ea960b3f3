/* Checks trainer.c: the network is chosen by tensors, training is repeatable, a
 * model that does not fit is named and left as it was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trainer.h"

#define COUNT    60
#define FEATURES 6
#define CLASSES  3

/* Examples that are told apart by the third of the image that is bright. */
static struct fml_dataset examples(void)
{
    struct fml_rng r = {3};
    struct fml_dataset d = {.count = COUNT,
                            .features = FEATURES,
                            .classes = CLASSES,
                            .max_value = 255,
                            .client = 2,
                            .pixels = calloc(COUNT, FEATURES),
                            .labels = calloc(COUNT, 1)};
    assert_non_null(d.pixels);
    assert_non_null(d.labels);
    for (size_t i = 0; i < COUNT; i++) {
        d.labels[i] = (uint8_t)(i % CLASSES);
        for (size_t j = 0; j < FEATURES; j++)
            d.pixels[i * FEATURES + j] =
                (uint8_t)(fml_rng_u64(&r) % 50 + (j / 2 == d.labels[i] ? 200 : 0));
    }
    return d;
}

static struct fml_model *model_of(const struct fml_tensor *tensors, size_t count)
{
    struct fml_model *m = NULL;
    struct fml_rng r = {8};
    assert_int_equal(fml_model_new(tensors, count, &m), FML_OK);
    for (size_t i = 0; i < fml_model_param_count(m); i++)
        fml_model_params(m)[i] = (float)(fml_rng_unit(&r) - 0.5);
    return m;
}

static struct fml_model *regression(void)
{
    const struct fml_tensor tensors[] = {
        {.name = "dense1.bias", .rank = 1, .shape = {CLASSES}},
        {.name = "dense1.weight", .rank = 2, .shape = {FEATURES, CLASSES}}};
    return model_of(tensors, 2);
}

static struct fml_model *mlp(void)
{
    const struct fml_tensor tensors[] = {
        {.name = "dense1.weight", .rank = 2, .shape = {FEATURES, 5}},
        {.name = "dense1.bias", .rank = 1, .shape = {5}},
        {.name = "dense2.weight", .rank = 2, .shape = {5, CLASSES}},
        {.name = "dense2.bias", .rank = 1, .shape = {CLASSES}}};
    return model_of(tensors, 4);
}

static const struct fml_training many = {
    .epochs = 50, .batch_size = 7, .seed = 1, .round = 1, .rate = 0.5};

static void learns(struct fml_model *m)
{
    struct fml_dataset d = examples();
    struct fml_score before;
    struct fml_score report;
    struct fml_score after;
    assert_int_equal(trainer_evaluate(m, &d, &before), FML_OK);
    assert_int_equal(trainer_train(m, &d, &many, &report), FML_OK);
    assert_int_equal(trainer_evaluate(m, &d, &after), FML_OK);
    assert_true(after.accuracy == 1.0);
    assert_true(after.loss < report.loss && report.loss < before.loss);
    assert_true(report.accuracy > before.accuracy && report.accuracy < 1.0);
    fml_dataset_done(&d);
    fml_model_free(m);
}

static void two_tensors_are_a_regression_that_learns(void **state)
{
    (void)state;
    learns(regression());
}

static void four_tensors_are_a_network_that_learns(void **state)
{
    (void)state;
    learns(mlp());
}

/* Bytes of the parameters after training mlp() with these options. */
static struct fml_model *trained(const struct fml_training *options, uint64_t client)
{
    struct fml_dataset d = examples();
    struct fml_model *m = mlp();
    struct fml_score report;
    d.client = client;
    assert_int_equal(trainer_train(m, &d, options, &report), FML_OK);
    fml_dataset_done(&d);
    return m;
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

static void the_order_comes_from_seed_round_and_client(void **state)
{
    (void)state;
    struct fml_training other = many;
    struct fml_model *m = trained(&many, 2);
    struct fml_model *same = trained(&many, 2);
    assert_true(distance(m, same) == 0.0);
    same = fml_model_free(same);

    other.seed = 2;
    struct fml_model *seeded = trained(&other, 2);
    other = many;
    other.round = 2;
    struct fml_model *later = trained(&other, 2);
    struct fml_model *elsewhere = trained(&many, 3);
    assert_true(distance(m, seeded) > 0.0);
    assert_true(distance(m, later) > 0.0);
    assert_true(distance(m, elsewhere) > 0.0);
    /* seed * 1000003 + round * 1009 + client: 1009 clients on is one round on. */
    struct fml_model *equal = trained(&many, 2 + 1009);
    assert_true(distance(later, equal) == 0.0);
    fml_model_free(m);
    fml_model_free(seeded);
    fml_model_free(later);
    fml_model_free(elsewhere);
    fml_model_free(equal);
}

static void fedprox_holds_the_model_near_its_base(void **state)
{
    (void)state;
    struct fml_training prox = many;
    prox.mu = 0.5;
    struct fml_model *base = mlp();
    struct fml_model *free_model = trained(&many, 2);
    struct fml_model *held = trained(&prox, 2);
    assert_true(distance(held, base) < 0.5 * distance(free_model, base));
    assert_true(distance(held, base) > 0.0);
    fml_model_free(base);
    fml_model_free(free_model);
    fml_model_free(held);
}

static void a_batch_larger_than_the_data_is_the_data(void **state)
{
    (void)state;
    struct fml_training whole = many;
    whole.batch_size = COUNT;
    whole.epochs = 1;
    struct fml_training larger = whole;
    larger.batch_size = 4096;
    struct fml_model *a = trained(&whole, 2);
    struct fml_model *b = trained(&larger, 2);
    assert_true(distance(a, b) == 0.0);
    fml_model_free(a);
    fml_model_free(b);
}

static void evaluation_changes_nothing(void **state)
{
    (void)state;
    struct fml_dataset d = examples();
    struct fml_model *m = mlp();
    struct fml_model *before = mlp();
    struct fml_score a;
    struct fml_score b;
    assert_int_equal(trainer_evaluate(m, &d, &a), FML_OK);
    assert_int_equal(trainer_evaluate(m, &d, &b), FML_OK);
    assert_true(a.loss == b.loss && a.accuracy == b.accuracy);
    assert_true(distance(m, before) == 0.0);
    fml_dataset_done(&d);
    fml_model_free(m);
    fml_model_free(before);
}

static void refuses(const struct fml_tensor *tensors, size_t count, const char *sentence)
{
    struct fml_dataset d = examples();
    struct fml_model *m = model_of(tensors, count);
    struct fml_model *before = model_of(tensors, count);
    struct fml_score report = {.loss = -1.0};
    assert_int_equal(trainer_train(m, &d, &many, &report), FML_SHAPE);
    if (strstr(fml_why(), sentence) == NULL)
        fail_msg("%s", fml_why());
    assert_int_equal(trainer_evaluate(m, &d, &report), FML_SHAPE);
    assert_true(report.loss == -1.0);
    assert_true(distance(m, before) == 0.0);
    fml_dataset_done(&d);
    fml_model_free(m);
    fml_model_free(before);
}

static void a_model_that_does_not_fit_is_named(void **state)
{
    (void)state;
    const struct fml_tensor w = {.name = "dense1.weight", .rank = 2, .shape = {FEATURES, CLASSES}};
    const struct fml_tensor b = {.name = "dense1.bias", .rank = 1, .shape = {CLASSES}};
    struct fml_tensor t[3] = {w, b, {.name = "more", .rank = 0}};

    refuses(t, 1, "1 tensors");
    refuses(t, 3, "3 tensors");
    t[0].name = "w";
    refuses(t, 2, "lacks dense1.weight");
    t[0] = w;
    t[0].shape[0] = FEATURES + 1;
    refuses(t, 2, "dense1.weight is not a matrix with 6 rows");
    t[0] = w;
    t[1].shape[0] = CLASSES + 1;
    refuses(t, 2, "dense1.bias");
    t[0].shape[1] = CLASSES + 1;
    refuses(t, 2, "4 classes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tensors_are_a_regression_that_learns),
        cmocka_unit_test(four_tensors_are_a_network_that_learns),
        cmocka_unit_test(the_order_comes_from_seed_round_and_client),
        cmocka_unit_test(fedprox_holds_the_model_near_its_base),
        cmocka_unit_test(a_batch_larger_than_the_data_is_the_data),
        cmocka_unit_test(evaluation_changes_nothing),
        cmocka_unit_test(a_model_that_does_not_fit_is_named),
    };
    return cmocka_run_group_tests_name("examples/trainer", tests, NULL, NULL);
}
