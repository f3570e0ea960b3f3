/* The model server without its connection: publications in, retained versions
 * out.
 *
 * What goes out passes through struct server_out, so that tests drive all of it
 * without a broker. It logs. Not thread-safe. */
#ifndef MODEL_SERVER_SERVER_H
#define MODEL_SERVER_SERVER_H

#include "base/id.h"
#include "io/mqtt.h"

#define SERVER_DEFAULT_NAME "global_model"
#define SERVER_RETAIN_MAX   MODEL_VERSIONS_MAX

/* Where the coordinator's answers come (MQTT 5 response topic). */
#define SERVER_ANSWERS "fml/answers/fml-model-server"

struct server;

struct server_settings {
    struct id me;         /* under which others ask for parts */
    const char *folder;   /* where the versions lie */
    const char *initial;  /* file of version 0; NULL: the FML demo's model of four zeros */
    const char *url_base; /* somebody serves folder/sha256 there (by_digest.h); NULL: nobody */
    size_t retain;        /* newest versions of each name on their topics, 1..SERVER_RETAIN_MAX */
    size_t keep;          /* newest versions of each name that are never deleted; after each
                           * publication older ones are, if nothing needs them. 0: all are kept */
};

struct server_out {
    /* As mqtt_publish() and mqtt_unacknowledged(). */
    enum status (*publish)(void *owner, const struct mqtt_message *m);
    size_t (*unacknowledged)(void *owner);
    void *owner;
};

/* Opens the store and puts version 0 there, if there is none of its name. A
 * failure is logged with a sentence.
 * gives: *ret
 * fails: as store_open(), store_add() and model_decode() of the initial model */
MUST_CHECK enum status server_new(const struct server_settings *settings,
                                  const struct server_out *out, struct server **ret);

/* The filters to subscribe to, index 0, 1, …; false: no more. */
bool server_filter(const struct server *s, size_t index, char ret[TOPIC_SIZE_MAX]);

/* Before server_connected(): mqtt_packet_max(), so that what is given in parts passes. */
void server_packet_max(struct server *s, size_t packet_max);

/* The broker may be a new one: everything is published again, oldest first, then
 * the index, then the channels. A few at a time, so that memory stays bounded; the
 * rest with server_tick(). */
void server_connected(struct server *s);
/* now_ms: of a clock that never jumps */
void server_tick(struct server *s, uint64_t now_ms);

/* One message came. m is borrowed for the call; nothing in it is trusted. */
void server_message(struct server *s, const struct mqtt_message *m);

struct server *server_free(struct server *s);

#endif
