/* What manager.c and its on_*.c files share: the manager's state, one function
 * for each kind of message that can arrive, and those that send. */
#ifndef MANAGER_INTERNAL_H
#define MANAGER_INTERNAL_H

#include <limits.h>

#include "manager/images.h"
#include "manager/launch.h"
#include "manager/manager.h"
#include "manager/proplets.h"
#include "manager/pushes.h"
#include "manager/ring.h"
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
    struct manager_counters counters;
    uint64_t last_tick_ms;
    bool away; /* from the broker, at the last tick */
    char memory_path[PATH_MAX];
    bool unsaved; /* something of what memory.h keeps has changed */
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

/* ---- manager.c ---- */

/* Makes durable what has to outlive a restart (memory.h). What fails is logged. */
void remember(struct manager *m);

/* ---- send.c ---- */

/* Publishes text on m/{domain}/c/{channel}/{rest}. text: taken and freed; NULL
 * (no memory) is ST_NOMEM. What fails is logged. */
enum status send_text(struct manager *m, const char *rest, char *text);
/* The same on {rest}/{id}. */
enum status send_text_to(struct manager *m, const char *rest, const struct id *id, char *text);

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
