/* fml models diff: how two models differ, tensor by tensor. */
#include "cli/commands.h"

#include <stdio.h>

#include "cli/diff.h"
#include "cli/models.h"
#include "cli/text.h"
#include "model/model_file.h"

enum options_result diff_args_read(int argc, char **argv, struct diff_args *ret)
{
    struct diff_args a = {0};
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a.session),
        JSON_OPTION_SPEC(&a.json),
    };
    const struct options options = {
        .program = "fml models diff",
        .summary = "shows how two models differ, tensor by tensor",
        .usage = "[options] FILE|MODEL FILE|MODEL",
        .notes = "LARGEST and MEAN are of the absolute differences; NORM is Euclidean.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 2, 2, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.models[0] = argv[1];
    a.models[1] = argv[2];
    *ret = a;
    return OPTIONS_RUN;
}

static void add_row(struct table *table, const struct tensor_diff *d)
{
    char text[6][TEXT_SIZE];
    const double values[] = {d->largest, d->mean, d->norm_a, d->norm_b, d->norm_diff};
    (void)snprintf(text[0], TEXT_SIZE, "%zu", d->count);
    for (size_t i = 0; i < 5; i++)
        (void)snprintf(text[i + 1], TEXT_SIZE, "%.5g", values[i]);
    table_row(table,
              (const char *const[]){d->name, text[0], text[1], text[2], text[3], text[4], text[5]});
}

static int print_diff(const struct model *a, const struct model *b)
{
    static const char *const columns[] = {"TENSOR", "VALUES", "LARGEST",       "MEAN",
                                          "NORM A", "NORM B", "NORM OF B - A", NULL};
    struct table *table = table_new(columns);
    if (table == NULL)
        return failed("no memory");
    for (size_t i = 0; i < model_tensor_count(a); i++) {
        const struct tensor_diff d = diff_tensor(a, b, i);
        add_row(table, &d);
    }
    const struct tensor_diff all = diff_all(a, b);
    add_row(table, &all);
    table_print(table, stdout);
    (void)table_free(table);
    return 0;
}

static json_t *to_json(const struct tensor_diff *d)
{
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "tensor", d->name, "values",
                     (json_int_t)d->count, "largest", d->largest, "mean", d->mean, "norm_a",
                     d->norm_a, "norm_b", d->norm_b, "norm_diff", d->norm_diff);
}

static int print_diff_json(const struct model *a, const struct model *b)
{
    json_t *array = json_array();
    for (size_t i = 0; i < model_tensor_count(a); i++) {
        const struct tensor_diff d = diff_tensor(a, b, i);
        (void)json_array_append_new(array, to_json(&d));
    }
    const struct tensor_diff all = diff_all(a, b);
    (void)json_array_append_new(array, to_json(&all));
    int exit_status = print_json(array);
    json_decref(array);
    return exit_status;
}

static enum status read_one(const struct session_settings *settings, const char *text,
                            struct model **ret, struct why *why)
{
    struct model_bytes bytes = {0};
    enum status status = models_read(settings, text, &bytes, NULL, why);
    if (status == ST_OK)
        status = model_decode(bytes.view, ret, NULL, why);
    model_bytes_done(&bytes);
    return status;
}

int models_diff(int argc, char **argv)
{
    struct diff_args args;
    enum options_result result = diff_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct model *a = NULL, *b = NULL;
    struct why why = {0};
    enum status status = read_one(&args.session, args.models[0], &a, &why);
    if (status == ST_OK)
        status = read_one(&args.session, args.models[1], &b, &why);
    if (status == ST_OK)
        status = diff_align(a, b, &why);
    int exit_status = 0;
    if (status != ST_OK)
        exit_status = failed("%s", why.text[0] == '\0' ? status_name(status) : why.text);
    else
        exit_status = args.json ? print_diff_json(a, b) : print_diff(a, b);
    (void)model_free(a);
    (void)model_free(b);
    return exit_status;
}
