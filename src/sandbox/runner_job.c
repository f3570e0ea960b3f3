#include "sandbox/runner_job.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status put(struct bytes *b, const char *key, const char *value)
{
    enum status status = bytes_append(b, view_text(key), RUNNER_JOB_SIZE_MAX);
    if (status == ST_OK)
        status = bytes_append(b, view_text("="), RUNNER_JOB_SIZE_MAX);
    if (status == ST_OK) /* with its zero byte */
        status = bytes_append(b, view_of(value, strlen(value) + 1), RUNNER_JOB_SIZE_MAX);
    return status;
}

static enum status put_number(struct bytes *b, const char *key, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return put(b, key, text);
}

static enum status put_texts(struct bytes *b, const char *key, const char *const *texts,
                             size_t count)
{
    enum status status = ST_OK;
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = put(b, key, texts[i]);
    return status;
}

static enum status put_folder(struct bytes *b, const struct sandbox_folder *folder)
{
    enum status status = put(b, "folder", folder->writable ? "rw" : "ro");
    if (status == ST_OK)
        status = put(b, "host", folder->host_path);
    if (status == ST_OK)
        status = put(b, "guest", folder->guest_path);
    return status;
}

static enum status encode(const struct runner_job *job, struct bytes *b)
{
    enum status status = put(b, "mode", job->mode == RUNNER_RUN ? "run" : "compile");
    if (status == ST_OK)
        status = put_number(b, "parent", job->parent);
    if (status == ST_OK)
        status = put(b, "input", job->input);
    if (status == ST_OK && job->output != NULL)
        status = put(b, "output", job->output);
    if (status == ST_OK)
        status = put_number(b, "memory_bytes", job->memory_bytes);
    if (status == ST_OK)
        status = put_number(b, "cpu_s", job->cpu_s);
    if (status == ST_OK)
        status = put_number(b, "file_max", job->file_max);
    if (status == ST_OK)
        status = put(b, "sgemm", job->refuse_sgemm ? "refuse" : "allow");
    if (status == ST_OK)
        status = put_texts(b, "env", job->env, job->env_count);
    if (status == ST_OK)
        status = put_texts(b, "arg", job->args, job->arg_count);
    for (size_t i = 0; i < job->folder_count && status == ST_OK; i++)
        status = put_folder(b, &job->folders[i]);
    return status;
}

enum status runner_job_encode(const struct runner_job *job, struct bytes *ret)
{
    assert(job != NULL && job->input != NULL && ret != NULL);
    struct bytes b = {0};
    enum status status = encode(job, &b);
    if (status != ST_OK) {
        bytes_done(&b);
        return status;
    }
    *ret = b;
    return ST_OK;
}

static bool number_of(const char *text, uint64_t *ret)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool add_text(const char **texts, size_t *count, const char *text)
{
    if (*count == SANDBOX_TEXTS_MAX)
        return false;
    texts[(*count)++] = text;
    return true;
}

static bool add_folder(struct runner_job *job, const char *rights)
{
    if (job->folder_count == SANDBOX_FOLDERS_MAX)
        return false;
    job->folders[job->folder_count++].writable = strcmp(rights, "rw") == 0;
    return true;
}

/* host and guest belong to the folder that was named last. */
static bool name_folder(struct runner_job *job, bool host, const char *path)
{
    if (job->folder_count == 0)
        return false;
    struct sandbox_folder *last = &job->folders[job->folder_count - 1];
    *(host ? &last->host_path : &last->guest_path) = path;
    return true;
}

static bool take(struct runner_job *job, const char *key, size_t key_size, const char *value)
{
#define IS(name) (key_size == sizeof name - 1 && memcmp(key, name, key_size) == 0)
    if (IS("mode")) {
        job->mode = strcmp(value, "run") == 0 ? RUNNER_RUN : RUNNER_COMPILE;
        return true;
    }
    if (IS("input")) {
        job->input = value;
        return true;
    }
    if (IS("output")) {
        job->output = value;
        return true;
    }
    if (IS("parent"))
        return number_of(value, &job->parent);
    if (IS("memory_bytes"))
        return number_of(value, &job->memory_bytes);
    if (IS("cpu_s"))
        return number_of(value, &job->cpu_s);
    if (IS("file_max"))
        return number_of(value, &job->file_max);
    if (IS("sgemm")) {
        job->refuse_sgemm = strcmp(value, "allow") != 0;
        return true;
    }
    if (IS("env"))
        return add_text(job->env, &job->env_count, value);
    if (IS("arg"))
        return add_text(job->args, &job->arg_count, value);
    if (IS("folder"))
        return add_folder(job, value);
    if (IS("host"))
        return name_folder(job, true, value);
    if (IS("guest"))
        return name_folder(job, false, value);
    return false;
#undef IS
}

static bool complete(const struct runner_job *job)
{
    for (size_t i = 0; i < job->folder_count; i++)
        if (job->folders[i].host_path == NULL || job->folders[i].guest_path == NULL)
            return false;
    return job->input != NULL && (job->mode == RUNNER_RUN || job->output != NULL);
}

enum status runner_job_decode(struct view text, struct runner_job *ret_job)
{
    assert(ret_job != NULL);
    if (text.size == 0 || text.data[text.size - 1] != '\0')
        return ST_MALFORMED;
    struct runner_job job = {0};
    const char *end = (const char *)text.data + text.size;
    for (const char *line = (const char *)text.data; line < end; line += strlen(line) + 1) {
        const char *equals = strchr(line, '=');
        if (equals == NULL || !take(&job, line, (size_t)(equals - line), equals + 1))
            return ST_MALFORMED;
    }
    if (!complete(&job))
        return ST_MALFORMED;
    *ret_job = job;
    return ST_OK;
}
