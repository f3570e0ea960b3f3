/* What the files of this folder share; nobody else includes it. */
#ifndef MODEL_SERVER_STATE_H
#define MODEL_SERVER_STATE_H

#include "model_server/server.h"
#include "model_server/store.h"

struct server {
    uint32_t magic;
    struct server_settings settings;
    struct server_out out;
    struct store *store;
    bool announcing; /* after a connect, until all is published again */
    size_t announced;
    size_t announced_bytes; /* since the broker had acknowledged all */
};

void on_publish(struct server *s, const struct mqtt_message *m);

/* ---- server.c ---- */

/* Retained, unless v is too old for that; whoever waits for it sees it all the same.
 * bytes: those of v */
void publish_version(struct server *s, const struct version *v, struct view bytes);
void publish_index(struct server *s);
/* The one that is now too old to be retained, if there is one, leaves its topic. */
void clear_aged(struct server *s, const struct version *newest);

/* Failures are logged; whoever misses the message asks again. */
void send_message(struct server *s, const struct mqtt_message *m);

#endif
