#include "cli/idx.h"

#include <assert.h>
#include <string.h>

#define TYPE_UNSIGNED_BYTE 8
#define HEAD_SIZE(rank)    (4 + 4 * (size_t)(rank))

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void write_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

/* The head and its agreement with the file's size; ret_dims is (rank,). */
static enum status read_head(struct view file, unsigned rank, uint32_t *ret_dims, struct why *why)
{
    if (file.size > IDX_SIZE_MAX) {
        why_set(why, "larger than %zu bytes", IDX_SIZE_MAX);
        return ST_LIMIT;
    }
    if (file.size < HEAD_SIZE(rank)) {
        why_set(why, "too short for an IDX file of %u dimensions", rank);
        return ST_MALFORMED;
    }
    if (file.data[0] == 0x1f && file.data[1] == 0x8b) {
        why_set(why, "is compressed: unpack it with gunzip first");
        return ST_MALFORMED;
    }
    if (file.data[0] != 0 || file.data[1] != 0 || file.data[2] != TYPE_UNSIGNED_BYTE ||
        file.data[3] != rank) {
        why_set(why, "is not an IDX file of unsigned bytes in %u dimensions", rank);
        return ST_MALFORMED;
    }

    /* The product stays below 2^64: it is compared to the size at each step. */
    uint64_t values = 1;
    for (unsigned i = 0; i < rank; i++) {
        uint32_t dim = read_u32(file.data + 4 + 4 * i);
        uint32_t limit = i == 0 ? IDX_COUNT_MAX : IDX_SIDE_MAX;
        if (dim < 1 || dim > limit) {
            why_set(why, "dimension %u is %u, not 1 to %u", i, dim, limit);
            return dim < 1 ? ST_MALFORMED : ST_LIMIT;
        }
        values *= dim;
        ret_dims[i] = dim;
    }
    if (values != file.size - HEAD_SIZE(rank)) {
        why_set(why, "holds %zu values where its head says %llu", file.size - HEAD_SIZE(rank),
                (unsigned long long)values);
        return ST_MALFORMED;
    }
    return ST_OK;
}

enum status idx_images_decode(struct view file, struct idx_images *ret, struct why *why)
{
    assert(ret != NULL);
    uint32_t dims[3] = {0};
    enum status status = read_head(file, 3, dims, why);
    if (status != ST_OK)
        return status;
    *ret = (struct idx_images){
        .count = dims[0],
        .rows = dims[1],
        .columns = dims[2],
        .pixels = file.data + HEAD_SIZE(3),
    };
    return ST_OK;
}

enum status idx_labels_decode(struct view file, struct idx_labels *ret, struct why *why)
{
    assert(ret != NULL);
    uint32_t count = 0;
    enum status status = read_head(file, 1, &count, why);
    if (status != ST_OK)
        return status;
    struct idx_labels labels = {.count = count, .values = file.data + HEAD_SIZE(1)};
    for (uint32_t i = 0; i < count; i++)
        if (labels.values[i] > labels.highest)
            labels.highest = labels.values[i];
    *ret = labels;
    return ST_OK;
}

/* The head of a file with these dimensions, and room for its values. */
static enum status start_file(unsigned rank, const uint32_t *dims, size_t values,
                              struct bytes *fresh)
{
    enum status status = bytes_resize(fresh, HEAD_SIZE(rank) + values);
    if (status != ST_OK)
        return status;
    fresh->data[2] = TYPE_UNSIGNED_BYTE;
    fresh->data[3] = (uint8_t)rank;
    for (unsigned i = 0; i < rank; i++)
        write_u32(fresh->data + 4 + 4 * i, dims[i]);
    return ST_OK;
}

enum status idx_images_encode(const struct idx_images *source, const uint32_t *choice,
                              uint32_t count, struct bytes *out)
{
    assert(source != NULL && choice != NULL && count >= 1 && out != NULL);
    size_t image_size = (size_t)source->rows * source->columns;
    uint32_t dims[3] = {count, source->rows, source->columns};
    struct bytes fresh = {0};
    enum status status = start_file(3, dims, count * image_size, &fresh);
    if (status != ST_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        assert(choice[i] < source->count);
        memcpy(fresh.data + HEAD_SIZE(3) + i * image_size, source->pixels + choice[i] * image_size,
               image_size);
    }
    bytes_done(out);
    *out = fresh;
    return ST_OK;
}

enum status idx_labels_encode(const struct idx_labels *source, const uint32_t *choice,
                              uint32_t count, struct bytes *out)
{
    assert(source != NULL && choice != NULL && count >= 1 && out != NULL);
    struct bytes fresh = {0};
    enum status status = start_file(1, &count, count, &fresh);
    if (status != ST_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        assert(choice[i] < source->count);
        fresh.data[HEAD_SIZE(1) + i] = source->values[choice[i]];
    }
    bytes_done(out);
    *out = fresh;
    return ST_OK;
}
