/* fml fleet: the keys of a fleet and of publishers, and who is in the fleet. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/authority.h"
#include "cli/text.h"
#include "io/file.h"

/* ---- init ---- */

static int init(int argc, char **argv)
{
    const struct options options = {
        .program = "fml fleet init",
        .summary = "makes a fleet: its key, and the empty lists of devices and revocations",
        .usage = "FOLDER",
        .notes =
            "FOLDER/fleet.key makes devices: keep it off the machines that take part. The public\n"
            "key goes into the policy of each device, as \"fleet_key\".",
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct key_public key;
    struct why why = {0};
    char hex[KEY_HEX_SIZE];
    if (authority_init(argv[1], &key, &why) != ST_OK)
        return failed("%s", why.text);
    key_public_hex(&key, hex);
    (void)printf("%s is a fleet with the public key\n%s\n", argv[1], hex);
    return 0;
}

/* ---- list ---- */

struct fleet_list_args {
    const char *fleet;
    bool json;
};

static enum options_result fleet_list_args_read(int argc, char **argv, struct fleet_list_args *a)
{
    const struct option_spec specs[] = {
        FLEET_OPTION_SPEC(&a->fleet),
        JSON_OPTION_SPEC(&a->json),
    };
    const struct options options = {
        .program = "fml fleet list",
        .summary = "lists the devices of a fleet, in the order of their enrolment",
        .usage = "--fleet FOLDER [options]",
        OPTIONS_OF(specs),
    };
    int words = 0;
    return arguments_read(&options, argc, argv, 0, 0, &words);
}

/* The day, in UTC; "never". */
static void day_text(uint64_t unix_s, char ret[TEXT_SIZE])
{
    struct tm utc;
    time_t time = (time_t)unix_s;
    (void)snprintf(ret, TEXT_SIZE, "never");
    if (unix_s != 0 && gmtime_r(&time, &utc) != NULL)
        (void)strftime(ret, TEXT_SIZE, "%Y-%m-%d", &utc);
}

static void print_devices(const struct enrolments *devices, uint64_t now_s)
{
    static const char *const columns[] = {"DEVICE",  "SERIAL",     "STATE", "ENROLLED",
                                          "EXPIRES", "PUBLIC KEY", NULL};
    struct table *table = table_new(columns);
    if (table == NULL)
        return;
    for (size_t i = 0; i < devices->count; i++) {
        const struct enrolment *e = &devices->items[i];
        char serial[TEXT_SIZE], expires[TEXT_SIZE], hex[KEY_HEX_SIZE];
        (void)snprintf(serial, sizeof serial, "%llu", (unsigned long long)e->serial);
        day_text(e->not_after, expires);
        key_public_hex(&e->key, hex);
        table_row(table, (const char *const[]){e->id.text, serial,
                                               enrolment_state_name(enrolment_state(e, now_s)),
                                               e->enrolled_at, expires, hex});
    }
    table_print(table, stdout);
    (void)table_free(table);
}

static int print_devices_json(const struct enrolments *devices, uint64_t now_s)
{
    json_t *array = json_array();
    int lost = array == NULL;
    for (size_t i = 0; i < devices->count; i++) {
        const struct enrolment *e = &devices->items[i];
        json_t *row = enrolment_encode(e);
        const char *state = enrolment_state_name(enrolment_state(e, now_s));
        lost |= json_object_set_new(row, "state", json_string(state));
        lost |= json_array_append_new(array, row);
    }
    int exit_status = lost ? failed("no memory") : print_json(array);
    json_decref(array);
    return exit_status;
}

static int list(int argc, char **argv)
{
    struct fleet_list_args args = {0};
    enum options_result result = fleet_list_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct authority *a = NULL;
    struct why why = {0};
    if (authority_open(args.fleet, &a, &why) != ST_OK)
        return failed("%s", why.text);
    int exit_status = 0;
    if (args.json)
        exit_status = print_devices_json(authority_devices(a), clock_unix_s());
    else
        print_devices(authority_devices(a), clock_unix_s());
    (void)authority_close(a);
    return exit_status;
}

/* ---- publisher ---- */

#define PUBLISHER "fml fleet publisher"

/* Beside NAME.key, or NAME: NAME.pub. False: too long */
static bool public_path(const char *path, char ret[AUTHORITY_PATH_MAX + 1])
{
    size_t size = strlen(path);
    if (size > 4 && strcmp(path + size - 4, ".key") == 0)
        size -= 4;
    int length = snprintf(ret, AUTHORITY_PATH_MAX + 1, "%.*s.pub", (int)size, path);
    return length > 0 && (size_t)length <= AUTHORITY_PATH_MAX;
}

static enum status write_publisher(const struct identity_file *file, const char *path,
                                   const char *public, const char *hex)
{
    struct bytes text = {0};
    char line[KEY_HEX_SIZE + 1];
    (void)snprintf(line, sizeof line, "%s\n", hex);
    enum status status = identity_file_encode(file, &text);
    if (status == ST_OK)
        status = file_write_new(path, bytes_view(&text));
    identity_file_wipe(&text);
    return status == ST_OK ? file_write(public, view_text(line)) : status;
}

static int publisher(int argc, char **argv)
{
    const struct options options = {
        .program = PUBLISHER,
        .summary = "makes the key of someone who signs images",
        .usage = "FILE.key",
        .notes =
            "The public key is also written to FILE.pub. A device whose policy lists it under\n"
            "\"publishers\" runs what fml images sign --key FILE.key signed.",
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    char public[AUTHORITY_PATH_MAX + 1], hex[KEY_HEX_SIZE];
    struct identity_file file = {.kind = IDENTITY_PUBLISHER};
    if (!public_path(argv[1], public))
        return usage_wrong(PUBLISHER, "the path has more than %zu bytes", AUTHORITY_PATH_MAX);
    enum status status = key_new(&file.key);
    if (status == ST_OK) {
        key_public_hex(key_public(file.key), hex);
        status = write_publisher(&file, argv[1], public, hex);
    }
    identity_file_done(&file);
    if (status == ST_EXISTS)
        return failed("%s is there already: choose another name", argv[1]);
    if (status != ST_OK)
        return failed("cannot write %s and %s: %s", argv[1], public, status_name(status));
    (void)printf("%s is a publisher's key with the public key\n%s\n", argv[1], hex);
    return 0;
}

int cmd_fleet(int argc, char **argv)
{
    static const struct command commands[] = {
        {"init", "FOLDER", "makes a fleet: its key and its lists", init},
        {"enroll", "ID... --fleet FOLDER", "gives devices identities", fleet_enroll},
        {"revoke", "ID --fleet FOLDER", "takes back the identity of one", fleet_revoke},
        {"list", "--fleet FOLDER", "lists the devices", list},
        {"publisher", "FILE.key", "makes the key of someone who signs images", publisher},
        {NULL, NULL, NULL, NULL},
    };
    return commands_run(commands, "fml fleet", NULL, argc, argv);
}
