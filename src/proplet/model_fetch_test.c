/* Checks when a model's topic is listened to, and which bytes are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proplet/fake_out.h"
#include "proplet/limits.h"
#include "proplet/model_fetch.h"

#define TOPIC "fl/models/global_model_v3"

static struct fake_out *fake;
static struct model_fetch *fetch;

static int setup(void **state)
{
    (void)state;
    fake = fake_out_new();
    return model_fetch_new(&fake->out, &fetch) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    fetch = model_fetch_free(fetch);
    fake = fake_out_free(fake);
    return 0;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
