#include "dp/rdp.h"

#include <assert.h>
#include <math.h>

#define ROUNDING 1e-11 /* of log-moments, generously */

/* The trapezoidal rule: points to a standard deviation, and where tails are below 1e-31. */
#define POINTS 4
#define REACH  12

double rdp_order(size_t index)
{
    assert(index < RDP_ORDERS);
    if (index < RDP_FINE)
        return (double)(index + 11) / 10;
    if (index < RDP_FINE + RDP_WHOLE)
        return (double)(index - RDP_FINE + 11);
    if (index < RDP_FINE + RDP_WHOLE + RDP_COARSE)
        return (double)(index - RDP_FINE - RDP_WHOLE) * 8 + 72;
    return index == RDP_ORDERS - 2 ? 512 : 1024;
}

enum status rdp_check(const struct rdp *r)
{
    for (size_t i = 0; i < RDP_ORDERS; i++) {
        if (!isfinite(r->at[i]))
            return ST_NOT_FINITE;
        if (r->at[i] < 0)
            return ST_INVALID;
    }
    return ST_OK;
}

void rdp_add(struct rdp *r, const struct rdp *other)
{
    for (size_t i = 0; i < RDP_ORDERS; i++)
        r->at[i] += other->at[i];
}

/* A sum of exponentials that may each be too large for a double. */
struct log_sum {
    double largest, sum; /* exp(largest) * sum */
};

static void add_exp(struct log_sum *s, double exponent)
{
    if (exponent <= s->largest) {
        s->sum += exp(exponent - s->largest);
    } else {
        s->sum = s->sum * exp(s->largest - exponent) + 1;
        s->largest = exponent;
    }
}

/* log E (..)^alpha by the binomial theorem. */
static double moment_whole(double alpha, double z, double q)
{
    struct log_sum s = {.largest = -INFINITY};
    double binomial = 0; /* log of alpha over k */
    for (double k = 0; k <= alpha; k++) {
        if (k > 0)
            binomial += log((alpha - k + 1) / k);
        add_exp(&s, binomial + k * log(q) + (alpha - k) * log1p(-q) + k * (k - 1) / (2 * z * z));
    }
    return s.largest + log(s.sum);
}

/* log(1 - q + q exp(y)) */
static double log_mixture(double q, double y)
{
    return y > 0 ? y + log(q + (1 - q) * exp(-y)) : log1p(q * expm1(y));
}

/* log E (..)^alpha by the trapezoidal rule. The integrand is analytic in a strip of half
 * width pi z^2, and falls like a Gaussian of width z somewhere between 0 and alpha. */
static double moment_between(double alpha, double z, double q)
{
    double step = z * fmin(z, 1) / POINTS, from = -REACH * z;
    double points = ceil((alpha + 2 * REACH * z) / step);
    struct log_sum s = {.largest = -INFINITY};
    for (double i = 0; i <= points; i++) {
        double x = from + i * step;
        add_exp(&s, alpha * log_mixture(q, (2 * x - 1) / (2 * z * z)) - x * x / (2 * z * z));
    }
    return s.largest + log(s.sum * step / (z * sqrt(2 * M_PI)));
}

static double one_release(double alpha, double z, double q)
{
    if (q == 1)
        return alpha / (2 * z * z);
    double moment = alpha == floor(alpha) ? moment_whole(alpha, z, q) : moment_between(alpha, z, q);
    return (fmax(moment, 0) + ROUNDING) / (alpha - 1);
}

enum status rdp_add_gaussian(struct rdp *r, double z, double q, uint32_t releases)
{
    if (!(z >= RDP_Z_MIN && z <= RDP_Z_MAX) || !(q > 0 && q <= 1) || releases > RDP_RELEASES_MAX)
        return ST_INVALID;
    for (size_t i = 0; i < RDP_ORDERS; i++)
        r->at[i] += releases * one_release(rdp_order(i), z, q);
    return ST_OK;
}

enum status rdp_epsilon(const struct rdp *r, double delta, double *ret_epsilon)
{
    if (!(delta >= RDP_DELTA_MIN && delta < 1))
        return ST_INVALID;
    double least = INFINITY;
    for (size_t i = 0; i < RDP_ORDERS; i++) {
        double alpha = rdp_order(i);
        double epsilon = r->at[i] + log1p(-1 / alpha) - (log(delta) + log(alpha)) / (alpha - 1);
        least = fmin(least, epsilon);
    }
    *ret_epsilon = fmax(least, 0);
    return ST_OK;
}
