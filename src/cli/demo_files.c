/* What the demo needs on disk: files that must be there, the work folder, the
 * devices' data, the first model. */
#include "cli/demo.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dataset.h"
#include "cli/text.h"
#include "io/file.h"
#include "model/model_file.h"

#define TRAIN_IMAGES "train-images-idx3-ubyte"
#define TRAIN_LABELS "train-labels-idx1-ubyte"
#define TEST_IMAGES  "t10k-images-idx3-ubyte"
#define TEST_LABELS  "t10k-labels-idx1-ubyte"

#define IN_MEMORY "/dev/shm"

enum status demo_path(char ret[DEMO_PATH_MAX], struct why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(ret, DEMO_PATH_MAX, format, args);
    va_end(args);
    if (size >= 0 && (size_t)size < DEMO_PATH_MAX)
        return ST_OK;
    why_set(why, "a path is longer than %u bytes", DEMO_PATH_MAX);
    return ST_LIMIT;
}

/* ---- files that must be there ---- */

static enum status find_programs(struct demo *d, struct why *why)
{
    ssize_t size = readlink("/proc/self/exe", d->programs, sizeof d->programs - 1);
    if (size <= 0 || (size_t)size >= sizeof d->programs - 1) {
        why_set(why, "cannot find the folder of this program");
        return ST_IO;
    }
    d->programs[size] = '\0';
    char *slash = strrchr(d->programs, '/');
    if (slash != NULL)
        *slash = '\0';
    return ST_OK;
}

static enum status find_data(struct demo *d, struct why *why)
{
    const char *cache = getenv("FML_CACHE");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (d->args->data != NULL)
        return demo_path(d->data, why, "%s", d->args->data);
    if (cache != NULL && *cache != '\0')
        return demo_path(d->data, why, "%s/mnist", cache);
    if (xdg != NULL && *xdg != '\0')
        return demo_path(d->data, why, "%s/fml/mnist", xdg);
    return demo_path(d->data, why, "%s/.cache/fml/mnist", home == NULL ? "." : home);
}

static enum status need(const char *path, int mode, const char *what_to_do, struct why *why)
{
    if (access(path, mode) == 0)
        return ST_OK;
    why_set(why, "%.150s is not there%s%s; %s", path, errno == ENOENT ? "" : ": ",
            errno == ENOENT ? "" : strerror(errno), what_to_do);
    return ST_NOT_FOUND;
}

static enum status need_data(const struct demo *d, struct why *why)
{
    static const char *const names[] = {TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS};
    char path[DEMO_PATH_MAX];
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < sizeof names / sizeof names[0]; i++) {
        status = demo_path(path, why, "%s/%s", d->data, names[i]);
        if (status == ST_OK)
            status = need(path, R_OK, "run tools/fetch-mnist, or give --data FOLDER", why);
    }
    return status;
}

static enum status need_programs(const struct demo *d, struct why *why)
{
    static const char *const names[] = {"fml-manager", "fml-coordinator", "fml-model-server",
                                        "fml-proplet", "fml-runner",      DEMO_SIMULATOR,
                                        "fml-worker"};
    size_t count = sizeof names / sizeof names[0] - (d->args->simulated ? 0 : 2);
    char path[DEMO_PATH_MAX];
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < count; i++) {
        status = demo_path(path, why, "%s/%s", d->programs, names[i]);
        if (status == ST_OK)
            status = need(path, X_OK, "run make build", why);
    }
    return status;
}

enum status demo_find_files(struct demo *d, struct why *why)
{
    enum status status = find_programs(d, why);
    if (status == ST_OK)
        status = need_programs(d, why);
    if (status == ST_OK)
        status = d->args->wasm != NULL
                     ? demo_path(d->wasm, why, "%s", d->args->wasm)
                     : demo_path(d->wasm, why, "%s/../wasm/%s", d->programs,
                                 d->args->simulated ? "fml-train-sgemm.wasm" : "fml-train.wasm");
    if (status == ST_OK)
        status = need(d->wasm, R_OK, "run make build, or give --wasm FILE", why);
    if (status == ST_OK)
        status = d->args->native != NULL
                     ? demo_path(d->native, why, "%s", d->args->native)
                     : demo_path(d->native, why, "%s/fml-train-native", d->programs);
    if (status == ST_OK && access(d->native, X_OK) != 0)
        d->native[0] = '\0'; /* only the comparison needs it, and says so */
    if (status == ST_OK)
        status = find_data(d, why);
    if (status == ST_OK)
        status = need_data(d, why);
    return status;
}

/* ---- the work folder ---- */

static enum status new_folder(struct demo *d, struct why *why)
{
    const char *base = getenv("TMPDIR");
    enum status status =
        demo_path(d->dir, why, "%s/fml-%s-XXXXXX", base == NULL || *base == '\0' ? "/tmp" : base,
                  d->args->simulated ? "simulate" : "demo");
    if (status == ST_OK && mkdtemp(d->dir) == NULL) {
        why_set(why, "cannot make %.150s: %s", d->dir, strerror(errno));
        d->dir[0] = '\0';
        status = ST_IO;
    }
    return status;
}

static enum status check_empty(const char *path, struct why *why)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        why_set(why, "cannot read %.150s: %s", path, strerror(errno));
        return ST_IO;
    }
    size_t entries = 0;
    const struct dirent *e;
    while ((e = readdir(folder)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            entries++;
    (void)closedir(folder);
    if (entries == 0)
        return ST_OK;
    why_set(why, "%.150s is not empty; give another --dir", path);
    return ST_EXISTS;
}

static enum status given_folder(struct demo *d, struct why *why)
{
    enum status status = file_make_folder(d->args->dir);
    if (status != ST_OK) {
        why_set(why, "cannot make %.150s: %s", d->args->dir, status_name(status));
        return status;
    }
    status = check_empty(d->args->dir, why);
    if (status != ST_OK)
        return status;
    /* Absolute, so that it is true for everyone who reads it. */
    char *absolute = realpath(d->args->dir, NULL);
    if (absolute == NULL) {
        why_set(why, "cannot find %.150s: %s", d->args->dir, strerror(errno));
        return ST_IO;
    }
    status = demo_path(d->dir, why, "%s", absolute);
    free(absolute);
    return status;
}

/* Where the programs keep what they are told. A simulation ends with them, and its thousands
 * of updates need not wait for a disk: it is memory, where there is such a place. */
static enum status choose_state(struct demo *d, struct why *why)
{
    if (!d->args->simulated || d->args->keep || access(IN_MEMORY, W_OK) != 0)
        return demo_path(d->state, why, "%s", d->dir);
    enum status status = demo_path(d->state, why, IN_MEMORY "/fml-simulate-XXXXXX");
    if (status == ST_OK && mkdtemp(d->state) == NULL) {
        why_set(why, "cannot make %.150s: %s", d->state, strerror(errno));
        d->state[0] = '\0';
        status = ST_IO;
    }
    if (status == ST_OK)
        (void)printf("  state, until the end, in %s\n", d->state);
    return status;
}

enum status demo_make_folder(struct demo *d, struct why *why)
{
    static const char *const folders[] = {DEMO_DATA,  DEMO_PROPLETS, DEMO_MANAGER, DEMO_ROUNDS,
                                          DEMO_STORE, DEMO_CENTRAL,  DEMO_LOGS};
    char path[DEMO_PATH_MAX];
    enum status status = d->args->dir == NULL ? new_folder(d, why) : given_folder(d, why);
    if (status == ST_OK)
        (void)printf("  work folder %s\n", d->dir);
    if (status == ST_OK)
        status = choose_state(d, why);
    for (size_t i = 0; status == ST_OK && i < sizeof folders / sizeof folders[0]; i++) {
        bool logs = strcmp(folders[i], DEMO_LOGS) == 0;
        status = demo_path(path, why, "%s/%s", logs ? d->dir : d->state, folders[i]);
        if (status != ST_OK)
            break;
        status = file_make_folder(path);
        if (status != ST_OK)
            why_set(why, "cannot make %.150s: %s", path, status_name(status));
    }
    return status;
}

/* ---- data ---- */

static enum status read_pair(const struct demo *d, const char *images, const char *labels,
                             struct dataset *ret, struct why *why)
{
    char images_path[DEMO_PATH_MAX], labels_path[DEMO_PATH_MAX];
    enum status status = demo_path(images_path, why, "%s/%s", d->data, images);
    if (status == ST_OK)
        status = demo_path(labels_path, why, "%s/%s", d->data, labels);
    return status == ST_OK ? dataset_read(images_path, labels_path, ret, why) : status;
}

static int compare_sizes(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Of many only the least, the middle and the largest. */
static void say_sizes(uint32_t *sizes, uint32_t devices)
{
    if (devices > DEMO_DEVICES_MAX) {
        qsort(sizes, devices, sizeof *sizes, compare_sizes);
        (void)printf("  training images per device: %u to %u, median %u\n", sizes[0],
                     sizes[devices - 1], sizes[devices / 2]);
        return;
    }
    (void)printf("  training images per device:");
    for (uint32_t i = 0; i < devices; i++)
        (void)printf(" %u", sizes[i]);
    (void)putchar('\n');
}

/* All in one folder, for the comparison. */
static enum status deal_all(const struct demo *d, const struct dataset *all, struct why *why)
{
    char whole[DEMO_PATH_MAX];
    const struct dataset_facts facts = {.classes = d->classes, .max_value = 255};
    enum status status = demo_path(whole, why, "%s/" DEMO_DATA "/all", d->state);
    return status == ST_OK ? dataset_write_all(all, &facts, whole, why) : status;
}

static enum status deal_split(struct demo *d, const struct dataset *all, struct why *why)
{
    char out[DEMO_PATH_MAX];
    const struct dataset_split split = {.devices = (uint32_t)d->args->devices,
                                        .alpha = d->args->alpha,
                                        .seed = d->args->seed,
                                        .max_value = 255,
                                        .prefix = "device"};
    uint32_t *sizes = calloc(split.devices, sizeof *sizes);
    if (sizes == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    enum status status = demo_path(out, why, "%s/" DEMO_DATA, d->state);
    if (status == ST_OK)
        status = dataset_write_split(all, &split, out, sizes, why);
    if (status == ST_OK)
        say_sizes(sizes, split.devices);
    free(sizes);
    return status;
}

static enum status deal_train(struct demo *d, struct why *why)
{
    struct dataset all = {0};
    enum status status = read_pair(d, TRAIN_IMAGES, TRAIN_LABELS, &all, why);
    if (status == ST_OK)
        status = deal_split(d, &all, why);
    if (status == ST_OK) {
        d->inputs = (size_t)all.images.rows * all.images.columns;
        d->classes = all.labels.highest + 1u;
    }
    if (status == ST_OK && !d->args->simulated)
        status = deal_all(d, &all, why);
    dataset_done(&all);
    return status;
}

/* The test images go to the evaluator's folder and to no other. */
static enum status deal_test(struct demo *d, struct why *why)
{
    struct dataset test = {0};
    char out[DEMO_PATH_MAX];
    const struct dataset_facts facts = {
        .client = (uint32_t)d->args->devices, .classes = d->classes, .max_value = 255};
    enum status status = read_pair(d, TEST_IMAGES, TEST_LABELS, &test, why);
    if (status == ST_OK)
        status = demo_path(out, why, "%s/" DEMO_DATA "/" DEMO_EVALUATOR, d->state);
    if (status == ST_OK)
        status = dataset_write_all(&test, &facts, out, why);
    if (status == ST_OK)
        (void)printf("  test images, on the evaluator only: %u\n", test.images.count);
    dataset_done(&test);
    return status;
}

enum status demo_deal_data(struct demo *d, struct why *why)
{
    enum status status = deal_train(d, why);
    return status == ST_OK ? deal_test(d, why) : status;
}

/* ---- the first model ---- */

enum status demo_make_model(struct demo *d, struct why *why)
{
    const struct layers layers = {.count = 3, .sizes = {d->inputs, DEMO_HIDDEN, d->classes}};
    struct model *m = NULL;
    struct bytes bytes = {0};
    char path[DEMO_PATH_MAX];
    enum status status = demo_path(path, why, "%s/" DEMO_FIRST, d->dir);
    if (status != ST_OK)
        return status;
    status = initial_model(&layers, d->args->seed, &m);
    if (status == ST_OK)
        status = model_encode(m, MODEL_SAFETENSORS, &bytes);
    if (status == ST_OK)
        status = file_write(path, bytes_view(&bytes));
    if (status != ST_OK)
        why_set(why, "cannot make %.150s: %s", path, status_name(status));
    else
        (void)printf("  a network of %zu, %d and %u units: %zu parameters, %zu bytes\n", d->inputs,
                     DEMO_HIDDEN, d->classes, model_param_count(m), bytes.size);
    bytes_done(&bytes);
    (void)model_free(m);
    return status;
}
