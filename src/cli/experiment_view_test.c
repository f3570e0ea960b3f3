/* Rows and summaries as text, and the file that rows are written to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/experiment_view.h"
#include "io/file.h"

static const struct experiment_row row = {
    .experiment_id = {"run"},
    .round = 2,
    .has_train = true,
    .train = {.round_id = {"run-r0002"},
              .outcome = ROUND_COMPLETED,
              .reason = "all_counted",
              .num_updates = 9,
              .total_samples = 54000,
              .participants = 10,
              .update_bytes = 1835000,
              .duration_ms = 3500,
              .metrics = {.count = 1, .items = {{"loss", 0.25, 54000}}}},
    .has_evaluate = true,
    .evaluate = {.round_id = {"run-e0002"},
                 .outcome = ROUND_COMPLETED,
                 .duration_ms = 125,
                 .metrics = {.count = 2, .items = {{"accuracy", 0.875, 1}, {"loss", 0.5, 1}}}},
    .model_topic = "fl/models/global_model_v2"};

#define LINE                                                                                       \
    "2,run-r0002,completed,10,9,54000,0.875,0.5,0.25,3.500,0.125,1835000,"                         \
    "fl/models/global_model_v2\n"

static size_t commas(const char *text)
{
    size_t found = 0;
    for (; *text != '\0'; text++)
        found += *text == ',';
    return found;
}

static void line_has_the_columns_of_the_head(void **state)
{
    (void)state;
    char line[EXPERIMENT_CSV_SIZE];
    experiment_csv_line(&row, line);
    assert_string_equal(line, LINE);
    assert_int_equal(commas(line), commas(EXPERIMENT_CSV_HEAD));
}

static void what_was_not_measured_is_empty(void **state)
{
    (void)state;
    char line[EXPERIMENT_CSV_SIZE];
    struct experiment_row blank = row;
    blank.train.outcome = ROUND_EXPIRED;
    blank.train.metrics.count = 0;
    blank.has_evaluate = false;
    experiment_csv_line(&blank, line);
    assert_string_equal(line, "2,run-r0002,expired,10,9,54000,,,,3.500,0.000,1835000,"
                              "fl/models/global_model_v2\n");
    /* An evaluation that was not completed has measured nothing. */
    blank = row;
    blank.evaluate.outcome = ROUND_EXPIRED;
    assert_true(isnan(experiment_row_measured(&blank, "accuracy")));
    assert_true(experiment_row_measured(&row, "accuracy") == 0.875);
    assert_true(isnan(experiment_row_measured(&row, "f1")));
}

static void a_round_that_could_not_begin_is_a_line_too(void **state)
{
    (void)state;
    char line[EXPERIMENT_CSV_SIZE], note[EXPERIMENT_NOTE_SIZE];
    struct experiment_row none = {.experiment_id = {"run"},
                                  .round = 3,
                                  .reason = "too_few_participants",
                                  .model_topic = "fl/models/global_model_v2"};
    experiment_csv_line(&none, line);
    assert_string_equal(line,
                        "3,run-r0003,failed,0,0,0,,,,0.000,0.000,0,fl/models/global_model_v2\n");
    experiment_row_note(&none, note);
    assert_string_equal(note, "failed: too few participants were alive");
}

static void what_a_peer_wrote_makes_no_cell_and_no_line(void **state)
{
    (void)state;
    char line[EXPERIMENT_CSV_SIZE];
    struct experiment_row bad = row;
    (void)strcpy(bad.model_topic, "a,b\n\"c");
    experiment_csv_line(&bad, line);
    assert_int_equal(commas(line), commas(EXPERIMENT_CSV_HEAD));
    assert_non_null(strstr(line, ",a?b??c\n"));
}

static void a_note_says_what_the_numbers_do_not(void **state)
{
    (void)state;
    char note[EXPERIMENT_NOTE_SIZE];
    experiment_row_note(&row, note);
    assert_string_equal(note, "");
    struct experiment_row other = row;
    other.train.outcome = ROUND_EXPIRED;
    (void)strcpy(other.train.reason, "too_few_updates");
    experiment_row_note(&other, note);
    assert_string_equal(note, "expired: too_few_updates");
    other = row;
    other.evaluate.outcome = ROUND_EXPIRED;
    (void)strcpy(other.evaluate.reason, "too_few_updates");
    experiment_row_note(&other, note);
    assert_string_equal(note, "not measured: expired, too_few_updates");
    other = row;
    other.has_evaluate = false;
    (void)strcpy(other.reason, "no_evaluator");
    experiment_row_note(&other, note);
    assert_string_equal(note, "not measured: no evaluator is alive");
}

/* What the summary of a state is, with its line's end. */
static char *summary_of(double accuracy, const struct experiment_state *state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    const struct experiment_view v = {.test_accuracy = accuracy};
    experiment_view_summary(&v, state, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void a_summary_says_how_far_it_came(void **state)
{
    (void)state;
    struct experiment_state s = {.phase = EXPERIMENT_DONE,
                                 .outcome = ROUND_COMPLETED,
                                 .reason = "all_rounds",
                                 .round = 20,
                                 .rounds = 20,
                                 .completed = 19,
                                 .model_topic = "fl/models/global_model_v19",
                                 .update_bytes = 1900000};
    char *text = summary_of(NAN, &s);
    assert_string_equal(text, "19 of 20 rounds completed, newest model fl/models/global_model_v19, "
                              "1.9 MB of updates\n");
    free(text);
    (void)strcpy(s.reason, "target_reached");
    s.has_best = true;
    s.best = 0.96875;
    s.best_round = 12;
    (void)strcpy(s.best_model_topic, "fl/models/global_model_v12");
    text = summary_of(0.96875, &s);
    assert_string_equal(text, "19 of 20 rounds completed (the target was reached), newest model "
                              "fl/models/global_model_v19, 1.9 MB of updates, test accuracy "
                              "0.9688, best 0.96875 in round 12 (fl/models/global_model_v12)\n");
    free(text);
}

static void a_terminal_is_safe_from_what_a_peer_wrote(void **state)
{
    (void)state;
    struct experiment_state s = {
        .phase = EXPERIMENT_DONE, .reason = "\033[2J", .rounds = 1, .model_topic = "\033]0;x"};
    char *text = summary_of(NAN, &s);
    assert_null(strchr(text, '\033'));
    free(text);
}

static void metrics_are_a_list(void **state)
{
    (void)state;
    char text[64], small[12];
    experiment_metrics_text(&row.evaluate.metrics, text, sizeof text);
    assert_string_equal(text, "accuracy 0.875, loss 0.5");
    experiment_metrics_text(&row.evaluate.metrics, small, sizeof small);
    assert_string_equal(small, "accuracy 0.");
    const struct metrics none = {0};
    experiment_metrics_text(&none, text, sizeof text);
    assert_string_equal(text, "-");
}

static void file_has_head_and_rows(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-view-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    struct experiment_view v = {.csv_path = path, .quiet = true};
    assert_int_equal(experiment_view_open(&v, NULL), ST_OK);
    assert_true(isnan(v.test_accuracy));
    experiment_view_row(&v, &row);
    assert_true(v.test_accuracy == 0.875);
    assert_int_equal(experiment_view_close(&v, NULL), ST_OK);
    struct bytes text = {0};
    assert_int_equal(file_read(path, 10000, &text), ST_OK);
    assert_true(view_equal(bytes_view(&text), view_text(EXPERIMENT_CSV_HEAD LINE)));
    bytes_done(&text);
    (void)unlink(path);
}

static void a_file_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct experiment_view v = {.csv_path = "/nowhere/at/all.csv", .quiet = true};
    struct why why = {""};
    assert_int_equal(experiment_view_open(&v, &why), ST_IO);
    assert_non_null(strstr(why.text, "/nowhere/at/all.csv"));
}

static void a_full_disk_is_no_success(void **state)
{
    (void)state;
    struct experiment_view v = {.csv_path = "/dev/full", .quiet = true};
    struct why why = {""};
    assert_int_equal(experiment_view_open(&v, NULL), ST_OK);
    experiment_view_row(&v, &row);
    assert_int_equal(experiment_view_close(&v, &why), ST_IO);
    assert_non_null(strstr(why.text, "/dev/full"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_has_the_columns_of_the_head),
        cmocka_unit_test(what_was_not_measured_is_empty),
        cmocka_unit_test(a_round_that_could_not_begin_is_a_line_too),
        cmocka_unit_test(what_a_peer_wrote_makes_no_cell_and_no_line),
        cmocka_unit_test(a_note_says_what_the_numbers_do_not),
        cmocka_unit_test(a_summary_says_how_far_it_came),
        cmocka_unit_test(a_terminal_is_safe_from_what_a_peer_wrote),
        cmocka_unit_test(metrics_are_a_list),
        cmocka_unit_test(file_has_head_and_rows),
        cmocka_unit_test(a_file_that_cannot_be_made_is_named),
        cmocka_unit_test(a_full_disk_is_no_success),
    };
    return cmocka_run_group_tests_name("cli/experiment_view", tests, NULL, NULL);
}
