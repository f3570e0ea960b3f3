/* A kill at any step of a coordinator, for tests. A step is a write, a sync, a rename
 * or a removal of a file by this process, or a call of kill_point(). What the dead one
 * does after it is lost: its folder is copied at that moment, and the next life is
 * opened on the copy.
 *
 * A kill leaves what was written, synced or not; so syncs are not real here. */
#ifndef COORDINATOR_KILL_POINTS_H
#define COORDINATOR_KILL_POINTS_H

#include <stdbool.h>
#include <stddef.h>

/* Counts steps from now on; the one with number kill_at (from 1; 0: none) is the kill,
 * and the second one comes so many steps into the next life (0: none does).
 * gives: the folder of the first life, which is not there yet */
const char *kill_points_begin(size_t kill_at, size_t second_after);

/* One step that changes no file: before and after a message is sent. */
void kill_point(void);

/* It was killed: nothing that it says is heard any more. */
bool kill_points_dead(void);

/* It is gone, and so is its folder. gives: the folder of the next life */
const char *kill_points_revive(void);

/* No more kills. */
void kill_points_disarm(void);

/* Removes what a test that failed left. */
void kill_points_end(void);

size_t kill_points_passed(void); /* steps, of all lives */
size_t kill_points_kills(void);

#endif
