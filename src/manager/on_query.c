/* Questions about the manager's state (PROTOCOL 1.5). The answer goes to the
 * request's response topic, with its correlation data. */
#include "manager/internal.h"

#include <stdlib.h>
#include <string.h>

#include "service/log.h"

/* ---- status ---- */

/* counts: (proplets_count,) how many tasks each has that have not ended */
static void count_tasks(const struct manager *m, size_t *counts)
{
    size_t cursor = 0;
    const struct task *task;
    while ((task = tasks_next(m->tasks, &cursor)) != NULL) {
        const struct proplet *p = proplets_find(m->proplets, &task->proplet_id);
        if (p != NULL && !task_ended(task))
            counts[proplets_index(m->proplets, p)]++;
    }
}

static json_t *encode_proplet(const struct proplet *p, size_t tasks, uint64_t now_ms)
{
    uint64_t silent_ms = now_ms > p->last_seen_ms ? now_ms - p->last_seen_ms : 0;
    return json_pack("{s:s, s:b, s:I, s:I}", "proplet_id", p->id.text, "alive",
                     p->state == PROPLET_ALIVE, "last_seen_s", (json_int_t)(silent_ms / 1000),
                     "tasks", (json_int_t)tasks);
}

static json_t *list_proplets(const struct manager *m, uint64_t now_ms)
{
    size_t count = proplets_count(m->proplets);
    json_t *array = json_array();
    size_t *tasks = calloc(count + 1, sizeof *tasks);
    if (tasks != NULL)
        count_tasks(m, tasks);
    for (size_t i = 0; tasks != NULL && i < count && i < QUERY_PROPLETS_MAX; i++)
        (void)json_array_append_new(array,
                                    encode_proplet(proplets_at(m->proplets, i), tasks[i], now_ms));
    free(tasks);
    return array;
}

/* All that are given tasks, so also those that were there before a restart and have had
 * no time yet to be heard. PROPLETS_MAX names of any length are below CONTROL_SIZE_MAX. */
static json_t *answer_alive(const struct manager *m)
{
    json_t *array = json_array();
    for (size_t i = 0; i < proplets_count(m->proplets); i++) {
        const struct proplet *p = proplets_at(m->proplets, i);
        if (p->state == PROPLET_ALIVE || p->state == PROPLET_EXPECTED)
            (void)json_array_append_new(array, json_string(p->id.text));
    }
    return json_pack("{s:o}", "alive", array);
}

static json_t *list_tasks(const struct manager *m)
{
    const struct task *newest[QUERY_TASKS_MAX];
    size_t count = tasks_newest(m->tasks, newest, QUERY_TASKS_MAX);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(array, task_event(newest[i]));
    return array;
}

static json_t *encode_image(const struct image *image)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&image->digest, digest);
    return json_pack("{s:s, s:s, s:I}", "name", image->name, "digest", digest, "size",
                     (json_int_t)image->size);
}

static json_t *list_images(const struct manager *m)
{
    json_t *array = json_array();
    for (size_t i = 0; i < images_count(m->images); i++)
        if (images_at(m->images, i)->name[0] != '\0')
            (void)json_array_append_new(array, encode_image(images_at(m->images, i)));
    return array;
}

/* With the time that they cover: they begin anew with each start. */
static json_t *list_counters(const struct manager *m, uint64_t now_ms)
{
    uint64_t age_ms = now_ms > m->started_ms ? now_ms - m->started_ms : 0;
    json_t *object = json_pack("{s:I}", "seconds", (json_int_t)(age_ms / 1000));
#define X(name)                                                                                    \
    (void)json_object_set_new(object, #name, json_integer((json_int_t)m->counters.name));
    MANAGER_COUNTERS(X)
#undef X
    return object;
}

static json_t *answer_status(const struct manager *m, uint64_t now_ms)
{
    return json_pack("{s:b, s:o, s:I, s:o, s:o, s:o}", "recorded", !m->unrecorded, "proplets",
                     list_proplets(m, now_ms), "proplets_count",
                     (json_int_t)proplets_count(m->proplets), "tasks", list_tasks(m), "images",
                     list_images(m), "since_start", list_counters(m, now_ms));
}

/* ---- the others ---- */

static json_t *error(const char *code, const char *reason)
{
    return json_pack("{s:s, s:s}", "error", code, "reason", reason);
}

static json_t *answer_image(const struct manager *m, const json_t *query)
{
    const char *text = NULL;
    struct image_ref ref;
    struct why why;
    if (jsn_str(query, "image", JSN_REQUIRED, 255, &text, &why) != ST_OK ||
        image_ref_parse(text, &ref, &why) != ST_OK)
        return error("invalid", why.text);
    const struct image *image = images_find(m->images, &ref);
    return image == NULL ? error("not_found", "no image of this name") : encode_image(image);
}

/* What a proplet said about itself, which a list of all would be too long for. */
static json_t *answer_proplet(const struct manager *m, const json_t *query, uint64_t now_ms)
{
    struct id id;
    struct why why;
    if (jsn_id(query, "proplet_id", JSN_REQUIRED, &id, &why) != ST_OK)
        return error("invalid", why.text);
    const struct proplet *p = proplets_find(m->proplets, &id);
    if (p == NULL)
        return error("not_found", "no proplet of this name");
    size_t tasks = 0;
    size_t cursor = 0;
    const struct task *task;
    while ((task = tasks_next(m->tasks, &cursor)) != NULL)
        tasks += !task_ended(task) && id_equal(&task->proplet_id, &id);
    json_t *answer = encode_proplet(p, tasks, now_ms);
    json_t *metadata =
        p->metadata == NULL ? NULL : json_loads(p->metadata, JSON_REJECT_DUPLICATES, NULL);
    if (metadata != NULL)
        (void)json_object_set_new(answer, "metadata", metadata);
    return answer;
}

static json_t *answer_to(const struct manager *m, struct view payload, uint64_t now_ms)
{
    json_t *query = NULL;
    const char *what = NULL;
    struct why why;
    json_t *answer;
    if (jsn_parse(payload, CONTROL_SIZE_MAX, &query, &why) != ST_OK)
        return error("malformed", why.text);
    if (jsn_str(query, "what", JSN_REQUIRED, 64, &what, &why) != ST_OK)
        answer = error("invalid", why.text);
    else if (strcmp(what, "status") == 0)
        answer = answer_status(m, now_ms);
    else if (strcmp(what, "alive") == 0)
        answer = answer_alive(m);
    else if (strcmp(what, "image") == 0)
        answer = answer_image(m, query);
    else if (strcmp(what, "proplet") == 0)
        answer = answer_proplet(m, query, now_ms);
    else
        answer = error("invalid", "what is not status, alive, image or proplet");
    json_decref(query);
    return answer;
}

/* A topic to publish on: no wildcards, and none of the broker's own. */
static bool is_response_topic(const char *topic)
{
    return topic != NULL && strlen(topic) < TOPIC_SIZE_MAX && topic[0] != '$' &&
           strpbrk(topic, "+#") == NULL && topic_filter_check(topic) == ST_OK;
}

void on_query(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    if (m->out.pending(m->out.owner) >= ANSWERS_PENDING_MAX) {
        /* An answer may be ten thousand times as long as its question. */
        m->counters.messages_refused++;
        log_line(LOG_WARN, "query.refused", "reason=\"too many messages are pending\", ignoring");
        return;
    }
    if (!is_response_topic(message->response_topic)) {
        m->counters.messages_refused++;
        log_line(LOG_WARN, "query.refused", "reason=\"no topic to answer on\", ignoring");
        return;
    }
    settle(m, now_ms); /* what is told is recorded, or it is said that it is not */
    json_t *answer = answer_to(m, message->payload, now_ms);
    char *text = answer == NULL ? NULL : jsn_text(answer);
    json_decref(answer);
    if (text == NULL) {
        log_line(LOG_ERROR, "query.failed", "status=%s", status_name(ST_NOMEM));
        return;
    }
    enum status status = transmit(m, &(struct mqtt_message){.topic = message->response_topic,
                                                            .payload = view_text(text),
                                                            .correlation = message->correlation});
    if (status != ST_OK)
        log_line(LOG_WARN, "query.failed", "topic=%s status=%s", log_quote(message->response_topic),
                 status_name(status));
    free(text);
}
