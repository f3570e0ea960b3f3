/* Checks update.c: the facts in __metadata__, the FML demo's JSON, and that a
 * refused update leaves no file. */
#include <math.h>
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

struct fixture {
    struct fml_env env;
    struct fml_model *m;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->path, sizeof f->path, "/tmp/fml-update-%ld", (long)getpid());
    f->env = (struct fml_env){
        .round_id = "r-0001", .model_uri = "fl/models/global_model_v0", .update_path = f->path};
    const struct fml_tensor tensors[] = {{.name = "w", .rank = 2, .shape = {2, 2}},
                                         {.name = "b", .rank = 0}};
    assert_int_equal(fml_model_new(tensors, 2, &f->m), FML_OK);
    for (size_t i = 0; i < 5; i++)
        fml_model_params(f->m)[i] = (float)i + 0.5f;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    remove(f->path);
    fml_model_free(f->m);
    free(f);
    return 0;
}

static const struct fml_metric metrics[] = {{"loss", 0.73}, {"accuracy", 1.0}};

static struct fml_model *read_back(const struct fixture *f)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct fml_model *m = NULL;
    assert_int_equal(fml_file_read(f->path, 1 << 20, &data, &size), FML_OK);
    assert_int_equal(fml_model_decode(data, size, &m), FML_OK);
    free(data);
    return m;
}

static void the_file_holds_parameters_and_facts(void **state)
{
    struct fixture *f = *state;
    const struct fml_update u = {f->m, 512, metrics, 2, 0};
    assert_int_equal(fml_model_set_text(f->m, "version", "3"), FML_OK);
    assert_int_equal(fml_update_write(&f->env, &u), FML_OK);
    struct fml_model *m = read_back(f);
    assert_int_equal(fml_model_param_count(m), 5);
    assert_memory_equal(fml_model_params(m), fml_model_params(f->m), 5 * sizeof(float));
    assert_string_equal(fml_model_text(m, "round_id"), "r-0001");
    assert_string_equal(fml_model_text(m, "base_model_uri"), "fl/models/global_model_v0");
    assert_string_equal(fml_model_text(m, "num_samples"), "512");
    assert_string_equal(fml_model_text(m, "metrics"), "{\"loss\":0.73,\"accuracy\":1}");
    assert_null(fml_model_text(m, "version")); /* the base's, not the update's */
    fml_model_free(m);
}

static void an_evaluation_has_no_tensors(void **state)
{
    struct fixture *f = *state;
    const struct fml_update u = {NULL, 7, metrics, 1, 0};
    assert_int_equal(fml_update_write(&f->env, &u), FML_OK);
    struct fml_model *m = read_back(f);
    assert_int_equal(fml_model_tensor_count(m), 0);
    assert_string_equal(fml_model_text(m, "num_samples"), "7");
    assert_string_equal(fml_model_text(m, "metrics"), "{\"loss\":0.73}");
    fml_model_free(m);
}

static void refuses(struct fixture *f, enum fml_status expected, struct fml_update u)
{
    assert_int_equal(fml_update_write(&f->env, &u), expected);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(fml_update_print(&f->env, &u), expected);
}

static void impossible_facts_leave_no_file(void **state)
{
    struct fixture *f = *state;
    const struct fml_metric unnamed[] = {{"", 1.0}};
    const struct fml_metric quoted[] = {{"a\"b", 1.0}};
    const struct fml_metric infinite[] = {{"loss", HUGE_VAL}};
    refuses(f, FML_INVALID, (struct fml_update){f->m, 0, NULL, 0, 0});
    refuses(f, FML_INVALID, (struct fml_update){f->m, FML_SAMPLES_MAX + 1, NULL, 0, 0});
    refuses(f, FML_INVALID, (struct fml_update){f->m, 1, unnamed, 1, 0});
    refuses(f, FML_INVALID, (struct fml_update){f->m, 1, quoted, 1, 0});
    refuses(f, FML_INVALID, (struct fml_update){f->m, 1, metrics, FML_METRICS_MAX + 1, 0});
    refuses(f, FML_NOT_FINITE, (struct fml_update){f->m, 1, infinite, 1, 0});
}

static void a_model_that_diverged_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    fml_model_params(f->m)[2] = NAN;
    refuses(f, FML_NOT_FINITE, (struct fml_update){f->m, 1, NULL, 0, 0});
}

static void without_a_path_nothing_is_written(void **state)
{
    struct fixture *f = *state;
    f->env.update_path = NULL;
    assert_int_equal(fml_update_write(&f->env, &(struct fml_update){f->m, 1, NULL, 0, 0}),
                     FML_MISSING);
    f->env.update_path = "/nowhere/update";
    assert_int_equal(fml_update_write(&f->env, &(struct fml_update){f->m, 1, NULL, 0, 0}), FML_IO);
}

/* Standard output is a file while the update is printed. */
static char *printed(const struct fixture *f, const struct fml_update *u)
{
    uint8_t *text = NULL;
    size_t size = 0;
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    FILE *file = fopen(f->path, "wb");
    assert_non_null(file);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    enum fml_status status = fml_update_print(&f->env, u);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    fclose(file);
    assert_int_equal(status, FML_OK);
    assert_int_equal(fml_file_read(f->path, 1 << 20, &text, &size), FML_OK);
    return (char *)text;
}

static void prints_the_demos_json(void **state)
{
    struct fixture *f = *state;
    char *text = printed(f, &(struct fml_update){f->m, 512, metrics, 1, 0});
    assert_string_equal(text, "{\"round_id\":\"r-0001\","
                              "\"base_model_uri\":\"fl/models/global_model_v0\","
                              "\"num_samples\":512,\"metrics\":{\"loss\":0.73},"
                              "\"update\":{\"w\":[[0.5,1.5],[2.5,3.5]],\"b\":4.5}}\n");
    free(text);
}

static void printed_numbers_read_back_the_same(void **state)
{
    struct fixture *f = *state;
    float *params = fml_model_params(f->m);
    const float values[] = {0.1f, 1.0f / 3.0f, 1e-40f, -3.4028234e38f, 16777217.0f};
    memcpy(params, values, sizeof values);
    char *text = printed(f, &(struct fml_update){f->m, 1, NULL, 0, 0});
    char *model = strstr(text, "\"update\":") + strlen("\"update\":");
    model[strlen(model) - 2] = '\0'; /* the outer brace and the line's end */
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_decode(model, strlen(model), &m), FML_OK);
    assert_memory_equal(fml_model_params(m), values, sizeof values);
    fml_model_free(m);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_file_holds_parameters_and_facts, setup, teardown),
        cmocka_unit_test_setup_teardown(an_evaluation_has_no_tensors, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_facts_leave_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_model_that_diverged_leaves_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_path_nothing_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(prints_the_demos_json, setup, teardown),
        cmocka_unit_test_setup_teardown(printed_numbers_read_back_the_same, setup, teardown),
    };
    return cmocka_run_group_tests_name("guest/update", tests, NULL, NULL);
}
