/* Waiting: for a flag, for a limit, for a signal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <unistd.h>

#include "cli/run.h"

static void set_flag(uv_async_t *async)
{
    bool *flag = async->data;
    *flag = true;
}

static void a_flag_ends_the_wait(void **state)
{
    (void)state;
    struct run *r;
    bool flag = false;
    uv_async_t async;
    assert_int_equal(run_open(&r), ST_OK);
    (void)uv_async_init(run_loop(r), &async, set_flag);
    async.data = &flag;
    (void)uv_async_send(&async);
    assert_int_equal(run_wait(r, &flag, 10000), ST_OK);
    assert_int_equal(run_wait(r, &flag, 0), ST_OK); /* already there */
    uv_close((uv_handle_t *)&async, NULL);
    assert_null(run_close(r));
}

static void a_limit_ends_the_wait(void **state)
{
    (void)state;
    struct run *r;
    const bool never = false;
    assert_int_equal(run_open(&r), ST_OK);
    assert_int_equal(run_wait(r, &never, 5), ST_TIMEOUT);
    assert_int_equal(run_wait(r, &never, 0), ST_TIMEOUT);
    assert_null(run_stopped(r));
    (void)run_close(r);
}

static void a_signal_ends_this_wait_and_every_later_one(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < 3; i++) {
        struct run *r;
        const bool never = false, always = true;
        assert_int_equal(run_open(&r), ST_OK);
        assert_int_equal(kill(getpid(), signals[i]), 0);
        assert_int_equal(run_wait(r, &never, 10000), ST_CLOSED);
        assert_int_equal(run_wait(r, &always, 10000), ST_CLOSED);
        assert_string_equal(run_stopped(r), "interrupted");
        (void)run_close(r);
    }
}

static void ctrl_c_is_told_from_other_signals(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < 3; i++) {
        struct run *r;
        const bool never = false;
        assert_int_equal(run_open(&r), ST_OK);
        assert_false(run_interrupted(r));
        assert_int_equal(kill(getpid(), signals[i]), 0);
        assert_int_equal(run_wait(r, &never, 10000), ST_CLOSED);
        assert_true(run_interrupted(r) == (signals[i] == SIGINT));
        (void)run_close(r);
    }
}

static void after_going_on_waits_work_until_the_next_signal(void **state)
{
    (void)state;
    struct run *r;
    const bool never = false, always = true;
    assert_int_equal(run_open(&r), ST_OK);
    assert_int_equal(kill(getpid(), SIGINT), 0);
    assert_int_equal(run_wait(r, &never, 10000), ST_CLOSED);
    run_go_on(r);
    assert_null(run_stopped(r));
    assert_int_equal(run_wait(r, &always, 10000), ST_OK);
    assert_int_equal(run_wait(r, &never, 5), ST_TIMEOUT);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(run_wait(r, &never, 10000), ST_CLOSED);
    assert_false(run_interrupted(r));
    (void)run_close(r);
}

static void the_first_reason_stays(void **state)
{
    (void)state;
    struct run *r;
    assert_int_equal(run_open(&r), ST_OK);
    run_stop(r, "first");
    run_stop(r, "second");
    assert_string_equal(run_stopped(r), "first");
    (void)run_close(r);
    assert_null(run_close(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flag_ends_the_wait),
        cmocka_unit_test(a_limit_ends_the_wait),
        cmocka_unit_test(a_signal_ends_this_wait_and_every_later_one),
        cmocka_unit_test(ctrl_c_is_told_from_other_signals),
        cmocka_unit_test(after_going_on_waits_work_until_the_next_signal),
        cmocka_unit_test(the_first_reason_stays),
    };
    return cmocka_run_group_tests_name("cli/run", tests, NULL, NULL);
}
