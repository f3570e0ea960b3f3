/* Drives asynchronous experiments through the coordinator's messages, in the world of
 * test_world.h. Devices need different times to train; numbers are worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "coordinator/test_world.h"
#include "experiment/experiment.h"
#include "fl/topics.h"
#include "service/log.h"

#define START(more)                                                                                \
    "{\"experiment_id\":\"x\",\"model_uri\":\"" WORLD_BASE_TOPIC                                   \
    "\",\"task_wasm_image\":\"i\"," more "}"
#define THREE(staleness)                                                                           \
    "\"participants\":[\"d0\",\"d1\",\"d2\"],\"k_of_n\":2,\"asynchronous\":{\"staleness_"          \
    "max\":" staleness "}"

static int setup(void **state)
{
    (void)state;
    world_begin((struct coordinator_settings){
        .rounds_open_max = 4, .experiments_open_max = 3, .keep_updates = 8});
    (void)snprintf(world.folder, sizeof world.folder, "%s/fml-asynchronous-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(world.folder));
    world_open();
    world.slow_ms[0] = world.slow_ms[1] = 1000;
    world.slow_ms[2] = 2500;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end();
    return 0;
}

static void expect_version(size_t version, double w0, double w1, double w2, double b)
{
    const double expected[4] = {w0, w1, w2, b};
    assert_non_null(world.versions[version]);
    json_t *model = json_loads(world.versions[version], 0, NULL);
    const json_t *w = json_object_get(model, "w");
    for (size_t i = 0; i < 4; i++) {
        const json_t *value = i < 3 ? json_array_get(w, i) : json_object_get(model, "b");
        double got = json_number_value(value);
        if (fabs(got - expected[i]) > 1e-6)
            fail_msg("version %zu at %zu: %.9g, not %.9g", version, i, got, expected[i]);
    }
    json_decref(model);
}

static size_t participants_of(const char *round)
{
    const struct world_round *r = world_round(round);
    assert_non_null(r);
    return json_array_size(json_object_get(r->read, "participants"));
}

static void expect_verdict(const char *round, size_t device, enum verdict verdict)
{
    const struct world_round *r = world_round(round);
    assert_non_null(r);
    assert_true(r->answered[device]);
    assert_int_equal(r->verdict[device], verdict);
}

static bool is_on_disk(const char *round, const char *file)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/rounds/%s/%s", world.folder, round, file);
    return access(path, F_OK) == 0;
}

/* What follows from it is not heard yet. */
static void send_text_as(const char *round, const char *text, const char *device)
{
    coordinator_message(world.coordinator,
                        &(struct mqtt_message){.topic = FL_UPDATES,
                                               .payload = view_text(text),
                                               .properties = {{"round", round}, {"sender", device}},
                                               .property_count = 2},
                        world.now_ms);
    assert_true(coordinator_flush(world.coordinator, world.now_ms));
}

static void send_unheard_as(const char *round, const char *base, const char *device)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"round_id\":\"%s\",\"base_model_uri\":\"%s\",\"num_samples\":1,"
                   "\"update\":{\"w\":[9,9,9],\"b\":9}}",
                   round, base);
    send_text_as(round, text, device);
}

static void send_as(const char *round, const char *base, const char *device)
{
    send_unheard_as(round, base, device);
    world_settle();
}

/* The bytes that a round was trained from are not what they were. text: that version */
static void damage_base(const char *round, const char *text)
{
    char path[256], digest[DIGEST_TEXT_SIZE];
    const struct digest d = digest_of(view_text(text));
    digest_text(&d, digest);
    (void)snprintf(path, sizeof path, "%s/rounds/%s/%s", world.folder, round,
                   strchr(digest, ':') + 1);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
}

/* d0 and d1 need 1 s and d2 2.5 s, two updates make a version. After the 4th:
 *
 *     v1 (at 1 s)  d0 and d1 of round 1
 *     v2 (at 2 s)  d0 and d1 of round 2
 *     v3 (at 3 s)  d2 of round 1 (two versions behind) and d0 of round 3
 *     v4 (at 4 s)  d1 of round 3 (one behind) and d0 of round 4 */
static void expect_the_four_versions(void)
{
    const double s2 = 0.5 / sqrt(2), s3 = 0.5 / sqrt(3);
    const double v3[4] = {2.5 + s3, 0.25 + 2 * s3, 0.5 + 2 * s3, 0.25 + 2 * s3};
    expect_version(1, 1, 0.5, 0.5, 0.5);
    expect_version(2, 2, 0.5, 1, 0.5);
    expect_version(3, v3[0], v3[1], v3[2], v3[3]);
    expect_version(4, v3[0] + s2 + 0.5 * (4 - v3[0]), v3[1] + 0.5 * s2 - 0.5 * v3[1],
                   v3[2] + 2 * s2 - 0.5 * v3[2], v3[3] + 0.5 * s2 - 0.5 * v3[3]);
    assert_int_equal(world.version_count, 4);
    for (unsigned i = 1; i <= 4; i++) {
        char round[16];
        (void)snprintf(round, sizeof round, "x-r%04u", i);
        assert_int_equal(world_complete(round).num_updates, 2);
        assert_int_equal(world_complete(round).outcome, ROUND_COMPLETED);
        assert_int_equal(world_complete(round).participants, 3);
    }
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
    expect_verdict("x-r0003", 1, VERDICT_ACCEPTED);
}

static void the_slow_count_in_a_later_round_and_nobody_waits_for_them(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    struct experiment_state s = world_finish("x");
    assert_string_equal(s.reason, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(s.completed, 4);
    assert_int_equal(participants_of("x-r0001"), 3);
    assert_int_equal(participants_of("x-r0002"), 2);
    assert_int_equal(participants_of("x-r0004"), 2); /* d0 and d2: d1 still trained */
    expect_the_four_versions();
}

static void it_is_the_same_over_restarts(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    for (int i = 0; i < 50; i++) {
        world_reopen();
        world_pass(100);
    }
    assert_int_equal(world_finish("x").completed, 4);
    expect_the_four_versions();
}

static void the_end_of_a_round_is_said_when_nobody_of_it_is_carried(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    world_pass(2400); /* version 2 is there, and d2 still trains */
    assert_int_equal(world.version_count, 2);
    assert_null(world_round("x-r0001")->complete);
    assert_non_null(world_round("x-r0002")->complete); /* both of it have counted */
    assert_null(world_round("x-r0003")->complete);
    world_pass(800); /* version 3, with d2's update: round 4 carries d1 of round 3 */
    assert_int_equal(world.version_count, 3);
    assert_non_null(world_round("x-r0001")->complete);
    assert_null(world_round("x-r0003")->complete);
    (void)world_finish("x");
    for (unsigned i = 1; i <= 4; i++) {
        char round[16];
        (void)snprintf(round, sizeof round, "x-r%04u", i);
        assert_non_null(world_round(round)->complete);
    }
}

static void whoever_is_too_far_behind_is_stopped_and_counts_nowhere(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":9," THREE("1")));
    world_pass(2400);
    assert_int_equal(world.version_count, 2);
    assert_non_null(world_round("x-r0001")->complete); /* two versions behind */
    assert_int_equal(participants_of("x-r0003"), 3);   /* d2 is asked anew */
    uint64_t counted = world_complete("x-r0002").num_updates;
    send_as("x-r0001", WORLD_BASE_TOPIC, "d2");
    expect_verdict("x-r0001", 2, VERDICT_STALE);
    send_as("x-r0001", WORLD_BASE_TOPIC, "d9");
    assert_int_equal(world_complete("x-r0002").num_updates, counted);
    json_t *answer = world_ask(FL_ROUND_QUERY, "{\"what\":\"status\"}");
    const json_t *open = json_array_get(json_object_get(answer, "open"), 0);
    assert_string_equal(json_string_value(json_object_get(open, "round_id")), "x-r0003");
    assert_int_equal(json_integer_value(json_object_get(open, "num_updates")), 0);
    json_decref(answer);
}

static void the_same_update_again_has_the_same_receipt_and_counts_once(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    (void)world_finish("x");
    /* d2's of round 1, which round 3 counted, as the world sends it */
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"round_id\":\"x-r0001\",\"base_model_uri\":\"" WORLD_BASE_TOPIC
                   "\",\"num_samples\":2,\"metrics\":{\"loss\":1},\"update\":{\"w\":[1,2,2],"
                   "\"b\":2}}");
    struct world_round *r = (struct world_round *)(uintptr_t)world_round("x-r0001");
    for (int i = 0; i < 2; i++) {
        r->verdict[2] = VERDICT_NOT_STORED;
        send_text_as("x-r0001", text, "d2");
        assert_int_equal(r->verdict[2], VERDICT_ACCEPTED);
        world_reopen();
    }
    assert_int_equal(world_complete("x-r0003").num_updates, 2);
}

static void an_update_between_two_rounds_is_held(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    world_pass(900);
    world.manager_away = true; /* the next round cannot begin */
    world_pass(1700);          /* version 1 is there; d2 sends at 2.5 s */
    assert_int_equal(world.version_count, 1);
    assert_int_equal(world.round_count, 1);
    assert_false(world_round("x-r0001")->answered[2]);
    world.manager_away = false;
    world_pass(100);
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
    (void)world_finish("x");
    assert_int_equal(world.version_count, 4);
}

static void what_no_round_would_take_is_not_held(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    world_pass(900);
    world.manager_away = true;
    world_pass(700);
    assert_int_equal(world.version_count, 1);
    send_as("x-r0001", WORLD_BASE_TOPIC, "d3"); /* nobody asked it */
    expect_verdict("x-r0001", 3, VERDICT_NOT_PARTICIPANT);
    send_text_as("x-r0001", "", "d2");
    expect_verdict("x-r0001", 2, VERDICT_MALFORMED);
}

static void an_update_for_a_round_that_only_carries_its_sender_is_not_held(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    world_pass(1900); /* round 2 carries d2 of round 1 */
    world.manager_away = true;
    world_pass(400);
    assert_int_equal(world.version_count, 2);
    send_as("x-r0002", "fl/models/global_model_v1", "d2");
    expect_verdict("x-r0001", 2, VERDICT_STALE);
}

static void what_was_held_is_sent_again_after_a_restart(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    world_pass(900);
    world.manager_away = true;
    world_pass(1700);
    world_reopen();
    world.manager_away = false;
    world_pass(1500);
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
    (void)world_finish("x");
    assert_int_equal(world.version_count, 4);
}

static void it_holds_while_it_measures(void **state)
{
    (void)state;
    world.slow_ms[4] = 3000;
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":2," THREE("4") ",\"evaluation\":{\"every\":1,\"participants\":["
                                               "\"judge\"],\"timeout_s\":60}"));
    world_pass(2600); /* version 1 is measured until 4 s */
    assert_int_equal(world.version_count, 1);
    assert_false(world_round("x-r0001")->answered[2]);
    world_pass(1500);
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
    struct experiment_state s = world_finish("x");
    assert_int_equal(s.completed, 2);
    assert_string_equal(s.model_topic, "fl/models/global_model_v2");
}

static void a_round_that_nobody_begins_counts_those_that_train(void **state)
{
    (void)state;
    world.slow_ms[2] = 5000;
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":2,\"participants\":[\"d0\",\"d2\"],\"k_of_n\":1,"
                    "\"asynchronous\":{\"staleness_max\":4}"));
    world_pass(100);
    world.away[0] = true; /* it sends still, and is not asked again */
    world_pass(2000);
    assert_int_equal(world.version_count, 1);
    assert_null(world_round("x-r0002")); /* nobody is to begin it */
    assert_int_equal(world_state("x").round, 2);
    struct experiment_state s = world_finish("x");
    assert_int_equal(s.completed, 2);
    /* d2's, to version 0 and one behind, added to d0's {1,0,0},0 */
    expect_version(2, 1 + 1 / sqrt(2), 2 / sqrt(2), 2 / sqrt(2), 2 / sqrt(2));
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
}

static bool is_asked(const char *round, const char *device)
{
    const json_t *who = json_object_get(world_round(round)->read, "participants");
    for (size_t i = 0; i < json_array_size(who); i++)
        if (strcmp(json_string_value(json_array_get(who, i)), device) == 0)
            return true;
    return false;
}

/* Two of four train at once, and both that round 1 asked never answer. */
static void lose_those_of_round_1(const char *more, bool is_away)
{
    char start[512];
    (void)snprintf(start, sizeof start,
                   START("\"rounds\":5,\"participants\":[\"d0\",\"d1\",\"d2\",\"d3\"],"
                         "\"selection\":{\"count\":2},\"k_of_n\":2,\"asynchronous\":"
                         "{\"staleness_max\":4},%s"),
                   more);
    world_put(FL_EXPERIMENT_START, start);
    world_pass(100);
    for (size_t i = 0; i < 4; i++)
        if (is_asked("x-r0001", world_devices[i])) {
            world.silent[i] = true;
            world.away[i] = is_away;
        }
}

static void who_is_gone_leaves_its_place_to_others(void **state)
{
    (void)state;
    lose_those_of_round_1("\"timeout_s\":10", true);
    assert_int_equal(world_finish("x").completed, 4);
    assert_int_equal(participants_of("x-r0002"), 2);
    assert_int_equal(world_complete("x-r0002").participants, 4); /* those who are gone may count */
}

static void a_task_that_is_over_leaves_its_place_to_others(void **state)
{
    (void)state;
    world_pass(60000);
    lose_those_of_round_1("\"timeout_s\":10", false);
    world_reopen();    /* it knows still when that was */
    world_pass(10500); /* what was sent in time may be on its way still */
    assert_null(world_round("x-r0001")->complete);
    assert_int_equal(world_state("x").round, 2);
    world_pass(10000);
    assert_non_null(world_round("x-r0001")->complete); /* nobody of it is carried */
    assert_int_equal(participants_of("x-r0003"), 2);
}

/* It is held while the model is measured, for longer than the task had. */
static void who_sent_in_time_counts_however_long_it_is_held(void **state)
{
    (void)state;
    world.slow_ms[4] = 40000;
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":2,\"timeout_s\":10," THREE(
                  "4") ",\"evaluation\":{\"every\":1,\"participants\":[\"judge\"],"
                       "\"timeout_s\":60}"));
    world_pass(40900);
    assert_false(world_round("x-r0001")->answered[2]);
    world_pass(300);
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
    assert_int_equal(world_finish("x").completed, 2);
}

static void time_makes_a_version_of_what_there_is(void **state)
{
    (void)state;
    world.silent[1] = world.silent[2] = true;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":1,\"timeout_s\":10," THREE("4")));
    struct experiment_state s = world_finish("x");
    assert_int_equal(s.completed, 1);
    assert_string_equal(world_complete("x-r0001").reason, "timeout");
    assert_int_equal(world_complete("x-r0001").num_updates, 1);
    expect_version(1, 1, 0, 0, 0);
}

static void cancelled_it_ends_all_its_rounds(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":9," THREE("4")));
    world_pass(2400);
    assert_null(world_round("x-r0001")->complete);
    json_t *answer = world_ask(FL_EXPERIMENT_CANCEL, "{\"experiment_id\":\"x\"}");
    assert_true(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    assert_int_equal(world_state("x").outcome, ROUND_CANCELLED);
    assert_int_equal(world_complete("x-r0001").outcome, ROUND_COMPLETED);
    assert_int_equal(world_complete("x-r0003").outcome, ROUND_CANCELLED);
    send_as("x-r0001", WORLD_BASE_TOPIC, "d2");
    expect_verdict("x-r0001", 2, VERDICT_STALE);
    assert_int_equal(world.version_count, 2);
}

static void a_start_from_outside_is_refused(void **state)
{
    (void)state;
    world_put(FL_ROUND_START,
              "{\"round_id\":\"r\",\"model_uri\":\"" WORLD_BASE_TOPIC "\",\"task_wasm_image\":"
              "\"i\",\"participants\":[\"d0\"],\"asynchronous\":{\"staleness_max\":1}}");
    struct complete c = world_complete("r");
    assert_int_equal(c.outcome, ROUND_FAILED);
    assert_string_equal(c.reason, "invalid");
    json_t *answer = world_ask(FL_ROUND_QUERY, "{\"what\":\"status\"}");
    assert_int_equal(json_array_size(json_object_get(answer, "open")), 0);
    json_decref(answer);
}

static void how_it_aggregates_is_checked_as_for_its_rounds(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":1,\"aggregation\":{\"rule\":\"median\"}," THREE("4")));
    assert_int_equal(world.refusals, 1);
    assert_non_null(strstr(world.refused, "median needs at least 3 updates"));
    assert_int_equal(world.questions, 0); /* nobody was looked for */
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":1,\"aggregation\":{\"weighting\":\"staleness\"}," THREE("4")));
    assert_int_equal(world.refusals, 1);
    assert_int_equal(world_finish("x").completed, 1);
}

static void its_versions_can_be_made_again(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    (void)world_finish("x");
    for (int life = 0; life < 2; life++) {
        for (unsigned i = 1; i <= 4; i++) {
            char request[64], expected[DIGEST_TEXT_SIZE];
            (void)snprintf(request, sizeof request, "{\"round_id\":\"x-r%04u\"}", i);
            json_t *answer = world_ask(FL_ROUND_VERIFY, request);
            struct digest digest = digest_of(view_text(world.versions[i]));
            digest_text(&digest, expected);
            const char *got = json_string_value(json_object_get(answer, "digest"));
            assert_non_null(got);
            assert_string_equal(got, expected);
            assert_int_equal(json_integer_value(json_object_get(answer, "num_updates")), 2);
            json_decref(answer);
        }
        world_reopen();
    }
}

static void what_is_carried_keeps_its_base_and_not_its_updates(void **state)
{
    (void)state;
    world.settings.keep_updates = 1;
    world_reopen();
    world_put(FL_EXPERIMENT_START, START("\"rounds\":4," THREE("4")));
    world_pass(1300);
    assert_int_equal(world.version_count, 1);
    assert_true(is_on_disk("x-r0001", "updates-0000")); /* that of the newest version */
    world_pass(900);
    assert_int_equal(world.version_count, 2);
    for (int life = 0; life < 2; life++) {
        assert_false(is_on_disk("x-r0001", "updates-0000"));
        assert_true(is_on_disk("x-r0001", ""));
        assert_true(is_on_disk("x-r0002", "updates-0000"));
        world_reopen();
    }
    assert_int_equal(world_finish("x").completed, 4);
    expect_the_four_versions();
}

/* Round 2 counted d1's and d2's, which is of round 1, and its version is on its way. */
static void a_damaged_base_fails_its_round_and_not_the_start(void **state)
{
    (void)state;
    world_put(FL_EXPERIMENT_START, START("\"rounds\":9," THREE("9")));
    world_pass(1300);
    assert_int_equal(world.version_count, 1);
    world.silent[0] = true;
    world_pass(1000);
    send_unheard_as("x-r0001", WORLD_BASE_TOPIC, "d2");
    assert_int_equal(world.version_count, 2);
    damage_base("x-r0001", WORLD_BASE);
    world_reopen();
    world.silent[0] = false;
    assert_int_equal(world_finish("x").completed, 8);
    assert_int_equal(world_complete("x-r0002").outcome, ROUND_FAILED);
    assert_string_equal(world_complete("x-r0002").reason, "state_corrupt");
}

static void whoever_trains_from_a_damaged_base_is_not_carried(void **state)
{
    (void)state;
    world.slow_ms[3] = 4500;
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":9,\"participants\":[\"d0\",\"d1\",\"d2\",\"d3\"],\"k_of_n\":2,"
                    "\"asynchronous\":{\"staleness_max\":9}"));
    world_pass(1300);
    assert_int_equal(participants_of("x-r0002"), 2); /* the other two still train */
    damage_base("x-r0001", WORLD_BASE);
    world_pass(1600);
    assert_int_equal(participants_of("x-r0003"), 4);
    assert_non_null(world_round("x-r0001")->complete);
    send_as("x-r0001", WORLD_BASE_TOPIC, "d2");
    expect_verdict("x-r0001", 2, VERDICT_STALE);
    assert_int_equal(world_finish("x").completed, 9);
}

/* Version 1 is there, nobody is any more, and d2 of round 1 trains for a long time still. */
static void wait_with_one_who_trains(void)
{
    world.slow_ms[2] = 200000;
    world_put(FL_EXPERIMENT_START,
              START("\"rounds\":500,\"wait_s\":1,\"timeout_s\":600,\"max_failures\":400,"
                    "\"selection\":{\"min\":3}," THREE("4")));
    world_pass(900);
    world.away[0] = world.away[1] = world.away[2] = world.away[3] = true;
    world_pass(200);
    assert_int_equal(world.version_count, 1);
}

static void come_back_and_expect_it_to_count(void)
{
    world.away[0] = world.away[1] = world.away[2] = world.away[3] = false;
    world_pass(700);
    const struct world_round *next = &world.rounds[world.round_count - 1];
    assert_int_equal(participants_of(next->id.text), 2);
    assert_null(world_round("x-r0001")->complete);
    send_as("x-r0001", WORLD_BASE_TOPIC, "d2");
    expect_verdict("x-r0001", 2, VERDICT_ACCEPTED);
}

static void rounds_that_cannot_begin_lose_nobody(void **state)
{
    (void)state;
    wait_with_one_who_trains();
    world_pass(100000);
    assert_true(world_state("x").round > 1 + CARRIED_MAX);
    come_back_and_expect_it_to_count();
}

/* A thousand others end meanwhile, more than are kept. */
static void rounds_of_others_lose_nobody(void **state)
{
    (void)state;
    wait_with_one_who_trains();
    for (size_t i = 0; i < ROUNDS_KEPT_MAX + 2; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"round_id\":\"other-%zu\",\"model_uri\":\"" WORLD_BASE_TOPIC
                       "\",\"task_wasm_image\":\"i\",\"participants\":[\"d0\"]}",
                       i);
        world_put(FL_ROUND_START, text);
        (void)snprintf(text, sizeof text, "{\"round_id\":\"other-%zu\"}", i);
        world_put(FL_ROUND_CANCEL, text);
    }
    world_reopen();
    come_back_and_expect_it_to_count();
}

int main(void)
{
    log_level_set(LOG_ERROR);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_slow_count_in_a_later_round_and_nobody_waits_for_them),
        TEST(it_is_the_same_over_restarts),
        TEST(the_end_of_a_round_is_said_when_nobody_of_it_is_carried),
        TEST(whoever_is_too_far_behind_is_stopped_and_counts_nowhere),
        TEST(the_same_update_again_has_the_same_receipt_and_counts_once),
        TEST(an_update_between_two_rounds_is_held),
        TEST(what_no_round_would_take_is_not_held),
        TEST(an_update_for_a_round_that_only_carries_its_sender_is_not_held),
        TEST(what_was_held_is_sent_again_after_a_restart),
        TEST(it_holds_while_it_measures),
        TEST(a_round_that_nobody_begins_counts_those_that_train),
        TEST(who_is_gone_leaves_its_place_to_others),
        TEST(a_task_that_is_over_leaves_its_place_to_others),
        TEST(who_sent_in_time_counts_however_long_it_is_held),
        TEST(time_makes_a_version_of_what_there_is),
        TEST(cancelled_it_ends_all_its_rounds),
        TEST(a_start_from_outside_is_refused),
        TEST(how_it_aggregates_is_checked_as_for_its_rounds),
        TEST(its_versions_can_be_made_again),
        TEST(what_is_carried_keeps_its_base_and_not_its_updates),
        TEST(a_damaged_base_fails_its_round_and_not_the_start),
        TEST(whoever_trains_from_a_damaged_base_is_not_carried),
        TEST(rounds_that_cannot_begin_lose_nobody),
        TEST(rounds_of_others_lose_nobody),
    };
    return cmocka_run_group_tests_name("coordinator/asynchronous", tests, NULL, NULL);
}
