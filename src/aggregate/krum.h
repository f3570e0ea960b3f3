/* Krum and Multi-Krum: keep the updates that lie among many others.
 *
 * Source: Blanchard et al. 2017, "Machine Learning with Adversaries: Byzantine
 * Tolerant Gradient Descent", NeurIPS 30, arXiv:1703.02757. With n updates of which
 * up to f may be anything, the score of an update is the sum of its squared
 * distances to the n - f - 2 others that are closest to it. Krum keeps the one with
 * the lowest score; Multi-Krum keeps the m with the lowest scores, and the result is
 * their mean, each with the same weight.
 *
 * A score's distances are summed in ascending order. Of equal scores the one whose
 * participant's id comes first is kept: the order of sources, not of arrival.
 *
 * Limits: n >= 2f + 3, else it is refused. m <= n - f. It holds against f who lie
 * about everything, with honest updates that are spread alike; one who stays within
 * that spread is not seen, and honest participants with unusual data are left out
 * round after round. Samples are not looked at. All updates must be to the same base
 * and whole. Work and memory grow with n^2: see distances.h. */
#ifndef AGGREGATE_KRUM_H
#define AGGREGATE_KRUM_H

#include "aggregate/distances.h"

/* Whether n updates can be judged with up to f who lie, to keep m of them.
 * fails: ST_INVALID (n < 2f + 3, m not in 1..n-f), ST_LIMIT (n above
 *        DISTANCES_SOURCES_MAX); why says what is needed */
MUST_CHECK enum status krum_check(size_t n, size_t f, size_t m, struct why *why);

/* d:          of n updates, all sections added; krum_check() passed
 * ret_scores: (n,)
 * fails:      ST_NOMEM */
MUST_CHECK enum status krum_scores(const struct distances *d, size_t f, double *ret_scores);

/* The m of the sources with the lowest scores, in the order of sources and with
 * equal weights: what fold_mean() makes the result of.
 * ret_chosen: (m,), the caller's; refers to what sources refer to
 * fails:      ST_NOMEM */
MUST_CHECK enum status krum_choose(const struct distances *d, size_t f, size_t m,
                                   const struct source *sources, struct source *ret_chosen);

#endif
