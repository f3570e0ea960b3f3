/* Device folders of labelled images: what a guest finds in DATA_DIR.
 *
 *     images.idx3-ubyte  labels.idx1-ubyte  dataset.json */
#ifndef CLI_DATASET_H
#define CLI_DATASET_H

#include "cli/idx.h"

/* Images with their labels. Owns the bytes of both files. */
struct dataset {
    struct bytes images_file, labels_file;
    struct idx_images images;
    struct idx_labels labels;
};

/* Reads two IDX files that belong together.
 * gives: *ret, to be ended with dataset_done()
 * fails: ST_NOT_FOUND, ST_LIMIT, ST_IO, ST_MALFORMED, ST_SHAPE (as many labels as
 *        images are needed), ST_NOMEM, with a sentence that names the file */
MUST_CHECK enum status dataset_read(const char *images_path, const char *labels_path,
                                    struct dataset *ret, struct why *why);
void dataset_done(struct dataset *d);

struct dataset_facts {
    uint32_t client;    /* the device's number */
    uint32_t classes;   /* labels are 0..classes-1 */
    uint32_t max_value; /* of a pixel */
};

/* Makes a folder with the chosen examples.
 * choice: (count,) indices of d, at least 1
 * fails: ST_FULL, ST_IO, ST_NOMEM, with a sentence */
MUST_CHECK enum status dataset_write(const struct dataset *d, const uint32_t *choice,
                                     uint32_t count, const struct dataset_facts *facts,
                                     const char *folder, struct why *why);

/* The same with all examples. */
MUST_CHECK enum status dataset_write_all(const struct dataset *d, const struct dataset_facts *facts,
                                         const char *folder, struct why *why);

struct dataset_split {
    uint32_t devices;
    double alpha;
    uint64_t seed;
    uint32_t max_value;
    const char *prefix; /* folders are OUT/PREFIX-1 .. OUT/PREFIX-N; an id */
};

/* Splits d by label (cli/split.h) into one folder per device under out.
 * ret_sizes: (devices,) examples of each; may be NULL
 * fails: as split_by_label() and dataset_write() */
MUST_CHECK enum status dataset_write_split(const struct dataset *d,
                                           const struct dataset_split *split, const char *out,
                                           uint32_t *ret_sizes, struct why *why);

#endif
