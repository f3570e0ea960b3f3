/* Drives the coordinator through its messages, without a broker: what is put in
 * is what the manager and the model server would send, what comes out is kept in
 * a list. Numbers are worked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include "coordinator/coordinator.h"
#include "exchange/exchange.h"
#include "fl/complete.h"
#include "fl/receipt.h"
#include "fl/topics.h"
#include "io/blobs.h"
#include "io/file.h"
#include "model/model_file.h"
#include "round/round.h"
#include "service/log.h"

#define SENT_MAX 256
#define HELD_MAX 256
#define V0       "fl/models/global_model_v0"
#define BASE     "{\"w\":[0,0,0],\"b\":0,\"version\":0}"
#define RECEIPT  "fl/rounds/r-0001/receipts/"
#define COMPLETE "fl/rounds/r-0001/complete"

#define UPDATE_1                                                                                   \
    "{\"round_id\":\"r-0001\",\"base_model_uri\":\"" V0                                            \
    "\",\"num_samples\":1,\"update\":{\"w\":[1,2,3],\"b\":4}}"
#define START_B                                                                                    \
    "{\"round_id\":\"b\",\"model_uri\":\"" V0                                                      \
    "\",\"task_wasm_image\":\"i\",\"participants\":[\"p\"]}"

/* The mission document's own start. */
#define START                                                                                      \
    "{\"round_id\": \"r-0001\", \"model_uri\": \"fl/models/global_model_v0\","                     \
    " \"task_wasm_image\": \"oci://example/fl-client-wasm:latest\","                               \
    " \"participants\": [\"proplet-1\", \"proplet-2\", \"proplet-3\"],"                            \
    " \"hyperparams\": {\"epochs\": 1, \"lr\": 0.01, \"batch_size\": 16},"                         \
    " \"k_of_n\": 3, \"timeout_s\": 30}"

/* ---- the world around the coordinator ---- */

struct sent {
    char topic[FL_TOPIC_SIZE];
    char *text; /* with a zero at the end */
    size_t size;
    char name[80], version[32], round[80], correlation[32];
    char parent[FL_TOPIC_SIZE], contributors[32], samples[32], metrics[128];
};

/* What the broker holds retained. */
struct held {
    char topic[FL_TOPIC_SIZE];
    char text[1024]; /* empty: cleared */
};

struct world {
    struct held held[HELD_MAX];
    size_t held_count, retained; /* topics; messages */
    struct coordinator *coordinator;
    uint64_t now_ms;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    size_t read; /* how many of them the test has looked at */
    char asked[FL_TOPIC_SIZE];
    size_t asked_count, asked_no_more_count;
    char folder[128]; /* of the coordinator's state */
    struct coordinator_settings settings;
    uint64_t published, untaken; /* that the broker has; that it does not have yet */
    bool full;                   /* the broker's queue is */
    size_t handed_back;          /* messages that had to be put in twice */
};

static void copy_property(const struct mqtt_message *m, const char *key, char *ret, size_t size)
{
    const char *value = mqtt_message_property(m, key);
    (void)snprintf(ret, size, "%s", value == NULL ? "" : value);
}

static struct held *held_on(struct world *w, const char *topic)
{
    for (size_t i = 0; i < w->held_count; i++)
        if (strcmp(w->held[i].topic, topic) == 0)
            return &w->held[i];
    return NULL;
}

static void hold(struct world *w, const struct mqtt_message *m)
{
    struct held *h = held_on(w, m->topic);
    if (h == NULL) {
        assert_true(w->held_count < HELD_MAX);
        h = &w->held[w->held_count++];
        (void)snprintf(h->topic, sizeof h->topic, "%s", m->topic);
    }
    assert_true(m->payload.size < sizeof h->text);
    memset(h->text, 0, sizeof h->text);
    if (m->payload.size > 0)
        memcpy(h->text, m->payload.data, m->payload.size);
    w->retained++;
}

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct world *w = owner;
    if (w->full)
        return ST_LIMIT;
    w->published++;
    if (m->retain) {
        hold(w, m);
        return ST_OK;
    }
    assert_true(w->sent_count < SENT_MAX);
    struct sent *s = &w->sent[w->sent_count++];
    (void)snprintf(s->topic, sizeof s->topic, "%s", m->topic);
    s->size = m->payload.size;
    s->text = calloc(1, s->size + 1);
    assert_non_null(s->text);
    memcpy(s->text, m->payload.data, s->size);
    copy_property(m, "name", s->name, sizeof s->name);
    copy_property(m, "version", s->version, sizeof s->version);
    copy_property(m, "round", s->round, sizeof s->round);
    copy_property(m, "parent", s->parent, sizeof s->parent);
    copy_property(m, "contributors", s->contributors, sizeof s->contributors);
    copy_property(m, "samples", s->samples, sizeof s->samples);
    copy_property(m, "metrics", s->metrics, sizeof s->metrics);
    (void)snprintf(s->correlation, sizeof s->correlation, "%.*s", (int)m->correlation.size,
                   (const char *)m->correlation.data);
    return ST_OK;
}

static void ask(void *owner, const char *topic)
{
    struct world *w = owner;
    (void)snprintf(w->asked, sizeof w->asked, "%s", topic);
    w->asked_count++;
}

static void ask_no_more(void *owner, const char *topic)
{
    struct world *w = owner;
    assert_string_equal(topic, w->asked);
    w->asked_no_more_count++;
}

static uint64_t taken(void *owner)
{
    const struct world *w = owner;
    return w->published - w->untaken;
}

static struct world world;

static enum status open_coordinator(void)
{
    struct coordinator_out out = {.publish = publish,
                                  .ask = ask,
                                  .ask_no_more = ask_no_more,
                                  .taken = taken,
                                  .owner = &world};
    world.published = 0;
    world.settings.state_dir = world.folder;
    return coordinator_new(&world.settings, &out, world.now_ms, &world.coordinator);
}

static void begin(struct coordinator_settings settings)
{
    memset(&world, 0, sizeof world);
    world.now_ms = 5000;
    world.settings = settings;
    world.settings.boot = "the first boot";
    world.settings.experiments_open_max = 1;
    /* In memory where there is such a place: syncs cost time and prove nothing here. */
    (void)snprintf(world.folder, sizeof world.folder, "%s/fml-coordinator-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(world.folder));
    assert_int_equal(open_coordinator(), ST_OK);
    coordinator_resume(world.coordinator, world.now_ms);
}

static int setup(void **state)
{
    begin((struct coordinator_settings){.rounds_open_max = 4});
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    coordinator_free(world.coordinator);
    if (world.folder[0] != '\0')
        assert_int_equal(file_remove_tree(world.folder), ST_OK);
    for (size_t i = 0; i < world.sent_count; i++)
        free(world.sent[i].text);
    memset(&world, 0, sizeof world);
    return 0;
}

/* ---- putting in ---- */

/* As the broker does: what was not kept is handed over again, once more and at once. */
static void put(const struct mqtt_message *m)
{
    coordinator_message(world.coordinator, m, world.now_ms);
    if (coordinator_flush(world.coordinator, world.now_ms))
        return;
    world.handed_back++;
    coordinator_message(world.coordinator, m, world.now_ms);
    assert_true(coordinator_flush(world.coordinator, world.now_ms));
}

static void put_text(const char *topic, const char *text)
{
    put(&(struct mqtt_message){.topic = topic, .payload = view_text(text)});
}

static void put_model(const char *topic, struct view bytes)
{
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(bytes);
    digest_text(&d, digest);
    put(&(struct mqtt_message){.topic = topic,
                               .payload = bytes,
                               .retain = true,
                               .properties = {{"digest", digest}},
                               .property_count = 1});
}

static void put_base(void)
{
    put_model(V0, view_text(BASE));
}

static void put_update(const char *round, const char *sender, const char *text)
{
    put(&(struct mqtt_message){.topic = FL_UPDATES,
                               .payload = view_text(text),
                               .properties = {{"round", round}, {"sender", sender}},
                               .property_count = 2});
}

static const char *update_text(const char *round, const char *values)
{
    static char text[512];
    (void)snprintf(text, sizeof text, "{\"round_id\":\"%s\",\"base_model_uri\":\"" V0 "\",%s}",
                   round, values);
    return text;
}

/* Whole numbers and binary fractions, so that every sum is exact. */
static const char *const values_1 =
    "\"num_samples\":1,\"metrics\":{\"loss\":1},\"update\":{\"w\":[1,2,3],\"b\":4}";
static const char *const values_2 =
    "\"num_samples\":1,\"metrics\":{\"loss\":2},\"update\":{\"w\":[3,2,1],\"b\":0}";
static const char *const values_3 =
    "\"num_samples\":2,\"metrics\":{\"loss\":0.5},\"update\":{\"w\":[0.5,-1,4],\"b\":2}";

static void put_three(const char *round)
{
    put_update(round, "proplet-1", update_text(round, values_1));
    put_update(round, "proplet-2", update_text(round, values_2));
    put_update(round, "proplet-3", update_text(round, values_3));
}

static void pass(uint64_t ms)
{
    world.now_ms += ms;
    coordinator_tick(world.coordinator, world.now_ms);
}

/* ---- looking at what came out ---- */

static const struct sent *next(const char *topic)
{
    if (world.read == world.sent_count)
        fail_msg("nothing on %s", topic);
    const struct sent *s = &world.sent[world.read++];
    assert_string_equal(s->topic, topic);
    return s;
}

static void nothing_more(void)
{
    if (world.read < world.sent_count)
        fail_msg("unexpected: %s %s", world.sent[world.read].topic, world.sent[world.read].text);
}

static void expect_receipt(const char *topic, enum verdict verdict)
{
    struct receipt receipt;
    const struct sent *s = next(topic);
    assert_int_equal(receipt_decode(view_text(s->text), &receipt, NULL), ST_OK);
    if (receipt.verdict != verdict)
        fail_msg("%s instead of %s", verdict_code(receipt.verdict), verdict_code(verdict));
}

static struct complete expect_complete(const char *topic, enum round_outcome outcome,
                                       const char *reason)
{
    struct complete complete;
    const struct sent *s = next(topic);
    assert_int_equal(complete_decode(view_text(s->text), &complete, NULL), ST_OK);
    assert_int_equal(complete.outcome, outcome);
    assert_string_equal(complete.reason, reason);
    assert_true(strlen(complete.completed_at) > 0);
    return complete;
}

static void expect_refused(const char *code, const char *round_id)
{
    json_t *object = json_loads(next(FL_ROUND_REFUSED)->text, 0, NULL);
    const char *id = json_string_value(json_object_get(object, "round_id"));
    assert_string_equal(json_string_value(json_object_get(object, "code")), code);
    assert_true(strlen(json_string_value(json_object_get(object, "reason"))) > 0);
    assert_string_equal(id == NULL ? "" : id, round_id);
    json_decref(object);
}

static const struct sent *expect_version(const char *version, const char *round)
{
    const struct sent *s = next(FL_MODEL_PUBLISH);
    assert_string_equal(s->name, "global_model");
    assert_string_equal(s->version, version);
    assert_string_equal(s->round, round);
    return s;
}

static void assert_json(const char *text, const char *expected)
{
    json_t *a = json_loads(text, 0, NULL), *b = json_loads(expected, 0, NULL);
    char *left = json_dumps(a, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    char *right = json_dumps(b, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    assert_string_equal(left, right);
    free(left);
    free(right);
    json_decref(a);
    json_decref(b);
}

/* What the model server does with a version. */
static void store(const struct sent *s)
{
    char topic[FL_TOPIC_SIZE];
    (void)snprintf(topic, sizeof topic, "fl/models/%s_v%s", s->name, s->version);
    put_model(topic, view_of(s->text, s->size));
}

static void open_common(void)
{
    put_base();
    put_text(FL_ROUND_START, START);
    nothing_more();
}

static const struct sent *three_receipts_and_a_version(void)
{
    put_three("r-0001");
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    return expect_version("1", "r-0001");
}

/* ---- the mission's round ---- */

static void missions_round_from_start_to_complete(void **state)
{
    (void)state;
    open_common();
    world.now_ms += 250;
    const struct sent *version = three_receipts_and_a_version();
    /* w0 = (1+3+2*0.5)/4, w1 = (2+2-2*1)/4, w2 = (3+1+2*4)/4, b = (4+0+2*2)/4 */
    assert_json(version->text, "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
    /* Where it comes from is beside it: the mission's JSON has no place for it. */
    assert_string_equal(version->parent, V0);
    assert_string_equal(version->contributors, "3");
    assert_string_equal(version->samples, "4");
    assert_string_equal(version->metrics, "{\"loss\":1.0}");
    nothing_more(); /* complete waits for the version to be on its topic */

    char digest[DIGEST_TEXT_SIZE];
    struct digest made = digest_of(view_of(version->text, version->size));
    digest_text(&made, digest);
    world.now_ms += 250;
    store(version);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_true(c.has_version);
    assert_string_equal(c.model_topic, "fl/models/global_model_v1");
    assert_int_equal(c.model_version, 1);
    assert_true(digest_equal(&c.model_digest, &made));
    assert_string_equal(c.model_uri, V0);
    assert_int_equal(c.num_updates, 3);
    assert_int_equal(c.total_samples, 4);
    assert_int_equal(c.participants, 3);
    assert_int_equal(c.duration_ms, 500);
    assert_true(metrics_find(&c.metrics, "loss")->value == 1.0); /* (1 + 2 + 2*0.5) / 4 */
    nothing_more();

    store(version); /* retained messages may come again */
    pass(100000);
    nothing_more();
}

static void next_round_starts_from_the_new_version(void **state)
{
    (void)state;
    open_common();
    store(three_receipts_and_a_version());
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    put_text(FL_ROUND_START, "{\"round_id\":\"r-0002\",\"model_uri\":\"fl/models/global_model_v1\","
                             "\"task_wasm_image\":\"i\",\"participants\":[\"proplet-1\"]}");
    put_update("r-0002", "proplet-1",
               "{\"round_id\":\"r-0002\",\"base_model_uri\":\"fl/models/global_model_v1\","
               "\"num_samples\":7,\"update\":{\"w\":[1,1,1],\"b\":1}}");
    expect_receipt("fl/rounds/r-0002/receipts/proplet-1", VERDICT_ACCEPTED);
    assert_json(expect_version("2", "r-0002")->text,
                "{\"w\":[1.0,1.0,1.0],\"b\":1.0,\"version\":2}");
    nothing_more();
}

static void safetensors_base_makes_a_safetensors_version(void **state)
{
    (void)state;
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {3}}, {.name = "b"}};
    struct model *m;
    struct bytes bytes = {0};
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    assert_int_equal(model_set_meta(m, "name", "global_model"), ST_OK);
    assert_int_equal(model_set_meta(m, "version", "0"), ST_OK);
    assert_int_equal(model_set_meta(m, "labels", "ten digits"), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &bytes), ST_OK);
    m = model_free(m);
    put_model(V0, bytes_view(&bytes));
    bytes_done(&bytes);

    put_text(FL_ROUND_START, START);
    const struct sent *s = three_receipts_and_a_version();
    enum model_form form;
    assert_int_equal(model_decode(view_of(s->text, s->size), &m, &form, NULL), ST_OK);
    assert_int_equal(form, MODEL_SAFETENSORS);
    assert_string_equal(model_meta(m, "name"), "global_model");
    assert_string_equal(model_meta(m, "version"), "1");
    assert_string_equal(model_meta(m, "round_id"), "r-0001");
    assert_string_equal(model_meta(m, "parent"), V0);
    assert_string_equal(model_meta(m, "labels"), "ten digits");
    assert_string_equal(model_meta(m, "contributors"), "3");
    assert_string_equal(model_meta(m, "num_samples"), "4");
    assert_string_equal(model_meta(m, "metrics"), "{\"loss\":1.0}");
    assert_true(model_find(m, "w")->data[0] == 1.25f && model_find(m, "b")->data[0] == 2.0f);
    model_free(m);
}

static void evaluation_makes_no_version(void **state)
{
    (void)state;
    put_base();
    put_text(FL_ROUND_START, "{\"round_id\":\"r-0001\",\"model_uri\":\"" V0 "\",\"mode\":"
                             "\"evaluate\",\"task_wasm_image\":\"i\",\"participants\":[\"p\"]}");
    put_update("r-0001", "p",
               update_text("r-0001", "\"num_samples\":8,\"metrics\":{\"accuracy\":0.75}"));
    expect_receipt(RECEIPT "p", VERDICT_ACCEPTED);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_false(c.has_version);
    assert_true(metrics_find(&c.metrics, "accuracy")->value == 0.75);
    nothing_more();
}

/* ---- updates ---- */

static void each_refusal_has_its_receipt(void **state)
{
    (void)state;
    static const struct {
        const char *sender, *text;
        enum verdict verdict;
    } cases[] = {
        {"proplet-2", "{", VERDICT_MALFORMED},
        {"proplet-9", "{}", VERDICT_NOT_PARTICIPANT},
        {"proplet-2",
         "{\"round_id\":\"r-2\",\"base_model_uri\":\"" V0
         "\",\"num_samples\":1,\"update\":{\"w\":[1,2,3],\"b\":4}}",
         VERDICT_WRONG_ROUND},
        {"proplet-2",
         "{\"round_id\":\"r-0001\",\"proplet_id\":\"proplet-3\",\"base_model_uri\":\"" V0
         "\",\"num_samples\":1,\"update\":{\"w\":[1,2,3],\"b\":4}}",
         VERDICT_WRONG_SENDER},
        {"proplet-2",
         "{\"round_id\":\"r-0001\",\"base_model_uri\":\"fl/models/global_model_v7\","
         "\"num_samples\":1,\"update\":{\"w\":[1,2,3],\"b\":4}}",
         VERDICT_WRONG_BASE_MODEL},
        {"proplet-2",
         "{\"round_id\":\"r-0001\",\"base_model_uri\":\"" V0
         "\",\"num_samples\":1,\"update\":{\"w\":[1,2],\"b\":4}}",
         VERDICT_WRONG_SHAPE},
        {"proplet-2",
         "{\"round_id\":\"r-0001\",\"base_model_uri\":\"" V0
         "\",\"num_samples\":1,\"update\":{\"w\":[1,2,3],\"b\":true}}",
         VERDICT_WRONG_DTYPE},
        {"proplet-2",
         "{\"round_id\":\"r-0001\",\"base_model_uri\":\"" V0
         "\",\"num_samples\":1,\"update\":{\"w\":[1,2,3],\"b\":1e300}}",
         VERDICT_NON_FINITE},
        {"proplet-2",
         "{\"round_id\":\"r-0001\",\"base_model_uri\":\"" V0
         "\",\"num_samples\":-3,\"update\":{\"w\":[1,2,3],\"b\":4}}",
         VERDICT_BAD_NUM_SAMPLES},
        {"proplet-1", "{}", VERDICT_CONFLICT},
    };
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    uint64_t rejected[VERDICT_COUNT] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char topic[FL_TOPIC_SIZE];
        (void)snprintf(topic, sizeof topic, RECEIPT "%s", cases[i].sender);
        put_update("r-0001", cases[i].sender, cases[i].text);
        expect_receipt(topic, cases[i].verdict);
        rejected[cases[i].verdict]++;
    }
    nothing_more();
    /* None of them is in the mean, and all are in the account. */
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    const struct sent *version = expect_version("1", "r-0001");
    assert_json(version->text, "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
    store(version);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_memory_equal(c.rejected, rejected, sizeof rejected);
    assert_int_equal(c.num_updates, 3);
}

static void too_large_update_is_refused(void **state)
{
    (void)state;
    open_common();
    size_t size = MESSAGE_SIZE_MAX + 1;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, ' ', size);
    put(&(struct mqtt_message){.topic = FL_UPDATES,
                               .payload = view_of(bytes, size),
                               .properties = {{"round", "r-0001"}, {"sender", "proplet-1"}},
                               .property_count = 2});
    free(bytes);
    expect_receipt(RECEIPT "proplet-1", VERDICT_TOO_LARGE);
    nothing_more();
}

static void unknown_round_is_answered_if_it_has_a_name(void **state)
{
    (void)state;
    put_update("r-7", "proplet-1", update_text("r-7", values_1));
    expect_receipt("fl/rounds/r-7/receipts/proplet-1", VERDICT_UNKNOWN_ROUND);
    put_update("r-7/x", "proplet-1", "{}");
    put_update("r-7", "#", "{}");
    put_text(FL_UPDATES, "{}");
    nothing_more();
}

static void same_update_gets_the_same_receipt_also_after_the_end(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    nothing_more();
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    store(expect_version("1", "r-0001"));
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.num_updates, 3);

    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-1", VERDICT_LATE);
    nothing_more();
}

static void early_updates_wait_for_the_base(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    assert_string_equal(world.asked, V0);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-1", update_text("r-0001", values_2)); /* the first one stays */
    expect_receipt(RECEIPT "proplet-1", VERDICT_NOT_STORED);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    nothing_more();
    put_update("r-0001", "proplet-9", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-9", VERDICT_NOT_PARTICIPANT);

    assert_int_equal(world.asked_no_more_count, 0);
    put_base();
    assert_int_equal(world.asked_no_more_count, 1);
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    assert_json(expect_version("1", "r-0001")->text,
                "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
}

static void early_updates_are_limited_in_all(void **state)
{
    (void)state;
    enum { FULL = EARLY_UPDATES_BYTES_MAX / MESSAGE_SIZE_MAX };
    put_text(FL_ROUND_START,
             "{\"round_id\":\"r-0001\",\"model_uri\":\"" V0 "\",\"task_wasm_image\":\"i\","
             "\"participants\":[\"p0\",\"p1\",\"p2\",\"p3\",\"p4\"],\"k_of_n\":5}");
    struct bytes largest = {0};
    assert_int_equal(bytes_resize(&largest, MESSAGE_SIZE_MAX), ST_OK);
    for (int i = 0; i < FULL; i++) {
        char sender[16];
        (void)snprintf(sender, sizeof sender, "p%d", i);
        put(&(struct mqtt_message){.topic = FL_UPDATES,
                                   .payload = bytes_view(&largest),
                                   .properties = {{"round", "r-0001"}, {"sender", sender}},
                                   .property_count = 2});
    }
    bytes_done(&largest);
    put_update("r-0001", "p4", update_text("r-0001", values_1)); /* one too many */
    expect_receipt(RECEIPT "p4", VERDICT_NOT_STORED);
    nothing_more();
    put_base();
    for (int i = 0; i < FULL; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, RECEIPT "p%d", i);
        expect_receipt(topic, VERDICT_MALFORMED);
    }
    nothing_more();
    put_update("r-0001", "p4", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "p4", VERDICT_ACCEPTED);
}

static void early_updates_are_told_when_the_base_never_came(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    pass(ROUND_MODEL_WAIT_MS - 1);
    nothing_more();
    pass(1);
    (void)expect_complete(COMPLETE, ROUND_FAILED, ROUND_REASON_BASE_MISSING);
    expect_receipt(RECEIPT "proplet-1", VERDICT_LATE);
    assert_int_equal(world.asked_count, 1);
    assert_int_equal(world.asked_no_more_count, 1);
    nothing_more();
}

/* ---- starts ---- */

static void same_start_again_is_ignored_however_it_is_spelled(void **state)
{
    (void)state;
    open_common();
    put_text(FL_ROUND_START, START);
    put_text(FL_ROUND_START,
             "{\"timeout_s\":30,\"k_of_n\":3,\"grace_s\":0,\"round_id\":\"r-0001\","
             "\"hyperparams\":{\"batch_size\":16,\"epochs\":1,\"lr\":0.01},"
             "\"participants\":[\"proplet-1\",\"proplet-2\",\"proplet-3\"],"
             "\"task_wasm_image\":\"oci://example/fl-client-wasm:latest\",\"model_uri\":\"" V0
             "\"}");
    nothing_more();
    store(three_receipts_and_a_version());
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    put_text(FL_ROUND_START, START); /* also after its end */
    nothing_more();
}

static void same_id_for_another_round_is_refused(void **state)
{
    (void)state;
    open_common();
    put_text(FL_ROUND_START, "{\"round_id\":\"r-0001\",\"model_uri\":\"" V0 "\","
                             "\"task_wasm_image\":\"i\",\"participants\":[\"proplet-1\"]}");
    expect_refused("round_exists", "r-0001");
    nothing_more(); /* the running round goes on: no complete */
    put_text(FL_ROUND_START, "{\"round_id\":\"r-0001\"}");
    expect_refused("invalid", "r-0001");
    nothing_more();
    (void)three_receipts_and_a_version();
}

static void unusable_starts_are_refused_and_have_an_end(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, "{\"round_id\":\"r-0001\",");
    expect_refused("malformed", "");
    put_text(FL_ROUND_START, "{\"model_uri\":\"" V0 "\"}");
    expect_refused("invalid", "");
    put_text(FL_ROUND_START, "{\"round_id\":\"a/b\"}");
    expect_refused("invalid", "");
    nothing_more();

    put_text(FL_ROUND_START, "{\"round_id\":\"r-0001\",\"model_uri\":\"" V0 "\",\"task_wasm_image\""
                             ":\"i\",\"participants\":[\"a\",\"a\"]}");
    expect_refused("invalid", "r-0001");
    (void)expect_complete(COMPLETE, ROUND_FAILED, "invalid");
    nothing_more();
    put_update("r-0001", "a", "{}"); /* it never was a round */
    expect_receipt(RECEIPT "a", VERDICT_UNKNOWN_ROUND);
}

static void one_round_too_many_is_refused(void **state)
{
    (void)state;
    put_base();
    char text[512];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"round_id\":\"r-%d\",\"model_uri\":\"" V0 "\",\"timeout_s\":%d,"
                       "\"task_wasm_image\":\"i\",\"participants\":[\"a\"]}",
                       i, i == 0 ? 1 : 30);
        put_text(FL_ROUND_START, text);
    }
    expect_refused("too_many_rounds", "r-4");
    struct complete c = expect_complete("fl/rounds/r-4/complete", ROUND_FAILED, "too_many_rounds");
    assert_string_equal(c.model_uri, V0);
    assert_int_equal(c.participants, 1);
    nothing_more();

    pass(1000); /* r-0 ends and makes room */
    (void)expect_complete("fl/rounds/r-0/complete", ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    put_text(FL_ROUND_START, text);
    nothing_more();
}

static void retained_messages_are_ignored(void **state)
{
    (void)state;
    put(&(struct mqtt_message){
        .topic = FL_ROUND_START, .payload = view_text(START), .retain = true});
    nothing_more();
    assert_int_equal(world.asked_count, 0);

    put_base();
    put_text(FL_ROUND_START, START);
    put(&(struct mqtt_message){.topic = FL_UPDATES,
                               .payload = view_text(update_text("r-0001", values_1)),
                               .retain = true,
                               .properties = {{"round", "r-0001"}, {"sender", "proplet-1"}},
                               .property_count = 2});
    put(&(struct mqtt_message){.topic = FL_ROUND_QUERY,
                               .payload = view_text("{\"what\":\"status\"}"),
                               .retain = true,
                               .response_topic = "answers"});
    nothing_more();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_2)); /* none was counted */
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
}

/* ---- time ---- */

static void round_expires_and_the_model_is_untouched(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    pass(29999);
    nothing_more();
    pass(1);
    struct complete c = expect_complete(COMPLETE, ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    assert_int_equal(c.num_updates, 1);
    assert_false(c.has_version);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_LATE);
    pass(1000000);
    nothing_more();
}

static void stopping_cancels_open_rounds(void **state)
{
    (void)teardown(state);
    begin((struct coordinator_settings){.rounds_open_max = 4, .cancel_on_stop = true});
    open_common();
    coordinator_stop(world.coordinator, world.now_ms + 10);
    struct complete c = expect_complete(COMPLETE, ROUND_CANCELLED, "coordinator_stopped");
    assert_int_equal(c.duration_ms, 10);
    coordinator_stop(world.coordinator, world.now_ms + 20);
    nothing_more();
}

/* ---- versions ---- */

static void start_of(const char *round)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"round_id\":\"%s\",\"model_uri\":\"" V0 "\",\"task_wasm_image\":\"i\","
                   "\"participants\":[\"p\"]}",
                   round);
    put_text(FL_ROUND_START, text);
}

/* As many participants as there may be, for one second. */
static void start_of_many(const char *round)
{
    struct bytes text = {0};
    char part[128];
    (void)snprintf(part, sizeof part,
                   "{\"round_id\":\"%s\",\"model_uri\":\"" V0 "\",\"task_wasm_image\":\"i\","
                   "\"timeout_s\":1,\"participants\":[",
                   round);
    assert_int_equal(bytes_append(&text, view_text(part), CONTROL_SIZE_MAX), ST_OK);
    for (int i = 0; i < ROUND_PARTICIPANTS_MAX; i++) {
        (void)snprintf(part, sizeof part, "%s\"p%d\"", i > 0 ? "," : "", i);
        assert_int_equal(bytes_append(&text, view_text(part), CONTROL_SIZE_MAX), ST_OK);
    }
    assert_int_equal(bytes_append(&text, view_text("]}"), CONTROL_SIZE_MAX), ST_OK);
    put(&(struct mqtt_message){.topic = FL_ROUND_START, .payload = bytes_view(&text)});
    bytes_done(&text);
}

static void answer(const char *round, int value)
{
    char values[128], topic[FL_TOPIC_SIZE];
    (void)snprintf(values, sizeof values, "\"num_samples\":1,\"update\":{\"w\":[%d,0,0],\"b\":0}",
                   value);
    (void)snprintf(topic, sizeof topic, "fl/rounds/%s/receipts/p", round);
    put_update(round, "p", update_text(round, values));
    expect_receipt(topic, VERDICT_ACCEPTED);
}

static void two_rounds_from_one_base_make_two_versions(void **state)
{
    (void)state;
    put_base();
    start_of("a");
    start_of("b");
    answer("b", 5);
    const struct sent *of_b = expect_version("1", "b");
    answer("a", 7); /* while the version of b is under way */
    const struct sent *of_a = expect_version("2", "a");
    assert_json(of_b->text, "{\"w\":[5.0,0.0,0.0],\"b\":0.0,\"version\":1}");
    assert_json(of_a->text, "{\"w\":[7.0,0.0,0.0],\"b\":0.0,\"version\":2}");

    store(of_a);
    struct complete c =
        expect_complete("fl/rounds/a/complete", ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.model_version, 2);
    nothing_more();
    store(of_b);
    c = expect_complete("fl/rounds/b/complete", ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.model_version, 1);
    nothing_more();
}

static void number_is_above_all_that_are_known(void **state)
{
    (void)state;
    put_base();
    put_text(FL_MODEL_INDEX, "{\"models\":[{\"name\":\"global_model\",\"version\":0},"
                             "{\"name\":\"global_model\",\"version\":41},"
                             "{\"name\":\"other\",\"version\":99}]}");
    start_of("a");
    answer("a", 1);
    (void)expect_version("42", "a");
    put_text(FL_MODEL_INDEX, "{\"models\":\"spoilt\"}");
    put_text(FL_MODEL_INDEX, "{\"models\":[{\"name\":\"global_model\",\"version\":77},{}]}");
    put_model("fl/models/global_model_v50", view_text("{\"w\":1}"));
    start_of("b");
    answer("b", 1);
    (void)expect_version("51", "b");
    nothing_more();
}

static void taken_number_is_left_for_the_next(void **state)
{
    (void)state;
    put_base();
    start_of("a");
    answer("a", 3);
    const struct sent *first = expect_version("1", "a");
    put_model("fl/models/global_model_v1", view_text("{\"w\":[9,9,9],\"b\":9,\"version\":1}"));
    const struct sent *second = expect_version("2", "a");
    assert_json(second->text, "{\"w\":[3.0,0.0,0.0],\"b\":0.0,\"version\":2}");
    nothing_more();
    store(first); /* not ours any more */
    nothing_more();

    /* One that is stored but not retained shows only as a refusal. */
    put_text(FL_MODEL_REFUSED,
             "{\"name\":\"global_model\",\"version\":2,\"code\":\"version_exists\","
             "\"reason\":\"r\"}");
    const struct sent *third = expect_version("3", "a");
    put_text(FL_MODEL_REFUSED,
             "{\"name\":\"global_model\",\"version\":3,\"code\":\"disk_full\",\"reason\":\"r\"}");
    put_text(FL_MODEL_REFUSED, "{}");
    nothing_more();
    store(third);
    struct complete c =
        expect_complete("fl/rounds/a/complete", ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.model_version, 3);
}

static void version_that_is_not_stored_is_published_again_and_then_given_up(void **state)
{
    (void)state;
    put_base();
    start_of("a");
    answer("a", 3);
    const struct sent *first = expect_version("1", "a");
    for (uint32_t i = 1; i < ROUND_STORE_TRIES_MAX; i++) {
        pass(ROUND_STORE_WAIT_MS);
        assert_string_equal(expect_version("1", "a")->text, first->text);
    }
    pass(ROUND_STORE_WAIT_MS);
    struct complete c =
        expect_complete("fl/rounds/a/complete", ROUND_FAILED, ROUND_REASON_MODEL_NOT_STORED);
    assert_false(c.has_version);
    store(first); /* too late for the round; the number is known now */
    nothing_more();
    start_of("b");
    answer("b", 4);
    (void)expect_version("2", "b");
}

static void corrupt_version_on_the_topic_is_not_believed(void **state)
{
    (void)state;
    put_base();
    start_of("a");
    answer("a", 3);
    const struct sent *s = expect_version("1", "a");
    put(&(struct mqtt_message){
        .topic = "fl/models/global_model_v1",
        .payload = view_of(s->text, s->size),
        .properties = {{"digest", "sha256:00000000000000000000000000000000000000000000000000000000"
                                  "00000000"}},
        .property_count = 1});
    nothing_more();
    store(s);
    (void)expect_complete("fl/rounds/a/complete", ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
}

static void unusable_base_fails_the_round(void **state)
{
    (void)state;
    start_of("a");
    put_model("fl/models/other_v0", view_text("{\"w\":1}"));
    nothing_more();
    put_model(V0, view_text("{\"w\":[1,[2]]}"));
    (void)expect_complete("fl/rounds/a/complete", ROUND_FAILED, "base_model_unusable");
    assert_int_equal(world.asked_no_more_count, 1);
    nothing_more();
}

static void json_base_of_an_optimiser_fails_the_round(void **state)
{
    (void)state;
    put_text(FL_ROUND_START,
             "{\"round_id\":\"a\",\"model_uri\":\"" V0 "\",\"task_wasm_image\":\"i\","
             "\"aggregation\":{\"optimiser\":{\"kind\":\"fedadam\"}},\"participants\":[\"p\"]}");
    put_base();
    (void)expect_complete("fl/rounds/a/complete", ROUND_FAILED, "base_model_unusable");
    nothing_more();
}

static void cleared_version_is_asked_for_again(void **state)
{
    (void)state;
    put_base();
    put(&(struct mqtt_message){.topic = V0});
    start_of("a");
    assert_int_equal(world.asked_count, 1);
    put_base();
    answer("a", 1);
    (void)expect_version("1", "a");
}

static void stored_version_is_written_to_the_models_folder(void **state)
{
    (void)teardown(state);
    char folder[] = "/tmp/fml-coordinator-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    begin((struct coordinator_settings){.rounds_open_max = 1, .models_dir = folder});
    put_base();
    start_of("a");
    answer("a", 3);
    const struct sent *s = expect_version("1", "a");
    char path[128];
    struct bytes bytes = {0};
    (void)snprintf(path, sizeof path, "%s/global_model_v1.json", folder);
    assert_int_equal(file_read(path, MESSAGE_SIZE_MAX, &bytes), ST_NOT_FOUND);
    store(s);
    assert_int_equal(file_read(path, MESSAGE_SIZE_MAX, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_of(s->text, s->size)));
    bytes_done(&bytes);
    assert_int_equal(file_remove_tree(folder), ST_OK);
}

/* ---- queries ---- */

static void query(const char *text)
{
    put(&(struct mqtt_message){.topic = FL_ROUND_QUERY,
                               .payload = view_text(text),
                               .response_topic = "answers/here",
                               .correlation = view_text("c-1")});
}

static void query_shows_open_and_ended_rounds(void **state)
{
    (void)state;
    put_base();
    start_of("a");
    answer("a", 3);
    store(expect_version("1", "a"));
    (void)expect_complete("fl/rounds/a/complete", ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);

    query("{\"what\":\"status\"}");
    const struct sent *s = next("answers/here");
    assert_string_equal(s->correlation, "c-1");
    json_t *object = json_loads(s->text, 0, NULL);
    json_t *open = json_object_get(object, "open"), *ended = json_object_get(object, "ended");
    assert_int_equal(json_array_size(open), 1);
    assert_int_equal(json_array_size(ended), 1);
    json_t *r = json_array_get(open, 0);
    assert_string_equal(json_string_value(json_object_get(r, "round_id")), "r-0001");
    assert_string_equal(json_string_value(json_object_get(r, "state")), "open");
    assert_int_equal(json_integer_value(json_object_get(r, "num_updates")), 1);
    assert_int_equal(json_integer_value(json_object_get(r, "k_of_n")), 3);
    assert_null(json_object_get(r, "status"));
    r = json_array_get(ended, 0);
    assert_string_equal(json_string_value(json_object_get(r, "round_id")), "a");
    assert_string_equal(json_string_value(json_object_get(r, "status")), "completed");
    assert_int_equal(json_integer_value(json_object_get(r, "model_version")), 1);
    json_decref(object);
}

static void bad_query_is_told_so(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{}", "{\"what\":\"all\"}", "{\"what\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        query(texts[i]);
        json_t *object = json_loads(next("answers/here")->text, 0, NULL);
        assert_non_null(json_object_get(object, "error"));
        assert_true(strlen(json_string_value(json_object_get(object, "reason"))) > 0);
        json_decref(object);
    }
    put_text(FL_ROUND_QUERY, "{\"what\":\"status\"}"); /* nowhere to answer to */
    put_text("something/else", "{}");
    nothing_more();
}

/* ---- where rounds stand, retained ---- */

static void fill_disk(bool full);

/* Fields of the round's state, as `key=value` joined by spaces. */
static void expect_state(const char *round, const char *expected)
{
    static const char *const keys[] = {"state",  "counted",     "status",
                                       "reason", "model_topic", "completed_at"};
    char topic[FL_TOPIC_SIZE], text[512] = "";
    (void)snprintf(topic, sizeof topic, "fl/rounds/%s/state", round);
    const struct held *h = held_on(&world, topic);
    assert_non_null(h);
    json_t *object = json_loads(h->text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "round_id")), round);
    assert_string_equal(json_string_value(json_object_get(object, "model_uri")), V0);
    assert_string_equal(json_string_value(json_object_get(object, "mode")), "train");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *value = json_object_get(object, keys[i]);
        size_t size = strlen(text);
        if (json_is_integer(value))
            (void)snprintf(text + size, sizeof text - size, " %s=%d", keys[i],
                           (int)json_integer_value(value));
        else if (value != NULL)
            (void)snprintf(text + size, sizeof text - size, " %s=%s", keys[i],
                           i == 5 ? "some" : json_string_value(value));
    }
    bool counting = strncmp(text, " state=open", 11) == 0;
    assert_int_equal(json_is_string(json_object_get(object, "deadline")), counting);
    json_decref(object);
    assert_string_equal(text + 1, expected);
}

static void each_state_of_a_round_is_retained(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    expect_state("r-0001", "state=opening");
    json_t *object = json_loads(world.held[0].text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(object, "k_of_n")), 3);
    assert_int_equal(json_integer_value(json_object_get(object, "participants")), 3);
    json_decref(object);
    put_base();
    expect_state("r-0001", "state=open");
    assert_int_equal(world.retained, 2);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-2", "{");
    assert_int_equal(world.retained, 2); /* an update is no change of state */
    put_three("r-0001");
    expect_state("r-0001", "state=storing counted=3");
    pass(ROUND_STORE_WAIT_MS); /* publishing the version again neither */
    assert_int_equal(world.retained, 3);
    store(&world.sent[world.sent_count - 1]);
    expect_state("r-0001", "state=ended counted=3 status=completed reason=all_counted "
                           "model_topic=fl/models/global_model_v1 completed_at=some");
    put_text(FL_ROUND_START, START);
    pass(100000);
    assert_int_equal(world.retained, 4);
    put_text(FL_ROUND_START, "{\"round_id\":\"x\"}"); /* refused: it never was a round */
    assert_int_equal(world.held_count, 1);
}

static void states_of_rounds_that_fail_are_retained(void **state)
{
    (void)state;
    start_of("none");
    pass(ROUND_MODEL_WAIT_MS);
    expect_state("none", "state=ended counted=0 status=failed reason=base_model_missing "
                         "completed_at=some");
    put_base();
    start_of("few");
    expect_state("few", "state=open");
    pass(30000);
    expect_state("few", "state=ended counted=0 status=expired reason=too_few_updates "
                        "completed_at=some");
}

static void state_is_said_after_what_it_says_is_durable(void **state)
{
    (void)state;
    open_common();
    assert_int_equal(world.retained, 2);
    fill_disk(true);
    pass(30000);
    expect_state("r-0001", "state=open");
    fill_disk(false);
    pass(1000);
    expect_state("r-0001", "state=ended counted=0 status=expired reason=too_few_updates "
                           "completed_at=some");
}

static size_t shown(void)
{
    size_t count = 0;
    for (size_t i = 0; i < world.held_count; i++)
        count += world.held[i].text[0] != '\0';
    return count;
}

static void play_many(size_t count)
{
    put_base();
    for (size_t i = 0; i < count; i++) {
        char round[32];
        (void)snprintf(round, sizeof round, "many-%zu", i);
        start_of(round);
        pass(30000);
        world.read = world.sent_count;
    }
}

static void states_of_older_rounds_are_cleared(void **state)
{
    (void)state;
    play_many(ROUNDS_SHOWN_MAX + 2);
    assert_int_equal(shown(), ROUNDS_SHOWN_MAX);
    assert_string_equal(held_on(&world, "fl/rounds/many-0/state")->text, "");
    assert_string_equal(held_on(&world, "fl/rounds/many-1/state")->text, "");
    assert_true(strlen(held_on(&world, "fl/rounds/many-2/state")->text) > 0);
    /* They are still answered for. */
    put_update("many-0", "p", "{}");
    expect_receipt("fl/rounds/many-0/receipts/p", VERDICT_LATE);
}

static void restart(void);

static void broker_that_lost_its_store_has_the_states_again(void **state)
{
    (void)state;
    play_many(ROUNDS_SHOWN_MAX + 1);
    start_of("open");
    coordinator_connected(world.coordinator, true); /* the first time: who knows */
    pass(0);
    world.held_count = world.retained = 0;
    coordinator_connected(world.coordinator, true);
    pass(0);
    assert_int_equal(world.retained, 0);
    for (int turn = 0; turn < 2; turn++) { /* it lost its store; the coordinator is new */
        if (turn == 1) {
            pass(1000); /* the broker's word is heard, so nothing is sent just once more */
            restart();
        }
        coordinator_connected(world.coordinator, turn == 1);
        pass(0);
        assert_int_equal(world.retained, ROUNDS_SHOWN_MAX + 1);
        expect_state("open", "state=open");
        expect_state("many-1", "state=ended counted=0 status=expired reason=too_few_updates "
                               "completed_at=some");
        assert_null(held_on(&world, "fl/rounds/many-0/state"));
        world.held_count = world.retained = 0;
        world.read = world.sent_count;
    }
    fill_disk(true); /* they wait for the disk, as all else */
    coordinator_connected(world.coordinator, false);
    pass(0);
    assert_int_equal(world.retained, 0);
    fill_disk(false);
    pass(1000);
    assert_int_equal(shown(), ROUNDS_SHOWN_MAX + 1);
}

/* ---- cancelling ---- */

static void ask_to_cancel(const char *request)
{
    put(&(struct mqtt_message){.topic = FL_ROUND_CANCEL,
                               .payload = view_text(request),
                               .response_topic = "me",
                               .correlation = view_text("c7")});
}

static void expect_answer(const char *expected)
{
    const struct sent *s = next("me");
    assert_string_equal(s->correlation, "c7");
    if (strstr(s->text, expected) == NULL)
        fail_msg("%s instead of %s", s->text, expected);
}

static void cancelled_round_ends_and_makes_no_version(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    ask_to_cancel("{\"round_id\":\"r-0001\",\"reason\":\"wrong image\"}");
    struct complete c = expect_complete(COMPLETE, ROUND_CANCELLED, "cancelled_by_request");
    assert_int_equal(c.num_updates, 1);
    assert_false(c.has_version);
    expect_answer("\"ok\":true");
    expect_state("r-0001", "state=ended counted=1 status=cancelled reason=cancelled_by_request "
                           "completed_at=some");
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_LATE);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED); /* as it was told before */
    ask_to_cancel("{\"round_id\":\"r-0001\"}");            /* it came twice */
    expect_answer("\"ok\":true");
    nothing_more();
}

static void round_is_cancelled_at_any_time_before_its_end(void **state)
{
    (void)state;
    start_of("opening");
    put_update("opening", "p", update_text("opening", values_1));
    put_text(FL_ROUND_CANCEL, "{\"round_id\":\"opening\"}"); /* without wanting an answer */
    (void)expect_complete("fl/rounds/opening/complete", ROUND_CANCELLED, "cancelled_by_request");
    expect_receipt("fl/rounds/opening/receipts/p", VERDICT_LATE);
    open_common();
    const struct sent *version = three_receipts_and_a_version();
    ask_to_cancel("{\"round_id\":\"r-0001\"}");
    (void)expect_complete(COMPLETE, ROUND_CANCELLED, "cancelled_by_request");
    expect_answer("\"ok\":true");
    store(version); /* it was under way; nobody names it */
    pass(100000);
    nothing_more();
    start_of("next");
    answer("next", 1);
    (void)expect_version("2", "next");
}

static void wish_to_cancel_is_refused_by_name_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{", "\"malformed\""},
        {"{}", "\"invalid\""},
        {"{\"round_id\":\"a/b\"}", "\"invalid\""},
        {"{\"round_id\":\"r-0001\",\"reason\":7}", "\"invalid\""},
        {"{\"round_id\":\"r-0002\"}", "\"unknown_round\""},
    };
    open_common();
    size_t retained = world.retained;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask_to_cancel(cases[i][0]);
        expect_answer(cases[i][1]);
    }
    put_text(FL_ROUND_CANCEL, "{\"round_id\":\"r-0002\"}");
    expect_refused("unknown_round", "r-0002");
    nothing_more();
    assert_int_equal(world.retained, retained);
    store(three_receipts_and_a_version());
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    ask_to_cancel("{\"round_id\":\"r-0001\"}");
    expect_answer("\"round_ended\"");
    nothing_more();
}

static void cancelling_needs_the_disk(void **state)
{
    (void)state;
    open_common();
    fill_disk(true);
    ask_to_cancel("{\"round_id\":\"r-0001\"}");
    expect_answer("\"not_stored\"");
    ask_to_cancel("{\"round_id\":\"r-0001\"}");
    expect_answer("\"not_stored\"");
    assert_int_equal(world.handed_back, 0); /* it was answered */
    fill_disk(false);
    pass(1000);
    store(three_receipts_and_a_version()); /* the round is as it was */
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    nothing_more();
}

/* ---- over restarts ----
 * The coordinator is dropped and opened anew on the same folder: whatever it had not
 * committed is gone, as after a kill. */

static void restart(void)
{
    world.coordinator = coordinator_free(world.coordinator);
    assert_int_equal(open_coordinator(), ST_OK);
    coordinator_resume(world.coordinator, world.now_ms);
}

/* The broker has taken all, and the coordinator noticed. */
static void settle(void)
{
    pass(1000);
    pass(1000);
    nothing_more();
}

static void open_round_goes_on_after_a_restart(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-2", "{");
    expect_receipt(RECEIPT "proplet-2", VERDICT_MALFORMED);
    settle();
    restart();
    nothing_more(); /* the base is remembered: nobody is asked */
    assert_int_equal(world.asked_count, 0);

    put_text(FL_ROUND_START, START);                                    /* known */
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1)); /* counted */
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-1", VERDICT_CONFLICT);
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3)); /* another order */
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    const struct sent *version = expect_version("1", "r-0001");
    assert_json(version->text, "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
    store(version);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.num_updates, 3);
    assert_int_equal(c.total_samples, 4);
    assert_int_equal(c.rejected[VERDICT_MALFORMED], 1);
    assert_int_equal(c.rejected[VERDICT_CONFLICT], 1);
    assert_int_equal(c.duration_ms, 2000);
    assert_true(metrics_find(&c.metrics, "loss")->value == 1.0);
    nothing_more();
}

static void version_under_way_is_published_again_as_it_was(void **state)
{
    (void)state;
    open_common();
    const struct sent *first = three_receipts_and_a_version();
    put_text(FL_MODEL_INDEX, "{\"models\":[{\"name\":\"global_model\",\"version\":9}]}");
    settle();
    restart();
    const struct sent *second = expect_version("1", "r-0001"); /* not 10 */
    assert_string_equal(first->text, second->text);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    store(second);
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    nothing_more();
    settle();
    restart();
    store(second); /* retained */
    settle();
    start_of("b"); /* and its number is not used again */
    put_base();
    answer("b", 1);
    (void)expect_version("2", "b");
}

/* A folder that a program of an older schema left: r-done ended, r-open has two of
 * three updates, and the end of r-short was not sent yet. */
static void folder_goes_on(int version_number)
{
    char command[512];
    world.coordinator = coordinator_free(world.coordinator);
    (void)snprintf(command, sizeof command,
                   "rm -rf %s && cp -r src/coordinator/testdata/version-%d %s", world.folder,
                   version_number, world.folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(open_coordinator(), ST_OK);
    coordinator_resume(world.coordinator, world.now_ms);
    if (version_number >= 3) /* there an experiment chooses, and asks who is alive */
        (void)next("m//c//control/manager/query");
    (void)expect_complete("fl/rounds/r-short/complete", ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    nothing_more();
    put_update("r-done", "proplet-1", "{}");
    expect_receipt("fl/rounds/r-done/receipts/proplet-1", VERDICT_LATE);
    put_update("r-open", "proplet-3",
               update_text("r-open", "\"num_samples\":4,\"update\":{\"w\":[5,0,2],\"b\":4}"));
    expect_receipt("fl/rounds/r-open/receipts/proplet-3", VERDICT_ACCEPTED);
    const struct sent *version = expect_version("2", "r-open");
    /* (1*1 + 3*3 + 4*5) / 8, (1*2 + 3*8) / 8, (1*3 - 3*1 + 4*2) / 8; (8 + 3*16 + 4*4) / 8 */
    assert_json(version->text, "{\"w\":[3.75,3.25,1.0],\"b\":9.0,\"version\":2}");
    store(version);
    struct complete c =
        expect_complete("fl/rounds/r-open/complete", ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.rejected[VERDICT_NOT_PARTICIPANT], 1);
    assert_int_equal(c.total_samples, 8);
}

static void folder_of_the_first_version_goes_on(void **state)
{
    (void)state;
    folder_goes_on(1);
    coordinator_connected(world.coordinator, true);
    pass(0); /* it never retained a state; this one does */
    expect_state("r-short", "state=ended counted=0 status=expired reason=too_few_updates "
                            "completed_at=some");
}

static void folder_of_the_second_version_goes_on(void **state)
{
    (void)state;
    folder_goes_on(2);
    expect_state("r-short", "state=ended counted=0 status=expired reason=too_few_updates "
                            "completed_at=some"); /* it was still to be said */
}

static void folder_of_the_third_version_goes_on(void **state)
{
    (void)state;
    folder_goes_on(3);
    put(&(struct mqtt_message){.topic = FL_EXPERIMENT_QUERY,
                               .payload = view_text("{\"what\":\"status\"}"),
                               .response_topic = "answer"});
    assert_non_null(strstr(next("answer")->text, "\"e-open\""));
}

/* There an update of r-early waits for its base model. It is the last one that kept
 * updates in the database. */
static void folder_of_the_fourth_version_goes_on(void **state)
{
    (void)state;
    folder_goes_on(4);
    put_model("fl/models/absent_v0", view_text("{\"w\":[0,0,0],\"b\":0}"));
    expect_receipt("fl/rounds/r-early/receipts/proplet-1", VERDICT_ACCEPTED);
}

static void round_closed_by_its_deadline_is_closed_after_a_restart(void **state)
{
    (void)state;
    put_base();
    put_text(FL_ROUND_START,
             "{\"round_id\":\"r-0001\",\"model_uri\":\"" V0 "\",\"task_wasm_image\":\"i\","
             "\"participants\":[\"proplet-1\",\"proplet-2\",\"proplet-3\"],\"k_of_n\":1,"
             "\"grace_s\":5,\"timeout_s\":30}");
    pass(1000);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    pass(4999);
    restart();
    nothing_more();
    pass(1); /* five seconds of grace after the first */
    const struct sent *first = expect_version("1", "r-0001");
    settle();
    restart();
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    assert_string_equal(expect_version("1", "r-0001")->text, first->text);
    expect_receipt(RECEIPT "proplet-2", VERDICT_LATE);
    store(first);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_K_OF_N);
    assert_int_equal(c.num_updates, 1);
    assert_int_equal(c.rejected[VERDICT_LATE], 1);
}

static void ended_round_answers_as_before(void **state)
{
    (void)state;
    open_common();
    store(three_receipts_and_a_version());
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    settle();
    restart();
    nothing_more();
    put_text(FL_ROUND_START, START);
    nothing_more();
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-2", VERDICT_LATE);
    put_update("r-0001", "proplet-9", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-9", VERDICT_NOT_PARTICIPANT);
    put_text(FL_ROUND_START, "{\"round_id\":\"r-0001\",\"model_uri\":\"" V0 "\","
                             "\"task_wasm_image\":\"i\",\"participants\":[\"proplet-1\"]}");
    expect_refused("round_exists", "r-0001");

    query("{\"what\":\"status\"}");
    json_t *object = json_loads(next("answers/here")->text, 0, NULL);
    json_t *r = json_array_get(json_object_get(object, "ended"), 0);
    assert_string_equal(json_string_value(json_object_get(r, "round_id")), "r-0001");
    assert_string_equal(json_string_value(json_object_get(r, "status")), "completed");
    assert_int_equal(json_integer_value(json_object_get(r, "num_updates")), 3);
    assert_int_equal(json_integer_value(json_object_get(r, "model_version")), 1);
    json_decref(object);
    nothing_more();
}

static void base_that_was_awaited_is_asked_for_again(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1)); /* no receipt: early */
    restart();
    assert_int_equal(world.asked_count, 2);
    put_base();
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    nothing_more();
    (void)three_receipts_and_a_version();
}

static void stopping_leaves_open_rounds_open(void **state)
{
    (void)state;
    open_common();
    coordinator_stop(world.coordinator, world.now_ms);
    nothing_more();
    restart();
    (void)three_receipts_and_a_version();
}

static void more_open_rounds_than_allowed_go_on(void **state)
{
    (void)state;
    put_base();
    start_of("a");
    start_of("b");
    world.settings.rounds_open_max = 1;
    restart();
    answer("a", 1);
    (void)expect_version("1", "a");
    answer("b", 1);
    (void)expect_version("2", "b");
    start_of("c");
    expect_refused("too_many_rounds", "c");
}

static void time_goes_on_while_the_process_is_away(void **state)
{
    (void)state;
    open_common();
    world.coordinator = coordinator_free(world.coordinator);
    world.now_ms += 29999;
    assert_int_equal(open_coordinator(), ST_OK);
    coordinator_resume(world.coordinator, world.now_ms);
    nothing_more();
    pass(1);
    struct complete c = expect_complete(COMPLETE, ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    assert_int_equal(c.duration_ms, 30000);
}

static void deadline_that_passed_meanwhile_ends_the_round_at_once(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    settle();
    world.now_ms += 1000000;
    restart();
    struct complete c = expect_complete(COMPLETE, ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    assert_int_equal(c.num_updates, 1);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
}

static void after_a_boot_the_remaining_time_remains(void **state)
{
    (void)state;
    world.now_ms = 900000; /* the machine is up for long */
    open_common();
    pass(12000); /* more than CLOCK_SAVE_MS, so the time was stored: 18 s remain */
    for (int boot = 0; boot < 2; boot++) {
        world.coordinator = coordinator_free(world.coordinator);
        world.settings.boot = boot == 0 ? "the second boot" : "";
        world.now_ms = 20; /* less than the round is old */
        assert_int_equal(open_coordinator(), ST_OK);
        coordinator_resume(world.coordinator, world.now_ms);
        nothing_more();
    }
    pass(17999);
    nothing_more();
    pass(1);
    struct complete c = expect_complete(COMPLETE, ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    assert_int_equal(c.duration_ms, 30000);
}

/* ---- what is said, and when ---- */

static void nothing_is_said_before_it_is_durable(void **state)
{
    (void)state;
    open_common();
    for (int i = 1; i <= 2; i++) {
        char sender[24];
        (void)snprintf(sender, sizeof sender, "proplet-%d", i);
        coordinator_message(
            world.coordinator,
            &(struct mqtt_message){.topic = FL_UPDATES,
                                   .payload = view_text(update_text("r-0001", values_1)),
                                   .properties = {{"round", "r-0001"}, {"sender", sender}},
                                   .property_count = 2},
            world.now_ms);
    }
    nothing_more();
    restart(); /* the kill came first: neither was counted */
    nothing_more();
    (void)three_receipts_and_a_version();
}

static void what_the_broker_did_not_take_is_sent_again(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    settle(); /* taken */
    world.untaken = 1;
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    settle();
    world.untaken = 0;
    restart();
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    settle();
    restart();
    nothing_more();
}

static void full_queue_of_the_broker_delays_and_loses_nothing(void **state)
{
    (void)state;
    open_common();
    world.full = true;
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    pass(50);
    nothing_more();
    world.full = false;
    pass(50);
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    nothing_more();
}

/* ---- the disk ---- */

/* A disk that takes nothing more: no file may be written. */
static void fill_disk(bool full)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 1 : RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void disk_that_refuses_postpones_what_comes_and_recovers(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    fill_disk(true);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_NOT_STORED);
    assert_int_equal(world.handed_back, 1);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_NOT_STORED);
    put_update("r-0001", "proplet-9", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-9", VERDICT_NOT_STORED);
    assert_int_equal(world.handed_back, 1); /* the broker is not asked in vain */
    nothing_more();
    start_of("b"); /* every start has an end */
    expect_refused("not_stored", "b");
    (void)expect_complete("fl/rounds/b/complete", ROUND_FAILED, "not_stored");
    put_text(FL_ROUND_START, START); /* known: ignored, as ever */
    nothing_more();
    pass(1000); /* it tries, in vain */
    nothing_more();
    fill_disk(false);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_NOT_STORED);
    pass(1000);
    nothing_more();
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    const struct sent *version = expect_version("1", "r-0001");
    assert_json(version->text, "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
    store(version);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(c.num_updates, 3);
    assert_int_equal(c.rejected[VERDICT_NOT_PARTICIPANT], 0);
    start_of("b"); /* it never was a round */
    put_base();
    answer("b", 1);
}

static struct mqtt_message update_message(const char *sender, const char *text)
{
    return (struct mqtt_message){.topic = FL_UPDATES,
                                 .payload = view_text(text),
                                 .properties = {{"round", "r-0001"}, {"sender", sender}},
                                 .property_count = 2};
}

/* One batch: an update, a start, a question. What they led to was not written. */
static void batch_that_was_not_kept_must_come_again_as_a_whole(void **state)
{
    (void)state;
    open_common();
    const struct mqtt_message batch[] = {
        update_message("proplet-1", UPDATE_1),
        {.topic = FL_ROUND_START, .payload = view_text(START_B)},
        {.topic = FL_ROUND_QUERY,
         .payload = view_text("{\"what\":\"status\"}"),
         .response_topic = "answer"},
    };
    for (size_t turn = 0; turn < 2; turn++) {
        fill_disk(turn == 0);
        for (size_t i = 0; i < 3; i++)
            coordinator_message(world.coordinator, &batch[i], world.now_ms);
        assert_int_equal(coordinator_flush(world.coordinator, world.now_ms), turn != 0);
        if (turn == 0) { /* not even refused: whoever sent it gets one answer */
            nothing_more();
            fill_disk(false);
            pass(1000);
        }
    }
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    assert_non_null(strstr(next("answer")->text, "\"b\""));
    nothing_more();
    assert_true(coordinator_flush(world.coordinator, world.now_ms));
}

static void early_update_outlives_a_disk_that_refuses(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", UPDATE_1);
    nothing_more();
    fill_disk(true);
    put_update("r-0001", "proplet-2", UPDATE_1);
    fill_disk(false);
    expect_receipt(RECEIPT "proplet-2", VERDICT_NOT_STORED);
    nothing_more();
    pass(1000);
    put_base();
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    nothing_more();
    put_update("r-0001", "proplet-2", UPDATE_1);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
}

/* The base comes when nothing can be kept: neither it nor any of those that wait. */
static void early_updates_outlive_a_base_that_cannot_be_kept(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    fill_disk(true);
    put_base();
    fill_disk(false);
    nothing_more();
    pass(1000);
    put_base(); /* it is retained, and asked for again */
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    assert_json(expect_version("1", "r-0001")->text,
                "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
}

/* What was acknowledged to the broker is not sent again. */
static void early_updates_outlive_restarts(void **state)
{
    (void)state;
    static char large[EARLY_WITH_ROW_MAX + 2]; /* with space behind it */
    (void)snprintf(large, sizeof large, "%-*s", (int)sizeof large - 1,
                   update_text("r-0001", values_2));
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    restart();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1)); /* it is there */
    put_update("r-0001", "proplet-2", large);
    restart();
    restart();
    nothing_more();
    put_base();
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    settle();
    restart();
    nothing_more(); /* they are judged once */
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    assert_json(expect_version("1", "r-0001")->text,
                "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
}

static void early_updates_of_a_round_that_fails_are_told_once(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    restart();
    pass(ROUND_MODEL_WAIT_MS);
    (void)expect_complete(COMPLETE, ROUND_FAILED, ROUND_REASON_BASE_MISSING);
    expect_receipt(RECEIPT "proplet-1", VERDICT_LATE);
    settle();
    restart();
    pass(1000);
    nothing_more();
}

static void deadline_waits_for_the_disk(void **state)
{
    (void)state;
    open_common();
    fill_disk(true);
    pass(30000);
    nothing_more();
    fill_disk(false);
    pass(1000);
    (void)expect_complete(COMPLETE, ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
}

static void start_that_cannot_be_kept_is_refused(void **state)
{
    (void)state;
    put_base();
    fill_disk(true);
    start_of("a");
    fill_disk(false);
    expect_refused("not_stored", "a");
    (void)expect_complete("fl/rounds/a/complete", ROUND_FAILED, "not_stored");
    assert_int_equal(world.handed_back, 0); /* it was answered */
    put_update("a", "p", update_text("a", values_1));
    expect_receipt("fl/rounds/a/receipts/p", VERDICT_NOT_STORED);
    nothing_more();
    pass(1000);
    put_update("a", "p", update_text("a", values_1));
    expect_receipt("fl/rounds/a/receipts/p", VERDICT_UNKNOWN_ROUND);
}

/* Changes a byte in the middle of each file of a folder. */
static void spoil(const char *path)
{
    DIR *entries = opendir(path);
    struct dirent *entry;
    assert_non_null(entries);
    size_t count = 0;
    while ((entry = readdir(entries)) != NULL) {
        char file[512];
        struct bytes bytes = {0};
        (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || file_read(file, MESSAGE_SIZE_MAX, &bytes) != ST_OK)
            continue;
        bytes.data[bytes.size / 2] ^= 1;
        assert_int_equal(file_write(file, bytes_view(&bytes)), ST_OK);
        bytes_done(&bytes);
        count++;
    }
    (void)closedir(entries);
    assert_true(count > 0);
}

static void corrupt_bytes_fail_their_round_and_no_other(void **state)
{
    (void)state;
    char folder[256];
    open_common();
    start_of("b");
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    settle();
    (void)snprintf(folder, sizeof folder, "%s/rounds/r-0001", world.folder);
    spoil(folder);
    restart();
    struct complete c = expect_complete(COMPLETE, ROUND_FAILED, "state_corrupt");
    assert_false(c.has_version);
    nothing_more();
    answer("b", 5);
    (void)expect_version("1", "b");
}

/* Any bit of what the spool has. */
static void corrupt_update_is_found_after_a_restart(void **state)
{
    (void)state;
    char path[256];
    struct bytes bytes = {0};
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    settle();
    world.coordinator = coordinator_free(world.coordinator);
    (void)snprintf(path, sizeof path, "%s/rounds/r-0001/updates-0000", world.folder);
    assert_int_equal(file_read(path, MESSAGE_SIZE_MAX, &bytes), ST_OK);
    bytes.data[bytes.size / 2] ^= 1;
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    restart();
    (void)expect_complete(COMPLETE, ROUND_FAILED, "state_corrupt");
    nothing_more();
}

/* While it runs it has them mapped: what changes there is found when they are used. */
static void corrupt_update_is_found_when_it_is_aggregated(void **state)
{
    (void)state;
    char path[256];
    open_common();
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    (void)snprintf(path, sizeof path, "%s/rounds/r-0001/updates-0000", world.folder);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "?", 1, 20), 1);
    assert_int_equal(close(fd), 0);
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    (void)expect_complete(COMPLETE, ROUND_FAILED, "state_corrupt");
    nothing_more();
}

static void updates_are_restored_from_their_spool(void **state)
{
    (void)state;
    char path[256];
    struct bytes large = {0}, spooled = {0};
    struct view text = view_text(update_text("r-0001", values_1));
    assert_int_equal(bytes_append(&large, text, MESSAGE_SIZE_MAX), ST_OK);
    assert_int_equal(bytes_resize(&large, (size_t)(64 << 10) + 1), ST_OK);
    memset(large.data + text.size, ' ', large.size - text.size);
    open_common();
    put(&(struct mqtt_message){.topic = FL_UPDATES,
                               .payload = bytes_view(&large),
                               .properties = {{"round", "r-0001"}, {"sender", "proplet-1"}},
                               .property_count = 2});
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    (void)snprintf(path, sizeof path, "%s/rounds/r-0001/updates-0000", world.folder);
    assert_int_equal(file_read(path, MESSAGE_SIZE_MAX, &spooled), ST_OK);
    assert_true(spooled.size < 1000); /* its values, not its spaces */
    bytes_done(&spooled);
    settle();
    restart();
    put(&(struct mqtt_message){.topic = FL_UPDATES, /* known by the bytes that came */
                               .payload = bytes_view(&large),
                               .properties = {{"round", "r-0001"}, {"sender", "proplet-1"}},
                               .property_count = 2});
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1));
    expect_receipt(RECEIPT "proplet-1", VERDICT_CONFLICT);
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    put_update("r-0001", "proplet-3", update_text("r-0001", values_3));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    const struct sent *version = expect_version("1", "r-0001");
    assert_json(version->text, "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
    store(version);
    struct complete c = expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_true(c.update_bytes > large.size); /* of what came */
    bytes_done(&large);
}

/* ---- bytes that come in parts ---- */

/* Somebody who holds bytes: the model server, or a device. */
static struct exchange *holder;

static enum status publish_to_coordinator(void *owner, const struct mqtt_message *m)
{
    (void)owner;
    put(m);
    return ST_OK;
}

static size_t none_unacknowledged(void *owner)
{
    (void)owner;
    return 0;
}

static int setup_holder(void **state)
{
    const struct id me = {"holder"};
    const struct exchange_out out = {publish_to_coordinator, none_unacknowledged, NULL};
    begin((struct coordinator_settings){.rounds_open_max = 4, .me = {"fml-coordinator"}});
    *state = &world;
    return exchange_new(&me, &out, &holder) == ST_OK ? 0 : -1;
}

static int teardown_holder(void **state)
{
    holder = exchange_free(holder);
    return teardown(state);
}

/* Offers a text under a name of its own. gives: a reference, in parts of 16 bytes; valid
 * until the next call */
static const char *offered(const char *name, const char *text)
{
    static char reference[8192];
    char path[256], *made;
    struct manifest m;
    (void)snprintf(path, sizeof path, "%s/%s", world.folder, name);
    assert_int_equal(file_write(path, view_text(text)), ST_OK);
    assert_int_equal(manifest_of(view_text(text), 16, &m), ST_OK);
    assert_int_equal(exchange_offer(holder, &m, path), ST_OK);
    assert_int_equal(exchange_refer(holder, &m.digest, &made), ST_OK);
    (void)snprintf(reference, sizeof reference, "%s", made);
    free(made);
    manifest_done(&m);
    return reference;
}

/* Carries to and fro what is the exchange's. Returns how many parts were asked for. */
static size_t carry(void)
{
    size_t asked = 0;
    for (bool moved = true; moved;) {
        moved = false;
        pass(1);
        while (world.read < world.sent_count &&
               strncmp(world.sent[world.read].topic, "fl/parts/", 9) == 0) {
            const struct sent *s = &world.sent[world.read++];
            moved = true;
            asked++;
            assert_true(exchange_message(
                holder,
                &(struct mqtt_message){.topic = s->topic, .payload = view_of(s->text, s->size)},
                world.now_ms));
            (void)exchange_step(holder, world.now_ms);
        }
    }
    return asked;
}

static void put_reference_to_base(void)
{
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text(BASE));
    digest_text(&d, digest);
    put(&(struct mqtt_message){.topic = V0,
                               .payload = view_text(offered("base", BASE)),
                               .retain = true,
                               .properties = {{"digest", digest}},
                               .property_count = 1});
}

static void base_and_updates_come_in_parts(void **state)
{
    (void)state;
    put_text(FL_ROUND_START, START);
    put_reference_to_base();
    assert_true(carry() > 0);
    nothing_more();

    const char *first = offered("u1", update_text("r-0001", values_1));
    put_update("r-0001", "proplet-1", first);
    put_update("r-0001", "proplet-1", first); /* again, while it is on its way */
    size_t parts = (strlen(update_text("r-0001", values_1)) + 15) / 16;
    assert_int_equal(carry(), parts);
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-1", first); /* known by its digest */
    assert_int_equal(carry(), 0);
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-1", update_text("r-0001", values_1)); /* whichever way */
    expect_receipt(RECEIPT "proplet-1", VERDICT_ACCEPTED);

    settle();
    restart();
    put_update("r-0001", "proplet-2", update_text("r-0001", values_2));
    expect_receipt(RECEIPT "proplet-2", VERDICT_ACCEPTED);
    put_update("r-0001", "proplet-3", offered("u3", update_text("r-0001", values_3)));
    assert_true(carry() > 0);
    expect_receipt(RECEIPT "proplet-3", VERDICT_ACCEPTED);
    const struct sent *version = expect_version("1", "r-0001");
    assert_json(version->text, "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
    store(version);
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    nothing_more();
}

/* The digest that a sender says is that of the round's base. */
static void no_reference_harms_a_rounds_bytes(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "proplet-1", offered("base", BASE));
    assert_true(carry() > 0);
    expect_receipt(RECEIPT "proplet-1", VERDICT_MALFORMED); /* it is no update */
    settle();
    restart();
    put_three("r-0001"); /* the base is where it was */
    for (int i = 1; i <= 3; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, RECEIPT "proplet-%d", i);
        expect_receipt(topic, VERDICT_ACCEPTED);
    }
    assert_json(expect_version("1", "r-0001")->text,
                "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
}

static void references_are_refused_as_updates_are(void **state)
{
    (void)state;
    open_common();
    put_update("r-0001", "stranger", offered("u1", update_text("r-0001", values_1)));
    assert_int_equal(carry(), 0); /* nothing travels for it */
    expect_receipt("fl/rounds/r-0001/receipts/stranger", VERDICT_NOT_PARTICIPANT);
    put_update("r-0001", "proplet-1", "{\"holder\":\"holder\",\"manifest\":{}}");
    expect_receipt(RECEIPT "proplet-1", VERDICT_MALFORMED);
    put_update(
        "r-0001", "proplet-1",
        "{\"holder\":\"holder\",\"manifest\":{\"digest\":\"sha256:"
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"size\":9000000,"
        "\"part_size\":9000000,\"parts\":[\""
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"]}}");
    assert_int_equal(carry(), 0);
    expect_receipt(RECEIPT "proplet-1", VERDICT_TOO_LARGE);
    put_update("r-0001", "proplet-1", offered("u2", "{\"round_id\":\"r-0001\",\"spoilt\":1}"));
    assert_true(carry() > 0);
    expect_receipt(RECEIPT "proplet-1", VERDICT_MALFORMED);

    /* A holder that lost it: no answer, as it may have it again. */
    const char *lost = offered("u4", update_text("r-0001", values_1));
    struct digest d = digest_of(view_text(update_text("r-0001", values_1)));
    exchange_withdraw(holder, &d);
    exchange_withdraw(holder, &d);
    put_update("r-0001", "proplet-1", lost);
    (void)carry();
    nothing_more();
    put_three("r-0001"); /* none of it counted */
    for (int i = 1; i <= 3; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, RECEIPT "proplet-%d", i);
        expect_receipt(topic, VERDICT_ACCEPTED);
    }
    assert_json(expect_version("1", "r-0001")->text,
                "{\"w\":[1.25,0.5,3.0],\"b\":2.0,\"version\":1}");
}

static void corrupt_database_is_named_and_not_used(void **state)
{
    (void)state;
    open_common();
    world.coordinator = coordinator_free(world.coordinator);
    char path[256];
    struct bytes bytes = {0};
    (void)snprintf(path, sizeof path, "%s/coordinator.db", world.folder);
    assert_int_equal(file_read(path, MESSAGE_SIZE_MAX, &bytes), ST_OK);
    memset(bytes.data + 4096, 0xee, 16);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    assert_int_equal(open_coordinator(), ST_CORRUPT);
    assert_null(world.coordinator);
}

/* Memory holds fewer participants of ended rounds than the store does rounds. */
static void round_that_only_the_store_remembers_is_not_opened_again(void **state)
{
    (void)state;
    open_common();
    store(three_receipts_and_a_version());
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    for (size_t i = 0; i <= ROUNDS_KEPT_PARTICIPANTS_MAX / ROUND_PARTICIPANTS_MAX; i++) {
        char topic[FL_TOPIC_SIZE], round[16];
        (void)snprintf(round, sizeof round, "m-%zu", i);
        (void)snprintf(topic, sizeof topic, "fl/rounds/%s/complete", round);
        start_of_many(round);
        pass(1000);
        (void)expect_complete(topic, ROUND_EXPIRED, ROUND_REASON_TOO_FEW);
    }
    put_text(FL_ROUND_START, START);
    expect_refused("round_exists", "r-0001");
    nothing_more();
    start_of("b"); /* and others are not held up */
    answer("b", 1);
}

static void bytes_of_ended_rounds_are_removed(void **state)
{
    (void)state;
    char ended[256], orphan[256];
    open_common();
    (void)snprintf(ended, sizeof ended, "%s/rounds/r-0001", world.folder);
    assert_int_equal(access(ended, F_OK), 0);
    store(three_receipts_and_a_version());
    (void)expect_complete(COMPLETE, ROUND_COMPLETED, ROUND_REASON_ALL_COUNTED);
    assert_int_equal(access(ended, F_OK), -1);

    (void)snprintf(orphan, sizeof orphan, "%s/rounds/r-0002", world.folder);
    assert_int_equal(file_make_folder(orphan), ST_OK); /* as left by a kill */
    restart();
    assert_int_equal(access(orphan, F_OK), -1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    log_level_set(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        CASE(missions_round_from_start_to_complete),
        CASE(next_round_starts_from_the_new_version),
        CASE(safetensors_base_makes_a_safetensors_version),
        CASE(evaluation_makes_no_version),
        CASE(each_refusal_has_its_receipt),
        CASE(too_large_update_is_refused),
        CASE(unknown_round_is_answered_if_it_has_a_name),
        CASE(same_update_gets_the_same_receipt_also_after_the_end),
        CASE(early_updates_wait_for_the_base),
        CASE(early_updates_are_limited_in_all),
        CASE(early_updates_are_told_when_the_base_never_came),
        CASE(same_start_again_is_ignored_however_it_is_spelled),
        CASE(same_id_for_another_round_is_refused),
        CASE(unusable_starts_are_refused_and_have_an_end),
        CASE(one_round_too_many_is_refused),
        CASE(retained_messages_are_ignored),
        CASE(round_expires_and_the_model_is_untouched),
        CASE(stopping_cancels_open_rounds),
        CASE(two_rounds_from_one_base_make_two_versions),
        CASE(number_is_above_all_that_are_known),
        CASE(taken_number_is_left_for_the_next),
        CASE(version_that_is_not_stored_is_published_again_and_then_given_up),
        CASE(corrupt_version_on_the_topic_is_not_believed),
        CASE(unusable_base_fails_the_round),
        CASE(json_base_of_an_optimiser_fails_the_round),
        CASE(cleared_version_is_asked_for_again),
        CASE(stored_version_is_written_to_the_models_folder),
        CASE(query_shows_open_and_ended_rounds),
        CASE(bad_query_is_told_so),
        CASE(open_round_goes_on_after_a_restart),
        CASE(version_under_way_is_published_again_as_it_was),
        CASE(each_state_of_a_round_is_retained),
        CASE(states_of_rounds_that_fail_are_retained),
        CASE(state_is_said_after_what_it_says_is_durable),
        CASE(states_of_older_rounds_are_cleared),
        CASE(broker_that_lost_its_store_has_the_states_again),
        CASE(cancelled_round_ends_and_makes_no_version),
        CASE(round_is_cancelled_at_any_time_before_its_end),
        CASE(wish_to_cancel_is_refused_by_name_and_changes_nothing),
        CASE(cancelling_needs_the_disk),
        CASE(folder_of_the_first_version_goes_on),
        CASE(folder_of_the_second_version_goes_on),
        CASE(folder_of_the_third_version_goes_on),
        CASE(folder_of_the_fourth_version_goes_on),
        CASE(round_closed_by_its_deadline_is_closed_after_a_restart),
        CASE(ended_round_answers_as_before),
        CASE(base_that_was_awaited_is_asked_for_again),
        CASE(stopping_leaves_open_rounds_open),
        CASE(more_open_rounds_than_allowed_go_on),
        CASE(time_goes_on_while_the_process_is_away),
        CASE(deadline_that_passed_meanwhile_ends_the_round_at_once),
        CASE(after_a_boot_the_remaining_time_remains),
        CASE(nothing_is_said_before_it_is_durable),
        CASE(what_the_broker_did_not_take_is_sent_again),
        CASE(full_queue_of_the_broker_delays_and_loses_nothing),
        CASE(disk_that_refuses_postpones_what_comes_and_recovers),
        CASE(batch_that_was_not_kept_must_come_again_as_a_whole),
        CASE(early_update_outlives_a_disk_that_refuses),
        CASE(early_updates_outlive_a_base_that_cannot_be_kept),
        CASE(early_updates_outlive_restarts),
        CASE(early_updates_of_a_round_that_fails_are_told_once),
        CASE(deadline_waits_for_the_disk),
        CASE(start_that_cannot_be_kept_is_refused),
        CASE(corrupt_bytes_fail_their_round_and_no_other),
        CASE(corrupt_update_is_found_after_a_restart),
        CASE(corrupt_update_is_found_when_it_is_aggregated),
        CASE(updates_are_restored_from_their_spool),
        CASE(corrupt_database_is_named_and_not_used),
        CASE(round_that_only_the_store_remembers_is_not_opened_again),
        CASE(bytes_of_ended_rounds_are_removed),
        cmocka_unit_test_setup_teardown(base_and_updates_come_in_parts, setup_holder,
                                        teardown_holder),
        cmocka_unit_test_setup_teardown(no_reference_harms_a_rounds_bytes, setup_holder,
                                        teardown_holder),
        cmocka_unit_test_setup_teardown(references_are_refused_as_updates_are, setup_holder,
                                        teardown_holder),
    };
    return cmocka_run_group_tests_name("coordinator/coordinator", tests, NULL, NULL);
}
