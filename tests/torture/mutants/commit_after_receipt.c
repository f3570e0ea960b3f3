/* A planted bug: the coordinator commits some time after it said what follows.
 *
 * Linked with --wrap=store_commit. What is under way is only called committed until
 * it is LATE_MS old, so that receipts are on their way before it is true. */
#include <time.h>

#include "coordinator/store.h"

#define LATE_MS 100

enum status __real_store_commit(struct store *s);
enum status __wrap_store_commit(struct store *s);

static long long now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum status __wrap_store_commit(struct store *s)
{
    static long long since_ms; /* 0: nothing is under way */
    if (since_ms == 0)
        since_ms = now_ms();
    if (now_ms() - since_ms < LATE_MS)
        return ST_OK;
    since_ms = 0;
    return __real_store_commit(s);
}
