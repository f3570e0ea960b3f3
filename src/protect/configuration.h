/* All that a round is about, as one digest. Every device and the coordinator compute it from
 * what each was told, and keys, boxes, masks and signatures are bound to it: whoever was told
 * something else takes part in another round. */
#ifndef PROTECT_CONFIGURATION_H
#define PROTECT_CONFIGURATION_H

#include "base/digest.h"
#include "base/id.h"
#include "fl/privacy.h"

struct configuration {
    struct id round_id;
    const char *model_uri;
    struct digest model;
    struct digest image;
    struct digest hyperparams; /* configuration_hyperparams() */
    uint32_t k_of_n;
    struct privacy privacy;
};

/* Of hyperparams as JSON, however it was spelled on its way. fails: ST_NOMEM */
MUST_CHECK enum status configuration_hyperparams(const json_t *hyperparams, struct digest *ret);

/* SHA-256 of "fml-round-v1 " and the fields as JSON with sorted keys. fails: ST_NOMEM */
MUST_CHECK enum status configuration_digest(const struct configuration *c, struct digest *ret);

#endif
