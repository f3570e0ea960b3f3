/* Checks how a daemon ends: by signals, with a broker and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "service/service.h"

#define LIMIT_MS 30000u
#define MANY     500

/* A port of loopback, bound and not listened to: nobody answers there. */
static int bound_port(int *ret_fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.sin_port);
}

/* ---- a program: ends at a signal, or publishes and ends ---- */

struct program {
    struct service *service;
    int messages, stops;
    bool waits_at_stop; /* on_stop does not end it */
};

static void on_message(void *owner, const struct mqtt_message *m)
{
    (void)m;
    struct program *p = owner;
    if (++p->messages == MANY)
        service_end(p->service, 7);
}

static void on_stop(void *owner)
{
    struct program *p = owner;
    p->stops++;
    if (p->waits_at_stop)
        (void)raise(SIGTERM);
    else
        service_end(p->service, 3);
}

/* A tick comes only while the loop runs: the signal finds its handler. */
static void raise_on_tick(void *owner, uint64_t now_ms)
{
    (void)owner;
    (void)now_ms;
    (void)raise(SIGTERM);
}

static void hang_up_on_tick(void *owner, uint64_t now_ms)
{
    (void)owner;
    (void)now_ms;
    (void)raise(SIGHUP);
}

static void end_on_hangup(void *owner)
{
    struct program *p = owner;
    service_end(p->service, 4);
}

static void publish_and_end(void *owner)
{
    struct program *p = owner;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(mqtt_publish_text(service_mqtt(p->service), "drained", "x"), ST_OK);
    service_end(p->service, 0);
}

static void program_new(struct program *p, int port, struct service_hooks *hooks)
{
    char address[64];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", port);
    const struct service_settings settings = {.broker = address, .log_level = "error"};
    hooks->on_message = on_message;
    hooks->owner = p;
    assert_int_equal(service_new(&settings, hooks, &p->service), ST_OK);
}

/* ---- the cases ---- */

static void settings_that_cannot_be_used_are_refused(void **state)
{
    (void)state;
    struct service *service = NULL;
    const struct service_hooks hooks = {.client_id = "x", .on_message = on_message};
    struct service_settings settings = {.broker = "127.0.0.1:1", .log_level = "loud"};
    assert_int_equal(service_new(&settings, &hooks, &service), ST_INVALID);
    settings = (struct service_settings){.broker = "ftp://x", .log_level = "error"};
    assert_int_equal(service_new(&settings, &hooks, &service), ST_INVALID);
    assert_null(service);
}

static void a_signal_asks_the_program_which_then_ends(void **state)
{
    (void)state;
    int fd;
    struct program p = {0};
    struct service_hooks hooks = {
        .client_id = "asked", .on_tick = raise_on_tick, .tick_ms = 1, .on_stop = on_stop};
    program_new(&p, bound_port(&fd), &hooks);
    assert_int_equal(service_run(p.service), 3);
    assert_int_equal(p.stops, 1);
    assert_null(service_free(p.service));
    (void)close(fd);
}

static void a_hangup_is_told_and_ends_nothing_by_itself(void **state)
{
    (void)state;
    int fd;
    struct program p = {0};
    struct service_hooks hooks = {
        .client_id = "hung", .on_tick = hang_up_on_tick, .tick_ms = 1, .on_hangup = end_on_hangup};
    program_new(&p, bound_port(&fd), &hooks);
    assert_int_equal(service_run(p.service), 4);
    assert_int_equal(p.stops, 0);
    assert_null(service_free(p.service));
    (void)close(fd);
}

static void a_signal_ends_a_program_that_has_nothing_to_finish(void **state)
{
    (void)state;
    int fd;
    struct program p = {0};
    struct service_hooks hooks = {.client_id = "at-once", .on_tick = raise_on_tick, .tick_ms = 1};
    program_new(&p, bound_port(&fd), &hooks);
    assert_int_equal(service_run(p.service), 0);
    assert_null(service_free(p.service));
    (void)close(fd);
}

static void a_second_signal_ends_the_process(void **state)
{
    (void)state;
    int fd, status = 0, port = bound_port(&fd);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(LIMIT_MS / 1000);
        struct program p = {.waits_at_stop = true};
        struct service_hooks hooks = {
            .client_id = "twice", .on_tick = raise_on_tick, .tick_ms = 1, .on_stop = on_stop};
        program_new(&p, port, &hooks);
        _exit(service_run(p.service));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
    (void)close(fd);
}

static pid_t start_broker(int port, const char *config)
{
    char text[128];
    /* A change of user would undo PR_SET_PDEATHSIG. */
    (void)snprintf(text, sizeof text, "user root\nlistener %d 127.0.0.1\nallow_anonymous true\n",
                   port);
    assert_int_equal(file_write(config, view_text(text)), ST_OK);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(127);
        execlp("mosquitto", "mosquitto", "-c", config, (char *)NULL);
        execl("/usr/sbin/mosquitto", "mosquitto", "-c", config, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* More than may be in flight at once, so that a part waits for acknowledgements. */
static void what_was_published_is_handed_over_before_the_end(void **state)
{
    (void)state;
    int fd, port = bound_port(&fd);
    (void)close(fd);
    char folder[] = "/tmp/fml-service-XXXXXX", config[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(config, sizeof config, "%s/mosquitto.conf", folder);
    pid_t broker = start_broker(port, config);

    struct program reader = {0}, writer = {0};
    struct service_hooks reads = {.client_id = "reader"};
    struct service_hooks writes = {.client_id = "writer", .on_connected = publish_and_end};
    program_new(&reader, port, &reads);
    assert_int_equal(mqtt_subscribe(service_mqtt(reader.service), "drained"), ST_OK);
    /* What it sends itself comes back: from then on the broker knows its wish. */
    assert_int_equal(mqtt_publish_text(service_mqtt(reader.service), "drained", "x"), ST_OK);
    while (reader.messages == 0)
        (void)uv_run(service_loop(reader.service), UV_RUN_ONCE);
    reader.messages = 0;
    program_new(&writer, port, &writes);
    assert_int_equal(service_run(writer.service), 0);
    assert_null(service_free(writer.service));
    (void)alarm(LIMIT_MS / 1000);
    assert_int_equal(service_run(reader.service), 7);
    (void)alarm(0);
    assert_int_equal(reader.messages, MANY);
    assert_null(service_free(reader.service));

    (void)kill(broker, SIGKILL);
    (void)waitpid(broker, NULL, 0);
    assert_int_equal(file_remove_tree(folder), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_cannot_be_used_are_refused),
        cmocka_unit_test(a_signal_asks_the_program_which_then_ends),
        cmocka_unit_test(a_hangup_is_told_and_ends_nothing_by_itself),
        cmocka_unit_test(a_signal_ends_a_program_that_has_nothing_to_finish),
        cmocka_unit_test(a_second_signal_ends_the_process),
        cmocka_unit_test(what_was_published_is_handed_over_before_the_end),
    };
    return cmocka_run_group_tests_name("service/service", tests, NULL, NULL);
}
