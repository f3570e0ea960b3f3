/* fml images: push a Wasm image to the manager, list those that it has. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/jsn.h"
#include "cli/push.h"
#include "cli/roster.h"
#include "cli/text.h"
#include "io/file.h"

#define PROGRAM "fml images push"

enum options_result push_args_read(int argc, char **argv, struct push_args *ret)
{
    struct push_args a = {0};
    const char *name = NULL;
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a.session),
        {.flag = "name",
         .value = "NAME[:TAG]",
         .kind = OPTION_TEXT,
         .target = &name,
         .help = "what rounds call it; default: the file's name without .wasm"},
    };
    const struct options options = {
        .program = PROGRAM,
        .summary = "sends a Wasm image to the manager",
        .usage = "[options] FILE.wasm",
        .notes = "It travels in parts that are checked by digest; parts that are lost are asked\n"
                 "for again. A name that exists stands for the new image afterwards.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    struct why why = {0};
    a.file = argv[1];
    enum status status = ST_OK;
    if (name == NULL)
        status = push_default_name(a.file, a.name, &why);
    else if (strlen(name) > IMAGE_NAME_MAX) {
        why_set(&why, "--name has more than %zu letters", IMAGE_NAME_MAX);
        status = ST_LIMIT;
    } else
        (void)snprintf(a.name, sizeof a.name, "%s", name);
    if (status != ST_OK) {
        (void)usage_wrong(PROGRAM, "%s", why.text);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

static void show_progress(void *owner, uint64_t sent, uint64_t size)
{
    (void)owner;
    char done[TEXT_SIZE], all[TEXT_SIZE];
    if (isatty(STDERR_FILENO) != 1)
        return;
    (void)fprintf(stderr, "\r\033[K%s of %s%s", text_bytes(sent, done), text_bytes(size, all),
                  sent == size ? "\r\033[K" : "");
    (void)fflush(stderr);
}

static int push(int argc, char **argv)
{
    struct push_args args;
    enum options_result result = push_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct bytes image = {0};
    enum status status = file_read(args.file, IMAGE_SIZE_MAX, &image);
    if (status != ST_OK)
        return failed("cannot read %s: %s", args.file, status_name(status));
    struct tool t;
    struct why why = {0};
    struct digest digest;
    int exit_status = 1;
    if (tool_open(&args.session, &t)) {
        status = push_image(t.session, args.name, bytes_view(&image), show_progress, NULL, &digest,
                            &why);
        tool_close(&t);
        exit_status = status == ST_OK ? 0 : failed("%s", why.text);
    }
    if (exit_status == 0) {
        char text[DIGEST_TEXT_SIZE], size[TEXT_SIZE];
        digest_text(&digest, text);
        (void)printf("%s is stored: %s, %s\n", args.name, text, text_bytes(image.size, size));
    }
    bytes_done(&image);
    return exit_status;
}

static enum options_result list_args_read(int argc, char **argv, struct session_settings *settings,
                                          bool *json)
{
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(settings),
        JSON_OPTION_SPEC(json),
    };
    const struct options options = {
        .program = "fml images list",
        .summary = "lists the images that the manager has",
        .usage = "[options]",
        OPTIONS_OF(specs),
    };
    int words = 0;
    return arguments_read(&options, argc, argv, 0, 0, &words);
}

static void print_images(const json_t *images)
{
    static const char *const columns[] = {"IMAGE", "SIZE", "DIGEST", NULL};
    struct table *table = table_new(columns);
    if (table == NULL)
        return;
    size_t i;
    json_t *image;
    json_array_foreach(images, i, image)
    {
        const char *name = "?", *digest = "?";
        uint64_t size = 0;
        char text[TEXT_SIZE];
        if (jsn_str(image, "name", JSN_OPTIONAL, IMAGE_NAME_MAX, &name, NULL) != ST_OK ||
            jsn_str(image, "digest", JSN_OPTIONAL, DIGEST_TEXT_SIZE, &digest, NULL) != ST_OK ||
            jsn_uint(image, "size", JSN_OPTIONAL, 0, INT64_MAX, &size, NULL) != ST_OK)
            continue;
        table_row(table, (const char *const[]){name, text_bytes(size, text), digest});
    }
    table_print(table, stdout);
    (void)table_free(table);
}

static int list(int argc, char **argv)
{
    struct session_settings settings = {0};
    bool json = false;
    enum options_result result = list_args_read(argc, argv, &settings, &json);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&settings, &t))
        return 1;
    json_t *answer = NULL;
    struct why why = {0};
    int exit_status = 0;
    json_t *images = NULL;
    if (roster_ask(t.session, SESSION_ANSWER_MS, &answer, &why) != ST_OK ||
        jsn_array(answer, "images", JSN_REQUIRED, IMAGES_MAX, &images, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    else if (json)
        exit_status = print_json(images);
    else
        print_images(images);
    json_decref(answer);
    tool_close(&t);
    return exit_status;
}

int cmd_images(int argc, char **argv)
{
    static const struct command commands[] = {
        {"push", "[options] FILE.wasm", "sends an image to the manager", push},
        {"list", "[options]", "lists the images that the manager has", list},
        {"sign", "FILE.wasm --key FILE", "signs one, for devices that ask who made it",
         images_sign},
        {NULL, NULL, NULL, NULL},
    };
    return commands_run(commands, "fml images", NULL, argc, argv);
}
