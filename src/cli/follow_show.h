/* An experiment on the terminal, from its start or from where it is to its end. */
#ifndef CLI_FOLLOW_SHOW_H
#define CLI_FOLLOW_SHOW_H

#include "cli/follow.h"

struct follow_plan {
    const struct id *experiment;
    const struct experiment_start *start; /* NULL: it was started before */
    bool detach;                          /* only start it */
    bool cancels;                         /* Ctrl-C ends the experiment, not only the showing */
    const char *csv;                      /* NULL: none */
};

/* Shows rows, what runs and a summary, or says what went wrong; gives the exit status,
 * 0 if it was completed (or accepted, with detach). */
int follow_show(struct session *s, const struct follow_plan *plan);

#endif
