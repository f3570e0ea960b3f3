/* Checks which tasks are tasks of learning, and what their starts may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device/learning.h"

#define DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static enum status read(json_t *env, json_t *spec, bool *ret_is, struct learning *ret)
{
    struct why why = {0};
    enum status status = learning_read(env, spec, ret_is, ret, &why);
    assert_true((status == ST_OK) == (why.text[0] == '\0'));
    json_decref(env);
    json_decref(spec);
    return status;
}

static json_t *env_of(const char *round, const char *model)
{
    return json_pack("{s:s,s:s}", "ROUND_ID", round, "MODEL_URI", model);
}

static void a_round_and_a_model_make_it_learning(void **state)
{
    (void)state;
    bool is = false;
    struct learning l = {0};
    assert_int_equal(read(env_of("r-1", "fl/models/global_model_v3"), NULL, &is, &l), ST_OK);
    assert_true(is);
    assert_string_equal(l.round.text, "r-1");
    assert_string_equal(l.model_topic, "fl/models/global_model_v3");
    assert_false(l.has_digest);
}

static void without_either_it_is_plain(void **state)
{
    (void)state;
    bool is = true;
    struct learning l = {0};
    assert_int_equal(read(json_object(), NULL, &is, &l), ST_OK);
    assert_false(is);
    is = true;
    assert_int_equal(read(json_pack("{s:s}", "ROUND_ID", "r-1"), NULL, &is, &l), ST_OK);
    assert_false(is);
    is = true;
    assert_int_equal(read(json_pack("{s:s}", "MODEL_URI", "nonsense"), NULL, &is, &l), ST_OK);
    assert_false(is);
}

static void the_models_digest_is_read_from_spec(void **state)
{
    (void)state;
    bool is = false;
    struct learning l = {0};
    struct digest expected = digest_of(view_text("abc")); /* FIPS 180-4's own example */
    json_t *spec = json_pack("{s:{s:s}}", "model", "digest", DIGEST);
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_OK);
    assert_true(l.has_digest);
    assert_true(digest_equal(&l.digest, &expected));
    spec = json_pack("{s:{s:n}}", "model", "digest");
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_OK);
    assert_false(l.has_digest);
}

static bool evaluates(const char *guests, json_t *spec)
{
    bool is = false;
    struct learning l = {0};
    json_t *env = env_of("r-1", "fl/models/m_v0");
    if (guests != NULL)
        json_object_set_new(env, "MODE", json_string(guests));
    assert_int_equal(read(env, spec, &is, &l), ST_OK);
    return l.evaluates;
}

static void what_does_not_surely_evaluate_may_train(void **state)
{
    (void)state;
    assert_true(evaluates("evaluate", NULL));
    assert_true(evaluates("evaluate", json_pack("{s:s}", "mode", "evaluate")));
    assert_true(evaluates("evaluate", json_object()));
    assert_false(evaluates("evaluate", json_pack("{s:s}", "mode", "train")));
    assert_false(evaluates("train", json_pack("{s:s}", "mode", "evaluate")));
    assert_false(evaluates("Evaluate", NULL));
    assert_false(evaluates(NULL, json_pack("{s:s}", "mode", "evaluate")));
}

static void privacy_is_read_and_makes_it_quiet(void **state)
{
    (void)state;
    bool is = false;
    struct learning l;
    json_t *spec = json_pack("{s:{s:i,s:{s:f}},s:{s:i}}", "privacy", "clip", 1, "noise",
                             "multiplier", 2.0, "round", "k_of_n", 7);
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_OK);
    assert_true(is && l.quiet && l.privacy.is_on);
    assert_true(l.privacy.multiplier == 2.0);
    assert_int_equal(l.k_of_n, 7);
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), json_pack("{s:n}", "privacy"), &is, &l),
                     ST_OK);
    assert_false(l.quiet || l.privacy.is_on);
    assert_int_equal(l.k_of_n, 0);
    /* A protection of tomorrow is not one that may be left out. */
    spec = json_pack("{s:{s:s}}", "privacy", "of", "tomorrow");
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_INVALID);
    spec = json_pack("{s:s}", "privacy", "please");
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_INVALID);
}

static void unusable_starts_are_refused(void **state)
{
    (void)state;
    static const char *const models[] = {"",
                                         "fl/models/#",
                                         "fl/models/+",
                                         "m/demo/c/fl/control/proplet/results",
                                         "fl/models/m",
                                         "fl/models/m_v01"};
    bool is = false;
    struct learning l = {.round = {.text = "kept"}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        assert_int_equal(read(env_of("r-1", models[i]), NULL, &is, &l), ST_INVALID);
    assert_int_equal(read(env_of("r/1", "fl/models/m_v0"), NULL, &is, &l), ST_INVALID);
    json_t *spec = json_pack("{s:{s:s}}", "model", "digest", "sha256:12");
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_INVALID);
    spec = json_pack("{s:s}", "model", "text");
    assert_int_equal(read(env_of("r-1", "fl/models/m_v0"), spec, &is, &l), ST_INVALID);
    assert_false(is);
    assert_string_equal(l.round.text, "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_and_a_model_make_it_learning),
        cmocka_unit_test(without_either_it_is_plain),
        cmocka_unit_test(the_models_digest_is_read_from_spec),
        cmocka_unit_test(what_does_not_surely_evaluate_may_train),
        cmocka_unit_test(privacy_is_read_and_makes_it_quiet),
        cmocka_unit_test(unusable_starts_are_refused),
    };
    return cmocka_run_group_tests_name("proplet/learning", tests, NULL, NULL);
}
