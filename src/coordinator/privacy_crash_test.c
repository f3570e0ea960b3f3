/* A kill at every step of an experiment with noise, and a second one soon after
 * (kill_points.h). Whatever dies when: each version was paid for, once; it carries one noise,
 * which comes out again when it is made again; and the noise of no two versions is the same. */
#include <math.h>
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
#define SIGMA  0.01 /* of the noise on the mean: multiplier * clip / devices */

static const char start[] =
    "{\"experiment_id\":\"x\",\"model_uri\":\"" WORLD_BASE_TOPIC "\",\"task_wasm_image\":\"i\","
    "\"rounds\":3,\"k_of_n\":\"all\",\"timeout_s\":6000,\"wait_s\":6000,\"participants\":[\"d0\","
    "\"d1\",\"d2\",\"d3\"],\"privacy\":{\"clip\":0.04,\"noise\":{\"multiplier\":1}}}";

static void revive(void)
{
    (void)snprintf(world.folder, sizeof world.folder, "%s", kill_points_revive());
}

static json_t *account(void)
{
    json_t *answer = world_ask(FL_ROUND_QUERY, "{\"what\":\"privacy\"}");
    assert_int_equal(json_array_size(json_object_get(answer, "accounts")), 1);
    return answer;
}

/* One release for each version: a crash wastes nothing here, as both are one transaction. */
static void expect_paid_for(unsigned versions)
{
    json_t *answer = account();
    const json_t *one = json_array_get(json_object_get(answer, "accounts"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "model")), "global_model");
    assert_int_equal(json_integer_value(json_object_get(one, "releases")), versions);
    json_decref(answer);
}

static double parameter(unsigned number)
{
    json_t *model = json_loads(number == 0 ? WORLD_BASE : world.versions[number], 0, NULL);
    assert_non_null(model);
    double value = json_number_value(json_object_get(model, "b"));
    json_decref(model);
    return value;
}

/* The mean of updates of length 0.04 at most, and noise: it moved, and not far. */
static void expect_noise(unsigned number)
{
    double moved = parameter(number) - parameter(number - 1);
    assert_true(moved != 0 && fabs(moved) < 0.04 + 8 * SIGMA);
    for (unsigned other = 1; other < number; other++)
        assert_true(moved != parameter(other) - parameter(other - 1));
}

static void expect_made_again(unsigned number)
{
    char request[64], digest[DIGEST_TEXT_SIZE];
    (void)snprintf(request, sizeof request, "{\"round_id\":\"x-r%04u\"}", number);
    json_t *answer = world_ask(FL_ROUND_VERIFY, request);
    const char *got = json_string_value(json_object_get(answer, "digest"));
    struct digest d = digest_of(view_text(world.versions[number]));
    digest_text(&d, digest);
    assert_non_null(got);
    assert_string_equal(got, digest);
    json_decref(answer);
}

static void expect_all(void)
{
    struct experiment_state s = world_state("x");
    assert_int_equal(s.phase, EXPERIMENT_DONE);
    assert_int_equal(s.completed, ROUNDS);
    assert_int_equal(world.version_count, ROUNDS);
    expect_paid_for(ROUNDS);
    for (unsigned number = 1; number <= ROUNDS; number++) {
        expect_noise(number);
        expect_made_again(number);
    }
}

/* gives: how many steps there were */
static size_t play(size_t kill_at, size_t second_after)
{
    world_begin((struct coordinator_settings){
        .rounds_open_max = 4, .experiments_open_max = 1, .keep_updates = 16});
    (void)snprintf(world.folder, sizeof world.folder, "%s",
                   kill_points_begin(kill_at, second_after));
    world.batch = 1;
    world.point = kill_point;
    world.dead = kill_points_dead;
    world.revive = revive;
    world_open();
    world_put(FL_EXPERIMENT_START, start);
    (void)world_finish("x");
    world_pass(1000);
    size_t passed = kill_points_passed();
    kill_points_disarm();
    expect_all();
    world_reopen();
    world_pass(1000);
    expect_all();
    world_end();
    return passed;
}

static void killed_at_each_step_each_version_is_paid_for_once(void **state)
{
    (void)state;
    size_t steps = play(0, 0);
    assert_true(steps > 100);
    for (size_t i = 1; i <= steps; i++)
        (void)play(i, 0);
    (void)printf("kills=%zu\n", steps);
}

static void killed_twice_each_version_is_paid_for_once(void **state)
{
    (void)state;
    size_t steps = play(0, 0);
    for (size_t i = 1; i <= steps; i += 5)
        (void)play(i, 1 + i * 7 % 31);
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
        cmocka_unit_test_teardown(killed_at_each_step_each_version_is_paid_for_once, teardown),
        cmocka_unit_test_teardown(killed_twice_each_version_is_paid_for_once, teardown),
    };
    return cmocka_run_group_tests_name("coordinator/privacy_crash", tests, NULL, NULL);
}
