/* Checks what the owner's files must be, and what a refusal says to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "identity/identity_file.h"
#include "io/file.h"
#include "proplet/trust.h"

static char folder[64], identity[128], policy[128], revoked[128];
static struct key *fleet, *device;
static struct trust *trust;
static const struct id me = {"p-1"};

static void put(const char *path, const char *text)
{
    assert_int_equal(file_write(path, view_text(text)), ST_OK);
    assert_int_equal(chmod(path, 0600), 0);
}

/* The identity of a device with this name, of the fleet of this key. */
static void put_identity(const char *name, const struct key *by)
{
    struct identity_file f = {.kind = IDENTITY_DEVICE, .key = device};
    struct bytes text = {0};
    f.certificate = (struct certificate){.key = *key_public(device), .serial = 7, .not_after = 900};
    assert_int_equal(id_from(name, &f.certificate.id), ST_OK);
    assert_int_equal(certificate_sign(&f.certificate, by, &f.certificate_bytes), ST_OK);
    assert_int_equal(identity_file_encode(&f, &text), ST_OK);
    assert_int_equal(file_write(identity, bytes_view(&text)), ST_OK);
    assert_int_equal(chmod(identity, 0600), 0);
    identity_file_wipe(&text);
}

/* more: further fields, each with a comma before it */
static void put_policy(const struct key *of, const char *more)
{
    char hex[KEY_HEX_SIZE], text[512];
    key_public_hex(key_public(of), hex);
    (void)snprintf(text, sizeof text, "{\"version\":1,\"fleet_key\":\"%s\"%s}", hex, more);
    put(policy, text);
}

static void put_revoked(uint64_t serial, size_t count)
{
    struct revocations *r = NULL;
    struct bytes bytes = {0};
    assert_int_equal(revocations_new(&r), ST_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(revocations_add(r, serial + i), ST_OK);
    assert_int_equal(revocations_sign(r, fleet, &bytes), ST_OK);
    assert_int_equal(file_write(revoked, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    (void)revocations_free(r);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/fml-trust-XXXXXX");
    if (mkdtemp(folder) == NULL || key_new(&fleet) != ST_OK || key_new(&device) != ST_OK)
        return 1;
    (void)snprintf(identity, sizeof identity, "%s/identity", folder);
    (void)snprintf(policy, sizeof policy, "%s/policy", folder);
    (void)snprintf(revoked, sizeof revoked, "%s/revoked", folder);
    put_identity("p-1", fleet);
    put_policy(fleet, "");
    put_revoked(7, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trust = trust_close(trust);
    fleet = key_free(fleet);
    device = key_free(device);
    return file_remove_tree(folder) != ST_OK;
}

static void open_all(void)
{
    const struct trust_files files = {identity, policy, revoked};
    struct why why = {""};
    trust = trust_close(trust);
    if (trust_open(&files, &me, &trust, &why) != ST_OK || trust_enter(trust, folder, &why) != ST_OK)
        fail_msg("%s", why.text);
}

/* What is given is refused with a sentence that has this part. */
static void refuse(const struct trust_files *files, enum status expected, const char *part)
{
    struct why why = {""};
    struct trust *none = NULL;
    assert_int_equal(trust_open(files, &me, &none, &why), expected);
    assert_null(none);
    if (strstr(why.text, part) == NULL)
        fail_msg("%s: no %s", why.text, part);
}

static void each_file_is_there_for_whoever_needs_it(void **state)
{
    (void)state;
    struct certificate c;
    open_all();
    assert_true(key_public_equal(key_public(trust_key(trust)), key_public(device)));
    assert_int_equal(certificate_check(trust_certificate(trust), key_public(fleet), 0, NULL, &c),
                     CERTIFICATE_FINE);
    assert_string_equal(c.id.text, "p-1");
    assert_true(trust_policy(trust)->has_fleet_key);
    assert_int_equal(revocations_number(trust_revocations(trust)), 0);
}

static void each_file_is_optional(void **state)
{
    (void)state;
    struct why why = {""};
    const struct trust_files only_identity = {.identity = identity},
                             only_policy = {NULL, policy, NULL};
    assert_int_equal(trust_open(&only_identity, &me, &trust, &why), ST_OK);
    assert_int_equal(trust_enter(trust, folder, &why), ST_OK);
    assert_non_null(trust_key(trust));
    assert_null(trust_policy(trust));
    assert_null(trust_revocations(trust));
    assert_int_equal(trust_read_revocations(trust, &why), ST_OK);
    assert_int_equal(trust_own_verdict(trust, 5000), CERTIFICATE_FINE); /* nobody to ask */
    assert_int_equal(trust_take_round(trust), ST_OK);
    assert_int_equal(trust_rounds_taken(trust), 0); /* there is no policy to count for */
    trust = trust_close(trust);
    assert_int_equal(trust_open(&only_policy, &me, &trust, &why), ST_OK);
    assert_int_equal(trust_enter(trust, folder, &why), ST_OK);
    assert_null(trust_key(trust));
    assert_int_equal(trust_certificate(trust).size, 0);
    assert_non_null(trust_policy(trust));
}

static void an_identity_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0666};
    const struct trust_files files = {.identity = identity};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(identity, modes[i]), 0);
        refuse(&files, ST_INVALID, "chmod 600");
    }
    assert_int_equal(chmod(identity, 0400), 0);
    assert_int_equal(trust_open(&files, &me, &trust, NULL), ST_OK);
}

static void an_identity_must_be_that_of_this_device(void **state)
{
    (void)state;
    const struct trust_files files = {.identity = identity};
    put_identity("p-2", fleet);
    refuse(&files, ST_INVALID, "identity of p-2, not of p-1");
    put(identity, "{\"kind\":\"fml fleet key\",\"version\":1,\"seed\":\"\"}");
    refuse(&files, ST_INVALID, "fml fleet enroll");
    put(identity, "no identity");
    refuse(&files, ST_INVALID, "fml fleet enroll");
    assert_int_equal(unlink(identity), 0);
    refuse(&files, ST_NOT_FOUND, "--identity, cannot be read");
}

static void a_policy_is_whole_or_refused(void **state)
{
    (void)state;
    const struct trust_files files = {.policy = policy};
    put(policy, "{\"version\":1,\"protecton\":\"both\"}");
    refuse(&files, ST_INVALID, "protecton");
    put(policy, "{");
    refuse(&files, ST_MALFORMED, policy);
    assert_int_equal(unlink(policy), 0);
    refuse(&files, ST_NOT_FOUND, "--policy, cannot be read");
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    const struct trust_files all = {identity, policy, revoked},
                             without_policy = {identity, NULL, revoked};
    refuse(&without_policy, ST_INVALID, "fleet_key");
    put(policy, "{\"version\":1}");
    refuse(&all, ST_INVALID, "fleet_key");
    put_policy(device, "");
    refuse(&all, ST_INVALID, "has not signed");
}

static void the_devices_own_certificate_may_end(void **state)
{
    (void)state;
    struct why why = {""};
    open_all();
    assert_int_equal(trust_own_verdict(trust, 900), CERTIFICATE_FINE);
    assert_int_equal(trust_own_verdict(trust, 901), CERTIFICATE_EXPIRED);
    put_revoked(7, 1);
    assert_int_equal(trust_own_verdict(trust, 900), CERTIFICATE_FINE); /* not read yet */
    assert_int_equal(trust_read_revocations(trust, &why), ST_OK);
    assert_int_equal(trust_own_verdict(trust, 900), CERTIFICATE_REVOKED);
}

static void an_older_list_is_refused_over_a_restart(void **state)
{
    (void)state;
    struct why why = {""};
    const struct trust_files files = {identity, policy, revoked};
    put_revoked(7, 2);
    open_all();
    put_revoked(7, 1);
    assert_int_equal(trust_read_revocations(trust, &why), ST_EXISTS);
    assert_int_equal(revocations_number(trust_revocations(trust)), 2);
    trust = trust_close(trust);
    assert_int_equal(trust_open(&files, &me, &trust, &why), ST_OK);
    assert_int_equal(trust_enter(trust, folder, &why), ST_EXISTS);
    assert_non_null(strstr(why.text, "newer one"));
}

static void rounds_are_counted_over_restarts(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        open_all();
        assert_int_equal(trust_rounds_taken(trust), i);
        assert_int_equal(trust_take_round(trust), ST_OK);
    }
    assert_int_equal(trust_rounds_taken(trust), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_file_is_there_for_whoever_needs_it),
        TEST(each_file_is_optional),
        TEST(an_identity_that_others_can_read_is_refused),
        TEST(an_identity_must_be_that_of_this_device),
        TEST(a_policy_is_whole_or_refused),
        TEST(what_does_not_belong_together_is_refused),
        TEST(the_devices_own_certificate_may_end),
        TEST(an_older_list_is_refused_over_a_restart),
        TEST(rounds_are_counted_over_restarts),
    };
    return cmocka_run_group_tests_name("proplet/trust", tests, NULL, NULL);
}
