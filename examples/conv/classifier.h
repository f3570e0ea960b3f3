/* A small convolutional network for square images of one channel:
 *
 *     window of 3 x 3 -> ReLU -> max-pool of 2 x 2 -> dense
 *
 * Its tensors are conv1.weight (3, 3, 1, C), conv1.bias (C,), dense1.weight
 * (side / 2 * side / 2 * C, classes) and dense1.bias (classes,); C is as many
 * channels as the model has. */
#ifndef CONV_CLASSIFIER_H
#define CONV_CLASSIFIER_H

#include "fml_guest.h"

struct classifier_options {
    uint64_t epochs;     /* passes over the data */
    uint64_t batch_size; /* examples per step; the last step of a pass may have fewer */
    uint64_t seed;       /* with round and the device's number, seeds the order */
    uint64_t round;
    double rate; /* of Adam */
    double mu;   /* weight of FedProx's term; 0: none */
};

/* Means over the examples, as they were seen: while training, before the step. */
struct classifier_report {
    double loss; /* cross-entropy */
    double accuracy;
};

/* From the hyperparameters epochs, batch_size, seed, round, lr and mu; their
 * defaults are 1, 32, 1, 1, 0.001 and 0. fails: FML_INVALID */
FML_MUST_CHECK enum fml_status classifier_options(const struct fml_env *env,
                                                  struct classifier_options *ret);

/* Minibatches with Adam, which begins anew each time; changes m's parameters.
 * fails: FML_SHAPE (m is no such network for this data), FML_INVALID, FML_LIMIT,
 *        FML_NO_MEMORY; m is then unchanged */
FML_MUST_CHECK enum fml_status classifier_train(struct fml_model *m, const struct fml_dataset *d,
                                                const struct classifier_options *o,
                                                struct classifier_report *ret);

/* All of d, in its order. fails: as above */
FML_MUST_CHECK enum fml_status classifier_evaluate(const struct fml_model *m,
                                                   const struct fml_dataset *d,
                                                   struct classifier_report *ret);

#endif
