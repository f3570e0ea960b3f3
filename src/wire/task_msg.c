#include "wire/task_msg.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

/* An id that may be absent, null or empty; then *ret stays as it was. */
static enum status optional_id(const json_t *object, const char *key, struct id *ret,
                               struct why *why)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value) && json_string_length(value) == 0)
        return ST_OK;
    return jsn_id(object, key, JSN_OPTIONAL, ret, why);
}

/* A text into a field of an own size; one that does not fit is refused. */
static enum status text_field(const json_t *object, const char *key, char *ret, size_t size,
                              struct why *why)
{
    const char *text = "";
    enum status status = jsn_str(object, key, JSN_OPTIONAL, size - 1, &text, why);
    if (status == ST_OK)
        memcpy(ret, text, strlen(text) + 1);
    return status;
}

/* ---- start ---- */

static enum status read_env(const json_t *object, json_t **ret_env, struct why *why)
{
    json_t *env = NULL;
    enum status status = jsn_object(object, "env", JSN_OPTIONAL, &env, why);
    if (status != ST_OK)
        return status;
    if (env == NULL) {
        *ret_env = json_object();
        return *ret_env == NULL ? ST_NOMEM : ST_OK;
    }
    if (json_object_size(env) > TASK_ENV_MAX) {
        why_set(why, "env has more than %d variables", TASK_ENV_MAX);
        return ST_INVALID;
    }
    const char *name;
    json_t *value;
    json_object_foreach(env, name, value)
    {
        if (*name == '\0' || strchr(name, '=') != NULL) {
            why_set(why, "env has a variable with an empty name or a '=' in it");
            return ST_INVALID;
        }
        if (!json_is_string(value) || json_string_length(value) > TASK_ENV_VALUE_MAX) {
            why_set(why, "not a text of at most %zu bytes: env.%s", TASK_ENV_VALUE_MAX, name);
            return ST_INVALID;
        }
    }
    *ret_env = json_incref(env);
    return ST_OK;
}

/* What the task is and where it runs. */
static enum status read_names(const json_t *object, struct start_msg *msg, struct why *why)
{
    enum status status = optional_id(object, "proplet_id", &msg->proplet_id, why);
    if (status != ST_OK)
        return status;
    status = text_field(object, "name", msg->name, sizeof msg->name, why);
    if (status != ST_OK)
        return status;
    return text_field(object, "image_url", msg->image_url, sizeof msg->image_url, why);
}

static enum status read_start(const json_t *object, struct start_msg *msg, struct why *why)
{
    enum status status = read_names(object, msg, why);
    if (status != ST_OK)
        return status;
    status = jsn_digest(object, "image_digest", JSN_OPTIONAL, &msg->image_digest, why);
    if (status != ST_OK)
        return status;
    msg->has_digest = json_is_string(json_object_get(object, "image_digest"));
    status = jsn_uint(object, "image_size", JSN_OPTIONAL, 0, IMAGE_SIZE_MAX, &msg->image_size, why);
    if (status != ST_OK)
        return status;
    uint64_t timeout_s = TASK_TIMEOUT_S_DEFAULT;
    status = jsn_uint(object, "timeout_s", JSN_OPTIONAL, 1, TASK_TIMEOUT_S_MAX, &timeout_s, why);
    if (status != ST_OK)
        return status;
    msg->timeout_s = (uint32_t)timeout_s;
    status = jsn_object(object, "spec", JSN_OPTIONAL, &msg->spec, why);
    if (status != ST_OK)
        return status;
    /* Last, because it is the only one that may have to be released. */
    return read_env(object, &msg->env, why);
}

enum status start_msg_decode(struct view payload, struct start_msg *ret_msg,
                             struct id *ret_id_if_known, struct why *why)
{
    assert(ret_msg != NULL && ret_id_if_known != NULL);
    *ret_id_if_known = (struct id){""};
    json_t *object;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;

    struct start_msg msg = {0};
    status = jsn_id(object, "id", JSN_REQUIRED, &msg.task_id, why);
    if (status != ST_OK)
        goto done;
    *ret_id_if_known = msg.task_id;
    status = read_start(object, &msg, why);
    if (status != ST_OK)
        goto done;
    json_incref(msg.spec);
    *ret_msg = msg;
done:
    json_decref(object);
    return status;
}

static json_t *base64_of(struct view v)
{
    size_t size = sodium_base64_encoded_len(v.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    (void)sodium_bin2base64(text, size, v.data, v.size, sodium_base64_VARIANT_ORIGINAL);
    json_t *string = json_stringn_nocheck(text, size - 1);
    free(text);
    return string;
}

/* The fields that Propeller leaves out when empty, and our additional ones.
 * gives: 0, or -1 if memory is out */
static int put_optional(json_t *object, const struct start_msg *msg, struct view file)
{
    int failed = 0;
    if (msg->image_url[0] != '\0')
        failed |= json_object_set_new(object, "image_url", jsn_string(view_text(msg->image_url)));
    if (file.size > 0)
        failed |= json_object_set_new(object, "file", base64_of(file));
    if (msg->proplet_id.text[0] != '\0')
        failed |= json_object_set_new(object, "proplet_id", json_string(msg->proplet_id.text));
    if (msg->has_digest) {
        char text[DIGEST_TEXT_SIZE];
        digest_text(&msg->image_digest, text);
        failed |= json_object_set_new(object, "image_digest", json_string(text));
    }
    if (msg->image_size > 0)
        failed |=
            json_object_set_new(object, "image_size", json_integer((json_int_t)msg->image_size));
    if (msg->spec != NULL)
        failed |= json_object_set(object, "spec", msg->spec);
    return failed;
}

char *start_msg_encode(const struct start_msg *msg, struct view file)
{
    assert(msg != NULL && msg->env != NULL);
    /* Propeller's proplets want each of these, also the ones that say nothing. */
    json_t *object = json_pack("{s:s, s:o, s:i, s:n, s:b, s:b, s:b, s:b, s:O, s:I}", "id",
                               msg->task_id.text, "name", jsn_string(view_text(msg->name)), "state",
                               0, "cli_args", "broadcast", 0, "daemon", 0, "latent", 0, "encrypted",
                               0, "env", msg->env, "timeout_s", (json_int_t)msg->timeout_s);
    if (object == NULL)
        return NULL;
    if (put_optional(object, msg, file) != 0) {
        json_decref(object);
        return NULL;
    }
    return jsn_text_and_release(object);
}

void start_msg_done(struct start_msg *msg)
{
    if (msg == NULL)
        return;
    json_decref(msg->env);
    json_decref(msg->spec);
    *msg = (struct start_msg){0};
}

/* ---- stop ---- */

enum status stop_msg_decode(struct view payload, struct stop_msg *ret_msg, struct why *why)
{
    assert(ret_msg != NULL);
    json_t *object;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct stop_msg msg = {0};
    status = jsn_id(object, "id", JSN_REQUIRED, &msg.task_id, why);
    if (status == ST_OK)
        status = optional_id(object, "proplet_id", &msg.proplet_id, why);
    if (status == ST_OK)
        *ret_msg = msg;
    json_decref(object);
    return status;
}

char *stop_msg_encode(const struct stop_msg *msg)
{
    assert(msg != NULL);
    const char *proplet = msg->proplet_id.text[0] == '\0' ? NULL : msg->proplet_id.text;
    return jsn_text_and_release(
        json_pack("{s:s, s:s*}", "id", msg->task_id.text, "proplet_id", proplet));
}

/* ---- results ---- */

static enum status read_results(const json_t *object, struct results_msg *msg, struct why *why)
{
    json_t *results = json_object_get(object, "results");
    if (results == NULL || json_is_null(results))
        return ST_OK;
    if (!json_is_string(results) && !json_is_object(results)) {
        why_set(why, "results is neither a text nor an object");
        return ST_INVALID;
    }
    msg->results = results;
    return ST_OK;
}

static enum status read_sender(const json_t *object, struct results_msg *msg, struct why *why)
{
    enum status status = optional_id(object, "proplet_id", &msg->proplet_id, why);
    if (status != ST_OK || msg->proplet_id.text[0] != '\0')
        return status;
    /* Propeller's results of learning say it inside only. What is inside is
     * opaque here, so something else under that name is no error. */
    struct id inside;
    if (jsn_id(msg->results, "proplet_id", JSN_REQUIRED, &inside, NULL) == ST_OK)
        msg->proplet_id = inside;
    return ST_OK;
}

static bool is_code(const char *text)
{
    return *text != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

/* error and reason. Propeller knows only error: a text that is not empty. */
static enum status read_outcome(const json_t *object, struct results_msg *msg, struct why *why)
{
    const char *text = "";
    enum status status = jsn_str(object, "error", JSN_OPTIONAL, SIZE_MAX, &text, why);
    if (status != ST_OK)
        return status;
    msg->failed = *text != '\0';
    (void)snprintf(msg->error, sizeof msg->error, "%s", text);
    text_trim(msg->error);

    text = msg->failed ? "failed" : "completed";
    status = jsn_str(object, "reason", JSN_OPTIONAL, sizeof msg->reason - 1, &text, why);
    if (status != ST_OK)
        return status;
    if (!is_code(text)) {
        why_set(why, "reason is not a code of lower-case letters and '_'");
        return ST_INVALID;
    }
    if (msg->failed == (strcmp(text, "completed") == 0)) {
        why_set(why, "reason contradicts error");
        return ST_INVALID;
    }
    memcpy(msg->reason, text, strlen(text) + 1);
    return ST_OK;
}

static enum status read_usage(const json_t *object, struct results_msg *msg, struct why *why)
{
    json_t *usage = NULL;
    enum status status = jsn_object(object, "usage", JSN_OPTIONAL, &usage, why);
    if (status != ST_OK || usage == NULL)
        return status;
    status = jsn_uint(usage, "wall_ms", JSN_OPTIONAL, 0, INT64_MAX, &msg->wall_ms, why);
    if (status != ST_OK)
        return status;
    status = jsn_uint(usage, "cpu_ms", JSN_OPTIONAL, 0, INT64_MAX, &msg->cpu_ms, why);
    if (status != ST_OK)
        return status;
    return jsn_uint(usage, "peak_rss_kb", JSN_OPTIONAL, 0, INT64_MAX, &msg->peak_rss_kb, why);
}

enum status results_msg_decode(struct view payload, struct results_msg *ret_msg, struct why *why)
{
    assert(ret_msg != NULL);
    json_t *object;
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    struct results_msg msg = {0};
    status = jsn_id(object, "task_id", JSN_REQUIRED, &msg.task_id, why);
    if (status == ST_OK)
        status = read_results(object, &msg, why);
    if (status == ST_OK)
        status = read_sender(object, &msg, why);
    if (status == ST_OK)
        status = read_outcome(object, &msg, why);
    if (status == ST_OK)
        status = read_usage(object, &msg, why);
    if (status == ST_OK) {
        json_incref(msg.results);
        *ret_msg = msg;
    }
    json_decref(object);
    return status;
}

/* The reason as it goes out: never one that would contradict `failed`. */
static const char *reason_of(const struct results_msg *msg)
{
    if (!msg->failed)
        return "completed";
    bool usable = is_code(msg->reason) && strcmp(msg->reason, "completed") != 0;
    return usable ? msg->reason : "failed";
}

static json_t *error_of(const struct results_msg *msg)
{
    if (!msg->failed)
        return json_null();
    return jsn_string(view_text(msg->error[0] == '\0' ? reason_of(msg) : msg->error));
}

/* NULL: there is none to tell. */
static json_t *usage_of(const struct results_msg *msg)
{
    if (msg->wall_ms == 0 && msg->cpu_ms == 0 && msg->peak_rss_kb == 0)
        return NULL;
    return json_pack("{s:I, s:I, s:I}", "wall_ms", (json_int_t)msg->wall_ms, "cpu_ms",
                     (json_int_t)msg->cpu_ms, "peak_rss_kb", (json_int_t)msg->peak_rss_kb);
}

char *results_msg_encode(const struct results_msg *msg)
{
    assert(msg != NULL);
    const char *proplet = msg->proplet_id.text[0] == '\0' ? NULL : msg->proplet_id.text;
    json_t *results = msg->results == NULL ? json_string("") : json_incref(msg->results);
    return jsn_text_and_release(json_pack("{s:s, s:s*, s:o, s:o, s:s, s:o*}", "task_id",
                                          msg->task_id.text, "proplet_id", proplet, "results",
                                          results, "error", error_of(msg), "reason", reason_of(msg),
                                          "usage", usage_of(msg)));
}

void results_msg_done(struct results_msg *msg)
{
    if (msg == NULL)
        return;
    json_decref(msg->results);
    *msg = (struct results_msg){0};
}
