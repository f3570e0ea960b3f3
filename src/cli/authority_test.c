/* Checks a fleet's folder: what is recorded, what counts, and what a crash may leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cli/authority.h"
#include "io/file.h"

static char root[64], folder[96];
static struct key_public fleet;

static int setup(void **state)
{
    (void)state;
    struct why why = {""};
    (void)strcpy(root, "/tmp/fml-authority-XXXXXX");
    assert_non_null(mkdtemp(root));
    (void)snprintf(folder, sizeof folder, "%s/fleet", root);
    return authority_init(folder, &fleet, &why) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(root) == ST_OK ? 0 : -1;
}

static struct authority *open_folder(bool unlock)
{
    struct authority *a = NULL;
    struct why why = {""};
    enum status status = authority_open(folder, &a, &why);
    if (status == ST_OK && unlock)
        status = authority_unlock(a, &why);
    if (status != ST_OK)
        fail_msg("%s", why.text);
    return a;
}

static struct identity_file enroll(struct authority *a, const char *id, uint64_t not_after)
{
    struct identity_file f = {0};
    struct id name;
    struct why why = {""};
    assert_int_equal(id_from(id, &name), ST_OK);
    if (authority_enroll(a, &name, 1, NULL, not_after, &f, &why) != ST_OK)
        fail_msg("%s", why.text);
    return f;
}

static enum certificate_verdict judge(const struct authority *a, const struct identity_file *f)
{
    struct certificate c;
    return certificate_check(certificate_view(&f->certificate_bytes), authority_key(a),
                             clock_unix_s(), authority_revoked(a), &c);
}

static const char *file_in(const char *name)
{
    static char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void a_new_fleet_has_nobody_and_a_key_of_its_own(void **state)
{
    (void)state;
    struct authority *a = open_folder(true);
    struct stat info;
    assert_int_equal(authority_devices(a)->count, 0);
    assert_int_equal(revocations_number(authority_revoked(a)), 0);
    assert_true(key_public_equal(authority_key(a), &fleet));
    assert_int_equal(stat(file_in("fleet.key"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    (void)authority_close(a);
    assert_null(authority_close(NULL));
}

static void a_second_init_changes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"fleet.key", "fleet.pub", "revocations", "devices"};
    struct key_public key = {{7}};
    for (size_t i = 0; i < 4; i++) {
        struct why why = {""};
        assert_int_equal(authority_init(folder, &key, &why), ST_EXISTS);
        assert_non_null(strstr(why.text, names[i]));
        assert_int_equal(key.bytes[0], 7);
        assert_int_equal(remove(file_in(names[i])), 0);
    }
    assert_int_equal(authority_init(folder, &key, NULL), ST_OK);
    assert_false(key_public_equal(&key, &fleet));
}

static void who_is_enrolled_counts_and_is_recorded(void **state)
{
    (void)state;
    struct authority *a = open_folder(true);
    struct id ids[] = {{"dev-1"}, {"dev-2"}};
    struct identity_file files[2] = {{0}};
    assert_int_equal(authority_enroll(a, ids, 2, NULL, 0, files, NULL), ST_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(judge(a, &files[i]), CERTIFICATE_FINE);
        assert_string_equal(files[i].certificate.id.text, ids[i].text);
        assert_true(key_public_equal(&files[i].certificate.key, key_public(files[i].key)));
    }
    (void)authority_close(a);
    a = open_folder(false);
    const struct enrolments *devices = authority_devices(a);
    assert_int_equal(devices->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(devices->items[i].id.text, ids[i].text);
        assert_int_equal(devices->items[i].serial, i + 1);
        assert_true(key_public_equal(&devices->items[i].key, key_public(files[i].key)));
        identity_file_done(&files[i]);
    }
    (void)authority_close(a);
}

static void a_device_may_bring_its_key(void **state)
{
    (void)state;
    struct authority *a = open_folder(true);
    struct id id = {"dev-1"};
    struct key *own = NULL;
    struct identity_file f = {0};
    assert_int_equal(key_new(&own), ST_OK);
    assert_int_equal(authority_enroll(a, &id, 1, key_public(own), 0, &f, NULL), ST_OK);
    assert_null(f.key);
    assert_int_equal(judge(a, &f), CERTIFICATE_FINE);
    assert_true(key_public_equal(&f.certificate.key, key_public(own)));
    identity_file_done(&f);
    (void)key_free(own);
    (void)authority_close(a);
}

static void who_is_in_force_is_not_enrolled_again(void **state)
{
    (void)state;
    struct authority *a = open_folder(true);
    struct id ids[] = {{"dev-2"}, {"dev-1"}};
    struct identity_file first = enroll(a, "dev-1", 0), files[2] = {{0}};
    struct why why = {""};
    assert_int_equal(authority_enroll(a, ids, 2, NULL, 0, files, &why), ST_EXISTS);
    assert_non_null(strstr(why.text, "dev-1 is enrolled already (serial 1)"));
    assert_int_equal(authority_devices(a)->count, 1);
    /* Expired, or revoked: then it is. */
    struct identity_file old = enroll(a, "dev-3", 1), renewed = enroll(a, "dev-3", 0);
    assert_int_equal(judge(a, &old), CERTIFICATE_EXPIRED);
    assert_int_equal(judge(a, &renewed), CERTIFICATE_FINE);
    assert_int_equal(renewed.certificate.serial, 3);
    identity_file_done(&first);
    identity_file_done(&old);
    identity_file_done(&renewed);
    (void)authority_close(a);
}

static void who_is_revoked_no_longer_counts(void **state)
{
    (void)state;
    struct authority *a = open_folder(true);
    struct id id = {"dev-1"};
    struct why why = {""};
    struct identity_file one = enroll(a, "dev-1", 0), two = enroll(a, "dev-2", 0);
    assert_int_equal(authority_revoke(a, &id, NULL), ST_OK);
    (void)authority_close(a);
    a = open_folder(true);
    assert_int_equal(judge(a, &one), CERTIFICATE_REVOKED);
    assert_int_equal(judge(a, &two), CERTIFICATE_FINE);
    assert_int_equal(revocations_number(authority_revoked(a)), 1);
    assert_true(authority_devices(a)->items[0].revoked_at[0] != '\0');
    assert_int_equal(authority_revoke(a, &id, &why), ST_NOT_FOUND);
    assert_int_equal(revocations_number(authority_revoked(a)), 1);
    struct identity_file again = enroll(a, "dev-1", 0);
    assert_int_equal(judge(a, &again), CERTIFICATE_FINE);
    assert_int_equal(judge(a, &one), CERTIFICATE_REVOKED);
    identity_file_done(&one);
    identity_file_done(&two);
    identity_file_done(&again);
    (void)authority_close(a);
}

/* The list of revocations was written, that of devices not. */
static void a_revocation_that_broke_off_is_finished(void **state)
{
    (void)state;
    struct id id = {"dev-1"};
    struct bytes devices = {0};
    struct authority *a = open_folder(true);
    struct identity_file f = enroll(a, "dev-1", 0);
    assert_int_equal(file_read(file_in("devices"), ENROLMENTS_SIZE_MAX, &devices), ST_OK);
    assert_int_equal(authority_revoke(a, &id, NULL), ST_OK);
    (void)authority_close(a);
    assert_int_equal(file_write(file_in("devices"), bytes_view(&devices)), ST_OK);

    a = open_folder(true);
    assert_int_equal(judge(a, &f), CERTIFICATE_REVOKED);
    assert_int_equal(authority_revoke(a, &id, NULL), ST_OK);
    assert_int_equal(revocations_number(authority_revoked(a)), 1);
    assert_true(authority_devices(a)->items[0].revoked_at[0] != '\0');
    (void)authority_close(a);
    identity_file_done(&f);
    bytes_done(&devices);
}

static void a_folder_that_is_not_as_it_was_is_refused(void **state)
{
    (void)state;
    struct authority *a = NULL;
    struct why why = {""};
    assert_int_equal(authority_open(root, &a, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "fml fleet init"));
    assert_int_equal(authority_open("/nowhere/at/all", &a, &why), ST_NOT_FOUND);
    char longer[AUTHORITY_PATH_MAX + 2];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(authority_open(longer, &a, &why), ST_LIMIT);

    /* Another fleet's key beside this one's list. */
    struct key_public other;
    struct bytes key = {0}, line = {0};
    char second[96];
    (void)snprintf(second, sizeof second, "%s/other", root);
    assert_int_equal(authority_init(second, &other, NULL), ST_OK);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/fleet.key", second);
    assert_int_equal(file_read(path, IDENTITY_FILE_SIZE_MAX, &key), ST_OK);
    assert_int_equal(file_write(file_in("fleet.key"), bytes_view(&key)), ST_OK);
    a = open_folder(false);
    assert_int_equal(authority_unlock(a, &why), ST_INVALID);
    assert_non_null(strstr(why.text, "not the key of fleet.pub"));
    a = authority_close(a);
    (void)snprintf(path, sizeof path, "%s/fleet.pub", second);
    assert_int_equal(file_read(path, 100, &line), ST_OK);
    assert_int_equal(file_write(file_in("fleet.pub"), bytes_view(&line)), ST_OK);
    assert_int_equal(authority_open(folder, &a, &why), ST_CORRUPT);
    assert_non_null(strstr(why.text, "not signed by the fleet's key"));

    assert_int_equal(file_write(file_in("fleet.pub"), view_text("no key\n")), ST_OK);
    assert_int_equal(authority_open(folder, &a, &why), ST_INVALID);
    assert_null(a);
    identity_file_wipe(&key);
    bytes_done(&line);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_fleet_has_nobody_and_a_key_of_its_own),
        TEST(a_second_init_changes_nothing),
        TEST(who_is_enrolled_counts_and_is_recorded),
        TEST(a_device_may_bring_its_key),
        TEST(who_is_in_force_is_not_enrolled_again),
        TEST(who_is_revoked_no_longer_counts),
        TEST(a_revocation_that_broke_off_is_finished),
        TEST(a_folder_that_is_not_as_it_was_is_refused),
    };
    return cmocka_run_group_tests_name("cli/authority", tests, NULL, NULL);
}
