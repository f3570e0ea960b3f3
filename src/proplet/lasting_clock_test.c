/* Checks that deadlines survive restarts and reboots without a wall clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "proplet/lasting_clock.h"

#define BOOT_A "11111111-1111-4111-8111-111111111111"
#define BOOT_B "22222222-2222-4222-8222-222222222222"

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-clock-XXXXXX");
    (void)snprintf(path, sizeof path, "%s/clock", mkdtemp(folder) == NULL ? "" : folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder) != ST_OK;
}

/* A life that began at 5000 of boot A and saved the time 1000 ms later. */
static void live_once(void)
{
    struct lasting_clock c;
    lasting_clock_open(&c, path, BOOT_A, 5000);
    assert_int_equal(lasting_clock_ms(&c, 5000), 0);
    assert_int_equal(lasting_clock_ms(&c, 6000), 1000);
    assert_int_equal(lasting_clock_save(&c, 6000), ST_OK);
}

static void it_goes_on_while_nobody_is_there(void **state)
{
    (void)state;
    struct lasting_clock c;
    live_once();
    lasting_clock_open(&c, path, BOOT_A, 60000);
    assert_int_equal(lasting_clock_ms(&c, 60000), 1000 + 54000);
    assert_int_equal(lasting_clock_ms(&c, 60001), 1000 + 54001);
}

static void the_time_that_a_machine_was_off_does_not_count(void **state)
{
    (void)state;
    struct lasting_clock c;
    live_once();
    lasting_clock_open(&c, path, BOOT_B, 60000);
    assert_int_equal(lasting_clock_ms(&c, 60000), 1000);
    assert_int_equal(lasting_clock_ms(&c, 60300), 1300);
}

static void reboots_give_back_no_more_than_was_left(void **state)
{
    (void)state;
    struct lasting_clock c;
    live_once();
    char boot[CLOCK_BOOT_SIZE] = BOOT_B;
    for (unsigned i = 0; i < 5; i++) {
        boot[0] = (char)('a' + i);
        lasting_clock_open(&c, path, boot, 100);
        assert_int_equal(lasting_clock_ms(&c, 100), 1000 + 50 * i);
        assert_int_equal(lasting_clock_save(&c, 150), ST_OK);
    }
}

static void an_unknown_boot_is_another_one(void **state)
{
    (void)state;
    struct lasting_clock c;
    lasting_clock_open(&c, path, "", 5000);
    assert_int_equal(lasting_clock_save(&c, 6000), ST_OK);
    lasting_clock_open(&c, path, "", 60000);
    assert_int_equal(lasting_clock_ms(&c, 60000), 1000);
}

/* A machine that was put back to a snapshot of itself. */
static void a_boots_clock_that_went_back_takes_nothing_away(void **state)
{
    (void)state;
    struct lasting_clock c;
    live_once();
    lasting_clock_open(&c, path, BOOT_A, 5500);
    assert_int_equal(lasting_clock_ms(&c, 5500), 1000);
    assert_int_equal(lasting_clock_ms(&c, 5400), 1000);
}

static void a_damaged_one_begins_again_but_not_before_what_is_here(void **state)
{
    (void)state;
    struct lasting_clock c;
    live_once();
    assert_int_equal(file_write(path, view_text("fml-record-1 nonsense")), ST_OK);
    lasting_clock_open(&c, path, BOOT_A, 9000);
    assert_int_equal(lasting_clock_ms(&c, 9000), 0);
    lasting_clock_not_before(&c, 700, 9000);
    assert_int_equal(lasting_clock_ms(&c, 9010), 710);
    lasting_clock_not_before(&c, 600, 9010);
    assert_int_equal(lasting_clock_ms(&c, 9010), 710);
}

static void a_save_that_fails_leaves_the_old_time(void **state)
{
    (void)state;
    struct lasting_clock c;
    live_once();
    lasting_clock_open(&c, path, BOOT_B, 0);
    (void)snprintf(c.path, sizeof c.path, "%s/none/clock", folder);
    assert_int_equal(lasting_clock_save(&c, 10), ST_IO);
    lasting_clock_open(&c, path, BOOT_B, 0);
    assert_int_equal(lasting_clock_ms(&c, 0), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_goes_on_while_nobody_is_there),
        TEST(the_time_that_a_machine_was_off_does_not_count),
        TEST(reboots_give_back_no_more_than_was_left),
        TEST(an_unknown_boot_is_another_one),
        TEST(a_boots_clock_that_went_back_takes_nothing_away),
        TEST(a_damaged_one_begins_again_but_not_before_what_is_here),
        TEST(a_save_that_fails_leaves_the_old_time),
    };
    return cmocka_run_group_tests_name("proplet/lasting_clock", tests, NULL, NULL);
}
