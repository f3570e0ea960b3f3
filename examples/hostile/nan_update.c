/* An update as it should be, but for one parameter that is not a number. The
 * library refuses to write such a one, so this does it by hand. */
#include <math.h>
#include <stdlib.h>

#include "fml_guest.h"

static enum fml_status spoil(const struct fml_env *env, struct fml_model *m)
{
    uint8_t *data = NULL;
    size_t size = 0;

    if (env->update_path == NULL)
        return fml_fail(FML_MISSING, "UPDATE_PATH is not set");
    fml_model_params(m)[0] = NAN;
    enum fml_status status = fml_model_set_text(m, "round_id", env->round_id);
    if (status == FML_OK)
        status = fml_model_set_text(m, "base_model_uri", env->model_uri);
    if (status == FML_OK)
        status = fml_model_set_text(m, "num_samples", "10");
    if (status == FML_OK)
        status = fml_model_set_text(m, "metrics", "{\"loss\":0.5}");
    if (status == FML_OK)
        status = fml_model_encode(m, &data, &size);
    if (status == FML_OK)
        status = fml_file_write(env->update_path, data, size);
    free(data);
    return status;
}

int main(void)
{
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    enum fml_status status = fml_env_read(&env);
    if (status == FML_OK)
        status = fml_env_model(&env, &m);
    if (status == FML_OK)
        status = spoil(&env, m);
    fml_model_free(m);
    fml_env_done(&env);
    return status == FML_OK ? 0 : fml_report("nan_update", status);
}
