/* Checks each rule of a policy against starts, images and updates, without a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "identity/signed_image.h"
#include "io/file.h"
#include "proplet/permission.h"

#define FLEET ",\"fleet_key\":\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\""

static char folder[64], policy[128];
static struct trust *trust;

/* fields: of the policy, each with a comma before it; NULL: there is none */
static void open_trust(const char *fields)
{
    static const struct id me = {"p-1"};
    const struct trust_files files = {.policy = policy};
    char text[512];
    struct why why = {""};
    (void)snprintf(text, sizeof text, "{\"version\":1%s%s}", fields,
                   strstr(fields, "secure_aggregation") || strstr(fields, "both") ? FLEET : "");
    trust = trust_close(trust);
    assert_int_equal(file_write(policy, view_text(text)), ST_OK);
    if (trust_open(&files, &me, &trust, &why) != ST_OK || trust_enter(trust, folder, &why) != ST_OK)
        fail_msg("%s", why.text);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-permission-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(policy, sizeof policy, "%s/policy", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trust = trust_close(trust);
    return file_remove_tree(folder) != ST_OK;
}

static const char *privacy; /* of the round that is asked about; NULL: none */

/* mode: "" for a plain task, or MODE. NULL: the start is let in; else what refuses it. */
static const char *refusal(const char *mode, struct view module)
{
    static struct why why;
    struct start_msg start = {.has_digest = true, .image_digest = digest_of(module)};
    start.env = mode[0] == '\0' ? json_object()
                                : json_pack("{s:s,s:s,s:s}", "ROUND_ID", "r-1", "MODEL_URI",
                                            "fl/models/m_v0", "MODE", mode);
    if (privacy != NULL)
        start.spec = json_pack("{s:o}", "privacy", json_loads(privacy, 0, NULL));
    why = (struct why){""};
    bool allowed = permission_to_start(trust, &start, &why);
    assert_true(allowed == (why.text[0] == '\0'));
    json_decref(start.env);
    json_decref(start.spec);
    return allowed ? NULL : why.text;
}

static void assert_refused(const char *mode, const char *rule)
{
    const char *why = refusal(mode, view_text("m"));
    assert_non_null(why);
    assert_int_equal(strncmp(why, rule, strlen(rule)), 0);
}

static void assert_allowed(const char *mode)
{
    assert_null(refusal(mode, view_text("m")));
}

static void without_a_policy_everything_is_allowed(void **state)
{
    (void)state;
    struct learning l = {0};
    struct digest d = {{0}};
    assert_allowed("train");
    assert_allowed("");
    assert_false(permission_limits_images(NULL));
    assert_true(permission_of_image(NULL, &d, view_text("x"), NULL));
    assert_null(permission_to_run(NULL, &l, NULL));
    l.evaluates = true;
    assert_true(permission_to_send(NULL, &l, view_text("x"), NULL));
    open_trust("");
    assert_allowed("train");
    assert_allowed("evaluate");
    assert_allowed("");
}

static void modes_are_those_of_the_policy(void **state)
{
    (void)state;
    open_trust(",\"modes\":[\"evaluate\"]");
    assert_allowed("evaluate");
    assert_refused("train", "modes: ");
    assert_refused("Evaluate", "modes: "); /* no other word surely evaluates */
    open_trust(",\"modes\":[\"train\"]");
    assert_allowed("train");
    assert_refused("evaluate", "modes: ");
}

static void a_task_of_no_round_does_not_pass_by_a_rounds_rules(void **state)
{
    (void)state;
    static const char *const terms[][2] = {
        {",\"modes\":[\"train\"]", "modes: "},
        {",\"protection\":\"differential_privacy\"", "protection: "},
        {",\"rounds_max\":5", "rounds_max: "},
        {",\"clip_max\":1.5", "clip_max: "},
        {",\"noise_min\":0.5", "noise_min: "},
        {",\"epsilon_max\":8", "epsilon_max: "},
        {",\"delta_max\":0.5", "delta_max: "},
    };
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        open_trust(terms[i][0]);
        assert_refused("", terms[i][1]);
    }
    open_trust(",\"modes\":[\"train\",\"evaluate\"],\"protection\":\"any\",\"cohort_min\":5");
    assert_allowed("");
}

/* A round with this `privacy`, under a policy with these fields. rule: NULL: allowed */
static void expect_round(const char *fields, const char *with, const char *rule)
{
    open_trust(fields);
    privacy = with;
    if (rule == NULL)
        assert_allowed("train");
    else
        assert_refused("train", rule);
    privacy = NULL;
}

#define MASKS    "{\"secure_aggregation\":{}}"
#define CURIOUS  "{\"secure_aggregation\":{\"server\":\"curious\"}}"
#define NOISE(z) "{\"clip\":1,\"noise\":{\"multiplier\":" #z ",\"delta\":1e-5}}"
#define BOTH     "{\"secure_aggregation\":{},\"clip\":1,\"noise\":{\"multiplier\":1}}"

static void a_round_is_protected_as_the_owner_asks(void **state)
{
    (void)state;
    const char *masked = ",\"protection\":\"secure_aggregation\"";
    const char *noised = ",\"protection\":\"differential_privacy\"";
    const char *both = ",\"protection\":\"both\"";
    expect_round(masked, NULL, "protection: ");
    expect_round(masked, NOISE(1), "protection: ");
    expect_round(masked, MASKS, NULL);
    expect_round(masked, CURIOUS, "threshold_min: ");
    expect_round(",\"threshold_min\":0.5", CURIOUS, NULL);
    expect_round(noised, NULL, "protection: ");
    expect_round(noised, MASKS, "protection: ");
    expect_round(noised, NOISE(1), NULL);
    expect_round(both, MASKS, "protection: ");
    expect_round(both, NOISE(1), "protection: ");
    expect_round(both, BOTH, NULL);
    expect_round(",\"clip_max\":0.5", NULL, "clip_max: ");
    expect_round(",\"clip_max\":0.5", NOISE(1), "clip_max: ");
    expect_round(",\"clip_max\":1", NOISE(1), NULL);
    expect_round(",\"noise_min\":2", NULL, "protection: ");
    expect_round(",\"noise_min\":2", NOISE(1.5), "noise_min: ");
    expect_round(",\"noise_min\":2", NOISE(2), NULL);
    expect_round(",\"delta_max\":1e-6", NOISE(1), "delta_max: ");
    expect_round(",\"epsilon_max\":8", NULL, "protection: ");
    expect_round("", NULL, NULL);
}

static void only_so_many_rounds_are_taken(void **state)
{
    (void)state;
    struct learning training = {0}, evaluation = {.evaluates = true};
    struct why why = {""};
    open_trust(",\"rounds_max\":2");
    for (int i = 0; i < 3; i++) {
        assert_null(permission_to_run(trust, &evaluation, NULL)); /* does not count */
        assert_null(permission_to_run(trust, NULL, NULL));
    }
    assert_null(permission_to_run(trust, &training, NULL));
    open_trust(",\"rounds_max\":2");
    assert_allowed("train");
    assert_null(permission_to_run(trust, &training, NULL));
    assert_refused("train", "rounds_max: ");
    assert_allowed("evaluate");
    /* One that waited while the last one was taken. */
    assert_string_equal(permission_to_run(trust, &training, &why), "not_allowed");
    assert_int_equal(strncmp(why.text, "rounds_max: ", 12), 0);
    open_trust(",\"rounds_max\":3"); /* an owner may allow more */
    assert_null(permission_to_run(trust, &training, NULL));
    assert_int_equal(trust_rounds_taken(trust), 3);
}

static void a_round_that_cannot_be_counted_does_not_run(void **state)
{
    (void)state;
    struct learning training = {0};
    struct why why = {""};
    char path[128];
    open_trust(",\"rounds_max\":2");
    (void)snprintf(path, sizeof path, "%s/rounds_taken", folder);
    assert_int_equal(file_make_folder(path), ST_OK); /* nothing can be renamed over it */
    assert_string_equal(permission_to_run(trust, &training, &why), "runner_failed");
    assert_non_null(strstr(why.text, "could not be counted"));
    assert_int_equal(trust_rounds_taken(trust), 0);
}

static void images_are_judged_by_their_digest_before_they_are_here(void **state)
{
    (void)state;
    char fields[256], text[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text("abc")), other = digest_of(view_text("abd"));
    struct why why = {""};
    digest_text(&d, text);
    (void)snprintf(fields, sizeof fields, ",\"images\":[\"%s\"]", text);
    open_trust(fields);
    assert_true(permission_limits_images(trust));
    assert_null(refusal("train", view_text("abc")));
    assert_null(refusal("", view_text("abc")));
    assert_refused("train", "images: ");
    assert_true(permission_of_image(trust, &d, view_text("abc"), NULL));
    assert_false(permission_of_image(trust, &other, view_text("abd"), &why));
    assert_int_equal(strncmp(why.text, "images: ", 8), 0);
}

static void images_are_judged_by_their_publisher(void **state)
{
    (void)state;
    static const char module[] = "\0asm\1\0\0";
    char fields[256], hex[KEY_HEX_SIZE];
    struct key *publisher = NULL;
    struct bytes good = {0};
    struct why why = {""};
    assert_int_equal(key_new(&publisher), ST_OK);
    assert_int_equal(signed_image_sign(view_of(module, 8), publisher, &good), ST_OK);
    key_public_hex(key_public(publisher), hex);
    (void)snprintf(fields, sizeof fields, ",\"publishers\":[\"%s\"]", hex);
    open_trust(fields);
    assert_true(permission_limits_images(trust));
    struct digest d = digest_of(bytes_view(&good)), plain = digest_of(view_of(module, 8));
    assert_true(permission_of_image(trust, &d, bytes_view(&good), NULL));
    assert_false(permission_of_image(trust, &plain, view_of(module, 8), &why));
    assert_int_equal(strncmp(why.text, "publishers: ", 12), 0);
    assert_non_null(strstr(why.text, "unsigned"));
    bytes_done(&good);
    (void)key_free(publisher);
}

#define HEAD "{\"round_id\":\"r-1\",\"base_model_uri\":\"fl/models/m_v0\","

static void an_evaluation_sends_no_parameters(void **state)
{
    (void)state;
    struct learning training = {0}, evaluation = {.evaluates = true};
    struct why why = {""};
    struct view metrics = view_text(HEAD "\"num_samples\":3,\"metrics\":{\"loss\":1}}"),
                values = view_text(HEAD "\"num_samples\":3,\"update\":{\"w\":[1,2]}}"),
                unclear = view_text(HEAD "\"num_samples\":0,\"update\":{\"w\":[1,2]}}");
    open_trust(",\"modes\":[\"evaluate\"]");
    assert_true(permission_to_send(trust, &evaluation, metrics, &why));
    assert_string_equal(why.text, "");
    assert_false(permission_to_send(trust, &evaluation, values, &why));
    assert_string_equal(why.text, "modes: an evaluation must not send parameters");
    /* What the coordinator would refuse could still be read by it. */
    assert_false(permission_to_send(trust, &evaluation, unclear, &why));
    assert_non_null(strstr(why.text, "readable"));
    assert_true(permission_to_send(trust, &training, values, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_policy_everything_is_allowed),
        TEST(modes_are_those_of_the_policy),
        TEST(a_task_of_no_round_does_not_pass_by_a_rounds_rules),
        TEST(a_round_is_protected_as_the_owner_asks),
        TEST(only_so_many_rounds_are_taken),
        TEST(a_round_that_cannot_be_counted_does_not_run),
        TEST(images_are_judged_by_their_digest_before_they_are_here),
        TEST(images_are_judged_by_their_publisher),
        TEST(an_evaluation_sends_no_parameters),
    };
    return cmocka_run_group_tests_name("proplet/permission", tests, NULL, NULL);
}
