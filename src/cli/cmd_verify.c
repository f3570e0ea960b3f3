/* fml models verify: is a version what its round's updates make (PROTOCOL 2.10)?
 *
 * The coordinator aggregates the kept updates anew, and says the digest of what comes
 * out. Here it is compared with the digest under which the model server has the
 * version: two programs, two disks, and no byte is believed twice. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/index.h"
#include "cli/text.h"

#define PROGRAM        "fml models verify"
#define VERIFY_WAIT_MS 600000u /* a large model's updates are read from end to end */

enum options_result verify_args_read(int argc, char **argv, struct verify_args *ret)
{
    struct verify_args a = {0};
    /* clang-format off */
    const struct option_spec specs[] = {
        BROKER_OPTION_SPECS(&a.session),
        {.flag = "all", .kind = OPTION_SWITCH, .target = &a.all,
         .help = "each version that a round made and whose updates are kept"},
        JSON_OPTION_SPEC(&a.json),
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "makes a version again from its stored updates and compares the bytes",
        .usage = "[options] [MODEL]",
        .notes =
            "MODEL is a version (3), a name (global_model_v3), a topic or a digest; the newest\n"
            "if none is given. The coordinator must keep updates: --keep-updates N.\n"
            "Exit status 1: other bytes came out, or they could not be made again.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.model = words == 1 ? argv[1] : NULL;
    if (a.all && a.model != NULL) {
        (void)usage_wrong(PROGRAM, "--all goes without a MODEL");
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

/* What the coordinator said of one version. */
struct verification {
    const struct index_model *model;
    json_t *answer; /* owned */
    bool same;
};

/* An answer that lacks its digest compares as another one. */
static void compare(struct verification *v)
{
    struct digest made;
    const char *text = json_string_value(json_object_get(v->answer, "digest"));
    v->same = text != NULL && digest_parse(text, &made) == ST_OK &&
              digest_equal(&made, &v->model->digest);
}

static bool verify_one(struct tool *t, const struct index_model *m, struct verification *ret)
{
    if (m->round_id[0] == '\0') {
        (void)failed("%s was not made by a round, so there are no updates to make it from",
                     m->topic);
        return false;
    }
    *ret = (struct verification){.model = m};
    ret->answer = tool_ask(t, FL_ROUND_VERIFY, json_pack("{s:s}", "round_id", m->round_id),
                           "fml-coordinator", VERIFY_WAIT_MS);
    if (ret->answer == NULL)
        return false;
    compare(ret);
    return true;
}

static void print_text(const struct verification *v)
{
    char topic[FL_TOPIC_SIZE], made[DIGEST_TEXT_SIZE + 1] = "none";
    (void)snprintf(topic, sizeof topic, "%s", v->model->topic);
    text_make_safe(topic);
    const char *text = json_string_value(json_object_get(v->answer, "digest"));
    if (text != NULL)
        (void)snprintf(made, sizeof made, "%s", text);
    text_make_safe(made);
    long long updates = json_integer_value(json_object_get(v->answer, "num_updates"));
    long long ms = json_integer_value(json_object_get(v->answer, "duration_ms"));
    if (v->same)
        (void)printf("%s: same bytes from %lld updates, %s (%lld ms)\n", topic, updates, made, ms);
    else
        (void)printf("%s: OTHER BYTES from %lld updates: they make %s\n", topic, updates, made);
}

static int print_verification(const struct verification *v, bool json)
{
    if (!json)
        print_text(v);
    else {
        (void)json_object_set_new(v->answer, "same", json_boolean(v->same));
        (void)print_json(v->answer);
    }
    return v->same ? 0 : 1;
}

static int verify_and_print(struct tool *t, const struct index_model *m, bool json)
{
    struct verification v;
    if (!verify_one(t, m, &v))
        return 1;
    int exit_status = print_verification(&v, json);
    json_decref(v.answer);
    return exit_status;
}

static bool holds(const json_t *rounds, const char *round)
{
    for (size_t i = 0; i < json_array_size(rounds); i++) {
        const char *text = json_string_value(json_array_get(rounds, i));
        if (text != NULL && strcmp(text, round) == 0)
            return true;
    }
    return false;
}

/* Of all rounds whose updates are kept, oldest first. */
static int verify_all(struct tool *t, const struct model_index *index, bool json)
{
    json_t *answer =
        tool_ask(t, FL_ROUND_VERIFY, json_object(), "fml-coordinator", SESSION_ANSWER_MS);
    if (answer == NULL)
        return 1;
    const json_t *kept = json_object_get(answer, "kept");
    int exit_status = json_array_size(kept) > 0
                          ? 0
                          : failed("no updates are kept: start fml-coordinator --keep-updates N");
    for (size_t i = 0; i < index->count; i++)
        if (holds(kept, index->models[i].round_id) &&
            verify_and_print(t, &index->models[i], json) != 0)
            exit_status = 1;
    json_decref(answer);
    return exit_status;
}

int models_verify(int argc, char **argv)
{
    struct verify_args args;
    enum options_result result = verify_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    struct model_index index = {0};
    struct why why = {0};
    int exit_status = 1;
    const struct index_model *m = NULL;
    if (index_fetch(t.session, &index, &why) != ST_OK)
        (void)failed("%s", why.text);
    else if (args.all)
        exit_status = verify_all(&t, &index, args.json);
    else if ((m = index_choose(&index, args.model)) != NULL)
        exit_status = verify_and_print(&t, m, args.json);
    else
        (void)failed("there is no such model; fml models list shows all");
    index_done(&index);
    tool_close(&t);
    return exit_status;
}
