/* The device's images on disk: modules by the digest of their bytes, and beside
 * each the code compiled from it, by the runtime that compiled it.
 *
 *     {folder}/{hex}.wasm     {folder}/{hex}.{runtime}.cwasm
 *
 * A module is verified whenever it is about to be compiled. Compiled code is
 * written by the compiler's process only; no guest ever sees the folder. What was
 * used longest ago is removed first. */
#ifndef DEVICE_IMAGE_STORE_H
#define DEVICE_IMAGE_STORE_H

#include <stdbool.h>

#include "base/digest.h"
#include "device/limits.h"

struct image_store;

/* Opens (and makes) the folder, and removes what another runtime compiled and
 * whatever else does not belong there.
 * runtime: what compiled code depends on beyond the module (sandbox_cache_tag())
 * gives: *ret. fails: ST_LIMIT (path), ST_NOMEM, ST_FULL, ST_IO */
MUST_CHECK enum status image_store_open(const char *folder, const char *runtime,
                                        struct image_store **ret);

/* The path of the compiled code, whether it exists or not; true if it does,
 * which also counts as a use. Code that is not a file of our own, which nobody else
 * may read or write, is removed. (Whether it is damaged is seen when it is loaded.) */
bool image_store_compiled(struct image_store *s, const struct digest *d,
                          char ret_path[PROPLET_PATH_SIZE]);

/* The path of a module whose bytes were just verified. What is damaged is removed.
 * fails: ST_NOT_FOUND, ST_CORRUPT, ST_NOMEM, ST_IO */
MUST_CHECK enum status image_store_module(struct image_store *s, const struct digest *d,
                                          char ret_path[PROPLET_PATH_SIZE]);

/* The bytes themselves, verified in the same way. gives: *ret. fails: the same */
MUST_CHECK enum status image_store_read(struct image_store *s, const struct digest *d,
                                        struct bytes *ret);

/* Keeps a module. bytes: 1..IMAGE_SIZE_MAX of them
 * gives: its digest in *ret_digest (may be NULL). fails: ST_LIMIT, ST_FULL, ST_IO */
MUST_CHECK enum status image_store_put(struct image_store *s, struct view bytes,
                                       struct digest *ret_digest);

/* Removes the compiled code, not the module. */
void image_store_forget_compiled(struct image_store *s, const struct digest *d);

/* Removes what was used longest ago until at most count_max images of bytes_max
 * bytes in all are left; never one that in_use says is needed. */
void image_store_trim(struct image_store *s, size_t count_max, uint64_t bytes_max,
                      bool (*in_use)(void *owner, const struct digest *d), void *owner);

struct image_store *image_store_close(struct image_store *s);

#endif
