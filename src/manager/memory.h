/* What the manager still knows after a restart, in one small file:
 *
 *     {"launches":[id, the oldest first],
 *      "proplets":[{"proplet_id":id,"start_topic":"own"|"shared"}]}
 *
 * So a launch is not repeated, and one that comes before the next heartbeats
 * finds its proplets. Tasks are not kept: whoever runs them does not need us. */
#ifndef MANAGER_MEMORY_H
#define MANAGER_MEMORY_H

#include "manager/proplets.h"
#include "manager/ring.h"

/* Puts what the file holds into the (empty) tables; proplets as expected. No file
 * is fine. What does not fit into a table is left out.
 * fails: ST_MALFORMED (the file is not ours), ST_NOMEM, ST_IO; with a sentence */
MUST_CHECK enum status memory_load(const char *path, struct proplets *proplets,
                                   struct ring *launches, struct why *why);

/* Replaces the file as a whole, durably. Lost proplets are left out.
 * fails: ST_NOMEM, ST_FULL, ST_IO; the file is then as it was */
MUST_CHECK enum status memory_save(const char *path, const struct proplets *proplets,
                                   const struct ring *launches);

#endif
