/* What the files of the simulator share.
 *
 * A world is one fleet: devices, a network, a coordinator with its disk, a model
 * server, and up to ROUNDS_MAX rounds that overlap. All that happens in it is a
 * queue of events in the order of a clock that is a number, and all chance comes
 * from one seed: the same seed is the same world, to the last byte.
 *
 * Only src/round (and what it stands on) is the real thing. It is driven the way a
 * durable coordinator drives it: what must not be lost is on the disk before
 * anybody is told. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "experiment/experiment.h"
#include "model/model_file.h"
#include "round/round.h"

#define ROUNDS_MAX          6
#define DEVICES_MAX         16
#define VARIANTS_MAX        3  /* different updates that one device makes for one round */
#define OUTBOX_MAX          48 /* updates that one device waits with, of all rounds */
#define WIDTH               3  /* of the tensor "w" */
#define VERSIONS_MAX        64 /* the server's; a coordinator without a bug makes ROUNDS_MAX */
#define CRASHES_MAX         20 /* in one world, or a round would be allowed to take for ever */
#define SAID_MAX            512
#define NO_ROUND            (-1)
#define SIM_BASE            "fl/models/m_v0"
#define EXPERIMENT_ROWS_MAX ROUNDS_MAX
#define SECOND              1000u

/* ---- bugs that are planted, to see that the checks would find them ---- */

enum mutant {
    MUTANT_NONE,
    MUTANT_RECEIPT_FIRST,      /* the receipt is sent before the update is on the disk */
    MUTANT_NO_DEDUP,           /* an update that comes twice counts twice */
    MUTANT_K_MINUS_ONE,        /* one update fewer than asked for is enough */
    MUTANT_NUMBER_FORGOTTEN,   /* the new version's number does not outlive a crash */
    MUTANT_COMPLETE_FIRST,     /* complete is sent before it is on the disk */
    MUTANT_REPLAYED_NOW,       /* after a crash the log is fed in as if it came now */
    MUTANT_DISK_FULL_IGNORED,  /* the receipt is sent although the disk refused */
    MUTANT_REFUSALS_FORGOTTEN, /* what was refused before a crash is not counted any more */
    MUTANT_START_FIRST,        /* an experiment's round begins before the experiment knows it */
    MUTANT_END_UNTOLD,         /* after a crash the experiment is not told how its round ended */
    MUTANT_COUNT
};

/* ---- updates ---- */

/* The bytes of one update, and what they are: known here because we made them. */
struct sim_update {
    struct sim_update *next; /* all of a world's */
    int device;              /* who sends it */
    int round;               /* to whose topic; NO_ROUND: to one that does not exist */
    enum verdict deserves;   /* for its content, whatever else was counted */
    int64_t samples;
    int64_t w[WIDTH];
    int64_t mark; /* its device's element of the tensor "who"; see check.c */
    int64_t loss;
    struct digest digest;
    size_t size;
    uint8_t data[];
};

/* A version on its way to the server, or there. */
struct version {
    struct version *next; /* all of a world's */
    uint64_t number;
    int round; /* that made it; NO_ROUND: was there before */
    struct digest digest;
    struct bytes bytes;
};

/* ---- events ---- */

enum event_kind {
    EV_ASK_ROUND, /* the user sends the start, again and again until complete */
    EV_CANCEL,
    EV_START_AT_COORDINATOR,
    EV_START_AT_DEVICE,
    EV_TRAINED,
    EV_SEND_AGAIN, /* an update that a device still waits with */
    EV_UPDATE,
    EV_RECEIPT,
    EV_COMPLETE_AT_DEVICE,
    EV_COMPLETE_AT_USER,
    EV_PUBLISH,
    EV_STORED, /* the version on its topic, as the coordinator sees it */
    EV_BASE_ASKED,
    EV_BASE,
    EV_COORDINATOR_WAKES,
    EV_COORDINATOR_CRASHES,
    EV_COORDINATOR_RETURNS,
    EV_COMMIT,
    EV_ROUND_REBUILT,  /* one round, after the disk refused */
    EV_ASK_EXPERIMENT, /* the user sends it until it has begun */
    EV_EXPERIMENT_AT_COORDINATOR,
    EV_CANCEL_EXPERIMENT,
    EV_ROSTER_ASKED,
    EV_ROSTER, /* number: who is alive, as bits */
    EV_EXPERIMENT_REBUILT,
    EV_LAUNCH, /* of a round of the experiment */
    EV_DEVICE_DIES,
    EV_DEVICE_RETURNS,
    EV_SERVER_STOPS,
    EV_SERVER_RETURNS,
    EV_COUNT
};

struct event {
    uint64_t at_ms;
    uint64_t order; /* among those of one moment */
    enum event_kind kind;
    int round;
    int device;
    const struct sim_update *update;
    const struct version *version;
    const char *text; /* of a complete */
    enum verdict verdict;
    uint64_t number;
};

struct queue {
    struct event *items; /* a heap, the earliest first */
    size_t count, capacity;
    uint64_t order;
};

void queue_add(struct queue *q, struct event e);
/* False: none is left. */
bool queue_take(struct queue *q, struct event *ret);
void queue_done(struct queue *q);

/* ---- the parts of a world ---- */

/* How unkind this world is; each in events of a thousand. */
struct odds {
    uint32_t drop, duplicate, slow, crash, disk_full, device_dies, hostile;
    uint32_t wake_late_ms; /* timers fire up to so late */
    uint32_t commit_ms;    /* writes wait so long for a common commit; 0: each is its own */
    uint32_t asked_ms;     /* within this time all rounds are asked for */
    uint32_t grid_ms;      /* all happens at multiples of it: much at the same moment */
};

struct device {
    bool alive;
    bool outbox_survives; /* its death */
    struct waiting {
        const struct sim_update *update; /* NULL: free */
        uint64_t until_ms;
    } outbox[OUTBOX_MAX];
    bool started[ROUNDS_MAX]; /* saw the start */
    bool training[ROUNDS_MAX];
    bool over[ROUNDS_MAX]; /* saw the end */
};

/* One round as it was asked for, and all that an observer of it knows. */
struct sim_round {
    struct round_start start;
    struct id participants[DEVICES_MAX];
    bool takes_part[DEVICES_MAX];
    uint64_t asked_ms;
    bool user_saw_complete;
    int made[DEVICES_MAX]; /* updates made for it, see VARIANTS_MAX */
    /* the observer's */
    const struct sim_update *promised[DEVICES_MAX]; /* got an accepted receipt */
    const struct sim_update *in_model[DEVICES_MAX]; /* of the version handed out */
    const struct version *handed_out;               /* the first time */
    const struct version *stored;
    const char *complete; /* as it was sent first */
    uint64_t print;       /* of its facts, after the last step */
};

/* What the coordinator finds again after a crash. */
struct disk_round {
    bool has_start;
    uint64_t started_ms;
    const struct version *base;
    uint64_t base_ms;
    struct {
        const struct sim_update *update;
        uint64_t at_ms;
        bool again; /* by MUTANT_NO_DEDUP only */
    } log[DEVICES_MAX * 4];
    size_t logged;
    uint64_t rejected[VERDICT_COUNT];
    uint64_t number; /* of its new version; 0: none yet */
    const char *complete;
    struct complete facts; /* what complete says */
    bool complete_sent;
};

/* At most one experiment; its rounds are those from first_round on, in the order in
 * which they began. */
struct sim_experiment {
    bool is_there;
    int first_round;
    char start[1024]; /* the request */
};

struct disk_experiment {
    const char *memory; /* NULL: it has not begun */
    const char *rows[EXPERIMENT_ROWS_MAX];
    size_t row_count;
};

struct coordinator {
    bool up;
    uint64_t returned_ms; /* when it last came back */
    uint64_t wakes_ms;    /* the earliest EV_COORDINATOR_WAKES under way */
    struct round *rounds[ROUNDS_MAX];
    const struct version *handed_out[ROUNDS_MAX];
    struct experiment *experiment;
};

/* In a world of common commits: what was written and not yet committed is gone with
 * the coordinator. Messages are written too, are sent after their commit, and again
 * after a crash until a later commit forgets them. */
struct commits {
    struct disk_round kept[ROUNDS_MAX]; /* as it was committed last */
    uint32_t written;                   /* rounds that differ from it, as bits */
    struct disk_experiment kept_experiment;
    bool experiment_written;
    bool due; /* EV_COMMIT is under way */
    struct event said[SAID_MAX];
    size_t said_count, said_kept, said_sent; /* written, committed, sent */
};

struct server {
    bool up;
    const struct version *versions[VERSIONS_MAX]; /* by number */
};

struct tally {
    uint64_t rounds, experiments, rows, crashes, dropped, duplicated, accepted, steps;
    uint64_t completed, expired, failed, cancelled, refused, disk_full;
    uint64_t unannounced; /* versions of rounds that ended without naming one */
};

#define TRACE_LINES 60

struct world {
    uint64_t seed;
    struct rand rand;
    enum mutant mutant;
    uint64_t now_ms, step;
    struct odds odds;
    uint32_t crashes;
    struct queue queue;
    int device_count;
    struct device devices[DEVICES_MAX];
    int round_count;
    struct sim_round rounds[ROUNDS_MAX];
    struct disk_round disk[ROUNDS_MAX];
    struct sim_experiment experiment;
    struct disk_experiment disk_experiment;
    uint64_t disk_next_number;
    struct commits commits;
    struct coordinator coordinator;
    struct server server;
    enum model_form form; /* of all models here */
    struct sim_update *updates;
    struct version *versions;
    struct text {
        struct text *next;
        char *text;
    } * texts;        /* of completes */
    uint32_t touched; /* rounds that this step may change, as bits */
    struct tally *tally;
    bool violated;
    char violation[512];
    bool tracing;
    char trace[TRACE_LINES][160];
    uint64_t traced;
};

/* ---- world.c ---- */

struct id round_name(int round);
struct id device_name(int device);
uint64_t below(struct world *w, uint64_t bound);
bool chance(struct world *w, uint32_t of_a_thousand);
/* between from and to, both included */
uint64_t between(struct world *w, uint64_t from, uint64_t to);
/* Out of memory ends the program: it is not what is tried here. */
void *must(void *memory);
void trace(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
/* The manager sends the round's start to all who take part. */
void launch(struct world *w, int round);
/* takes: text. gives: it, as long as the world is there */
const char *keep_text(struct world *w, char *text);

/* Lives one world to its end. Returns false if a check failed; why is in w. */
bool world_run(struct world *w, uint64_t seed, enum mutant mutant, bool tracing,
               struct tally *tally);
void world_done(struct world *w);

/* ---- network.c: what is sent may arrive late, twice, in another order, or not ---- */

void network_send(struct world *w, struct event e);
/* Not by the network: a timer of one's own. */
void after(struct world *w, uint64_t delay_ms, struct event e);

/* ---- updates.c ---- */

/* A right update of this device for the round; each variant has other numbers. */
const struct sim_update *update_right(struct world *w, int round, int device);
/* One that is wrong in some way, drawn. */
const struct sim_update *update_wrong(struct world *w, int round, int device);
/* As garbage that names no round, sent to a round that does not exist. */
const struct sim_update *update_astray(struct world *w, int device);
/* The base model that all rounds may start from. */
struct version *version_zero(struct world *w);
struct version *version_new(struct world *w, uint64_t number, int round, struct bytes *bytes);

/* ---- device.c, server.c, coordinator.c: one function for each event ---- */

void device_start(struct world *w, const struct event *e);
void device_trained(struct world *w, const struct event *e);
void device_sends_again(struct world *w, const struct event *e);
void device_receipt(struct world *w, const struct event *e);
void device_complete(struct world *w, const struct event *e);
void device_dies(struct world *w, const struct event *e);
void device_returns(struct world *w, const struct event *e);
/* Sends an update that nobody asked this device for. */
void device_intrudes(struct world *w, int device, int round);

void server_publish(struct world *w, const struct event *e);
void server_asked(struct world *w, const struct event *e);

void coordinator_start(struct world *w, const struct event *e);
void coordinator_update(struct world *w, const struct event *e);
void coordinator_base(struct world *w, const struct event *e);
void coordinator_stored(struct world *w, const struct event *e);
void coordinator_cancel(struct world *w, const struct event *e);
void coordinator_wakes(struct world *w);
void coordinator_commits(struct world *w);
/* A round whose start is on the disk. */
void coordinator_opens(struct world *w, int round);
/* After each event of the coordinator. */
void coordinator_stepped(struct world *w);
void coordinator_crashes(struct world *w);
void coordinator_returns(struct world *w);
void coordinator_rebuilds(struct world *w, int round);
void coordinator_done(struct world *w);

/* ---- experiment.c ---- */

void experiment_draw(struct world *w);
void experiment_asked(struct world *w);
void experiment_begins(struct world *w);
void experiment_roster_asked(struct world *w);
void experiment_roster_comes(struct world *w, const struct event *e);
void experiment_cancelled(struct world *w);
void experiment_wakes(struct world *w);
/* The round that it runs may have ended: what the disk says is told. */
void experiment_hears(struct world *w);
/* From the disk, if it is not in memory. */
void experiment_returns(struct world *w);
/* It knows what the disk does not, see set_aside(). */
void experiment_set_aside(struct world *w);
/* What is on the disk for certain. */
const struct disk_experiment *experiment_kept(const struct world *w);
/* Its round of this name; NO_ROUND: none is on the disk */
int experiment_find(const struct world *w, const struct id *round);

/* ---- durable.c: what the coordinator stands on ---- */

/* Writes and messages wait for a commit that they have in common. */
bool commits_in_common(const struct world *w);
/* Stands wherever it may die. False: it did, and nothing may be touched any more. */
bool goes_on(struct world *w);
/* One write. Of those that wait for a commit, the commit decides. */
bool disk_takes(struct world *w);
/* The round in memory knows what the disk does not: it must not go on, and nobody
 * gets an answer from it, until it was made again from the disk. */
void set_aside(struct world *w, int round);
/* Sends e, now or after the commit. */
void say(struct world *w, struct event e);

/* ---- check.c: what must always hold ---- */

/* The first violation stops the world. */
void violation(struct world *w, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);

/* What round_update() has to answer now, or VERDICT_COUNT for no answer. */
enum verdict check_expects(const struct world *w, int round, const struct sim_update *u);
void check_verdict(struct world *w, const struct sim_update *u, enum verdict expected,
                   enum verdict given);
void check_receipt(struct world *w, const struct sim_update *u, enum verdict verdict);
/* What is on the disk for certain. */
const struct disk_round *disk_kept(const struct world *w, int round);
/* A round made its version; it is sent only after its number is on the disk. */
void check_made(struct world *w, int round, const struct version *v);
void check_published(struct world *w, const struct version *v);
void check_stored(struct world *w, const struct version *v);
/* A complete was made; it is sent only after it is on the disk. */
void check_ended(struct world *w, int round, const struct complete *facts);
/* It is sent, perhaps not for the first time. */
void check_complete(struct world *w, int round, const char *text);
/* A round of the experiment is to begin. */
void check_opens(struct world *w, const struct round_start *start);
void check_experiment_end(struct world *w);
void check_step(struct world *w);
void check_end(struct world *w);

#endif
