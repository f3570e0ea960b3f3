/* Checks the cache's folder: what is kept, what is verified, what goes first. */
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

#include "base/limits.h"
#include "io/file.h"
#include "device/image_store.h"

static char folder[64];
static struct image_store *store;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/fml-images-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    return image_store_open(folder, "runtime 1", &store) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    store = image_store_close(store);
    return file_remove_tree(folder) != ST_OK;
}

static struct digest put(const char *text)
{
    struct digest d;
    assert_int_equal(image_store_put(store, view_text(text), &d), ST_OK);
    return d;
}

static void compile(const struct digest *d, const char *text)
{
    char path[PROPLET_PATH_SIZE];
    (void)image_store_compiled(store, d, path);
    assert_int_equal(file_write(path, view_text(text)), ST_OK);
    assert_int_equal(chmod(path, 0600), 0);
}

static bool module_there(const struct digest *d)
{
    char path[PROPLET_PATH_SIZE];
    return image_store_module(store, d, path) == ST_OK;
}

static bool none_in_use(void *owner, const struct digest *d)
{
    (void)owner;
    (void)d;
    return false;
}

static bool same_as_owner(void *owner, const struct digest *d)
{
    return digest_equal(owner, d);
}

static void a_module_is_found_by_its_digest(void **state)
{
    (void)state;
    char path[PROPLET_PATH_SIZE];
    struct bytes bytes = {0};
    struct digest unknown = digest_of(view_text("other"));
    struct digest d = put("module");
    assert_int_equal(image_store_module(store, &d, path), ST_OK);
    assert_int_equal(file_read(path, 100, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_text("module")));
    bytes_done(&bytes);
    assert_int_equal(image_store_module(store, &unknown, path), ST_NOT_FOUND);
}

static void a_damaged_module_is_removed(void **state)
{
    (void)state;
    char path[PROPLET_PATH_SIZE];
    struct digest d = put("module");
    assert_int_equal(image_store_module(store, &d, path), ST_OK);
    assert_int_equal(file_write(path, view_text("modulf")), ST_OK);
    assert_int_equal(image_store_module(store, &d, path), ST_CORRUPT);
    assert_int_equal(image_store_module(store, &d, path), ST_NOT_FOUND);
}

static void compiled_code_belongs_to_its_runtime(void **state)
{
    (void)state;
    char path[PROPLET_PATH_SIZE], other_path[PROPLET_PATH_SIZE];
    struct digest d = put("module");
    assert_false(image_store_compiled(store, &d, path));
    compile(&d, "code");
    assert_true(image_store_compiled(store, &d, path));
    image_store_forget_compiled(store, &d);
    assert_false(image_store_compiled(store, &d, path));
    assert_true(module_there(&d));
    compile(&d, "code");

    store = image_store_close(store);
    assert_int_equal(image_store_open(folder, "runtime 2", &store), ST_OK);
    assert_false(image_store_compiled(store, &d, other_path));
    assert_string_not_equal(path, other_path);
    assert_int_not_equal(access(path, F_OK), 0); /* nobody can use it any more */
    assert_true(module_there(&d));
}

static void code_that_others_may_touch_is_removed(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610};
    char path[PROPLET_PATH_SIZE];
    struct digest d = put("module");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        compile(&d, "code");
        assert_true(image_store_compiled(store, &d, path));
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_false(image_store_compiled(store, &d, path));
        assert_int_not_equal(access(path, F_OK), 0);
    }
    char target[PROPLET_PATH_SIZE];
    assert_int_equal(image_store_module(store, &d, target), ST_OK);
    assert_int_equal(symlink(target, path), 0);
    assert_false(image_store_compiled(store, &d, path));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(module_there(&d)); /* the link went, not what it led to */
}

static void strangers_are_removed_at_the_start(void **state)
{
    (void)state;
    char path[PROPLET_PATH_SIZE];
    struct digest d = put("module");
    (void)snprintf(path, sizeof path, "%s/half-written.XYZ", folder);
    assert_int_equal(file_write(path, view_text("x")), ST_OK);
    store = image_store_close(store);
    assert_int_equal(image_store_open(folder, "runtime 1", &store), ST_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(module_there(&d));
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct digest a = put("a"), b = put("b"), c = put("c");
    assert_true(module_there(&a)); /* a use */
    image_store_trim(store, 2, UINT64_MAX, none_in_use, NULL);
    assert_false(module_there(&b));
    assert_true(module_there(&a));
    assert_true(module_there(&c));
}

static void using_compiled_code_is_a_use(void **state)
{
    (void)state;
    char path[PROPLET_PATH_SIZE];
    struct digest a = put("a"), b = put("b");
    compile(&a, "code of a");
    assert_true(module_there(&b));
    assert_true(image_store_compiled(store, &a, path));
    image_store_trim(store, 1, UINT64_MAX, none_in_use, NULL);
    assert_false(module_there(&b));
    assert_true(image_store_compiled(store, &a, path));
}

static void what_is_in_use_stays(void **state)
{
    (void)state;
    struct digest a = put("a"), b = put("b");
    image_store_trim(store, 1, UINT64_MAX, same_as_owner, &a);
    assert_true(module_there(&a));
    assert_false(module_there(&b));
    image_store_trim(store, 0, 0, same_as_owner, &a);
    assert_true(module_there(&a));
}

static void bytes_are_bounded_with_code_and_module_together(void **state)
{
    (void)state;
    char path[PROPLET_PATH_SIZE];
    struct digest a = put("12345"), b = put("1234");
    compile(&a, "12345");
    assert_true(module_there(&b));
    /* 5 + 5 of a, 4 of b */
    image_store_trim(store, 9, 14, none_in_use, NULL);
    assert_true(module_there(&a));
    assert_true(module_there(&b));
    image_store_trim(store, 9, 13, none_in_use, NULL);
    assert_false(module_there(&a));
    assert_false(image_store_compiled(store, &a, path));
    assert_true(module_there(&b));
}

static void empty_and_too_large_modules_are_refused(void **state)
{
    (void)state;
    struct digest d = {0};
    uint8_t byte = 0;
    assert_int_equal(image_store_put(store, view_of(NULL, 0), &d), ST_LIMIT);
    /* The size comes first, so the bytes are never looked at. */
    assert_int_equal(image_store_put(store, view_of(&byte, IMAGE_SIZE_MAX + 1), &d), ST_LIMIT);
    assert_int_equal(d.bytes[0], 0);

    char path[PROPLET_PATH_SIZE];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct image_store *none = NULL;
    assert_int_equal(image_store_open(path, "runtime 1", &none), ST_LIMIT);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_module_is_found_by_its_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_module_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(compiled_code_belongs_to_its_runtime, setup, teardown),
        cmocka_unit_test_setup_teardown(code_that_others_may_touch_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_are_removed_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(the_least_recently_used_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(using_compiled_code_is_a_use, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_use_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_are_bounded_with_code_and_module_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(empty_and_too_large_modules_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("proplet/image_store", tests, NULL, NULL);
}
