/* Checks which parts are asked for, and when again, against hand-made cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "transfer/plan.h"

static struct plan *plan_with(uint32_t part_count, uint32_t window)
{
    struct plan *p;
    assert_int_equal(plan_new(part_count, window, &p), ST_OK);
    return p;
}

static void asks(struct plan *p, uint64_t now_ms, uint32_t expected)
{
    uint32_t part = UINT32_MAX;
    assert_true(plan_next(p, now_ms, &part));
    assert_int_equal(part, expected);
}

static void asks_nothing(struct plan *p, uint64_t now_ms)
{
    uint32_t part = 12345;
    assert_false(plan_next(p, now_ms, &part));
    assert_int_equal(part, 12345);
}

static void no_more_than_the_window_is_under_way(void **state)
{
    (void)state;
    struct plan *p = plan_with(5, 2);
    asks(p, 0, 0);
    asks(p, 0, 1);
    asks_nothing(p, 0);
    plan_there(p, 1);
    asks(p, 0, 2);
    asks_nothing(p, PLAN_RETRY_MS - 1);
    assert_int_equal(plan_missing(p), 4);
    assert_int_equal(plan_under_way(p, PLAN_RETRY_MS - 1), 2);
    assert_int_equal(plan_under_way(p, PLAN_RETRY_MS), 0); /* overdue, so perhaps lost */
    p = plan_free(p);
    assert_null(p);
    assert_null(plan_free(NULL));
}

static void what_was_kept_before_is_not_asked_for(void **state)
{
    (void)state;
    struct plan *p = plan_with(4, 4);
    plan_there(p, 0);
    plan_there(p, 2);
    plan_there(p, 2); /* twice is once */
    assert_int_equal(plan_missing(p), 2);
    assert_true(plan_has(p, 2));
    assert_false(plan_has(p, 3));
    asks(p, 0, 1);
    asks(p, 0, 3);
    asks_nothing(p, 0);
    plan_there(p, 3);
    plan_there(p, 1);
    assert_int_equal(plan_missing(p), 0);
    asks_nothing(p, 10 * PLAN_RETRY_MS);
    plan_free(p);
}

static void gives_up_after_6_tries_of_one_part(void **state)
{
    (void)state;
    struct plan *p = plan_with(2, 1);
    uint64_t now_ms = 0;
    for (uint32_t i = 0; i < PLAN_TRIES_MAX; i++, now_ms += PLAN_RETRY_MS) {
        assert_false(plan_given_up(p, now_ms));
        asks(p, now_ms, 0);
    }
    assert_false(plan_given_up(p, now_ms - 1));
    assert_true(plan_given_up(p, now_ms));
    asks(p, now_ms, 0); /* whoever does not give up goes on */
    plan_free(p);
}

static void what_is_still_coming_is_not_asked_for_and_no_try(void **state)
{
    (void)state;
    struct plan *p = plan_with(3, 2);
    asks(p, 0, 0);
    asks(p, 0, 1);
    uint64_t now_ms = 0;
    for (uint32_t i = 0; i < 2 * PLAN_TRIES_MAX; i++) {
        now_ms += PLAN_RETRY_MS;
        plan_still_coming(p, 0, now_ms);
        plan_still_coming(p, 2, now_ms); /* nobody asked for it */
        asks(p, now_ms, 1);
        asks_nothing(p, now_ms);
    }
    plan_there(p, 1); /* which would be given up, as nobody says that it comes */
    plan_there(p, 2);
    assert_false(plan_given_up(p, now_ms + PLAN_RETRY_MS));
    asks_nothing(p, now_ms + PLAN_RETRY_MS - 1);
    asks(p, now_ms + PLAN_RETRY_MS, 0); /* it did not come after all */
    plan_free(p);
}

static void a_lost_connection_is_no_try(void **state)
{
    (void)state;
    struct plan *p = plan_with(6, 3);
    asks(p, 0, 0);
    asks(p, 0, 1);
    plan_there(p, 1);
    plan_forget_asked(p);
    asks(p, 1, 0); /* at once, not after PLAN_RETRY_MS */
    asks(p, 1, 2);
    asks(p, 1, 3);
    asks_nothing(p, 1);
    for (uint32_t i = 0; i < 2 * PLAN_TRIES_MAX; i++) {
        uint64_t now_ms = (i + 1) * PLAN_RETRY_MS + 1;
        assert_false(plan_given_up(p, now_ms));
        plan_forget_asked(p);
        asks(p, now_ms, 0);
    }
    plan_free(p);
}

/* Over a link that loses at random, every part is asked for until it is there, and
 * never more than the window are under way. */
static void all_parts_come_over_a_lossy_link(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rand rand = {seed};
        uint32_t count = 1 + (uint32_t)rand_below(&rand, 50);
        uint32_t window = 1 + (uint32_t)rand_below(&rand, PARTS_IN_FLIGHT_MAX);
        struct plan *p = plan_with(count, window);
        uint32_t steps = 0;
        for (uint64_t now_ms = 0; plan_missing(p) > 0; now_ms += PLAN_RETRY_MS) {
            uint32_t part, asked = 0;
            while (plan_next(p, now_ms, &part)) {
                asked++;
                assert_true(asked <= count + window);
                assert_false(plan_has(p, part));
                if (rand_below(&rand, 3) > 0)
                    plan_there(p, part);
            }
            assert_true(++steps < 1000);
        }
        plan_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_the_window_is_under_way),
        cmocka_unit_test(what_was_kept_before_is_not_asked_for),
        cmocka_unit_test(gives_up_after_6_tries_of_one_part),
        cmocka_unit_test(what_is_still_coming_is_not_asked_for_and_no_try),
        cmocka_unit_test(a_lost_connection_is_no_try),
        cmocka_unit_test(all_parts_come_over_a_lossy_link),
    };
    return cmocka_run_group_tests_name("transfer/plan", tests, NULL, NULL);
}
