/* The command line of each command: what is read, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"

#define ARGS_MAX 64

/* Splits "a b c" into an argv whose words may be moved. */
struct line {
    char text[512];
    char *argv[ARGS_MAX];
    int argc;
};

static struct line *line(const char *text)
{
    static struct line l;
    l.argc = 0;
    (void)snprintf(l.text, sizeof l.text, "%s", text);
    char *rest = l.text;
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL && l.argc < ARGS_MAX;)
        l.argv[l.argc++] = word;
    return &l;
}

static int clear_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"MQTT_BROKER", "MQTT_USERNAME", "MQTT_PASSWORD",
                                        "FML_DOMAIN", "FML_CHANNEL"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
    return 0;
}

/* ---- the table ---- */

static int called;

static int note_call(int argc, char **argv)
{
    called++;
    assert_string_equal(argv[0], "do");
    return argc + 10;
}

static void a_command_gets_its_own_arguments(void **state)
{
    (void)state;
    const struct command table[] = {{"do", "", "", note_call}, {NULL, NULL, NULL, NULL}};
    struct line *l = line("fml do a b");
    called = 0;
    assert_int_equal(commands_run(table, "fml", NULL, l->argc, l->argv), 13);
    assert_int_equal(called, 1);
}

static void no_command_and_an_unknown_one_are_wrong_use(void **state)
{
    (void)state;
    const struct command table[] = {{"do", "", "", note_call}, {NULL, NULL, NULL, NULL}};
    called = 0;
    struct line *l = line("fml");
    assert_int_equal(commands_run(table, "fml", NULL, l->argc, l->argv), 2);
    l = line("fml done");
    assert_int_equal(commands_run(table, "fml", NULL, l->argc, l->argv), 2);
    l = line("fml --help");
    assert_int_equal(commands_run(table, "fml", NULL, l->argc, l->argv), 0);
    assert_int_equal(called, 0);
}

/* ---- round start ---- */

static enum options_result read_round(const char *text, struct round_args *ret)
{
    struct line *l = line(text);
    return round_args_read(l->argc, l->argv, ret);
}

static void round_takes_a_file(void **state)
{
    (void)state;
    struct round_args a;
    assert_int_equal(read_round("start round.json --k 2", &a), OPTIONS_RUN);
    assert_string_equal(a.file, "round.json");
    assert_int_equal(a.k, 2);
    assert_int_equal(a.timeout_s, NOT_GIVEN);
    assert_string_equal(a.session.broker, "tcp://localhost:1883");
    assert_string_equal(a.session.domain, "demo");
    assert_string_equal(a.session.channel, "fl");
    assert_int_equal(read_round("start -", &a), OPTIONS_RUN);
    assert_string_equal(a.file, "-");
}

static void environment_names_the_broker_and_the_option_wins(void **state)
{
    (void)state;
    struct round_args a;
    assert_int_equal(setenv("MQTT_BROKER", "tcp://one:1", 1), 0);
    assert_int_equal(read_round("start f", &a), OPTIONS_RUN);
    assert_string_equal(a.session.broker, "tcp://one:1");
    assert_int_equal(read_round("start f --broker tcp://two:2", &a), OPTIONS_RUN);
    assert_string_equal(a.session.broker, "tcp://two:2");
    (void)clear_environment(NULL);
}

static void wrong_round_lines_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"start",
                                        "start --model 3",
                                        "start a b",
                                        "start a --k 0",
                                        "start a --k",
                                        "start a --timeout 604801",
                                        "start a --grace 3601",
                                        "start a --wait --no-wait",
                                        "start a --unknown"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct round_args a;
        assert_int_equal(read_round(wrong[i], &a), OPTIONS_WRONG);
    }
}

static void cancel_is_read_and_refused(void **state)
{
    (void)state;
    struct cancel_args a;
    struct line *l = line("cancel r-0001");
    assert_int_equal(cancel_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.id.text, "r-0001");
    assert_null(a.reason);
    l = line("cancel --reason wrong-image r-0001");
    assert_int_equal(cancel_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.reason, "wrong-image");
    static const char *const wrong[] = {"cancel", "cancel a b", "cancel a/b", "cancel a --reason",
                                        "cancel a --json"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(cancel_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    }
    char reason[CANCEL_REASON_MAX + 2] = {0};
    memset(reason, 'x', sizeof reason - 1);
    char *argv[] = {(char[]){"cancel"}, (char[]){"a"}, (char[]){"--reason"}, reason, NULL};
    assert_int_equal(cancel_args_read(4, argv, &a), OPTIONS_WRONG);
}

static void options_win_over_the_file(void **state)
{
    (void)state;
    struct round_args a;
    struct ids nobody = {0};
    json_t *object = json_pack("{s:s, s:s, s:[s], s:i}", "round_id", "r-file", "extra", "kept",
                               "participants", "p1", "k_of_n", 1);
    assert_int_equal(
        read_round("start f --id r-2 --image img --participants a,b --k 2 --mode evaluate "
                   "--timeout 9 --grace 1 --hyperparams {\"lr\":0.5}",
                   &a),
        OPTIONS_RUN);
    assert_false(round_args_want_alive(&a, object));
    assert_int_equal(round_args_apply(&a, &nobody, object, NULL), ST_OK);
    assert_string_equal(json_string_value(json_object_get(object, "round_id")), "r-2");
    assert_string_equal(json_string_value(json_object_get(object, "task_wasm_image")), "img");
    assert_string_equal(json_string_value(json_object_get(object, "mode")), "evaluate");
    assert_string_equal(json_string_value(json_object_get(object, "extra")), "kept");
    assert_int_equal(json_array_size(json_object_get(object, "participants")), 2);
    assert_int_equal(json_integer_value(json_object_get(object, "k_of_n")), 2);
    assert_int_equal(json_integer_value(json_object_get(object, "timeout_s")), 9);
    assert_int_equal(json_integer_value(json_object_get(object, "grace_s")), 1);
    assert_true(json_real_value(json_object_get(json_object_get(object, "hyperparams"), "lr")) ==
                0.5);
    json_decref(object);
}

static void a_file_alone_stays_as_it_is(void **state)
{
    (void)state;
    struct round_args a;
    struct ids nobody = {0};
    json_t *object = json_pack("{s:s, s:[s], s:i}", "round_id", "r", "participants", "p", "x", 1);
    json_t *copy = json_deep_copy(object);
    assert_int_equal(read_round("start f", &a), OPTIONS_RUN);
    assert_false(round_args_want_alive(&a, object));
    assert_int_equal(round_args_apply(&a, &nobody, object, NULL), ST_OK);
    assert_true(json_equal(object, copy));
    json_decref(copy);
    json_decref(object);
}

static void without_participants_all_who_are_alive_take_part(void **state)
{
    (void)state;
    struct round_args a;
    struct ids alive = {0}, nobody = {0};
    struct why why = {""};
    assert_int_equal(ids_parse("x,y,z", &alive, NULL), ST_OK);
    json_t *object = json_object();
    assert_int_equal(read_round("start --image img", &a), OPTIONS_RUN);
    assert_true(round_args_want_alive(&a, object));
    assert_int_equal(round_args_apply(&a, &nobody, object, &why), ST_NOT_FOUND);
    assert_true(strlen(why.text) > 0);
    assert_int_equal(round_args_apply(&a, &alive, object, NULL), ST_OK);
    assert_int_equal(json_array_size(json_object_get(object, "participants")), 3);
    assert_non_null(json_object_get(object, "round_id")); /* one was made */
    json_decref(object);
    ids_done(&alive);
}

static void hyperparams_that_are_no_object_are_refused(void **state)
{
    (void)state;
    struct round_args a;
    struct ids nobody = {0};
    struct why why = {""};
    json_t *object = json_pack("{s:[s]}", "participants", "p");
    assert_int_equal(read_round("start f --hyperparams [1]", &a), OPTIONS_RUN);
    assert_int_not_equal(round_args_apply(&a, &nobody, object, &why), ST_OK);
    assert_non_null(strstr(why.text, "--hyperparams"));
    assert_null(json_object_get(object, "hyperparams"));
    json_decref(object);
}

/* ---- train ---- */

static enum options_result read_train(const char *text, struct train_args *ret)
{
    struct line *l = line(text);
    return train_args_read(l->argc, l->argv, ret);
}

/* The start that a command line makes, as text. free() */
static char *start_of(const char *text)
{
    struct train_args a;
    assert_int_equal(read_train(text, &a), OPTIONS_RUN);
    char *start = experiment_start_encode(&a.start);
    assert_non_null(start);
    train_args_done(&a);
    return start;
}

/* What the tool sends is what the coordinator reads from this text. */
static void assert_start(const char *line_text, const char *expected)
{
    struct experiment_start start;
    struct id id = {0};
    struct why why = {""};
    if (experiment_start_decode(view_text(expected), &start, &id, &why) != ST_OK)
        fail_msg("%s", why.text);
    char *whole = experiment_start_encode(&start), *made = start_of(line_text);
    experiment_start_done(&start);
    assert_string_equal(made, whole);
    free(made);
    free(whole);
}

static void train_has_its_defaults(void **state)
{
    (void)state;
    assert_start("train --rounds 20 --image img --id x",
                 "{\"experiment_id\":\"x\",\"model_uri\":\"fl/models/global_model_v0\","
                 "\"task_wasm_image\":\"img\",\"hyperparams\":{},\"participants\":\"alive\","
                 "\"rounds\":20,\"selection\":{\"count\":\"all\",\"min\":1,\"seed\":0},"
                 "\"k_of_n\":0.8,\"timeout_s\":300,\"grace_s\":5,\"wait_s\":60,"
                 "\"max_failures\":3}");
    struct train_args a;
    assert_int_equal(read_train("train --rounds 20 --image img", &a), OPTIONS_RUN);
    assert_null(a.model);
    assert_null(a.csv);
    assert_false(a.detach);
    assert_int_equal(strncmp(a.start.experiment_id.text, "run-", 4), 0);
    train_args_done(&a);
}

static void train_takes_lists_and_numbers(void **state)
{
    (void)state;
    assert_start("train --rounds 2 --image img --participants a,b,c --evaluate e,f --k 3 "
                 "--prefix mine --hyperparams {\"lr\":0.1} --select 0.5 --select-min 2 --seed 7 "
                 "--timeout 9 --grace 0 --wait 8 --max-failures 4 --evaluate-every 5 "
                 "--aggregation {\"rule\":\"median\"} --compress int8 --top-k 0.25",
                 "{\"experiment_id\":\"mine\",\"model_uri\":\"fl/models/global_model_v0\","
                 "\"task_wasm_image\":\"img\",\"hyperparams\":{\"lr\":0.1},"
                 "\"participants\":[\"a\",\"b\",\"c\"],\"rounds\":2,"
                 "\"selection\":{\"count\":0.5,\"min\":2,\"seed\":7},\"k_of_n\":3,"
                 "\"timeout_s\":9,\"grace_s\":0,\"wait_s\":8,\"max_failures\":4,"
                 "\"aggregation\":{\"rule\":\"median\"},"
                 "\"compression\":{\"dtype\":\"int8\",\"top_k\":0.25},"
                 "\"evaluation\":{\"every\":5,\"participants\":[\"e\",\"f\"],\"timeout_s\":9}}");
}

static void assert_algorithm(const char *line, const char *mu, const char *aggregation)
{
    char expected[600];
    (void)snprintf(expected, sizeof expected,
                   "{\"experiment_id\":\"e\",\"model_uri\":\"fl/models/global_model_v0\","
                   "\"task_wasm_image\":\"img\",\"hyperparams\":{%s},"
                   "\"participants\":[\"a\"],\"rounds\":1,\"k_of_n\":1,\"grace_s\":5,\"wait_s\":60,"
                   "\"timeout_s\":300,\"aggregation\":%s}",
                   mu, aggregation);
    assert_start(line, expected);
}

static void train_waits_for_nobody_if_asked_so(void **state)
{
    (void)state;
#define TRAIN "train --rounds 1 --image img --id e --participants a --k 1 "
#define EXPECTED(more)                                                                             \
    "{\"experiment_id\":\"e\",\"model_uri\":\"fl/models/global_model_v0\","                        \
    "\"task_wasm_image\":\"img\",\"hyperparams\":{},\"participants\":[\"a\"],\"rounds\":1,"        \
    "\"k_of_n\":1,\"grace_s\":0,\"wait_s\":60,\"timeout_s\":300," more "}"
    assert_start(TRAIN "--staleness 3", EXPECTED("\"asynchronous\":{\"staleness_max\":3}"));
    assert_start(TRAIN "--algorithm fedbuff",
                 EXPECTED("\"aggregation\":{\"weighting\":\"staleness\"},"
                          "\"asynchronous\":{\"staleness_max\":8}"));
    assert_start(TRAIN "--algorithm fedbuff --staleness 0",
                 EXPECTED("\"aggregation\":{\"weighting\":\"staleness\"},"
                          "\"asynchronous\":{\"staleness_max\":0}"));
    struct train_args a;
    assert_int_equal(read_train(TRAIN "--staleness 3 --grace 1", &a), OPTIONS_WRONG);
    assert_int_equal(read_train(TRAIN "--staleness 65", &a), OPTIONS_WRONG);
#undef EXPECTED
#undef TRAIN
}

static void train_knows_algorithms_by_name(void **state)
{
    (void)state;
#define TRAIN "train --rounds 1 --image img --id e --participants a --k 1 --algorithm "
    assert_algorithm(TRAIN "fedavg", "", "{}");
    assert_algorithm(TRAIN "fedprox", "\"mu\":0.01", "{}");
    assert_algorithm(TRAIN "fedprox --hyperparams {\"mu\":0.5}", "\"mu\":0.5", "{}");
    assert_algorithm(TRAIN "fednova", "", "{\"weighting\":\"fednova\"}");
    assert_algorithm(TRAIN "fedadam", "", "{\"optimiser\":{\"kind\":\"fedadam\"}}");
#undef TRAIN
}

static void train_knows_when_to_stop(void **state)
{
    (void)state;
#define UP_TO_STOP                                                                                 \
    "{\"experiment_id\":\"x\",\"model_uri\":\"fl/models/global_model_v0\","                        \
    "\"task_wasm_image\":\"i\",\"rounds\":9,\"grace_s\":5,\"stop\":"
    assert_start("train --rounds 9 --image i --id x --target 0.95",
                 UP_TO_STOP "{\"metric\":\"accuracy\",\"goal\":\"max\",\"target\":0.95}}");
    assert_start("train --rounds 9 --image i --id x --metric loss --goal min --target 0 "
                 "--patience 3 --min-delta 0.5",
                 UP_TO_STOP "{\"metric\":\"loss\",\"goal\":\"min\",\"target\":0,\"patience\":3,"
                            "\"min_delta\":0.5}}");
    /* The best is named, and nothing ends sooner. */
    assert_start("train --rounds 9 --image i --id x --metric f1",
                 UP_TO_STOP "{\"metric\":\"f1\",\"goal\":\"max\"}}");
#undef UP_TO_STOP
}

static void train_detaches_or_writes_rows(void **state)
{
    (void)state;
    struct train_args a;
    assert_int_equal(read_train("train --rounds 2 --image img --detach --model m@stable", &a),
                     OPTIONS_RUN);
    assert_true(a.detach);
    assert_string_equal(a.model, "m@stable");
    train_args_done(&a);
    assert_int_equal(read_train("train --rounds 2 --image img --csv out.csv", &a), OPTIONS_RUN);
    assert_string_equal(a.csv, "out.csv");
    train_args_done(&a);
}

static void wrong_train_lines_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "train --rounds 2",
        "train --image img",
        "train --rounds 0 --image img",
        "train --rounds x --image img",
        "train --rounds 2 --image img extra",
        "train --rounds 2 --image img --k 0",
        "train --rounds 2 --image img --k 1.5",
        "train --rounds 2 --image img --k -1",
        "train --rounds 2 --image img --k nan",
        "train --rounds 2 --image img --k 3x",
        "train --rounds 2 --image img --k 20000",
        "train --rounds 2 --image img --select 0",
        "train --rounds 2 --image img --select some",
        "train --rounds 2 --image img --select 2 --select-min 3",
        "train --rounds 2 --image img --select-min 0",
        "train --rounds 2 --image img --seed -1",
        "train --rounds 2 --image img --seed 9007199254740993",
        "train --rounds 2 --image img --participants a,a",
        "train --rounds 2 --image img --participants a --evaluate a",
        "train --rounds 2 --image img --evaluate a/b",
        "train --rounds 2 --image img --evaluate-every 2",
        "train --rounds 2 --image img --evaluate e --evaluate-every 0",
        "train --rounds 2 --image img --hyperparams 7",
        "train --rounds 2 --image img --aggregation median",
        "train --rounds 2 --image img --algorithm adam",
        "train --rounds 2 --image img --algorithm fedavg --aggregation {}",
        "train --rounds 2 --image img --compress int4",
        "train --rounds 2 --image img --top-k 0",
        "train --rounds 2 --image img --top-k 2",
        "train --rounds 2 --image img --target x",
        "train --rounds 2 --image img --target inf",
        "train --rounds 2 --image img --patience 0",
        "train --rounds 2 --image img --patience 2 --min-delta -1",
        "train --rounds 2 --image img --min-delta 1",
        "train --rounds 2 --image img --target 1 --goal up",
        "train --rounds 2 --image img --wait 0",
        "train --rounds 2 --image img --detach --csv x",
        "train --rounds 2 --image img --id a --prefix a",
        "train --rounds 2 --image img --prefix a/b",
        "train --rounds 2 --image img --id "
        "much-longer-than-the-forty-eight-letters-that-are-allowed",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct train_args a = {.csv = "untouched"};
        if (read_train(wrong[i], &a) != OPTIONS_WRONG)
            fail_msg("%s", wrong[i]);
        assert_string_equal(a.csv, "untouched");
    }
}

/* ---- the others ---- */

static void follow_takes_one_experiment(void **state)
{
    (void)state;
    struct experiment_args a;
    struct line *l = line("follow run-1 --csv f");
    assert_int_equal(follow_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.id.text, "run-1");
    assert_string_equal(a.csv, "f");
    static const char *const wrong[] = {
        "follow", "follow a b", "follow a/b",
        "follow much-longer-than-the-forty-eight-letters-that-are-allowed"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(follow_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    }
}

static void split_is_read_and_refused(void **state)
{
    (void)state;
    struct split_args a;
    struct line *l = line("split --images i --labels l --out o --alpha 1 --devices 4");
    assert_int_equal(split_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_int_equal(a.devices, 4);
    assert_true(a.alpha == 1);
    assert_string_equal(a.prefix, "device");
    static const char *const wrong[] = {
        "split --images i --labels l",
        "split --images i --labels l --out o --alpha 0",
        "split --images i --labels l --out o --alpha nan",
        "split --images i --labels l --out o --devices 0",
        "split --images i --labels l --out o --prefix ../x",
        "split --images i --labels l --out o --holdout-images h",
        "split --images i --labels l --out o --max-value 256",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(split_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    }
}

static void init_is_read_and_refused(void **state)
{
    (void)state;
    struct init_args a;
    struct line *l = line("init --layers 64,10 --seed 3 -o model.safetensors");
    assert_int_equal(init_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_int_equal(a.layers.count, 2);
    assert_int_equal(a.seed, 3);
    assert_string_equal(a.out, "model.safetensors");
    l = line("init --layers 64,10");
    assert_int_equal(init_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    l = line("init --layers 64 -o x");
    assert_int_equal(init_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
}

static void rollback_and_point_are_read_and_refused(void **state)
{
    (void)state;
    struct move_args a;
    struct line *l = line("rollback 3 --reason worse");
    assert_int_equal(move_args_read(true, l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.model, "3");
    assert_string_equal(a.channel, "latest");
    assert_string_equal(a.reason, "worse");
    l = line("point --channel canary global_model_v3 --reason try");
    assert_int_equal(move_args_read(false, l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.channel, "canary");
    l = line("point 3 --reason try");
    assert_int_equal(move_args_read(false, l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.channel, "stable");
    static const char *const wrong[] = {
        "rollback 3", "rollback --reason x", "rollback 3 4 --reason x",
        "rollback 3 --reason x --channel a/b", "rollback 3 --reason="};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(move_args_read(true, l->argc, l->argv, &a), OPTIONS_WRONG);
    }
}

static void history_prune_and_diff_are_read_and_refused(void **state)
{
    (void)state;
    struct history_args h;
    struct prune_args p;
    struct diff_args d;
    struct line *l = line("history global_model --channel stable --last 5");
    assert_int_equal(history_args_read(l->argc, l->argv, &h), OPTIONS_RUN);
    assert_string_equal(h.name, "global_model");
    assert_string_equal(h.channel, "stable");
    assert_int_equal(h.last, 5);
    l = line("history a/b");
    assert_int_equal(history_args_read(l->argc, l->argv, &h), OPTIONS_WRONG);
    l = line("history --last 0");
    assert_int_equal(history_args_read(l->argc, l->argv, &h), OPTIONS_WRONG);

    l = line("prune --keep 3 --reason room --dry-run");
    assert_int_equal(prune_args_read(l->argc, l->argv, &p), OPTIONS_RUN);
    assert_int_equal(p.keep, 3);
    assert_true(p.dry_run);
    assert_null(p.name);
    static const char *const wrong[] = {"prune --keep 3", "prune --reason x",
                                        "prune --keep 0 --reason x",
                                        "prune --keep 1 --reason x a/b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(prune_args_read(l->argc, l->argv, &p), OPTIONS_WRONG);
    }

    struct verify_args v;
    l = line("verify 3 --json");
    assert_int_equal(verify_args_read(l->argc, l->argv, &v), OPTIONS_RUN);
    assert_string_equal(v.model, "3");
    assert_true(v.json && !v.all);
    l = line("verify --all");
    assert_int_equal(verify_args_read(l->argc, l->argv, &v), OPTIONS_RUN);
    assert_null(v.model);
    l = line("verify --all 3");
    assert_int_equal(verify_args_read(l->argc, l->argv, &v), OPTIONS_WRONG);

    l = line("diff 1 m@stable");
    assert_int_equal(diff_args_read(l->argc, l->argv, &d), OPTIONS_RUN);
    assert_string_equal(d.models[0], "1");
    assert_string_equal(d.models[1], "m@stable");
    l = line("diff 1");
    assert_int_equal(diff_args_read(l->argc, l->argv, &d), OPTIONS_WRONG);
}

static void push_is_read_and_refused(void **state)
{
    (void)state;
    struct push_args a;
    struct line *l = line("push dir/fml-train.wasm");
    assert_int_equal(push_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.name, "fml-train");
    assert_string_equal(a.file, "dir/fml-train.wasm");
    l = line("push x.wasm --name my/image:2");
    assert_int_equal(push_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.name, "my/image:2");
    l = line("push");
    assert_int_equal(push_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    l = line("push a.wasm b.wasm");
    assert_int_equal(push_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
}

static void enroll_and_revoke_are_read_and_refused(void **state)
{
    (void)state;
    struct enroll_args a;
    struct revoke_args r;
    struct line *l = line("enroll dev-1 dev-2 --fleet f");
    assert_int_equal(enroll_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.fleet, "f");
    assert_string_equal(a.out, ".");
    assert_int_equal(a.days, NOT_GIVEN);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.ids[1], "dev-2");
    assert_false(a.has_key);
    l = line("enroll --days 30 dev-1 --fleet f --out o --public-key "
             "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_int_equal(enroll_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_int_equal(a.days, 30);
    assert_string_equal(a.out, "o");
    assert_true(a.has_key);
    assert_int_equal(a.key.bytes[0], 0xd7);
    static const char *const wrong[] = {
        "enroll --fleet f",
        "enroll dev-1",
        "enroll a/b --fleet f",
        "enroll dev-1 dev-1 --fleet f",
        "enroll dev-1 --fleet f --days 0",
        "enroll dev-1 --fleet f --days 36501",
        "enroll dev-1 --fleet f --public-key 00",
        "enroll dev-1 dev-2 --fleet f --public-key "
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(enroll_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    }
    l = line("revoke dev-1 --fleet f");
    assert_int_equal(revoke_args_read(l->argc, l->argv, &r), OPTIONS_RUN);
    assert_string_equal(r.id.text, "dev-1");
    l = line("revoke a/b --fleet f");
    assert_int_equal(revoke_args_read(l->argc, l->argv, &r), OPTIONS_WRONG);
    l = line("revoke dev-1 dev-2 --fleet f");
    assert_int_equal(revoke_args_read(l->argc, l->argv, &r), OPTIONS_WRONG);
}

static void sign_is_read_and_refused(void **state)
{
    (void)state;
    struct sign_args a;
    struct line *l = line("sign m.wasm --key k");
    assert_int_equal(sign_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.file, "m.wasm");
    assert_string_equal(a.key, "k");
    assert_string_equal(a.out, "m.wasm");
    l = line("sign m.wasm --key k --out s.wasm");
    assert_int_equal(sign_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.out, "s.wasm");
    l = line("sign m.wasm");
    assert_int_equal(sign_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
}

static void demo_is_read_and_refused(void **state)
{
    (void)state;
    struct demo_args a;
    struct line *l = line("demo");
    assert_int_equal(demo_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_int_equal(a.devices, 10);
    assert_int_equal(a.rounds, 20);
    assert_true(a.alpha == 0.3);
    assert_int_equal(a.seed, 1);
    assert_false(a.keep);
    l = line("demo --devices 5 --rounds 3 --keep");
    assert_int_equal(demo_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_int_equal(a.devices, 5);
    assert_true(a.keep);
    static const char *const wrong[] = {"demo --devices 0", "demo --devices 201", "demo --alpha 0",
                                        "demo --rounds 0", "demo here"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(demo_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    }
}

static void a_simulation_is_read_and_refused(void **state)
{
    (void)state;
    struct demo_args a;
    struct line *l = line("simulate");
    assert_int_equal(simulate_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_true(a.simulated);
    assert_int_equal(a.devices, 1000);
    assert_int_equal(a.per_round, 0);
    assert_true(a.algorithm.staleness == NOT_GIVEN); /* rounds are waited for */
    assert_true(a.drop == 0 && a.k == 0);
    l = line("simulate --devices 10000 --clients-per-round 50 --drop 0.1 --k 0.5 --workers 3");
    assert_int_equal(simulate_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_int_equal(a.devices, 10000);
    assert_int_equal(a.per_round, 50);
    assert_int_equal(a.workers, 3);
    assert_true(a.drop == 0.1 && a.k == 0.5);
    l = line("simulate --algorithm fedbuff --staleness 3");
    assert_int_equal(simulate_args_read(l->argc, l->argv, &a), OPTIONS_RUN);
    assert_string_equal(a.algorithm.name, "fedbuff");
    assert_int_equal(a.algorithm.staleness, 3);
    static const char *const wrong[] = {"simulate --devices 0",
                                        "simulate --devices 10001",
                                        "simulate --alpha 0",
                                        "simulate --devices 10 --clients-per-round 11",
                                        "simulate --drop 1",
                                        "simulate --drop -0.1",
                                        "simulate --k 1.5",
                                        "simulate --workers 65",
                                        "simulate here",
                                        "simulate --algorithm fedfoo",
                                        "simulate --aggregation []",
                                        "simulate --staleness 65",
                                        "simulate --algorithm fedavg --aggregation {}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        l = line(wrong[i]);
        assert_int_equal(simulate_args_read(l->argc, l->argv, &a), OPTIONS_WRONG);
    }
}
static void help_is_there_for_each_and_is_no_mistake(void **state)
{
    (void)state;
    static command_fn *const all[] = {cmd_round,    cmd_train,  cmd_experiments, cmd_status,
                                      cmd_models,   cmd_images, cmd_data,        cmd_demo,
                                      cmd_simulate, cmd_fleet};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct line *l = line("x --help");
        assert_int_equal(all[i](l->argc, l->argv), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gets_its_own_arguments),
        cmocka_unit_test(no_command_and_an_unknown_one_are_wrong_use),
        cmocka_unit_test(round_takes_a_file),
        cmocka_unit_test(environment_names_the_broker_and_the_option_wins),
        cmocka_unit_test(wrong_round_lines_are_refused),
        cmocka_unit_test(cancel_is_read_and_refused),
        cmocka_unit_test(options_win_over_the_file),
        cmocka_unit_test(a_file_alone_stays_as_it_is),
        cmocka_unit_test(without_participants_all_who_are_alive_take_part),
        cmocka_unit_test(hyperparams_that_are_no_object_are_refused),
        cmocka_unit_test(train_has_its_defaults),
        cmocka_unit_test(train_takes_lists_and_numbers),
        cmocka_unit_test(train_waits_for_nobody_if_asked_so),
        cmocka_unit_test(train_knows_algorithms_by_name),
        cmocka_unit_test(train_knows_when_to_stop),
        cmocka_unit_test(train_detaches_or_writes_rows),
        cmocka_unit_test(wrong_train_lines_are_refused),
        cmocka_unit_test(follow_takes_one_experiment),
        cmocka_unit_test(split_is_read_and_refused),
        cmocka_unit_test(init_is_read_and_refused),
        cmocka_unit_test(rollback_and_point_are_read_and_refused),
        cmocka_unit_test(history_prune_and_diff_are_read_and_refused),
        cmocka_unit_test(push_is_read_and_refused),
        cmocka_unit_test(enroll_and_revoke_are_read_and_refused),
        cmocka_unit_test(sign_is_read_and_refused),
        cmocka_unit_test(demo_is_read_and_refused),
        cmocka_unit_test(a_simulation_is_read_and_refused),
        cmocka_unit_test(help_is_there_for_each_and_is_no_mistake),
    };
    return cmocka_run_group_tests_name("cli/commands", tests, clear_environment, NULL);
}
