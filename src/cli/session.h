/* The tool's connection to the broker: publish, listen, ask and wait.
 *
 * Everything waits on the run's loop (cli/run.h), and every wait has a limit. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>

#include <jansson.h>

#include "cli/run.h"
#include "io/mqtt.h"
#include "wire/topic.h"

#define SESSION_CONNECT_MS 5000u
#define SESSION_ANSWER_MS  5000u

/* The core topics, if nothing else is said. */
#define SESSION_DOMAIN  "demo"
#define SESSION_CHANNEL "fl"

/* The settings that every command has. domain, channel: NULL is the default */
struct session_settings {
    const char *broker;
    const char *username;
    const char *password;
    const char *domain;
    const char *channel;
};

/* Put this into a command's table of options: one that only needs the broker, ... */
#define BROKER_OPTION_SPECS(s)                                                                     \
    {.flag = "broker",                                                                             \
     .env = "MQTT_BROKER",                                                                         \
     .fallback = "tcp://localhost:1883",                                                           \
     .help = "the MQTT broker",                                                                    \
     .value = "URL",                                                                               \
     .kind = OPTION_TEXT,                                                                          \
     .target = &(s)->broker},                                                                      \
        {.flag = "username",                                                                       \
         .env = "MQTT_USERNAME",                                                                   \
         .help = "user name at the broker",                                                        \
         .value = "NAME",                                                                          \
         .kind = OPTION_TEXT,                                                                      \
         .target = &(s)->username},                                                                \
    {                                                                                              \
        .env = "MQTT_PASSWORD", .help = "password at the broker (environment only)",               \
        .kind = OPTION_TEXT, .target = &(s)->password                                              \
    }

/* ... or one that talks on the core topics too. */
#define SESSION_OPTION_COUNT 5
#define SESSION_OPTION_SPECS(s)                                                                    \
    BROKER_OPTION_SPECS(s),                                                                        \
        {.flag = "domain",                                                                         \
         .env = "FML_DOMAIN",                                                                      \
         .fallback = SESSION_DOMAIN,                                                               \
         .help = "domain of the core topics",                                                      \
         .value = "ID",                                                                            \
         .kind = OPTION_TEXT,                                                                      \
         .target = &(s)->domain},                                                                  \
    {                                                                                              \
        .flag = "channel", .env = "FML_CHANNEL", .fallback = SESSION_CHANNEL,                      \
        .help = "channel of the core topics", .value = "ID", .kind = OPTION_TEXT,                  \
        .target = &(s)->channel                                                                    \
    }

struct session;

typedef void session_message_fn(void *owner, const struct mqtt_message *m);

/* Connects and waits for it. keeps: r.
 * gives: *ret, to be ended with session_close()
 * fails: ST_INVALID (settings), ST_TIMEOUT (no connection in SESSION_CONNECT_MS),
 *        ST_CLOSED (stopped), ST_NOMEM, ST_IO; each with a sentence */
MUST_CHECK enum status session_open(struct run *r, const struct session_settings *settings,
                                    struct session **ret, struct why *why);

struct run *session_run(struct session *s);
const struct topic_space *session_space(const struct session *s);
/* The name under which this tool is known at the broker. */
const struct id *session_client_id(const struct session *s);

/* How often a connection was made, so that a change says that messages may have been
 * missed; and whether there is one now. */
uint64_t session_connections(const struct session *s);
bool session_connected(const struct session *s);

/* Calls fn for each message on filter, until session_ignore() with the same
 * filter and owner. Not from inside such a call. keeps: owner.
 * fails: ST_INVALID (not a filter), ST_NOMEM */
MUST_CHECK enum status session_listen(struct session *s, const char *filter, session_message_fn *fn,
                                      void *owner);
void session_ignore(struct session *s, const char *filter, void *owner);

/* fails: as mqtt_publish() */
MUST_CHECK enum status session_publish(struct session *s, const struct mqtt_message *m);
MUST_CHECK enum status session_publish_text(struct session *s, const char *topic, const char *text);

/* fails: ST_TIMEOUT, ST_CLOSED, as run_wait() */
MUST_CHECK enum status session_wait(struct session *s, const bool *done, uint64_t limit_ms);

/* Of what was published, that the broker has not acknowledged. */
size_t session_unacknowledged(const struct session *s);
/* mqtt_packet_max() */
size_t session_packet_max(const struct session *s);

/* Waits until the broker has taken everything that was published. */
MUST_CHECK enum status session_flush(struct session *s, uint64_t limit_ms);

/* Asks and waits for the answer (MQTT 5 response topic and correlation data).
 * gives: *ret, an object: json_decref()
 * fails: ST_TIMEOUT (nobody answered), ST_CLOSED, ST_MALFORMED, ST_NOMEM, with
 *        a sentence that names answerer, such as "fml-manager" */
MUST_CHECK enum status session_ask(struct session *s, const char *topic, const char *request,
                                   const char *answerer, uint64_t limit_ms, json_t **ret,
                                   struct why *why);

/* The next message on filter, such as one that is retained.
 * gives: the payload to *ret, whatever it held is freed
 * fails: ST_TIMEOUT, ST_CLOSED, ST_NOMEM, ST_INVALID */
MUST_CHECK enum status session_fetch(struct session *s, const char *filter, uint64_t limit_ms,
                                     struct bytes *ret);

struct session *session_close(struct session *s);

#endif
