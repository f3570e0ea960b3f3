#include "service/options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#define HELP_COLUMN 30

static void print_help(const struct options *o)
{
    printf("%s: %s\n\nusage: %s %s\n\noptions:\n", o->program, o->summary, o->program, o->usage);
    for (size_t i = 0; i < o->count; i++) {
        const struct option_spec *s = &o->specs[i];
        char left[128] = "";
        if (s->flag != NULL)
            (void)snprintf(left, sizeof left, "--%s%s%s", s->flag, s->value == NULL ? "" : " ",
                           s->value == NULL ? "" : s->value);
        printf("  %-*s %s", HELP_COLUMN, left, s->help);
        if (s->required)
            printf(" (required)");
        if (s->fallback != NULL && *s->fallback != '\0')
            printf(" [%s]", s->fallback);
        if (s->env != NULL)
            printf(" {%s}", s->env);
        printf("\n");
    }
    printf("  %-*s %s\n", HELP_COLUMN, "--help", "this text");
    printf("  %-*s %s\n", HELP_COLUMN, "--version", "the version");
    printf("\n[default] {environment variable}; the command line wins over the environment\n");
    if (o->notes != NULL)
        printf("\n%s\n", o->notes);
}

static enum options_result wrong(const struct options *o, const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s%s\ntry: %s --help\n", o->program, what, detail, o->program);
    return OPTIONS_WRONG;
}

static bool read_number(const struct option_spec *s, const char *text)
{
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < s->min || number > s->max)
        return false;
    *(uint64_t *)s->target = number;
    return true;
}

static bool read_real(const struct option_spec *s, const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number))
        return false;
    *(double *)s->target = number;
    return true;
}

/* Puts one text where it belongs; false, with a message, if it cannot be. */
static bool assign(const struct options *o, const struct option_spec *s, const char *text)
{
    char what[256];
    const char *name = s->flag != NULL ? s->flag : s->env;
    switch (s->kind) {
    case OPTION_TEXT:
        *(const char **)s->target = text;
        return true;
    case OPTION_NUMBER:
        if (read_number(s, text))
            return true;
        (void)snprintf(what, sizeof what, "%s must be a whole number from %llu to %llu, not ", name,
                       (unsigned long long)s->min, (unsigned long long)s->max);
        break;
    case OPTION_REAL:
        if (read_real(s, text))
            return true;
        (void)snprintf(what, sizeof what, "%s must be a number, not ", name);
        break;
    case OPTION_SWITCH:
        *(bool *)s->target = strcmp(text, "0") != 0 && *text != '\0';
        return true;
    }
    (void)wrong(o, what, text);
    return false;
}

static const struct option_spec *find(const struct options *o, const char *name, size_t size)
{
    for (size_t i = 0; i < o->count; i++) {
        const char *flag = o->specs[i].flag;
        if (flag != NULL && strlen(flag) == size && memcmp(flag, name, size) == 0)
            return &o->specs[i];
    }
    return NULL;
}

static bool assign_defaults(const struct options *o, bool *given)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct option_spec *s = &o->specs[i];
        const char *text = s->env == NULL ? NULL : getenv(s->env);
        if (text != NULL && *text != '\0')
            given[i] = true;
        else
            text = s->fallback;
        if (text != NULL && !assign(o, s, text))
            return false;
    }
    return true;
}

enum options_result options_read(const struct options *o, int argc, char **argv, int *ret_rest)
{
    bool given[64] = {false};
    assert(o->count <= sizeof given);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(o);
            return OPTIONS_DONE;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s\n", OPTIONS_VERSION);
            return OPTIONS_DONE;
        }
    }
    if (!assign_defaults(o, given))
        return OPTIONS_WRONG;

    int rest = 0;
    bool options_over = false;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (options_over || word[0] != '-' || word[1] == '\0') {
            argv[1 + rest++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            options_over = true;
            continue;
        }
        const char *name = word + strspn(word, "-");
        size_t size = strcspn(name, "=");
        const struct option_spec *s = word[1] == '-' ? find(o, name, size) : NULL;
        if (s == NULL)
            return wrong(o, "there is no option ", word);
        const char *text = name[size] == '=' ? name + size + 1 : NULL;
        if (text == NULL && s->kind == OPTION_SWITCH)
            text = "1";
        if (text == NULL && i + 1 < argc)
            text = argv[++i];
        if (text == NULL)
            return wrong(o, "a value is missing after ", word);
        if (!assign(o, s, text))
            return OPTIONS_WRONG;
        given[s - o->specs] = true;
    }
    for (size_t i = 0; i < o->count; i++)
        if (o->specs[i].required && !given[i])
            return wrong(o, "an option is missing: --", o->specs[i].flag);
    *ret_rest = rest;
    return OPTIONS_RUN;
}

enum options_result options_read_only(const struct options *o, int argc, char **argv)
{
    int rest = 0;
    enum options_result result = options_read(o, argc, argv, &rest);
    if (result == OPTIONS_RUN && rest > 0)
        return wrong(o, "it takes only options, not ", argv[1]);
    return result;
}

bool options_id(const char *program, const char *flag, const char *text, struct id *ret)
{
    if (id_from(text, ret) == ST_OK)
        return true;
    (void)fprintf(stderr,
                  "%s: --%s is not an id: 1 to 64 letters, digits, '.', '_', '-', ':', "
                  "not beginning with '.'\n",
                  program, flag);
    return false;
}

const char *options_beside(const char *name, char *room, size_t size)
{
    size_t path_size = size;
    if (uv_exepath(room, &path_size) != 0)
        return name;
    char *slash = strrchr(room, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - room) + 1;
    int length = snprintf(room + folder, size - folder, "%s", name);
    return length > 0 && (size_t)length < size - folder ? room : name;
}
