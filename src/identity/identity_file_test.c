/* Checks the files of secret keys: they come back, and what does not fit together is refused
 * without a word of the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "identity/identity_file.h"

/* RFC 8032, section 7.1, TEST 1. */
#define SEED   "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define PUBLIC "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define FLEET  "{\"kind\":\"fml fleet key\",\"version\":1,\"seed\":\"" SEED "\"}"

static struct key *fleet;
static struct identity_file device;

static int setup(void **state)
{
    (void)state;
    struct certificate c = {.id = {"dev-1"}, .serial = 7};
    if (key_new(&fleet) != ST_OK || key_new(&device.key) != ST_OK)
        return -1;
    c.key = *key_public(device.key);
    device.kind = IDENTITY_DEVICE;
    device.certificate = c;
    return certificate_sign(&c, fleet, &device.certificate_bytes) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    identity_file_done(&device);
    identity_file_done(NULL);
    fleet = key_free(fleet);
    return 0;
}

static void a_key_is_read_from_its_text(void **state)
{
    (void)state;
    struct identity_file f = {0};
    char hex[KEY_HEX_SIZE];
    assert_int_equal(identity_file_decode(view_text(FLEET), IDENTITY_FLEET, &f, NULL), ST_OK);
    key_public_hex(key_public(f.key), hex);
    assert_string_equal(hex, PUBLIC);
    identity_file_done(&f);
    /* As a person may have set it. */
    static const char spaced[] = "\n{ \"seed\" :\t\"" SEED "\",\n  \"version\": 1,\n"
                                 "  \"kind\": \"fml publisher key\" }\n";
    assert_int_equal(identity_file_decode(view_text(spaced), IDENTITY_PUBLISHER, &f, NULL), ST_OK);
    key_public_hex(key_public(f.key), hex);
    assert_string_equal(hex, PUBLIC);
    identity_file_done(&f);
}

static void keys_come_back(void **state)
{
    (void)state;
    for (int kind = IDENTITY_FLEET; kind <= IDENTITY_PUBLISHER; kind++) {
        struct identity_file f = {.kind = (enum identity_kind)kind}, again = {0};
        struct bytes text = {0};
        assert_int_equal(key_new(&f.key), ST_OK);
        assert_int_equal(identity_file_encode(&f, &text), ST_OK);
        assert_int_equal(identity_file_decode(bytes_view(&text), f.kind, &again, NULL), ST_OK);
        assert_true(key_public_equal(key_public(f.key), key_public(again.key)));
        assert_int_equal(again.kind, kind);
        identity_file_wipe(&text);
        assert_null(text.data);
        identity_file_done(&again);
        assert_null(again.key);
        identity_file_done(&f);
    }
}

static void an_identity_comes_back(void **state)
{
    (void)state;
    struct identity_file again = {0};
    struct bytes text = {0};
    assert_int_equal(identity_file_encode(&device, &text), ST_OK);
    assert_int_equal(identity_file_decode(bytes_view(&text), IDENTITY_DEVICE, &again, NULL), ST_OK);
    assert_true(key_public_equal(key_public(device.key), key_public(again.key)));
    assert_string_equal(again.certificate.id.text, "dev-1");
    assert_int_equal(again.certificate.serial, 7);
    struct certificate c;
    assert_int_equal(certificate_check(certificate_view(&again.certificate_bytes),
                                       key_public(fleet), 1, NULL, &c),
                     CERTIFICATE_FINE);
    identity_file_done(&again);
    identity_file_wipe(&text);
}

/* text: of an identity; whatever stands for `from` in it becomes `to` */
static void refuse_changed(const char *from, const char *to, const char *word)
{
    struct bytes text = {0};
    char changed[2 * IDENTITY_FILE_SIZE_MAX];
    assert_int_equal(identity_file_encode(&device, &text), ST_OK);
    assert_int_equal(bytes_resize(&text, text.size + 1), ST_OK);
    const char *at = strstr((const char *)text.data, from);
    assert_non_null(at);
    (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - (const char *)text.data),
                   (const char *)text.data, to, at + strlen(from));
    struct identity_file f = {.kind = IDENTITY_PUBLISHER};
    struct why why = {""};
    assert_int_equal(identity_file_decode(view_text(changed), IDENTITY_DEVICE, &f, &why),
                     ST_INVALID);
    if (strstr(why.text, word) == NULL)
        fail_msg("%s: %s", word, why.text);
    assert_true(f.kind == IDENTITY_PUBLISHER && f.key == NULL);
    identity_file_wipe(&text);
}

static void an_identity_that_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    char certificate[CERTIFICATE_TEXT_SIZE], others[CERTIFICATE_TEXT_SIZE];
    struct certificate c = device.certificate;
    struct certificate_bytes b;
    certificate_text(&device.certificate_bytes, certificate);
    c.key = *key_public(fleet);
    assert_int_equal(certificate_sign(&c, fleet, &b), ST_OK);
    certificate_text(&b, others);
    uint8_t seed[KEY_SEED_SIZE];
    char hex[2 * KEY_SEED_SIZE + 1];
    key_seed(device.key, seed);
    (void)sodium_bin2hex(hex, sizeof hex, seed, sizeof seed);

    refuse_changed("\"version\":1", "\"version\":2", "version");
    refuse_changed("\"version\":1,", "", "version");
    refuse_changed("device identity", "fleet key", "kind");
    refuse_changed("dev-1\"", "dev-2\"", "certificate is for dev-1, not for dev-2");
    refuse_changed("dev-1\"", "dev/1\"", "proplet_id");
    refuse_changed("certificate", "certifikate", "certificate is missing");
    refuse_changed(certificate, "AAAA", "base64");
    refuse_changed(certificate, others, "another key");
    refuse_changed("\"version\":1", "\"version\":1,\"more\":2", "fields");
    refuse_changed("\"seed\":\"", "\"seed\":\"" SEED "\",\"sneed\":\"", "fields");
    refuse_changed(hex, SEED, "another key than that of seed");
    refuse_changed("\"seed\":\"", "\"seed\":\"0", "no seed");
}

static void what_is_no_key_file_is_refused_without_its_seed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
    } wrong[] = {
        {"", ST_INVALID},
        {"{}", ST_INVALID},
        {"\"seed\":", ST_INVALID},
        {"\"seed\"", ST_INVALID},
        {"{\"seed\":\"" SEED, ST_INVALID},
        {"{\"seed\":\"" SEED "\"", ST_MALFORMED},
        {"\"seed\":\"" SEED "\"", ST_MALFORMED},
        {"{\"seed\":\"" SEED "\"}", ST_INVALID},
        {"{\"seed\":\"" SEED "\",\"seed\":\"" SEED "\"}", ST_MALFORMED},
        {"{\"kind\":\"fml fleet key\",\"version\":1,\"s\\u0065ed\":\"" SEED "\"}", ST_INVALID},
        {"{\"kind\":\"fml fleet key\",\"version\":1,\"seed\":[\"" SEED "\"]}", ST_INVALID},
        {"{\"x\":{\"seed\":\"" SEED "\"},\"kind\":\"fml fleet key\",\"version\":1,\"seed\":\"" SEED
         "\"}",
         ST_INVALID},
        {"{\"kind\":\"fml fleet key\",\"version\":1,\"seed\":\"" SEED "\",\"x\":1}", ST_INVALID},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct identity_file f = {0};
        struct why why = {""};
        if (identity_file_decode(view_text(wrong[i].text), IDENTITY_FLEET, &f, &why) !=
            wrong[i].status)
            fail_msg("%zu: %s", i, why.text);
        assert_true(why.text[0] != '\0');
        assert_null(strstr(why.text, "9d61b1"));
        assert_null(f.key);
    }
}

static void a_long_text_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static char text[IDENTITY_FILE_SIZE_MAX + 2];
    struct identity_file f = {0};
    struct why why = {""};
    memset(text, ' ', sizeof text - 1);
    memcpy(text, FLEET, sizeof FLEET - 1);
    assert_int_equal(
        identity_file_decode(view_of(text, IDENTITY_FILE_SIZE_MAX), IDENTITY_FLEET, &f, &why),
        ST_OK);
    identity_file_done(&f);
    assert_int_equal(
        identity_file_decode(view_of(text, IDENTITY_FILE_SIZE_MAX + 1), IDENTITY_FLEET, &f, &why),
        ST_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_read_from_its_text),
        cmocka_unit_test(keys_come_back),
        cmocka_unit_test(an_identity_comes_back),
        cmocka_unit_test(an_identity_that_does_not_fit_together_is_refused),
        cmocka_unit_test(what_is_no_key_file_is_refused_without_its_seed),
        cmocka_unit_test(a_long_text_is_refused_before_it_is_read),
    };
    return cmocka_run_group_tests_name("identity/identity_file", tests, setup, teardown);
}
