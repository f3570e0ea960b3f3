/* Checks whose a start on the shared topic is, and the module inside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proplet/inline_start.h"

static const struct id me = {.text = "p-1"};

static void only_its_own_starts_are_taken(void **state)
{
    (void)state;
    assert_true(inline_start_is_for(view_text("{\"id\":\"t\",\"proplet_id\":\"p-1\"}"), &me));
    assert_false(inline_start_is_for(view_text("{\"id\":\"t\",\"proplet_id\":\"p-2\"}"), &me));
    assert_false(inline_start_is_for(view_text("{\"id\":\"t\"}"), &me));
    assert_false(inline_start_is_for(view_text("{\"id\":\"t\",\"proplet_id\":7}"), &me));
    assert_false(inline_start_is_for(view_text("not JSON"), &me));
}

static enum status module_of(const char *payload, struct bytes *ret)
{
    struct why why = {0};
    enum status status = inline_start_module(view_text(payload), ret, &why);
    assert_true((status == ST_OK) == (why.text[0] == '\0'));
    return status;
}

static void the_module_is_decoded(void **state)
{
    (void)state;
    struct bytes module = {0};
    /* RFC 4648 section 10 */
    assert_int_equal(module_of("{\"file\":\"Zm9vYmE=\"}", &module), ST_OK);
    assert_true(view_equal(bytes_view(&module), view_text("fooba")));
    assert_int_equal(module_of("{\"file\":\"Zm9vYmFy\"}", &module), ST_OK);
    assert_true(view_equal(bytes_view(&module), view_text("foobar")));
    bytes_done(&module);
}

static void no_module_is_none(void **state)
{
    (void)state;
    struct bytes module = {0};
    assert_int_equal(module_of("{}", &module), ST_OK);
    assert_int_equal(module_of("{\"file\":null}", &module), ST_OK);
    assert_int_equal(module_of("{\"file\":\"\"}", &module), ST_OK);
    assert_int_equal(module.size, 0);
    bytes_done(&module);
}

static void what_is_not_base64_is_refused(void **state)
{
    (void)state;
    struct bytes module = {0};
    assert_int_equal(bytes_copy(&module, view_text("kept")), ST_OK);
    assert_int_equal(module_of("{\"file\":\"Zm9v!mFy\"}", &module), ST_INVALID);
    assert_int_equal(module_of("{\"file\":\"Zm9vYmE\"}", &module), ST_INVALID);
    assert_int_equal(module_of("{\"file\":12}", &module), ST_INVALID);
    assert_int_equal(module_of("nonsense", &module), ST_MALFORMED);
    assert_true(view_equal(bytes_view(&module), view_text("kept")));
    bytes_done(&module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_own_starts_are_taken),
        cmocka_unit_test(the_module_is_decoded),
        cmocka_unit_test(no_module_is_none),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };
    return cmocka_run_group_tests_name("proplet/inline_start", tests, NULL, NULL);
}
