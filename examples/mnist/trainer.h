/* Trains one model on one device's examples, and evaluates it.
 *
 * The model's tensors choose the network: `dense1.weight` (in, out) and
 * `dense1.bias` (out,) alone are softmax regression; with `dense2.weight` and
 * `dense2.bias` there is one hidden layer with ReLU. */
#ifndef MNIST_TRAINER_H
#define MNIST_TRAINER_H

#include "fml_guest.h"

/* Minibatch SGD on the cross-entropy; changes m's parameters.
 * fails: FML_SHAPE (m is no network for this data), FML_NO_MEMORY; m is then
 *        unchanged */
FML_MUST_CHECK enum fml_status trainer_train(struct fml_model *m, const struct fml_dataset *d,
                                             const struct fml_training *t, struct fml_score *ret);

/* All of d, in its order. fails: as above */
FML_MUST_CHECK enum fml_status trainer_evaluate(const struct fml_model *m,
                                                const struct fml_dataset *d, struct fml_score *ret);

#endif
