#include "proplet/task.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "exchange/file_manifest.h"
#include "io/map.h"
#include "model/model_file.h"
#include "device/guest_env.h"
#include "device/guest_text.h"
#include "device/learning.h"
#include "proplet/compress_file.h"
#include "proplet/left_out.h"
#include "proplet/permission.h"
#include "proplet/protecting.h"
#include "proplet/task_folder.h"
#include "sandbox/sandbox.h"
#include "service/log.h"

#define TASK_MAGIC 0x7461736bu /* "task" */

struct task {
    uint32_t magic;
    struct proplet *proplet;
    struct id id;
    enum task_state state;
    uint64_t deadline_ms;
    json_t *env;
    bool learns;
    bool quiet; /* its round is protected: its run is spoken of by a reason and no more */
    struct learning learning;
    uint64_t update_until_ms; /* how long its update would be kept */

    struct task_folder folder;
    bool has_folder;
    struct image *image;
    struct model_wait *model; /* while it is fetched */
    uint64_t model_until_ms;
    bool has_model;      /* in its folder */
    uint64_t update_max; /* bytes */
    char *model_data;    /* the model as a text, if it is small JSON */
    bool permitted;      /* to run, and counted */
    bool code_was_bad;
    struct sandbox_job *job;
    struct compress_file *compressing;
    struct protecting *protecting; /* of a protected round */
    struct manifest_job *hashing;  /* of an update that goes in parts */
    bool stop_wanted;
    uint64_t wall_ms, cpu_ms, peak_rss_kb;
};

static const char *const state_names[] = {
    [TASK_FETCH_IMAGE] = "fetch_image",
    [TASK_COMPILE] = "compile",
    [TASK_FETCH_MODEL] = "fetch_model",
    [TASK_READY] = "ready",
    [TASK_RUN] = "run",
    [TASK_COMPRESS] = "compress",
    [TASK_PROTECT] = "protect",
    [TASK_KEEP] = "keep",
    [TASK_ENDED] = "ended",
};

const struct id *task_id(const struct task *t)
{
    return &t->id;
}

enum task_state task_state(const struct task *t)
{
    return t->state;
}

/* ---- beginning ---- */

static enum status describe(struct task *t, const struct start_msg *start, struct why *why)
{
    uint64_t now_ms = proplet_now_ms(t->proplet);
    t->id = start->task_id;
    t->deadline_ms = now_ms + (uint64_t)start->timeout_s * 1000;
    t->update_until_ms = t->deadline_ms + OUTBOX_MARGIN_MS;
    t->update_max = MESSAGE_SIZE_MAX;
    t->env = json_incref(start->env);
    enum status status = guest_env_check(start->env, why);
    if (status != ST_OK)
        return status;
    status = learning_read(start->env, start->spec, &t->learns, &t->learning, why);
    t->quiet = status == ST_OK && t->learns && t->learning.quiet;
    return status;
}

/* At once: the others of the round wait for who takes part. */
static enum status join(struct task *t, const struct digest *image, struct why *why)
{
    const char *hyperparams = json_string_value(json_object_get(t->env, "HYPERPARAMS"));
    if (!t->learns || !t->learning.privacy.is_on)
        return ST_OK;
    return protecting_new(t->proplet, &t->learning, hyperparams == NULL ? "{}" : hyperparams, image,
                          t->update_until_ms, &t->protecting, why);
}

enum status task_new(struct proplet *p, const struct start_msg *start, const struct digest *image,
                     struct task **ret, struct why *why)
{
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ST_NOMEM;
    t->magic = TASK_MAGIC;
    t->proplet = p;
    enum status status = describe(t, start, why);
    if (status != ST_OK)
        goto failed;
    status = task_folder_make(p->state_dir, &t->id, &t->folder);
    t->has_folder = status == ST_OK;
    if (status == ST_OK)
        status = images_hold(p->images, image, start->image_size, &t->image);
    if (status == ST_OK)
        status = join(t, image, why);
    if (status != ST_OK) {
        if (why->text[0] == '\0')
            why_set(why,
                    status == ST_FULL ? "no space left on the device" : "no place for the task: %s",
                    status_name(status));
        goto failed;
    }
    log_line(LOG_INFO, "task.accepted", "task=%s name=%s timeout_s=%u learns=%d", t->id.text,
             log_quote(start->name), start->timeout_s, t->learns);
    *ret = t;
    return ST_OK;
failed:
    task_free(t);
    return status;
}

void task_keep_start(struct task *t, struct view start)
{
    const char *boot = t->proplet->settings.boot_id;
    task_folder_put_start(&t->folder, boot == NULL ? "" : boot, start);
}

/* ---- the state and the end ---- */

/* Every change of a task's state goes through here. */
static void change_state(struct task *t, enum task_state next)
{
    assert(next > t->state || (next == TASK_COMPILE && t->state >= TASK_READY));
    if (t->state == TASK_RUN)
        t->proplet->running--;
    if (next == TASK_RUN)
        t->proplet->running++;
    log_line(LOG_DEBUG, "task.state", "task=%s from=%s to=%s", t->id.text, state_names[t->state],
             state_names[next]);
    t->state = next;
}

static void release(struct task *t)
{
    assert(t->job == NULL);
    t->model = model_wait_free(t->model);
    t->compressing = compress_file_free(t->compressing);
    t->protecting = protecting_free(t->protecting);
    t->hashing = manifest_job_free(t->hashing);
    t->image = image_release(t->image);
    if (t->has_folder)
        task_folder_remove(&t->folder);
    t->has_folder = false;
}

/* Before the results are kept: what the task needed is theirs on a full disk, and from
 * here on it does not go on in another life. */
static void make_room(const struct task *t)
{
    if (!t->has_folder)
        return;
    task_folder_forget_start(&t->folder);
    task_folder_empty(&t->folder);
}

/* Its results were reported. kept: they are on the disk. Otherwise the folder stays,
 * or after a crash nothing would know that the task was here. */
static void ended(struct task *t, bool kept)
{
    t->has_folder = t->has_folder && kept;
    release(t);
    change_state(t, TASK_ENDED);
}

/* Every end of a task that made no update goes through here. Borrows results
 * (NULL: none). */
static void end(struct task *t, const char *reason, const char *detail, json_t *results)
{
    struct outcome outcome = {
        .reason = reason,
        .detail = detail,
        .results = results,
        .wall_ms = t->wall_ms,
        .cpu_ms = t->cpu_ms,
        .peak_rss_kb = t->peak_rss_kb,
    };
    make_room(t);
    if (t->quiet && t->state >= TASK_RUN)
        outcome_hush(&outcome);
    /* Before the release, because detail may lie in what is released. */
    ended(t, report(t->proplet, &t->id, &outcome));
}

static void fail(struct task *t, const char *reason, const char *detail)
{
    end(t, reason, detail, NULL);
}

/* ---- the results of a run ---- */

/* A guest whose write found no room ends as it likes: that is not its fault. */
static bool disk_is_full(const struct task *t)
{
    struct statvfs disk;
    return t->learns && statvfs(t->folder.out, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < DISK_FULL_BYTES;
}

/* The guest ended by itself, without an update that can be sent. */
static void fail_guest(struct task *t, const char *reason, const char *detail)
{
    char both[DETAIL_SIZE];
    if (!disk_is_full(t)) {
        fail(t, reason, detail);
        return;
    }
    (void)snprintf(both, sizeof both, "no space left on the device: %s: %.300s", reason, detail);
    fail(t, "disk_full", both);
}

static bool is_update(struct task *t, struct view update)
{
    char detail[DETAIL_SIZE];
    struct why why = {0};
    if (outcome_unreadable(update, detail) != NULL)
        fail_guest(t, "bad_update", detail);
    else if (!permission_to_send(t->proplet->settings.trust, &t->learning, update, &why))
        fail(t, "not_allowed", why.text);
    else
        return true;
    return false;
}

/* What a guest left: in a file, mapped, or else printed. */
struct made {
    struct view bytes;
    bool in_file;
};

/* False: there is none, and the task has ended with the reason. */
static bool collect_update(struct task *t, const struct sandbox_result *r, struct made *ret)
{
    enum status status = task_folder_update(&t->folder, &ret->bytes);
    ret->in_file = status == ST_OK;
    if (status == ST_NOT_FOUND) {
        ret->bytes = r->out;
        status = ST_OK;
    }
    if (status == ST_INVALID)
        fail(t, "bad_update", "what lies at UPDATE_PATH is not a regular file");
    else if (status == ST_LIMIT)
        fail(t, "bad_update", "too_large: the file at UPDATE_PATH is larger than an update may be");
    else if (status != ST_OK)
        fail(t, "runner_failed", "the update could not be read");
    else if (ret->bytes.size == 0)
        fail_guest(t, "no_update", "nothing at UPDATE_PATH and nothing on standard output");
    else
        return is_update(t, ret->bytes);
    return false;
}

static void finish_refused(struct task *t, enum status status)
{
    left_out_settle(t->proplet->state_dir, &t->id, false);
    if (status == ST_TOO_LARGE || status == ST_LIMIT)
        fail(t, "bad_update", "too_large: the broker does not take an update of this size");
    else if (status == ST_FULL)
        fail(t, "disk_full", "no space left to keep the update");
    else
        fail(t, "runner_failed", "the update could not be kept and sent");
}

static void finish_kept(struct task *t, const struct kept_update *kept)
{
    make_room(t);
    ended(t, report_update(t->proplet, kept));
}

static struct outbox_update describe_update(const struct task *t)
{
    return (struct outbox_update){
        .task = t->id,
        .round = t->learning.round,
        .until_ms = t->update_until_ms,
        .wall_ms = t->wall_ms,
        .cpu_ms = t->cpu_ms,
        .peak_rss_kb = t->peak_rss_kb,
    };
}

/* One that goes in parts is read through first: step_keep(). */
static void begin_keep(struct task *t)
{
    enum status status =
        manifest_job_new(t->folder.update_file, exchange_part_size(t->proplet->exchange),
                         MODEL_BYTES_MAX, &t->hashing);
    if (status == ST_OK)
        change_state(t, TASK_KEEP);
    else
        finish_refused(t, status);
}

static void step_keep(struct task *t)
{
    const struct outbox_update update = describe_update(t);
    const struct kept_update *kept = NULL;
    int64_t budget = HASHED_IN_A_TURN;
    bool done = false;
    enum status status = manifest_job_step(t->hashing, &budget, &done);
    if (status == ST_OK && !done)
        return;
    if (status == ST_OK)
        status = outbox_add_file(t->proplet->outbox, &update, manifest_job_result(t->hashing),
                                 t->folder.update_file, proplet_now_ms(t->proplet), &kept);
    if (status == ST_OK)
        finish_kept(t, kept);
    else
        finish_refused(t, status);
}

/* In one message, or in parts if the broker does not take it so. */
static void send_whole(struct task *t, const struct made *made)
{
    const struct outbox_update update = describe_update(t);
    const struct kept_update *kept = NULL;
    enum status status =
        outbox_add(t->proplet->outbox, &update, made->bytes, proplet_now_ms(t->proplet), &kept);
    if (status == ST_OK) {
        finish_kept(t, kept);
        return;
    }
    bool in_parts = status == ST_TOO_LARGE;
    if (in_parts)
        status = made->in_file ? ST_OK : task_folder_put_update(&t->folder, made->bytes);
    if (in_parts && status == ST_OK)
        begin_keep(t);
    else
        finish_refused(t, status);
}

/* JSON is one message wherever it can be: others read it as it is. */
static void send_update(struct task *t, const struct made *made)
{
    if (made->in_file && !model_is_inline(made->bytes))
        begin_keep(t);
    else
        send_whole(t, made);
}

/* As it is now in its file: compressed, or as the guest wrote it. */
static void send_file(struct task *t)
{
    struct made made = {.in_file = true};
    enum status status = task_folder_update(&t->folder, &made.bytes);
    if (status == ST_OK)
        send_update(t, &made);
    else
        finish_refused(t, status);
    map_close(&made.bytes);
}

/* What is no update of this model, or cannot be made smaller, goes as it is: it is for the
 * coordinator to judge, and none is lost because it is large. */
static void send_uncompressed(struct task *t, const char *why)
{
    log_line(LOG_WARN, "update.not_compressed", "task=%s reason=%s", t->id.text, log_quote(why));
    t->compressing = compress_file_free(t->compressing);
    send_file(t);
}

/* Another draw for each task, and the same if it is looked at again. */
static uint64_t seed_of(const struct task *t)
{
    uint64_t seed;
    char text[2 * ID_SIZE_MAX + 2];
    (void)snprintf(text, sizeof text, "%s/%s", t->id.text, t->proplet->settings.id.text);
    struct digest digest = digest_of(view_text(text));
    memcpy(&seed, digest.bytes, sizeof seed);
    return seed;
}

static void begin_compress(struct task *t)
{
    const struct compression *how = &t->learning.compression;
    struct left_out left = {0};
    struct why why = {0};
    enum status status = ST_OK;
    if (how->top_k > 0)
        status = left_out_begin(t->proplet->state_dir, &t->learning.model.name, &t->id, &left);
    if (status != ST_OK)
        why_set(&why, "no place for what is left out: %s", status_name(status));
    const struct compress_files files = {.base = t->folder.model_file,
                                         .update = t->folder.update_file,
                                         .before = left.used ? left.before : NULL,
                                         .out = t->folder.compressed_file,
                                         .after = left.used ? left.after : NULL};
    if (status == ST_OK)
        status = compress_file_new(&files, how, seed_of(t), &t->compressing, &why);
    if (status == ST_OK)
        change_state(t, TASK_COMPRESS);
    else
        send_uncompressed(t, why.text);
}

static void step_compress(struct task *t)
{
    bool done = false;
    struct why why = {0};
    enum status status = compress_file_step(t->compressing, &done, &why);
    if (status == ST_OK && !done)
        return;
    if (status == ST_OK && rename(t->folder.compressed_file, t->folder.update_file) != 0) {
        left_out_settle(t->proplet->state_dir, &t->id, false);
        why_set(&why, "it could not be put in its place");
        status = ST_IO;
    }
    if (status != ST_OK) {
        send_uncompressed(t, why.text);
        return;
    }
    t->compressing = compress_file_free(t->compressing);
    send_file(t);
}

/* Never sent as the guest wrote it, whatever fails. */
static void step_protect(struct task *t)
{
    const struct protect_files files = {.base = t->folder.model_file,
                                        .update = t->folder.update_file,
                                        .out = t->folder.compressed_file};
    bool done = false;
    struct why why = {0};
    enum status status = protecting_step(t->protecting, &files, &done, &why);
    if (status == ST_OK && !done && proplet_now_ms(t->proplet) >= t->update_until_ms) {
        why_set(&why, "the round's other devices did not share their secrets in time");
        status = ST_TIMEOUT;
    }
    if (status == ST_OK && done && rename(t->folder.compressed_file, t->folder.update_file) != 0) {
        why_set(&why, "it could not be put in its place");
        status = ST_IO;
    }
    if (status != ST_OK)
        fail(t, status == ST_FULL ? "disk_full" : "protection_failed", why.text);
    else if (done)
        send_file(t);
}

static void finish_update(struct task *t, const struct sandbox_result *r)
{
    struct made made = {0};
    if (collect_update(t, r, &made)) {
        bool as_it_is = t->protecting == NULL && compression_is_none(&t->learning.compression);
        if (as_it_is)
            send_update(t, &made);
        else if (!made.in_file && task_folder_put_update(&t->folder, made.bytes) != ST_OK)
            finish_refused(t, ST_FULL);
        else if (t->protecting != NULL)
            change_state(t, TASK_PROTECT);
        else
            begin_compress(t);
    }
    if (made.in_file)
        map_close(&made.bytes);
}

static void finish_plain(struct task *t, const struct sandbox_result *r)
{
    json_t *text = guest_text_json(r->out);
    end(t, "completed", "", text);
    json_decref(text);
}

static void finish_failed(struct task *t, const struct sandbox_result *r)
{
    char detail[DETAIL_SIZE];
    outcome_guest_failed(r, detail);
    if (r->outcome == SANDBOX_RUNNER_FAILED || r->outcome == SANDBOX_BAD_CODE)
        image_distrust(t->image);
    if (r->outcome == SANDBOX_EXIT_STATUS || r->outcome == SANDBOX_TRAP)
        fail_guest(t, sandbox_outcome_code(r->outcome), detail);
    else
        fail(t, sandbox_outcome_code(r->outcome), detail);
}

/* Of a protected round's guest nothing is noted, so that its kept update tells nothing either. */
static void note_run(struct task *t, const struct sandbox_result *r)
{
    char said[DETAIL_SIZE];
    if (t->quiet)
        return;
    t->wall_ms = r->wall_ms;
    t->cpu_ms = r->cpu_ms;
    t->peak_rss_kb = r->peak_rss_kb;
    guest_text_line(r->err, said, sizeof said);
    if (said[0] != '\0')
        log_line(LOG_DEBUG, "task.stderr", "task=%s tail=%s", t->id.text, log_quote(said));
}

/* No guest ran, so all is as it was before. Once: nothing may go round for ever. */
static void compile_anew(struct task *t, const struct sandbox_result *r)
{
    log_line(LOG_WARN, "image.code_unusable", "task=%s detail=%s", t->id.text,
             log_quote(r->detail));
    t->code_was_bad = true;
    image_distrust(t->image);
    change_state(t, TASK_COMPILE);
}

static void on_ran(void *owner, const struct sandbox_result *r)
{
    struct task *t = owner;
    assert(t->magic == TASK_MAGIC && t->state == TASK_RUN);
    struct proplet *p = t->proplet;
    t->job = NULL;
    note_run(t, r);
    if (t->stop_wanted)
        fail(t, "stopped", "stopped while it ran");
    else if (r->outcome == SANDBOX_BAD_CODE && !t->code_was_bad)
        compile_anew(t, r);
    else if (r->outcome != SANDBOX_OK)
        finish_failed(t, r);
    else if (t->learns)
        finish_update(t, r);
    else
        finish_plain(t, r);
    proplet_step(p);
}

/* ---- running ---- */

static size_t folders_of(const struct task *t, struct sandbox_folder *ret)
{
    const struct proplet *p = t->proplet;
    size_t count = 0;
    if (t->learns) {
        ret[count++] = (struct sandbox_folder){t->folder.model, GUEST_MODEL_FOLDER, false};
        ret[count++] = (struct sandbox_folder){t->folder.out, GUEST_OUT_FOLDER, true};
    }
    if (p->data_dir[0] != '\0')
        ret[count++] = (struct sandbox_folder){p->data_dir, GUEST_DATA_FOLDER, false};
    return count;
}

static struct sandbox_limits limits_of(const struct task *t)
{
    const struct proplet *p = t->proplet;
    uint64_t now_ms = proplet_now_ms(p); /* may have passed the deadline just now */
    uint64_t left_ms = t->deadline_ms > now_ms ? t->deadline_ms - now_ms : 1;
    return (struct sandbox_limits){
        .memory_bytes = p->settings.memory_bytes,
        .cpu_s = p->settings.cpu_s,
        .wall_ms = (uint32_t)left_ms, /* at most ROUND_TIMEOUT_S_MAX * 1000 < 2^30 */
        .stdout_max = GUEST_STDOUT_MAX,
        .stderr_max = GUEST_STDERR_MAX,
        .file_max = t->update_max,
        .folder_max = 2 * t->update_max,
    };
}

static void run(struct task *t)
{
    struct proplet *p = t->proplet;
    struct sandbox_folder folders[3];
    struct guest_env env = {0};
    struct guest_vars vars = {
        .proplet_id = p->settings.id.text,
        .has_data = p->data_dir[0] != '\0',
        .has_model = t->learns,
        .model_data = t->model_data,
    };
    if (guest_env_build(t->env, &vars, &env) != ST_OK) {
        fail(t, "runner_failed", "no memory");
        return;
    }
    struct sandbox_run order = {
        .runner = p->settings.runner,
        .compiled = image_compiled(t->image),
        .env = (const char *const *)env.items,
        .folders = folders,
        .folder_count = folders_of(t, folders),
        .limits = limits_of(t),
        .refuse_sgemm = p->settings.refuse_sgemm,
    };
    enum status status = sandbox_start(p->loop, &order, on_ran, t, &t->job);
    guest_env_done(&env);
    if (status == ST_OK)
        change_state(t, TASK_RUN);
    else
        fail(t, "runner_failed", "the runner could not be started");
}

/* ---- the states before it runs ---- */

static void step_fetch_image(struct task *t)
{
    if (image_state(t->image) != IMAGE_FETCHING)
        change_state(t, TASK_COMPILE);
}

static void step_compile(struct task *t)
{
    switch (image_state(t->image)) {
    case IMAGE_FETCHING: /* once more: it was damaged on the disk */
    case IMAGE_COMPILING:
        break;
    case IMAGE_READY:
        change_state(t, t->learns && !t->has_model ? TASK_FETCH_MODEL : TASK_READY);
        break;
    case IMAGE_FAILED:
        fail(t, image_reason(t->image), image_detail(t->image));
        break;
    }
}

static void want_model(struct task *t)
{
    struct proplet *p = t->proplet;
    const struct learning *l = &t->learning;
    t->model_until_ms = proplet_now_ms(p) + (uint64_t)p->settings.model_wait_s * 1000;
    if (model_fetch_want(p->models, l->model_topic, l->has_digest ? &l->digest : NULL, &t->model) !=
        ST_OK)
        fail(t, "model_unavailable", "the model's topic could not be subscribed to");
}

static enum status put_model(struct task *t)
{
    const char *path = model_wait_path(t->model);
    if (path != NULL)
        return task_folder_link_model(&t->folder, path);
    struct view model = model_wait_bytes(t->model);
    t->model_data = guest_env_model(model);
    return task_folder_put_model(&t->folder, model);
}

/* An update is hardly larger than the model that it was made from. */
static void limit_update(struct task *t)
{
    struct stat info;
    if (stat(t->folder.model_file, &info) == 0 &&
        (uint64_t)info.st_size + MODEL_OVERHEAD_MAX > t->update_max)
        t->update_max = (uint64_t)info.st_size + MODEL_OVERHEAD_MAX;
}

static void take_model(struct task *t)
{
    enum status status = put_model(t);
    limit_update(t);
    t->model = model_wait_free(t->model);
    t->has_model = status == ST_OK;
    if (t->has_model)
        change_state(t, TASK_READY);
    else
        fail(t, status == ST_FULL ? "disk_full" : "model_unavailable",
             status == ST_FULL ? "no space left for the model" : "the model could not be kept");
}

static void step_fetch_model(struct task *t)
{
    if (t->model == NULL)
        want_model(t);
    if (t->state != TASK_FETCH_MODEL)
        return;
    char detail[DETAIL_SIZE];
    switch (model_wait_state(t->model)) {
    case MODEL_COMING: /* as long as the task has time: many may be served before us */
        break;
    case MODEL_WAITING:
        if (proplet_now_ms(t->proplet) < t->model_until_ms)
            break;
        (void)snprintf(detail, sizeof detail, "nothing came on %s within %u s",
                       t->learning.model_topic, t->proplet->settings.model_wait_s);
        fail(t, "model_unavailable", detail);
        break;
    case MODEL_THERE:
        take_model(t);
        break;
    case MODEL_CORRUPT:
        (void)snprintf(detail, sizeof detail, "%s", model_wait_detail(t->model));
        fail(t, "model_corrupt", detail);
        break;
    case MODEL_NO_ROOM:
    case MODEL_UNAVAILABLE:
        (void)snprintf(detail, sizeof detail, "%s", model_wait_detail(t->model));
        fail(t, model_wait_state(t->model) == MODEL_NO_ROOM ? "disk_full" : "model_unavailable",
             detail);
        break;
    }
}

/* Once, also if damaged code makes it run anew. False: the task has ended. The start is forgotten
 * before the round is counted, so that after a crash no other life counts it again. */
static bool is_permitted(struct task *t)
{
    struct why why = {0};
    if (t->permitted)
        return true;
    task_folder_forget_start(&t->folder);
    const char *code =
        permission_to_run(t->proplet->settings.trust, t->learns ? &t->learning : NULL, &why);
    t->permitted = code == NULL;
    if (code != NULL)
        fail(t, code, why.text);
    return t->permitted;
}

static void step_ready(struct task *t)
{
    if (image_state(t->image) != IMAGE_READY)
        change_state(t, TASK_COMPILE); /* another task found its code damaged */
    else if (t->proplet->running < t->proplet->settings.tasks_max && is_permitted(t))
        run(t);
}

static bool step_deadline(struct task *t)
{
    static const char *const waited_for[] = {
        [TASK_FETCH_IMAGE] = "the image had not come",
        [TASK_COMPILE] = "the image had not been compiled",
        [TASK_FETCH_MODEL] = "the base model had not come",
        [TASK_READY] = "other tasks ran",
    };
    if (t->state >= TASK_RUN || proplet_now_ms(t->proplet) < t->deadline_ms)
        return false;
    char detail[DETAIL_SIZE];
    (void)snprintf(detail, sizeof detail, "its time was over before it ran: %s",
                   waited_for[t->state]);
    fail(t, "deadline", detail);
    return true;
}

void task_step(struct task *t)
{
    assert(t->magic == TASK_MAGIC);
    enum task_state before;
    do {
        before = t->state;
        if (step_deadline(t))
            return;
        if (t->state == TASK_FETCH_IMAGE)
            step_fetch_image(t);
        else if (t->state == TASK_COMPILE)
            step_compile(t);
        else if (t->state == TASK_FETCH_MODEL)
            step_fetch_model(t);
        else if (t->state == TASK_READY)
            step_ready(t);
        else if (t->state == TASK_COMPRESS)
            step_compress(t);
        else if (t->state == TASK_PROTECT)
            step_protect(t);
        else if (t->state == TASK_KEEP)
            step_keep(t);
    } while (t->state != before);
}

void task_stop(struct task *t)
{
    if (t->state < TASK_RUN) {
        fail(t, "stopped", "stopped before it ran");
    } else if (t->state == TASK_RUN && !t->stop_wanted) {
        t->stop_wanted = true;
        sandbox_stop(t->job); /* on_ran() follows */
    }
}

struct task *task_free(struct task *t)
{
    if (t == NULL)
        return NULL;
    assert(t->magic == TASK_MAGIC && t->state != TASK_RUN);
    release(t);
    json_decref(t->env);
    free(t->model_data);
    *(volatile uint32_t *)&t->magic = 0;
    free(t);
    return NULL;
}
