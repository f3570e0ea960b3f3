/* Checks that a manager which dies at any moment and starts anew on the same folder
 * does what it was doing: a script with a small broker, two proplets and one that is
 * gone is run once for each of its steps, with a crash at that step, and then with
 * crashes at random ones. Each task must be started once as its proplet sees it,
 * and end once as anyone sees it.
 *
 * A step is a message that is handed to the manager, a message that it publishes
 * (it dies before the broker has it, or after) and a tick. The broker keeps what the
 * manager had not settled, as a session does. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "io/file.h"
#include "manager/manager.h"
#include "wire/proplet_msg.h"
#include "wire/task_msg.h"

#define P         "m/demo/c/fl/"
#define T0        ((uint64_t)1000000)
#define QUEUE_MAX 512
#define TASKS_MAX 16

static const char rules_text[] =
    "{\"launch\":[{\"topic\":\"jobs/start\",\"id\":\"job\",\"participants\":\"who\","
    "\"image\":\"image\",\"timeout_s\":{\"field\":\"limit\",\"default\":30},"
    "\"name\":\"job-{id}-{proplet}\",\"env\":{\"JOB\":\"job\"}}],"
    "\"close\":[{\"topic\":\"jobs/+/done\",\"id\":1}],\"forward\":[],\"pin\":[]}";

struct queued {
    char topic[128];
    char text[1024];
};

/* What the world knows of a task. */
struct seen {
    struct id id;
    char proplet[16]; /* that was given it; empty: nobody */
    size_t starts;    /* that reached it */
    char end[128];    /* state and reason; empty: none was told */
};

struct fixture {
    char folder[64];
    const char *boot_id;
    struct rules *rules;
    struct manager *m;
    uint64_t now_ms;
    /* The broker: what it still has to hand over, and what it has not acknowledged. */
    struct queued queue[QUEUE_MAX];
    size_t queue_count;
    size_t unacknowledged;
    bool close_sent;
    bool mute; /* the proplets do not answer */
    struct seen tasks[TASKS_MAX];
    size_t task_count;
    /* Crashes. */
    size_t steps;
    size_t crash_at;       /* the step; SIZE_MAX: none */
    unsigned crash_one_in; /* steps, at random; 0: none */
    uint32_t random;
    size_t crashes;
    jmp_buf crash;
};

static struct fixture f;

static bool crash_now(void)
{
    size_t step = f.steps++;
    if (step == f.crash_at)
        return true;
    f.random = f.random * 1664525u + 1013904223u;
    return f.crash_one_in != 0 && (f.random >> 8) % f.crash_one_in == 0;
}

static void maybe_crash(void)
{
    if (crash_now())
        longjmp(f.crash, 1);
}

/* ---- the world ---- */

static void enqueue(const char *topic, const char *text)
{
    assert_true(f.queue_count < QUEUE_MAX);
    struct queued *q = &f.queue[f.queue_count++];
    (void)snprintf(q->topic, sizeof q->topic, "%s", topic);
    (void)snprintf(q->text, sizeof q->text, "%s", text);
}

static struct seen *task_of_id(const char *id)
{
    for (size_t i = 0; i < f.task_count; i++)
        if (strcmp(f.tasks[i].id.text, id) == 0)
            return &f.tasks[i];
    assert_true(f.task_count < TASKS_MAX);
    struct seen *t = &f.tasks[f.task_count++];
    *t = (struct seen){0};
    assert_int_equal(id_from(id, &t->id), ST_OK);
    return t;
}

/* A proplet runs what it was not given before, and answers each start. */
static void on_started(const char *proplet, struct view payload)
{
    struct start_msg start;
    struct id id;
    struct why why;
    char text[512];
    assert_int_equal(start_msg_decode(payload, &start, &id, &why), ST_OK);
    assert_string_equal(start.proplet_id.text, proplet);
    struct seen *task = task_of_id(id.text);
    (void)snprintf(task->proplet, sizeof task->proplet, "%s", proplet);
    task->starts++;
    start_msg_done(&start);
    if (f.mute || strcmp(proplet, "gone") == 0)
        return;
    (void)snprintf(text, sizeof text,
                   "{\"task_id\":\"%s\",\"proplet_id\":\"%s\",\"results\":\"\",\"error\":null,"
                   "\"reason\":\"completed\"}",
                   id.text, proplet);
    enqueue(P "control/proplet/results", text);
    /* The first answer is enough for whoever asked. */
    if (!f.close_sent)
        enqueue("jobs/j1/done", "{}");
    f.close_sent = true;
}

static void on_event(struct view payload)
{
    json_t *event = NULL;
    struct why why;
    char end[128];
    assert_int_equal(jsn_parse(payload, CONTROL_SIZE_MAX, &event, &why), ST_OK);
    const char *state = json_string_value(json_object_get(event, "state"));
    struct seen *task = task_of_id(json_string_value(json_object_get(event, "task_id")));
    if (strcmp(state, "running") != 0) {
        (void)snprintf(end, sizeof end, "%s %s", state,
                       json_string_value(json_object_get(event, "reason")));
        /* It may be told twice, but never two things. */
        if (task->end[0] != '\0')
            assert_string_equal(task->end, end);
        strcpy(task->end, end);
    }
    json_decref(event);
}

static enum status publish(void *owner, const struct mqtt_message *message)
{
    static const char start[] = P "control/manager/start/";
    (void)owner;
    maybe_crash();
    if (strncmp(message->topic, start, sizeof start - 1) == 0)
        on_started(message->topic + sizeof start - 1, message->payload);
    else if (strcmp(message->topic, P "control/manager/tasks") == 0)
        on_event(message->payload);
    f.unacknowledged++;
    maybe_crash();
    return ST_OK;
}

static size_t pending(void *owner)
{
    (void)owner;
    return f.unacknowledged;
}

/* ---- the manager's lives ---- */

static void open_manager(void)
{
    struct why why = {""};
    const struct manager_out out = {.publish = publish, .pending = pending};
    const struct manager_settings settings = {.space = {{"demo"}, {"fl"}},
                                              .client_id = {"manager"},
                                              .state_dir = f.folder,
                                              .boot_id = f.boot_id,
                                              .alive_interval_s = 10,
                                              .lost_after_s = 15,
                                              .result_margin_s = 10};
    f.unacknowledged = 0;
    enum status status = manager_new(&settings, f.rules, &out, f.now_ms, &f.m, &why);
    if (status != ST_OK)
        fail_msg("%s", why.text);
}

static void tick(void)
{
    f.unacknowledged = 0; /* all have been acknowledged since the last one */
    manager_tick(f.m, f.now_ms, true);
}

/* Hands over what waits, in bursts of two, until nothing does. */
static void hand_over(void)
{
    while (f.queue_count > 0) {
        size_t burst = f.queue_count < 2 ? f.queue_count : 2;
        for (size_t i = 0; i < burst; i++) {
            maybe_crash();
            manager_message(f.m,
                            &(struct mqtt_message){.topic = f.queue[i].topic,
                                                   .payload = view_text(f.queue[i].text)},
                            f.now_ms);
        }
        maybe_crash();
        manager_settle(f.m, f.now_ms);
        memmove(f.queue, f.queue + burst, (f.queue_count - burst) * sizeof f.queue[0]);
        f.queue_count -= burst;
    }
}

static void heartbeat(const char *proplet)
{
    struct id id;
    assert_int_equal(id_from(proplet, &id), ST_OK);
    char *text = proplet_alive_encode(&id, false);
    enqueue(P "control/proplet/alive", text);
    free(text);
}

static bool all_ended(void)
{
    for (size_t i = 0; i < f.task_count; i++)
        if (f.tasks[i].end[0] == '\0')
            return false;
    return f.task_count > 0;
}

/* Time passes, and the two that are there say so, until every task has ended. */
static void let_time_pass(void)
{
    for (int i = 0; i < 2 * 200 && !all_ended(); i++) {
        if (i % 10 == 0)
            maybe_crash();
        if (i % 20 == 0) {
            heartbeat("p1");
            heartbeat("p2");
        }
        hand_over();
        f.now_ms += 500;
        tick();
    }
}

/* From whatever has been done so far to the end, over all crashes. */
static void run(void)
{
    if (setjmp(f.crash) != 0) {
        f.crashes++;
        assert_true(f.crashes < 1000);
        f.m = manager_free(f.m); /* which records nothing */
    }
    if (f.m == NULL)
        open_manager();
    tick();
    hand_over();
    let_time_pass();
}

static int setup(void **state)
{
    (void)state;
    struct why why;
    f = (struct fixture){
        .folder = "/tmp/fml-crash-XXXXXX", .boot_id = "boot-1", .now_ms = T0, .crash_at = SIZE_MAX};
    if (mkdtemp(f.folder) == NULL || rules_parse(view_text(rules_text), &f.rules, &why) != ST_OK)
        return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    f.m = manager_free(f.m);
    f.rules = rules_free(f.rules);
    return file_remove_tree(f.folder) == ST_OK ? 0 : -1;
}

/* The image's bytes come as one part. */
static void push_tool(void)
{
    static const char module[] = "\0asm\1\0\0\0";
    struct view bytes = view_of(module, 8);
    struct digest digest = digest_of(bytes);
    char hex[DIGEST_HEX_SIZE], text[512], topic[256];
    digest_hex(&digest, hex);
    (void)snprintf(
        text, sizeof text,
        "{\"name\":\"tool\",\"client_id\":\"cli\",\"manifest\":{\"digest\":\"sha256:%s\","
        "\"size\":8,\"part_size\":262144,\"parts\":[\"%s\"]}}",
        hex, hex);
    (void)snprintf(topic, sizeof topic, P "registry/part/manager/%s/0", hex);
    manager_message(f.m,
                    &(struct mqtt_message){.topic = P "registry/push", .payload = view_text(text)},
                    f.now_ms);
    manager_message(f.m, &(struct mqtt_message){.topic = topic, .payload = bytes}, f.now_ms);
    assert_int_equal(manager_counters(f.m)->pushes, 1);
}

/* A manager that has an image and knows p1, p2 and one that will go. */
static void prepare(void)
{
    open_manager();
    tick();
    push_tool();
    static const char *const names[] = {"p1", "p2", "gone"};
    for (size_t i = 0; i < 3; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "{\"proplet_id\":\"%s\",\"start_topic\":\"own\"}",
                       names[i]);
        enqueue(P "control/proplet/create", text);
    }
    hand_over();
    tick();
}

static void launch(const char *who, unsigned limit_s)
{
    char text[256];
    (void)snprintf(text, sizeof text, "{\"job\":\"j1\",\"who\":%s,\"image\":\"tool\",\"limit\":%u}",
                   who, limit_s);
    enqueue("jobs/start", text);
}

/* One launch for three, of which one goes. */
static void script(size_t crash_at, unsigned crash_one_in, uint32_t seed)
{
    prepare();
    f.steps = 0;
    f.crash_at = crash_at;
    f.crash_one_in = crash_one_in;
    f.random = seed;
    launch("[\"p1\",\"p2\",\"gone\"]", 30);
    enqueue(P "control/proplet/alive",
            "{\"proplet_id\":\"gone\",\"status\":\"offline\",\"start_topic\":\"own\"}");
    run();
}

static size_t tasks_given_to(const char *proplet)
{
    size_t count = 0;
    for (size_t i = 0; i < f.task_count; i++)
        count += strcmp(f.tasks[i].proplet, proplet) == 0;
    return count;
}

static const char *end_of(const char *proplet)
{
    for (size_t i = 0; i < f.task_count; i++)
        if (strcmp(f.tasks[i].proplet, proplet) == 0)
            return f.tasks[i].end;
    return "(no task)";
}

static void check(void)
{
    assert_int_equal(f.task_count, 3);
    assert_int_equal(tasks_given_to("p1"), 1);
    assert_int_equal(tasks_given_to("p2"), 1);
    assert_int_equal(tasks_given_to("gone"), 1);
    assert_string_equal(end_of("p1"), "completed completed");
    assert_string_equal(end_of("p2"), "completed completed");
    assert_non_null(strstr(end_of("gone"), "failed "));
    /* And the manager itself says the same after one more start. */
    f.crash_at = SIZE_MAX;
    f.crash_one_in = 0;
    f.m = manager_free(f.m);
    open_manager();
    tick();
    launch("[\"p1\"]", 30); /* the same id */
    hand_over();
    assert_int_equal(manager_counters(f.m)->launches_duplicate, 1);
    assert_int_equal(f.task_count, 3);
    tick();
    assert_true(all_ended());
}

/* ---- crashes ---- */

static void without_a_crash_each_start_is_sent_once(void **state)
{
    (void)state;
    script(SIZE_MAX, 0, 0);
    for (size_t i = 0; i < f.task_count; i++)
        assert_int_equal(f.tasks[i].starts, 1);
    assert_int_equal(f.crashes, 0);
    check();
}

static void a_crash_at_any_step_changes_nothing(void **state)
{
    size_t step = 0;
    bool crashed = true;
    for (; crashed; step++) {
        if (step > 0)
            assert_int_equal(setup(state), 0);
        script(step, 0, 0);
        crashed = f.crashes > 0;
        check();
        if (crashed)
            assert_int_equal(teardown(state), 0);
    }
    assert_true(step > 30); /* the script has that many at least */
    print_message("           a crash at each of %zu steps\n", step - 1);
}

static void crashes_at_random_steps_change_nothing(void **state)
{
    size_t crashes = 0;
    for (uint32_t seed = 1; seed <= 15; seed++) {
        if (seed > 1)
            assert_int_equal(setup(state), 0);
        script(SIZE_MAX, 8, seed);
        check();
        crashes += f.crashes;
        if (seed < 15)
            assert_int_equal(teardown(state), 0);
    }
    assert_true(crashes > 30);
    print_message("           %zu crashes\n", crashes);
}

/* ---- leases ---- */

static void start_one_that_is_mute(void)
{
    prepare();
    f.mute = true;
    launch("[\"p1\"]", 100); /* and 10 of margin */
    hand_over();
    tick();
    assert_int_equal(f.task_count, 1);
}

static void pass_s(unsigned s)
{
    for (unsigned i = 0; i < 2 * s; i++) {
        f.now_ms += 500;
        if (i % 20 == 0)
            heartbeat("p1");
        hand_over();
        tick();
    }
}

static void restart(void)
{
    f.m = manager_free(f.m);
    open_manager();
    tick();
}

static void a_deadline_goes_on_over_a_restart(void **state)
{
    (void)state;
    start_one_that_is_mute();
    pass_s(40);
    f.m = manager_free(f.m);
    f.now_ms += 30 * 1000; /* nobody is there for that long */
    open_manager();
    tick();
    pass_s(39);
    assert_string_equal(end_of("p1"), "");
    pass_s(1); /* 110 in all */
    assert_string_equal(end_of("p1"), "failed no_result");
}

/* The clock of another start of the machine begins anew: what was left is left. */
static void a_deadline_keeps_what_was_left_over_a_start_of_the_machine(void **state)
{
    (void)state;
    start_one_that_is_mute();
    pass_s(40);
    f.boot_id = "boot-2";
    f.now_ms = 7000;
    restart();
    pass_s(69);
    assert_string_equal(end_of("p1"), "");
    /* Up to 10 s more: the store need not have known the last ones before it. */
    pass_s(11);
    assert_string_equal(end_of("p1"), "failed no_result");
}

static void a_clock_that_went_back_changes_no_deadline(void **state)
{
    (void)state;
    start_one_that_is_mute();
    pass_s(40);
    f.now_ms = 5000; /* the same boot, by its name */
    restart();
    pass_s(69);
    assert_string_equal(end_of("p1"), "");
    pass_s(11);
    assert_string_equal(end_of("p1"), "failed no_result");
}

static void a_device_that_is_gone_ends_its_task_over_a_restart(void **state)
{
    (void)state;
    start_one_that_is_mute();
    enqueue(P "control/proplet/alive",
            "{\"proplet_id\":\"p1\",\"status\":\"offline\",\"start_topic\":\"own\"}");
    hand_over();
    restart();
    for (int i = 0; i < 2 * 15; i++) {
        assert_string_equal(end_of("p1"), "");
        f.now_ms += 500;
        tick();
    }
    assert_string_equal(end_of("p1"), "failed proplet_lost");
}

static void a_device_that_went_while_nobody_looked_ends_its_task_too(void **state)
{
    (void)state;
    start_one_that_is_mute();
    restart();
    for (int i = 0; i < 2 * 51; i++) { /* 35 of silence, 15 to come back */
        f.now_ms += 500;
        tick();
    }
    assert_string_equal(end_of("p1"), "failed proplet_lost");
}

static void a_close_holds_over_a_restart(void **state)
{
    (void)state;
    start_one_that_is_mute();
    enqueue("jobs/j1/done", "{}");
    hand_over();
    restart();
    pass_s(9);
    assert_string_equal(end_of("p1"), "");
    pass_s(2);
    assert_string_equal(end_of("p1"), "failed launch_closed");
}

/* ---- a store that fails ---- */

static void set_file_limit(rlim_t limit)
{
    struct rlimit now;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = limit == RLIM_INFINITY ? now.rlim_max : limit;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void nothing_is_sent_that_is_not_recorded(void **state)
{
    (void)state;
    prepare();
    f.unacknowledged = 0;
    set_file_limit(0); /* as if the disk were full */
    launch("[\"p1\",\"p2\"]", 30);
    hand_over();
    tick();
    assert_int_equal(f.unacknowledged, 0);
    assert_int_equal(f.task_count, 0);
    /* While that lasts, a further launch is refused, and may come again. */
    enqueue("jobs/start", "{\"job\":\"j2\",\"who\":[\"p1\"],\"image\":\"tool\"}");
    hand_over();
    assert_int_equal(manager_counters(f.m)->launches_refused, 1);

    set_file_limit(RLIM_INFINITY); /* there is space again */
    tick();
    assert_int_equal(tasks_given_to("p1"), 1);
    assert_int_equal(tasks_given_to("p2"), 1);
    hand_over();
    enqueue("jobs/start", "{\"job\":\"j2\",\"who\":[\"p1\"],\"image\":\"tool\"}");
    hand_over();
    assert_int_equal(tasks_given_to("p1"), 2);
    assert_int_equal(manager_counters(f.m)->launches_duplicate, 0);
}

static void a_crash_while_it_cannot_record_loses_only_what_nobody_was_told(void **state)
{
    (void)state;
    prepare();
    set_file_limit(0);
    launch("[\"p1\",\"p2\",\"gone\"]", 30);
    hand_over();
    f.m = manager_free(f.m);
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(f.task_count, 0);
    /* It was never heard of, so whoever asked may ask again. */
    launch("[\"p1\",\"p2\",\"gone\"]", 30);
    enqueue(P "control/proplet/alive",
            "{\"proplet_id\":\"gone\",\"status\":\"offline\",\"start_topic\":\"own\"}");
    run();
    check();
}

static void a_damaged_store_is_named_and_not_used(void **state)
{
    (void)state;
    prepare();
    f.m = manager_free(f.m);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/manager.db", f.folder);
    struct bytes file = {0};
    assert_int_equal(file_read(path, 1 << 20, &file), ST_OK);
    memset(file.data + file.size / 2, 0x5a, file.size / 4);
    assert_int_equal(file_write(path, bytes_view(&file)), ST_OK);
    bytes_done(&file);
    struct manager *m = NULL;
    struct why why = {""};
    const struct manager_out out = {.publish = publish, .pending = pending};
    const struct manager_settings settings = {.space = {{"demo"}, {"fl"}},
                                              .client_id = {"manager"},
                                              .state_dir = f.folder,
                                              .boot_id = f.boot_id,
                                              .alive_interval_s = 10,
                                              .lost_after_s = 15,
                                              .result_margin_s = 10};
    assert_int_equal(manager_new(&settings, f.rules, &out, f.now_ms, &m, &why), ST_CORRUPT);
    assert_null(m);
    assert_non_null(strstr(why.text, path));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_crash_each_start_is_sent_once),
        TEST(a_crash_at_any_step_changes_nothing),
        TEST(crashes_at_random_steps_change_nothing),
        TEST(a_deadline_goes_on_over_a_restart),
        TEST(a_deadline_keeps_what_was_left_over_a_start_of_the_machine),
        TEST(a_clock_that_went_back_changes_no_deadline),
        TEST(a_device_that_is_gone_ends_its_task_over_a_restart),
        TEST(a_device_that_went_while_nobody_looked_ends_its_task_too),
        TEST(a_close_holds_over_a_restart),
        TEST(nothing_is_sent_that_is_not_recorded),
        TEST(a_crash_while_it_cannot_record_loses_only_what_nobody_was_told),
        TEST(a_damaged_store_is_named_and_not_used),
    };
    return cmocka_run_group_tests_name("manager/crash", tests, NULL, NULL);
}
