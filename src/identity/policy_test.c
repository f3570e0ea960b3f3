/* Checks the owner's policy: what a file says, what it must not say, which images it allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "identity/policy.h"
#include "identity/signed_image.h"

#define KEY_A  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_B  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define ABC    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define V1     "\"version\":1"
#define MODULE "\0asm\1\0\0\0"

static struct policy read_policy(const char *text)
{
    struct policy p;
    struct why why = {""};
    if (policy_decode(view_text(text), &p, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    return p;
}

static void assert_default(const struct policy *p)
{
    assert_false(p->has_fleet_key);
    assert_int_equal(p->protection, POLICY_ANY);
    assert_int_equal(p->cohort_min, 10);
    assert_true(p->threshold_min == 0.667);
    assert_true(p->publishers == NULL && p->publisher_count == 0);
    assert_true(p->images == NULL && p->image_count == 0);
    assert_true(p->clip_max > 1e300 && p->epsilon_max > 1e300);
    assert_true(p->noise_min == 0 && p->delta_max == 1);
    assert_true(p->rounds_max == UINT64_MAX);
    assert_true(p->train && p->evaluate);
    assert_false(policy_wants_secure_aggregation(p) || policy_wants_differential_privacy(p));
}

static void without_a_file_or_a_field_everything_is_allowed(void **state)
{
    (void)state;
    struct policy p = policy_default();
    assert_default(&p);
    p = read_policy("{" V1 "}");
    assert_default(&p);
    policy_done(&p);
    policy_done(NULL);
}

static void every_field_is_read(void **state)
{
    (void)state;
    struct policy p =
        read_policy("{" V1 ",\"fleet_key\":\"" KEY_A "\",\"protection\":\"both\",\"cohort_min\":25,"
                    "\"threshold_min\":0.75,\"publishers\":[\"" KEY_B "\",\"" KEY_A "\"],"
                    "\"images\":[\"" ABC "\"],\"clip_max\":1.5,\"noise_min\":0.8,\"epsilon_max\":8,"
                    "\"delta_max\":1e-5,\"rounds_max\":100,\"modes\":[\"evaluate\"]}");
    char hex[KEY_HEX_SIZE];
    struct digest abc = digest_of(view_text("abc"));
    assert_true(p.has_fleet_key);
    key_public_hex(&p.fleet_key, hex);
    assert_string_equal(hex, KEY_A);
    assert_int_equal(p.protection, POLICY_BOTH);
    assert_true(policy_wants_secure_aggregation(&p) && policy_wants_differential_privacy(&p));
    assert_int_equal(p.cohort_min, 25);
    assert_true(p.threshold_min == 0.75);
    assert_int_equal(p.publisher_count, 2);
    key_public_hex(&p.publishers[0], hex);
    assert_string_equal(hex, KEY_B);
    assert_int_equal(p.image_count, 1);
    assert_true(digest_equal(&p.images[0], &abc));
    assert_true(p.clip_max == 1.5 && p.noise_min == 0.8 && p.epsilon_max == 8);
    assert_true(p.delta_max == 1e-5);
    assert_int_equal(p.rounds_max, 100);
    assert_true(!p.train && p.evaluate);
    policy_done(&p);
    assert_null(p.publishers);
}

static void each_protection_asks_for_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool secure_aggregation, differential_privacy;
    } all[] = {{"any", false, false},
               {"secure_aggregation", true, false},
               {"differential_privacy", false, true},
               {"both", true, true}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{" V1 ",\"fleet_key\":\"" KEY_A "\",\"protection\":\"%s\"}", all[i].name);
        struct policy p = read_policy(text);
        assert_true(policy_wants_secure_aggregation(&p) == all[i].secure_aggregation);
        assert_true(policy_wants_differential_privacy(&p) == all[i].differential_privacy);
        policy_done(&p);
    }
}

static void what_a_policy_must_not_say_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } wrong[] = {
        {"{}", "version is missing"},
        {"{\"version\":2}", "version"},
        {"{" V1 ",\"protecton\":\"both\"}", "no such field: protecton"},
        {"{" V1 ",\"protection\":\"Both\"}", "protection"},
        {"{" V1 ",\"protection\":\"\"}", "protection"},
        {"{" V1 ",\"protection\":true}", "protection"},
        {"{" V1 ",\"protection\":null}", "protection is null"},
        {"{" V1 ",\"protection\":\"secure_aggregation\"}", "fleet_key is missing"},
        {"{" V1 ",\"protection\":\"both\"}", "fleet_key is missing"},
        {"{" V1 ",\"fleet_key\":\"00\"}", "fleet_key"},
        {"{" V1 ",\"fleet_key\":7}", "fleet_key"},
        {"{" V1 ",\"cohort_min\":2}", "cohort_min"},
        {"{" V1 ",\"cohort_min\":10001}", "cohort_min"},
        {"{" V1 ",\"cohort_min\":10.0}", "cohort_min"},
        {"{" V1 ",\"threshold_min\":0.49}", "threshold_min"},
        {"{" V1 ",\"threshold_min\":1.01}", "threshold_min"},
        {"{" V1 ",\"publishers\":[]}", "publishers"},
        {"{" V1 ",\"publishers\":\"" KEY_A "\"}", "publishers"},
        {"{" V1 ",\"publishers\":[\"" KEY_A "\",\"\"]}", "an entry of publishers"},
        {"{" V1 ",\"publishers\":null}", "publishers is null"},
        {"{" V1 ",\"images\":[]}", "images"},
        {"{" V1 ",\"images\":[\"" ABC "\",7]}", "an entry of images"},
        {"{" V1 ",\"images\":[\"latest\"]}", "an entry of images"},
        {"{" V1 ",\"clip_max\":0}", "clip_max"},
        {"{" V1 ",\"clip_max\":\"1\"}", "clip_max"},
        {"{" V1 ",\"noise_min\":-1}", "noise_min"},
        {"{" V1 ",\"epsilon_max\":0}", "epsilon_max"},
        {"{" V1 ",\"delta_max\":0}", "delta_max"},
        {"{" V1 ",\"delta_max\":1}", "delta_max"},
        {"{" V1 ",\"rounds_max\":-1}", "rounds_max"},
        {"{" V1 ",\"modes\":[]}", "modes"},
        {"{" V1 ",\"modes\":[\"train\",\"test\"]}", "an entry of modes"},
        {"{" V1 ",\"modes\":[\"train\",\"evaluate\",\"train\"]}", "modes"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct policy p = {.cohort_min = 77};
        struct why why = {""};
        if (policy_decode(view_text(wrong[i].text), &p, &why) != ST_INVALID ||
            strstr(why.text, wrong[i].word) == NULL)
            fail_msg("%s: %s", wrong[i].text, why.text);
        assert_true(p.cohort_min == 77 && p.publishers == NULL && p.images == NULL);
    }
}

static void what_is_no_policy_is_refused(void **state)
{
    (void)state;
    struct policy p = {.cohort_min = 77};
    struct why why = {""};
    assert_int_equal(policy_decode(view_text("[]"), &p, &why), ST_MALFORMED);
    assert_int_equal(policy_decode(view_text("{" V1 "," V1 "}"), &p, &why), ST_MALFORMED);
    assert_int_equal(policy_decode(view_text("{" V1 ",\"clip_max\":1e999}"), &p, &why),
                     ST_NOT_FINITE);
    char *text = malloc(POLICY_SIZE_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', POLICY_SIZE_MAX + 1);
    memcpy(text, "{" V1 "}", sizeof V1 + 1);
    assert_int_equal(policy_decode(view_of(text, POLICY_SIZE_MAX + 1), &p, &why), ST_LIMIT);
    assert_int_equal(p.cohort_min, 77);
    assert_int_equal(policy_decode(view_of(text, POLICY_SIZE_MAX), &p, &why), ST_OK);
    policy_done(&p);
    free(text);
}

/* ---- images ---- */

static void any_image_runs_where_nothing_is_said(void **state)
{
    (void)state;
    struct policy p = policy_default();
    struct digest d = digest_of(view_text("abc"));
    assert_true(policy_allows_image(&p, &d, view_text("abc"), NULL));
}

static void only_listed_images_run(void **state)
{
    (void)state;
    struct policy p = read_policy("{" V1 ",\"images\":[\"" ABC "\"]}");
    struct digest abc = digest_of(view_text("abc")), abd = digest_of(view_text("abd"));
    struct why why = {""};
    assert_true(policy_allows_image(&p, &abc, view_text("abc"), &why));
    assert_false(policy_allows_image(&p, &abd, view_text("abd"), &why));
    assert_non_null(strstr(why.text, "does not list the image sha256:"));
    assert_true(policy_allows_digest(&p, &abc, NULL));
    why = (struct why){""};
    assert_false(policy_allows_digest(&p, &abd, &why));
    assert_non_null(strstr(why.text, "does not list the image sha256:"));
    policy_done(&p);
    p = read_policy("{" V1 ",\"publishers\":[\"" KEY_A "\"]}");
    assert_true(policy_allows_digest(&p, &abd, NULL));
    policy_done(&p);
}

static void refuse(const struct policy *p, struct view module, const char *word)
{
    struct why why = {""};
    struct digest d = digest_of(module);
    assert_false(policy_allows_image(p, &d, module, &why));
    assert_non_null(strstr(why.text, word));
}

static void only_images_of_its_publishers_run(void **state)
{
    (void)state;
    struct key *publisher = NULL, *other = NULL;
    struct bytes good = {0}, bad = {0};
    char hex[KEY_HEX_SIZE], text[256];
    const struct view plain = view_of(MODULE, 8);
    assert_int_equal(key_new(&publisher), ST_OK);
    assert_int_equal(key_new(&other), ST_OK);
    assert_int_equal(signed_image_sign(plain, publisher, &good), ST_OK);
    assert_int_equal(signed_image_sign(plain, other, &bad), ST_OK);
    key_public_hex(key_public(publisher), hex);
    (void)snprintf(text, sizeof text, "{" V1 ",\"publishers\":[\"" KEY_A "\",\"%s\"]}", hex);
    struct policy p = read_policy(text);

    struct digest d = digest_of(bytes_view(&good));
    assert_true(policy_allows_image(&p, &d, bytes_view(&good), NULL));
    refuse(&p, bytes_view(&bad), "unknown_publisher");
    refuse(&p, plain, "unsigned");
    refuse(&p, view_text("abc"), "malformed");
    good.data[good.size - 1] ^= 1;
    refuse(&p, bytes_view(&good), "forged");
    policy_done(&p);

    /* Both lists must be content. */
    good.data[good.size - 1] ^= 1;
    (void)snprintf(text, sizeof text, "{" V1 ",\"images\":[\"" ABC "\"],\"publishers\":[\"%s\"]}",
                   hex);
    p = read_policy(text);
    refuse(&p, bytes_view(&good), "does not list");
    refuse(&p, view_text("abc"), "malformed");
    policy_done(&p);
    bytes_done(&good);
    bytes_done(&bad);
    (void)key_free(publisher);
    (void)key_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_or_a_field_everything_is_allowed),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(each_protection_asks_for_its_own),
        cmocka_unit_test(what_a_policy_must_not_say_is_refused_by_name),
        cmocka_unit_test(what_is_no_policy_is_refused),
        cmocka_unit_test(any_image_runs_where_nothing_is_said),
        cmocka_unit_test(only_listed_images_run),
        cmocka_unit_test(only_images_of_its_publishers_run),
    };
    return cmocka_run_group_tests_name("identity/policy", tests, NULL, NULL);
}
