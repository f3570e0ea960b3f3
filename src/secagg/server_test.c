/* The sum is the exact sum of the survivors' updates, whoever falls silent when; and what a
 * device may not say is refused by name and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/rand.h"
#include "secagg/scene.h"

/* The phase in which too few are left; SECAGG_DONE: none. */
static enum secagg_phase fails_in(const struct scene *s, const enum secagg_phase *leaves)
{
    uint32_t advertised = 0;
    for (size_t i = 0; i < s->count; i++)
        advertised += leaves[i] > SECAGG_ADVERTISING;
    for (enum secagg_phase p = SECAGG_ADVERTISING; p < SECAGG_DONE; p++) {
        uint32_t here = 0;
        for (size_t i = 0; i < s->count; i++)
            here += leaves[i] > p;
        uint32_t least =
            p <= SECAGG_MASKING ? s->rules.k_of_n : secagg_threshold(&s->rules, advertised);
        if (here < least)
            return p;
    }
    return SECAGG_DONE;
}

static void run_and_judge(struct scene *s, const enum secagg_phase *leaves)
{
    scene_again(s);
    scene_run(s, leaves, SECAGG_DONE);
    if (fails_in(s, leaves) == SECAGG_DONE)
        scene_expect_exact_sum(s, leaves);
    else
        assert_int_equal(secagg_server_phase(s->server), SECAGG_FAILED);
}

/* After a round has failed nobody can leave it any more: of patterns that differ in that
 * only, the one in which all the others stay stands for them. */
static bool stands_for_others(const struct scene *s, const enum secagg_phase *leaves)
{
    enum secagg_phase failed = fails_in(s, leaves);
    for (size_t i = 0; i < s->count; i++)
        if (leaves[i] > failed && leaves[i] != SECAGG_DONE)
            return false;
    return true;
}

/* Rounds of four to six that fail are many, and fail as those of three do: one in so many of
 * them is lived through. */
#define FAILURES_STRIDE 101

/* Every pattern: each device leaves before any of the five phases, or never. */
static void all_patterns(size_t count, enum secagg_server_trust server)
{
    struct scene s;
    enum secagg_phase leaves[6] = {0};
    size_t patterns = 1, done = 0, failed = 0;
    scene_begin(&s, count, (struct secagg_rules){.server = server});
    for (size_t i = 0; i < count; i++)
        patterns *= SECAGG_DONE + 1;
    for (size_t p = 0; p < patterns; p++) {
        size_t rest = p;
        for (size_t i = 0; i < count; i++, rest /= SECAGG_DONE + 1)
            leaves[i] = (enum secagg_phase)(rest % (SECAGG_DONE + 1));
        bool fails = fails_in(&s, leaves) != SECAGG_DONE;
        if (!stands_for_others(&s, leaves) || (fails && count > 3 && p % FAILURES_STRIDE != 0))
            continue;
        run_and_judge(&s, leaves);
        done += secagg_server_phase(s.server) == SECAGG_DONE;
        failed += secagg_server_phase(s.server) == SECAGG_FAILED;
    }
    print_message("%zu devices: %zu sums, %zu failures\n", count, done, failed);
    assert_true(done > 0 && failed > 0);
    scene_end(&s);
}

static void the_sum_is_exact_for_every_pattern_against_a_malicious_server(void **state)
{
    (void)state;
    for (size_t count = 3; count <= 6; count++)
        all_patterns(count, SECAGG_SERVER_MALICIOUS);
}

static void the_sum_is_exact_for_every_pattern_against_a_curious_server(void **state)
{
    (void)state;
    for (size_t count = 3; count <= 6; count++)
        all_patterns(count, SECAGG_SERVER_CURIOUS);
}

static void draw_leaves(struct rand *rand, enum secagg_phase *leaves, size_t count, size_t gone)
{
    for (size_t i = 0; i < count; i++)
        leaves[i] = SECAGG_DONE;
    for (size_t g = 0; g < gone; g++)
        leaves[rand_below(rand, count)] = (enum secagg_phase)rand_below(rand, SECAGG_DONE);
}

static void the_sum_is_exact_for_drawn_patterns_of_up_to_a_hundred(void **state)
{
    (void)state;
    struct rand rand = {11};
    const size_t counts[] = {10, 17, 40, 100};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct scene s;
        enum secagg_phase leaves[100];
        scene_begin(&s, counts[c], (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
        draw_leaves(&rand, leaves, counts[c], counts[c] / 4);
        run_and_judge(&s, leaves);
        scene_end(&s);
    }
}

static void the_sum_is_exact_over_a_sparse_graph(void **state)
{
    (void)state;
    struct rand rand = {13};
    struct scene s;
    enum secagg_phase leaves[60];
    scene_begin(
        &s, 60,
        (struct secagg_rules){.server = SECAGG_SERVER_CURIOUS, .neighbours = 20, .k_of_n = 40});
    draw_leaves(&rand, leaves, 60, 12);
    scene_run(&s, leaves, SECAGG_DONE);
    scene_expect_exact_sum(&s, leaves);
    scene_end(&s);
}

/* ---- what a device may not say ---- */

struct told {
    struct scene s;
};

static int begin_five(void **state)
{
    struct told *t = calloc(1, sizeof *t);
    assert_non_null(t);
    scene_begin(&t->s, 5, (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
    *state = t;
    return 0;
}

static int end_five(void **state)
{
    struct told *t = *state;
    scene_end(&t->s);
    free(t);
    return 0;
}

static struct bytes changed(struct view v, size_t at)
{
    struct bytes b = {0};
    assert_int_equal(bytes_copy(&b, v), ST_OK);
    b.data[at] ^= 1;
    return b;
}

/* Whatever single bit of a message is changed on the way, it does not count, and the right
 * one still does. */
static void expect_no_changed_bit_counts(struct scene *s, size_t device, struct view message)
{
    for (size_t at = 0; at < message.size; at++) {
        struct bytes b = changed(message, at);
        enum secagg_verdict verdict = scene_say(s, device, bytes_view(&b));
        assert_int_not_equal(verdict, SECAGG_ACCEPTED);
        assert_int_not_equal(verdict, SECAGG_REPEATED);
        assert_true(secagg_server_awaits(s->server, &s->devices[device].id));
        bytes_done(&b);
    }
    for (size_t size = 0; size < message.size; size++)
        assert_int_equal(scene_say(s, device, view_of(message.data, size)), SECAGG_V_MALFORMED);
    assert_int_equal(scene_say(s, device, message), SECAGG_ACCEPTED);
    assert_int_equal(scene_say(s, device, message), SECAGG_REPEATED);
}

static void no_changed_advertise_counts(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    expect_no_changed_bit_counts(s, 2, secagg_client_advertise(s->devices[2].client));
}

static void no_changed_answer_counts_in_any_phase(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    const enum secagg_phase phases[] = {SECAGG_SHARING, SECAGG_CONFIRMING, SECAGG_UNMASKING};
    for (size_t p = 0; p < 3; p++) {
        struct view said;
        scene_run(s, NULL, phases[p]);
        struct bytes told = scene_told(s, 1);
        assert_int_equal(scene_hear(s, 1, bytes_view(&told), &said), SECAGG_FINE);
        expect_no_changed_bit_counts(s, 1, said);
        bytes_done(&told);
    }
    scene_run(s, NULL, SECAGG_DONE);
    scene_expect_exact_sum(s, NULL);
}

static void anothers_certificate_does_not_count(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    struct view others = secagg_client_advertise(s->devices[1].client);
    assert_int_equal(scene_say(s, 0, others), SECAGG_V_BAD_CERTIFICATE);
    struct id stranger = {"stranger"};
    assert_int_equal(secagg_server_take(s->server, &stranger, others, SCENE_NOW, NULL),
                     SECAGG_V_NOT_PARTICIPANT);
    assert_int_equal(secagg_server_counts(s->server).advertised, 0);
}

static void a_revoked_or_expired_certificate_does_not_count(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    struct view own = secagg_client_advertise(s->devices[0].client);
    assert_int_equal(secagg_server_take(s->server, &s->devices[0].id, own, SCENE_NOW + 2, NULL),
                     SECAGG_V_BAD_CERTIFICATE);
    assert_int_equal(secagg_server_counts(s->server).advertised, 0);
    assert_int_equal(scene_say(s, 0, own), SECAGG_ACCEPTED);
}

static void a_message_of_another_round_does_not_count(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    struct secagg_client *other = NULL;
    struct digest config = digest_of(view_text("another round"));
    assert_int_equal(secagg_client_new(&s->devices[0].self, &s->rules, &config, &other), ST_OK);
    assert_int_equal(scene_say(s, 0, secagg_client_advertise(other)), SECAGG_V_OTHER_CONFIG);
    assert_int_equal(secagg_server_counts(s->server).advertised, 0);
    secagg_client_free(other);
}

static void a_second_other_message_is_a_conflict(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    struct secagg_client *twin = NULL;
    assert_int_equal(scene_say(s, 0, secagg_client_advertise(s->devices[0].client)),
                     SECAGG_ACCEPTED);
    assert_int_equal(secagg_client_new(&s->devices[0].self, &s->rules, &s->config, &twin), ST_OK);
    assert_int_equal(scene_say(s, 0, secagg_client_advertise(twin)), SECAGG_V_CONFLICT);
    secagg_client_free(twin);
}

static void what_comes_late_does_not_count(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    const enum secagg_phase leaves[5] = {SECAGG_DONE, SECAGG_DONE, SECAGG_DONE, SECAGG_DONE,
                                         SECAGG_MASKING};
    scene_run(s, NULL, SECAGG_MASKING);
    struct view said;
    struct bytes told = scene_told(s, 4);
    assert_int_equal(scene_hear(s, 4, bytes_view(&told), &said), SECAGG_FINE);
    bytes_done(&told);
    scene_run(s, leaves, SECAGG_CONFIRMING);
    assert_false(secagg_server_expects(s->server, &s->devices[4].id));
    struct digest digest = digest_of(view_text("late"));
    struct key_signature signature;
    assert_int_equal(secagg_client_sign(s->devices[4].client, &digest, &signature), ST_OK);
    assert_int_equal(secagg_server_judge(s->server, &s->devices[4].id,
                                         secagg_client_context(s->devices[4].client), &digest,
                                         &signature),
                     SECAGG_V_OUT_OF_TURN);
    scene_run(s, leaves, SECAGG_DONE);
    scene_expect_exact_sum(s, leaves);
}

static void a_masked_update_that_its_device_did_not_sign_does_not_count(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    struct key_signature signature;
    scene_run(s, NULL, SECAGG_MASKING);
    struct view said;
    struct bytes told = scene_told(s, 1);
    assert_int_equal(scene_hear(s, 1, bytes_view(&told), &said), SECAGG_FINE);
    bytes_done(&told);
    struct digest digest = digest_of(view_text("words"));
    struct digest other = digest_of(view_text("other words"));
    const struct secagg_context *context = secagg_client_context(s->devices[1].client);
    assert_int_equal(secagg_client_sign(s->devices[1].client, &digest, &signature), ST_OK);
    assert_int_equal(secagg_server_judge(s->server, &s->devices[1].id, context, &other, &signature),
                     SECAGG_V_BAD_SIGNATURE);
    assert_int_equal(
        secagg_server_judge(s->server, &s->devices[2].id, context, &digest, &signature),
        SECAGG_V_BAD_SIGNATURE);
    assert_int_equal(secagg_server_counts(s->server).masked, 0);
}

/* A device that gives wrong shares and signs them: with one share more than are needed the
 * sum is still exact, and without it the seed's owner is named and no sum comes out. */
static void lie_about_shares(struct scene *s, size_t liar)
{
    struct view said;
    struct secagg_unmask m;
    uint16_t ranks[MEMBERS_MAX];
    struct scalar shares[MEMBERS_MAX];
    struct bytes lie = {0};
    struct key_signature signature;
    struct bytes told = scene_told(s, liar);
    assert_int_equal(scene_hear(s, liar, bytes_view(&told), &said), SECAGG_FINE);
    bytes_done(&told);
    assert_int_equal(secagg_unmask_decode(said, &m), ST_OK);
    for (uint32_t i = 0; i < m.count; i++) {
        ranks[i] = (uint16_t)secagg_unmask_rank(&m, i);
        shares[i] = secagg_unmask_share(&m, i);
        shares[i].bytes[0] ^= 1;
    }
    assert_int_equal(secagg_unmask_encode(&m.context, ranks, shares, m.count, &lie), ST_OK);
    assert_int_equal(
        key_sign(s->devices[liar].key, secagg_domain(SECAGG_UNMASK), bytes_view(&lie), &signature),
        ST_OK);
    assert_int_equal(secagg_append_signature(&signature, &lie), ST_OK);
    assert_int_equal(scene_say(s, liar, bytes_view(&lie)), SECAGG_ACCEPTED);
    bytes_done(&lie);
}

static void one_liar_about_shares_does_not_spoil_the_sum_of_five(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    scene_run(s, NULL, SECAGG_UNMASKING);
    lie_about_shares(s, 2);
    scene_run(s, NULL, SECAGG_DONE);
    scene_expect_exact_sum(s, NULL);
}

static void too_many_wrong_shares_give_no_sum_and_a_name(void **state)
{
    struct scene *s = &((struct told *)*state)->s;
    const enum secagg_phase leaves[5] = {SECAGG_DONE, SECAGG_DONE, SECAGG_DONE, SECAGG_DONE,
                                         SECAGG_UNMASKING};
    struct mask *masks = NULL;
    size_t count = 0;
    struct id culprit = {0};
    scene_run(s, leaves, SECAGG_UNMASKING);
    lie_about_shares(s, 2);
    scene_run(s, leaves, SECAGG_DONE);
    assert_int_equal(secagg_server_masks(s->server, &masks, &count, &culprit), ST_CORRUPT);
    assert_null(masks);
    assert_string_equal(culprit.text, "device-0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_exact_for_every_pattern_against_a_malicious_server),
        cmocka_unit_test(the_sum_is_exact_for_every_pattern_against_a_curious_server),
        cmocka_unit_test(the_sum_is_exact_for_drawn_patterns_of_up_to_a_hundred),
        cmocka_unit_test(the_sum_is_exact_over_a_sparse_graph),
        cmocka_unit_test_setup_teardown(no_changed_advertise_counts, begin_five, end_five),
        cmocka_unit_test_setup_teardown(no_changed_answer_counts_in_any_phase, begin_five,
                                        end_five),
        cmocka_unit_test_setup_teardown(anothers_certificate_does_not_count, begin_five, end_five),
        cmocka_unit_test_setup_teardown(a_revoked_or_expired_certificate_does_not_count, begin_five,
                                        end_five),
        cmocka_unit_test_setup_teardown(a_message_of_another_round_does_not_count, begin_five,
                                        end_five),
        cmocka_unit_test_setup_teardown(a_second_other_message_is_a_conflict, begin_five, end_five),
        cmocka_unit_test_setup_teardown(what_comes_late_does_not_count, begin_five, end_five),
        cmocka_unit_test_setup_teardown(a_masked_update_that_its_device_did_not_sign_does_not_count,
                                        begin_five, end_five),
        cmocka_unit_test_setup_teardown(one_liar_about_shares_does_not_spoil_the_sum_of_five,
                                        begin_five, end_five),
        cmocka_unit_test_setup_teardown(too_many_wrong_shares_give_no_sum_and_a_name, begin_five,
                                        end_five),
    };
    return cmocka_run_group_tests_name("secagg/server", tests, NULL, NULL);
}
