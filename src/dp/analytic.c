#include "dp/analytic.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#define BISECTIONS        100 /* more than a double has bits to tell apart */
#define ASYMPTOTIC_BEGINS 10  /* where erfc() soon is 0, and ten terms are a double */
#define ASYMPTOTIC_TERMS  10

/* exp(x^2) erfc(x), x >= 0: what is left of a tail without its Gaussian factor. */
static double scaled_erfc(double x)
{
    if (x < ASYMPTOTIC_BEGINS)
        return exp(x * x) * erfc(x);
    double term = 1, sum = 1;
    for (int k = 1; k <= ASYMPTOTIC_TERMS; k++) {
        term *= -(2 * k - 1) / (2 * x * x);
        sum += term;
    }
    return sum / (x * sqrt(M_PI));
}

/* With a = 1/(2 sigma) + epsilon sigma and b = 1/(2 sigma) - epsilon sigma, a^2 - b^2 is
 * 2 epsilon: the second term is exp(-b^2 / 2) times a scaled tail, so that exp(epsilon)
 * never stands alone. For b < 0 both terms have that factor. */
double analytic_delta(double epsilon, double sigma)
{
    assert(epsilon >= 0 && epsilon <= ANALYTIC_EPSILON_MAX);
    assert(sigma >= ANALYTIC_SIGMA_MIN && sigma <= ANALYTIC_SIGMA_MAX);
    double a = 1 / (2 * sigma) + epsilon * sigma, b = 1 / (2 * sigma) - epsilon * sigma;
    double factor = exp(-b * b / 2) / 2, second = factor * scaled_erfc(a * M_SQRT1_2);
    double first = b < 0 ? factor * scaled_erfc(-b * M_SQRT1_2) : erfc(-b * M_SQRT1_2) / 2;
    return fmax(first - second, 0);
}

static bool is_delta(double delta)
{
    return delta >= ANALYTIC_DELTA_MIN && delta < 1;
}

enum status analytic_sigma(double epsilon, double delta, double *ret_sigma)
{
    if (!(epsilon > 0 && epsilon <= ANALYTIC_EPSILON_MAX) || !is_delta(delta))
        return ST_INVALID;
    double low = ANALYTIC_SIGMA_MIN, high = ANALYTIC_SIGMA_MAX;
    if (analytic_delta(epsilon, low) <= delta || analytic_delta(epsilon, high) > delta)
        return ST_LIMIT;
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = sqrt(low * high);
        if (analytic_delta(epsilon, middle) <= delta)
            high = middle;
        else
            low = middle;
    }
    *ret_sigma = high;
    return ST_OK;
}

enum status analytic_epsilon(double sigma, double delta, double *ret_epsilon)
{
    if (!(sigma >= ANALYTIC_SIGMA_MIN && sigma <= ANALYTIC_SIGMA_MAX) || !is_delta(delta))
        return ST_INVALID;
    double low = 0, high = ANALYTIC_EPSILON_MAX;
    assert(analytic_delta(high, sigma) <= delta);
    if (analytic_delta(0, sigma) <= delta)
        high = 0;
    for (int i = 0; i < BISECTIONS && high > 0; i++) {
        double middle = (low + high) / 2;
        if (analytic_delta(middle, sigma) <= delta)
            high = middle;
        else
            low = middle;
    }
    *ret_epsilon = high;
    return ST_OK;
}
