/* Layers of a network, forward and backward. Rumelhart, Hinton, Williams 1986,
 * "Learning representations by back-propagating errors", Nature 323. */
#include "fml_guest.h"

#include <math.h>

void fml_dense_forward(size_t batch, size_t in, size_t out, const float *x, const float *w,
                       const float *b, float *ret_y)
{
    fml_matmul(batch, out, in, x, w, ret_y);
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < out; j++)
            ret_y[i * out + j] += b[j];
}

void fml_dense_backward(size_t batch, size_t in, size_t out, const float *x, const float *w,
                        const float *dy, float *ret_dw, float *ret_db, float *ret_dx)
{
    fml_matmul_ta(in, out, batch, x, dy, ret_dw);
    for (size_t j = 0; j < out; j++)
        ret_db[j] = 0.0f;
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < out; j++)
            ret_db[j] += dy[i * out + j];
    if (ret_dx != NULL)
        fml_matmul_tb(batch, in, out, dy, w, ret_dx);
}

void fml_relu_forward(size_t count, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = y[i] > 0.0f ? y[i] : 0.0f;
}

void fml_relu_backward(size_t count, const float *y, float *dy)
{
    for (size_t i = 0; i < count; i++)
        dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

/* One row of fml_softmax_loss(). The largest logit is taken off first, so that
 * no exponential overflows. */
static double softmax_row(size_t classes, float *z, unsigned label, float batch)
{
    float max = z[0];
    for (size_t j = 1; j < classes; j++)
        max = z[j] > max ? z[j] : max;
    double loss = (double)max - (double)z[label];

    float sum = 0.0f;
    for (size_t j = 0; j < classes; j++) {
        z[j] = expf(z[j] - max);
        sum += z[j];
    }
    for (size_t j = 0; j < classes; j++)
        z[j] = (z[j] / sum - (j == label ? 1.0f : 0.0f)) / batch;
    return loss + log((double)sum);
}

double fml_softmax_loss(size_t batch, size_t classes, float *z, const uint8_t *labels)
{
    double loss = 0.0;
    for (size_t i = 0; i < batch; i++)
        loss += softmax_row(classes, z + i * classes, labels[i], (float)batch);
    return loss;
}

size_t fml_count_correct(size_t batch, size_t classes, const float *z, const uint8_t *labels)
{
    size_t correct = 0;
    for (size_t i = 0; i < batch; i++) {
        const float *row = z + i * classes;
        size_t best = 0;
        for (size_t j = 1; j < classes; j++)
            if (row[j] > row[best])
                best = j;
        correct += best == labels[i];
    }
    return correct;
}
