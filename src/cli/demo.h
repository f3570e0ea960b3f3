/* The demo: many devices train one model on MNIST, all on this machine, each a
 * process with its own data. demo.c tells the story; its steps are here. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "cli/commands.h"
#include "cli/fleet.h"
#include "cli/experiment_view.h"

#define DEMO_IMAGE      "fml-train"
#define DEMO_EVALUATOR  "evaluator"
#define DEMO_SIMULATOR  "fml-simulate"
#define DEMO_EXPERIMENT "demo"
#define DEMO_HIDDEN     64 /* units of the one hidden layer */

/* Names in the folder of state, removed at the end unless --keep, but for DEMO_LOGS and
 * what follows, which lie in the work folder. */
#define DEMO_DATA     "data"     /* device-1 ..., evaluator, and all */
#define DEMO_PROPLETS "proplets" /* state of each */
#define DEMO_MANAGER  "manager"
#define DEMO_ROUNDS   "coordinator"
#define DEMO_STORE    "models" /* of the model server */
#define DEMO_CENTRAL  "centralised"
#define DEMO_LOGS     "logs"
#define DEMO_CSV      "rounds.csv"
#define DEMO_FIRST    "initial.safetensors"

struct demo {
    const struct demo_args *args;
    uint64_t started_ms;
    struct run *run;
    struct fleet *fleet;
    struct session *session;
    struct session_settings settings;

    char programs[DEMO_PATH_MAX]; /* folder of the executables */
    char data[DEMO_PATH_MAX];     /* folder of the four IDX files */
    char wasm[DEMO_PATH_MAX];
    char native[DEMO_PATH_MAX]; /* "" if it is not there */
    char dir[DEMO_PATH_MAX];    /* the work folder: results and logs */
    char state[DEMO_PATH_MAX];  /* where data and the programs' state lie: dir, or in memory */
    char broker[64];            /* URL */
    uint16_t port;

    size_t inputs;    /* pixels of an image */
    uint32_t classes; /* labels are 0..classes-1 */
    json_t *hyperparams;
    struct ids evaluators;
    char csv_path[DEMO_PATH_MAX];
    struct experiment_view view;
    struct experiment_state result; /* of the training */
    double *accuracy;               /* (args->rounds,), NaN where not measured */
    uint64_t trained;               /* updates that were counted, of all training rounds */
    uint64_t trained_ms;            /* how long those rounds took */
    uint64_t memory[3];             /* bytes: of the devices, of mosquitto, of our services */
    double *central;                /* the same for centralised training, or NULL */
    uint64_t broker_in, broker_out; /* bytes; 0: not known */
    char model_path[DEMO_PATH_MAX]; /* the result */
};

/* Writes a path; fails: ST_LIMIT (too long), with a sentence */
MUST_CHECK enum status demo_path(char ret[DEMO_PATH_MAX], struct why *why, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The steps, in order. Each fails with a sentence that says what to do. */
typedef enum status demo_step_fn(struct demo *d, struct why *why);
demo_step_fn demo_find_files, demo_make_folder, demo_deal_data, demo_make_model;
demo_step_fn demo_start_services, demo_start_devices;
demo_step_fn demo_push_image, demo_train, demo_save_model, demo_compare, demo_summarize;
/* Of fml simulate, in place of some of them. */
demo_step_fn demo_start_simulator, demo_measure_memory, demo_summarize_simulation;

/* Updates that were counted in a second of training rounds; 0: none were. */
double demo_devices_per_second(const struct demo *d);

/* Tells the whole story, of the demo or of a simulation; gives the exit status. */
int demo_run(const struct demo_args *args);

#endif
