/* Checks a task's folder from its making to what is left of an interrupted one. */
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

#include "io/file.h"
#include "io/map.h"
#include "proplet/task_folder.h"

#define BOOT "11111111-1111-4111-8111-111111111111"

static char state_dir[64];
static struct task_folder folder;

static int setup(void **state)
{
    (void)state;
    struct id task = {.text = "t-1"};
    (void)snprintf(state_dir, sizeof state_dir, "/tmp/fml-tasks-XXXXXX");
    if (mkdtemp(state_dir) == NULL)
        return 1;
    return task_folder_make(state_dir, &task, &folder) != ST_OK;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(state_dir) != ST_OK;
}

static bool settles;
static char left_start[64]; /* of the last one that was found */

static bool count_found(void *owner, const struct id *task, struct view start)
{
    size_t *count = owner;
    assert_true(strcmp(task->text, "t-1") == 0 || strcmp(task->text, "t-2") == 0);
    (*count)++;
    (void)snprintf(left_start, sizeof left_start, "%.*s", (int)start.size,
                   (const char *)start.data);
    return settles;
}

static size_t left_in(const char *boot)
{
    size_t count = 0;
    task_folder_each_left(state_dir, boot, count_found, &count);
    return count;
}

static size_t left(void)
{
    return left_in(BOOT);
}

static void it_vanishes_with_all_in_it(void **state)
{
    (void)state;
    assert_int_equal(file_write(folder.model_file, view_text("m")), ST_OK);
    assert_int_equal(file_write(folder.update_file, view_text("u")), ST_OK);
    task_folder_remove(&folder);
    assert_int_not_equal(access(folder.root, F_OK), 0);
    assert_int_equal(left(), 0);
}

static void an_empty_one_still_tells_of_its_task(void **state)
{
    (void)state;
    assert_int_equal(file_write(folder.model_file, view_text("m")), ST_OK);
    task_folder_empty(&folder);
    assert_int_not_equal(access(folder.model, F_OK), 0);
    assert_int_not_equal(access(folder.out, F_OK), 0);
    settles = true;
    assert_int_equal(left(), 1);
}

static void what_is_left_tells_of_interrupted_tasks(void **state)
{
    (void)state;
    struct id task = {.text = "t-2"};
    struct task_folder second;
    assert_int_equal(task_folder_make(state_dir, &task, &second), ST_OK);
    assert_int_equal(file_write(folder.model_file, view_text("m")), ST_OK);
    settles = false; /* as on a full disk: it is asked again in the next life */
    assert_int_equal(left(), 2);
    assert_int_not_equal(access(folder.model_file, F_OK), 0);
    assert_int_equal(access(folder.root, F_OK), 0);
    settles = true;
    assert_int_equal(left(), 2);
    assert_int_not_equal(access(folder.root, F_OK), 0);
    assert_int_equal(left(), 0);
}

static void a_start_is_there_for_the_next_life_of_the_same_boot(void **state)
{
    (void)state;
    settles = false;
    task_folder_put_start(&folder, BOOT, view_text("{\"id\":1}"));
    assert_int_equal(left(), 1);
    assert_string_equal(left_start, "{\"id\":1}");
    assert_int_equal(left_in("another"), 1);
    assert_string_equal(left_start, "");
    assert_int_equal(left_in(""), 1);
    assert_string_equal(left_start, "");
    assert_int_equal(truncate(folder.start_file, 60), 0); /* half-written */
    assert_int_equal(left(), 1);
    assert_string_equal(left_start, "");
    assert_int_equal(truncate(folder.start_file, 0), 0);
    assert_int_equal(left(), 1);
    assert_string_equal(left_start, "");
    task_folder_put_start(&folder, BOOT, view_text("{}"));
    task_folder_forget_start(&folder);
    assert_int_equal(left(), 1);
    assert_string_equal(left_start, "");
    task_folder_put_start(&folder, "", view_text("{}")); /* of an unknown boot: not kept */
    assert_int_not_equal(access(folder.start_file, F_OK), 0);
}

static void a_model_in_a_file_is_shared_and_not_copied(void **state)
{
    (void)state;
    struct bytes model = {0};
    char path[PROPLET_PATH_SIZE];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/whole", state_dir);
    assert_int_equal(file_write(path, view_text("large")), ST_OK);
    assert_int_equal(task_folder_link_model(&folder, path), ST_OK);
    assert_int_equal(task_folder_link_model(&folder, path), ST_OK); /* once more */
    assert_int_equal(file_read(folder.model_file, 100, &model), ST_OK);
    assert_true(view_equal(bytes_view(&model), view_text("large")));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_nlink, 2);
    task_folder_remove(&folder);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(task_folder_link_model(&folder, path), ST_IO);
    bytes_done(&model);
}

static void the_model_is_put_where_the_guest_looks(void **state)
{
    (void)state;
    struct bytes model = {0};
    assert_int_equal(task_folder_put_model(&folder, view_text("a longer model")), ST_OK);
    assert_int_equal(task_folder_put_model(&folder, view_text("model")), ST_OK);
    assert_int_equal(file_read(folder.model_file, 100, &model), ST_OK);
    assert_true(view_equal(bytes_view(&model), view_text("model")));
    bytes_done(&model);
    task_folder_remove(&folder);
    assert_int_equal(task_folder_put_model(&folder, view_text("model")), ST_IO);
}

static void an_update_is_read_from_its_file(void **state)
{
    (void)state;
    struct view update = {0};
    assert_int_equal(task_folder_update(&folder, &update), ST_NOT_FOUND);
    assert_int_equal(file_write(folder.update_file, view_text("update")), ST_OK);
    assert_int_equal(task_folder_update(&folder, &update), ST_OK);
    assert_true(view_equal(update, view_text("update")));
    map_close(&update);
}

static void an_update_is_not_a_link_nor_a_folder_nor_a_pipe(void **state)
{
    (void)state;
    struct view update = {0};
    assert_int_equal(file_write(folder.model_file, view_text("secret")), ST_OK);
    assert_int_equal(symlink(folder.model_file, folder.update_file), 0);
    assert_int_equal(task_folder_update(&folder, &update), ST_INVALID);
    assert_int_equal(unlink(folder.update_file), 0);
    assert_int_equal(mkdir(folder.update_file, 0700), 0);
    assert_int_equal(task_folder_update(&folder, &update), ST_INVALID);
    assert_int_equal(rmdir(folder.update_file), 0);
    assert_int_equal(mkfifo(folder.update_file, 0600), 0);
    assert_int_equal(task_folder_update(&folder, &update), ST_INVALID);
    assert_int_equal(update.size, 0);
}

static void an_update_is_bounded(void **state)
{
    (void)state;
    struct view update = {0};
    assert_int_equal(file_write(folder.update_file, view_text("x")), ST_OK);
    assert_int_equal(truncate(folder.update_file, (off_t)MODEL_BYTES_MAX + 1), 0);
    assert_int_equal(task_folder_update(&folder, &update), ST_LIMIT);
    assert_int_equal(update.size, 0);
    assert_int_equal(truncate(folder.update_file, (off_t)MODEL_BYTES_MAX), 0);
    assert_int_equal(task_folder_update(&folder, &update), ST_OK);
    assert_int_equal(update.size, MODEL_BYTES_MAX);
    map_close(&update);
}

static void a_folder_that_cannot_be_made_is_said(void **state)
{
    (void)state;
    char not_a_folder[PROPLET_PATH_SIZE];
    struct id task = {.text = "t-1"};
    struct task_folder none;
    (void)snprintf(not_a_folder, sizeof not_a_folder, "%s/file", state_dir);
    assert_int_equal(file_write(not_a_folder, view_text("x")), ST_OK);
    assert_int_not_equal(task_folder_make(not_a_folder, &task, &none), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_vanishes_with_all_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_one_still_tells_of_its_task, setup, teardown),
        cmocka_unit_test_setup_teardown(a_start_is_there_for_the_next_life_of_the_same_boot, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_model_in_a_file_is_shared_and_not_copied, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_left_tells_of_interrupted_tasks, setup, teardown),
        cmocka_unit_test_setup_teardown(the_model_is_put_where_the_guest_looks, setup, teardown),
        cmocka_unit_test_setup_teardown(an_update_is_read_from_its_file, setup, teardown),
        cmocka_unit_test_setup_teardown(an_update_is_not_a_link_nor_a_folder_nor_a_pipe, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_update_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_said, setup, teardown),
    };
    return cmocka_run_group_tests_name("proplet/task_folder", tests, NULL, NULL);
}
