/* The decisions of a series, which need no broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "cli/series.h"

static void fraction_of_participants_is_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(series_k(0.8, 10), 8); /* not 9: 0.8 * 10 is a little above 8 */
    assert_int_equal(series_k(0.8, 9), 8);  /* 7.2 */
    assert_int_equal(series_k(0.8, 1), 1);
    assert_int_equal(series_k(0.01, 10), 1);
    assert_int_equal(series_k(0.99, 10), 10);
}

static void number_is_at_most_the_participants(void **state)
{
    (void)state;
    assert_int_equal(series_k(3, 10), 3);
    assert_int_equal(series_k(1, 10), 1);
    assert_int_equal(series_k(20, 10), 10);
}

static void k_is_read_as_fraction_or_number(void **state)
{
    (void)state;
    double k = -1;
    assert_int_equal(series_k_parse("0.8", &k, NULL), ST_OK);
    assert_true(k == 0.8);
    assert_int_equal(series_k_parse("3", &k, NULL), ST_OK);
    assert_true(k == 3);
}

static void other_k_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "0", "-1", "1.5", "nan", "inf", "3x", "20000", "x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        double k = 42;
        struct why why = {""};
        assert_int_equal(series_k_parse(wrong[i], &k, &why), ST_INVALID);
        assert_true(k == 42);
        assert_true(strlen(why.text) > 0);
    }
}

static void round_is_added_to_a_copy(void **state)
{
    (void)state;
    json_t *given = json_pack("{s:f, s:i}", "lr", 0.1, "round", 99);
    json_t *made = series_hyperparams(given, 3);
    assert_int_equal(json_integer_value(json_object_get(made, "round")), 3);
    assert_true(json_real_value(json_object_get(made, "lr")) == 0.1);
    assert_int_equal(json_integer_value(json_object_get(given, "round")), 99);
    json_decref(made);
    json_decref(given);
}

static void round_ids_tell_training_from_evaluation(void **state)
{
    (void)state;
    struct id id, parsed;
    series_round_id("run", ROUND_TRAIN, 7, &id);
    assert_string_equal(id.text, "run-r0007");
    series_round_id("run", ROUND_EVALUATE, 12345, &id);
    assert_string_equal(id.text, "run-e12345");
    /* The longest prefix with the highest round is still an id. */
    char prefix[SERIES_PREFIX_MAX + 1];
    memset(prefix, 'p', SERIES_PREFIX_MAX);
    prefix[SERIES_PREFIX_MAX] = '\0';
    series_round_id(prefix, ROUND_TRAIN, SERIES_ROUNDS_MAX, &id);
    assert_int_equal(id_from(id.text, &parsed), ST_OK);
    assert_int_equal(strlen(id.text), SERIES_PREFIX_MAX + 2 + 7);
}

static void failures_in_a_row_end_the_series_and_success_forgives(void **state)
{
    (void)state;
    uint32_t failures = 0;
    assert_true(series_goes_on(ROUND_EXPIRED, 3, &failures));
    assert_true(series_goes_on(ROUND_FAILED, 3, &failures));
    assert_true(series_goes_on(ROUND_COMPLETED, 3, &failures));
    assert_int_equal(failures, 0);
    assert_true(series_goes_on(ROUND_EXPIRED, 3, &failures));
    assert_true(series_goes_on(ROUND_CANCELLED, 3, &failures));
    assert_false(series_goes_on(ROUND_EXPIRED, 3, &failures));
    assert_int_equal(failures, 3);
}

/* What series_start() writes must be what the coordinator reads. */
static void start_is_one_that_a_coordinator_reads(void **state)
{
    (void)state;
    struct ids participants = {0};
    assert_int_equal(ids_parse("a,b,c,d,e", &participants, NULL), ST_OK);
    json_t *hyperparams = json_pack("{s:i}", "epochs", 1);
    struct series_plan plan = {.prefix = "run",
                               .image = "fml-train",
                               .hyperparams = hyperparams,
                               .k = 0.8,
                               .timeout_s = 60,
                               .grace_s = 5};
    struct digest digest = digest_of(view_text("model"));
    json_t *object =
        series_start(&plan, ROUND_TRAIN, 2, "fl/models/global_model_v1", &digest, &participants);
    assert_non_null(object);
    struct round_start start;
    assert_int_equal(play_check(object, &start, NULL), ST_OK);
    assert_string_equal(start.round_id.text, "run-r0002");
    assert_string_equal(start.model_uri, "fl/models/global_model_v1");
    assert_string_equal(start.image, "fml-train");
    assert_int_equal(start.participant_count, 5);
    assert_int_equal(start.k_of_n, 4);
    assert_int_equal(start.timeout_s, 60);
    assert_int_equal(start.grace_s, 5);
    assert_int_equal(start.mode, ROUND_TRAIN);
    assert_true(start.has_model_digest && digest_equal(&start.model_digest, &digest));
    assert_int_equal(json_integer_value(json_object_get(start.hyperparams, "round")), 2);
    round_start_done(&start);
    json_decref(object);

    /* An evaluation waits for all. */
    object =
        series_start(&plan, ROUND_EVALUATE, 2, "fl/models/global_model_v2", &digest, &participants);
    assert_int_equal(play_check(object, &start, NULL), ST_OK);
    assert_int_equal(start.k_of_n, 5);
    assert_int_equal(start.grace_s, 0);
    assert_int_equal(start.mode, ROUND_EVALUATE);
    round_start_done(&start);
    json_decref(object);
    json_decref(hyperparams);
    ids_done(&participants);
}

static void row_takes_the_numbers_of_the_round(void **state)
{
    (void)state;
    struct complete c = {.outcome = ROUND_EXPIRED,
                         .reason = "too_few_updates",
                         .num_updates = 3,
                         .total_samples = 77,
                         .update_bytes = 5000,
                         .metrics = {.count = 1, .items = {{"loss", 0.25, 77}}}};
    struct series_row row = {.train_loss = NAN, .test_accuracy = NAN};
    series_row_fill(&row, &c);
    assert_int_equal(row.outcome, ROUND_EXPIRED);
    assert_string_equal(row.reason, "too_few_updates");
    assert_int_equal(row.counted, 3);
    assert_int_equal(row.samples, 77);
    assert_int_equal(row.update_bytes, 5000);
    assert_true(row.train_loss == 0.25);
    assert_true(isnan(row.test_accuracy));

    c.metrics.count = 0; /* no loss was reported */
    series_row_fill(&row, &c);
    assert_true(isnan(row.train_loss));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fraction_of_participants_is_rounded_up),
        cmocka_unit_test(number_is_at_most_the_participants),
        cmocka_unit_test(k_is_read_as_fraction_or_number),
        cmocka_unit_test(other_k_are_refused),
        cmocka_unit_test(round_is_added_to_a_copy),
        cmocka_unit_test(round_ids_tell_training_from_evaluation),
        cmocka_unit_test(failures_in_a_row_end_the_series_and_success_forgives),
        cmocka_unit_test(start_is_one_that_a_coordinator_reads),
        cmocka_unit_test(row_takes_the_numbers_of_the_round),
    };
    return cmocka_run_group_tests_name("cli/series", tests, NULL, NULL);
}
