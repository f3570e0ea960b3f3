#include "coordinator/state.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "service/log.h"

#define COORDINATOR_MAGIC  0x636f6f72u /* "coor" */
#define REASON_STOPPED     "coordinator_stopped"
#define STATE_DIR_SIZE_MAX ((size_t)PATH_MAX / 2) /* so that no path below it is too long */
#define MODELS_PREFIX      "fl/models/"
#define ROUNDS_PREFIX      "fl/rounds/"

bool coordinator_filter(const struct coordinator *c, size_t index, char ret[TOPIC_SIZE_MAX])
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    static const char *const own[] = {
        FL_MODEL_ALL,         FL_UPDATES,          FL_ROUND_QUERY,     FL_ROUND_VERIFY,
        FL_ROUND_CANCEL,      FL_SECAGG_ALL,       FL_ROUND_START,     FL_EXPERIMENT_START,
        FL_EXPERIMENT_CANCEL, FL_EXPERIMENT_QUERY, COORDINATOR_ANSWERS};
    size_t count = sizeof own / sizeof own[0];
    if (index >= count)
        return exchange_filter(c->exchange, index - count, ret);
    (void)snprintf(ret, TOPIC_SIZE_MAX, "%s", own[index]);
    return true;
}

/* Parts are messages like others: they count among those that the broker takes. */
static enum status publish_part(void *owner, const struct mqtt_message *m)
{
    return publish_now(owner, m);
}

static size_t unacknowledged(void *owner)
{
    const struct coordinator *c = owner;
    uint64_t taken = c->out.taken(c->out.owner);
    return c->published > taken ? (size_t)(c->published - taken) : 0;
}

static enum status make_folder(const char *path)
{
    enum status status = file_make_folder(path);
    if (status != ST_OK)
        log_line(LOG_ERROR, "folder.refused", "path=%s reason=%s", log_quote(path),
                 status_name(status));
    return status;
}

static enum status open_state(struct coordinator *c, uint64_t now_ms)
{
    enum status status = ST_LIMIT;
    if (strlen(c->settings.state_dir) > STATE_DIR_SIZE_MAX)
        log_line(LOG_ERROR, "folder.refused", "what=state_dir reason=%s", status_name(status));
    else
        status = make_folder(c->settings.state_dir);
    if (status == ST_OK)
        status = open_store(c, now_ms);
    if (status != ST_OK)
        return status;
    status = restore(c);
    c->loaded = status == ST_OK;
    if (c->loaded)
        sweep_folders(c);
    else
        log_line(LOG_ERROR, status == ST_CORRUPT ? "store.corrupt" : "store.unread",
                 "path=%s what=rounds reason=%s", log_quote(c->settings.state_dir),
                 status_name(status));
    return status;
}

enum status coordinator_new(const struct coordinator_settings *settings,
                            const struct coordinator_out *out, uint64_t now_ms,
                            struct coordinator **ret)
{
    assert(settings != NULL && out != NULL && ret != NULL);
    assert(settings->state_dir != NULL && settings->boot != NULL);
    struct coordinator *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ST_NOMEM;
    c->magic = COORDINATOR_MAGIC;
    c->settings = *settings;
    c->out = *out;
    enum status status = rounds_new(settings->rounds_open_max, &c->rounds);
    if (status == ST_OK)
        status = experiments_new(settings->experiments_open_max, &c->experiments);
    if (status == ST_OK)
        status = models_new(&c->models);
    const struct exchange_out parts = {publish_part, unacknowledged, c};
    if (status == ST_OK)
        status = exchange_new(&settings->me, &parts, &c->exchange);
    if (status == ST_OK && settings->models_dir != NULL)
        status = make_folder(settings->models_dir);
    if (status == ST_OK)
        status = open_state(c, now_ms);
    if (status != ST_OK) {
        coordinator_free(c);
        return status;
    }
    *ret = c;
    return ST_OK;
}

void coordinator_resume(struct coordinator *c, uint64_t now_ms)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    resume(c, now_ms + c->shift_ms);
    coordinator_tick(c, now_ms);
}

void coordinator_packet_max(struct coordinator *c, size_t packet_max)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    exchange_set_packet_max(c->exchange, packet_max);
}

/* Each turn of the loop ends with coordinator_flush(), which takes what came. */
static void on_web(void *owner)
{
    (void)owner;
}

static void on_url_left(void *owner, const struct digest *d, const char *reason)
{
    char digest[DIGEST_TEXT_SIZE];
    (void)owner;
    digest_text(d, digest);
    log_line(LOG_WARN, "url.left", "digest=%s reason=%s", digest, log_quote(reason));
}

void coordinator_use_web(struct coordinator *c, struct web *web)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    exchange_set_web(c->exchange, &(struct exchange_web){web, on_web, on_url_left, c});
}

/* Also at the first connect of a life: the one before may have died before it said
 * what was due. */
void coordinator_connected(struct coordinator *c, bool session_kept)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    c->states_due = c->states_due || !session_kept || !c->connected;
    c->connected = true;
    exchange_reconnected(c->exchange);
}

bool coordinator_flush(struct coordinator *c, uint64_t now_ms)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    if (!c->undone)
        large_step(c, now_ms + c->shift_ms);
    flush(c, now_ms + c->shift_ms);
    bool kept = !c->undone;
    c->undone = false;
    return kept;
}

/* What is retained comes again with every connect. That is meant for versions and
 * the index; anything else would happen again. */
static bool may_be_retained(const char *topic)
{
    return strncmp(topic, MODELS_PREFIX, sizeof MODELS_PREFIX - 1) == 0 &&
           strcmp(topic, FL_MODEL_REFUSED) != 0;
}

static void dispatch(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    if (large_message(c, m, now_ms))
        return;
    if (m->retain && !may_be_retained(m->topic))
        log_line(LOG_WARN, "message.retained", "topic=%s, ignoring", log_quote(m->topic));
    else if (strcmp(m->topic, FL_ROUND_START) == 0)
        on_round_start(c, m, now_ms);
    else if (strcmp(m->topic, FL_ROUND_CANCEL) == 0)
        on_round_cancel(c, m, now_ms);
    else if (strcmp(m->topic, FL_UPDATES) == 0)
        on_update(c, m, now_ms);
    else if (strcmp(m->topic, FL_ROUND_QUERY) == 0)
        on_query(c, m, now_ms);
    else if (strcmp(m->topic, FL_ROUND_VERIFY) == 0)
        on_verify(c, m, now_ms);
    else if (strcmp(m->topic, FL_EXPERIMENT_START) == 0)
        on_experiment_start(c, m, now_ms);
    else if (strcmp(m->topic, FL_EXPERIMENT_CANCEL) == 0)
        on_experiment_cancel(c, m, now_ms);
    else if (strcmp(m->topic, FL_EXPERIMENT_QUERY) == 0)
        on_experiment_query(c, m, now_ms);
    else if (strcmp(m->topic, COORDINATOR_ANSWERS) == 0)
        on_roster(c, m, now_ms);
    else if (strncmp(m->topic, MODELS_PREFIX, sizeof MODELS_PREFIX - 1) == 0)
        on_model(c, m, now_ms);
    else if (strncmp(m->topic, ROUNDS_PREFIX, sizeof ROUNDS_PREFIX - 1) == 0)
        on_secagg(c, m, now_ms);
    else
        log_line(LOG_WARN, "message.unknown", "topic=%s", log_quote(m->topic));
}

void coordinator_message(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC && m != NULL);
    if (c->undone) /* it comes again, behind those before it */
        return;
    dispatch(c, m, now_ms + c->shift_ms);
    c->unflushed = true;
}

void coordinator_tick(struct coordinator *c, uint64_t now_ms)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    now_ms += c->shift_ms;
    try_again(c, now_ms);
    if (is_closed(c))
        return;
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--) {
        struct entry *e = rounds_open_at(c->rounds, i - 1);
        struct round_actions actions;
        round_tick(e->round, now_ms, &actions);
        carry_out(c, e, &actions, now_ms);
    }
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--)
        secure_tick(c, rounds_open_at(c->rounds, i - 1), now_ms);
    large_step(c, now_ms);
    tell_time(c, now_ms);
    if (c->states_due) {
        say_all_states(c, now_ms);
        say_all_experiments(c, now_ms);
    }
    flush(c, now_ms);
    c->states_due = c->states_due && c->closed;
}

void coordinator_stop(struct coordinator *c, uint64_t now_ms)
{
    assert(c != NULL && c->magic == COORDINATOR_MAGIC);
    now_ms += c->shift_ms;
    flush(c, now_ms);
    if (c->closed || !c->settings.cancel_on_stop)
        return;
    for (size_t i = experiments_open_count(c->experiments); i > 0; i--)
        cancel_experiment(c, experiments_open_at(c->experiments, i - 1), REASON_STOPPED, now_ms);
    for (size_t i = rounds_open_count(c->rounds); i > 0; i--) {
        struct entry *e = rounds_open_at(c->rounds, i - 1);
        struct round_actions actions;
        round_cancel(e->round, ROUND_CANCELLED, REASON_STOPPED, now_ms, &actions);
        carry_out(c, e, &actions, now_ms);
    }
    flush(c, now_ms);
}

struct coordinator *coordinator_free(struct coordinator *c)
{
    if (c == NULL)
        return NULL;
    large_forget(c);
    held_done(&c->held);
    exchange_free(c->exchange);
    rounds_free(c->rounds);
    experiments_free(c->experiments);
    models_free(c->models);
    store_close(c->store);
    *(volatile uint32_t *)&c->magic = 0;
    free(c);
    return NULL;
}
