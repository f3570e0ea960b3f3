/* Runs whole guests, natively, with functions that record what they were given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fml_guest.h"

static char dir[64], model_path[96], update_path[96];
static struct fml_training seen; /* what train() was given */
static unsigned trained, evaluated;
static enum fml_status train_status;

static enum fml_status train(struct fml_model *m, const struct fml_dataset *d,
                             const struct fml_training *t, struct fml_score *ret)
{
    trained++;
    seen = *t;
    if (train_status != FML_OK)
        return fml_fail(train_status, "no network for %zu features", d->features);
    fml_model_params(m)[0] += 1.0f;
    *ret = (struct fml_score){.loss = 0.5, .accuracy = 0.25};
    return FML_OK;
}

static enum fml_status evaluate(const struct fml_model *m, const struct fml_dataset *d,
                                struct fml_score *ret)
{
    (void)m;
    evaluated++;
    *ret = (struct fml_score){.loss = (double)d->count, .accuracy = 1.0};
    return FML_OK;
}

static const struct fml_learner learner = {"guest", 0.125, train, evaluate};

static void put(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(fml_file_write(path, data, size), FML_OK);
}

static int setup(void **state)
{
    (void)state;
    static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4};
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    static const char text[] = "{\"max_value\":255,\"client\":3,\"classes\":2}";
    static const char base[] = "{\"w\":[1,2]}";
    snprintf(dir, sizeof dir, "/tmp/fml-learner-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    put("images.idx3-ubyte", images, sizeof images);
    put("labels.idx1-ubyte", labels, sizeof labels);
    put("dataset.json", text, sizeof text - 1);
    put("model", base, sizeof base - 1);
    snprintf(model_path, sizeof model_path, "%s/model", dir);
    snprintf(update_path, sizeof update_path, "%s/update", dir);
    setenv("ROUND_ID", "r-1", 1);
    setenv("MODEL_URI", "fl/models/m_v0", 1);
    setenv("MODEL_PATH", model_path, 1);
    setenv("DATA_DIR", dir, 1);
    setenv("UPDATE_PATH", update_path, 1);
    unsetenv("MODE");
    unsetenv("HYPERPARAMS");
    trained = evaluated = 0;
    train_status = FML_OK;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"images.idx3-ubyte", "labels.idx1-ubyte", "dataset.json",
                                        "model", "update"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static struct fml_model *read_update(void)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct fml_model *m = NULL;
    assert_int_equal(fml_file_read(update_path, 1 << 20, &data, &size), FML_OK);
    assert_int_equal(fml_model_decode(data, size, &m), FML_OK);
    free(data);
    return m;
}

static void training_leaves_the_trained_model(void **state)
{
    (void)state;
    setenv("HYPERPARAMS", "{\"epochs\":7,\"mu\":0.5}", 1);
    assert_int_equal(fml_learner_main(&learner), 0);
    assert_int_equal(trained, 1);
    assert_int_equal(evaluated, 0);
    assert_true(seen.epochs == 7 && seen.batch_size == 32 && seen.seed == 1 && seen.round == 1);
    assert_true(seen.rate == 0.125 && seen.mu == 0.5);
    struct fml_model *m = read_update();
    assert_true(fml_model_params(m)[0] == 2.0f && fml_model_params(m)[1] == 2.0f);
    assert_string_equal(fml_model_text(m, "num_samples"), "2");
    assert_non_null(strstr(fml_model_text(m, "metrics"), "\"accuracy\":0.25"));
    assert_non_null(strstr(fml_model_text(m, "metrics"), "\"loss\":0.5"));
    fml_model_free(m);
}

static void evaluating_leaves_metrics_alone(void **state)
{
    (void)state;
    setenv("MODE", "evaluate", 1);
    assert_int_equal(fml_learner_main(&learner), 0);
    assert_true(trained == 0 && evaluated == 1);
    struct fml_model *m = read_update();
    assert_int_equal(fml_model_tensor_count(m), 0);
    assert_non_null(strstr(fml_model_text(m, "metrics"), "\"loss\":2"));
    fml_model_free(m);
}

static void a_failure_is_exit_status_1_and_no_update(void **state)
{
    (void)state;
    train_status = FML_SHAPE;
    assert_int_equal(fml_learner_main(&learner), 1);
    assert_int_equal(trained, 1);
    assert_int_not_equal(access(update_path, F_OK), 0);
}

static void what_is_missing_is_named_before_anything_is_learned(void **state)
{
    (void)state;
    unsetenv("DATA_DIR");
    assert_int_equal(fml_learner_main(&learner), 1);
    assert_non_null(strstr(fml_why(), "DATA_DIR"));
    setenv("DATA_DIR", dir, 1);
    setenv("MODEL_PATH", "/nonexistent", 1);
    assert_int_equal(fml_learner_main(&learner), 1);
    setenv("MODEL_PATH", model_path, 1);
    setenv("HYPERPARAMS", "{\"batch_size\":0}", 1);
    assert_int_equal(fml_learner_main(&learner), 1);
    assert_non_null(strstr(fml_why(), "batch_size"));
    assert_int_equal(trained + evaluated, 0);
    assert_int_not_equal(access(update_path, F_OK), 0);
}

static void the_order_is_seeded_by_seed_round_and_device(void **state)
{
    (void)state;
    struct fml_training t = {.seed = 2, .round = 5};
    const struct fml_dataset d = {.client = 7};
    assert_true(fml_training_rng(&t, &d).state == 2 * 1000003 + 5 * 1009 + 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(training_leaves_the_trained_model),
        TEST(evaluating_leaves_metrics_alone),
        TEST(a_failure_is_exit_status_1_and_no_update),
        TEST(what_is_missing_is_named_before_anything_is_learned),
        TEST(the_order_is_seeded_by_seed_round_and_device),
    };
    return cmocka_run_group_tests_name("guest/learner", tests, NULL, NULL);
}
