/* A JSON value with places to fill in from a message: how a launch rule says
 * what a task's `spec` is, without the manager knowing what it means.
 *
 *     "$x"                            the message's field x
 *     {"$field": "x", "default": T}   the same, or the template T if it is absent
 *     {"$pin": "x"}                   the pinned digest of the topic that the
 *                                     message's field x names
 *     "$$x"                           the text "$x" itself
 *
 * What cannot be filled in is left out of its object or array. Pure. */
#ifndef MANAGER_TEMPLATE_H
#define MANAGER_TEMPLATE_H

#include "base/jsn.h"
#include "manager/ring.h"

/* fails: ST_INVALID (a "$" object with other keys; a field that is no text) */
MUST_CHECK enum status template_check(const json_t *template, struct why *why);

/* Fills in a template that was checked. pins: topic to digest.
 * gives: a new value, sharing nothing that changes with message; *ret is NULL if
 *        the template as a whole cannot be filled in
 * fails: ST_NOMEM */
MUST_CHECK enum status template_fill(const json_t *template, const json_t *message,
                                     const struct ring *pins, json_t **ret);

#endif
