/* Trains one model on one device's examples, and evaluates it.
 *
 * The model's tensors choose the network: `dense1.weight` (in, out) and
 * `dense1.bias` (out,) alone are softmax regression; with `dense2.weight` and
 * `dense2.bias` there is one hidden layer with ReLU. */
#ifndef MNIST_TRAINER_H
#define MNIST_TRAINER_H

#include "fml_guest.h"

struct trainer_options {
    uint64_t epochs;     /* passes over the data */
    uint64_t batch_size; /* examples per step; the last step of a pass may have fewer */
    uint64_t seed;       /* with round and the device's number, seeds the order */
    uint64_t round;
    double rate; /* of learning */
    double mu;   /* weight of FedProx's term; 0: plain FedAvg */
};

/* Means over the examples, as they were seen: while training, before the step. */
struct trainer_report {
    double loss; /* cross-entropy */
    double accuracy;
};

/* From the hyperparameters epochs, batch_size, seed, round, lr and mu; their
 * defaults are 1, 32, 1, 1, 0.1 and 0. fails: FML_INVALID */
FML_MUST_CHECK enum fml_status trainer_options(const struct fml_env *env,
                                               struct trainer_options *ret);

/* Minibatch SGD; changes m's parameters. The order of examples is drawn from
 * splitmix64, seeded with seed * 1000003 + round * 1009 + d->client.
 * fails: FML_SHAPE (m is no network for this data), FML_NO_MEMORY; m is then
 *        unchanged */
FML_MUST_CHECK enum fml_status trainer_train(struct fml_model *m, const struct fml_dataset *d,
                                             const struct trainer_options *options,
                                             struct trainer_report *ret);

/* All of d, in its order. fails: as above */
FML_MUST_CHECK enum fml_status trainer_evaluate(const struct fml_model *m,
                                                const struct fml_dataset *d,
                                                struct trainer_report *ret);

#endif
