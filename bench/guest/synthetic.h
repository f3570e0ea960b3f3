/* A device's folder and a base model of MNIST's size, made from numbers alone. */
#ifndef BENCH_SYNTHETIC_H
#define BENCH_SYNTHETIC_H

#include "fml_guest.h"

#define SYNTHETIC_EXAMPLES 6000 /* a tenth of MNIST */
#define SYNTHETIC_SIDE     28
#define SYNTHETIC_CLASSES  10

/* Writes images.idx3-ubyte, labels.idx1-ubyte and dataset.json into dir: noisy
 * copies of one random image per class, which a network can learn. */
FML_MUST_CHECK enum fml_status synthetic_data(const char *dir);

/* Writes a base model to path: 784-hidden-10 with ReLU, or softmax regression if
 * hidden is 0. Glorot's uniform initial weights, biases of 0. */
FML_MUST_CHECK enum fml_status synthetic_model(const char *path, size_t hidden);

#endif
