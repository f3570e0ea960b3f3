/* fml round cancel: ends a round before its time (PROTOCOL 2.1). */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "fl/topics.h"

#define PROGRAM "fml round cancel"

enum options_result cancel_args_read(int argc, char **argv, struct cancel_args *ret)
{
    struct cancel_args a = {0};
    const struct option_spec specs[] = {
        BROKER_OPTION_SPECS(&a.session),
        {.flag = "reason",
         .value = "TEXT",
         .kind = OPTION_TEXT,
         .target = &a.reason,
         .help = "why; it stays in the coordinator's log"},
    };
    const struct options options = {
        .program = PROGRAM,
        .summary = "ends a round before its time: no model is made, its tasks are stopped",
        .usage = "[options] ID",
        .notes = "What was counted is dropped. A round whose model is on its way to the model\n"
                 "server may leave that version behind, unnamed by the round's end.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    if (id_from(argv[1], &a.id) != ST_OK ||
        (a.reason != NULL && strlen(a.reason) > CANCEL_REASON_MAX)) {
        (void)usage_wrong(PROGRAM, "ID is a round's id, and --reason has at most %zu bytes",
                          CANCEL_REASON_MAX);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

static json_t *request_of(const struct cancel_args *args)
{
    json_t *request = json_pack("{s:s}", "round_id", args->id.text);
    if (request != NULL && args->reason != NULL)
        (void)json_object_set_new(request, "reason", json_string(args->reason));
    return request;
}

int round_cancel(int argc, char **argv)
{
    struct cancel_args args;
    enum options_result result = cancel_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    json_t *answer =
        tool_ask(&t, FL_ROUND_CANCEL, request_of(&args), "fml-coordinator", SESSION_ANSWER_MS);
    if (answer != NULL)
        (void)printf("round %s is cancelled\n", args.id.text);
    int exit_status = answer != NULL ? 0 : 1;
    json_decref(answer);
    tool_close(&t);
    return exit_status;
}
