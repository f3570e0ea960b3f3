/* fml status: who is there, what runs, what there is. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/experiments.h"
#include "cli/index.h"
#include "cli/roster.h"
#include "cli/task_event.h"
#include "cli/text.h"
#include "fl/topics.h"

#define TASKS_SHOWN  ((size_t)20)
#define ROUNDS_SHOWN ((size_t)10)

struct status_args {
    struct session_settings session;
    bool json;
};

static enum options_result status_args_read(int argc, char **argv, struct status_args *a)
{
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a->session),
        {.flag = "json",
         .kind = OPTION_SWITCH,
         .target = &a->json,
         .help = "print everything as JSON"},
    };
    const struct options options = {
        .program = "fml status",
        .summary = "shows proplets, tasks, images, rounds, open experiments and the newest model",
        .usage = "[options]",
        .notes = "Exit status 1 if one of manager, coordinator and model server does not answer.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    return arguments_read(&options, argc, argv, 0, 0, &words);
}

/* A text or number field as text; "" if it is neither. */
static const char *field(const json_t *object, const char *key, char room[TEXT_SIZE])
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        return json_string_value(value);
    room[0] = '\0';
    if (json_is_integer(value))
        (void)snprintf(room, TEXT_SIZE, "%lld", (long long)json_integer_value(value));
    return room;
}

static json_t *array_of(const json_t *object, const char *key)
{
    json_t *array = json_object_get(object, key);
    return json_is_array(array) ? array : NULL;
}

static void print_table(struct table *table, const char *none)
{
    if (table == NULL)
        return;
    if (table_count(table) == 0)
        (void)puts(none);
    else
        table_print(table, stdout);
    (void)table_free(table);
    (void)putchar('\n');
}

static void print_proplets(const json_t *manager)
{
    static const char *const columns[] = {"PROPLET", "STATE", "LAST SEEN", "TASKS", NULL};
    struct table *table = table_new(columns);
    size_t i;
    json_t *p;
    json_array_foreach(array_of(manager, "proplets"), i, p)
    {
        char ago[TEXT_SIZE + 8], seconds[TEXT_SIZE], tasks[TEXT_SIZE], id[TEXT_SIZE];
        double seen = json_number_value(json_object_get(p, "last_seen_s"));
        (void)snprintf(ago, sizeof ago, "%s ago", text_seconds(seen, seconds));
        if (table != NULL)
            table_row(table, (const char *const[]){
                                 field(p, "proplet_id", id),
                                 json_is_true(json_object_get(p, "alive")) ? "alive" : "offline",
                                 ago, field(p, "tasks", tasks)});
    }
    print_table(table, "no proplets");
}

static void print_tasks(const json_t *manager)
{
    static const char *const columns[] = {"LAUNCH", "PROPLET", "STATE", "REASON", NULL};
    struct table *table = table_new(columns);
    json_t *tasks = array_of(manager, "tasks");
    for (size_t i = 0; i < json_array_size(tasks) && i < TASKS_SHOWN; i++) {
        const json_t *t = json_array_get(tasks, i);
        char room[4][TEXT_SIZE];
        if (table != NULL)
            table_row(table, (const char *const[]){
                                 field(t, "launch_id", room[0]), field(t, "proplet_id", room[1]),
                                 field(t, "state", room[2]), field(t, "reason", room[3])});
    }
    print_table(table, "no tasks");
}

static void print_images(const json_t *manager)
{
    static const char *const columns[] = {"IMAGE", "SIZE", "DIGEST", NULL};
    struct table *table = table_new(columns);
    size_t i;
    json_t *image;
    json_array_foreach(array_of(manager, "images"), i, image)
    {
        char room[2][TEXT_SIZE], size[TEXT_SIZE];
        json_int_t bytes = json_integer_value(json_object_get(image, "size"));
        if (table != NULL)
            table_row(table,
                      (const char *const[]){field(image, "name", room[0]),
                                            text_bytes(bytes < 0 ? 0 : (uint64_t)bytes, size),
                                            field(image, "digest", room[1])});
    }
    print_table(table, "no images");
}

static void add_rounds(struct table *table, const json_t *rounds, const char *open)
{
    for (size_t i = 0; i < json_array_size(rounds) && i < ROUNDS_SHOWN; i++) {
        const json_t *r = json_array_get(rounds, i);
        char room[5][TEXT_SIZE], updates[2 * TEXT_SIZE + 8];
        (void)snprintf(updates, sizeof updates, "%.31s of %.31s", field(r, "num_updates", room[0]),
                       field(r, "participants", room[1]));
        const char *model = field(r, "model_topic", room[4]);
        table_row(table, (const char *const[]){field(r, "round_id", room[2]),
                                               open != NULL ? open : field(r, "status", room[3]),
                                               updates, model[0] == '\0' ? "-" : model});
    }
}

static void print_rounds(const json_t *coordinator)
{
    static const char *const columns[] = {"ROUND", "STATE", "UPDATES", "NEW MODEL", NULL};
    struct table *table = table_new(columns);
    if (table != NULL) {
        add_rounds(table, array_of(coordinator, "open"), "open");
        add_rounds(table, array_of(coordinator, "ended"), NULL);
    }
    print_table(table, "no rounds");
}

static void print_newest(const struct model_index *index)
{
    const struct index_model *newest = index_newest(index);
    char size[TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
    if (newest == NULL) {
        (void)puts("no models");
        return;
    }
    digest_text(&newest->digest, digest);
    (void)printf("newest model %s, %s, %s (%zu stored)\n", newest->topic,
                 text_bytes(newest->size, size), digest, index->count);
}

/* What was heard of each; NULL: no answer. */
struct findings {
    json_t *manager, *coordinator, *experiments;
    bool has_index;
    struct model_index index;
};

static int ask_all(struct session *s, struct findings *f)
{
    struct why why = {0};
    int exit_status = 0;
    if (roster_ask(s, SESSION_ANSWER_MS, &f->manager, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    if (session_ask(s, FL_ROUND_QUERY, "{\"what\":\"status\"}", "fml-coordinator",
                    SESSION_ANSWER_MS, &f->coordinator, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    if (f->coordinator != NULL && experiments_ask(s, &f->experiments, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    f->has_index = index_fetch(s, &f->index, &why) == ST_OK;
    if (!f->has_index)
        exit_status = failed("%s", why.text);
    return exit_status;
}

static int print_experiments(const json_t *experiments)
{
    struct why why = {0};
    int exit_status = 0;
    if (experiments_print(experiments, false, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    (void)putchar('\n');
    return exit_status;
}

static int print_findings(const struct findings *f)
{
    int exit_status = 0;
    if (f->manager != NULL) {
        print_proplets(f->manager);
        print_tasks(f->manager);
        print_images(f->manager);
    }
    if (f->coordinator != NULL)
        print_rounds(f->coordinator);
    if (f->experiments != NULL)
        exit_status = print_experiments(f->experiments);
    if (f->has_index)
        print_newest(&f->index);
    return exit_status;
}

static int print_findings_json(const struct findings *f)
{
    const struct index_model *newest = f->has_index ? index_newest(&f->index) : NULL;
    json_t *all = json_pack("{s:O?, s:O?, s:O?, s:s?}", "manager", f->manager, "coordinator",
                            f->coordinator, "experiments", f->experiments, "newest_model",
                            newest == NULL ? NULL : newest->topic);
    int exit_status = print_json(all);
    json_decref(all);
    return exit_status;
}

int cmd_status(int argc, char **argv)
{
    struct status_args args = {0};
    enum options_result result = status_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    struct findings f = {0};
    int exit_status = ask_all(t.session, &f);
    if ((args.json ? print_findings_json(&f) : print_findings(&f)) != 0)
        exit_status = 1;
    json_decref(f.manager);
    json_decref(f.coordinator);
    json_decref(f.experiments);
    index_done(&f.index);
    tool_close(&t);
    return exit_status;
}
