#include "aggregate/mean.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define MEAN_MAGIC 0x6d65616eu /* "mean" */

struct mean {
    uint32_t magic;
    size_t param_count;
    uint64_t samples; /* sum of the weights added so far */
    double sum[];     /* (param_count,) of samples_k * params_k */
};

enum status mean_new(size_t param_count, struct mean **ret_mean)
{
    assert(ret_mean != NULL);
    if (param_count < 1 || param_count > MODEL_PARAMS_MAX)
        return ST_INVALID;

    struct mean *m = calloc(1, sizeof *m + param_count * sizeof m->sum[0]);
    if (m == NULL)
        return ST_NOMEM;
    m->magic = MEAN_MAGIC;
    m->param_count = param_count;
    *ret_mean = m;
    return ST_OK;
}

enum status mean_add(struct mean *m, const float *params, uint64_t samples)
{
    assert(m != NULL && m->magic == MEAN_MAGIC && params != NULL);
    if (samples < 1 || samples > UPDATE_SAMPLES_MAX)
        return ST_INVALID;
    /* 2^33 updates of the largest weight: no system lives to see it. */
    assert(m->samples <= UINT64_MAX - samples);

    /* Two passes: an update refused halfway would leave a sum that nobody sent.
     * The first pass is a read of memory that the second needs anyway. */
    for (size_t i = 0; i < m->param_count; i++)
        if (!isfinite(params[i]))
            return ST_NOT_FINITE;

    double weight = (double)samples;
    for (size_t i = 0; i < m->param_count; i++)
        m->sum[i] += weight * (double)params[i];
    m->samples += samples;
    return ST_OK;
}

enum status mean_result(const struct mean *m, float *ret_params)
{
    assert(m != NULL && m->magic == MEAN_MAGIC && ret_params != NULL);
    if (m->samples == 0)
        return ST_INVALID;

    /* A division, not a product with 1 / samples: where all agree, the result
     * is what they agree on, to the last bit. */
    double samples = (double)m->samples;
    for (size_t i = 0; i < m->param_count; i++)
        ret_params[i] = (float)(m->sum[i] / samples);
    return ST_OK;
}

struct mean *mean_free(struct mean *m)
{
    if (m == NULL)
        return NULL;
    assert(m->magic == MEAN_MAGIC);
    /* A later use must trip the assert. Volatile, or the compiler drops the
     * write as dead before free(). */
    *(volatile uint32_t *)&m->magic = 0;
    free(m);
    return NULL;
}
