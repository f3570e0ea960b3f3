/* Who is alive, by the manager's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/roster_msg.h"

static enum status read_text(const char *text, struct roster *ret)
{
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    struct why why = {""};
    enum status status = roster_read(answer, ret, &why);
    assert_true(status == ST_OK || strlen(why.text) > 0);
    json_decref(answer);
    return status;
}

static void the_living_are_listed_in_the_managers_order(void **state)
{
    (void)state;
    struct roster r = {0};
    assert_int_equal(read_text("{\"alive\":[\"b\",\"a\",\"c\"],\"new\":1}", &r), ST_OK);
    assert_int_equal(r.count, 3);
    assert_string_equal(r.alive[0].text, "b");
    assert_string_equal(r.alive[1].text, "a");
    assert_string_equal(r.alive[2].text, "c");
    roster_done(&r);
    assert_null(r.alive);
    roster_done(NULL);
}

static void nobody_is_an_empty_list(void **state)
{
    (void)state;
    struct roster r = {.count = 1};
    assert_int_equal(read_text("{\"alive\":[]}", &r), ST_OK);
    assert_int_equal(r.count, 0);
    roster_done(&r);
}

static void other_answers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"error\":\"invalid\"}",
        "{\"alive\":{}}",
        "{\"alive\":[1]}",
        "{\"alive\":[\"a\",null]}",
        "{\"alive\":[\"a/b\"]}",
        "{\"alive\":[\"a\",\"b\",\"a\"]}",
        "{\"alive\":[\"" /* 65 characters */
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct roster r = {.count = 7};
        assert_int_equal(read_text(wrong[i], &r), ST_INVALID);
        assert_null(r.alive);
        assert_int_equal(r.count, 7);
    }
}

/* As many as a manager may know, each with the longest name, fit into an answer. */
static void a_full_fleet_fits_and_one_more_is_refused(void **state)
{
    (void)state;
    json_t *array = json_array();
    for (int i = 0; i < PROPLETS_MAX; i++)
        assert_int_equal(json_array_append_new(array, json_sprintf("%064d", i)), 0);
    json_t *answer = json_pack("{s:o}", "alive", array);
    char *text = jsn_text(answer);
    assert_true(strlen(text) < CONTROL_SIZE_MAX);
    free(text);
    struct roster r = {0};
    assert_int_equal(roster_read(answer, &r, NULL), ST_OK);
    assert_int_equal(r.count, PROPLETS_MAX);
    roster_done(&r);
    assert_int_equal(json_array_append_new(array, json_string("more")), 0);
    assert_int_equal(roster_read(answer, &r, NULL), ST_INVALID);
    assert_null(r.alive);
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_living_are_listed_in_the_managers_order),
        cmocka_unit_test(nobody_is_an_empty_list),
        cmocka_unit_test(other_answers_are_refused),
        cmocka_unit_test(a_full_fleet_fits_and_one_more_is_refused),
    };
    return cmocka_run_group_tests_name("wire/roster_msg", tests, NULL, NULL);
}
