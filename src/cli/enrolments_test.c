/* Checks the list of a fleet's devices: what is written is read, and what must not be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/enrolments.h"

#define KEY  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define TIME "2026-11-24T21:57:12.345Z"
#define LINE(id, serial)                                                                           \
    "{\"enrolled_at\":\"" TIME "\",\"id\":\"" id "\",\"not_after\":50,\"public_key\":\"" KEY       \
    "\",\"serial\":" serial "}\n"

static struct enrolments read_list(const char *text)
{
    struct enrolments list = {0};
    struct why why = {""};
    if (enrolments_decode(view_text(text), &list, &why) != ST_OK)
        fail_msg("%s", why.text);
    return list;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    static const char text[] = LINE("a", "1") LINE("b", "3");
    struct enrolments list = read_list(text);
    struct bytes b = {0};
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[1].id.text, "b");
    assert_int_equal(list.items[1].serial, 3);
    assert_int_equal(list.items[1].not_after, 50);
    assert_string_equal(list.items[1].enrolled_at, TIME);
    assert_string_equal(list.items[1].revoked_at, "");
    assert_int_equal(enrolments_encode(&list, &b), ST_OK);
    assert_true(view_equal(bytes_view(&b), view_text(text)));
    bytes_done(&b);

    (void)strcpy(list.items[0].revoked_at, TIME);
    assert_int_equal(enrolments_encode(&list, &b), ST_OK);
    enrolments_done(&list);
    assert_int_equal(enrolments_decode(bytes_view(&b), &list, NULL), ST_OK);
    assert_string_equal(list.items[0].revoked_at, TIME);
    bytes_done(&b);
    enrolments_done(&list);
    enrolments_done(NULL);
}

static void an_empty_list_is_one(void **state)
{
    (void)state;
    struct enrolments list = read_list("");
    struct bytes b = {0};
    assert_int_equal(list.count, 0);
    assert_int_equal(enrolments_next_serial(&list), 1);
    assert_int_equal(enrolments_encode(&list, &b), ST_OK);
    assert_int_equal(b.size, 0);
}

static void a_device_is_found_while_its_certificate_counts(void **state)
{
    (void)state;
    struct enrolments list = read_list(LINE("a", "1") LINE("b", "2") LINE("a", "7"));
    struct id a = {"a"}, c = {"c"};
    assert_int_equal(enrolments_next_serial(&list), 8);
    assert_int_equal(enrolments_in_force(&list, &a, 50)->serial, 7);
    assert_null(enrolments_in_force(&list, &a, 51));
    assert_null(enrolments_in_force(&list, &c, 50));
    (void)strcpy(list.items[2].revoked_at, TIME);
    assert_int_equal(enrolments_in_force(&list, &a, 50)->serial, 1);

    assert_int_equal(enrolment_state(&list.items[0], 50), ENROLMENT_IN_FORCE);
    assert_int_equal(enrolment_state(&list.items[0], 51), ENROLMENT_EXPIRED);
    assert_int_equal(enrolment_state(&list.items[2], 51), ENROLMENT_REVOKED);
    assert_string_equal(enrolment_state_name(ENROLMENT_IN_FORCE), "enrolled");
    assert_string_equal(enrolment_state_name(ENROLMENT_EXPIRED), "expired");
    assert_string_equal(enrolment_state_name(ENROLMENT_REVOKED), "revoked");
    list.items[0].not_after = 0;
    assert_int_equal(enrolment_state(&list.items[0], UINT64_MAX), ENROLMENT_IN_FORCE);
    enrolments_done(&list);
}

static void wrong_lines_are_refused_by_number(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } wrong[] = {
        {"\n", "line 1: not JSON"},
        {"7\n", "line 1"},
        {LINE("a", "1") "{}\n", "line 2: id is missing"},
        {LINE("a", "1") LINE("b", "1"), "line 2: serial 1 does not rise"},
        {LINE("a", "0"), "line 1: serial"},
        {LINE("a/b", "1"), "line 1: id"},
        {"{\"id\":\"a\",\"serial\":1,\"not_after\":0,\"enrolled_at\":\"" TIME
         "\",\"public_key\":\"00\"}",
         "line 1: public_key"},
        {"{\"id\":\"a\",\"serial\":1,\"not_after\":0,\"enrolled_at\":\"" TIME TIME
         "\",\"public_key\":\"" KEY "\"}",
         "line 1: enrolled_at"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct enrolments list = {.count = 77};
        struct why why = {""};
        assert_int_not_equal(enrolments_decode(view_text(wrong[i].text), &list, &why), ST_OK);
        if (strstr(why.text, wrong[i].word) == NULL)
            fail_msg("%s: %s", wrong[i].word, why.text);
        assert_true(list.count == 77 && list.items == NULL);
    }
}

static void a_list_has_its_limit(void **state)
{
    (void)state;
    struct enrolments list = {0};
    struct enrolment e = {.id = {"a"}};
    for (e.serial = 1; e.serial <= ENROLMENTS_MAX; e.serial++)
        assert_int_equal(enrolments_add(&list, &e), ST_OK);
    assert_int_equal(enrolments_add(&list, &e), ST_LIMIT);
    assert_int_equal(list.count, ENROLMENTS_MAX);
    enrolments_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(an_empty_list_is_one),
        cmocka_unit_test(a_device_is_found_while_its_certificate_counts),
        cmocka_unit_test(wrong_lines_are_refused_by_number),
        cmocka_unit_test(a_list_has_its_limit),
    };
    return cmocka_run_group_tests_name("cli/enrolments", tests, NULL, NULL);
}
