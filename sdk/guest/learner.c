/* The way of a guest that learns, around the two functions that are its own. */
#include "fml_guest.h"

#define BATCH_MAX  4096
#define EPOCHS_MAX 1000

enum fml_status fml_training_read(const struct fml_env *env, double rate, struct fml_training *ret)
{
    struct fml_training t = {0};
    const uint64_t any = (uint64_t)1 << 53;

    enum fml_status status = fml_hyperparam_integer(env, "epochs", 1, 1, EPOCHS_MAX, &t.epochs);
    if (status == FML_OK)
        status = fml_hyperparam_integer(env, "batch_size", 32, 1, BATCH_MAX, &t.batch_size);
    if (status == FML_OK)
        status = fml_hyperparam_integer(env, "seed", 1, 0, any, &t.seed);
    if (status == FML_OK)
        status = fml_hyperparam_integer(env, "round", 1, 0, any, &t.round);
    if (status == FML_OK)
        status = fml_hyperparam_real(env, "lr", rate, 0.0, 1000.0, &t.rate);
    if (status == FML_OK)
        status = fml_hyperparam_real(env, "mu", 0.0, 0.0, 1000.0, &t.mu);
    if (status == FML_OK)
        *ret = t;
    return status;
}

struct fml_rng fml_training_rng(const struct fml_training *t, const struct fml_dataset *d)
{
    return (struct fml_rng){t->seed * 1000003 + t->round * 1009 + d->client};
}

/* m: trained in so many steps; NULL: only evaluated */
static enum fml_status leave_update(const struct fml_env *env, const struct fml_dataset *d,
                                    const struct fml_model *m, uint64_t steps,
                                    const struct fml_score *score)
{
    const struct fml_metric metrics[] = {{"loss", score->loss}, {"accuracy", score->accuracy}};
    const struct fml_update update = {
        .model = m,
        .num_samples = d->count,
        .metrics = metrics,
        .metric_count = sizeof metrics / sizeof metrics[0],
        .local_steps = steps,
    };
    return env->update_path == NULL ? fml_update_print(env, &update)
                                    : fml_update_write(env, &update);
}

static enum fml_status learn(const struct fml_learner *l, const struct fml_env *env,
                             const struct fml_dataset *d, struct fml_model *m)
{
    struct fml_training training;
    struct fml_score score;

    if (env->mode == FML_EVALUATE) {
        enum fml_status status = l->evaluate(m, d, &score);
        return status == FML_OK ? leave_update(env, d, NULL, 0, &score) : status;
    }
    enum fml_status status = fml_training_read(env, l->rate, &training);
    if (status == FML_OK)
        status = l->train(m, d, &training, &score);
    if (status != FML_OK)
        return status;
    /* One for each batch of each epoch, the last and smaller one too. More than can be said
     * are not said: most rounds do not ask. */
    uint64_t steps = training.epochs * ((d->count + training.batch_size - 1) / training.batch_size);
    return leave_update(env, d, m, steps > FML_STEPS_MAX ? 0 : steps, &score);
}

int fml_learner_main(const struct fml_learner *l)
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
        status = learn(l, &env, &d, m);
    fml_dataset_done(&d);
    fml_model_free(m);
    fml_env_done(&env);
    return status == FML_OK ? 0 : fml_report(l->name, status);
}
