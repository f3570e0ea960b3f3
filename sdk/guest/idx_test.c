/* Checks idx.c on a data folder of three 2 x 2 images, and on damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fml_guest.h"

static const char images[] = "\0\0\x08\x03\0\0\0\x03\0\0\0\x02\0\0\0\x02"
                             "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x10";
static const char labels[] = "\0\0\x08\x01\0\0\0\x03\x02\x00\x01";
static const char description[] = "{\"max_value\":16,\"client\":7,\"classes\":3}";

#define SIZE(bytes) (sizeof(bytes) - 1)

struct folder {
    char path[64];
};

static void put(const struct folder *f, const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    assert_int_equal(fml_file_write(path, data, size), FML_OK);
}

static int setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->path, "/tmp/fml-idx-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    put(f, "images.idx3-ubyte", images, SIZE(images));
    put(f, "labels.idx1-ubyte", labels, SIZE(labels));
    put(f, "dataset.json", description, SIZE(description));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folder *f = *state;
    static const char *const files[] = {"images.idx3-ubyte", "labels.idx1-ubyte", "dataset.json"};
    char path[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f->path, files[i]);
        remove(path);
    }
    rmdir(f->path);
    free(f);
    return 0;
}

static void refuses(const struct folder *f, enum fml_status expected, const char *sentence)
{
    struct fml_dataset d = {.count = 99};
    enum fml_status status = fml_dataset_read(f->path, &d);
    if (status != expected || strstr(fml_why(), sentence) == NULL)
        fail_msg("%s: %s", fml_status_name(status), fml_why());
    assert_int_equal(d.count, 99); /* untouched */
    assert_null(d.pixels);
}

static void reads_a_folder(void **state)
{
    const struct folder *f = *state;
    struct fml_dataset d;
    assert_int_equal(fml_dataset_read(f->path, &d), FML_OK);
    assert_int_equal(d.count, 3);
    assert_int_equal(d.features, 4);
    assert_int_equal(d.classes, 3);
    assert_int_equal(d.max_value, 16);
    assert_int_equal(d.client, 7);
    assert_memory_equal(d.pixels, images + 16, 12);
    assert_memory_equal(d.labels, labels + 8, 3);
    fml_dataset_done(&d);
}

static void a_batch_is_gathered_and_scaled(void **state)
{
    const struct folder *f = *state;
    struct fml_dataset d;
    const uint32_t rows[] = {2, 0};
    const float expected[] = {0.5f, 0.5625f, 0.625f, 1.0f, 0.0f, 0.0625f, 0.125f, 0.1875f};
    float x[8];
    uint8_t y[2];
    assert_int_equal(fml_dataset_read(f->path, &d), FML_OK);
    fml_dataset_batch(&d, rows, 2, x, y);
    assert_memory_equal(x, expected, sizeof x);
    assert_int_equal(y[0], 1);
    assert_int_equal(y[1], 2);
    fml_dataset_done(&d);
}

static void a_missing_file_is_named(void **state)
{
    const struct folder *f = *state;
    char path[256];
    snprintf(path, sizeof path, "%s/labels.idx1-ubyte", f->path);
    remove(path);
    refuses(f, FML_MISSING, "labels.idx1-ubyte");
}

static void every_cut_of_the_images_is_refused(void **state)
{
    const struct folder *f = *state;
    for (size_t size = 0; size < SIZE(images); size++) {
        put(f, "images.idx3-ubyte", images, size);
        refuses(f, FML_MALFORMED, "images.idx3-ubyte");
    }
}

static void surplus_bytes_are_refused(void **state)
{
    const struct folder *f = *state;
    put(f, "images.idx3-ubyte", images, sizeof images);
    refuses(f, FML_MALFORMED, "images.idx3-ubyte has 13 values");
}

static void another_type_or_rank_is_refused(void **state)
{
    const struct folder *f = *state;
    put(f, "images.idx3-ubyte", labels, SIZE(labels));
    refuses(f, FML_MALFORMED, "3 dimensions");
    put(f, "images.idx3-ubyte", images, SIZE(images));
    put(f, "labels.idx1-ubyte", "\0\0\x0d\x01\0\0\0\x03\0\0\0", 11);
    refuses(f, FML_MALFORMED, "labels.idx1-ubyte");
}

/* 2^16 in each dimension is 2^48 values, and 0 modulo 2^32. */
static void dimensions_do_not_wrap_around(void **state)
{
    const struct folder *f = *state;
    char huge[SIZE(images)];
    memcpy(huge, images, sizeof huge);
    memcpy(huge + 4, "\0\x01\0\0\0\x01\0\0\0\x01\0\0", 12);
    put(f, "images.idx3-ubyte", huge, sizeof huge);
    refuses(f, FML_MALFORMED, "its header says otherwise");
    memcpy(huge + 4, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
    put(f, "images.idx3-ubyte", huge, sizeof huge);
    refuses(f, FML_MALFORMED, "its header says otherwise");
}

static void a_folder_without_examples_is_refused(void **state)
{
    const struct folder *f = *state;
    put(f, "images.idx3-ubyte", "\0\0\x08\x03\0\0\0\0\0\0\0\x02\0\0\0\x02", 16);
    put(f, "labels.idx1-ubyte", "\0\0\x08\x01\0\0\0\0", 8);
    refuses(f, FML_INVALID, "no examples");
}

static void as_many_labels_as_images(void **state)
{
    const struct folder *f = *state;
    put(f, "labels.idx1-ubyte", "\0\0\x08\x01\0\0\0\x02\0\0", 10);
    refuses(f, FML_MALFORMED, "3 images and 2 labels");
}

static void values_beyond_the_description_are_refused(void **state)
{
    const struct folder *f = *state;
    const char *low = "{\"max_value\":15,\"client\":7,\"classes\":3}";
    const char *few = "{\"max_value\":16,\"client\":7,\"classes\":2}";
    put(f, "dataset.json", low, strlen(low));
    refuses(f, FML_INVALID, "image 2 holds 16");
    put(f, "dataset.json", few, strlen(few));
    refuses(f, FML_INVALID, "label 0 is 2");
}

static void the_description_is_checked(void **state)
{
    const struct folder *f = *state;
    static const struct {
        const char *text;
        enum fml_status status;
        const char *sentence;
    } cases[] = {
        {"{\"client\":7,\"classes\":3}", FML_MISSING, "max_value"},
        {"{\"max_value\":16,\"classes\":3}", FML_MISSING, "client"},
        {"{\"max_value\":16,\"client\":7}", FML_MISSING, "classes"},
        {"{\"max_value\":0,\"client\":7,\"classes\":3}", FML_INVALID, "max_value"},
        {"{\"max_value\":256,\"client\":7,\"classes\":3}", FML_INVALID, "max_value"},
        {"{\"max_value\":16,\"client\":-1,\"classes\":3}", FML_INVALID, "client"},
        {"{\"max_value\":16,\"client\":7,\"classes\":257}", FML_INVALID, "classes"},
        {"{\"max_value\":16,\"client\":7,\"classes\":\"3\"}", FML_INVALID, "classes"},
        {"[]", FML_MALFORMED, "dataset.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(f, "dataset.json", cases[i].text, strlen(cases[i].text));
        refuses(f, cases[i].status, cases[i].sentence);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_a_folder),
        CASE(a_batch_is_gathered_and_scaled),
        CASE(a_missing_file_is_named),
        CASE(every_cut_of_the_images_is_refused),
        CASE(surplus_bytes_are_refused),
        CASE(another_type_or_rank_is_refused),
        CASE(dimensions_do_not_wrap_around),
        CASE(a_folder_without_examples_is_refused),
        CASE(as_many_labels_as_images),
        CASE(values_beyond_the_description_are_refused),
        CASE(the_description_is_checked),
    };
    return cmocka_run_group_tests_name("guest/idx", tests, NULL, NULL);
}
