/* A kill at every step of an experiment of three rounds with evaluations, and a second
 * one soon after (kill_points.h): each round once, from the right base, with the exact
 * sum, and the same end. Nobody in the world sends anything twice but what was not
 * acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/kill_points.h"
#include "coordinator/test_world.h"
#include "experiment/experiment.h"
#include "io/file.h"
#include "service/log.h"

#define ROUNDS 3

static const char start[] =
    "{\"experiment_id\":\"x\",\"model_uri\":\"" WORLD_BASE_TOPIC "\",\"task_wasm_image\":\"i\","
    "\"rounds\":3,\"k_of_n\":4,\"timeout_s\":6000,\"wait_s\":6000,\"evaluation\":{\"every\":2,"
    "\"participants\":[\"judge\"],\"timeout_s\":6000},"
    "\"stop\":{\"metric\":\"accuracy\",\"goal\":\"max\",\"patience\":5}}";

static const char *const models[ROUNDS + 1] = {
    "",
    "{\"b\": 2.125, \"version\": 1, \"w\": [1.0, 2.125, 2.125]}",
    "{\"b\": 2.125, \"version\": 2, \"w\": [2.0, 2.125, 4.25]}",
    "{\"b\": 2.125, \"version\": 3, \"w\": [3.0, 2.125, 6.375]}",
};

static void revive(void)
{
    (void)snprintf(world.folder, sizeof world.folder, "%s", kill_points_revive());
}

/* ---- what must hold ---- */

static void expect_version(size_t version)
{
    char base[FL_TOPIC_SIZE], round[32];
    (void)snprintf(base, sizeof base, "fl/models/global_model_v%zu", version - 1);
    (void)snprintf(round, sizeof round, "x-r%04zu", version);
    assert_string_equal(world.parents[version], base);
    json_t *model = json_loads(world.versions[version], 0, NULL);
    char *text = json_dumps(model, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    assert_string_equal(text, models[version]);
    free(text);
    json_decref(model);
    struct complete c = world_complete(round);
    assert_int_equal(c.outcome, ROUND_COMPLETED);
    assert_int_equal(c.num_updates, 4);
    assert_int_equal(c.total_samples, 8);
    assert_int_equal(c.model_version, version);
    assert_string_equal(c.model_uri, base);
}

static void expect_evaluation(const char *round, const char *model, double accuracy)
{
    struct complete c = world_complete(round);
    assert_int_equal(c.outcome, ROUND_COMPLETED);
    assert_string_equal(c.model_uri, model);
    assert_true(metrics_find(&c.metrics, "accuracy")->value == accuracy);
}

static void expect_rows(void)
{
    json_t *answer = world_ask(FL_EXPERIMENT_QUERY, "{\"what\":\"rows\",\"experiment_id\":\"x\"}");
    const json_t *rows = json_object_get(answer, "rows");
    assert_int_equal(json_array_size(rows), ROUNDS);
    assert_int_equal(json_object_size(world.rows), ROUNDS); /* and said the same */
    json_decref(answer);
}

static void expect_all_of_it_once(void)
{
    struct experiment_state s = world_state("x");
    assert_int_equal(s.phase, EXPERIMENT_DONE);
    assert_int_equal(s.outcome, ROUND_COMPLETED);
    assert_string_equal(s.reason, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, ROUNDS);
    assert_string_equal(s.model_topic, "fl/models/global_model_v3");
    assert_true(s.has_best && s.best == 0.375 && s.best_round == 3);
    assert_int_equal(world.version_count, ROUNDS);
    assert_int_equal(world.round_count, ROUNDS + 2);
    for (size_t i = 1; i <= ROUNDS; i++)
        expect_version(i);
    expect_evaluation("x-e0002", "fl/models/global_model_v2", 0.25);
    expect_evaluation("x-e0003", "fl/models/global_model_v3", 0.375);
    expect_rows();
    assert_int_equal(world.refusals, 0);
}

/* ---- the play ---- */

/* gives: how many steps there were */
static size_t play(size_t kill_at, size_t second_after, size_t batch)
{
    world_begin((struct coordinator_settings){.rounds_open_max = 4, .experiments_open_max = 1});
    (void)snprintf(world.folder, sizeof world.folder, "%s",
                   kill_points_begin(kill_at, second_after));
    world.batch = batch;
    world.point = kill_point;
    world.dead = kill_points_dead;
    world.revive = revive;
    world_open();
    world_put(FL_EXPERIMENT_START, start);
    (void)world_finish("x");
    world_pass(2000); /* the broker's word is heard */
    size_t passed = kill_points_passed(), kills = kill_points_kills();
    kill_points_disarm();
    expect_all_of_it_once();
    world_reopen();
    world_pass(2000);
    expect_all_of_it_once();
    world_end();
    assert_true(kills == 0 || kills == 1 || (kills == 2 && second_after > 0));
    assert_true(kill_at == 0 || kills > 0);
    return passed;
}

static void killed_at_each_step_it_ends_the_same(void **state)
{
    (void)state;
    size_t steps = play(0, 0, 1);
    assert_true(steps > 200); /* or these functions are not where files are written */
    for (size_t i = 1; i <= steps; i++)
        (void)play(i, 0, 1);
    (void)printf("kills=%zu\n", steps);
}

static void killed_twice_it_ends_the_same(void **state)
{
    (void)state;
    size_t steps = play(0, 0, 4), kills = 0;
    for (size_t i = 1; i <= steps; i += 5, kills += 2)
        (void)play(i, 1 + i * 7 % 31, 4);
    (void)printf("kills=%zu\n", kills);
}

static int teardown(void **state)
{
    (void)state;
    kill_points_disarm();
    world_end();
    kill_points_end();
    return 0;
}

int main(void)
{
    log_level_set(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(killed_at_each_step_it_ends_the_same, teardown),
        cmocka_unit_test_teardown(killed_twice_it_ends_the_same, teardown),
    };
    return cmocka_run_group_tests_name("coordinator/experiment_crash", tests, NULL, NULL);
}
