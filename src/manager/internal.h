/* What manager.c and its on_*.c files share: the manager's state, one function
 * for each kind of message that can arrive, and those that send. */
#ifndef MANAGER_INTERNAL_H
#define MANAGER_INTERNAL_H

#include "manager/images.h"
#include "manager/launch.h"
#include "manager/manager.h"
#include "manager/outbox.h"
#include "manager/proplets.h"
#include "manager/pushes.h"
#include "manager/ring.h"
#include "manager/store.h"
#include "manager/tasks.h"

typedef void (*on_message_fn)(struct manager *m, const struct mqtt_message *message,
                              uint64_t now_ms);

/* One of the core topics that we listen to. */
struct route {
    char filter[128]; /* below the prefix of the topic space */
    on_message_fn on_message;
};

#define ROUTES_COUNT 8

struct manager {
    uint32_t magic;
    struct manager_settings settings;
    struct manager_out out;
    const struct rules *rules;
    struct route routes[ROUTES_COUNT];
    struct proplets *proplets;
    struct tasks *tasks;
    struct ring *launches; /* ids that were seen */
    struct ring *pins;     /* topic to digest */
    struct images *images;
    struct pushes *pushes;
    struct outbox *outbox;
    struct store *store;
    struct id *new_launches; /* (new_launch_count,) not recorded yet */
    size_t new_launch_count;
    struct manager_counters counters;
    uint64_t started_ms;
    uint64_t last_tick_ms;
    uint64_t recorded_ms; /* when the store learnt the time last */
    uint64_t transmitted; /* messages that out.publish took */
    bool away;            /* from the broker, at the last tick */
    bool unrecorded;      /* the last attempt to record what has changed failed */
    bool settling;
};

/* ---- messages that arrive; one file each ---- */

void on_create(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_alive(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_results(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_query(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_registry_push(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_registry_get(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_registry_manifest(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);
void on_registry_part(struct manager *m, const struct mqtt_message *message, uint64_t now_ms);

void on_launch(struct manager *m, const struct launch_rule *rule,
               const struct mqtt_message *message, uint64_t now_ms);
void on_forward(struct manager *m, const struct forward_rule *rule,
                const struct mqtt_message *message);
void on_close(struct manager *m, const struct close_rule *rule, const struct mqtt_message *message,
              uint64_t now_ms);
void on_pin(struct manager *m, const struct pin_rule *rule, const struct mqtt_message *message);

/* ---- time; on_tick.c ---- */

void on_tick(struct manager *m, uint64_t now_ms);

/* Asks for the parts that are due and gives up pushes that got none. */
void registry_tick(struct manager *m, uint64_t now_ms);

/* ---- record.c ---- */

/* Fills the empty tables with what was recorded.
 * fails: as migrate_files() and store_read(); with a sentence */
MUST_CHECK enum status recall(struct manager *m, uint64_t now_ms, struct why *why);

/* This launch id was seen. False: no memory, it was not. */
MUST_CHECK bool remember_launch(struct manager *m, const struct id *launch_id);

/* Records what has changed, then sends what is recorded. */
void settle(struct manager *m, uint64_t now_ms);
/* The same, and what is due because time passed. */
void settle_tick(struct manager *m, uint64_t now_ms);

/* Sends at once, unrecorded: answers, requests, and what is passed on. Whoever
 * needs one that was lost asks or sends again. fails: as mqtt_publish() */
MUST_CHECK enum status transmit(struct manager *m, const struct mqtt_message *message);

/* ---- send.c ---- */

/* Sends text at once on m/{domain}/c/{channel}/{rest}/{id}. text: taken and freed;
 * NULL (no memory) is ST_NOMEM. What fails is logged. */
enum status send_text_to(struct manager *m, const char *rest, const struct id *id, char *text);

/* Puts text into the outbox, for the topic {rest}, or {rest}/{id} if id is not
 * NULL. text: as above. fails: as outbox_add() */
MUST_CHECK enum status send_later(struct manager *m, enum outgoing_kind kind,
                                  const struct id *task_id, const char *rest, const struct id *id,
                                  char *text);

/* Changes a task's state and says so on the topic of task events. The only place
 * that does either. Arguments and failures as tasks_change(). */
MUST_CHECK enum status change_task(struct manager *m, const struct id *task_id,
                                   enum task_state state, const char *reason, const char *detail,
                                   uint64_t now_ms);

/* Tells the task's proplet to stop it. */
void send_stop(struct manager *m, const struct task *task);

/* A task event (PROTOCOL 1.4). gives: a new object; NULL: no memory */
json_t *task_event(const struct task *task);

#endif
