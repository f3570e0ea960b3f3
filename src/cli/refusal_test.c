/* Which refusal is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/refusal.h"

static const struct id mine = {"run-1"};

static void a_refusal_of_our_id_is_read(void **state)
{
    (void)state;
    struct refusal r;
    assert_true(refusal_read(view_text("{\"experiment_id\":\"run-1\",\"code\":\"invalid\","
                                       "\"reason\":\"rounds is 0\"}"),
                             "experiment_id", &mine, &r));
    assert_string_equal(r.code, "invalid");
    assert_string_equal(r.reason, "rounds is 0");
    assert_true(refusal_read(view_text("{\"round_id\":\"run-1\",\"code\":\"malformed\"}"),
                             "round_id", &mine, &r));
    assert_string_equal(r.reason, "");
}

static void others_and_nonsense_are_not_ours(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "[]",
        "{\"code\":\"invalid\"}",
        "{\"experiment_id\":\"run-2\",\"code\":\"invalid\"}",
        "{\"round_id\":\"run-1\",\"code\":\"invalid\"}",
        "{\"experiment_id\":\"run-1\"}",
        "{\"experiment_id\":\"run-1\",\"code\":7}",
        "{\"experiment_id\":\"run-1\",\"code\":\"invalid\",\"reason\":{}}",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct refusal r = {.code = "untouched"};
        assert_false(refusal_read(view_text(others[i]), "experiment_id", &mine, &r));
        assert_string_equal(r.code, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_of_our_id_is_read),
        cmocka_unit_test(others_and_nonsense_are_not_ours),
    };
    return cmocka_run_group_tests_name("cli/refusal", tests, NULL, NULL);
}
