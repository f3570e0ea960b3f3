/* Checks asynchronous rounds: whom they count, to which base, under which names, and that
 * nothing is counted twice or let go. Numbers are worked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model_file.h"
#include "round/round.h"

#define T0 1000u

static struct id fresh[] = {{"d"}};
static struct id slow_1[] = {{"a"}, {"b"}};
static struct id slow_2[] = {{"c"}};
static const struct id a = {"a"}, b = {"b"}, c = {"c"}, d = {"d"};

/* {"w": [x,x], "b": x}, as safetensors with an optimiser's state beside it */
static void make_version(float x, struct bytes *ret, struct digest *ret_digest)
{
    const struct model_shape shapes[] = {
        {.name = "w", .rank = 1, .shape = {2}},
        {.name = "b"},
        {.name = "optimiser.m", .rank = 1, .shape = {3}},
    };
    struct model *m;
    assert_int_equal(model_new(shapes, 3, &m), ST_OK);
    for (size_t i = 0; i < 6; i++)
        model_params_mutable(m)[i] = i < 3 ? x : 77;
    assert_int_equal(model_encode(m, MODEL_SAFETENSORS, ret), ST_OK);
    *ret_digest = digest_of(bytes_view(ret));
    model_free(m);
}

static struct model *newest(void)
{
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {2}}, {.name = "b"}};
    struct model *m;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    return m;
}

/* Round r-4 on version 4 (all 0) counts d, and carries a and b of r-1, whose base is all 1
 * and 3 versions old, and c of r-3, whose base is all 2 and no version old. */
struct scene {
    struct carried carried[2];
    struct bytes bases[2];
    struct round *r;
    struct round_actions actions;
    char kept[8][256];
    size_t kept_count;
};

static struct round_start start_of(struct scene *s, uint32_t k)
{
    struct round_start start = {
        .round_id = {"r-4"},
        .model_uri = "fl/models/m_v4",
        .model = {.name = {"m"}, .version = 4},
        .participants = fresh,
        .participant_count = 1,
        .k_of_n = k,
        .timeout_s = 30,
        .asynchronous = {true, 4, s->carried, 2},
    };
    s->carried[0] = (struct carried){{"r-1"}, "fl/models/m_v1", {{0}}, 3, slow_1, 2};
    s->carried[1] = (struct carried){{"r-3"}, "fl/models/m_v3", {{0}}, 0, slow_2, 1};
    make_version(1, &s->bases[0], &s->carried[0].model_digest);
    make_version(2, &s->bases[1], &s->carried[1].model_digest);
    return start;
}

static void begin(struct scene *s, uint32_t k)
{
    memset(s, 0, sizeof *s);
    const struct round_start start = start_of(s, k);
    static const struct digest digest = {{7}};
    assert_int_equal(round_new(&start, T0, &s->r), ST_OK);
    for (size_t i = 0; i < 2; i++)
        round_carry(s->r, i, bytes_view(&s->bases[i]));
    assert_int_equal(round_base_model(s->r, newest(), &digest, T0, &s->actions), ST_OK);
    assert_int_equal(s->actions.count, 0);
}

static void end(struct scene *s)
{
    round_free(s->r);
    bytes_done(&s->bases[0]);
    bytes_done(&s->bases[1]);
}

static const char *update_from(const char *round, const char *model, int w0, int w1, int bias)
{
    static char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"round_id\":\"%s\",\"base_model_uri\":\"fl/models/%s\",\"num_samples\":9,"
                   "\"update\":{\"w\":[%d,%d],\"b\":%d}}",
                   round, model, w0, w1, bias);
    return text;
}

/* Sends at T0 + later; the receipt names the round that it was asked in. */
static enum verdict send(struct scene *s, const struct id *who, const char *text, const char *task,
                         uint64_t later_ms)
{
    assert_int_equal(round_update(s->r, who, view_text(text), T0 + later_ms, &s->actions), ST_OK);
    if (round_wants_keep(s->r)) {
        char *place = s->kept[s->kept_count++];
        (void)strcpy(place, text);
        struct digest digest = digest_of(view_text(text));
        round_keep(s->r, view_text(place), &digest);
    }
    assert_int_equal(s->actions.items[0].kind, ROUND_SEND_RECEIPT);
    assert_string_equal(s->actions.items[0].receipt.round_id.text, task);
    return s->actions.items[0].receipt.verdict;
}

static const struct model *version(const struct scene *s, size_t index)
{
    assert_int_equal(s->actions.count, index + 1);
    assert_int_equal(s->actions.items[index].kind, ROUND_PUBLISH_MODEL);
    return s->actions.items[index].model;
}

static void differences_to_each_ones_base_are_weighted_by_staleness(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 3);
    /* a: {4,0,0} by 1/2, as 1/sqrt(1+3); c: {6,0,-3} and d: {3,9,0} by 1; all by 1/3. */
    assert_int_equal(send(&s, &a, update_from("r-1", "m_v1", 5, 1, 1), "r-1", 0), VERDICT_ACCEPTED);
    assert_int_equal(send(&s, &c, update_from("r-3", "m_v3", 8, 2, -1), "r-3", 0),
                     VERDICT_ACCEPTED);
    assert_int_equal(s.actions.count, 1);
    assert_int_equal(send(&s, &d, update_from("r-4", "m_v4", 3, 9, 0), "r-4", 0), VERDICT_ACCEPTED);
    const float *got = model_params(version(&s, 1));
    const double third = 1.0 / 3;
    assert_true(got[0] == (float)(third * 0.5 * 4 + third * 6 + third * 3));
    assert_true(got[1] == 3);
    assert_true(got[2] == -1);
    assert_int_equal(round_counted(s.r), 3);
    end(&s);
}

static void the_order_of_arrival_changes_no_bit(void **state)
{
    (void)state;
    float first[3];
    for (int turn = 0; turn < 2; turn++) {
        struct scene s;
        begin(&s, 2);
        const struct id *who[2] = {turn == 0 ? &a : &d, turn == 0 ? &d : &a};
        for (int i = 0; i < 2; i++) {
            bool is_a = who[i] == &a;
            const char *text =
                is_a ? update_from("r-1", "m_v1", 7, 3, 1) : update_from("r-4", "m_v4", 11, 13, 17);
            assert_int_equal(send(&s, who[i], text, is_a ? "r-1" : "r-4", 0), VERDICT_ACCEPTED);
        }
        const float *got = model_params(version(&s, 1));
        if (turn == 0)
            memcpy(first, got, sizeof first);
        assert_memory_equal(first, got, sizeof first);
        end(&s);
    }
}

static void a_carried_update_names_the_round_and_the_model_of_its_task(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 3);
    assert_int_equal(send(&s, &a, update_from("r-4", "m_v4", 5, 1, 1), "r-1", 0),
                     VERDICT_WRONG_ROUND);
    assert_int_equal(send(&s, &a, update_from("r-1", "m_v4", 5, 1, 1), "r-1", 0),
                     VERDICT_WRONG_BASE_MODEL);
    assert_int_equal(send(&s, &d, update_from("r-1", "m_v1", 5, 1, 1), "r-4", 0),
                     VERDICT_WRONG_ROUND);
    const struct id stranger = {"e"};
    assert_int_equal(send(&s, &stranger, update_from("r-1", "m_v1", 5, 1, 1), "r-4", 0),
                     VERDICT_NOT_PARTICIPANT);
    assert_int_equal(round_counted(s.r), 0);
    assert_string_equal(round_task(s.r, &b)->text, "r-1");
    assert_string_equal(round_task(s.r, &d)->text, "r-4");
    end(&s);
}

static void the_same_bytes_count_once_and_others_not_at_all(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(&s, &a, update_from("r-1", "m_v1", 5, 1, 1), "r-1", 0),
                         VERDICT_ACCEPTED);
    assert_int_equal(send(&s, &a, update_from("r-1", "m_v1", 6, 1, 1), "r-1", 0), VERDICT_CONFLICT);
    assert_int_equal(round_counted(s.r), 1);
    struct id awaited[4];
    assert_int_equal(round_awaited(s.r, slow_1, 2, awaited), 1);
    assert_string_equal(awaited[0].text, "b");
    assert_int_equal(round_awaited(s.r, fresh, 1, awaited), 1);
    end(&s);
}

static void time_closes_it_with_what_there_is(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 4);
    assert_int_equal(send(&s, &d, update_from("r-4", "m_v4", 4, 8, -4), "r-4", 0),
                     VERDICT_ACCEPTED);
    round_tick(s.r, T0 + 29999, &s.actions);
    assert_int_equal(s.actions.count, 0);
    round_tick(s.r, T0 + 30000, &s.actions);
    const float *got = model_params(version(&s, 0));
    assert_true(got[0] == 4 && got[1] == 8 && got[2] == -4);
    round_stored(s.r, T0 + 30001, &s.actions);
    assert_int_equal(s.actions.items[0].kind, ROUND_SEND_COMPLETE);
    assert_int_equal(s.actions.items[0].complete.outcome, ROUND_COMPLETED);
    assert_string_equal(s.actions.items[0].complete.reason, ROUND_REASON_TIME);
    assert_int_equal(s.actions.items[0].complete.participants, 4);
    /* Whoever comes now is told so, and nothing is counted. */
    assert_int_equal(send(&s, &a, update_from("r-1", "m_v1", 5, 1, 1), "r-1", 31000),
                     VERDICT_STALE);
    assert_int_equal(send(&s, &d, update_from("r-4", "m_v4", 4, 8, -4), "r-4", 31000),
                     VERDICT_ACCEPTED);
    assert_int_equal(round_counted(s.r), 1);
    end(&s);
}

static void without_any_update_it_expires(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    round_tick(s.r, T0 + 30000, &s.actions);
    assert_int_equal(s.actions.count, 1);
    assert_int_equal(s.actions.items[0].complete.outcome, ROUND_EXPIRED);
    end(&s);
}

static void a_base_that_is_not_what_it_was_ends_the_round(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct scene s;
        begin(&s, 2);
        if (how == 0)
            s.bases[0].data[s.bases[0].size - 1] ^= 1;
        else
            round_carry(s.r, 0, view_of(NULL, 0));
        assert_int_equal(send(&s, &d, update_from("r-4", "m_v4", 4, 8, -4), "r-4", 0),
                         VERDICT_ACCEPTED);
        assert_int_equal(send(&s, &b, update_from("r-1", "m_v1", 5, 1, 1), "r-1", 0),
                         VERDICT_ACCEPTED);
        assert_int_equal(s.actions.count, 2);
        assert_int_equal(s.actions.items[1].kind, ROUND_SEND_COMPLETE);
        assert_int_equal(s.actions.items[1].complete.outcome, ROUND_FAILED);
        assert_string_equal(s.actions.items[1].complete.reason, ROUND_REASON_CORRUPT);
        end(&s);
    }
}

static void a_damaged_base_that_no_update_is_to_harms_nobody(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    s.bases[0].data[s.bases[0].size - 1] ^= 1;
    assert_int_equal(send(&s, &d, update_from("r-4", "m_v4", 2, 2, 2), "r-4", 0), VERDICT_ACCEPTED);
    assert_int_equal(send(&s, &c, update_from("r-3", "m_v3", 4, 4, 4), "r-3", 0), VERDICT_ACCEPTED);
    assert_true(model_params(version(&s, 1))[0] == 2);
    end(&s);
}

static void a_start_is_copied_whole(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    s.carried[0].participants = NULL;
    memset(s.carried, 0, sizeof s.carried);
    assert_int_equal(round_start_of(s.r)->asynchronous.carried_count, 2);
    assert_string_equal(round_start_of(s.r)->asynchronous.carried[0].participants[1].text, "b");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_to_each_ones_base_are_weighted_by_staleness),
        cmocka_unit_test(the_order_of_arrival_changes_no_bit),
        cmocka_unit_test(a_carried_update_names_the_round_and_the_model_of_its_task),
        cmocka_unit_test(the_same_bytes_count_once_and_others_not_at_all),
        cmocka_unit_test(time_closes_it_with_what_there_is),
        cmocka_unit_test(without_any_update_it_expires),
        cmocka_unit_test(a_base_that_is_not_what_it_was_ends_the_round),
        cmocka_unit_test(a_damaged_base_that_no_update_is_to_harms_nobody),
        cmocka_unit_test(a_start_is_copied_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
