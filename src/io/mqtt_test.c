/* Checks the connection against a real mosquitto on a free loopback port: what
 * travels, what survives a broker's restart, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "io/mqtt.h"

#define LIMIT_MS 30000u

/* ---- a broker ---- */

static struct {
    char folder[64];
    char config[128];
    char address[64];
    pid_t pid;
} broker;

static int free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
    (void)close(fd);
    return ntohs(any.sin_port);
}

static void broker_start(void)
{
    broker.pid = fork();
    assert_true(broker.pid >= 0);
    if (broker.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(127);
        execlp("mosquitto", "mosquitto", "-c", broker.config, (char *)NULL);
        execl("/usr/sbin/mosquitto", "mosquitto", "-c", broker.config, (char *)NULL);
        _exit(127);
    }
}

static void broker_stop(void)
{
    (void)kill(broker.pid, SIGKILL);
    (void)waitpid(broker.pid, NULL, 0);
}

static int group_setup(void **state)
{
    (void)state;
    char text[256];
    int port = free_port();
    (void)strcpy(broker.folder, "/tmp/fml-mqtt-XXXXXX");
    assert_non_null(mkdtemp(broker.folder));
    (void)snprintf(broker.config, sizeof broker.config, "%s/mosquitto.conf", broker.folder);
    (void)snprintf(broker.address, sizeof broker.address, "tcp://127.0.0.1:%d", port);
    /* A change of user would undo PR_SET_PDEATHSIG. */
    (void)snprintf(text, sizeof text,
                   "user root\nlistener %d 127.0.0.1\nallow_anonymous true\n"
                   "set_tcp_nodelay true\n"
                   "message_size_limit 1000000\nmax_packet_size 1100000\n",
                   port);
    assert_int_equal(file_write(broker.config, view_text(text)), ST_OK);
    broker_start();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    broker_stop();
    return file_remove_tree(broker.folder) == ST_OK ? 0 : -1;
}

/* ---- a client that remembers what happened ---- */

struct client {
    struct mqtt *mqtt;
    int ups, downs, messages, closed;
    int back_at;   /* hands this message back; 0: none */
    int came_late; /* messages behind it, before the cut */
    size_t last_size;
    bool last_retain;
    char last_topic[128], last_text[128], last_property[64], last_response[64];
};

static uv_loop_t loop;

static void on_message(void *owner, const struct mqtt_message *m)
{
    struct client *c = owner;
    const char *property = mqtt_message_property(m, "sender");
    c->messages++;
    if (c->messages == c->back_at)
        mqtt_hand_back(c->mqtt);
    else if (c->back_at > 0 && c->messages > c->back_at && c->downs == 0)
        c->came_late++;
    c->last_size = m->payload.size;
    c->last_retain = m->retain;
    (void)snprintf(c->last_topic, sizeof c->last_topic, "%s", m->topic);
    (void)snprintf(c->last_text, sizeof c->last_text, "%.*s",
                   (int)(m->payload.size < 100 ? m->payload.size : 100),
                   (const char *)m->payload.data);
    (void)snprintf(c->last_property, sizeof c->last_property, "%s",
                   property == NULL ? "" : property);
    (void)snprintf(c->last_response, sizeof c->last_response, "%s:%.*s",
                   m->response_topic == NULL ? "" : m->response_topic, (int)m->correlation.size,
                   (const char *)m->correlation.data);
}

static void on_state(void *owner, bool connected, const char *reason)
{
    struct client *c = owner;
    assert_non_null(reason);
    if (connected)
        c->ups++;
    else
        c->downs++;
}

static void on_closed(void *owner)
{
    ((struct client *)owner)->closed++;
}

static void client_open(struct client *c, const char *id, const char *will_topic)
{
    *c = (struct client){0};
    struct mqtt_options o = {
        .address = broker.address,
        .client_id = id,
        .will_topic = will_topic,
        .will_payload = view_text("gone"),
        .on_message = on_message,
        .on_state = on_state,
        .owner = c,
    };
    assert_int_equal(mqtt_open(&loop, &o, &c->mqtt), ST_OK);
}

/* Acknowledgements wait for mqtt_settled(), and the session outlives the client. */
static void client_open_holding(struct client *c, const char *id)
{
    *c = (struct client){0};
    struct mqtt_options o = {.address = broker.address,
                             .client_id = id,
                             .session_expiry_s = 60,
                             .hold_acknowledgements = true,
                             .on_message = on_message,
                             .on_state = on_state,
                             .owner = c};
    assert_int_equal(mqtt_open(&loop, &o, &c->mqtt), ST_OK);
}

static void on_limit(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until *counter reaches at least; fails the test at the limit. */
static void await(const int *counter, int at_least)
{
    bool over = false;
    uv_timer_t limit;
    (void)uv_timer_init(&loop, &limit);
    limit.data = &over;
    (void)uv_timer_start(&limit, on_limit, LIMIT_MS, 0);
    while (*counter < at_least && !over)
        (void)uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&limit, NULL);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(*counter >= at_least);
}

static void client_close(struct client *c)
{
    mqtt_close(c->mqtt, on_closed);
    await(&c->closed, 1);
}

static int setup(void **state)
{
    (void)state;
    return uv_loop_init(&loop);
}

static int teardown(void **state)
{
    (void)state;
    return uv_loop_close(&loop);
}

static void publish(struct client *c, const char *topic, const char *text)
{
    assert_int_equal(mqtt_publish_text(c->mqtt, topic, text), ST_OK);
}

/* ---- the cases ---- */

static void a_message_comes_with_its_properties(void **state)
{
    (void)state;
    struct client c;
    client_open(&c, "props", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "t/+"), ST_OK);
    await(&c.ups, 1);
    struct mqtt_message m = {.topic = "t/1",
                             .payload = view_text("body"),
                             .response_topic = "answer/me",
                             .correlation = view_text("c1"),
                             .properties = {{"round", "r-1"}, {"sender", "proplet-1"}},
                             .property_count = 2};
    assert_int_equal(mqtt_publish(c.mqtt, &m), ST_OK);
    await(&c.messages, 1);
    assert_string_equal(c.last_topic, "t/1");
    assert_string_equal(c.last_text, "body");
    assert_string_equal(c.last_property, "proplet-1");
    assert_string_equal(c.last_response, "answer/me:c1");
    client_close(&c);
}

static void retained_comes_to_who_subscribes_later(void **state)
{
    (void)state;
    struct client c;
    client_open(&c, "retain", NULL);
    struct mqtt_message m = {.topic = "keep/1", .payload = view_text("v1"), .retain = true};
    assert_int_equal(mqtt_publish(c.mqtt, &m), ST_OK); /* before there is a connection */
    await(&c.ups, 1);
    assert_int_equal(mqtt_subscribe(c.mqtt, "keep/1"), ST_OK);
    await(&c.messages, 1);
    assert_string_equal(c.last_text, "v1");
    client_close(&c);
}

static void after_unsubscribing_nothing_comes(void **state)
{
    (void)state;
    struct client c;
    client_open(&c, "unsub", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "u/1"), ST_OK);
    assert_int_equal(mqtt_subscribe(c.mqtt, "u/2"), ST_OK);
    await(&c.ups, 1);
    mqtt_unsubscribe(c.mqtt, "u/1");
    mqtt_unsubscribe(c.mqtt, "never/was");
    publish(&c, "u/1", "no");
    publish(&c, "u/2", "yes");
    await(&c.messages, 1);
    assert_string_equal(c.last_text, "yes");
    client_close(&c);
}

static void a_broker_restart_loses_neither_subscription_nor_publish(void **state)
{
    (void)state;
    struct client c;
    client_open(&c, "restart", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "r/1"), ST_OK);
    await(&c.ups, 1);
    broker_stop();
    await(&c.downs, 1);
    publish(&c, "r/1", "while away");
    broker_start();
    await(&c.messages, 1);
    assert_string_equal(c.last_text, "while away");
    assert_true(mqtt_counters(c.mqtt).reconnects >= 1);
    client_close(&c);
}

static void the_will_is_sent_when_a_client_dies_and_not_when_it_closes(void **state)
{
    (void)state;
    struct client watcher, ending;
    client_open(&watcher, "watcher", NULL);
    assert_int_equal(mqtt_subscribe(watcher.mqtt, "will/#"), ST_OK);
    await(&watcher.ups, 1);
    client_open(&ending, "ending", "will/ending");
    await(&ending.ups, 1);
    client_close(&ending);

    pid_t dying = fork();
    if (dying == 0) {
        /* The child's own client, in its own process, killed while connected. */
        char port[16], *colon = strrchr(broker.address, ':');
        (void)snprintf(port, sizeof port, "%s", colon + 1);
        execlp("mosquitto_sub", "mosquitto_sub", "-V", "5", "-p", port, "-i", "dying", "-t",
               "will/x", "--will-topic", "will/dying", "--will-payload", "gone", (char *)NULL);
        _exit(127);
    }
    /* It is connected once it takes over the id of a client that we hold. */
    struct client holder;
    client_open(&holder, "dying", NULL);
    await(&holder.ups, 1);
    await(&watcher.messages, 1); /* taking over makes the broker send the will */
    (void)kill(dying, SIGKILL);
    (void)waitpid(dying, NULL, 0);
    assert_string_equal(watcher.last_topic, "will/dying");
    client_close(&holder);
    client_close(&watcher);
}

static void what_the_broker_will_not_take_is_refused_or_counted(void **state)
{
    (void)state;
    struct client c;
    struct bytes big = {0};
    client_open(&c, "big", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "b/1"), ST_OK);
    await(&c.ups, 1);
    assert_int_equal(mqtt_packet_max(c.mqtt), 1100000); /* as its configuration says */
    assert_int_equal(bytes_resize(&big, 999999), ST_OK);
    struct mqtt_message m = {.topic = "b/1", .payload = bytes_view(&big)};
    assert_int_equal(mqtt_publish(c.mqtt, &m), ST_OK);
    await(&c.messages, 1);
    assert_int_equal(c.last_size, 999999);
    assert_int_equal(bytes_resize(&big, 1000001), ST_OK);
    m.payload = bytes_view(&big);
    assert_int_equal(mqtt_publish(c.mqtt, &m), ST_OK);
    publish(&c, "b/1", "after");
    await(&c.messages, 2);
    assert_string_equal(c.last_text, "after");
    assert_int_equal(mqtt_counters(c.mqtt).refused_by_broker, 1);

    uint64_t sent = mqtt_counters(c.mqtt).sent;
    assert_int_equal(bytes_resize(&big, 1200000), ST_OK);
    m.payload = bytes_view(&big);
    assert_int_equal(mqtt_publish(c.mqtt, &m), ST_TOO_LARGE); /* and not: later */
    assert_true(mqtt_unacknowledged(c.mqtt) <= 1);            /* that of "after" */
    assert_int_equal(mqtt_publish_text(c.mqtt, "b/+", "wildcard"), ST_INVALID);
    assert_int_equal(mqtt_publish_text(c.mqtt, "", "nowhere"), ST_INVALID);
    assert_int_equal(mqtt_subscribe(c.mqtt, "a/#/b"), ST_INVALID);
    assert_int_equal(mqtt_counters(c.mqtt).sent, sent);
    bytes_done(&big);
    client_close(&c);
}

static void an_early_publish_that_proves_too_large_is_counted(void **state)
{
    (void)state;
    struct client c;
    struct bytes big = {0};
    assert_int_equal(bytes_resize(&big, 1200000), ST_OK);
    client_open(&c, "early", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "e/1"), ST_OK);
    struct mqtt_message m = {.topic = "e/1", .payload = bytes_view(&big)};
    for (int i = 0; i < 3; i++)
        assert_int_equal(mqtt_publish(c.mqtt, &m), ST_OK);
    publish(&c, "e/1", "after");
    await(&c.messages, 1);
    assert_string_equal(c.last_text, "after");
    assert_int_equal(mqtt_counters(c.mqtt).refused_by_broker, 3);
    /* Only that of "after" may still be on its way. */
    assert_true(mqtt_unacknowledged(c.mqtt) <= 1);
    bytes_done(&big);
    client_close(&c);
}

static void what_a_silent_broker_does_not_acknowledge_is_bounded(void **state)
{
    (void)state;
    struct client c;
    client_open(&c, "silent", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "s/last"), ST_OK);
    await(&c.ups, 1);
    (void)kill(broker.pid, SIGSTOP);
    for (size_t i = 1; i < MQTT_UNACKNOWLEDGED_MAX; i++)
        publish(&c, "s/nobody", "x");
    publish(&c, "s/last", "kept");
    assert_int_equal(mqtt_publish_text(c.mqtt, "s/last", "over"), ST_LIMIT);
    assert_int_equal(mqtt_unacknowledged(c.mqtt), MQTT_UNACKNOWLEDGED_MAX);
    (void)kill(broker.pid, SIGCONT);
    await(&c.messages, 1);
    assert_string_equal(c.last_text, "kept");
    assert_int_equal(mqtt_counters(c.mqtt).sent, MQTT_UNACKNOWLEDGED_MAX);
    client_close(&c);
}

/* A listener whose queue is full: the kernel drops what more would connect. */
static void a_host_that_does_not_answer_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), callers[4];
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    for (int i = 0; i < 4; i++) {
        callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(callers[i], (struct sockaddr *)&at, size);
    }
    struct client c = {0};
    char address[64];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    struct mqtt_options o = {
        .address = address, .client_id = "hung", .on_message = on_message, .owner = &c};
    assert_int_equal(mqtt_open(&loop, &o, &c.mqtt), ST_OK);
    uint64_t before = uv_hrtime();
    client_close(&c);
    assert_true(uv_hrtime() - before < (uint64_t)20 * 1000 * 1000 * 1000);
    for (int i = 0; i < 4; i++)
        (void)close(callers[i]);
    (void)close(listener);
}

static void it_opens_without_a_broker_and_closes(void **state)
{
    (void)state;
    struct client c = {0};
    struct mqtt_options o = {.client_id = "alone", .on_message = on_message, .owner = &c};
    o.address = "ftp://x";
    assert_int_equal(mqtt_open(&loop, &o, &c.mqtt), ST_INVALID);
    char nobody[64];
    (void)snprintf(nobody, sizeof nobody, "127.0.0.1:%d", free_port());
    o.address = nobody;
    assert_int_equal(mqtt_open(&loop, &o, &c.mqtt), ST_OK);
    for (int i = 0; i < 1024; i++)
        publish(&c, "x", "y");
    assert_int_equal(mqtt_publish_text(c.mqtt, "x", "one more"), ST_LIMIT);
    assert_int_equal(mqtt_unacknowledged(c.mqtt), 1024);
    assert_false(mqtt_connected(c.mqtt));
    client_close(&c);
}

static void what_was_not_settled_comes_again(void **state)
{
    (void)state;
    struct client c, sender;
    client_open_holding(&c, "holds");
    client_open(&sender, "holds-sender", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "held/#"), ST_OK);
    publish(&c, "held/0", "subscribed"); /* its own: then the broker knows its wish */
    await(&c.messages, 1);
    mqtt_settled(c.mqtt);
    for (int i = 1; i <= 3; i++)
        publish(&sender, "held/x", i == 3 ? "the last" : "one");
    await(&c.messages, 2);
    client_close(&c); /* without a word to the broker about them */

    /* The network brings them together or one by one: what is read next may wait
     * for what was read before to be settled. */
    client_open_holding(&c, "holds");
    for (int i = 1; i <= 3; i++) {
        await(&c.messages, i);
        mqtt_settled(c.mqtt);
    }
    assert_int_equal(c.messages, 3);
    assert_string_equal(c.last_text, "the last");
    client_close(&c); /* now with it */

    client_open_holding(&c, "holds");
    publish(&sender, "held/x", "after");
    await(&c.messages, 1);
    assert_string_equal(c.last_text, "after");
    mqtt_settled(c.mqtt);
    client_close(&c);
    client_close(&sender);
}

static void what_was_handed_back_comes_again_at_once(void **state)
{
    (void)state;
    struct client c, sender;
    client_open_holding(&c, "returns");
    client_open(&sender, "returns-sender", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "returned/x"), ST_OK);
    assert_int_equal(mqtt_subscribe(sender.mqtt, "sent/x"), ST_OK);
    publish(&c, "returned/x", "subscribed");
    publish(&sender, "sent/x", "subscribed");
    await(&sender.messages, 1);
    await(&c.messages, 1);
    mqtt_settled(c.mqtt);
    mqtt_hand_back(c.mqtt); /* nothing came since: nothing happens */
    publish(&sender, "returned/x", "kept");
    await(&c.messages, 2);
    mqtt_settled(c.mqtt);
    publish(&sender, "returned/x", "not kept");
    await(&c.messages, 3);
    assert_int_equal(c.ups, 1);
    assert_false(mqtt_session_kept(c.mqtt)); /* it is new to the broker */
    mqtt_hand_back(c.mqtt);
    publish(&c, "sent/x", "over the cut");
    await(&c.messages, 4); /* over its next connection */
    assert_int_equal(c.ups, 2);
    assert_true(mqtt_session_kept(c.mqtt));
    assert_string_equal(c.last_text, "not kept");
    mqtt_settled(c.mqtt);
    await(&sender.messages, 2);
    assert_string_equal(sender.last_text, "over the cut");
    client_close(&c);

    client_open_holding(&c, "returns");
    publish(&sender, "returned/x", "after");
    await(&c.messages, 1); /* what was settled did not come again */
    assert_string_equal(c.last_text, "after");
    mqtt_settled(c.mqtt);
    client_close(&c);
    client_close(&sender);
}

/* It would be done with before what it stands behind, and once more after it. */
static void nothing_overtakes_what_was_handed_back(void **state)
{
    (void)state;
    struct client c, sender;
    char text[16];
    client_open_holding(&c, "ordered");
    client_open(&sender, "ordered-sender", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "ordered/x"), ST_OK);
    publish(&c, "ordered/x", "subscribed");
    await(&c.messages, 1);
    mqtt_settled(c.mqtt);
    c.back_at = 2;
    for (int i = 0; i < 300; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        publish(&sender, "ordered/x", text);
    }
    await(&c.downs, 1);
    assert_int_equal(c.came_late, 0);
    c.back_at = 0;
    while (c.messages < 302) { /* all 300 of them, in their order */
        mqtt_settled(c.mqtt);
        await(&c.messages, c.messages + 1);
    }
    mqtt_settled(c.mqtt);
    assert_int_equal(c.messages, 302);
    assert_string_equal(c.last_text, "299");
    client_close(&c);
    client_close(&sender);
}

/* More than may be under way at once, in both directions, without a pause. */
static void one_that_holds_receives_and_sends_like_any_other(void **state)
{
    (void)state;
    struct client c, sender;
    client_open_holding(&c, "holds-many");
    client_open(&sender, "holds-many-sender", NULL);
    assert_int_equal(mqtt_subscribe(c.mqtt, "many/in"), ST_OK);
    assert_int_equal(mqtt_subscribe(sender.mqtt, "many/out"), ST_OK);
    publish(&c, "many/in", "subscribed");
    publish(&sender, "many/out", "subscribed");
    await(&c.messages, 1);
    mqtt_settled(c.mqtt);
    await(&sender.messages, 1);
    for (int i = 0; i < 500; i++) {
        publish(&sender, "many/in", "x");
        publish(&c, "many/out", "x");
    }
    for (int i = 2; i <= 501; i++) {
        await(&c.messages, i);
        mqtt_settled(c.mqtt);
    }
    await(&sender.messages, 501);
    assert_int_equal(c.messages, 501);
    client_close(&c);
    client_close(&sender);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_comes_with_its_properties, setup, teardown),
        cmocka_unit_test_setup_teardown(retained_comes_to_who_subscribes_later, setup, teardown),
        cmocka_unit_test_setup_teardown(after_unsubscribing_nothing_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broker_restart_loses_neither_subscription_nor_publish,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_will_is_sent_when_a_client_dies_and_not_when_it_closes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_broker_will_not_take_is_refused_or_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_early_publish_that_proves_too_large_is_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_silent_broker_does_not_acknowledge_is_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_host_that_does_not_answer_does_not_hold_up_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(it_opens_without_a_broker_and_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_settled_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_handed_back_comes_again_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_overtakes_what_was_handed_back, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_holds_receives_and_sends_like_any_other, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("io/mqtt", tests, group_setup, group_teardown);
}
