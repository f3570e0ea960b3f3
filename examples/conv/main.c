/* fml-conv: the guest. Reads the round, the base model and the device's images,
 * trains or evaluates, writes the update. */
#include "classifier.h"

static enum fml_status run(const struct fml_env *env, const struct fml_dataset *d,
                           struct fml_model *m)
{
    struct classifier_options options;
    struct classifier_report report = {0};
    enum fml_status status = classifier_options(env, &options);
    if (status == FML_OK)
        status = env->mode == FML_TRAIN ? classifier_train(m, d, &options, &report)
                                        : classifier_evaluate(m, d, &report);
    if (status != FML_OK)
        return status;

    const struct fml_metric metrics[] = {{"loss", report.loss}, {"accuracy", report.accuracy}};
    const struct fml_update update = {
        .model = env->mode == FML_TRAIN ? m : NULL,
        .num_samples = d->count,
        .metrics = metrics,
        .metric_count = sizeof metrics / sizeof metrics[0],
    };
    return env->update_path == NULL ? fml_update_print(env, &update)
                                    : fml_update_write(env, &update);
}

int main(void)
{
    struct fml_env env = {0};
    struct fml_model *m = NULL;
    struct fml_dataset d = {0};

    enum fml_status status = fml_env_read(&env);
    if (status == FML_OK)
        status = fml_env_model(&env, &m);
    if (status == FML_OK && env.data_dir == NULL)
        status = fml_fail(FML_MISSING, "DATA_DIR is not set: this device has no data");
    if (status == FML_OK)
        status = fml_dataset_read(env.data_dir, &d);
    if (status == FML_OK)
        status = run(&env, &d, m);
    fml_dataset_done(&d);
    fml_model_free(m);
    fml_env_done(&env);
    return status == FML_OK ? 0 : fml_report("fml-conv", status);
}
