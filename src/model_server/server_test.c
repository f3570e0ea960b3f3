/* Drives the model server through its messages, without a broker: what it would
 * retain is kept in a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/jsn.h"
#include "exchange/exchange.h"
#include "fl/topics.h"
#include "io/file.h"
#include "model/model_file.h"
#include "model_server/server.h"
#include "service/log.h"

#define SENT_MAX 256
#define V(n)     "fl/models/global_model_v" #n
#define FIRST    "{\"w\":[0,0,0],\"b\":0,\"version\":0}"

struct sent {
    char topic[FL_TOPIC_SIZE];
    char *text;
    size_t size;
    bool retain;
    char digest[DIGEST_TEXT_SIZE];
    uint64_t correlation; /* of a question */
};

struct world {
    char folder[64];
    struct server_settings settings;
    struct server *server;
    struct sent sent[SENT_MAX];
    size_t sent_count, read;
    char channel[2048]; /* what was said last on the topic of a channel */
    size_t channels;    /* how often */
    size_t unacknowledged;
    bool broker_is_slow; /* acknowledges nothing by itself */
};

static struct world world;

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct world *w = owner;
    if (strstr(m->topic, "/channels/") != NULL) { /* kept beside the others */
        assert_true(m->retain);
        w->channels++;
        (void)snprintf(w->channel, sizeof w->channel, "%s %.*s", m->topic, (int)m->payload.size,
                       (const char *)m->payload.data);
        return ST_OK;
    }
    assert_true(w->sent_count < SENT_MAX);
    struct sent *s = &w->sent[w->sent_count++];
    const char *digest = mqtt_message_property(m, "digest");
    (void)snprintf(s->topic, sizeof s->topic, "%s", m->topic);
    (void)snprintf(s->digest, sizeof s->digest, "%s", digest == NULL ? "" : digest);
    s->retain = m->retain;
    if (m->correlation.size == sizeof s->correlation)
        memcpy(&s->correlation, m->correlation.data, sizeof s->correlation);
    s->size = m->payload.size;
    s->text = calloc(1, s->size + 1);
    assert_non_null(s->text);
    if (s->size > 0)
        memcpy(s->text, m->payload.data, s->size);
    if (w->broker_is_slow)
        w->unacknowledged++;
    return ST_OK;
}

static size_t unacknowledged(void *owner)
{
    return ((struct world *)owner)->unacknowledged;
}

static void restart(void)
{
    struct server_out out = {.publish = publish, .unacknowledged = unacknowledged, .owner = &world};
    world.server = server_free(world.server);
    assert_int_equal(server_new(&world.settings, &out, &world.server), ST_OK);
}

static enum status start_fails(void)
{
    struct server_out out = {.publish = publish, .unacknowledged = unacknowledged, .owner = &world};
    struct server *none = NULL;
    enum status status = server_new(&world.settings, &out, &none);
    assert_null(none);
    return status;
}

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    (void)snprintf(world.folder, sizeof world.folder, "/tmp/fml-server-test-XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    world.settings =
        (struct server_settings){.me = {"fml-model-server"}, .folder = world.folder, .retain = 64};
    restart();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world.server = server_free(world.server);
    for (size_t i = 0; i < world.sent_count; i++)
        free(world.sent[i].text);
    return file_remove_tree(world.folder) == ST_OK ? 0 : -1;
}

/* NULL: without that property */
static void put_bytes(struct view bytes, const char *name, const char *version, const char *round)
{
    struct mqtt_message m = {.topic = FL_MODEL_PUBLISH, .payload = bytes};
    if (name != NULL)
        m.properties[m.property_count++] = (struct mqtt_property){"name", name};
    if (version != NULL)
        m.properties[m.property_count++] = (struct mqtt_property){"version", version};
    if (round != NULL)
        m.properties[m.property_count++] = (struct mqtt_property){"round", round};
    server_message(world.server, &m);
}

static void put(const char *text, const char *name, const char *version)
{
    put_bytes(view_text(text), name, version, NULL);
}

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

static void expect_version(const char *topic, struct view bytes)
{
    const struct sent *s = next(topic);
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(bytes);
    digest_text(&d, digest);
    assert_true(s->retain);
    assert_true(view_equal(view_of(s->text, s->size), bytes)); /* verbatim */
    assert_string_equal(s->digest, digest);
}

static void expect_index(size_t count)
{
    const struct sent *s = next(FL_MODEL_INDEX);
    assert_true(s->retain);
    json_t *object = json_loads(s->text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(object, "models")), count);
    json_decref(object);
}

static void expect_refused(const char *code)
{
    const struct sent *s = next(FL_MODEL_REFUSED);
    assert_false(s->retain);
    json_t *object = json_loads(s->text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "code")), code);
    assert_true(strlen(json_string_value(json_object_get(object, "reason"))) > 0);
    json_decref(object);
}

/* All that would be published at a connect is these many versions. */
static void expect_versions_in_all(size_t count)
{
    server_connected(world.server);
    for (size_t i = 0; i < count; i++)
        world.read++;
    expect_index(count);
    nothing_more();
}

/* ---- start and connect ---- */

static void missions_first_model_is_on_its_topic(void **state)
{
    (void)state;
    nothing_more();
    server_connected(world.server);
    expect_version(V(0), view_text(FIRST));
    expect_index(1);
    nothing_more();
    server_tick(world.server, 1);
    nothing_more();
}

static void everything_is_published_again_at_each_connect_and_after_a_restart(void **state)
{
    (void)state;
    put("{\"w\":[1],\"version\":1}", NULL, NULL);
    world.read = world.sent_count;
    for (int i = 0; i < 2; i++) {
        server_connected(world.server);
        expect_version(V(0), view_text(FIRST));
        expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
        expect_index(2);
        nothing_more();
        restart();
    }
}

static void slow_broker_gets_a_few_at_a_time(void **state)
{
    (void)state;
    char text[64];
    for (int i = 1; i < 40; i++) {
        (void)snprintf(text, sizeof text, "{\"w\":[1],\"version\":%d}", i);
        put(text, NULL, NULL);
    }
    world.read = world.sent_count;
    world.broker_is_slow = true;
    size_t before = world.sent_count;
    server_connected(world.server);
    server_tick(world.server, 1);
    size_t burst = world.sent_count - before;
    assert_true(burst >= 1 && burst <= 16);
    for (int i = 0; i < 40; i++) {
        world.unacknowledged = 0;
        server_tick(world.server, 1);
    }
    assert_int_equal(world.sent_count - before, 41); /* each once, and the index */
    world.read += 40;
    expect_index(40);
}

static void initial_file_is_version_0_of_its_name(void **state)
{
    (void)state;
    const struct model_shape shape = {.name = "w", .rank = 1, .shape = {2}};
    struct model *m;
    struct bytes bytes = {0};
    char path[128];
    assert_int_equal(model_new(&shape, 1, &m), ST_OK);
    assert_int_equal(model_set_meta(m, "name", "digits"), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &bytes), ST_OK);
    model_free(m);
    (void)snprintf(path, sizeof path, "%s/my-model", world.folder);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);

    world.settings.initial = path;
    restart();
    server_connected(world.server);
    expect_version(V(0), view_text(FIRST)); /* from the first start */
    expect_version("fl/models/digits_v0", bytes_view(&bytes));
    expect_index(2);
    bytes_done(&bytes);
    nothing_more();
}

static void version_0_that_is_there_wins_over_the_initial_file(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/my-model", world.folder);
    assert_int_equal(file_write(path, view_text("{\"w\":[7]}")), ST_OK);
    world.settings.initial = path;
    restart();
    server_connected(world.server);
    expect_version(V(0), view_text(FIRST));
    expect_index(1);
}

static void unusable_initial_file_stops_the_start(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "{\"w\":[1],\"version\":3}",
                                        "{\"w\":[1,\"x\"]}",
                                        "{\"w\":[1],\"name\":\"a/b\"}"};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/my-model", world.folder);
    world.settings.initial = path;
    assert_int_equal(start_fails(), ST_NOT_FOUND);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(file_write(path, view_text(texts[i])), ST_OK);
        assert_int_not_equal(start_fails(), ST_OK);
    }
    expect_versions_in_all(1);
}

static void damaged_index_stops_the_start(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.json", world.folder);
    assert_int_equal(file_write(path, view_text("{\"models\":[")), ST_OK);
    assert_int_equal(start_fails(), ST_CORRUPT);
}

static void changed_file_is_not_served_and_the_others_are(void **state)
{
    (void)state;
    char path[128];
    put("{\"w\":[1],\"version\":1}", NULL, NULL);
    world.read = world.sent_count;
    (void)snprintf(path, sizeof path, "%s/global_model_v0.json", world.folder);
    assert_int_equal(file_write(path, view_text("{\"w\":[666],\"b\":0,\"version\":0}")), ST_OK);
    restart();
    server_connected(world.server);
    expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
    expect_index(2);
    nothing_more();
}

/* ---- publications ---- */

static void new_version_is_stored_and_published(void **state)
{
    (void)state;
    const char *text = "{\"b\":2.0,\"version\":1,\"w\":[1.25,0.5,3.0]}";
    put_bytes(view_text(text), "global_model", "1", "r-0001");
    char path[128];
    struct bytes bytes = {0};
    (void)snprintf(path, sizeof path, "%s/global_model_v1.json", world.folder);
    assert_int_equal(file_read(path, 1024, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_text(text)));
    bytes_done(&bytes);

    expect_version(V(1), view_text(text));
    const struct sent *s = next(FL_MODEL_INDEX);
    json_t *object = json_loads(s->text, 0, NULL);
    json_t *v = json_array_get(json_object_get(object, "models"), 1);
    assert_string_equal(json_string_value(json_object_get(v, "round_id")), "r-0001");
    assert_string_equal(json_string_value(json_object_get(v, "topic")), V(1));
    json_decref(object);
    nothing_more();
}

static void missions_payload_without_properties_is_global_model(void **state)
{
    (void)state;
    put("{\"w\":[0.1,0.2,0.3],\"b\":0.4,\"version\":1}", NULL, NULL);
    expect_version(V(1), view_text("{\"w\":[0.1,0.2,0.3],\"b\":0.4,\"version\":1}"));
    expect_index(2);
}

static void safetensors_name_themselves_in_their_metadata(void **state)
{
    (void)state;
    const struct model_shape shape = {.name = "w", .rank = 1, .shape = {2}};
    struct model *m;
    struct bytes bytes = {0};
    assert_int_equal(model_new(&shape, 1, &m), ST_OK);
    assert_int_equal(model_set_meta(m, "name", "digits"), ST_OK);
    assert_int_equal(model_set_meta(m, "version", "12"), ST_OK);
    assert_int_equal(model_set_meta(m, "round_id", "r-9"), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &bytes), ST_OK);
    model_free(m);
    put_bytes(bytes_view(&bytes), NULL, NULL, NULL);
    expect_version("fl/models/digits_v12", bytes_view(&bytes));
    bytes_done(&bytes);
    assert_non_null(strstr(next(FL_MODEL_INDEX)->text, "r-9"));
    nothing_more();
}

static void same_bytes_again_are_published_again_and_stored_once(void **state)
{
    (void)state;
    put("{\"w\":[1],\"version\":1}", NULL, "1");
    expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
    expect_index(2);
    put("{\"w\":[1],\"version\":1}", NULL, "1");
    expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
    nothing_more();
    expect_versions_in_all(2);
}

static void any_unused_number_is_allowed(void **state)
{
    (void)state;
    put("{\"w\":[1]}", NULL, "40");
    expect_version(V(40), view_text("{\"w\":[1]}"));
    expect_index(2);
    put("{\"w\":[1]}", NULL, "7");
    expect_version(V(7), view_text("{\"w\":[1]}"));
    expect_index(3);
    put("{\"w\":[1]}", "other", "0");
    expect_version("fl/models/other_v0", view_text("{\"w\":[1]}"));
    expect_index(4);
}

static void refusals_have_a_code_and_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *version, *code;
    } cases[] = {
        {"", NULL, "1", "malformed"},
        {"{\"w\":[1,", NULL, "1", "malformed"},
        {"{}", NULL, "1", "wrong_shape"},
        {"{\"w\":[[1],[2,3]]}", NULL, "1", "wrong_shape"},
        {"{\"w\":[true]}", NULL, "1", "wrong_dtype"},
        {"{\"w\":[1e300]}", NULL, "1", "non_finite"},
        {"{\"w\":[1]}", "a/b", "1", "bad_name"},
        {"{\"w\":[1]}", "", "1", "bad_name"},
        {"{\"w\":[1]}", NULL, NULL, "bad_version"},
        {"{\"w\":[1]}", NULL, "-1", "bad_version"},
        {"{\"w\":[1]}", NULL, "01", "bad_version"},
        {"{\"w\":[1]}", NULL, "1_v2", "bad_version"},
        {"{\"w\":[1]}", NULL, "9007199254740993", "bad_version"},
        {"{\"w\":[1],\"version\":2}", NULL, "1", "version_mismatch"},
        {"{\"w\":[666],\"version\":0}", NULL, NULL, "version_exists"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(cases[i].text, cases[i].name, cases[i].version);
        expect_refused(cases[i].code);
        nothing_more();
    }
    put_bytes(view_text("{\"w\":[1]}"), NULL, "1", "a/b");
    expect_refused("malformed");
    server_message(world.server, &(struct mqtt_message){.topic = "something/else"});
    nothing_more();
    server_connected(world.server);
    expect_version(V(0), view_text(FIRST));
    expect_index(1);
}

static void retained_publication_is_ignored(void **state)
{
    (void)state;
    server_message(world.server,
                   &(struct mqtt_message){.topic = FL_MODEL_PUBLISH,
                                          .payload = view_text("{\"w\":[1],\"version\":1}"),
                                          .retain = true});
    nothing_more();
    expect_versions_in_all(1);
}

static void refusal_says_which_version_it_is_about(void **state)
{
    (void)state;
    put("{\"w\":[9]}", "global_model", "0");
    json_t *object = json_loads(next(FL_MODEL_REFUSED)->text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "name")), "global_model");
    assert_int_equal(json_integer_value(json_object_get(object, "version")), 0);
    assert_string_equal(json_string_value(json_object_get(object, "code")), "version_exists");
    json_decref(object);
}

static void infinities_in_safetensors_are_refused(void **state)
{
    (void)state;
    const struct model_shape shape = {.name = "w", .rank = 1, .shape = {2}};
    struct model *m;
    struct bytes bytes = {0};
    assert_int_equal(model_new(&shape, 1, &m), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &bytes), ST_OK);
    model_free(m);
    const uint8_t infinity[4] = {0, 0, 0x80, 0x7f};
    memcpy(bytes.data + bytes.size - 4, infinity, 4);
    put_bytes(bytes_view(&bytes), NULL, "1", NULL);
    bytes_done(&bytes);
    expect_refused("non_finite");
    nothing_more();
}

static void too_large_model_is_refused(void **state)
{
    (void)state;
    size_t size = MESSAGE_SIZE_MAX + 1;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, ' ', size);
    put_bytes(view_of(bytes, size), NULL, "1", NULL);
    free(bytes);
    expect_refused("too_large");
    nothing_more();
}

/* ---- what stays on the topics ---- */

static void only_the_newest_of_a_name_stay_on_their_topics(void **state)
{
    (void)state;
    world.settings.retain = 2;
    restart();
    put("{\"w\":[1],\"version\":1}", NULL, NULL);
    expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
    expect_index(2);
    put("{\"w\":[2]}", "other", "1"); /* another name does not push it out */
    expect_version("fl/models/other_v1", view_text("{\"w\":[2]}"));
    expect_index(3);
    put("{\"w\":[2],\"version\":2}", NULL, NULL);
    expect_version(V(2), view_text("{\"w\":[2],\"version\":2}"));
    const struct sent *cleared = next(V(0));
    assert_int_equal(cleared->size, 0);
    assert_true(cleared->retain);
    expect_index(4); /* it is still stored */
    nothing_more();
    put(FIRST, NULL, NULL); /* it is shown to who asked, and does not come back to stay */
    assert_false(next(V(0))->retain);
    nothing_more();

    restart();
    server_connected(world.server);
    expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
    expect_version("fl/models/other_v1", view_text("{\"w\":[2]}"));
    expect_version(V(2), view_text("{\"w\":[2],\"version\":2}"));
    expect_index(4);
    nothing_more();
}

/* ---- lineage ---- */

static json_t *newest_record(void)
{
    const struct sent *s = next(FL_MODEL_INDEX);
    json_t *object = json_loads(s->text, 0, NULL);
    json_t *models = json_object_get(object, "models");
    json_t *v = json_incref(json_array_get(models, json_array_size(models) - 1));
    json_decref(object);
    return v;
}

static void put_child(const char *key, const char *value)
{
    struct mqtt_message m = {
        .topic = FL_MODEL_PUBLISH,
        .payload = view_text("{\"w\":[1],\"version\":1}"),
        .properties = {{"round", "r-1"},
                       {"parent", V(0)},
                       {"contributors", "8"},
                       {"samples", "4000"},
                       {"metrics", "{\"accuracy\":0.5}"}},
        .property_count = 5,
    };
    for (size_t i = 0; i < m.property_count; i++)
        if (key != NULL && strcmp(m.properties[i].key, key) == 0)
            m.properties[i].value = value;
    server_message(world.server, &m);
}

static void lineage_of_a_version_is_in_its_record(void **state)
{
    (void)state;
    put_child(NULL, NULL);
    world.read++;
    json_t *v = newest_record();
    assert_string_equal(json_string_value(json_object_get(v, "parent")), V(0));
    assert_string_equal(json_string_value(json_object_get(v, "round_id")), "r-1");
    assert_int_equal(json_integer_value(json_object_get(v, "contributors")), 8);
    assert_int_equal(json_integer_value(json_object_get(v, "samples")), 4000);
    json_t *metrics = json_object_get(v, "metrics");
    assert_true(json_real_value(json_object_get(metrics, "accuracy")) == 0.5);
    json_decref(v);
}

static void lineage_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"parent", "resnet50"},      {"contributors", "-1"},    {"contributors", "many"},
        {"samples", "1e3"},          {"metrics", "accuracy=1"}, {"metrics", "{\"a\":\"b\"}"},
        {"metrics", "{\"a\":1e999}"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        put_child(wrong[i][0], wrong[i][1]);
        expect_refused("malformed");
        nothing_more();
    }
    expect_versions_in_all(1);
}

static void metadata_binds_nobody(void **state)
{
    (void)state;
    const struct model_shape shape = {.name = "w", .rank = 1, .shape = {2}};
    struct model *m;
    struct bytes bytes = {0};
    assert_int_equal(model_new(&shape, 1, &m), ST_OK);
    assert_int_equal(model_set_meta(m, "version", "1"), ST_OK);
    assert_int_equal(model_set_meta(m, "parent", "resnet50"), ST_OK);
    assert_int_equal(model_set_meta(m, "metrics", "good"), ST_OK);
    assert_int_equal(model_set_meta(m, "contributors", "3"), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, &bytes), ST_OK);
    model_free(m);
    put_bytes(bytes_view(&bytes), NULL, NULL, NULL);
    expect_version(V(1), bytes_view(&bytes));
    bytes_done(&bytes);
    json_t *v = newest_record();
    assert_null(json_object_get(v, "parent"));
    assert_null(json_object_get(v, "metrics"));
    assert_int_equal(json_integer_value(json_object_get(v, "contributors")), 3);
    json_decref(v);
}

/* ---- channels ---- */

static void control(const char *text)
{
    server_message(world.server, &(struct mqtt_message){.topic = FL_MODEL_CONTROL,
                                                        .payload = view_text(text),
                                                        .response_topic = "me",
                                                        .correlation = view_text("c-1")});
}

/* The next message, which must be an answer: json_decref() */
static json_t *answered(void)
{
    json_t *object = json_loads(next("me")->text, 0, NULL);
    assert_non_null(object);
    return object;
}

static void expect_ok(bool moved)
{
    json_t *object = answered();
    assert_true(json_is_true(json_object_get(object, "ok")));
    assert_int_equal(json_is_true(json_object_get(object, "moved")), moved);
    json_decref(object);
}

static void expect_error(const char *code)
{
    json_t *object = answered();
    const char *found = json_string_value(json_object_get(object, "error"));
    assert_string_equal(found == NULL ? "(none)" : found, code);
    assert_true(strlen(json_string_value(json_object_get(object, "reason"))) > 5);
    json_decref(object);
    nothing_more();
}

static void expect_channel(const char *topic, uint64_t version)
{
    char start[256];
    (void)snprintf(start, sizeof start, "%s {", topic);
    assert_memory_equal(world.channel, start, strlen(start));
    json_t *object = json_loads(strchr(world.channel, '{'), 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(object, "version")), version);
    assert_non_null(json_object_get(object, "topic"));
    assert_non_null(json_object_get(object, "digest"));
    assert_non_null(json_object_get(object, "moved_at"));
    assert_non_null(json_object_get(object, "why"));
    json_decref(object);
}

#define CHANNEL(name) "fl/models/global_model/channels/" name
#define REQUEST(what, channel, version)                                                            \
    "{\"do\":\"" what "\",\"model\":\"global_model\",\"channel\":\"" channel                       \
    "\",\"version\":" #version ",\"who\":\"ann\",\"reason\":\"accuracy fell\"}"

/* Versions 1 to count, whose messages are passed over. */
static void publish_some(int count)
{
    char text[64];
    for (int i = 1; i <= count; i++) {
        (void)snprintf(text, sizeof text, "{\"w\":[%d],\"version\":%d}", i, i);
        put(text, NULL, NULL);
    }
    world.read = world.sent_count;
}

static void latest_is_said_after_each_publication_and_connect(void **state)
{
    (void)state;
    put("{\"w\":[1],\"version\":4}", NULL, NULL);
    expect_channel(CHANNEL("latest"), 4);
    world.channel[0] = '\0';
    server_connected(world.server);
    expect_channel(CHANNEL("latest"), 4);
    restart();
    world.channel[0] = '\0';
    server_connected(world.server);
    expect_channel(CHANNEL("latest"), 4);
}

static void rollback_moves_the_pointer_and_nothing_else(void **state)
{
    (void)state;
    publish_some(3);
    control(REQUEST("rollback", "latest", 1));
    expect_index(4);
    expect_ok(true);
    nothing_more();
    expect_channel(CHANNEL("latest"), 1);

    size_t said = world.channels;
    control(REQUEST("rollback", "latest", 1)); /* a request may come twice */
    expect_ok(false);
    nothing_more();
    assert_int_equal(world.channels, said);

    control("{\"do\":\"history\",\"model\":\"global_model\",\"last\":2}");
    json_t *object = answered(), *history = json_object_get(object, "history");
    assert_int_equal(json_array_size(history), 2);
    json_t *e = json_array_get(history, 1);
    assert_string_equal(json_string_value(json_object_get(e, "do")), "rolled_back");
    assert_string_equal(json_string_value(json_object_get(e, "who")), "ann");
    assert_string_equal(json_string_value(json_object_get(e, "why")), "accuracy fell");
    assert_int_equal(json_integer_value(json_object_get(e, "from")), 3);
    assert_int_equal(json_integer_value(json_object_get(e, "to")), 1);
    json_decref(object);

    put("{\"w\":[9],\"version\":4}", NULL, NULL); /* a round that was open meanwhile */
    expect_channel(CHANNEL("latest"), 4);
}

static void stable_is_pointed_by_hand_and_stays(void **state)
{
    (void)state;
    publish_some(2);
    control(REQUEST("rollback", "stable", 1));
    expect_error("unknown_channel");
    control(REQUEST("point", "stable", 2));
    expect_index(3);
    expect_ok(true);
    expect_channel(CHANNEL("stable"), 2);
    put("{\"w\":[9],\"version\":3}", NULL, NULL);
    world.read = world.sent_count;
    restart();
    server_connected(world.server);
    expect_channel(CHANNEL("stable"), 2);
}

static void move_that_cannot_be_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    publish_some(3);
    control(REQUEST("rollback", "latest", 2));
    world.read = world.sent_count;
    size_t said = world.channels;
    static const char *const cases[][2] = {
        {REQUEST("rollback", "latest", 3), "not_older"},
        {REQUEST("rollback", "latest", 9), "unknown_version"},
        {REQUEST("point", "a/b", 1), "malformed"},
        {"{\"do\":\"point\",\"model\":\"global_model\",\"channel\":\"latest\",\"version\":1}",
         "malformed"}, /* no reason */
        {"{\"do\":\"point\",\"model\":\"global_model\",\"channel\":\"latest\",\"version\":1,"
         "\"reason\":\"x\",\"from\":3}",
         "moved_meanwhile"},
        {"{\"do\":\"point\",\"model\":\"other\",\"channel\":\"latest\",\"version\":1,"
         "\"reason\":\"x\"}",
         "unknown_version"},
        {"{\"do\":\"point\",\"model\":\"global_model\",\"channel\":\"latest\",\"version\":1,"
         "\"reason\":\"\\u001b[2J\"}",
         "malformed"},
        {"{\"do\":\"nothing\"}", "malformed"},
        {"{}", "malformed"},
        {"[", "malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        control(cases[i][0]);
        expect_error(cases[i][1]);
    }
    assert_int_equal(world.channels, said);
    control("{\"do\":\"history\"}");
    json_t *object = answered();
    /* Four publications, one rollback. */
    assert_int_equal(json_array_size(json_object_get(object, "history")), 5);
    json_decref(object);
}

static void channel_is_never_moved_to_damaged_bytes(void **state)
{
    (void)state;
    char path[128];
    publish_some(2);
    (void)snprintf(path, sizeof path, "%s/global_model_v1.json", world.folder);
    assert_int_equal(file_write(path, view_text("{\"w\":[6],\"version\":1}")), ST_OK);
    control(REQUEST("rollback", "latest", 1));
    expect_error("corrupt");
    control("{\"do\":\"fetch\",\"model\":\"global_model\",\"version\":1}");
    expect_error("corrupt");
    put("{\"w\":[1],\"version\":1}", NULL, NULL); /* repaired */
    world.read = world.sent_count;
    control(REQUEST("rollback", "latest", 1));
    expect_index(3);
    expect_ok(true);
}

static void retained_or_unanswerable_requests_are_bounded(void **state)
{
    (void)state;
    publish_some(1);
    size_t said = world.channels;
    server_message(world.server,
                   &(struct mqtt_message){.topic = FL_MODEL_CONTROL,
                                          .payload = view_text(REQUEST("rollback", "latest", 0)),
                                          .response_topic = "me",
                                          .retain = true});
    nothing_more();
    assert_int_equal(world.channels, said);
    /* Without a response topic it is done and nobody is told. */
    server_message(world.server,
                   &(struct mqtt_message){.topic = FL_MODEL_CONTROL,
                                          .payload = view_text(REQUEST("rollback", "latest", 0))});
    expect_index(2);
    nothing_more();
    expect_channel(CHANNEL("latest"), 0);
}

static void version_that_a_channel_points_at_stays_on_its_topic(void **state)
{
    (void)state;
    world.settings.retain = 1;
    restart();
    publish_some(3); /* 0, 1 and 2 have left their topics */
    control(REQUEST("point", "stable", 1));
    expect_version(V(1), view_text("{\"w\":[1],\"version\":1}"));
    expect_index(4);
    expect_ok(true);
    control(REQUEST("point", "stable", 3));
    assert_int_equal(next(V(1))->size, 0);
    expect_index(4);
    expect_ok(true);
    control(REQUEST("rollback", "latest", 2));
    expect_version(V(2), view_text("{\"w\":[2],\"version\":2}"));
    expect_index(4);
    expect_ok(true);
    put("{\"w\":[4],\"version\":4}", NULL, NULL); /* latest leaves 2; stable stays at 3 */
    expect_version(V(4), view_text("{\"w\":[4],\"version\":4}"));
    assert_int_equal(next(V(2))->size, 0);
    expect_index(5);
    nothing_more();
}

static void version_that_left_its_topic_can_be_fetched(void **state)
{
    (void)state;
    world.settings.retain = 1;
    restart();
    publish_some(2);
    control("{\"do\":\"fetch\",\"model\":\"global_model\",\"version\":1}");
    const struct sent *s = next(V(1));
    assert_false(s->retain);
    assert_string_equal(s->text, "{\"w\":[1],\"version\":1}");
    expect_ok(false);
}

/* ---- deleting ---- */

#define PRUNE(keep) "{\"do\":\"prune\",\"keep\":" #keep ",\"who\":\"ann\",\"reason\":\"room\"}"

/* Answers the question that must come next. open: JSON of the open rounds */
static void coordinator_answers(const char *open)
{
    char text[512];
    const struct sent *question = next(FL_ROUND_QUERY);
    (void)snprintf(text, sizeof text, "{\"open\":%s,\"ended\":[]}", open);
    server_message(world.server,
                   &(struct mqtt_message){.topic = SERVER_ANSWERS,
                                          .payload = view_text(text),
                                          .correlation = view_of(&question->correlation, 8)});
}

static void expect_deleted(size_t count)
{
    json_t *object = answered();
    assert_int_equal(json_array_size(json_object_get(object, "deleted")), count);
    json_decref(object);
}

static bool file_is_there(int version)
{
    char path[128];
    struct bytes bytes = {0};
    (void)snprintf(path, sizeof path, "%s/global_model_v%d.json", world.folder, version);
    enum status status = file_read(path, 1024, &bytes);
    bytes_done(&bytes);
    return status == ST_OK;
}

static void prune_deletes_only_what_nothing_needs(void **state)
{
    (void)state;
    publish_some(5);
    control(REQUEST("point", "stable", 1));
    world.read = world.sent_count;
    control(PRUNE(2));
    /* 4 and 5 are the newest, 1 is stable, 3 is a base: 0 and 2 go. */
    coordinator_answers("[{\"model_uri\":\"" V(3) "\"}]");
    assert_int_equal(next(V(0))->size, 0);
    assert_int_equal(next(V(2))->size, 0);
    expect_index(6); /* the records stay */
    expect_deleted(2);
    nothing_more();
    for (int i = 0; i <= 5; i++)
        assert_int_equal(file_is_there(i), i != 0 && i != 2);

    control(PRUNE(2)); /* again: nothing is left to delete */
    coordinator_answers("[{\"model_uri\":\"" V(3) "\"}]");
    expect_deleted(0);
    control(REQUEST("point", "stable", 2));
    expect_error("version_deleted");
    put("{\"w\":[2],\"version\":2}", NULL, NULL);
    expect_refused("version_deleted");
    control("{\"do\":\"history\",\"last\":1}");
    assert_non_null(strstr(next("me")->text, "\"do\":\"deleted\""));
}

static void what_an_experiment_goes_on_from_is_kept_between_its_rounds(void **state)
{
    (void)state;
    publish_some(3);
    control(PRUNE(1));
    coordinator_answers(
        "[],\"experiments\":[{\"experiment_id\":\"x\",\"model_uri\":\"" V(1) "\"}]");
    for (int i = 0; i <= 3; i++)
        assert_int_equal(file_is_there(i), i == 1 || i == 3);
}

static void prune_is_shown_before_it_is_done(void **state)
{
    (void)state;
    publish_some(3);
    control("{\"do\":\"prune\",\"keep\":1,\"dry_run\":true,\"reason\":\"room\"}");
    coordinator_answers("[]");
    expect_deleted(3);
    nothing_more();
    assert_true(file_is_there(0));
}

static void nothing_is_deleted_while_open_rounds_are_unknown(void **state)
{
    (void)state;
    publish_some(3);
    control(PRUNE(1));
    world.read++; /* the question, which nobody answers */
    server_tick(world.server, 1000);
    control(PRUNE(1));
    expect_error("busy");
    server_tick(world.server, 5999);
    nothing_more();
    server_tick(world.server, 6000);
    expect_error("rounds_unknown");
    static const char *const answers[] = {"{}", "[{}]", "[{\"model_uri\":\"x\"}]",
                                          "[],\"experiments\":[{}]"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        control(PRUNE(1));
        coordinator_answers(answers[i]);
        expect_error("rounds_unknown");
    }
    /* An answer to another question is no answer. */
    control(PRUNE(1));
    uint64_t other = next(FL_ROUND_QUERY)->correlation + 1;
    server_message(world.server, &(struct mqtt_message){.topic = SERVER_ANSWERS,
                                                        .payload = view_text("{\"open\":[]}"),
                                                        .correlation = view_of(&other, 8)});
    nothing_more();
    for (int i = 0; i <= 3; i++)
        assert_true(file_is_there(i));
}

static void keep_deletes_after_a_publication_and_is_off_by_default(void **state)
{
    (void)state;
    publish_some(3);
    for (size_t i = 0; i < world.sent_count; i++)
        assert_string_not_equal(world.sent[i].topic, FL_ROUND_QUERY);
    world.settings.keep = 2;
    restart();
    put("{\"w\":[4],\"version\":4}", NULL, NULL);
    world.read += 2; /* the version, the index */
    coordinator_answers("[{\"model_uri\":\"" V(0) "\"}]");
    for (int i = 0; i <= 4; i++)
        assert_int_equal(file_is_there(i), i != 1 && i != 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- versions that come and go in parts ---- */

/* Another program, which hears what the server says and whom the server hears. */
struct peer {
    struct exchange *exchange;
    char folder[64];
};

static struct peer peer;

static enum status publish_to_server(void *owner, const struct mqtt_message *m)
{
    (void)owner;
    server_message(world.server, m);
    return ST_OK;
}

static size_t none_unacknowledged(void *owner)
{
    (void)owner;
    return 0;
}

static int setup_peer(void **state)
{
    const struct id me = {"fml-coordinator"};
    const struct exchange_out out = {publish_to_server, none_unacknowledged, NULL};
    if (setup(state) != 0)
        return -1;
    (void)snprintf(peer.folder, sizeof peer.folder, "/tmp/fml-peer-test-XXXXXX");
    assert_non_null(mkdtemp(peer.folder));
    assert_int_equal(exchange_new(&me, &out, &peer.exchange), ST_OK);
    return 0;
}

static int teardown_peer(void **state)
{
    peer.exchange = exchange_free(peer.exchange);
    assert_int_equal(file_remove_tree(peer.folder), ST_OK);
    return teardown(state);
}

/* A model whose bytes are more than one message may have. value: of its last parameter */
static void large_model(float value, struct bytes *ret)
{
    const struct model_shape shape = {"w", 1, {(MODEL_INLINE_MAX / sizeof(float)) + 100}};
    struct model *m;
    assert_int_equal(model_new(&shape, 1, &m), ST_OK);
    model_params_mutable(m)[model_param_count(m) - 1] = value;
    assert_int_equal(model_set_meta(m, "version", "1"), ST_OK);
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, ret), ST_OK);
    model_free(m);
}

static void peer_path(const char *name, char ret[128])
{
    (void)snprintf(ret, 128, "%s/%s", peer.folder, name);
}

/* The peer offers bytes. gives: a reference, to be freed */
static char *offered(struct view bytes)
{
    char path[128], *text;
    struct manifest m;
    peer_path("offered", path);
    assert_int_equal(file_write(path, bytes), ST_OK);
    assert_int_equal(manifest_of(bytes, EXCHANGE_PART_SIZE, &m), ST_OK);
    assert_int_equal(exchange_offer(peer.exchange, &m, path), ST_OK);
    assert_int_equal(exchange_refer(peer.exchange, &m.digest, &text), ST_OK);
    manifest_done(&m);
    return text;
}

/* Carries to and fro what is the exchange's, until nothing more is said. */
static void carry(void)
{
    uint64_t now_ms = 1;
    for (bool moved = true; moved; now_ms++) {
        moved = false;
        while (exchange_step(peer.exchange, now_ms))
            ;
        server_tick(world.server, now_ms);
        while (world.read < world.sent_count &&
               strncmp(world.sent[world.read].topic, "fl/parts/", 9) == 0) {
            const struct sent *s = &world.sent[world.read++];
            moved |= exchange_message(
                peer.exchange,
                &(struct mqtt_message){.topic = s->topic, .payload = view_of(s->text, s->size)},
                now_ms);
        }
    }
}

static void large_version_comes_and_goes_in_parts(void **state)
{
    (void)state;
    char path[128];
    struct bytes bytes = {0}, got = {0};
    large_model(1, &bytes);
    char *reference = offered(bytes_view(&bytes));
    put(reference, "global_model", "1");
    put(reference, "global_model", "1"); /* again, while it is on its way */
    carry();

    const struct sent *s = next(V(1));
    struct digest d = digest_of(bytes_view(&bytes));
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&d, digest);
    assert_true(s->retain);
    assert_string_equal(s->digest, digest); /* of the version, not of the reference */
    struct reference r;
    assert_int_equal(reference_decode(view_of(s->text, s->size), UINT32_MAX, &r, NULL), ST_OK);
    assert_string_equal(r.holder.text, "fml-model-server");
    expect_index(2);
    nothing_more();

    struct fetch *f;
    peer_path("got", path);
    assert_int_equal(exchange_fetch(peer.exchange, &r, path, &f), ST_OK);
    carry();
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    assert_int_equal(file_read(path, SIZE_MAX, &got), ST_OK);
    assert_true(view_equal(bytes_view(&got), bytes_view(&bytes)));
    fetch_release(f, false);

    restart(); /* and it is on its topic and on offer again */
    server_connected(world.server);
    expect_version(V(0), view_text(FIRST));
    s = next(V(1));
    assert_true(reference_looks_like(view_of(s->text, s->size)));
    expect_index(2);
    reference_done(&r);
    bytes_done(&bytes);
    bytes_done(&got);
    free(reference);
}

static void refused_large_versions_leave_nothing(void **state)
{
    (void)state;
    char path[128];
    struct bytes bytes = {0};
    large_model(NAN, &bytes);
    char *reference = offered(bytes_view(&bytes));

    put(reference, NULL, "1"); /* the name must be known before the bytes are */
    expect_refused("malformed");
    put(reference, "global_model", "0"); /* other bytes than the version has */
    expect_refused("version_exists");
    put("{\"holder\":\"x\",\"manifest\":{}}", "global_model", "1");
    expect_refused("malformed");
    put(reference, "global_model", "1");
    carry();
    expect_refused("non_finite");
    (void)snprintf(path, sizeof path, "%s/global_model_v1.safetensors", world.folder);
    assert_int_not_equal(access(path, F_OK), 0);

    struct digest d = digest_of(bytes_view(&bytes));
    exchange_withdraw(peer.exchange, &d);
    put(reference, "global_model", "1");
    carry();
    expect_refused("unavailable");
    (void)strcat(path, ".incoming");
    assert_int_not_equal(access(path, F_OK), 0);
    (void)strcat(path, ".part");
    assert_int_not_equal(access(path, F_OK), 0);
    nothing_more();
    expect_versions_in_all(1);
    bytes_done(&bytes);
    free(reference);
}

/* A manifest that lies about the parts of a version that is there. */
static void no_reference_harms_a_version(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    large_model(1, &bytes);
    char *reference = offered(bytes_view(&bytes));
    put(reference, "global_model", "1");
    carry();
    (void)next(V(1));
    expect_index(2);

    struct reference lie;
    assert_int_equal(reference_decode(view_text(reference), UINT32_MAX, &lie, NULL), ST_OK);
    memset(lie.manifest.parts, 7, lie.manifest.part_count * sizeof lie.manifest.parts[0]);
    char *text = reference_encode(&lie);
    put(text, "global_model", "1");
    carry();
    (void)next(V(1)); /* it is said again, as it is */
    nothing_more();
    restart();
    server_connected(world.server);
    expect_version(V(0), view_text(FIRST));
    assert_true(reference_looks_like(view_of(next(V(1))->text, 100)));
    expect_index(2);
    reference_done(&lie);
    free(text);
    free(reference);
    bytes_done(&bytes);
}

static void somebodys_file_is_not_touched_by_parts(void **state)
{
    (void)state;
    char path[128];
    struct bytes bytes = {0}, still = {0};
    large_model(1, &bytes);
    char *reference = offered(bytes_view(&bytes));
    (void)snprintf(path, sizeof path, "%s/global_model_v1.safetensors", world.folder);
    assert_int_equal(file_write(path, view_text("mine")), ST_OK);
    put(reference, "global_model", "1");
    carry();
    expect_refused("version_exists");
    assert_int_equal(file_read(path, SIZE_MAX, &still), ST_OK);
    assert_true(view_equal(bytes_view(&still), view_text("mine")));
    bytes_done(&still);
    bytes_done(&bytes);
    free(reference);
}

/* ---- the same bytes for a web server ---- */

/* Where a web server finds them. */
static void link_path(const struct digest *d, char ret[256])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    (void)snprintf(ret, 256, "%s/sha256/%s", world.folder, hex);
}

static bool is_link_to(const struct digest *d, const char *name)
{
    char link[256], path[256];
    struct stat a, b;
    link_path(d, link);
    (void)snprintf(path, sizeof path, "%s/%s", world.folder, name);
    return stat(link, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino;
}

static bool is_linked(const struct digest *d)
{
    char link[256];
    link_path(d, link);
    return access(link, F_OK) == 0;
}

/* Versions 1 of these names with the very same bytes, and a newer one of each. What the
 * last of them said is a reference to them: *ret */
static void publish_twins(const char *const *names, size_t count, struct reference *ret)
{
    struct bytes bytes = {0};
    large_model(1, &bytes);
    char *reference = offered(bytes_view(&bytes));
    bytes_done(&bytes);
    for (size_t i = 0; i < count; i++) {
        put(reference, names[i], "1");
        carry();
        const struct sent *s = &world.sent[world.read];
        if (i == count - 1)
            assert_int_equal(reference_decode(view_of(s->text, s->size), UINT32_MAX, ret, NULL),
                             ST_OK);
        put("{\"w\":[2]}", names[i], "2");
        world.read = world.sent_count;
    }
    free(reference);
}

static void prune_version_1_of(const char *name)
{
    char text[128];
    (void)snprintf(text, sizeof text,
                   "{\"do\":\"prune\",\"keep\":1,\"model\":\"%s\",\"reason\":\"room\"}", name);
    control(text);
    coordinator_answers("[]");
    world.read += 2; /* the topic is cleared, the index */
    expect_deleted(1);
    nothing_more();
}

static enum fetch_state fetched(const struct reference *r, const char *name)
{
    char path[128];
    struct fetch *f;
    peer_path(name, path);
    assert_int_equal(exchange_fetch(peer.exchange, r, path, &f), ST_OK);
    carry();
    enum fetch_state state = fetch_state(f);
    fetch_release(f, true);
    return state;
}

static int setup_served(void **state)
{
    if (setup_peer(state) != 0)
        return -1;
    world.settings.url_base = "http://host/sha256";
    restart();
    return 0;
}

/* Whichever of them is linked and offered. */
static void what_another_version_has_too_is_still_given(void **state)
{
    static const char *const names[] = {"a", "b"};
    for (size_t gone = 0; gone < 2; gone++) {
        struct reference r;
        const char *stays = names[1 - gone];
        char file[64];
        (void)snprintf(file, sizeof file, "%s_v1.safetensors", stays);
        assert_int_equal(setup_served(state), 0);
        publish_twins(names, 2, &r);
        prune_version_1_of(names[gone]);
        assert_true(is_link_to(&r.manifest.digest, file));
        assert_int_equal(fetched(&r, "first"), FETCH_COMPLETE);
        prune_version_1_of(stays); /* the last one takes them along */
        assert_false(is_linked(&r.manifest.digest));
        assert_int_equal(fetched(&r, "second"), FETCH_REFUSED);
        reference_done(&r);
        assert_int_equal(teardown_peer(state), 0);
    }
}

/* As a crash leaves it that came after the deletion. */
static void link_again(const struct digest *d)
{
    char path[256];
    link_path(d, path);
    (void)unlink(path);
    assert_int_equal(file_write(path, view_text("bytes of a file that was removed")), ST_OK);
}

static void a_crash_leaves_no_link_to_what_was_deleted(void **state)
{
    (void)state;
    struct reference r;
    static const char *const names[] = {"a", "b"};
    publish_twins(names, 2, &r);
    prune_version_1_of("b");
    link_again(&r.manifest.digest);
    restart(); /* one of the same bytes is there */
    assert_true(is_link_to(&r.manifest.digest, "a_v1.safetensors"));
    prune_version_1_of("a");
    link_again(&r.manifest.digest);
    restart();
    assert_false(is_linked(&r.manifest.digest));
    reference_done(&r);
}

int main(void)
{
    log_level_set(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        CASE(missions_first_model_is_on_its_topic),
        CASE(everything_is_published_again_at_each_connect_and_after_a_restart),
        CASE(slow_broker_gets_a_few_at_a_time),
        CASE(initial_file_is_version_0_of_its_name),
        CASE(version_0_that_is_there_wins_over_the_initial_file),
        CASE(unusable_initial_file_stops_the_start),
        CASE(damaged_index_stops_the_start),
        CASE(changed_file_is_not_served_and_the_others_are),
        CASE(new_version_is_stored_and_published),
        CASE(missions_payload_without_properties_is_global_model),
        CASE(safetensors_name_themselves_in_their_metadata),
        CASE(same_bytes_again_are_published_again_and_stored_once),
        CASE(any_unused_number_is_allowed),
        CASE(refusals_have_a_code_and_change_nothing),
        CASE(retained_publication_is_ignored),
        CASE(refusal_says_which_version_it_is_about),
        CASE(infinities_in_safetensors_are_refused),
        CASE(too_large_model_is_refused),
        CASE(only_the_newest_of_a_name_stay_on_their_topics),
        CASE(lineage_of_a_version_is_in_its_record),
        CASE(lineage_that_cannot_be_read_is_refused),
        CASE(metadata_binds_nobody),
        CASE(latest_is_said_after_each_publication_and_connect),
        CASE(rollback_moves_the_pointer_and_nothing_else),
        CASE(stable_is_pointed_by_hand_and_stays),
        CASE(move_that_cannot_be_is_refused_and_changes_nothing),
        CASE(channel_is_never_moved_to_damaged_bytes),
        CASE(retained_or_unanswerable_requests_are_bounded),
        CASE(version_that_a_channel_points_at_stays_on_its_topic),
        CASE(version_that_left_its_topic_can_be_fetched),
        CASE(prune_deletes_only_what_nothing_needs),
        CASE(what_an_experiment_goes_on_from_is_kept_between_its_rounds),
        CASE(prune_is_shown_before_it_is_done),
        CASE(nothing_is_deleted_while_open_rounds_are_unknown),
        CASE(keep_deletes_after_a_publication_and_is_off_by_default),
        cmocka_unit_test_setup_teardown(large_version_comes_and_goes_in_parts, setup_peer,
                                        teardown_peer),
        cmocka_unit_test_setup_teardown(refused_large_versions_leave_nothing, setup_peer,
                                        teardown_peer),
        cmocka_unit_test_setup_teardown(no_reference_harms_a_version, setup_peer, teardown_peer),
        cmocka_unit_test_setup_teardown(somebodys_file_is_not_touched_by_parts, setup_peer,
                                        teardown_peer),
        cmocka_unit_test(what_another_version_has_too_is_still_given),
        cmocka_unit_test_setup_teardown(a_crash_leaves_no_link_to_what_was_deleted, setup_served,
                                        teardown_peer),
    };
    return cmocka_run_group_tests_name("model_server/server", tests, NULL, NULL);
}
