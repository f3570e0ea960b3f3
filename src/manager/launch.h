/* A message that launches tasks, read by its rule (PROTOCOL 1.7). Pure: what
 * becomes of it is on_launch.c's business. */
#ifndef MANAGER_LAUNCH_H
#define MANAGER_LAUNCH_H

#include "manager/ring.h"
#include "manager/rules.h"
#include "wire/registry_msg.h"

#define LAUNCH_NAME_SIZE 256

struct launch {
    struct id id;
    struct id *participants;  /* (participant_count,), all different, owned */
    size_t participant_count; /* 1..LAUNCH_PARTICIPANTS_MAX */
    char image[256];          /* as it was written */
    struct image_ref image_ref;
    uint32_t timeout_s; /* 1..TASK_TIMEOUT_S_MAX */
    size_t start_size;  /* bytes; no start of a task is larger, beside its module */
    json_t *env;        /* object of texts, owned */
    json_t *spec;       /* object, owned; NULL if the rule has none */
};

/* Texts become environment values as they are, all else as compact JSON.
 * gives: *ret, to be ended with launch_done(); untouched on failure
 * fails: ST_LIMIT (the message, a value or all values together are too large),
 *        ST_MALFORMED, ST_INVALID (a field that is missing or wrong), ST_NOMEM */
MUST_CHECK enum status launch_read(const struct launch_rule *rule, const struct ring *pins,
                                   struct view payload, struct launch *ret, struct why *why);

/* The name of the task of one participant. */
void launch_name(const struct launch_rule *rule, const struct launch *launch,
                 const struct id *proplet_id, char ret[LAUNCH_NAME_SIZE]);

void launch_done(struct launch *launch);

#endif
