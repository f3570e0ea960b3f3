#include "proplet/task_folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/map.h"
#include "device/guest_env.h"

#define START_HEAD_SIZE (CLOCK_BOOT_SIZE + DIGEST_HEX_SIZE + 2)

/* A folder of ours plus a name: the lengths of both were checked before. */
static void join(char ret[PROPLET_PATH_SIZE], const char *folder, const char *name)
{
    int size = snprintf(ret, PROPLET_PATH_SIZE, "%s/%s", folder, name);
    assert(size > 0 && size < PROPLET_PATH_SIZE);
}

static void paths_of(const char *state, const struct id *task, struct task_folder *ret)
{
    join(ret->tasks, state, "tasks");
    join(ret->root, ret->tasks, task->text);
    join(ret->start_file, ret->root, "start");
    join(ret->model, ret->root, "model");
    join(ret->model_file, ret->model, GUEST_MODEL_FILE);
    join(ret->out, ret->root, "out");
    join(ret->update_file, ret->out, GUEST_UPDATE_FILE);
    join(ret->compressed_file, ret->root, "compressed");
}

/* One that need not be durable, and may be there. */
static enum status make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ST_OK : file_write_status(errno);
}

enum status task_folder_make(const char *state, const struct id *task, struct task_folder *ret)
{
    struct task_folder f;
    paths_of(state, task, &f);
    enum status status = file_make_folder(f.tasks);
    if (status == ST_OK)
        status = make_folder(f.root);
    if (status == ST_OK)
        status = make_folder(f.model);
    if (status == ST_OK)
        status = make_folder(f.out);
    /* That the task was here has to last, and nothing of what is in its folder. */
    if (status == ST_OK)
        status = file_sync_folder(f.tasks);
    if (status != ST_OK) {
        task_folder_remove(&f);
        return status;
    }
    *ret = f;
    return ST_OK;
}

/* Writes a file that need not be durable. fails: ST_FULL, ST_IO */
static enum status put_file(const char *path, struct view first, struct view second)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_write_status(errno);
    enum status status = file_write_at(fd, 0, first);
    if (status == ST_OK)
        status = file_write_at(fd, first.size, second);
    if (close(fd) != 0 && status == ST_OK)
        status = ST_IO;
    return status;
}

/* ---- the start ---- */

/* Named by its content, so that one that was written in part is none. */
void task_folder_put_start(const struct task_folder *f, const char *boot, struct view start)
{
    char head[START_HEAD_SIZE], digest[DIGEST_HEX_SIZE];
    struct digest d = digest_of(start);
    digest_hex(&d, digest);
    if (boot[0] == '\0')
        return;
    int size = snprintf(head, sizeof head, "%s %s\n", boot, digest);
    assert(size > 0 && size < (int)sizeof head);
    if (put_file(f->start_file, view_text(head), start) != ST_OK)
        (void)unlink(f->start_file);
}

void task_folder_forget_start(const struct task_folder *f)
{
    (void)unlink(f->start_file);
}

/* gives: *ret_file, owned, and the start within it; nothing if there is none of this boot */
static struct view read_start(const struct task_folder *f, const char *boot, struct bytes *ret_file)
{
    char head[START_HEAD_SIZE], digest[DIGEST_HEX_SIZE];
    const struct view none = {0};
    if (boot[0] == '\0' ||
        file_read(f->start_file, START_HEAD_SIZE + CONTROL_SIZE_MAX, ret_file) != ST_OK ||
        ret_file->size == 0)
        return none;
    const uint8_t *end = memchr(ret_file->data, '\n', ret_file->size);
    if (end == NULL)
        return none;
    size_t head_size = (size_t)(end + 1 - ret_file->data);
    struct view start = view_of(end + 1, ret_file->size - head_size);
    struct digest d = digest_of(start);
    digest_hex(&d, digest);
    (void)snprintf(head, sizeof head, "%s %s\n", boot, digest);
    return view_equal(view_text(head), view_of(ret_file->data, head_size)) ? start : none;
}

/* ---- the model ---- */

enum status task_folder_put_model(const struct task_folder *f, struct view model)
{
    return put_file(f->model_file, model, view_of(NULL, 0));
}

enum status task_folder_link_model(const struct task_folder *f, const char *path)
{
    (void)unlink(f->model_file);
    return link(path, f->model_file) == 0 ? ST_OK : file_write_status(errno);
}

void task_folder_empty(const struct task_folder *f)
{
    /* What cannot be removed now is found again at the next start. */
    (void)!file_remove_tree(f->model);
    (void)!file_remove_tree(f->out);
}

void task_folder_remove(const struct task_folder *f)
{
    (void)!file_remove_tree(f->root);
}

static void settle_one(const struct task_folder *f, const struct id *task, const char *boot,
                       bool (*settle)(void *owner, const struct id *task, struct view start),
                       void *owner)
{
    struct bytes file = {0};
    task_folder_empty(f);
    if (settle(owner, task, read_start(f, boot, &file)))
        task_folder_remove(f);
    bytes_done(&file);
}

void task_folder_each_left(const char *state, const char *boot,
                           bool (*settle)(void *owner, const struct id *task, struct view start),
                           void *owner)
{
    char tasks[PROPLET_PATH_SIZE];
    join(tasks, state, "tasks");
    DIR *folder = opendir(tasks);
    if (folder == NULL)
        return;
    (void)!file_sync_folder(state); /* who made it may have died before it was durable */
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        struct id task;
        struct task_folder f;
        if (id_from(entry->d_name, &task) != ST_OK)
            continue;
        paths_of(state, &task, &f);
        settle_one(&f, &task, boot, settle, owner);
    }
    (void)closedir(folder);
}

enum status task_folder_put_update(const struct task_folder *f, struct view update)
{
    (void)unlink(f->update_file);
    return put_file(f->update_file, update, view_of(NULL, 0));
}

/* The file is open, so it cannot become another one any more. */
static enum status map_opened(int fd, struct view *ret)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return ST_IO;
    if (!S_ISREG(info.st_mode))
        return ST_INVALID;
    *ret = view_of(NULL, 0);
    if (info.st_size == 0)
        return ST_OK;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return map_open(path, MODEL_BYTES_MAX, ret);
}

enum status task_folder_update(const struct task_folder *f, struct view *ret)
{
    /* Not blocking, in case it is a pipe after all. */
    int fd = open(f->update_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ST_NOT_FOUND : errno == ELOOP ? ST_INVALID : ST_IO;
    enum status status = map_opened(fd, ret);
    (void)close(fd);
    return status;
}
