/* The simulator with a way out that records. That guests run and are answered for is shown
 * by tests/system/test_simulate.py, with the real broker. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/jsn.h"
#include "device/fake_out.h"
#include "simulate/simulator.h"

#define P           "m/d/c/c/"
#define DEVICES     10
#define INTERVAL_MS 10000
#define DIGEST      "sha256:693ca9f539d16e9f88f2f751cd020bbb6e4928337a1c9fb2b8d0a0a71f6fb130"

static char root[] = "/tmp/fml-simulator-XXXXXX";
static char state_dir[64], data_dir[64];
static uv_loop_t loop;
static struct fake_out *fake;
static struct simulator *simulator;
static struct simulator_settings settings;

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int set_up_group(void **state)
{
    (void)state;
    char path[128];
    assert_non_null(mkdtemp(root));
    (void)snprintf(state_dir, sizeof state_dir, "%s/state", root);
    (void)snprintf(data_dir, sizeof data_dir, "%s/data", root);
    assert_int_equal(mkdir(data_dir, 0700), 0);
    for (int i = 1; i <= 3; i++) {
        (void)snprintf(path, sizeof path, "%s/device-%d", data_dir, i);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int set_up(void **state)
{
    (void)state;
    struct why why = {0};
    settings = (struct simulator_settings){
        .space = {.domain = {"d"}, .channel = {"c"}},
        .id = {"simulator"},
        .manager = {"manager"},
        .devices = {.prefix = {"device"}, .count = DEVICES},
        .data_dir = data_dir,
        .state_dir = state_dir,
        .runner = "/nowhere/fml-runner",
        .worker = "/nowhere/fml-worker",
        .workers = 2,
        .memory_bytes = 1 << 20,
        .alive_interval_s = INTERVAL_MS / 1000,
        .model_wait_s = 1,
        .resend_s = 5,
    };
    assert_int_equal(uv_loop_init(&loop), 0);
    fake = fake_out_new();
    assert_int_equal(simulator_new(&loop, &settings, &fake->out, &simulator, &why), ST_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (simulator != NULL)
        simulator_stop(simulator);
    simulator = simulator_free(simulator);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    fake = fake_out_free(fake);
    return 0;
}

static size_t count_sent(const char *topic, const char *part)
{
    size_t count = 0;
    for (size_t i = 0; i < fake->published_count; i++) {
        char *text = text_of(bytes_view(&fake->published[i].payload));
        count += strcmp(fake->published[i].topic, topic) == 0 && strstr(text, part) != NULL;
        free(text);
    }
    return count;
}

static size_t results_with(const char *part)
{
    return count_sent(P "control/proplet/results", part);
}

static void bring(const char *topic, const char *payload)
{
    const struct mqtt_message m = {.topic = topic, .payload = view_text(payload)};
    simulator_message(simulator, &m);
}

#define START(id, more) "{\"id\":\"" id "\",\"image_digest\":\"" DIGEST "\"" more "}"

static void all_devices_register_at_each_connect(void **state)
{
    (void)state;
    simulator_connected(simulator);
    assert_int_equal(count_sent(P "control/proplet/create", "\"start_topic\":\"own\""), DEVICES);
    assert_int_equal(count_sent(P "control/proplet/create", "\"device-10\""), 1);
    assert_int_equal(count_sent(P "control/proplet/create", "\"simulated\":true"), DEVICES);
    simulator_connected(simulator);
    assert_int_equal(count_sent(P "control/proplet/create", "\"device-10\""), 2);
}

static void heartbeats_are_spread_over_the_interval(void **state)
{
    (void)state;
    simulator_connected(simulator);
    for (int i = 0; i <= DEVICES; i++) {
        size_t expected = (size_t)i;
        fake->now_ms += i == 0 ? INTERVAL_MS - 1 : i == 1 ? 1 : INTERVAL_MS / DEVICES;
        simulator_tick(simulator);
        assert_int_equal(count_sent(P "control/proplet/alive", "\"alive\""), expected);
    }
    fake->offline = true;
    fake->now_ms += 3 * INTERVAL_MS;
    simulator_tick(simulator);
    assert_int_equal(count_sent(P "control/proplet/alive", "\"alive\""), DEVICES);
}

static void it_says_goodbye_for_all(void **state)
{
    (void)state;
    simulator_connected(simulator);
    simulator_stop(simulator);
    assert_true(simulator_stopped(simulator));
    assert_int_equal(count_sent(P "control/proplet/alive", "\"offline\""), DEVICES);
    simulator_connected(simulator);
    assert_int_equal(count_sent(P "control/proplet/create", "device"), DEVICES);
}

static void folders_of_data_are_counted(void **state)
{
    (void)state;
    assert_int_equal(simulator_shards(simulator), 3);
}

static void without_its_data_it_does_not_begin(void **state)
{
    (void)state;
    struct simulator *none = NULL;
    struct why why = {0};
    settings.data_dir = "/nowhere/data";
    assert_int_equal(simulator_new(&loop, &settings, &fake->out, &none, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "/nowhere/data"));
    assert_null(none);
}

static void a_start_that_cannot_be_read_is_answered_under_the_devices_name(void **state)
{
    (void)state;
    bring(P "control/manager/start/device-3", "{\"id\":\"t-1\",\"env\":[]}");
    assert_int_equal(results_with("\"bad_start\""), 1);
    assert_int_equal(results_with("\"proplet_id\":\"device-3\""), 1);
    bring(P "control/manager/start/device-3", START("t-2", ",\"proplet_id\":\"device-4\""));
    assert_int_equal(results_with("\"bad_start\""), 2);
    bring(P "control/manager/start/device-3", "{\"id\":\"t-3\"}"); /* no image */
    assert_int_equal(results_with("\"bad_start\""), 3);
    bring(P "control/manager/start/device-3", "no JSON"); /* whose answer would it be? */
    assert_int_equal(fake->published_count, 3);
}

static void starts_of_others_are_not_ours(void **state)
{
    (void)state;
    bring(P "control/manager/start/proplet-1", START("t-1", ""));
    bring(P "control/manager/start/device-11", START("t-1", ""));
    bring("m/x/c/c/control/manager/start/device-1", START("t-1", ""));
    assert_int_equal(fake->published_count, 0);
    assert_int_equal(simulator_counters(simulator).started, 0);
}

static void devices_that_need_one_image_ask_for_it_once(void **state)
{
    (void)state;
    bring(P "control/manager/start/device-1", START("t-1", ""));
    bring(P "control/manager/start/device-2", START("t-2", ""));
    assert_int_equal(count_sent(P "registry/get/manager", "\"simulator\""), 0); /* more may come */
    fake->now_ms += 50;
    simulator_tick(simulator);
    assert_int_equal(count_sent(P "registry/get/manager", "\"simulator\""), 1);
    assert_int_equal(simulator_counters(simulator).started, 2);
}

static void a_start_that_comes_twice_is_one_task(void **state)
{
    (void)state;
    bring(P "control/manager/start/device-1", START("t-1", ""));
    bring(P "control/manager/start/device-1", START("t-1", ""));
    assert_int_equal(simulator_counters(simulator).started, 1);
    bring(P "control/manager/stop/device-1", "{\"id\":\"t-1\"}");
    assert_int_equal(results_with("\"stopped\""), 1);
    bring(P "control/manager/start/device-1", START("t-1", ""));
    assert_int_equal(results_with("\"stopped\""), 2); /* the same answer */
    assert_int_equal(simulator_counters(simulator).started, 1);
    assert_int_equal(simulator_counters(simulator).failed, 1);
}

static void a_stop_ends_the_task_of_its_device_only(void **state)
{
    (void)state;
    bring(P "control/manager/start/device-1", START("t-1", ""));
    bring(P "control/manager/start/device-2", START("t-2", ""));
    bring(P "control/manager/stop/device-2", "{\"id\":\"t-1\"}");
    assert_int_equal(results_with("t-"), 0);
    bring(P "control/manager/stop/device-2", "{\"id\":\"t-2\"}");
    assert_int_equal(results_with("t-2"), 1);
    assert_int_equal(results_with("t-1"), 0);
}

static void a_task_whose_image_does_not_come_ends_at_its_deadline(void **state)
{
    (void)state;
    bring(P "control/manager/start/device-1", START("t-1", ",\"timeout_s\":2"));
    fake->now_ms += 1999;
    simulator_tick(simulator);
    assert_int_equal(results_with("t-1"), 0);
    fake->now_ms++;
    simulator_tick(simulator);
    assert_int_equal(results_with("\"deadline\""), 1);
}

static void a_silent_device_is_not_heard_of_again(void **state)
{
    (void)state;
    struct why why = {0};
    simulator_stop(simulator);
    simulator = simulator_free(simulator);
    settings.devices.drop = 1;
    assert_int_equal(simulator_new(&loop, &settings, &fake->out, &simulator, &why), ST_OK);
    fake_out_clear(fake);
    bring(P "control/manager/start/device-1", START("t-1", ",\"timeout_s\":1"));
    bring(P "control/manager/stop/device-1", "{\"id\":\"t-1\"}");
    fake->now_ms += 1000;
    simulator_tick(simulator);
    assert_int_equal(fake->published_count, 0);
    assert_int_equal(simulator_counters(simulator).silent, 1);
}

static void when_it_ends_each_task_is_answered_first(void **state)
{
    (void)state;
    bring(P "control/manager/start/device-1", START("t-1", ""));
    fake_out_clear(fake);
    simulator_stop(simulator);
    assert_string_equal(fake->published[0].topic, P "control/proplet/results");
    assert_int_equal(results_with("\"stopped\""), 1);
    bring(P "control/manager/start/device-2", START("t-2", ""));
    assert_int_equal(results_with("\"stopped\""), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_devices_register_at_each_connect),
        TEST(heartbeats_are_spread_over_the_interval),
        TEST(it_says_goodbye_for_all),
        TEST(folders_of_data_are_counted),
        TEST(without_its_data_it_does_not_begin),
        TEST(a_start_that_cannot_be_read_is_answered_under_the_devices_name),
        TEST(starts_of_others_are_not_ours),
        TEST(devices_that_need_one_image_ask_for_it_once),
        TEST(a_start_that_comes_twice_is_one_task),
        TEST(a_stop_ends_the_task_of_its_device_only),
        TEST(a_task_whose_image_does_not_come_ends_at_its_deadline),
        TEST(a_silent_device_is_not_heard_of_again),
        TEST(when_it_ends_each_task_is_answered_first),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
