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

/* Minibatches with Adam, which begins anew each time; changes m's parameters.
 * fails: FML_SHAPE (m is no such network for this data), FML_INVALID, FML_LIMIT,
 *        FML_NO_MEMORY; m is then unchanged */
FML_MUST_CHECK enum fml_status classifier_train(struct fml_model *m, const struct fml_dataset *d,
                                                const struct fml_training *o,
                                                struct fml_score *ret);

/* All of d, in its order. fails: as above */
FML_MUST_CHECK enum fml_status
classifier_evaluate(const struct fml_model *m, const struct fml_dataset *d, struct fml_score *ret);

#endif
