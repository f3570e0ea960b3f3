/* A kill at every step: one round is played again and again, and each time the
 * coordinator dies at another write, sync, rename, removal or message sent, and a
 * second time soon after (kill_points.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/coordinator.h"
#include "coordinator/kill_points.h"
#include "fl/complete.h"
#include "fl/receipt.h"
#include "fl/topics.h"
#include "io/file.h"
#include "model/model_file.h"
#include "service/log.h"

#define ROUND    "r-0001"
#define V0       "fl/models/global_model_v0"
#define V1       "fl/models/global_model_v1"
#define BASE     "{\"w\":[0,0,0],\"b\":0,\"version\":0}"
#define DEVICES  3
#define TURNS    60
#define ALL_MEAN "{\"b\": 2.0, \"version\": 1, \"w\": [1.25, 0.5, 3.0]}"

#define START_OF(more)                                                                             \
    "{\"round_id\":\"" ROUND "\",\"model_uri\":\"" V0                                              \
    "\",\"task_wasm_image\":\"i\",\"timeout_s\":"                                                  \
    "6000,\"participants\":[\"p0\",\"p1\",\"p2\"]," more "\"k_of_n\":3}"
#define START      START_OF("")
#define START_STEP START_OF("\"aggregation\":{\"optimiser\":{\"kind\":\"fedavgm\",\"beta1\":0.5}},")

#define UPDATE(samples, w, b)                                                                      \
    "{\"round_id\":\"" ROUND "\",\"base_model_uri\":\"" V0 "\",\"num_samples\":" samples           \
    ",\"update\":{\"w\":[" w "],\"b\":" b "}}"

/* w0 = (1+3+2*0.5)/4, w1 = (2+2-2*1)/4, w2 = (3+1+2*4)/4, b = (4+0+2*2)/4 */
static const char *const updates[DEVICES] = {UPDATE("1", "1,2,3", "4"), UPDATE("1", "3,2,1", "0"),
                                             UPDATE("2", "0.5,-1,4", "2")};
static char large[(64 << 10) + 2]; /* the first one, with space behind it */
static const char *const names[DEVICES] = {"p0", "p1", "p2"};

static struct bytes base_with_state;

static struct {
    struct coordinator *coordinator;
    const char *folder;
    uint64_t now_ms;
    /* the world: it does not forget */
    bool accepted[DEVICES]; /* has its receipt */
    /* The broker's session: what need not be handed over again. The first update is a
     * batch of its own, the others share one. */
    bool has_start, has_first, has_others;
    bool has_base; /* the broker; else that comes after all updates */
    uint64_t published;
    struct bytes version; /* as the model server stored it; empty before that */
    bool stepped;         /* by a server optimiser, from a base with its state */
    bool announced;
    char *complete;
    char state[16]; /* retained last */
} w;

/* ---- devices, broker, model server ---- */

static void on_receipt(const struct mqtt_message *m)
{
    struct receipt receipt;
    assert_int_equal(receipt_decode(m->payload, &receipt, NULL), ST_OK);
    assert_int_equal(receipt.verdict, VERDICT_ACCEPTED);
    for (size_t i = 0; i < DEVICES; i++)
        if (strcmp(receipt.proplet_id.text, names[i]) == 0)
            w.accepted[i] = true;
}

/* Keeps the first; any other text after it is a contradiction. */
static void keep_only(char **kept, const struct mqtt_message *m)
{
    char *text = text_of(m->payload);
    assert_non_null(text);
    if (*kept == NULL)
        *kept = text;
    else {
        assert_string_equal(*kept, text);
        free(text);
    }
}

static void keep_version(const struct mqtt_message *m)
{
    if (w.version.size == 0)
        assert_int_equal(bytes_append(&w.version, m->payload, CONTROL_SIZE_MAX), ST_OK);
    assert_int_equal(m->payload.size, w.version.size);
    assert_memory_equal(m->payload.data, w.version.data, w.version.size);
}

/* It never goes back, but for what is sent again after a kill; and its end is not
 * retained before the end is said. */
static void on_state(const struct mqtt_message *m)
{
    assert_true(m->retain);
    json_t *object = json_loadb((const char *)m->payload.data, m->payload.size, 0, NULL);
    (void)snprintf(w.state, sizeof w.state, "%s",
                   json_string_value(json_object_get(object, "state")));
    json_decref(object);
    assert_true(strcmp(w.state, "ended") != 0 || w.complete != NULL);
}

static enum status publish(void *owner, const struct mqtt_message *m)
{
    (void)owner;
    kill_point();
    if (kill_points_dead())
        return ST_OK;
    if (strncmp(m->topic, "fl/rounds/" ROUND "/receipts/", 26) == 0)
        on_receipt(m);
    else if (strcmp(m->topic, "fl/rounds/" ROUND "/complete") == 0) {
        assert_true(w.announced);
        keep_only(&w.complete, m);
    } else if (strcmp(m->topic, FL_MODEL_PUBLISH) == 0) {
        assert_string_equal(mqtt_message_property(m, "version"), "1");
        keep_version(m);
    } else if (strcmp(m->topic, "fl/rounds/" ROUND "/state") == 0)
        on_state(m);
    else
        fail_msg("unexpected: %s", m->topic);
    w.published++;
    kill_point();
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
    return w.published;
}

/* ---- the coordinator's lives ---- */

static void open_coordinator(void)
{
    const struct coordinator_settings settings = {
        .rounds_open_max = 4, .experiments_open_max = 1, .state_dir = w.folder, .boot = "boot"};
    const struct coordinator_out out = {
        .publish = publish, .ask = ask, .ask_no_more = ask, .taken = taken};
    w.published = 0;
    assert_int_equal(coordinator_new(&settings, &out, w.now_ms, &w.coordinator), ST_OK);
    coordinator_resume(w.coordinator, w.now_ms);
}

static void put(const char *topic, struct view payload, bool retain)
{
    coordinator_message(
        w.coordinator, &(struct mqtt_message){.topic = topic, .payload = payload, .retain = retain},
        w.now_ms);
}

static struct view base(void)
{
    return w.stepped ? bytes_view(&base_with_state) : view_text(BASE);
}

/* The broker's retained messages come with each connection. */
static void connect_coordinator(void)
{
    if (w.has_base)
        put(V0, base(), true);
    if (w.version.size != 0)
        put(V1, bytes_view(&w.version), true);
    w.announced = w.version.size != 0;
}

/* If the coordinator was killed, the next one takes its place; also that may die
 * before it is up. */
static void revive(void)
{
    while (kill_points_dead()) {
        w.coordinator = coordinator_free(w.coordinator);
        w.folder = kill_points_revive();
        open_coordinator();
        if (!kill_points_dead())
            connect_coordinator();
    }
}

/* True: the broker hears that what came need not come again. */
static bool flush(void)
{
    size_t kills = kill_points_kills();
    bool kept = coordinator_flush(w.coordinator, w.now_ms);
    bool heard = kept && !kill_points_dead() && kill_points_kills() == kills;
    revive();
    return heard;
}

static void put_update(size_t device)
{
    coordinator_message(
        w.coordinator,
        &(struct mqtt_message){.topic = FL_UPDATES,
                               .payload = view_text(device == 0 ? large : updates[device]),
                               .properties = {{"round", ROUND}, {"sender", names[device]}},
                               .property_count = 2},
        w.now_ms);
    revive();
}

/* A coordinator that was dead in between may have lost what came before. */
static bool put_and_flush(const char *topic, const char *text)
{
    size_t kills = kill_points_kills();
    put(topic, view_text(text), false);
    revive();
    return flush() && kill_points_kills() == kills;
}

/* Updates that come together, and so share a transaction. */
static bool put_updates(size_t first, size_t end)
{
    size_t kills = kill_points_kills();
    for (size_t i = first; i < end; i++)
        put_update(i);
    return flush() && kill_points_kills() == kills;
}

/* Nobody sends anything twice: what the broker has not heard of as done with, it
 * hands over again, and nothing else. */
static void play_turn(void)
{
    w.now_ms += 10;
    if (!w.has_start)
        w.has_start = put_and_flush(FL_ROUND_START, w.stepped ? START_STEP : START);
    if (!w.has_start)
        return; /* the broker keeps the order */
    if (!w.has_first)
        w.has_first = put_updates(0, 1);
    if (w.has_first && !w.has_others)
        w.has_others = put_updates(1, DEVICES);
    if (w.has_others && !w.has_base) {
        w.has_base = true;
        put(V0, base(), true);
        revive();
        (void)flush();
    }
    if (w.version.size != 0 && w.complete == NULL) {
        w.announced = true;
        put(V1, bytes_view(&w.version), true);
        flush();
    }
    coordinator_tick(w.coordinator, w.now_ms);
    revive();
}

static void play_to_the_end(void)
{
    for (int turn = 0; w.complete == NULL; turn++) {
        if (turn == TURNS)
            fail_msg("killed %zu times, of %zu steps: the round hangs", kill_points_kills(),
                     kill_points_passed());
        play_turn();
        w.now_ms += w.has_base ? 5000 : 10; /* the version is published again, if need be */
    }
    w.now_ms += 5000;
    coordinator_tick(w.coordinator, w.now_ms); /* the broker's word is heard */
    revive();
}

/* ---- what must hold ---- */

/* m = 0.5 * 2 + mean, x = 0 + m, with the mean of ALL_MEAN: once, not twice. */
static void assert_one_step_more(void)
{
    struct model *m;
    enum model_form form;
    assert_int_equal(model_decode(bytes_view(&w.version), &m, &form, NULL), ST_OK);
    const float *x = model_find(m, "w")->data;
    assert_true(x[0] == 2.25f && x[1] == 1.5f && x[2] == 4);
    assert_true(model_find(m, "b")->data[0] == 3);
    const float *momentum = model_find(m, "optimiser.momentum")->data;
    assert_true(momentum[0] == 2.25f && momentum[1] == 1.5f && momentum[2] == 4 &&
                momentum[3] == 3);
    assert_true(model_find(m, "optimiser.steps")->data[0] == 8);
    model_free(m);
}

static void assert_exactly_once(void)
{
    struct complete c;
    assert_string_equal(w.state, "ended");
    assert_int_equal(complete_decode(view_text(w.complete), &c, NULL), ST_OK);
    assert_int_equal(c.outcome, ROUND_COMPLETED);
    assert_int_equal(c.num_updates, DEVICES);
    assert_int_equal(c.total_samples, 4);
    assert_int_equal(c.model_version, 1);
    struct digest digest = digest_of(bytes_view(&w.version));
    assert_true(digest_equal(&digest, &c.model_digest));
    if (w.stepped) {
        assert_one_step_more();
        return;
    }
    json_t *model = json_loadb((const char *)w.version.data, w.version.size, 0, NULL);
    char *text = json_dumps(model, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    assert_string_equal(text, ALL_MEAN);
    free(text);
    json_decref(model);
}

/* Also the next life knows whose update counted. */
static void assert_remembered(void)
{
    kill_points_disarm();
    w.coordinator = coordinator_free(w.coordinator);
    open_coordinator();
    for (size_t i = 0; i < DEVICES; i++)
        assert_true(w.accepted[i]);
    memset(w.accepted, 0, sizeof w.accepted);
    assert_true(put_updates(0, DEVICES));
    for (size_t i = 0; i < DEVICES; i++)
        assert_true(w.accepted[i]);
}

/* gives: how many points there were */
static size_t play_as(bool stepped, size_t kill_at, size_t second_after, bool has_base)
{
    memset(&w, 0, sizeof w);
    w.stepped = stepped;
    w.has_base = has_base;
    w.now_ms = 1000;
    w.folder = kill_points_begin(kill_at, second_after);
    open_coordinator();
    revive();
    connect_coordinator();
    revive();
    play_to_the_end();
    assert_exactly_once();
    size_t points = kill_points_passed(), kills = kill_points_kills();
    assert_remembered();
    assert_exactly_once();
    w.coordinator = coordinator_free(w.coordinator);
    assert_int_equal(file_remove_tree(w.folder), ST_OK);
    bytes_done(&w.version);
    free(w.complete);
    assert_true(kills == 0 || kills == 1 || (kills == 2 && second_after > 0));
    assert_true(kill_at == 0 || kills > 0);
    return points;
}

static size_t play(size_t kill_at, size_t second_after, bool has_base)
{
    return play_as(false, kill_at, second_after, has_base);
}

static void killed_at_each_step_counts_everything_once(void **state)
{
    (void)state;
    size_t points = play(0, 0, true);
    assert_true(points > 60); /* or these functions are not where files are written */
    for (size_t i = 1; i <= points; i++)
        (void)play(i, 0, true);
    (void)printf("kills=%zu\n", points);
}

static void killed_twice_counts_everything_once(void **state)
{
    (void)state;
    size_t points = play(0, 0, true);
    for (size_t i = 1; i <= points; i++)
        (void)play(i, 1 + i * 7 % 31, true);
    (void)printf("kills=%zu\n", 2 * points);
}

/* The updates come first, and nobody sends them again. */
static void killed_while_updates_wait_for_the_base_counts_everything_once(void **state)
{
    (void)state;
    size_t points = play(0, 0, false);
    for (size_t i = 1; i <= points; i++)
        (void)play(i, 1 + i * 11 % 37, false);
    (void)printf("kills=%zu\n", 2 * points);
}

/* Zeros, and seven steps' momentum of 2 each. */
static void make_base_with_state(void)
{
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {3}},
                                         {.name = "b"},
                                         {.name = "optimiser.momentum", .rank = 1, .shape = {4}},
                                         {.name = "optimiser.steps"}};
    struct model *m;
    assert_int_equal(model_new(shapes, 4, &m), ST_OK);
    for (size_t i = 0; i < 4; i++)
        model_find(m, "optimiser.momentum")->data[i] = 2;
    model_find(m, "optimiser.steps")->data[0] = 7;
    assert_int_equal(model_set_meta(m, "optimiser", "fedavgm"), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &base_with_state), ST_OK);
    model_free(m);
}

static void killed_at_each_step_makes_one_step_of_the_optimiser(void **state)
{
    (void)state;
    make_base_with_state();
    size_t points = play_as(true, 0, 0, true);
    for (size_t i = 1; i <= points; i++)
        (void)play_as(true, i, 1 + i * 5 % 29, true);
    (void)printf("kills=%zu\n", 2 * points);
    bytes_done(&base_with_state);
}

int main(void)
{
    log_level_set(LOG_ERROR);
    (void)snprintf(large, sizeof large, "%-*s", (int)sizeof large - 1, updates[0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_each_step_counts_everything_once),
        cmocka_unit_test(killed_twice_counts_everything_once),
        cmocka_unit_test(killed_at_each_step_makes_one_step_of_the_optimiser),
        cmocka_unit_test(killed_while_updates_wait_for_the_base_counts_everything_once),
    };
    return cmocka_run_group_tests_name("coordinator/crash", tests, NULL, NULL);
}
