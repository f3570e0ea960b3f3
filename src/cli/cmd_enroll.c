/* fml fleet enroll, fml fleet revoke: who is in the fleet, and who no longer is. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/authority.h"
#include "cli/text.h"
#include "io/file.h"

#define ENROLL "fml fleet enroll"
#define REVOKE "fml fleet revoke"

#define DAYS_MAX     36500
#define S_IN_A_DAY   ((uint64_t)24 * 3600)
#define OUT_PATH_MAX (AUTHORITY_PATH_MAX + ID_SIZE_MAX + 32)

/* ---- arguments ---- */

/* What is wrong with the ids, or NULL. */
static const char *check_ids(char **ids, int count)
{
    struct id id;
    for (int i = 0; i < count; i++) {
        if (id_from(ids[i], &id) != ST_OK)
            return "an ID is 1 to 64 letters, digits, '.', '_', '-' or ':'";
        for (int k = 0; k < i; k++)
            if (strcmp(ids[i], ids[k]) == 0)
                return "an ID is there twice";
    }
    return NULL;
}

enum options_result enroll_args_read(int argc, char **argv, struct enroll_args *ret)
{
    struct enroll_args a = {.days = NOT_GIVEN};
    const char *key = NULL, *wrong = NULL;
    /* clang-format off */
    const struct option_spec specs[] = {
        FLEET_OPTION_SPEC(&a.fleet),
        {.flag = "days", .value = "N", .kind = OPTION_NUMBER, .target = &a.days, .min = 1,
         .max = DAYS_MAX, .help = "how long it counts; default: until it is revoked"},
        {.flag = "out", .value = "FOLDER", .kind = OPTION_TEXT, .fallback = ".",
         .target = &a.out, .help = "where the files are written"},
        {.flag = "public-key", .value = "HEX", .kind = OPTION_TEXT, .target = &key,
         .help = "the key that the device made: only its certificate is written"},
    };
    /* clang-format on */
    const struct options options = {
        .program = ENROLL,
        .summary = "gives devices identities of the fleet",
        .usage = "ID [ID...] --fleet FOLDER [options]",
        .notes =
            "Writes ID.identity for each device: its secret key and its certificate. Move it to\n"
            "the device, readable by fml-proplet alone, and keep no copy. With --public-key\n"
            "the secret never leaves the device, and ID.certificate is base64.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result =
        arguments_read(&options, argc, argv, 1, AUTHORITY_ENROLL_MAX, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.ids = argv + 1;
    a.count = (size_t)words;
    a.has_key = key != NULL;
    wrong = check_ids(a.ids, words);
    if (wrong == NULL && key != NULL && a.count != 1)
        wrong = "--public-key belongs to one ID";
    if (wrong == NULL && key != NULL && key_public_parse(key, &a.key) != ST_OK)
        wrong = "--public-key is 64 lower-case hexadecimal digits";
    if (wrong == NULL && strlen(a.out) > AUTHORITY_PATH_MAX)
        wrong = "--out is too long";
    if (wrong != NULL) {
        (void)usage_wrong(ENROLL, "%s", wrong);
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

enum options_result revoke_args_read(int argc, char **argv, struct revoke_args *ret)
{
    struct revoke_args a = {0};
    const struct option_spec specs[] = {FLEET_OPTION_SPEC(&a.fleet)};
    const struct options options = {
        .program = REVOKE,
        .summary = "takes back the identity of a device",
        .usage = "ID --fleet FOLDER",
        .notes = "It counts no longer where the new list of revocations is known.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    if (id_from(argv[1], &a.id) != ST_OK) {
        (void)usage_wrong(REVOKE, "%s", check_ids(argv + 1, 1));
        return OPTIONS_WRONG;
    }
    *ret = a;
    return OPTIONS_RUN;
}

/* ---- what both do first ---- */

/* gives: the folder, ready to sign; NULL: not, and said */
static struct authority *open_to_sign(const char *folder)
{
    struct authority *a = NULL;
    struct why why = {0};
    enum status status = authority_open(folder, &a, &why);
    if (status == ST_OK)
        status = authority_unlock(a, &why);
    if (status == ST_OK)
        return a;
    (void)failed("%s", why.text);
    return authority_close(a);
}

/* ---- enroll ---- */

static void out_path(const struct enroll_args *args, const char *id, char ret[OUT_PATH_MAX])
{
    (void)snprintf(ret, OUT_PATH_MAX, "%s/%s.%s", args->out, id,
                   args->has_key ? "certificate" : "identity");
}

/* Before anybody is recorded: a file that is there would be found only afterwards. */
static bool check_out(const struct enroll_args *args)
{
    char path[OUT_PATH_MAX];
    if (file_make_folder(args->out) != ST_OK) {
        (void)failed("cannot make the folder %s", args->out);
        return false;
    }
    for (size_t i = 0; i < args->count; i++) {
        out_path(args, args->ids[i], path);
        if (access(path, F_OK) == 0) {
            (void)failed("%s is there already: move it away, or choose another --out", path);
            return false;
        }
    }
    return true;
}

static enum status write_certificate(const char *path, const struct identity_file *file)
{
    char text[CERTIFICATE_TEXT_SIZE + 1];
    certificate_text(&file->certificate_bytes, text);
    (void)strcat(text, "\n");
    return file_write_new(path, view_text(text));
}

static enum status write_identity(const char *path, const struct identity_file *file)
{
    struct bytes text = {0};
    enum status status = identity_file_encode(file, &text);
    if (status == ST_OK)
        status = file_write_new(path, bytes_view(&text));
    identity_file_wipe(&text);
    return status;
}

/* One that cannot be written is recorded all the same: the way out is to revoke it. */
static int write_out(const struct enroll_args *args, const struct identity_file *file)
{
    char path[OUT_PATH_MAX];
    const char *id = file->certificate.id.text;
    out_path(args, id, path);
    enum status status = args->has_key ? write_certificate(path, file) : write_identity(path, file);
    if (status != ST_OK)
        return failed("cannot write %s: %s; revoke %s and enroll it again", path,
                      status_name(status), id);
    (void)printf("%s: serial %llu, %s\n", id, (unsigned long long)file->certificate.serial, path);
    return 0;
}

static int enroll_all(struct authority *a, const struct enroll_args *args,
                      struct identity_file *files, const struct id *ids)
{
    struct why why = {0};
    uint64_t not_after = args->days == NOT_GIVEN ? 0 : clock_unix_s() + args->days * S_IN_A_DAY;
    if (authority_enroll(a, ids, args->count, args->has_key ? &args->key : NULL, not_after, files,
                         &why) != ST_OK)
        return failed("%s", why.text);
    int exit_status = 0;
    for (size_t i = 0; i < args->count; i++) {
        exit_status |= write_out(args, &files[i]);
        identity_file_done(&files[i]);
    }
    return exit_status;
}

int fleet_enroll(int argc, char **argv)
{
    struct enroll_args args;
    enum options_result result = enroll_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct authority *a = open_to_sign(args.fleet);
    if (a == NULL || !check_out(&args)) {
        (void)authority_close(a);
        return 1;
    }
    int exit_status = 1;
    struct identity_file *files = calloc(args.count, sizeof *files);
    struct id *ids = calloc(args.count, sizeof *ids);
    enum status status = files == NULL || ids == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; status == ST_OK && i < args.count; i++)
        status = id_from(args.ids[i], &ids[i]);
    if (status == ST_OK)
        exit_status = enroll_all(a, &args, files, ids);
    else
        (void)failed("no memory");
    free(files);
    free(ids);
    (void)authority_close(a);
    return exit_status;
}

/* ---- revoke ---- */

int fleet_revoke(int argc, char **argv)
{
    struct revoke_args args;
    enum options_result result = revoke_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct authority *a = open_to_sign(args.fleet);
    if (a == NULL)
        return 1;
    struct why why = {0};
    int exit_status = 0;
    if (authority_revoke(a, &args.id, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    else
        (void)printf("%s is revoked, in list %llu of %zu certificates.\n"
                     "Copy %s/revocations to every device and to the coordinator: until then the\n"
                     "certificate counts there. An older list does not take its place again.\n",
                     args.id.text, (unsigned long long)revocations_number(authority_revoked(a)),
                     revocations_count(authority_revoked(a)), args.fleet);
    (void)authority_close(a);
    return exit_status;
}
