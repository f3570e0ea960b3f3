/* Base models, taken from their retained topics when a task needs one.
 *
 * A topic is subscribed to only while somebody waits for it; all who wait get
 * the one message. Its bytes must have the digest that the message itself names
 * and the one that the task expects. The last few are kept: a version never
 * changes, so one whose digest is expected need not be asked for again.
 *
 * Where the message is a reference (PROTOCOL 2.9) the model is fetched, part by part,
 * into a file that is shared by all who wait; what a restart left of it is used again.
 *
 *     {folder}/{hex digest}, and {hex digest}.part before it is whole
 *
 * Patience is the waiting task's. */
#ifndef DEVICE_MODEL_FETCH_H
#define DEVICE_MODEL_FETCH_H

#include "base/digest.h"
#include "exchange/exchange.h"
#include "io/mqtt.h"
#include "device/out.h"

struct model_fetch;
struct model_wait; /* one task's need for one model */

enum model_wait_state {
    MODEL_WAITING,
    MODEL_COMING, /* in parts */
    MODEL_THERE,
    MODEL_CORRUPT,
    MODEL_NO_ROOM,     /* on the disk */
    MODEL_UNAVAILABLE, /* its holder does not have it, or it could not be written */
};

/* keeps: out and exchange. folder: for models that come in parts; made if it is not there
 * gives: *ret. fails: ST_LIMIT (path too long), ST_FULL, ST_IO, ST_NOMEM */
MUST_CHECK enum status model_fetch_new(const struct proplet_out *out, struct exchange *exchange,
                                       const char *folder, struct model_fetch **ret);

/* topic: at most FL_TOPIC_SIZE - 1 bytes, without wildcards
 * expected: NULL if the task does not say
 * gives: *ret, to be ended with model_wait_free(). fails: ST_NOMEM, ST_INVALID */
MUST_CHECK enum status model_fetch_want(struct model_fetch *f, const char *topic,
                                        const struct digest *expected, struct model_wait **ret);

enum model_wait_state model_wait_state(const struct model_wait *w);
/* Where it is, once there: in a file, or NULL and the bytes. Both are borrowed until
 * model_wait_free(), and must not be changed. */
const char *model_wait_path(const struct model_wait *w);
struct view model_wait_bytes(const struct model_wait *w);
/* What is wrong, if it neither comes nor is there. */
const char *model_wait_detail(const struct model_wait *w);

struct model_wait *model_wait_free(struct model_wait *w);

/* A message came. Returns false if nobody waits for its topic. */
bool model_fetch_message(struct model_fetch *f, const struct mqtt_message *m);

/* Looks how far those are that come in parts; to be called often. */
void model_fetch_step(struct model_fetch *f);

/* Nobody waits any more. */
struct model_fetch *model_fetch_free(struct model_fetch *f);

#endif
