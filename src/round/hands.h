/* What an owner may lend to an aggregation: threads, and a way to give back the memory of
 * what was read. round/ has neither. The result is the same to the last bit with any, or
 * without. */
#ifndef ROUND_HANDS_H
#define ROUND_HANDS_H

#include "base/bytes.h"

struct hands {
    /* Calls work(arg, 0), …, work(arg, count - 1), in any order and on any threads, and
     * returns when all have returned. NULL: one after the other. */
    void (*each)(void *owner, size_t count, void (*work)(void *arg, size_t index), void *arg);
    /* These bytes, of an update, were read, and are not needed for now: pages of a mapped
     * file may go. May be called from any of the threads. NULL: nothing. */
    void (*let_go)(void *owner, struct view bytes);
    void *owner;
};

#endif
