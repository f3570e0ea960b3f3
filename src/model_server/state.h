/* What the model server's own files share. */
#ifndef MODEL_SERVER_STATE_H
#define MODEL_SERVER_STATE_H

#include "model_server/server.h"

struct server {
    uint32_t magic;
    struct store *store;
    struct server_out out;
    uint64_t retain;
};

/* A model came on fl/models/publish. */
void on_publish(struct server *s, const struct mqtt_message *m);

/* Puts a version on its topic, retained, if its bytes are what they should be. */
void publish_version(struct server *s, const struct stored_version *v);

/* After a version came: the index, and the topic of the one that is too old now. */
void publish_index(struct server *s);

#endif
