/* Drives experiments through the coordinator's messages, in the world of test_world.h:
 * manager, devices and model server as they answer, without a broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include "coordinator/test_world.h"
#include "experiment/experiment.h"
#include "fl/topics.h"
#include "io/file.h"
#include "service/log.h"

#define START(id, more)                                                                            \
    "{\"experiment_id\":\"" id "\",\"model_uri\":\"" WORLD_BASE_TOPIC                              \
    "\",\"task_wasm_image\":\"i\",\"hyperparams\":{\"lr\":0.1}," more "}"
#define THREE "\"rounds\":3,\"k_of_n\":4,\"participants\":[\"d0\",\"d1\",\"d2\",\"d3\"]"
#define JUDGED                                                                                     \
    "\"evaluation\":{\"every\":2,\"participants\":[\"judge\"],\"timeout_s\":60},\"k_of_n\":4"

static int setup(void **state)
{
    (void)state;
    world_begin((struct coordinator_settings){.rounds_open_max = 4, .experiments_open_max = 3});
    (void)snprintf(world.folder, sizeof world.folder, "%s/fml-experiment-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(world.folder));
    world_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end();
    return 0;
}

static void start(const char *text)
{
    world_put(FL_EXPERIMENT_START, text);
}

static void expect_refused(const char *topic, const char *text, const char *code)
{
    size_t before = world.refusals;
    world_put(topic, text);
    if (world.refusals != before + 1)
        fail_msg("not refused: %s", text);
    json_t *object = json_loads(world.refused, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "code")), code);
    assert_true(json_string_length(json_object_get(object, "reason")) > 0);
    json_decref(object);
}

static void expect_end(const struct experiment_state *state, enum round_outcome outcome,
                       const char *reason)
{
    assert_int_equal(state->phase, EXPERIMENT_DONE);
    assert_string_equal(state->reason, reason);
    assert_int_equal(state->outcome, outcome);
    assert_true(strlen(state->at) > 0);
}

static void expect_model(size_t version, const char *expected)
{
    json_t *model = json_loads(world.versions[version], 0, NULL);
    char *text = json_dumps(model, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    assert_string_equal(text, expected);
    free(text);
    json_decref(model);
}

static json_t *status(void)
{
    return world_ask(FL_EXPERIMENT_QUERY, "{\"what\":\"status\"}");
}

static size_t count_in(const char *list)
{
    json_t *answer = status();
    size_t count = json_array_size(json_object_get(answer, list));
    json_decref(answer);
    return count;
}

static json_t *rows(const char *experiment, unsigned after)
{
    char text[160];
    (void)snprintf(text, sizeof text, "{\"what\":\"rows\",\"experiment_id\":\"%s\",\"after\":%u}",
                   experiment, after);
    return world_ask(FL_EXPERIMENT_QUERY, text);
}

/* ---- all of it ---- */

static void each_round_starts_from_the_version_of_the_one_before(void **state)
{
    (void)state;
    start(START("x", THREE));
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 3);
    assert_string_equal(s.model_topic, "fl/models/global_model_v3");
    assert_int_equal(world.version_count, 3);
    assert_string_equal(world.parents[1], WORLD_BASE_TOPIC);
    assert_string_equal(world.parents[2], "fl/models/global_model_v1");
    assert_string_equal(world.parents[3], "fl/models/global_model_v2");
    expect_model(2, "{\"b\": 2.125, \"version\": 2, \"w\": [2.0, 2.125, 4.25]}");
    expect_model(3, "{\"b\": 2.125, \"version\": 3, \"w\": [3.0, 2.125, 6.375]}");
    struct digest digest = digest_of(view_text(world.versions[3]));
    assert_true(s.has_model_digest && digest_equal(&digest, &s.model_digest));
    assert_int_equal(world.round_count, 3);
    assert_int_equal(json_object_size(world.rows), 3);
    assert_int_equal(world.refusals, 0);
}

static void a_round_is_told_its_number_and_the_digest_of_its_base(void **state)
{
    (void)state;
    start(START("x", THREE));
    (void)world_finish("x");
    const json_t *second = world_round("x-r0002")->read;
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text(world.versions[1]));
    digest_text(&d, digest);
    assert_string_equal(json_string_value(json_object_get(second, "model_digest")), digest);
    const json_t *hyperparams = json_object_get(second, "hyperparams");
    assert_int_equal(json_integer_value(json_object_get(hyperparams, "round")), 2);
    assert_true(json_real_value(json_object_get(hyperparams, "lr")) == 0.1);
}

static void evaluations_measure_and_never_train(void **state)
{
    (void)state;
    start(START("x", "\"rounds\":3," JUDGED));
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(world_complete("x-e0002").num_updates, 1);
    assert_non_null(world_round("x-e0003")); /* after the last */
    assert_null(world_round("x-e0001"));
    assert_int_equal(world_complete("x-r0001").participants, 4);
    assert_true(metrics_find(&s.metrics, "accuracy")->value == 0.375);
    json_t *answer = rows("x", 1);
    const json_t *list = json_object_get(answer, "rows");
    assert_int_equal(json_array_size(list), 2);
    assert_non_null(json_object_get(json_array_get(list, 0), "evaluate"));
    json_decref(answer);
}

static void a_target_that_is_reached_ends_it(void **state)
{
    (void)state;
    start(START("x", "\"rounds\":9," JUDGED
                     ",\"stop\":{\"metric\":\"accuracy\",\"goal\":\"max\",\"target\":0.5}"));
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_TARGET);
    assert_int_equal(s.completed, 4); /* 0.125 * 4 */
    assert_true(s.has_best && s.best == 0.5);
    assert_int_equal(s.best_round, 4);
    assert_string_equal(s.best_model_topic, "fl/models/global_model_v4");
}

static void experiments_at_once_do_not_touch_each_other(void **state)
{
    (void)state;
    world.manager_away = true;
    start(START("x", THREE));
    start(START("y", THREE));
    world.manager_away = false;
    struct experiment_state x = world_finish("x"), y = world_finish("y");
    expect_end(&x, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    expect_end(&y, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(world.version_count, 6);
    /* Each version has the parent that its own experiment had before. */
    assert_string_not_equal(x.model_topic, y.model_topic);
    assert_int_equal(world_complete("x-r0003").num_updates, 4);
    assert_int_equal(world_complete("y-r0003").num_updates, 4);
}

/* ---- who is alive ---- */

static void a_manager_that_is_away_is_asked_again(void **state)
{
    (void)state;
    world.manager_away = true;
    start(START("x", "\"wait_s\":60,\"k_of_n\":4,\"rounds\":1"));
    world_pass(12000);
    assert_int_equal(world.round_count, 0);
    world.manager_away = false;
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(world.questions, 3); /* at 0, 5 and 10 s; the last is the one that counts */
}

static void a_round_waits_for_enough_and_then_counts_as_failed(void **state)
{
    (void)state;
    world.away[2] = world.away[3] = true;
    start(START("x", "\"selection\":{\"min\":4},\"participants\":[\"d0\",\"d1\",\"d2\",\"d3\"],"
                     "\"wait_s\":10,\"max_failures\":2,\"k_of_n\":4,\"rounds\":2"));
    world_pass(11000);
    assert_int_equal(world.round_count, 0);
    assert_int_equal(json_object_size(world.rows), 1);
    world.away[2] = world.away[3] = false;
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 1);
    json_t *answer = rows("x", 0);
    const json_t *first = json_array_get(json_object_get(answer, "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "reason")),
                        EXPERIMENT_ROW_TOO_FEW);
    json_decref(answer);
}

static void one_question_serves_all_who_choose(void **state)
{
    (void)state;
    world.manager_away = true;
    start(START("x", THREE));
    start(START("y", THREE));
    world.manager_away = false;
    world_settle();
    assert_non_null(world_round("x-r0001"));
    assert_non_null(world_round("y-r0001"));
    assert_true(world.questions >= 1 && world.questions <= 1 + 6);
}

static void put_answer(const char *text, struct view correlation, bool retain)
{
    coordinator_message(world.coordinator,
                        &(struct mqtt_message){.topic = COORDINATOR_ANSWERS,
                                               .payload = view_text(text),
                                               .correlation = correlation,
                                               .retain = retain},
                        world.now_ms);
    assert_true(coordinator_flush(world.coordinator, world.now_ms));
}

static void answers_of_others_choose_nobody(void **state)
{
    (void)state;
    static const char all[] = "{\"alive\":[\"d0\",\"d1\",\"d2\",\"d3\"]}";
    uint64_t number = world.now_ms; /* of the first question */
    struct view right = view_of(&number, sizeof number);
    put_answer(all, right, false); /* nothing was asked */
    world.manager_away = true;
    start(START("x", THREE));
    put_answer(all, view_text("other"), false);
    put_answer(all, view_of(NULL, 0), false);
    put_answer(all, right, true);
    world_settle();
    assert_int_equal(world.round_count, 0);
    put_answer(all, right, false); /* and this is what was not believed above */
    world_settle();
    assert_non_null(world_round("x-r0001"));
}

static void an_answer_that_cannot_be_read_is_asked_for_again(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "{", "{}", "{\"alive\":[\"d0\",\"d0\"]}"};
    world.manager_away = true;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        world_end();
        (void)setup(state);
        world.manager_away = true;
        uint64_t number = world.now_ms;
        start(START("x", THREE));
        put_answer(wrong[i], view_of(&number, sizeof number), false);
        world_pass(5100);
        assert_int_equal(world.round_count, 0);
        world.manager_away = false;
        struct experiment_state s = world_finish("x");
        expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    }
}

/* As many as a manager may know, each with the longest name. */
static void a_fleet_of_ten_thousand_is_asked(void **state)
{
    (void)state;
    uint64_t number = world.now_ms;
    world.manager_away = true;
    start(START("x", "\"rounds\":1"));
    json_t *alive = json_array();
    for (int i = 0; i < PROPLETS_MAX; i++)
        assert_int_equal(json_array_append_new(alive, json_sprintf("%064d", i)), 0);
    json_t *answer = json_pack("{s:o}", "alive", alive);
    char *text = json_dumps(answer, JSON_COMPACT);
    put_answer(text, view_of(&number, sizeof number), false);
    world_settle();
    const struct world_round *round = world_round("x-r0001");
    assert_non_null(round);
    assert_int_equal(json_array_size(json_object_get(round->read, "participants")), PROPLETS_MAX);
    assert_int_equal(json_integer_value(json_object_get(round->read, "k_of_n")), 8000);
    world_reopen();
    world_put(FL_ROUND_START, round->start); /* and it is known again */
    assert_int_equal(count_in("open"), 1);
    free(text);
    json_decref(answer);
}

/* ---- starts that are refused ---- */

static void a_refused_start_has_a_code_and_changes_nothing(void **state)
{
    (void)state;
    expect_refused(FL_EXPERIMENT_START, "{", "malformed");
    expect_refused(FL_EXPERIMENT_START, "{}", "invalid");
    expect_refused(FL_EXPERIMENT_START, START("x", "\"rounds\":0"), "invalid");
    expect_refused(FL_EXPERIMENT_START, START("a/b", "\"rounds\":1"), "invalid");
    expect_refused(FL_EXPERIMENT_START,
                   START("x", "\"rounds\":1,\"aggregation\":{\"rule\":\"best\"}"), "invalid");
    expect_refused(FL_EXPERIMENT_START,
                   START("x", "\"rounds\":1,\"participants\":[\"a\",\"b\",\"c\"],"
                              "\"aggregation\":{\"rule\":\"krum\",\"byzantine\":1}"),
                   "invalid"); /* it needs five */
    assert_int_equal(count_in("open"), 0);
    assert_int_equal(count_in("ended"), 0);
    assert_int_equal(json_object_size(world.retained), 1); /* the answer */
    assert_int_equal(world.questions, 0);
}

static void the_very_same_start_again_is_ignored(void **state)
{
    (void)state;
    start(START("x", THREE));
    start(START("x", THREE));
    (void)world_finish("x");
    start(START("x", THREE));
    /* It means the same with a default said and the fields in another order. */
    start("{\"wait_s\":60,\"experiment_id\":\"x\"," THREE ",\"model_uri\":\"" WORLD_BASE_TOPIC
          "\",\"hyperparams\":{\"lr\":0.1},\"task_wasm_image\":\"i\"}");
    world_reopen();
    start(START("x", THREE));
    assert_int_equal(world.refusals, 0);
    assert_int_equal(world.round_count, 3);
    assert_int_equal(count_in("ended"), 1);
}

static void an_id_stands_for_one_experiment(void **state)
{
    (void)state;
    start(START("x", THREE));
    expect_refused(FL_EXPERIMENT_START, START("x", "\"rounds\":4"), "experiment_exists");
    struct experiment_state s = world_finish("x");
    expect_refused(FL_EXPERIMENT_START, START("x", "\"rounds\":4"), "experiment_exists");
    assert_int_equal(s.completed, 3);
}

static void more_than_may_be_open_are_refused(void **state)
{
    (void)state;
    world.manager_away = true;
    start(START("x", THREE));
    start(START("y", THREE));
    start(START("z", THREE));
    expect_refused(FL_EXPERIMENT_START, START("more", THREE), "too_many_experiments");
    assert_int_equal(count_in("open"), 3);
    world_put(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"y\"}");
    start(START("more", THREE));
    assert_int_equal(count_in("open"), 3);
}

/* ---- rounds that cannot begin ---- */

#define ROUND(id, timeout)                                                                         \
    "{\"round_id\":\"" id "\",\"model_uri\":\"" WORLD_BASE_TOPIC                                   \
    "\",\"task_wasm_image\":\"i\",\"participants\":[\"nobody\"],\"timeout_s\":" timeout "}"

static void it_waits_while_too_many_rounds_are_open(void **state)
{
    (void)state;
    world_put(FL_ROUND_START, ROUND("a", "3"));
    world_put(FL_ROUND_START, ROUND("b", "600"));
    world_put(FL_ROUND_START, ROUND("c", "600"));
    world_put(FL_ROUND_START, ROUND("d", "600"));
    start(START("x", THREE));
    world_pass(2000);
    assert_null(world_round("x-r0001"));
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 3);
}

static void a_round_of_its_name_by_somebody_else_ends_it(void **state)
{
    (void)state;
    world_put(FL_ROUND_START, ROUND("x-r0001", "3"));
    start(START("x", THREE));
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_FAILED, EXPERIMENT_REASON_REFUSED);
    assert_int_equal(world.version_count, 0);
}

static void a_base_that_is_not_there_fails_each_round(void **state)
{
    (void)state;
    start("{\"experiment_id\":\"x\",\"model_uri\":\"fl/models/other_v7\",\"task_wasm_image\":\"i\","
          "\"max_failures\":2," THREE "}");
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_FAILED, EXPERIMENT_REASON_FAILURES);
    assert_string_equal(world_complete("x-r0002").reason, "base_model_missing");
    assert_string_equal(s.model_topic, "fl/models/other_v7");
}

static void a_base_that_is_no_model_fails_a_round_within_its_start(void **state)
{
    (void)state;
    coordinator_message(world.coordinator,
                        &(struct mqtt_message){.topic = "fl/models/other_v7",
                                               .payload = view_text("no model"),
                                               .retain = true},
                        world.now_ms);
    start("{\"experiment_id\":\"x\",\"model_uri\":\"fl/models/other_v7\",\"task_wasm_image\":\"i\","
          "\"max_failures\":3," THREE "}");
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_FAILED, EXPERIMENT_REASON_FAILURES);
    assert_string_equal(world_complete("x-r0003").reason, "base_model_unusable");
    assert_int_equal(json_object_size(world.rows), 3);
}

static void a_round_that_somebody_cancels_counts_as_failed(void **state)
{
    (void)state;
    world.silent[0] = true;
    start(START("x", THREE));
    world_put(FL_ROUND_CANCEL, "{\"round_id\":\"x-r0001\"}");
    world.silent[0] = false;
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 2);
    assert_int_equal(world_complete("x-r0001").outcome, ROUND_CANCELLED);
}

static void who_asks_for_rounds_learns_what_experiments_go_on_from(void **state)
{
    (void)state;
    start(START("x", THREE));
    (void)world_finish("x"); /* an ended one goes nowhere */
    world.manager_away = true;
    start(START("y", THREE));
    json_t *answer = world_ask(FL_ROUND_QUERY, "{\"what\":\"status\"}");
    const json_t *list = json_object_get(answer, "experiments");
    assert_int_equal(json_array_size(list), 1);
    const json_t *only = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(only, "experiment_id")), "y");
    assert_string_equal(json_string_value(json_object_get(only, "model_uri")), WORLD_BASE_TOPIC);
    json_decref(answer);
}

/* ---- cancel ---- */

static void a_cancelled_one_takes_its_round_with_it(void **state)
{
    (void)state;
    world.silent[0] = true;
    start(START("x", THREE));
    assert_non_null(world_round("x-r0001"));
    world_put(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\",\"reason\":\"enough\"}");
    struct experiment_state s = world_state("x");
    expect_end(&s, ROUND_CANCELLED, EXPERIMENT_REASON_REQUEST);
    struct complete c = world_complete("x-r0001");
    assert_int_equal(c.outcome, ROUND_CANCELLED);
    assert_string_equal(c.reason, "experiment_cancelled");
    world_pass(600000);
    assert_int_equal(world.round_count, 1);
    assert_int_equal(count_in("ended"), 1);
}

static void a_cancelled_one_that_chooses_ends_at_once(void **state)
{
    (void)state;
    world.manager_away = true;
    start(START("x", THREE));
    world_put(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\"}");
    struct experiment_state s = world_state("x");
    expect_end(&s, ROUND_CANCELLED, EXPERIMENT_REASON_REQUEST);
    world.manager_away = false;
    world_pass(10000);
    assert_int_equal(world.round_count, 0);
}

static void whoever_asks_learns_that_it_is_cancelled(void **state)
{
    (void)state;
    world.silent[0] = true;
    start(START("x", THREE));
    for (int i = 0; i < 2; i++) { /* and so does who was not the first */
        json_t *answer = world_ask(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\"}");
        assert_true(json_is_true(json_object_get(answer, "ok")));
        json_decref(answer);
    }
    world_put(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\"}");
    json_t *answer = world_ask(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"y\"}");
    assert_string_equal(json_string_value(json_object_get(answer, "error")), "unknown_experiment");
    json_decref(answer);
    assert_int_equal(world.refusals, 0); /* said to nobody else */
    assert_int_equal(world.round_count, 1);
}

static void what_cannot_be_cancelled_is_said(void **state)
{
    (void)state;
    start(START("x", THREE));
    (void)world_finish("x");
    expect_refused(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\"}", "ended");
    expect_refused(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"y\"}", "unknown_experiment");
    expect_refused(FL_EXPERIMENT_CANCEL, "{}", "invalid");
    expect_refused(FL_EXPERIMENT_CANCEL, "x", "malformed");
    struct experiment_state s = world_state("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
}

static void the_process_may_end_them_all(void **state)
{
    (void)state;
    world.silent[0] = true;
    world.settings.cancel_on_stop = true;
    world_reopen();
    start(START("x", THREE));
    coordinator_stop(world.coordinator, world.now_ms);
    struct experiment_state s = world_state("x");
    expect_end(&s, ROUND_CANCELLED, "coordinator_stopped");
    assert_int_equal(world_complete("x-r0001").outcome, ROUND_CANCELLED);
}

/* ---- queries ---- */

static void rows_come_in_pages(void **state)
{
    (void)state;
    start(START("x", "\"rounds\":120,\"k_of_n\":4,\"participants\":[\"d0\",\"d1\",\"d2\",\"d3\"]"));
    (void)world_finish("x");
    json_t *answer = rows("x", 0);
    const json_t *list = json_object_get(answer, "rows");
    assert_int_equal(json_array_size(list), EXPERIMENT_ROWS_SHOWN);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 99), "round")), 100);
    json_decref(answer);
    answer = rows("x", 100);
    list = json_object_get(answer, "rows");
    assert_int_equal(json_array_size(list), 20);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 19), "round")), 120);
    json_decref(answer);
}

static void a_query_names_its_mistakes(void **state)
{
    (void)state;
    static const char *const queries[][2] = {
        {"no", "malformed"},
        {"{}", "invalid"},
        {"{\"what\":\"weather\"}", "invalid"},
        {"{\"what\":\"rows\"}", "invalid"},
        {"{\"what\":\"rows\",\"experiment_id\":\"x\",\"after\":-1}", "invalid"},
        {"{\"what\":\"rows\",\"experiment_id\":\"x\"}", "unknown_experiment"}};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        json_t *answer = world_ask(FL_EXPERIMENT_QUERY, queries[i][0]);
        const char *code = json_string_value(json_object_get(answer, "error"));
        assert_non_null(code);
        assert_string_equal(code, queries[i][1]);
        json_decref(answer);
    }
}

static void the_status_tells_where_each_is(void **state)
{
    (void)state;
    start(START("done", THREE));
    (void)world_finish("done");
    start(START("gone", THREE));
    (void)world_finish("gone");
    world.silent[3] = true;
    start(START("open", THREE));
    json_t *answer = status();
    const json_t *open = json_array_get(json_object_get(answer, "open"), 0);
    const json_t *ended = json_object_get(answer, "ended");
    assert_string_equal(json_string_value(json_object_get(open, "experiment_id")), "open");
    assert_int_equal(json_integer_value(json_object_get(open, "round")), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(ended, 0), "experiment_id")), "gone");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(ended, 1), "experiment_id")), "done");
    json_decref(answer);
}

/* ---- what is remembered ---- */

static void the_oldest_are_forgotten_with_what_they_left_at_the_broker(void **state)
{
    (void)state;
    start(START("e-0", "\"rounds\":2,\"k_of_n\":4"));
    (void)world_finish("e-0");
    world.manager_away = true;
    for (int i = 1; i <= EXPERIMENTS_KEPT_MAX; i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "{\"experiment_id\":\"e-%d\",\"model_uri\":\"" WORLD_BASE_TOPIC
                       "\",\"task_wasm_image\":\"i\",\"rounds\":2}",
                       i);
        start(text);
        (void)snprintf(text, sizeof text, "{\"experiment_id\":\"e-%d\"}", i);
        world_put(FL_EXPERIMENT_CANCEL, text);
    }
    assert_null(world_retained("fl/experiments/e-0/state"));
    assert_non_null(world_retained("fl/experiments/e-1/state"));
    assert_int_equal(count_in("ended"), EXPERIMENTS_KEPT_MAX);
    json_t *answer = rows("e-0", 0);
    assert_non_null(json_object_get(answer, "error"));
    json_decref(answer);
    world_reopen();
    assert_int_equal(count_in("ended"), EXPERIMENTS_KEPT_MAX);
}

static void a_broker_that_lost_everything_is_told_again(void **state)
{
    (void)state;
    start(START("done", THREE));
    struct experiment_state before = world_finish("done");
    world.silent[0] = true;
    start(START("open", THREE));
    assert_int_equal(json_object_clear(world.retained), 0);
    coordinator_connected(world.coordinator, true); /* the first connect of this life */
    world_pass(100);
    assert_string_equal(world_state("done").at, before.at);
    assert_int_equal(world_state("open").round, 1);
    assert_int_equal(json_object_clear(world.retained), 0);
    coordinator_connected(world.coordinator, true);
    world_pass(100);
    assert_int_equal(json_object_size(world.retained), 0); /* that broker has it all */
    coordinator_connected(world.coordinator, false);
    world_pass(100);
    assert_int_equal(world_state("open").round, 1);
}

static void it_goes_on_after_a_restart_in_each_stage(void **state)
{
    (void)state;
    static const char text[] = START("x", "\"rounds\":2," JUDGED);
    /* Choosing, training, choosing, evaluating: each is held by who does not answer. */
    for (int stage = 0; stage < 4; stage++) {
        world_end();
        (void)setup(state);
        world.manager_away = stage == 0;
        world.silent[0] = stage == 1;
        world.away[4] = stage == 2;
        world.silent[4] = stage == 3;
        start(text);
        world_pass(2000);
        world_reopen();
        world_pass(2000);
        world.manager_away = world.silent[0] = world.away[4] = world.silent[4] = false;
        struct experiment_state s = world_finish("x");
        expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
        assert_int_equal(s.completed, 2);
        assert_int_equal(world.version_count, 2);
        assert_string_equal(world.parents[2], "fl/models/global_model_v1");
    }
}

static void sql(const char *text)
{
    char path[128];
    sqlite3 *db;
    (void)snprintf(path, sizeof path, "%s/coordinator.db", world.folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Whoever restores a part of the store from an older copy makes that. */
static void a_round_that_nobody_knows_any_more_counts_as_failed(void **state)
{
    (void)state;
    world.silent[0] = true;
    start(START("x", THREE));
    world.coordinator = coordinator_free(world.coordinator);
    sql("PRAGMA foreign_keys=ON; DELETE FROM rounds");
    world.silent[0] = false;
    world_open();
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 2);
    json_t *answer = rows("x", 0);
    const json_t *first = json_array_get(json_object_get(answer, "rows"), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(first, "train"), "reason")),
        "round_forgotten");
    json_decref(answer);
}

static void an_experiment_that_cannot_be_read_stops_the_start(void **state)
{
    (void)state;
    world.silent[0] = true;
    start(START("x", THREE));
    world.coordinator = coordinator_free(world.coordinator);
    sql("UPDATE experiments SET memory = x'7b'");
    const struct coordinator_out out = {0};
    struct coordinator *c = NULL;
    log_level_set(LOG_ERROR + 1);
    assert_int_equal(coordinator_new(&world.settings, &out, world.now_ms, &c), ST_CORRUPT);
    log_level_set(LOG_ERROR);
    assert_null(c);
}

/* ---- a disk that refuses ---- */

static void fill_disk(bool full)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 1 : RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_start_that_cannot_be_kept_is_refused(void **state)
{
    (void)state;
    fill_disk(true);
    expect_refused(FL_EXPERIMENT_START, START("x", THREE), "not_stored");
    expect_refused(FL_EXPERIMENT_START, START("x", THREE), "not_stored");
    expect_refused(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\"}", "not_stored");
    assert_int_equal(count_in("open"), 0);
    assert_int_equal(world.round_count, 0);
    fill_disk(false);
    world_pass(2000);
    start(START("x", THREE));
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
}

static void a_choice_that_cannot_be_kept_is_made_again(void **state)
{
    (void)state;
    world.manager_away = true;
    start(START("x", THREE));
    fill_disk(true);
    world.manager_away = false;
    world_settle();
    assert_int_equal(world.round_count, 0); /* nobody heard of a round */
    world_pass(3000);
    assert_int_equal(world.round_count, 0);
    fill_disk(false);
    struct experiment_state s = world_finish("x");
    expect_end(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 3);
    assert_int_equal(world.round_count, 3);
}

int main(void)
{
    log_level_set(LOG_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_round_starts_from_the_version_of_the_one_before),
        TEST(a_round_is_told_its_number_and_the_digest_of_its_base),
        TEST(evaluations_measure_and_never_train),
        TEST(a_target_that_is_reached_ends_it),
        TEST(experiments_at_once_do_not_touch_each_other),
        TEST(a_manager_that_is_away_is_asked_again),
        TEST(a_round_waits_for_enough_and_then_counts_as_failed),
        TEST(one_question_serves_all_who_choose),
        TEST(answers_of_others_choose_nobody),
        TEST(an_answer_that_cannot_be_read_is_asked_for_again),
        TEST(a_fleet_of_ten_thousand_is_asked),
        TEST(a_refused_start_has_a_code_and_changes_nothing),
        TEST(the_very_same_start_again_is_ignored),
        TEST(an_id_stands_for_one_experiment),
        TEST(more_than_may_be_open_are_refused),
        TEST(it_waits_while_too_many_rounds_are_open),
        TEST(a_round_of_its_name_by_somebody_else_ends_it),
        TEST(a_base_that_is_not_there_fails_each_round),
        TEST(a_base_that_is_no_model_fails_a_round_within_its_start),
        TEST(a_round_that_somebody_cancels_counts_as_failed),
        TEST(who_asks_for_rounds_learns_what_experiments_go_on_from),
        TEST(a_cancelled_one_takes_its_round_with_it),
        TEST(a_cancelled_one_that_chooses_ends_at_once),
        TEST(whoever_asks_learns_that_it_is_cancelled),
        TEST(what_cannot_be_cancelled_is_said),
        TEST(the_process_may_end_them_all),
        TEST(rows_come_in_pages),
        TEST(a_query_names_its_mistakes),
        TEST(the_status_tells_where_each_is),
        TEST(the_oldest_are_forgotten_with_what_they_left_at_the_broker),
        TEST(a_broker_that_lost_everything_is_told_again),
        TEST(it_goes_on_after_a_restart_in_each_stage),
        TEST(a_round_that_nobody_knows_any_more_counts_as_failed),
        TEST(an_experiment_that_cannot_be_read_stops_the_start),
        TEST(a_start_that_cannot_be_kept_is_refused),
        TEST(a_choice_that_cannot_be_kept_is_made_again),
    };
    return cmocka_run_group_tests_name("coordinator/experiment", tests, NULL, NULL);
}
