#include "cli/series_view.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"

#define CLEAR_LINE "\r\033[K"

/* A number for CSV: nothing where it was not measured. */
static const char *csv_number(double value, char ret[TEXT_SIZE])
{
    if (isnan(value))
        ret[0] = '\0';
    else
        (void)snprintf(ret, TEXT_SIZE, "%.9g", value);
    return ret;
}

void series_csv_line(const struct series_row *row, char ret[SERIES_CSV_SIZE])
{
    char accuracy[TEXT_SIZE], loss[TEXT_SIZE], train_loss[TEXT_SIZE];
    (void)snprintf(ret, SERIES_CSV_SIZE, "%u,%s,%s,%llu,%llu,%llu,%s,%s,%s,%.3f,%.3f,%llu,%s\n",
                   row->round, row->round_id.text, round_outcome_name(row->outcome),
                   (unsigned long long)row->asked, (unsigned long long)row->counted,
                   (unsigned long long)row->samples, csv_number(row->test_accuracy, accuracy),
                   csv_number(row->test_loss, loss), csv_number(row->train_loss, train_loss),
                   row->seconds, row->evaluate_seconds, (unsigned long long)row->update_bytes,
                   row->model_topic);
}

enum status series_view_open(struct series_view *v, struct why *why)
{
    if (v->csv_path != NULL) {
        v->csv = fopen(v->csv_path, "we");
        if (v->csv == NULL) {
            why_set(why, "cannot write %.150s: %s", v->csv_path, strerror(errno));
            return ST_IO;
        }
        (void)fputs(SERIES_CSV_HEAD, v->csv);
    }
    v->moving = !v->quiet && isatty(STDERR_FILENO) == 1;
    if (!v->quiet)
        (void)printf("%5s  %7s  %8s  %8s  %7s  %9s\n", "round", "updates", "accuracy", "loss",
                     "seconds", "bytes");
    (void)fflush(stdout);
    return ST_OK;
}

void series_view_clear(struct series_view *v)
{
    if (v->shown)
        (void)fputs(CLEAR_LINE, stderr);
    v->shown = false;
}

/* What there is to say beside the numbers. */
static void print_note(const struct series_row *row)
{
    char reason[sizeof row->reason];
    (void)snprintf(reason, sizeof reason, "%s", row->reason);
    text_make_safe(reason);
    if (row->outcome == ROUND_COMPLETED)
        (void)printf("%s%s", reason[0] == '\0' ? "" : "  ", reason);
    else
        (void)printf("  %s%s%s", round_outcome_name(row->outcome), reason[0] == '\0' ? "" : ": ",
                     reason);
}

static void print_row(const struct series_row *row)
{
    char updates[TEXT_SIZE], accuracy[TEXT_SIZE], loss[TEXT_SIZE], bytes[TEXT_SIZE];
    (void)snprintf(updates, sizeof updates, "%llu/%llu", (unsigned long long)row->counted,
                   (unsigned long long)row->asked);
    (void)printf("%5u  %7s  %8s  %8s  %7.1f  %9s", row->round, updates,
                 text_ratio(row->test_accuracy, accuracy), text_ratio(row->train_loss, loss),
                 row->seconds, text_bytes(row->update_bytes, bytes));
    print_note(row);
    (void)putchar('\n');
    (void)fflush(stdout);
}

void series_view_row(void *owner, const struct series_row *row)
{
    struct series_view *v = owner;
    series_view_clear(v);
    if (!v->quiet)
        print_row(row);
    if (v->csv != NULL) {
        char line[SERIES_CSV_SIZE];
        series_csv_line(row, line);
        (void)fputs(line, v->csv);
        (void)fflush(v->csv);
    }
}

void series_view_progress(void *owner, const struct series_progress *p)
{
    struct series_view *v = owner;
    if (!v->moving)
        return;
    char failed[TEXT_SIZE] = "";
    if (p->failed > 0)
        (void)snprintf(failed, sizeof failed, ", %llu failed", (unsigned long long)p->failed);
    (void)fprintf(stderr, CLEAR_LINE "round %u: %s, %llu of %llu updates%s, %.1f s", p->round,
                  p->mode == ROUND_TRAIN ? "training" : "evaluating",
                  (unsigned long long)p->accepted, (unsigned long long)p->asked, failed,
                  p->seconds);
    (void)fflush(stderr);
    v->shown = true;
}

enum status series_view_close(struct series_view *v)
{
    series_view_clear(v);
    if (v->csv == NULL)
        return ST_OK;
    bool whole = ferror(v->csv) == 0;
    whole = fclose(v->csv) == 0 && whole;
    v->csv = NULL;
    return whole ? ST_OK : ST_IO;
}
