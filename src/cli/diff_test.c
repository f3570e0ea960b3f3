/* Differences of models, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "cli/diff.h"
#include "model/model_file.h"

static struct model *model_of(const char *text)
{
    struct model *m = NULL;
    assert_int_equal(model_decode(view_text(text), &m, NULL, NULL), ST_OK);
    return m;
}

static void differences_are_those_worked_by_hand(void **state)
{
    (void)state;
    struct model *a = model_of("{\"b\":1,\"w\":[3,4]}");
    struct model *b = model_of("{\"b\":1,\"w\":[3,0]}");
    assert_int_equal(diff_align(a, b, NULL), ST_OK);
    struct tensor_diff same = diff_tensor(a, b, 0), w = diff_tensor(a, b, 1);
    assert_string_equal(same.name, "b");
    assert_true(same.largest == 0 && same.mean == 0 && same.norm_diff == 0);
    assert_string_equal(w.name, "w");
    assert_int_equal(w.count, 2);
    assert_true(w.largest == 4 && w.mean == 2);
    assert_true(w.norm_a == 5 && w.norm_b == 3 && w.norm_diff == 4);
    struct tensor_diff all = diff_all(a, b);
    assert_int_equal(all.count, 3);
    assert_true(fabs(all.mean - 4.0 / 3) < 1e-12);
    assert_true(all.norm_b == sqrt(10) && all.largest == 4);
    (void)model_free(a);
    (void)model_free(b);
}

static void tensors_are_matched_by_name(void **state)
{
    (void)state;
    const struct model_shape forth[] = {{.name = "w"}, {.name = "b"}};
    const struct model_shape back[] = {{.name = "b"}, {.name = "w"}};
    struct model *a, *b;
    assert_int_equal(model_new(forth, 2, &a), ST_OK);
    assert_int_equal(model_new(back, 2, &b), ST_OK);
    model_params_mutable(a)[0] = 7; /* w of both */
    model_params_mutable(b)[1] = 7;
    assert_int_equal(diff_align(a, b, NULL), ST_OK);
    assert_true(diff_all(a, b).largest == 0);
    (void)model_free(a);
    (void)model_free(b);
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    struct model *a = model_of("{\"w\":[1,2]}");
    static const char *const others[] = {"{\"w\":[1]}", "{\"v\":[1,2]}", "{\"w\":[1,2],\"b\":0}"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct model *b = model_of(others[i]);
        struct why why = {""};
        assert_int_equal(diff_align(a, b, &why), ST_SHAPE);
        assert_true(strlen(why.text) > 0);
        (void)model_free(b);
    }
    (void)model_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_those_worked_by_hand),
        cmocka_unit_test(tensors_are_matched_by_name),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests_name("cli/diff", tests, NULL, NULL);
}
