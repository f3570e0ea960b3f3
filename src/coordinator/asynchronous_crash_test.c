/* A kill at every step of an asynchronous experiment in which devices need different times
 * to train, and a second one soon after (kill_points.h). In whatever order updates count
 * then: each that was accepted is in exactly one version, and each version is the sum of
 * those that are in it, to their own bases and weighted by their staleness. */
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

#define ROUNDS    4
#define DEVICES   3
#define TASKS_MAX ((size_t)ROUNDS * DEVICES)

static const char start[] =
    "{\"experiment_id\":\"x\",\"model_uri\":\"" WORLD_BASE_TOPIC "\",\"task_wasm_image\":\"i\","
    "\"rounds\":4,\"k_of_n\":2,\"timeout_s\":6000,\"wait_s\":6000,\"participants\":[\"d0\",\"d1\","
    "\"d2\"],\"asynchronous\":{\"staleness_max\":8}}";

static void revive(void)
{
    (void)snprintf(world.folder, sizeof world.folder, "%s", kill_points_revive());
}

/* ---- what the versions must be ---- */

struct params {
    double v[4];
};

/* An update that was accepted: device d of round r. */
struct task {
    unsigned round, device;
    bool used;
};

static struct params version(unsigned number)
{
    struct params p = {{0}};
    if (number == 0)
        return p;
    json_t *model = json_loads(world.versions[number], 0, NULL);
    assert_non_null(model);
    for (size_t i = 0; i < 3; i++)
        p.v[i] = json_number_value(json_array_get(json_object_get(model, "w"), i));
    p.v[3] = json_number_value(json_object_get(model, "b"));
    json_decref(model);
    return p;
}

static const char *round_name(unsigned round)
{
    static char name[16];
    (void)snprintf(name, sizeof name, "x-r%04u", round);
    return name;
}

static size_t accepted(struct task tasks[TASKS_MAX])
{
    size_t count = 0;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        const struct world_round *r = world_round(round_name(round));
        assert_non_null(r);
        for (unsigned d = 0; d < DEVICES; d++)
            if (r->answered[d] && r->verdict[d] == VERDICT_ACCEPTED)
                tasks[count++] = (struct task){round, d, false};
    }
    return count;
}

static void add(struct params *sum, const struct task *t, unsigned number, double count)
{
    const struct params base = version(t->round - 1);
    const double sent[4] = {t->round, t->device, t->round * t->device, t->device};
    double factor = 1 / sqrt(1 + (double)(number - t->round)) / count;
    for (size_t i = 0; i < 4; i++)
        sum->v[i] += factor * (sent[i] - base.v[i]);
}

static bool is_version(const struct task *tasks, unsigned chosen, size_t count, unsigned number)
{
    struct params sum = version(number - 1);
    const struct params got = version(number);
    unsigned devices = 0, in_it = 0;
    for (size_t i = 0; i < count; i++)
        in_it += (chosen >> i) & 1;
    for (size_t i = 0; i < count; i++) {
        if (((chosen >> i) & 1) == 0)
            continue;
        if (tasks[i].used || tasks[i].round > number || (devices >> tasks[i].device & 1) != 0)
            return false;
        devices |= 1u << tasks[i].device;
        add(&sum, &tasks[i], number, in_it);
    }
    for (size_t i = 0; i < 4; i++)
        if (fabs(sum.v[i] - got.v[i]) > 1e-5)
            return false;
    return in_it > 0;
}

/* Finds those that are in a version, and that no other version has. */
static void find_version(struct task *tasks, size_t count, unsigned number)
{
    uint64_t updates = world_complete(round_name(number)).num_updates;
    for (unsigned chosen = 1; chosen < 1u << count; chosen++) {
        unsigned in_it = 0;
        for (size_t i = 0; i < count; i++)
            in_it += (chosen >> i) & 1;
        if (in_it != updates || !is_version(tasks, chosen, count, number))
            continue;
        for (size_t i = 0; i < count; i++)
            tasks[i].used = tasks[i].used || ((chosen >> i) & 1) != 0;
        return;
    }
    fail_msg("version %u is not the sum of any updates that were accepted", number);
}

static void expect_made_again(unsigned number)
{
    char request[64], digest[DIGEST_TEXT_SIZE];
    (void)snprintf(request, sizeof request, "{\"round_id\":\"%s\"}", round_name(number));
    json_t *answer = world_ask(FL_ROUND_VERIFY, request);
    const char *got = json_string_value(json_object_get(answer, "digest"));
    struct digest d = digest_of(view_text(world.versions[number]));
    digest_text(&d, digest);
    assert_non_null(got);
    assert_string_equal(got, digest);
    json_decref(answer);
}

/* Who was asked in the first half counts, also the slow one, and who sends between rounds. */
static void expect_nobody_lost(void)
{
    for (unsigned round = 1; round <= ROUNDS / 2; round++) {
        const struct world_round *r = world_round(round_name(round));
        const json_t *who = json_object_get(r->read, "participants");
        assert_true(json_array_size(who) >= 2);
        for (size_t i = 0; i < json_array_size(who); i++) {
            unsigned d = (unsigned)json_string_value(json_array_get(who, i))[1] - '0';
            assert_true(d < DEVICES && r->answered[d]);
            assert_int_equal(r->verdict[d], VERDICT_ACCEPTED);
        }
    }
}

static void expect_each_update_in_one_version(void)
{
    struct experiment_state s = world_state("x");
    assert_int_equal(s.phase, EXPERIMENT_DONE);
    assert_string_equal(s.reason, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, ROUNDS);
    assert_int_equal(world.version_count, ROUNDS);
    assert_int_equal(json_object_size(world.rows), ROUNDS);
    struct task tasks[TASKS_MAX];
    size_t count = accepted(tasks);
    expect_nobody_lost();
    for (unsigned number = 1; number <= ROUNDS; number++) {
        assert_int_equal(world_complete(round_name(number)).outcome, ROUND_COMPLETED);
        find_version(tasks, count, number);
        expect_made_again(number);
    }
    for (size_t i = 0; i < count; i++)
        if (!tasks[i].used)
            fail_msg("d%u's of round %u was accepted and is in no version", tasks[i].device,
                     tasks[i].round);
    assert_int_equal(world.refusals, 0);
}

/* ---- the play ---- */

/* gives: how many steps there were */
static size_t play(size_t kill_at, size_t second_after, size_t batch)
{
    world_begin((struct coordinator_settings){
        .rounds_open_max = 4, .experiments_open_max = 1, .keep_updates = 16});
    (void)snprintf(world.folder, sizeof world.folder, "%s",
                   kill_points_begin(kill_at, second_after));
    world.batch = batch;
    world.point = kill_point;
    world.dead = kill_points_dead;
    world.revive = revive;
    world.slow_ms[0] = 300;
    world.slow_ms[1] = 350;
    world.slow_ms[2] = 700;
    world_open();
    world_put(FL_EXPERIMENT_START, start);
    (void)world_finish("x");
    world_pass(1000); /* the broker's word is heard */
    size_t passed = kill_points_passed(), kills = kill_points_kills();
    kill_points_disarm();
    expect_each_update_in_one_version();
    world_reopen();
    world_pass(1000);
    expect_each_update_in_one_version();
    world_end();
    assert_true(kills == 0 || kills == 1 || (kills == 2 && second_after > 0));
    assert_true(kill_at == 0 || kills > 0);
    return passed;
}

static void killed_at_each_step_each_update_counts_once(void **state)
{
    (void)state;
    size_t steps = play(0, 0, 1);
    assert_true(steps > 150); /* or these functions are not where files are written */
    for (size_t i = 1; i <= steps; i++)
        (void)play(i, 0, 1);
    (void)printf("kills=%zu\n", steps);
}

static void killed_twice_each_update_counts_once(void **state)
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
        cmocka_unit_test_teardown(killed_at_each_step_each_update_counts_once, teardown),
        cmocka_unit_test_teardown(killed_twice_each_update_counts_once, teardown),
    };
    return cmocka_run_group_tests_name("coordinator/asynchronous_crash", tests, NULL, NULL);
}
