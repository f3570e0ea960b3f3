/* Checks rounds.c: both limits of the table, and what is forgotten first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "coordinator/rounds.h"

static struct id many[ROUND_PARTICIPANTS_MAX];

static struct round *new_round(size_t number, size_t participants)
{
    struct round_start start = {.model_uri = "fl/models/m_v0",
                                .participants = many,
                                .participant_count = participants,
                                .k_of_n = 1,
                                .timeout_s = 1};
    (void)snprintf(start.round_id.text, sizeof start.round_id.text, "r-%zu", number);
    struct round *round;
    assert_int_equal(round_new(&start, 0, &round), ST_OK);
    return round;
}

static struct entry *find(struct rounds *r, size_t number)
{
    struct id id;
    (void)snprintf(id.text, sizeof id.text, "r-%zu", number);
    return rounds_find(r, &id);
}

static struct entry *opened(struct rounds *r, size_t number, size_t participants)
{
    struct entry *e;
    assert_int_equal(rounds_open(r, new_round(number, participants), &e), ST_OK);
    return e;
}

static void open_ones_are_limited_and_found(void **state)
{
    (void)state;
    struct rounds *r;
    assert_int_equal(rounds_new(2, &r), ST_OK);
    struct entry *first = opened(r, 1, 1), *second = opened(r, 2, 1), *none = NULL;
    struct round *third = new_round(3, 1);
    assert_int_equal(rounds_open(r, third, &none), ST_LIMIT);
    assert_null(none);
    assert_int_equal(rounds_open_count(r), 2);
    assert_ptr_equal(find(r, 1), first);
    assert_ptr_equal(find(r, 2), second);
    assert_null(find(r, 3));

    rounds_end(r, first, NULL, 0);
    assert_int_equal(rounds_open_count(r), 1);
    assert_ptr_equal(rounds_open_at(r, 0), second);
    assert_ptr_equal(find(r, 1), first); /* still answered for */
    assert_int_equal(rounds_open(r, third, &none), ST_OK);
    rounds_free(r);
    assert_null(rounds_free(NULL));
}

static void adopted_ones_may_be_more_than_are_allowed(void **state)
{
    (void)state;
    struct rounds *r;
    assert_int_equal(rounds_new(1, &r), ST_OK);
    struct entry *e = NULL;
    for (size_t i = 0; i < ROUNDS_KEPT_MAX; i++)
        assert_int_equal(rounds_adopt(r, new_round(i, 1), &e), ST_OK);
    struct round *more = new_round(ROUNDS_KEPT_MAX, 1);
    assert_int_equal(rounds_adopt(r, more, &e), ST_LIMIT);
    assert_int_equal(rounds_open(r, more, &e), ST_LIMIT);
    assert_int_equal(rounds_open_count(r), ROUNDS_KEPT_MAX);
    rounds_end(r, find(r, 0), NULL, 0);
    rounds_drop(r, find(r, 1));
    assert_int_equal(rounds_open_count(r), ROUNDS_KEPT_MAX - 2);
    assert_null(find(r, 1));
    assert_non_null(find(r, 2));

    rounds_clear(r);
    assert_int_equal(rounds_open_count(r), 0);
    assert_int_equal(rounds_ended_count(r), 0);
    assert_null(find(r, 0));
    assert_int_equal(rounds_open(r, more, &e), ST_OK);
    rounds_free(r);
}

static void ended_ones_are_newest_first_and_limited(void **state)
{
    (void)state;
    struct rounds *r;
    assert_int_equal(rounds_new(1, &r), ST_OK);
    for (size_t i = 0; i < ROUNDS_KEPT_MAX + 3; i++)
        rounds_end(r, opened(r, i, 1), NULL, 0);
    assert_int_equal(rounds_ended_count(r), ROUNDS_KEPT_MAX);
    assert_ptr_equal(rounds_ended_at(r, 0), find(r, ROUNDS_KEPT_MAX + 2));
    assert_ptr_equal(rounds_ended_at(r, ROUNDS_KEPT_MAX - 1), find(r, 3));
    assert_null(find(r, 2));
    rounds_free(r);
}

static void spared_ones_are_forgotten_last(void **state)
{
    (void)state;
    const struct id spared[] = {{"r-0"}, {"r-2"}, {"r-unknown"}};
    struct rounds *r;
    assert_int_equal(rounds_new(1, &r), ST_OK);
    for (size_t i = 0; i < ROUNDS_KEPT_MAX + 2; i++)
        rounds_end(r, opened(r, i, 1), spared, 3);
    assert_int_equal(rounds_ended_count(r), ROUNDS_KEPT_MAX);
    assert_ptr_equal(rounds_ended_at(r, ROUNDS_KEPT_MAX - 1), find(r, 0));
    assert_ptr_equal(rounds_ended_at(r, ROUNDS_KEPT_MAX - 2), find(r, 2));
    assert_null(find(r, 1));
    assert_null(find(r, 3));
    assert_non_null(find(r, 4));
    rounds_free(r);

    struct id all[ROUNDS_KEPT_MAX];
    assert_int_equal(rounds_new(1, &r), ST_OK);
    for (size_t i = 0; i < ROUNDS_KEPT_MAX; i++) {
        all[i] = (struct id){""};
        (void)snprintf(all[i].text, sizeof all[i].text, "r-%zu", i);
    }
    for (size_t i = 0; i < ROUNDS_KEPT_MAX + 1; i++)
        rounds_end(r, opened(r, i, 1), all, ROUNDS_KEPT_MAX);
    assert_int_equal(rounds_ended_count(r), ROUNDS_KEPT_MAX);
    assert_null(find(r, 0));
    rounds_free(r);
}

static void their_participants_are_limited_too(void **state)
{
    (void)state;
    struct rounds *r;
    assert_int_equal(rounds_new(1, &r), ST_OK);
    size_t fit = ROUNDS_KEPT_PARTICIPANTS_MAX / ROUND_PARTICIPANTS_MAX;
    for (size_t i = 0; i < fit + 2; i++)
        rounds_end(r, opened(r, i, ROUND_PARTICIPANTS_MAX), NULL, 0);
    assert_int_equal(rounds_ended_count(r), fit);
    assert_null(find(r, 1));
    assert_non_null(find(r, 2));
    rounds_free(r);
}

int main(void)
{
    for (int i = 0; i < ROUND_PARTICIPANTS_MAX; i++)
        (void)snprintf(many[i].text, sizeof many[i].text, "p%d", i);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_ones_are_limited_and_found),
        cmocka_unit_test(adopted_ones_may_be_more_than_are_allowed),
        cmocka_unit_test(ended_ones_are_newest_first_and_limited),
        cmocka_unit_test(spared_ones_are_forgotten_last),
        cmocka_unit_test(their_participants_are_limited_too),
    };
    return cmocka_run_group_tests_name("coordinator/rounds", tests, NULL, NULL);
}
