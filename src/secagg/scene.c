#include "secagg/scene.h"

#include <assert.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Identities are the same in every run, so that a known answer can be. */
static struct key *key_named(const char *name)
{
    struct digest seed = digest_of(view_text(name));
    struct key *key = NULL;
    assert_int_equal(key_of_seed(seed.bytes, &key), ST_OK);
    return key;
}

static void make_device(struct scene *s, size_t i)
{
    struct scene_device *d = &s->devices[i];
    (void)snprintf(d->id.text, sizeof d->id.text, "device-%04zu", i);
    d->key = key_named(d->id.text);
    struct certificate c = {
        .id = d->id, .key = *key_public(d->key), .serial = i + 1, .not_after = SCENE_NOW + 1};
    assert_int_equal(certificate_sign(&c, s->fleet, &d->certificate), ST_OK);
    d->self = (struct secagg_self){.id = d->id,
                                   .key = d->key,
                                   .certificate = certificate_view(&d->certificate),
                                   .fleet = *key_public(s->fleet),
                                   .cohort_min = SECAGG_COHORT_MIN};
    for (size_t w = 0; w < SCENE_WORDS; w++)
        d->update[w] = (uint32_t)(i * 1000003 + w * 7919) - 50000u;
    s->ids[i] = d->id;
}

void scene_begin(struct scene *s, size_t count, struct secagg_rules rules)
{
    assert_true(sodium_init() >= 0);
    *s = (struct scene){.rules = rules, .count = count};
    s->config = digest_of(view_text("a round"));
    if (s->rules.k_of_n == 0)
        s->rules.k_of_n = secagg_threshold(&rules, (uint32_t)count);
    if (s->rules.k_of_n < SECAGG_COHORT_MIN)
        s->rules.k_of_n = SECAGG_COHORT_MIN;
    if (s->rules.word == 0)
        s->rules.word = MASK_WORD_32;
    s->devices = calloc(count, sizeof *s->devices);
    s->ids = calloc(count, sizeof *s->ids);
    assert_non_null(s->devices);
    assert_non_null(s->ids);
    s->fleet = key_named("the fleet");
    for (size_t i = 0; i < count; i++)
        make_device(s, i);
    scene_again(s);
}

void scene_again(struct scene *s)
{
    s->server = secagg_server_free(s->server);
    assert_int_equal(secagg_server_new(&s->rules, &s->config, key_public(s->fleet), s->ids,
                                       s->count, &s->server),
                     ST_OK);
    for (size_t i = 0; i < s->count; i++) {
        struct scene_device *d = &s->devices[i];
        d->client = secagg_client_free(d->client);
        assert_int_equal(secagg_client_new(&d->self, &s->rules, &s->config, &d->client), ST_OK);
    }
}

void scene_end(struct scene *s)
{
    for (size_t i = 0; i < s->count; i++) {
        secagg_client_free(s->devices[i].client);
        key_free(s->devices[i].key);
    }
    secagg_server_free(s->server);
    key_free(s->fleet);
    free(s->devices);
    free(s->ids);
}

/* ---- one step each ---- */

struct bytes scene_told(const struct scene *s, size_t device)
{
    struct bytes told = {0};
    assert_int_equal(secagg_server_message(s->server, &s->devices[device].id, &told), ST_OK);
    return told;
}

enum secagg_refusal scene_hear(struct scene *s, size_t device, struct view message,
                               struct view *ret_answer)
{
    return secagg_client_take(s->devices[device].client, message, SCENE_NOW, ret_answer);
}

enum secagg_verdict scene_say(struct scene *s, size_t device, struct view message)
{
    return secagg_server_take(s->server, &s->devices[device].id, message, SCENE_NOW, NULL);
}

void scene_mask(struct scene *s, size_t device)
{
    struct scene_device *d = &s->devices[device];
    struct key_signature signature;
    memcpy(d->masked, d->update, sizeof d->masked);
    assert_true(secagg_client_can_mask(d->client));
    assert_int_equal(secagg_client_mask(d->client, MASK_WORD_32, 0, d->masked, SCENE_WORDS), ST_OK);
    struct digest digest = digest_of(view_of(d->masked, sizeof d->masked));
    assert_int_equal(secagg_client_sign(d->client, &digest, &signature), ST_OK);
    assert_int_equal(secagg_server_judge(s->server, &d->id, secagg_client_context(d->client),
                                         &digest, &signature),
                     SECAGG_ACCEPTED);
    secagg_server_count(s->server, &d->id);
}

/* ---- whole rounds ---- */

static void answer(struct scene *s, size_t device)
{
    struct bytes told = scene_told(s, device);
    struct view said;
    assert_int_equal(scene_hear(s, device, bytes_view(&told), &said), SECAGG_FINE);
    if (secagg_server_phase(s->server) == SECAGG_MASKING)
        scene_mask(s, device);
    else
        assert_int_equal(scene_say(s, device, said), SECAGG_ACCEPTED);
    bytes_done(&told);
}

static void speak(struct scene *s, size_t device)
{
    if (secagg_server_phase(s->server) == SECAGG_ADVERTISING)
        assert_int_equal(scene_say(s, device, secagg_client_advertise(s->devices[device].client)),
                         SECAGG_ACCEPTED);
    else
        answer(s, device);
}

void scene_run(struct scene *s, const enum secagg_phase *leaves, enum secagg_phase until)
{
    while (secagg_server_phase(s->server) < until) {
        enum secagg_phase phase = secagg_server_phase(s->server);
        for (size_t i = 0; i < s->count; i++) {
            if (leaves != NULL && leaves[i] <= phase)
                continue;
            if (secagg_server_awaits(s->server, &s->devices[i].id))
                speak(s, i);
        }
        secagg_server_close(s->server);
    }
}

void scene_expect_exact_sum(const struct scene *s, const enum secagg_phase *leaves)
{
    uint32_t sum[SCENE_WORDS] = {0}, expected[SCENE_WORDS] = {0};
    struct mask *masks = NULL;
    size_t count = 0;
    struct id culprit = {0};
    assert_int_equal(secagg_server_phase(s->server), SECAGG_DONE);
    for (size_t i = 0; i < s->count; i++) {
        if (leaves != NULL && leaves[i] <= SECAGG_MASKING)
            continue;
        for (size_t w = 0; w < SCENE_WORDS; w++) {
            sum[w] += s->devices[i].masked[w];
            expected[w] += s->devices[i].update[w];
        }
    }
    assert_int_equal(secagg_server_masks(s->server, &masks, &count, &culprit), ST_OK);
    assert_int_equal(masks_apply(masks, count, MASK_WORD_32, 0, sum, SCENE_WORDS), ST_OK);
    sodium_free(masks);
    assert_memory_equal(sum, expected, sizeof sum);
}
