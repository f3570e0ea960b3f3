/* fml round start: one round, from the mission's JSON or from options. */
#include "cli/commands.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/jsn.h"
#include "cli/index.h"
#include "cli/play.h"
#include "cli/roster.h"
#include "cli/text.h"
#include "io/file.h"

#define PROGRAM "fml round start"

/* ---- arguments ---- */

enum options_result round_args_read(int argc, char **argv, struct round_args *ret)
{
    struct round_args a = {
        .k = NOT_GIVEN, .timeout_s = NOT_GIVEN, .grace_s = NOT_GIVEN, .compress = {.top_k = NAN}};
    bool wait = false;
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a.session),
        {.flag = "id", .value = "ID", .kind = OPTION_TEXT, .target = &a.id,
         .help = "the round's id, never used before; default: the file's, or a new one"},
        {.flag = "model", .value = "MODEL", .kind = OPTION_TEXT, .target = &a.model,
         .help = "base model: topic, name, version or NAME@CHANNEL; default: the file's, or @latest"},
        {.flag = "image", .value = "NAME[:TAG]", .kind = OPTION_TEXT, .target = &a.image,
         .help = "the image that trains (fml images list)"},
        {.flag = "participants", .value = "A,B,C|alive", .kind = OPTION_TEXT,
         .target = &a.participants,
         .help = "proplets; default: the file's, or all that are alive"},
        {.flag = "hyperparams", .value = "JSON", .kind = OPTION_TEXT, .target = &a.hyperparams,
         .help = "an object that the image gets, such as '{\"epochs\":1}'"},
        {.flag = "k", .value = "N", .kind = OPTION_NUMBER, .target = &a.k,
         .min = 1, .max = ROUND_PARTICIPANTS_MAX, .help = "updates that are needed (k_of_n)"},
        {.flag = "timeout", .value = "S", .kind = OPTION_NUMBER, .target = &a.timeout_s,
         .min = 1, .max = ROUND_TIMEOUT_S_MAX, .help = "seconds until the round expires"},
        {.flag = "grace", .value = "S", .kind = OPTION_NUMBER, .target = &a.grace_s,
         .min = 0, .max = 3600, .help = "seconds to wait for the others once k are there"},
        {.flag = "mode", .value = "MODE", .kind = OPTION_TEXT, .target = &a.mode,
         .help = "train or evaluate"},
        COMPRESS_OPTION_SPECS(&a.compress),
        {.flag = "wait", .kind = OPTION_SWITCH, .target = &wait,
         .help = "show the round until it ends (this is the default)"},
        {.flag = "no-wait", .kind = OPTION_SWITCH, .target = &a.no_wait,
         .help = "only start it"},
        {.flag = "json", .kind = OPTION_SWITCH, .target = &a.json,
         .help = "print how it ended as JSON and nothing else"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "starts one round and shows it until it ends",
        .usage = "[options] [FILE]",
        .notes = "FILE holds a round start as in docs/PROTOCOL.md 2.1 ('-': standard input);\n"
                 "options win over its fields. The base model's digest is added, so that a round\n"
                 "trains from exactly that model or not at all.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.file = words == 1 ? argv[1] : NULL;
    if (wait && a.no_wait) {
        (void)usage_wrong(PROGRAM, "--wait and --no-wait exclude each other");
        return OPTIONS_WRONG;
    }
    if (a.file == NULL && a.image == NULL) {
        (void)usage_wrong(PROGRAM, "a FILE or at least --image is needed");
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

/* ---- the start ---- */

bool round_args_want_alive(const struct round_args *args, const json_t *object)
{
    if (args->participants != NULL)
        return strcmp(args->participants, "alive") == 0;
    return json_object_get(object, "participants") == NULL;
}

static enum status set(json_t *object, const char *key, json_t *value, struct why *why)
{
    if (json_object_set_new(object, key, value) == 0)
        return ST_OK;
    why_set(why, "no memory");
    return ST_NOMEM;
}

static enum status set_text(json_t *object, const char *key, const char *text, struct why *why)
{
    if (text == NULL)
        return ST_OK;
    json_t *value = json_string(text); /* NULL: not UTF-8 */
    if (value == NULL) {
        why_set(why, "%s is no valid text", key);
        return ST_INVALID;
    }
    return set(object, key, value, why);
}

static enum status set_number(json_t *object, const char *key, uint64_t number, struct why *why)
{
    return number == NOT_GIVEN ? ST_OK : set(object, key, json_integer((json_int_t)number), why);
}

static enum status set_ids(json_t *object, const struct ids *list, struct why *why)
{
    json_t *names = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(names, json_string(list->items[i].text));
    return set(object, "participants", names, why);
}

static enum status set_participants(const struct round_args *args, const struct ids *alive,
                                    json_t *object, struct why *why)
{
    if (round_args_want_alive(args, object)) {
        if (alive->count > 0)
            return set_ids(object, alive, why);
        why_set(why, "no proplet is alive; start fml-proplet (fml status shows who is there)");
        return ST_NOT_FOUND;
    }
    if (args->participants == NULL)
        return ST_OK;
    struct ids list = {0};
    enum status status = ids_parse(args->participants, &list, why);
    if (status == ST_OK)
        status = set_ids(object, &list, why);
    ids_done(&list);
    return status;
}

static enum status set_compression(const struct round_args *args, json_t *object, struct why *why)
{
    json_t *value = NULL;
    enum status status = compress_words_read(&args->compress, &value, why);
    return status != ST_OK || value == NULL ? status : set(object, "compression", value, why);
}

static enum status set_hyperparams(const struct round_args *args, json_t *object, struct why *why)
{
    if (args->hyperparams == NULL)
        return ST_OK;
    json_t *value = NULL;
    struct why detail = {0};
    enum status status = arguments_object(args->hyperparams, &value, &detail);
    if (status != ST_OK) {
        why_set(why, "--hyperparams is %.200s", detail.text);
        return status;
    }
    return set(object, "hyperparams", value, why);
}

enum status round_args_apply(const struct round_args *args, const struct ids *alive, json_t *object,
                             struct why *why)
{
    enum status status = set_text(object, "round_id", args->id, why);
    if (status == ST_OK)
        status = set_text(object, "task_wasm_image", args->image, why);
    if (status == ST_OK)
        status = set_text(object, "mode", args->mode, why);
    if (status == ST_OK)
        status = set_number(object, "k_of_n", args->k, why);
    if (status == ST_OK)
        status = set_number(object, "timeout_s", args->timeout_s, why);
    if (status == ST_OK)
        status = set_number(object, "grace_s", args->grace_s, why);
    if (status == ST_OK)
        status = set_hyperparams(args, object, why);
    if (status == ST_OK)
        status = set_compression(args, object, why);
    if (status == ST_OK)
        status = set_participants(args, alive, object, why);
    if (status == ST_OK && json_object_get(object, "round_id") == NULL) {
        char id[64];
        time_t now = time(NULL);
        struct tm utc;
        (void)strftime(id, sizeof id, "round-%Y%m%d-%H%M%S", gmtime_r(&now, &utc));
        status = set_text(object, "round_id", id, why);
    }
    return status;
}

static enum status read_standard_input(struct bytes *ret)
{
    char block[4096];
    size_t size;
    while ((size = fread(block, 1, sizeof block, stdin)) > 0) {
        enum status status = bytes_append(ret, view_of(block, size), CONTROL_SIZE_MAX);
        if (status != ST_OK)
            return status;
    }
    return ferror(stdin) ? ST_IO : ST_OK;
}

static enum status read_object(const char *file, json_t **ret, struct why *why)
{
    if (file == NULL) {
        *ret = json_object();
        return *ret == NULL ? ST_NOMEM : ST_OK;
    }
    struct bytes text = {0};
    bool standard_input = strcmp(file, "-") == 0;
    enum status status =
        standard_input ? read_standard_input(&text) : file_read(file, CONTROL_SIZE_MAX, &text);
    if (status != ST_OK) {
        why_set(why, "cannot read %.200s: %s", file, status_name(status));
    } else {
        struct why detail = {0};
        status = jsn_parse(bytes_view(&text), CONTROL_SIZE_MAX, ret, &detail);
        if (status != ST_OK)
            why_set(why, "%.100s: %.140s", standard_input ? "standard input" : file, detail.text);
    }
    bytes_done(&text);
    return status;
}

/* Names the base model by its topic and pins its digest. */
static enum status pin_model(struct session *s, const char *wanted, json_t *object, struct why *why)
{
    const char *uri = json_string_value(json_object_get(object, "model_uri"));
    const char *text = wanted != NULL ? wanted : uri;
    if (wanted == NULL && json_object_get(object, "model_digest") != NULL)
        return ST_OK;
    struct index_model model;
    enum status status = index_fetch_choice(s, text, &model, why);
    if (status != ST_OK)
        return status;
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&model.digest, digest);
    status = set_text(object, "model_uri", model.topic, why);
    return status == ST_OK ? set_text(object, "model_digest", digest, why) : status;
}

static enum status make_start(struct session *s, const struct round_args *args, json_t *object,
                              struct why *why)
{
    struct ids alive = {0};
    enum status status = ST_OK;
    if (round_args_want_alive(args, object))
        status = roster_fetch_alive(s, &alive, why);
    if (status == ST_OK)
        status = round_args_apply(args, &alive, object, why);
    ids_done(&alive);
    if (status == ST_OK)
        status = pin_model(s, args->model, object, why);
    struct round_start start;
    if (status == ST_OK)
        status = play_check(object, &start, why);
    if (status == ST_OK)
        round_start_done(&start);
    return status;
}

/* ---- showing it ---- */

static void print_task(void *owner, const struct task_event *e)
{
    (void)owner;
    /* Only a failure's reason says more than the state. */
    bool failure = strcmp(e->state, "failed") == 0;
    char line[400];
    (void)snprintf(line, sizeof line, "  %-20s task %s%s%s%s%s", e->proplet_id.text, e->state,
                   failure ? ": " : "", failure ? e->reason : "",
                   failure && e->detail[0] != '\0' ? ", " : "", failure ? e->detail : "");
    text_make_safe(line);
    (void)puts(line);
    (void)fflush(stdout);
}

static void print_receipt(void *owner, const struct receipt *r)
{
    (void)owner;
    char line[400];
    if (r->verdict == VERDICT_ACCEPTED)
        (void)snprintf(line, sizeof line, "  %-20s update accepted", r->proplet_id.text);
    else
        (void)snprintf(line, sizeof line, "  %-20s update %s (%s): %s", r->proplet_id.text,
                       r->verdict == VERDICT_NOT_STORED ? "postponed" : "rejected",
                       verdict_code(r->verdict),
                       r->reason[0] == '\0' ? verdict_sentence(r->verdict) : r->reason);
    text_make_safe(line);
    (void)puts(line);
    (void)fflush(stdout);
}

static void print_facts(const json_t *object)
{
    struct round_start start;
    if (play_check(object, &start, NULL) != ST_OK)
        return;
    (void)printf("round %s (%s): %zu proplets asked, %u updates needed, at most %u s\n"
                 "  image %s, base model %s\n",
                 start.round_id.text, round_mode_name(start.mode), start.participant_count,
                 start.k_of_n, start.timeout_s, start.image, start.model_uri);
    (void)fflush(stdout);
    round_start_done(&start);
}

static void print_rejected(const struct complete *c)
{
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (v != VERDICT_ACCEPTED && c->rejected[v] > 0)
            (void)printf("  rejected       %llu (%s)\n", (unsigned long long)c->rejected[v],
                         verdict_code((enum verdict)v));
}

static void print_complete(struct complete *c)
{
    char seconds[TEXT_SIZE], bytes[TEXT_SIZE];
    text_make_safe(c->reason);
    (void)printf("round %s %s after %s%s%s%s\n", c->round_id.text, round_outcome_name(c->outcome),
                 text_seconds((double)c->duration_ms / 1000, seconds),
                 c->reason[0] == '\0' ? "" : " (", c->reason, c->reason[0] == '\0' ? "" : ")");
    (void)printf("  updates        %llu of %llu, %llu samples, %s\n",
                 (unsigned long long)c->num_updates, (unsigned long long)c->participants,
                 (unsigned long long)c->total_samples, text_bytes(c->update_bytes, bytes));
    for (size_t i = 0; i < c->metrics.count; i++) {
        text_make_safe(c->metrics.items[i].name);
        (void)printf("  %-14s %.6g\n", c->metrics.items[i].name, c->metrics.items[i].value);
    }
    print_rejected(c);
    if (c->has_version) {
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&c->model_digest, digest);
        (void)printf("  new model      %s\n                 %s\n", c->model_topic, digest);
    }
}

static int play_and_show(struct session *s, const struct round_args *args, const json_t *start)
{
    const struct play_watch watch = {.on_task = args->json ? NULL : print_task,
                                     .on_receipt = args->json ? NULL : print_receipt};
    struct complete complete;
    struct why why = {0};
    if (!args->json)
        print_facts(start);
    if (play_round(s, start, &watch, &complete, &why) != ST_OK)
        return failed("%s", why.text);
    if (args->json) {
        char *text = complete_encode(&complete);
        if (text == NULL)
            return failed("no memory");
        (void)puts(text);
        free(text);
    } else {
        print_complete(&complete);
    }
    return complete.outcome == ROUND_COMPLETED ? 0 : 1;
}

static int only_start(struct session *s, const json_t *start)
{
    struct why why = {0};
    if (play_start(s, start, &why) != ST_OK)
        return failed("%s", why.text);
    (void)printf("round %s was asked for\n", json_string_value(json_object_get(start, "round_id")));
    return 0;
}

static int round_start(int argc, char **argv)
{
    struct round_args args;
    enum options_result result = round_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct why why = {0};
    json_t *object = NULL;
    if (read_object(args.file, &object, &why) != ST_OK)
        return failed("%s", why.text);
    struct tool t;
    int exit_status = 1;
    if (tool_open(&args.session, &t)) {
        if (make_start(t.session, &args, object, &why) != ST_OK)
            exit_status = failed("%s", why.text);
        else if (args.no_wait)
            exit_status = only_start(t.session, object);
        else
            exit_status = play_and_show(t.session, &args, object);
        tool_close(&t);
    }
    json_decref(object);
    return exit_status;
}

int cmd_round(int argc, char **argv)
{
    static const struct command commands[] = {
        {"start", "[options] [FILE]", "starts one round and shows it until it ends", round_start},
        {"cancel", "[options] ID", "ends a round before its time", round_cancel},
        {NULL, NULL, NULL, NULL},
    };
    return commands_run(commands, "fml round", NULL, argc, argv);
}
