/* Checks ledger.c: one counted update each, told apart by digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "round/ledger.h"

#define THREE 3

static struct id name(const char *text)
{
    struct id id;
    assert_int_equal(id_from(text, &id), ST_OK);
    return id;
}

static struct digest digest(const char *text)
{
    return digest_of(view_text(text));
}

struct fixture {
    struct id who[THREE];
    struct ledger *ledger;
};

static int setup(void **state)
{
    static struct fixture f;
    /* Not in order: the ledger has to sort for itself. */
    f.who[0] = name("proplet-2");
    f.who[1] = name("proplet-10");
    f.who[2] = name("proplet-1");
    assert_int_equal(ledger_new(f.who, THREE, &f.ledger), ST_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->ledger = ledger_free(f->ledger);
    return 0;
}

static void knows_only_participants(void **state)
{
    struct fixture *f = *state;
    struct digest a = digest("a");
    struct id stranger = name("proplet-3");
    struct id almost = name("proplet-1x");

    for (size_t i = 0; i < THREE; i++)
        assert_int_equal(ledger_look(f->ledger, &f->who[i], &a), LEDGER_AWAITED);
    assert_int_equal(ledger_look(f->ledger, &stranger, &a), LEDGER_STRANGER);
    assert_int_equal(ledger_look(f->ledger, &almost, &a), LEDGER_STRANGER);
    assert_int_equal(ledger_counted(f->ledger), 0);
    assert_int_equal(ledger_participants(f->ledger), THREE);
}

static void tells_same_bytes_from_others(void **state)
{
    struct fixture *f = *state;
    struct digest a = digest("a");
    struct digest b = digest("b");

    assert_int_equal(ledger_count(f->ledger, &f->who[1], &a, 1, NULL), ST_OK);
    assert_int_equal(ledger_look(f->ledger, &f->who[1], &a), LEDGER_SAME);
    assert_int_equal(ledger_look(f->ledger, &f->who[1], &b), LEDGER_OTHER);
    /* The same bytes from somebody else are somebody else's update. */
    assert_int_equal(ledger_look(f->ledger, &f->who[0], &a), LEDGER_AWAITED);
    assert_int_equal(ledger_counted(f->ledger), 1);
}

static void counts_each_once(void **state)
{
    struct fixture *f = *state;
    struct digest a = digest("a");
    for (size_t i = 0; i < THREE; i++) {
        assert_int_equal(ledger_count(f->ledger, &f->who[i], &a, 1, NULL), ST_OK);
        assert_int_equal(ledger_counted(f->ledger), i + 1);
    }
}

static void refuses_nobody_and_twice_the_same(void **state)
{
    (void)state;
    struct id twice[] = {name("a"), name("b"), name("a")};
    struct ledger *l = NULL;
    assert_int_equal(ledger_new(twice, 3, &l), ST_INVALID);
    assert_int_equal(ledger_new(twice, 0, &l), ST_INVALID);
    assert_int_equal(ledger_new(twice, ROUND_PARTICIPANTS_MAX + 1, &l), ST_INVALID);
    assert_null(l);
    assert_int_equal(ledger_new(twice, 2, &l), ST_OK);
    assert_null(ledger_free(l));
    assert_null(ledger_free(NULL));
}

static void holds_as_many_as_a_round_may_have(void **state)
{
    (void)state;
    struct id *many = calloc(ROUND_PARTICIPANTS_MAX, sizeof *many);
    assert_non_null(many);
    for (int i = 0; i < ROUND_PARTICIPANTS_MAX; i++)
        (void)snprintf(many[i].text, sizeof many[i].text, "p%d", i);

    struct ledger *l;
    struct digest a = digest("a");
    assert_int_equal(ledger_new(many, ROUND_PARTICIPANTS_MAX, &l), ST_OK);
    for (int i = 0; i < ROUND_PARTICIPANTS_MAX; i += 2)
        assert_int_equal(ledger_count(l, &many[i], &a, 1, NULL), ST_OK);
    for (int i = 0; i < ROUND_PARTICIPANTS_MAX; i++)
        assert_int_equal(ledger_look(l, &many[i], &a), i % 2 == 0 ? LEDGER_SAME : LEDGER_AWAITED);
    assert_int_equal(ledger_counted(l), ROUND_PARTICIPANTS_MAX / 2);
    ledger_free(l);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_only_participants, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_same_bytes_from_others, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_each_once, setup, teardown),
        cmocka_unit_test(refuses_nobody_and_twice_the_same),
        cmocka_unit_test(holds_as_many_as_a_round_may_have),
    };
    return cmocka_run_group_tests_name("round/ledger", tests, NULL, NULL);
}
