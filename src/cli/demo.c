/* The story of the demo, top to bottom: the table of steps, then the training,
 * then how it ends whatever happened. */
#include "cli/demo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/follow.h"
#include "cli/push.h"
#include "cli/text.h"
#include "io/clock.h"
#include "io/file.h"

#define K_FRACTION    0.8
#define FRACTION_FROM 5u /* devices: of fewer, 0.8 rounded up would be all */
#define GRACE_S       5u

#define SIMULATED_K_MARGIN 0.9
#define ASYNCHRONOUS_K     0.1 /* of those that train at once */
#define FAILURES_MAX       3u
#define WAIT_S             60u

struct step {
    const char *says;
    demo_step_fn *run; /* NULL: the end */
};

static const struct step demo_story[] = {
    {"looking for programs, image and MNIST", demo_find_files},
    {"making a work folder", demo_make_folder},
    {"dealing the data", demo_deal_data},
    {"making the first model", demo_make_model},
    {"starting broker, manager, coordinator and model server", demo_start_services},
    {"starting the devices", demo_start_devices},
    {"pushing the image that trains", demo_push_image},
    {"training", demo_train},
    {"saving the model", demo_save_model},
    {"training the same in one place, for comparison", demo_compare},
    {"done", demo_summarize},
    {NULL, NULL},
};

static const struct step simulation_story[] = {
    {"looking for programs, image and MNIST", demo_find_files},
    {"making a work folder", demo_make_folder},
    {"dealing the data", demo_deal_data},
    {"making the first model", demo_make_model},
    {"starting broker, manager, coordinator and model server", demo_start_services},
    {"starting the virtual devices and the evaluator", demo_start_simulator},
    {"pushing the image that trains", demo_push_image},
    {"training", demo_train},
    {"looking at the memory", demo_measure_memory},
    {"saving the model", demo_save_model},
    {"done", demo_summarize_simulation},
    {NULL, NULL},
};

/* ---- steps that belong to the story itself ---- */

enum status demo_push_image(struct demo *d, struct why *why)
{
    struct bytes image = {0};
    struct digest digest;
    char text[DIGEST_TEXT_SIZE], size[TEXT_SIZE];
    enum status status = file_read(d->wasm, IMAGE_SIZE_MAX, &image);
    if (status != ST_OK)
        why_set(why, "cannot read %.150s: %s", d->wasm, status_name(status));
    else
        status = push_image(d->session, DEMO_IMAGE, bytes_view(&image), NULL, NULL, &digest, why);
    if (status == ST_OK) {
        digest_text(&digest, text);
        (void)printf("  %s, %s, %s\n", DEMO_IMAGE, text_bytes(image.size, size), text);
    }
    bytes_done(&image);
    return status;
}

static void on_row(void *owner, const struct experiment_row *row)
{
    struct demo *d = owner;
    if (row->round > d->args->rounds)
        return;
    d->accuracy[row->round - 1] = experiment_row_measured(row, "accuracy");
    if (row->has_train) {
        d->trained += row->train.num_updates;
        d->trained_ms += row->train.duration_ms;
    }
    experiment_view_row(&d->view, row);
}

static void on_progress(void *owner, const struct track_round *round, double seconds)
{
    struct demo *d = owner;
    experiment_view_progress(&d->view, round, seconds);
}

/* Of virtual devices only those are lost that are to be; a few more of them than the
 * average may be. */
static struct share simulated_k(const struct demo_args *args, bool asynchronous)
{
    if (args->k == 0 && asynchronous)
        return (struct share){.value = ASYNCHRONOUS_K};
    if (args->k > 0 && args->k < 1)
        return (struct share){.value = args->k};
    if (args->k > 0 || args->drop <= 0)
        return (struct share){.all = true};
    double heard = SIMULATED_K_MARGIN * (1 - args->drop);
    return (struct share){.value = heard > 0 ? heard : 1};
}

/* One device may always be lost. */
static double updates_needed(uint64_t devices)
{
    if (devices >= FRACTION_FROM)
        return K_FRACTION;
    return devices > 1 ? (double)(devices - 1) : 1;
}

/* What borrows from d is not to be freed. */
static struct experiment_start plan(const struct demo *d)
{
    const struct demo_args *args = d->args;
    struct experiment_start start = {
        .experiment_id = {DEMO_EXPERIMENT},
        .image = DEMO_IMAGE,
        .hyperparams = d->hyperparams,
        .alive = true,
        .selection = {.count = {.all = args->per_round == 0, .value = (double)args->per_round},
                      .min = 1,
                      .seed = args->seed},
        .k = {.value = updates_needed(args->devices)},
        .rounds = (uint32_t)d->args->rounds,
        .timeout_s = (uint32_t)d->args->timeout_s,
        .grace_s = args->simulated ? 0 : GRACE_S,
        .max_failures = FAILURES_MAX,
        .wait_s = WAIT_S,
        .evaluation = {.every = 1,
                       .participants = d->evaluators.items,
                       .participant_count = d->evaluators.count,
                       .timeout_s = (uint32_t)d->args->timeout_s},
    };
    return start;
}

/* What the command line says of the algorithm. gives: start->aggregation, a reference */
static enum status choose_algorithm(const struct demo *d, struct experiment_start *start,
                                    struct why *why)
{
    enum status status = algorithm_apply(&d->args->algorithm, start, why);
    if (status == ST_OK && d->args->simulated)
        start->k = simulated_k(d->args, start->asynchronous.is_on);
    return status;
}

static enum status follow_training(struct demo *d, struct why *why)
{
    const struct follow_watch watch = {.on_row = on_row, .on_progress = on_progress, .owner = d};
    struct experiment_start start = plan(d);
    struct follow *f = NULL;
    enum status status = choose_algorithm(d, &start, why);
    if (status == ST_OK)
        status = experiments_find_base(d->session, NULL, &start, why);
    if (status == ST_OK)
        status = follow_open(d->session, &start.experiment_id, &watch, &f, why);
    if (status == ST_OK)
        status = follow_start(f, &start, why);
    if (status == ST_OK)
        status = follow_wait(f, &d->result, why);
    f = follow_close(f);
    json_decref(start.aggregation);
    return status;
}

static enum status judge(const struct demo *d, struct why *why)
{
    if (d->result.outcome == ROUND_COMPLETED)
        return ST_OK;
    why_set(why, "the training %s after %u completed rounds: %s",
            round_outcome_name(d->result.outcome), d->result.completed,
            experiment_reason_text(d->result.reason));
    return ST_TIMEOUT;
}

enum status demo_train(struct demo *d, struct why *why)
{
    enum status status = demo_path(d->csv_path, why, "%s/" DEMO_CSV, d->dir);
    d->view.csv_path = d->csv_path;
    if (status == ST_OK)
        status = experiment_view_open(&d->view, why);
    if (status != ST_OK)
        return status;
    experiment_view_head(&d->view);
    status = follow_training(d, why);
    struct why csv;
    enum status closed = experiment_view_close(&d->view, &csv);
    if (closed != ST_OK && status == ST_OK) {
        *why = csv;
        status = closed;
    }
    return status == ST_OK ? judge(d, why) : status;
}

/* ---- begin and end ---- */

static void on_ended(void *owner, const char *name, bool essential, const char *how)
{
    struct demo *d = owner;
    if (essential)
        return; /* the run is stopped, and its reason says so */
    experiment_view_clear(&d->view);
    (void)printf("%s ended (%s); %s\n", name, how,
                 strcmp(name, DEMO_EVALUATOR) == 0 ? "accuracy cannot be measured any more"
                                                   : "the rounds go on without it");
    (void)fflush(stdout);
}

static enum status begin(struct demo *d, struct why *why)
{
    char logs[DEMO_PATH_MAX];
    why_set(why, "no memory");
    enum status status = demo_path(logs, why, "%s/" DEMO_LOGS, d->dir);
    if (status == ST_OK)
        status = fleet_new(d->run, logs, on_ended, d, &d->fleet);
    return status;
}

/* The devices and services have done their work: what follows needs the processors. */
static enum status close_down(struct demo *d, struct why *why)
{
    d->session = session_close(d->session);
    d->fleet = fleet_stop(d->fleet);
    return begin(d, why);
}

static enum status tell(struct demo *d, struct why *why)
{
    const struct step *step = d->args->simulated ? simulation_story : demo_story;
    for (; step->run != NULL; step++) {
        (void)printf("%s\n", step->says);
        (void)fflush(stdout);
        why_set(why, "%s failed", step->says);
        enum status status = step->run(d, why);
        if (status == ST_OK && step->run == demo_make_folder)
            status = begin(d, why);
        if (status == ST_OK && step->run == demo_save_model)
            status = close_down(d, why);
        /* A signal counts from the next step on where a step waits for nothing. */
        if (status == ST_OK && run_stopped(d->run) != NULL) {
            why_set(why, "%s", run_stopped(d->run));
            status = ST_CLOSED;
        }
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* Shows the log of who is to blame: who ended, or who is named in the reason. */
static void show_culprit(const struct demo *d, const struct why *why)
{
    static const char *const services[] = {"fml-manager", "fml-coordinator", "fml-model-server",
                                           "mosquitto",   "centralised",     DEMO_SIMULATOR};
    if (d->fleet == NULL)
        return;
    const char *name = fleet_culprit(d->fleet);
    for (size_t i = 0; name == NULL && i < sizeof services / sizeof services[0]; i++)
        if (strstr(why->text, services[i]) != NULL)
            name = services[i];
    if (name != NULL)
        fleet_tail(d->fleet, name, stderr);
}

static void tidy(const struct demo *d)
{
    static const char *const folders[] = {DEMO_DATA,   DEMO_PROPLETS, DEMO_MANAGER,
                                          DEMO_ROUNDS, DEMO_STORE,    DEMO_CENTRAL};
    char path[DEMO_PATH_MAX];
    struct why why;
    if (d->state[0] == '\0' || d->args->keep)
        return;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (demo_path(path, &why, "%s/%s", d->state, folders[i]) != ST_OK ||
            file_remove_tree(path) != ST_OK)
            (void)failed("%s could not be removed", path);
    if (strcmp(d->state, d->dir) != 0)
        (void)rmdir(d->state);
}

static void end(struct demo *d)
{
    d->session = session_close(d->session);
    d->fleet = fleet_stop(d->fleet);
    d->run = run_close(d->run);
    tidy(d);
    ids_done(&d->evaluators);
    json_decref(d->hyperparams);
    free(d->accuracy);
    free(d->central);
}

static enum status read_hyperparams(struct demo *d, struct why *why)
{
    if (d->args->hyperparams == NULL)
        d->hyperparams = json_pack("{s:i, s:f, s:i, s:I}", "epochs", 1, "lr", 0.1, "batch_size", 32,
                                   "seed", (json_int_t)d->args->seed);
    if (d->args->hyperparams != NULL)
        return arguments_object(d->args->hyperparams, &d->hyperparams, why);
    return d->hyperparams == NULL ? ST_NOMEM : ST_OK;
}

static enum status prepare(struct demo *d, struct why *why)
{
    why_set(why, "no memory");
    enum status status = read_hyperparams(d, why);
    if (status != ST_OK)
        return status;
    d->accuracy = calloc(d->args->rounds, sizeof *d->accuracy);
    if (d->accuracy == NULL)
        return ST_NOMEM;
    for (uint64_t i = 0; i < d->args->rounds; i++)
        d->accuracy[i] = NAN;
    return run_open(&d->run);
}

static void print_end(const struct demo *d)
{
    const struct demo_args *args = d->args;
    double seconds = (double)(clock_now_ms() - d->started_ms) / 1000;
    (void)printf("%s: devices=%llu rounds=%u test_accuracy=%.4f",
                 args->simulated ? "simulate" : "demo", (unsigned long long)args->devices,
                 d->result.completed, d->view.test_accuracy);
    if (args->simulated)
        (void)printf(" devices_per_second=%.0f", demo_devices_per_second(d));
    (void)printf(" seconds=%.1f\n", seconds);
}

int demo_run(const struct demo_args *args)
{
    struct demo d = {.args = args,
                     .started_ms = clock_now_ms(),
                     .settings = {.domain = "demo", .channel = "fl"}};
    struct why why = {0};
    enum status status = prepare(&d, &why);
    if (status == ST_OK)
        status = tell(&d, &why);
    if (status != ST_OK) {
        experiment_view_clear(&d.view);
        (void)failed("%s", why.text);
        show_culprit(&d, &why);
        if (d.dir[0] != '\0')
            (void)fprintf(stderr, "The logs are in %s/" DEMO_LOGS "\n", d.dir);
    }
    end(&d);
    if (status != ST_OK)
        return 1;
    print_end(&d);
    return 0;
}
