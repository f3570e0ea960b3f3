/* FedAvg with the trainer of fml-train, in one process and without a network,
 * against the reference's accuracy after every round (tests/vectors/digits). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "trainer.h"

#define VECTORS   "tests/vectors/digits/"
#define CLIENTS   10
#define FEATURES  64
#define CLASSES   10
#define TOLERANCE 0.01
#define FILE_SIZE ((uint64_t)1 << 20)

struct federation {
    struct fml_dataset train;
    struct fml_dataset test;
    struct fml_dataset clients[CLIENTS];
    json_t *expected;
};

/* Behind an IDX header of `header` bytes. */
static uint8_t *read_values(const char *path, size_t header, size_t *ret_size)
{
    uint8_t *data = NULL;
    assert_int_equal(fml_file_read(path, FILE_SIZE, &data, ret_size), FML_OK);
    assert_true(*ret_size > header);
    *ret_size -= header;
    memmove(data, data + header, *ret_size);
    return data;
}

static struct fml_dataset read_examples(const char *images, const char *labels)
{
    size_t pixels = 0;
    struct fml_dataset d = {.features = FEATURES, .classes = CLASSES, .max_value = 16};
    d.pixels = read_values(images, 16, &pixels);
    d.labels = read_values(labels, 8, &d.count);
    assert_int_equal(pixels, d.count * FEATURES);
    return d;
}

/* The examples of train that partition-c.txt names. */
static struct fml_dataset read_client(const struct fml_dataset *train, unsigned c)
{
    char path[64];
    unsigned index = 0;
    struct fml_dataset d = *train;
    d.count = 0;
    d.client = c;
    d.pixels = malloc(train->count * FEATURES);
    d.labels = malloc(train->count);
    assert_non_null(d.pixels);
    assert_non_null(d.labels);

    snprintf(path, sizeof path, VECTORS "partition-%u.txt", c);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fscanf(f, "%u", &index) == 1) {
        assert_true(index < train->count && d.count < train->count);
        memcpy(d.pixels + d.count * FEATURES, train->pixels + (size_t)index * FEATURES, FEATURES);
        d.labels[d.count++] = train->labels[index];
    }
    fclose(f);
    return d;
}

static int setup(void **state)
{
    struct federation *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->train = read_examples(VECTORS "train-images.idx3-ubyte", VECTORS "train-labels.idx1-ubyte");
    f->test = read_examples(VECTORS "test-images.idx3-ubyte", VECTORS "test-labels.idx1-ubyte");
    for (unsigned c = 0; c < CLIENTS; c++)
        f->clients[c] = read_client(&f->train, c);
    f->expected = json_load_file(VECTORS "expected.json", 0, NULL);
    assert_non_null(f->expected);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct federation *f = *state;
    fml_dataset_done(&f->train);
    fml_dataset_done(&f->test);
    for (unsigned c = 0; c < CLIENTS; c++)
        fml_dataset_done(&f->clients[c]);
    json_decref(f->expected);
    free(f);
    return 0;
}

static struct fml_model *read_model(const char *path)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct fml_model *m = NULL;
    assert_int_equal(fml_file_read(path, FILE_SIZE, &data, &size), FML_OK);
    assert_int_equal(fml_model_decode(data, size, &m), FML_OK);
    free(data);
    return m;
}

/* w += sum over clients of (n_k / n) (w_k - w), in float64. */
static void round_of(const struct federation *f, struct fml_model *m, uint64_t round)
{
    const struct fml_training options = {
        .epochs = 1, .batch_size = 32, .seed = 1, .round = round, .rate = 0.1};
    size_t params = fml_model_param_count(m);
    float *w = fml_model_params(m);
    double *sum = calloc(params, sizeof *sum);
    double samples = 0.0;

    assert_non_null(sum);
    for (unsigned c = 0; c < CLIENTS; c++) {
        struct fml_model *local = NULL;
        struct fml_score report;
        assert_int_equal(fml_model_copy(m, &local), FML_OK);
        assert_int_equal(trainer_train(local, &f->clients[c], &options, &report), FML_OK);
        for (size_t i = 0; i < params; i++)
            sum[i] += (double)f->clients[c].count * (double)(fml_model_params(local)[i] - w[i]);
        samples += (double)f->clients[c].count;
        fml_model_free(local);
    }
    for (size_t i = 0; i < params; i++)
        w[i] = (float)((double)w[i] + sum[i] / samples);
    free(sum);
}

static void follows_the_reference(const struct federation *f, const char *model)
{
    char path[64];
    double largest = 0.0;
    const json_t *expected = json_object_get(f->expected, model);
    size_t rounds = json_array_size(expected);
    assert_int_equal(rounds, 20);

    snprintf(path, sizeof path, VECTORS "%s-initial.safetensors", model);
    struct fml_model *m = read_model(path);
    for (size_t r = 0; r < rounds; r++) {
        struct fml_score report;
        round_of(f, m, r + 1);
        assert_int_equal(trainer_evaluate(m, &f->test, &report), FML_OK);
        double difference = fabs(report.accuracy - json_number_value(json_array_get(expected, r)));
        largest = difference > largest ? difference : largest;
        if (difference > TOLERANCE)
            fail_msg("%s, round %zu: accuracy %f, the reference differs by %f", model, r + 1,
                     report.accuracy, difference);
    }
    print_message("%s: largest difference in accuracy over %zu rounds: %f\n", model, rounds,
                  largest);
    fml_model_free(m);
}

static void partitions_have_the_reference_sizes(void **state)
{
    const struct federation *f = *state;
    const json_t *samples = json_object_get(f->expected, "num_samples");
    size_t all = 0;

    assert_int_equal(json_array_size(samples), CLIENTS);
    for (size_t c = 0; c < CLIENTS; c++) {
        assert_int_equal(f->clients[c].count, json_integer_value(json_array_get(samples, c)));
        all += f->clients[c].count;
    }
    assert_int_equal(all, f->train.count);
}

static void softmax_regression_follows_the_reference(void **state)
{
    follows_the_reference(*state, "lr");
}

static void mlp_follows_the_reference(void **state)
{
    follows_the_reference(*state, "mlp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_have_the_reference_sizes),
        cmocka_unit_test(softmax_regression_follows_the_reference),
        cmocka_unit_test(mlp_follows_the_reference),
    };
    return cmocka_run_group_tests_name("examples/trajectory", tests, setup, teardown);
}
