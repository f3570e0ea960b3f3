/* A start: every one that is addressed to this proplet gets results, whatever
 * happens (PROTOCOL 1.2, 1.3). */
#include "proplet/inside.h"

#include <stdio.h>

#include "proplet/inline_start.h"
#include "proplet/permission.h"
#include "proplet/task.h"
#include "service/log.h"

/* A start that names another proplet on our own topic is a mistake of the
 * sender's; it must not run here on the quiet. */
static enum status check_addressee(const struct proplet *p, const struct start_msg *start,
                                   struct why *why)
{
    if (start->proplet_id.text[0] == '\0' || id_equal(&start->proplet_id, &p->settings.id))
        return ST_OK;
    why_set(why, "the start names another proplet");
    return ST_INVALID;
}

static enum status check_image(const struct start_msg *start, const struct bytes *module,
                               struct why *why)
{
    if (start->has_digest || module->size > 0)
        return ST_OK;
    why_set(why, "the start has neither image_digest nor file");
    return ST_INVALID;
}

/* Puts an inline module into the cache. Gives a failure's code, or NULL. */
static const char *keep_module(struct proplet *p, struct start_msg *start,
                               const struct bytes *module, struct why *why)
{
    if (module->size == 0)
        return NULL;
    struct digest digest = digest_of(bytes_view(module));
    if (start->has_digest && !digest_equal(&digest, &start->image_digest)) {
        why_set(why, "file does not have the digest of image_digest");
        return "image_corrupt";
    }
    if (!permission_of_image(p->settings.trust, &digest, bytes_view(module), why))
        return "not_allowed";
    enum status status = images_put(p->images, bytes_view(module), NULL);
    if (status != ST_OK) {
        why_set(why, "the module in file could not be kept: %s", status_name(status));
        return status == ST_FULL ? "disk_full" : "image_unavailable";
    }
    start->has_digest = true;
    start->image_digest = digest;
    return NULL;
}

/* Gives a failure's code, or NULL: the task is accepted. */
static const char *accept_start(struct proplet *p, struct start_msg *start,
                                const struct bytes *module, struct view payload, struct why *why)
{
    if (p->stopping) {
        why_set(why, "the device agent is ending");
        return "stopped";
    }
    if (p->task_count >= p->settings.tasks_max + PROPLET_QUEUE_MAX) {
        why_set(why, "%zu tasks run or wait here already", p->task_count);
        return "busy";
    }
    if (!permission_to_start(p->settings.trust, start, why))
        return "not_allowed";
    const char *code = keep_module(p, start, module, why);
    if (code != NULL)
        return code;
    struct task *task = NULL;
    enum status status = task_new(p, start, &start->image_digest, &task, why);
    if (status != ST_OK)
        return status == ST_INVALID ? "bad_start"
               : status == ST_FULL  ? "disk_full"
                                    : "runner_failed";
    p->tasks[p->task_count++] = task;
    if (module->size == 0)
        task_keep_start(task, payload);
    return NULL;
}

/* A guest never runs twice for one task, so that it never makes two updates. */
static bool is_known(struct proplet *p, const struct id *task)
{
    const struct kept_update *update = outbox_find(p->outbox, task);
    if (report_again(p, task))
        return true;
    if (update != NULL) /* so old that its results are forgotten */
        (void)report_update(p, update);
    else if (proplet_task(p, task) == NULL)
        return false;
    log_line(LOG_INFO, "task.start_repeated", "task=%s", task->text);
    return true;
}

void on_start(struct proplet *p, struct view payload, bool shared)
{
    struct start_msg start = {0};
    struct bytes module = {0};
    struct id task = {0};
    struct why why = {0};
    if (shared && !inline_start_is_for(payload, &p->settings.id))
        return;
    enum status status = start_msg_decode(payload, &start, &task, &why);
    if (status == ST_OK && shared)
        status = inline_start_module(payload, &module, &why);
    if (status == ST_OK)
        status = check_addressee(p, &start, &why);
    if (status == ST_OK)
        status = check_image(&start, &module, &why);

    if (task.text[0] == '\0') {
        log_line(LOG_WARN, "start.unreadable", "reason=%s", log_quote(why.text));
    } else if (!is_known(p, &task)) {
        const char *code =
            status != ST_OK ? "bad_start" : accept_start(p, &start, &module, payload, &why);
        if (code != NULL)
            report_failure(p, &task, code, why.text);
    }
    bytes_done(&module);
    start_msg_done(&start);
}
