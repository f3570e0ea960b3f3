/* fml train: a series of rounds, shown as they end. */
#include "cli/commands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/series.h"
#include "cli/series_view.h"
#include "cli/text.h"

#define PROGRAM "fml train"

static enum status read_names(const char *participants, const char *evaluate, struct train_args *a,
                              struct why *why)
{
    enum status status = ST_OK;
    a->alive = strcmp(participants, "alive") == 0;
    if (!a->alive)
        status = ids_parse(participants, &a->participants, why);
    if (status == ST_OK && evaluate != NULL)
        status = ids_parse(evaluate, &a->evaluators, why);
    return status;
}

static enum status read_prefix(struct train_args *a, struct why *why)
{
    struct id id;
    if (a->prefix == NULL) {
        time_t now = time(NULL);
        struct tm utc;
        (void)strftime(a->prefix_made, sizeof a->prefix_made, "run-%Y%m%d-%H%M%S",
                       gmtime_r(&now, &utc));
        return ST_OK;
    }
    if (strlen(a->prefix) > SERIES_PREFIX_MAX || id_from(a->prefix, &id) != ST_OK) {
        why_set(why, "--prefix is 1 to %zu letters, digits, '.', '_', '-' or ':'",
                SERIES_PREFIX_MAX);
        return ST_INVALID;
    }
    (void)snprintf(a->prefix_made, sizeof a->prefix_made, "%s", a->prefix);
    return ST_OK;
}

enum options_result train_args_read(int argc, char **argv, struct train_args *ret)
{
    struct train_args a = {0};
    const char *participants = NULL, *evaluate = NULL, *hyperparams = NULL, *k = NULL;
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a.session),
        {.flag = "rounds", .value = "N", .kind = OPTION_NUMBER, .target = &a.rounds,
         .min = 1, .max = SERIES_ROUNDS_MAX, .required = true, .help = "how many rounds"},
        {.flag = "image", .value = "NAME[:TAG]", .kind = OPTION_TEXT, .target = &a.image,
         .required = true, .help = "the image that trains (fml images list)"},
        {.flag = "model", .value = "MODEL", .kind = OPTION_TEXT, .target = &a.model,
         .help = "base model: topic, name, version or NAME@CHANNEL; default: @latest"},
        {.flag = "participants", .value = "alive|A,B,C", .kind = OPTION_TEXT,
         .fallback = "alive", .target = &participants,
         .help = "who trains; alive: whoever is, asked before each round"},
        {.flag = "evaluate", .value = "A,B", .kind = OPTION_TEXT, .target = &evaluate,
         .help = "proplets that measure each new model and never train"},
        {.flag = "hyperparams", .value = "JSON", .kind = OPTION_TEXT, .fallback = "{}",
         .target = &hyperparams, .help = "an object for the image; \"round\" is added"},
        {.flag = "k", .value = "N|FRACTION", .kind = OPTION_TEXT, .fallback = "0.8",
         .target = &k, .help = "updates that a round needs, or the part of those asked"},
        {.flag = "timeout", .value = "S", .kind = OPTION_NUMBER, .fallback = "300",
         .target = &a.timeout_s, .min = 1, .max = ROUND_TIMEOUT_S_MAX,
         .help = "seconds until a round expires"},
        {.flag = "grace", .value = "S", .kind = OPTION_NUMBER, .fallback = "5",
         .target = &a.grace_s, .min = 0, .max = 3600,
         .help = "seconds to wait for the others once k are there"},
        {.flag = "max-failures", .value = "N", .kind = OPTION_NUMBER, .fallback = "3",
         .target = &a.max_failures, .min = 1, .max = SERIES_ROUNDS_MAX,
         .help = "rounds in a row that may fail before the series ends"},
        {.flag = "prefix", .value = "NAME", .kind = OPTION_TEXT, .target = &a.prefix,
         .help = "the rounds are NAME-r0001, ...; default: run- and the time"},
        {.flag = "csv", .value = "FILE", .kind = OPTION_TEXT, .target = &a.csv,
         .help = "write the rows there as well"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "trains for a number of rounds, one after the other",
        .usage = "--rounds N --image NAME[:TAG] [options]",
        .notes = "A round that expires is shown and the series goes on. Ctrl-C ends the series;\n"
                 "the round that runs ends by itself.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 0, &words);
    if (result != OPTIONS_RUN)
        return result;
    struct why why = {0}, detail = {0};
    enum status status = series_k_parse(k, &a.k, &why);
    if (status == ST_OK)
        status = read_prefix(&a, &why);
    if (status == ST_OK)
        status = read_names(participants, evaluate, &a, &why);
    if (status == ST_OK) {
        status = arguments_object(hyperparams, &a.hyperparams, &detail);
        if (status != ST_OK)
            why_set(&why, "--hyperparams is %.200s", detail.text);
    }
    if (status != ST_OK) {
        (void)usage_wrong(PROGRAM, "%s", why.text);
        train_args_done(&a);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

void train_args_done(struct train_args *args)
{
    ids_done(&args->participants);
    ids_done(&args->evaluators);
    json_decref(args->hyperparams);
    args->hyperparams = NULL;
}

static void print_summary(const struct train_args *args, const struct series_result *result)
{
    char accuracy[TEXT_SIZE], bytes[TEXT_SIZE];
    (void)printf("%u of %llu rounds completed, newest model %s, %s of updates", result->completed,
                 (unsigned long long)args->rounds, result->model_topic,
                 text_bytes(result->update_bytes, bytes));
    if (!isnan(result->test_accuracy))
        (void)printf(", test accuracy %s", text_ratio(result->test_accuracy, accuracy));
    (void)putchar('\n');
}

static int train(struct session *s, const struct train_args *args)
{
    struct series_plan plan = {
        .rounds = (uint32_t)args->rounds,
        .image = args->image,
        .model = args->model,
        .participants = args->alive ? NULL : &args->participants,
        .evaluators = &args->evaluators,
        .hyperparams = args->hyperparams,
        .k = args->k,
        .timeout_s = (uint32_t)args->timeout_s,
        .grace_s = (uint32_t)args->grace_s,
        .max_failures = (uint32_t)args->max_failures,
    };
    (void)snprintf(plan.prefix, sizeof plan.prefix, "%.*s", (int)SERIES_PREFIX_MAX,
                   args->prefix_made);
    struct series_view view = {.csv_path = args->csv};
    const struct series_hooks hooks = {
        .on_row = series_view_row, .on_progress = series_view_progress, .owner = &view};
    struct why why = {0};
    if (series_view_open(&view, &why) != ST_OK)
        return failed("%s", why.text);
    struct series_result result;
    enum status status = series_run(s, &plan, &hooks, &result, &why);
    if (series_view_close(&view) != ST_OK && status == ST_OK) {
        why_set(&why, "%.150s could not be written whole", args->csv);
        status = ST_IO;
    }
    if (result.model_topic[0] != '\0')
        print_summary(args, &result);
    if (status == ST_EXISTS)
        return failed("%s; choose another --prefix", why.text);
    if (status != ST_OK)
        return failed("%s", why.text);
    return result.completed > 0 ? 0 : 1;
}

int cmd_train(int argc, char **argv)
{
    struct train_args args;
    enum options_result result = train_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    int exit_status = 1;
    if (tool_open(&args.session, &t)) {
        exit_status = train(t.session, &args);
        tool_close(&t);
    }
    train_args_done(&args);
    return exit_status;
}
