/* fml train: an experiment of many rounds, shown as they end. */
#include "cli/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/algorithm.h"
#include "cli/follow_show.h"
#include "cli/text.h"

#define PROGRAM "fml train"

/* What stands on the command line and is not yet a start. */
struct words {
    const char *id, *prefix, *image, *participants, *evaluate, *hyperparams, *k, *select;
    const char *metric, *goal;
    uint64_t rounds, timeout_s, grace_s, max_failures, wait_s, select_min, seed;
    uint64_t evaluate_every, patience;
    double target, min_delta; /* NaN: not given */
    struct algorithm_words algorithm;
    struct compress_words compress;
};

/* ---- words into a start ---- */

static enum status invalid(struct why *why, const char *sentence)
{
    why_set(why, "%s", sentence);
    return ST_INVALID;
}

static enum status read_id(const struct words *w, struct experiment_start *start, struct why *why)
{
    const char *given = w->id != NULL ? w->id : w->prefix;
    char made[ID_SIZE_MAX];
    if (w->id != NULL && w->prefix != NULL)
        return invalid(why, "--id and --prefix are the same: give one");
    if (given == NULL) {
        time_t now = time(NULL);
        struct tm utc;
        (void)strftime(made, sizeof made, "run-%Y%m%d-%H%M%S", gmtime_r(&now, &utc));
        given = made;
    }
    if (strlen(given) <= EXPERIMENT_ID_MAX && id_from(given, &start->experiment_id) == ST_OK)
        return ST_OK;
    why_set(why, "--id is 1 to %zu letters, digits, '.', '_', '-' or ':'", EXPERIMENT_ID_MAX);
    return ST_INVALID;
}

/* "0.8" of them, or "8". */
static bool read_share(const char *text, struct share *ret)
{
    char *end = NULL;
    double value = strtod(text, &end);
    bool number = end != text && *end == '\0' && isfinite(value);
    bool fraction = number && value > 0 && value < 1;
    bool whole = number && value >= 1 && value <= ROUND_PARTICIPANTS_MAX && value == floor(value);
    if (fraction || whole)
        *ret = (struct share){.value = value};
    return fraction || whole;
}

static enum status read_shares(const struct words *w, struct experiment_start *start,
                               struct why *why)
{
    start->selection = (struct selection){.min = (uint32_t)w->select_min, .seed = w->seed};
    if (!read_share(w->k, &start->k))
        return invalid(why, "--k is a fraction such as 0.8 or a number of updates from 1 on");
    if (strcmp(w->select, "all") == 0)
        start->selection.count.all = true;
    else if (!read_share(w->select, &start->selection.count))
        return invalid(why, "--select is all, a fraction such as 0.1 or a number from 1 on");
    return ST_OK;
}

/* A list's memory becomes the start's. */
static enum status read_list(const char *text, struct id **ret, size_t *ret_count, struct why *why)
{
    struct ids list = {0};
    enum status status = ids_parse(text, &list, why);
    if (status == ST_OK) {
        *ret = list.items;
        *ret_count = list.count;
    }
    return status;
}

static enum status read_participants(const struct words *w, struct experiment_start *start,
                                     struct why *why)
{
    start->alive = strcmp(w->participants, "alive") == 0;
    enum status status = start->alive ? ST_OK
                                      : read_list(w->participants, &start->participants,
                                                  &start->participant_count, why);
    if (w->evaluate == NULL && w->evaluate_every != NOT_GIVEN)
        return invalid(why, "--evaluate-every needs --evaluate");
    if (status != ST_OK || w->evaluate == NULL)
        return status;
    struct evaluation *e = &start->evaluation;
    e->every = w->evaluate_every == NOT_GIVEN ? 1 : (uint32_t)w->evaluate_every;
    e->timeout_s = (uint32_t)w->timeout_s;
    return read_list(w->evaluate, &e->participants, &e->participant_count, why);
}

static enum status read_stop(const struct words *w, struct experiment_start *start, struct why *why)
{
    struct stop_rule *s = &start->stop;
    s->has_target = !isnan(w->target);
    s->patience = w->patience == NOT_GIVEN ? 0 : (uint32_t)w->patience;
    start->has_stop = s->has_target || s->patience > 0 || w->metric != NULL || w->goal != NULL;
    if (!isnan(w->min_delta) && s->patience == 0)
        return invalid(why, "--min-delta needs --patience");
    if (!start->has_stop)
        return ST_OK;
    const char *metric = w->metric == NULL ? "accuracy" : w->metric;
    const char *goal = w->goal == NULL ? "max" : w->goal;
    if (strlen(metric) > METRIC_NAME_MAX)
        return invalid(why, "--metric has more than 64 letters");
    if (strcmp(goal, "max") != 0 && strcmp(goal, "min") != 0)
        return invalid(why, "--goal is max or min");
    (void)snprintf(s->metric, sizeof s->metric, "%s", metric);
    s->goal = strcmp(goal, "max") == 0 ? METRIC_MAX : METRIC_MIN;
    s->target = s->has_target ? w->target : 0;
    s->min_delta = isnan(w->min_delta) ? 0 : w->min_delta;
    return ST_OK;
}

/* An object of the command line; flag: for the sentence */
static enum status read_object(const char *text, const char *flag, json_t **ret, struct why *why)
{
    struct why detail = {0};
    enum status status = arguments_object(text, ret, &detail);
    if (status != ST_OK)
        why_set(why, "%s is %.200s", flag, detail.text);
    return status;
}

#define GRACE_S 5

static enum status read_compression(const struct words *w, struct experiment_start *start,
                                    struct why *why)
{
    json_t *object = NULL;
    enum status status = compress_words_read(&w->compress, &object, why);
    if (status != ST_OK || object == NULL)
        return status;
    json_t *message = json_pack("{s:o}", "compression", object);
    status = message == NULL ? ST_NOMEM : compression_read(message, &start->compression, why);
    json_decref(message);
    return status;
}

static enum status read_image(const struct words *w, struct experiment_start *start,
                              struct why *why)
{
    if (strlen(w->image) >= sizeof start->image)
        return invalid(why, "--image is too long");
    (void)snprintf(start->image, sizeof start->image, "%s", w->image);
    enum status status = read_object(w->hyperparams, "--hyperparams", &start->hyperparams, why);
    if (status == ST_OK)
        status = algorithm_apply(&w->algorithm, start, why);
    if (status == ST_OK)
        status = read_compression(w, start, why);
    return status;
}

/* Reads our own start as the coordinator will, so that a mistake is named at once. */
static enum status check(const struct experiment_start *start, struct why *why)
{
    char *text = experiment_start_encode(start);
    struct experiment_start read;
    struct id id = {0};
    why_set(why, "no memory, or a text that is not UTF-8");
    enum status status =
        text == NULL ? ST_NOMEM : experiment_start_decode(view_text(text), &read, &id, why);
    if (status == ST_OK)
        experiment_start_done(&read);
    free(text);
    return status;
}

static enum status read_start(const struct words *w, struct experiment_start *start,
                              struct why *why)
{
    start->rounds = (uint32_t)w->rounds;
    start->timeout_s = (uint32_t)w->timeout_s;
    start->max_failures = (uint32_t)w->max_failures;
    start->wait_s = (uint32_t)w->wait_s;
    enum status status = read_id(w, start, why);
    if (status == ST_OK)
        status = read_shares(w, start, why);
    if (status == ST_OK)
        status = read_participants(w, start, why);
    if (status == ST_OK)
        status = read_stop(w, start, why);
    if (status == ST_OK)
        status = read_image(w, start, why);
    if (w->grace_s != NOT_GIVEN)
        start->grace_s = (uint32_t)w->grace_s;
    else
        start->grace_s = start->asynchronous.is_on ? 0 : GRACE_S;
    /* The model server names the model later; any topic will do for the check. */
    if (status == ST_OK)
        status = experiments_set_base(start, "fl/models/global_model_v0", NULL);
    return status == ST_OK ? check(start, why) : status;
}

/* ---- the command line ---- */

static const char notes[] =
    "The coordinator drives the rounds and goes on without this tool. Ctrl-C cancels the\n"
    "experiment; a lost terminal does not, and fml experiments follow ID shows it again.\n"
    "A round that expires is shown, and the next one begins. --target and --patience look\n"
    "at --metric as --evaluate measured it or, without evaluation, the training; with\n"
    "--metric alone nothing ends sooner, and the best version is named at the end.";

enum options_result train_args_read(int argc, char **argv, struct train_args *ret)
{
    struct train_args a = {0};
    struct words w = {.evaluate_every = NOT_GIVEN,
                      .algorithm = {.staleness = NOT_GIVEN},
                      .grace_s = NOT_GIVEN,
                      .patience = NOT_GIVEN,
                      .target = NAN,
                      .min_delta = NAN,
                      .compress = {.top_k = NAN}};
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a.session),
        {.flag = "rounds", .value = "N", .kind = OPTION_NUMBER, .target = &w.rounds,
         .min = 1, .max = EXPERIMENT_ROUNDS_MAX, .required = true, .help = "how many rounds"},
        {.flag = "image", .value = "NAME[:TAG]", .kind = OPTION_TEXT, .target = &w.image,
         .required = true, .help = "the image that trains (fml images list)"},
        {.flag = "model", .value = "MODEL", .kind = OPTION_TEXT, .target = &a.model,
         .help = "base model: topic, name, version or NAME@CHANNEL; default: @latest"},
        {.flag = "participants", .value = "alive|A,B,C", .kind = OPTION_TEXT,
         .fallback = "alive", .target = &w.participants,
         .help = "who may train; alive: whoever is when a round begins"},
        {.flag = "select", .value = "all|FRACTION|N", .kind = OPTION_TEXT, .fallback = "all",
         .target = &w.select, .help = "how many of them are asked in a round, drawn anew"},
        {.flag = "select-min", .value = "N", .kind = OPTION_NUMBER, .fallback = "1",
         .target = &w.select_min, .min = 1, .max = ROUND_PARTICIPANTS_MAX,
         .help = "a round waits until so many can be asked"},
        {.flag = "seed", .value = "N", .kind = OPTION_NUMBER, .fallback = "0",
         .target = &w.seed, .min = 0, .max = (uint64_t)1 << 53,
         .help = "the same seed and the same devices: the same are drawn"},
        {.flag = "k", .value = "N|FRACTION", .kind = OPTION_TEXT, .fallback = "0.8",
         .target = &w.k, .help = "updates that close a round, or the part of those asked"},
        {.flag = "timeout", .value = "S", .kind = OPTION_NUMBER, .fallback = "300",
         .target = &w.timeout_s, .min = 1, .max = ROUND_TIMEOUT_S_MAX,
         .help = "seconds until a round expires"},
        {.flag = "grace", .value = "S", .kind = OPTION_NUMBER,
         .target = &w.grace_s, .min = 0, .max = 3600,
         .help = "seconds to wait for the others once k are there; default: 5, and none where "
                 "nobody is waited for"},
        {.flag = "wait", .value = "S", .kind = OPTION_NUMBER, .fallback = "60",
         .target = &w.wait_s, .min = 1, .max = EXPERIMENT_WAIT_S_MAX,
         .help = "seconds to wait for participants; then the round has failed"},
        {.flag = "max-failures", .value = "N", .kind = OPTION_NUMBER, .fallback = "3",
         .target = &w.max_failures, .min = 1, .max = EXPERIMENT_ROUNDS_MAX,
         .help = "rounds in a row that are not completed, then it ends"},
        {.flag = "hyperparams", .value = "JSON", .kind = OPTION_TEXT, .fallback = "{}",
         .target = &w.hyperparams, .help = "an object for the image; \"round\" is added"},
        ALGORITHM_OPTION_SPECS(&w.algorithm),
        COMPRESS_OPTION_SPECS(&w.compress),
        {.flag = "evaluate", .value = "A,B", .kind = OPTION_TEXT, .target = &w.evaluate,
         .help = "proplets that measure new models and never train"},
        {.flag = "evaluate-every", .value = "M", .kind = OPTION_NUMBER,
         .target = &w.evaluate_every, .min = 1, .max = EXPERIMENT_ROUNDS_MAX,
         .help = "after each M completed rounds, and after the last; default: 1"},
        {.flag = "target", .value = "X", .kind = OPTION_REAL, .target = &w.target,
         .help = "end when the metric is as good as X"},
        {.flag = "patience", .value = "N", .kind = OPTION_NUMBER, .target = &w.patience,
         .min = 1, .max = EXPERIMENT_ROUNDS_MAX,
         .help = "end after N measurements without improvement"},
        {.flag = "min-delta", .value = "D", .kind = OPTION_REAL, .target = &w.min_delta,
         .help = "an improvement is more than D; default: 0"},
        {.flag = "metric", .value = "NAME", .kind = OPTION_TEXT, .target = &w.metric,
         .help = "what is looked at for the best version; default: accuracy"},
        {.flag = "goal", .value = "max|min", .kind = OPTION_TEXT, .target = &w.goal,
         .help = "whether more or less of it is better; default: max"},
        {.flag = "id", .value = "NAME", .kind = OPTION_TEXT, .target = &w.id,
         .help = "the experiment; its rounds are NAME-r0001, ...; default: run- and the time"},
        {.flag = "prefix", .value = "NAME", .kind = OPTION_TEXT, .target = &w.prefix,
         .help = "the same as --id"},
        {.flag = "detach", .kind = OPTION_SWITCH, .target = &a.detach,
         .help = "return when the coordinator has accepted it"},
        {.flag = "csv", .value = "FILE", .kind = OPTION_TEXT, .target = &a.csv,
         .help = "write the rows there as well"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "trains for a number of rounds, one after the other",
        .usage = "--rounds N --image NAME[:TAG] [options]",
        .notes = notes,
        OPTIONS_OF(specs),
    };
    int unused = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 0, &unused);
    if (result != OPTIONS_RUN)
        return result;
    struct why why = {0};
    enum status status = ST_OK;
    if (a.detach && a.csv != NULL)
        status = invalid(&why, "--csv has nothing to write with --detach");
    if (status == ST_OK)
        status = read_start(&w, &a.start, &why);
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
    experiment_start_done(&args->start);
}

/* ---- the work ---- */

static int train(struct session *s, struct train_args *args)
{
    struct why why = {0};
    enum status status = experiments_find_base(s, args->model, &args->start, &why);
    if (status == ST_OK)
        status = check(&args->start, &why);
    if (status != ST_OK)
        return failed("%s", why.text);
    const struct follow_plan plan = {.experiment = &args->start.experiment_id,
                                     .start = &args->start,
                                     .detach = args->detach,
                                     .cancels = true,
                                     .csv = args->csv};
    return follow_show(s, &plan);
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
