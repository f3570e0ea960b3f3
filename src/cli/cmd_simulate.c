/* fml simulate: its command line. Its story is told by demo.c, with one program in place of
 * all devices. */
#include "cli/demo.h"
#include "cli/split.h"
#include "cli/text.h"

#define PROGRAM "fml simulate"

/* A mistake in it is named before anything is started. */
static enum options_result check_algorithm(const struct demo_args *a)
{
    struct experiment_start start = {.hyperparams = json_object()};
    struct why why = {""};
    enum status status = algorithm_apply(&a->algorithm, &start, &why);
    experiment_start_done(&start);
    if (status == ST_OK)
        return OPTIONS_RUN;
    (void)usage_wrong(PROGRAM, "%s", why.text);
    return OPTIONS_WRONG;
}

static enum options_result check(const struct demo_args *a)
{
    const char *wrong = NULL;
    if (!(a->alpha >= SPLIT_ALPHA_MIN && a->alpha <= SPLIT_ALPHA_MAX))
        wrong = "--alpha must be 0.001 to 1000000";
    else if (!(a->drop >= 0 && a->drop < 1))
        wrong = "--drop must be at least 0 and below 1";
    else if (!(a->k >= 0 && a->k <= 1))
        wrong = "--k must be 0 to 1";
    else if (a->per_round > a->devices)
        wrong = "--clients-per-round is more than --devices";
    if (wrong == NULL)
        return check_algorithm(a);
    (void)usage_wrong(PROGRAM, "%s", wrong);
    return OPTIONS_WRONG;
}

enum options_result simulate_args_read(int argc, char **argv, struct demo_args *ret)
{
    struct demo_args a = {.simulated = true, .algorithm = {.staleness = NOT_GIVEN}};
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        {.flag = "devices", .value = "N", .kind = OPTION_NUMBER, .fallback = "1000",
         .target = &a.devices, .min = 1, .max = SIMULATE_DEVICES_MAX, .help = "how many there are"},
        {.flag = "rounds", .value = "N", .kind = OPTION_NUMBER, .fallback = "5",
         .target = &a.rounds, .min = 1, .max = 10000, .help = "how many rounds"},
        {.flag = "clients-per-round", .value = "C", .kind = OPTION_NUMBER, .fallback = "0",
         .target = &a.per_round, .min = 0, .max = SIMULATE_DEVICES_MAX,
         .help = "how many train in each round, drawn anew; 0: all"},
        {.flag = "k", .value = "F", .kind = OPTION_REAL, .fallback = "0", .target = &a.k,
         .help = "share of them whose updates close a round; 0: all, with --drop P 0.9 (1 - P), "
                 "with --staleness a tenth"},
        {.flag = "drop", .value = "P", .kind = OPTION_REAL, .fallback = "0", .target = &a.drop,
         .help = "share of them that falls silent in each round, from the seed"},
        {.flag = "alpha", .value = "A", .kind = OPTION_REAL, .fallback = "0.3",
         .target = &a.alpha, .help = "skew of the data (Dirichlet): small means few labels per"
                                     " device, 1000000 that all are alike"},
        {.flag = "seed", .value = "N", .kind = OPTION_NUMBER, .fallback = "1",
         .target = &a.seed, .min = 0, .max = (uint64_t)1 << 53,
         .help = "of the split, the first model, the order of images, who trains and drops"},
        {.flag = "hyperparams", .value = "JSON", .kind = OPTION_TEXT, .target = &a.hyperparams,
         .help = "an object for the image; default: 1 epoch, lr 0.1, batches of 32"},
        ALGORITHM_OPTION_SPECS(&a.algorithm),
        {.flag = "timeout", .value = "S", .kind = OPTION_NUMBER, .fallback = "600",
         .target = &a.timeout_s, .min = 1, .max = ROUND_TIMEOUT_S_MAX,
         .help = "seconds until a round expires"},
        {.flag = "workers", .value = "N", .kind = OPTION_NUMBER, .fallback = "0",
         .target = &a.workers, .min = 0, .max = 64,
         .help = "guests that run at once; 0: one for each processor"},
        {.flag = "data", .value = "FOLDER", .kind = OPTION_TEXT, .target = &a.data,
         .help = "MNIST's four IDX files, unpacked; default: where tools/fetch-mnist puts them"},
        {.flag = "dir", .value = "FOLDER", .kind = OPTION_TEXT, .target = &a.dir,
         .help = "work folder, new or empty; default: a new one for temporary files"},
        {.flag = "keep", .kind = OPTION_SWITCH, .target = &a.keep,
         .help = "keep the devices' data and all state in it, not only the results"},
        {.flag = "wasm", .value = "FILE", .kind = OPTION_TEXT, .target = &a.wasm,
         .help = "the image that trains; default: ../wasm/fml-train-sgemm.wasm from this program"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "many virtual devices train one model on MNIST, all on this machine",
        .usage = "[options]",
        .notes =
            "Starts a broker on a free port, manager, coordinator, model server, an evaluator\n"
            "and fml-simulate, which is all devices at once. Only the devices are simulated:\n"
            "every message goes through the broker as a real one would. Everything that was\n"
            "started ends with it.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 0, &words);
    if (result == OPTIONS_RUN)
        result = check(&a);
    if (result == OPTIONS_RUN)
        *ret = a;
    return result;
}

int cmd_simulate(int argc, char **argv)
{
    struct demo_args args;
    enum options_result result = simulate_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    return demo_run(&args);
}
