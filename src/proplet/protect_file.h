/* A guest's update file made into what may leave the device (protect/encode.h), in turns of
 * the loop and with little of it in memory. */
#ifndef PROPLET_PROTECT_FILE_H
#define PROPLET_PROTECT_FILE_H

#include "protect/encode.h"

struct protect_file;

struct protect_files {
    const char *base, *update; /* borrowed for the call; not changed meanwhile */
    const char *out;           /* is made */
};

/* privacy, k_of_n: of the round. client: of a masked one, until protect_file_free(); else NULL
 * cohort: devices in the sum; 0: not known (not masked)
 * gives: *ret, to be ended with protect_file_free()
 * fails: as encode_new(), protection_of() and protection_fits(), ST_FULL, ST_IO, each with a
 *        sentence; no file is left then */
MUST_CHECK enum status protect_file_new(const struct protect_files *files,
                                        const struct privacy *privacy, uint32_t k_of_n,
                                        const struct secagg_client *client,
                                        const struct id *round_id, const char *base_model_uri,
                                        struct protect_file **ret, struct why *why);

/* What the round is about. */
const struct protection *protect_file_protection(const struct protect_file *f);

/* Goes on for a part that no heartbeat waits for.
 * gives: *ret_done: true when the file is whole
 * fails: as encode_step(); the file is gone then */
MUST_CHECK enum status protect_file_step(struct protect_file *f, bool *ret_done, struct why *why);

/* Before it is done: the file goes. NULL is allowed; returns NULL. */
struct protect_file *protect_file_free(struct protect_file *f);

#endif
