#include "manager/manager.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "io/file.h"
#include "manager/internal.h"
#include "service/log.h"

#define MANAGER_MAGIC 0x6d616e61u /* "mana" */

/* A longer time between two ticks means that the machine slept or we hung: then
 * what came meanwhile is still waiting to be read. */
#define TICK_GAP_MS 5000u

static void add_route(struct manager *m, size_t index, const char *filter, const char *id,
                      const char *rest, on_message_fn on_message)
{
    struct route *route = &m->routes[index];
    int size = snprintf(route->filter, sizeof route->filter, "%s%s%s", filter, id, rest);
    assert(size > 0 && (size_t)size < sizeof route->filter);
    route->on_message = on_message;
}

static void add_routes(struct manager *m)
{
    const char *id = m->settings.client_id.text;
    add_route(m, 0, "control/proplet/create", "", "", on_create);
    add_route(m, 1, "control/proplet/alive", "", "", on_alive);
    add_route(m, 2, "control/proplet/results", "", "", on_results);
    add_route(m, 3, "control/manager/query", "", "", on_query);
    add_route(m, 4, "registry/push", "", "", on_registry_push);
    add_route(m, 5, "registry/get/", id, "", on_registry_get);
    add_route(m, 6, "registry/manifest/", id, "", on_registry_manifest);
    add_route(m, 7, "registry/part/", id, "/+/+", on_registry_part);
}

static enum status make_tables(struct manager *m)
{
    const struct manager_settings *s = &m->settings;
    enum status status = proplets_new(PROPLETS_MAX, s->alive_interval_s * 1000,
                                      s->lost_after_s * 1000, &m->proplets);
    if (status == ST_OK)
        status = tasks_new(TASKS_KEPT_MAX, &m->tasks);
    if (status == ST_OK)
        status = ring_new(LAUNCHES_SEEN_MAX, &m->launches);
    if (status == ST_OK)
        status = ring_new(PINS_MAX, &m->pins);
    if (status == ST_OK)
        status = pushes_new(&m->pushes);
    if (status == ST_OK)
        status = outbox_new(&m->outbox);
    return status;
}

static enum status open_store(struct manager *m, struct why *why)
{
    char path[PATH_MAX];
    const char *folder = m->settings.state_dir;
    if (snprintf(path, sizeof path, "%s/manager.db", folder) >= (int)sizeof path ||
        file_make_folder(folder) != ST_OK) {
        why_set(why, "the folder %s cannot be used", folder);
        return ST_IO;
    }
    return store_open(path, &m->store, why);
}

enum status manager_new(const struct manager_settings *settings, const struct rules *rules,
                        const struct manager_out *out, uint64_t now_ms, struct manager **ret,
                        struct why *why)
{
    assert(strlen(settings->boot_id) < STORE_BOOT_ID_SIZE);
    why_set(why, "no memory");
    if (sodium_init() < 0)
        return ST_NOMEM;
    struct manager *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ST_NOMEM;
    m->magic = MANAGER_MAGIC;
    m->settings = *settings;
    m->rules = rules;
    m->started_ms = now_ms;
    m->out = *out;
    add_routes(m);
    enum status status = make_tables(m);
    if (status == ST_OK)
        status = open_store(m, why);
    if (status == ST_OK)
        status = recall(m, now_ms, why);
    if (status == ST_OK)
        status = images_open(settings->state_dir, m->store, &m->images, why);
    if (status != ST_OK) {
        manager_free(m);
        return status;
    }
    *ret = m;
    return ST_OK;
}

/* The filter of the rule with this index, counted through all kinds. */
static const char *rule_filter(const struct rules *r, size_t index)
{
    if (index < r->launch_count)
        return r->launches[index].topic;
    index -= r->launch_count;
    if (index < r->forward_count)
        return r->forwards[index].from;
    index -= r->forward_count;
    if (index < r->close_count)
        return r->closes[index].topic;
    index -= r->close_count;
    return index < r->pin_count ? r->pins[index].topic : NULL;
}

bool manager_filter(const struct manager *m, size_t index, struct topic *ret_filter)
{
    assert(m != NULL && m->magic == MANAGER_MAGIC);
    if (index < ROUTES_COUNT) {
        topic_make(&m->settings.space, ret_filter, m->routes[index].filter, NULL);
        return true;
    }
    const char *filter = rule_filter(m->rules, index - ROUTES_COUNT);
    if (filter == NULL)
        return false;
    (void)snprintf(ret_filter->text, sizeof ret_filter->text, "%s", filter);
    return true;
}

/* True if the message is one of the core's own. A retained one is not: it tells
 * of the past, and nothing in the core is published so. */
static bool dispatch_core(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    const char *rest = topic_rest(&m->settings.space, message->topic);
    if (rest == NULL)
        return false;
    for (size_t i = 0; i < ROUTES_COUNT; i++) {
        if (!topic_match(m->routes[i].filter, rest))
            continue;
        if (message->retain || message->payload.size > CONTROL_SIZE_MAX) {
            m->counters.messages_refused++;
            log_line(LOG_WARN, "message.refused", "topic=%s bytes=%zu retained=%d, ignoring",
                     log_quote(message->topic), message->payload.size, message->retain);
        } else {
            m->routes[i].on_message(m, message, now_ms);
        }
        return true;
    }
    return false;
}

/* Only pins care for what was retained: all else happens once, when it is sent. */
static void dispatch_rules(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    const struct rules *r = m->rules;
    for (size_t i = 0; i < r->pin_count; i++)
        if (topic_match(r->pins[i].topic, message->topic))
            on_pin(m, &r->pins[i], message);
    if (message->retain)
        return;
    for (size_t i = 0; i < r->launch_count; i++)
        if (topic_match(r->launches[i].topic, message->topic))
            on_launch(m, &r->launches[i], message, now_ms);
    for (size_t i = 0; i < r->forward_count; i++)
        if (topic_match(r->forwards[i].from, message->topic))
            on_forward(m, &r->forwards[i], message);
    for (size_t i = 0; i < r->close_count; i++)
        if (topic_match(r->closes[i].topic, message->topic))
            on_close(m, &r->closes[i], message, now_ms);
}

void manager_message(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    assert(m != NULL && m->magic == MANAGER_MAGIC);
    if (!dispatch_core(m, message, now_ms))
        dispatch_rules(m, message, now_ms);
}

void manager_tick(struct manager *m, uint64_t now_ms, bool connected)
{
    assert(m != NULL && m->magic == MANAGER_MAGIC);
    bool gap = m->last_tick_ms != 0 && now_ms > m->last_tick_ms + TICK_GAP_MS;
    m->last_tick_ms = now_ms;
    if (!connected) {
        m->away = true;
        settle_tick(m, now_ms);
        return;
    }
    if (m->away || gap) {
        m->away = false;
        log_line(LOG_INFO, "manager.listening", "proplets=%zu", proplets_count(m->proplets));
        proplets_excuse(m->proplets, now_ms);
        tasks_excuse(m->tasks, now_ms, m->settings.result_margin_s * 1000);
    }
    on_tick(m, now_ms);
    settle_tick(m, now_ms);
}

void manager_settle(struct manager *m, uint64_t now_ms)
{
    assert(m != NULL && m->magic == MANAGER_MAGIC);
    settle(m, now_ms);
}

const struct manager_counters *manager_counters(const struct manager *m)
{
    return &m->counters;
}

struct manager *manager_free(struct manager *m)
{
    if (m == NULL)
        return NULL;
    m->magic = 0;
    proplets_free(m->proplets);
    tasks_free(m->tasks);
    ring_free(m->launches);
    ring_free(m->pins);
    images_close(m->images);
    pushes_free(m->pushes);
    outbox_free(m->outbox);
    store_close(m->store);
    free(m->new_launches);
    free(m);
    return NULL;
}
