/* For tests: a way out that records what was asked for, and a clock that the
 * test moves. */
#ifndef DEVICE_FAKE_OUT_H
#define DEVICE_FAKE_OUT_H

#include "base/limits.h"
#include "device/out.h"

#define FAKE_PUBLISHED_MAX  256
#define FAKE_SUBSCRIBED_MAX 64

struct fake_message {
    char topic[TOPIC_SIZE_MAX];
    struct bytes payload;
};

struct fake_out {
    struct proplet_out out; /* give this to what is tested */
    uint64_t now_ms;
    bool offline;       /* connected() and quiet() say no */
    bool busy;          /* quiet() says no */
    size_t message_max; /* larger payloads are ST_TOO_LARGE; 0: no limit */
    enum status publish_status, subscribe_status;
    void (*on_publish)(void); /* before it is recorded; NULL: nothing */
    size_t published_count;
    struct fake_message published[FAKE_PUBLISHED_MAX];
    size_t subscribed_count;
    char subscribed[FAKE_SUBSCRIBED_MAX][TOPIC_SIZE_MAX];
};

/* gives: a new one, with the clock at 1000; to be ended with fake_out_free() */
struct fake_out *fake_out_new(void);
struct fake_out *fake_out_free(struct fake_out *f);

bool fake_out_subscribed(const struct fake_out *f, const char *filter);
/* Forgets what was published. */
void fake_out_clear(struct fake_out *f);

#endif
