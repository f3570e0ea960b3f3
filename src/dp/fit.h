/* For tests only: do counts fit probabilities? Pearson's chi-square. */
#ifndef DP_FIT_H
#define DP_FIT_H

#include <stddef.h>
#include <stdint.h>

/* How many standard deviations of a normal variable the chi-square of counts lies above
 * what is expected (Wilson and Hilferty 1931): above FIT_BAD in one of a million draws from
 * the right distribution.
 * counts, probabilities: (bins,), at least two; probabilities sum to 1. Bins that expect
 * fewer than 10 are thrown together. */
double fit_deviation(const uint64_t *counts, const double *probabilities, size_t bins);

#define FIT_BAD 4.7534

#endif
