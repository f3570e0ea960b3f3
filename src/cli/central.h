/* The same training in one place: what federation is compared with. The guest's
 * source, built natively, runs over all training data, one epoch per round. */
#ifndef CLI_CENTRAL_H
#define CLI_CENTRAL_H

#include "cli/fleet.h"

#include <jansson.h>

#define CENTRAL_STEP_MS 600000u /* limit of one epoch and of one evaluation */

struct central_plan {
    const char *program;      /* fml-train-native */
    const char *folder;       /* for its models; exists */
    const char *train_folder; /* as in cli/dataset.h */
    const char *test_folder;
    const char *model_path; /* the initial model */
    const json_t *hyperparams;
    uint32_t epochs;
    /* After each epoch; may be NULL. */
    void (*on_epoch)(void *owner, uint32_t epoch, double accuracy);
    void *owner;
};

/* ret_accuracy: (epochs,) on the test folder after each epoch; those that were
 *               not reached are NaN
 * fails: as fleet_finish(); ST_MALFORMED (no accuracy in what it wrote) */
MUST_CHECK enum status central_run(struct fleet *f, const struct central_plan *plan,
                                   double *ret_accuracy, struct why *why);

#endif
