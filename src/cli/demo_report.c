/* What comes out of the demo: the model, the comparison, the summary. */
#include "cli/demo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/central.h"
#include "cli/curve.h"
#include "cli/model_bytes.h"
#include "cli/text.h"
#include "io/clock.h"
#include "io/file.h"

#define SYS_WAIT_MS     3000u
#define SYS_INTERVAL_MS 1200u

/* ---- the model ---- */

/* A counter that mosquitto publishes about itself; 0: not known. */
static uint64_t broker_counter(struct demo *d, const char *topic)
{
    struct bytes payload = {0};
    uint64_t value = 0;
    if (session_fetch(d->session, topic, SYS_WAIT_MS, &payload) == ST_OK) {
        char *text = text_of(bytes_view(&payload));
        if (text != NULL)
            value = strtoull(text, NULL, 10);
        free(text);
    }
    bytes_done(&payload);
    return value;
}

static void ask_broker(struct demo *d)
{
    static const bool never = false;
    /* It counts once a second (sys_interval); what it says now may lack the end. */
    if (session_wait(d->session, &never, SYS_INTERVAL_MS) == ST_CLOSED)
        return;
    d->broker_in = broker_counter(d, "$SYS/broker/bytes/received");
    d->broker_out = broker_counter(d, "$SYS/broker/bytes/sent");
}

enum status demo_save_model(struct demo *d, struct why *why)
{
    struct model_index index = {0};
    struct model_bytes bytes = {0};
    enum status status = index_fetch(d->session, &index, why);
    if (status != ST_OK)
        return status;
    const struct index_model *model = index_find(&index, d->result.model_topic);
    if (model == NULL) {
        why_set(why, "%s is not in the index", d->result.model_topic);
        status = ST_NOT_FOUND;
    }
    if (status == ST_OK)
        status = model_bytes_fetch(d->session, model, NULL, &bytes, why);
    if (status == ST_OK)
        status = demo_path(d->model_path, why, "%s/%s_v%llu.safetensors", d->dir,
                           model->ref.name.text, (unsigned long long)model->ref.version);
    if (status == ST_OK) {
        status = file_write(d->model_path, bytes.view);
        if (status != ST_OK)
            why_set(why, "cannot write %.150s: %s", d->model_path, status_name(status));
    }
    if (status == ST_OK)
        ask_broker(d);
    model_bytes_done(&bytes);
    index_done(&index);
    return status;
}

/* ---- memory, of a simulation ---- */

enum status demo_measure_memory(struct demo *d, struct why *why)
{
    static const char *const services[] = {"fml-manager", "fml-coordinator", "fml-model-server"};
    (void)why;
    d->memory[0] = fleet_peak_memory(d->fleet, DEMO_SIMULATOR);
    d->memory[1] = fleet_peak_memory(d->fleet, "mosquitto");
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        d->memory[2] += fleet_peak_memory(d->fleet, services[i]);
    return ST_OK;
}

double demo_devices_per_second(const struct demo *d)
{
    return d->trained_ms == 0 ? 0 : (double)d->trained * 1000 / (double)d->trained_ms;
}

/* ---- the same in one place ---- */

static void show_epoch(void *owner, uint32_t epoch, double accuracy)
{
    struct demo *d = owner;
    const struct demo_args *args = d->args;
    if (!d->view.moving)
        return;
    (void)fprintf(stderr, "\r\033[Kepoch %u of %llu: %.4f", epoch, (unsigned long long)args->rounds,
                  accuracy);
    if (epoch == args->rounds)
        (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
}

static enum status train_centrally(struct demo *d, struct why *why)
{
    char folder[DEMO_PATH_MAX], train[DEMO_PATH_MAX], test[DEMO_PATH_MAX], model[DEMO_PATH_MAX];
    enum status status = demo_path(folder, why, "%s/" DEMO_CENTRAL, d->state);
    if (status == ST_OK)
        status = demo_path(train, why, "%s/" DEMO_DATA "/all", d->state);
    if (status == ST_OK)
        status = demo_path(test, why, "%s/" DEMO_DATA "/" DEMO_EVALUATOR, d->state);
    if (status == ST_OK)
        status = demo_path(model, why, "%s/" DEMO_FIRST, d->dir);
    const struct central_plan plan = {.program = d->native,
                                      .folder = folder,
                                      .train_folder = train,
                                      .test_folder = test,
                                      .model_path = model,
                                      .hyperparams = d->hyperparams,
                                      .epochs = (uint32_t)d->args->rounds,
                                      .on_epoch = show_epoch,
                                      .owner = d};
    return status == ST_OK ? central_run(d->fleet, &plan, d->central, why) : status;
}

/* Without the native program there is no comparison, and the demo is one all the
 * same; when it is there and fails, the demo fails. */
enum status demo_compare(struct demo *d, struct why *why)
{
    if (d->native[0] == '\0') {
        (void)printf("  left out: there is no fml-train-native beside this program\n");
        return ST_OK;
    }
    d->central = calloc(d->args->rounds, sizeof *d->central);
    if (d->central == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    return train_centrally(d, why);
}

/* ---- the summary ---- */

/* Every round if they are few, else the first, every fifth and the last. */
static bool is_shown(uint64_t round, uint64_t rounds)
{
    return rounds <= 10 || round == 1 || round == rounds || round % 5 == 0;
}

static void print_accuracies(const struct demo *d)
{
    (void)printf("\ntest accuracy\n  round  federated  centralised\n");
    for (uint64_t i = 0; i < d->args->rounds; i++) {
        char federated[TEXT_SIZE], central[TEXT_SIZE];
        if (is_shown(i + 1, d->args->rounds))
            (void)printf("  %5llu  %9s  %11s\n", (unsigned long long)i + 1,
                         text_ratio(d->accuracy[i], federated),
                         text_ratio(d->central == NULL ? (double)NAN : d->central[i], central));
    }
    (void)putchar('\n');
}

/* The accuracy that is reported is the last one measured; say so if it is old. */
static void print_last_measured(const struct demo *d)
{
    uint64_t last = d->args->rounds;
    while (last > 0 && isnan(d->accuracy[last - 1]))
        last--;
    if (last < d->args->rounds)
        (void)printf("the last round that was measured is %llu\n\n", (unsigned long long)last);
}

static void draw_curve(const struct demo *d)
{
    struct why why = {0};
    char federated[64];
    (void)snprintf(federated, sizeof federated, "federated, %llu devices",
                   (unsigned long long)d->args->devices);
    const struct curve curves[] = {
        {federated, d->accuracy, d->args->rounds},
        {"centralised", d->central, d->central == NULL ? 0 : d->args->rounds},
    };
    if (curve_draw(curves, 2, d->dir, &why) != ST_OK)
        (void)printf("no curve: %s\n", why.text);
    else /* gnuplot ends its sketch without a line's end */
        (void)printf("\ncurve        %s/accuracy.png\n", d->dir);
}

static void print_bytes(const struct demo *d)
{
    char updates[TEXT_SIZE], in[TEXT_SIZE], out[TEXT_SIZE];
    (void)printf("bytes        %s of updates", text_bytes(d->result.update_bytes, updates));
    if (d->broker_in > 0)
        (void)printf("; the broker took in %s and gave out %s", text_bytes(d->broker_in, in),
                     text_bytes(d->broker_out, out));
    (void)putchar('\n');
}

enum status demo_summarize(struct demo *d, struct why *why)
{
    if (isnan(d->view.test_accuracy)) {
        why_set(why, "no round was measured: the evaluator gave no accuracy");
        return ST_NOT_FOUND;
    }
    char seconds[TEXT_SIZE];
    print_accuracies(d);
    print_last_measured(d);
    draw_curve(d);
    (void)printf("model        %s\n", d->model_path);
    (void)printf("rounds       %s/" DEMO_CSV "\n", d->dir);
    (void)printf("logs         %s/" DEMO_LOGS "\n", d->dir);
    print_bytes(d);
    (void)printf("training     %u of %llu rounds completed, %s\n\n", d->result.completed,
                 (unsigned long long)d->args->rounds,
                 text_seconds((double)d->result.duration_ms / 1000, seconds));
    return ST_OK;
}

enum status demo_summarize_simulation(struct demo *d, struct why *why)
{
    char text[3][TEXT_SIZE];
    (void)why;
    print_last_measured(d);
    (void)printf("\nmodel        %s\n", d->model_path);
    (void)printf("rounds       %s/" DEMO_CSV "\n", d->dir);
    (void)printf("logs         %s/" DEMO_LOGS "\n", d->dir);
    print_bytes(d);
    (void)printf("memory       devices and their workers %s, broker %s, services %s (peaks)\n",
                 text_bytes(d->memory[0], text[0]), text_bytes(d->memory[1], text[1]),
                 text_bytes(d->memory[2], text[2]));
    (void)printf("training     %u of %llu rounds completed, %llu updates counted in %s: %.0f "
                 "devices/s\n\n",
                 d->result.completed, (unsigned long long)d->args->rounds,
                 (unsigned long long)d->trained,
                 text_seconds((double)d->trained_ms / 1000, text[0]), demo_devices_per_second(d));
    return ST_OK;
}
