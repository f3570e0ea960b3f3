/* Checks models.c: a bounded cache, and the highest version of each name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/models.h"

static int setup(void **state)
{
    struct models *m;
    if (models_new(&m) != ST_OK)
        return -1;
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    *state = models_free(*state);
    return 0;
}

static struct model_ref ref(uint64_t version)
{
    return (struct model_ref){.name = {"m"}, .version = version};
}

static enum status put(struct models *m, uint64_t version, struct view bytes)
{
    struct model_ref r = ref(version);
    struct digest digest = digest_of(bytes);
    return models_put(m, &r, bytes, &digest);
}

static bool has(struct models *m, uint64_t version)
{
    struct model_ref r = ref(version);
    struct view bytes;
    struct digest digest;
    return models_get(m, &r, &bytes, &digest);
}

static void gives_what_was_put(void **state)
{
    struct models *m = *state;
    struct model_ref r = ref(3), other_name = {.name = {"n"}, .version = 3};
    struct view bytes;
    struct digest digest, expected = digest_of(view_text("abc"));

    assert_int_equal(put(m, 3, view_text("xyz")), ST_OK);
    assert_int_equal(put(m, 3, view_text("abc")), ST_OK); /* replaces */
    assert_true(models_get(m, &r, &bytes, &digest));
    assert_true(view_equal(bytes, view_text("abc")));
    assert_true(digest_equal(&digest, &expected));
    assert_false(has(m, 4));
    assert_false(models_get(m, &other_name, &bytes, &digest));

    models_drop(m, &r);
    assert_false(has(m, 3));
    models_drop(m, &r);
}

static void longest_unused_goes_first(void **state)
{
    struct models *m = *state;
    for (uint64_t v = 0; v < MODELS_CACHED_MAX; v++)
        assert_int_equal(put(m, v, view_text("abc")), ST_OK);
    assert_true(has(m, 0)); /* used again: now 1 is the oldest */
    assert_int_equal(put(m, 100, view_text("abc")), ST_OK);
    assert_false(has(m, 1));
    assert_true(has(m, 0));
    assert_true(has(m, 100));
}

static void bytes_are_bounded_too(void **state)
{
    struct models *m = *state;
    size_t half = MODELS_CACHED_BYTES_MAX / 2 + 1;
    uint8_t *bytes = calloc(1, MODELS_CACHED_BYTES_MAX + 1);
    assert_non_null(bytes);
    assert_int_equal(put(m, 0, view_text("small")), ST_OK);
    assert_int_equal(put(m, 1, view_of(bytes, half)), ST_OK);
    assert_true(has(m, 0) && has(m, 1));
    assert_int_equal(put(m, 2, view_of(bytes, half)), ST_OK);
    assert_true(has(m, 2));
    assert_false(has(m, 0) && has(m, 1));

    assert_int_equal(put(m, 3, view_of(bytes, MODELS_CACHED_BYTES_MAX + 1)), ST_LIMIT);
    assert_false(has(m, 3));
    assert_true(has(m, 2));
    free(bytes);
}

static void knows_the_highest_of_each_name(void **state)
{
    struct models *m = *state;
    struct id a = {"m"}, b = {"n"};
    struct model_ref r5 = ref(5), r2 = ref(2), other = {.name = b, .version = 9};
    uint64_t highest = 77;

    assert_false(models_highest(m, &a, &highest));
    assert_int_equal(highest, 77);
    assert_int_equal(models_note(m, &r5), ST_OK);
    assert_int_equal(models_note(m, &r2), ST_OK);
    assert_int_equal(models_note(m, &other), ST_OK);
    assert_true(models_highest(m, &a, &highest));
    assert_int_equal(highest, 5);
    assert_true(models_highest(m, &b, &highest));
    assert_int_equal(highest, 9);
}

static void too_many_names_are_refused_and_known_ones_still_rise(void **state)
{
    struct models *m = *state;
    struct model_ref r = {.version = 1};
    for (int i = 0; i < MODEL_NAMES_MAX; i++) {
        (void)snprintf(r.name.text, sizeof r.name.text, "n%d", i);
        assert_int_equal(models_note(m, &r), ST_OK);
    }
    struct model_ref one_more = {.name = {"one-more"}, .version = 1};
    uint64_t highest;
    assert_int_equal(models_note(m, &one_more), ST_LIMIT);
    assert_false(models_highest(m, &one_more.name, &highest));
    r.version = 2;
    assert_int_equal(models_note(m, &r), ST_OK);
    assert_true(models_highest(m, &r.name, &highest));
    assert_int_equal(highest, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_what_was_put, setup, teardown),
        cmocka_unit_test_setup_teardown(longest_unused_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_are_bounded_too, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_the_highest_of_each_name, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_names_are_refused_and_known_ones_still_rise, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("coordinator/models", tests, NULL, NULL);
}
