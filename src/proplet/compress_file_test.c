/* Checks compress_file.c: files come out whole or not at all. What is in them is checked by
 * compress/compress_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fl/update.h"
#include "io/file.h"
#include "model/safetensors.h"
#include "proplet/compress_file.h"
#include "device/limits.h"

/* More than is compressed in one turn, in its first pass alone. */
#define COUNT ((size_t)COMPRESSED_IN_A_TURN / sizeof(float) + 1000)

static char root[64];
static struct compress_files files;
static char paths[5][96];

static void write_model(const char *path, float first, bool update)
{
    const struct model_shape shape = {"w", 1, {COUNT}};
    struct model *m = NULL;
    struct bytes bytes = {0};
    assert_int_equal(model_new(&shape, 1, &m), ST_OK);
    for (size_t i = 0; i < COUNT; i++)
        model_params_mutable(m)[i] = update ? (float)(i % 1000) : 0;
    model_params_mutable(m)[0] = first;
    if (update) {
        assert_int_equal(model_set_meta(m, "round_id", "r"), ST_OK);
        assert_int_equal(model_set_meta(m, "base_model_uri", "fl/models/m_v0"), ST_OK);
        assert_int_equal(model_set_meta(m, "num_samples", "1"), ST_OK);
    }
    assert_int_equal(safetensors_encode(m, &bytes), ST_OK);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    model_free(m);
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/fml-compress-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    const char *const names[] = {"base", "update", "before", "out", "after"};
    for (size_t i = 0; i < 5; i++)
        (void)snprintf(paths[i], sizeof paths[i], "%s/%s", root, names[i]);
    files = (struct compress_files){paths[0], paths[1], paths[2], paths[3], paths[4]};
    write_model(files.base, 0, false);
    write_model(files.update, 5, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(root) != ST_OK;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static const struct compression int8_top = {DTYPE_I8, 0.01};

/* gives: how many turns it took */
static size_t run(enum status *status, struct why *why)
{
    struct compress_file *f = NULL;
    size_t turns = 0;
    bool done = false;
    *status = compress_file_new(&files, &int8_top, 1, &f, why);
    for (; *status == ST_OK && !done; turns++)
        *status = compress_file_step(f, &done, why);
    compress_file_free(f);
    return turns;
}

static void both_files_come_out_in_turns(void **state)
{
    (void)state;
    enum status status;
    assert_true(run(&status, NULL) >= 4); /* three looks at more than a turn's worth */
    assert_int_equal(status, ST_OK);
    struct bytes out = {0};
    struct update u;
    assert_int_equal(file_read(files.out, 1 << 20, &out), ST_OK);
    assert_int_equal(update_read(bytes_view(&out), &u, NULL), UPDATE_FINE);
    assert_true(u.differences);
    assert_int_equal(u.layout.count, 3);
    update_done(&u);
    bytes_done(&out);

    /* And what was left out is read in the next. */
    assert_int_equal(rename(files.after, files.before), 0);
    (void)run(&status, NULL);
    assert_int_equal(status, ST_OK);
    assert_true(exists(files.after) && exists(files.before));
}

static void one_that_is_freed_before_its_end_leaves_nothing(void **state)
{
    (void)state;
    struct compress_file *f = NULL;
    bool done = false;
    assert_int_equal(compress_file_new(&files, &int8_top, 1, &f, NULL), ST_OK);
    assert_int_equal(compress_file_step(f, &done, NULL), ST_OK);
    assert_false(done);
    assert_true(exists(files.out) && exists(files.after));
    compress_file_free(f);
    assert_false(exists(files.out) || exists(files.after));
    assert_true(exists(files.base) && exists(files.update));
}

static void what_cannot_be_compressed_leaves_nothing(void **state)
{
    (void)state;
    enum status status;
    struct why why = {""};
    uint32_t nan = 0x7fc00000;
    float value;
    memcpy(&value, &nan, sizeof value);
    write_model(files.update, value, true);
    (void)run(&status, &why);
    assert_int_equal(status, ST_NOT_FINITE);
    assert_string_equal(why.text, "the difference to the base is not finite");
    assert_false(exists(files.out) || exists(files.after));

    assert_int_equal(file_write(files.update, view_text("no update")), ST_OK);
    (void)run(&status, &why);
    assert_int_not_equal(status, ST_OK);
    assert_false(exists(files.out) || exists(files.after));

    assert_int_equal(unlink(files.base), 0);
    (void)run(&status, &why);
    assert_int_equal(status, ST_NOT_FOUND);
    assert_string_equal(why.text, "its files cannot be read: not_found");
}

static void a_damaged_before_is_forgotten(void **state)
{
    (void)state;
    enum status status;
    assert_int_equal(file_write(files.before, view_text("damaged")), ST_OK);
    (void)run(&status, NULL);
    assert_int_equal(status, ST_OK);
    assert_false(exists(files.before));
    assert_true(exists(files.out) && exists(files.after));
}

static void without_after_what_is_left_out_is_not_kept(void **state)
{
    (void)state;
    enum status status;
    files.before = files.after = NULL;
    (void)run(&status, NULL);
    assert_int_equal(status, ST_OK);
    assert_true(exists(files.out));
    assert_false(exists(paths[4]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_files_come_out_in_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_freed_before_its_end_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_compressed_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_before_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(without_after_what_is_left_out_is_not_kept, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("proplet/compress_file", tests, NULL, NULL);
}
