/* A protected round from the guests' updates to the version: what the devices send is made by
 * protect/encode.h, and the version is the mean of the clipped differences, whether they were
 * masked or not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "model/model_file.h"
#include "protect/encode.h"
#include "round/round.h"
#include "secagg/scene.h"

#define N      5
#define PARAMS 5
#define T0     1000u
#define IMAGE  "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static const char base_text[] = "{\"w\":[1,2,3,4],\"b\":-1}";

static struct round_actions acts;

/* ---- devices ---- */

static void fill(void *owner, void *bytes, size_t size)
{
    (void)owner;
    randombytes_buf(bytes, size);
}

/* Parameters of device i: the base and a difference of (i + 1) * step in each. */
static struct bytes guest_update(size_t i, double step, unsigned samples)
{
    char text[512];
    double d = (double)(i + 1) * step;
    struct bytes b = {0};
    (void)snprintf(text, sizeof text,
                   "{\"round_id\":\"r\",\"base_model_uri\":\"fl/models/m_v0\",\"num_samples\":%u,"
                   "\"metrics\":{\"loss\":%.17g},\"update\":{\"w\":[%.9g,%.9g,%.9g,%.9g],"
                   "\"b\":%.9g}}",
                   samples, 0.5 * (double)(i + 1), 1 + d, 2 + d, 3 + d, 4 + d, -1 + d);
    assert_int_equal(bytes_copy(&b, view_text(text)), ST_OK);
    return b;
}

/* What the device would send. client: NULL: not masked */
static struct bytes protect(const struct protection *p, struct view update,
                            const struct secagg_client *client)
{
    struct encode *e = NULL;
    struct why why = {""};
    bool done = false;
    const struct encode_order order = {.protection = p,
                                       .round_id = {"r"},
                                       .base_model_uri = "fl/models/m_v0",
                                       .base = view_text(base_text),
                                       .update = update,
                                       .random = {fill, NULL},
                                       .client = client};
    if (encode_new(&order, &e, &why) != ST_OK)
        fail_msg("%s", why.text);
    struct bytes file = {0};
    assert_int_equal(bytes_resize(&file, encode_size(e)), ST_OK);
    encode_into(e, file.data);
    while (!done) {
        int64_t budget = 1; /* one block a turn */
        assert_int_equal(encode_step(e, &budget, &done, &why), ST_OK);
    }
    encode_free(e);
    return file;
}

/* ---- rounds ---- */

static struct round *opened(const char *privacy, unsigned k, const struct id *ids, size_t count)
{
    char text[2048];
    int size = snprintf(text, sizeof text,
                        "{\"round_id\":\"r\",\"model_uri\":\"fl/models/m_v0\",\"task_wasm_image\":"
                        "\"" IMAGE "\",\"k_of_n\":%u,\"privacy\":%s,\"participants\":[",
                        k, privacy);
    for (size_t i = 0; i < count; i++)
        size += snprintf(text + size, sizeof text - (size_t)size, "%s\"%s\"", i == 0 ? "" : ",",
                         ids[i].text);
    (void)snprintf(text + size, sizeof text - (size_t)size, "]}");
    struct round_start start;
    struct id id;
    struct why why = {""};
    struct round *r = NULL;
    struct model *base = NULL;
    if (round_start_decode(view_text(text), &start, &id, &why) != ST_OK ||
        protection_check(&start, &why) != ST_OK)
        fail_msg("%s", why.text);
    assert_int_equal(round_new(&start, T0, &r), ST_OK);
    round_start_done(&start);
    assert_int_equal(model_decode(view_text(base_text), &base, NULL, NULL), ST_OK);
    struct digest digest = digest_of(view_text(base_text));
    assert_int_equal(round_base_model(r, base, &digest, T0, &acts), ST_OK);
    assert_int_equal(acts.count, 0);
    assert_non_null(round_protection(r));
    return r;
}

static enum verdict give(struct round *r, const struct id *sender, const struct bytes *update)
{
    assert_int_equal(round_update(r, sender, bytes_view(update), T0, &acts), ST_OK);
    if (round_wants_keep(r)) {
        struct digest digest = digest_of(bytes_view(update));
        round_keep(r, bytes_view(update), &digest);
    }
    if (acts.items[0].receipt.reason[0] != '\0')
        print_message("%s\n", acts.items[0].receipt.reason);
    return acts.items[0].receipt.verdict;
}

static const struct id *names(void)
{
    static struct id ids[N];
    for (size_t i = 0; i < N; i++)
        (void)snprintf(ids[i].text, sizeof ids[i].text, "d%zu", i);
    return ids;
}

/* The version, if it was made. */
static const float *version(void)
{
    for (size_t i = 0; i < acts.count; i++)
        if (acts.items[i].kind == ROUND_PUBLISH_MODEL)
            return model_params(acts.items[i].model);
    fail_msg("no version");
    return NULL;
}

/* base + difference in each, but for the rounding to whole numbers. */
static void expect_difference(const float *params, double difference, double tolerance)
{
    const double base[PARAMS] = {-1, 1, 2, 3, 4}; /* names ascend in JSON */
    for (size_t i = 0; i < PARAMS; i++)
        if (fabs((double)params[i] - base[i] - difference) > tolerance)
            fail_msg("parameter %zu moved by %.9g, not %.9g", i, (double)params[i] - base[i],
                     difference);
}

static void free_all(struct bytes *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes_done(&all[i]);
}

#define NO_NOISE "{\"clip\":10,\"noise\":{\"multiplier\":1}}"

/* Whole numbers without masks: a round with the coordinator's noise, of which there is none
 * here, as the owner did not add it. */
static void whole_numbers_are_averaged(void **state)
{
    (void)state;
    struct round *r = opened(NO_NOISE, N, names(), N);
    struct bytes sent[N];
    for (size_t i = 0; i < N; i++) {
        struct bytes update = guest_update(i, 0.01, 7);
        sent[i] = protect(round_protection(r), bytes_view(&update), NULL);
        assert_int_equal(give(r, &names()[i], &sent[i]), VERDICT_ACCEPTED);
        bytes_done(&update);
    }
    expect_difference(version(), 0.03, 1e-5); /* the mean of 1 to 5 hundredths */
    free_all(sent, N);
    round_free(r);
}

static void noise_of_the_coordinator_moves_the_version_as_much_as_it_says(void **state)
{
    (void)state;
    double squares = 0;
    for (int run = 0; run < 40; run++) {
        struct round *r = opened("{\"clip\":0.1,\"noise\":{\"multiplier\":5}}", 1, names(), 1);
        struct bytes update = guest_update(0, 0.01, 7);
        struct bytes sent = protect(round_protection(r), bytes_view(&update), NULL);
        struct gauss gauss;
        struct ftrl noise;
        struct dp_random random = {fill, NULL};
        assert_int_equal(gauss_of_sigma(round_protection(r)->sigma, &gauss), ST_OK);
        assert_int_equal(ftrl_init(&gauss, PARAMS, 1, &random, &noise), ST_OK);
        round_add_noise(r, &noise);
        assert_int_equal(give(r, &names()[0], &sent), VERDICT_ACCEPTED);
        const double base[PARAMS] = {-1, 1, 2, 3, 4}; /* names ascend in JSON */
        for (size_t i = 0; i < PARAMS; i++)
            squares += pow((double)version()[i] - base[i] - 0.01, 2);
        bytes_done(&update);
        bytes_done(&sent);
        round_free(r);
    }
    double sigma = sqrt(squares / (40 * PARAMS)); /* 5 * 0.1 on the sum of one */
    assert_true(sigma > 0.35 && sigma < 0.65);    /* 200 draws: beyond 5 standard errors */
}

static void updates_are_clipped_on_the_device_and_longer_ones_refused(void **state)
{
    (void)state;
    struct round *r = opened("{\"clip\":0.1,\"noise\":{\"multiplier\":1}}", 2, names(), 2);
    struct round *wide = opened(NO_NOISE, 2, names(), 2);
    struct bytes update = guest_update(0, 0.2, 7); /* of norm sqrt(0.2) */
    struct protection cheat = *round_protection(r);
    cheat.privacy.clip = 10;
    cheat.square_max = round_protection(wide)->square_max * 100;
    struct bytes longer = protect(&cheat, bytes_view(&update), NULL);
    assert_int_equal(give(r, &names()[0], &longer), VERDICT_NORM_EXCEEDED);
    assert_int_equal(round_counted(r), 0);
    struct bytes clipped = protect(round_protection(r), bytes_view(&update), NULL);
    assert_int_equal(give(r, &names()[0], &clipped), VERDICT_ACCEPTED);
    assert_int_equal(give(r, &names()[1], &clipped), VERDICT_ACCEPTED);
    expect_difference(version(), 0.1 / sqrt(5), 1e-5);
    bytes_done(&update);
    bytes_done(&longer);
    bytes_done(&clipped);
    round_free(r);
    round_free(wide);
}

static void an_update_that_is_not_protected_is_refused(void **state)
{
    (void)state;
    struct round *r = opened(NO_NOISE, 1, names(), 1);
    struct bytes update = guest_update(0, 0.01, 7);
    assert_int_equal(give(r, &names()[0], &update), VERDICT_UNPROTECTED);
    assert_int_equal(round_counted(r), 0);
    bytes_done(&update);
    round_free(r);
}

/* ---- masked ---- */

#define MASKED                                                                                     \
    "{\"secure_aggregation\":{},\"clip\":10,\"weighting\":\"samples\",\"samples_max\":100,"        \
    "\"metrics\":{\"loss\":[0,5]}}"

/* The last device's update never comes: its masks are taken off. */
static void masked_updates_are_averaged_by_samples_without_being_seen(void **state)
{
    (void)state;
    struct scene s;
    struct bytes sent[N - 1];
    const enum secagg_phase leaves[N] = {SECAGG_DONE, SECAGG_DONE, SECAGG_DONE, SECAGG_DONE,
                                         SECAGG_MASKING};
    scene_begin(&s, N, (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
    struct round *r = opened(MASKED, N - 1, s.ids, N);
    scene_run(&s, leaves, SECAGG_CONFIRMING); /* the scene's own words are left aside */
    double sum = 0, weights = 0, losses = 0;
    for (size_t i = 0; i < N - 1; i++) {
        unsigned samples = 10 * (unsigned)(i + 1);
        struct bytes update = guest_update(i, 0.01, samples);
        sent[i] = protect(round_protection(r), bytes_view(&update), s.devices[i].client);
        sum += samples * 0.01 * (double)(i + 1);
        losses += samples * 0.5 * (double)(i + 1);
        weights += samples;
        bytes_done(&update);
    }
    for (size_t i = 0; i < N - 1; i++)
        assert_int_equal(give(r, &s.ids[i], &sent[i]), VERDICT_ACCEPTED);
    assert_int_equal(round_state(r), ROUND_UNMASKING);
    assert_int_equal(acts.items[acts.count - 1].kind, ROUND_UNMASK);
    assert_int_equal(round_deadline_ms(r), UINT64_MAX);
    assert_int_equal(give(r, &s.ids[N - 1], &sent[0]), VERDICT_LATE);

    struct mask *masks = NULL;
    size_t count = 0;
    struct id culprit;
    scene_run(&s, leaves, SECAGG_DONE);
    assert_int_equal(secagg_server_masks(s.server, &masks, &count, &culprit), ST_OK);
    round_unmask(r, masks, count, T0, &acts);
    expect_difference(version(), sum / weights, 1e-4);
    struct complete facts;
    round_facts(r, T0, &facts);
    assert_int_equal(facts.total_samples, 100);
    assert_int_equal(facts.metrics.count, 1);
    assert_true(fabs(facts.metrics.items[0].value - losses / weights) < 1e-4);
    assert_non_null(strstr(facts.privacy, "secure aggregation (malicious server)"));
    assert_non_null(strstr(facts.privacy, "0 of 4 clipped"));
    sodium_free(masks);
    free_all(sent, N - 1);
    round_free(r);
    scene_end(&s);
}

static void a_sum_with_a_mask_left_on_it_is_no_version(void **state)
{
    (void)state;
    struct scene s;
    struct bytes sent[N];
    struct mask *masks = NULL;
    size_t count = 0;
    struct id culprit;
    scene_begin(&s, N, (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
    struct round *r = opened(MASKED, N, s.ids, N);
    scene_run(&s, NULL, SECAGG_CONFIRMING);
    for (size_t i = 0; i < N; i++) {
        struct bytes update = guest_update(i, 0.01, 10);
        sent[i] = protect(round_protection(r), bytes_view(&update), s.devices[i].client);
        assert_int_equal(give(r, &s.ids[i], &sent[i]), VERDICT_ACCEPTED);
        bytes_done(&update);
    }
    scene_run(&s, NULL, SECAGG_DONE);
    assert_int_equal(secagg_server_masks(s.server, &masks, &count, &culprit), ST_OK);
    round_unmask(r, masks, count - 1, T0, &acts);
    assert_int_equal(acts.count, 1);
    assert_int_equal(acts.items[0].kind, ROUND_SEND_COMPLETE);
    assert_int_equal(acts.items[0].complete.outcome, ROUND_FAILED);
    assert_string_equal(acts.items[0].complete.reason, ROUND_REASON_CORRUPT_SUM);
    sodium_free(masks);
    free_all(sent, N);
    round_free(r);
    scene_end(&s);
}

/* Whatever a device does, its masked words look alike: of one length and without a sign. */
static void what_leaves_a_device_has_one_size_whatever_it_holds(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, N, (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
    struct round *r = opened(MASKED, N, s.ids, N);
    scene_run(&s, NULL, SECAGG_CONFIRMING);
    struct bytes one = guest_update(0, 0, 1), other = guest_update(4, 3.14159, 100000);
    struct bytes first = protect(round_protection(r), bytes_view(&one), s.devices[0].client);
    struct bytes second = protect(round_protection(r), bytes_view(&other), s.devices[0].client);
    assert_int_equal(first.size, second.size);
    free_all((struct bytes[]){one, other, first, second}, 4);
    round_free(r);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_averaged),
        cmocka_unit_test(noise_of_the_coordinator_moves_the_version_as_much_as_it_says),
        cmocka_unit_test(updates_are_clipped_on_the_device_and_longer_ones_refused),
        cmocka_unit_test(an_update_that_is_not_protected_is_refused),
        cmocka_unit_test(masked_updates_are_averaged_by_samples_without_being_seen),
        cmocka_unit_test(a_sum_with_a_mask_left_on_it_is_no_version),
        cmocka_unit_test(what_leaves_a_device_has_one_size_whatever_it_holds),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("round/protected", tests, NULL, NULL);
}
