/* The IDX format of MNIST: images and labels, unsigned bytes.
 *
 * Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits"
 * (file format): two zero bytes, the type (8: unsigned byte), the number of
 * dimensions, each dimension as 32 bits big-endian, then the values row-major.
 * Pure: bytes in, bytes out. */
#ifndef CLI_IDX_H
#define CLI_IDX_H

#include "base/bytes.h"

#define IDX_SIZE_MAX  ((size_t)1 << 30) /* bytes of one file */
#define IDX_COUNT_MAX ((uint32_t)1 << 26)
#define IDX_SIDE_MAX  4096u

/* Borrows the file's bytes. */
struct idx_images {
    uint32_t count, rows, columns; /* each at least 1 */
    const uint8_t *pixels;         /* (count, rows, columns) */
};

struct idx_labels {
    uint32_t count; /* at least 1 */
    uint8_t highest;
    const uint8_t *values; /* (count,) */
};

/* Read a file's bytes. The size must be exactly what the head says.
 * fails: ST_MALFORMED (another format, shorter or longer than its head says),
 *        ST_LIMIT (larger than the limits above), with a sentence */
MUST_CHECK enum status idx_images_decode(struct view file, struct idx_images *ret, struct why *why);
MUST_CHECK enum status idx_labels_decode(struct view file, struct idx_labels *ret, struct why *why);

/* Write a file with the chosen entries, in the order of choice.
 * choice: (count,) indices below the source's count; count at least 1
 * out: what it held is replaced. fails: ST_NOMEM; out is then unchanged */
MUST_CHECK enum status idx_images_encode(const struct idx_images *source, const uint32_t *choice,
                                         uint32_t count, struct bytes *out);
MUST_CHECK enum status idx_labels_encode(const struct idx_labels *source, const uint32_t *choice,
                                         uint32_t count, struct bytes *out);

#endif
