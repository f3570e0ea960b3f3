/* Fields that several messages of learning share, read and written in one way.
 * For the files of fl/ only. Readers are as those of base/jsn.h. */
#ifndef FL_FIELDS_H
#define FL_FIELDS_H

#include "base/jsn.h"
#include "fl/metrics.h"
#include "fl/topics.h"

#define FIELD_COUNT_MAX (UINT64_C(1) << 53) /* exact in every reader of JSON */

/* A text that fits into ret, which has room for size bytes; JSN_OPTIONAL: "" if absent. */
MUST_CHECK enum status field_text(const json_t *object, const char *key, enum jsn_need need,
                                  size_t size, char *ret, struct why *why);

/* The same, not empty. */
MUST_CHECK enum status field_name(const json_t *object, const char *key, size_t size, char *ret,
                                  struct why *why);

/* A whole number from min to max. */
MUST_CHECK enum status field_u32(const json_t *object, const char *key, enum jsn_need need,
                                 uint32_t min, uint32_t max, uint32_t *ret, struct why *why);

/* An optional digest. */
MUST_CHECK enum status field_digest(const json_t *object, const char *key, bool *ret_has,
                                    struct digest *ret, struct why *why);

/* An optional object of metrics; empty if absent. */
MUST_CHECK enum status field_metrics(const json_t *object, const char *key, struct metrics *ret,
                                     struct why *why);

/* 1..ROUND_PARTICIPANTS_MAX different ids. gives: *ret, (*ret_count,), free() */
MUST_CHECK enum status field_ids(const json_t *object, const char *key, struct id **ret,
                                 size_t *ret_count, struct why *why);

/* model_uri and the optional model_digest of a start. */
struct field_model {
    char uri[FL_TOPIC_SIZE];
    struct model_ref ref;
    bool has_digest;
    struct digest digest;
};
MUST_CHECK enum status field_model(const json_t *object, struct field_model *ret, struct why *why);

/* hyperparams, an empty object if absent. gives: *ret, a reference */
MUST_CHECK enum status field_hyperparams(const json_t *object, json_t **ret, struct why *why);

/* aggregation, NULL if absent; what it says is checked by round/rule_read.h. gives: *ret,
 * a reference. fails: ST_INVALID (more than AGGREGATION_SIZE_MAX bytes), ... */
MUST_CHECK enum status field_aggregation(const json_t *object, json_t **ret, struct why *why);

bool field_is_there(const json_t *object, const char *key); /* neither absent nor null */

/* Writers: 0, or -1 without memory, as those of jansson; object may be NULL then. */
int field_set_text(json_t *object, const char *key, const char *value);
int field_set_count(json_t *object, const char *key, uint64_t value);
int field_set_digest(json_t *object, const char *key, const struct digest *value);
int field_set_ids(json_t *object, const char *key, const struct id *ids, size_t count);

/* takes: object. gives: object; NULL if failed, or if there is none */
json_t *field_whole(json_t *object, int failed);

#endif
