/* What the tasks of one round share: the compiled image, and the base model in a folder
 * that all their guests see. Each is fetched once, however many devices want it. */
#ifndef SIMULATE_PROVISION_H
#define SIMULATE_PROVISION_H

#include "device/images.h"
#include "device/learning.h"
#include "device/model_fetch.h"

struct provisions;
struct provision;

enum provision_state { PROVISION_WAITING, PROVISION_READY, PROVISION_FAILED };

struct provisions_settings {
    const char *folder; /* of the models' folders; made if it is not there; borrowed */
    const struct proplet_out *out;
    struct images *images;
    struct model_fetch *models;
    uint32_t model_wait_s;
};

/* keeps: out, images, models. gives: *ret. fails: ST_NOMEM, ST_LIMIT (path), ST_FULL, ST_IO */
MUST_CHECK enum status provisions_new(const struct provisions_settings *settings,
                                      struct provisions **ret);

/* learning: NULL for a plain task, which needs no model
 * gives: *ret, to be ended with provision_release(). fails: ST_NOMEM */
MUST_CHECK enum status provision_hold(struct provisions *p, const struct digest *image,
                                      uint64_t image_size, const struct learning *learning,
                                      struct provision **ret);

/* Goes on as far as it can, and says how far it is. */
enum provision_state provision_step(struct provision *p);

/* Once ready. The folder is NULL without a model, the text NULL unless the model is small
 * JSON; both are borrowed. */
const char *provision_code(const struct provision *p);
const char *provision_model_folder(const struct provision *p);
const char *provision_model_text(const struct provision *p);

/* Once failed: a code of PROTOCOL 1.3 and a sentence. */
const char *provision_reason(const struct provision *p);
const char *provision_detail(const struct provision *p);

/* The compiled code could not be used: it is compiled anew. Once; the second time it
 * fails. */
void provision_distrust(struct provision *p);

struct provision *provision_release(struct provision *p);

struct provisions *provisions_free(struct provisions *p);

#endif
