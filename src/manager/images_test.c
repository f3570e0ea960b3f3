/* Checks images.c in a folder of its own: names last over a restart, a broken
 * disk is noticed, old images stay for a while. */
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
#include "manager/images.h"
#include "manager/store.h"

struct fixture {
    char folder[64];
    struct store *store;
    struct images *images;
};

static void open_both(struct fixture *f)
{
    char path[128];
    struct why why;
    (void)snprintf(path, sizeof path, "%s/manager.db", f->folder);
    assert_int_equal(store_open(path, &f->store, &why), ST_OK);
    assert_int_equal(images_open(f->folder, f->store, &f->images, &why), ST_OK);
}

static int setup(void **state)
{
    static struct fixture f;
    strcpy(f.folder, "/tmp/fml-images-XXXXXX");
    if (mkdtemp(f.folder) == NULL)
        return -1;
    open_both(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    images_close(f->images);
    store_close(f->store);
    return file_remove_tree(f->folder) == ST_OK ? 0 : -1;
}

static void reopen(struct fixture *f)
{
    images_close(f->images);
    store_close(f->store);
    open_both(f);
}

/* A module that differs from those of other numbers. */
static struct view module(int n)
{
    static char bytes[32];
    memcpy(bytes, "\0asm", 4);
    int size = snprintf(bytes + 4, sizeof bytes - 4, "module %d", n);
    return view_of(bytes, 4 + (size_t)size);
}

static struct digest put(struct fixture *f, int n, const char *name)
{
    struct digest d;
    assert_int_equal(images_put(f->images, module(n), &d), ST_OK);
    assert_int_equal(images_name(f->images, name, &d), ST_OK);
    return d;
}

static const struct image *find(const struct fixture *f, const char *text)
{
    struct image_ref ref;
    struct why why;
    assert_int_equal(image_ref_parse(text, &ref, &why), ST_OK);
    return images_find(f->images, &ref);
}

static char *path_of(const struct fixture *f, const struct digest *d)
{
    static char path[256];
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", f->folder, hex);
    return path;
}

static void a_named_image_is_found_by_name_and_by_digest(void **state)
{
    struct fixture *f = *state;
    struct digest d = put(f, 1, "tool:latest");
    char text[DIGEST_TEXT_SIZE];
    digest_text(&d, text);
    const struct image *image = find(f, "oci://tool");
    assert_non_null(image);
    assert_true(digest_equal(&image->digest, &d));
    assert_int_equal(image->size, 12); /* \0asm and "module 1" */
    assert_ptr_equal(find(f, text), image);
    assert_null(find(f, "tool:v2"));
    assert_null(find(f, "other"));
}

static void names_last_over_a_restart(void **state)
{
    struct fixture *f = *state;
    struct digest a = put(f, 1, "a:latest"), b = put(f, 2, "b:v1");
    reopen(f);
    assert_int_equal(images_count(f->images), 2);
    assert_true(digest_equal(&find(f, "a")->digest, &a));
    assert_true(digest_equal(&find(f, "b:v1")->digest, &b));
    assert_int_equal(find(f, "b:v1")->size, 12);
}

static void bytes_come_back_with_their_manifest(void **state)
{
    struct fixture *f = *state;
    struct digest d = put(f, 1, "a:latest");
    for (int turn = 0; turn < 2; turn++) { /* from memory, then from disk */
        struct view bytes;
        const struct manifest *manifest;
        assert_int_equal(images_load(f->images, &d, &bytes, &manifest), ST_OK);
        assert_true(view_equal(bytes, module(1)));
        assert_true(digest_equal(&manifest->digest, &d));
        assert_int_equal(manifest->size, 12);
        assert_int_equal(manifest->part_count, 1);
        reopen(f);
    }
}

static void more_images_than_memory_are_all_served(void **state)
{
    struct fixture *f = *state;
    struct digest d[IMAGES_CACHED_MAX + 2];
    for (int i = 0; i < IMAGES_CACHED_MAX + 2; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "i%d:latest", i);
        d[i] = put(f, i, name);
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < IMAGES_CACHED_MAX + 2; i++) {
            struct view bytes;
            assert_int_equal(images_load(f->images, &d[i], &bytes, NULL), ST_OK);
            assert_true(view_equal(bytes, module(i)));
        }
    }
}

static void what_is_not_webassembly_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_of(view_text("#!/bin/sh"));
    struct digest got;
    assert_int_equal(images_put(f->images, view_text("#!/bin/sh"), &got), ST_MALFORMED);
    assert_int_equal(images_put(f->images, view_of("\0as", 3), &got), ST_MALFORMED);
    assert_int_equal(images_put(f->images, view_of(NULL, 0), &got), ST_MALFORMED);
    assert_int_equal(images_load(f->images, &d, NULL, NULL), ST_NOT_FOUND);
}

static void a_name_for_bytes_that_are_not_there_is_refused(void **state)
{
    struct fixture *f = *state;
    struct digest d = put(f, 1, "a:latest"), absent = digest_of(view_text("absent"));
    assert_int_equal(images_name(f->images, "a:latest", &absent), ST_NOT_FOUND);
    assert_int_equal(images_name(f->images, "b:latest", &absent), ST_NOT_FOUND);
    assert_int_equal(images_count(f->images), 1);
    assert_true(digest_equal(&find(f, "a")->digest, &d));
}

static void an_image_that_lost_its_name_is_still_served(void **state)
{
    struct fixture *f = *state;
    struct digest old = put(f, 1, "a:latest"), new = put(f, 2, "a:latest");
    assert_true(digest_equal(&find(f, "a")->digest, &new));
    assert_non_null(images_by_digest(f->images, &old));
    assert_string_equal(images_by_digest(f->images, &old)->name, "");
    reopen(f);
    assert_int_equal(images_load(f->images, &old, NULL, NULL), ST_OK);
    assert_non_null(images_by_digest(f->images, &old));
    /* A name again: it is an old one no longer. */
    assert_int_equal(images_name(f->images, "a:latest", &old), ST_OK);
    assert_int_equal(images_count(f->images), 2);
    assert_true(digest_equal(&find(f, "a")->digest, &old));
    assert_string_equal(images_by_digest(f->images, &new)->name, "");
}

static void one_image_may_have_two_names(void **state)
{
    struct fixture *f = *state;
    struct digest d = put(f, 1, "a:latest");
    assert_int_equal(images_name(f->images, "b:latest", &d), ST_OK);
    put(f, 2, "a:latest");
    /* b still names it, so it is not among the old ones. */
    assert_int_equal(images_count(f->images), 2);
    assert_true(digest_equal(&find(f, "b")->digest, &d));
}

static void of_the_old_ones_the_newest_are_kept(void **state)
{
    struct fixture *f = *state;
    struct digest first = put(f, 0, "a:latest"), second = put(f, 1, "a:latest");
    assert_int_equal(access(path_of(f, &first), F_OK), 0);
    for (int i = 2; i < IMAGES_OLD_MAX + 2; i++)
        put(f, i, "a:latest");
    assert_int_equal(images_count(f->images), IMAGES_OLD_MAX + 1);
    assert_null(images_by_digest(f->images, &first));
    assert_int_equal(access(path_of(f, &first), F_OK), -1);
    assert_non_null(images_by_digest(f->images, &second));
    assert_int_equal(access(path_of(f, &second), F_OK), 0);
}

static void bytes_that_went_are_not_taken_for_there_because_they_were_served(void **state)
{
    struct fixture *f = *state;
    struct digest first = put(f, 0, "a:latest");
    for (int i = 1; i < IMAGES_OLD_MAX + 2; i++) {
        assert_int_equal(images_load(f->images, &first, NULL, NULL), ST_OK); /* stays in memory */
        put(f, i, "a:latest");
    }
    assert_int_equal(access(path_of(f, &first), F_OK), -1);
    assert_int_equal(images_name(f->images, "a:latest", &first), ST_NOT_FOUND);
    assert_int_equal(images_load(f->images, &first, NULL, NULL), ST_NOT_FOUND);
}

static void damaged_bytes_are_never_handed_out(void **state)
{
    struct fixture *f = *state;
    struct digest d = put(f, 1, "a:latest");
    assert_int_equal(file_write(path_of(f, &d), view_of("\0asmxxxxxxxx", 12)), ST_OK);
    reopen(f);
    assert_int_equal(images_load(f->images, &d, NULL, NULL), ST_CORRUPT);
    assert_int_equal(images_name(f->images, "b:latest", &d), ST_CORRUPT);
    assert_null(find(f, "b"));
    /* The same bytes once more repair it. */
    put(f, 1, "a:latest");
    assert_int_equal(images_load(f->images, &d, NULL, NULL), ST_OK);
}

static void a_name_whose_blob_is_gone_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct digest d = put(f, 1, "a:latest");
    put(f, 2, "b:latest");
    assert_int_equal(unlink(path_of(f, &d)), 0);
    reopen(f);
    assert_null(find(f, "a"));
    assert_non_null(find(f, "b"));
}

static void a_folder_that_cannot_be_is_said(void **state)
{
    struct fixture *f = *state;
    struct images *images = NULL;
    struct why why = {""};
    assert_int_equal(images_open("/proc/none/here", f->store, &images, &why), ST_IO);
    assert_non_null(strstr(why.text, "/proc/none/here"));
    assert_null(images_close(images));
}

static void a_thousand_names_are_the_limit(void **state)
{
    struct fixture *f = *state;
    /* Put into the store at once: a thousand durable puts would take their time. */
    struct digest d = put(f, 1, "i0:latest"), other;
    static struct image list[IMAGES_MAX];
    for (int i = 0; i < IMAGES_MAX; i++) {
        list[i] = (struct image){.digest = d, .size = 12};
        (void)snprintf(list[i].name, sizeof list[i].name, "i%d:latest", i);
    }
    store_begin(f->store);
    store_put_images(f->store, list, IMAGES_MAX);
    assert_int_equal(store_commit(f->store), ST_OK);
    reopen(f);
    assert_int_equal(images_count(f->images), IMAGES_MAX);
    assert_int_equal(images_put(f->images, module(2), &other), ST_OK);
    assert_int_equal(images_name(f->images, "one-more:latest", &other), ST_LIMIT);
    assert_null(find(f, "one-more"));
    /* Nothing is kept of what was refused, on disk or in memory. */
    assert_int_equal(access(path_of(f, &other), F_OK), -1);
    assert_int_equal(images_name(f->images, "i1:latest", &other), ST_NOT_FOUND);
    assert_int_equal(images_put(f->images, module(2), &other), ST_OK);
    assert_int_equal(images_count(f->images), IMAGES_MAX);
    /* Another image for a name that is there takes no room: i1 to i999 keep the
     * old one from being counted. */
    assert_int_equal(images_name(f->images, "i0:latest", &other), ST_OK);
    assert_true(digest_equal(&find(f, "i0")->digest, &other));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_named_image_is_found_by_name_and_by_digest),
        TEST(names_last_over_a_restart),
        TEST(bytes_come_back_with_their_manifest),
        TEST(more_images_than_memory_are_all_served),
        TEST(what_is_not_webassembly_is_not_kept),
        TEST(a_name_for_bytes_that_are_not_there_is_refused),
        TEST(an_image_that_lost_its_name_is_still_served),
        TEST(one_image_may_have_two_names),
        TEST(of_the_old_ones_the_newest_are_kept),
        TEST(bytes_that_went_are_not_taken_for_there_because_they_were_served),
        TEST(damaged_bytes_are_never_handed_out),
        TEST(a_name_whose_blob_is_gone_is_dropped),
        TEST(a_folder_that_cannot_be_is_said),
        TEST(a_thousand_names_are_the_limit),
    };
    return cmocka_run_group_tests_name("manager/images", tests, NULL, NULL);
}
