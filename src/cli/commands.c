#include "cli/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/text.h"

#define CLOSE_FLUSH_MS 2000u

static int overview(const struct command *table, const char *program, const char *notes, FILE *out,
                    int exit_status)
{
    (void)fprintf(out, "usage: %s COMMAND [arguments]\n\ncommands:\n", program);
    for (const struct command *c = table; c->name != NULL; c++)
        (void)fprintf(out, "  %-11s %-24s %s\n", c->name, c->arguments, c->summary);
    (void)fprintf(out, "\n%s COMMAND --help says more about one.\n", program);
    if (notes != NULL)
        (void)fprintf(out, "\n%s\n", notes);
    return exit_status;
}

int commands_run(const struct command *table, const char *program, const char *notes, int argc,
                 char **argv)
{
    if (argc < 2)
        return overview(table, program, notes, stderr, 2);
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return overview(table, program, notes, stdout, 0);
    if (strcmp(word, "--version") == 0) {
        (void)puts(OPTIONS_VERSION);
        return 0;
    }
    for (const struct command *c = table; c->name != NULL; c++)
        if (strcmp(c->name, word) == 0)
            return c->run(argc - 1, argv + 1);
    return usage_wrong(program, "there is no command %s", word);
}

bool tool_open(const struct session_settings *settings, struct tool *ret)
{
    struct tool t = {0};
    struct why why = {"cannot make an event loop"};
    enum status status = run_open(&t.run);
    if (status == ST_OK)
        status = session_open(t.run, settings, &t.session, &why);
    if (status != ST_OK) {
        t.run = run_close(t.run);
        (void)failed("%s", why.text);
        return false;
    }
    *ret = t;
    return true;
}

json_t *tool_ask(struct tool *t, const char *topic, json_t *request, const char *answerer,
                 uint64_t limit_ms)
{
    json_t *answer = NULL;
    struct why why = {0};
    char *text = jsn_text_and_release(request);
    if (text == NULL) {
        (void)failed("no memory");
        return NULL;
    }
    enum status status = session_ask(t->session, topic, text, answerer, limit_ms, &answer, &why);
    free(text);
    if (status != ST_OK) {
        (void)failed("%s", why.text);
        return NULL;
    }
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (error == NULL)
        return answer;
    const char *reason = json_string_value(json_object_get(answer, "reason"));
    char line[512];
    (void)snprintf(line, sizeof line, "%s refused: %s (%s)", answerer, reason == NULL ? "" : reason,
                   error);
    text_make_safe(line);
    (void)failed("%s", line);
    json_decref(answer);
    return NULL;
}

void tool_close(struct tool *t)
{
    if (t->session != NULL && session_flush(t->session, CLOSE_FLUSH_MS) == ST_TIMEOUT)
        (void)failed("the broker did not take everything that was sent");
    t->session = session_close(t->session);
    t->run = run_close(t->run);
}

enum options_result arguments_read(const struct options *o, int argc, char **argv, int words_min,
                                   int words_max, int *ret_words)
{
    int words = 0;
    static char output[] = "--output";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-o") == 0) /* the one short form, for habit's sake */
            argv[i] = output;
    enum options_result result = options_read(o, argc, argv, &words);
    if (result != OPTIONS_RUN)
        return result;
    if (words > words_max) {
        (void)usage_wrong(o->program, "there is no place for %s", argv[1 + words_max]);
        return OPTIONS_WRONG;
    }
    if (words < words_min) {
        (void)usage_wrong(o->program, "an argument is missing: %s", o->usage);
        return OPTIONS_WRONG;
    }
    *ret_words = words;
    return OPTIONS_RUN;
}

int arguments_exit(enum options_result result)
{
    return result == OPTIONS_DONE ? 0 : 2;
}

enum status compress_words_read(const struct compress_words *w, json_t **ret, struct why *why)
{
    struct compression unused;
    if (w->dtype == NULL && isnan(w->top_k)) {
        *ret = NULL;
        return ST_OK;
    }
    json_t *object = json_object();
    int failed = object == NULL;
    if (w->dtype != NULL)
        failed |= json_object_set_new(object, "dtype", json_string(w->dtype));
    if (!isnan(w->top_k))
        failed |= json_object_set_new(object, "top_k", json_real(w->top_k));
    json_t *message = failed ? NULL : json_pack("{s:O}", "compression", object);
    why_set(why, "no memory, or a text that is not UTF-8");
    enum status status = message == NULL ? ST_NOMEM : compression_read(message, &unused, why);
    json_decref(message);
    if (status == ST_OK)
        *ret = object;
    else
        json_decref(object);
    return status;
}

enum status arguments_object(const char *text, json_t **ret, struct why *why)
{
    struct why detail = {0};
    enum status status = jsn_parse(view_text(text), CONTROL_SIZE_MAX, ret, &detail);
    if (status != ST_OK)
        why_set(why, "no JSON object: %.200s", detail.text);
    return status;
}
