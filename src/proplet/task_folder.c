#include "proplet/task_folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "proplet/guest_env.h"

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
    join(ret->model, ret->root, "model");
    join(ret->model_file, ret->model, GUEST_MODEL_FILE);
    join(ret->out, ret->root, "out");
    join(ret->update_file, ret->out, GUEST_UPDATE_FILE);
}

enum status task_folder_make(const char *state, const struct id *task, struct task_folder *ret)
{
    struct task_folder f;
    paths_of(state, task, &f);
    enum status status = file_make_folder(f.model);
    if (status == ST_OK)
        status = file_make_folder(f.out);
    if (status == ST_OK)
        status = file_sync_folder(f.tasks);
    if (status == ST_OK)
        status = file_sync_folder(state);
    if (status != ST_OK) {
        task_folder_remove(&f);
        return status;
    }
    *ret = f;
    return ST_OK;
}

enum status task_folder_put_model(const struct task_folder *f, struct view model)
{
    int fd = open(f->model_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_write_status(errno);
    enum status status = file_write_at(fd, 0, model);
    if (close(fd) != 0 && status == ST_OK)
        status = ST_IO;
    return status;
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

void task_folder_each_left(const char *state, bool (*settle)(void *owner, const struct id *task),
                           void *owner)
{
    char tasks[PROPLET_PATH_SIZE];
    join(tasks, state, "tasks");
    DIR *folder = opendir(tasks);
    if (folder == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        struct id task;
        struct task_folder f;
        if (id_from(entry->d_name, &task) != ST_OK)
            continue;
        paths_of(state, &task, &f);
        task_folder_empty(&f);
        if (settle(owner, &task))
            task_folder_remove(&f);
    }
    (void)closedir(folder);
}

/* The file is open, so it cannot become another one any more. */
static enum status read_open(int fd, struct bytes *ret)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return ST_IO;
    if (!S_ISREG(info.st_mode))
        return ST_INVALID;
    if ((uintmax_t)info.st_size > MESSAGE_SIZE_MAX)
        return ST_LIMIT;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return file_read(path, MESSAGE_SIZE_MAX, ret);
}

enum status task_folder_update(const struct task_folder *f, struct bytes *ret)
{
    /* Not blocking, in case it is a pipe after all. */
    int fd = open(f->update_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ST_NOT_FOUND : errno == ELOOP ? ST_INVALID : ST_IO;
    enum status status = read_open(fd, ret);
    (void)close(fd);
    return status;
}
