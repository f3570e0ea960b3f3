/* How a round ended (PROTOCOL 2.4). */
#ifndef FL_COMPLETE_H
#define FL_COMPLETE_H

#include <stdbool.h>

#include "fl/metrics.h"
#include "fl/receipt.h"
#include "fl/round_start.h"

enum round_outcome { ROUND_COMPLETED, ROUND_EXPIRED, ROUND_FAILED, ROUND_CANCELLED };

const char *round_outcome_name(enum round_outcome outcome);

/* Reads the required field "status". fails: ST_INVALID */
MUST_CHECK enum status round_outcome_read(const json_t *object, enum round_outcome *ret,
                                          struct why *why);

#define COMPLETE_PRIVACY_SIZE 320

struct complete {
    struct id round_id;
    enum round_outcome outcome;
    char reason[256];
    enum round_mode mode;
    char model_uri[FL_TOPIC_SIZE]; /* the base; may be empty if the start was unusable */
    bool has_version;              /* a new version was made: the four below hold */
    char model_topic[FL_TOPIC_SIZE];
    uint64_t model_version;
    struct digest model_digest;
    uint64_t num_updates, total_samples, participants, update_bytes, duration_ms;
    struct metrics metrics;
    char privacy[COMPLETE_PRIVACY_SIZE]; /* which protection was in force; "": none */
    uint64_t rejected[VERDICT_COUNT];    /* by verdict; [VERDICT_ACCEPTED] is unused */
    char completed_at[32];               /* RFC 3339, UTC */
};

char *complete_encode(const struct complete *complete); /* free(); NULL: no memory */
json_t *complete_to_json(const struct complete *complete);
/* object: parsed with the limits of base/jsn.h. fails: ST_INVALID; *ret is then untouched */
MUST_CHECK enum status complete_from_json(const json_t *object, struct complete *ret,
                                          struct why *why);
MUST_CHECK enum status complete_decode(struct view payload, struct complete *ret, struct why *why);

#endif
