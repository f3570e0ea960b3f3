/* A series on the terminal: one line per round as it ends, a line that moves
 * while one runs (only on a terminal), and the rows as CSV. */
#ifndef CLI_SERIES_VIEW_H
#define CLI_SERIES_VIEW_H

#include "cli/series.h"

struct series_view {
    const char *csv_path; /* NULL: none */
    bool quiet;           /* no lines, only the CSV file */
    /* Set by series_view_open(): */
    FILE *csv;
    bool moving; /* the moving line may be shown: standard error is a terminal */
    bool shown;  /* it is */
};

/* Writes the head lines. fails: ST_IO (the CSV file), with a sentence */
MUST_CHECK enum status series_view_open(struct series_view *v, struct why *why);

/* For struct series_hooks; owner is the view. */
void series_view_row(void *owner, const struct series_row *row);
void series_view_progress(void *owner, const struct series_progress *p);

/* Takes the moving line away. */
void series_view_clear(struct series_view *v);

/* fails: ST_IO (the CSV file is not whole) */
MUST_CHECK enum status series_view_close(struct series_view *v);

/* One line of the CSV file, with its end. Texts are free of separators by then.
 * Pure, for tests. */
#define SERIES_CSV_HEAD                                                                            \
    "round,round_id,status,asked,counted,samples,test_accuracy,test_loss,train_loss,seconds,"      \
    "evaluate_seconds,update_bytes,model\n"
#define SERIES_CSV_SIZE 1024
void series_csv_line(const struct series_row *row, char ret[SERIES_CSV_SIZE]);

#endif
