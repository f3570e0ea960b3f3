/* The model server without its connection: messages in, messages out, so that
 * tests drive all of it without a broker. It logs. Not thread-safe. */
#ifndef MODEL_SERVER_SERVER_H
#define MODEL_SERVER_SERVER_H

#include "io/mqtt.h"
#include "model_server/store.h"

struct server;

struct server_settings {
    const char *folder;
    /* Version 0 of global_model if the folder has none; size 0: the FML demo's.
     * Borrowed for server_new() only. */
    struct view initial;
    uint64_t retain; /* how many of the newest versions are retained; at least 1 */
};

struct server_out {
    /* As mqtt_publish(). */
    enum status (*publish)(void *owner, const struct mqtt_message *m);
    void *owner;
};

/* Opens the folder and makes version 0 if there is none.
 * gives: *ret. fails: as store_open(); what model_decode() says of initial */
MUST_CHECK enum status server_new(const struct server_settings *settings,
                                  const struct server_out *out, struct server **ret,
                                  struct why *why);

/* The connection is up: everything that is retained is published (again). */
void server_connected(struct server *s);

/* One message came. m is borrowed for the call; nothing in it is trusted. */
void server_message(struct server *s, const struct mqtt_message *m);

struct server *server_free(struct server *s);

#endif
