/* Checks the request for a part, then what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transfer/get_msg.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ABC_DIGEST   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void get_comes_back_with_and_without_a_part(void **state)
{
    (void)state;
    struct get_msg msg = {.client_id = {"proplet-1"}, .digest = digest_of(view_text("abc"))}, got;
    char *text = get_msg_encode(&msg);
    assert_string_equal(text, "{\"client_id\":\"proplet-1\",\"digest\":\"" ABC_DIGEST "\"}");
    assert_int_equal(get_msg_decode(view_text(text), &got, NULL), ST_OK);
    assert_false(got.wants_part);
    assert_string_equal(got.client_id.text, "proplet-1");
    assert_true(digest_equal(&got.digest, &msg.digest));
    free(text);

    static const uint32_t parts[] = {0, 7, PARTS_MAX - 1};
    for (size_t i = 0; i < COUNT(parts); i++) {
        msg.wants_part = true;
        msg.part = parts[i];
        text = get_msg_encode(&msg);
        assert_int_equal(get_msg_decode(view_text(text), &got, NULL), ST_OK);
        assert_true(got.wants_part && got.part == parts[i]);
        free(text);
    }
}

static void a_bad_get_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *word;
    } bad[] = {
        {"", ST_MALFORMED, "not JSON"},
        {"{\"digest\":\"" ABC_DIGEST "\"}", ST_INVALID, "client_id is missing"},
        {"{\"client_id\":\"a/+\",\"digest\":\"" ABC_DIGEST "\"}", ST_INVALID, "client_id"},
        {"{\"client_id\":\"c\"}", ST_INVALID, "digest is missing"},
        {"{\"client_id\":\"c\",\"digest\":\"sha256:\"}", ST_INVALID, "digest"},
        {"{\"client_id\":\"c\",\"digest\":7}", ST_INVALID, "digest"},
        {"{\"client_id\":\"c\",\"digest\":\"" ABC_DIGEST "\",\"part\":-1}", ST_INVALID, "part"},
        {"{\"client_id\":\"c\",\"digest\":\"" ABC_DIGEST "\",\"part\":4096}", ST_INVALID, "part"},
        {"{\"client_id\":\"c\",\"digest\":\"" ABC_DIGEST "\",\"part\":\"1\"}", ST_INVALID, "part"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct get_msg msg = {.client_id = {"kept"}, .part = 77};
        struct why why;
        assert_int_equal(get_msg_decode(view_text(bad[i].text), &msg, &why), bad[i].status);
        assert_non_null(strstr(why.text, bad[i].word));
        assert_string_equal(msg.client_id.text, "kept");
        assert_true(msg.part == 77 && !msg.wants_part);
    }
    struct bytes large = {0};
    struct get_msg msg = {.part = 77};
    assert_int_equal(bytes_resize(&large, CONTROL_SIZE_MAX + 1), ST_OK);
    assert_int_equal(get_msg_decode(bytes_view(&large), &msg, NULL), ST_LIMIT);
    assert_int_equal(msg.part, 77);
    bytes_done(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_comes_back_with_and_without_a_part),
        cmocka_unit_test(a_bad_get_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("transfer/get_msg", tests, NULL, NULL);
}
