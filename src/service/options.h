/* A program's settings as a table: flag, environment name, default, help.
 * The command line wins over the environment, which wins over the default. */
#ifndef SERVICE_OPTIONS_H
#define SERVICE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/status.h"

enum option_kind {
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* uint64_t, min..max */
    OPTION_REAL,   /* double, any finite */
    OPTION_SWITCH, /* bool, takes no value */
};

struct option_spec {
    const char *flag;     /* "broker": --broker VALUE or --broker=VALUE */
    const char *env;      /* "MQTT_BROKER", or NULL */
    const char *fallback; /* the default as text, or NULL: none */
    const char *help;     /* one line */
    const char *value;    /* what VALUE is called in --help: "URL" */
    enum option_kind kind;
    void *target;      /* where it goes, by kind; untouched if absent and no default */
    uint64_t min, max; /* of OPTION_NUMBER */
    bool required;
};

struct options {
    const char *program; /* "fml-manager" or "fml round start" */
    const char *summary; /* one line */
    const char *usage;   /* what follows the program's name: "[options] FILE" */
    const char *notes;   /* more text at the end of --help, or NULL */
    const struct option_spec *specs;
    size_t count;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads argv[1..]. On --help or --version writes it to standard output and says
 * OPTIONS_DONE (exit 0); on a mistake says on standard error what and how to get
 * help, OPTIONS_WRONG (exit 2). What is not an option is moved to the front of
 * argv; *ret_rest is how many (argv[1..ret_rest]). "--" ends the options.
 * Texts are borrowed from argv and the environment. */
enum options_result options_read(const struct options *o, int argc, char **argv, int *ret_rest);

/* The same for a program that takes nothing but options: a word is a mistake. */
enum options_result options_read_only(const struct options *o, int argc, char **argv);

/* The id that an option gave. False: it is none, and that is said on standard error. */
bool options_id(const char *program, const char *flag, const char *text, struct id *ret);

/* The path of a program that lies beside this one, for a default; if that cannot be found
 * out, its bare name. room: (size,), where it may be put; returns it or name */
const char *options_beside(const char *name, char *room, size_t size);

#define OPTIONS_VERSION "fml 0.1.0"

#endif
