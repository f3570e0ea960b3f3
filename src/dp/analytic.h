/* One release with Gaussian noise, as exactly as it can be said: the analytic Gaussian
 * mechanism.
 *
 * Source: Balle and Wang 2018, arXiv:1805.06083, Theorem 8: noise N(0, sigma^2) on
 * something of sensitivity 1 is (epsilon, delta)-private if and only if
 *     Phi(1/(2 sigma) - epsilon sigma) - exp(epsilon) Phi(-1/(2 sigma) - epsilon sigma) <= delta.
 * (Their sigma is ours; another sensitivity D is a sigma of sigma / D.) The sigma of the
 * classic formula sqrt(2 ln(1.25 / delta)) / epsilon is larger, and wrong above epsilon 1.
 *
 * It is of the continuous Gaussian and of one release. What is composed, sampled or
 * discrete is counted in rdp.h. */
#ifndef DP_ANALYTIC_H
#define DP_ANALYTIC_H

#include "base/status.h"

#define ANALYTIC_EPSILON_MAX 2000.0 /* above what ANALYTIC_SIGMA_MIN reaches */
#define ANALYTIC_SIGMA_MIN   0.02
#define ANALYTIC_SIGMA_MAX   1e6
#define ANALYTIC_DELTA_MIN   1e-30

/* The smallest delta, 0..1, relative error below 1e-8.
 * epsilon: 0..ANALYTIC_EPSILON_MAX; sigma: ANALYTIC_SIGMA_MIN..ANALYTIC_SIGMA_MAX */
double analytic_delta(double epsilon, double sigma);

/* The smallest sigma, by bisection, from above.
 * fails: ST_INVALID (epsilon not above 0 or above ANALYTIC_EPSILON_MAX; delta not in
 *        ANALYTIC_DELTA_MIN..1, without 1), ST_LIMIT (it is not between ANALYTIC_SIGMA_MIN
 *        and ANALYTIC_SIGMA_MAX) */
MUST_CHECK enum status analytic_sigma(double epsilon, double delta, double *ret_sigma);

/* The smallest epsilon, by bisection, from above; 0 if none is needed.
 * fails: ST_INVALID (sigma or delta out of range) */
MUST_CHECK enum status analytic_epsilon(double sigma, double delta, double *ret_epsilon);

#endif
