/* What the coordinator answers about experiments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/experiments.h"

static json_t *state_named(const char *id, uint32_t round)
{
    struct experiment_state s = {
        .phase = EXPERIMENT_RUNNING, .round = round, .rounds = 9, .at = "2026-01-02T03:04:05Z"};
    (void)strcpy(s.experiment_id.text, id);
    (void)strcpy(s.model_topic, "fl/models/global_model_v0");
    return experiment_state_to_json(&s);
}

static json_t *row_of(uint32_t round)
{
    struct experiment_row row = {
        .experiment_id = {"run"}, .round = round, .reason = "too_few_participants"};
    (void)strcpy(row.model_topic, "fl/models/global_model_v0");
    return experiment_row_to_json(&row);
}

static json_t *states(void)
{
    return json_pack("{s:[o, o], s:[o]}", "open", state_named("a", 1), state_named("b", 2), "ended",
                     state_named("c", 3));
}

struct seen {
    size_t count;
    uint32_t rounds[8];
};

static void note_state(void *owner, const struct experiment_state *s)
{
    struct seen *seen = owner;
    seen->rounds[seen->count++] = s->round;
}

static void note_row(void *owner, const struct experiment_row *row)
{
    struct seen *seen = owner;
    seen->rounds[seen->count++] = row->round;
}

static void states_come_in_the_order_of_the_answer(void **state)
{
    (void)state;
    json_t *answer = states();
    struct seen seen = {0};
    assert_int_equal(experiments_each(answer, "open", note_state, &seen, NULL), ST_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.rounds[0], 1);
    assert_int_equal(seen.rounds[1], 2);
    json_decref(answer);
}

static void one_is_found_open_or_ended(void **state)
{
    (void)state;
    json_t *answer = states();
    struct experiment_state found;
    assert_int_equal(experiments_find(answer, &(struct id){"b"}, &found, NULL), ST_OK);
    assert_int_equal(found.round, 2);
    assert_int_equal(experiments_find(answer, &(struct id){"c"}, &found, NULL), ST_OK);
    assert_int_equal(found.round, 3);
    struct why why = {""};
    assert_int_equal(experiments_find(answer, &(struct id){"d"}, &found, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "experiment d"));
    assert_int_equal(found.round, 3);
    json_decref(answer);
}

static void rows_say_how_far_they_go(void **state)
{
    (void)state;
    json_t *answer = json_pack("{s:[o, o]}", "rows", row_of(4), row_of(5));
    struct seen seen = {0};
    uint32_t last = 3;
    assert_int_equal(experiments_each_row(answer, note_row, &seen, &last, NULL), ST_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.rounds[0], 4);
    assert_int_equal(last, 5);
    json_decref(answer);
    answer = json_pack("{s:[]}", "rows");
    assert_int_equal(experiments_each_row(answer, note_row, &seen, &last, NULL), ST_OK);
    assert_int_equal(last, 5);
    json_decref(answer);
}

static void an_answer_that_is_none_is_refused(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct experiment_state found;
    uint32_t last = 7;
    struct why why = {""};
    json_t *answer =
        json_pack("{s:s, s:s}", "error", "unknown_experiment", "reason", "no such experiment");
    assert_int_equal(experiments_each_row(answer, note_row, &seen, &last, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "no such experiment"));
    assert_int_equal(experiments_find(answer, &(struct id){"a"}, &found, NULL), ST_INVALID);
    json_decref(answer);
    answer = json_pack("{s:[i], s:[s]}", "rows", 7, "open", "x");
    assert_int_not_equal(experiments_each_row(answer, note_row, &seen, &last, NULL), ST_OK);
    assert_int_not_equal(experiments_each(answer, "open", note_state, &seen, NULL), ST_OK);
    json_decref(answer);
    /* More than it may hold. */
    json_t *rows = json_array();
    for (uint32_t i = 0; i <= EXPERIMENT_ROWS_SHOWN; i++)
        assert_int_equal(json_array_append_new(rows, row_of(i + 1)), 0);
    answer = json_pack("{s:o}", "rows", rows);
    assert_int_not_equal(experiments_each_row(answer, note_row, &seen, &last, NULL), ST_OK);
    json_decref(answer);
    assert_int_equal(seen.count, 0);
    assert_int_equal(last, 7);
}

static void codes_have_sentences_and_new_ones_stay(void **state)
{
    (void)state;
    assert_string_equal(experiment_reason_text("target_reached"), "the target was reached");
    assert_string_equal(experiment_reason_text("something_new"), "something_new");
    struct experiment_state s = {.phase = EXPERIMENT_RUNNING};
    assert_string_equal(experiment_state_word(&s), "running");
    s.phase = EXPERIMENT_DONE;
    s.outcome = ROUND_CANCELLED;
    assert_string_equal(experiment_state_word(&s), "cancelled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_come_in_the_order_of_the_answer),
        cmocka_unit_test(one_is_found_open_or_ended),
        cmocka_unit_test(rows_say_how_far_they_go),
        cmocka_unit_test(an_answer_that_is_none_is_refused),
        cmocka_unit_test(codes_have_sentences_and_new_ones_stay),
    };
    return cmocka_run_group_tests_name("cli/experiments", tests, NULL, NULL);
}
