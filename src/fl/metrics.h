/* Named numbers that a participant reports (loss, accuracy, ...), and their
 * mean weighted by samples. */
#ifndef FL_METRICS_H
#define FL_METRICS_H

#include <jansson.h>

#include "base/limits.h"
#include "base/status.h"

struct metric {
    char name[METRIC_NAME_MAX + 1];
    double value;  /* finite */
    double weight; /* samples behind it; 1 where only one report is meant */
};

struct metrics {
    size_t count;
    struct metric items[METRICS_MAX];
};

/* fails: ST_LIMIT (empty or longer than METRIC_NAME_MAX), ST_INVALID (a control
 *        character) */
MUST_CHECK enum status metric_name_check(const char *name, struct why *why);

/* Reads {"name": number, ...}; NULL is empty.
 * fails: ST_TYPE (a value that is not a number), ST_LIMIT (METRICS_MAX, a name
 *        that is empty or longer than METRIC_NAME_MAX), ST_INVALID (a control
 *        character in a name), ST_NOT_FINITE */
MUST_CHECK enum status metrics_decode(const json_t *object, struct metrics *ret, struct why *why);

/* gives: a new object of values; NULL: no memory */
json_t *metrics_encode(const struct metrics *m);

/* Adds one report with its samples: mean = sum(n_k v_k) / sum(n_k), for each
 * name over those who reported it. Names beyond METRICS_MAX are ignored. */
void metrics_add(struct metrics *total, const struct metrics *report, double samples);

/* NULL if there is none of this name. */
const struct metric *metrics_find(const struct metrics *m, const char *name);

#endif
