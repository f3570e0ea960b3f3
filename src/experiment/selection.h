/* Who is asked in a round. Of the eligible those are whose SHA-256 of (seed, round,
 * id) is lowest: uniform without replacement, as McMahan et al. 2017, arXiv:1602.05629,
 * Algorithm 1, line 4 draws them, but of nothing but these three. So the order in which
 * devices are named does not matter, a repetition chooses the same, and one device more
 * or less changes at most one place (this is bottom-k sampling: Cohen and Kaplan 2007,
 * "Summarizing data using bottom-k sketches", PODC). */
#ifndef EXPERIMENT_SELECTION_H
#define EXPERIMENT_SELECTION_H

#include "fl/experiment_start.h"

/* Who trains: of those alive, those who may and do not evaluate.
 * alive:   (count,), borrowed; one that is named twice counts once
 * carries: those who train already, of earlier rounds: they are there, and are not asked
 *          again. Those of them that are alive are of those that selection.count says: who
 *          is not takes no place, and may count all the same. Borrowed
 * gives: *ret (*ret_count,), to be freed with free(); NULL and 0: fewer than
 *        selection.min are there, or as many train already as may. fails: ST_NOMEM */
MUST_CHECK enum status selection_train(const struct experiment_start *start, uint32_t round,
                                       const struct id *alive, size_t count,
                                       const struct asynchronous *carries, struct id **ret,
                                       size_t *ret_count);

/* How many of those that it carries are alive. As selection_train(); gives: *ret */
MUST_CHECK enum status selection_busy(const struct id *alive, size_t count,
                                      const struct asynchronous *carries, size_t *ret);

/* Who evaluates: all evaluators that are alive, in the order of the start.
 * As selection_train(); NULL and 0: none is there. */
MUST_CHECK enum status selection_evaluate(const struct experiment_start *start,
                                          const struct id *alive, size_t count, struct id **ret,
                                          size_t *ret_count);

#endif
