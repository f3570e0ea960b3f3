/* Is this id among those? For lists from outside, of thousands: sorted once, so that
 * nobody searches a list in a loop over a list. */
#ifndef BASE_ID_SET_H
#define BASE_ID_SET_H

#include "base/id.h"

struct id_set {
    const struct id **sorted; /* (count,), owned; the ids themselves are borrowed */
    size_t count;
};

/* ids: (count,), borrowed until id_set_done(); may be empty, and name one twice
 * gives: *ret, to be ended with id_set_done(). fails: ST_NOMEM */
MUST_CHECK enum status id_set_new(const struct id *ids, size_t count, struct id_set *ret);

bool id_set_has(const struct id_set *set, const struct id *id);

/* One that is there twice; NULL: all are different. */
const struct id *id_set_twice(const struct id_set *set);

/* Leaves each that is there twice once. */
void id_set_unify(struct id_set *set);

void id_set_done(struct id_set *set);

#endif
