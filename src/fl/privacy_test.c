/* What is read is what was written, defaults are those of the header, and nothing that is
 * misspelt passes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fl/privacy.h"

static enum status read_text(const char *text, struct privacy *ret, struct why *why)
{
    json_t *object = NULL;
    assert_int_equal(jsn_parse(view_text(text), 4096, &object, why), ST_OK);
    enum status status = privacy_read(object, ret, why);
    json_decref(object);
    return status;
}

static struct privacy read_good(const char *text)
{
    struct privacy p;
    struct why why = {0};
    if (read_text(text, &p, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    return p;
}

static void absent_is_none(void **state)
{
    (void)state;
    struct privacy p = read_good("{}");
    assert_false(p.is_on);
}

static void masks_alone_have_the_defaults_of_the_header(void **state)
{
    (void)state;
    struct privacy p = read_good("{\"privacy\":{\"secure_aggregation\":{}}}");
    assert_true(p.is_on && p.is_masked && !p.is_curious);
    assert_int_equal(p.bits, 32);
    assert_int_equal(p.neighbours, 0);
    assert_int_equal(p.phase_s, PRIVACY_PHASE_S);
    assert_true(p.clip == PRIVACY_CLIP && p.scale == 0);
    assert_int_equal(p.noise, PRIVACY_NO_NOISE);
}

static void noise_is_the_devices_own_under_masks_and_the_coordinators_without(void **state)
{
    (void)state;
    struct privacy p = read_good("{\"privacy\":{\"clip\":1,\"noise\":{\"multiplier\":2}}}");
    assert_int_equal(p.noise, PRIVACY_CENTRAL);
    assert_true(p.delta == PRIVACY_DELTA && p.epsilon == 0);
    p = read_good(
        "{\"privacy\":{\"secure_aggregation\":{},\"clip\":1,\"noise\":{\"multiplier\":2}}}");
    assert_int_equal(p.noise, PRIVACY_DISTRIBUTED);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    const char *texts[] = {
        "{\"privacy\":{\"secure_aggregation\":{\"server\":\"curious\",\"neighbours\":12,"
        "\"bits\":64,\"phase_s\":7},\"clip\":0.3,\"scale\":4096,\"weighting\":\"samples\","
        "\"samples_max\":600,\"metrics\":{\"loss\":[0,10],\"accuracy\":[0,1]}}}",
        "{\"privacy\":{\"clip\":0.1,\"noise\":{\"mechanism\":\"tree\",\"multiplier\":1.25,"
        "\"delta\":1e-6,\"epsilon\":8,\"releases\":20}}}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct privacy first = read_good(texts[i]);
        json_t *object = json_object();
        assert_int_equal(privacy_set(object, &first), 0);
        char *text = jsn_text_exact(object);
        assert_non_null(text);
        struct privacy again = read_good(text);
        assert_memory_equal(&first, &again, sizeof first);
        free(text);
        json_decref(object);
    }
}

static void expect_refused(const char *inside, const char *says)
{
    char text[512];
    struct privacy p, untouched;
    struct why why = {0};
    memset(&p, 0x55, sizeof p);
    untouched = p;
    (void)snprintf(text, sizeof text, "{\"privacy\":%s}", inside);
    assert_int_equal(read_text(text, &p, &why), ST_INVALID);
    if (strstr(why.text, says) == NULL)
        fail_msg("%s: %s", inside, why.text);
    assert_memory_equal(&p, &untouched, sizeof p);
}

static void what_would_protect_less_than_it_seems_is_refused(void **state)
{
    (void)state;
    expect_refused("{}", "protect nothing");
    expect_refused("{\"secure_agregation\":{}}", "no field secure_agregation");
    expect_refused("{\"secure_aggregation\":{\"threshold\":1}}", "no field threshold");
    expect_refused("{\"secure_aggregation\":true}", "secure_aggregation");
    expect_refused("{\"secure_aggregation\":{\"server\":\"honest\"}}", "server cannot be honest");
    expect_refused("{\"secure_aggregation\":{\"bits\":48}}", "neither 32 nor 64");
    expect_refused("{\"secure_aggregation\":{},\"clip\":0}", "clip is not");
    expect_refused("{\"secure_aggregation\":{},\"weighting\":\"samples\"}", "samples_max");
    expect_refused("{\"secure_aggregation\":{},\"samples_max\":5}", "belongs to weighting");
    expect_refused("{\"secure_aggregation\":{},\"metrics\":{\"loss\":[1,0]}}", "lowest, highest");
    expect_refused("{\"noise\":{\"multiplier\":1}}", "clip");
    expect_refused("{\"clip\":1,\"noise\":{}}", "multiplier");
    expect_refused("{\"clip\":1,\"noise\":{\"multiplier\":0}}", "multiplier is not");
    expect_refused("{\"clip\":1,\"noise\":{\"multiplier\":1,\"mechanism\":\"none\"}}", "leave it");
    expect_refused("{\"clip\":1,\"noise\":{\"multiplier\":1,\"mechanism\":\"tree\"}}", "releases");
    expect_refused("{\"clip\":1,\"noise\":{\"multiplier\":1,\"sigma\":3}}", "no field sigma");
}

static void one_line_says_what_is_in_force(void **state)
{
    (void)state;
    char text[PRIVACY_TEXT_SIZE];
    struct privacy p = {0};
    privacy_text(&p, text);
    assert_string_equal(text, "none");
    p = read_good("{\"privacy\":{\"secure_aggregation\":{},\"clip\":2}}");
    privacy_text(&p, text);
    assert_string_equal(text, "secure aggregation (malicious server), clip 2");
    p = read_good("{\"privacy\":{\"clip\":1,\"noise\":{\"multiplier\":1.5}}}");
    privacy_text(&p, text);
    assert_string_equal(text, "differential privacy (central noise 1.5, delta 1e-05), clip 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_is_none),
        cmocka_unit_test(masks_alone_have_the_defaults_of_the_header),
        cmocka_unit_test(noise_is_the_devices_own_under_masks_and_the_coordinators_without),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_would_protect_less_than_it_seems_is_refused),
        cmocka_unit_test(one_line_says_what_is_in_force),
    };
    return cmocka_run_group_tests_name("fl/privacy", tests, NULL, NULL);
}
