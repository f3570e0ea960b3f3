/* How updates become a model, as it is said on a command line: an algorithm of the
 * literature by its name, or a rule in full, and whether anybody is waited for. */
#ifndef CLI_ALGORITHM_H
#define CLI_ALGORITHM_H

#include "fl/experiment_start.h"
#include "service/options.h"

/* Borrowed from argv. */
struct algorithm_words {
    const char *name, *aggregation; /* NULL: not given */
    uint64_t staleness;             /* or NOT_GIVEN */
};

/* In a table of options, like COMPRESS_OPTION_SPECS. */
#define ALGORITHM_OPTION_SPECS(w)                                                                  \
    {.flag = "aggregation",                                                                        \
     .value = "JSON",                                                                              \
     .kind = OPTION_TEXT,                                                                          \
     .target = &(w)->aggregation,                                                                  \
     .help = "how updates become a model, such as '{\"rule\":\"median\"}'; default: the mean"},    \
        {.flag = "algorithm",                                                                      \
         .value = "NAME",                                                                          \
         .kind = OPTION_TEXT,                                                                      \
         .target = &(w)->name,                                                                     \
         .help = "fedavg, fedprox, fednova, fedavgm, fedadagrad, fedadam, fedyogi or fedbuff "     \
                 "(with --staleness 8), instead of --aggregation"},                                \
    {                                                                                              \
        .flag = "staleness", .value = "N", .kind = OPTION_NUMBER, .target = &(w)->staleness,       \
        .min = 0, .max = STALENESS_MAX,                                                            \
        .help = "wait for nobody: k updates make a version, also those that were trained from a "  \
                "version up to N older, which weigh less"                                          \
    }

/* Puts what was given into the start, whose hyperparams are there (fedprox adds its mu).
 * fails: ST_INVALID, ST_NOMEM, with a sentence */
MUST_CHECK enum status algorithm_apply(const struct algorithm_words *w,
                                       struct experiment_start *start, struct why *why);

#endif
