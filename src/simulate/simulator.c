#include "simulate/simulator.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device/blobs_exchange.h"
#include "device/control.h"
#include "fl/complete.h"
#include "fl/receipt.h"
#include "io/file.h"
#include "service/log.h"
#include "simulate/inside.h"
#include "wire/proplet_msg.h"
#include "wire/task_msg.h"

uint64_t simulator_now_ms(const struct simulator *s)
{
    return s->out.now_ms(s->out.owner);
}

/* After the last results, not before. */
static void say_goodbye(struct simulator *s)
{
    struct id name;
    if (!s->stopping || s->said_goodbye || s->task_count > 0)
        return;
    s->said_goodbye = true;
    for (uint32_t i = 1; i <= s->settings.devices.count; i++) {
        devices_name(&s->settings.devices, i, &name);
        control_send(&s->out, &s->settings.space, "alive", proplet_alive_encode(&name, true));
    }
}

static void step(struct simulator *s, bool look_at_time)
{
    if (simulator_now_ms(s) >= s->calm_ms)
        images_step(s->images);
    blobs_exchange_step(s->exchange, simulator_now_ms(s));
    model_fetch_step(s->models);
    tasks_step(s, look_at_time);
    say_goodbye(s);
}

void simulator_step(struct simulator *s)
{
    step(s, false);
}

static void on_image_change(void *owner)
{
    simulator_step(owner);
}

/* ---- beginning ---- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* {prefix}-1, {prefix}-2 and so on, as far as they go. */
static uint32_t count_shards(const struct simulator *s)
{
    const struct devices *d = &s->settings.devices;
    char path[PROPLET_PATH_SIZE];
    uint32_t count = 0;
    do
        (void)snprintf(path, sizeof path, "%.700s/%s-%u", s->data_dir, d->prefix.text, ++count);
    while (count <= d->count && is_folder(path));
    return count - 1;
}

static enum status open_data(struct simulator *s, struct why *why)
{
    s->settings.devices.shards = 0;
    if (s->settings.data_dir == NULL)
        return ST_OK;
    enum status status = file_resolve(s->settings.data_dir, PROPLET_FOLDER_MAX, s->data_dir, why);
    if (status != ST_OK)
        return status;
    if (!is_folder(s->data_dir)) {
        why_set(why, "%s is not a folder", s->data_dir);
        return ST_NOT_FOUND;
    }
    s->settings.devices.shards = count_shards(s);
    return ST_OK;
}

static enum status open_state(struct simulator *s, struct why *why)
{
    enum status status = file_make_folder(s->settings.state_dir);
    if (status == ST_OK)
        return file_resolve(s->settings.state_dir, PROPLET_FOLDER_MAX, s->state_dir, why);
    why_set(why, "%s: the folder cannot be made: %s", s->settings.state_dir, status_name(status));
    return status;
}

struct folders {
    char images[PROPLET_PATH_SIZE + 16];  /* modules and compiled code */
    char fetched[PROPLET_PATH_SIZE + 16]; /* models that came in parts */
    char models[PROPLET_PATH_SIZE + 16];  /* what guests see as /model */
    char out[PROPLET_PATH_SIZE + 16];     /* what they see as /out */
};

static struct folders folders_of(const struct simulator *s)
{
    struct folders f;
    (void)snprintf(f.images, sizeof f.images, "%s/images", s->state_dir);
    (void)snprintf(f.fetched, sizeof f.fetched, "%s/fetched", s->state_dir);
    (void)snprintf(f.models, sizeof f.models, "%s/models", s->state_dir);
    (void)snprintf(f.out, sizeof f.out, "%s/out", s->state_dir);
    return f;
}

static enum status make_fetching(struct simulator *s, const struct folders *f)
{
    const struct images_settings images = {
        .folder = f->images,
        .runner = s->settings.runner,
        .space = s->settings.space,
        .me = s->settings.id,
        .holder = s->settings.manager,
        .on_change = on_image_change,
        .owner = s,
    };
    enum status status = blobs_exchange_new(&s->settings.id, &s->out, &s->exchange);
    if (status == ST_OK)
        status = images_new(s->loop, &images, &s->out, &s->images);
    if (status == ST_OK)
        status = model_fetch_new(&s->out, s->exchange, f->fetched, &s->models);
    if (status == ST_OK)
        status = file_remove_tree(f->models); /* of an earlier life */
    const struct provisions_settings provisions = {
        .folder = f->models,
        .out = &s->out,
        .images = s->images,
        .models = s->models,
        .model_wait_s = s->settings.model_wait_s,
    };
    return status == ST_OK ? provisions_new(&provisions, &s->provisions) : status;
}

static enum status make_parts(struct simulator *s)
{
    const struct folders f = folders_of(s);
    const struct pool_settings pool = {
        .workers = s->settings.workers,
        .program = s->settings.worker,
        .code = f.images,
        .models = f.models,
        .data = s->data_dir[0] == '\0' ? NULL : s->data_dir,
        .out = f.out,
        .memory_bytes = s->settings.memory_bytes,
        .refuse_sgemm = s->settings.refuse_sgemm,
    };
    s->answered = calloc(s->settings.devices.count, sizeof *s->answered);
    enum status status = s->answered == NULL ? ST_NOMEM : make_fetching(s, &f);
    if (status == ST_OK)
        status = updates_new(&s->out, s->settings.resend_s * 1000, &s->updates);
    if (status == ST_OK)
        status = pool_new(s->loop, &pool, &s->pool);
    return status;
}

static enum status subscribe(struct simulator *s)
{
    const struct topic_space *space = &s->settings.space;
    const char *me = s->settings.id.text;
    static const char *const learning[] = {"fl/rounds/+/receipts/+", "fl/rounds/+/complete"};
    struct topic filters[4];
    enum status status = ST_OK;
    topic_make(space, &filters[0], "control", "manager", "start", "+", NULL);
    topic_make(space, &filters[1], "control", "manager", "stop", "+", NULL);
    topic_make(space, &filters[2], "registry", "manifest", me, NULL);
    topic_make(space, &filters[3], "registry", "part", me, "+", "+", NULL);
    for (size_t i = 0; status == ST_OK && i < 4; i++)
        status = s->out.subscribe(s->out.owner, filters[i].text);
    for (size_t i = 0; status == ST_OK && i < 2; i++)
        status = s->out.subscribe(s->out.owner, learning[i]);
    return status == ST_OK ? blobs_exchange_subscribe(s->exchange, &s->out) : status;
}

enum status simulator_new(uv_loop_t *loop, const struct simulator_settings *settings,
                          const struct proplet_out *out, struct simulator **ret, struct why *why)
{
    struct simulator *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->loop = loop;
    s->settings = *settings;
    s->out = *out;
    s->last = &s->first;
    s->alive_ms = simulator_now_ms(s) + (uint64_t)settings->alive_interval_s * 1000;
    enum status status = devices_check(&s->settings.devices);
    if (status != ST_OK)
        why_set(why, "with a number behind it %s is too long for a name",
                s->settings.devices.prefix.text);
    if (status == ST_OK)
        status = open_data(s, why);
    if (status == ST_OK)
        status = open_state(s, why);
    if (status != ST_OK)
        goto failed;
    status = make_parts(s);
    if (status == ST_OK)
        status = subscribe(s);
    if (status != ST_OK) {
        why_set(why, "%s: cannot begin: %s", s->state_dir, status_name(status));
        goto failed;
    }
    *ret = s;
    return ST_OK;
failed:
    simulator_free(s);
    return status;
}

/* ---- registration and heartbeats ---- */

void simulator_packet_max(struct simulator *s, size_t packet_max)
{
    exchange_set_packet_max(s->exchange, packet_max);
}

void simulator_connected(struct simulator *s)
{
    struct id name;
    exchange_reconnected(s->exchange);
    if (s->stopping)
        return;
    json_t *metadata = json_pack("{s:b}", "simulated", 1);
    for (uint32_t i = 1; i <= s->settings.devices.count; i++) {
        devices_name(&s->settings.devices, i, &name);
        control_send(&s->out, &s->settings.space, "create", proplet_create_encode(&name, metadata));
    }
    json_decref(metadata);
    s->alive_next = 0;
    s->alive_ms = simulator_now_ms(s) + (uint64_t)s->settings.alive_interval_s * 1000;
}

/* One device after the other, spread over the interval. */
static void send_alive(struct simulator *s, uint64_t now_ms)
{
    uint32_t count = s->settings.devices.count;
    uint64_t interval_ms = (uint64_t)s->settings.alive_interval_s * 1000;
    struct id name;
    /* While the connection is down heartbeats would only pile up. */
    if (s->stopping || now_ms < s->alive_ms || !s->out.connected(s->out.owner))
        return;
    while (s->alive_next < count && now_ms >= s->alive_ms + interval_ms * s->alive_next / count) {
        devices_name(&s->settings.devices, ++s->alive_next, &name);
        control_send(&s->out, &s->settings.space, "alive", proplet_alive_encode(&name, false));
    }
    if (s->alive_next < count)
        return;
    s->alive_next = 0;
    s->alive_ms += interval_ms;
}

void simulator_tick(struct simulator *s)
{
    uint64_t now_ms = simulator_now_ms(s);
    send_alive(s, now_ms);
    updates_tick(s->updates, now_ms);
    step(s, true);
}

/* ---- messages ---- */

/* A manager that has many starts under way does not answer who asks for an image: it is
 * asked when it has said them all. */
static void on_start(struct simulator *s, uint32_t device, struct view payload)
{
    s->calm_ms = simulator_now_ms(s) + SIMULATE_CALM_MS;
    task_start(s, device, payload);
}

static void on_stop(struct simulator *s, uint32_t device, struct view payload)
{
    struct stop_msg stop;
    struct why why = {0};
    if (stop_msg_decode(payload, &stop, &why) != ST_OK) {
        log_line(LOG_WARN, "stop.unreadable", "reason=%s", log_quote(why.text));
        return;
    }
    struct task *t = task_find(s, device, &stop.task_id);
    if (t != NULL)
        task_stop(t);
}

static void on_receipt(struct simulator *s, struct view round, struct view payload)
{
    struct receipt receipt;
    struct id id;
    struct why why = {0};
    if (receipt_decode(payload, &receipt, &why) != ST_OK) {
        log_line(LOG_WARN, "receipt.unreadable", "reason=%s", log_quote(why.text));
        return;
    }
    if (id_of(round, &id) != ST_OK || !id_equal(&id, &receipt.round_id) ||
        receipt.verdict == VERDICT_NOT_STORED ||
        !updates_receipt(s->updates, &id, &receipt.proplet_id, &receipt.update_digest))
        return; /* it is sent again, or the receipt is not for one of ours */
    bool accepted = receipt.verdict == VERDICT_ACCEPTED;
    *(accepted ? &s->counters.accepted : &s->counters.rejected) += 1;
    if (!accepted)
        log_line(LOG_WARN, "update.rejected", "device=%s round=%s code=%s", receipt.proplet_id.text,
                 id.text, verdict_code(receipt.verdict));
}

static void on_complete(struct simulator *s, struct view round, struct view payload)
{
    struct complete complete;
    struct id id;
    struct why why = {0};
    if (complete_decode(payload, &complete, &why) != ST_OK)
        log_line(LOG_WARN, "complete.unreadable", "reason=%s", log_quote(why.text));
    else if (id_of(round, &id) == ST_OK && id_equal(&id, &complete.round_id))
        (void)updates_round_over(s->updates, &id);
}

static bool is_after(const char *text, const char *prefix, const char **ret_rest)
{
    size_t size = strlen(prefix);
    if (strncmp(text, prefix, size) != 0)
        return false;
    *ret_rest = text + size;
    return true;
}

/* topic: the levels after the topic space. Real proplets may be at the same broker. */
static void core_message(struct simulator *s, const char *topic, const struct mqtt_message *m)
{
    const char *rest;
    struct view hex, number;
    uint32_t device;
    if (is_after(topic, "control/manager/start/", &rest) ||
        is_after(topic, "control/manager/stop/", &rest)) {
        if (devices_find(&s->settings.devices, view_text(rest), &device) != ST_OK)
            return;
        if (strncmp(topic, "control/manager/start/", 22) == 0)
            on_start(s, device, m->payload);
        else
            on_stop(s, device, m->payload);
    } else if (is_after(topic, "registry/manifest/", &rest)) {
        images_manifest(s->images, m->payload);
    } else if (is_after(topic, "registry/part/", &rest) && topic_level(rest, 1, &hex) == ST_OK &&
               topic_level(rest, 2, &number) == ST_OK) {
        images_part(s->images, hex, number, m->payload);
    }
}

static void learning_message(struct simulator *s, const struct mqtt_message *m)
{
    struct view round;
    bool is_round = topic_level(m->topic, 2, &round) == ST_OK;
    if (is_round && topic_match("fl/rounds/+/receipts/+", m->topic))
        on_receipt(s, round, m->payload);
    else if (is_round && topic_match("fl/rounds/+/complete", m->topic))
        on_complete(s, round, m->payload);
    else
        (void)model_fetch_message(s->models, m);
}

void simulator_message(struct simulator *s, const struct mqtt_message *m)
{
    const char *rest = topic_rest(&s->settings.space, m->topic);
    if (rest != NULL)
        core_message(s, rest, m);
    else if (!exchange_message(s->exchange, m, simulator_now_ms(s)))
        learning_message(s, m);
    simulator_step(s);
}

/* ---- ending ---- */

void simulator_stop(struct simulator *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    images_stop(s->images);
    for (struct task *t = s->first, *next; t != NULL; t = next) {
        next = t->next;
        task_stop(t);
    }
    simulator_step(s);
}

bool simulator_stopped(const struct simulator *s)
{
    return s->said_goodbye && !images_busy(s->images);
}

struct simulator_counters simulator_counters(const struct simulator *s)
{
    return s->counters;
}

uint32_t simulator_shards(const struct simulator *s)
{
    return s->settings.devices.shards;
}

struct simulator *simulator_free(struct simulator *s)
{
    if (s == NULL)
        return NULL;
    assert(s->first == NULL);
    pool_close(s->pool, NULL, NULL);
    s->updates = updates_free(s->updates);
    s->provisions = provisions_free(s->provisions);
    s->images = images_free(s->images);
    s->models = model_fetch_free(s->models);
    s->exchange = exchange_free(s->exchange);
    for (uint32_t i = 0; s->answered != NULL && i < s->settings.devices.count; i++)
        free(s->answered[i].results);
    free(s->answered);
    free(s);
    return NULL;
}
