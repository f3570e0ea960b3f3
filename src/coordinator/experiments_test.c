/* The table of experiments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/experiments.h"

static struct experiments *table;
static const struct digest digest = {{1}};

static int setup(void **state)
{
    (void)state;
    return experiments_new(2, &table) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    table = experiments_free(table);
    return 0;
}

static struct id id(const char *text)
{
    struct id result;
    assert_int_equal(id_from(text, &result), ST_OK);
    return result;
}

static struct experiment *experiment(const char *name)
{
    char text[256];
    struct experiment_start start = {0};
    struct id known;
    struct experiment *x = NULL;
    struct experiment_actions actions;
    (void)snprintf(text, sizeof text,
                   "{\"experiment_id\":\"%s\",\"model_uri\":\"fl/models/m_v0\","
                   "\"task_wasm_image\":\"i\",\"rounds\":2}",
                   name);
    assert_int_equal(experiment_start_decode(view_text(text), &start, &known, NULL), ST_OK);
    assert_int_equal(experiment_new(&start, 0, &x, &actions), ST_OK);
    return x;
}

static struct experiment_entry *add(const char *name)
{
    struct experiment_entry *e = NULL;
    assert_int_equal(experiments_add(table, &digest, experiment(name), &e), ST_OK);
    assert_string_equal(e->id.text, name);
    return e;
}

static void end(struct experiment_entry *e)
{
    const struct experiment_state state = {.experiment_id = e->id, .phase = EXPERIMENT_DONE};
    experiments_end(table, e, &state);
}

static struct experiment_entry *find(const char *name)
{
    struct id x = id(name);
    return experiments_find(table, &x);
}

static void open_ones_are_in_the_order_of_their_starts(void **state)
{
    (void)state;
    struct experiment_entry *a = add("a"), *b = add("b"), *c = add("c");
    assert_ptr_equal(find("b"), b);
    assert_null(find("d"));
    end(b);
    assert_int_equal(experiments_open_count(table), 2);
    assert_ptr_equal(experiments_open_at(table, 0), a);
    assert_ptr_equal(experiments_open_at(table, 1), c);
}

static void an_ended_one_is_known_and_is_no_experiment_any_more(void **state)
{
    (void)state;
    struct experiment_entry *a = add("a"), *b = add("b");
    end(a);
    end(b);
    assert_ptr_equal(find("a"), a);
    assert_null(a->experiment);
    assert_true(digest_equal(&a->start, &digest));
    assert_int_equal(a->state.phase, EXPERIMENT_DONE);
    assert_ptr_equal(experiments_ended_at(table, 0), b); /* the newest */
    assert_ptr_equal(experiments_ended_at(table, 1), a);
}

/* Before a restart there may have been more than the settings allow now. */
static void it_is_full_and_yet_takes_what_was_open_before(void **state)
{
    (void)state;
    (void)add("a");
    assert_false(experiments_are_full(table));
    (void)add("b");
    assert_true(experiments_are_full(table));
    struct experiment_entry *c = add("c");
    end(c);
    assert_true(experiments_are_full(table));
    end(find("a"));
    assert_false(experiments_are_full(table));
}

static void no_more_than_are_kept_may_be_open(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < EXPERIMENTS_KEPT_MAX; i++) {
        (void)snprintf(name, sizeof name, "x%d", i);
        (void)add(name);
    }
    struct experiment_entry *e = NULL;
    struct experiment *more = experiment("more");
    assert_int_equal(experiments_add(table, &digest, more, &e), ST_LIMIT);
    assert_null(e);
    assert_null(find("more"));
    experiment_free(more); /* still the caller's */
}

static void the_oldest_ended_one_is_forgotten(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i <= EXPERIMENTS_KEPT_MAX; i++) {
        struct experiment_state s = {.phase = EXPERIMENT_DONE};
        (void)snprintf(name, sizeof name, "x%d", i);
        s.experiment_id = id(name);
        assert_int_equal(experiments_add_ended(table, &digest, &s), ST_OK);
    }
    assert_int_equal(experiments_ended_count(table), EXPERIMENTS_KEPT_MAX);
    assert_null(find("x0"));
    assert_non_null(find("x1"));
    end(add("new"));
    assert_null(find("x1"));
    assert_string_equal(experiments_ended_at(table, 0)->id.text, "new");
}

static void a_round_that_did_not_begin_is_nobodys(void **state)
{
    (void)state;
    (void)add("a");
    struct id round = id("a-r0001");
    assert_null(experiments_find_round(table, &round));
}

static void the_one_whose_round_runs_is_found(void **state)
{
    (void)state;
    (void)add("b");
    struct experiment_entry *a = add("a");
    struct id alive = id("p"), round = id("a-r0001");
    struct experiment_actions actions;
    assert_int_equal(experiment_roster(a->experiment, &alive, 1, NULL, 0, &actions), ST_OK);
    assert_ptr_equal(experiments_find_round(table, &round), a);
    end(a);
    assert_null(experiments_find_round(table, &round));
}

static void cleared_it_knows_nothing(void **state)
{
    (void)state;
    (void)add("a");
    end(add("b"));
    experiments_clear(table);
    assert_null(find("a"));
    assert_null(find("b"));
    assert_int_equal(experiments_open_count(table) + experiments_ended_count(table), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(open_ones_are_in_the_order_of_their_starts),
        TEST(an_ended_one_is_known_and_is_no_experiment_any_more),
        TEST(it_is_full_and_yet_takes_what_was_open_before),
        TEST(no_more_than_are_kept_may_be_open),
        TEST(the_oldest_ended_one_is_forgotten),
        TEST(a_round_that_did_not_begin_is_nobodys),
        TEST(the_one_whose_round_runs_is_found),
        TEST(cleared_it_knows_nothing),
    };
    return cmocka_run_group_tests_name("coordinator/experiments", tests, NULL, NULL);
}
