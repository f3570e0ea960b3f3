/* Checks the order of requests, patience with a silent holder, and that nothing
 * but the right bytes ever makes an image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/image_fetch.h"

#define IMAGE_SIZE ((size_t)10)
#define PARTS      3u /* of 4, 4 and 2 bytes */

static const char image[IMAGE_SIZE + 1] = "abcdefghij";
static struct manifest manifest;
static struct image_fetch *fetch;

static int setup(void **state)
{
    (void)state;
    if (manifest_of(view_of(image, IMAGE_SIZE), 4, &manifest) != ST_OK)
        return 1;
    return image_fetch_new(&manifest.digest, IMAGE_SIZE, &fetch) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    manifest_done(&manifest);
    fetch = image_fetch_free(fetch);
    return 0;
}

static enum status answer(json_t *object)
{
    struct why why = {0};
    enum status status = image_fetch_manifest(fetch, object, &why);
    assert_true((status == ST_OK) == (why.text[0] == '\0'));
    json_decref(object);
    return status;
}

static uint32_t next(uint64_t now_ms)
{
    uint32_t part = 12345;
    assert_true(image_fetch_next(fetch, now_ms, &part));
    return part;
}

static void nothing_more(uint64_t now_ms)
{
    uint32_t part = 12345;
    assert_false(image_fetch_next(fetch, now_ms, &part));
    assert_int_equal(part, 12345);
}

static enum status bring(uint32_t part)
{
    struct view whole = view_of(image, IMAGE_SIZE);
    return image_fetch_part(fetch, part, manifest_part(&manifest, whole, part));
}

static void the_manifest_first_then_each_part_makes_the_image(void **state)
{
    (void)state;
    assert_int_equal(next(0), IMAGE_FETCH_MANIFEST);
    nothing_more(1);
    assert_int_equal(bring(0), ST_INVALID); /* nobody asked yet */
    assert_int_equal(answer(manifest_encode(&manifest)), ST_OK);
    bool asked[PARTS] = {false};
    for (uint32_t i = 0; i < PARTS; i++)
        asked[next(2)] = true;
    assert_true(asked[0] && asked[1] && asked[2]);
    nothing_more(3);
    for (uint32_t i = PARTS; i > 0; i--) {
        assert_int_equal(image_fetch_state(fetch, 3, NULL), IMAGE_FETCH_GOING);
        assert_int_equal(bring(i - 1), ST_OK);
    }
    assert_int_equal(image_fetch_state(fetch, 3, NULL), IMAGE_FETCH_COMPLETE);
    struct bytes whole = {0};
    assert_int_equal(image_fetch_take(fetch, &whole), ST_OK);
    assert_true(view_equal(bytes_view(&whole), view_of(image, IMAGE_SIZE)));
    bytes_done(&whole);
}

static void a_silent_holder_is_asked_again_and_given_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECEIVER_TRIES_MAX; i++) {
        assert_int_equal(next(i * RECEIVER_RETRY_MS), IMAGE_FETCH_MANIFEST);
        nothing_more((i + 1) * RECEIVER_RETRY_MS - 1);
    }
    uint64_t end = RECEIVER_TRIES_MAX * RECEIVER_RETRY_MS;
    assert_int_equal(image_fetch_state(fetch, end - 1, NULL), IMAGE_FETCH_GOING);
    struct why why = {0};
    assert_int_equal(image_fetch_state(fetch, end, &why), IMAGE_FETCH_SILENT);
    assert_non_null(strstr(why.text, "manifest"));
    nothing_more(end);
}

static void a_refusal_ends_it_with_the_holders_words(void **state)
{
    (void)state;
    assert_int_equal(next(0), IMAGE_FETCH_MANIFEST);
    assert_int_equal(
        answer(json_pack("{s:s,s:s}", "error", "not_found", "reason", "no such image")), ST_OK);
    struct why why = {0};
    assert_int_equal(image_fetch_state(fetch, 1, &why), IMAGE_FETCH_REFUSED);
    assert_non_null(strstr(why.text, "no such image"));
    nothing_more(60000);
}

static void a_manifest_of_something_else_changes_nothing(void **state)
{
    (void)state;
    struct manifest other = {0};
    assert_int_equal(manifest_of(view_text("another one"), 4, &other), ST_OK);
    assert_int_equal(next(0), IMAGE_FETCH_MANIFEST);
    assert_int_equal(answer(manifest_encode(&other)), ST_INVALID);
    other.digest = manifest.digest; /* right digest, wrong size */
    assert_int_equal(answer(manifest_encode(&other)), ST_INVALID);
    assert_true(answer(json_pack("{s:s}", "digest", "nonsense")) != ST_OK);
    manifest_done(&other);

    nothing_more(1);
    assert_int_equal(image_fetch_state(fetch, 1, NULL), IMAGE_FETCH_GOING);
    assert_int_equal(next(RECEIVER_RETRY_MS), IMAGE_FETCH_MANIFEST);
    assert_int_equal(answer(manifest_encode(&manifest)), ST_OK);
    assert_int_equal(image_fetch_state(fetch, 1, NULL), IMAGE_FETCH_GOING);
}

static void wrong_bytes_are_asked_for_again_and_named_in_the_end(void **state)
{
    (void)state;
    assert_int_equal(next(0), IMAGE_FETCH_MANIFEST);
    assert_int_equal(answer(manifest_encode(&manifest)), ST_OK);
    uint32_t part;
    uint64_t now_ms = 1;
    while (image_fetch_state(fetch, now_ms, NULL) == IMAGE_FETCH_GOING) {
        while (image_fetch_next(fetch, now_ms, &part))
            assert_int_equal(image_fetch_part(fetch, part, view_text("xxxx")), ST_CORRUPT);
        now_ms += 1000;
        assert_true(now_ms < 120000);
    }
    assert_int_equal(image_fetch_state(fetch, now_ms, NULL), IMAGE_FETCH_CORRUPT);
}

static void parts_that_come_in_another_way_are_none_of_the_holders(void **state)
{
    (void)state;
    uint64_t now_ms = 1;
    uint32_t part;
    assert_int_equal(next(0), IMAGE_FETCH_MANIFEST);
    assert_int_equal(answer(manifest_encode(&manifest)), ST_OK);
    image_fetch_elsewhere(fetch, true);
    for (unsigned i = 0; i < 2 * RECEIVER_TRIES_MAX; i++, now_ms += RECEIVER_RETRY_MS)
        while (plan_next(image_fetch_plan(fetch), now_ms, &part))
            assert_int_equal(image_fetch_state(fetch, now_ms, NULL), IMAGE_FETCH_GOING);
    assert_int_equal(image_fetch_state(fetch, now_ms, NULL), IMAGE_FETCH_GOING);
    assert_int_equal(bring(0), ST_OK);

    image_fetch_elsewhere(fetch, false); /* and now he is asked, as often as ever */
    for (unsigned i = 0; i < RECEIVER_TRIES_MAX; i++, now_ms += RECEIVER_RETRY_MS) {
        assert_int_equal(next(now_ms) + next(now_ms), 1 + 2);
        nothing_more(now_ms);
    }
    assert_int_equal(image_fetch_state(fetch, now_ms, NULL), IMAGE_FETCH_SILENT);
}

static void unknown_parts_are_refused(void **state)
{
    (void)state;
    assert_int_equal(next(0), IMAGE_FETCH_MANIFEST);
    assert_int_equal(answer(manifest_encode(&manifest)), ST_OK);
    assert_int_equal(image_fetch_part(fetch, PARTS, view_text("abcd")), ST_INVALID);
    assert_int_equal(image_fetch_part(fetch, UINT32_MAX, view_text("abcd")), ST_INVALID);
    assert_int_equal(image_fetch_state(fetch, 1, NULL), IMAGE_FETCH_GOING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_manifest_first_then_each_part_makes_the_image, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_silent_holder_is_asked_again_and_given_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refusal_ends_it_with_the_holders_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_manifest_of_something_else_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(wrong_bytes_are_asked_for_again_and_named_in_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(parts_that_come_in_another_way_are_none_of_the_holders,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_parts_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("proplet/image_fetch", tests, NULL, NULL);
}
