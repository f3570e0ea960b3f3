/* Base models, taken from their retained topics when a task needs one.
 *
 * A topic is subscribed to only while somebody waits for it; all who wait get
 * the one message. Its bytes must have the digest that the message itself names
 * and the one that the task expects. The last few are kept: a version never
 * changes, so one whose digest is expected need not be asked for again.
 * Patience is the waiting task's. */
#ifndef PROPLET_MODEL_FETCH_H
#define PROPLET_MODEL_FETCH_H

#include "base/digest.h"
#include "io/mqtt.h"
#include "proplet/out.h"

struct model_fetch;
struct model_wait; /* one task's need for one model */

enum model_wait_state { MODEL_WAITING, MODEL_THERE, MODEL_CORRUPT };

/* keeps: out. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status model_fetch_new(const struct proplet_out *out, struct model_fetch **ret);

/* topic: at most FL_TOPIC_SIZE - 1 bytes, without wildcards
 * expected: NULL if the task does not say
 * gives: *ret, to be ended with model_wait_free(). fails: ST_NOMEM, ST_INVALID */
MUST_CHECK enum status model_fetch_want(struct model_fetch *f, const char *topic,
                                        const struct digest *expected, struct model_wait **ret);

enum model_wait_state model_wait_state(const struct model_wait *w);
/* The bytes, once there; borrowed until model_wait_free(). */
struct view model_wait_bytes(const struct model_wait *w);
/* What is wrong with the model, if it is corrupt. */
const char *model_wait_detail(const struct model_wait *w);

struct model_wait *model_wait_free(struct model_wait *w);

/* A message came. Returns false if nobody waits for its topic. */
bool model_fetch_message(struct model_fetch *f, const struct mqtt_message *m);

/* Nobody waits any more. */
struct model_fetch *model_fetch_free(struct model_fetch *f);

#endif
