/* What the owner's policy (identity/policy.h) means for a task. A task that it does not let be
 * ends as "not_allowed" (PROTOCOL 1.3), with a sentence that begins with the rule's name.
 *
 * Judged are, in this order: the start, before anything is fetched for it; the image's bytes,
 * before they are kept or compiled; the count of rounds, before the guest runs; and what an
 * evaluation wants to send. How many are in a secure aggregation, and what all rounds spend
 * together, is known later: secagg/client.h, proplet/spent.h.
 *
 * A plain task belongs to no round: it may print whatever it finds in the device's data. So one is
 * let in only by a policy that sets no limit to rounds either; a policy that has one of modes,
 * protection, rounds_max, clip_max, noise_min, epsilon_max, delta_max, and thus says on what terms
 * something may leave the device, refuses plain tasks. One that only names images or publishers
 * lets them in, if their image is.
 *
 * An evaluation is a task that says so in MODE and, if it is there, in spec.mode; any other
 * learning task counts as training, whatever it says. What an evaluation sends must be readable
 * and without parameters, or it would be training by another name.
 *
 * t: NULL, or without a policy: everything is allowed. */
#ifndef PROPLET_PERMISSION_H
#define PROPLET_PERMISSION_H

#include "device/learning.h"
#include "proplet/trust.h"
#include "wire/task_msg.h"

/* By the start alone: modes, rounds_max, images. One that cannot be read is let in here, for
 * whoever takes it to name. */
MUST_CHECK bool permission_to_start(const struct trust *t, const struct start_msg *start,
                                    struct why *why);

/* Whether any image is not allowed: if not, their bytes need not be looked at. */
bool permission_limits_images(const struct trust *t);

/* By images and publishers. digest: of module, as the caller has checked */
MUST_CHECK bool permission_of_image(const struct trust *t, const struct digest *digest,
                                    struct view module, struct why *why);

/* rounds_max once more, as others may have run since the start; and counts the round. Once for
 * each task.
 * l: NULL: a plain task
 * gives: NULL, or the code of PROTOCOL 1.3, "not_allowed" or, if it could not be counted,
 *        "disk_full" or "runner_failed", with a sentence */
MUST_CHECK const char *permission_to_run(struct trust *t, const struct learning *l,
                                         struct why *why);

/* Whether what a learning task's guest made may leave. */
MUST_CHECK bool permission_to_send(const struct trust *t, const struct learning *l,
                                   struct view update, struct why *why);

#endif
