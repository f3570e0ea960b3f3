/* Checks asynchronous experiments: whom a round asks beside those who train already, and what
 * its start says of these. */
#include "experiment/scene.h"
#include "experiment/selection.h"

#define ASYNCHRONOUS ",\"rounds\":3,\"asynchronous\":{\"staleness_max\":4}"

static struct id slow[] = {{"b"}, {"c"}};

/* b and c of round 1 still train. */
static struct asynchronous carrying(struct carried *k)
{
    *k = (struct carried){{"e-r0001"}, "fl/models/m_v0", {{3}}, 1, slow, 2};
    return (struct asynchronous){true, 4, k, 1};
}

static void tell(struct scene *s, const char *names, const struct asynchronous *carries)
{
    struct id ids[8];
    size_t count = 0;
    for (; names[count] != '\0'; count++)
        ids[count] = (struct id){{names[count], '\0'}};
    assert_int_equal(experiment_roster(s->x, ids, count, carries, s->now_ms, &s->actions), ST_OK);
}

static void the_first_round_carries_nobody(void **state)
{
    (void)state;
    struct scene s = scene_begin(ASYNCHRONOUS ",\"k_of_n\":2");
    tell(&s, "abc", NULL);
    expect(&s, "b");
    const struct round_start *start = s.actions.items[0].start;
    assert_true(start->asynchronous.is_on);
    assert_int_equal(start->asynchronous.staleness_max, 4);
    assert_int_equal(start->asynchronous.carried_count, 0);
    assert_int_equal(start->participant_count, 3);
    assert_int_equal(start->k_of_n, 2);
    scene_end(&s);
}

static void who_trains_already_is_carried_and_not_asked(void **state)
{
    (void)state;
    struct scene s = scene_begin(ASYNCHRONOUS ",\"k_of_n\":2");
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    tell(&s, "abcd", &carries);
    expect(&s, "b");
    const struct round_start *start = s.actions.items[0].start;
    assert_int_equal(start->participant_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(strchr("ad", start->participants[i].text[0]) != NULL);
    assert_int_equal(asynchronous_count(&start->asynchronous), 2);
    assert_int_equal(start->asynchronous.carried[0].staleness, 1);
    /* It is a start that the other side takes, and reads back the same. */
    char *text = round_start_encode(start);
    struct round_start again;
    struct id id;
    struct why why = {""};
    if (round_start_decode(view_text(text), &again, &id, &why) != ST_OK)
        fail_msg("%s", why.text);
    char *text_again = round_start_encode(&again);
    assert_string_equal(text, text_again);
    free(text);
    free(text_again);
    round_start_done(&again);
    scene_end(&s);
}

static void as_many_train_at_once_as_the_selection_says(void **state)
{
    (void)state;
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    static const struct {
        const char *count;
        size_t asked;
    } cases[] = {{"3", 1}, {"4", 2}, {"\"all\"", 4}, {"0.5", 1}, {"2", 0}, {"1", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char fields[128];
        (void)snprintf(fields, sizeof fields,
                       ASYNCHRONOUS ",\"selection\":{\"count\":%s},\"k_of_n\":3", cases[i].count);
        struct scene s = scene_begin(fields);
        tell(&s, "abcdef", &carries); /* with a, d, e and f six are there */
        expect(&s, "b");
        const struct round_start *start = s.actions.items[0].start;
        assert_int_equal(start->participant_count, cases[i].asked);
        assert_int_equal(start->k_of_n, cases[i].asked > 0 ? 3 : 2); /* of all that may count */
        scene_end(&s);
    }
}

static void who_is_not_alive_takes_no_place_and_may_still_count(void **state)
{
    (void)state;
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    static const struct {
        const char *count, *alive;
        size_t asked, k_of_n;
    } cases[] = {
        {"2", "adef", 2, 2}, {"2", "acdef", 1, 2},      {"2", "abcdef", 0, 2},
        {"3", "adef", 3, 3}, {"\"all\"", "adef", 4, 4}, {"0.5", "acdef", 2, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char fields[128];
        (void)snprintf(fields, sizeof fields,
                       ASYNCHRONOUS ",\"selection\":{\"count\":%s},\"k_of_n\":\"all\"",
                       cases[i].count);
        struct scene s = scene_begin(fields);
        tell(&s, cases[i].alive, &carries);
        expect(&s, "b");
        const struct round_start *start = s.actions.items[0].start;
        assert_int_equal(start->participant_count, cases[i].asked);
        assert_int_equal(start->k_of_n, cases[i].k_of_n);
        assert_int_equal(asynchronous_count(&start->asynchronous), 2);
        scene_end(&s);
    }
}

static void a_round_has_room_for_those_that_it_carries(void **state)
{
    (void)state;
    enum { CARRIED = ROUND_PARTICIPANTS_MAX - 1 };
    static struct id ids[CARRIED];
    for (size_t i = 0; i < CARRIED; i++)
        (void)snprintf(ids[i].text, sizeof ids[i].text, "gone%zu", i);
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    k.participants = ids;
    k.participant_count = CARRIED;
    struct scene s = scene_begin(ASYNCHRONOUS);
    tell(&s, "abc", &carries);
    expect(&s, "b");
    assert_int_equal(s.actions.items[0].start->participant_count, 1);
    scene_end(&s);
}

static void those_who_train_are_enough_if_nobody_else_is_there(void **state)
{
    (void)state;
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    struct scene s = scene_begin(ASYNCHRONOUS ",\"selection\":{\"min\":2}");
    tell(&s, "", NULL);
    expect(&s, ""); /* nobody: it waits */
    tell(&s, "c", &carries);
    expect(&s, "b");
    assert_int_equal(s.actions.items[0].start->participant_count, 0);
    assert_int_equal(s.actions.items[0].start->k_of_n, 1); /* of those who are alive */
    scene_end(&s);

    s = scene_begin(ASYNCHRONOUS ",\"selection\":{\"min\":2}");
    tell(&s, "", &carries);
    expect(&s, "b");
    assert_int_equal(s.actions.items[0].start->k_of_n, 2); /* or of all that may come back */
    scene_end(&s);

    s = scene_begin(ASYNCHRONOUS ",\"selection\":{\"min\":3}");
    tell(&s, "c", &carries);
    expect(&s, "");
    tell(&s, "ca", &carries); /* two that train and one more */
    expect(&s, "b");
    assert_int_equal(s.actions.items[0].start->participant_count, 1);
    scene_end(&s);
}

static void an_evaluation_is_not_asynchronous(void **state)
{
    (void)state;
    struct scene s = scene_begin(ASYNCHRONOUS ",\"evaluation\":{\"participants\":[\"x\"]}");
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    tell(&s, "abc", NULL);
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, -1);
    tell(&s, "abcx", &carries);
    expect(&s, "b");
    const struct round_start *start = s.actions.items[0].start;
    assert_int_equal(start->mode, ROUND_EVALUATE);
    assert_false(start->asynchronous.is_on);
    assert_int_equal(start->asynchronous.carried_count, 0);
    scene_end(&s);
}

static void it_goes_on_after_a_restart(void **state)
{
    (void)state;
    struct scene s = scene_begin(ASYNCHRONOUS);
    tell(&s, "abc", NULL);
    scene_crash(&s);
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, -1);
    struct carried k;
    const struct asynchronous carries = carrying(&k);
    scene_crash(&s);
    tell(&s, "abc", &carries);
    expect(&s, "b");
    assert_true(experiment_start_of(s.x)->asynchronous.is_on);
    assert_int_equal(asynchronous_count(&s.actions.items[0].start->asynchronous), 2);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_round_carries_nobody),
        cmocka_unit_test(who_trains_already_is_carried_and_not_asked),
        cmocka_unit_test(as_many_train_at_once_as_the_selection_says),
        cmocka_unit_test(who_is_not_alive_takes_no_place_and_may_still_count),
        cmocka_unit_test(a_round_has_room_for_those_that_it_carries),
        cmocka_unit_test(those_who_train_are_enough_if_nobody_else_is_there),
        cmocka_unit_test(an_evaluation_is_not_asynchronous),
        cmocka_unit_test(it_goes_on_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
