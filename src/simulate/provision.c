#include "simulate/provision.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/guest_env.h"
#include "io/file.h"

struct provision {
    struct provision *next;
    struct provisions *all;
    unsigned users;
    struct digest image_digest;
    struct image *image;
    bool learns;
    struct learning learning;
    struct model_wait *wait; /* while the model comes */
    uint64_t wait_until_ms;
    char folder[PROPLET_PATH_SIZE]; /* "" until the model lies in it */
    char *text;
    bool distrusted;
    enum provision_state state;
    const char *reason;
    char detail[DETAIL_SIZE];
};

struct provisions {
    struct provisions_settings settings;
    char folder[PROPLET_PATH_SIZE];
    unsigned made; /* names of folders */
    struct provision *first;
};

enum status provisions_new(const struct provisions_settings *settings, struct provisions **ret)
{
    struct provisions *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    p->settings = *settings;
    p->settings.folder = NULL;
    int size = snprintf(p->folder, sizeof p->folder, "%s", settings->folder);
    enum status status =
        size <= 0 || size > PROPLET_FOLDER_MAX ? ST_LIMIT : file_make_folder(settings->folder);
    if (status != ST_OK) {
        free(p);
        return status;
    }
    *ret = p;
    return ST_OK;
}

static bool is_same(const struct provision *p, const struct digest *image,
                    const struct learning *learning)
{
    if (!digest_equal(&p->image_digest, image) || p->learns != (learning != NULL))
        return false;
    return learning == NULL ||
           (strcmp(p->learning.model_topic, learning->model_topic) == 0 &&
            p->learning.has_digest == learning->has_digest &&
            (!learning->has_digest || digest_equal(&p->learning.digest, &learning->digest)));
}

enum status provision_hold(struct provisions *all, const struct digest *image, uint64_t image_size,
                           const struct learning *learning, struct provision **ret)
{
    for (struct provision *p = all->first; p != NULL; p = p->next)
        if (is_same(p, image, learning) && p->state != PROVISION_FAILED) {
            p->users++;
            *ret = p;
            return ST_OK;
        }
    struct provision *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ST_NOMEM;
    p->all = all;
    p->image_digest = *image;
    p->learns = learning != NULL;
    if (p->learns)
        p->learning = *learning;
    enum status status = images_hold(all->settings.images, image, image_size, &p->image);
    if (status != ST_OK) {
        free(p);
        return status;
    }
    p->users = 1;
    p->next = all->first;
    all->first = p;
    *ret = p;
    return ST_OK;
}

static void fail(struct provision *p, const char *reason, const char *detail)
{
    p->state = PROVISION_FAILED;
    p->reason = reason;
    (void)snprintf(p->detail, sizeof p->detail, "%s", detail);
    p->wait = model_wait_free(p->wait);
}

/* ---- the model ---- */

/* Not durable: it does not outlive us. */
static bool write_file(const char *path, struct view bytes)
{
    FILE *f = fopen(path, "wxe");
    if (f == NULL)
        return false;
    bool ok = fwrite(bytes.data, 1, bytes.size, f) == bytes.size;
    return fclose(f) == 0 && ok;
}

static bool put_model(struct provision *p)
{
    char file[PROPLET_PATH_SIZE + 16];
    const char *path = model_wait_path(p->wait);
    (void)snprintf(p->folder, sizeof p->folder, "%.700s/%u", p->all->folder, ++p->all->made);
    (void)snprintf(file, sizeof file, "%s/" GUEST_MODEL_FILE, p->folder);
    if (mkdir(p->folder, 0700) != 0)
        return false;
    if (path != NULL)
        return link(path, file) == 0;
    p->text = guest_env_model(model_wait_bytes(p->wait));
    return write_file(file, model_wait_bytes(p->wait));
}

static void take_model(struct provision *p)
{
    if (put_model(p))
        p->state = PROVISION_READY;
    else
        fail(p, file_write_status(errno) == ST_FULL ? "disk_full" : "model_unavailable",
             "the model could not be kept");
    p->wait = model_wait_free(p->wait);
}

static void want_model(struct provision *p)
{
    const struct provisions_settings *s = &p->all->settings;
    const struct learning *l = &p->learning;
    p->wait_until_ms = s->out->now_ms(s->out->owner) + (uint64_t)s->model_wait_s * 1000;
    if (model_fetch_want(s->models, l->model_topic, l->has_digest ? &l->digest : NULL, &p->wait) !=
        ST_OK)
        fail(p, "model_unavailable", "the model's topic could not be subscribed to");
}

static void step_model(struct provision *p)
{
    const struct provisions_settings *s = &p->all->settings;
    char detail[DETAIL_SIZE];
    if (p->wait == NULL)
        want_model(p);
    if (p->state != PROVISION_WAITING)
        return;
    switch (model_wait_state(p->wait)) {
    case MODEL_COMING: /* the tasks have their own time */
        break;
    case MODEL_WAITING:
        if (s->out->now_ms(s->out->owner) < p->wait_until_ms)
            break;
        (void)snprintf(detail, sizeof detail, "nothing came on %s within %u s",
                       p->learning.model_topic, s->model_wait_s);
        fail(p, "model_unavailable", detail);
        break;
    case MODEL_THERE:
        take_model(p);
        break;
    case MODEL_CORRUPT:
    case MODEL_NO_ROOM:
    case MODEL_UNAVAILABLE:
        (void)snprintf(detail, sizeof detail, "%s", model_wait_detail(p->wait));
        fail(p,
             model_wait_state(p->wait) == MODEL_CORRUPT   ? "model_corrupt"
             : model_wait_state(p->wait) == MODEL_NO_ROOM ? "disk_full"
                                                          : "model_unavailable",
             detail);
        break;
    }
}

/* ---- all of it ---- */

enum provision_state provision_step(struct provision *p)
{
    if (p->state != PROVISION_WAITING)
        return p->state;
    switch (image_state(p->image)) {
    case IMAGE_FETCHING:
    case IMAGE_COMPILING:
        break;
    case IMAGE_FAILED:
        fail(p, image_reason(p->image), image_detail(p->image));
        break;
    case IMAGE_READY:
        if (!p->learns || p->folder[0] != '\0')
            p->state = PROVISION_READY;
        else
            step_model(p);
        break;
    }
    return p->state;
}

const char *provision_code(const struct provision *p)
{
    return image_compiled(p->image);
}

const char *provision_model_folder(const struct provision *p)
{
    return p->learns ? p->folder : NULL;
}

const char *provision_model_text(const struct provision *p)
{
    return p->text;
}

const char *provision_reason(const struct provision *p)
{
    return p->reason;
}

const char *provision_detail(const struct provision *p)
{
    return p->detail;
}

void provision_distrust(struct provision *p)
{
    if (p->state != PROVISION_READY)
        return; /* another task has said so before */
    image_distrust(p->image);
    p->state = PROVISION_WAITING;
    if (p->distrusted)
        fail(p, "runner_failed", "the compiled code cannot be used");
    p->distrusted = true;
}

struct provision *provision_release(struct provision *p)
{
    if (p == NULL || --p->users > 0)
        return NULL;
    struct provision **at = &p->all->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->wait = model_wait_free(p->wait);
    p->image = image_release(p->image);
    if (p->folder[0] != '\0')
        (void)!file_remove_tree(p->folder);
    free(p->text);
    free(p);
    return NULL;
}

struct provisions *provisions_free(struct provisions *p)
{
    free(p); /* every provision was released */
    return NULL;
}
