/* Checks the topics of the exchange against PROTOCOL 2.9, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchange/topics.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ABC_HEX      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct id me = {"dev-1"};

static void are_those_of_the_protocol_and_come_back(void **state)
{
    (void)state;
    char topic[EXCHANGE_TOPIC_SIZE];
    struct digest abc = digest_of(view_text("abc")), digest;
    uint32_t part = 0;
    exchange_topic_get(&me, topic);
    assert_string_equal(topic, "fl/parts/get/dev-1");
    assert_int_equal(exchange_topic_read(topic, &me, &digest, &part), EXCHANGE_GET);
    exchange_topic_refused(&me, topic);
    assert_string_equal(topic, "fl/parts/refused/dev-1");
    assert_int_equal(exchange_topic_read(topic, &me, &digest, &part), EXCHANGE_REFUSED);
    exchange_topic_part(&me, &abc, 4095, topic);
    assert_string_equal(topic, "fl/parts/part/dev-1/" ABC_HEX "/4095");
    assert_int_equal(exchange_topic_read(topic, &me, &digest, &part), EXCHANGE_PART);
    assert_true(digest_equal(&digest, &abc));
    assert_int_equal(part, 4095);
    exchange_topic_parts(&me, topic);
    assert_string_equal(topic, "fl/parts/part/dev-1/+/+");
}

static void others_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *topic;
        enum exchange_topic kind;
    } cases[] = {
        {"fl/models/w_v1", EXCHANGE_NONE},
        {"fl/parts", EXCHANGE_NONE},
        {"fl/parts/", EXCHANGE_BAD},
        {"fl/parts/get/dev-2", EXCHANGE_BAD},
        {"fl/parts/get/dev-11", EXCHANGE_BAD},
        {"fl/parts/part/dev-1", EXCHANGE_BAD},
        {"fl/parts/part/dev-12/" ABC_HEX "/1", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX, EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX "/", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX "/01", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX "/-1", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX "/4096", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX "/4294967296", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/" ABC_HEX "/1/2", EXCHANGE_BAD},
        {"fl/parts/part/dev-1/abc/1", EXCHANGE_BAD},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct digest digest = {{7}};
        uint32_t part = 77;
        assert_int_equal(exchange_topic_read(cases[i].topic, &me, &digest, &part), cases[i].kind);
        assert_true(digest.bytes[0] == 7 && part == 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_those_of_the_protocol_and_come_back),
        cmocka_unit_test(others_are_told_apart),
    };
    return cmocka_run_group_tests_name("exchange/topics", tests, NULL, NULL);
}
