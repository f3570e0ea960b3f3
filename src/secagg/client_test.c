/* An evil coordinator: each thing that it could try ends in a refusal with its name, and no
 * share leaves the device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "secagg/scene.h"

#define VICTIM 1

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    scene_begin(s, 7, (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS});
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;
    scene_end(s);
    free(s);
    return 0;
}

static struct secagg_client *victim(const struct scene *s)
{
    return s->devices[VICTIM].client;
}

/* It refuses by this name, says nothing, and says nothing ever after. */
static void expect_left(struct scene *s, struct view message, enum secagg_refusal expected,
                        const char *culprit)
{
    struct view said;
    struct id blamed;
    assert_string_equal(secagg_refusal_name(scene_hear(s, VICTIM, message, &said)),
                        secagg_refusal_name(expected));
    assert_int_equal(said.size, 0);
    assert_int_equal(secagg_client_refusal(victim(s), &blamed), expected);
    assert_string_equal(blamed.text, culprit);
    assert_int_equal(secagg_client_advertise(victim(s)).size, 0);
    assert_false(secagg_client_can_mask(victim(s)));
}

/* It is not moved by it: nothing is said, and what is right still goes on. */
static void expect_ignored(struct scene *s, struct view message, enum secagg_refusal expected)
{
    struct view said;
    struct id blamed;
    assert_string_equal(secagg_refusal_name(scene_hear(s, VICTIM, message, &said)),
                        secagg_refusal_name(expected));
    assert_int_equal(said.size, 0);
    assert_int_equal(secagg_client_refusal(victim(s), &blamed), SECAGG_FINE);
}

static void expect_goes_on(struct scene *s)
{
    scene_run(s, NULL, SECAGG_DONE);
    scene_expect_exact_sum(s, NULL);
}

/* ---- rosters ---- */

/* The server's roster for the victim, taken apart. told: holds what it borrows from */
static struct secagg_roster roster_of(struct scene *s, struct bytes *told)
{
    struct secagg_roster r;
    scene_run(s, NULL, SECAGG_SHARING);
    *told = scene_told(s, VICTIM);
    assert_int_equal(secagg_roster_decode(bytes_view(told), &r), ST_OK);
    return r;
}

/* Ends r and told. */
static void expect_roster_left(struct scene *s, struct secagg_roster *r, struct bytes *told,
                               enum secagg_refusal expected, const char *culprit)
{
    struct bytes forged = {0};
    assert_int_equal(secagg_roster_encode(r, &forged), ST_OK);
    expect_left(s, bytes_view(&forged), expected, culprit);
    bytes_done(&forged);
    bytes_done(told);
    secagg_roster_done(r);
}

/* Puts another entry into the place of device `at`, in both parts of the roster. */
static void put_entry(struct secagg_roster *r, uint32_t at, const struct secagg_entry *entry,
                      struct bytes *ret_bytes)
{
    assert_int_equal(secagg_entry_encode(entry, ret_bytes), ST_OK);
    r->all[at].entry = digest_of(bytes_view(ret_bytes));
    r->neighbours[at].entry_bytes = bytes_view(ret_bytes);
}

static void a_swapped_key_is_seen(void **state)
{
    struct scene *s = *state;
    struct bytes told, entry_bytes = {0};
    struct secagg_keys *evil = NULL;
    struct secagg_roster r = roster_of(s, &told);
    struct secagg_entry entry = r.neighbours[3].entry;
    assert_int_equal(secagg_keys_new(&evil), ST_OK);
    entry.public = *secagg_keys_public(evil);
    put_entry(&r, 3, &entry, &entry_bytes);
    expect_roster_left(s, &r, &told, SECAGG_BAD_SIGNATURE, "device-0003");
    bytes_done(&entry_bytes);
    secagg_keys_free(evil);
}

static void an_entry_that_is_not_the_rosters_is_seen(void **state)
{
    struct scene *s = *state;
    struct bytes told;
    struct secagg_roster r = roster_of(s, &told);
    r.neighbours[3].entry_bytes = r.neighbours[4].entry_bytes;
    expect_roster_left(s, &r, &told, SECAGG_BAD_SIGNATURE, "device-0003");
}

/* A puppet: a device of the coordinator's own, with a certificate of its own. */
static struct secagg_entry puppet_entry(const struct scene *s, struct key *key,
                                        const struct key *signer, const struct secagg_keys *keys,
                                        const char *id, struct certificate_bytes *certificate)
{
    struct certificate c = {.key = *key_public(key), .serial = 99};
    struct secagg_entry entry;
    struct bytes what = {0};
    assert_int_equal(id_from(id, &c.id), ST_OK);
    assert_int_equal(certificate_sign(&c, signer, certificate), ST_OK);
    entry.certificate = certificate_view(certificate);
    entry.public = *secagg_keys_public(keys);
    assert_int_equal(secagg_entry_signed(&s->config, &entry.public, &what), ST_OK);
    assert_int_equal(
        key_sign(key, secagg_domain(SECAGG_ADVERTISE), bytes_view(&what), &entry.signature), ST_OK);
    bytes_done(&what);
    return entry;
}

static void expect_puppet(struct scene *s, const char *claims, bool by_fleet,
                          enum secagg_refusal expected)
{
    struct bytes told, entry_bytes = {0};
    struct certificate_bytes certificate;
    struct secagg_keys *keys = NULL;
    struct key *key = NULL;
    struct secagg_roster r = roster_of(s, &told);
    assert_int_equal(key_new(&key), ST_OK);
    assert_int_equal(secagg_keys_new(&keys), ST_OK);
    struct secagg_entry entry =
        puppet_entry(s, key, by_fleet ? s->fleet : key, keys, claims, &certificate);
    put_entry(&r, 5, &entry, &entry_bytes);
    expect_roster_left(s, &r, &told, expected, "device-0005");
    bytes_done(&entry_bytes);
    secagg_keys_free(keys);
    key_free(key);
}

static void a_puppet_that_the_fleet_did_not_certify_is_seen(void **state)
{
    expect_puppet(*state, "device-0005", false, SECAGG_BAD_CERTIFICATE);
}

static void a_certificate_of_another_device_is_seen(void **state)
{
    expect_puppet(*state, "device-0999", true, SECAGG_BAD_CERTIFICATE);
}

static void a_revoked_device_is_seen(void **state)
{
    struct scene *s = *state;
    struct revocations *list = NULL;
    struct bytes told;
    assert_int_equal(revocations_new(&list), ST_OK);
    assert_int_equal(revocations_add(list, 4), ST_OK); /* device-0003's serial */
    s->devices[VICTIM].self.revoked = list;
    scene_again(s);
    struct secagg_roster r = roster_of(s, &told);
    expect_roster_left(s, &r, &told, SECAGG_BAD_CERTIFICATE, "device-0003");
    revocations_free(list);
}

static void an_expired_certificate_is_seen(void **state)
{
    struct scene *s = *state;
    struct view said;
    scene_run(s, NULL, SECAGG_SHARING);
    struct bytes told = scene_told(s, VICTIM);
    assert_int_equal(secagg_client_take(victim(s), bytes_view(&told), SCENE_NOW + 2, &said),
                     SECAGG_BAD_CERTIFICATE);
    assert_int_equal(said.size, 0);
    bytes_done(&told);
}

/* One device under two names would hold two shares. */
static void one_device_twice_is_seen(void **state)
{
    struct scene *s = *state;
    struct bytes told, entry_bytes = {0};
    struct certificate_bytes certificate;
    struct secagg_roster r = roster_of(s, &told);
    struct secagg_keys *keys = NULL;
    assert_int_equal(secagg_keys_new(&keys), ST_OK);
    struct secagg_entry entry =
        puppet_entry(s, s->devices[2].key, s->fleet, keys, "device-0005", &certificate);
    put_entry(&r, 5, &entry, &entry_bytes);
    expect_roster_left(s, &r, &told, SECAGG_SAME_KEY, "device-0005");
    bytes_done(&entry_bytes);
    secagg_keys_free(keys);
}

static void a_roster_without_the_device_or_with_other_keys_of_it_is_seen(void **state)
{
    struct scene *s = *state;
    struct bytes told;
    struct secagg_roster r = roster_of(s, &told);
    r.all[VICTIM].entry.bytes[0] ^= 1;
    expect_roster_left(s, &r, &told, SECAGG_NOT_LISTED, "");
}

static void a_graph_of_the_coordinators_choice_is_seen(void **state)
{
    struct scene *s = *state;
    struct bytes told;
    struct secagg_roster r = roster_of(s, &told);
    r.neighbour_count--;
    expect_roster_left(s, &r, &told, SECAGG_WRONG_GRAPH, "");
}

static void a_cohort_below_the_owners_wish_is_refused(void **state)
{
    struct scene *s = *state;
    s->devices[VICTIM].self.cohort_min = 8;
    scene_again(s);
    scene_run(s, NULL, SECAGG_SHARING);
    struct bytes told = scene_told(s, VICTIM);
    expect_left(s, bytes_view(&told), SECAGG_SMALL_COHORT, "");
    bytes_done(&told);
}

static void a_threshold_that_two_sets_could_reach_is_refused(void **state)
{
    struct scene *s = *state;
    struct secagg_rules low = s->rules;
    low.k_of_n = 4;
    secagg_client_free(victim(s));
    assert_int_equal(
        secagg_client_new(&s->devices[VICTIM].self, &low, &s->config, &s->devices[VICTIM].client),
        ST_OK);
    scene_run(s, NULL, SECAGG_SHARING);
    struct bytes told = scene_told(s, VICTIM);
    expect_left(s, bytes_view(&told), SECAGG_LOW_THRESHOLD, "");
    bytes_done(&told);
}

static void another_roster_after_the_first_gets_no_answer(void **state)
{
    struct scene *s = *state;
    struct view said;
    struct bytes told, other = {0};
    struct secagg_roster r = roster_of(s, &told);
    assert_int_equal(scene_hear(s, VICTIM, bytes_view(&told), &said), SECAGG_FINE);
    r.all[3].entry.bytes[0] ^= 1;
    assert_int_equal(secagg_roster_encode(&r, &other), ST_OK);
    expect_ignored(s, bytes_view(&other), SECAGG_SECOND_ANSWER);
    bytes_done(&other);
    bytes_done(&told);
    secagg_roster_done(&r);
    expect_goes_on(s);
}

/* ---- what is told twice ---- */

static void the_same_message_gets_the_same_answer_in_every_phase(void **state)
{
    struct scene *s = *state;
    const enum secagg_phase phases[] = {SECAGG_SHARING, SECAGG_CONFIRMING, SECAGG_UNMASKING};
    for (size_t p = 0; p < 3; p++) {
        struct view said;
        struct bytes first = {0};
        scene_run(s, NULL, phases[p]);
        struct bytes told = scene_told(s, VICTIM);
        assert_int_equal(scene_hear(s, VICTIM, bytes_view(&told), &said), SECAGG_FINE);
        assert_int_equal(bytes_copy(&first, said), ST_OK);
        assert_int_equal(scene_hear(s, VICTIM, bytes_view(&told), &said), SECAGG_FINE);
        assert_true(said.size > 0 && view_equal(said, bytes_view(&first)));
        bytes_done(&first);
        bytes_done(&told);
    }
    expect_goes_on(s);
}

static void a_message_of_another_round_is_not_answered(void **state)
{
    struct scene *s = *state;
    struct scene other;
    scene_begin(&other, 7, s->rules);
    scene_run(&other, NULL, SECAGG_SHARING);
    struct bytes told = scene_told(&other, VICTIM);
    expect_left(s, bytes_view(&told), SECAGG_NOT_LISTED, ""); /* same config, other fleet */
    bytes_done(&told);
    scene_end(&other);
}

static void a_replay_under_another_configuration_is_not_answered(void **state)
{
    struct scene *s = *state;
    scene_run(s, NULL, SECAGG_SHARING);
    struct bytes old = scene_told(s, VICTIM);
    s->config = digest_of(view_text("the next round"));
    scene_again(s);
    expect_ignored(s, bytes_view(&old), SECAGG_OTHER_CONFIG);
    bytes_done(&old);
    expect_goes_on(s);
}

static void out_of_turn_nothing_is_answered(void **state)
{
    struct scene *s = *state;
    struct secagg_survivors survivors = {.context = *secagg_client_context(victim(s))};
    struct bytes message = {0};
    assert_int_equal(secagg_survivors_encode(&survivors, &message), ST_OK);
    expect_ignored(s, bytes_view(&message), SECAGG_OUT_OF_TURN);
    expect_ignored(s, view_text("not a message"), SECAGG_MALFORMED);
    expect_ignored(s, secagg_client_advertise(victim(s)), SECAGG_OUT_OF_TURN);
    bytes_done(&message);
    expect_goes_on(s);
}

/* ---- boxes ---- */

static void a_bad_box_names_its_sender(void **state)
{
    struct scene *s = *state;
    struct view said;
    scene_run(s, NULL, SECAGG_SHARING);
    struct bytes roster = scene_told(s, VICTIM);
    assert_int_equal(scene_hear(s, VICTIM, bytes_view(&roster), &said), SECAGG_FINE);
    scene_run(s, NULL, SECAGG_MASKING);
    struct bytes told = scene_told(s, VICTIM);
    told.data[told.size - 1] ^= 1; /* the last box: device-0006's */
    expect_left(s, bytes_view(&told), SECAGG_BAD_BOX, "device-0006");
    bytes_done(&told);
    bytes_done(&roster);
}

static void expect_boxes_left(struct scene *s, struct members sharers, uint32_t count,
                              enum secagg_refusal expected)
{
    struct secagg_boxes_msg m;
    struct secagg_box boxes[8];
    struct bytes forged = {0};
    scene_run(s, NULL, SECAGG_MASKING);
    struct bytes told = scene_told(s, VICTIM);
    assert_int_equal(secagg_boxes_decode(bytes_view(&told), &m), ST_OK);
    for (uint32_t i = 0; i < count; i++)
        boxes[i] = secagg_box_at(m.boxes, i);
    assert_int_equal(secagg_boxes_encode(&m.context, &sharers, boxes, count, &forged), ST_OK);
    expect_left(s, bytes_view(&forged), expected, "");
    bytes_done(&forged);
    bytes_done(&told);
}

static struct members of(uint8_t bits)
{
    return (struct members){{bits}};
}

static void sharers_whose_boxes_are_missing_are_seen(void **state)
{
    expect_boxes_left(*state, of(0x7f), 5, SECAGG_WRONG_SETS);
}

static void boxes_of_no_sharer_are_seen(void **state)
{
    expect_boxes_left(*state, of(0x3f), 6, SECAGG_WRONG_SETS);
}

static void too_few_sharers_are_refused(void **state)
{
    expect_boxes_left(*state, of(0x0f), 3, SECAGG_TOO_FEW);
}

static void sharers_without_the_device_are_refused(void **state)
{
    expect_boxes_left(*state, of(0x7d), 6, SECAGG_WRONG_SETS);
}

static void sharers_outside_the_roster_are_refused(void **state)
{
    expect_boxes_left(*state, of(0xff), 6, SECAGG_WRONG_SETS);
}

/* ---- survivors and shares ---- */

static void expect_survivors_left(struct scene *s, struct members survivors,
                                  enum secagg_refusal expected)
{
    struct bytes message = {0};
    scene_run(s, NULL, SECAGG_CONFIRMING);
    struct secagg_survivors m = {.context = *secagg_client_context(victim(s)),
                                 .survivors = survivors};
    assert_int_equal(secagg_survivors_encode(&m, &message), ST_OK);
    expect_left(s, bytes_view(&message), expected, "");
    bytes_done(&message);
}

static void too_few_survivors_are_refused(void **state)
{
    expect_survivors_left(*state, of(0x0f), SECAGG_TOO_FEW);
}

static void survivors_who_never_shared_are_refused(void **state)
{
    expect_survivors_left(*state, of(0xff), SECAGG_WRONG_SETS);
}

static void survivors_without_the_device_are_refused(void **state)
{
    expect_survivors_left(*state, of(0x7d), SECAGG_WRONG_SETS);
}

static void two_sets_of_survivors_get_one_answer(void **state)
{
    struct scene *s = *state;
    struct view said;
    struct bytes message = {0};
    scene_run(s, NULL, SECAGG_CONFIRMING);
    struct bytes told = scene_told(s, VICTIM);
    assert_int_equal(scene_hear(s, VICTIM, bytes_view(&told), &said), SECAGG_FINE);
    struct secagg_survivors m = {.context = *secagg_client_context(victim(s)),
                                 .survivors = of(0x3f)};
    assert_int_equal(secagg_survivors_encode(&m, &message), ST_OK);
    expect_ignored(s, bytes_view(&message), SECAGG_SECOND_ANSWER);
    bytes_done(&message);
    bytes_done(&told);
    expect_goes_on(s);
}

/* The server tells half of them one set and half another, so that the one half gives the
 * self seed of a device and the other its mask seed: neither half gets enough signatures. */
static void split_views_get_no_shares(void **state)
{
    struct scene *s = *state;
    const struct members one = of(0x7f), other = of(0x3f);
    struct key_signature signatures[7];
    uint16_t ranks[7];
    uint32_t said_one = 0;
    scene_run(s, NULL, SECAGG_CONFIRMING);
    for (uint16_t i = 0; i < 7; i++) {
        struct view said;
        struct bytes message = {0};
        struct secagg_confirm confirm;
        struct secagg_survivors m = {.context = *secagg_client_context(victim(s)),
                                     .survivors = i % 2 == 1 || i == 6 ? one : other};
        assert_int_equal(secagg_survivors_encode(&m, &message), ST_OK);
        assert_int_equal(scene_hear(s, i, bytes_view(&message), &said), SECAGG_FINE);
        assert_int_equal(secagg_confirm_decode(said, &confirm), ST_OK);
        if (i % 2 == 1 || i == 6) {
            ranks[said_one] = i;
            signatures[said_one++] = confirm.signature;
        }
        bytes_done(&message);
    }
    struct bytes told = {0};
    assert_int_equal(secagg_confirmed_encode(secagg_client_context(victim(s)), ranks, signatures,
                                             said_one, &told),
                     ST_OK);
    expect_left(s, bytes_view(&told), SECAGG_UNCONFIRMED, "");
    bytes_done(&told);
}

static void a_forged_confirmation_names_whose_it_should_be(void **state)
{
    struct scene *s = *state;
    struct view said;
    scene_run(s, NULL, SECAGG_CONFIRMING);
    struct bytes survivors = scene_told(s, VICTIM);
    assert_int_equal(scene_hear(s, VICTIM, bytes_view(&survivors), &said), SECAGG_FINE);
    scene_run(s, NULL, SECAGG_UNMASKING);
    struct bytes told = scene_told(s, VICTIM);
    told.data[told.size - 1] ^= 1;
    struct secagg_confirmed m;
    assert_int_equal(secagg_confirmed_decode(bytes_view(&told), &m), ST_OK);
    expect_left(s, bytes_view(&told), SECAGG_UNCONFIRMED,
                s->devices[secagg_confirmed_rank(&m, m.count - 1)].id.text);
    bytes_done(&told);
    bytes_done(&survivors);
}

/* Of everybody one share, never two: no answer holds both of one device's. */
static void of_each_device_one_share_is_given(void **state)
{
    struct scene *s = *state;
    const enum secagg_phase leaves[7] = {SECAGG_DONE, SECAGG_DONE, SECAGG_DONE, SECAGG_MASKING,
                                         SECAGG_DONE, SECAGG_DONE, SECAGG_DONE};
    struct view said;
    struct secagg_unmask m;
    scene_run(s, leaves, SECAGG_UNMASKING);
    struct bytes told = scene_told(s, VICTIM);
    assert_int_equal(scene_hear(s, VICTIM, bytes_view(&told), &said), SECAGG_FINE);
    assert_int_equal(secagg_unmask_decode(said, &m), ST_OK);
    assert_int_equal(m.count, 7);
    for (uint32_t i = 0; i < m.count; i++)
        assert_int_equal(secagg_unmask_rank(&m, i), i);
    bytes_done(&told);
}

/* ---- models ---- */

/* Two devices that were given different models have different configurations: they see it
 * before anything is shared. */
static void different_models_are_seen_before_anything_is_shared(void **state)
{
    struct scene *s = *state;
    struct digest other_model = digest_of(view_text("a round with another model"));
    secagg_client_free(victim(s));
    assert_int_equal(secagg_client_new(&s->devices[VICTIM].self, &s->rules, &other_model,
                                       &s->devices[VICTIM].client),
                     ST_OK);
    struct view advertise = secagg_client_advertise(victim(s));
    assert_int_equal(scene_say(s, VICTIM, advertise), SECAGG_V_OTHER_CONFIG);

    /* a coordinator that passes it on all the same */
    struct secagg_advertise m;
    assert_int_equal(secagg_advertise_decode(advertise, &m), ST_OK);
    scene_run(s,
              (enum secagg_phase[]){SECAGG_DONE, SECAGG_ADVERTISING, SECAGG_DONE, SECAGG_DONE,
                                    SECAGG_DONE, SECAGG_DONE, SECAGG_DONE},
              SECAGG_SHARING);
    struct secagg_server *evil = secagg_server_free(s->server);
    assert_null(evil);
    s->server = NULL;
    struct digest config = s->config;
    struct secagg_client *honest = s->devices[0].client;
    struct secagg_entry own;
    assert_int_equal(secagg_advertise_decode(secagg_client_advertise(honest), &m), ST_OK);
    own = m.entry;
    struct bytes entries[7] = {{0}};
    struct secagg_roster r = {.config = config, .count = 7, .neighbour_count = 7};
    r.all = calloc(7, sizeof *r.all);
    r.neighbours = calloc(7, sizeof *r.neighbours);
    assert_non_null(r.all);
    assert_non_null(r.neighbours);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(secagg_advertise_decode(secagg_client_advertise(s->devices[i].client), &m),
                         ST_OK);
        struct secagg_entry entry = i == 0 ? own : m.entry;
        assert_int_equal(secagg_entry_encode(&entry, &entries[i]), ST_OK);
        r.all[i] = (struct secagg_roster_line){s->ids[i], digest_of(bytes_view(&entries[i]))};
        r.neighbours[i] =
            (struct secagg_neighbour){.rank = i, .entry_bytes = bytes_view(&entries[i])};
    }
    struct bytes told = {0};
    struct view said;
    struct id blamed;
    assert_int_equal(secagg_roster_encode(&r, &told), ST_OK);
    assert_int_equal(secagg_client_take(honest, bytes_view(&told), SCENE_NOW, &said),
                     SECAGG_BAD_SIGNATURE);
    assert_int_equal(said.size, 0);
    assert_int_equal(secagg_client_refusal(honest, &blamed), SECAGG_BAD_SIGNATURE);
    assert_string_equal(blamed.text, "device-0001");
    bytes_done(&told);
    for (int i = 0; i < 7; i++)
        bytes_done(&entries[i]);
    secagg_roster_done(&r);
}

/* The same update masked in two rounds has nothing in common. */
static void masks_are_new_in_every_round(void **state)
{
    struct scene *s = *state;
    uint32_t first[SCENE_WORDS];
    scene_run(s, NULL, SECAGG_CONFIRMING);
    memcpy(first, s->devices[VICTIM].masked, sizeof first);
    scene_again(s);
    scene_run(s, NULL, SECAGG_CONFIRMING);
    uint32_t same = 0;
    for (size_t w = 0; w < SCENE_WORDS; w++)
        same += first[w] == s->devices[VICTIM].masked[w];
    assert_true(same < 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_swapped_key_is_seen),
        CASE(an_entry_that_is_not_the_rosters_is_seen),
        CASE(a_puppet_that_the_fleet_did_not_certify_is_seen),
        CASE(a_certificate_of_another_device_is_seen),
        CASE(a_revoked_device_is_seen),
        CASE(an_expired_certificate_is_seen),
        CASE(one_device_twice_is_seen),
        CASE(a_roster_without_the_device_or_with_other_keys_of_it_is_seen),
        CASE(a_graph_of_the_coordinators_choice_is_seen),
        CASE(a_cohort_below_the_owners_wish_is_refused),
        CASE(a_threshold_that_two_sets_could_reach_is_refused),
        CASE(another_roster_after_the_first_gets_no_answer),
        CASE(the_same_message_gets_the_same_answer_in_every_phase),
        CASE(a_message_of_another_round_is_not_answered),
        CASE(a_replay_under_another_configuration_is_not_answered),
        CASE(out_of_turn_nothing_is_answered),
        CASE(a_bad_box_names_its_sender),
        CASE(sharers_whose_boxes_are_missing_are_seen),
        CASE(boxes_of_no_sharer_are_seen),
        CASE(too_few_sharers_are_refused),
        CASE(sharers_without_the_device_are_refused),
        CASE(sharers_outside_the_roster_are_refused),
        CASE(too_few_survivors_are_refused),
        CASE(survivors_who_never_shared_are_refused),
        CASE(survivors_without_the_device_are_refused),
        CASE(two_sets_of_survivors_get_one_answer),
        CASE(split_views_get_no_shares),
        CASE(a_forged_confirmation_names_whose_it_should_be),
        CASE(of_each_device_one_share_is_given),
        CASE(different_models_are_seen_before_anything_is_shared),
        CASE(masks_are_new_in_every_round),
    };
    return cmocka_run_group_tests_name("secagg/client", tests, NULL, NULL);
}
