/* The coordinator's answer to an update (PROTOCOL 2.3). */
#ifndef FL_RECEIPT_H
#define FL_RECEIPT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/id.h"

enum verdict {
    VERDICT_ACCEPTED,
    VERDICT_MALFORMED,
    VERDICT_TOO_LARGE,
    VERDICT_UNKNOWN_ROUND,
    VERDICT_WRONG_ROUND,
    VERDICT_NOT_PARTICIPANT,
    VERDICT_WRONG_SENDER,
    VERDICT_WRONG_BASE_MODEL,
    VERDICT_WRONG_SHAPE,
    VERDICT_WRONG_DTYPE,
    VERDICT_NON_FINITE,
    VERDICT_BAD_NUM_SAMPLES,
    VERDICT_BAD_LOCAL_STEPS,
    VERDICT_CONFLICT,
    VERDICT_LATE,
    VERDICT_STALE,
    VERDICT_UNPROTECTED,   /* the round is protected, and this is not, or not as it has to be */
    VERDICT_NORM_EXCEEDED, /* longer than the round's clip */
    VERDICT_BAD_SIGNATURE, /* not signed by the device that it is said to be from */
    VERDICT_NOT_STORED,    /* nothing was decided: the same bytes are to be sent again */
};
#define VERDICT_COUNT (VERDICT_NOT_STORED + 1)

/* The stable code: "accepted", "wrong_shape", ... */
const char *verdict_code(enum verdict verdict);
/* One sentence that says what to do about it. */
const char *verdict_sentence(enum verdict verdict);

struct receipt {
    struct id round_id;
    struct id proplet_id;
    enum verdict verdict;
    char reason[256]; /* empty: verdict_sentence() is sent */
    struct digest update_digest;
};

char *receipt_encode(const struct receipt *receipt); /* free(); NULL: no memory */
MUST_CHECK enum status receipt_decode(struct view payload, struct receipt *ret, struct why *why);

#endif
