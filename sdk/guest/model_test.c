/* Checks model.c: tensors in one block, texts, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fml_guest.h"

/* w (2, 3) and the scalar b. */
static struct fml_model *example(void)
{
    const struct fml_tensor tensors[] = {{.name = "w", .rank = 2, .shape = {2, 3}},
                                         {.name = "b", .rank = 0}};
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_new(tensors, 2, &m), FML_OK);
    return m;
}

static void tensors_lie_one_after_the_other(void **state)
{
    (void)state;
    struct fml_model *m = example();
    assert_int_equal(fml_model_tensor_count(m), 2);
    assert_int_equal(fml_model_param_count(m), 7);
    assert_ptr_equal(fml_model_find(m, "w")->data, fml_model_params(m));
    assert_ptr_equal(fml_model_find(m, "b")->data, fml_model_params(m) + 6);
    assert_int_equal(fml_model_tensor(m, 0)->count, 6);
    assert_int_equal(fml_model_find(m, "b")->count, 1);
    assert_null(fml_model_find(m, "c"));
    for (size_t i = 0; i < 7; i++)
        assert_true(fml_model_params(m)[i] == 0.0f);
    fml_model_free(m);
}

static void a_copy_is_its_own(void **state)
{
    (void)state;
    struct fml_model *m = example();
    struct fml_model *copy = NULL;
    fml_model_params(m)[6] = 5.0f;
    assert_int_equal(fml_model_set_text(m, "round_id", "r"), FML_OK);
    assert_int_equal(fml_model_copy(m, &copy), FML_OK);
    fml_model_params(m)[6] = 6.0f;
    assert_true(fml_model_find(copy, "b")->data[0] == 5.0f);
    assert_null(fml_model_text(copy, "round_id"));
    m = fml_model_free(m);
    assert_null(m);
    assert_string_equal(fml_model_find(copy, "w")->name, "w");
    fml_model_free(copy);
}

static void refuses(enum fml_status expected, const struct fml_tensor *tensors, size_t count)
{
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_new(tensors, count, &m), expected);
    assert_null(m);
}

static void impossible_tensors_are_refused(void **state)
{
    (void)state;
    char name[FML_NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct fml_tensor twice[] = {{.name = "a"}, {.name = "a"}};
    refuses(FML_INVALID, twice, 2);
    refuses(FML_INVALID, &(struct fml_tensor){.name = ""}, 1);
    refuses(FML_INVALID, &(struct fml_tensor){.name = name}, 1);
    refuses(FML_INVALID, &(struct fml_tensor){.name = "a", .rank = 2, .shape = {3, 0}}, 1);
    refuses(FML_LIMIT, &(struct fml_tensor){.name = "a", .rank = FML_RANK_MAX + 1}, 1);
    refuses(FML_LIMIT,
            &(struct fml_tensor){.name = "a", .rank = 3, .shape = {1 << 20, 1 << 20, 1 << 24}}, 1);
    refuses(FML_LIMIT, &(struct fml_tensor){.name = "a"}, FML_TENSORS_MAX + 1);
}

static void a_model_without_tensors_is_one(void **state)
{
    (void)state;
    struct fml_model *m = NULL;
    assert_int_equal(fml_model_new(NULL, 0, &m), FML_OK);
    assert_int_equal(fml_model_param_count(m), 0);
    assert_int_equal(fml_model_check_finite(m), FML_OK);
    fml_model_free(m);
}

static void a_subset_has_the_named_tensors_and_values(void **state)
{
    (void)state;
    const char *const names[] = {"b", "w"}, *const unknown[] = {"w", "c"},
                      *const twice[] = {"w", "w"};
    struct fml_model *m = example();
    struct fml_model *part = NULL;
    for (size_t i = 0; i < fml_model_param_count(m); i++)
        fml_model_params(m)[i] = (float)i;

    assert_int_equal(fml_model_subset(m, names, 1, &part), FML_OK);
    assert_int_equal(fml_model_tensor_count(part), 1);
    assert_int_equal(fml_model_param_count(part), fml_model_find(m, "b")->count);
    assert_memory_equal(fml_model_params(part), fml_model_find(m, "b")->data,
                        fml_model_param_count(part) * sizeof(float));
    fml_model_params(part)[0] = -1.0f; /* its own */
    assert_true(fml_model_find(m, "b")->data[0] >= 0.0f);
    part = fml_model_free(part);

    assert_int_equal(fml_model_subset(m, names, 2, &part), FML_OK);
    assert_string_equal(fml_model_tensor(part, 0)->name, "b");
    assert_memory_equal(fml_model_find(part, "w")->data, fml_model_find(m, "w")->data,
                        fml_model_find(m, "w")->count * sizeof(float));
    part = fml_model_free(part);

    assert_int_equal(fml_model_subset(m, names, 0, &part), FML_OK);
    assert_int_equal(fml_model_tensor_count(part), 0);
    part = fml_model_free(part);
    assert_int_equal(fml_model_subset(m, unknown, 2, &part), FML_MISSING);
    assert_non_null(strstr(fml_why(), "no tensor c"));
    assert_int_equal(fml_model_subset(m, twice, 2, &part), FML_INVALID);
    assert_null(part);
    fml_model_free(m);
}

static void texts_are_kept_and_replaced(void **state)
{
    (void)state;
    struct fml_model *m = example();
    assert_int_equal(fml_model_set_text(m, "a", "1"), FML_OK);
    assert_int_equal(fml_model_set_text(m, "b", "2"), FML_OK);
    assert_int_equal(fml_model_set_text(m, "a", "3"), FML_OK);
    assert_string_equal(fml_model_text(m, "a"), "3");
    assert_string_equal(fml_model_text(m, "b"), "2");
    assert_null(fml_model_text(m, "c"));
    fml_model_free(m);
}

static void texts_have_limits(void **state)
{
    (void)state;
    static char value[FML_TEXT_MAX + 2];
    char key[16];
    struct fml_model *m = example();
    memset(value, 'v', FML_TEXT_MAX + 1);
    assert_int_equal(fml_model_set_text(m, "long", value), FML_LIMIT);
    assert_int_equal(fml_model_set_text(m, "", "v"), FML_INVALID);
    assert_null(fml_model_text(m, "long"));
    for (int i = 0; i < FML_TEXTS_MAX; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(fml_model_set_text(m, key, "v"), FML_OK);
    }
    assert_int_equal(fml_model_set_text(m, "more", "v"), FML_LIMIT);
    assert_null(fml_model_text(m, "more"));
    assert_int_equal(fml_model_set_text(m, "k3", "w"), FML_OK);
    assert_string_equal(fml_model_text(m, "k3"), "w");
    fml_model_free(m);
}

static void numbers_that_are_none_are_named(void **state)
{
    (void)state;
    struct fml_model *m = example();
    assert_int_equal(fml_model_check_finite(m), FML_OK);
    fml_model_find(m, "w")->data[4] = NAN;
    assert_int_equal(fml_model_check_finite(m), FML_NOT_FINITE);
    assert_non_null(strstr(fml_why(), "w holds"));
    assert_non_null(strstr(fml_why(), "4"));
    fml_model_find(m, "w")->data[4] = -INFINITY;
    assert_int_equal(fml_model_check_finite(m), FML_NOT_FINITE);
    fml_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_lie_one_after_the_other),
        cmocka_unit_test(a_copy_is_its_own),
        cmocka_unit_test(impossible_tensors_are_refused),
        cmocka_unit_test(a_model_without_tensors_is_one),
        cmocka_unit_test(a_subset_has_the_named_tensors_and_values),
        cmocka_unit_test(texts_are_kept_and_replaced),
        cmocka_unit_test(texts_have_limits),
        cmocka_unit_test(numbers_that_are_none_are_named),
    };
    return cmocka_run_group_tests_name("guest/model", tests, NULL, NULL);
}
