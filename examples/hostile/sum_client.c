/* Not hostile, but for tests: a client whose update can be predicted. Each
 * parameter of the base model grows by the number at the end of PROPLET_ID
 * ("proplet-3": 3), so that sums over clients are exact. The hyperparameter
 * num_samples (1) is its weight, seconds (0) how long it waits before, and spread (0)
 * how many seconds more for each bit of the number: the updates come one by one. With file
 * (0) of 1 the update is written as safetensors. To evaluate is to report the first
 * parameter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fml_guest.h"

#define SECONDS_MAX 3600.0

static float number_at_the_end(const char *id)
{
    const char *at = id + strlen(id);
    while (at > id && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return (float)strtoul(at, NULL, 10);
}

static enum fml_status add_and_print(const struct fml_env *env, struct fml_model *m)
{
    uint64_t samples = 0, file = 0;
    double seconds = 0.0, spread = 0.0;
    enum fml_status status = fml_hyperparam_integer(env, "num_samples", SUM_CLIENT_SAMPLES, 1,
                                                    FML_SAMPLES_MAX, &samples);
    if (status == FML_OK)
        status = fml_hyperparam_real(env, "seconds", 0.0, 0.0, SECONDS_MAX, &seconds);
    if (status == FML_OK)
        status = fml_hyperparam_real(env, "spread", 0.0, 0.0, SECONDS_MAX, &spread);
    if (status == FML_OK)
        status = fml_hyperparam_integer(env, "file", 0, 0, 1, &file);
    if (status != FML_OK)
        return status;
    float number = number_at_the_end(env->proplet_id);
    usleep((useconds_t)((seconds + spread * log2(1.0 + (double)number)) * 1e6));

    if (env->mode == FML_EVALUATE) {
        const struct fml_metric first[] = {{"first", (double)fml_model_params(m)[0]}};
        return fml_update_print(env, &(struct fml_update){NULL, samples, first, 1, 0});
    }
    for (size_t i = 0; i < fml_model_param_count(m); i++)
        fml_model_params(m)[i] += number;
    const struct fml_metric metrics[] = {{"number", (double)number}};
    const struct fml_update update = {m, samples, metrics, 1, 0};
    return file == 1 ? fml_update_write(env, &update) : fml_update_print(env, &update);
}

int main(void)
{
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    enum fml_status status = fml_env_read(&env);
    if (status == FML_OK)
        status = fml_env_model(&env, &m);
    if (status == FML_OK)
        status = add_and_print(&env, m);
    fml_model_free(m);
    fml_env_done(&env);
    return status == FML_OK ? 0 : fml_report("sum_client", status);
}
