/* What the owner of a device allows: a JSON file that lies beside the device, and that nobody on
 * the network can change. A protection that is misspelled must not be one that is ignored: an
 * unknown field, one twice, or one that is null is refused.
 *
 *     field          what                                                  without it
 *     version        1                                                     (required)
 *     fleet_key      the fleet's public key, 64 hexadecimal digits         no secure sums
 *     protection     what a training round must have: "any",               "any"
 *                    "secure_aggregation", "differential_privacy", "both"
 *     cohort_min     devices in a secure aggregation, 3 to                 10
 *                    ROUND_PARTICIPANTS_MAX
 *     threshold_min  share of them without whom no sum can be opened,      0.667
 *                    0.5 to 1
 *     publishers     public keys: only images that one of them signed,     all images
 *                    1 to POLICY_PUBLISHERS_MAX
 *     images         digests: only these, 1 to POLICY_IMAGES_MAX           all images
 *     clip_max       largest L2 norm that a round may clip to, above 0     no limit
 *     noise_min      smallest noise multiplier of a round, 0 or more       0
 *     epsilon_max    privacy that all rounds together may spend, above 0   no limit
 *     delta_max      and its delta, above 0 and below 1                    no limit
 *     rounds_max     training rounds that it ever takes part in            no limit
 *     modes          some of "train", "evaluate"                           both
 *
 * Here the file is read, and images are judged; who plays rounds judges rounds. */
#ifndef IDENTITY_POLICY_H
#define IDENTITY_POLICY_H

#include "base/digest.h"
#include "base/limits.h"
#include "identity/key.h"

#define POLICY_COHORT_MIN    3 /* of two, each knows what the other sent */
#define POLICY_THRESHOLD_MIN 0.5

enum policy_protection {
    POLICY_ANY,
    POLICY_SECURE_AGGREGATION,
    POLICY_DIFFERENTIAL_PRIVACY,
    POLICY_BOTH,
};

struct policy {
    bool has_fleet_key;
    struct key_public fleet_key; /* if has_fleet_key */
    enum policy_protection protection;
    uint32_t cohort_min;
    double threshold_min;
    struct key_public *publishers; /* (publisher_count,), owned; NULL: any image */
    size_t publisher_count;
    struct digest *images; /* (image_count,), owned; NULL: any */
    size_t image_count;
    double clip_max;     /* INFINITY: no limit */
    double noise_min;    /* 0: none is asked for */
    double epsilon_max;  /* INFINITY: no limit */
    double delta_max;    /* 1: no limit */
    uint64_t rounds_max; /* UINT64_MAX: no limit */
    bool train, evaluate;
};

/* That of a device without a file: everything is allowed. Nothing is to be ended. */
struct policy policy_default(void);

/* gives: *ret, to be ended with policy_done()
 * fails: ST_LIMIT (more than POLICY_SIZE_MAX bytes), ST_MALFORMED (not JSON), ST_INVALID (a
 *        field), ST_NOT_FINITE, ST_NOMEM, with a sentence that names the field */
MUST_CHECK enum status policy_decode(struct view text, struct policy *ret, struct why *why);

/* Whether secure aggregation, or differential privacy, must protect a training round. */
bool policy_wants_secure_aggregation(const struct policy *p);
bool policy_wants_differential_privacy(const struct policy *p);

/* Whether `images` lets an image with this digest run, so that it need not be fetched to be
 * refused; if not, with a sentence. */
MUST_CHECK bool policy_allows_digest(const struct policy *p, const struct digest *digest,
                                     struct why *why);

/* Whether this image may run, by its digest and its publisher; if not, with a sentence.
 * digest: of module, as the caller has checked */
MUST_CHECK bool policy_allows_image(const struct policy *p, const struct digest *digest,
                                    struct view module, struct why *why);

/* NULL is allowed. */
void policy_done(struct policy *p);

#endif
