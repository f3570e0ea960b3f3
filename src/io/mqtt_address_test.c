/* Checks the ways to write a broker's address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "io/mqtt_address.h"

static void addresses_that_people_write(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"tcp://localhost:1884", "localhost", 1884},
        {"mqtt://broker", "broker", 1883},
        {"127.0.0.1:9", "127.0.0.1", 9},
        {"broker.example", "broker.example", 1883},
        {"tcp://[::1]:65535", "::1", 65535},
        {"[fe80::1]", "fe80::1", 1883},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mqtt_address a;
        assert_int_equal(mqtt_address_parse(good[i].text, &a), ST_OK);
        assert_string_equal(a.host, good[i].host);
        assert_int_equal(a.port, good[i].port);
    }
}

static void what_is_no_address_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "tcp://", "http://a",  "a:0",    "a:65536",
                                      "a:",    "a:1x",   "[::1",      "[]:1",   "tcp://:1883",
                                      "a:1:2", "a/b",    "tcp://a/b", "[::1]x", "ssl://a:8883"};
    struct mqtt_address a = {.host = "kept", .port = 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mqtt_address_parse(bad[i], &a), ST_INVALID);
    char longer[400];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(mqtt_address_parse(longer, &a), ST_INVALID);
    assert_string_equal(a.host, "kept");
    assert_int_equal(a.port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_people_write),
        cmocka_unit_test(what_is_no_address_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("io/mqtt_address", tests, NULL, NULL);
}
