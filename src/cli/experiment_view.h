/* An experiment on the terminal: one line per round as it ends, a line that moves
 * while one runs (only on a terminal), the rows as CSV, and a summary. */
#ifndef CLI_EXPERIMENT_VIEW_H
#define CLI_EXPERIMENT_VIEW_H

#include "cli/track.h"

#include <stdio.h>

struct experiment_view {
    const char *csv_path; /* NULL: none */
    bool quiet;           /* no lines, only the CSV file */
    /* Set by experiment_view_open(): */
    FILE *csv;
    bool moving;          /* the moving line may be shown: standard error is a terminal */
    bool shown;           /* it is */
    double test_accuracy; /* the last that an evaluation measured, or NaN */
};

/* Makes the CSV file. fails: ST_IO, with a sentence */
MUST_CHECK enum status experiment_view_open(struct experiment_view *v, struct why *why);

/* The line above the rows. */
void experiment_view_head(const struct experiment_view *v);
void experiment_view_row(struct experiment_view *v, const struct experiment_row *row);
void experiment_view_progress(struct experiment_view *v, const struct track_round *round,
                              double seconds);

/* Takes the moving line away. */
void experiment_view_clear(struct experiment_view *v);

/* fails: ST_IO (the CSV file is not whole), with a sentence */
MUST_CHECK enum status experiment_view_close(struct experiment_view *v, struct why *why);

/* How far it came. out: such as stdout */
void experiment_view_summary(const struct experiment_view *v, const struct experiment_state *state,
                             FILE *out);

/* ---- pure, for tests and lists ---- */

/* What an evaluation that was completed measured; NaN if there is none. */
double experiment_row_measured(const struct experiment_row *row, const char *metric);

/* What there is to say of a row beside its numbers; "" if nothing. Not made safe. */
#define EXPERIMENT_NOTE_SIZE 128
void experiment_row_note(const struct experiment_row *row, char ret[EXPERIMENT_NOTE_SIZE]);

/* One line of the CSV file, with its end. */
#define EXPERIMENT_CSV_HEAD                                                                        \
    "round,round_id,status,asked,counted,samples,test_accuracy,test_loss,train_loss,seconds,"      \
    "evaluate_seconds,update_bytes,model\n"
#define EXPERIMENT_CSV_SIZE 1024
void experiment_csv_line(const struct experiment_row *row, char ret[EXPERIMENT_CSV_SIZE]);

/* "accuracy 0.91, loss 0.3"; "-" if there are none. Not made safe. */
void experiment_metrics_text(const struct metrics *metrics, char *ret, size_t size);

#endif
