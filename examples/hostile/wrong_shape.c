/* An update whose first tensor is longer than the base model's. */
#include "fml_guest.h"

static enum fml_status stretch(const struct fml_model *base, struct fml_model **ret)
{
    struct fml_tensor tensors[FML_RANK_MAX];
    size_t count = fml_model_tensor_count(base);

    if (count < 1 || count > FML_RANK_MAX)
        return fml_fail(FML_SHAPE, "the base model has %zu tensors", count);
    for (size_t i = 0; i < count; i++)
        tensors[i] = *fml_model_tensor(base, i);
    if (tensors[0].rank == 0) { /* a scalar becomes a vector of two */
        tensors[0].rank = 1;
        tensors[0].shape[0] = 1;
    }
    tensors[0].shape[0]++;
    return fml_model_new(tensors, count, ret);
}

int main(void)
{
    struct fml_env env = {0};
    struct fml_model *base = NULL;
    struct fml_model *stretched = NULL;
    enum fml_status status = fml_env_read(&env);
    if (status == FML_OK)
        status = fml_env_model(&env, &base);
    if (status == FML_OK)
        status = stretch(base, &stretched);
    if (status == FML_OK)
        status =
            fml_update_write(&env, &(struct fml_update){.model = stretched, .num_samples = 10});
    fml_model_free(stretched);
    fml_model_free(base);
    fml_env_done(&env);
    return status == FML_OK ? 0 : fml_report("wrong_shape", status);
}
