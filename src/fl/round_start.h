/* A request for one round (PROTOCOL 2.1). */
#ifndef FL_ROUND_START_H
#define FL_ROUND_START_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/jsn.h"
#include "fl/asynchronous.h"
#include "fl/compression.h"
#include "fl/privacy.h"
#include "fl/topics.h"

enum round_mode { ROUND_TRAIN, ROUND_EVALUATE };

struct round_start {
    struct id round_id;
    char model_uri[FL_TOPIC_SIZE];
    struct model_ref model;   /* model_uri, read */
    char image[256];          /* not interpreted here */
    struct id *participants;  /* (participant_count,), all different, owned: who begins now */
    size_t participant_count; /* 1..ROUND_PARTICIPANTS_MAX; with carried ones from 0 */
    json_t *hyperparams;      /* object, owned, never NULL */
    json_t *aggregation;      /* object, owned: which rule, see round/rule_read.h; NULL: the mean */
    struct compression compression;   /* of the updates; of a training round only */
    struct privacy privacy;           /* of a training round only */
    struct asynchronous asynchronous; /* a training round's without grace, whose participants
                                       * and carried ones are all different */
    uint32_t k_of_n;                  /* 1..round_start_count() */
    uint32_t timeout_s;               /* 1..ROUND_TIMEOUT_S_MAX */
    uint32_t grace_s;                 /* 0..3600 */
    enum round_mode mode;
    bool has_model_digest;
    struct digest model_digest;
};

/* gives: *ret, to be ended with round_start_done()
 * fails: as jsn_parse(), ST_INVALID, ST_NOMEM, with a sentence; *ret is then
 *        untouched. When the round's id could be read it is in *ret_id_if_known,
 *        otherwise that is left empty. */
MUST_CHECK enum status round_start_decode(struct view payload, struct round_start *ret,
                                          struct id *ret_id_if_known, struct why *why);

/* gives: text, to be freed with free(); NULL: no memory */
char *round_start_encode(const struct round_start *start);

/* All whose updates may count: participants and carried ones, at most
 * ROUND_PARTICIPANTS_MAX. */
size_t round_start_count(const struct round_start *start);

/* The same by name. gives: *ret, (round_start_count(),), to be freed with free().
 * fails: ST_NOMEM */
MUST_CHECK enum status round_start_ids(const struct round_start *start, struct id **ret);

void round_start_done(struct round_start *start);

const char *round_mode_name(enum round_mode mode); /* "train", "evaluate" */

/* Reads the field "mode" of a message; ROUND_TRAIN if it is absent.
 * fails: ST_INVALID */
MUST_CHECK enum status round_mode_read(const json_t *object, enum round_mode *ret, struct why *why);

#endif
