/* The images that tasks run: names, which lie in the store, and the blobs they
 * stand for, in FOLDER/blobs/, each named by its digest.
 *
 * A blob is durable before its name is, and all names are recorded in one
 * transaction, so after a crash there is the old name or the new one. An image whose
 * name was given to another one is still served by its digest, for tasks that
 * are under way; of those the IMAGES_OLD_MAX newest are kept. */
#ifndef MANAGER_IMAGES_H
#define MANAGER_IMAGES_H

#include <stdbool.h>

#include "transfer/manifest.h"
#include "wire/registry_msg.h"

struct image {
    char name[IMAGE_NAME_MAX + 1]; /* NAME:TAG; empty: it lost its name */
    struct digest digest;
    uint64_t size; /* bytes */
};

struct images;
struct store;

/* Opens the folder and makes it if need be. Names whose blob is gone are dropped.
 * store: kept, must outlive the images; no transaction of its user's may be open
 *        when images_name() is called
 * gives: *ret, to be ended with images_close()
 * fails: as store_read(); ST_LIMIT (more than IMAGES_MAX), ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status images_open(const char *folder, struct store *store, struct images **ret,
                                   struct why *why);

/* NULL: unknown. Valid until the next images_name(). */
const struct image *images_find(const struct images *s, const struct image_ref *ref);
const struct image *images_by_digest(const struct images *s, const struct digest *digest);

/* Keeps a module's bytes. fails: ST_MALFORMED (not WebAssembly: its first four
 * bytes), ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status images_put(struct images *s, struct view module, struct digest *ret_digest);

/* Gives a name to a module that was put. Durable when it returns.
 * name: NAME:TAG as of image_ref_parse()
 * fails: ST_NOT_FOUND (no such module), ST_LIMIT (IMAGES_MAX images have names),
 *        ST_CORRUPT, ST_NOMEM, ST_FULL, ST_IO; the names are then as they were, and
 *        bytes that no image has are no longer kept */
MUST_CHECK enum status images_name(struct images *s, const char *name, const struct digest *digest);

/* An image's bytes and its manifest, from memory if it was asked for lately.
 * Borrowed until the next call of this module; either may be NULL.
 * fails: ST_NOT_FOUND, ST_CORRUPT, ST_NOMEM, ST_IO */
MUST_CHECK enum status images_load(struct images *s, const struct digest *digest,
                                   struct view *ret_module, const struct manifest **ret_manifest);

size_t images_count(const struct images *s);
const struct image *images_at(const struct images *s, size_t index);

struct images *images_close(struct images *s);

#endif
