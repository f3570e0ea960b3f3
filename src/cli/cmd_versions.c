/* fml models rollback, point, history, prune: what the model server does on
 * request (PROTOCOL 2.7). */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/index.h"
#include "cli/text.h"

#define SERVER "fml-model-server"

#define REASON_OPTION_SPEC(text)                                                                   \
    {                                                                                              \
        .flag = "reason", .value = "TEXT", .kind = OPTION_TEXT, .target = (text),                  \
        .required = true, .help = "why; it stays in the history"                                   \
    }

static const char *who(void)
{
    const char *user = getenv("USER");
    return user == NULL || user[0] == '\0' || strlen(user) > ID_SIZE_MAX ? "fml" : user;
}

/* A store that must first ask the coordinator takes up to 5 s. takes: request */
static json_t *ask(struct tool *t, json_t *request)
{
    return tool_ask(t, FL_MODEL_CONTROL, request, SERVER, 2 * SESSION_ANSWER_MS);
}

/* ---- rollback and point ---- */

enum options_result move_args_read(bool rollback, int argc, char **argv, struct move_args *ret)
{
    struct move_args a = {0};
    const char *program = rollback ? "fml models rollback" : "fml models point";
    struct id id;
    /* clang-format off */
    const struct option_spec specs[] = {
        BROKER_OPTION_SPECS(&a.session),
        {.flag = "channel", .value = "NAME", .kind = OPTION_TEXT,
         .fallback = rollback ? "latest" : "stable", .target = &a.channel,
         .help = "the model's channel to move, such as latest or stable"},
        REASON_OPTION_SPEC(&a.reason),
    };
    /* clang-format on */
    const struct options options = {
        .program = program,
        .summary = rollback ? "points a channel at an older version"
                            : "points a channel at a version, and makes it if there is none",
        .usage = "[--channel NAME] MODEL --reason TEXT",
        .notes = "MODEL is a version (3), a name (global_model_v3), a topic or a digest.\n"
                 "No version is changed or removed; the move is a line of the history.\n"
                 "Each publication moves latest; other channels move only by hand.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.model = argv[1];
    if (id_from(a.channel, &id) != ST_OK || a.reason[0] == '\0' ||
        strlen(a.reason) > MODEL_REASON_MAX) {
        (void)usage_wrong(program, "--channel is a name and --reason 1 to %zu bytes",
                          MODEL_REASON_MAX);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

/* The move that is wanted, valid only from where the channel is now. */
static json_t *move_request(const struct model_index *index, const struct move_args *args,
                            bool rollback, struct why *why)
{
    const struct index_model *to = index_choose(index, args->model);
    if (to == NULL) {
        why_set(why, "there is no model %.150s; fml models list shows all", args->model);
        return NULL;
    }
    why_set(why, "no memory, or a text that is not UTF-8");
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "do", rollback ? "rollback" : "point", "model",
                  to->ref.name.text, "channel", args->channel, "version",
                  (json_int_t)to->ref.version, "who", who(), "reason", args->reason);
    for (size_t i = 0; request != NULL && i < index->channel_count; i++) {
        const struct index_channel *c = &index->channels[i];
        if (id_equal(&c->model, &to->ref.name) && strcmp(c->name.text, args->channel) == 0)
            (void)json_object_set_new(request, "from", json_integer((json_int_t)c->version));
    }
    return request;
}

static void print_move(const json_t *answer)
{
    const json_t *from = json_object_get(answer, "from");
    char line[400];
    (void)snprintf(line, sizeof line, "%s@%s -> %s",
                   json_string_value(json_object_get(answer, "model")),
                   json_string_value(json_object_get(answer, "channel")),
                   json_string_value(json_object_get(answer, "topic")));
    text_make_safe(line);
    (void)fputs(line, stdout);
    if (!json_is_true(json_object_get(answer, "moved")))
        (void)puts(" (it pointed there already)");
    else if (from == NULL)
        (void)puts(" (new)");
    else
        (void)printf(" (was version %lld)\n", (long long)json_integer_value(from));
}

static int move(bool rollback, int argc, char **argv)
{
    struct move_args args;
    enum options_result result = move_args_read(rollback, argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    struct model_index index = {0};
    struct why why = {0};
    json_t *request = NULL, *answer = NULL;
    if (index_fetch(t.session, &index, &why) == ST_OK)
        request = move_request(&index, &args, rollback, &why);
    if (request == NULL)
        (void)failed("%s", why.text);
    else
        answer = ask(&t, request);
    if (answer != NULL)
        print_move(answer);
    int exit_status = answer != NULL ? 0 : 1;
    json_decref(answer);
    index_done(&index);
    tool_close(&t);
    return exit_status;
}

int models_rollback(int argc, char **argv)
{
    return move(true, argc, argv);
}

int models_point(int argc, char **argv)
{
    return move(false, argc, argv);
}

/* ---- history ---- */

enum options_result history_args_read(int argc, char **argv, struct history_args *ret)
{
    struct history_args a = {0};
    struct id id;
    /* clang-format off */
    const struct option_spec specs[] = {
        BROKER_OPTION_SPECS(&a.session),
        {.flag = "channel", .value = "NAME", .kind = OPTION_TEXT, .target = &a.channel,
         .help = "only of this channel"},
        {.flag = "last", .value = "N", .kind = OPTION_NUMBER, .fallback = "100",
         .target = &a.last, .min = 1, .max = MODEL_EVENTS_SHOWN_MAX, .help = "how many at most"},
        JSON_OPTION_SPEC(&a.json),
    };
    /* clang-format on */
    const struct options options = {
        .program = "fml models history",
        .summary = "shows when channels were moved, by whom and why, newest last",
        .usage = "[options] [NAME]",
        .notes = "NAME is a model's name without its version, such as global_model.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.name = words == 1 ? argv[1] : NULL;
    if ((a.name != NULL && id_from(a.name, &id) != ST_OK) ||
        (a.channel != NULL && id_from(a.channel, &id) != ST_OK)) {
        (void)usage_wrong(options.program, "a model and a channel are names");
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void print_events(const json_t *events)
{
    static const char *const columns[] = {"WHEN", "WHAT", "MODEL", "FROM",
                                          "TO",   "WHO",  "WHY",   NULL};
    struct table *table = table_new(columns);
    size_t i;
    json_t *e;
    json_array_foreach((json_t *)events, i, e)
    {
        char model[TABLE_CELL_MAX], from[TEXT_SIZE] = "-", to[TEXT_SIZE];
        const json_t *was = json_object_get(e, "from");
        (void)snprintf(model, sizeof model, "%s%s%s", text_at(e, "model"),
                       text_at(e, "channel")[0] == '\0' ? "" : "@", text_at(e, "channel"));
        if (was != NULL)
            (void)snprintf(from, sizeof from, "%lld", (long long)json_integer_value(was));
        (void)snprintf(to, sizeof to, "%lld",
                       (long long)json_integer_value(json_object_get(e, "to")));
        if (table != NULL)
            table_row(table, (const char *const[]){text_at(e, "at"), text_at(e, "do"), model, from,
                                                   to, text_at(e, "who"), text_at(e, "why")});
    }
    if (table != NULL)
        table_print(table, stdout);
    (void)table_free(table);
}

int models_history(int argc, char **argv)
{
    struct history_args args;
    enum options_result result = history_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    json_t *request = json_pack("{s:s, s:I}", "do", "history", "last", (json_int_t)args.last);
    if (args.name != NULL)
        (void)json_object_set_new(request, "model", json_string(args.name));
    if (args.channel != NULL)
        (void)json_object_set_new(request, "channel", json_string(args.channel));
    json_t *answer = ask(&t, request);
    tool_close(&t);
    if (answer == NULL)
        return 1;
    int exit_status = 0;
    if (args.json)
        exit_status = print_json(json_object_get(answer, "history"));
    else
        print_events(json_object_get(answer, "history"));
    json_decref(answer);
    return exit_status;
}

/* ---- prune ---- */

enum options_result prune_args_read(int argc, char **argv, struct prune_args *ret)
{
    struct prune_args a = {0};
    struct id id;
    /* clang-format off */
    const struct option_spec specs[] = {
        BROKER_OPTION_SPECS(&a.session),
        {.flag = "keep", .value = "N", .kind = OPTION_NUMBER, .target = &a.keep, .min = 1,
         .max = MODEL_VERSIONS_MAX, .required = true,
         .help = "how many of the newest versions stay in any case"},
        REASON_OPTION_SPEC(&a.reason),
        {.flag = "dry-run", .kind = OPTION_SWITCH, .target = &a.dry_run,
         .help = "only show what would be deleted"},
    };
    /* clang-format on */
    const struct options options = {
        .program = "fml models prune",
        .summary = "deletes the bytes of old versions that nothing needs",
        .usage = "--keep N --reason TEXT [--dry-run] [NAME]",
        .notes = "What a channel points at, what an open round started from and the newest N\n"
                 "are never deleted. The records of deleted versions stay.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.name = words == 1 ? argv[1] : NULL;
    if ((a.name != NULL && id_from(a.name, &id) != ST_OK) || a.reason[0] == '\0' ||
        strlen(a.reason) > MODEL_REASON_MAX) {
        (void)usage_wrong(options.program, "a model is a name and --reason 1 to %zu bytes",
                          MODEL_REASON_MAX);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

int models_prune(int argc, char **argv)
{
    struct prune_args args;
    enum options_result result = prune_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    json_t *request =
        json_pack("{s:s, s:I, s:s, s:s, s:b}", "do", "prune", "keep", (json_int_t)args.keep, "who",
                  who(), "reason", args.reason, "dry_run", args.dry_run);
    if (request != NULL && args.name != NULL)
        (void)json_object_set_new(request, "model", json_string(args.name));
    json_t *answer = ask(&t, request);
    tool_close(&t);
    if (answer == NULL)
        return 1;
    const json_t *deleted = json_object_get(answer, "deleted");
    size_t i;
    json_t *topic;
    json_array_foreach((json_t *)deleted, i, topic)
    {
        if (json_is_string(topic))
            (void)puts(json_string_value(topic));
    }
    (void)printf("%zu versions %s deleted\n", json_array_size(deleted),
                 args.dry_run ? "would be" : "were");
    json_decref(answer);
    return 0;
}
