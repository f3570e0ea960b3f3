/* Checks migrate.c on files that managers before the store wrote (testdata/version-0):
 * what they knew is in the store, once, and files that are not ours are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "manager/migrate.h"

#define GOLDEN "src/manager/testdata/version-0/"

struct fixture {
    char folder[64];
    struct store *store;
    size_t proplets, launches, images;
    char text[4096]; /* of all that the store holds, in its order */
};

static void open_store(struct fixture *f)
{
    char path[128];
    struct why why;
    (void)snprintf(path, sizeof path, "%s/manager.db", f->folder);
    assert_int_equal(store_open(path, &f->store, &why), ST_OK);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.folder = "/tmp/fml-migrate-XXXXXX"};
    if (mkdtemp(f.folder) == NULL)
        return -1;
    open_store(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    return file_remove_tree(f->folder) == ST_OK ? 0 : -1;
}

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return path;
}

static void copy_golden(const struct fixture *f, const char *name)
{
    char golden[128];
    struct bytes text = {0};
    (void)snprintf(golden, sizeof golden, GOLDEN "%s", name);
    assert_int_equal(file_read(golden, JSON_SIZE_MAX, &text), ST_OK);
    assert_int_equal(file_write(path_of(f, name), bytes_view(&text)), ST_OK);
    bytes_done(&text);
}

/* ---- what the store holds ---- */

static void tell(struct fixture *f, const char *text)
{
    size_t at = strlen(f->text);
    (void)snprintf(f->text + at, sizeof f->text - at, "%s;", text);
}

static enum status see_proplet(void *owner, size_t slot, const struct proplet *p)
{
    struct fixture *f = owner;
    char text[128];
    (void)snprintf(text, sizeof text, "%zu %s %s %s", slot, p->id.text,
                   p->start_topic == START_OWN ? "own" : "shared", proplet_state_name(p->state));
    tell(f, text);
    f->proplets++;
    return ST_OK;
}

static enum status see_launch(void *owner, const char *launch_id)
{
    struct fixture *f = owner;
    if (++f->launches < 10)
        tell(f, launch_id);
    return ST_OK;
}

static enum status see_image(void *owner, const struct image *image)
{
    struct fixture *f = owner;
    char text[IMAGE_NAME_MAX + 100], digest[DIGEST_TEXT_SIZE];
    digest_text(&image->digest, digest);
    (void)snprintf(text, sizeof text, "%s %.15s %llu", image->name, digest,
                   (unsigned long long)image->size);
    tell(f, text);
    f->images++;
    return ST_OK;
}

static const char *held(struct fixture *f)
{
    struct why why;
    const struct store_visitor visitor = {
        .proplet = see_proplet, .launch = see_launch, .image = see_image, .owner = f};
    f->text[0] = '\0';
    f->proplets = f->launches = f->images = 0;
    assert_int_equal(store_read(f->store, &visitor, &why), ST_OK);
    return f->text;
}

/* ---- tests ---- */

static const char expected[] =
    "0 proplet-1 own expected;1 proplet-2 own expected;2 theirs shared expected;"
    "r-0001;r-0002;"
    " sha256:12bf39e6 22;"
    "client:latest sha256:8fbff4ce 19;";

static void what_older_managers_kept_is_taken_over_once(void **state)
{
    struct fixture *f = *state;
    struct why why = {""};
    copy_golden(f, "memory.json");
    copy_golden(f, "images.json");
    assert_int_equal(migrate_files(f->folder, f->store, &why), ST_OK);
    assert_string_equal(held(f), expected);
    assert_int_equal(access(path_of(f, "memory.json"), F_OK), -1);
    assert_int_equal(access(path_of(f, "images.json"), F_OK), -1);
    assert_int_equal(access(path_of(f, "memory.json.migrated"), F_OK), 0);
    assert_int_equal(access(path_of(f, "images.json.migrated"), F_OK), 0);
    assert_int_equal(migrate_files(f->folder, f->store, &why), ST_OK);
    store_close(f->store);
    open_store(f);
    assert_string_equal(held(f), expected);
}

/* The crash came after the transaction and before the files were renamed. */
static void files_that_are_in_the_store_are_not_taken_twice(void **state)
{
    struct fixture *f = *state;
    struct why why = {""};
    copy_golden(f, "memory.json");
    copy_golden(f, "images.json");
    assert_int_equal(migrate_files(f->folder, f->store, &why), ST_OK);
    copy_golden(f, "memory.json");
    copy_golden(f, "images.json");
    assert_int_equal(migrate_files(f->folder, f->store, &why), ST_OK);
    assert_string_equal(held(f), expected);
    assert_int_equal(access(path_of(f, "memory.json"), F_OK), -1);
    assert_int_equal(access(path_of(f, "images.json"), F_OK), -1);
}

static void no_files_are_a_first_start(void **state)
{
    struct fixture *f = *state;
    struct why why;
    bool empty = false;
    assert_int_equal(migrate_files(f->folder, f->store, &why), ST_OK);
    assert_string_equal(held(f), "");
    assert_int_equal(store_empty(f->store, &empty), ST_OK);
    assert_true(empty);
}

static void refuses(struct fixture *f, const char *name, const char *text)
{
    struct why why = {""};
    struct bytes after = {0};
    assert_int_equal(file_write(path_of(f, name), view_text(text)), ST_OK);
    assert_int_equal(migrate_files(f->folder, f->store, &why), ST_MALFORMED);
    assert_non_null(strstr(why.text, name));
    assert_string_equal(held(f), "");
    assert_int_equal(file_read(path_of(f, name), 4096, &after), ST_OK);
    assert_true(view_equal(bytes_view(&after), view_text(text)));
    bytes_done(&after);
}

static void a_file_that_is_not_ours_is_said_and_left(void **state)
{
    struct fixture *f = *state;
    static const char *const memories[] = {"",
                                           "[]",
                                           "{}",
                                           "{\"launches\":[]}",
                                           "{\"launches\":[7],\"proplets\":[]}",
                                           "{\"launches\":[\"a/b\"],\"proplets\":[]}",
                                           "{\"launches\":[],\"proplets\":[7]}",
                                           "{\"launches\":[],\"proplets\":[{}]}"};
    static const char *const lists[] = {
        "",
        "{",
        "{}",
        "{\"images\":7}",
        "{\"images\":[{}]}",
        "{\"images\":[{\"name\":\"a:latest\",\"digest\":\"sha256:00\",\"size\":1}]}",
        "{\"images\":[{\"name\":\"a:latest\",\"size\":1}]}"};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
        refuses(f, "memory.json", memories[i]);
    assert_int_equal(unlink(path_of(f, "memory.json")), 0);
    copy_golden(f, "memory.json"); /* which is good, and not taken alone */
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        refuses(f, "images.json", lists[i]);
    assert_int_equal(access(path_of(f, "memory.json"), F_OK), 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_older_managers_kept_is_taken_over_once),
        TEST(files_that_are_in_the_store_are_not_taken_twice),
        TEST(no_files_are_a_first_start),
        TEST(a_file_that_is_not_ours_is_said_and_left),
    };
    return cmocka_run_group_tests_name("manager/migrate", tests, NULL, NULL);
}
