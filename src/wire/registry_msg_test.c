/* Checks image references and how pushes end, then what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/registry_msg.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ABC_HEX      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_DIGEST   "sha256:" ABC_HEX

static void a_reference_by_name_always_gets_a_tag(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"client", "client:latest"},
        {"client:v1", "client:v1"},
        {"oci://example/fl-client-wasm:latest", "example/fl-client-wasm:latest"},
        {"oci://example/fl-client-wasm", "example/fl-client-wasm:latest"},
        {"a/b/c_d.e-f:1.2-3", "a/b/c_d.e-f:1.2-3"},
        {"sha256", NULL}, /* NULL: refused */
        {"sha256x:1", "sha256x:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct image_ref ref = {.name = "kept"};
        enum status status = image_ref_parse(cases[i].text, &ref, NULL);
        assert_int_equal(status, cases[i].name == NULL ? ST_INVALID : ST_OK);
        assert_string_equal(ref.name, cases[i].name == NULL ? "kept" : cases[i].name);
        assert_false(ref.by_digest);
    }
}

static void a_parsed_name_parses_to_itself(void **state)
{
    (void)state;
    struct image_ref first, second;
    assert_int_equal(image_ref_parse("oci://example/client", &first, NULL), ST_OK);
    assert_int_equal(image_ref_parse(first.name, &second, NULL), ST_OK);
    assert_string_equal(second.name, first.name);
}

static void a_reference_by_digest_has_no_name(void **state)
{
    (void)state;
    struct image_ref ref;
    struct digest expected = digest_of(view_text("abc"));
    assert_int_equal(image_ref_parse(ABC_DIGEST, &ref, NULL), ST_OK);
    assert_true(ref.by_digest);
    assert_true(digest_equal(&ref.digest, &expected));
    assert_string_equal(ref.name, "");
}

static void bad_references_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        ":tag",
        "name:",
        "oci://",
        "oci://:x",
        "a b",
        "a//b",
        "/a",
        "a/",
        "../a",
        "a/../b",
        "a/..",
        ".a",
        "a:.b",
        "a:b:c",
        "a:b/c",
        "localhost:5000/add:v1",
        "http://x/y",
        "a\n",
        "a+b",
        "\xc3\xa4",
        "sha256:",
        "sha256:00",
        "sha256:" ABC_HEX "0",
        "sha256:latest",
        "oci://" ABC_DIGEST,
        "oci://oci://a",
        "a\\b",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct image_ref ref = {.name = "kept"};
        struct why why = {""};
        assert_int_equal(image_ref_parse(bad[i], &ref, &why), ST_INVALID);
        assert_string_not_equal(why.text, "");
        assert_string_equal(ref.name, "kept");
    }
}

static void name_and_tag_have_200_bytes_at_most(void **state)
{
    (void)state;
    char text[1000];
    struct image_ref ref = {.name = "kept"};
    struct why why;

    memset(text, 'n', sizeof text);
    memcpy(text + 198, ":t", 3); /* 200 in all */
    assert_int_equal(image_ref_parse(text, &ref, &why), ST_OK);
    assert_string_equal(ref.name, text);

    memset(text, 'n', sizeof text);
    text[193] = '\0'; /* and ":latest": 200 in all */
    assert_int_equal(image_ref_parse(text, &ref, &why), ST_OK);
    assert_int_equal(strlen(ref.name), 200);

    memset(text, 'n', sizeof text);
    memcpy(text + 199, ":t", 3);
    strcpy(ref.name, "kept");
    assert_int_equal(image_ref_parse(text, &ref, &why), ST_INVALID);
    assert_non_null(strstr(why.text, "200"));
    memset(text, 'n', sizeof text);
    text[194] = '\0';
    assert_int_equal(image_ref_parse(text, &ref, &why), ST_INVALID);
    memset(text, 'n', sizeof text);
    text[999] = '\0';
    assert_int_equal(image_ref_parse(text, &ref, &why), ST_INVALID);
    assert_string_equal(ref.name, "kept");
}

static void pushed_comes_back_stored_and_refused(void **state)
{
    (void)state;
    struct pushed_msg msg = {
        .name = "client:latest", .stored = true, .digest = digest_of(view_text("abc"))};
    struct pushed_msg got;
    char *text = pushed_msg_encode(&msg);
    assert_string_equal(text, "{\"digest\":\"" ABC_DIGEST
                              "\",\"name\":\"client:latest\",\"status\":\"stored\"}");
    assert_int_equal(pushed_msg_decode(view_text(text), &got, NULL), ST_OK);
    assert_true(got.stored && digest_equal(&got.digest, &msg.digest));
    assert_string_equal(got.name, "client:latest");
    free(text);

    msg = (struct pushed_msg){
        .name = "..", .code = "invalid", .reason = "an image is NAME[:TAG]\xff"};
    text = pushed_msg_encode(&msg);
    assert_string_equal(text, "{\"code\":\"invalid\",\"name\":\"..\",\"reason\":"
                              "\"an image is NAME[:TAG]?\",\"status\":\"refused\"}");
    assert_int_equal(pushed_msg_decode(view_text(text), &got, NULL), ST_OK);
    assert_false(got.stored);
    assert_string_equal(got.code, "invalid");
    assert_string_equal(got.reason, "an image is NAME[:TAG]?");
    free(text);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    (void)state;
    char reason[400], text[500];
    memset(reason, 'r', sizeof reason);
    memcpy(reason + 254, "\xc3\xa4", 2); /* 255 bytes fit */
    reason[399] = '\0';
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"n\",\"status\":\"refused\",\"code\":\"c\",\"reason\":\"%s\"}",
                   reason);
    struct pushed_msg got;
    assert_int_equal(pushed_msg_decode(view_text(text), &got, NULL), ST_OK);
    assert_int_equal(strlen(got.reason), 254);
}

static void a_bad_pushed_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *word;
    } bad[] = {
        {"[]", ST_MALFORMED, "another kind"},
        {"{\"status\":\"stored\",\"digest\":\"" ABC_DIGEST "\"}", ST_INVALID, "name is missing"},
        {"{\"name\":7,\"status\":\"stored\"}", ST_INVALID, "name"},
        {"{\"name\":\"n\",\"digest\":\"" ABC_DIGEST "\"}", ST_INVALID, "status is missing"},
        {"{\"name\":\"n\",\"status\":\"lost\"}", ST_INVALID, "status"},
        {"{\"name\":\"n\",\"status\":\"stored\"}", ST_INVALID, "digest is missing"},
        {"{\"name\":\"n\",\"status\":\"stored\",\"digest\":\"x\"}", ST_INVALID, "digest"},
        {"{\"name\":\"n\",\"status\":\"refused\"}", ST_INVALID, "code is missing"},
        {"{\"name\":\"n\",\"status\":\"refused\",\"code\":\"c\",\"reason\":1}", ST_INVALID,
         "reason"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct pushed_msg msg = {.name = "kept"};
        struct why why;
        assert_int_equal(pushed_msg_decode(view_text(bad[i].text), &msg, &why), bad[i].status);
        assert_non_null(strstr(why.text, bad[i].word));
        assert_string_equal(msg.name, "kept");
    }
    struct bytes large = {0};
    struct pushed_msg pushed;
    assert_int_equal(bytes_resize(&large, CONTROL_SIZE_MAX + 1), ST_OK);
    assert_int_equal(pushed_msg_decode(bytes_view(&large), &pushed, NULL), ST_LIMIT);
    bytes_done(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_by_name_always_gets_a_tag),
        cmocka_unit_test(a_parsed_name_parses_to_itself),
        cmocka_unit_test(a_reference_by_digest_has_no_name),
        cmocka_unit_test(bad_references_are_refused_with_a_sentence),
        cmocka_unit_test(name_and_tag_have_200_bytes_at_most),
        cmocka_unit_test(pushed_comes_back_stored_and_refused),
        cmocka_unit_test(a_long_reason_is_cut_between_characters),
        cmocka_unit_test(a_bad_pushed_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("wire/registry_msg", tests, NULL, NULL);
}
