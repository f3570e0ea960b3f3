/* Topics of learning (PROTOCOL section 2). */
#ifndef FL_TOPICS_H
#define FL_TOPICS_H

#include <stdbool.h>

#include "base/id.h"

#define FL_TOPIC_SIZE 256

#define FL_ROUND_START        "fl/rounds/start"
#define FL_ROUND_CANCEL       "fl/rounds/cancel"
#define FL_ROUND_REFUSED      "fl/rounds/refused"
#define FL_ROUND_VERIFY       "fl/rounds/verify"
#define FL_ROUND_QUERY        "fl/rounds/query"
#define FL_EXPERIMENT_START   "fl/experiments/start"
#define FL_EXPERIMENT_CANCEL  "fl/experiments/cancel"
#define FL_EXPERIMENT_QUERY   "fl/experiments/query"
#define FL_EXPERIMENT_REFUSED "fl/experiments/refused"
#define FL_SECAGG_ALL         "fl/rounds/+/secagg/+"
#define FL_UPDATES            "fml/updates"
#define FL_MODEL_PUBLISH      "fl/models/publish"
#define FL_MODEL_INDEX        "fl/models/index"
#define FL_MODEL_REFUSED      "fl/models/refused"
#define FL_MODEL_CONTROL      "fl/models/control"
#define FL_MODEL_ALL          "fl/models/+"

void fl_topic_update(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE]);
void fl_topic_receipt(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE]);
void fl_topic_complete(const struct id *round, char ret[FL_TOPIC_SIZE]);
void fl_topic_round_state(const struct id *round, char ret[FL_TOPIC_SIZE]);

/* fl/rounds/{round}/secagg/{proplet}: what a device says; .../told: what it is told */
void fl_topic_secagg(const struct id *round, const struct id *proplet, char ret[FL_TOPIC_SIZE]);
void fl_topic_secagg_told(const struct id *round, const struct id *proplet,
                          char ret[FL_TOPIC_SIZE]);

/* Reads either; told: which. fails: ST_INVALID (another topic) */
MUST_CHECK enum status fl_secagg_parse(const char *topic, bool told, struct id *ret_round,
                                       struct id *ret_proplet);

/* fl/experiments/{experiment}/state (retained), .../rows */
void fl_topic_experiment_state(const struct id *experiment, char ret[FL_TOPIC_SIZE]);
void fl_topic_experiment_rows(const struct id *experiment, char ret[FL_TOPIC_SIZE]);

#define FL_VERSION_MAX (UINT64_C(1) << 53) /* exact in every reader of JSON */

/* Reads a version as decimal digits; no sign and no leading zeros, so that each has
 * one spelling. fails: ST_INVALID */
MUST_CHECK enum status fl_version_parse(const char *text, uint64_t *ret_version);

/* fl/models/{name}_v{version}, where a version of a model lies. */
struct model_ref {
    struct id name;
    uint64_t version; /* 0..FL_VERSION_MAX */
};

void fl_topic_model(const struct model_ref *ref, char ret[FL_TOPIC_SIZE]);

/* fl/models/{name}/channels/{channel}, which says what a channel points at. */
void fl_topic_channel(const struct id *name, const struct id *channel, char ret[FL_TOPIC_SIZE]);

/* Reads such a topic. fails: ST_INVALID (another topic; leading zeros; no name) */
MUST_CHECK enum status fl_model_ref_parse(const char *topic, struct model_ref *ret_ref);

#endif
