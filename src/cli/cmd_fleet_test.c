/* fml fleet and fml images sign as a person uses them, in a folder of their own: exit status,
 * files, and that what they write is what a device reads. */
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

#include "cli/commands.h"
#include "identity/identity_file.h"
#include "identity/signed_image.h"
#include "io/clock.h"
#include "io/file.h"

#define KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static char root[64];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/fml-cmd-fleet-XXXXXX");
    assert_non_null(mkdtemp(root));
    return chdir(root);
}

static int teardown(void **state)
{
    (void)state;
    return chdir("/") == 0 && file_remove_tree(root) == ST_OK ? 0 : -1;
}

/* The exit status of "fleet init f", "images sign ...". */
static int run(const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    (void)snprintf(text, sizeof text, "%s", line);
    char *rest = text;
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL && argc < 31;)
        argv[argc++] = word;
    argv[argc] = NULL;
    return strcmp(argv[0], "fleet") == 0 ? cmd_fleet(argc, argv) : cmd_images(argc, argv);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static struct bytes contents(const char *path)
{
    struct bytes b = {0};
    assert_int_equal(file_read(path, 1 << 20, &b), ST_OK);
    return b;
}

/* The public key in a .pub file. */
static struct key_public public_in(const char *path)
{
    struct bytes b = contents(path);
    struct key_public key = {{0}};
    char hex[KEY_HEX_SIZE];
    assert_int_equal(b.size, KEY_HEX_SIZE);
    assert_int_equal(b.data[KEY_HEX_SIZE - 1], '\n');
    memcpy(hex, b.data, KEY_HEX_SIZE);
    hex[KEY_HEX_SIZE - 1] = '\0';
    assert_int_equal(key_public_parse(hex, &key), ST_OK);
    bytes_done(&b);
    return key;
}

static struct identity_file identity_in(const char *path)
{
    struct bytes b = contents(path);
    struct identity_file f = {0};
    struct why why = {""};
    if (identity_file_decode(bytes_view(&b), IDENTITY_DEVICE, &f, &why) != ST_OK)
        fail_msg("%s", why.text);
    identity_file_wipe(&b);
    return f;
}

static enum certificate_verdict judge(const struct certificate_bytes *b, uint64_t now_s)
{
    struct key_public fleet = public_in("f/fleet.pub");
    struct bytes list = contents("f/revocations");
    struct revocations *revoked = NULL;
    struct certificate c;
    assert_int_equal(revocations_check(bytes_view(&list), &fleet, NULL, &revoked, NULL), ST_OK);
    enum certificate_verdict verdict =
        certificate_check(certificate_view(b), &fleet, now_s, revoked, &c);
    (void)revocations_free(revoked);
    bytes_done(&list);
    return verdict;
}

static void a_fleet_enrolls_and_revokes(void **state)
{
    (void)state;
    uint64_t now_s = clock_unix_s();
    assert_int_equal(run("fleet init f"), 0);
    assert_int_equal(run("fleet init f"), 1);
    assert_int_equal(mode_of("f/fleet.key"), 0600);
    assert_int_equal(run("fleet enroll dev-1 dev-2 --fleet f --days 2 --out devices"), 0);
    assert_int_equal(mode_of("devices/dev-1.identity"), 0600);
    struct identity_file one = identity_in("devices/dev-1.identity");
    struct identity_file two = identity_in("devices/dev-2.identity");
    assert_int_equal(judge(&one.certificate_bytes, now_s), CERTIFICATE_FINE);
    assert_int_equal(judge(&one.certificate_bytes, now_s + 3 * 24 * 3600), CERTIFICATE_EXPIRED);
    assert_false(key_public_equal(&one.certificate.key, &two.certificate.key));

    assert_int_equal(run("fleet revoke dev-1 --fleet f"), 0);
    assert_int_equal(judge(&one.certificate_bytes, now_s), CERTIFICATE_REVOKED);
    assert_int_equal(judge(&two.certificate_bytes, now_s), CERTIFICATE_FINE);
    assert_int_equal(run("fleet revoke dev-1 --fleet f"), 1);
    assert_int_equal(run("fleet revoke dev-7 --fleet f"), 1);
    assert_int_equal(run("fleet list --fleet f"), 0);
    assert_int_equal(run("fleet list --fleet f --json"), 0);
    identity_file_done(&one);
    identity_file_done(&two);
}

static void a_file_that_is_there_is_never_lost(void **state)
{
    (void)state;
    assert_int_equal(run("fleet init f"), 0);
    assert_int_equal(run("fleet enroll dev-1 --fleet f"), 0);
    struct bytes before = contents("dev-1.identity");
    assert_int_equal(run("fleet enroll dev-1 --fleet f"), 1);
    assert_int_equal(run("fleet revoke dev-1 --fleet f"), 0);
    assert_int_equal(run("fleet enroll dev-2 dev-1 --fleet f"), 1);
    assert_false(is_there("dev-2.identity"));
    struct bytes after = contents("dev-1.identity");
    assert_true(view_equal(bytes_view(&before), bytes_view(&after)));
    assert_int_equal(run("fleet enroll dev-2 dev-1 --fleet f --out again"), 0);
    assert_true(is_there("again/dev-1.identity") && is_there("again/dev-2.identity"));
    identity_file_wipe(&before);
    identity_file_wipe(&after);
}

static void a_device_that_made_its_key_gets_a_certificate_alone(void **state)
{
    (void)state;
    struct certificate_bytes b;
    struct certificate c;
    char hex[KEY_HEX_SIZE];
    assert_int_equal(run("fleet init f"), 0);
    assert_int_equal(run("fleet enroll dev-1 --fleet f --public-key " KEY), 0);
    assert_false(is_there("dev-1.identity"));
    struct bytes text = contents("dev-1.certificate");
    text.data[text.size - 1] = '\0'; /* its line end */
    assert_int_equal(certificate_parse((const char *)text.data, &b), ST_OK);
    assert_int_equal(judge(&b, clock_unix_s()), CERTIFICATE_FINE);
    assert_int_equal(certificate_read(certificate_view(&b), &c), ST_OK);
    key_public_hex(&c.key, hex);
    assert_string_equal(hex, KEY);
    assert_int_equal(c.not_after, 0);
    bytes_done(&text);
}

static void what_is_no_fleet_is_said(void **state)
{
    (void)state;
    assert_int_equal(run("fleet enroll dev-1 --fleet none"), 1);
    assert_false(is_there("dev-1.identity"));
    assert_int_equal(run("fleet revoke dev-1 --fleet none"), 1);
    assert_int_equal(run("fleet list --fleet none"), 1);
    assert_int_equal(run("fleet init"), 2);
    assert_int_equal(run("fleet list"), 2);
    assert_int_equal(run("fleet publisher"), 2);
    assert_int_equal(run("fleet none"), 2);
    static const char *const words[] = {"init", "enroll", "revoke", "list", "publisher"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "fleet %s --help", words[i]);
        assert_int_equal(run(line), 0);
    }
}

static void write_module(const char *path)
{
    assert_int_equal(file_write(path, view_of("\0asm\1\0\0\0", 8)), ST_OK);
}

static enum signed_image_verdict judge_module(const char *path, const struct key_public *key)
{
    struct bytes b = contents(path);
    enum signed_image_verdict verdict = signed_image_check(bytes_view(&b), key, 1, NULL);
    bytes_done(&b);
    return verdict;
}

static void a_publisher_signs_a_module(void **state)
{
    (void)state;
    assert_int_equal(run("fleet publisher me.key"), 0);
    assert_int_equal(run("fleet publisher me.key"), 1);
    assert_int_equal(run("fleet publisher other"), 0);
    assert_int_equal(mode_of("me.key"), 0600);
    struct key_public me = public_in("me.pub"), other = public_in("other.pub");
    write_module("m.wasm");
    assert_int_equal(run("images sign m.wasm --key me.key --out signed.wasm"), 0);
    assert_int_equal(judge_module("m.wasm", &me), SIGNED_IMAGE_UNSIGNED);
    assert_int_equal(judge_module("signed.wasm", &me), SIGNED_IMAGE_FINE);
    assert_int_equal(run("images sign m.wasm --key other"), 0);
    assert_int_equal(judge_module("m.wasm", &me), SIGNED_IMAGE_UNKNOWN);
    assert_int_equal(run("images sign m.wasm --key me.key"), 0);
    assert_int_equal(judge_module("m.wasm", &me), SIGNED_IMAGE_FINE);
    assert_int_equal(judge_module("m.wasm", &other), SIGNED_IMAGE_UNKNOWN);
}

static void only_modules_are_signed_and_only_by_publishers(void **state)
{
    (void)state;
    write_module("m.wasm");
    assert_int_equal(file_write("t.wasm", view_text("(module)")), ST_OK);
    assert_int_equal(run("fleet init f"), 0);
    assert_int_equal(run("fleet publisher me.key"), 0);
    assert_int_equal(run("images sign t.wasm --key me.key"), 1);
    assert_int_equal(run("images sign none.wasm --key me.key"), 1);
    assert_int_equal(run("images sign m.wasm --key f/fleet.key"), 1);
    assert_int_equal(run("images sign m.wasm --key none"), 1);
    assert_int_equal(run("images sign m.wasm"), 2);
    assert_int_equal(run("images sign --key me.key"), 2);
    assert_int_equal(run("images sign --help"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fleet_enrolls_and_revokes),
        TEST(a_file_that_is_there_is_never_lost),
        TEST(a_device_that_made_its_key_gets_a_certificate_alone),
        TEST(what_is_no_fleet_is_said),
        TEST(a_publisher_signs_a_module),
        TEST(only_modules_are_signed_and_only_by_publishers),
    };
    return cmocka_run_group_tests_name("cli/cmd_fleet", tests, NULL, NULL);
}
