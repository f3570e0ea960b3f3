/* The round's facts, from the environment (docs/PROTOCOL.md, section 3). */
#include "fml_guest.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

#define OPTIMISER_PREFIX "optimiser."

struct fml_hyperparams {
    struct fml_json json; /* borrows the environment's text */
};

/* A variable that is set and not empty, or NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum fml_status read_mode(enum fml_mode *ret)
{
    const char *mode = variable("MODE");
    if (mode == NULL || strcmp(mode, "train") == 0)
        *ret = FML_TRAIN;
    else if (strcmp(mode, "evaluate") == 0)
        *ret = FML_EVALUATE;
    else
        return fml_fail(FML_INVALID, "MODE is \"%s\", neither train nor evaluate", mode);
    return FML_OK;
}

static enum fml_status read_hyperparams(struct fml_hyperparams **ret)
{
    const char *text = variable("HYPERPARAMS");
    struct fml_hyperparams *h = calloc(1, sizeof *h);
    if (h == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for HYPERPARAMS");
    if (text == NULL)
        text = "{}";
    enum fml_status status = fml_json_read(&h->json, text, strlen(text), "HYPERPARAMS");
    if (status != FML_OK) {
        free(h);
        return status;
    }
    *ret = h;
    return FML_OK;
}

enum fml_status fml_env_read(struct fml_env *ret)
{
    struct fml_env env = {
        .round_id = variable("ROUND_ID"),
        .model_uri = variable("MODEL_URI"),
        .proplet_id = variable("PROPLET_ID"),
        .model_data = variable("MODEL_DATA"),
        .model_path = variable("MODEL_PATH"),
        .data_dir = variable("DATA_DIR"),
        .update_path = variable("UPDATE_PATH"),
    };
    if (env.round_id == NULL)
        return fml_fail(FML_MISSING, "ROUND_ID is not set");
    if (env.model_uri == NULL)
        return fml_fail(FML_MISSING, "MODEL_URI is not set");
    if (env.proplet_id == NULL)
        env.proplet_id = "";
    enum fml_status status = read_mode(&env.mode);
    if (status == FML_OK)
        status = read_hyperparams(&env.hyperparams);
    if (status == FML_OK)
        *ret = env;
    return status;
}

void fml_env_done(struct fml_env *env)
{
    if (env->hyperparams != NULL)
        fml_json_done(&env->hyperparams->json);
    free(env->hyperparams);
    *env = (struct fml_env){0};
}

enum fml_status fml_hyperparam_real(const struct fml_env *env, const char *name, double fallback,
                                    double min, double max, double *ret)
{
    const struct fml_json *j = &env->hyperparams->json;
    int token = fml_json_find(j, 0, name);
    double value = fallback;
    if (token >= 0 && (!fml_json_real(j, token, &value) || value < min || value > max))
        return fml_fail(FML_INVALID, "hyperparameter %s is not a number of %g to %g", name, min,
                        max);
    *ret = value;
    return FML_OK;
}

enum fml_status fml_hyperparam_integer(const struct fml_env *env, const char *name,
                                       uint64_t fallback, uint64_t min, uint64_t max, uint64_t *ret)
{
    const struct fml_json *j = &env->hyperparams->json;
    int token = fml_json_find(j, 0, name);
    uint64_t value = fallback;
    if (token >= 0 && (!fml_json_whole(j, token, &value) || value < min || value > max))
        return fml_fail(FML_INVALID, "hyperparameter %s is not a whole number of %llu to %llu",
                        name, (unsigned long long)min, (unsigned long long)max);
    *ret = value;
    return FML_OK;
}

static bool is_parameter(const struct fml_tensor *t)
{
    return strncmp(t->name, OPTIMISER_PREFIX, strlen(OPTIMISER_PREFIX)) != 0;
}

/* A base may carry the state of the server's optimiser, which is not ours to train or
 * to send. */
static enum fml_status leave_state_out(struct fml_model **m)
{
    size_t total = fml_model_tensor_count(*m), count = 0;
    const char **names = calloc(total + 1, sizeof *names);
    struct fml_model *params = NULL;
    if (names == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the model's names");
    for (size_t i = 0; i < total; i++)
        if (is_parameter(fml_model_tensor(*m, i)))
            names[count++] = fml_model_tensor(*m, i)->name;
    enum fml_status status = FML_OK;
    if (count < total)
        status = fml_model_subset(*m, names, count, &params);
    free(names);
    if (status == FML_OK && params != NULL) {
        fml_model_free(*m);
        *m = params;
    }
    return status;
}

static enum fml_status decode_base(const void *data, size_t size, struct fml_model **ret)
{
    struct fml_model *m = NULL;
    enum fml_status status = fml_model_decode(data, size, &m);
    if (status == FML_OK)
        status = leave_state_out(&m);
    if (status == FML_OK)
        *ret = m;
    else
        fml_model_free(m);
    return status;
}

enum fml_status fml_env_model(const struct fml_env *env, struct fml_model **ret)
{
    uint8_t *data = NULL;
    size_t size = 0;

    if (env->model_path == NULL && env->model_data == NULL)
        return fml_fail(FML_MISSING, "there is no base model: neither MODEL_PATH nor MODEL_DATA");
    if (env->model_path == NULL)
        return decode_base(env->model_data, strlen(env->model_data), ret);
    enum fml_status status = fml_file_read(env->model_path, FML_MODEL_SIZE_MAX, &data, &size);
    if (status != FML_OK)
        return status;
    status = decode_base(data, size, ret);
    free(data);
    return status;
}
