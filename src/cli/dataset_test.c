/* Device folders: every image arrives once, in files that are read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/dataset.h"
#include "io/file.h"

#define COUNT 40u

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/fml-dataset-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return file_remove_tree(folder) != ST_OK;
}

static void write_at(const char *name, const void *bytes, size_t size)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_write(path, view_of(bytes, size)), ST_OK);
}

/* Forty images of one pixel, whose value is their number. */
static void write_source(uint8_t labels_count)
{
    uint8_t images[16 + COUNT] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 1, 0, 0, 0, 1};
    uint8_t labels[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, labels_count};
    for (uint8_t i = 0; i < COUNT; i++) {
        images[16 + i] = i;
        labels[8 + i] = i % 4;
    }
    write_at("images", images, sizeof images);
    write_at("labels", labels, 8u + labels_count);
}

static enum status read_from(const char *sub, const char *images, const char *labels,
                             struct dataset *ret, struct why *why)
{
    char images_path[200], labels_path[200];
    (void)snprintf(images_path, sizeof images_path, "%s/%s%s", folder, sub, images);
    (void)snprintf(labels_path, sizeof labels_path, "%s/%s%s", folder, sub, labels);
    return dataset_read(images_path, labels_path, ret, why);
}

static void no_image_is_lost_or_doubled(void **state)
{
    (void)state;
    struct dataset all, part;
    uint32_t sizes[3];
    uint32_t seen[COUNT] = {0};
    write_source(COUNT);
    assert_int_equal(read_from("", "images", "labels", &all, NULL), ST_OK);
    const struct dataset_split split = {
        .devices = 3, .alpha = 0.3, .seed = 1, .max_value = 255, .prefix = "device"};
    assert_int_equal(dataset_write_split(&all, &split, folder, sizes, NULL), ST_OK);
    for (unsigned device = 0; device < 3; device++) {
        char sub[32];
        (void)snprintf(sub, sizeof sub, "device-%u/", device + 1);
        assert_int_equal(read_from(sub, "images.idx3-ubyte", "labels.idx1-ubyte", &part, NULL),
                         ST_OK);
        assert_int_equal(part.images.count, sizes[device]);
        for (uint32_t i = 0; i < part.images.count; i++) {
            uint8_t number = part.images.pixels[i];
            assert_true(number < COUNT);
            assert_int_equal(part.labels.values[i], number % 4); /* its own label came along */
            seen[number]++;
        }
        dataset_done(&part);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    dataset_done(&all);
}

static void facts_are_written_beside(void **state)
{
    (void)state;
    struct dataset all;
    struct bytes text = {0};
    char path[200];
    write_source(COUNT);
    assert_int_equal(read_from("", "images", "labels", &all, NULL), ST_OK);
    const struct dataset_facts facts = {.client = 7, .classes = 10, .max_value = 16};
    (void)snprintf(path, sizeof path, "%s/evaluator", folder);
    assert_int_equal(dataset_write_all(&all, &facts, path, NULL), ST_OK);
    (void)snprintf(path, sizeof path, "%s/evaluator/dataset.json", folder);
    assert_int_equal(file_read(path, 1000, &text), ST_OK);
    assert_true(view_equal(bytes_view(&text),
                           view_text("{\"max_value\":16,\"client\":7,\"classes\":10}\n")));
    bytes_done(&text);
    dataset_done(&all);
}

static void files_that_do_not_belong_together_are_refused(void **state)
{
    (void)state;
    struct dataset d = {0};
    struct why why = {""};
    write_source(COUNT - 1);
    assert_int_equal(read_from("", "images", "labels", &d, &why), ST_SHAPE);
    assert_non_null(strstr(why.text, "40 images"));
    assert_int_equal(read_from("", "labels", "images", &d, &why), ST_MALFORMED);
    assert_int_equal(read_from("", "missing", "labels", &d, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "missing"));
    assert_null(d.images_file.data);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct dataset all;
    struct why why = {""};
    write_source(COUNT);
    assert_int_equal(read_from("", "images", "labels", &all, NULL), ST_OK);
    const struct dataset_facts facts = {.classes = 4, .max_value = 255};
    char path[200]; /* below a file */
    (void)snprintf(path, sizeof path, "%s/images/below", folder);
    assert_int_equal(dataset_write_all(&all, &facts, path, &why), ST_IO);
    assert_non_null(strstr(why.text, path));
    dataset_done(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_image_is_lost_or_doubled, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(facts_are_written_beside, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_that_do_not_belong_together_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_named, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests_name("cli/dataset", tests, NULL, NULL);
}
