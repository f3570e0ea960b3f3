/* Checks round.c: each code, each way from state to state, each boundary of
 * time, and that a refused update leaves no trace. Numbers are worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "model/model_file.h"
#include "round/round.h"

#define BASE     "fl/models/m_v0"
#define T0       1000u /* when every round here starts */
#define SECOND   1000u
#define N        3
#define UPDATE_1 "{\"round_id\":\"r-1\",\"base_model_uri\":\"" BASE "\",\"num_samples\":"

static struct id who[] = {{"p-1"}, {"p-2"}, {"p-3"}, {"p-4"}, {"p-5"}};
static const struct id stranger = {"p-9"};

/* ---- helpers ---- */

struct setting {
    size_t n;
    uint32_t k, timeout_s, grace_s;
    enum round_mode mode;
};

static struct round_start start_of(struct setting s)
{
    struct round_start start = {
        .round_id = {"r-1"},
        .model_uri = BASE,
        .model = {.name = {"m"}, .version = 0},
        .participants = who,
        .participant_count = s.n,
        .k_of_n = s.k,
        .timeout_s = s.timeout_s,
        .grace_s = s.grace_s,
        .mode = s.mode,
    };
    return start;
}

static struct round *opening(struct setting s)
{
    struct round_start start = start_of(s);
    struct round *r;
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    return r;
}

/* {"w": [0,0], "b": 0} */
static struct model *base_model(void)
{
    const struct model_shape shapes[] = {{.name = "w", .rank = 1, .shape = {2}}, {.name = "b"}};
    struct model *m;
    assert_int_equal(model_new(shapes, 2, &m), ST_OK);
    assert_int_equal(model_set_meta(m, "kind", "toy"), ST_OK);
    return m;
}

static const struct digest base_digest = {{7}};
static struct round_actions acts;

static struct round *opened(struct setting s)
{
    struct round *r = opening(s);
    assert_int_equal(round_base_model(r, base_model(), &base_digest, T0, &acts), ST_OK);
    assert_int_equal(acts.count, 0);
    assert_int_equal(round_state(r), ROUND_OPEN);
    return r;
}

static struct round *common(void)
{
    return opened((struct setting){.n = N, .k = N, .timeout_s = 30, .mode = ROUND_TRAIN});
}

/* Where accepted updates lie until counting is over; the oldest make room. */
static char kept[64][4096];
static size_t kept_count;

static void keep(struct round *r, struct view bytes)
{
    if (!round_wants_keep(r))
        return;
    char *place = kept[kept_count++ % 64];
    assert_true(bytes.size <= sizeof kept[0]);
    memcpy(place, bytes.data, bytes.size);
    struct digest digest = digest_of(bytes);
    round_keep(r, view_of(place, bytes.size), &digest);
    assert_false(round_wants_keep(r));
}

/* Gives the verdict; the actions are in acts. */
static enum verdict send_at(struct round *r, const struct id *sender, const char *text,
                            uint64_t now_ms)
{
    assert_int_equal(round_update(r, sender, view_text(text), now_ms, &acts), ST_OK);
    keep(r, view_text(text));
    assert_true(acts.count >= 1);
    assert_int_equal(acts.items[0].kind, ROUND_SEND_RECEIPT);
    for (size_t i = 1; i < acts.count; i++)
        assert_int_not_equal(acts.items[i].kind, ROUND_SEND_RECEIPT);

    const struct receipt *receipt = &acts.items[0].receipt;
    struct digest digest = digest_of(view_text(text));
    assert_string_equal(receipt->round_id.text, "r-1");
    assert_true(id_equal(&receipt->proplet_id, sender));
    assert_true(digest_equal(&receipt->update_digest, &digest));
    return receipt->verdict;
}

static enum verdict send(struct round *r, const struct id *sender, const char *text)
{
    return send_at(r, sender, text, T0);
}

static const char *update_text(int samples, int loss, int w0, int w1, int b)
{
    static char text[512];
    (void)snprintf(text, sizeof text,
                   UPDATE_1 "%d,\"metrics\":{\"loss\":%d},\"update\":{\"w\":[%d,%d],\"b\":%d}}",
                   samples, loss, w0, w1, b);
    return text;
}

static const char *good(int i)
{
    return update_text(1 + i, i, i, 10 * i, -i);
}

static const struct complete *completion(size_t index)
{
    assert_true(index < acts.count);
    assert_int_equal(acts.items[index].kind, ROUND_SEND_COMPLETE);
    return &acts.items[index].complete;
}

static const struct model *handed_out(size_t index)
{
    assert_true(index < acts.count);
    assert_int_equal(acts.items[index].kind, ROUND_PUBLISH_MODEL);
    assert_non_null(acts.items[index].model);
    return acts.items[index].model;
}

static void assert_model(const struct model *m, float w0, float w1, float b)
{
    assert_int_equal(model_tensor_count(m), 2);
    assert_string_equal(model_tensor(m, 0)->name, "w");
    assert_string_equal(model_tensor(m, 1)->name, "b");
    assert_true(model_tensor(m, 0)->data[0] == w0);
    assert_true(model_tensor(m, 0)->data[1] == w1);
    assert_true(model_tensor(m, 1)->data[0] == b);
}

static void tick(struct round *r, uint64_t now_ms)
{
    round_tick(r, now_ms, &acts);
}

/* ---- the whole way ---- */

static void three_of_three_make_the_weighted_mean(void **state)
{
    (void)state;
    struct round *r = common();
    assert_int_equal(send(r, &who[0], update_text(1, 4, 1, 10, 0)), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 1);
    assert_int_equal(send(r, &who[1], update_text(1, 2, 3, 10, 4)), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 1);
    assert_int_equal(send_at(r, &who[2], update_text(2, 1, 6, -10, 8), T0 + 500), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 2);
    assert_int_equal(round_state(r), ROUND_STORING);
    /* w0 = (1*1 + 1*3 + 2*6) / 4, w1 = (10 + 10 - 20) / 4, b = (0 + 4 + 16) / 4 */
    const struct model *made = handed_out(1);
    assert_model(made, 4, 0, 5);
    assert_string_equal(model_meta(made, "kind"), "toy"); /* the base's metadata */

    round_stored(r, T0 + 750, &acts);
    assert_int_equal(acts.count, 1);
    const struct complete *c = completion(0);
    assert_int_equal(c->outcome, ROUND_COMPLETED);
    assert_string_equal(c->reason, ROUND_REASON_ALL_COUNTED);
    assert_string_equal(c->round_id.text, "r-1");
    assert_string_equal(c->model_uri, BASE);
    assert_int_equal(c->mode, ROUND_TRAIN);
    assert_false(c->has_version);
    assert_int_equal(c->num_updates, 3);
    assert_int_equal(c->total_samples, 4);
    assert_int_equal(c->participants, 3);
    assert_int_equal(c->duration_ms, 750);
    assert_true(metrics_find(&c->metrics, "loss")->value == 2.0); /* (4 + 2 + 2*1) / 4 */
    assert_int_equal(c->update_bytes, strlen(update_text(1, 4, 1, 10, 0)) +
                                          strlen(update_text(1, 2, 3, 10, 4)) +
                                          strlen(update_text(2, 1, 6, -10, 8)));
    assert_int_equal(round_state(r), ROUND_ENDED);
    assert_true(round_deadline_ms(r) == UINT64_MAX);
    round_free(r);
}

static void tensors_in_another_order_are_put_in_the_bases(void **state)
{
    (void)state;
    struct round *r =
        opened((struct setting){.n = 1, .k = 1, .timeout_s = 30, .mode = ROUND_TRAIN});
    const char *text = UPDATE_1 "5,\"update\":{\"b\":7,\"w\":[1,2]}}";
    assert_int_equal(send(r, &who[0], text), VERDICT_ACCEPTED);
    assert_model(handed_out(1), 1, 2, 7);
    round_free(r);
}

static void k_of_n_closes_at_once_without_grace(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 3, .k = 2, .timeout_s = 30});
    assert_int_equal(send(r, &who[2], good(2)), VERDICT_ACCEPTED);
    assert_int_equal(round_state(r), ROUND_OPEN);
    assert_int_equal(send(r, &who[0], good(0)), VERDICT_ACCEPTED);
    assert_int_equal(round_state(r), ROUND_STORING);
    /* samples 3 and 1: (3*2 + 0) / 4, (3*20) / 4, (3*-2) / 4 */
    assert_model(handed_out(1), 1.5f, 15, -1.5f);
    assert_int_equal(send(r, &who[1], good(1)), VERDICT_LATE);
    round_stored(r, T0, &acts);
    assert_string_equal(completion(0)->reason, ROUND_REASON_K_OF_N);
    assert_int_equal(completion(0)->num_updates, 2);
    assert_int_equal(completion(0)->rejected[VERDICT_LATE], 1);
    round_free(r);
}

static void evaluation_completes_with_metrics_only(void **state)
{
    (void)state;
    struct round *r =
        opened((struct setting){.n = 2, .k = 2, .timeout_s = 30, .mode = ROUND_EVALUATE});
    assert_int_equal(send(r, &who[0], UPDATE_1 "30,\"metrics\":{\"accuracy\":1,\"loss\":2}}"),
                     VERDICT_ACCEPTED);
    assert_int_equal(send(r, &who[1], UPDATE_1 "10,\"metrics\":{\"accuracy\":0},\"update\":{}}"),
                     VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 2);
    const struct complete *c = completion(1);
    assert_int_equal(c->outcome, ROUND_COMPLETED);
    assert_int_equal(c->mode, ROUND_EVALUATE);
    assert_int_equal(c->total_samples, 40);
    assert_true(metrics_find(&c->metrics, "accuracy")->value == 0.75); /* 30 / 40 */
    assert_true(metrics_find(&c->metrics, "loss")->value == 2.0);      /* of those who said */
    assert_int_equal(round_state(r), ROUND_ENDED);
    round_free(r);
}

/* ---- the same update again ---- */

static void same_bytes_are_accepted_again_and_counted_once(void **state)
{
    (void)state;
    struct round *r = common();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
        assert_int_equal(acts.count, 1);
    }
    struct complete facts;
    round_facts(r, T0, &facts);
    assert_int_equal(facts.num_updates, 1);
    assert_int_equal(facts.total_samples, 2);
    assert_int_equal(facts.update_bytes, strlen(good(1)));
    assert_true(metrics_find(&facts.metrics, "loss")->weight == 2.0);
    round_free(r);
}

static void same_bytes_are_accepted_while_storing_and_after_the_end(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 2, .k = 1, .timeout_s = 30});
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 2);
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 1); /* and the model is not handed out twice */
    assert_int_equal(send(r, &who[0], good(2)), VERDICT_LATE);

    round_stored(r, T0, &acts);
    assert_int_equal(completion(0)->num_updates, 1);
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 1);
    assert_int_equal(send(r, &who[0], good(2)), VERDICT_LATE);
    assert_int_equal(send(r, &who[1], good(1)), VERDICT_LATE);
    assert_int_equal(send(r, &stranger, good(1)), VERDICT_NOT_PARTICIPANT);
    round_free(r);
}

/* ---- refusals ---- */

#define BODY "\"metrics\":{\"loss\":1},\"update\":{\"w\":[1,2],\"b\":3}}"

static const struct refusal {
    const struct id *sender;
    const char *text;
    enum verdict verdict;
} refusals[] = {
    {&stranger, UPDATE_1 "1," BODY, VERDICT_NOT_PARTICIPANT},
    {&stranger, "not an update at all", VERDICT_NOT_PARTICIPANT},
    {&who[1], UPDATE_1 "1,\"proplet_id\":\"p-3\"," BODY, VERDICT_WRONG_SENDER},
    {&who[1], "{\"round_id\":\"r-2\",\"base_model_uri\":\"" BASE "\",\"num_samples\":1," BODY,
     VERDICT_WRONG_ROUND},
    {&who[1], "{\"round_id\":\"r-1\",\"base_model_uri\":\"fl/models/m_v1\",\"num_samples\":1," BODY,
     VERDICT_WRONG_BASE_MODEL},
    {&who[1], UPDATE_1 "1,\"update\":{\"w\":[1,2,3],\"b\":3}}", VERDICT_WRONG_SHAPE},
    {&who[1], UPDATE_1 "1,\"update\":{\"w\":[[1,2]],\"b\":3}}", VERDICT_WRONG_SHAPE},
    {&who[1], UPDATE_1 "1,\"update\":{\"w\":[1,2]}}", VERDICT_WRONG_SHAPE},
    {&who[1], UPDATE_1 "1,\"update\":{\"w\":[1,2],\"b\":3,\"c\":4}}", VERDICT_WRONG_SHAPE},
    {&who[1], UPDATE_1 "1,\"update\":{\"w\":[[1],[2,3]],\"b\":3}}", VERDICT_WRONG_SHAPE},
    {&who[1], UPDATE_1 "1,\"update\":{}}", VERDICT_WRONG_SHAPE},
    {&who[1], UPDATE_1 "1,\"update\":{\"w\":[1,1e39],\"b\":3}}", VERDICT_NON_FINITE},
    {&who[1], UPDATE_1 "0," BODY, VERDICT_BAD_NUM_SAMPLES},
    {&who[1], UPDATE_1 "-5," BODY, VERDICT_BAD_NUM_SAMPLES},
    {&who[1], UPDATE_1 "1073741825," BODY, VERDICT_BAD_NUM_SAMPLES}, /* 2^30 + 1 */
    {&who[1], UPDATE_1 "1," BODY "}", VERDICT_MALFORMED},
    {&who[1], "", VERDICT_MALFORMED},
    {&who[0], UPDATE_1 "1," BODY, VERDICT_CONFLICT},
    {&who[0], "garbage of one who was counted", VERDICT_CONFLICT},
};

static void assert_same_facts(const struct complete *a, const struct complete *b)
{
    assert_int_equal(a->num_updates, b->num_updates);
    assert_int_equal(a->total_samples, b->total_samples);
    assert_int_equal(a->update_bytes, b->update_bytes);
    assert_int_equal(a->metrics.count, b->metrics.count);
    for (size_t i = 0; i < a->metrics.count; i++) {
        assert_true(a->metrics.items[i].value == b->metrics.items[i].value);
        assert_true(a->metrics.items[i].weight == b->metrics.items[i].weight);
    }
}

static void refused_updates_have_a_code_and_leave_no_trace(void **state)
{
    (void)state;
    struct round *r = common();
    assert_int_equal(send(r, &who[0], update_text(1, 1, 4, 8, 12)), VERDICT_ACCEPTED);
    struct complete before, after;
    round_facts(r, T0, &before);

    uint64_t rejected[VERDICT_COUNT] = {0};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        enum verdict verdict = send(r, refusals[i].sender, refusals[i].text);
        if (verdict != refusals[i].verdict)
            fail_msg("case %zu: %s instead of %s", i, verdict_code(verdict),
                     verdict_code(refusals[i].verdict));
        rejected[verdict]++;
        assert_int_equal(acts.count, 1);
        assert_int_equal(round_state(r), ROUND_OPEN);
        round_facts(r, T0, &after);
        assert_same_facts(&before, &after);
        assert_memory_equal(after.rejected, rejected, sizeof rejected);
    }
    /* The refused participant may still send a right one, and the mean is that
     * of the three that were accepted: (4 + 0 + 2) / 3 and so on. */
    assert_int_equal(send(r, &who[1], update_text(1, 1, 0, 1, 0)), VERDICT_ACCEPTED);
    assert_int_equal(send(r, &who[2], update_text(1, 1, 2, 0, 3)), VERDICT_ACCEPTED);
    assert_model(handed_out(1), 2, 3, 5);
    round_stored(r, T0, &acts);
    assert_memory_equal(completion(0)->rejected, rejected, sizeof rejected);
    round_free(r);
}

static void safetensors_of_another_dtype_are_refused(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"round_id\":\"r-1\",\"base_model_uri\":\"" BASE
        "\",\"num_samples\":\"1\"},\"b\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}";
    uint8_t bytes[8 + sizeof header - 1 + 8] = {0};
    bytes[0] = (uint8_t)(sizeof header - 1);
    bytes[1] = (uint8_t)((sizeof header - 1) >> 8);
    memcpy(bytes + 8, header, sizeof header - 1);

    struct round *r = common();
    assert_int_equal(round_update(r, &who[0], view_of(bytes, sizeof bytes), T0, &acts), ST_OK);
    assert_int_equal(acts.items[0].receipt.verdict, VERDICT_WRONG_DTYPE);
    assert_int_equal(acts.count, 1);
    round_free(r);
}

static void larger_than_a_message_is_too_large(void **state)
{
    (void)state;
    size_t size = MESSAGE_SIZE_MAX + 1;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, ' ', size);
    struct round *r = common();
    assert_int_equal(round_update(r, &who[0], view_of(bytes, size), T0, &acts), ST_OK);
    assert_int_equal(acts.items[0].receipt.verdict, VERDICT_TOO_LARGE);
    assert_int_equal(acts.count, 1);
    free(bytes);
    round_free(r);
}

static void evaluation_refuses_tensors_and_wants_metrics(void **state)
{
    (void)state;
    struct round *r =
        opened((struct setting){.n = 2, .k = 2, .timeout_s = 30, .mode = ROUND_EVALUATE});
    assert_int_equal(send(r, &who[0], UPDATE_1 "1," BODY), VERDICT_WRONG_SHAPE);
    assert_int_equal(send(r, &who[0], UPDATE_1 "1}"), VERDICT_MALFORMED);
    assert_int_equal(send(r, &who[0], UPDATE_1 "1,\"metrics\":{}}"), VERDICT_MALFORMED);
    struct complete facts;
    round_facts(r, T0, &facts);
    assert_int_equal(facts.num_updates, 0);
    assert_int_equal(facts.metrics.count, 0);
    assert_int_equal(facts.rejected[VERDICT_MALFORMED], 2);
    assert_int_equal(facts.rejected[VERDICT_WRONG_SHAPE], 1);
    round_free(r);
}

static void body_that_names_its_sender_is_fine(void **state)
{
    (void)state;
    struct round *r = common();
    assert_int_equal(send(r, &who[1], UPDATE_1 "1,\"proplet_id\":\"p-2\"," BODY), VERDICT_ACCEPTED);
    round_free(r);
}

/* ---- time ---- */

static void expires_at_the_timeout_and_not_before(void **state)
{
    (void)state;
    struct round *r = common();
    uint64_t end_ms = T0 + 30 * SECOND;
    assert_int_equal(round_deadline_ms(r), end_ms);
    assert_int_equal(send_at(r, &who[0], good(0), end_ms - 1), VERDICT_ACCEPTED);
    assert_int_equal(send_at(r, &who[1], good(1), end_ms), VERDICT_LATE);
    tick(r, end_ms - 1);
    assert_int_equal(acts.count, 0);
    assert_int_equal(round_state(r), ROUND_OPEN);

    tick(r, end_ms);
    assert_int_equal(acts.count, 1);
    const struct complete *c = completion(0);
    assert_int_equal(c->outcome, ROUND_EXPIRED);
    assert_string_equal(c->reason, ROUND_REASON_TOO_FEW);
    assert_int_equal(c->num_updates, 1);
    assert_int_equal(c->rejected[VERDICT_LATE], 1);
    assert_int_equal(c->duration_ms, 30 * SECOND);
    tick(r, end_ms + 1);
    assert_int_equal(acts.count, 0); /* one start, one complete */
    round_free(r);
}

static void grace_starts_with_the_kth_and_then_closes(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 4, .k = 2, .timeout_s = 30, .grace_s = 5});
    assert_int_equal(send_at(r, &who[0], good(0), T0 + 1000), VERDICT_ACCEPTED);
    assert_int_equal(round_deadline_ms(r), T0 + 30 * SECOND);
    assert_int_equal(send_at(r, &who[1], good(1), T0 + 2000), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 1);
    assert_int_equal(round_deadline_ms(r), T0 + 7000);
    assert_int_equal(send_at(r, &who[2], good(2), T0 + 6999), VERDICT_ACCEPTED);
    assert_int_equal(round_deadline_ms(r), T0 + 7000); /* not moved by the one after the k-th */
    tick(r, T0 + 6999);
    assert_int_equal(acts.count, 0);
    assert_int_equal(send_at(r, &who[3], good(3), T0 + 7000), VERDICT_LATE);

    tick(r, T0 + 7000);
    assert_int_equal(acts.count, 1);
    /* samples 1, 2, 3: w0 = (0 + 2*1 + 3*2) / 6 */
    assert_true(model_tensor(handed_out(0), 0)->data[0] == (float)(8.0 / 6.0));
    round_stored(r, T0 + 7001, &acts);
    assert_string_equal(completion(0)->reason, ROUND_REASON_K_OF_N);
    assert_int_equal(completion(0)->num_updates, 3);
    round_free(r);
}

static void last_participant_ends_the_grace(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 2, .k = 1, .timeout_s = 30, .grace_s = 5});
    assert_int_equal(send(r, &who[0], good(0)), VERDICT_ACCEPTED);
    assert_int_equal(round_state(r), ROUND_OPEN);
    assert_int_equal(send(r, &who[1], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(acts.count, 2);
    (void)handed_out(1);
    round_stored(r, T0, &acts);
    assert_string_equal(completion(0)->reason, ROUND_REASON_ALL_COUNTED);
    round_free(r);
}

static void timeout_within_the_grace_completes(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 2, .k = 1, .timeout_s = 3, .grace_s = 60});
    assert_int_equal(send_at(r, &who[0], good(0), T0 + 2000), VERDICT_ACCEPTED);
    assert_int_equal(round_deadline_ms(r), T0 + 3000);
    tick(r, T0 + 3000);
    (void)handed_out(0);
    assert_int_equal(round_state(r), ROUND_STORING);
    round_free(r);
}

/* ---- the base model ---- */

static void updates_wait_while_the_base_is_awaited(void **state)
{
    (void)state;
    struct round *r = opening((struct setting){.n = 1, .k = 1, .timeout_s = 30});
    acts.count = 0;
    assert_int_equal(round_update(r, &who[0], view_text(good(1)), T0, &acts), ST_NOT_FOUND);
    assert_int_equal(acts.count, 0);
    /* Who does not take part needs no model to be told so. */
    assert_int_equal(send(r, &stranger, good(1)), VERDICT_NOT_PARTICIPANT);
    struct complete facts;
    round_facts(r, T0, &facts);
    assert_int_equal(facts.num_updates, 0);

    assert_int_equal(round_base_model(r, base_model(), &base_digest, T0, &acts), ST_OK);
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(round_state(r), ROUND_STORING);
    round_free(r);
}

static void base_that_never_comes_fails_the_round(void **state)
{
    (void)state;
    struct round *r = opening((struct setting){.n = 1, .k = 1, .timeout_s = 30});
    assert_int_equal(round_deadline_ms(r), T0 + ROUND_MODEL_WAIT_MS);
    tick(r, T0 + ROUND_MODEL_WAIT_MS - 1);
    assert_int_equal(acts.count, 0);
    tick(r, T0 + ROUND_MODEL_WAIT_MS);
    assert_int_equal(completion(0)->outcome, ROUND_FAILED);
    assert_string_equal(completion(0)->reason, ROUND_REASON_BASE_MISSING);
    /* It coming now changes nothing. */
    assert_int_equal(round_base_model(r, base_model(), &base_digest, T0 + 20000, &acts), ST_OK);
    assert_int_equal(acts.count, 0);
    assert_int_equal(round_state(r), ROUND_ENDED);
    round_free(r);

    r = opening((struct setting){.n = 1, .k = 1, .timeout_s = 2}); /* shorter than the wait */
    assert_int_equal(round_deadline_ms(r), T0 + 2000);
    tick(r, T0 + 2000);
    assert_string_equal(completion(0)->reason, ROUND_REASON_BASE_MISSING);
    round_free(r);
}

static void base_of_another_digest_fails_the_round(void **state)
{
    (void)state;
    struct round_start start = start_of((struct setting){.n = 1, .k = 1, .timeout_s = 30});
    start.has_model_digest = true;
    start.model_digest = base_digest;
    struct round *r;
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    struct digest other = {{8}};
    assert_int_equal(round_base_model(r, base_model(), &other, T0, &acts), ST_OK);
    assert_int_equal(acts.count, 1);
    assert_int_equal(completion(0)->outcome, ROUND_FAILED);
    assert_string_equal(completion(0)->reason, ROUND_REASON_BASE_DIGEST);
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_LATE);
    round_free(r);

    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    assert_int_equal(round_base_model(r, base_model(), &base_digest, T0, &acts), ST_OK);
    assert_int_equal(round_state(r), ROUND_OPEN);
    round_free(r);
}

static void base_without_parameters_cannot_be_trained(void **state)
{
    (void)state;
    struct model *empty;
    assert_int_equal(model_new(NULL, 0, &empty), ST_OK);
    struct round *r = opening((struct setting){.n = 1, .k = 1, .timeout_s = 30});
    assert_int_equal(round_base_model(r, empty, &base_digest, T0, &acts), ST_OK);
    assert_int_equal(completion(0)->outcome, ROUND_FAILED);
    assert_string_equal(completion(0)->reason, ROUND_REASON_BASE_EMPTY);
    round_free(r);
}

/* ---- storing ---- */

static void version_is_handed_out_again_until_it_is_stored(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 1, .k = 1, .timeout_s = 3});
    assert_int_equal(send(r, &who[0], update_text(1, 0, 5, 6, 7)), VERDICT_ACCEPTED);
    const struct model *first = handed_out(1);
    uint64_t now_ms = T0;
    for (uint32_t try = 2; try <= ROUND_STORE_TRIES_MAX; try++) {
        tick(r, now_ms + ROUND_STORE_WAIT_MS - 1);
        assert_int_equal(acts.count, 0);
        now_ms += ROUND_STORE_WAIT_MS;
        tick(r, now_ms);
        assert_int_equal(acts.count, 1);
        assert_ptr_equal(handed_out(0), first);
        assert_model(first, 5, 6, 7);
    }
    round_stored(r, now_ms + 1, &acts);
    assert_int_equal(completion(0)->outcome, ROUND_COMPLETED);
    round_stored(r, now_ms + 2, &acts);
    assert_int_equal(acts.count, 0);
    round_free(r);
}

static void version_that_is_never_stored_fails_the_round(void **state)
{
    (void)state;
    struct round *r = opened((struct setting){.n = 1, .k = 1, .timeout_s = 3});
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
    uint64_t now_ms = T0;
    for (uint32_t i = 0; i < ROUND_STORE_TRIES_MAX - 1; i++) {
        now_ms += ROUND_STORE_WAIT_MS;
        tick(r, now_ms);
        (void)handed_out(0);
    }
    now_ms += ROUND_STORE_WAIT_MS;
    tick(r, now_ms);
    assert_int_equal(acts.count, 1);
    assert_int_equal(completion(0)->outcome, ROUND_FAILED);
    assert_string_equal(completion(0)->reason, ROUND_REASON_MODEL_NOT_STORED);
    assert_int_equal(completion(0)->num_updates, 1);
    round_stored(r, now_ms, &acts);
    assert_int_equal(acts.count, 0);
    round_free(r);
}

static void stored_means_nothing_before_a_version_was_made(void **state)
{
    (void)state;
    struct round *r = common();
    round_stored(r, T0, &acts);
    assert_int_equal(acts.count, 0);
    assert_int_equal(round_state(r), ROUND_OPEN);
    round_free(r);
}

/* ---- cancelling, and what is refused at the start ---- */

static void cancel_ends_any_state_once(void **state)
{
    (void)state;
    struct setting one = {.n = 1, .k = 1, .timeout_s = 30};
    for (int where = ROUND_OPENING; where <= ROUND_STORING; where++) {
        if (where == ROUND_UNMASKING) /* protected_test.c */
            continue;
        struct round *r = where == ROUND_OPENING ? opening(one) : opened(one);
        if (where == ROUND_STORING)
            assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
        assert_int_equal(round_state(r), where);
        round_cancel(r, ROUND_CANCELLED, "asked_to", T0 + 5, &acts);
        assert_int_equal(acts.count, 1);
        assert_int_equal(completion(0)->outcome, ROUND_CANCELLED);
        assert_string_equal(completion(0)->reason, "asked_to");
        assert_int_equal(completion(0)->duration_ms, 5);
        round_cancel(r, ROUND_FAILED, "again", T0 + 6, &acts);
        assert_int_equal(acts.count, 0);
        round_free(r);
    }
}

static void unusable_starts_are_refused(void **state)
{
    (void)state;
    struct round *r = NULL;
    struct round_start start = start_of((struct setting){.n = 2, .k = 3, .timeout_s = 30});
    assert_int_equal(round_new(&start, T0, &r), ST_INVALID);
    start.k_of_n = 0;
    assert_int_equal(round_new(&start, T0, &r), ST_INVALID);
    start.k_of_n = 1;
    start.participant_count = 0;
    assert_int_equal(round_new(&start, T0, &r), ST_INVALID);
    struct id twice[] = {{"a"}, {"a"}};
    start.participants = twice;
    start.participant_count = 2;
    assert_int_equal(round_new(&start, T0, &r), ST_INVALID);
    assert_null(r);
}

static void start_is_copied_without_hyperparams(void **state)
{
    (void)state;
    struct round_start start = start_of((struct setting){.n = 2, .k = 1, .timeout_s = 30});
    struct id mine[] = {{"a"}, {"b"}};
    start.participants = mine;
    start.hyperparams = json_pack("{s:i}", "epochs", 1);
    struct round *r;
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    json_decref(start.hyperparams);
    memset(mine, 0, sizeof mine);
    assert_string_equal(round_start_of(r)->participants[1].text, "b");
    assert_int_equal(json_object_size(round_start_of(r)->hyperparams), 0);
    round_free(r);
    assert_null(round_free(NULL));
}

/* ---- any order, any repetition: the same ledger and the same mean ---- */

#define ARRIVALS 20

/* Five participants of five, each at least once, shuffled and repeated, with
 * refused updates in between. Values are whole numbers, so sums are exact. */
static void any_order_of_arrivals_gives_the_same_result(void **state)
{
    (void)state;
    struct rand rand = {20261124};
    /* samples i+1, w0 = i: sum (i+1) i = 0+2+6+12+20 = 40, of 15 samples */
    const float w0 = (float)(40.0 / 15.0);
    for (int run = 0; run < 500; run++) {
        struct round *r = opened((struct setting){.n = 5, .k = 5, .timeout_s = 30});
        bool seen[5] = {false};
        size_t distinct = 0;
        const struct model *made = NULL;
        for (int i = 0; i < ARRIVALS || distinct < 5; i++) {
            size_t p = (size_t)rand_below(&rand, 5);
            if (rand_below(&rand, 4) == 0)
                assert_int_not_equal(send(r, &who[p], "spoilt"), VERDICT_ACCEPTED);
            if (rand_below(&rand, 4) == 0)
                assert_int_equal(send(r, &stranger, good(9)), VERDICT_NOT_PARTICIPANT);
            assert_int_equal(send(r, &who[p], good((int)p)), VERDICT_ACCEPTED);
            distinct += seen[p] ? 0 : 1;
            seen[p] = true;
            if (acts.count == 2)
                made = handed_out(1);
            assert_true((made != NULL) == (distinct == 5));
        }
        assert_model(made, w0, (float)(400.0 / 15.0), -w0);
        round_stored(r, T0, &acts);
        assert_int_equal(completion(0)->num_updates, 5);
        assert_int_equal(completion(0)->total_samples, 15);
        assert_true(metrics_find(&completion(0)->metrics, "loss")->weight == 15.0);
        assert_true(fabs(metrics_find(&completion(0)->metrics, "loss")->value - 40.0 / 15.0) <
                    1e-12);
        round_free(r);
    }
}

/* Values and metrics whose sums are rounded: any other order would show. */
static const char *rounded(size_t i)
{
    static char text[512];
    struct rand rand = {i + 1};
    (void)snprintf(text, sizeof text,
                   UPDATE_1 "%zu,\"metrics\":{\"loss\":%.17g},\"update\":{\"w\":[%.9g,%.9g],"
                            "\"b\":%.9g}}",
                   i * 7 + 1, rand_unit(&rand), rand_unit(&rand) / 3, rand_unit(&rand) * 1e-9,
                   rand_unit(&rand) * 1e9);
    return text;
}

static void any_order_of_arrivals_gives_the_same_bytes(void **state)
{
    (void)state;
    float first[3] = {0};
    double loss = 0;
    for (size_t run = 0; run < 120; run++) {
        struct round *r = opened((struct setting){.n = 5, .k = 5, .timeout_s = 30});
        size_t order[5] = {0, 1, 2, 3, 4}, rest = run;
        for (size_t i = 5; i > 1; rest /= i, i--) { /* the run-th permutation */
            size_t other = rest % i, was = order[i - 1];
            order[i - 1] = order[other];
            order[other] = was;
        }
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(send(r, &who[order[i]], rounded(order[i])), VERDICT_ACCEPTED);
        const float *params = model_params(handed_out(1));
        struct complete facts;
        round_facts(r, T0, &facts);
        if (run == 0) {
            memcpy(first, params, sizeof first);
            loss = facts.metrics.items[0].value;
        }
        assert_memory_equal(params, first, sizeof first);
        assert_true(facts.metrics.items[0].value == loss);
        round_free(r);
    }
}

/* ---- server optimisers ---- */

#define FEDADAM "{\"optimiser\":{\"kind\":\"fedadam\",\"rate\":0.5}}"

/* takes: base. Five updates in the run-th order; gives: the version. */
static struct model *stepped(const char *aggregation, struct model *base, size_t run)
{
    struct round_start start = start_of((struct setting){.n = 5, .k = 5, .timeout_s = 30});
    start.aggregation = json_loads(aggregation, 0, NULL);
    struct round *r;
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    json_decref(start.aggregation);
    assert_int_equal(round_base_model(r, base, &base_digest, T0, &acts), ST_OK);
    assert_int_equal(round_state(r), ROUND_OPEN);
    assert_int_equal(round_param_count(r), 3); /* the state is no parameter */
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(send(r, &who[(i * 2 + run) % 5], rounded((i * 2 + run) % 5)),
                         VERDICT_ACCEPTED);
    struct bytes bytes = {0};
    struct model *copy;
    enum model_form form;
    assert_int_equal(model_encode(handed_out(1), MODEL_SAFETENSORS, &bytes), ST_OK);
    assert_int_equal(model_decode(bytes_view(&bytes), &copy, &form, NULL), ST_OK);
    bytes_done(&bytes);
    round_free(r);
    return copy;
}

static void optimiser_state_goes_on_with_the_version_in_any_order(void **state)
{
    (void)state;
    struct bytes first = {0};
    for (size_t run = 0; run < 5; run++) {
        struct model *one = stepped(FEDADAM, base_model(), run);
        assert_true(model_find(one, "optimiser.steps")->data[0] == 1);
        struct model *two = stepped(FEDADAM, one, run + 1);
        assert_true(model_find(two, "optimiser.steps")->data[0] == 2);
        assert_int_equal(model_find(two, "optimiser.momentum")->count, 3);
        assert_int_equal(model_find(two, "optimiser.second_moment")->count, 3);
        assert_string_equal(model_meta(two, "optimiser"), "fedadam");
        struct bytes bytes = {0};
        assert_int_equal(model_encode(two, MODEL_SAFETENSORS, &bytes), ST_OK);
        if (run == 0)
            first = bytes;
        assert_int_equal(bytes.size, first.size);
        assert_memory_equal(bytes.data, first.data, first.size);
        if (run != 0)
            bytes_done(&bytes);
        model_free(two);
    }
    bytes_done(&first);
}

static void round_without_optimiser_lets_the_state_go(void **state)
{
    (void)state;
    struct model *plain = stepped("{}", stepped(FEDADAM, base_model(), 0), 0);
    assert_int_equal(model_tensor_count(plain), 2);
    assert_null(model_meta(plain, "optimiser"));
    assert_string_equal(model_meta(plain, "kind"), "toy");
    model_free(plain);
}

static void state_of_another_optimiser_fails_the_round(void **state)
{
    (void)state;
    struct round_start start = start_of((struct setting){.n = 5, .k = 5, .timeout_s = 30});
    start.aggregation = json_loads("{\"optimiser\":{\"kind\":\"fedyogi\"}}", 0, NULL);
    struct round *r;
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    json_decref(start.aggregation);
    struct model *base = stepped(FEDADAM, base_model(), 0);
    assert_int_equal(round_base_model(r, base, &base_digest, T0, &acts), ST_OK);
    assert_int_equal(round_state(r), ROUND_ENDED);
    assert_string_equal(completion(0)->reason, ROUND_REASON_BASE_STATE);
    round_free(r);
}

static void digest_alone_decides_as_the_bytes_would(void **state)
{
    (void)state;
    struct round *r = common();
    struct digest first = digest_of(view_text(good(0))), other = digest_of(view_text("other"));
    struct round_actions only;
    assert_int_equal(round_update_known(r, &who[0], &first, T0, &only), ST_NOT_FOUND);
    assert_int_equal(only.count, 0);
    assert_int_equal(send(r, &who[0], good(0)), VERDICT_ACCEPTED);
    const struct {
        const struct id *sender;
        const struct digest *digest;
        uint64_t now_ms;
        enum verdict verdict;
    } cases[] = {
        {&stranger, &first, T0, VERDICT_NOT_PARTICIPANT},
        {&who[0], &first, T0, VERDICT_ACCEPTED},
        {&who[0], &other, T0, VERDICT_CONFLICT},
        {&who[1], &other, T0 + 30 * SECOND, VERDICT_LATE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            round_update_known(r, cases[i].sender, cases[i].digest, cases[i].now_ms, &only), ST_OK);
        assert_int_equal(only.count, 1);
        assert_int_equal(only.items[0].receipt.verdict, cases[i].verdict);
        assert_true(digest_equal(&only.items[0].receipt.update_digest, cases[i].digest));
    }
    struct complete facts;
    round_facts(r, T0, &facts);
    assert_int_equal(facts.num_updates, 1);
    assert_int_equal(facts.rejected[VERDICT_CONFLICT], 1);
    round_free(r);
}

static void what_comes_in_parts_has_its_own_time(void **state)
{
    (void)state;
    struct round *r = opening((struct setting){.n = 1, .k = 1, .timeout_s = 30});
    assert_int_equal(round_deadline_ms(r), T0 + ROUND_MODEL_WAIT_MS);
    round_base_coming(r, T0 + 9 * SECOND);
    assert_int_equal(round_deadline_ms(r), T0 + 9 * SECOND + ROUND_MODEL_WAIT_MS);
    round_base_coming(r, T0 + 25 * SECOND); /* but no more than the round's */
    assert_int_equal(round_deadline_ms(r), T0 + 30 * SECOND);
    assert_int_equal(round_base_model(r, base_model(), &base_digest, T0, &acts), ST_OK);
    round_base_coming(r, T0 + 29 * SECOND);
    assert_int_equal(round_deadline_ms(r), T0 + 30 * SECOND);
    round_being_stored(r, T0); /* nothing is */
    assert_int_equal(send(r, &who[0], good(0)), VERDICT_ACCEPTED);
    assert_int_equal(round_deadline_ms(r), T0 + ROUND_STORE_WAIT_MS);
    for (uint32_t i = 1; i < 3 * ROUND_STORE_TRIES_MAX; i++) {
        round_being_stored(r, T0 + i * SECOND);
        assert_int_equal(round_deadline_ms(r), T0 + i * SECOND + ROUND_STORE_WAIT_MS);
    }
    assert_int_equal(round_state(r), ROUND_STORING);
    round_free(r);
}

static void kept_bytes_that_change_fail_the_round(void **state)
{
    (void)state;
    struct round *r = common();
    assert_int_equal(send(r, &who[0], good(0)), VERDICT_ACCEPTED);
    char *place = kept[(kept_count - 1) % 64];
    place[20] ^= 1;
    assert_int_equal(send(r, &who[1], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(send(r, &who[2], good(2)), VERDICT_ACCEPTED);
    assert_int_equal(completion(1)->outcome, ROUND_FAILED);
    assert_string_equal(completion(1)->reason, ROUND_REASON_CORRUPT);
    assert_int_equal(completion(1)->num_updates, 3);
    assert_int_equal(round_state(r), ROUND_ENDED);
    round_free(r);
}

static void rule_of_the_start_is_used_and_checked(void **state)
{
    (void)state;
    struct round_start start = start_of((struct setting){.n = 3, .k = 3, .timeout_s = 30});
    struct round *r = NULL;
    start.aggregation = json_pack("{s:s, s:i}", "rule", "krum", "byzantine", 1);
    assert_int_equal(round_new(&start, T0, &r), ST_INVALID); /* it needs five */
    assert_null(r);
    json_decref(start.aggregation);
    start.aggregation = json_pack("{s:s}", "rule", "median");
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    json_decref(start.aggregation);
    assert_int_equal(round_base_model(r, base_model(), &base_digest, T0, &acts), ST_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(r, &who[i], update_text(1, 0, i == 0 ? 1000 : i, i, 5 - i)),
                         VERDICT_ACCEPTED);
    assert_model(handed_out(1), 2, 1, 4);
    round_free(r);
}

/* ---- after a restart ---- */

/* What was kept may have another form than what came: it is known by what came. */
static void updates_are_restored_from_what_was_kept(void **state)
{
    (void)state;
    struct round *r = common(), *again = common();
    struct bytes forms[N] = {0};
    for (size_t i = 0; i < N; i++) {
        struct update u;
        const char *text = rounded(i);
        assert_int_equal(send_at(r, &who[i], text, T0 + i), VERDICT_ACCEPTED);
        assert_int_equal(update_decode(view_text(text), &u, NULL), UPDATE_FINE);
        assert_int_equal(update_encode(&u, MODEL_SAFETENSORS, &forms[i]), ST_OK);
        update_done(&u);
        struct round_kept kept_one = {.update = digest_of(view_text(text)),
                                      .size = strlen(text),
                                      .bytes = bytes_view(&forms[i]),
                                      .digest = digest_of(bytes_view(&forms[i]))};
        struct round_actions more;
        assert_int_equal(round_restore_update(again, &who[i], &kept_one, T0 + i, &more), ST_OK);
        assert_false(round_wants_keep(again));
        assert_int_equal(more.count, i == N - 1 ? 1 : 0); /* no receipt */
        const struct model *made = more.count == 0 ? NULL : more.items[0].model;
        assert_int_equal(round_restore_update(again, &who[i], &kept_one, T0 + i, &more),
                         ST_CORRUPT); /* twice */
        if (i == N - 1) {
            struct complete facts, facts_again;
            assert_memory_equal(model_params(handed_out(1)), model_params(made), 3 * sizeof(float));
            round_facts(r, T0, &facts);
            round_facts(again, T0, &facts_again);
            assert_int_equal(facts.update_bytes, facts_again.update_bytes);
            assert_true(facts.metrics.items[0].value == facts_again.metrics.items[0].value);
        }
        assert_int_equal(round_counted(again), i + 1);
        assert_int_equal(round_samples(again), round_samples(r));
    }
    assert_int_equal(send(again, &who[0], rounded(0)), VERDICT_ACCEPTED); /* the same bytes */
    assert_int_equal(round_counted(again), N);
    for (size_t i = 0; i < N; i++)
        bytes_done(&forms[i]);
    round_free(r);
    round_free(again);
}

static void same_events_again_make_the_same_round(void **state)
{
    (void)state;
    struct round *twice[2];
    for (int i = 0; i < 2; i++) {
        twice[i] = opened(
            (struct setting){.n = N, .k = 2, .timeout_s = 30, .grace_s = 5, .mode = ROUND_TRAIN});
        if (i == 0) /* refused ones are not fed again, they are told */
            assert_int_equal(send(twice[0], &who[2], "spoilt"), VERDICT_MALFORMED);
        else
            round_restore_rejected(twice[1], VERDICT_MALFORMED, 1);
        assert_int_equal(send_at(twice[i], &who[0], good(1), T0 + 10), VERDICT_ACCEPTED);
        assert_int_equal(send_at(twice[i], &who[1], good(2), T0 + 1000), VERDICT_ACCEPTED);
    }
    assert_int_equal(round_deadline_ms(twice[0]), T0 + 6000); /* the grace after the second */
    assert_int_equal(round_deadline_ms(twice[1]), T0 + 6000);
    struct complete facts[2];
    for (int i = 0; i < 2; i++)
        round_facts(twice[i], T0 + 2000, &facts[i]);
    assert_memory_equal(&facts[0], &facts[1], sizeof facts[0]);
    for (int i = 0; i < 2; i++) {
        tick(twice[i], T0 + 6000);
        /* (2*1 + 3*2) / 5, (2*10 + 3*20) / 5, -(2*1 + 3*2) / 5 */
        assert_model(handed_out(0), 1.6f, 16, -1.6f);
        round_free(twice[i]);
    }
}

static void restored_ended_round_answers_as_it_did(void **state)
{
    (void)state;
    struct round_start start = start_of((struct setting){.n = N, .k = 1, .timeout_s = 30});
    const struct complete complete = {
        .round_id = {"r-1"}, .outcome = ROUND_EXPIRED, .reason = "why", .num_updates = 1};
    struct digest counted = digest_of(view_text(good(1)));
    struct round *r;
    assert_int_equal(round_restore_ended(&start, &complete, &r), ST_OK);
    assert_int_equal(round_restore_counted(r, &who[0], &counted), ST_OK);
    assert_int_equal(round_restore_counted(r, &who[0], &counted), ST_INVALID); /* once */
    assert_int_equal(round_restore_counted(r, &stranger, &counted), ST_INVALID);

    assert_int_equal(round_state(r), ROUND_ENDED);
    assert_true(round_deadline_ms(r) == UINT64_MAX);
    assert_int_equal(send(r, &who[0], good(1)), VERDICT_ACCEPTED);
    assert_int_equal(send(r, &who[0], good(2)), VERDICT_LATE);
    assert_int_equal(send(r, &who[1], good(1)), VERDICT_LATE);
    assert_int_equal(send(r, &stranger, good(1)), VERDICT_NOT_PARTICIPANT);
    struct complete facts;
    round_facts(r, T0, &facts);
    assert_int_equal(facts.num_updates, 1);
    assert_int_equal(facts.outcome, ROUND_EXPIRED);
    round_free(r);

    start.k_of_n = 0;
    assert_int_equal(round_restore_ended(&start, &complete, &r), ST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_of_three_make_the_weighted_mean),
        cmocka_unit_test(tensors_in_another_order_are_put_in_the_bases),
        cmocka_unit_test(k_of_n_closes_at_once_without_grace),
        cmocka_unit_test(evaluation_completes_with_metrics_only),
        cmocka_unit_test(same_bytes_are_accepted_again_and_counted_once),
        cmocka_unit_test(same_bytes_are_accepted_while_storing_and_after_the_end),
        cmocka_unit_test(refused_updates_have_a_code_and_leave_no_trace),
        cmocka_unit_test(safetensors_of_another_dtype_are_refused),
        cmocka_unit_test(larger_than_a_message_is_too_large),
        cmocka_unit_test(evaluation_refuses_tensors_and_wants_metrics),
        cmocka_unit_test(body_that_names_its_sender_is_fine),
        cmocka_unit_test(expires_at_the_timeout_and_not_before),
        cmocka_unit_test(grace_starts_with_the_kth_and_then_closes),
        cmocka_unit_test(last_participant_ends_the_grace),
        cmocka_unit_test(timeout_within_the_grace_completes),
        cmocka_unit_test(updates_wait_while_the_base_is_awaited),
        cmocka_unit_test(base_that_never_comes_fails_the_round),
        cmocka_unit_test(base_of_another_digest_fails_the_round),
        cmocka_unit_test(base_without_parameters_cannot_be_trained),
        cmocka_unit_test(version_is_handed_out_again_until_it_is_stored),
        cmocka_unit_test(version_that_is_never_stored_fails_the_round),
        cmocka_unit_test(stored_means_nothing_before_a_version_was_made),
        cmocka_unit_test(cancel_ends_any_state_once),
        cmocka_unit_test(unusable_starts_are_refused),
        cmocka_unit_test(start_is_copied_without_hyperparams),
        cmocka_unit_test(any_order_of_arrivals_gives_the_same_result),
        cmocka_unit_test(any_order_of_arrivals_gives_the_same_bytes),
        cmocka_unit_test(optimiser_state_goes_on_with_the_version_in_any_order),
        cmocka_unit_test(round_without_optimiser_lets_the_state_go),
        cmocka_unit_test(state_of_another_optimiser_fails_the_round),
        cmocka_unit_test(digest_alone_decides_as_the_bytes_would),
        cmocka_unit_test(what_comes_in_parts_has_its_own_time),
        cmocka_unit_test(kept_bytes_that_change_fail_the_round),
        cmocka_unit_test(rule_of_the_start_is_used_and_checked),
        cmocka_unit_test(updates_are_restored_from_what_was_kept),
        cmocka_unit_test(same_events_again_make_the_same_round),
        cmocka_unit_test(restored_ended_round_answers_as_it_did),
    };
    return cmocka_run_group_tests_name("round/round", tests, NULL, NULL);
}
