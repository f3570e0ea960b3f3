#include "dp/distributed.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

double distributed_share(double sigma, uint32_t devices)
{
    assert(devices >= 1);
    return sigma / sqrt(devices);
}

double distributed_tau(double sigma, uint32_t devices)
{
    assert(sigma >= DISTRIBUTED_SIGMA_MIN);
    double sum = 0;
    for (uint32_t k = 1; k < devices; k++)
        sum += exp(-2 * M_PI * M_PI * sigma * sigma * k / (k + 1.0));
    return 10 * sum;
}

static bool is_valid(const struct distributed *d, uint32_t releases)
{
    if (!(d->sigma >= DISTRIBUTED_SIGMA_MIN) || !(d->sensitivity > 0))
        return false;
    if (d->devices < 1 || d->devices > DISTRIBUTED_DEVICES_MAX)
        return false;
    if (d->count < 1 || d->count > DISTRIBUTED_COUNT_MAX || releases > RDP_RELEASES_MAX)
        return false;
    double z = sqrt(d->devices) * d->sigma / d->sensitivity;
    return z >= RDP_Z_MIN && z <= RDP_Z_MAX;
}

enum status distributed_add(struct rdp *r, const struct distributed *d, uint32_t releases)
{
    if (!is_valid(d, releases))
        return ST_INVALID;
    double ratio = d->sensitivity / (sqrt(d->devices) * d->sigma);
    double tau = distributed_tau(d->sigma, d->devices), count = (double)d->count;
    double shifted = ratio + tau * sqrt(count);
    for (size_t i = 0; i < RDP_ORDERS; i++) {
        double half = rdp_order(i) / 2;
        r->at[i] += releases * fmin(half * ratio * ratio + tau * count, half * shifted * shifted);
    }
    return ST_OK;
}
