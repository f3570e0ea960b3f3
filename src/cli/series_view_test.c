/* Rows as CSV, and the file that they are written to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/series_view.h"
#include "io/file.h"

static const struct series_row row = {.round = 2,
                                      .round_id = {"run-r0002"},
                                      .outcome = ROUND_COMPLETED,
                                      .asked = 10,
                                      .counted = 9,
                                      .samples = 54000,
                                      .test_accuracy = 0.875,
                                      .test_loss = 0.5,
                                      .train_loss = 0.25,
                                      .seconds = 3.5,
                                      .evaluate_seconds = 0.125,
                                      .update_bytes = 1835000,
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
    char line[SERIES_CSV_SIZE];
    series_csv_line(&row, line);
    assert_string_equal(line, LINE);
    assert_int_equal(commas(line), commas(SERIES_CSV_HEAD));
}

static void what_was_not_measured_is_empty(void **state)
{
    (void)state;
    char line[SERIES_CSV_SIZE];
    struct series_row blank = row;
    blank.outcome = ROUND_EXPIRED;
    blank.test_accuracy = blank.test_loss = blank.train_loss = NAN;
    series_csv_line(&blank, line);
    assert_string_equal(line, "2,run-r0002,expired,10,9,54000,,,,3.500,0.125,1835000,"
                              "fl/models/global_model_v2\n");
}

static void file_has_head_and_rows(void **state)
{
    (void)state;
    char path[] = "/tmp/fml-view-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    struct series_view v = {.csv_path = path, .quiet = true};
    assert_int_equal(series_view_open(&v, NULL), ST_OK);
    series_view_row(&v, &row);
    assert_int_equal(series_view_close(&v), ST_OK);
    struct bytes text = {0};
    assert_int_equal(file_read(path, 10000, &text), ST_OK);
    assert_true(view_equal(bytes_view(&text), view_text(SERIES_CSV_HEAD LINE)));
    bytes_done(&text);
    (void)unlink(path);
}

static void a_file_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct series_view v = {.csv_path = "/nowhere/at/all.csv", .quiet = true};
    struct why why = {""};
    assert_int_equal(series_view_open(&v, &why), ST_IO);
    assert_non_null(strstr(why.text, "/nowhere/at/all.csv"));
}

static void a_full_disk_is_no_success(void **state)
{
    (void)state;
    struct series_view v = {.csv_path = "/dev/full", .quiet = true};
    assert_int_equal(series_view_open(&v, NULL), ST_OK);
    series_view_row(&v, &row);
    assert_int_equal(series_view_close(&v), ST_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_has_the_columns_of_the_head),
        cmocka_unit_test(what_was_not_measured_is_empty),
        cmocka_unit_test(file_has_head_and_rows),
        cmocka_unit_test(a_file_that_cannot_be_made_is_named),
        cmocka_unit_test(a_full_disk_is_no_success),
    };
    return cmocka_run_group_tests_name("cli/series_view", tests, NULL, NULL);
}
