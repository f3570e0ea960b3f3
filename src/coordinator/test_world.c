#include "coordinator/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <unistd.h>

#include "base/jsn.h"
#include "fl/receipt.h"
#include "io/file.h"
#include "protect/encode.h"
#include "wire/roster_msg.h"

#define TICK_MS   50u
#define AGAIN_MS  1000u
#define FINISH_MS 3600000u
#define TURNS     2000
#define ANSWER    "test/answer"
#define QUESTION  "m/demo/c/fl/control/manager/query"
#define NAME      "global_model"

const char *const world_devices[WORLD_DEVICES] = {"d0", "d1", "d2", "d3", "judge"};
static const int samples[WORLD_DEVICES] = {1, 1, 2, 4, 8};

struct world world;

/* ---- the broker's queue: what was sent and not yet acknowledged ---- */

struct queued {
    char topic[FL_TOPIC_SIZE], response[64], properties[2][2][80];
    struct bytes payload, correlation;
    size_t property_count;
    bool retain, for_manager;
    struct queued *next;
};

static void add(const struct mqtt_message *m, bool for_manager)
{
    struct queued *q = calloc(1, sizeof *q);
    assert_non_null(q);
    (void)snprintf(q->topic, sizeof q->topic, "%s", m->topic);
    (void)snprintf(q->response, sizeof q->response, "%s",
                   m->response_topic == NULL ? "" : m->response_topic);
    assert_int_equal(bytes_copy(&q->payload, m->payload), ST_OK);
    assert_int_equal(bytes_copy(&q->correlation, m->correlation), ST_OK);
    q->retain = m->retain;
    q->for_manager = for_manager;
    q->property_count = m->property_count;
    for (size_t i = 0; i < m->property_count; i++) {
        (void)snprintf(q->properties[i][0], 80, "%s", m->properties[i].key);
        (void)snprintf(q->properties[i][1], 80, "%s", m->properties[i].value);
    }
    *world.queue_end = q;
    world.queue_end = &q->next;
}

static void drop(struct queued **at)
{
    struct queued *q = *at;
    *at = q->next;
    if (world.queue_end == &q->next)
        world.queue_end = at;
    bytes_done(&q->payload);
    bytes_done(&q->correlation);
    free(q);
}

static void add_text(const char *topic, const char *text)
{
    add(&(struct mqtt_message){.topic = topic, .payload = view_text(text)}, false);
}

/* ---- what the coordinator says ---- */

/* Keeps the first; any other text after it is a contradiction. True: it is the first. */
static bool keep_only(char **kept, struct view payload)
{
    char *text = text_of(payload);
    assert_non_null(text);
    if (*kept == NULL) {
        *kept = text;
        return true;
    }
    assert_string_equal(*kept, text);
    free(text);
    return false;
}

static struct world_round *find_round(const char *id, size_t size)
{
    for (size_t i = 0; i < world.round_count; i++)
        if (strlen(world.rounds[i].id.text) == size &&
            strncmp(world.rounds[i].id.text, id, size) == 0)
            return &world.rounds[i];
    return NULL;
}

static struct world_round *the_round(const char *id, size_t size)
{
    struct world_round *r = find_round(id, size);
    if (r != NULL)
        return r;
    assert_true(world.round_count < WORLD_ROUNDS_MAX);
    r = &world.rounds[world.round_count++];
    assert_int_equal(id_of(view_of(id, size), &r->id), ST_OK);
    return r;
}

static const char *text_field(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* The manager launches it, and the coordinator gets its own message back. */
static void on_start(const struct mqtt_message *m)
{
    json_t *object = NULL;
    assert_int_equal(jsn_parse(m->payload, CONTROL_SIZE_MAX, &object, NULL), ST_OK);
    const char *id = text_field(object, "round_id");
    struct world_round *r = the_round(id, strlen(id));
    if (keep_only(&r->start, m->payload)) {
        r->read = json_incref(object);
        r->begun_ms = world.now_ms;
    }
    json_decref(object);
    add(m, false);
}

static void on_version(const struct mqtt_message *m)
{
    size_t version = strtoul(mqtt_message_property(m, "version"), NULL, 10);
    assert_string_equal(mqtt_message_property(m, "name"), NAME);
    assert_true(version >= 1 && version < WORLD_ROUNDS_MAX);
    if (keep_only(&world.versions[version], m->payload)) {
        (void)snprintf(world.parents[version], FL_TOPIC_SIZE, "%s",
                       mqtt_message_property(m, "parent"));
        world.version_count++;
    }
    char topic[64];
    (void)snprintf(topic, sizeof topic, "fl/models/" NAME "_v%zu", version);
    add(&(struct mqtt_message){.topic = topic, .payload = m->payload, .retain = true}, false);
}

/* Whoever was told of the end of its round counts no more. */
static void keep_verdict(struct world_round *r, size_t device, enum verdict verdict)
{
    if (verdict == VERDICT_ACCEPTED && r->complete != NULL)
        assert_true(r->answered[device] && (r->verdict[device] == VERDICT_ACCEPTED ||
                                            r->verdict[device] == VERDICT_NOT_STORED));
    r->answered[device] = true;
    r->verdict[device] = verdict;
}

static void on_receipt(const struct mqtt_message *m)
{
    struct receipt receipt;
    assert_int_equal(receipt_decode(m->payload, &receipt, NULL), ST_OK);
    struct world_round *r = the_round(receipt.round_id.text, strlen(receipt.round_id.text));
    for (size_t i = 0; i < WORLD_DEVICES; i++)
        if (strcmp(receipt.proplet_id.text, world_devices[i]) == 0 &&
            receipt.verdict != VERDICT_NOT_STORED)
            keep_verdict(r, i, receipt.verdict);
}

static void on_row(const struct mqtt_message *m)
{
    struct experiment_row row;
    char key[FL_TOPIC_SIZE + 16];
    assert_int_equal(experiment_row_decode(m->payload, &row, NULL), ST_OK);
    (void)snprintf(key, sizeof key, "%s %u", m->topic, row.round);
    char *text = text_of(m->payload);
    const json_t *before = json_object_get(world.rows, key);
    if (before != NULL)
        assert_string_equal(json_string_value(before), text);
    assert_int_equal(json_object_set_new(world.rows, key, json_string(text)), 0);
    free(text);
}

static void on_retained(const struct mqtt_message *m)
{
    char *text = text_of(m->payload);
    if (text[0] == '\0')
        (void)json_object_del(world.retained, m->topic);
    else
        assert_int_equal(json_object_set_new(world.retained, m->topic, json_string(text)), 0);
    free(text);
}

static void on_refused(const struct mqtt_message *m)
{
    free(world.refused);
    world.refused = text_of(m->payload);
    world.refusals++;
}

/* fl/rounds/{round}/{what} */
static void on_round(const struct mqtt_message *m)
{
    const char *id = m->topic + strlen("fl/rounds/");
    const char *end = strchr(id, '/');
    if (end == NULL)
        fail_msg("unexpected: %s %.*s", m->topic, (int)m->payload.size,
                 (const char *)m->payload.data);
    if (strncmp(end, "/receipts/", 10) == 0)
        on_receipt(m);
    else if (strcmp(end, "/complete") == 0)
        (void)keep_only(&the_round(id, (size_t)(end - id))->complete, m->payload);
    else if (strcmp(end, "/state") != 0)
        fail_msg("unexpected: %s", m->topic);
}

static bool is_dead(void)
{
    return world.dead != NULL && world.dead();
}

static void hear(const struct mqtt_message *m)
{
    size_t size = strlen(m->topic);
    if (m->retain && strncmp(m->topic, "fl/experiments/", 15) == 0)
        on_retained(m);
    else if (strcmp(m->topic, QUESTION) == 0)
        add(m, true);
    else if (strcmp(m->topic, FL_ROUND_START) == 0)
        on_start(m);
    else if (strcmp(m->topic, FL_MODEL_PUBLISH) == 0)
        on_version(m);
    else if (strcmp(m->topic, FL_EXPERIMENT_REFUSED) == 0 ||
             strcmp(m->topic, FL_ROUND_REFUSED) == 0)
        on_refused(m);
    else if (strcmp(m->topic, ANSWER) == 0)
        on_retained(m);
    else if (size > 5 && strcmp(m->topic + size - 5, "/rows") == 0)
        on_row(m);
    else
        on_round(m);
}

static enum status publish(void *owner, const struct mqtt_message *m)
{
    (void)owner;
    if (world.point != NULL)
        world.point();
    if (is_dead())
        return ST_OK;
    hear(m);
    world.published++;
    if (world.point != NULL)
        world.point();
    return ST_OK;
}

static void ask(void *owner, const char *topic)
{
    (void)owner;
    (void)topic;
}

static uint64_t taken(void *owner)
{
    (void)owner;
    return world.published;
}

/* ---- the coordinator's lives ---- */

static void put_retained(const char *topic, const char *text)
{
    coordinator_message(
        world.coordinator,
        &(struct mqtt_message){.topic = topic, .payload = view_text(text), .retain = true},
        world.now_ms);
}

/* The broker's retained messages come with each connection. */
static void connect_coordinator(void)
{
    put_retained(WORLD_BASE_TOPIC, WORLD_BASE);
    for (size_t i = 1; i < WORLD_ROUNDS_MAX; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, "fl/models/" NAME "_v%zu", i);
        if (world.versions[i] != NULL)
            put_retained(topic, world.versions[i]);
    }
    assert_true(coordinator_flush(world.coordinator, world.now_ms) || is_dead());
}

void world_open(void)
{
    const struct coordinator_out out = {
        .publish = publish, .ask = ask, .ask_no_more = ask, .taken = taken};
    world.settings.state_dir = world.folder;
    world.published = 0;
    assert_int_equal(coordinator_new(&world.settings, &out, world.now_ms, &world.coordinator),
                     ST_OK);
    coordinator_resume(world.coordinator, world.now_ms);
    if (!is_dead())
        connect_coordinator();
}

void world_reopen(void)
{
    world.coordinator = coordinator_free(world.coordinator);
    world_open();
}

/* If the coordinator was killed, the next one takes its place; also that may die before
 * it is up. True: it was. */
static bool revive(void)
{
    bool was_dead = is_dead();
    while (is_dead()) {
        world.coordinator = coordinator_free(world.coordinator);
        world.revive();
        world_open();
    }
    return was_dead;
}

/* ---- delivery ---- */

static void answer_question(const struct queued *q)
{
    json_t *alive = json_array();
    for (size_t i = 0; i < WORLD_DEVICES; i++)
        if (!world.away[i])
            (void)json_array_append_new(alive, json_string(world_devices[i]));
    char *text = jsn_text_and_release(json_pack("{s:o}", "alive", alive));
    assert_string_equal(q->response, COORDINATOR_ANSWERS);
    add(&(struct mqtt_message){.topic = q->response,
                               .payload = view_text(text),
                               .correlation = bytes_view(&q->correlation)},
        false);
    free(text);
    world.questions++;
}

static void deliver(const struct queued *q)
{
    struct mqtt_message m = {.topic = q->topic,
                             .payload = bytes_view(&q->payload),
                             .correlation = bytes_view(&q->correlation),
                             .response_topic = q->response[0] == '\0' ? NULL : q->response,
                             .retain = q->retain,
                             .property_count = q->property_count};
    for (size_t i = 0; i < q->property_count; i++)
        m.properties[i] = (struct mqtt_property){q->properties[i][0], q->properties[i][1]};
    coordinator_message(world.coordinator, &m, world.now_ms);
}

static bool is_for_coordinator(const struct queued *q)
{
    return !q->for_manager;
}

static bool is_for_manager(const struct queued *q)
{
    return q->for_manager;
}

static struct queued **first(bool (*is_for)(const struct queued *))
{
    struct queued **at = &world.queue;
    while (*at != NULL && !is_for(*at))
        at = &(*at)->next;
    return at;
}

/* What the coordinator gets together is acknowledged together, once it was kept. */
static bool deliver_batch(void)
{
    size_t count = 0;
    for (struct queued *q = world.queue; q != NULL && count < world.batch; q = q->next)
        if (!q->for_manager) {
            deliver(q);
            count++;
        }
    bool kept = count > 0 && coordinator_flush(world.coordinator, world.now_ms);
    if (revive() || !kept)
        return count > 0;
    for (size_t i = 0; i < count; i++)
        drop(first(is_for_coordinator));
    return true;
}

/* False: there is nothing to deliver. */
static bool deliver_some(void)
{
    struct queued **question = first(is_for_manager);
    if (*question == NULL || world.manager_away)
        return deliver_batch();
    answer_question(*question);
    drop(question);
    return true;
}

/* ---- devices ---- */

static size_t number_of(const struct world_round *r)
{
    return strtoul(strrchr(r->id.text, '-') + 2, NULL, 10);
}

/* Draws that are the same each time: a device that repeats itself sends the same bytes. */
struct draws {
    uint8_t seed[randombytes_SEEDBYTES];
    uint32_t count;
};

static void draw(void *owner, void *bytes, size_t size)
{
    struct draws *d = owner;
    d->count++;
    memcpy(d->seed + 28, &d->count, sizeof d->count);
    randombytes_buf_deterministic(bytes, size, d->seed);
}

static const char *base_text(const char *uri)
{
    size_t number = strtoul(strrchr(uri, 'v') + 1, NULL, 10);
    return number == 0 ? WORLD_BASE : world.versions[number];
}

/* What a device makes of its guest's update in a protected round; as it is in another. */
static struct bytes protected_bytes(const struct world_round *r, size_t device, const char *text)
{
    struct privacy privacy;
    struct protection protection;
    struct encode *e = NULL;
    struct bytes made = {0};
    struct why why = {""};
    struct draws draws = {.seed = {(uint8_t)device, (uint8_t)number_of(r)}};
    bool done = false;
    if (privacy_read(r->read, &privacy, &why) != ST_OK)
        fail_msg("%s", why.text);
    if (!privacy.is_on) {
        assert_int_equal(bytes_copy(&made, view_text(text)), ST_OK);
        return made;
    }
    const char *uri = text_field(r->read, "model_uri");
    assert_int_equal(protection_of(&privacy, 1, 4, &protection, &why), ST_OK);
    const struct encode_order order = {.protection = &protection,
                                       .round_id = r->id,
                                       .base_model_uri = uri,
                                       .base = view_text(base_text(uri)),
                                       .update = view_text(text),
                                       .random = {draw, &draws}};
    if (encode_new(&order, &e, &why) != ST_OK)
        fail_msg("%s", why.text);
    assert_int_equal(bytes_resize(&made, encode_size(e)), ST_OK);
    encode_into(e, made.data);
    while (!done) {
        int64_t budget = 1 << 20;
        assert_int_equal(encode_step(e, &budget, &done, &why), ST_OK);
    }
    encode_free(e);
    return made;
}

static void send_update(struct world_round *r, size_t device)
{
    char text[1024];
    const char *base = text_field(r->read, "model_uri");
    size_t n = number_of(r);
    if (strcmp(text_field(r->read, "mode"), "evaluate") == 0)
        (void)snprintf(text, sizeof text,
                       "{\"round_id\":\"%s\",\"base_model_uri\":\"%s\",\"num_samples\":%d,"
                       "\"metrics\":{\"accuracy\":%g}}",
                       r->id.text, base, samples[device],
                       0.125 * (double)strtoul(strrchr(base, 'v') + 1, NULL, 10));
    else
        (void)snprintf(text, sizeof text,
                       "{\"round_id\":\"%s\",\"base_model_uri\":\"%s\",\"num_samples\":%d,"
                       "\"metrics\":{\"loss\":%g},\"update\":{\"w\":[%zu,%zu,%zu],\"b\":%zu}}",
                       r->id.text, base, samples[device], 1.0 / (double)n, n, device, n * device,
                       device);
    struct bytes sent = protected_bytes(r, device, text);
    add(&(struct mqtt_message){.topic = FL_UPDATES,
                               .payload = bytes_view(&sent),
                               .properties = {{"round", r->id.text},
                                              {"sender", world_devices[device]}},
                               .property_count = 2},
        false);
    bytes_done(&sent);
}

static bool takes_part(const struct world_round *r, size_t device)
{
    const json_t *participants = json_object_get(r->read, "participants");
    for (size_t i = 0; i < json_array_size(participants); i++)
        if (strcmp(json_string_value(json_array_get(participants, i)), world_devices[device]) == 0)
            return true;
    return false;
}

static bool is_due(const struct world_round *r, size_t device)
{
    return !r->answered[device] && !world.silent[device] && takes_part(r, device) &&
           world.now_ms - r->begun_ms >= world.slow_ms[device] &&
           (r->sent_ms[device] == 0 || world.now_ms - r->sent_ms[device] >= AGAIN_MS);
}

/* Each sends what was not answered. True: somebody sent something. */
static bool devices_send(void)
{
    bool sent = false;
    for (size_t i = 0; i < world.round_count; i++) {
        struct world_round *r = &world.rounds[i];
        if (r->read == NULL || r->complete != NULL)
            continue;
        for (size_t d = 0; d < WORLD_DEVICES; d++)
            if (is_due(r, d)) {
                r->sent_ms[d] = world.now_ms;
                send_update(r, d);
                sent = true;
            }
    }
    return sent;
}

void world_settle(void)
{
    for (int turn = 0; turn < TURNS; turn++) {
        while (deliver_some())
            ;
        if (!devices_send())
            return;
    }
    fail_msg("the world does not come to rest");
}

void world_pass(uint64_t ms)
{
    for (uint64_t until = world.now_ms + ms; world.now_ms < until;) {
        uint64_t left = until - world.now_ms;
        world.now_ms += left < TICK_MS ? left : TICK_MS;
        coordinator_tick(world.coordinator, world.now_ms);
        (void)revive();
        world_settle();
    }
}

/* ---- the life of a world ---- */

void world_begin(struct coordinator_settings settings)
{
    world_end();
    world.settings = settings;
    world.settings.boot = "boot";
    world.settings.space.domain = (struct id){"demo"};
    world.settings.space.channel = (struct id){"fl"};
    world.now_ms = 1000;
    world.batch = 1;
    world.retained = json_object();
    world.rows = json_object();
    world.queue_end = &world.queue;
}

void world_end(void)
{
    coordinator_free(world.coordinator);
    if (world.folder[0] != '\0')
        assert_int_equal(file_remove_tree(world.folder), ST_OK);
    while (world.queue != NULL)
        drop(&world.queue);
    for (size_t i = 0; i < world.round_count; i++) {
        free(world.rounds[i].start);
        free(world.rounds[i].complete);
        json_decref(world.rounds[i].read);
    }
    for (size_t i = 0; i < WORLD_ROUNDS_MAX; i++)
        free(world.versions[i]);
    json_decref(world.retained);
    json_decref(world.rows);
    free(world.refused);
    memset(&world, 0, sizeof world);
}

/* ---- tests put in and look ---- */

void world_put(const char *topic, const char *text)
{
    add_text(topic, text);
    world_settle();
}

json_t *world_ask(const char *topic, const char *text)
{
    (void)json_object_del(world.retained, ANSWER);
    add(&(struct mqtt_message){.topic = topic,
                               .payload = view_text(text),
                               .response_topic = ANSWER,
                               .correlation = view_text("c")},
        false);
    world_settle();
    const char *answer = world_retained(ANSWER);
    if (answer == NULL)
        fail_msg("no answer to %s", text);
    json_t *object = json_loads(answer, 0, NULL);
    assert_non_null(object);
    return object;
}

const char *world_retained(const char *topic)
{
    return json_string_value(json_object_get(world.retained, topic));
}

struct experiment_state world_state(const char *experiment)
{
    struct experiment_state state;
    struct id id;
    char topic[FL_TOPIC_SIZE];
    assert_int_equal(id_from(experiment, &id), ST_OK);
    fl_topic_experiment_state(&id, topic);
    const char *text = world_retained(topic);
    if (text == NULL)
        fail_msg("nothing on %s", topic);
    assert_int_equal(experiment_state_decode(view_text(text), &state, NULL), ST_OK);
    return state;
}

struct experiment_state world_finish(const char *experiment)
{
    for (uint64_t until = world.now_ms + FINISH_MS; world.now_ms < until; world_pass(500)) {
        struct experiment_state state = world_state(experiment);
        if (state.phase == EXPERIMENT_DONE)
            return state;
    }
    fail_msg("%s does not end", experiment);
    return (struct experiment_state){0};
}

const struct world_round *world_round(const char *id)
{
    return find_round(id, strlen(id));
}

struct complete world_complete(const char *round)
{
    struct complete complete;
    const struct world_round *r = world_round(round);
    if (r == NULL || r->complete == NULL)
        fail_msg("no end of %s", round);
    assert_int_equal(complete_decode(view_text(r->complete), &complete, NULL), ST_OK);
    return complete;
}
