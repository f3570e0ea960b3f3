/* The world around a coordinator that drives experiments, for tests: a broker that
 * hands over each message until it is acknowledged, a manager that launches rounds, a
 * model server, four devices that train and one that only measures. Everything is
 * answered and repeated as the real programs do, and nobody but the coordinator ever
 * forgets anything.
 *
 * Device n (d0..d3, of 1, 1, 2 and 4 samples) sends in round r, the parameters
 *     w = [r, n, r * n], b = n
 * so that the mean of all four is w = [r, 2.125, 2.125 r], b = 2.125. The evaluator
 * (judge, 8 samples) reports accuracy = 0.125 * the version of the model. In a protected
 * round without masks it sends that as whole numbers, the same ones each time. */
#ifndef COORDINATOR_TEST_WORLD_H
#define COORDINATOR_TEST_WORLD_H

#include "coordinator/coordinator.h"
#include "fl/complete.h"
#include "fl/experiment_report.h"
#include "fl/receipt.h"

#define WORLD_DEVICES    5 /* the last one is the evaluator */
#define WORLD_ROUNDS_MAX 1200
#define WORLD_BASE       "{\"w\":[0,0,0],\"b\":0,\"version\":0}"
#define WORLD_BASE_TOPIC "fl/models/global_model_v0"

extern const char *const world_devices[WORLD_DEVICES];

/* A round as the world saw it: one start and one complete, in however many copies. */
struct world_round {
    struct id id;
    char *start;
    json_t *read;                 /* start */
    uint64_t begun_ms;            /* when its start was heard */
    bool answered[WORLD_DEVICES]; /* has its receipt */
    enum verdict verdict[WORLD_DEVICES];
    uint64_t sent_ms[WORLD_DEVICES]; /* else it sends again, each second */
    char *complete;
};

struct world {
    struct coordinator *coordinator;
    struct coordinator_settings settings; /* state_dir is folder */
    char folder[64];
    uint64_t now_ms;
    /* What a test may change. */
    bool manager_away;          /* it finds its messages when it comes back */
    size_t batch;               /* messages that the coordinator gets before it is told to flush */
    bool away[WORLD_DEVICES];   /* not alive */
    bool silent[WORLD_DEVICES]; /* alive, and sends nothing */
    uint64_t slow_ms[WORLD_DEVICES]; /* it trains for so long */
    /* What there is to see. */
    size_t questions;
    struct world_round rounds[WORLD_ROUNDS_MAX];
    size_t round_count;
    char *versions[WORLD_ROUNDS_MAX]; /* of global_model, as stored */
    char parents[WORLD_ROUNDS_MAX][FL_TOPIC_SIZE];
    size_t version_count;
    json_t *retained;   /* topic: text */
    json_t *rows;       /* the only text on "{topic} {round}" */
    char *refused;      /* the last one */
    size_t refusals;    /* of experiments */
    uint64_t published; /* in this life of the coordinator */
    /* For kills: called at each message sent; true: the coordinator is dead. */
    void (*point)(void);
    bool (*dead)(void);
    void (*revive)(void); /* makes folder the next life's */
    struct queued *queue, **queue_end;
};

extern struct world world;

/* A new world, in which there is no coordinator yet; one that is there is ended first.
 * Set world.folder then (to one that world_end() removes), and world_open(). */
void world_begin(struct coordinator_settings settings);
void world_end(void);

/* The coordinator comes up, or ends and comes up again. */
void world_open(void);
void world_reopen(void);

/* As anyone at the broker. */
void world_put(const char *topic, const char *text);

/* The answer to a query, to be released. */
json_t *world_ask(const char *topic, const char *text);

/* Everybody does what there is to do, until nothing is left; now_ms stays. */
void world_settle(void);

/* Time passes, in steps of a tick, and everybody acts in it. */
void world_pass(uint64_t ms);

/* What is retained; NULL: nothing. */
const char *world_retained(const char *topic);

/* What an experiment says of itself now. Fails if it says nothing. */
struct experiment_state world_state(const char *experiment);

/* Passes time until it says that it has ended. */
struct experiment_state world_finish(const char *experiment);

/* NULL: the world never saw one. */
const struct world_round *world_round(const char *id);

struct complete world_complete(const char *round);

#endif
