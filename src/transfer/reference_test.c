/* Checks references against hand-made ones, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transfer/reference.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ABC_HEX      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC                                                                                        \
    "{\"digest\":\"sha256:" ABC_HEX "\",\"part_size\":3,\"parts\":[\"" ABC_HEX "\"],\"size\":3}"

static void comes_back_as_it_was(void **state)
{
    (void)state;
    struct reference r = {.holder = {"fml-model-server"}}, got;
    assert_int_equal(manifest_of(view_text("abc"), 3, &r.manifest), ST_OK);
    char *text = reference_encode(&r);
    assert_string_equal(text, "{\"holder\":\"fml-model-server\",\"manifest\":" ABC "}");
    assert_true(reference_looks_like(view_text(text)));
    assert_int_equal(reference_decode(view_text(text), 3, &got, NULL), ST_OK);
    assert_string_equal(got.holder.text, "fml-model-server");
    assert_true(digest_equal(&got.manifest.digest, &r.manifest.digest));
    assert_int_equal(got.manifest.size, 3);
    free(text);
    reference_done(&got);
    reference_done(&got);
    reference_done(&r);
    reference_done(NULL);
}

static void models_and_updates_are_none(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "{",
        "{\"w\":[1,2],\"version\":3}",
        "{\"round_id\":\"r\",\"update\":{}}",
        "{\"holder\":",
    };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(reference_looks_like(view_text(others[i])));
    struct bytes large = {0};
    assert_int_equal(bytes_resize(&large, CONTROL_SIZE_MAX + 1), ST_OK);
    memcpy(large.data, "{\"holder\":", 10);
    assert_false(reference_looks_like(bytes_view(&large)));
    bytes_done(&large);
}

static void bad_ones_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t size_max;
        enum status status;
        const char *word;
    } bad[] = {
        {"{\"holder\":\"h\"", 3, ST_MALFORMED, "JSON"},
        {"{\"holder\":\"h\"}", 3, ST_INVALID, "manifest is missing"},
        {"{\"manifest\":" ABC "}", 3, ST_INVALID, "holder is missing"},
        {"{\"holder\":\"a/b\",\"manifest\":" ABC "}", 3, ST_INVALID, "holder"},
        {"{\"holder\":\"h\",\"manifest\":[]}", 3, ST_INVALID, "manifest"},
        {"{\"holder\":\"h\",\"manifest\":" ABC "}", 2, ST_LIMIT, "more than the limit of 2"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct reference r = {.holder = {"kept"}};
        struct why why = {0};
        assert_int_equal(reference_decode(view_text(bad[i].text), bad[i].size_max, &r, &why),
                         bad[i].status);
        assert_non_null(strstr(why.text, bad[i].word));
        assert_string_equal(r.holder.text, "kept");
        assert_null(r.manifest.parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(models_and_updates_are_none),
        cmocka_unit_test(bad_ones_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("transfer/reference", tests, NULL, NULL);
}
