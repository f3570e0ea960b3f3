#include "synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES  (SYNTHETIC_SIDE * SYNTHETIC_SIDE)
#define PATH_SIZE 512

static enum fml_status put(const char *dir, const char *name, const void *data, size_t size)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return fml_fail(FML_LIMIT, "the folder's name is too long");
    return fml_file_write(path, data, size);
}

static void big_endian(uint8_t *to, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void fill(uint8_t *pixels, uint8_t *labels)
{
    static uint8_t classes[SYNTHETIC_CLASSES][FEATURES];
    struct fml_rng r = {1};

    for (size_t c = 0; c < SYNTHETIC_CLASSES; c++)
        for (size_t j = 0; j < FEATURES; j++)
            classes[c][j] = (uint8_t)(fml_rng_u64(&r) % 128);
    for (size_t i = 0; i < SYNTHETIC_EXAMPLES; i++) {
        labels[i] = (uint8_t)(fml_rng_u64(&r) % SYNTHETIC_CLASSES);
        for (size_t j = 0; j < FEATURES; j++)
            pixels[i * FEATURES + j] = (uint8_t)(classes[labels[i]][j] + fml_rng_u64(&r) % 128);
    }
}

enum fml_status synthetic_data(const char *dir)
{
    const size_t image_head = 16;
    const size_t label_head = 8;
    const char *description = "{\"max_value\":255,\"client\":0,\"classes\":10}";
    size_t image_size = image_head + (size_t)SYNTHETIC_EXAMPLES * FEATURES;
    size_t label_size = label_head + SYNTHETIC_EXAMPLES;
    uint8_t *images = calloc(image_size, 1);
    uint8_t *labels = calloc(label_size, 1);
    enum fml_status status = fml_fail(FML_NO_MEMORY, "no memory for the examples");
    if (images == NULL || labels == NULL)
        goto done;

    big_endian(images, 0x803);
    big_endian(images + 4, SYNTHETIC_EXAMPLES);
    big_endian(images + 8, SYNTHETIC_SIDE);
    big_endian(images + 12, SYNTHETIC_SIDE);
    big_endian(labels, 0x801);
    big_endian(labels + 4, SYNTHETIC_EXAMPLES);
    fill(images + image_head, labels + label_head);
    status = put(dir, "images.idx3-ubyte", images, image_size);
    if (status == FML_OK)
        status = put(dir, "labels.idx1-ubyte", labels, label_size);
    if (status == FML_OK)
        status = put(dir, "dataset.json", description, strlen(description));

done:
    free(images);
    free(labels);
    return status;
}

/* Uniform within +-sqrt(6 / (in + out)): Glorot, Bengio 2010. */
static void draw_weights(const struct fml_tensor *t, struct fml_rng *r)
{
    double limit = sqrt(6.0 / (double)(t->shape[0] + t->shape[1]));
    for (size_t i = 0; i < t->count; i++)
        t->data[i] = (float)((2.0 * fml_rng_unit(r) - 1.0) * limit);
}

enum fml_status synthetic_model(const char *path, size_t hidden)
{
    size_t first = hidden > 0 ? hidden : SYNTHETIC_CLASSES;
    const struct fml_tensor tensors[] = {
        {.name = "dense1.weight", .rank = 2, .shape = {FEATURES, first}},
        {.name = "dense1.bias", .rank = 1, .shape = {first}},
        {.name = "dense2.weight", .rank = 2, .shape = {first, SYNTHETIC_CLASSES}},
        {.name = "dense2.bias", .rank = 1, .shape = {SYNTHETIC_CLASSES}},
    };
    struct fml_rng r = {2};
    struct fml_model *m = NULL;
    uint8_t *data = NULL;
    size_t size = 0;

    enum fml_status status = fml_model_new(tensors, hidden > 0 ? 4 : 2, &m);
    if (status != FML_OK)
        return status;
    for (size_t i = 0; i < fml_model_tensor_count(m); i += 2)
        draw_weights(fml_model_tensor(m, i), &r);
    status = fml_model_encode(m, &data, &size);
    if (status == FML_OK)
        status = fml_file_write(path, data, size);
    free(data);
    fml_model_free(m);
    return status;
}
