#include "aggregate/krum.h"

#include <assert.h>
#include <stdlib.h>

enum status krum_check(size_t n, size_t f, size_t m, struct why *why)
{
    if (n > DISTANCES_SOURCES_MAX) {
        why_set(why,
                "Krum compares each update with each other: %zu are more than its limit of %zu", n,
                DISTANCES_SOURCES_MAX);
        return ST_LIMIT;
    }
    if (f > n || n < 2 * f + 3) {
        why_set(why, "Krum against %zu who lie needs at least %zu updates, not %zu", f, 2 * f + 3,
                n);
        return ST_INVALID;
    }
    if (m < 1 || m > n - f) {
        why_set(why, "of %zu updates, %zu of which may lie, 1 to %zu can be kept, not %zu", n, f,
                n - f, m);
        return ST_INVALID;
    }
    return ST_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* others: (count - 1,), scratch */
static double score(const struct distances *d, size_t i, size_t nearest, double *others)
{
    size_t count = distances_source_count(d), filled = 0;
    for (size_t j = 0; j < count; j++)
        if (j != i)
            others[filled++] = distances_squared(d, i, j);
    qsort(others, filled, sizeof others[0], compare);
    double sum = 0;
    for (size_t k = 0; k < nearest; k++)
        sum += others[k];
    return sum;
}

enum status krum_scores(const struct distances *d, size_t f, double *ret_scores)
{
    size_t count = distances_source_count(d);
    assert(count >= 2 * f + 3 && ret_scores != NULL);
    double *others = malloc(count * sizeof others[0]);
    if (others == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < count; i++)
        ret_scores[i] = score(d, i, count - f - 2, others);
    free(others);
    return ST_OK;
}

/* How many come before i: a lower score, or the same and an earlier id. */
static size_t rank(const double *scores, size_t count, size_t i)
{
    size_t before = 0;
    for (size_t j = 0; j < count; j++)
        before += scores[j] < scores[i] || (scores[j] == scores[i] && j < i);
    return before;
}

enum status krum_choose(const struct distances *d, size_t f, size_t m, const struct source *sources,
                        struct source *ret_chosen)
{
    size_t count = distances_source_count(d);
    assert(m >= 1 && m <= count - f && sources != NULL && ret_chosen != NULL);
    double *scores = malloc(count * sizeof scores[0]);
    if (scores == NULL)
        return ST_NOMEM;
    enum status status = krum_scores(d, f, scores);
    for (size_t i = 0; i < count && status == ST_OK; i++)
        if (rank(scores, count, i) < m) {
            *ret_chosen = sources[i];
            ret_chosen->weight = 1;
            ret_chosen++;
        }
    free(scores);
    return status;
}
