#include "simulate/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/guest_env.h"
#include "device/guest_text.h"
#include "service/log.h"
#include "wire/task_msg.h"

struct task *task_find(const struct simulator *s, uint32_t device, const struct id *id)
{
    for (struct task *t = s->first; t != NULL; t = t->next)
        if (t->device == device && id_equal(&t->id, id))
            return t;
    return NULL;
}

/* ---- the end ---- */

static void free_task(struct task *t)
{
    t->provision = provision_release(t->provision);
    json_decref(t->env);
    free(t);
}

/* Takes it out of the list, answers and frees it. */
static void end(struct task *t, const struct outcome *o)
{
    struct simulator *s = t->simulator;
    struct task **at = &s->first;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (s->last == &t->next)
        s->last = at;
    s->task_count--;
    report(s, t->device, &t->id, o);
    free_task(t);
}

static void fail(struct task *t, const char *reason, const char *detail)
{
    end(t, &(struct outcome){.reason = reason, .detail = detail});
}

static void fail_as(struct task *t, const struct sandbox_result *r, const char *reason,
                    const char *detail)
{
    end(t, &(struct outcome){
               .reason = reason, .detail = detail, .wall_ms = r->wall_ms, .cpu_ms = r->cpu_ms});
}

/* ---- what a guest left ---- */

static void report_update(struct task *t, const struct sandbox_result *r,
                          const struct digest *digest, size_t size)
{
    char topic[FL_TOPIC_SIZE];
    struct id device;
    devices_name(&t->simulator->settings.devices, t->device, &device);
    fl_topic_update(&t->learning.round, &device, topic);
    json_t *results = outcome_update(topic, digest, size);
    end(t, &(struct outcome){.reason = "completed",
                             .detail = "",
                             .results = results,
                             .wall_ms = r->wall_ms,
                             .cpu_ms = r->cpu_ms});
    json_decref(results);
}

static void send_update(struct task *t, const struct sandbox_result *r, struct bytes *update)
{
    struct simulator *s = t->simulator;
    struct id device;
    struct digest digest;
    size_t size = update->size;
    devices_name(&s->settings.devices, t->device, &device);
    enum status status = updates_add(s->updates, &t->learning.round, &device, update,
                                     t->deadline_ms + OUTBOX_MARGIN_MS, &digest);
    if (status == ST_OK) {
        s->counters.updates++;
        report_update(t, r, &digest, size);
    } else if (status == ST_TOO_LARGE) {
        fail_as(t, r, "bad_update", "too_large: the broker does not take an update of this size");
    } else {
        fail_as(t, r, "runner_failed", "the update could not be sent");
    }
}

static void finish_update(struct task *t, const struct sandbox_result *r, struct bytes *update,
                          enum status found)
{
    char detail[DETAIL_SIZE];
    enum status status =
        found == ST_NOT_FOUND && r->out.size > 0 ? bytes_copy(update, r->out) : found;
    const char *fault = NULL;
    if (status == ST_OK && update->size > 0)
        fault = outcome_unreadable(bytes_view(update), detail);
    if (status == ST_NOT_FOUND || (status == ST_OK && update->size == 0))
        fail_as(t, r, "no_update", "nothing at UPDATE_PATH and nothing on standard output");
    else if (status == ST_INVALID)
        fail_as(t, r, "bad_update", "what lies at UPDATE_PATH is not a regular file");
    else if (status == ST_LIMIT)
        fail_as(t, r, "bad_update", "too_large: a simulated device sends one message at most");
    else if (status != ST_OK)
        fail_as(t, r, "runner_failed", "the update could not be read");
    else if (fault != NULL)
        fail_as(t, r, "bad_update", detail);
    else
        send_update(t, r, update);
}

static void finish_plain(struct task *t, const struct sandbox_result *r)
{
    json_t *text = guest_text_json(r->out);
    end(t, &(struct outcome){.reason = "completed",
                             .detail = "",
                             .results = text,
                             .wall_ms = r->wall_ms,
                             .cpu_ms = r->cpu_ms});
    json_decref(text);
}

static void finish_failed(struct task *t, const struct sandbox_result *r)
{
    char detail[DETAIL_SIZE];
    outcome_guest_failed(r, detail);
    fail_as(t, r, sandbox_outcome_code(r->outcome), detail);
}

static void on_ran(void *owner, const struct sandbox_result *r, struct bytes *update,
                   enum status update_status)
{
    struct task *t = owner;
    struct simulator *s = t->simulator;
    t->running = false;
    if (t->stop_wanted)
        fail_as(t, r, "stopped", "stopped while it ran");
    else if (r->outcome == SANDBOX_BAD_CODE)
        provision_distrust(t->provision); /* nothing ran: it waits again */
    else if (r->outcome != SANDBOX_OK)
        finish_failed(t, r);
    else if (t->learns)
        finish_update(t, r, update, update_status);
    else
        finish_plain(t, r);
    simulator_step(s);
}

/* ---- running ---- */

/* gives: false if the devices have no data */
static bool data_folder(const struct simulator *s, uint32_t device, char ret[PROPLET_PATH_SIZE])
{
    const struct devices *d = &s->settings.devices;
    uint32_t shard = devices_shard(d, device);
    if (s->data_dir[0] == '\0')
        return false;
    if (shard == 0)
        (void)snprintf(ret, PROPLET_PATH_SIZE, "%s", s->data_dir);
    else
        (void)snprintf(ret, PROPLET_PATH_SIZE, "%.700s/%s-%u", s->data_dir, d->prefix.text, shard);
    return true;
}

static uint32_t wall_ms_of(const struct task *t)
{
    uint64_t now_ms = simulator_now_ms(t->simulator);
    return (uint32_t)(t->deadline_ms > now_ms ? t->deadline_ms - now_ms : 1);
}

static void run(struct task *t)
{
    struct simulator *s = t->simulator;
    char data[PROPLET_PATH_SIZE];
    struct id device;
    struct guest_env env = {0};
    bool has_data = data_folder(s, t->device, data);
    devices_name(&s->settings.devices, t->device, &device);
    const struct guest_vars vars = {
        .proplet_id = device.text,
        .has_data = has_data,
        .has_model = t->learns,
        .model_data = provision_model_text(t->provision),
    };
    if (guest_env_build(t->env, &vars, &env) != ST_OK) {
        fail(t, "runner_failed", "no memory");
        return;
    }
    const struct pool_order order = {
        .code = provision_code(t->provision),
        .env = (const char *const *)env.items,
        .model_folder = provision_model_folder(t->provision),
        .data_folder = has_data ? data : NULL,
        .wall_ms = wall_ms_of(t),
    };
    enum status status = pool_run(s->pool, &order, on_ran, t, &t->worker);
    guest_env_done(&env);
    t->running = status == ST_OK;
    if (status != ST_OK)
        fail(t, "runner_failed", "the worker could not be started");
}

/* What is slower than the guests is waited for. */
static bool may_run(const struct simulator *s)
{
    size_t coming = pool_busy_count(s->pool);
    return !s->stopping && pool_has_idle(s->pool) &&
           updates_count(s->updates) + coming < SIMULATE_UNANSWERED_MAX &&
           updates_bytes(s->updates) < SIMULATE_UNANSWERED_BYTES_MAX;
}

/* False: it is ready, and no worker may take it. */
static bool step_one(struct task *t)
{
    switch (provision_step(t->provision)) {
    case PROVISION_WAITING:
        break;
    case PROVISION_FAILED:
        fail(t, provision_reason(t->provision), provision_detail(t->provision));
        break;
    case PROVISION_READY:
        if (!may_run(t->simulator))
            return false;
        run(t);
        break;
    }
    return true;
}

void tasks_step(struct simulator *s, bool look_at_time)
{
    uint64_t now_ms = simulator_now_ms(s);
    for (struct task *t = s->first, *next; t != NULL; t = next) {
        next = t->next;
        if (t->running)
            continue;
        if (look_at_time && now_ms >= t->deadline_ms)
            fail(t, "deadline", "its time was over before it ran");
        else if (!step_one(t) && !look_at_time)
            break; /* those behind it wait for a worker, too */
    }
}

void task_stop(struct task *t)
{
    if (!t->running) {
        fail(t, "stopped", "stopped before it ran");
    } else if (!t->stop_wanted) {
        t->stop_wanted = true;
        pool_stop_guest(t->simulator->pool, t->worker); /* on_ran() follows */
    }
}

/* ---- beginning ---- */

static enum status describe(struct task *t, const struct start_msg *start, struct why *why)
{
    t->id = start->task_id;
    t->deadline_ms = simulator_now_ms(t->simulator) + (uint64_t)start->timeout_s * 1000;
    t->env = json_incref(start->env);
    if (!start->has_digest) {
        why_set(why, "the start has no image_digest");
        return ST_INVALID;
    }
    enum status status = guest_env_check(start->env, why);
    if (status != ST_OK)
        return status;
    return learning_read(start->env, start->spec, &t->learns, &t->learning, why);
}

/* Gives a failure's code, or NULL: the task is accepted. */
static const char *accept_start(struct simulator *s, uint32_t device, const struct start_msg *start,
                                struct why *why)
{
    if (s->stopping) {
        why_set(why, "the simulation is ending");
        return "stopped";
    }
    if (s->task_count >= SIMULATE_TASKS_MAX) {
        why_set(why, "%zu tasks wait in this simulation already", s->task_count);
        return "busy";
    }
    struct task *t = calloc(1, sizeof *t);
    why_set(why, "no memory");
    if (t == NULL)
        return "runner_failed";
    t->simulator = s;
    t->device = device;
    enum status status = describe(t, start, why);
    if (status == ST_OK)
        status = provision_hold(s->provisions, &start->image_digest, start->image_size,
                                t->learns ? &t->learning : NULL, &t->provision);
    if (status != ST_OK) {
        free_task(t);
        return status == ST_INVALID ? "bad_start" : "runner_failed";
    }
    *s->last = t;
    s->last = &t->next;
    s->task_count++;
    return NULL;
}

static enum status check_addressee(const struct simulator *s, uint32_t device,
                                   const struct start_msg *start, struct why *why)
{
    struct id name;
    devices_name(&s->settings.devices, device, &name);
    if (start->proplet_id.text[0] == '\0' || id_equal(&start->proplet_id, &name))
        return ST_OK;
    why_set(why, "the start names another proplet");
    return ST_INVALID;
}

void task_start(struct simulator *s, uint32_t device, struct view payload)
{
    struct start_msg start = {0};
    struct id id = {0};
    struct why why = {0};
    const char *code = "bad_start";
    enum status status = start_msg_decode(payload, &start, &id, &why);
    if (status == ST_OK)
        status = check_addressee(s, device, &start, &why);
    if (id.text[0] == '\0') {
        log_line(LOG_WARN, "start.unreadable", "reason=%s", log_quote(why.text));
        goto done;
    }
    if (report_again(s, device, &id) || task_find(s, device, &id) != NULL)
        goto done;
    s->counters.started++;
    if (devices_is_silent(&s->settings.devices, device, id.text)) {
        s->counters.silent++;
        goto done;
    }
    if (status == ST_OK)
        code = accept_start(s, device, &start, &why);
    if (code != NULL)
        report(s, device, &id, &(struct outcome){.reason = code, .detail = why.text});
done:
    start_msg_done(&start);
}
