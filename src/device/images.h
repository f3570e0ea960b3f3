/* From a digest to compiled code: found on disk, or fetched from the holder in
 * verified parts and compiled in a child process. Tasks that need the same image
 * share one fetch and one compilation.
 *
 * There are no callbacks per task: on_change says that something moved, and
 * whoever holds an image then looks at its state. */
#ifndef DEVICE_IMAGES_H
#define DEVICE_IMAGES_H

#include <uv.h>

#include "base/digest.h"
#include "base/id.h"
#include "device/image_store.h"
#include "device/out.h"
#include "wire/topic.h"

struct images;
struct image; /* one that somebody needs */

enum image_state { IMAGE_FETCHING, IMAGE_COMPILING, IMAGE_READY, IMAGE_FAILED };

struct web; /* web/web.h */

struct images_settings {
    const char *folder; /* of the cache; borrowed */
    const char *runner; /* path of fml-runner */
    struct topic_space space;
    struct id me;     /* where answers go */
    struct id holder; /* whom to ask: the manager */
    struct web *web;  /* for images whose manifest has a URL; NULL: none. Outlives the images */
    void (*on_change)(void *owner);
    /* This image's URL is not used, or not any more; it comes from the holder. */
    void (*on_url_left)(void *owner, const struct digest *d, const char *reason);
    /* Whether a module may be kept, compiled and run, asked with its bytes each time that one is
     * needed anew, also if it is here already; if not, with a sentence. NULL: any may. */
    bool (*allows)(void *owner, const struct digest *d, struct view module, struct why *why);
    void *owner;
};

/* keeps: loop, out, owner and the runner's path. gives: *ret
 * fails: as image_store_open() */
MUST_CHECK enum status images_new(uv_loop_t *loop, const struct images_settings *settings,
                                  const struct proplet_out *out, struct images **ret);

/* Puts a module into the cache, where older ones may have to make room.
 * fails: as image_store_put() */
MUST_CHECK enum status images_put(struct images *im, struct view module, struct digest *ret_digest);

/* Needs an image from now on. size: bytes, 0 if not known
 * gives: *ret, to be ended with image_release(). fails: ST_NOMEM */
MUST_CHECK enum status images_hold(struct images *im, const struct digest *digest, uint64_t size,
                                   struct image **ret);

enum image_state image_state(const struct image *i);
/* The path of the compiled code; the image is IMAGE_READY. */
const char *image_compiled(const struct image *i);
/* A code of PROTOCOL 1.3 and a sentence; the image is IMAGE_FAILED. */
const char *image_reason(const struct image *i);
const char *image_detail(const struct image *i);

/* Ends one need; returns NULL. NULL is allowed. */
struct image *image_release(struct image *i);

/* The runner could not use the compiled code: if the image is still IMAGE_READY it
 * is compiled anew, IMAGE_COMPILING. */
void image_distrust(struct image *i);

/* Messages of the registry. Those nobody asked for are ignored. */
void images_manifest(struct images *im, struct view payload);
/* hex, number: the topic's last two levels */
void images_part(struct images *im, struct view hex, struct view number, struct view payload);

/* Asks (again) for what is missing, starts the next compilation. To be called
 * after each message and every now and then. */
void images_step(struct images *im);

/* Kills a compilation that runs; on_change follows when it is over. */
void images_stop(struct images *im);
/* True while a child process runs: images_free() must wait. */
bool images_busy(const struct images *im);

struct images *images_free(struct images *im);

#endif
