#include "dp/fit.h"

#include <assert.h>
#include <math.h>

#define EXPECTED_MIN 10

struct sum {
    double chi_square;
    unsigned bins;
};

static void add(struct sum *sum, double count, double expected)
{
    double off = count - expected;
    sum->chi_square += off * off / expected;
    sum->bins++;
}

double fit_deviation(const uint64_t *counts, const double *probabilities, size_t bins)
{
    double total = 0, rest = 0, rest_expected = 0;
    for (size_t i = 0; i < bins; i++)
        total += (double)counts[i];
    struct sum sum = {0};
    for (size_t i = 0; i < bins; i++) {
        double expected = total * probabilities[i];
        if (expected >= EXPECTED_MIN) {
            add(&sum, (double)counts[i], expected);
        } else {
            rest += (double)counts[i];
            rest_expected += expected;
        }
    }
    if (rest_expected >= EXPECTED_MIN)
        add(&sum, rest, rest_expected);
    else if (rest > 10 * EXPECTED_MIN) /* there is much where nearly nothing should be */
        return INFINITY;
    assert(sum.bins >= 2);
    double freedom = sum.bins - 1, width = 2 / (9 * freedom);
    return (cbrt(sum.chi_square / freedom) - (1 - width)) / sqrt(width);
}
