/* What managers before the store kept in two files, brought into it once:
 *
 *     memory.json  {"launches":[id, the oldest first],
 *                   "proplets":[{"proplet_id":id,"start_topic":"own"|"shared"}]}
 *     images.json  {"images":[{"name":s,"digest":s,"size":n}]}
 *
 * Both go in with one transaction and are then called *.migrated: after a crash
 * in between, the store is not empty and only the names are changed. */
#ifndef MANAGER_MIGRATE_H
#define MANAGER_MIGRATE_H

#include "manager/store.h"

/* No files are fine. What does not fit into the tables is left out.
 * fails: ST_MALFORMED (a file is not ours), ST_NOMEM, ST_FULL, ST_IO; with a
 *        sentence. Files and store are then as they were. */
MUST_CHECK enum status migrate_files(const char *folder, struct store *store, struct why *why);

#endif
