/* Checks manifests against parts counted by hand, then what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "transfer/manifest.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ABC_HEX      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void describes_a_blob_part_by_part(void **state)
{
    (void)state;
    struct view blob = view_text("abcdefg"); /* abc def g */
    struct manifest m;
    assert_int_equal(manifest_of(blob, 3, &m), ST_OK);

    struct digest whole = digest_of(blob), abc = digest_of(view_text("abc")),
                  def = digest_of(view_text("def")), g = digest_of(view_text("g"));
    assert_int_equal(m.size, 7);
    assert_int_equal(m.part_size, 3);
    assert_int_equal(m.part_count, 3);
    assert_true(digest_equal(&m.digest, &whole));
    assert_true(digest_equal(&m.parts[0], &abc));
    assert_true(digest_equal(&m.parts[1], &def));
    assert_true(digest_equal(&m.parts[2], &g));
    assert_true(view_equal(manifest_part(&m, blob, 1), view_text("def")));
    assert_true(view_equal(manifest_part(&m, blob, 2), view_text("g")));
    assert_int_equal(manifest_offset(&m, 2), 6);
    assert_int_equal(manifest_part_bytes(&m, 1), 3);
    assert_int_equal(manifest_part_bytes(&m, 2), 1);
    assert_true(manifest_part_is(&m, 1, view_text("def")));
    assert_false(manifest_part_is(&m, 1, view_text("abc")));
    assert_false(manifest_part_is(&m, 2, view_text("gg")));
    manifest_done(&m);
    assert_null(m.parts);
    manifest_done(&m);
    manifest_done(NULL);
}

static void counts_parts_at_the_edges(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint32_t part_size, count, last;
    } cases[] = {
        {1, 1, 1, 1},       {1, 100, 1, 1},   {99, 100, 1, 99},
        {100, 100, 1, 100}, {101, 100, 2, 1}, {200, 100, 2, 100},
    };
    struct bytes blob = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(bytes_resize(&blob, cases[i].size), ST_OK);
        struct manifest m;
        assert_int_equal(manifest_of(bytes_view(&blob), cases[i].part_size, &m), ST_OK);
        assert_int_equal(m.part_count, cases[i].count);
        struct view last = manifest_part(&m, bytes_view(&blob), m.part_count - 1);
        assert_int_equal(last.size, cases[i].last);
        manifest_done(&m);
    }
    bytes_done(&blob);
}

static void the_parts_of_any_blob_make_up_the_blob(void **state)
{
    (void)state;
    struct rand r = {11};
    struct bytes blob = {0};
    for (int i = 0; i < 200; i++) {
        assert_int_equal(bytes_resize(&blob, (size_t)(1 + rand_below(&r, 300))), ST_OK);
        for (size_t k = 0; k < blob.size; k++)
            blob.data[k] = (uint8_t)rand_u64(&r);
        struct manifest m;
        assert_int_equal(manifest_of(bytes_view(&blob), (uint32_t)(1 + rand_below(&r, 99)), &m),
                         ST_OK);
        struct bytes joined = {0};
        for (uint32_t k = 0; k < m.part_count; k++)
            assert_int_equal(
                bytes_append(&joined, manifest_part(&m, bytes_view(&blob), k), SIZE_MAX), ST_OK);
        assert_true(view_equal(bytes_view(&joined), bytes_view(&blob)));
        bytes_done(&joined);
        manifest_done(&m);
    }
    bytes_done(&blob);
}

static void an_empty_blob_and_too_many_parts_are_refused(void **state)
{
    (void)state;
    struct manifest m = {.size = 77};
    struct bytes blob = {0};
    assert_int_equal(manifest_of(view_of(NULL, 0), 10, &m), ST_INVALID);
    assert_int_equal(bytes_resize(&blob, PARTS_MAX + 1), ST_OK);
    assert_int_equal(manifest_of(bytes_view(&blob), 1, &m), ST_LIMIT);
    assert_int_equal(m.size, 77);
    assert_int_equal(bytes_resize(&blob, PARTS_MAX), ST_OK);
    assert_int_equal(manifest_of(bytes_view(&blob), 1, &m), ST_OK);
    assert_int_equal(m.part_count, 4096);
    manifest_done(&m);
    bytes_done(&blob);
}

static void comes_back_from_json(void **state)
{
    (void)state;
    struct manifest sent, got;
    assert_int_equal(manifest_of(view_text("abcdefg"), 3, &sent), ST_OK);
    json_t *object = manifest_encode(&sent);
    assert_int_equal(manifest_decode(object, 7, &got, NULL), ST_OK);

    assert_int_equal(got.size, 7);
    assert_int_equal(got.part_size, 3);
    assert_int_equal(got.part_count, 3);
    assert_true(digest_equal(&got.digest, &sent.digest));
    for (uint32_t i = 0; i < 3; i++)
        assert_true(digest_equal(&got.parts[i], &sent.parts[i]));
    json_t *again = manifest_encode(&got);
    assert_true(json_equal(object, again));
    json_decref(again);
    json_decref(object);
    manifest_done(&sent);
    manifest_done(&got);
}

static void a_url_comes_back_from_json_and_is_copied(void **state)
{
    (void)state;
    struct manifest sent, got, copy;
    assert_int_equal(manifest_of(view_text("abc"), 3, &sent), ST_OK);
    assert_int_equal(manifest_set_url(&sent, "https://old/"), ST_OK);
    assert_int_equal(manifest_set_url(&sent, "https://models.example/b/1"), ST_OK);
    json_t *object = manifest_encode(&sent);
    assert_string_equal(json_string_value(json_object_get(object, "url")),
                        "https://models.example/b/1");
    assert_int_equal(manifest_decode(object, 3, &got, NULL), ST_OK);
    assert_int_equal(manifest_copy(&got, &copy), ST_OK);
    manifest_done(&got);
    assert_string_equal(copy.url, "https://models.example/b/1");
    assert_true(digest_equal(&copy.parts[0], &sent.parts[0]));
    manifest_done(&copy);
    assert_null(copy.url);
    json_decref(object);
    manifest_done(&sent);
}

static void a_url_of_other_characters_or_too_long_changes_nothing(void **state)
{
    (void)state;
    struct manifest m;
    char text[URL_SIZE_MAX + 2];
    assert_int_equal(manifest_of(view_text("abc"), 3, &m), ST_OK);
    memset(text, 'u', URL_SIZE_MAX + 1);
    text[URL_SIZE_MAX + 1] = '\0';
    assert_int_equal(manifest_set_url(&m, text), ST_INVALID);
    assert_null(m.url);
    text[URL_SIZE_MAX] = '\0';
    assert_int_equal(manifest_set_url(&m, text), ST_OK);
    static const char *const bad[] = {"", "http://a b", "http://a\nHost: b", "http://\xc3\xa9",
                                      "http://a\x7f"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(manifest_set_url(&m, bad[i]), ST_INVALID);
    assert_string_equal(m.url, text);
    manifest_done(&m);
}

static void the_json_is_that_of_the_protocol(void **state)
{
    (void)state;
    struct manifest m;
    assert_int_equal(manifest_of(view_text("abc"), 262144, &m), ST_OK);
    json_t *object = manifest_encode(&m);
    char *text = jsn_text(object);
    assert_string_equal(text, "{\"digest\":\"sha256:" ABC_HEX "\",\"part_size\":262144,"
                              "\"parts\":[\"" ABC_HEX "\"],\"size\":3}");
    free(text);
    json_decref(object);
    manifest_done(&m);
}

#define DIGEST "\"digest\":\"sha256:" ABC_HEX "\""
#define HEX    "\"" ABC_HEX "\""

static void bad_fields_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *word;
    } bad[] = {
        {"{}", ST_INVALID, "size is missing"},
        {"{" DIGEST ",\"size\":0,\"part_size\":3,\"parts\":[]}", ST_INVALID, "size"},
        {"{" DIGEST ",\"size\":-3,\"part_size\":3,\"parts\":[" HEX "]}", ST_INVALID, "size"},
        {"{" DIGEST ",\"size\":1001,\"part_size\":1001,\"parts\":[" HEX "]}", ST_LIMIT, "1000"},
        {"{" DIGEST ",\"size\":9223372036854775807,\"part_size\":1,\"parts\":[]}", ST_LIMIT,
         "1000"},
        {"{" DIGEST ",\"size\":3,\"parts\":[" HEX "]}", ST_INVALID, "part_size is missing"},
        {"{" DIGEST ",\"size\":3,\"part_size\":0,\"parts\":[" HEX "]}", ST_INVALID, "part_size"},
        {"{" DIGEST ",\"size\":3,\"part_size\":33554433,\"parts\":[" HEX "]}", ST_INVALID,
         "part_size"},
        {"{" DIGEST ",\"size\":3,\"part_size\":4294967297,\"parts\":[" HEX "]}", ST_INVALID,
         "part_size"},
        {"{\"size\":3,\"part_size\":3,\"parts\":[" HEX "]}", ST_INVALID, "digest"},
        {"{\"digest\":7,\"size\":3,\"part_size\":3,\"parts\":[" HEX "]}", ST_INVALID, "digest"},
        {"{\"digest\":\"sha256:0\",\"size\":3,\"part_size\":3,\"parts\":[" HEX "]}", ST_INVALID,
         "digest"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3}", ST_INVALID, "parts is missing"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3,\"parts\":{}}", ST_INVALID, "parts"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3,\"parts\":[]}", ST_INVALID, "parts has 0"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3,\"parts\":[" HEX "," HEX "]}", ST_INVALID,
         "parts has 2"},
        {"{" DIGEST ",\"size\":4,\"part_size\":3,\"parts\":[" HEX "]}", ST_INVALID, "parts has 1"},
        {"{" DIGEST ",\"size\":4,\"part_size\":3,\"parts\":[" HEX ",7]}", ST_INVALID,
         "entry of parts"},
        {"{" DIGEST ",\"size\":4,\"part_size\":3,\"parts\":[" HEX ",\"00\"]}", ST_INVALID,
         "entry of parts"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3,\"parts\":[" HEX "],\"url\":7}", ST_INVALID,
         "url"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3,\"parts\":[" HEX "],\"url\":\"\"}", ST_INVALID,
         "url"},
        {"{" DIGEST ",\"size\":3,\"part_size\":3,\"parts\":[" HEX "],\"url\":\"http://a\\tb\"}",
         ST_INVALID, "url is not"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct manifest m = {.size = 77};
        struct why why = {""};
        json_t *object;
        assert_int_equal(jsn_parse(view_text(bad[i].text), JSON_SIZE_MAX, &object, NULL), ST_OK);
        assert_int_equal(manifest_decode(object, 1000, &m, &why), bad[i].status);
        assert_non_null(strstr(why.text, bad[i].word));
        assert_true(m.size == 77 && m.parts == NULL);
        json_decref(object);
    }
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    struct manifest m = {.size = 77};
    struct why why;
    json_t *array = json_array();
    assert_int_equal(manifest_decode(array, 1000, &m, &why), ST_INVALID);
    assert_int_equal(manifest_decode(NULL, 1000, &m, &why), ST_INVALID);
    assert_string_equal(why.text, "a manifest is a JSON object");
    assert_int_equal(m.size, 77);
    json_decref(array);
}

static void more_than_4096_parts_are_refused_before_they_are_read(void **state)
{
    (void)state;
    struct manifest m = {.size = 77};
    struct why why;
    json_t *object = json_pack("{s:s, s:i, s:i, s:[]}", "digest", ABC_HEX, "size", 4097,
                               "part_size", 1, "parts");
    assert_int_equal(manifest_decode(object, 10000, &m, &why), ST_INVALID);
    assert_non_null(strstr(why.text, "more than 4096 parts"));
    assert_int_equal(m.size, 77);
    json_decref(object);
}

#define ZEROS_31 "0000000000000000000000000000000"

static void a_served_folder_has_blobs_by_their_digests(void **state)
{
    (void)state;
    char url[URL_SIZE_MAX + 1], long_base[URL_SIZE_MAX + 1];
    struct digest d = {{0xab}};
    static const char *const bases[] = {"https://host/blobs", "https://host/blobs/"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(manifest_url_base_check(bases[i], NULL), ST_OK);
        assert_true(manifest_url_below(bases[i], &d, url));
        assert_string_equal(url, "https://host/blobs/ab" ZEROS_31 ZEROS_31);
    }
    static const char *const right[] = {"http://host",
                                        "https://my_host-1.example:8443/a/b-c_d.e~f:g@h=i+j,k",
                                        "http://10.0.0.1:80/", "http://[::1]:8080/m"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_int_equal(manifest_url_base_check(right[i], NULL), ST_OK);
    static const char *const wrong[] = {
        "", "http://", "https://", "ftp://host/", "host/blobs", "http://host/a b", "http://host/\n",
        /* no device uses these */
        "https:///blobs", "https://:8443/blobs", "https://host:/blobs", "https://host:port/blobs",
        "https://host:123456/blobs", "https://[::1/blobs", "https://[host]/blobs",
        "https://[]/blobs", "https://ho st/blobs", "https://host/blobs?a=b", "https://host?a",
        "https://host/blobs#a", "https://host#a", "https://host/bl%6fbs", "https://host%2e/blobs",
        "https://host/a\\b", "https://host\\b", "https://host/<blobs>", "https://host/a;b",
        /* and these would tell everybody a password */
        "https://user:word@host/blobs", "https://user@host/blobs", "https://@host/blobs",
        "https://[::1]@host/blobs"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct why why = {""};
        if (manifest_url_base_check(wrong[i], &why) != ST_INVALID)
            fail_msg("%s", wrong[i]);
        assert_true(why.text[0] != '\0');
    }
    memset(long_base, 'x', sizeof long_base);
    memcpy(long_base, "http://", 7);
    long_base[URL_SIZE_MAX] = '\0';
    assert_int_equal(manifest_url_base_check(long_base, NULL), ST_INVALID);
    assert_false(manifest_url_below(long_base, &d, url));
    long_base[URL_SIZE_MAX - DIGEST_HEX_SIZE] = '\0';
    assert_int_equal(manifest_url_base_check(long_base, NULL), ST_OK);
    assert_true(manifest_url_below(long_base, &d, url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_served_folder_has_blobs_by_their_digests),
        cmocka_unit_test(describes_a_blob_part_by_part),
        cmocka_unit_test(counts_parts_at_the_edges),
        cmocka_unit_test(the_parts_of_any_blob_make_up_the_blob),
        cmocka_unit_test(an_empty_blob_and_too_many_parts_are_refused),
        cmocka_unit_test(comes_back_from_json),
        cmocka_unit_test(a_url_comes_back_from_json_and_is_copied),
        cmocka_unit_test(a_url_of_other_characters_or_too_long_changes_nothing),
        cmocka_unit_test(the_json_is_that_of_the_protocol),
        cmocka_unit_test(bad_fields_are_refused_by_name),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(more_than_4096_parts_are_refused_before_they_are_read),
    };
    return cmocka_run_group_tests_name("transfer/manifest", tests, NULL, NULL);
}
