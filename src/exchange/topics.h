/* Topics of the exchange (PROTOCOL 2.9). */
#ifndef EXCHANGE_TOPICS_H
#define EXCHANGE_TOPICS_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/id.h"

#define EXCHANGE_TOPIC_SIZE 256

void exchange_topic_get(const struct id *holder, char ret[EXCHANGE_TOPIC_SIZE]);
void exchange_topic_refused(const struct id *receiver, char ret[EXCHANGE_TOPIC_SIZE]);
void exchange_topic_part(const struct id *receiver, const struct digest *d, uint32_t part,
                         char ret[EXCHANGE_TOPIC_SIZE]);

/* Every part that is for this receiver. */
void exchange_topic_parts(const struct id *receiver, char ret[EXCHANGE_TOPIC_SIZE]);

enum exchange_topic { EXCHANGE_NONE, EXCHANGE_GET, EXCHANGE_PART, EXCHANGE_REFUSED, EXCHANGE_BAD };

/* What a topic is for `me`: EXCHANGE_NONE is not one of the exchange's, EXCHANGE_BAD is
 * one that means nothing. gives: *ret_digest and *ret_part for EXCHANGE_PART */
enum exchange_topic exchange_topic_read(const char *topic, const struct id *me,
                                        struct digest *ret_digest, uint32_t *ret_part);

#endif
