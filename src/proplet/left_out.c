#include "proplet/left_out.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "service/log.h"

#define FOLDER       "left_out"
#define BEFORE       "before"
#define AFTER_SUFFIX ".after"

static void join(char ret[PROPLET_PATH_SIZE], const char *folder, const char *name,
                 const char *suffix)
{
    int size = snprintf(ret, PROPLET_PATH_SIZE, "%s/%s%s", folder, name, suffix);
    assert(size > 0 && size < PROPLET_PATH_SIZE); /* state and ids have their limits */
}

/* The task that a file NAME.after is of; false: it is another file. */
static bool task_of(const char *name, struct id *ret)
{
    size_t size = strlen(name), suffix = strlen(AFTER_SUFFIX);
    if (size <= suffix || size - suffix > ID_SIZE_MAX ||
        strcmp(name + size - suffix, AFTER_SUFFIX) != 0)
        return false;
    char text[ID_SIZE_MAX + 1] = {0};
    memcpy(text, name, size - suffix);
    return id_from(text, ret) == ST_OK;
}

/* ---- all that is there ---- */

struct visitor {
    /* folder: of a model. May remove and rename what is in it. */
    void (*model)(struct visitor *v, const char *folder);
    void (*after)(struct visitor *v, const char *folder, const char *path, const struct id *task);
    const struct id *task;
    bool accepted, found;
    size_t count;
    time_t oldest;
    char oldest_folder[PROPLET_PATH_SIZE];
    bool (*has_update)(void *owner, const struct id *task);
    void *owner;
};

static void visit_folder(struct visitor *v, const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *entry;
    while (d != NULL && v->after != NULL && (entry = readdir(d)) != NULL) {
        char path[PROPLET_PATH_SIZE];
        struct id task;
        if (!task_of(entry->d_name, &task))
            continue;
        join(path, folder, entry->d_name, "");
        v->after(v, folder, path, &task);
    }
    if (d != NULL)
        (void)closedir(d);
    if (v->model != NULL)
        v->model(v, folder);
}

static void visit(const char *state, struct visitor *v)
{
    char root[PROPLET_PATH_SIZE];
    join(root, state, FOLDER, "");
    DIR *d = opendir(root);
    const struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        char folder[PROPLET_PATH_SIZE];
        struct id model;
        if (id_from(entry->d_name, &model) != ST_OK)
            continue;
        join(folder, root, model.text, "");
        visit_folder(v, folder);
    }
    if (d != NULL)
        (void)closedir(d);
}

/* ---- the beginning ---- */

static void note_after(struct visitor *v, const char *folder, const char *path,
                       const struct id *task)
{
    (void)folder, (void)path, (void)task;
    v->found = true;
}

/* Counts, and notes the one that was changed the longest time ago and has no update under
 * way. */
static void note_model(struct visitor *v, const char *folder)
{
    struct stat info;
    bool waits = v->found;
    v->found = false;
    v->count++;
    if (waits || stat(folder, &info) != 0 ||
        (v->oldest_folder[0] != '\0' && info.st_mtime >= v->oldest))
        return;
    v->oldest = info.st_mtime;
    (void)snprintf(v->oldest_folder, sizeof v->oldest_folder, "%s", folder);
}

static void forget_oldest(const char *state)
{
    struct visitor v = {.model = note_model, .after = note_after};
    visit(state, &v);
    if (v.count < LEFT_OUT_MODELS_MAX || v.oldest_folder[0] == '\0')
        return;
    log_line(LOG_INFO, "left_out.forgotten", "folder=%s", log_quote(v.oldest_folder));
    if (file_remove_tree(v.oldest_folder) != ST_OK)
        log_line(LOG_WARN, "left_out.not_removed", "folder=%s", log_quote(v.oldest_folder));
}

enum status left_out_begin(const char *state, const struct id *model, const struct id *task,
                           struct left_out *ret)
{
    char root[PROPLET_PATH_SIZE], folder[PROPLET_PATH_SIZE];
    struct left_out l = {0};
    join(root, state, FOLDER, "");
    join(folder, root, model->text, "");
    if (access(folder, F_OK) != 0)
        forget_oldest(state);
    enum status status = file_make_folder(folder);
    if (status != ST_OK)
        return status;
    struct visitor v = {.after = note_after};
    visit_folder(&v, folder);
    l.used = !v.found;
    join(l.before, folder, BEFORE, "");
    join(l.after, folder, task->text, AFTER_SUFFIX);
    *ret = l;
    return ST_OK;
}

/* ---- the end ---- */

static void settle(struct visitor *v, const char *folder, const char *path, const struct id *task)
{
    char before[PROPLET_PATH_SIZE];
    if (!id_equal(task, v->task))
        return;
    join(before, folder, BEFORE, "");
    if (!v->accepted || file_rename(path, before) != ST_OK)
        (void)unlink(path);
}

void left_out_settle(const char *state, const struct id *task, bool accepted)
{
    struct visitor v = {.after = settle, .task = task, .accepted = accepted};
    visit(state, &v);
}

static void drop_lost(struct visitor *v, const char *folder, const char *path,
                      const struct id *task)
{
    (void)folder;
    if (!v->has_update(v->owner, task))
        (void)unlink(path);
}

void left_out_sweep(const char *state, bool (*has_update)(void *owner, const struct id *task),
                    void *owner)
{
    struct visitor v = {.after = drop_lost, .has_update = has_update, .owner = owner};
    visit(state, &v);
}
