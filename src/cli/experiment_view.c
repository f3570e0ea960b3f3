#include "cli/experiment_view.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli/experiments.h"
#include "cli/text.h"
#include "fl/experiment_start.h"

#define CLEAR_LINE "\r\033[K"

/* ---- numbers of a row ---- */

static double metric_of(const struct complete *complete, const char *name)
{
    const struct metric *metric = metrics_find(&complete->metrics, name);
    return metric == NULL ? NAN : metric->value;
}

double experiment_row_measured(const struct experiment_row *row, const char *metric)
{
    bool measured = row->has_evaluate && row->evaluate.outcome == ROUND_COMPLETED;
    return measured ? metric_of(&row->evaluate, metric) : NAN;
}

/* The training of a row; of one that could not begin, what that amounts to. */
static struct complete training_of(const struct experiment_row *row)
{
    if (row->has_train)
        return row->train;
    struct complete none = {.outcome = ROUND_FAILED};
    experiment_round_id(&row->experiment_id, ROUND_TRAIN, row->round, &none.round_id);
    return none;
}

/* How a round came to be completed is no news. */
void experiment_row_note(const struct experiment_row *row, char ret[EXPERIMENT_NOTE_SIZE])
{
    ret[0] = '\0';
    if (!row->has_train)
        (void)snprintf(ret, EXPERIMENT_NOTE_SIZE, "failed: %s",
                       experiment_reason_text(row->reason));
    else if (row->train.outcome != ROUND_COMPLETED)
        (void)snprintf(ret, EXPERIMENT_NOTE_SIZE, "%s%s%.60s",
                       round_outcome_name(row->train.outcome),
                       row->train.reason[0] == '\0' ? "" : ": ", row->train.reason);
    else if (row->has_evaluate && row->evaluate.outcome != ROUND_COMPLETED)
        (void)snprintf(ret, EXPERIMENT_NOTE_SIZE, "not measured: %s%s%.60s",
                       round_outcome_name(row->evaluate.outcome),
                       row->evaluate.reason[0] == '\0' ? "" : ", ", row->evaluate.reason);
    else if (row->reason[0] != '\0')
        (void)snprintf(ret, EXPERIMENT_NOTE_SIZE, "not measured: %s",
                       experiment_reason_text(row->reason));
}

/* ---- CSV ---- */

/* A number for CSV: nothing where it was not measured. */
static const char *csv_number(double value, char ret[TEXT_SIZE])
{
    if (isnan(value))
        ret[0] = '\0';
    else
        (void)snprintf(ret, TEXT_SIZE, "%.9g", value);
    return ret;
}

/* A peer wrote it: no cell and no line more than there are. */
static const char *csv_text(const char *text, char ret[FL_TOPIC_SIZE])
{
    (void)snprintf(ret, FL_TOPIC_SIZE, "%s", text);
    for (char *c = ret; *c != '\0'; c++)
        if (*c == ',' || *c == '"' || (unsigned char)*c < 0x20)
            *c = '?';
    return ret;
}

void experiment_csv_line(const struct experiment_row *row, char ret[EXPERIMENT_CSV_SIZE])
{
    char accuracy[TEXT_SIZE], loss[TEXT_SIZE], train_loss[TEXT_SIZE], model[FL_TOPIC_SIZE];
    const struct complete train = training_of(row);
    double evaluate_ms = row->has_evaluate ? (double)row->evaluate.duration_ms : 0;
    (void)snprintf(ret, EXPERIMENT_CSV_SIZE, "%u,%s,%s,%llu,%llu,%llu,%s,%s,%s,%.3f,%.3f,%llu,%s\n",
                   row->round, train.round_id.text, round_outcome_name(train.outcome),
                   (unsigned long long)train.participants, (unsigned long long)train.num_updates,
                   (unsigned long long)train.total_samples,
                   csv_number(experiment_row_measured(row, "accuracy"), accuracy),
                   csv_number(experiment_row_measured(row, "loss"), loss),
                   csv_number(metric_of(&train, "loss"), train_loss),
                   (double)train.duration_ms / 1000, evaluate_ms / 1000,
                   (unsigned long long)train.update_bytes, csv_text(row->model_topic, model));
}

static void write_csv(struct experiment_view *v, const struct experiment_row *row)
{
    char line[EXPERIMENT_CSV_SIZE];
    experiment_csv_line(row, line);
    (void)fputs(line, v->csv);
    (void)fflush(v->csv);
}

/* ---- lines ---- */

enum status experiment_view_open(struct experiment_view *v, struct why *why)
{
    v->test_accuracy = NAN;
    if (v->csv_path != NULL) {
        v->csv = fopen(v->csv_path, "we");
        if (v->csv == NULL) {
            why_set(why, "cannot write %.150s: %s", v->csv_path, strerror(errno));
            return ST_IO;
        }
        (void)fputs(EXPERIMENT_CSV_HEAD, v->csv);
    }
    v->moving = !v->quiet && isatty(STDERR_FILENO) == 1;
    return ST_OK;
}

void experiment_view_head(const struct experiment_view *v)
{
    if (!v->quiet)
        (void)printf("%5s  %7s  %8s  %8s  %7s  %9s\n", "round", "updates", "accuracy", "loss",
                     "seconds", "bytes");
    (void)fflush(stdout);
}

void experiment_view_clear(struct experiment_view *v)
{
    if (v->shown)
        (void)fputs(CLEAR_LINE, stderr);
    v->shown = false;
}

static void print_row(const struct experiment_row *row)
{
    char updates[TEXT_SIZE], accuracy[TEXT_SIZE], loss[TEXT_SIZE], bytes[TEXT_SIZE];
    char note[EXPERIMENT_NOTE_SIZE];
    const struct complete train = training_of(row);
    (void)snprintf(updates, sizeof updates, "%llu/%llu", (unsigned long long)train.num_updates,
                   (unsigned long long)train.participants);
    experiment_row_note(row, note);
    text_make_safe(note);
    (void)printf("%5u  %7s  %8s  %8s  %7.1f  %9s%s%s\n", row->round, updates,
                 text_ratio(experiment_row_measured(row, "accuracy"), accuracy),
                 text_ratio(metric_of(&train, "loss"), loss), (double)train.duration_ms / 1000,
                 text_bytes(train.update_bytes, bytes), note[0] == '\0' ? "" : "  ", note);
    (void)fflush(stdout);
}

void experiment_view_row(struct experiment_view *v, const struct experiment_row *row)
{
    experiment_view_clear(v);
    double accuracy = experiment_row_measured(row, "accuracy");
    if (!isnan(accuracy))
        v->test_accuracy = accuracy;
    if (!v->quiet)
        print_row(row);
    if (v->csv != NULL)
        write_csv(v, row);
}

void experiment_view_progress(struct experiment_view *v, const struct track_round *round,
                              double seconds)
{
    if (!v->moving)
        return;
    char failed[TEXT_SIZE] = "";
    if (round->failed > 0)
        (void)snprintf(failed, sizeof failed, ", %llu failed", (unsigned long long)round->failed);
    (void)fprintf(stderr, CLEAR_LINE "round %u: %s, %llu of %llu updates%s, %.1f s", round->round,
                  round->mode == ROUND_TRAIN ? "training" : "evaluating",
                  (unsigned long long)round->accepted, (unsigned long long)round->asked, failed,
                  seconds);
    (void)fflush(stderr);
    v->shown = true;
}

enum status experiment_view_close(struct experiment_view *v, struct why *why)
{
    experiment_view_clear(v);
    if (v->csv == NULL)
        return ST_OK;
    bool whole = ferror(v->csv) == 0;
    whole = fclose(v->csv) == 0 && whole;
    v->csv = NULL;
    if (!whole)
        why_set(why, "%.150s could not be written whole", v->csv_path);
    return whole ? ST_OK : ST_IO;
}

/* ---- the whole ---- */

void experiment_metrics_text(const struct metrics *metrics, char *ret, size_t size)
{
    (void)snprintf(ret, size, "-");
    size_t used = 0;
    for (size_t i = 0; i < metrics->count && used < size; i++)
        used += (size_t)snprintf(ret + used, size - used, "%s%s %.4g", i == 0 ? "" : ", ",
                                 metrics->items[i].name, metrics->items[i].value);
}

void experiment_view_summary(const struct experiment_view *v, const struct experiment_state *state,
                             FILE *out)
{
    char accuracy[TEXT_SIZE], bytes[TEXT_SIZE], best[FL_TOPIC_SIZE + 64] = "", why[96] = "";
    if (state->phase == EXPERIMENT_DONE && strcmp(state->reason, "all_rounds") != 0)
        (void)snprintf(why, sizeof why, " (%s)", experiment_reason_text(state->reason));
    if (state->has_best)
        (void)snprintf(best, sizeof best, ", best %.6g in round %u (%s)", state->best,
                       state->best_round, state->best_model_topic);
    bool measured = !isnan(v->test_accuracy);
    char line[1024];
    (void)snprintf(line, sizeof line,
                   "%u of %u rounds completed%s, newest model %s, %s of updates%s%s%s",
                   state->completed, state->rounds, why, state->model_topic,
                   text_bytes(state->update_bytes, bytes), measured ? ", test accuracy " : "",
                   measured ? text_ratio(v->test_accuracy, accuracy) : "", best);
    text_make_safe(line);
    (void)fprintf(out, "%s\n", line);
    (void)fflush(out);
}
