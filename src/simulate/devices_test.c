#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "simulate/devices.h"

static struct devices of(uint32_t count)
{
    return (struct devices){.prefix = {"device"}, .count = count};
}

static void a_name_and_its_number_belong_together(void **state)
{
    (void)state;
    struct devices d = of(10000);
    struct id name;
    uint32_t number = 0;
    devices_name(&d, 1, &name);
    assert_string_equal(name.text, "device-1");
    devices_name(&d, 10000, &name);
    assert_string_equal(name.text, "device-10000");
    assert_int_equal(devices_find(&d, view_text(name.text), &number), ST_OK);
    assert_int_equal(number, 10000);
}

static void names_of_others_are_not_found(void **state)
{
    (void)state;
    struct devices d = of(20);
    static const char *const others[] = {
        "",          "device",     "device-",     "device-0",         "device-21", "device-01",
        "device-1x", "device-+1",  "device- 1",   "proplet-1",        "device1",   "device-99999",
        "device--1", "device-1/2", "my-device-1", "device-4294967297"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        uint32_t number = 77;
        assert_int_equal(devices_find(&d, view_text(others[i]), &number), ST_NOT_FOUND);
        assert_int_equal(number, 77);
    }
}

static void a_prefix_leaves_room_for_the_number(void **state)
{
    (void)state;
    struct devices d = of(1);
    struct id name;
    memset(d.prefix.text, 'a', DEVICES_PREFIX_MAX);
    assert_int_equal(devices_check(&d), ST_OK);
    devices_name(&d, 1, &name);
    assert_int_equal(strlen(name.text), DEVICES_PREFIX_MAX + 2);
    d.prefix.text[DEVICES_PREFIX_MAX] = 'a';
    assert_int_equal(devices_check(&d), ST_INVALID);
}

static void folders_of_data_are_used_in_turns(void **state)
{
    (void)state;
    struct devices d = of(7);
    d.shards = 3;
    static const uint32_t expected[] = {1, 2, 3, 1, 2, 3, 1};
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(devices_shard(&d, i + 1), expected[i]);
    d.shards = 0;
    assert_int_equal(devices_shard(&d, 5), 0);
}

static uint32_t count_silent(const struct devices *d, const char *task)
{
    uint32_t silent = 0;
    for (uint32_t i = 1; i <= d->count; i++)
        silent += devices_is_silent(d, i, task);
    return silent;
}

static void the_share_that_falls_silent_is_that_asked_for(void **state)
{
    (void)state;
    struct devices d = of(10000);
    d.seed = 3;
    assert_int_equal(count_silent(&d, "t"), 0);
    d.drop = 1;
    assert_int_equal(count_silent(&d, "t"), 10000);
    d.drop = 0.2; /* 2000, standard deviation 40 */
    assert_in_range(count_silent(&d, "t"), 1800, 2200);
}

static void who_falls_silent_depends_on_seed_task_and_device_only(void **state)
{
    (void)state;
    struct devices d = of(1000), other = of(1000);
    uint32_t seeds = 0, tasks = 0;
    d.drop = other.drop = 0.5;
    other.seed = 1;
    for (uint32_t i = 1; i <= 1000; i++) {
        assert_int_equal(devices_is_silent(&d, i, "a"), devices_is_silent(&d, i, "a"));
        seeds += devices_is_silent(&d, i, "a") != devices_is_silent(&other, i, "a");
        tasks += devices_is_silent(&d, i, "a") != devices_is_silent(&d, i, "b");
    }
    assert_in_range(seeds, 400, 600);
    assert_in_range(tasks, 400, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_and_its_number_belong_together),
        cmocka_unit_test(names_of_others_are_not_found),
        cmocka_unit_test(a_prefix_leaves_room_for_the_number),
        cmocka_unit_test(folders_of_data_are_used_in_turns),
        cmocka_unit_test(the_share_that_falls_silent_is_that_asked_for),
        cmocka_unit_test(who_falls_silent_depends_on_seed_task_and_device_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
