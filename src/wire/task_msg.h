/* Start, stop and results of a task (PROTOCOL 1.2, 1.3). The payload of a
 * result is opaque here: whoever launched the task knows what it means. */
#ifndef WIRE_TASK_MSG_H
#define WIRE_TASK_MSG_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/jsn.h"

#define TASK_TIMEOUT_S_DEFAULT 300u

struct start_msg {
    struct id task_id;
    struct id proplet_id; /* empty text: addressed to nobody in particular */
    char name[256];
    char image_url[256]; /* may be empty */
    bool has_digest;
    struct digest image_digest;
    uint64_t image_size; /* bytes; 0 if unknown */
    uint32_t timeout_s;  /* 1..TASK_TIMEOUT_S_MAX */
    json_t *env;         /* object of texts, owned; never NULL */
    json_t *spec;        /* object, owned; NULL if none; not interpreted */
};

/* gives: *ret_msg, to be ended with start_msg_done()
 * fails: as jsn_parse(), ST_INVALID (no id; env that is not an object of
 *        at most TASK_ENV_MAX texts; digest, size or timeout out of range);
 *        when the id itself could be read, it is in *ret_id_if_known so that a
 *        result can be reported, otherwise that is left empty. ST_NOMEM */
MUST_CHECK enum status start_msg_decode(struct view payload, struct start_msg *ret_msg,
                                        struct id *ret_id_if_known, struct why *why);

/* The start as it goes out. file: the module's bytes, put in as base64 for
 * proplets on the shared topic; an empty view leaves it out.
 * gives: text, to be freed with free(); NULL: no memory */
char *start_msg_encode(const struct start_msg *msg, struct view file);

void start_msg_done(struct start_msg *msg);

struct stop_msg {
    struct id task_id;
    struct id proplet_id; /* empty: any */
};

/* fails: as start_msg_decode */
MUST_CHECK enum status stop_msg_decode(struct view payload, struct stop_msg *ret_msg,
                                       struct why *why);
char *stop_msg_encode(const struct stop_msg *msg);

struct results_msg {
    struct id task_id;
    struct id proplet_id; /* that of `results` if only there (Propeller); empty: not said */
    json_t *results;      /* text or object, owned; NULL if absent */
    bool failed;
    char error[512]; /* of a failed task; cut */
    char reason[64]; /* a code of PROTOCOL 1.3; "completed" or "failed" if not sent */
    uint64_t wall_ms, cpu_ms, peak_rss_kb; /* 0 if not sent, and not sent if all are 0 */
};

/* gives: *ret_msg, to be ended with results_msg_done()
 * fails: as jsn_parse(), ST_INVALID (no task id; a field of another type;
 *        a reason that is no code, or that contradicts error) */
MUST_CHECK enum status results_msg_decode(struct view payload, struct results_msg *ret_msg,
                                          struct why *why);
/* Borrows msg and its results. Always consistent: reason is "completed" if not
 * failed; a failure without an error has its reason as the error. Bytes of error
 * that are not UTF-8 become '?'.
 * gives: text, to be freed with free(); NULL: no memory */
char *results_msg_encode(const struct results_msg *msg);
void results_msg_done(struct results_msg *msg);

#endif
