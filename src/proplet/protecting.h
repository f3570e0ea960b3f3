/* One task's protected update: takes part in its round's secure aggregation, waits for the masks,
 * and makes from what the guest left what may leave the device. An update that cannot be
 * protected never leaves. */
#ifndef PROPLET_PROTECTING_H
#define PROPLET_PROTECTING_H

#include "device/learning.h"
#include "proplet/inside.h"
#include "proplet/protect_file.h"

struct protecting;

/* A task of a protected round was accepted; a masked one is joined.
 * l: borrowed until protecting_free(). hyperparams, image, until_ms: as secure_join()
 * gives: *ret, to be ended with protecting_free(). fails: as secure_join(), ST_NOMEM */
MUST_CHECK enum status protecting_new(struct proplet *p, const struct learning *l,
                                      const char *hyperparams, const struct digest *image,
                                      uint64_t until_ms, struct protecting **ret, struct why *why);

/* Goes on with the update's file.
 * gives: *ret_done: true when files->out may leave: it is masked, and what it spends is in the
 *        device's account
 * fails: with a sentence; ST_INVALID also: this device left the aggregation, or its owner does
 *        not allow to spend that */
MUST_CHECK enum status protecting_step(struct protecting *t, const struct protect_files *files,
                                       bool *ret_done, struct why *why);

/* Before the file was made: this device drops out of the round. NULL is allowed. */
struct protecting *protecting_free(struct protecting *t);

#endif
