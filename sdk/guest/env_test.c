/* Checks env.c: which variables a guest needs, their defaults, and that a value
 * out of range is named instead of used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fml_guest.h"

static const char *const names[] = {"ROUND_ID", "MODEL_URI",   "PROPLET_ID",
                                    "MODE",     "HYPERPARAMS", "MODEL_DATA",
                                    "DATA_DIR", "MODEL_PATH",  "UPDATE_PATH"};

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    setenv("ROUND_ID", "r-0001", 1);
    setenv("MODEL_URI", "fl/models/global_model_v0", 1);
    return 0;
}

static void two_variables_are_enough(void **state)
{
    (void)state;
    struct fml_env env = {0};
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_string_equal(env.round_id, "r-0001");
    assert_string_equal(env.model_uri, "fl/models/global_model_v0");
    assert_string_equal(env.proplet_id, "");
    assert_int_equal(env.mode, FML_TRAIN);
    assert_null(env.model_data);
    assert_null(env.model_path);
    assert_null(env.data_dir);
    assert_null(env.update_path);
    fml_env_done(&env);
}

static void without_them_it_says_which(void **state)
{
    (void)state;
    struct fml_env env = {.round_id = "before"};
    unsetenv("MODEL_URI");
    assert_int_equal(fml_env_read(&env), FML_MISSING);
    assert_non_null(strstr(fml_why(), "MODEL_URI"));
    setenv("ROUND_ID", "", 1);
    assert_int_equal(fml_env_read(&env), FML_MISSING);
    assert_non_null(strstr(fml_why(), "ROUND_ID"));
    assert_string_equal(env.round_id, "before");
}

static void mode_is_one_of_two(void **state)
{
    (void)state;
    struct fml_env env = {0};
    setenv("MODE", "evaluate", 1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(env.mode, FML_EVALUATE);
    fml_env_done(&env);
    setenv("MODE", "Train", 1);
    assert_int_equal(fml_env_read(&env), FML_INVALID);
    assert_null(env.hyperparams);
}

static void hyperparams_that_are_no_object_are_refused(void **state)
{
    (void)state;
    struct fml_env env = {0};
    setenv("HYPERPARAMS", "[1]", 1);
    assert_int_equal(fml_env_read(&env), FML_MALFORMED);
    assert_non_null(strstr(fml_why(), "HYPERPARAMS"));
    assert_null(env.hyperparams);
}

static void hyperparams_have_defaults(void **state)
{
    (void)state;
    struct fml_env env = {0};
    double rate = 0.0;
    uint64_t epochs = 0;
    setenv("HYPERPARAMS", "{\"lr\":0.01,\"epochs\":3.0}", 1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_hyperparam_real(&env, "lr", 0.1, 0.0, 1.0, &rate), FML_OK);
    assert_true(rate == 0.01);
    assert_int_equal(fml_hyperparam_real(&env, "mu", 0.5, 0.0, 1.0, &rate), FML_OK);
    assert_true(rate == 0.5);
    assert_int_equal(fml_hyperparam_integer(&env, "epochs", 1, 1, 10, &epochs), FML_OK);
    assert_int_equal(epochs, 3);
    assert_int_equal(fml_hyperparam_integer(&env, "seed", 7, 0, 10, &epochs), FML_OK);
    assert_int_equal(epochs, 7);
    fml_env_done(&env);
}

static void hyperparams_out_of_range_are_named(void **state)
{
    (void)state;
    struct fml_env env = {0};
    double rate = 9.0;
    uint64_t epochs = 9;
    setenv("HYPERPARAMS", "{\"lr\":2,\"mu\":\"0.1\",\"epochs\":1.5,\"batch_size\":0,\"seed\":-1}",
           1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_hyperparam_real(&env, "lr", 0.1, 0.0, 1.0, &rate), FML_INVALID);
    assert_non_null(strstr(fml_why(), "lr"));
    assert_int_equal(fml_hyperparam_real(&env, "mu", 0.1, 0.0, 1.0, &rate), FML_INVALID);
    assert_int_equal(fml_hyperparam_integer(&env, "epochs", 1, 1, 10, &epochs), FML_INVALID);
    assert_int_equal(fml_hyperparam_integer(&env, "batch_size", 1, 1, 10, &epochs), FML_INVALID);
    assert_int_equal(fml_hyperparam_integer(&env, "seed", 1, 0, 10, &epochs), FML_INVALID);
    assert_non_null(strstr(fml_why(), "seed"));
    assert_true(rate == 9.0);
    assert_int_equal(epochs, 9);
    fml_env_done(&env);
}

static void the_model_comes_from_the_environment(void **state)
{
    (void)state;
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    setenv("MODEL_DATA", "{\"w\":[1,2],\"b\":3}", 1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_env_model(&env, &m), FML_OK);
    assert_true(fml_model_find(m, "b")->data[0] == 3.0f);
    fml_model_free(m);
    fml_env_done(&env);
}

static void the_models_file_comes_first(void **state)
{
    (void)state;
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    setenv("MODEL_DATA", "{\"b\":3}", 1);
    setenv("MODEL_PATH", "tests/vectors/safetensors/good_update.safetensors", 1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_env_model(&env, &m), FML_OK);
    assert_true(fml_model_find(m, "b")->data[0] == 0.33f);
    fml_model_free(m);
    fml_env_done(&env);
}

static void the_servers_optimiser_state_is_left_out(void **state)
{
    (void)state;
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    setenv("MODEL_DATA", "{\"w\":[1,2],\"optimiser.steps\":4,\"b\":3,\"optimiser.momentum\":[7]}",
           1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_env_model(&env, &m), FML_OK);
    assert_int_equal(fml_model_tensor_count(m), 2);
    assert_int_equal(fml_model_param_count(m), 3);
    assert_true(fml_model_find(m, "w")->data[1] == 2 && fml_model_find(m, "b")->data[0] == 3);
    fml_model_free(m);
    fml_env_done(&env);
}

static void a_missing_model_is_named(void **state)
{
    (void)state;
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_env_model(&env, &m), FML_MISSING);
    fml_env_done(&env);
    setenv("MODEL_PATH", "/nowhere/model", 1);
    assert_int_equal(fml_env_read(&env), FML_OK);
    assert_int_equal(fml_env_model(&env, &m), FML_MISSING);
    assert_non_null(strstr(fml_why(), "/nowhere/model"));
    assert_null(m);
    fml_env_done(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(two_variables_are_enough, setup),
        cmocka_unit_test_setup(without_them_it_says_which, setup),
        cmocka_unit_test_setup(mode_is_one_of_two, setup),
        cmocka_unit_test_setup(hyperparams_that_are_no_object_are_refused, setup),
        cmocka_unit_test_setup(hyperparams_have_defaults, setup),
        cmocka_unit_test_setup(hyperparams_out_of_range_are_named, setup),
        cmocka_unit_test_setup(the_model_comes_from_the_environment, setup),
        cmocka_unit_test_setup(the_models_file_comes_first, setup),
        cmocka_unit_test_setup(the_servers_optimiser_state_is_left_out, setup),
        cmocka_unit_test_setup(a_missing_model_is_named, setup),
    };
    return cmocka_run_group_tests_name("guest/env", tests, NULL, NULL);
}
