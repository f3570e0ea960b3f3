/* fml demo: its command line. The demo itself is in demo.c. */
#include "cli/demo.h"
#include "cli/split.h"
#include "cli/text.h"

#define PROGRAM "fml demo"

enum options_result demo_args_read(int argc, char **argv, struct demo_args *ret)
{
    struct demo_args a = {.algorithm = {.staleness = NOT_GIVEN}};
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        {.flag = "devices", .value = "N", .kind = OPTION_NUMBER, .fallback = "10",
         .target = &a.devices, .min = 1, .max = DEMO_DEVICES_MAX, .help = "how many train"},
        {.flag = "rounds", .value = "N", .kind = OPTION_NUMBER, .fallback = "20",
         .target = &a.rounds, .min = 1, .max = 10000, .help = "how many rounds"},
        {.flag = "alpha", .value = "A", .kind = OPTION_REAL, .fallback = "0.3",
         .target = &a.alpha, .help = "skew of the data: small means few labels per device"},
        {.flag = "seed", .value = "N", .kind = OPTION_NUMBER, .fallback = "1",
         .target = &a.seed, .min = 0, .max = (uint64_t)1 << 53,
         .help = "of the split, the first model and the order of images"},
        {.flag = "timeout", .value = "S", .kind = OPTION_NUMBER, .fallback = "60",
         .target = &a.timeout_s, .min = 1, .max = ROUND_TIMEOUT_S_MAX,
         .help = "seconds until a round expires"},
        {.flag = "data", .value = "FOLDER", .kind = OPTION_TEXT, .target = &a.data,
         .help = "MNIST's four IDX files, unpacked; default: where tools/fetch-mnist puts them"},
        {.flag = "dir", .value = "FOLDER", .kind = OPTION_TEXT, .target = &a.dir,
         .help = "work folder, new or empty; default: a new one for temporary files"},
        {.flag = "keep", .kind = OPTION_SWITCH, .target = &a.keep,
         .help = "keep the devices' data and all state in it, not only the results"},
        {.flag = "wasm", .value = "FILE", .kind = OPTION_TEXT, .target = &a.wasm,
         .help = "the image that trains; default: ../wasm/fml-train.wasm from this program"},
        {.flag = "native", .value = "FILE", .kind = OPTION_TEXT, .target = &a.native,
         .help = "the same built natively, for the comparison; default: beside this program"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "devices train one model on MNIST together, all on this machine",
        .usage = "[options]",
        .notes = "Starts a broker on a free port, manager, coordinator, model server and one\n"
                 "proplet per device with its own part of the data, then trains. Everything\n"
                 "that was started ends with it.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 0, &words);
    if (result != OPTIONS_RUN)
        return result;
    if (!(a.alpha >= SPLIT_ALPHA_MIN && a.alpha <= SPLIT_ALPHA_MAX)) {
        (void)usage_wrong(PROGRAM, "--alpha must be %g to %g", SPLIT_ALPHA_MIN, SPLIT_ALPHA_MAX);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

int cmd_demo(int argc, char **argv)
{
    struct demo_args args;
    enum options_result result = demo_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    return demo_run(&args);
}
