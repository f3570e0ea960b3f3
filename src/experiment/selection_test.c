/* Checks selection.c: who may be asked, that a selection depends on seed, round and ids
 * only, that it is stable, and that it is uniform. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "experiment/selection.h"

#define DEVICES 20

/* p0, p1, ... */
static void name(struct id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ids[i] = (struct id){{0}};
        (void)snprintf(ids[i].text, sizeof ids[i].text, "p%zu", i);
    }
}

static const struct asynchronous nobody; /* trains already */

static struct id id(const char *text)
{
    struct id made;
    assert_int_equal(id_from(text, &made), ST_OK);
    return made;
}

static struct experiment_start five_of_the_living(uint64_t seed)
{
    return (struct experiment_start){.alive = true,
                                     .selection = {.count = {.value = 5}, .min = 1, .seed = seed}};
}

struct chosen {
    struct id *ids;
    size_t count;
};

static struct chosen train(const struct experiment_start *start, uint32_t round,
                           const struct id *alive, size_t count)
{
    struct chosen c = {NULL, 0};
    assert_int_equal(selection_train(start, round, alive, count, &nobody, &c.ids, &c.count), ST_OK);
    assert_true((c.ids == NULL) == (c.count == 0));
    return c;
}

static bool has(const struct chosen *c, const struct id *id)
{
    for (size_t i = 0; i < c->count; i++)
        if (id_equal(&c->ids[i], id))
            return true;
    return false;
}

static bool same(const struct chosen *a, const struct chosen *b)
{
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof a->ids[0]) == 0;
}

static void the_same_seed_selects_the_same_in_any_order(void **state)
{
    (void)state;
    struct id ids[DEVICES], backwards[DEVICES];
    name(ids, DEVICES);
    for (size_t i = 0; i < DEVICES; i++)
        backwards[i] = ids[DEVICES - 1 - i];
    struct experiment_start start = five_of_the_living(7);
    struct chosen a = train(&start, 1, ids, DEVICES), b = train(&start, 1, backwards, DEVICES);
    assert_int_equal(a.count, 5);
    assert_true(same(&a, &b));
    free(b.ids);

    start.selection.seed = 8;
    b = train(&start, 1, ids, DEVICES);
    assert_false(same(&a, &b));
    free(b.ids);
    start.selection.seed = 7;
    b = train(&start, 2, ids, DEVICES);
    assert_false(same(&a, &b));
    free(b.ids);
    free(a.ids);
}

/* Worked out with the SHA-256 of Python: sorted by
 * sha256(struct.pack(">QI", 7, 1) + id). */
static void the_selection_is_the_same_on_every_machine(void **state)
{
    (void)state;
    struct id ids[DEVICES];
    name(ids, DEVICES);
    struct experiment_start start = five_of_the_living(7);
    struct chosen c = train(&start, 1, ids, DEVICES);
    static const char *const expected[] = {"p16", "p19", "p6", "p0", "p5"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(c.ids[i].text, expected[i]);
    free(c.ids);
}

static void one_device_more_changes_at_most_one_place(void **state)
{
    (void)state;
    struct id ids[DEVICES];
    name(ids, DEVICES);
    size_t changed = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct experiment_start start = five_of_the_living(seed);
        struct chosen few = train(&start, 1, ids, DEVICES - 1);
        struct chosen more = train(&start, 1, ids, DEVICES);
        size_t lost = 0;
        for (size_t i = 0; i < few.count; i++)
            lost += !has(&more, &few.ids[i]);
        assert_int_equal(lost, has(&more, &ids[DEVICES - 1]));
        changed += lost;
        free(few.ids);
        free(more.ids);
    }
    assert_true(changed > 0 && changed < 200); /* 5 of 20: 50 are expected */
}

/* Pearson's chi-square of how often each of 20 is among 5, over 4000 seeds; drawing
 * without replacement makes it smaller by (20 - 5) / (20 - 1), so it is compared after
 * division by that. 19 degrees of freedom: above 43.8 with probability 0.001. */
static void the_selection_is_uniform_over_seeds(void **state)
{
    (void)state;
    struct id ids[DEVICES];
    name(ids, DEVICES);
    size_t counts[DEVICES] = {0};
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct experiment_start start = five_of_the_living(seed);
        struct chosen c = train(&start, 1, ids, DEVICES);
        for (size_t i = 0; i < DEVICES; i++)
            counts[i] += has(&c, &ids[i]);
        free(c.ids);
    }
    double chi_square = 0, expected = 4000.0 * 5 / DEVICES;
    for (size_t i = 0; i < DEVICES; i++)
        chi_square += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    chi_square /= 15.0 / 19;
    if (chi_square > 43.8 || chi_square < 5.4) /* below 5.4 with probability 0.001 */
        fail_msg("chi-square %f", chi_square);
}

static void rounds_select_independently(void **state)
{
    (void)state;
    struct id ids[DEVICES];
    name(ids, DEVICES);
    struct experiment_start start = five_of_the_living(1);
    size_t again = 0;
    for (uint32_t round = 1; round <= 1000; round++) {
        struct chosen now = train(&start, round, ids, DEVICES);
        struct chosen next = train(&start, round + 1, ids, DEVICES);
        for (size_t i = 0; i < now.count; i++)
            again += has(&next, &now.ids[i]);
        free(now.ids);
        free(next.ids);
    }
    /* 5 * 5 / 20 = 1.25 a round; its standard deviation over 1000 rounds is below 30. */
    assert_true(again > 1250 - 120 && again < 1250 + 120);
}

static void only_the_eligible_that_are_alive_are_asked(void **state)
{
    (void)state;
    struct id alive[6], named[4], evaluators[1];
    name(alive, 6); /* p0 .. p5 */
    named[0] = id("p4");
    named[1] = id("gone");
    named[2] = id("p1");
    named[3] = id("p2");
    evaluators[0] = id("p2");
    struct experiment_start start = {.participants = named,
                                     .participant_count = 4,
                                     .selection = {.count = {.all = true}, .min = 1}};
    start.evaluation = (struct evaluation){1, evaluators, 1, 60};
    struct chosen c = train(&start, 1, alive, 6);
    assert_int_equal(c.count, 2);
    assert_true(has(&c, &named[0]) && has(&c, &named[2]));
    free(c.ids);

    start.alive = true;
    c = train(&start, 1, alive, 6);
    assert_int_equal(c.count, 5); /* all but the evaluator */
    assert_false(has(&c, &evaluators[0]));
    free(c.ids);
}

static void one_that_is_named_twice_counts_once(void **state)
{
    (void)state;
    struct id alive[4];
    name(alive, 3);
    alive[3] = alive[0];
    struct experiment_start start = {.alive = true,
                                     .selection = {.count = {.all = true}, .min = 4}};
    struct chosen c = train(&start, 1, alive, 4);
    assert_int_equal(c.count, 0);
    start.selection.min = 3;
    c = train(&start, 1, alive, 4);
    assert_int_equal(c.count, 3);
    free(c.ids);
}

static void never_less_than_the_minimum_is_asked(void **state)
{
    (void)state;
    struct id alive[DEVICES];
    name(alive, DEVICES);
    struct experiment_start start = {.alive = true,
                                     .selection = {.count = {.value = 0.1}, .min = 4}};
    struct chosen c = train(&start, 1, alive, 3);
    assert_int_equal(c.count, 0);
    c = train(&start, 1, alive, 4);
    assert_int_equal(c.count, 4);
    free(c.ids);
    c = train(&start, 1, alive, DEVICES); /* a tenth is 2 */
    assert_int_equal(c.count, 4);
    free(c.ids);
    start.selection.count.value = 0.3;
    c = train(&start, 1, alive, DEVICES);
    assert_int_equal(c.count, 6);
    free(c.ids);
}

static void nobody_alive_is_nobody_asked(void **state)
{
    (void)state;
    struct experiment_start start = five_of_the_living(1);
    assert_int_equal(train(&start, 1, NULL, 0).count, 0);
    struct chosen c = {NULL, 0};
    assert_int_equal(selection_evaluate(&start, NULL, 0, &c.ids, &c.count), ST_OK);
    assert_null(c.ids);
}

static void a_round_asks_no_more_than_it_may_have(void **state)
{
    (void)state;
    size_t count = ROUND_PARTICIPANTS_MAX + 1;
    struct id *alive = calloc(count, sizeof alive[0]);
    assert_non_null(alive);
    name(alive, count);
    struct experiment_start start = {.alive = true,
                                     .selection = {.count = {.all = true}, .min = 1}};
    struct chosen c = train(&start, 1, alive, count);
    assert_int_equal(c.count, ROUND_PARTICIPANTS_MAX);
    free(c.ids);
    free(alive);
}

static void evaluators_are_those_alive_in_the_order_of_the_start(void **state)
{
    (void)state;
    struct id alive[3], evaluators[3];
    name(alive, 3);
    evaluators[0] = alive[2];
    evaluators[1] = id("gone");
    evaluators[2] = alive[0];
    struct experiment_start start = {.evaluation = {1, evaluators, 3, 60}};
    struct chosen c = {NULL, 0};
    assert_int_equal(selection_evaluate(&start, alive, 3, &c.ids, &c.count), ST_OK);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.ids[0].text, "p2");
    assert_string_equal(c.ids[1].text, "p0");
    free(c.ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_selects_the_same_in_any_order),
        cmocka_unit_test(the_selection_is_the_same_on_every_machine),
        cmocka_unit_test(one_device_more_changes_at_most_one_place),
        cmocka_unit_test(the_selection_is_uniform_over_seeds),
        cmocka_unit_test(rounds_select_independently),
        cmocka_unit_test(only_the_eligible_that_are_alive_are_asked),
        cmocka_unit_test(one_that_is_named_twice_counts_once),
        cmocka_unit_test(never_less_than_the_minimum_is_asked),
        cmocka_unit_test(nobody_alive_is_nobody_asked),
        cmocka_unit_test(a_round_asks_no_more_than_it_may_have),
        cmocka_unit_test(evaluators_are_those_alive_in_the_order_of_the_start),
    };
    return cmocka_run_group_tests_name("experiment/selection", tests, NULL, NULL);
}
