/* fml-train: the guest that learns on a device. Reads the round, the base model
 * and the device's data, trains or evaluates, writes the update. What goes wrong
 * it says on standard error, and exits with 1. */
#include "trainer.h"

static enum fml_status leave_update(const struct fml_env *env, const struct fml_dataset *d,
                                    const struct fml_model *trained,
                                    const struct trainer_report *report)
{
    const struct fml_metric metrics[] = {
        {"loss", report->loss},
        {"accuracy", report->accuracy},
    };
    const struct fml_update update = {
        .model = trained,
        .num_samples = d->count,
        .metrics = metrics,
        .metric_count = sizeof metrics / sizeof metrics[0],
    };
    if (env->update_path == NULL)
        return fml_update_print(env, &update);
    return fml_update_write(env, &update);
}

static enum fml_status run(const struct fml_env *env, const struct fml_dataset *d,
                           struct fml_model *m)
{
    struct trainer_options options;
    struct trainer_report report;

    if (env->mode == FML_EVALUATE) {
        enum fml_status status = trainer_evaluate(m, d, &report);
        return status == FML_OK ? leave_update(env, d, NULL, &report) : status;
    }
    enum fml_status status = trainer_options(env, &options);
    if (status == FML_OK)
        status = trainer_train(m, d, &options, &report);
    return status == FML_OK ? leave_update(env, d, m, &report) : status;
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
    return status == FML_OK ? 0 : fml_report("fml-train", status);
}
