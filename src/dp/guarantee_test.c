/* Checks guarantee.c: what is said, what comes back, and what must not be taken for a
 * promise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dp/guarantee.h"

static const struct guarantee SAMPLED = {
    .mechanism = GUARANTEE_GAUSS,
    .z = 1.1,
    .clip = 0.5,
    .q = 0.01,
    .releases = 1000,
    .epsilon = 1.7117700912,
    .delta = 1e-5,
    .accountant = RDP_VERSION,
};

static void one_line_says_it_all(void **state)
{
    (void)state;
    char text[GUARANTEE_TEXT_SIZE];
    guarantee_text(&SAMPLED, text);
    assert_string_equal(text, "epsilon 1.712 at delta 1e-05 for each device with all of its data "
                              "(its updates or zeros in their place), after 1000 releases with "
                              "gauss noise 1.1 and clip 0.5, sampled with probability 0.01; "
                              "accountant 1");
    struct guarantee once = SAMPLED;
    once.mechanism = GUARANTEE_TREE;
    once.q = 1;
    once.releases = 1;
    once.epsilon = 2.0001;
    guarantee_text(&once, text);
    assert_string_equal(text, "epsilon 2.001 at delta 1e-05 for each device with all of its data "
                              "(its updates or zeros in their place), after 1 release with tree "
                              "noise 1.1 and clip 0.5, not sampled; accountant 1");
}

static struct guarantee through_json(struct guarantee g)
{
    json_t *object = guarantee_encode(&g), *read = NULL;
    char *text = jsn_text_exact(object);
    struct guarantee back = {0};
    assert_non_null(text);
    assert_int_equal(jsn_parse(view_text(text), CONTROL_SIZE_MAX, &read, NULL), ST_OK);
    assert_int_equal(guarantee_decode(read, &back, NULL), ST_OK);
    json_decref(object);
    json_decref(read);
    free(text);
    return back;
}

static void it_comes_back_as_it_was(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < GUARANTEE_MECHANISMS; kind++) {
        struct guarantee g = SAMPLED;
        g.mechanism = (enum guarantee_mechanism)kind;
        g.epsilon = 1.0 / 3;
        struct guarantee back = through_json(g);
        assert_true(back.mechanism == g.mechanism && back.z == g.z && back.clip == g.clip);
        assert_true(back.q == g.q && back.releases == g.releases && back.epsilon == g.epsilon);
        assert_true(back.delta == g.delta && back.accountant == g.accountant);
    }
}

/* With one field set to something else, or taken away if value is NULL. takes: value */
static void field_refused(const char *key, json_t *value)
{
    json_t *object = guarantee_encode(&SAMPLED);
    struct guarantee g = {.z = 7};
    struct why why = {""};
    if (value != NULL)
        assert_int_equal(json_object_set_new(object, key, value), 0);
    else
        assert_int_equal(json_object_del(object, key), 0);
    assert_int_equal(guarantee_decode(object, &g, &why), ST_INVALID);
    assert_true(why.text[0] != '\0');
    assert_true(g.z == 7.0 && g.epsilon == 0.0);
    json_decref(object);
}

static void every_field_is_needed(void **state)
{
    (void)state;
    const char *const keys[] = {"mechanism", "unit",     "adjacency", "z",     "clip",
                                "q",         "releases", "epsilon",   "delta", "accountant"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        field_refused(keys[i], NULL);
}

static void another_promise_is_refused(void **state)
{
    (void)state;
    field_refused("mechanism", json_string("laplace"));
    field_refused("unit", json_string("example"));
    field_refused("adjacency", json_string("replace-one"));
    field_refused("z", json_real(0));
    field_refused("z", json_string("1"));
    field_refused("clip", json_real(-1));
    field_refused("q", json_real(1.5));
    field_refused("releases", json_integer(-1));
    field_refused("releases", json_integer((json_int_t)RDP_RELEASES_MAX + 1));
    field_refused("epsilon", json_real(-0.1));
    field_refused("delta", json_real(0));
    field_refused("delta", json_real(1));
    field_refused("accountant", json_integer(0));
}

static void what_is_no_number_is_no_guarantee(void **state)
{
    (void)state;
    struct guarantee g = SAMPLED;
    struct why why = {""};
    g.epsilon = (double)INFINITY;
    assert_int_equal(guarantee_check(&g, &why), ST_INVALID);
    assert_string_equal(why.text, "a privacy guarantee with epsilon inf is none");
    g = SAMPLED;
    g.clip = (double)NAN;
    assert_int_equal(guarantee_check(&g, NULL), ST_INVALID);
    assert_int_equal(guarantee_check(&SAMPLED, NULL), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_says_it_all),
        cmocka_unit_test(it_comes_back_as_it_was),
        cmocka_unit_test(every_field_is_needed),
        cmocka_unit_test(another_promise_is_refused),
        cmocka_unit_test(what_is_no_number_is_no_guarantee),
    };
    return cmocka_run_group_tests_name("dp/guarantee", tests, NULL, NULL);
}
