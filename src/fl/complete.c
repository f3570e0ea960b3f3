#include "fl/complete.h"

#include <assert.h>
#include <string.h>

#include "fl/fields.h"

static const char *const outcomes[] = {
    [ROUND_COMPLETED] = "completed",
    [ROUND_EXPIRED] = "expired",
    [ROUND_FAILED] = "failed",
    [ROUND_CANCELLED] = "cancelled",
};
#define OUTCOME_COUNT (sizeof outcomes / sizeof outcomes[0])

const char *round_outcome_name(enum round_outcome outcome)
{
    assert(outcome < OUTCOME_COUNT);
    return outcomes[outcome];
}

/* Where the plain counts are, so that both directions name each field once. */
struct count_field {
    const char *key;
    size_t offset;
};

static const struct count_field counts[] = {
    {"num_updates", offsetof(struct complete, num_updates)},
    {"total_samples", offsetof(struct complete, total_samples)},
    {"participants", offsetof(struct complete, participants)},
    {"update_bytes", offsetof(struct complete, update_bytes)},
    {"duration_ms", offsetof(struct complete, duration_ms)},
};
#define COUNTS (sizeof counts / sizeof counts[0])

static int set_version(json_t *object, const struct complete *c)
{
    int failed = field_set_text(object, "model_topic", c->model_topic);
    failed |= field_set_count(object, "model_version", c->model_version);
    failed |= field_set_digest(object, "model_digest", &c->model_digest);
    return failed;
}

static json_t *rejected_json(const struct complete *c)
{
    json_t *object = json_object();
    int failed = object == NULL;
    for (int v = VERDICT_ACCEPTED + 1; v < VERDICT_COUNT; v++)
        if (c->rejected[v] > 0)
            failed |= field_set_count(object, verdict_code((enum verdict)v), c->rejected[v]);
    return field_whole(object, failed);
}

json_t *complete_to_json(const struct complete *complete)
{
    assert(complete != NULL);
    json_t *object = json_object();
    int failed = field_set_text(object, "round_id", complete->round_id.text);
    failed |= field_set_text(object, "status", round_outcome_name(complete->outcome));
    failed |= field_set_text(object, "reason", complete->reason);
    failed |= field_set_text(object, "mode", round_mode_name(complete->mode));
    failed |= field_set_text(object, "model_uri", complete->model_uri);
    failed |= field_set_text(object, "completed_at", complete->completed_at);
    for (size_t i = 0; i < COUNTS; i++) {
        uint64_t value;
        memcpy(&value, (const char *)complete + counts[i].offset, sizeof value);
        failed |= field_set_count(object, counts[i].key, value);
    }
    failed |= json_object_set_new(object, "metrics", metrics_encode(&complete->metrics));
    failed |= json_object_set_new(object, "rejected", rejected_json(complete));
    if (complete->privacy[0] != '\0')
        failed |= field_set_text(object, "privacy", complete->privacy);
    if (complete->has_version)
        failed |= set_version(object, complete);
    return field_whole(object, failed);
}

char *complete_encode(const struct complete *complete)
{
    json_t *object = complete_to_json(complete);
    char *text = object == NULL ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

enum status round_outcome_read(const json_t *object, enum round_outcome *ret, struct why *why)
{
    char text[32];
    enum status status = field_text(object, "status", JSN_REQUIRED, sizeof text, text, why);
    if (status != ST_OK)
        return status;
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        if (strcmp(text, outcomes[i]) == 0) {
            *ret = (enum round_outcome)i;
            return ST_OK;
        }
    why_set(why, "status is not completed, expired, failed or cancelled");
    return ST_INVALID;
}

static enum status read_texts(const json_t *object, struct complete *c, struct why *why)
{
    enum status status = jsn_id(object, "round_id", JSN_REQUIRED, &c->round_id, why);
    if (status == ST_OK)
        status = round_outcome_read(object, &c->outcome, why);
    if (status == ST_OK)
        status = round_mode_read(object, &c->mode, why);
    if (status == ST_OK)
        status = field_text(object, "reason", JSN_OPTIONAL, sizeof c->reason, c->reason, why);
    if (status == ST_OK)
        status =
            field_text(object, "model_uri", JSN_OPTIONAL, sizeof c->model_uri, c->model_uri, why);
    if (status == ST_OK)
        status = field_text(object, "privacy", JSN_OPTIONAL, sizeof c->privacy, c->privacy, why);
    if (status == ST_OK)
        status = field_text(object, "completed_at", JSN_OPTIONAL, sizeof c->completed_at,
                            c->completed_at, why);
    return status;
}

static enum status read_counts(const json_t *object, struct complete *c, struct why *why)
{
    for (size_t i = 0; i < COUNTS; i++) {
        uint64_t value = 0;
        enum status status =
            jsn_uint(object, counts[i].key, JSN_OPTIONAL, 0, FIELD_COUNT_MAX, &value, why);
        if (status != ST_OK)
            return status;
        memcpy((char *)c + counts[i].offset, &value, sizeof value);
    }
    return ST_OK;
}

/* All three fields of a new version, or none. */
static enum status read_version(const json_t *object, struct complete *c, struct why *why)
{
    if (!field_is_there(object, "model_topic") && !field_is_there(object, "model_version") &&
        !field_is_there(object, "model_digest"))
        return ST_OK;

    enum status status =
        field_text(object, "model_topic", JSN_REQUIRED, sizeof c->model_topic, c->model_topic, why);
    if (status == ST_OK)
        status = jsn_uint(object, "model_version", JSN_REQUIRED, 0, FIELD_COUNT_MAX,
                          &c->model_version, why);
    if (status == ST_OK)
        status = jsn_digest(object, "model_digest", JSN_REQUIRED, &c->model_digest, why);
    c->has_version = status == ST_OK;
    return status;
}

/* Codes that are not known yet are left out, as unknown fields are. */
static enum status read_rejected(const json_t *object, struct complete *c, struct why *why)
{
    json_t *rejected = NULL;
    enum status status = jsn_object(object, "rejected", JSN_OPTIONAL, &rejected, why);
    for (int v = VERDICT_ACCEPTED + 1; v < VERDICT_COUNT && status == ST_OK; v++)
        status = jsn_uint(rejected, verdict_code((enum verdict)v), JSN_OPTIONAL, 0, FIELD_COUNT_MAX,
                          &c->rejected[v], why);
    return status;
}

enum status complete_from_json(const json_t *object, struct complete *ret, struct why *why)
{
    assert(ret != NULL);
    struct complete c = {0};
    enum status status = read_texts(object, &c, why);
    if (status == ST_OK)
        status = read_counts(object, &c, why);
    if (status == ST_OK)
        status = read_version(object, &c, why);
    if (status == ST_OK)
        status = read_rejected(object, &c, why);
    if (status == ST_OK)
        status = field_metrics(object, "metrics", &c.metrics, why);
    if (status == ST_OK)
        *ret = c;
    return status;
}

enum status complete_decode(struct view payload, struct complete *ret, struct why *why)
{
    json_t *object = NULL;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status == ST_OK)
        status = complete_from_json(object, ret, why);
    json_decref(object);
    return status;
}
