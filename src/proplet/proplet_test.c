/* Drives the whole device agent: real runner, real guests, real files; the test
 * is its broker, its manager and its clock. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/jsn.h"
#include "fl/complete.h"
#include "fl/receipt.h"
#include "io/file.h"
#include "device/fake_out.h"
#include "device/limits.h"
#include "identity/signed_image.h"
#include "proplet/proplet.h"
#include "proplet/trust.h"
#include "transfer/get_msg.h"
#include "transfer/manifest.h"
#include "transfer/reference.h"
#include "wire/proplet_msg.h"
#include "wire/registry_msg.h"
#include "wire/task_msg.h"

#define P     "m/demo/c/fl/"
#define MODEL "fl/models/global_model_v3"

#define UPDATE                                                                                     \
    "{\"round_id\":\"r-1\",\"base_model_uri\":\"" MODEL "\",\"num_samples\":3,"                    \
    "\"update\":{\"w\":[1,2]}}\n"

static uv_loop_t loop;
static struct fake_out *fake;
static struct proplet *proplet;
static struct proplet_settings settings;
static char root[64], state_dir[96], data_dir[96];
static struct bytes guest; /* the module that the manager has */

/* How the manager answers requests for images. */
static enum { HONEST, SILENT, REFUSES, LIES } manager;
static size_t answered; /* how much of fake->published was looked at */
static size_t manifest_requests;
static const char *model;       /* retained on MODEL; NULL: nothing */
static const char *model_claim; /* the digest beside it; NULL: the right one */
static size_t model_sent;       /* 1 while the subscription was served */

/* ---- the disk under the proplet ---- */

static const char *full_below; /* a part of the paths for which there is no room */
static void (*on_write)(void); /* before and after each write */

enum status __real_file_write(const char *path, struct view bytes);
enum status __wrap_file_write(const char *path, struct view bytes);

enum status __wrap_file_write(const char *path, struct view bytes)
{
    if (full_below != NULL && strstr(path, full_below) != NULL)
        return ST_FULL;
    if (on_write != NULL)
        on_write();
    enum status status = __real_file_write(path, bytes);
    if (on_write != NULL)
        on_write();
    return status;
}

static bool no_room; /* as statvfs() sees it */

int __real_statvfs(const char *path, struct statvfs *ret);
int __wrap_statvfs(const char *path, struct statvfs *ret);

int __wrap_statvfs(const char *path, struct statvfs *ret)
{
    int failed = __real_statvfs(path, ret);
    if (no_room)
        ret->f_bavail = 0;
    return failed;
}

/* ---- the world around the proplet ---- */

static void message_bytes(const char *topic, struct view payload)
{
    proplet_message(proplet, &(struct mqtt_message){.topic = topic, .payload = payload});
}

static void message(const char *topic, const char *payload)
{
    message_bytes(topic, view_text(payload));
}

static void answer_part(const struct get_msg *get, const struct manifest *m)
{
    char topic[TOPIC_SIZE_MAX], hex[DIGEST_HEX_SIZE];
    struct view part = manifest_part(m, bytes_view(&guest), get->part);
    digest_hex(&m->digest, hex);
    (void)snprintf(topic, sizeof topic, P "registry/part/p-1/%s/%u", hex, get->part);
    message_bytes(topic, manager == LIES ? view_of("lie", 3) : part);
}

static void answer_get(struct view payload)
{
    struct get_msg get;
    struct manifest m = {0};
    assert_int_equal(get_msg_decode(payload, &get, NULL), ST_OK);
    assert_string_equal(get.client_id.text, "p-1");
    manifest_requests += !get.wants_part;
    if (manager == SILENT)
        return;
    /* Small parts, so that there are many. */
    assert_int_equal(manifest_of(bytes_view(&guest), 4096, &m), ST_OK);
    json_t *object = manifest_encode(&m);
    if (manager == REFUSES) {
        json_object_set_new(object, "error", json_string("not_found"));
        json_object_set_new(object, "reason", json_string("no such image"));
    }
    if (get.wants_part) {
        answer_part(&get, &m);
    } else {
        char *text = jsn_text(object);
        message(P "registry/manifest/p-1", text);
        free(text);
    }
    json_decref(object);
    manifest_done(&m);
}

static void serve_model(void)
{
    if (!fake_out_subscribed(fake, MODEL)) {
        model_sent = 0;
        return;
    }
    if (model == NULL || model_sent > 0)
        return;
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text(model));
    digest_text(&d, digest);
    model_sent = 1;
    struct mqtt_message m = {.topic = MODEL, .payload = view_text(model), .retain = true};
    m.properties[0] = (struct mqtt_property){"digest", model_claim ? model_claim : digest};
    m.property_count = 1;
    proplet_message(proplet, &m);
}

/* Answers what the proplet has asked for since the last call. */
static void serve(void)
{
    while (answered < fake->published_count) {
        const struct fake_message *m = &fake->published[answered++];
        if (strcmp(m->topic, P "registry/get/manager") == 0)
            answer_get(bytes_view(&m->payload));
    }
    serve_model();
}

static const struct fake_message *published(const char *topic, size_t index)
{
    for (size_t i = 0; i < fake->published_count; i++)
        if (strcmp(fake->published[i].topic, topic) == 0 && index-- == 0)
            return &fake->published[i];
    return NULL;
}

static size_t published_count(const char *topic)
{
    size_t count = 0;
    while (published(topic, count) != NULL)
        count++;
    return count;
}

static size_t results_count(void)
{
    return published_count(P "control/proplet/results");
}

/* Lets the world go on until this many results were sent. */
static void until_results(size_t count)
{
    serve();
    while (results_count() < count) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        serve();
    }
    assert_int_equal(results_count(), count);
}

/* The results with this index, to be ended with results_msg_done(). */
static struct results_msg results_at(size_t index)
{
    struct results_msg r = {0};
    struct why why = {0};
    const struct fake_message *m = published(P "control/proplet/results", index);
    assert_non_null(m);
    assert_int_equal(results_msg_decode(bytes_view(&m->payload), &r, &why), ST_OK);
    assert_string_equal(r.proplet_id.text, "p-1");
    return r;
}

static void assert_results(size_t index, const char *task, const char *reason)
{
    struct results_msg r = results_at(index);
    assert_string_equal(r.task_id.text, task);
    assert_string_equal(r.reason, reason);
    assert_int_equal(r.failed, strcmp(reason, "completed") != 0);
    results_msg_done(&r);
}

static void assert_error_has(size_t index, const char *part)
{
    struct results_msg r = results_at(index);
    assert_non_null(strstr(r.error, part));
    results_msg_done(&r);
}

static void assert_printed(size_t index, const char *text)
{
    struct results_msg r = results_at(index);
    assert_string_equal(json_string_value(r.results), text);
    results_msg_done(&r);
}

/* ---- starts ---- */

struct order {
    const char *task;
    const char *what; /* DO */
    const char *text; /* TEXT; NULL: none */
    bool learns;
    unsigned timeout_s;       /* 0: 60 */
    const char *model_digest; /* NULL: none */
    const char *mode;         /* NULL: none */
    const char *round;        /* NULL: r-1 */
    bool is_protected;        /* its spec has `privacy` */
};

static json_t *start_object(const struct order *o)
{
    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(bytes_view(&guest));
    digest_text(&d, digest);
    json_t *env = json_pack("{s:s,s:s*}", "DO", o->what, "TEXT", o->text);
    if (o->learns) {
        json_object_set_new(env, "ROUND_ID", json_string(o->round == NULL ? "r-1" : o->round));
        json_object_set_new(env, "MODEL_URI", json_string(MODEL));
        if (o->mode != NULL)
            json_object_set_new(env, "MODE", json_string(o->mode));
    }
    json_t *start =
        json_pack("{s:s,s:s,s:s,s:i,s:o,s:s}", "id", o->task, "name", o->task, "proplet_id", "p-1",
                  "timeout_s", o->timeout_s == 0 ? 60 : (int)o->timeout_s, "env", env,
                  "image_digest", digest);
    if (o->model_digest != NULL)
        json_object_set_new(start, "spec",
                            json_pack("{s:{s:s}}", "model", "digest", o->model_digest));
    if (o->is_protected)
        json_object_set_new(
            start, "spec",
            json_pack("{s:{s:i,s:{s:i}}}", "privacy", "clip", 1, "noise", "multiplier", 1));
    assert_non_null(start);
    return start;
}

static void send_object(const char *topic, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    message(topic, text);
    free(text);
}

static void start(const struct order *o)
{
    send_object(P "control/manager/start/p-1", start_object(o));
}

static void stop(const char *task)
{
    send_object(P "control/manager/stop/p-1",
                json_pack("{s:s,s:s}", "id", task, "proplet_id", "p-1"));
}

/* ---- life of a test ---- */

static void open_proplet(void)
{
    struct why why = {0};
    if (proplet_new(&loop, &settings, &fake->out, &proplet, &why) != ST_OK)
        fail_msg("%s", why.text);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/fml-proplet-XXXXXX");
    if (mkdtemp(root) == NULL || uv_loop_init(&loop) != 0)
        return 1;
    (void)snprintf(state_dir, sizeof state_dir, "%s/state", root);
    (void)snprintf(data_dir, sizeof data_dir, "%s/data", root);
    char samples[128];
    (void)snprintf(samples, sizeof samples, "%s/samples", data_dir);
    if (file_make_folder(data_dir) != ST_OK || file_write(samples, view_text("1,2,3")) != ST_OK ||
        file_read(TEST_GUEST, IMAGE_SIZE_MAX, &guest) != ST_OK)
        return 1;
    settings = (struct proplet_settings){
        .space = {{"demo"}, {"fl"}},
        .id = {"p-1"},
        .manager = {"manager"},
        .data_dir = data_dir,
        .state_dir = state_dir,
        .runner = TEST_RUNNER,
        .alive_interval_s = 10,
        .model_wait_s = 10,
        .resend_s = 5,
        .tasks_max = 1,
        .memory_bytes = (uint64_t)64 << 20,
        .cpu_s = 50,
    };
    manager = HONEST;
    answered = manifest_requests = model_sent = 0;
    model = "{\"w\":[0,0]}";
    model_claim = NULL;
    full_below = NULL;
    no_room = false;
    on_write = NULL;
    fake = fake_out_new();
    open_proplet();
    return 0;
}

static void close_proplet(void)
{
    proplet_stop(proplet);
    while (!proplet_stopped(proplet))
        (void)uv_run(&loop, UV_RUN_ONCE);
    proplet = proplet_free(proplet);
}

static int teardown(void **state)
{
    (void)state;
    close_proplet();
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
        ;
    int busy = uv_loop_close(&loop);
    settings.trust = trust_close(settings.trust);
    fake = fake_out_free(fake);
    bytes_done(&guest);
    return busy != 0 || file_remove_tree(root) != ST_OK;
}

/* What is left on the disk of tasks: nothing, once all have ended. */
static bool task_folders_are_gone(void)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/tasks", state_dir);
    return access(path, F_OK) != 0 || rmdir(path) == 0;
}

/* ---- registration ---- */

static void it_registers_at_each_connect(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        proplet_connected(proplet);
        struct proplet_msg msg = {0};
        const struct fake_message *create = published(P "control/proplet/create", i);
        assert_int_equal(proplet_msg_decode(bytes_view(&create->payload), &msg, NULL), ST_OK);
        assert_string_equal(msg.proplet_id.text, "p-1");
        assert_int_equal(msg.start_topic, START_OWN);
        assert_string_equal(json_string_value(json_object_get(msg.metadata, "wasm_runtime")),
                            "wasmtime-48");
        assert_true(json_integer_value(json_object_get(msg.metadata, "total_memory_bytes")) > 0);
        proplet_msg_done(&msg);
        assert_int_equal(published_count(P "control/proplet/alive"), i + 1);
    }
}

static void it_listens_to_its_own_topics(void **state)
{
    (void)state;
    assert_true(fake_out_subscribed(fake, P "control/manager/start/p-1"));
    assert_true(fake_out_subscribed(fake, P "control/manager/start"));
    assert_true(fake_out_subscribed(fake, P "control/manager/stop/p-1"));
    assert_true(fake_out_subscribed(fake, P "control/manager/stop"));
    assert_true(fake_out_subscribed(fake, P "registry/manifest/p-1"));
    assert_true(fake_out_subscribed(fake, P "registry/part/p-1/+/+"));
}

static void heartbeats_follow_the_clock(void **state)
{
    (void)state;
    proplet_connected(proplet);
    fake->now_ms += 9999;
    proplet_tick(proplet);
    assert_int_equal(published_count(P "control/proplet/alive"), 1);
    fake->now_ms += 1;
    proplet_tick(proplet);
    proplet_tick(proplet);
    assert_int_equal(published_count(P "control/proplet/alive"), 2);
    fake->offline = true;
    fake->now_ms += 60000;
    proplet_tick(proplet);
    assert_int_equal(published_count(P "control/proplet/alive"), 2);
}

static void the_state_folder_is_its_own(void **state)
{
    (void)state;
    struct proplet *second = NULL;
    struct why why = {0};
    assert_int_equal(proplet_new(&loop, &settings, &fake->out, &second, &why), ST_EXISTS);
    assert_null(second);
    assert_non_null(strstr(why.text, "in use"));
}

/* In a child: holds the folder's lock a little longer than its parent's start takes. */
static void hold_lock_for_a_moment(const char *path, int told)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0 || write(told, "x", 1) != 1)
        _exit(1);
    (void)poll(NULL, 0, 200);
    _exit(0);
}

static void a_lock_that_a_killed_one_left_is_waited_for(void **state)
{
    (void)state;
    struct proplet *second = NULL;
    struct why why = {0};
    char folder[128], path[160], byte;
    int ends[2], ended = -1;
    struct proplet_settings other = settings;
    (void)snprintf(folder, sizeof folder, "%s/second", root);
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    assert_int_equal(file_make_folder(folder), ST_OK);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        hold_lock_for_a_moment(path, ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    other.state_dir = folder;
    assert_int_equal(proplet_new(&loop, &other, &fake->out, &second, &why), ST_OK);
    proplet_free(second);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_data_folder_must_be_there(void **state)
{
    (void)state;
    struct proplet *second = NULL;
    struct why why = {0};
    struct proplet_settings other = settings;
    other.data_dir = "/nonexistent/data";
    assert_int_equal(proplet_new(&loop, &other, &fake->out, &second, &why), ST_NOT_FOUND);
    other.data_dir = TEST_GUEST; /* a file */
    assert_int_equal(proplet_new(&loop, &other, &fake->out, &second, &why), ST_NOT_FOUND);
    assert_null(second);
}

/* ---- tasks that go well ---- */

static void a_plain_task_prints_its_results(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "print", .text = "hello\n"});
    until_results(1);
    assert_results(0, "t-1", "completed");
    assert_printed(0, "hello\n");
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_true(task_folders_are_gone());
}

static void an_image_is_fetched_and_compiled_once(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "print", .text = "1"});
    start(&(struct order){.task = "t-2", .what = "print", .text = "2"});
    until_results(2);
    start(&(struct order){.task = "t-3", .what = "print", .text = "3"});
    until_results(3);
    assert_int_equal(manifest_requests, 1);
    for (size_t i = 0; i < 3; i++) {
        struct results_msg r = results_at(i);
        assert_string_equal(r.reason, "completed");
        results_msg_done(&r);
    }
    /* ... and outlives a restart. */
    proplet_tick(proplet); /* the results were acknowledged */
    close_proplet();
    fake_out_clear(fake);
    answered = 0;
    open_proplet();
    start(&(struct order){.task = "t-4", .what = "print", .text = "4"});
    until_results(1);
    assert_printed(0, "4");
    assert_int_equal(manifest_requests, 1);
}

/* ---- compiled code on the disk ---- */

/* The one file of this kind among the images. */
static void image_path(const char *suffix, char *ret_path, size_t size)
{
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s/images", state_dir);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    const struct dirent *entry;
    unsigned found = 0;
    while ((entry = readdir(dir)) != NULL)
        if (strstr(entry->d_name, suffix) != NULL && ++found == 1)
            (void)snprintf(ret_path, size, "%s/%s", folder, entry->d_name);
    closedir(dir);
    assert_int_equal(found, 1);
}

static void flip_a_bit(const char *path)
{
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 5000, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_true(byte >= 0 && fseek(f, 5000, SEEK_SET) == 0);
    assert_int_equal(fputc(byte ^ 1, f), byte ^ 1);
    assert_int_equal(fclose(f), 0);
}

static void damaged_code_is_compiled_anew(void **state)
{
    (void)state;
    char path[512];
    struct stat before, anew, after;
    start(&(struct order){.task = "t-1", .what = "print", .text = "1"});
    until_results(1);
    image_path(".cwasm", path, sizeof path);
    flip_a_bit(path);
    int held[2] = {open(path, O_RDONLY), -1}; /* so that its number is not given again */
    assert_int_equal(fstat(held[0], &before), 0);

    /* Two that wait for it: the first finds the damage, both run. */
    start(&(struct order){.task = "t-2", .what = "print", .text = "2"});
    start(&(struct order){.task = "t-3", .what = "print", .text = "3"});
    until_results(3);
    assert_printed(1, "2");
    assert_printed(2, "3");
    held[1] = open(path, O_RDONLY);
    assert_int_equal(fstat(held[1], &anew), 0);
    assert_int_equal(anew.st_mode & 0777, 0600);
    assert_int_not_equal(anew.st_ino, before.st_ino);

    start(&(struct order){.task = "t-4", .what = "print", .text = "4"});
    until_results(4);
    assert_printed(3, "4");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, anew.st_ino); /* it was whole: not once more */
    close(held[0]);
    close(held[1]);
    assert_int_equal(manifest_requests, 1);
}

static void damaged_code_costs_no_update(void **state)
{
    (void)state;
    char path[512];
    start(&(struct order){.task = "t-1", .what = "print", .text = "1"});
    until_results(1);
    image_path(".cwasm", path, sizeof path);
    flip_a_bit(path);
    start(&(struct order){.task = "t-2", .what = "print", .text = UPDATE, .learns = true});
    until_results(2);
    assert_results(1, "t-2", "completed");
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 1);
}

/* The runner is a script from here on. */
static void use_script(const char *text)
{
    static char script[128];
    (void)snprintf(script, sizeof script, "%s/runner.sh", root);
    assert_int_equal(file_write(script, view_text(text)), ST_OK);
    assert_int_equal(chmod(script, 0700), 0);
    close_proplet();
    fake_out_clear(fake);
    answered = model_sent = 0;
    settings.runner = script;
    open_proplet();
}

static void code_that_is_damaged_again_ends_the_task(void **state)
{
    (void)state;
    char text[512];
    (void)snprintf(
        text, sizeof text,
        "#!/bin/sh\nfor f in %s/images/*.cwasm; do [ ! -e \"$f\" ] || printf x >>\"$f\"; "
        "done\nexec %s\n",
        state_dir, TEST_RUNNER);
    use_script(text);
    start(&(struct order){.task = "t-1", .what = "print", .text = "1"});
    until_results(1);
    assert_results(0, "t-1", "runner_failed");
    assert_error_has(0, "the compiled module is damaged");
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_true(task_folders_are_gone());
}

static void heartbeats_go_on_while_an_image_is_compiled(void **state)
{
    (void)state;
    char began[128], go_on[128], text[512], byte;
    (void)snprintf(began, sizeof began, "%s/began", root);
    (void)snprintf(go_on, sizeof go_on, "%s/go-on", root);
    assert_int_equal(mkfifo(began, 0600), 0);
    assert_int_equal(mkfifo(go_on, 0600), 0);
    /* A compiler that takes as long as we like. */
    (void)snprintf(text, sizeof text, "#!/bin/sh\necho >%s\nread line <%s\n", began, go_on);
    use_script(text);
    int began_fd = open(began, O_RDWR), go_on_fd = open(go_on, O_RDWR);
    assert_true(began_fd >= 0 && go_on_fd >= 0);

    proplet_connected(proplet);
    assert_int_equal(published_count(P "control/proplet/alive"), 1);
    start(&(struct order){.task = "t-1", .what = "print", .text = "1"});
    serve();
    assert_int_equal(read(began_fd, &byte, 1), 1); /* it compiles, and will not end */
    for (size_t beats = 2; beats <= 6; beats++) {
        fake->now_ms += 10000;
        proplet_tick(proplet);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(published_count(P "control/proplet/alive"), beats);
    }
    assert_int_equal(results_count(), 0);
    assert_int_equal(write(go_on_fd, "\n", 1), 1);
    until_results(1);
    assert_results(0, "t-1", "runner_failed"); /* such a compiler makes no code */
    close(began_fd);
    close(go_on_fd);
}

static void a_learning_task_publishes_what_it_printed_verbatim(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    assert_results(0, "t-1", "completed");
    const struct fake_message *update = published("fl/rounds/r-1/updates/p-1", 0);
    assert_non_null(update);
    assert_true(view_equal(bytes_view(&update->payload), view_text(UPDATE)));

    char digest[DIGEST_TEXT_SIZE];
    struct digest d = digest_of(view_text(UPDATE));
    digest_text(&d, digest);
    struct results_msg r = results_at(0);
    assert_string_equal(json_string_value(json_object_get(r.results, "update_topic")),
                        "fl/rounds/r-1/updates/p-1");
    assert_string_equal(json_string_value(json_object_get(r.results, "update_digest")), digest);
    assert_int_equal(json_integer_value(json_object_get(r.results, "update_bytes")),
                     strlen(UPDATE));
    results_msg_done(&r);
    assert_int_equal(proplet_unanswered_count(proplet), 1);
}

/* Larger than all that this broker takes in one message. gives: a text for free() */
static char *long_update(void)
{
    static const char begin[] = "{\"round_id\":\"r-1\",\"base_model_uri\":\"" MODEL
                                "\",\"num_samples\":1,\"update\":{\"w\":[0";
    char *text = calloc(1, sizeof begin + 8000 + sizeof "]}}");
    assert_non_null(text);
    size_t size = sizeof begin - 1;
    memcpy(text, begin, size);
    for (unsigned i = 0; i < 4000; i++, size += 2)
        memcpy(text + size, ",1", 2);
    memcpy(text + size, "]}}", 3);
    return text;
}

static void assert_given_in_parts(const struct fake_message *update, const char *text)
{
    struct reference r;
    assert_int_equal(reference_decode(bytes_view(&update->payload), MODEL_BYTES_MAX, &r, NULL),
                     ST_OK);
    struct digest digest = digest_of(view_text(text));
    assert_true(digest_equal(&r.manifest.digest, &digest));
    assert_string_equal(r.holder.text, "p-1");
    struct get_msg get = {.client_id = {"c"}, .digest = digest, .wants_part = true};
    char *ask = get_msg_encode(&get);
    fake->message_max = 0;
    fake_out_clear(fake);
    message("fl/parts/get/p-1", ask);
    free(ask);
    assert_int_equal(fake->published_count, 1);
    assert_true(view_equal(bytes_view(&fake->published[0].payload), view_text(text)));
    reference_done(&r);
}

static void what_the_broker_takes_in_no_message_goes_in_parts(void **state)
{
    (void)state;
    static const char *const ways[] = {"print", "update_file"};
    char *text = long_update();
    for (size_t i = 0; i < 2; i++) {
        fake_out_clear(fake);
        fake->message_max = 4000;
        char task[8];
        (void)snprintf(task, sizeof task, "t-%zu", i);
        start(&(struct order){.task = task, .what = ways[i], .text = text, .learns = true});
        until_results(1);
        assert_results(0, task, "completed");
        assert_int_equal(proplet_unanswered_count(proplet), i + 1);
        const struct fake_message *update = published("fl/rounds/r-1/updates/p-1", 0);
        assert_non_null(update);
        assert_given_in_parts(update, text);
    }
    free(text);
}

static void the_update_file_wins_over_standard_output(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "update_both", .text = UPDATE, .learns = true});
    until_results(1);
    assert_results(0, "t-1", "completed");
    const struct fake_message *update = published("fl/rounds/r-1/updates/p-1", 0);
    assert_true(view_equal(bytes_view(&update->payload), view_text(UPDATE)));
    assert_true(task_folders_are_gone());
}

static void the_guest_reads_its_model_and_the_devices_data(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "train", .learns = true});
    until_results(1);
    assert_results(0, "t-1", "completed");
    const struct fake_message *update = published("fl/rounds/r-1/updates/p-1", 0);
    json_t *object = NULL;
    assert_int_equal(jsn_parse(bytes_view(&update->payload), 4096, &object, NULL), ST_OK);
    json_t *metrics = json_object_get(object, "metrics");
    assert_int_equal(json_integer_value(json_object_get(metrics, "model")), strlen(model));
    assert_int_equal(json_integer_value(json_object_get(metrics, "data")), strlen("1,2,3"));
    json_decref(object);
}

static void a_plain_task_sees_no_model(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "tell"});
    until_results(1);
    assert_printed(0, "PROPLET_ID=p-1\nDATA_DIR=/data\n");
}

static void an_update_is_sent_again_until_its_receipt(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    fake->now_ms += 5000;
    proplet_tick(proplet);
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 2);

    struct receipt receipt = {.round_id = {"r-1"}, .proplet_id = {"p-2"}};
    receipt.update_digest = digest_of(view_text(UPDATE));
    char *foreign = receipt_encode(&receipt);
    message("fl/rounds/r-1/receipts/p-1", foreign);
    free(foreign);
    assert_int_equal(proplet_unanswered_count(proplet), 1);

    receipt.proplet_id = settings.id;
    char *mine = receipt_encode(&receipt);
    message("fl/rounds/r-2/receipts/p-1", mine); /* another round's topic */
    message("fl/rounds/r-1/receipts/p-1", "nonsense");
    receipt.verdict = VERDICT_NOT_STORED;
    char *postponed = receipt_encode(&receipt);
    message("fl/rounds/r-1/receipts/p-1", postponed);
    free(postponed);
    assert_int_equal(proplet_unanswered_count(proplet), 1);
    message("fl/rounds/r-1/receipts/p-1", mine);
    free(mine);
    assert_int_equal(proplet_unanswered_count(proplet), 0);
    assert_false(fake_out_subscribed(fake, "fl/rounds/r-1/complete"));
    fake->now_ms += 5000;
    proplet_tick(proplet);
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 2);
}

static void the_rounds_end_ends_the_sending(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    struct complete complete = {.round_id = {"r-1"}, .outcome = ROUND_EXPIRED, .participants = 3};
    (void)snprintf(complete.model_uri, sizeof complete.model_uri, MODEL);
    (void)snprintf(complete.completed_at, sizeof complete.completed_at, "2026-11-24T21:57:12Z");
    char *text = complete_encode(&complete);
    message("fl/rounds/r-2/complete", text);
    assert_int_equal(proplet_unanswered_count(proplet), 1);
    message("fl/rounds/r-1/complete", text);
    assert_int_equal(proplet_unanswered_count(proplet), 0);
    free(text);
}

static void what_the_coordinator_can_judge_is_sent(void **state)
{
    (void)state;
    /* No samples: an update that will be rejected, with a reason. */
    const char *poor = "{\"round_id\":\"r-1\",\"base_model_uri\":\"" MODEL
                       "\",\"num_samples\":0,\"update\":{\"w\":[1,2]}}";
    start(&(struct order){.task = "t-1", .what = "update_file", .text = poor, .learns = true});
    until_results(1);
    assert_results(0, "t-1", "completed");
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 1);
}

/* ---- tasks that fail: each has its name, and the next one runs ---- */

static void assert_next_task_runs(size_t results)
{
    start(&(struct order){.task = "t-next", .what = "print", .text = "fine"});
    until_results(results + 1);
    assert_results(results, "t-next", "completed");
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 0);
    assert_true(task_folders_are_gone());
}

static void assert_fails(const struct order *o, const char *reason, const char *error)
{
    start(o);
    until_results(1);
    assert_results(0, o->task, reason);
    assert_error_has(0, error);
    assert_next_task_runs(1);
}

static void a_trap_is_named(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "trap", .learns = true}, "trap",
                 "doing trap");
}

static void of_a_protected_round_nothing_is_told_but_its_update(void **state)
{
    (void)state;
    static const char *const whats[] = {"exit", "trap", "print", "update_file"};
    static const char *const reasons[] = {"exit_status", "trap", "bad_update", "completed"};
    for (size_t i = 0; i < 4; i++) {
        char task[8];
        (void)snprintf(task, sizeof task, "t-%zu", i);
        start(&(struct order){.task = task,
                              .what = whats[i],
                              .text = i == 3 ? UPDATE : "{\"the patient\": is ill}",
                              .learns = true,
                              .is_protected = true});
        until_results(i + 1);
        assert_results(i, task, reasons[i]);
        const struct fake_message *m = published(P "control/proplet/results", i);
        char *text = text_of(bytes_view(&m->payload));
        assert_null(strstr(text, "usage"));
        assert_null(strstr(text, "doing")); /* on its standard error */
        assert_null(strstr(text, "patient"));
        assert_null(strstr(text, "status 3"));
        free(text);
    }
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 1);
    /* What failed before anything ran is told as ever. */
    start(&(struct order){
        .task = "t-4", .what = "exit", .learns = true, .is_protected = true, .round = "r/1"});
    until_results(5);
    assert_results(4, "t-4", "bad_start");
    assert_error_has(4, "ROUND_ID");
}

static void an_exit_status_is_named(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "exit", .learns = true}, "exit_status",
                 "3");
}

static void an_endless_loop_ends_at_its_deadline(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "spin", .timeout_s = 1}, "deadline",
                 "doing spin");
}

static void endless_memory_is_named(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "grow"}, "memory_limit", "");
}

static void endless_output_is_named(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "flood"}, "output_limit", "");
}

static void no_update_is_named(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "nothing", .learns = true}, "no_update",
                 "UPDATE_PATH");
}

static void what_is_no_update_is_not_sent(void **state)
{
    (void)state;
    assert_fails(
        &(struct order){.task = "t-1", .what = "print", .text = "loss=0.3", .learns = true},
        "bad_update", "malformed");
}

static void an_update_that_is_no_file_is_named(void **state)
{
    (void)state;
    assert_fails(&(struct order){.task = "t-1", .what = "update_folder", .learns = true},
                 "bad_update", "regular file");
}

static void a_module_that_does_not_compile_is_named(void **state)
{
    (void)state;
    assert_int_equal(bytes_copy(&guest, view_text("not a module at all")), ST_OK);
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    until_results(1);
    assert_results(0, "t-1", "image_invalid");
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_true(task_folders_are_gone());
}

/* (import "fml" "fml_sgemm" (func (param i32 i32 i32 i32 i32 i32 i32))) and an empty _start */
static const uint8_t imports_sgemm[] = {
    0,    'a',  's',  'm',  1,    0,    0,   0, 1,  14, 2, 0x60, 0,   0,   0x60, 7,   0x7f,
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0,   2, 17, 1,  3, 'f',  'm', 'l', 9,    'f', 'm',
    'l',  '_',  's',  'g',  'e',  'm',  'm', 0, 1,  3,  2, 1,    0,   7,   10,   1,   6,
    '_',  's',  't',  'a',  'r',  't',  0,   1, 10, 4,  1, 2,    0,   0x0b};

static void native_products_can_be_refused(void **state)
{
    (void)state;
    assert_int_equal(bytes_copy(&guest, view_of(imports_sgemm, sizeof imports_sgemm)), ST_OK);
    start(&(struct order){.task = "t-1", .what = "x"});
    until_results(1);
    assert_results(0, "t-1", "completed");
    proplet_tick(proplet); /* the results were acknowledged */

    close_proplet();
    fake_out_clear(fake);
    answered = 0;
    settings.refuse_sgemm = true;
    open_proplet();
    start(&(struct order){.task = "t-2", .what = "x"}); /* its code lies in the cache */
    until_results(1);
    assert_results(0, "t-2", "image_invalid");
    assert_error_has(0, "fml.fml_sgemm, which this device refuses");
    assert_int_equal(proplet_task_count(proplet), 0);
}

static void a_refused_image_is_named(void **state)
{
    (void)state;
    manager = REFUSES;
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    until_results(1);
    assert_results(0, "t-1", "image_unavailable");
    assert_error_has(0, "no such image");
    manager = HONEST;
    assert_next_task_runs(1);
}

/* Moves the clock in steps until there are this many results. */
static void until_results_by_clock(size_t count)
{
    for (unsigned i = 0; i < 600 && results_count() < count; i++) {
        serve();
        fake->now_ms += 100;
        proplet_tick(proplet);
    }
    assert_int_equal(results_count(), count);
}

static void a_silent_manager_is_asked_again_and_named(void **state)
{
    (void)state;
    manager = SILENT;
    start(&(struct order){.task = "t-1", .what = "print", .text = "x", .timeout_s = 300});
    until_results_by_clock(1);
    assert_results(0, "t-1", "image_unavailable");
    assert_int_equal(manifest_requests, 6);
    manager = HONEST;
    assert_next_task_runs(1);
}

static void false_parts_are_named(void **state)
{
    (void)state;
    manager = LIES;
    start(&(struct order){.task = "t-1", .what = "print", .text = "x", .timeout_s = 300});
    until_results_by_clock(1);
    assert_results(0, "t-1", "image_corrupt");
    manager = HONEST;
    assert_next_task_runs(1);
}

static void the_deadline_counts_from_the_arrival(void **state)
{
    (void)state;
    manager = SILENT;
    start(&(struct order){.task = "t-1", .what = "print", .text = "x", .timeout_s = 4});
    fake->now_ms += 3999;
    proplet_tick(proplet);
    assert_int_equal(results_count(), 0);
    fake->now_ms += 1;
    proplet_tick(proplet);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "deadline");
    assert_error_has(0, "image");
}

static void a_model_that_does_not_come_is_named(void **state)
{
    (void)state;
    model = NULL;
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    serve();
    while (!fake_out_subscribed(fake, MODEL)) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        serve();
    }
    fake->now_ms += 9999;
    proplet_tick(proplet);
    assert_int_equal(results_count(), 0);
    fake->now_ms += 1;
    proplet_tick(proplet);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "model_unavailable");
    assert_error_has(0, MODEL);
    assert_false(fake_out_subscribed(fake, MODEL));
    assert_next_task_runs(1);
}

static void a_model_with_a_false_digest_is_named(void **state)
{
    (void)state;
    model_claim = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_fails(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true},
                 "model_corrupt", "digest");
}

static void a_model_other_than_expected_is_named(void **state)
{
    (void)state;
    struct order o = {.task = "t-1", .what = "print", .text = UPDATE, .learns = true};
    o.model_digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_fails(&o, "model_corrupt", "expects");
}

static void a_missing_runner_is_named(void **state)
{
    (void)state;
    close_proplet();
    fake_out_clear(fake);
    answered = 0;
    settings.runner = "/nonexistent/fml-runner";
    open_proplet();
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    until_results(1);
    assert_results(0, "t-1", "runner_failed");
}

/* ---- starts that are not as they should be ---- */

static void a_bad_start_gets_results(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "{\"id\":\"t-1\"}",                                /* no image */
        "{\"id\":\"t-1\",\"image_digest\":\"sha256:12\"}", /* no digest */
        "{\"id\":\"t-1\",\"env\":7,\"image_digest\":\""    /* no environment */
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}",
        "{\"id\":\"t-1\",\"proplet_id\":\"p-2\",\"image_digest\":\"" /* not for us */
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}",
        "{\"id\":\"t-1\",\"env\":{\"ROUND_ID\":\"r-1\",\"MODEL_URI\":\"#\"},\"image_digest\":\""
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}",
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        close_proplet();
        assert_int_equal(file_remove_tree(state_dir), ST_OK);
        fake_out_clear(fake);
        open_proplet();
        message(P "control/manager/start/p-1", starts[i]);
        assert_int_equal(results_count(), 1);
        assert_results(0, "t-1", "bad_start");
        assert_int_equal(proplet_task_count(proplet), 0);
    }
}

static void without_an_id_there_is_nobody_to_answer(void **state)
{
    (void)state;
    message(P "control/manager/start/p-1", "");
    message(P "control/manager/start/p-1", "nonsense");
    message(P "control/manager/start/p-1", "{\"id\":\"a/b\"}");
    message(P "control/manager/start/p-2", "{\"id\":\"t-1\"}");
    message(P "control/manager/starts", "{\"id\":\"t-1\"}");
    assert_int_equal(fake->published_count, 0);
    assert_int_equal(proplet_task_count(proplet), 0);
}

static void a_start_that_comes_twice_runs_once(void **state)
{
    (void)state;
    struct order o = {.task = "t-1", .what = "print", .text = "once"};
    start(&o);
    start(&o);
    assert_int_equal(proplet_task_count(proplet), 1);
    until_results(1);
    start(&o); /* it has ended: the same answer again */
    assert_int_equal(results_count(), 2);
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_true(view_equal(bytes_view(&published(P "control/proplet/results", 0)->payload),
                           bytes_view(&published(P "control/proplet/results", 1)->payload)));
}

static void too_many_tasks_are_busy(void **state)
{
    (void)state;
    char task[32];
    manager = SILENT;
    for (unsigned i = 0; i < 1 + PROPLET_QUEUE_MAX; i++) {
        (void)snprintf(task, sizeof task, "t-%u", i);
        start(&(struct order){.task = task, .what = "print", .text = "x"});
    }
    assert_int_equal(results_count(), 0);
    assert_int_equal(proplet_task_count(proplet), 65);
    start(&(struct order){.task = "t-more", .what = "print", .text = "x"});
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-more", "busy");
    assert_int_equal(proplet_task_count(proplet), 65);
}

/* ---- Propeller's shared topic ---- */

static json_t *inline_start(const char *task, const char *to)
{
    json_t *object = start_object(&(struct order){.task = task, .what = "print", .text = "inline"});
    json_object_del(object, "image_digest");
    struct start_msg msg = {0};
    struct id id;
    char *text = json_dumps(object, 0);
    assert_int_equal(start_msg_decode(view_text(text), &msg, &id, NULL), ST_OK);
    free(text);
    json_decref(object);
    text = start_msg_encode(&msg, bytes_view(&guest));
    start_msg_done(&msg);
    object = json_loads(text, 0, NULL);
    free(text);
    if (to == NULL)
        json_object_del(object, "proplet_id");
    else
        json_object_set_new(object, "proplet_id", json_string(to));
    return object;
}

static void a_module_inside_the_start_is_run(void **state)
{
    (void)state;
    send_object(P "control/manager/start", inline_start("t-1", "p-1"));
    until_results(1);
    assert_results(0, "t-1", "completed");
    assert_printed(0, "inline");
    assert_int_equal(manifest_requests, 0);
}

static void shared_starts_of_others_are_ignored(void **state)
{
    (void)state;
    send_object(P "control/manager/start", inline_start("t-1", "p-2"));
    send_object(P "control/manager/start", inline_start("t-2", NULL));
    message(P "control/manager/start", "nonsense");
    assert_int_equal(fake->published_count, 0);
    assert_int_equal(proplet_task_count(proplet), 0);
}

static void a_module_inside_must_have_the_digest_beside_it(void **state)
{
    (void)state;
    json_t *object = inline_start("t-1", "p-1");
    json_object_set_new(
        object, "image_digest",
        json_string("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    send_object(P "control/manager/start", object);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "image_corrupt");
    object = inline_start("t-2", "p-1");
    json_object_set_new(object, "file", json_string("!"));
    send_object(P "control/manager/start", object);
    assert_int_equal(results_count(), 2);
    assert_results(1, "t-2", "bad_start");
}

/* The names in a folder, without those that begin with a dot. */
static size_t entries_of(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

static void modules_inside_starts_do_not_fill_the_disk(void **state)
{
    (void)state;
    const int starts = (int)IMAGES_KEPT_MAX + 3;
    for (int i = 0; i < starts; i++) {
        char task[16], file[32], path[512];
        (void)snprintf(task, sizeof task, "t-%d", i);
        (void)snprintf(file, sizeof file, "AGFzbQ%02d", i);
        json_t *object = inline_start(task, "p-1");
        json_object_set_new(object, "file", json_string(file));
        /* Refused once the module is in the cache, so that nothing is compiled. */
        json_object_set_new(object, "env",
                            json_pack("{s:s,s:s}", "ROUND_ID", "/", "MODEL_URI", "x"));
        send_object(P "control/manager/start", object);
        assert_results((size_t)i, task, "bad_start");
        (void)snprintf(path, sizeof path, "%s/images", state_dir);
        assert_in_range(entries_of(path), 1, IMAGES_KEPT_MAX);
    }
}

/* ---- ends from outside ---- */

static void until_runs(void)
{
    serve();
    while (proplet_running_count(proplet) == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        serve();
    }
}

static void a_stop_kills_what_runs(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "spin"});
    start(&(struct order){.task = "t-2", .what = "print", .text = "second"});
    until_runs();
    stop("t-unknown");
    message(P "control/manager/stop", "{\"id\":\"t-1\",\"proplet_id\":\"p-2\"}");
    message(P "control/manager/stop", "nonsense");
    assert_int_equal(results_count(), 0);
    stop("t-1");
    stop("t-1");
    until_results(2);
    assert_results(0, "t-1", "stopped");
    assert_results(1, "t-2", "completed");
    assert_true(task_folders_are_gone());
}

static void a_stop_ends_what_waits(void **state)
{
    (void)state;
    manager = SILENT;
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    message(P "control/manager/stop", "{\"id\":\"t-1\"}");
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "stopped");
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_true(task_folders_are_gone());
}

static void an_interrupted_task_is_answered_for(void **state)
{
    (void)state;
    char left[160];
    close_proplet();
    fake_out_clear(fake);
    (void)snprintf(left, sizeof left, "%s/tasks/t-old/out", state_dir);
    assert_int_equal(file_make_folder(left), ST_OK);
    open_proplet();
    assert_int_equal(fake->published_count, 0);
    proplet_connected(proplet);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-old", "interrupted");
    assert_true(task_folders_are_gone());
    proplet_connected(proplet);
    assert_int_equal(results_count(), 1);
    start(&(struct order){.task = "t-old", .what = "print", .text = "not again"});
    assert_int_equal(results_count(), 2);
    assert_results(1, "t-old", "interrupted");
}

/* ---- crashes: at each step the folder is what a kill would have left ---- */

#define CRASHES_MAX 32

/* Copies of the state folder, {root}/crash-{n}, and what was published by then. */
static struct {
    size_t count;
    size_t updates[CRASHES_MAX], results[CRASHES_MAX];
} crashes;

static void crash_here(void)
{
    char command[400];
    assert_true(crashes.count < CRASHES_MAX);
    (void)snprintf(command, sizeof command, "cp -a %s %s/crash-%zu", state_dir, root,
                   crashes.count);
    assert_int_equal(system(command), 0);
    crashes.updates[crashes.count] = published_count("fl/rounds/r-1/updates/p-1");
    crashes.results[crashes.count] = results_count();
    crashes.count++;
}

static void crash_at_each_step(bool on)
{
    on_write = on ? crash_here : NULL;
    fake->on_publish = on_write;
}

static void live_on_after_crash(size_t n)
{
    close_proplet();
    fake_out_clear(fake);
    answered = model_sent = fake->subscribed_count = 0;
    (void)snprintf(state_dir, sizeof state_dir, "%s/crash-%zu", root, n);
    open_proplet();
    assert_int_equal(fake->published_count, 0);
    proplet_connected(proplet);
}

static void assert_update_is(size_t index, const char *text)
{
    const struct fake_message *m = published("fl/rounds/r-1/updates/p-1", index);
    assert_non_null(m);
    assert_true(view_equal(bytes_view(&m->payload), view_text(text)));
}

/* Runs one task of learning to its end, with a crash at each step from its run on.
 * update: what it makes; NULL: it fails, and nothing is there to be sent */
static void crash_while_ending(const struct order *o)
{
    crashes.count = 0;
    start(o);
    until_runs();
    crash_here();
    crash_at_each_step(true);
    until_results(1);
    crash_here();
    proplet_tick(proplet); /* the results are acknowledged */
    crash_here();
    crash_at_each_step(false);
}

static void after_each_crash_there_is_one_answer_and_one_update(void **state)
{
    (void)state;
    const struct order o = {.task = "t-1", .what = "print", .text = UPDATE, .learns = true};
    size_t with_update = 0, without = 0, answered_before = 0;
    crash_while_ending(&o);
    assert_in_range(crashes.count, 8, CRASHES_MAX);
    for (size_t i = 0; i < crashes.count; i++) {
        live_on_after_crash(i);
        size_t answers = results_count();
        bool kept = proplet_unanswered_count(proplet) == 1;
        /* What was sent once is kept: it may have been counted. */
        assert_true(kept || crashes.updates[i] == 0);
        assert_int_equal(answers, i + 1 < crashes.count);
        if (answers == 0)
            answered_before++; /* and acknowledged */
        else
            assert_results(0, "t-1", kept ? "completed" : "interrupted");
        proplet_tick(proplet);
        assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), kept);
        if (kept)
            assert_update_is(0, UPDATE);
        with_update += kept;
        without += !kept;

        /* The same start again: the same answer, nothing runs. */
        start(&(struct order){.task = "t-1", .what = "print", .text = "{}", .learns = true});
        assert_int_equal(proplet_task_count(proplet), 0);
        assert_int_equal(results_count(), answers + 1);
        assert_results(answers, "t-1", kept ? "completed" : "interrupted");
        assert_true(task_folders_are_gone());

        /* And once more, now that all was acknowledged. */
        live_on_after_crash(i);
        assert_int_equal(results_count(), 0);
        assert_int_equal(proplet_unanswered_count(proplet), kept);
    }
    assert_true(with_update >= 3 && without >= 2 && answered_before == 1);
}

static void after_each_crash_a_failure_is_told_and_nothing_sent(void **state)
{
    (void)state;
    crash_while_ending(&(struct order){.task = "t-1", .what = "exit", .learns = true});
    assert_in_range(crashes.count, 4, CRASHES_MAX);
    for (size_t i = 0; i < crashes.count; i++) {
        live_on_after_crash(i);
        assert_int_equal(results_count(), i + 1 < crashes.count);
        start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
        assert_int_equal(proplet_task_count(proplet), 0);
        assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 0);
        /* One that was told keeps its reason. */
        if (crashes.results[i] > 0) {
            struct results_msg r = results_at(0);
            assert_string_equal(r.reason, "exit_status");
            results_msg_done(&r);
        }
    }
}

/* Its model has not come, so its guest has not run: the next life goes on with it. */
static void after_a_crash_before_its_guest_ran_a_task_goes_on(void **state)
{
    (void)state;
    settings.boot_id = "11111111-1111-4111-8111-111111111111";
    close_proplet();
    open_proplet();
    proplet_connected(proplet);
    crashes.count = 0;
    model = NULL;
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    while (!fake_out_subscribed(fake, MODEL)) {
        serve();
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    crash_here();
    crash_here();
    live_on_after_crash(0);
    assert_int_equal(results_count(), 0);
    assert_int_equal(proplet_task_count(proplet), 1);
    model = "{\"w\":[0,0]}";
    until_results(1);
    assert_results(0, "t-1", "completed");
    assert_update_is(0, UPDATE);
    assert_true(task_folders_are_gone());

    /* In another boot it is interrupted: what was removed might have come back. */
    settings.boot_id = "22222222-2222-4222-8222-222222222222";
    live_on_after_crash(1);
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "interrupted");
}

static void restart(void)
{
    close_proplet();
    fake_out_clear(fake);
    answered = model_sent = fake->subscribed_count = 0;
    open_proplet();
}

/* ---- the owner's policy ---- */

/* A new life with this policy; fields: each with a comma before it. */
static void live_under(const char *fields)
{
    static char path[128];
    char text[512];
    struct why why = {0};
    const struct trust_files files = {.policy = path};
    (void)snprintf(path, sizeof path, "%s/policy", root);
    (void)snprintf(text, sizeof text, "{\"version\":1%s}", fields);
    assert_int_equal(file_write(path, view_text(text)), ST_OK);
    proplet_tick(proplet); /* results of before are acknowledged */
    close_proplet();
    settings.trust = trust_close(settings.trust);
    if (trust_open(&files, &settings.id, &settings.trust, &why) != ST_OK)
        fail_msg("%s", why.text);
    fake_out_clear(fake);
    answered = model_sent = manifest_requests = fake->subscribed_count = 0;
    open_proplet();
    proplet_connected(proplet);
}

/* The guest's module, signed by a new publisher, whose key is written as a policy's field. */
static void sign_guest(char ret_fields[128])
{
    struct key *publisher = NULL;
    struct bytes plain = guest;
    char hex[KEY_HEX_SIZE];
    guest = (struct bytes){0};
    assert_int_equal(key_new(&publisher), ST_OK);
    assert_int_equal(signed_image_sign(bytes_view(&plain), publisher, &guest), ST_OK);
    key_public_hex(key_public(publisher), hex);
    (void)snprintf(ret_fields, 128, ",\"publishers\":[\"%s\"]", hex);
    (void)key_free(publisher);
    bytes_done(&plain);
}

static void a_start_that_the_policy_does_not_allow_fetches_nothing(void **state)
{
    (void)state;
    static const char digest[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char fields[128];
    const struct order training = {.task = "t-1", .what = "train", .learns = true};
    live_under(",\"modes\":[\"evaluate\"]");
    start(&training);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "not_allowed");
    assert_error_has(0, "modes: ");
    start(&(struct order){.task = "t-2", .what = "print", .text = "the data"});
    assert_results(1, "t-2", "not_allowed");
    assert_int_equal(proplet_task_count(proplet), 0);
    assert_int_equal(manifest_requests, 0);
    assert_false(fake_out_subscribed(fake, MODEL));
    (void)snprintf(fields, sizeof fields, ",\"images\":[\"sha256:%s\"]", digest);
    live_under(fields);
    start(&(struct order){.task = "t-3", .what = "train", .learns = true});
    assert_results(0, "t-3", "not_allowed");
    assert_error_has(0, "images: ");
    assert_int_equal(manifest_requests, 0);
    /* What was refused stays so, whatever the policy is now. */
    live_under("");
    start(&training);
    assert_results(0, "t-1", "not_allowed");
    assert_true(task_folders_are_gone());
}

static void an_evaluation_that_sends_parameters_is_stopped(void **state)
{
    (void)state;
    static const char metrics[] = "{\"round_id\":\"r-1\",\"base_model_uri\":\"" MODEL
                                  "\",\"num_samples\":3,\"metrics\":{\"loss\":1}}";
    live_under(",\"modes\":[\"evaluate\"]");
    start(&(struct order){
        .task = "t-1", .what = "print", .text = UPDATE, .learns = true, .mode = "evaluate"});
    until_results(1);
    assert_results(0, "t-1", "not_allowed");
    assert_error_has(0, "must not send parameters");
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 0);
    start(&(struct order){
        .task = "t-2", .what = "print", .text = metrics, .learns = true, .mode = "evaluate"});
    until_results(2);
    assert_results(1, "t-2", "completed");
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 1);
}

static bool is_cached(void)
{
    char path[256], hex[DIGEST_HEX_SIZE];
    struct digest d = digest_of(bytes_view(&guest));
    digest_hex(&d, hex);
    (void)snprintf(path, sizeof path, "%s/images/%s.wasm", state_dir, hex);
    return access(path, F_OK) == 0;
}

static void only_images_of_the_policys_publishers_run(void **state)
{
    (void)state;
    char fields[128];
    struct bytes plain = {0};
    assert_int_equal(bytes_copy(&plain, bytes_view(&guest)), ST_OK);
    sign_guest(fields);
    live_under(fields);
    for (int i = 0; i < 2; i++) { /* fetched, and then from the cache */
        const char *task = i == 0 ? "t-1" : "t-2";
        start(&(struct order){.task = task, .what = "print", .text = "signed"});
        until_results((size_t)i + 1);
        assert_results((size_t)i, task, "completed");
    }
    assert_int_equal(manifest_requests, 1);
    bytes_done(&guest);
    guest = plain;
    start(&(struct order){.task = "t-3", .what = "train", .learns = true});
    until_results(3);
    assert_results(2, "t-3", "not_allowed");
    assert_error_has(2, "publishers: ");
    assert_false(fake_out_subscribed(fake, MODEL));
    send_object(P "control/manager/start", inline_start("t-4", "p-1"));
    assert_results(3, "t-4", "not_allowed");
    assert_false(is_cached());
    assert_true(task_folders_are_gone());
}

static void an_image_that_was_here_before_the_policy_is_judged_too(void **state)
{
    (void)state;
    char fields[128];
    struct bytes plain = {0};
    start(&(struct order){.task = "t-1", .what = "print", .text = "before"});
    until_results(1);
    assert_results(0, "t-1", "completed");
    assert_int_equal(bytes_copy(&plain, bytes_view(&guest)), ST_OK);
    sign_guest(fields);
    bytes_done(&guest);
    guest = plain;
    live_under(fields);
    assert_true(is_cached());
    start(&(struct order){.task = "t-2", .what = "print", .text = "after"});
    until_results(1);
    assert_results(0, "t-2", "not_allowed");
    assert_int_equal(manifest_requests, 0);
}

static void one_round_is_not_two(void **state)
{
    (void)state;
    struct order o = {.task = "t-1", .what = "print", .text = UPDATE, .learns = true};
    live_under(",\"rounds_max\":1");
    start(&o);
    start(&o);
    until_results(1);
    assert_results(0, "t-1", "completed");
    start(&o); /* is answered, and does not count */
    assert_results(1, "t-1", "completed");
    live_under(",\"rounds_max\":1");
    o.task = "t-2";
    o.round = "r-2";
    start(&o);
    assert_results(0, "t-2", "not_allowed");
    assert_error_has(0, "rounds_max: ");
    o.task = "t-3";
    o.mode = "evaluate";
    o.what = "exit";
    start(&o);
    until_results(2);
    assert_results(1, "t-3", "exit_status");
    assert_int_equal(trust_rounds_taken(settings.trust), 1);
}

/* Wherever it is killed: if its guest ran, the round was counted, and never twice. */
static void a_round_is_counted_once_over_crashes(void **state)
{
    (void)state;
    size_t went_on = 0, interrupted = 0;
    settings.boot_id = "11111111-1111-4111-8111-111111111111";
    start(&(struct order){.task = "t-0", .what = "print", .text = "so that the image is here"});
    until_results(1);
    live_under(",\"rounds_max\":2");
    crashes.count = 0;
    crash_at_each_step(true);
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    crash_at_each_step(false);
    assert_int_equal(trust_rounds_taken(settings.trust), 1);
    for (size_t i = 0; i < crashes.count; i++) {
        live_on_after_crash(i);
        if (results_count() == 0 && proplet_task_count(proplet) == 0)
            continue; /* the crash was before the task */
        until_results(1);
        struct results_msg r = results_at(0);
        bool completed = strcmp(r.reason, "completed") == 0;
        results_msg_done(&r);
        went_on += completed;
        interrupted += !completed;
        assert_true(trust_rounds_taken(settings.trust) <= 1);
        assert_true(!completed || trust_rounds_taken(settings.trust) == 1);
    }
    assert_true(went_on >= 2 && interrupted >= 2);
}

static void results_wait_for_a_connection_and_for_its_answer(void **state)
{
    (void)state;
    fake->offline = true;
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    serve();
    while (proplet_waiting_count(proplet) == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        serve();
    }
    proplet_tick(proplet);
    assert_int_equal(results_count(), 0);
    restart();
    fake->offline = false;
    fake->busy = true; /* never acknowledged */
    proplet_connected(proplet);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "completed");
    proplet_tick(proplet);
    assert_int_equal(results_count(), 1);
    restart();
    fake->busy = false;
    proplet_connected(proplet);
    assert_int_equal(results_count(), 1);
    proplet_tick(proplet);
    assert_int_equal(proplet_waiting_count(proplet), 0);
    restart();
    proplet_connected(proplet);
    assert_int_equal(results_count(), 0);
}

static void a_damaged_update_is_never_sent(void **state)
{
    (void)state;
    char path[200];
    struct bytes file = {0};
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    close_proplet();
    fake_out_clear(fake);
    /* As if its results had not been kept yet. */
    (void)snprintf(path, sizeof path, "%s/results", state_dir);
    assert_int_equal(file_remove_tree(path), ST_OK);
    (void)snprintf(path, sizeof path, "%s/updates/t-1.update", state_dir);
    assert_int_equal(file_read(path, 4096, &file), ST_OK);
    file.data[file.size - 9] ^= 1;
    assert_int_equal(file_write(path, bytes_view(&file)), ST_OK);
    bytes_done(&file);
    open_proplet();
    proplet_connected(proplet);
    proplet_tick(proplet);
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 0);
    assert_int_equal(proplet_unanswered_count(proplet), 0);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "interrupted");
    assert_error_has(0, "damaged");
}

static void damaged_results_are_told_anew(void **state)
{
    (void)state;
    char path[200];
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    start(&(struct order){.task = "t-2", .what = "print", .text = "x"});
    until_results(2);
    close_proplet();
    fake_out_clear(fake);
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(path, sizeof path, "%s/results/t-%d.waits", state_dir, i);
        assert_int_equal(truncate(path, 80), 0);
    }
    open_proplet();
    proplet_connected(proplet);
    assert_int_equal(results_count(), 2);
    for (size_t i = 0; i < 2; i++) {
        struct results_msg r = results_at(i);
        bool made_update = strcmp(r.task_id.text, "t-1") == 0;
        assert_string_equal(r.reason, made_update ? "completed" : "interrupted");
        results_msg_done(&r);
    }
}

/* ---- a full disk ---- */

static void an_update_that_finds_no_room_is_named(void **state)
{
    (void)state;
    full_below = "/updates/";
    start(&(struct order){.task = "t-1", .what = "print", .text = UPDATE, .learns = true});
    until_results(1);
    assert_results(0, "t-1", "disk_full");
    assert_int_equal(proplet_unanswered_count(proplet), 0);
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 0);
    assert_false(fake_out_subscribed(fake, "fl/rounds/r-1/complete"));
    full_below = NULL;
    start(&(struct order){.task = "t-2", .what = "print", .text = UPDATE, .learns = true});
    until_results(2);
    assert_results(1, "t-2", "completed");
    assert_int_equal(published_count("fl/rounds/r-1/updates/p-1"), 1);
    assert_true(task_folders_are_gone());
}

static void an_image_that_finds_no_room_is_named(void **state)
{
    (void)state;
    full_below = "/images/";
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    until_results(1);
    assert_results(0, "t-1", "disk_full");
    full_below = NULL;
    assert_next_task_runs(1);
}

static void a_guest_that_found_no_room_is_named(void **state)
{
    (void)state;
    static const char *const whats[] = {"exit", "trap", "nothing", "update_folder"};
    no_room = true;
    for (size_t i = 0; i < 3; i++) {
        char task[16];
        (void)snprintf(task, sizeof task, "t-%zu", i);
        start(&(struct order){.task = task, .what = whats[i], .learns = true});
        until_results(i + 1);
        assert_results(i, task, "disk_full");
    }
    assert_error_has(0, "exit_status");
    /* What is not for want of room keeps its name. */
    start(&(struct order){.task = "t-3", .what = whats[3], .learns = true});
    until_results(4);
    assert_results(3, "t-3", "bad_update");
    no_room = false;
    start(&(struct order){.task = "t-4", .what = "exit", .learns = true});
    until_results(5);
    assert_results(4, "t-4", "exit_status");
}

static void results_that_find_no_room_are_sent_and_not_run_again(void **state)
{
    (void)state;
    full_below = "/results/";
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    until_results(1);
    assert_results(0, "t-1", "completed");
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    assert_int_equal(results_count(), 2);
    /* Killed now, only the folder tells that the task was here. */
    restart();
    proplet_connected(proplet);
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "interrupted");
    restart();
    proplet_connected(proplet);
    assert_int_equal(results_count(), 1);
    full_below = NULL;
    fake->now_ms += 5000;
    proplet_tick(proplet); /* there is room again */
    restart();
    start(&(struct order){.task = "t-1", .what = "print", .text = "x"});
    assert_int_equal(results_count(), 1);
    assert_results(0, "t-1", "interrupted");
    assert_true(task_folders_are_gone());
}

static void an_orderly_end_answers_for_all_and_says_goodbye(void **state)
{
    (void)state;
    start(&(struct order){.task = "t-1", .what = "spin"});
    start(&(struct order){.task = "t-2", .what = "print", .text = "x"});
    until_runs();
    proplet_stop(proplet);
    start(&(struct order){.task = "t-3", .what = "print", .text = "x"});
    while (!proplet_stopped(proplet))
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(results_count(), 3);
    assert_results(0, "t-2", "stopped");
    assert_results(1, "t-3", "stopped");
    assert_results(2, "t-1", "stopped");
    const struct fake_message *last = &fake->published[fake->published_count - 1];
    struct proplet_msg msg = {0};
    assert_string_equal(last->topic, P "control/proplet/alive");
    assert_int_equal(proplet_msg_decode(bytes_view(&last->payload), &msg, NULL), ST_OK);
    assert_true(msg.offline);
    proplet_msg_done(&msg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_registers_at_each_connect),
        TEST(it_listens_to_its_own_topics),
        TEST(heartbeats_follow_the_clock),
        TEST(the_state_folder_is_its_own),
        TEST(a_lock_that_a_killed_one_left_is_waited_for),
        TEST(a_data_folder_must_be_there),
        TEST(a_plain_task_prints_its_results),
        TEST(an_image_is_fetched_and_compiled_once),
        TEST(damaged_code_is_compiled_anew),
        TEST(damaged_code_costs_no_update),
        TEST(code_that_is_damaged_again_ends_the_task),
        TEST(heartbeats_go_on_while_an_image_is_compiled),
        TEST(a_learning_task_publishes_what_it_printed_verbatim),
        TEST(what_the_broker_takes_in_no_message_goes_in_parts),
        TEST(the_update_file_wins_over_standard_output),
        TEST(the_guest_reads_its_model_and_the_devices_data),
        TEST(a_plain_task_sees_no_model),
        TEST(an_update_is_sent_again_until_its_receipt),
        TEST(the_rounds_end_ends_the_sending),
        TEST(what_the_coordinator_can_judge_is_sent),
        TEST(a_trap_is_named),
        TEST(an_exit_status_is_named),
        TEST(of_a_protected_round_nothing_is_told_but_its_update),
        TEST(an_endless_loop_ends_at_its_deadline),
        TEST(endless_memory_is_named),
        TEST(endless_output_is_named),
        TEST(no_update_is_named),
        TEST(what_is_no_update_is_not_sent),
        TEST(an_update_that_is_no_file_is_named),
        TEST(a_module_that_does_not_compile_is_named),
        TEST(native_products_can_be_refused),
        TEST(a_refused_image_is_named),
        TEST(a_silent_manager_is_asked_again_and_named),
        TEST(false_parts_are_named),
        TEST(the_deadline_counts_from_the_arrival),
        TEST(a_model_that_does_not_come_is_named),
        TEST(a_model_with_a_false_digest_is_named),
        TEST(a_model_other_than_expected_is_named),
        TEST(a_missing_runner_is_named),
        TEST(a_bad_start_gets_results),
        TEST(without_an_id_there_is_nobody_to_answer),
        TEST(a_start_that_comes_twice_runs_once),
        TEST(too_many_tasks_are_busy),
        TEST(a_module_inside_the_start_is_run),
        TEST(modules_inside_starts_do_not_fill_the_disk),
        TEST(shared_starts_of_others_are_ignored),
        TEST(a_module_inside_must_have_the_digest_beside_it),
        TEST(a_stop_kills_what_runs),
        TEST(a_stop_ends_what_waits),
        TEST(an_interrupted_task_is_answered_for),
        TEST(after_a_crash_before_its_guest_ran_a_task_goes_on),
        TEST(after_each_crash_there_is_one_answer_and_one_update),
        TEST(after_each_crash_a_failure_is_told_and_nothing_sent),
        TEST(a_start_that_the_policy_does_not_allow_fetches_nothing),
        TEST(an_evaluation_that_sends_parameters_is_stopped),
        TEST(only_images_of_the_policys_publishers_run),
        TEST(an_image_that_was_here_before_the_policy_is_judged_too),
        TEST(one_round_is_not_two),
        TEST(a_round_is_counted_once_over_crashes),
        TEST(results_wait_for_a_connection_and_for_its_answer),
        TEST(a_damaged_update_is_never_sent),
        TEST(damaged_results_are_told_anew),
        TEST(an_update_that_finds_no_room_is_named),
        TEST(an_image_that_finds_no_room_is_named),
        TEST(a_guest_that_found_no_room_is_named),
        TEST(results_that_find_no_room_are_sent_and_not_run_again),
        TEST(an_orderly_end_answers_for_all_and_says_goodbye),
    };
    (void)alarm(110); /* a test that hangs is one that fails */
    return cmocka_run_group_tests_name("proplet/proplet", tests, NULL, NULL);
}
