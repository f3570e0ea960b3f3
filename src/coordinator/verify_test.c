/* Versions are made again from kept updates, in the world of test_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "coordinator/test_world.h"
#include "fl/topics.h"
#include "service/log.h"

#define START(id, more)                                                                            \
    "{\"experiment_id\":\"" id "\",\"model_uri\":\"" WORLD_BASE_TOPIC                              \
    "\",\"task_wasm_image\":\"i\",\"participants\":[\"d0\",\"d1\",\"d2\",\"d3\"]," more "}"
#define PATH_SIZE 256

static int setup(void **state)
{
    (void)state;
    world_begin((struct coordinator_settings){
        .rounds_open_max = 4, .experiments_open_max = 3, .keep_updates = 2});
    (void)snprintf(world.folder, sizeof world.folder, "%s/fml-verify-test-XXXXXX",
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

static json_t *ask(const char *round)
{
    char text[160];
    (void)snprintf(text, sizeof text, "{\"round_id\":\"%s\"}", round);
    return world_ask(FL_ROUND_VERIFY, text);
}

static void expect_same(const char *round, uint64_t updates)
{
    json_t *answer = ask(round);
    struct complete complete = world_complete(round);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&complete.model_digest, digest);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_string_equal(json_string_value(json_object_get(answer, "digest")), digest);
    assert_string_equal(json_string_value(json_object_get(answer, "model_topic")),
                        complete.model_topic);
    assert_int_equal(json_integer_value(json_object_get(answer, "num_updates")), updates);
    json_decref(answer);
}

static void expect_error(json_t *answer, const char *code)
{
    assert_string_equal(json_string_value(json_object_get(answer, "error")), code);
    assert_true(json_string_length(json_object_get(answer, "reason")) > 0);
    assert_null(json_object_get(answer, "digest"));
    json_decref(answer);
}

static void expect_kept(const char *first, const char *second)
{
    json_t *answer = world_ask(FL_ROUND_VERIFY, "{}");
    const json_t *kept = json_object_get(answer, "kept");
    assert_int_equal(json_array_size(kept), 2);
    assert_string_equal(json_string_value(json_array_get(kept, 0)), first);
    assert_string_equal(json_string_value(json_array_get(kept, 1)), second);
    json_decref(answer);
}

static bool has_folder(const char *round)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/rounds/%s", world.folder, round);
    return access(path, F_OK) == 0;
}

static void newest_versions_are_made_again_also_after_a_restart(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("x", "\"rounds\":3,\"k_of_n\":4"));
    (void)world_finish("x");
    for (int life = 0; life < 2; life++) {
        expect_kept("x-r0002", "x-r0003");
        expect_same("x-r0002", 4);
        expect_same("x-r0003", 4);
        expect_error(ask("x-r0001"), "not_kept");
        assert_true(!has_folder("x-r0001") && has_folder("x-r0002") && has_folder("x-r0003"));
        world_reopen();
    }
}

/* The bytes are those of the round's end, whichever way counting ended. Krum needs more
 * devices than live here: tests/system/test_aggregation.py. */
static void every_rule_gives_the_same_bytes_again(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "\"rule\":\"mean\"",
        "\"rule\":\"mean\",\"weighting\":\"equal\"",
        "\"rule\":\"median\"",
        "\"rule\":\"trimmed_mean\",\"trim\":0.34",
        "\"rule\":\"geometric_median\"",
        "\"rule\":\"norm_bound\",\"bound\":1.5",
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char text[512], id[16], round[32];
        (void)snprintf(id, sizeof id, "x%zu", i);
        (void)snprintf(round, sizeof round, "%s-r0001", id);
        (void)snprintf(text, sizeof text,
                       "{\"experiment_id\":\"%s\",\"model_uri\":\"" WORLD_BASE_TOPIC
                       "\",\"task_wasm_image\":\"i\",\"participants\":[\"d0\",\"d1\",\"d2\","
                       "\"d3\"],\"rounds\":1,\"k_of_n\":3,\"grace_s\":5,\"aggregation\":{%s}}",
                       id, rules[i]);
        world.silent[3] = i % 2 == 1; /* then its grace ends it */
        world_put(FL_EXPERIMENT_START, text);
        (void)world_finish(id);
        expect_same(round, i % 2 == 1 ? 3 : 4);
    }
}

static void what_cannot_be_made_again_is_refused_by_name(void **state)
{
    (void)state;
    world.silent[0] = world.silent[1] = world.silent[2] = world.silent[3] = true;
    world_put(FL_EXPERIMENT_START,
              START("x", "\"rounds\":1,\"k_of_n\":4,\"timeout_s\":60,\"max_failures\":1"));
    world_settle();
    expect_error(ask("x-r0001"), "round_open");
    (void)world_finish("x");
    expect_error(ask("x-r0001"), "no_version");
    expect_error(ask("never"), "unknown_round");
    expect_error(world_ask(FL_ROUND_VERIFY, "{\"round_id\":7}"), "invalid");
    expect_error(world_ask(FL_ROUND_VERIFY, "["), "malformed");
    assert_int_equal(world.version_count, 0);
}

static void spoil(const char *round, const char *file)
{
    char path[PATH_SIZE], byte = '!';
    (void)snprintf(path, sizeof path, "%s/rounds/%s/%s", world.folder, round, file);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
    (void)close(fd);
}

static void damaged_updates_are_never_called_the_same(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("x", "\"rounds\":2,\"k_of_n\":4"));
    (void)world_finish("x");
    spoil("x-r0001", "updates-0000");
    expect_error(ask("x-r0001"), "state_corrupt");
    expect_same("x-r0002", 4);
    expect_kept("x-r0001", "x-r0002");
}

/* A round that fails takes no place of one that made a version. */
static void rounds_without_a_version_are_not_kept(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("x", "\"rounds\":2,\"k_of_n\":4"));
    (void)world_finish("x");
    world.silent[0] = true;
    world_put(FL_EXPERIMENT_START,
              START("y", "\"rounds\":1,\"k_of_n\":4,\"timeout_s\":60,\"max_failures\":1"));
    (void)world_finish("y");
    assert_true(!has_folder("y-r0001"));
    expect_kept("x-r0001", "x-r0002");
    expect_same("x-r0001", 4);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    log_level_set(LOG_ERROR + 1);
    const struct CMUnitTest tests[] = {
        CASE(newest_versions_are_made_again_also_after_a_restart),
        CASE(every_rule_gives_the_same_bytes_again),
        CASE(what_cannot_be_made_again_is_refused_by_name),
        CASE(damaged_updates_are_never_called_the_same),
        CASE(rounds_without_a_version_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
