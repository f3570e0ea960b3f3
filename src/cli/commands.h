/* The commands of the tool. Each reads its arguments into a struct (that part is
 * pure, and tested), then does its work and gives the process's exit status:
 * 0 done, 1 failed with a sentence on standard error, 2 wrong command line. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/algorithm.h"
#include "cli/ids.h"
#include "cli/initial.h"
#include "cli/session.h"
#include "fl/experiment_start.h"
#include "identity/key.h"
#include "service/options.h"

/* argv[0] is the command's last word, what follows are its arguments. */
typedef int command_fn(int argc, char **argv);

struct command {
    const char *name;
    const char *arguments; /* for the overview: "[options] FILE" */
    const char *summary;   /* one line */
    command_fn *run;
};

/* Picks the command that argv[1] names; the table ends with a NULL name. Without
 * one, or with --help, writes the overview. program: "fml", "fml models".
 * notes: more text for the overview, or NULL */
int commands_run(const struct command *table, const char *program, const char *notes, int argc,
                 char **argv);

/* Of fml models. */
command_fn models_rollback, models_point, models_history, models_prune, models_diff, models_verify;

/* Of fml images. */
command_fn images_sign;

/* Of fml fleet. */
command_fn fleet_enroll, fleet_revoke;

/* Of fml round. */
command_fn round_cancel;

command_fn cmd_round, cmd_train, cmd_experiments, cmd_status, cmd_models, cmd_images, cmd_data;
command_fn cmd_demo, cmd_simulate, cmd_fleet;

/* ---- what commands share ---- */

/* In a struct options: its table of options. */
#define OPTIONS_OF(table) .specs = (table), .count = sizeof(table) / sizeof((table)[0])

#define JSON_OPTION_SPEC(flag_)                                                                    \
    {                                                                                              \
        .flag = "json", .kind = OPTION_SWITCH, .target = (flag_), .help = "print JSON"             \
    }

/* A loop and a connection. */
struct tool {
    struct run *run;
    struct session *session;
};

/* Opens both, or says why not. false: failed; nothing is to be closed then. */
MUST_CHECK bool tool_open(const struct session_settings *settings, struct tool *ret);
/* Waits a little until all that was published has left, then closes both. */
void tool_close(struct tool *t);

/* Asks for something to be done, and gives the answer; says why not, if it was
 * refused (PROTOCOL: "error", "reason") or nobody answered.
 * takes: request; NULL: no memory. answerer: such as "fml-model-server"
 * gives: an object, json_decref(); NULL: not done, and said */
json_t *tool_ask(struct tool *t, const char *topic, json_t *request, const char *answerer,
                 uint64_t limit_ms);

/* Reads the arguments of one command: options, and from words_min to words_max
 * other words, which are argv[1..] afterwards. */
enum options_result arguments_read(const struct options *o, int argc, char **argv, int words_min,
                                   int words_max, int *ret_words);

/* The exit status when a command's arguments were not OPTIONS_RUN. */
int arguments_exit(enum options_result result);

/* Reads a JSON object from the command line. gives: *ret: json_decref() */
MUST_CHECK enum status arguments_object(const char *text, json_t **ret, struct why *why);

/* A number option that was not given. */
#define NOT_GIVEN UINT64_MAX

/* ---- the arguments of each command ---- */

/* Texts are borrowed from argv; lists and objects are owned: *_args_done(). */

/* --compress and --top-k: how devices write their updates (PROTOCOL 2.1). */
struct compress_words {
    const char *dtype; /* NULL: not given */
    double top_k;      /* NaN: not given */
};
#define COMPRESS_OPTION_SPECS(w)                                                                   \
    {.flag = "compress",                                                                           \
     .value = "DTYPE",                                                                             \
     .kind = OPTION_TEXT,                                                                          \
     .target = &(w)->dtype,                                                                        \
     .help = "devices send float16, bfloat16 or int8 differences; default: as trained"},           \
    {                                                                                              \
        .flag = "top-k", .value = "SHARE", .kind = OPTION_REAL, .target = &(w)->top_k,             \
        .help = "only the largest of each tensor, such as 0.01; the rest comes in later rounds"    \
    }
/* gives: *ret, the object `compression`; NULL if nothing was given
 * fails: ST_INVALID, ST_NOMEM, with a sentence */
MUST_CHECK enum status compress_words_read(const struct compress_words *w, json_t **ret,
                                           struct why *why);

struct round_args {
    struct session_settings session;
    const char *file; /* NULL: none; "-": standard input */
    const char *id, *model, *image, *participants, *hyperparams, *mode; /* NULL: not given */
    uint64_t k, timeout_s, grace_s;                                     /* or NOT_GIVEN */
    struct compress_words compress;
    bool no_wait, json;
};
enum options_result round_args_read(int argc, char **argv, struct round_args *ret);
/* Puts what was given over object's fields. Participants are taken from alive
 * when they are "alive", or not given and not in object.
 * fails: ST_INVALID, ST_NOT_FOUND (nobody is alive), ST_NOMEM, with a sentence */
MUST_CHECK enum status round_args_apply(const struct round_args *args, const struct ids *alive,
                                        json_t *object, struct why *why);
/* True if round_args_apply() will need alive. */
bool round_args_want_alive(const struct round_args *args, const json_t *object);

struct cancel_args {
    struct session_settings session;
    struct id id;
    const char *reason; /* NULL: not given */
};
enum options_result cancel_args_read(int argc, char **argv, struct cancel_args *ret);

struct train_args {
    struct session_settings session;
    const char *model, *csv; /* may be NULL */
    bool detach;
    struct experiment_start start; /* all but the base model, which is model by then */
};
enum options_result train_args_read(int argc, char **argv, struct train_args *ret);
void train_args_done(struct train_args *args);

struct experiment_args {
    struct session_settings session;
    struct id id;
    const char *csv; /* may be NULL */
    bool json;
};
enum options_result follow_args_read(int argc, char **argv, struct experiment_args *ret);

/* Prints a coordinator's experiments as a table. ended: also those that have ended
 * fails: ST_NOMEM, ST_INVALID and such (not an answer), with a sentence */
MUST_CHECK enum status experiments_print(const json_t *answer, bool ended, struct why *why);

struct split_args {
    const char *images, *labels, *holdout_images, *holdout_labels, *out, *prefix;
    uint64_t devices, seed, max_value;
    double alpha;
};
enum options_result split_args_read(int argc, char **argv, struct split_args *ret);

struct init_args {
    struct layers layers;
    uint64_t seed;
    const char *out;
};
enum options_result init_args_read(int argc, char **argv, struct init_args *ret);

struct move_args {
    struct session_settings session;
    const char *model, *channel, *reason;
};
/* rollback: or else point */
enum options_result move_args_read(bool rollback, int argc, char **argv, struct move_args *ret);

struct history_args {
    struct session_settings session;
    const char *name, *channel; /* NULL: all */
    uint64_t last;
    bool json;
};
enum options_result history_args_read(int argc, char **argv, struct history_args *ret);

struct prune_args {
    struct session_settings session;
    const char *name; /* NULL: all */
    const char *reason;
    uint64_t keep;
    bool dry_run;
};
enum options_result prune_args_read(int argc, char **argv, struct prune_args *ret);

struct verify_args {
    struct session_settings session;
    const char *model; /* NULL: the newest */
    bool all, json;
};
enum options_result verify_args_read(int argc, char **argv, struct verify_args *ret);

struct diff_args {
    struct session_settings session;
    const char *models[2];
    bool json;
};
enum options_result diff_args_read(int argc, char **argv, struct diff_args *ret);

struct push_args {
    struct session_settings session;
    const char *file;
    char name[IMAGE_NAME_MAX + 1];
};
enum options_result push_args_read(int argc, char **argv, struct push_args *ret);

struct sign_args {
    const char *file, *key, *out; /* out may be file */
};
enum options_result sign_args_read(int argc, char **argv, struct sign_args *ret);

/* The folder of a fleet (cli/authority.h). */
#define FLEET_OPTION_SPEC(target_)                                                                 \
    {                                                                                              \
        .flag = "fleet", .value = "FOLDER", .kind = OPTION_TEXT, .target = (target_),              \
        .required = true, .help = "the fleet's folder (fml fleet init makes one)"                  \
    }

struct enroll_args {
    const char *fleet, *out;
    uint64_t days; /* or NOT_GIVEN: for good */
    bool has_key;
    struct key_public key; /* if has_key: the one that the single device made */
    char **ids;            /* (count,), borrowed from argv; ids, all different */
    size_t count;
};
enum options_result enroll_args_read(int argc, char **argv, struct enroll_args *ret);

struct revoke_args {
    const char *fleet;
    struct id id;
};
enum options_result revoke_args_read(int argc, char **argv, struct revoke_args *ret);

#define DEMO_DEVICES_MAX 200u
#define DEMO_PATH_MAX    1024u

struct demo_args {
    uint64_t devices, rounds, seed, timeout_s;
    double alpha;
    const char *data;   /* NULL: the cache's folder */
    const char *dir;    /* NULL: a new folder */
    const char *wasm;   /* NULL: beside the programs */
    const char *native; /* NULL: beside the programs */
    bool keep;
    /* Of fml simulate: */
    bool simulated;          /* one program is all devices */
    uint64_t per_round;      /* devices asked in each round; 0: all */
    uint64_t workers;        /* guests at once; 0: one for each processor */
    double k;                /* share of those asked that closes a round; 0: chosen by drop */
    double drop;             /* share that falls silent */
    const char *hyperparams; /* JSON; NULL: the demo's */
    struct algorithm_words algorithm;
};
enum options_result demo_args_read(int argc, char **argv, struct demo_args *ret);

#define SIMULATE_DEVICES_MAX 10000u
enum options_result simulate_args_read(int argc, char **argv, struct demo_args *ret);

#endif
