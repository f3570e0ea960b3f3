/* Checks which variables a guest gets, and which names are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/guest_env.h"

static bool has(const struct guest_env *env, const char *item)
{
    for (size_t i = 0; i < env->count; i++)
        if (strcmp(env->items[i], item) == 0)
            return true;
    return false;
}

static struct guest_env build(json_t *task_env, const struct guest_vars *vars)
{
    struct guest_env env = {0};
    assert_int_equal(guest_env_build(task_env, vars, &env), ST_OK);
    assert_null(env.items[env.count]);
    json_decref(task_env);
    return env;
}

static void the_tasks_variables_are_verbatim(void **state)
{
    (void)state;
    struct guest_env env = build(
        json_pack("{s:s,s:s}", "HYPERPARAMS", "{\"lr\":0.1,\"x\":\"a=b\"}", "ROUND_ID", "r-1"),
        &(struct guest_vars){.proplet_id = "p-1"});
    assert_int_equal(env.count, 3);
    assert_true(has(&env, "HYPERPARAMS={\"lr\":0.1,\"x\":\"a=b\"}"));
    assert_true(has(&env, "ROUND_ID=r-1"));
    assert_true(has(&env, "PROPLET_ID=p-1"));
    guest_env_done(&env);
}

static void a_learning_task_gets_paths_and_small_models(void **state)
{
    (void)state;
    struct guest_vars vars = {
        .proplet_id = "p-1", .has_data = true, .has_model = true, .model_data = "{\"w\":[0]}"};
    struct guest_env env = build(json_object(), &vars);
    assert_int_equal(env.count, 5);
    assert_true(has(&env, "DATA_DIR=/data"));
    assert_true(has(&env, "MODEL_PATH=/model/model"));
    assert_true(has(&env, "UPDATE_PATH=/out/update"));
    assert_true(has(&env, "MODEL_DATA={\"w\":[0]}"));
    guest_env_done(&env);
}

static void only_a_small_json_model_is_a_variable(void **state)
{
    (void)state;
    char *text = guest_env_model(view_text("{\"w\":[1,2]}"));
    assert_string_equal(text, "{\"w\":[1,2]}");
    free(text);
    assert_null(guest_env_model(view_text("\x08\0\0\0\0\0\0\0{}      ")));

    char *large = malloc(MODEL_DATA_ENV_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', MODEL_DATA_ENV_MAX + 1);
    large[0] = '{';
    large[MODEL_DATA_ENV_MAX - 1] = '}';
    text = guest_env_model(view_of(large, MODEL_DATA_ENV_MAX));
    assert_int_equal(strlen(text), MODEL_DATA_ENV_MAX);
    free(text);
    large[MODEL_DATA_ENV_MAX] = ' ';
    assert_null(guest_env_model(view_of(large, MODEL_DATA_ENV_MAX + 1)));
    free(large);
}

static void ours_win_over_the_tasks(void **state)
{
    (void)state;
    struct guest_env env =
        build(json_pack("{s:s,s:s}", "PROPLET_ID", "someone-else", "MODEL_DATA", "mine"),
              &(struct guest_vars){.proplet_id = "p-1"});
    assert_int_equal(env.count, 2);
    assert_true(has(&env, "PROPLET_ID=p-1"));
    assert_true(has(&env, "MODEL_DATA=mine")); /* a plain task may use the name */
    guest_env_done(&env);
}

static void unusable_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "A=B", "A B", "A\nB", "\x7f"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct why why = {0};
        json_t *env = json_pack("{s:s}", names[i], "v");
        assert_int_equal(guest_env_check(env, &why), ST_INVALID);
        assert_true(why.text[0] != '\0');
        json_decref(env);
    }
    char longest[130] = {0};
    memset(longest, 'N', 128);
    json_t *env = json_pack("{s:s}", longest, "v");
    assert_int_equal(guest_env_check(env, NULL), ST_OK);
    longest[128] = 'N';
    json_object_set_new(env, longest, json_string("v"));
    assert_int_equal(guest_env_check(env, NULL), ST_INVALID);
    json_decref(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tasks_variables_are_verbatim),
        cmocka_unit_test(a_learning_task_gets_paths_and_small_models),
        cmocka_unit_test(only_a_small_json_model_is_a_variable),
        cmocka_unit_test(ours_win_over_the_tasks),
        cmocka_unit_test(unusable_names_are_refused),
    };
    return cmocka_run_group_tests_name("proplet/guest_env", tests, NULL, NULL);
}
