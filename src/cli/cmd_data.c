/* fml data split: labelled images for devices, skewed by label. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/dataset.h"
#include "cli/split.h"
#include "cli/text.h"

#define PROGRAM "fml data split"

enum options_result split_args_read(int argc, char **argv, struct split_args *ret)
{
    struct split_args a = {0};
    /* A table: one setting after the other. */
    /* clang-format off */
    const struct option_spec specs[] = {
        {.flag = "images", .value = "FILE", .kind = OPTION_TEXT, .target = &a.images,
         .required = true, .help = "images in IDX format, unpacked"},
        {.flag = "labels", .value = "FILE", .kind = OPTION_TEXT, .target = &a.labels,
         .required = true, .help = "their labels"},
        {.flag = "out", .value = "FOLDER", .kind = OPTION_TEXT, .target = &a.out,
         .required = true, .help = "where the devices' folders are made"},
        {.flag = "devices", .value = "N", .kind = OPTION_NUMBER, .fallback = "10",
         .target = &a.devices, .min = 1, .max = SPLIT_DEVICES_MAX, .help = "how many devices"},
        {.flag = "alpha", .value = "A", .kind = OPTION_REAL, .fallback = "0.3",
         .target = &a.alpha, .help = "of the Dirichlet distribution: small is skewed"},
        {.flag = "seed", .value = "N", .kind = OPTION_NUMBER, .fallback = "1",
         .target = &a.seed, .min = 0, .max = UINT64_MAX, .help = "the same seed, the same split"},
        {.flag = "prefix", .value = "NAME", .kind = OPTION_TEXT, .fallback = "device",
         .target = &a.prefix, .help = "folders are NAME-1, NAME-2, ..."},
        {.flag = "max-value", .value = "N", .kind = OPTION_NUMBER, .fallback = "255",
         .target = &a.max_value, .min = 1, .max = 255, .help = "the brightest pixel's value"},
        {.flag = "holdout-images", .value = "FILE", .kind = OPTION_TEXT,
         .target = &a.holdout_images, .help = "images that go whole into FOLDER/evaluator"},
        {.flag = "holdout-labels", .value = "FILE", .kind = OPTION_TEXT,
         .target = &a.holdout_labels, .help = "their labels"},
    };
    /* clang-format on */
    const struct options options = {
        .program = PROGRAM,
        .summary = "splits labelled images over devices",
        .usage = "--images FILE --labels FILE --out FOLDER [options]",
        .notes = "For each label, the devices' shares are drawn from a Dirichlet distribution.\n"
                 "Every device gets at least one image, every image goes to one device.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 0, 0, &words);
    if (result != OPTIONS_RUN)
        return result;
    struct id id;
    const char *wrong = NULL;
    if ((a.holdout_images == NULL) != (a.holdout_labels == NULL))
        wrong = "--holdout-images and --holdout-labels belong together";
    else if (!(a.alpha >= SPLIT_ALPHA_MIN && a.alpha <= SPLIT_ALPHA_MAX))
        wrong = "--alpha must be 0.001 to 1000000";
    else if (id_from(a.prefix, &id) != ST_OK)
        wrong = "--prefix is no id: letters, digits, '.', '_', '-' or ':'";
    if (wrong != NULL) {
        (void)usage_wrong(PROGRAM, "%s", wrong);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

static enum status split_train(const struct split_args *args, uint32_t *ret_classes,
                               struct why *why)
{
    struct dataset d = {0};
    uint32_t *sizes = calloc(args->devices, sizeof *sizes);
    enum status status = dataset_read(args->images, args->labels, &d, why);
    const struct dataset_split split = {.devices = (uint32_t)args->devices,
                                        .alpha = args->alpha,
                                        .seed = args->seed,
                                        .max_value = (uint32_t)args->max_value,
                                        .prefix = args->prefix};
    if (status == ST_OK)
        status = dataset_write_split(&d, &split, args->out, sizes, why);
    for (uint64_t i = 0; status == ST_OK && sizes != NULL && i < args->devices; i++)
        (void)printf("%s/%s-%llu: %u images\n", args->out, args->prefix, (unsigned long long)i + 1,
                     sizes[i]);
    *ret_classes = (uint32_t)d.labels.highest + 1;
    dataset_done(&d);
    free(sizes);
    return status;
}

static enum status copy_holdout(const struct split_args *args, uint32_t classes, struct why *why)
{
    struct dataset d = {0};
    char *folder = NULL;
    enum status status = dataset_read(args->holdout_images, args->holdout_labels, &d, why);
    if (status == ST_OK && asprintf(&folder, "%s/evaluator", args->out) < 0) {
        folder = NULL;
        status = ST_NOMEM;
        why_set(why, "no memory");
    }
    if (status == ST_OK) {
        uint32_t own = (uint32_t)d.labels.highest + 1;
        const struct dataset_facts facts = {.client = (uint32_t)args->devices,
                                            .classes = own > classes ? own : classes,
                                            .max_value = (uint32_t)args->max_value};
        status = dataset_write_all(&d, &facts, folder, why);
    }
    if (status == ST_OK)
        (void)printf("%s: %u images\n", folder, d.images.count);
    free(folder);
    dataset_done(&d);
    return status;
}

static int split(int argc, char **argv)
{
    struct split_args args;
    enum options_result result = split_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct why why = {0};
    uint32_t classes = 0;
    enum status status = split_train(&args, &classes, &why);
    if (status == ST_OK && args.holdout_images != NULL)
        status = copy_holdout(&args, classes, &why);
    return status == ST_OK ? 0 : failed("%s", why.text);
}

int cmd_data(int argc, char **argv)
{
    static const struct command commands[] = {
        {"split", "[options]", "splits labelled images over devices", split},
        {NULL, NULL, NULL, NULL},
    };
    return commands_run(commands, "fml data", NULL, argc, argv);
}
