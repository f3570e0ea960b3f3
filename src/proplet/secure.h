/* This device's part in secure aggregations: one for each masked round that a task of it is in.
 * Between secagg/client.h and the broker: it advertises as soon as the task is accepted, and
 * answers what the coordinator says on fl/rounds/{round}/secagg/{me}/told until the round is
 * over, also when the task has ended and its update is on its way.
 *
 * All is in memory: a proplet that starts anew has left its rounds. What was said last is
 * said again until the coordinator goes on, so no message has to arrive. */
#ifndef PROPLET_SECURE_H
#define PROPLET_SECURE_H

#include "device/learning.h"
#include "device/out.h"
#include "proplet/trust.h"
#include "secagg/client.h"

#define SECURE_SESSIONS_MAX 64
#define SECURE_RESEND_MS    1000u
#define SECURE_KEPT_MS      60000u /* after the last answer: it may be asked for again */

struct secure; /* all of them */
struct secure_round;

/* out, me, trust: kept. trust may be NULL: no round can be joined then
 * gives: *ret, to be ended with secure_free(). fails: ST_NOMEM */
MUST_CHECK enum status secure_new(const struct proplet_out *out, const struct id *me,
                                  struct trust *trust, struct secure **ret);

/* A task of this masked round was accepted: takes part, and says so.
 * hyperparams: what the guest gets, as text; image: its digest; until_ms: when nobody can be
 * waiting any more
 * gives: *ret, borrowed until secure_leave() or until_ms
 * fails: ST_INVALID (no identity, no fleet, an id that is not ours, a start that does not say
 *        enough), ST_EXISTS (this device is in the round already), ST_LIMIT, ST_NOMEM, as out's
 *        subscribe; with a sentence */
MUST_CHECK enum status secure_join(struct secure *s, const struct learning *l,
                                   const char *hyperparams, const struct digest *image,
                                   uint64_t until_ms, struct secure_round **ret, struct why *why);

/* NULL while the update cannot be masked yet. */
const struct secagg_client *secure_client(const struct secure_round *r);

/* Whether this device has left the round; why it did. */
bool secure_has_left(const struct secure_round *r, struct why *why);

/* The task failed: this device drops out. r is then gone. */
void secure_leave(struct secure *s, struct secure_round *r);

/* The update was masked, and the task needs the round no more: it goes on by itself. */
void secure_masked(struct secure *s, struct secure_round *r);

/* A message on .../told of this round. */
void secure_told(struct secure *s, const struct id *round, struct view payload);

/* Says again what is due, and lets go of rounds that are over. */
void secure_tick(struct secure *s);

/* NULL is allowed; returns NULL. */
struct secure *secure_free(struct secure *s);

#endif
