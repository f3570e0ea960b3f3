/* fml models: stored models, and initial ones. */
#include "cli/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/index.h"
#include "cli/models.h"
#include "cli/text.h"
#include "io/file.h"
#include "model/model_file.h"

/* ---- init ---- */

#define INIT    "fml models init"
#define PUBLISH "fml models publish"

#define DIGEST_SHOWN 19 /* "sha256:" and 12 digits */

enum options_result init_args_read(int argc, char **argv, struct init_args *ret)
{
    struct init_args a = {0};
    const char *layers = NULL;
    /* clang-format off */
    const struct option_spec specs[] = {
        {.flag = "layers", .value = "N,N,...", .kind = OPTION_TEXT, .fallback = "784,64,10",
         .target = &layers, .help = "sizes, from the input to the classes"},
        {.flag = "seed", .value = "N", .kind = OPTION_NUMBER, .fallback = "1",
         .target = &a.seed, .min = 0, .max = UINT64_MAX, .help = "the same seed, the same model"},
        {.flag = "output", .value = "FILE", .kind = OPTION_TEXT, .target = &a.out,
         .required = true, .help = "the file to write (also -o FILE)"},
    };
    /* clang-format on */
    const struct options options = {
        .program = INIT,
        .summary = "makes a model before any training, as safetensors",
        .usage = "[options] -o FILE",
        .notes = "Two sizes are softmax regression (all zeros), more have hidden layers: weights\n"
                 "are uniform in +-sqrt(6 / (in + out)), biases zero. Tensors: dense1.weight,\n"
                 "dense1.bias, dense2.weight, ...",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 0, &words);
    if (result != OPTIONS_RUN)
        return result;
    struct why why = {0};
    if (layers_parse(layers, &a.layers, &why) != ST_OK) {
        (void)usage_wrong(INIT, "%s", why.text);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

static int init(int argc, char **argv)
{
    struct init_args args;
    enum options_result result = init_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct model *m = NULL;
    struct bytes bytes = {0};
    enum status status = initial_model(&args.layers, args.seed, &m);
    if (status == ST_OK)
        status = model_encode(m, MODEL_SAFETENSORS, &bytes);
    if (status == ST_OK)
        status = file_write(args.out, bytes_view(&bytes));
    int exit_status = 0;
    if (status == ST_LIMIT)
        exit_status = failed("a model of these layers is larger than a model may be");
    else if (status != ST_OK)
        exit_status = failed("cannot write %s: %s", args.out, status_name(status));
    else
        (void)printf("%s: %zu tensors, %zu parameters\n", args.out, model_tensor_count(m),
                     model_param_count(m));
    bytes_done(&bytes);
    (void)model_free(m);
    return exit_status;
}

/* ---- list ---- */

struct list_args {
    struct session_settings session;
    bool json;
};

static enum options_result list_args_read(int argc, char **argv, struct list_args *a)
{
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a->session),
        JSON_OPTION_SPEC(&a->json),
    };
    const struct options options = {
        .program = "fml models list",
        .summary = "lists the stored models, oldest first",
        .usage = "[options]",
        .notes = "FROM is how many participants a version was made of. --json has all of it.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    return arguments_read(&options, argc, argv, 0, 0, &words);
}

static json_t *model_to_json(const struct model_index *index, const struct index_model *m)
{
    char digest[DIGEST_TEXT_SIZE], channels[TABLE_CELL_MAX];
    digest_text(&m->digest, digest);
    index_channels_of(index, m, channels, sizeof channels);
    json_t *metrics = m->metrics[0] == '\0' ? json_object() : json_loads(m->metrics, 0, NULL);
    return json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:b}",
                     "name", m->ref.name.text, "version", (json_int_t)m->ref.version, "topic",
                     m->topic, "digest", digest, "size", (json_int_t)m->size, "form", m->form,
                     "round_id", m->round_id, "created_at", m->created_at, "parent", m->parent,
                     "contributors", (json_int_t)m->contributors, "samples", (json_int_t)m->samples,
                     "metrics", metrics, "channels", channels, "deleted", m->deleted);
}

static json_t *index_to_json(const struct model_index *index)
{
    json_t *models = json_array();
    for (size_t i = 0; i < index->count; i++)
        (void)json_array_append_new(models, model_to_json(index, &index->models[i]));
    return models;
}

/* "accuracy 0.91, loss 0.3" */
static void metrics_to_text(const char *metrics, char *ret, size_t size)
{
    json_t *object = metrics[0] == '\0' ? NULL : json_loads(metrics, 0, NULL);
    const char *name;
    json_t *value;
    size_t used = 0;
    (void)snprintf(ret, size, "-");
    json_object_foreach(object, name, value)
    {
        if (used < size)
            used += (size_t)snprintf(ret + used, size - used, "%s%s %.4g", used == 0 ? "" : ", ",
                                     name, json_number_value(value));
    }
    json_decref(object);
}

/* The version of a parent of the same name, its whole name otherwise. */
static const char *short_parent(const struct index_model *m)
{
    struct model_ref parent;
    const char *slash = strrchr(m->parent, '/');
    if (fl_model_ref_parse(m->parent, &parent) != ST_OK)
        return "-";
    return id_equal(&parent.name, &m->ref.name) ? strrchr(m->parent, 'v') : slash + 1;
}

static void print_index(const struct model_index *index)
{
    static const char *const columns[] = {"MODEL",   "CHANNELS", "PARENT", "ROUND", "FROM",
                                          "METRICS", "CREATED",  "DIGEST", NULL};
    struct table *table = table_new(columns);
    if (table == NULL)
        return;
    for (size_t i = 0; i < index->count; i++) {
        const struct index_model *m = &index->models[i];
        char from[TEXT_SIZE], digest[DIGEST_TEXT_SIZE], channels[TABLE_CELL_MAX];
        char metrics[TABLE_CELL_MAX];
        digest_text(&m->digest, digest);
        digest[DIGEST_SHOWN] = '\0';
        index_channels_of(index, m, channels, sizeof channels);
        metrics_to_text(m->metrics, metrics, sizeof metrics);
        (void)snprintf(from, sizeof from, "%llu", (unsigned long long)m->contributors);
        table_row(table, (const char *const[]){
                             m->topic, m->deleted ? "(deleted)" : channels, short_parent(m),
                             m->round_id[0] == '\0' ? "-" : m->round_id,
                             m->contributors == 0 ? "-" : from, metrics, m->created_at, digest});
    }
    table_print(table, stdout);
    (void)table_free(table);
}

static int list(int argc, char **argv)
{
    struct list_args args = {0};
    enum options_result result = list_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    struct model_index index = {0};
    struct why why = {0};
    int exit_status = 0;
    if (index_fetch(t.session, &index, &why) != ST_OK) {
        exit_status = failed("%s", why.text);
    } else if (args.json) {
        json_t *models = index_to_json(&index);
        exit_status = print_json(models);
        json_decref(models);
    } else {
        print_index(&index);
    }
    index_done(&index);
    tool_close(&t);
    return exit_status;
}

/* ---- get and show ---- */

struct get_args {
    struct session_settings session;
    const char *model;
    const char *out; /* get: NULL is NAME_vN.FORM in this folder; "-" standard output */
};

enum get_kind { GET, EXPORT, SHOW };

static enum options_result get_args_read(int argc, char **argv, enum get_kind kind,
                                         struct get_args *a)
{
    static const char *const programs[] = {"fml models get", "fml models export",
                                           "fml models show"};
    static const char *const usages[] = {"[options] MODEL [-o FILE]", "[options] MODEL -o FILE",
                                         "[options] FILE|MODEL"};
    bool show = kind == SHOW;
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a->session),
        {.flag = "output",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &a->out,
         .required = kind == EXPORT,
         .help = "the file to write (also -o FILE; '-': standard output)"},
    };
    const struct options options = {
        .program = programs[kind],
        .summary = show ? "shows what is in a model" : "fetches a model and checks its digest",
        .usage = usages[kind],
        .notes = "MODEL is a topic (fl/models/global_model_v3), a name (global_model_v3), a\n"
                 "version (3), NAME@CHANNEL or a digest; default FILE: the name and its form, in\n"
                 "this folder.",
        .specs = specs,
        .count = show ? SESSION_OPTION_COUNT : sizeof specs / sizeof specs[0],
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result == OPTIONS_RUN)
        a->model = argv[1];
    return result;
}

/* gives: where it is written */
static const char *path_for(const struct index_model *model, const char *out,
                            char made[FL_TOPIC_SIZE + 32])
{
    if (out != NULL)
        return out;
    (void)snprintf(made, FL_TOPIC_SIZE + 32, "%s_v%llu.%s", model->ref.name.text,
                   (unsigned long long)model->ref.version,
                   strcmp(model->form, "json") == 0 ? "json" : "safetensors");
    return made;
}

static int print_out(const struct model_bytes *bytes)
{
    return fwrite(bytes->view.data, 1, bytes->view.size, stdout) == bytes->view.size &&
                   fflush(stdout) == 0
               ? 0
               : failed("cannot write to standard output");
}

/* One that came in parts is at its path already. */
static int write_out(const struct index_model *model, const struct model_bytes *bytes,
                     const char *path)
{
    char size[TEXT_SIZE];
    enum status status = bytes->mapped ? ST_OK : file_write(path, bytes->view);
    if (status != ST_OK)
        return failed("cannot write %s: %s", path, status_name(status));
    (void)printf("%s: %s, %s\n", path, model->topic, text_bytes(bytes->view.size, size));
    return 0;
}

static int fetch_and_write(struct session *s, const struct get_args *args)
{
    char made[FL_TOPIC_SIZE + 32];
    struct index_model model;
    struct model_bytes bytes = {0};
    struct why why = {0};
    bool print = args->out != NULL && strcmp(args->out, "-") == 0;
    if (index_fetch_choice(s, args->model, &model, &why) != ST_OK)
        return failed("%s", why.text);
    const char *path = print ? NULL : path_for(&model, args->out, made);
    if (model_bytes_fetch(s, &model, path, &bytes, &why) != ST_OK)
        return failed("%s", why.text);
    int exit_status = print ? print_out(&bytes) : write_out(&model, &bytes, path);
    model_bytes_done(&bytes);
    return exit_status;
}

static int get_or_export(enum get_kind kind, int argc, char **argv)
{
    struct get_args args = {0};
    enum options_result result = get_args_read(argc, argv, kind, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct tool t;
    if (!tool_open(&args.session, &t))
        return 1;
    int exit_status = fetch_and_write(t.session, &args);
    tool_close(&t);
    return exit_status;
}

static int get(int argc, char **argv)
{
    return get_or_export(GET, argc, argv);
}

static int export(int argc, char **argv)
{
    return get_or_export(EXPORT, argc, argv);
}

static void print_tensor(struct table *table, const struct tensor *t)
{
    char shape[TABLE_CELL_MAX] = "", low[TEXT_SIZE], high[TEXT_SIZE], mean[TEXT_SIZE];
    size_t used = 0;
    for (uint32_t i = 0; i < t->rank && used < sizeof shape; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu", i == 0 ? "" : " x ",
                                 t->shape[i]);
    double sum = 0, least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < t->count; i++) {
        sum += (double)t->data[i];
        least = fmin(least, (double)t->data[i]);
        most = fmax(most, (double)t->data[i]);
    }
    (void)snprintf(low, sizeof low, "%.5g", least);
    (void)snprintf(high, sizeof high, "%.5g", most);
    (void)snprintf(mean, sizeof mean, "%.5g", sum / (double)t->count);
    table_row(table,
              (const char *const[]){t->name, t->rank == 0 ? "scalar" : shape, low, mean, high});
}

static int print_model(struct view bytes)
{
    static const char *const columns[] = {"TENSOR", "SHAPE", "LEAST", "MEAN", "MOST", NULL};
    struct model *m = NULL;
    enum model_form form;
    struct why why = {0};
    if (model_decode(bytes, &m, &form, &why) != ST_OK)
        return failed("that is no model: %s", why.text);
    struct digest d = digest_of(bytes);
    char digest[DIGEST_TEXT_SIZE], size[TEXT_SIZE];
    digest_text(&d, digest);
    (void)printf("form        %s, %s\ndigest      %s\nparameters  %zu\n",
                 form == MODEL_JSON ? "json" : "safetensors", text_bytes(bytes.size, size), digest,
                 model_param_count(m));
    for (size_t i = 0; i < model_meta_count(m); i++) {
        const char *key, *value;
        char line[400];
        model_meta_at(m, i, &key, &value);
        (void)snprintf(line, sizeof line, "%-11s %s", key, value);
        text_make_safe(line);
        (void)puts(line);
    }
    (void)putchar('\n');
    struct table *table = table_new(columns);
    for (size_t i = 0; table != NULL && i < model_tensor_count(m); i++)
        print_tensor(table, model_tensor(m, i));
    if (table != NULL)
        table_print(table, stdout);
    (void)table_free(table);
    (void)model_free(m);
    return 0;
}

enum status models_read(const struct session_settings *settings, const char *text,
                        struct model_bytes *ret, struct index_model *ret_model, struct why *why)
{
    struct index_model model = {0};
    enum status status = model_bytes_of_file(text, ret);
    if (status == ST_NOT_FOUND) { /* not a file: then a stored model */
        struct tool t;
        why_set(why, "the model server cannot be asked");
        if (!tool_open(settings, &t))
            return ST_IO;
        *why = (struct why){0};
        status = index_fetch_choice(t.session, text, &model, why);
        if (status == ST_OK)
            status = model_bytes_fetch(t.session, &model, NULL, ret, why);
        tool_close(&t);
    } else if (status != ST_OK) {
        why_set(why, "cannot read %.200s: %s", text, status_name(status));
    }
    if (status == ST_OK && ret_model != NULL)
        *ret_model = model;
    return status;
}

static void print_line(const char *key, const char *value)
{
    char line[700];
    if (value[0] == '\0')
        return;
    (void)snprintf(line, sizeof line, "%-12s%s", key, value);
    text_make_safe(line);
    (void)puts(line);
}

/* What the model server knows of it, also of a JSON model, which says nothing. */
static void print_lineage(const struct index_model *m)
{
    char count[TEXT_SIZE];
    print_line("topic", m->topic);
    print_line("stored", m->created_at);
    print_line("round", m->round_id);
    print_line("parent", m->parent);
    if (m->contributors > 0) {
        (void)snprintf(count, sizeof count, "%llu", (unsigned long long)m->contributors);
        print_line("made of", count);
        (void)snprintf(count, sizeof count, "%llu", (unsigned long long)m->samples);
        print_line("samples", count);
    }
    print_line("measured", m->metrics);
}

static int show(int argc, char **argv)
{
    struct get_args args = {0};
    enum options_result result = get_args_read(argc, argv, SHOW, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct model_bytes bytes = {0};
    struct why why = {0};
    struct index_model model = {0};
    enum status status = models_read(&args.session, args.model, &bytes, &model, &why);
    if (status == ST_OK)
        print_lineage(&model);
    int exit_status = status == ST_OK ? print_model(bytes.view) : failed("%s", why.text);
    model_bytes_done(&bytes);
    return exit_status;
}

/* ---- publish ---- */

struct publish_args {
    struct session_settings session;
    const char *file;
    struct model_ref ref;
};

static enum options_result publish_args_read(int argc, char **argv, struct publish_args *a)
{
    const char *name = NULL;
    /* clang-format off */
    const struct option_spec specs[] = {
        SESSION_OPTION_SPECS(&a->session),
        {.flag = "as", .value = "NAME_vN", .kind = OPTION_TEXT, .fallback = "global_model_v0",
         .target = &name, .help = "the model's name and version"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PUBLISH,
        .summary = "hands a model to the model server",
        .usage = "[options] FILE",
        .notes = "A version never changes: other bytes for one that exists are refused.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    char topic[FL_TOPIC_SIZE];
    (void)snprintf(topic, sizeof topic, "fl/models/%s", name);
    a->file = argv[1];
    if (fl_model_ref_parse(topic, &a->ref) == ST_OK)
        return OPTIONS_RUN;
    (void)usage_wrong(PUBLISH, "--as is a name and a version, such as global_model_v0");
    return OPTIONS_WRONG;
}

static int publish(int argc, char **argv)
{
    struct publish_args args = {0};
    enum options_result result = publish_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct model_bytes bytes = {0};
    enum status status = model_bytes_of_file(args.file, &bytes);
    if (status != ST_OK)
        return failed("cannot read %s: %s", args.file, status_name(status));
    struct tool t;
    struct why why = {0};
    int exit_status = 1;
    struct model *texts = NULL;
    enum model_form form;
    size_t params;
    if (model_inspect(bytes.view, &texts, &form, &params, &why) != ST_OK) {
        exit_status = failed("%s is no model: %s", args.file, why.text);
    } else if (tool_open(&args.session, &t)) {
        struct index_model stored;
        status = model_bytes_publish(t.session, &args.ref, bytes.view, args.file, &stored, &why);
        if (status == ST_OK)
            (void)printf("%s is stored\n", stored.topic);
        exit_status = status == ST_OK ? 0 : failed("%s", why.text);
        tool_close(&t);
    }
    (void)model_free(texts);
    model_bytes_done(&bytes);
    return exit_status;
}

int cmd_models(int argc, char **argv)
{
    static const struct command commands[] = {
        {"list", "[options]", "lists the stored models", list},
        {"get", "MODEL [-o FILE]", "fetches one and checks its digest", get},
        {"export", "MODEL -o FILE", "the same, to a file", export},
        {"show", "FILE|MODEL", "shows what is in one", show},
        {"diff", "MODEL MODEL", "shows how two differ", models_diff},
        {"verify", "[MODEL]", "makes one again from its updates", models_verify},
        {"history", "[NAME]", "shows how channels were moved", models_history},
        {"point", "MODEL --reason TEXT", "points a channel at a version", models_point},
        {"rollback", "MODEL --reason TEXT", "points one at an older version", models_rollback},
        {"prune", "--keep N --reason TEXT", "deletes what nothing needs", models_prune},
        {"init", "--layers ... -o FILE", "makes one before any training", init},
        {"publish", "[options] FILE", "hands one to the model server", publish},
        {NULL, NULL, NULL, NULL},
    };
    return commands_run(commands, "fml models", NULL, argc, argv);
}
