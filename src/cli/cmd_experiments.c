/* fml experiments: what runs and ran at the coordinator (PROTOCOL 2.8). */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/experiment_view.h"
#include "cli/follow_show.h"
#include "cli/text.h"

/* ---- arguments ---- */

static enum options_result words_read(const struct options *options, int words, int argc,
                                      char **argv, struct experiment_args *a)
{
    int found = 0;
    enum options_result result = arguments_read(options, argc, argv, words, words, &found);
    if (result != OPTIONS_RUN || words == 0)
        return result;
    if (id_from(argv[1], &a->id) == ST_OK && strlen(argv[1]) <= EXPERIMENT_ID_MAX)
        return OPTIONS_RUN;
    (void)usage_wrong(options->program, "%s is no experiment's id", argv[1]);
    return OPTIONS_WRONG;
}

/* Of a command that only needs the broker. o: without its table. json: it has --json
 * words: 1 with an ID, 0 without */
static enum options_result plain_args_read(struct options o, bool json, int words, int argc,
                                           char **argv, struct experiment_args *a)
{
    const struct option_spec specs[] = {
        JSON_OPTION_SPEC(&a->json),
        BROKER_OPTION_SPECS(&a->session),
    };
    o.specs = json ? specs : specs + 1;
    o.count = sizeof specs / sizeof specs[0] - (json ? 0 : 1);
    return words_read(&o, words, argc, argv, a);
}

static enum options_result list_args_read(int argc, char **argv, struct experiment_args *a)
{
    const struct options options = {
        .program = "fml experiments list",
        .summary = "lists the experiments that run and those that have ended, newest first",
        .usage = "[options]",
        .notes = "MADE is how many rounds made a version. METRICS are the last measured.",
    };
    return plain_args_read(options, true, 0, argc, argv, a);
}

static enum options_result show_args_read(int argc, char **argv, struct experiment_args *a)
{
    const struct options options = {
        .program = "fml experiments show",
        .summary = "shows where an experiment is or how it ended, and its rows",
        .usage = "[options] ID",
    };
    return plain_args_read(options, true, 1, argc, argv, a);
}

static enum options_result end_args_read(int argc, char **argv, struct experiment_args *a)
{
    const struct options options = {
        .program = "fml experiments cancel",
        .summary = "ends an experiment and the round that it runs",
        .usage = "[options] ID",
        .notes = "The versions that were made stay. Exit status 0 if it was cancelled.",
    };
    return plain_args_read(options, false, 1, argc, argv, a);
}

enum options_result follow_args_read(int argc, char **argv, struct experiment_args *ret)
{
    struct experiment_args a = {0};
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a.session),
        {.flag = "csv",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &a.csv,
         .help = "write the rows there as well"},
    };
    const struct options options = {
        .program = "fml experiments follow",
        .summary = "shows an experiment from its first round to its end, as fml train does",
        .usage = "[options] ID",
        .notes = "Ctrl-C ends the showing and not the experiment; fml experiments cancel does\n"
                 "that. Exit status 0 if it was completed.",
        OPTIONS_OF(specs),
    };
    enum options_result result = words_read(&options, 1, argc, argv, &a);
    if (result == OPTIONS_RUN)
        *ret = a;
    return result;
}

/* ---- list ---- */

static void add_state(void *owner, const struct experiment_state *s)
{
    struct table *table = owner;
    char rounds[2 * TEXT_SIZE], made[TEXT_SIZE], metrics[TABLE_CELL_MAX];
    (void)snprintf(rounds, sizeof rounds, "%u of %u", s->round, s->rounds);
    (void)snprintf(made, sizeof made, "%u", s->completed);
    experiment_metrics_text(&s->metrics, metrics, sizeof metrics);
    table_row(table, (const char *const[]){s->experiment_id.text, experiment_state_word(s), rounds,
                                           made, metrics, s->model_topic,
                                           s->reason[0] == '\0' ? "-" : s->reason});
}

enum status experiments_print(const json_t *answer, bool ended, struct why *why)
{
    static const char *const columns[] = {"EXPERIMENT", "STATE", "ROUND",  "MADE",
                                          "METRICS",    "MODEL", "REASON", NULL};
    struct table *table = table_new(columns);
    if (table == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    enum status status = experiments_each(answer, "open", add_state, table, why);
    if (status == ST_OK && ended)
        status = experiments_each(answer, "ended", add_state, table, why);
    if (status == ST_OK && table_count(table) == 0)
        (void)puts(ended ? "no experiments" : "no open experiments");
    else if (status == ST_OK)
        table_print(table, stdout);
    (void)table_free(table);
    return status;
}

static int list(int argc, char **argv)
{
    struct experiment_args args = {0};
    enum options_result result = list_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    json_t *answer = NULL;
    struct why why = {0};
    int exit_status = 0;
    enum status status = experiments_ask(t.session, &answer, &why);
    if (status == ST_OK && args.json)
        exit_status = print_json(answer);
    else if (status == ST_OK)
        status = experiments_print(answer, true, &why);
    if (status != ST_OK)
        exit_status = failed("%s", why.text);
    json_decref(answer);
    tool_close(&t);
    return exit_status;
}

/* ---- show ---- */

static void collect_row(void *owner, const struct experiment_row *row)
{
    json_t *rows = owner;
    if (json_array_append_new(rows, experiment_row_to_json(row)) != 0)
        (void)failed("row %u is left out: no memory", row->round);
}

static void show_row(void *owner, const struct experiment_row *row)
{
    experiment_view_row(owner, row);
}

static enum status show_json(struct session *s, const struct experiment_state *state,
                             struct why *why)
{
    json_t *rows = json_array();
    enum status status = experiments_ask_rows(s, &state->experiment_id, 0, collect_row, rows, why);
    json_t *all = json_pack("{s:o, s:o}", "state", experiment_state_to_json(state), "rows", rows);
    if (status == ST_OK && (all == NULL || print_json(all) != 0)) {
        why_set(why, "no memory");
        status = ST_NOMEM;
    }
    json_decref(all);
    return status;
}

static enum status show_text(struct session *s, const struct experiment_state *state,
                             struct why *why)
{
    struct experiment_view view = {0};
    char reason[sizeof state->reason + 4] = "";
    enum status status = experiment_view_open(&view, why);
    if (status != ST_OK)
        return status;
    if (state->phase == EXPERIMENT_DONE)
        (void)snprintf(reason, sizeof reason, ", %s", state->reason);
    text_make_safe(reason);
    (void)printf("experiment %s: %s%s\n", state->experiment_id.text, experiment_state_word(state),
                 reason);
    experiment_view_head(&view);
    status = experiments_ask_rows(s, &state->experiment_id, 0, show_row, &view, why);
    if (status == ST_OK)
        experiment_view_summary(&view, state, stdout);
    enum status closed = experiment_view_close(&view, why);
    return status == ST_OK ? closed : status;
}

static int show(int argc, char **argv)
{
    struct experiment_args args = {0};
    enum options_result result = show_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    json_t *answer = NULL;
    struct experiment_state state;
    struct why why = {0};
    enum status status = experiments_ask(t.session, &answer, &why);
    if (status == ST_OK)
        status = experiments_find(answer, &args.id, &state, &why);
    json_decref(answer);
    if (status == ST_OK)
        status =
            args.json ? show_json(t.session, &state, &why) : show_text(t.session, &state, &why);
    tool_close(&t);
    return status == ST_OK ? 0 : failed("%s", why.text);
}

/* ---- follow and cancel ---- */

static int follow(int argc, char **argv)
{
    struct experiment_args args;
    enum options_result result = follow_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    const struct follow_plan plan = {.experiment = &args.id, .csv = args.csv};
    int exit_status = follow_show(t.session, &plan);
    tool_close(&t);
    return exit_status;
}

static int cancel_and_say(struct session *s, const struct id *id)
{
    struct follow *f = NULL;
    struct experiment_state state;
    struct why why = {0};
    enum status status = follow_open(s, id, NULL, &f, &why);
    if (status == ST_OK)
        status = follow_cancel(f, &state, &why);
    f = follow_close(f);
    if (status != ST_OK)
        return failed("%s", why.text);
    if (state.outcome != ROUND_CANCELLED)
        return failed("experiment %s had ended: %s", id->text, experiment_state_word(&state));
    (void)printf("experiment %s is cancelled after %u of %u rounds\n", id->text, state.completed,
                 state.rounds);
    return 0;
}

static int cancel(int argc, char **argv)
{
    struct experiment_args args = {0};
    enum options_result result = end_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    int exit_status = cancel_and_say(t.session, &args.id);
    tool_close(&t);
    return exit_status;
}

int cmd_experiments(int argc, char **argv)
{
    static const struct command commands[] = {
        {"list", "[options]", "lists those that run and those that have ended", list},
        {"show", "[options] ID", "shows where one is or how it ended, and its rows", show},
        {"follow", "[options] ID", "shows one until its end, as fml train does", follow},
        {"cancel", "[options] ID", "ends one and the round that it runs", cancel},
        {NULL, NULL, NULL, NULL},
    };
    return commands_run(commands, "fml experiments", "fml train starts one.", argc, argv);
}
