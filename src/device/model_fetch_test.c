/* Checks when a model's topic is listened to, and which bytes are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "device/blobs_exchange.h"
#include "device/fake_out.h"
#include "device/limits.h"
#include "device/model_fetch.h"
#include "transfer/get_msg.h"
#include "transfer/reference.h"

#define TOPIC "fl/models/global_model_v3"

static struct fake_out *fake;
static struct exchange *exchange;
static struct model_fetch *fetch;
static char root[64], folder[80];

static int setup(void **state)
{
    (void)state;
    static const struct id me = {"p-1"};
    (void)strcpy(root, "/tmp/fml-model-fetch-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(folder, sizeof folder, "%s/models", root);
    fake = fake_out_new();
    return blobs_exchange_new(&me, &fake->out, &exchange) != ST_OK ||
           model_fetch_new(&fake->out, exchange, folder, &fetch) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    fetch = model_fetch_free(fetch);
    exchange = exchange_free(exchange);
    fake = fake_out_free(fake);
    return file_remove_tree(root) != ST_OK;
}

static struct model_wait *want(const char *topic, const struct digest *expected)
{
    struct model_wait *w = NULL;
    assert_int_equal(model_fetch_want(fetch, topic, expected, &w), ST_OK);
    return w;
}

static bool message(const char *topic, const char *payload, const char *digest)
{
    struct mqtt_message m = {.topic = topic, .payload = view_text(payload), .retain = true};
    if (digest != NULL) {
        m.properties[0] = (struct mqtt_property){"digest", digest};
        m.property_count = 1;
    }
    return model_fetch_message(fetch, &m);
}

static const char *digest_text_of(const char *payload)
{
    static char text[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text(payload));
    digest_text(&d, text);
    return text;
}

static void assert_bytes(const struct model_wait *w, const char *text)
{
    assert_int_equal(model_wait_state(w), MODEL_THERE);
    assert_true(view_equal(model_wait_bytes(w), view_text(text)));
}

static void a_topic_is_listened_to_only_while_it_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(fake->subscribed_count, 0);
    struct model_wait *w = want(TOPIC, NULL);
    assert_true(fake_out_subscribed(fake, TOPIC));
    assert_int_equal(model_wait_state(w), MODEL_WAITING);
    assert_true(message(TOPIC, "{\"w\":[1]}", digest_text_of("{\"w\":[1]}")));
    assert_bytes(w, "{\"w\":[1]}");
    assert_int_equal(fake->subscribed_count, 0);
    model_wait_free(w);
    assert_false(message(TOPIC, "{\"w\":[2]}", NULL));
}

static void several_wait_for_one_message(void **state)
{
    (void)state;
    struct model_wait *a = want(TOPIC, NULL), *b = want(TOPIC, NULL);
    struct model_wait *other = want("fl/models/other_v1", NULL);
    assert_int_equal(fake->subscribed_count, 2);
    assert_true(message(TOPIC, "m", NULL));
    assert_bytes(a, "m");
    assert_bytes(b, "m");
    assert_int_equal(model_wait_state(other), MODEL_WAITING);
    assert_true(fake_out_subscribed(fake, "fl/models/other_v1"));
    model_wait_free(a);
    assert_bytes(b, "m");
    model_wait_free(b);
    model_wait_free(other);
    assert_int_equal(fake->subscribed_count, 0);
}

static void one_who_leaves_does_not_end_the_others_wait(void **state)
{
    (void)state;
    struct model_wait *a = want(TOPIC, NULL), *b = want(TOPIC, NULL);
    model_wait_free(a);
    assert_true(fake_out_subscribed(fake, TOPIC));
    model_wait_free(b);
    assert_false(fake_out_subscribed(fake, TOPIC));
}

static void the_messages_own_digest_must_be_right(void **state)
{
    (void)state;
    struct model_wait *w = want(TOPIC, NULL);
    assert_true(message(TOPIC, "m", digest_text_of("n")));
    assert_int_equal(model_wait_state(w), MODEL_CORRUPT);
    assert_true(model_wait_detail(w)[0] != '\0');
    model_wait_free(w);
    w = want(TOPIC, NULL);
    assert_true(message(TOPIC, "m", "nonsense"));
    assert_int_equal(model_wait_state(w), MODEL_CORRUPT);
    model_wait_free(w);
}

static void the_expected_digest_must_be_right(void **state)
{
    (void)state;
    struct digest right = digest_of(view_text("m")), wrong = digest_of(view_text("n"));
    struct model_wait *good = want(TOPIC, &right), *bad = want(TOPIC, &wrong);
    assert_true(message(TOPIC, "m", digest_text_of("m")));
    assert_bytes(good, "m");
    assert_int_equal(model_wait_state(bad), MODEL_CORRUPT);
    assert_non_null(strstr(model_wait_detail(bad), "expects"));
    model_wait_free(good);
    model_wait_free(bad);
}

static void a_cleared_topic_is_waited_on(void **state)
{
    (void)state;
    struct model_wait *w = want(TOPIC, NULL);
    assert_true(message(TOPIC, "", NULL));
    assert_int_equal(model_wait_state(w), MODEL_WAITING);
    assert_true(fake_out_subscribed(fake, TOPIC));
    model_wait_free(w);
}

static void a_kept_model_is_used_only_for_its_digest(void **state)
{
    (void)state;
    struct digest d = digest_of(view_text("m"));
    struct model_wait *w = want(TOPIC, NULL);
    assert_true(message(TOPIC, "m", NULL));
    model_wait_free(w);

    w = want(TOPIC, &d);
    assert_bytes(w, "m");
    assert_int_equal(fake->subscribed_count, 0);
    model_wait_free(w);
    /* Without a digest nobody can know that it is still the same. */
    w = want(TOPIC, NULL);
    assert_int_equal(model_wait_state(w), MODEL_WAITING);
    model_wait_free(w);
    w = want("fl/models/other_v1", &d);
    assert_int_equal(model_wait_state(w), MODEL_WAITING);
    model_wait_free(w);
}

static void only_the_last_few_are_kept(void **state)
{
    (void)state;
    char topic[64];
    struct digest d = digest_of(view_text("m"));
    for (unsigned i = 0; i <= MODELS_KEPT_MAX; i++) {
        (void)snprintf(topic, sizeof topic, "fl/models/m_v%u", i);
        struct model_wait *w = want(topic, NULL);
        assert_true(message(topic, "m", NULL));
        model_wait_free(w);
    }
    struct model_wait *oldest = want("fl/models/m_v0", &d), *second = want("fl/models/m_v1", &d);
    assert_int_equal(model_wait_state(oldest), MODEL_WAITING);
    assert_int_equal(model_wait_state(second), MODEL_THERE);
    model_wait_free(oldest);
    model_wait_free(second);
}

static void a_topic_that_cannot_be_subscribed_to_is_said(void **state)
{
    (void)state;
    struct model_wait *w = NULL;
    fake->subscribe_status = ST_INVALID;
    assert_int_equal(model_fetch_want(fetch, TOPIC, NULL, &w), ST_INVALID);
    assert_null(w);
    assert_false(message(TOPIC, "m", NULL));
}

/* ---- models in parts ---- */

static const char *const large_text = "a model that comes in parts, small ones in this test";
#define PART 10u

/* What the model server has on the topic: a reference, to be freed. */
static char *reference_to(const char *text, struct manifest *ret)
{
    assert_int_equal(manifest_of(view_text(text), PART, ret), ST_OK);
    const struct reference r = {.manifest = *ret, .holder = {"server"}};
    char *encoded = reference_encode(&r);
    assert_non_null(encoded);
    return encoded;
}

/* Answers the questions that were published, and forgets them. lies: with other bytes
 * gives: how many there were */
static size_t answer_questions(const struct manifest *m, const char *text, size_t limit)
{
    size_t answered = 0;
    blobs_exchange_step(exchange, fake->now_ms);
    for (size_t i = 0; i < fake->published_count && answered < limit; i++) {
        struct get_msg get;
        char hex[DIGEST_HEX_SIZE], topic[TOPIC_SIZE_MAX];
        assert_string_equal(fake->published[i].topic, "fl/parts/get/server");
        assert_int_equal(get_msg_decode(bytes_view(&fake->published[i].payload), &get, NULL),
                         ST_OK);
        digest_hex(&m->digest, hex);
        (void)snprintf(topic, sizeof topic, "fl/parts/part/p-1/%s/%u", hex, get.part);
        const struct mqtt_message part = {.topic = topic,
                                          .payload = manifest_part(m, view_text(text), get.part)};
        assert_true(exchange_message(exchange, &part, fake->now_ms));
        answered++;
    }
    fake_out_clear(fake);
    return answered;
}

#define TURNS 20 /* some of them only look through what is there */

static size_t carry(const struct manifest *m, const char *text)
{
    size_t all = 0;
    for (int i = 0; i < TURNS; i++)
        all += answer_questions(m, text, SIZE_MAX);
    model_fetch_step(fetch);
    return all;
}

static void a_reference_becomes_a_file_that_all_share(void **state)
{
    (void)state;
    struct manifest m;
    char *reference = reference_to(large_text, &m);
    struct digest expected = digest_of(view_text(large_text));
    struct model_wait *first = want(TOPIC, &expected), *second = want(TOPIC, NULL);
    assert_true(message(TOPIC, reference, digest_text_of(large_text)));
    assert_int_equal(model_wait_state(first), MODEL_COMING);
    assert_int_equal(carry(&m, large_text), m.part_count); /* once for both */
    assert_int_equal(model_wait_state(first), MODEL_THERE);
    assert_int_equal(model_wait_state(second), MODEL_THERE);
    assert_string_equal(model_wait_path(first), model_wait_path(second));
    struct bytes file = {0};
    assert_int_equal(file_read(model_wait_path(first), 1000, &file), ST_OK);
    assert_true(view_equal(bytes_view(&file), view_text(large_text)));
    bytes_done(&file);
    model_wait_free(first);
    model_wait_free(second);

    /* It is still there for the next task that expects it. */
    struct model_wait *third = want(TOPIC, &expected);
    assert_int_equal(model_wait_state(third), MODEL_THERE);
    assert_int_equal(fake->published_count, 0);
    model_wait_free(third);
    manifest_done(&m);
    free(reference);
}

static void what_a_restart_left_is_not_asked_for_again(void **state)
{
    (void)state;
    static const struct id me = {"p-1"};
    struct manifest m;
    char *reference = reference_to(large_text, &m);
    struct model_wait *w = want(TOPIC, NULL);
    assert_true(message(TOPIC, reference, NULL));
    assert_int_equal(answer_questions(&m, large_text, 1), 1);
    assert_int_equal(answer_questions(&m, large_text, 1), 1);
    model_wait_free(w);
    fetch = model_fetch_free(fetch);
    exchange = exchange_free(exchange);

    assert_int_equal(blobs_exchange_new(&me, &fake->out, &exchange), ST_OK);
    assert_int_equal(model_fetch_new(&fake->out, exchange, folder, &fetch), ST_OK);
    fake_out_clear(fake);
    w = want(TOPIC, NULL);
    assert_true(message(TOPIC, reference, NULL));
    assert_int_equal(carry(&m, large_text), m.part_count - 2);
    assert_int_equal(model_wait_state(w), MODEL_THERE);
    model_wait_free(w);
    manifest_done(&m);
    free(reference);
}

static void a_holder_that_has_it_not_is_said(void **state)
{
    (void)state;
    struct manifest m;
    char *reference = reference_to(large_text, &m), refusal[256];
    struct model_wait *w = want(TOPIC, NULL);
    assert_true(message(TOPIC, reference, NULL));
    blobs_exchange_step(exchange, fake->now_ms);
    (void)snprintf(refusal, sizeof refusal,
                   "{\"holder\":\"server\",\"digest\":\"%s\",\"code\":\"unknown\","
                   "\"reason\":\"gone\"}",
                   digest_text_of(large_text));
    assert_true(exchange_message(
        exchange,
        &(struct mqtt_message){.topic = "fl/parts/refused/p-1", .payload = view_text(refusal)},
        fake->now_ms));
    model_fetch_step(fetch);
    assert_int_equal(model_wait_state(w), MODEL_UNAVAILABLE);
    assert_non_null(strstr(model_wait_detail(w), "gone"));
    model_wait_free(w);
    manifest_done(&m);
    free(reference);
}

static void the_same_model_on_two_topics_comes_once(void **state)
{
    (void)state;
    struct manifest m;
    char *reference = reference_to(large_text, &m);
    struct model_wait *first = want(TOPIC, NULL), *second = want("fl/models/other_v1", NULL);
    assert_true(message(TOPIC, reference, NULL));
    assert_true(message("fl/models/other_v1", reference, NULL));
    assert_int_equal(carry(&m, large_text), m.part_count);
    assert_int_equal(model_wait_state(first), MODEL_THERE);
    assert_int_equal(model_wait_state(second), MODEL_THERE);
    assert_string_equal(model_wait_path(first), model_wait_path(second));
    model_wait_free(first);
    assert_int_equal(access(model_wait_path(second), R_OK), 0);
    model_wait_free(second);
    manifest_done(&m);
    free(reference);
}

static void a_reference_to_other_bytes_is_not_followed(void **state)
{
    (void)state;
    struct manifest m;
    char *reference = reference_to(large_text, &m);
    struct digest expected = digest_of(view_text("another model"));
    struct model_wait *w = want(TOPIC, &expected);
    assert_true(message(TOPIC, reference, NULL));
    assert_int_equal(model_wait_state(w), MODEL_CORRUPT);
    model_wait_free(w);
    w = want(TOPIC, NULL);
    assert_true(message(TOPIC, reference, digest_text_of("another model")));
    assert_int_equal(model_wait_state(w), MODEL_CORRUPT);
    model_wait_free(w);
    w = want(TOPIC, NULL);
    assert_true(message(TOPIC, "{\"holder\":7,\"manifest\":{}}", NULL));
    assert_int_equal(model_wait_state(w), MODEL_CORRUPT);
    model_wait_free(w);
    blobs_exchange_step(exchange, fake->now_ms);
    assert_int_equal(fake->published_count, 0);
    manifest_done(&m);
    free(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reference_becomes_a_file_that_all_share, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_restart_left_is_not_asked_for_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_holder_that_has_it_not_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_model_on_two_topics_comes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reference_to_other_bytes_is_not_followed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_topic_is_listened_to_only_while_it_is_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(several_wait_for_one_message, setup, teardown),
        cmocka_unit_test_setup_teardown(one_who_leaves_does_not_end_the_others_wait, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_messages_own_digest_must_be_right, setup, teardown),
        cmocka_unit_test_setup_teardown(the_expected_digest_must_be_right, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cleared_topic_is_waited_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kept_model_is_used_only_for_its_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_last_few_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_that_cannot_be_subscribed_to_is_said, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("proplet/model_fetch", tests, NULL, NULL);
}
