#include "cli/split.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A standard normal draw: Marsaglia and Bray's polar method. */
static double normal_draw(struct rand *r)
{
    for (;;) {
        double u = 2 * rand_unit(r) - 1;
        double v = 2 * rand_unit(r) - 1;
        double s = u * u + v * v;
        if (s > 0 && s < 1)
            return u * sqrt(-2 * log(s) / s);
    }
}

/* Uniform in (0, 1]: its logarithm is finite. */
static double unit_above_zero(struct rand *r)
{
    return 1 - rand_unit(r);
}

/* Marsaglia and Tsang 2000, "A simple method for generating gamma variables",
 * ACM TOMS 26(3): for alpha >= 1, d v with v = (1 + c x)^3. */
static double log_gamma_draw_from_1(double alpha, struct rand *r)
{
    double d = alpha - 1.0 / 3;
    double c = 1 / sqrt(9 * d);
    for (;;) {
        double x = normal_draw(r);
        double v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(unit_above_zero(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return log(d) + log(v);
    }
}

double split_log_gamma_draw(double alpha, struct rand *r)
{
    assert(alpha > 0);
    if (alpha >= 1)
        return log_gamma_draw_from_1(alpha, r);
    /* Same paper, section 6: Gamma(alpha) = Gamma(alpha + 1) U^(1/alpha). */
    double boosted = log_gamma_draw_from_1(alpha + 1, r);
    return boosted + log(unit_above_zero(r)) / alpha;
}

void split_dirichlet_draw(double alpha, uint32_t count, struct rand *r, double *ret_shares)
{
    assert(count >= 1);
    double highest = -INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        ret_shares[i] = split_log_gamma_draw(alpha, r);
        highest = fmax(highest, ret_shares[i]);
    }
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        ret_shares[i] = exp(ret_shares[i] - highest); /* the highest becomes 1 */
        sum += ret_shares[i];
    }
    for (uint32_t i = 0; i < count; i++)
        ret_shares[i] /= sum;
}

static void shuffle(uint32_t *items, uint32_t count, struct rand *r)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)rand_below(r, i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* Cuts the shuffled examples of one label at the running sum of shares. */
static void deal(const uint32_t *examples, uint32_t count, const double *shares, uint32_t devices,
                 uint32_t *device)
{
    double sum = 0;
    uint32_t from = 0;
    for (uint32_t d = 0; d < devices; d++) {
        sum += shares[d];
        uint32_t to = d + 1 == devices ? count : (uint32_t)(fmin(sum, 1) * count);
        for (; from < to; from++)
            device[examples[from]] = d;
    }
}

/* A device that got nothing takes one example from the one that has most. */
static void feed_the_empty(uint32_t *device, uint32_t count, uint32_t *sizes, uint32_t devices)
{
    memset(sizes, 0, devices * sizeof *sizes);
    for (uint32_t i = 0; i < count; i++)
        sizes[device[i]]++;
    for (uint32_t d = 0; d < devices; d++) {
        if (sizes[d] > 0)
            continue;
        uint32_t largest = 0;
        for (uint32_t e = 1; e < devices; e++)
            if (sizes[e] > sizes[largest])
                largest = e;
        uint32_t i = 0;
        while (device[i] != largest)
            i++;
        device[i] = d;
        sizes[largest]--;
        sizes[d]++;
    }
}

static enum status check(uint32_t count, uint32_t devices, double alpha, struct why *why)
{
    if (devices < 1 || devices > SPLIT_DEVICES_MAX)
        why_set(why, "%u devices: it must be 1 to %u", devices, SPLIT_DEVICES_MAX);
    else if (!(alpha >= SPLIT_ALPHA_MIN && alpha <= SPLIT_ALPHA_MAX))
        why_set(why, "alpha is %g: it must be %g to %g", alpha, SPLIT_ALPHA_MIN, SPLIT_ALPHA_MAX);
    else if (count < devices)
        why_set(why, "%u examples are too few for %u devices", count, devices);
    else
        return ST_OK;
    return ST_INVALID;
}

enum status split_by_label(const uint8_t *labels, uint32_t count, uint32_t devices, double alpha,
                           uint64_t seed, uint32_t *ret_device, struct why *why)
{
    assert(labels != NULL && ret_device != NULL);
    enum status status = check(count, devices, alpha, why);
    if (status != ST_OK)
        return status;

    uint32_t *examples = malloc(count * sizeof *examples);
    double *shares = malloc(devices * sizeof *shares);
    uint32_t *sizes = malloc(devices * sizeof *sizes);
    if (examples == NULL || shares == NULL || sizes == NULL) {
        status = ST_NOMEM;
        goto done;
    }
    struct rand r = {seed};
    for (unsigned label = 0; label <= UINT8_MAX; label++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < count; i++)
            if (labels[i] == label)
                examples[found++] = i;
        if (found == 0)
            continue;
        shuffle(examples, found, &r);
        split_dirichlet_draw(alpha, devices, &r, shares);
        deal(examples, found, shares, devices, ret_device);
    }
    feed_the_empty(ret_device, count, sizes, devices);
done:
    free(examples);
    free(shares);
    free(sizes);
    return status;
}
