/* Accuracy over rounds, drawn by gnuplot: a sketch on the terminal and a file. */
#ifndef CLI_CURVE_H
#define CLI_CURVE_H

#include "base/bytes.h"

#define CURVES_MAX 4u

struct curve {
    const char *label;
    const double *values; /* (count,) at x = 1, 2, ...; NaN is left out */
    size_t count;
};

/* Appends gnuplot's script: everything it needs is in it. Pure.
 * fails: ST_INVALID (nothing to draw), ST_NOMEM, ST_LIMIT */
MUST_CHECK enum status curve_script(const struct curve *curves, size_t count, const char *png_path,
                                    struct bytes *out);

/* Writes accuracy.gp and accuracy.png into folder and the sketch on standard
 * output. fails: as curve_script(), ST_NOT_FOUND (no gnuplot), ST_IO, with a sentence */
MUST_CHECK enum status curve_draw(const struct curve *curves, size_t count, const char *folder,
                                  struct why *why);

#endif
