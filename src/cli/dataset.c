#include "cli/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/split.h"
#include "io/file.h"

static enum status read_file_of(const char *path, struct bytes *ret, struct why *why)
{
    enum status status = file_read(path, IDX_SIZE_MAX, ret);
    if (status == ST_NOT_FOUND)
        why_set(why, "%.200s is not there", path);
    else if (status != ST_OK)
        why_set(why, "cannot read %.200s: %s", path, status_name(status));
    return status;
}

enum status dataset_read(const char *images_path, const char *labels_path, struct dataset *ret,
                         struct why *why)
{
    assert(ret != NULL);
    struct dataset d = {0};
    struct why detail = {0};
    enum status status = read_file_of(images_path, &d.images_file, why);
    if (status == ST_OK)
        status = read_file_of(labels_path, &d.labels_file, why);
    if (status != ST_OK)
        goto done;
    status = idx_images_decode(bytes_view(&d.images_file), &d.images, &detail);
    if (status != ST_OK) {
        why_set(why, "%.120s %.120s", images_path, detail.text);
        goto done;
    }
    status = idx_labels_decode(bytes_view(&d.labels_file), &d.labels, &detail);
    if (status != ST_OK) {
        why_set(why, "%.120s %.120s", labels_path, detail.text);
        goto done;
    }
    if (d.images.count != d.labels.count) {
        why_set(why, "%u images in %.80s but %u labels in %.80s", d.images.count, images_path,
                d.labels.count, labels_path);
        status = ST_SHAPE;
        goto done;
    }
    *ret = d;
    return ST_OK;
done:
    dataset_done(&d);
    return status;
}

void dataset_done(struct dataset *d)
{
    if (d == NULL)
        return;
    bytes_done(&d->images_file);
    bytes_done(&d->labels_file);
    *d = (struct dataset){0};
}

static enum status write_one(const char *folder, const char *name, struct view bytes,
                             struct why *why)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return ST_NOMEM;
    enum status status = file_write(path, bytes);
    if (status != ST_OK)
        why_set(why, "cannot write %.200s: %s", path, status_name(status));
    free(path);
    return status;
}

static enum status write_facts(const struct dataset_facts *facts, const char *folder,
                               struct why *why)
{
    char text[128];
    (void)snprintf(text, sizeof text, "{\"max_value\":%u,\"client\":%u,\"classes\":%u}\n",
                   facts->max_value, facts->client, facts->classes);
    return write_one(folder, "dataset.json", view_text(text), why);
}

enum status dataset_write(const struct dataset *d, const uint32_t *choice, uint32_t count,
                          const struct dataset_facts *facts, const char *folder, struct why *why)
{
    struct bytes file = {0};
    enum status status = file_make_folder(folder);
    if (status != ST_OK) {
        why_set(why, "cannot make %.200s: %s", folder, status_name(status));
        return status;
    }
    why_set(why, "no memory");
    status = idx_images_encode(&d->images, choice, count, &file);
    if (status == ST_OK)
        status = write_one(folder, "images.idx3-ubyte", bytes_view(&file), why);
    if (status == ST_OK)
        status = idx_labels_encode(&d->labels, choice, count, &file);
    if (status == ST_OK)
        status = write_one(folder, "labels.idx1-ubyte", bytes_view(&file), why);
    if (status == ST_OK)
        status = write_facts(facts, folder, why);
    bytes_done(&file);
    return status;
}

enum status dataset_write_all(const struct dataset *d, const struct dataset_facts *facts,
                              const char *folder, struct why *why)
{
    uint32_t *all = malloc(d->images.count * sizeof *all);
    if (all == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    for (uint32_t i = 0; i < d->images.count; i++)
        all[i] = i;
    enum status status = dataset_write(d, all, d->images.count, facts, folder, why);
    free(all);
    return status;
}

/* Writes the folder of one device; choice: room for all examples. */
static enum status write_device(const struct dataset *d, const struct dataset_split *split,
                                const uint32_t *device, uint32_t client, uint32_t *choice,
                                const char *out, uint32_t *ret_size, struct why *why)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->images.count; i++)
        if (device[i] == client)
            choice[count++] = i;
    char *folder = NULL;
    if (asprintf(&folder, "%s/%s-%u", out, split->prefix, client + 1) < 0) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    struct dataset_facts facts = {.client = client,
                                  .classes = (uint32_t)d->labels.highest + 1,
                                  .max_value = split->max_value};
    enum status status = dataset_write(d, choice, count, &facts, folder, why);
    free(folder);
    *ret_size = count;
    return status;
}

enum status dataset_write_split(const struct dataset *d, const struct dataset_split *split,
                                const char *out, uint32_t *ret_sizes, struct why *why)
{
    uint32_t count = d->images.count;
    uint32_t *device = malloc(count * sizeof *device);
    uint32_t *choice = malloc(count * sizeof *choice);
    why_set(why, "no memory");
    enum status status = ST_NOMEM;
    if (device != NULL && choice != NULL)
        status = split_by_label(d->labels.values, count, split->devices, split->alpha, split->seed,
                                device, why);
    for (uint32_t client = 0; status == ST_OK && client < split->devices; client++) {
        uint32_t size = 0;
        status = write_device(d, split, device, client, choice, out, &size, why);
        if (ret_sizes != NULL)
            ret_sizes[client] = size;
    }
    free(device);
    free(choice);
    return status;
}
