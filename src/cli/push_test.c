/* The name that an image has without --name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "cli/push.h"

static void stem_of_the_file_is_the_name(void **state)
{
    (void)state;
    char name[IMAGE_NAME_MAX + 1] = "";
    assert_int_equal(push_default_name("/a/b.c/fml-train.wasm", name, NULL), ST_OK);
    assert_string_equal(name, "fml-train");
    assert_int_equal(push_default_name("client", name, NULL), ST_OK);
    assert_string_equal(name, "client");
    assert_int_equal(push_default_name("x.wasm.wasm", name, NULL), ST_OK);
    assert_string_equal(name, "x.wasm");
}

static void files_without_a_usable_name_are_refused(void **state)
{
    (void)state;
    char longest[IMAGE_NAME_MAX + 20];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const wrong[] = {"", "/a/", "a b.wasm", "a:b.wasm", "\xc3\xa4.wasm", longest};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char name[IMAGE_NAME_MAX + 1] = "mine";
        struct why why = {""};
        assert_int_equal(push_default_name(wrong[i], name, &why), ST_INVALID);
        assert_string_equal(name, "mine");
        assert_non_null(strstr(why.text, "--name"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stem_of_the_file_is_the_name),
        cmocka_unit_test(files_without_a_usable_name_are_refused),
    };
    return cmocka_run_group_tests_name("cli/push", tests, NULL, NULL);
}
