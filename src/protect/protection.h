/* The numbers that follow from `privacy` of a start: the same on every device and on the
 * coordinator. Whether they are possible is known here, before anything is trained:
 *
 *   a word of the sum has room for all devices: devices * D + noise < 2^(bits - 1), with D the
 *   norm that one device's whole numbers have at most (dp/fixed.h)
 *
 * so that no sum wraps around and comes out wrong. */
#ifndef PROTECT_PROTECTION_H
#define PROTECT_PROTECTION_H

#include "dp/ftrl.h"
#include "fl/round_start.h"
#include "secagg/rules.h"

/* What stands behind the parameters in the vector of words. */
#define PROTECTION_TAIL_MAX (2 + 2 * PRIVACY_METRICS_MAX)
/* A metric's whole range, in whole numbers. */
#define PROTECTION_METRIC_UNIT ((int64_t)1 << 20)
/* Standard deviations of noise that a word has room for beside the updates: beyond is once
 * in 2^-110 for each word, and would be a wrong coordinate, not a lost secret. */
#define PROTECTION_SIGMAS 12

struct protection {
    struct privacy privacy;
    struct secagg_rules rules; /* masked only */
    uint32_t k_of_n;
    size_t param_count;
    size_t tail_count;
    size_t word_count; /* param_count + tail_count */
    enum mask_word word;
    float scale;
    uint64_t square_max; /* of the norm of one device's parameters, in whole numbers */
    double sensitivity;  /* its root, rounded up */
    double sigma;        /* of the noise on the sum, in whole numbers; 0: none */
    double share_sigma;  /* of each device's share of it; 0: none */
};

/* Whether a start's protection is possible; to be asked before a round begins. Does not know
 * the model yet, so protection_of() may still refuse.
 * fails: ST_INVALID, with a sentence that says what would be possible */
MUST_CHECK enum status protection_check(const struct round_start *start, struct why *why);

/* p: of a start that passed protection_check(), or of a device's task
 * k_of_n: updates that are summed at least; param_count: of the base, 1..MODEL_PARAMS_MAX
 * fails: ST_INVALID, with a sentence (no scale gives a sum room) */
MUST_CHECK enum status protection_of(const struct privacy *p, uint32_t k_of_n, size_t param_count,
                                     struct protection *ret, struct why *why);

/* Its rules of secure aggregation. */
struct secagg_rules protection_rules(const struct privacy *p, uint32_t k_of_n);

/* Its rules of secure aggregation. */
struct secagg_rules protection_rules(const struct privacy *p, uint32_t k_of_n);

/* Whether the sum of so many devices has room in a word.
 * fails: ST_INVALID, with a sentence */
MUST_CHECK enum status protection_fits(const struct protection *p, uint32_t devices,
                                       struct why *why);

/* What one release spends. fails: ST_INVALID (noise that the accountant does not know) */
MUST_CHECK enum status protection_spends(const struct protection *p, struct rdp *r);

#endif
