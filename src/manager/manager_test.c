/* Checks the manager as a whole: messages and time go in, what it publishes is
 * looked at. No broker, no clock, no sleep; images lie in a folder of their own.
 * The rules are of no real workload: the manager must not care. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "io/file.h"
#include "manager/manager.h"
#include "transfer/get_msg.h"
#include "transfer/manifest.h"
#include "wire/proplet_msg.h"
#include "wire/registry_msg.h"
#include "wire/task_msg.h"

#define P        "m/demo/c/fl/"
#define SENT_MAX 512
#define T0       ((uint64_t)1000000)

static const char rules_text[] =
    "{\"launch\":[{\"topic\":\"jobs/start\",\"id\":\"job\",\"participants\":\"who\","
    "\"image\":\"image\",\"timeout_s\":{\"field\":\"limit\",\"default\":30},"
    "\"name\":\"job-{id}-{proplet}\","
    "\"env\":{\"JOB\":\"job\",\"OPTIONS\":{\"field\":\"options\",\"default\":{}}},"
    "\"spec\":{\"job\":\"$job\",\"digest\":{\"$pin\":\"input\"}}}],"
    "\"forward\":[{\"from\":\"jobs/+/outputs/+\",\"to\":\"outputs\","
    "\"properties\":{\"job\":1,\"sender\":2}}],"
    "\"close\":[{\"topic\":\"jobs/+/done\",\"id\":1}],"
    "\"pin\":[{\"topic\":\"inputs/+\",\"property\":\"digest\"}]}";

/* A message that the manager published, copied. */
struct sent {
    char topic[TOPIC_SIZE_MAX];
    struct bytes payload;
    bool retain;
    char correlation[64];
    size_t property_count;
    struct {
        char key[64];
        char value[TOPIC_SIZE_MAX];
    } properties[PROPERTIES_MAX];
};

struct fixture {
    char folder[64];
    const char *boot_id;
    struct rules *rules;
    struct manager *m;
    struct digest image; /* of the image "tool" */
    uint64_t now_ms;
    size_t pending;             /* what manager_out.pending says */
    enum status publish_status; /* what publish says; nothing is kept if not ST_OK */
    bool in_publish;            /* or in another burst that is not over */
    const char *answer_at_once; /* a proplet whose results come before publish returns */
    size_t sent_count;
    struct sent sent[SENT_MAX];
};

static struct fixture f;

/* ---- in ---- */

static void message(const struct mqtt_message *msg)
{
    manager_message(f.m, msg, f.now_ms);
    if (!f.in_publish) /* there, the burst is not over */
        manager_settle(f.m, f.now_ms);
}

static void text_on(const char *topic, const char *text)
{
    message(&(struct mqtt_message){.topic = topic, .payload = view_text(text)});
}

/* Takes and frees text. */
static void owned_text_on(const char *topic, char *text)
{
    assert_non_null(text);
    text_on(topic, text);
    free(text);
}

static void after_s(unsigned s)
{
    /* In steps as main.c does, or it would look like a sleep of the machine. */
    for (unsigned i = 0; i < 2 * s; i++) {
        f.now_ms += 500;
        manager_tick(f.m, f.now_ms, true);
    }
}

static void create(const char *proplet)
{
    struct id id;
    assert_int_equal(id_from(proplet, &id), ST_OK);
    owned_text_on(P "control/proplet/create", proplet_create_encode(&id, NULL));
}

static void alive(const char *proplet, bool offline)
{
    struct id id;
    assert_int_equal(id_from(proplet, &id), ST_OK);
    owned_text_on(P "control/proplet/alive", proplet_alive_encode(&id, offline));
}

static void results(const char *task, const char *proplet, const char *error, const char *reason)
{
    char text[1024];
    if (error == NULL)
        (void)snprintf(text, sizeof text,
                       "{\"task_id\":\"%s\",\"proplet_id\":\"%s\",\"results\":\"\",\"error\":null,"
                       "\"reason\":\"%s\"}",
                       task, proplet, reason);
    else
        (void)snprintf(
            text, sizeof text,
            "{\"task_id\":\"%s\",\"proplet_id\":\"%s\",\"results\":\"\",\"error\":\"%s\","
            "\"reason\":\"%s\"}",
            task, proplet, error, reason);
    text_on(P "control/proplet/results", text);
}

static void launch(const char *job, const char *who)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "{\"job\":\"%s\",\"who\":%s,\"image\":\"tool\"}", job, who);
    text_on("jobs/start", text);
}

/* ---- out ---- */

static enum status publish(void *owner, const struct mqtt_message *msg)
{
    (void)owner;
    if (f.publish_status != ST_OK)
        return f.publish_status;
    assert_true(f.sent_count < SENT_MAX);
    struct sent *s = &f.sent[f.sent_count++];
    (void)snprintf(s->topic, sizeof s->topic, "%s", msg->topic);
    assert_int_equal(bytes_copy(&s->payload, msg->payload), ST_OK);
    s->retain = msg->retain;
    (void)snprintf(s->correlation, sizeof s->correlation, "%.*s", (int)msg->correlation.size,
                   msg->correlation.size == 0 ? "" : (const char *)msg->correlation.data);
    s->property_count = msg->property_count;
    for (size_t i = 0; i < msg->property_count; i++) {
        (void)snprintf(s->properties[i].key, 64, "%s", msg->properties[i].key);
        (void)snprintf(s->properties[i].value, TOPIC_SIZE_MAX, "%s", msg->properties[i].value);
    }

    char start_topic[128];
    if (f.answer_at_once == NULL)
        return ST_OK;
    (void)snprintf(start_topic, sizeof start_topic, P "control/manager/start/%s", f.answer_at_once);
    if (strcmp(msg->topic, start_topic) == 0) {
        struct start_msg start;
        struct id id;
        struct why why;
        assert_int_equal(start_msg_decode(msg->payload, &start, &id, &why), ST_OK);
        f.in_publish = true;
        results(id.text, f.answer_at_once, NULL, "completed");
        f.in_publish = false;
        start_msg_done(&start);
    }
    return ST_OK;
}

static size_t pending(void *owner)
{
    (void)owner;
    return f.pending;
}

static void forget_sent(void)
{
    for (size_t i = 0; i < f.sent_count; i++)
        bytes_done(&f.sent[i].payload);
    memset(f.sent, 0, f.sent_count * sizeof f.sent[0]);
    f.sent_count = 0;
}

/* The n-th message (from 0) on a topic; NULL: there are fewer. */
static const struct sent *sent_on(const char *topic, size_t n)
{
    for (size_t i = 0; i < f.sent_count; i++)
        if (strcmp(f.sent[i].topic, topic) == 0 && n-- == 0)
            return &f.sent[i];
    return NULL;
}

static size_t count_on(const char *topic)
{
    size_t n = 0;
    while (sent_on(topic, n) != NULL)
        n++;
    return n;
}

static json_t *json_of(const struct sent *s)
{
    json_t *object = NULL;
    struct why why;
    assert_non_null(s);
    assert_int_equal(jsn_parse(bytes_view(&s->payload), MESSAGE_SIZE_MAX, &object, &why), ST_OK);
    return object;
}

static const char *field(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "(none)" : text;
}

/* The id of the task that was started last on a proplet's own topic. */
static const char *started(const char *proplet)
{
    static struct id id;
    char topic[128];
    struct start_msg start;
    struct why why;
    (void)snprintf(topic, sizeof topic, P "control/manager/start/%s", proplet);
    size_t count = count_on(topic);
    assert_true(count > 0);
    assert_int_equal(
        start_msg_decode(bytes_view(&sent_on(topic, count - 1)->payload), &start, &id, &why),
        ST_OK);
    start_msg_done(&start);
    return id.text;
}

/* The answer to a query; to be released. */
static json_t *ask(const char *query)
{
    size_t before = count_on("answers/here");
    message(&(struct mqtt_message){.topic = P "control/manager/query",
                                   .payload = view_text(query),
                                   .response_topic = "answers/here",
                                   .correlation = view_text("c-1")});
    const struct sent *s = sent_on("answers/here", before);
    assert_non_null(s);
    assert_string_equal(s->correlation, "c-1");
    return json_of(s);
}

/* State and reason of the only task of a proplet, as a status query tells them:
 * "failed trap". Empty: it has none. */
static const char *task_of(const char *proplet)
{
    static char text[128];
    json_t *status = ask("{\"what\":\"status\"}");
    json_t *task;
    size_t i, found = 0;
    text[0] = '\0';
    json_array_foreach(json_object_get(status, "tasks"), i, task)
    {
        if (strcmp(field(task, "proplet_id"), proplet) != 0)
            continue;
        found++;
        (void)snprintf(text, sizeof text, "%s %s", field(task, "state"), field(task, "reason"));
    }
    assert_true(found <= 1);
    json_decref(status);
    return text;
}

/* True if a status query calls the proplet alive; fails if it is not listed. */
static bool is_alive(const char *proplet, json_int_t *ret_tasks)
{
    json_t *status = ask("{\"what\":\"status\"}");
    json_t *p;
    size_t i;
    int known = 0;
    bool result = false;
    json_array_foreach(json_object_get(status, "proplets"), i, p)
    {
        if (strcmp(field(p, "proplet_id"), proplet) != 0)
            continue;
        known++;
        result = json_is_true(json_object_get(p, "alive"));
        if (ret_tasks != NULL)
            *ret_tasks = json_integer_value(json_object_get(p, "tasks"));
    }
    json_decref(status);
    assert_int_equal(known, 1);
    return result;
}

/* ---- the life of a test ---- */

static const uint8_t *tool(void)
{
    /* Two parts and a bit, not all the same. */
    static uint8_t bytes[2 * PART_SIZE + 5];
    for (size_t i = 4; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    memcpy(bytes, "\0asm", 4);
    return bytes;
}

static struct view tool_view(void)
{
    return view_of(tool(), 2 * PART_SIZE + 5);
}

static char *push_text(const char *name, const char *client, struct view module)
{
    struct manifest manifest;
    assert_int_equal(manifest_of(module, PART_SIZE, &manifest), ST_OK);
    json_t *push = json_pack("{s:s, s:s, s:o}", "name", name, "client_id", client, "manifest",
                             manifest_encode(&manifest));
    char *text = jsn_text(push);
    json_decref(push);
    manifest_done(&manifest);
    return text;
}

/* The holder's part n of a module. */
static void part_comes(struct view module, uint32_t n)
{
    char topic[256], hex[DIGEST_HEX_SIZE];
    struct manifest manifest;
    assert_int_equal(manifest_of(module, PART_SIZE, &manifest), ST_OK);
    digest_hex(&manifest.digest, hex);
    (void)snprintf(topic, sizeof topic, P "registry/part/manager/%s/%u", hex, n);
    message(&(struct mqtt_message){.topic = topic, .payload = manifest_part(&manifest, module, n)});
    manifest_done(&manifest);
}

static void start_manager(void)
{
    struct why why;
    const struct manager_out out = {.publish = publish, .pending = pending};
    const struct manager_settings settings = {.space = {{"demo"}, {"fl"}},
                                              .client_id = {"manager"},
                                              .state_dir = f.folder,
                                              .boot_id = f.boot_id,
                                              .alive_interval_s = 10,
                                              .lost_after_s = 15,
                                              .result_margin_s = 10};
    assert_int_equal(manager_new(&settings, f.rules, &out, f.now_ms, &f.m, &why), ST_OK);
    manager_tick(f.m, f.now_ms, true);
}

/* A manager that has the image "tool" and knows p1 and p2. */
static int setup(void **state)
{
    (void)state;
    struct why why;
    f = (struct fixture){.folder = "/tmp/fml-manager-XXXXXX", .boot_id = "boot-1", .now_ms = T0};
    if (mkdtemp(f.folder) == NULL || rules_parse(view_text(rules_text), &f.rules, &why) != ST_OK)
        return -1;
    start_manager();
    owned_text_on(P "registry/push", push_text("tool", "cli", tool_view()));
    for (uint32_t n = 0; n < 3; n++)
        part_comes(tool_view(), n);
    f.image = digest_of(tool_view());
    create("p1");
    create("p2");
    forget_sent();
    return manager_counters(f.m)->pushes == 1 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    forget_sent();
    f.m = manager_free(f.m);
    f.rules = rules_free(f.rules);
    return file_remove_tree(f.folder) == ST_OK ? 0 : -1;
}

/* ---- launch ---- */

static void a_launch_starts_one_task_for_each_participant(void **state)
{
    (void)state;
    text_on("jobs/start", "{\"job\":\"j1\",\"who\":[\"p1\",\"p2\"],\"image\":\"oci://tool\","
                          "\"limit\":60,\"options\":{\"b\":2,\"a\":1}}");
    const struct sent *s = sent_on(P "control/manager/start/p1", 0);
    assert_non_null(s);
    assert_false(s->retain);
    struct start_msg start;
    struct id id;
    struct why why;
    assert_int_equal(start_msg_decode(bytes_view(&s->payload), &start, &id, &why), ST_OK);
    assert_int_equal(strlen(id.text), 32);
    assert_string_equal(start.proplet_id.text, "p1");
    assert_string_equal(start.name, "job-j1-p1");
    assert_string_equal(start.image_url, "oci://tool");
    assert_true(start.has_digest && digest_equal(&start.image_digest, &f.image));
    assert_int_equal(start.image_size, tool_view().size);
    assert_int_equal(start.timeout_s, 60);
    assert_string_equal(field(start.env, "JOB"), "j1");
    assert_string_equal(field(start.env, "OPTIONS"), "{\"a\":1,\"b\":2}");
    assert_string_equal(field(start.spec, "job"), "j1");
    start_msg_done(&start);

    assert_int_equal(count_on(P "control/manager/start/p1"), 1);
    assert_int_equal(count_on(P "control/manager/start/p2"), 1);
    assert_int_equal(count_on(P "control/manager/start"), 0);
    assert_string_not_equal(id.text, started("p2"));
    assert_string_equal(task_of("p1"), "running started");
    assert_string_equal(task_of("p2"), "running started");
}

static void each_change_of_a_task_is_told(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    char task[64];
    strcpy(task, started("p1"));
    results(task, "p1", "out of fuel", "cpu_limit");
    assert_int_equal(count_on(P "control/manager/tasks"), 2);
    json_t *event = json_of(sent_on(P "control/manager/tasks", 0));
    assert_string_equal(field(event, "task_id"), task);
    assert_string_equal(field(event, "launch_id"), "j1");
    assert_string_equal(field(event, "proplet_id"), "p1");
    assert_string_equal(field(event, "state"), "running");
    assert_string_equal(field(event, "reason"), "started");
    json_decref(event);
    event = json_of(sent_on(P "control/manager/tasks", 1));
    assert_string_equal(field(event, "state"), "failed");
    assert_string_equal(field(event, "reason"), "cpu_limit");
    assert_string_equal(field(event, "detail"), "out of fuel");
    json_decref(event);
}

static void a_pinned_input_reaches_the_spec(void **state)
{
    (void)state;
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&f.image, digest);
    struct mqtt_message pin = {.topic = "inputs/a", .payload = view_text("x"), .retain = true};
    pin.properties[pin.property_count++] = (struct mqtt_property){"digest", digest};
    message(&pin);
    text_on("jobs/start", "{\"job\":\"j1\",\"who\":[\"p1\"],\"image\":\"tool\","
                          "\"input\":\"inputs/a\"}");
    json_t *start = json_of(sent_on(P "control/manager/start/p1", 0));
    assert_string_equal(field(json_object_get(start, "spec"), "digest"), digest);
    json_decref(start);

    /* A digest that is none changes nothing; an empty message takes the pin away. */
    pin.properties[0].value = "sha256:nonsense";
    message(&pin);
    assert_int_equal(manager_counters(f.m)->messages_refused, 1);
    text_on("jobs/start", "{\"job\":\"j2\",\"who\":[\"p1\"],\"image\":\"tool\","
                          "\"input\":\"inputs/a\"}");
    start = json_of(sent_on(P "control/manager/start/p1", 1));
    assert_string_equal(field(json_object_get(start, "spec"), "digest"), digest);
    json_decref(start);
    message(&(struct mqtt_message){.topic = "inputs/a", .retain = true});
    text_on("jobs/start", "{\"job\":\"j3\",\"who\":[\"p1\"],\"image\":\"tool\","
                          "\"input\":\"inputs/a\"}");
    start = json_of(sent_on(P "control/manager/start/p1", 2));
    assert_string_equal(field(json_object_get(start, "spec"), "digest"), "(none)");
    json_decref(start);
}

static void a_launch_is_done_once(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    size_t sent = f.sent_count;
    launch("j1", "[\"p1\"]");
    launch("j1", "[\"p2\"]"); /* other content, same id */
    assert_int_equal(f.sent_count, sent);
    assert_int_equal(manager_counters(f.m)->launches, 1);
    assert_int_equal(manager_counters(f.m)->launches_duplicate, 2);
    assert_string_equal(task_of("p2"), "");
}

static void a_bad_launch_changes_nothing_and_may_come_again(void **state)
{
    (void)state;
    launch("j1", "[\"p1\",\"p1\"]");
    launch("j1", "[]");
    launch("j/1", "[\"p1\"]");
    text_on("jobs/start", "not json");
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->launches_refused, 4);
    assert_string_equal(task_of("p1"), "");
    launch("j1", "[\"p1\"]");
    assert_int_equal(manager_counters(f.m)->launches, 1);
}

static void a_retained_launch_is_of_the_past(void **state)
{
    (void)state;
    message(&(struct mqtt_message){
        .topic = "jobs/start",
        .payload = view_text("{\"job\":\"j1\",\"who\":[\"p1\"],\"image\":\"tool\"}"),
        .retain = true});
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->launches, 0);
}

static void who_cannot_run_it_has_a_failed_task(void **state)
{
    (void)state;
    alive("p2", true);
    launch("j1", "[\"p1\",\"p2\",\"nobody\"]");
    assert_string_equal(task_of("p1"), "running started");
    assert_string_equal(task_of("p2"), "failed proplet_offline");
    assert_string_equal(task_of("nobody"), "failed unknown_proplet");
    assert_int_equal(count_on(P "control/manager/start/p2"), 0);
    assert_int_equal(count_on(P "control/manager/start/nobody"), 0);
    assert_int_equal(count_on(P "control/manager/tasks"), 3);
}

static void an_unknown_image_fails_all_tasks(void **state)
{
    (void)state;
    text_on("jobs/start", "{\"job\":\"j1\",\"who\":[\"p1\",\"p2\"],\"image\":\"tool:v9\"}");
    assert_string_equal(task_of("p1"), "failed image_unknown");
    assert_string_equal(task_of("p2"), "failed image_unknown");
    assert_int_equal(manager_counters(f.m)->starts, 0);
    assert_int_equal(manager_counters(f.m)->launches, 1);
}

static void a_start_that_cannot_be_sent_yet_is_sent_later_and_once(void **state)
{
    (void)state;
    f.publish_status = ST_LIMIT;
    launch("j1", "[\"p1\"]");
    after_s(5);
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->starts, 0);
    f.publish_status = ST_OK;
    after_s(5);
    assert_int_equal(count_on(P "control/manager/start/p1"), 1);
    assert_int_equal(count_on(P "control/manager/tasks"), 1);
    assert_int_equal(manager_counters(f.m)->starts, 1);
    assert_string_equal(task_of("p1"), "running started");
}

static void a_start_that_can_never_be_sent_ends_with_its_task(void **state)
{
    (void)state;
    f.publish_status = ST_LIMIT;
    launch("j1", "[\"p1\"]");
    after_s(41);
    f.publish_status = ST_OK;
    after_s(1);
    assert_int_equal(count_on(P "control/manager/start/p1"), 0);
    assert_string_equal(task_of("p1"), "failed no_result");
    assert_int_equal(count_on(P "control/manager/tasks"), 2); /* running, failed: none is lost */
}

static void a_proplet_of_the_shared_topic_gets_the_module_inline(void **state)
{
    (void)state;
    text_on(P "control/proplet/create", "{\"proplet_id\":\"old\",\"namespace\":\"default\"}");
    launch("j1", "[\"old\"]");
    assert_int_equal(count_on(P "control/manager/start/old"), 0);
    json_t *start = json_of(sent_on(P "control/manager/start", 0));
    const char *file = field(start, "file");
    static uint8_t back[3 * PART_SIZE];
    size_t size = 0;
    assert_int_equal(sodium_base642bin(back, sizeof back, file, strlen(file), NULL, &size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_true(view_equal(view_of(back, size), tool_view()));
    assert_string_equal(field(start, "proplet_id"), "old");
    assert_string_equal(field(start, "image_url"), "(none)");
    json_decref(start);

    text_on("jobs/j1/done", "{}");
    json_t *stop = json_of(sent_on(P "control/manager/stop", 0));
    assert_string_equal(field(stop, "proplet_id"), "old");
    json_decref(stop);
}

/* ---- results ---- */

static void a_result_ends_its_task(void **state)
{
    (void)state;
    json_int_t tasks = -1;
    launch("j1", "[\"p1\",\"p2\"]");
    assert_true(is_alive("p1", &tasks));
    assert_int_equal(tasks, 1);
    results(started("p1"), "p1", NULL, "completed");
    results(started("p2"), "p2", "it trapped", "trap");
    assert_string_equal(task_of("p1"), "completed completed");
    assert_string_equal(task_of("p2"), "failed trap");
    assert_true(is_alive("p1", &tasks));
    assert_int_equal(tasks, 0); /* and it goes down again */
    assert_int_equal(manager_counters(f.m)->results, 2);
}

/* Gap 13: upstream published the start and then wrote "running" over a result
 * that had come meanwhile. */
static void a_result_faster_than_the_start_is_not_lost(void **state)
{
    (void)state;
    f.answer_at_once = "p1";
    launch("j1", "[\"p1\",\"p2\"]");
    assert_string_equal(task_of("p1"), "completed completed");
    assert_string_equal(task_of("p2"), "running started");
    after_s(41);
    assert_string_equal(task_of("p1"), "completed completed");
}

/* Gap 17: from anyone, for any task, the last one winning. */
static void another_proplets_result_changes_nothing(void **state)
{
    (void)state;
    launch("j1", "[\"p1\",\"p2\"]");
    char task[64];
    strcpy(task, started("p1"));
    size_t sent = f.sent_count;
    results(task, "p2", NULL, "completed");
    results(task, "p2", "no", "trap");
    text_on(P "control/proplet/results", "{}");
    results("unknown-task", "p1", NULL, "completed");
    char anonymous[256];
    (void)snprintf(anonymous, sizeof anonymous,
                   "{\"task_id\":\"%s\",\"results\":\"\",\"error\":null}", task);
    text_on(P "control/proplet/results", anonymous);
    assert_int_equal(f.sent_count, sent);
    assert_int_equal(manager_counters(f.m)->results_refused, 5);
    assert_string_equal(task_of("p1"), "running started");
    results(task, "p1", NULL, "completed");
    assert_string_equal(task_of("p1"), "completed completed");
}

static void a_sender_inside_the_results_counts_too(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"task_id\":\"%s\",\"results\":{\"proplet_id\":\"%s\"},\"error\":null}",
                   started("p1"), "p1");
    text_on(P "control/proplet/results", text);
    assert_string_equal(task_of("p1"), "completed completed");
}

static void an_ended_task_stays_as_it_ended(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    char task[64];
    strcpy(task, started("p1"));
    results(task, "p1", "it trapped", "trap");
    size_t events = count_on(P "control/manager/tasks");
    results(task, "p1", NULL, "completed");
    text_on("jobs/j1/done", "{}");
    after_s(60);
    assert_string_equal(task_of("p1"), "failed trap");
    assert_int_equal(count_on(P "control/manager/tasks"), events);
    assert_int_equal(manager_counters(f.m)->results_late, 1);
}

/* ---- time ---- */

/* Gap 18: no task without an end. */
static void a_task_without_a_result_ends_after_its_limit_and_margin(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]"); /* 30 s, margin 10 s */
    char task[64];
    strcpy(task, started("p1"));
    after_s(20);
    alive("p1", false);
    after_s(19);
    assert_string_equal(task_of("p1"), "running started");
    after_s(1);
    assert_string_equal(task_of("p1"), "failed no_result");
    assert_int_equal(count_on(P "control/manager/stop/p1"), 1);
    results(task, "p1", NULL, "completed");
    assert_string_equal(task_of("p1"), "failed no_result");
}

/* Gap 15: upstream took the last will for a heartbeat. */
static void a_last_will_means_offline(void **state)
{
    (void)state;
    assert_true(is_alive("p1", NULL));
    alive("p1", true);
    assert_false(is_alive("p1", NULL));
    assert_true(is_alive("p2", NULL));
    alive("p1", false);
    assert_true(is_alive("p1", NULL));
    alive("p1", true);
    create("p1");
    assert_true(is_alive("p1", NULL));
}

static void a_last_will_of_a_stranger_makes_no_phantom(void **state)
{
    (void)state;
    alive("stranger", true);
    json_t *status = ask("{\"what\":\"status\"}");
    assert_int_equal(json_array_size(json_object_get(status, "proplets")), 2);
    json_decref(status);
}

/* Gap 16: zero margin between heartbeat and timeout. */
static void a_late_heartbeat_is_forgiven(void **state)
{
    (void)state;
    after_s(35);
    assert_true(is_alive("p1", NULL));
    after_s(1);
    assert_false(is_alive("p1", NULL));
}

static void the_tasks_of_a_lost_proplet_fail(void **state)
{
    (void)state;
    text_on("jobs/start",
            "{\"job\":\"j1\",\"who\":[\"p1\",\"p2\"],\"image\":\"tool\",\"limit\":600}");
    alive("p1", true);
    after_s(14);
    assert_string_equal(task_of("p1"), "running started");
    after_s(1);
    assert_string_equal(task_of("p1"), "failed proplet_lost");
    assert_string_equal(task_of("p2"), "running started");
}

static void a_silent_proplet_is_lost_too(void **state)
{
    (void)state;
    text_on("jobs/start", "{\"job\":\"j1\",\"who\":[\"p1\"],\"image\":\"tool\",\"limit\":600}");
    after_s(49); /* 35 s of silence, and 15 s more */
    assert_string_equal(task_of("p1"), "running started");
    after_s(1);
    assert_string_equal(task_of("p1"), "failed proplet_lost");
}

static void the_tasks_of_a_proplet_that_returns_go_on(void **state)
{
    (void)state;
    text_on("jobs/start", "{\"job\":\"j1\",\"who\":[\"p1\"],\"image\":\"tool\",\"limit\":600}");
    alive("p1", true);
    after_s(14);
    create("p1");
    after_s(20);
    assert_string_equal(task_of("p1"), "running started");
    results(started("p1"), "p1", NULL, "completed");
    assert_string_equal(task_of("p1"), "completed completed");
}

static void a_manager_that_was_away_blames_nobody(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]"); /* due in 40 s */
    for (int i = 0; i < 1000; i++) {
        f.now_ms += 500;
        manager_tick(f.m, f.now_ms, false);
    }
    manager_tick(f.m, f.now_ms, true);
    assert_true(is_alive("p1", NULL));
    assert_string_equal(task_of("p1"), "running started");
    after_s(9);
    assert_string_equal(task_of("p1"), "running started");
    after_s(1); /* the margin has passed: what waited for us has been read by now */
    assert_string_equal(task_of("p1"), "failed no_result");
}

static void a_machine_that_slept_blames_nobody(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    f.now_ms += 3600 * 1000;
    manager_tick(f.m, f.now_ms, true);
    assert_true(is_alive("p1", NULL));
    assert_string_equal(task_of("p1"), "running started");
}

/* ---- close ---- */

static void a_closed_launch_stops_what_still_runs(void **state)
{
    (void)state;
    char tasks[2][64];
    launch("j1", "[\"p1\",\"p2\"]");
    strcpy(tasks[0], started("p1"));
    strcpy(tasks[1], started("p2"));
    results(tasks[0], "p1", NULL, "completed");
    launch("j2", "[\"p1\"]");
    text_on("jobs/j1/done", "whatever");

    assert_int_equal(count_on(P "control/manager/stop/p1"), 0);
    json_t *stop = json_of(sent_on(P "control/manager/stop/p2", 0));
    assert_string_equal(field(stop, "id"), tasks[1]);
    assert_string_equal(field(stop, "proplet_id"), "p2");
    json_decref(stop);
    assert_int_equal(manager_counters(f.m)->stops, 1);
    text_on("jobs/j1/done", "again");
    assert_int_equal(manager_counters(f.m)->stops, 1);

    /* Its result says how it ended; the other launch is not touched. */
    assert_string_equal(task_of("p2"), "running started");
    results(tasks[1], "p2", "stopped while it ran", "stopped");
    assert_string_equal(task_of("p2"), "failed stopped");
    results(started("p1"), "p1", NULL, "completed");
    assert_int_equal(manager_counters(f.m)->results, 3);
    assert_int_equal(manager_counters(f.m)->results_late, 0);
}

static void the_task_whose_work_closed_the_launch_has_completed(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    text_on("jobs/j1/done", "whatever");
    results(started("p1"), "p1", NULL, "completed");
    assert_string_equal(task_of("p1"), "completed completed");
}

static void a_closed_task_without_a_result_has_an_end_too(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    char task[64];
    strcpy(task, started("p1"));
    text_on("jobs/j1/done", "whatever");
    after_s(9);
    assert_string_equal(task_of("p1"), "running started");
    after_s(1);
    assert_string_equal(task_of("p1"), "failed launch_closed");
    results(task, "p1", NULL, "completed");
    assert_string_equal(task_of("p1"), "failed launch_closed");
    assert_int_equal(manager_counters(f.m)->results_late, 1);
}

static void closing_what_was_never_launched_does_nothing(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    size_t sent = f.sent_count;
    text_on("jobs/j9/done", "{}");
    text_on("jobs//done", "{}");
    assert_int_equal(f.sent_count, sent);
    assert_string_equal(task_of("p1"), "running started");
}

/* ---- forward ---- */

static void a_message_is_forwarded_byte_for_byte(void **state)
{
    (void)state;
    static const char bytes[] = "\0\xff{\"not\": json \r\n\0";
    struct mqtt_message output = {.topic = "jobs/j1/outputs/p1",
                                  .payload = view_of(bytes, sizeof bytes)};
    /* A property of the sender's must not pass for one of ours. */
    output.properties[output.property_count++] = (struct mqtt_property){"sender", "p2"};
    message(&output);
    assert_int_equal(f.sent_count, 1);
    const struct sent *s = &f.sent[0];
    assert_string_equal(s->topic, "outputs");
    assert_true(view_equal(bytes_view(&s->payload), view_of(bytes, sizeof bytes)));
    assert_false(s->retain);
    assert_int_equal(s->property_count, 3);
    assert_string_equal(s->properties[0].key, "job");
    assert_string_equal(s->properties[0].value, "j1");
    assert_string_equal(s->properties[1].key, "sender");
    assert_string_equal(s->properties[1].value, "p1");
    assert_string_equal(s->properties[2].key, "topic");
    assert_string_equal(s->properties[2].value, "jobs/j1/outputs/p1");
    assert_int_equal(manager_counters(f.m)->forwards, 1);
}

static void the_largest_message_is_forwarded_and_one_larger_is_not(void **state)
{
    (void)state;
    struct mqtt_message output = {.topic = "jobs/j1/outputs/p1"};
    uint8_t *bytes = calloc(1, MESSAGE_SIZE_MAX + 1);
    assert_non_null(bytes);
    bytes[MESSAGE_SIZE_MAX - 1] = 7;
    output.payload = view_of(bytes, MESSAGE_SIZE_MAX);
    message(&output);
    assert_int_equal(f.sent_count, 1);
    assert_true(view_equal(bytes_view(&f.sent[0].payload), output.payload));
    output.payload.size++;
    message(&output);
    assert_int_equal(f.sent_count, 1);
    assert_int_equal(manager_counters(f.m)->forwards, 1);
    assert_int_equal(manager_counters(f.m)->forwards_refused, 1);
    free(bytes);
}

static void what_must_not_be_forwarded_is_not(void **state)
{
    (void)state;
    message(&(struct mqtt_message){
        .topic = "jobs/j1/outputs/p1", .payload = view_text("x"), .retain = true});
    text_on("jobs/j1/outputs/p1/more", "x");
    assert_int_equal(manager_counters(f.m)->forwards_refused, 0);
    text_on("jobs/j1/outputs/", "x");
    text_on("jobs/j 1/outputs/p1", "x");
    assert_int_equal(manager_counters(f.m)->forwards_refused, 2);
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->forwards, 0);
}

/* ---- query ---- */

static void a_query_without_a_place_for_the_answer_is_refused(void **state)
{
    (void)state;
    static char large[TOPIC_SIZE_MAX + 1];
    memset(large, 'x', TOPIC_SIZE_MAX);
    const char *const bad[] = {NULL, "", "a/+", "#", "a/b#", "$SYS/x", large};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        message(&(struct mqtt_message){.topic = P "control/manager/query",
                                       .payload = view_text("{\"what\":\"status\"}"),
                                       .response_topic = bad[i]});
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->messages_refused, 7);
}

static void a_query_waits_while_too_much_is_under_way(void **state)
{
    (void)state;
    const struct mqtt_message query = {.topic = P "control/manager/query",
                                       .payload = view_text("{\"what\":\"status\"}"),
                                       .response_topic = "answers/1"};
    f.pending = ANSWERS_PENDING_MAX;
    message(&query);
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->messages_refused, 1);
    f.pending = ANSWERS_PENDING_MAX - 1;
    message(&query);
    assert_int_equal(f.sent_count, 1);
}

static void a_query_names_its_mistakes(void **state)
{
    (void)state;
    static const char *const queries[][2] = {
        {"nonsense", "malformed"},
        {"{}", "invalid"},
        {"{\"what\":7}", "invalid"},
        {"{\"what\":\"weather\"}", "invalid"},
        {"{\"what\":\"image\"}", "invalid"},
        {"{\"what\":\"image\",\"image\":\"a b\"}", "invalid"},
        {"{\"what\":\"image\",\"image\":\"other\"}", "not_found"},
        {"{\"what\":\"proplet\"}", "invalid"},
        {"{\"what\":\"proplet\",\"proplet_id\":\"p9\"}", "not_found"}};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        json_t *answer = ask(queries[i][0]);
        assert_string_equal(field(answer, "error"), queries[i][1]);
        assert_string_not_equal(field(answer, "reason"), "(none)");
        json_decref(answer);
    }
}

/* More than a status answer lists, and each of them. */
static void all_that_are_alive_are_told(void **state)
{
    (void)state;
    f.in_publish = true; /* one burst */
    for (int i = 0; i < QUERY_PROPLETS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%d", i);
        alive(name, false);
    }
    f.in_publish = false;
    alive("p2", true);
    json_t *answer = ask("{\"what\":\"alive\"}");
    const json_t *all = json_object_get(answer, "alive");
    assert_int_equal(json_array_size(all), 1 + QUERY_PROPLETS_MAX);
    assert_string_equal(json_string_value(json_array_get(all, 0)), "p1");
    assert_string_equal(json_string_value(json_array_get(all, 1)), "d0");
    json_decref(answer);
}

static void an_image_is_told_by_any_of_its_references(void **state)
{
    (void)state;
    char digest[DIGEST_TEXT_SIZE], query[256];
    digest_text(&f.image, digest);
    const char *const references[] = {"tool", "tool:latest", "oci://tool", digest};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(query, sizeof query, "{\"what\":\"image\",\"image\":\"%s\"}", references[i]);
        json_t *answer = ask(query);
        assert_string_equal(field(answer, "name"), "tool:latest");
        assert_string_equal(field(answer, "digest"), digest);
        assert_int_equal(json_integer_value(json_object_get(answer, "size")), tool_view().size);
        json_decref(answer);
    }
}

static void the_status_tells_images_counters_and_silence(void **state)
{
    (void)state;
    after_s(7);
    json_t *status = ask("{\"what\":\"status\"}");
    json_t *p = json_array_get(json_object_get(status, "proplets"), 0);
    assert_int_equal(json_integer_value(json_object_get(p, "last_seen_s")), 7);
    assert_int_equal(json_integer_value(json_object_get(status, "proplets_count")), 2);
    assert_int_equal(json_array_size(json_object_get(status, "images")), 1);
    json_t *counters = json_object_get(status, "since_start");
    assert_int_equal(json_integer_value(json_object_get(counters, "pushes")), 1);
    assert_true(json_integer_value(json_object_get(counters, "seconds")) >= 7);
    json_decref(status);
}

static void restart(void);

static void counters_say_since_when_they_count(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    after_s(5);
    forget_sent();
    restart();
    after_s(3);
    json_t *status = ask("{\"what\":\"status\"}");
    json_t *counters = json_object_get(status, "since_start");
    assert_int_equal(json_integer_value(json_object_get(counters, "seconds")), 3);
    assert_int_equal(json_integer_value(json_object_get(counters, "launches")), 0);
    assert_int_equal(json_array_size(json_object_get(status, "tasks")), 1); /* this stays */
    json_decref(status);
}

static void at_most_the_hundred_newest_tasks_are_told(void **state)
{
    (void)state;
    for (int i = 0; i < QUERY_TASKS_MAX + 1; i++) {
        char job[16];
        (void)snprintf(job, sizeof job, "j%d", i);
        launch(job, "[\"p1\"]");
    }
    json_t *status = ask("{\"what\":\"status\"}");
    json_t *tasks = json_object_get(status, "tasks");
    assert_int_equal(json_array_size(tasks), QUERY_TASKS_MAX);
    assert_string_equal(field(json_array_get(tasks, 0), "launch_id"), "j100");
    assert_string_equal(field(json_array_get(tasks, 99), "launch_id"), "j1");
    json_decref(status);
}

/* Gap 19: what a device says of itself was lost or never refreshed. */
static void metadata_is_kept_and_refreshed(void **state)
{
    (void)state;
    text_on(P "control/proplet/create",
            "{\"proplet_id\":\"p1\",\"start_topic\":\"own\",\"metadata\":{\"bytes\":1}}");
    text_on(P "control/proplet/create", "{\"proplet_id\":\"p1\",\"start_topic\":\"own\","
                                        "\"metadata\":{\"bytes\":25276514304}}");
    json_t *answer = ask("{\"what\":\"proplet\",\"proplet_id\":\"p1\"}");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(answer, "metadata"), "bytes")),
        25276514304);
    json_decref(answer);
}

static void a_proplet_with_too_much_metadata_is_welcome_without(void **state)
{
    (void)state;
    size_t size = PROPLET_METADATA_MAX + 100;
    char *text = malloc(size + 100);
    assert_non_null(text);
    int at = sprintf(text, "{\"proplet_id\":\"p3\",\"metadata\":{\"x\":\"");
    memset(text + at, 'x', size);
    strcpy(text + (size_t)at + size, "\"}}");
    owned_text_on(P "control/proplet/create", text);
    json_t *answer = ask("{\"what\":\"proplet\",\"proplet_id\":\"p3\"}");
    assert_true(json_is_true(json_object_get(answer, "alive")));
    assert_null(json_object_get(answer, "metadata"));
    json_decref(answer);
}

/* ---- registry ---- */

static void get(const char *client, const struct digest *digest, int part)
{
    struct get_msg msg = {
        .digest = *digest, .wants_part = part >= 0, .part = part < 0 ? 0 : (uint32_t)part};
    assert_int_equal(id_from(client, &msg.client_id), ST_OK);
    owned_text_on(P "registry/get/manager", get_msg_encode(&msg));
}

static void an_image_goes_out_in_parts(void **state)
{
    (void)state;
    char topic[256], hex[DIGEST_HEX_SIZE];
    struct manifest manifest;
    struct why why;
    digest_hex(&f.image, hex);
    get("p1", &f.image, -1);
    json_t *object = json_of(sent_on(P "registry/manifest/p1", 0));
    assert_int_equal(manifest_decode(object, IMAGE_SIZE_MAX, &manifest, &why), ST_OK);
    assert_true(digest_equal(&manifest.digest, &f.image));
    assert_int_equal(manifest.part_count, 3);
    json_decref(object);
    for (uint32_t n = 0; n < 3; n++) {
        get("p1", &f.image, (int)n);
        (void)snprintf(topic, sizeof topic, P "registry/part/p1/%s/%u", hex, n);
        assert_non_null(sent_on(topic, 0));
        assert_true(view_equal(bytes_view(&sent_on(topic, 0)->payload),
                               manifest_part(&manifest, tool_view(), n)));
    }
    manifest_done(&manifest);
    assert_int_equal(manager_counters(f.m)->parts, 3);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    struct digest absent = digest_of(view_text("absent"));
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&absent, digest);
    get("p1", &absent, -1);
    get("p1", &absent, 0);
    for (size_t i = 0; i < 2; i++) {
        json_t *answer = json_of(sent_on(P "registry/manifest/p1", i));
        assert_string_equal(field(answer, "digest"), digest);
        assert_string_equal(field(answer, "error"), "not_found");
        json_decref(answer);
    }
    get("p1", &f.image, 3);
    json_t *answer = json_of(sent_on(P "registry/manifest/p1", 2));
    assert_string_equal(field(answer, "error"), "invalid");
    json_decref(answer);
    text_on(P "registry/get/manager", "{}");
    assert_int_equal(manager_counters(f.m)->messages_refused, 1);
    assert_int_equal(f.sent_count, 3);
}

static void parts_wait_while_too_much_is_under_way(void **state)
{
    (void)state;
    f.pending = ANSWERS_PENDING_MAX;
    get("p1", &f.image, 0);
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->parts_put_off, 1);
    f.pending = ANSWERS_PENDING_MAX - 1;
    get("p1", &f.image, 0);
    assert_int_equal(f.sent_count, 1);
}

static struct view other_module(void)
{
    return view_of("\0asm and some more", 18);
}

static void a_push_asks_for_each_part_and_tells_the_end(void **state)
{
    (void)state;
    struct view module = other_module();
    struct get_msg asked;
    struct pushed_msg pushed;
    struct why why;
    owned_text_on(P "registry/push", push_text("other:v1", "cli", module));
    assert_int_equal(f.sent_count, 1);
    assert_int_equal(
        get_msg_decode(bytes_view(&sent_on(P "registry/get/cli", 0)->payload), &asked, &why),
        ST_OK);
    assert_string_equal(asked.client_id.text, "manager");
    assert_true(asked.wants_part);
    assert_int_equal(asked.part, 0);
    part_comes(module, 0);
    assert_int_equal(
        pushed_msg_decode(bytes_view(&sent_on(P "registry/pushed/cli", 0)->payload), &pushed, &why),
        ST_OK);
    assert_true(pushed.stored);
    assert_string_equal(pushed.name, "other:v1");
    json_t *answer = ask("{\"what\":\"image\",\"image\":\"other:v1\"}");
    assert_int_equal(json_integer_value(json_object_get(answer, "size")), 18);
    json_decref(answer);
    assert_int_equal(manager_counters(f.m)->pushes, 2);
}

static void bytes_that_are_here_are_named_at_once(void **state)
{
    (void)state;
    owned_text_on(P "registry/push", push_text("alias", "cli", tool_view()));
    assert_int_equal(count_on(P "registry/get/cli"), 0);
    assert_int_equal(count_on(P "registry/pushed/cli"), 1);
    json_t *answer = ask("{\"what\":\"image\",\"image\":\"alias\"}");
    assert_string_equal(field(answer, "name"), "alias:latest");
    json_decref(answer);
}

static void restart(void)
{
    f.m = manager_free(f.m);
    assert_int_equal(f.sent_count, 0); /* an end says nothing */
    start_manager();
}

static void an_image_survives_a_restart(void **state)
{
    (void)state;
    restart();
    json_t *answer = ask("{\"what\":\"image\",\"image\":\"tool\"}");
    assert_string_equal(field(answer, "name"), "tool:latest");
    json_decref(answer);
}

static void a_launch_from_before_a_restart_is_not_repeated(void **state)
{
    (void)state;
    launch("j1", "[\"p1\"]");
    after_s(1); /* the broker has the start */
    forget_sent();
    restart();
    launch("j1", "[\"p1\"]");
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->launches_duplicate, 1);
}

static void proplets_from_before_a_restart_are_given_tasks(void **state)
{
    (void)state;
    after_s(1);
    restart();
    assert_false(is_alive("p1", NULL));           /* not heard yet */
    json_t *answer = ask("{\"what\":\"alive\"}"); /* but asked to take part */
    assert_int_equal(json_array_size(json_object_get(answer, "alive")), 2);
    json_decref(answer);
    launch("j1", "[\"p1\"]");
    assert_string_equal(task_of("p1"), "running started");
    alive("p1", false);
    assert_true(is_alive("p1", NULL));
    /* p2 stays silent: offline after 35 s, given up after 15 more. */
    after_s(36);
    launch("j2", "[\"p2\"]");
    assert_string_equal(task_of("p2"), "failed proplet_offline");
    answer = ask("{\"what\":\"alive\"}");
    assert_int_equal(json_array_size(json_object_get(answer, "alive")), 0);
    json_decref(answer);
}

/* Fails unless the only outcome told to cli is a refusal with this code. */
static void assert_refused(const char *code)
{
    struct pushed_msg pushed;
    struct why why;
    assert_int_equal(count_on(P "registry/pushed/cli"), 1);
    assert_int_equal(
        pushed_msg_decode(bytes_view(&sent_on(P "registry/pushed/cli", 0)->payload), &pushed, &why),
        ST_OK);
    assert_false(pushed.stored);
    assert_string_equal(pushed.code, code);
    forget_sent();
}

static void a_bad_push_is_refused_by_name(void **state)
{
    (void)state;
    text_on(P "registry/push", "{\"client_id\":\"cli\"}");
    assert_refused("invalid");
    text_on(P "registry/push", "{\"client_id\":\"cli\",\"name\":\"a b\",\"manifest\":{}}");
    assert_refused("invalid");
    text_on(P "registry/push", "{\"client_id\":\"cli\",\"name\":\"a\",\"manifest\":{}}");
    assert_refused("invalid");
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&f.image, digest);
    owned_text_on(P "registry/push", push_text(digest, "cli", other_module()));
    assert_refused("invalid");

    struct view text = view_text("#!/bin/sh\n");
    owned_text_on(P "registry/push", push_text("script", "cli", text));
    forget_sent();
    part_comes(text, 0);
    assert_refused("not_wasm");

    /* Nobody to tell: counted. */
    text_on(P "registry/push", "{\"client_id\":\"a/b\",\"name\":\"a\"}");
    text_on(P "registry/push", "nonsense");
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->messages_refused, 2);
    assert_int_equal(manager_counters(f.m)->pushes, 1);
    assert_int_equal(manager_counters(f.m)->pushes_refused, 5);
}

static void a_false_part_is_asked_for_again(void **state)
{
    (void)state;
    struct view module = other_module();
    char topic[256], hex[DIGEST_HEX_SIZE];
    struct digest digest = digest_of(module);
    owned_text_on(P "registry/push", push_text("other", "cli", module));
    digest_hex(&digest, hex);
    (void)snprintf(topic, sizeof topic, P "registry/part/manager/%s/0", hex);
    text_on(topic, "\x7f");
    (void)snprintf(topic, sizeof topic, P "registry/part/manager/%s/9999", hex);
    text_on(topic, "x");
    (void)snprintf(topic, sizeof topic, P "registry/part/manager/%s/x", hex);
    text_on(topic, "x");
    text_on(P "registry/part/manager/00/0", "x");
    assert_int_equal(count_on(P "registry/pushed/cli"), 0);
    assert_int_equal(manager_counters(f.m)->messages_refused, 4);
    after_s(6);
    assert_true(count_on(P "registry/get/cli") >= 2);
    part_comes(module, 0);
    assert_int_equal(count_on(P "registry/pushed/cli"), 1);
    assert_int_equal(manager_counters(f.m)->pushes, 2);
}

static void a_push_whose_holder_is_gone_times_out(void **state)
{
    (void)state;
    owned_text_on(P "registry/push", push_text("other", "cli", other_module()));
    after_s(60);
    assert_refused("timeout");
    after_s(60);
    assert_int_equal(f.sent_count, 0); /* it is asked for no more */
}

static void a_holder_without_the_bytes_ends_its_push(void **state)
{
    (void)state;
    struct digest digest = digest_of(other_module());
    char hex[DIGEST_TEXT_SIZE], text[256];
    digest_text(&digest, hex);
    owned_text_on(P "registry/push", push_text("other", "cli", other_module()));
    text_on(P "registry/manifest/manager", "{}");
    assert_int_equal(manager_counters(f.m)->messages_refused, 1);
    assert_int_equal(count_on(P "registry/pushed/cli"), 0);
    (void)snprintf(text, sizeof text,
                   "{\"digest\":\"%s\",\"error\":\"not_found\",\"reason\":\"gone\"}", hex);
    text_on(P "registry/manifest/manager", text);
    assert_refused("source_failed");
}

static void pushes_at_once_are_bounded_and_repeats_are_none(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < PUSHES_MAX; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        owned_text_on(P "registry/push", push_text(name, "cli", other_module()));
        owned_text_on(P "registry/push", push_text(name, "cli", other_module()));
    }
    assert_int_equal(count_on(P "registry/pushed/cli"), 0);
    owned_text_on(P "registry/push", push_text("one-more", "cli", other_module()));
    assert_refused("busy");
    part_comes(other_module(), 0); /* serves them all */
    assert_int_equal(count_on(P "registry/pushed/cli"), PUSHES_MAX);
    assert_int_equal(manager_counters(f.m)->pushes, 1 + PUSHES_MAX);
}

/* ---- what is not for us, or not fit ---- */

static void unreadable_messages_are_counted_and_change_nothing(void **state)
{
    (void)state;
    text_on(P "control/proplet/create", "{\"proplet_id\":\"a/b\"}");
    text_on(P "control/proplet/alive", "");
    text_on(P "control/proplet/alive", "{\"proplet_id\":\"p1\",\"status\":7}");
    assert_int_equal(manager_counters(f.m)->messages_refused, 3);
    json_t *status = ask("{\"what\":\"status\"}");
    assert_int_equal(json_array_size(json_object_get(status, "proplets")), 2);
    json_decref(status);
    assert_true(is_alive("p1", NULL));
}

static void retained_and_oversize_control_messages_are_refused(void **state)
{
    (void)state;
    message(&(struct mqtt_message){.topic = P "control/proplet/alive",
                                   .payload =
                                       view_text("{\"proplet_id\":\"ghost\",\"status\":\"alive\"}"),
                                   .retain = true});
    char *large = malloc(CONTROL_SIZE_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', CONTROL_SIZE_MAX + 1);
    message(&(struct mqtt_message){.topic = P "control/proplet/results",
                                   .payload = view_of(large, CONTROL_SIZE_MAX + 1)});
    free(large);
    assert_int_equal(manager_counters(f.m)->messages_refused, 2);
    json_t *status = ask("{\"what\":\"status\"}");
    assert_int_equal(json_array_size(json_object_get(status, "proplets")), 2);
    json_decref(status);
}

static void messages_of_other_spaces_and_topics_are_nothing(void **state)
{
    (void)state;
    text_on("m/other/c/fl/control/proplet/create", "{\"proplet_id\":\"p9\"}");
    text_on(P "control/proplet/metrics", "{}");
    text_on(P "registry/get/somebody", "{}");
    text_on("elsewhere", "{}");
    assert_int_equal(f.sent_count, 0);
    assert_int_equal(manager_counters(f.m)->messages_refused, 0);
}

static void it_subscribes_to_what_it_handles(void **state)
{
    (void)state;
    static const char *const expected[] = {P "control/proplet/create",
                                           P "control/proplet/alive",
                                           P "control/proplet/results",
                                           P "control/manager/query",
                                           P "registry/push",
                                           P "registry/get/manager",
                                           P "registry/manifest/manager",
                                           P "registry/part/manager/+/+",
                                           "jobs/start",
                                           "jobs/+/outputs/+",
                                           "jobs/+/done",
                                           "inputs/+"};
    struct topic filter;
    size_t i = 0;
    for (; manager_filter(f.m, i, &filter); i++) {
        assert_true(i < sizeof expected / sizeof expected[0]);
        assert_string_equal(filter.text, expected[i]);
    }
    assert_int_equal(i, sizeof expected / sizeof expected[0]);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_launch_starts_one_task_for_each_participant),
        TEST(each_change_of_a_task_is_told),
        TEST(a_pinned_input_reaches_the_spec),
        TEST(a_launch_is_done_once),
        TEST(a_bad_launch_changes_nothing_and_may_come_again),
        TEST(a_retained_launch_is_of_the_past),
        TEST(who_cannot_run_it_has_a_failed_task),
        TEST(an_unknown_image_fails_all_tasks),
        TEST(a_start_that_cannot_be_sent_yet_is_sent_later_and_once),
        TEST(a_start_that_can_never_be_sent_ends_with_its_task),
        TEST(a_proplet_of_the_shared_topic_gets_the_module_inline),
        TEST(a_result_ends_its_task),
        TEST(a_result_faster_than_the_start_is_not_lost),
        TEST(another_proplets_result_changes_nothing),
        TEST(a_sender_inside_the_results_counts_too),
        TEST(an_ended_task_stays_as_it_ended),
        TEST(a_task_without_a_result_ends_after_its_limit_and_margin),
        TEST(a_last_will_means_offline),
        TEST(a_last_will_of_a_stranger_makes_no_phantom),
        TEST(a_late_heartbeat_is_forgiven),
        TEST(the_tasks_of_a_lost_proplet_fail),
        TEST(a_silent_proplet_is_lost_too),
        TEST(the_tasks_of_a_proplet_that_returns_go_on),
        TEST(a_manager_that_was_away_blames_nobody),
        TEST(a_machine_that_slept_blames_nobody),
        TEST(a_closed_launch_stops_what_still_runs),
        TEST(the_task_whose_work_closed_the_launch_has_completed),
        TEST(a_closed_task_without_a_result_has_an_end_too),
        TEST(closing_what_was_never_launched_does_nothing),
        TEST(a_message_is_forwarded_byte_for_byte),
        TEST(the_largest_message_is_forwarded_and_one_larger_is_not),
        TEST(what_must_not_be_forwarded_is_not),
        TEST(a_query_without_a_place_for_the_answer_is_refused),
        TEST(a_query_waits_while_too_much_is_under_way),
        TEST(a_query_names_its_mistakes),
        TEST(all_that_are_alive_are_told),
        TEST(an_image_is_told_by_any_of_its_references),
        TEST(the_status_tells_images_counters_and_silence),
        TEST(counters_say_since_when_they_count),
        TEST(at_most_the_hundred_newest_tasks_are_told),
        TEST(metadata_is_kept_and_refreshed),
        TEST(a_proplet_with_too_much_metadata_is_welcome_without),
        TEST(an_image_goes_out_in_parts),
        TEST(what_is_not_there_is_said),
        TEST(parts_wait_while_too_much_is_under_way),
        TEST(a_push_asks_for_each_part_and_tells_the_end),
        TEST(bytes_that_are_here_are_named_at_once),
        TEST(an_image_survives_a_restart),
        TEST(a_launch_from_before_a_restart_is_not_repeated),
        TEST(proplets_from_before_a_restart_are_given_tasks),
        TEST(a_bad_push_is_refused_by_name),
        TEST(a_false_part_is_asked_for_again),
        TEST(a_push_whose_holder_is_gone_times_out),
        TEST(a_holder_without_the_bytes_ends_its_push),
        TEST(pushes_at_once_are_bounded_and_repeats_are_none),
        TEST(unreadable_messages_are_counted_and_change_nothing),
        TEST(retained_and_oversize_control_messages_are_refused),
        TEST(messages_of_other_spaces_and_topics_are_nothing),
        TEST(it_subscribes_to_what_it_handles),
    };
    return cmocka_run_group_tests_name("manager/manager", tests, NULL, NULL);
}
