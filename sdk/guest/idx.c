/* A device's labelled examples: two files in Yann LeCun's IDX format
 * (http://yann.lecun.com/exdb/mnist: big-endian numbers, then bytes) and
 * dataset.json beside them. */
#include "fml_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define IMAGES_MAGIC    0x00000803u /* unsigned bytes, 3 dimensions */
#define LABELS_MAGIC    0x00000801u /* unsigned bytes, 1 dimension */
#define PATH_SIZE       512
#define DESCRIPTION_MAX ((uint64_t)64 << 10)

static uint32_t big_endian(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static enum fml_status read_in(const char *dir, const char *name, uint64_t size_max,
                               uint8_t **ret_data, size_t *ret_size)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return fml_fail(FML_LIMIT, "the data folder's name is too long");
    return fml_file_read(path, size_max, ret_data, ret_size);
}

/* Reads an IDX file of bytes with `rank` dimensions.
 * gives: *ret_bytes, the values, to be freed; ret_shape: (rank,) */
static enum fml_status read_idx(const char *dir, const char *name, uint32_t magic, size_t rank,
                                uint32_t *ret_shape, uint8_t **ret_bytes)
{
    uint8_t *file = NULL;
    size_t size = 0;
    enum fml_status status = read_in(dir, name, FML_FILE_MAX, &file, &size);
    if (status != FML_OK)
        return status;

    size_t header = 4 + 4 * rank;
    if (size < header || big_endian(file) != magic) {
        free(file);
        return fml_fail(FML_MALFORMED, "%s is not an IDX file of bytes with %zu dimensions", name,
                        rank);
    }
    /* Each factor is below 2^32 and the product is cut at every step, so that
     * it cannot wrap around. */
    uint64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        ret_shape[i] = big_endian(file + 4 + 4 * i);
        count *= ret_shape[i];
        if (count > FML_FILE_MAX)
            count = FML_FILE_MAX + 1;
    }
    if (count != size - header) {
        free(file);
        return fml_fail(FML_MALFORMED, "%s has %zu values, and its header says otherwise", name,
                        size - header);
    }
    memmove(file, file + header, size - header);
    *ret_bytes = file;
    return FML_OK;
}

static enum fml_status read_images(const char *dir, struct fml_dataset *d)
{
    uint32_t shape[3];
    enum fml_status status = read_idx(dir, "images.idx3-ubyte", IMAGES_MAGIC, 3, shape, &d->pixels);
    if (status != FML_OK)
        return status;

    uint64_t features = (uint64_t)shape[1] * shape[2];
    if (shape[0] == 0 || features == 0)
        return fml_fail(FML_INVALID, "images.idx3-ubyte holds no examples");
    if (shape[0] > FML_EXAMPLES_MAX || features > FML_FEATURES_MAX)
        return fml_fail(FML_LIMIT, "images.idx3-ubyte has too many or too large images");
    d->count = shape[0];
    d->features = (size_t)features;
    return FML_OK;
}

static enum fml_status read_labels(const char *dir, struct fml_dataset *d)
{
    uint32_t count = 0;
    enum fml_status status =
        read_idx(dir, "labels.idx1-ubyte", LABELS_MAGIC, 1, &count, &d->labels);
    if (status != FML_OK)
        return status;
    if (count != d->count)
        return fml_fail(FML_MALFORMED, "there are %zu images and %u labels", d->count,
                        (unsigned)count);
    return FML_OK;
}

static enum fml_status read_number(const struct fml_json *j, const char *name, uint64_t min,
                                   uint64_t max, uint64_t *ret)
{
    int token = fml_json_find(j, 0, name);
    if (token < 0)
        return fml_fail(FML_MISSING, "dataset.json has no \"%s\"", name);
    uint64_t value = 0;
    if (!fml_json_integer(j, token, &value) || value < min || value > max)
        return fml_fail(FML_INVALID, "\"%s\" of dataset.json is not a whole number of %llu to %llu",
                        name, (unsigned long long)min, (unsigned long long)max);
    *ret = value;
    return FML_OK;
}

static enum fml_status read_description(const char *dir, struct fml_dataset *d)
{
    uint8_t *text = NULL;
    size_t size = 0;
    struct fml_json j = {0};
    uint64_t max_value = 0;
    uint64_t classes = 0;

    enum fml_status status = read_in(dir, "dataset.json", DESCRIPTION_MAX, &text, &size);
    if (status != FML_OK)
        return status;
    status = fml_json_read(&j, (const char *)text, size, "dataset.json");
    if (status == FML_OK)
        status = read_number(&j, "max_value", 1, UINT8_MAX, &max_value);
    if (status == FML_OK)
        status = read_number(&j, "classes", 1, FML_CLASSES_MAX, &classes);
    if (status == FML_OK)
        status = read_number(&j, "client", 0, UINT32_MAX, &d->client);
    d->max_value = (unsigned)max_value;
    d->classes = (size_t)classes;
    fml_json_done(&j);
    free(text);
    return status;
}

static enum fml_status check_ranges(const struct fml_dataset *d)
{
    for (size_t i = 0; i < d->count * d->features; i++)
        if (d->pixels[i] > d->max_value)
            return fml_fail(FML_INVALID, "image %zu holds %u, above max_value %u", i / d->features,
                            d->pixels[i], d->max_value);
    for (size_t i = 0; i < d->count; i++)
        if (d->labels[i] >= d->classes)
            return fml_fail(FML_INVALID, "label %zu is %u, and there are %zu classes", i,
                            d->labels[i], d->classes);
    return FML_OK;
}

enum fml_status fml_dataset_read(const char *dir, struct fml_dataset *ret)
{
    struct fml_dataset d = {0};
    enum fml_status status = read_description(dir, &d);
    if (status == FML_OK)
        status = read_images(dir, &d);
    if (status == FML_OK)
        status = read_labels(dir, &d);
    if (status == FML_OK)
        status = check_ranges(&d);
    if (status != FML_OK) {
        fml_dataset_done(&d);
        return status;
    }
    *ret = d;
    return FML_OK;
}

void fml_dataset_done(struct fml_dataset *d)
{
    free(d->pixels);
    free(d->labels);
    *d = (struct fml_dataset){0};
}

void fml_dataset_batch(const struct fml_dataset *d, const uint32_t *rows, size_t count,
                       float *ret_x, uint8_t *ret_labels)
{
    float max = (float)d->max_value;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixels = d->pixels + (size_t)rows[i] * d->features;
        float *x = ret_x + i * d->features;
        for (size_t j = 0; j < d->features; j++)
            x[j] = (float)pixels[j] / max;
        ret_labels[i] = d->labels[rows[i]];
    }
}
