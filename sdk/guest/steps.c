/* Optimisers: one step from a gradient to new parameters. */
#include "fml_guest.h"

#include <math.h>

void fml_sgd_step(size_t count, float rate, const float *g, float *w)
{
    for (size_t i = 0; i < count; i++)
        w[i] -= rate * g[i];
}

void fml_momentum_step(size_t count, float rate, float momentum, const float *g, float *v, float *w)
{
    for (size_t i = 0; i < count; i++) {
        v[i] = momentum * v[i] + g[i];
        w[i] -= rate * v[i];
    }
}

/* The two corrections are the same for all parameters, so they go into the rate
 * and epsilon, as the paper says at the end of its section 2. */
void fml_adam_step(size_t count, const struct fml_adam *o, uint64_t step, const float *g, float *m,
                   float *v, float *w)
{
    double first = 1.0 - pow(o->beta1, (double)step);
    double second = sqrt(1.0 - pow(o->beta2, (double)step));
    float rate = (float)(o->rate * second / first);
    float epsilon = (float)(o->epsilon * second);
    float beta1 = (float)o->beta1, beta2 = (float)o->beta2;
    float rest1 = (float)(1.0 - o->beta1), rest2 = (float)(1.0 - o->beta2);

    for (size_t i = 0; i < count; i++) {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i];
        w[i] -= rate * m[i] / (sqrtf(v[i]) + epsilon);
    }
}

void fml_proximal(size_t count, float mu, const float *w, const float *base, float *g)
{
    for (size_t i = 0; i < count; i++)
        g[i] += mu * (w[i] - base[i]);
}
