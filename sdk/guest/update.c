/* The update that a guest leaves (docs/PROTOCOL.md, section 2.2). */
#include "fml_guest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define METRIC_NAME_MAX ((size_t)64)
#define NAME_LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

static enum fml_status check(const struct fml_update *u)
{
    if (u->num_samples < 1 || u->num_samples > FML_SAMPLES_MAX)
        return fml_fail(FML_INVALID, "num_samples is %llu, not 1 to %llu",
                        (unsigned long long)u->num_samples, (unsigned long long)FML_SAMPLES_MAX);
    if (u->local_steps > FML_STEPS_MAX)
        return fml_fail(FML_INVALID, "local_steps is %llu, more than %llu",
                        (unsigned long long)u->local_steps, (unsigned long long)FML_STEPS_MAX);
    if (u->metric_count > FML_METRICS_MAX)
        return fml_fail(FML_INVALID, "there are %zu metrics, more than %d", u->metric_count,
                        FML_METRICS_MAX);
    for (size_t i = 0; i < u->metric_count; i++) {
        const char *name = u->metrics[i].name;
        size_t size = strlen(name);
        if (size == 0 || size > METRIC_NAME_MAX || strspn(name, NAME_LETTERS) != size)
            return fml_fail(FML_INVALID, "\"%s\" cannot be a metric's name", name);
        if (!isfinite(u->metrics[i].value))
            return fml_fail(FML_NOT_FINITE, "the metric %s is not finite", name);
    }
    return u->model == NULL ? FML_OK : fml_model_check_finite(u->model);
}

static enum fml_status set_facts(const struct fml_env *env, const struct fml_update *u,
                                 struct fml_model *m)
{
    char samples[24], steps[24];
    struct fml_text metrics = {0};

    snprintf(samples, sizeof samples, "%llu", (unsigned long long)u->num_samples);
    snprintf(steps, sizeof steps, "%llu", (unsigned long long)u->local_steps);
    fml_text_add_metrics(&metrics, u->metrics, u->metric_count);
    if (metrics.failed)
        return fml_fail(FML_NO_MEMORY, "no memory for the metrics");
    enum fml_status status = fml_model_set_text(m, "round_id", env->round_id);
    if (status == FML_OK)
        status = fml_model_set_text(m, "base_model_uri", env->model_uri);
    if (status == FML_OK)
        status = fml_model_set_text(m, "num_samples", samples);
    if (status == FML_OK && u->local_steps > 0)
        status = fml_model_set_text(m, "local_steps", steps);
    if (status == FML_OK)
        status = fml_model_set_text(m, "metrics", metrics.data);
    fml_text_done(&metrics);
    return status;
}

enum fml_status fml_update_write(const struct fml_env *env, const struct fml_update *update)
{
    struct fml_model *m = NULL;
    uint8_t *data = NULL;
    size_t size = 0;

    if (env->update_path == NULL)
        return fml_fail(FML_MISSING, "UPDATE_PATH is not set");
    enum fml_status status = check(update);
    if (status != FML_OK)
        return status;
    if (update->model == NULL)
        status = fml_model_new(NULL, 0, &m);
    else
        status = fml_model_copy(update->model, &m);
    if (status == FML_OK)
        status = set_facts(env, update, m);
    if (status == FML_OK)
        status = fml_model_encode(m, &data, &size);
    if (status == FML_OK)
        status = fml_file_write(env->update_path, data, size);
    free(data);
    fml_model_free(m);
    return status;
}

/* Nested arrays in the tensor's shape; 9 digits give every float32 back. */
static void add_values(struct fml_text *t, const struct fml_tensor *tensor, size_t axis,
                       const float **at)
{
    if (axis == tensor->rank) {
        fml_text_add(t, "%.9g", (double)*(*at)++);
        return;
    }
    fml_text_add(t, "[");
    for (size_t i = 0; i < tensor->shape[axis]; i++) {
        fml_text_add(t, "%s", i > 0 ? "," : "");
        add_values(t, tensor, axis + 1, at);
    }
    fml_text_add(t, "]");
}

static void add_update(struct fml_text *t, const struct fml_env *env, const struct fml_update *u)
{
    size_t count = u->model == NULL ? 0 : fml_model_tensor_count(u->model);
    fml_text_add(t, "{\"round_id\":");
    fml_text_add_string(t, env->round_id);
    fml_text_add(t, ",\"base_model_uri\":");
    fml_text_add_string(t, env->model_uri);
    fml_text_add(t, ",\"num_samples\":%llu", (unsigned long long)u->num_samples);
    if (u->local_steps > 0)
        fml_text_add(t, ",\"local_steps\":%llu", (unsigned long long)u->local_steps);
    fml_text_add(t, ",\"metrics\":");
    fml_text_add_metrics(t, u->metrics, u->metric_count);
    fml_text_add(t, ",\"update\":{");
    for (size_t i = 0; i < count; i++) {
        const struct fml_tensor *tensor = fml_model_tensor(u->model, i);
        const float *at = tensor->data;
        fml_text_add(t, "%s", i > 0 ? "," : "");
        fml_text_add_string(t, tensor->name);
        fml_text_add(t, ":");
        add_values(t, tensor, 0, &at);
    }
    fml_text_add(t, "}}\n");
}

enum fml_status fml_update_print(const struct fml_env *env, const struct fml_update *update)
{
    struct fml_text t = {0};
    enum fml_status status = check(update);
    if (status != FML_OK)
        return status;
    add_update(&t, env, update);
    if (t.failed)
        status = fml_fail(FML_NO_MEMORY, "no memory for the update");
    else if (fwrite(t.data, 1, t.size, stdout) != t.size || fflush(stdout) != 0)
        status = fml_fail(FML_IO, "standard output took no update");
    fml_text_done(&t);
    return status;
}
