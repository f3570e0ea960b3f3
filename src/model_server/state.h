/* What the files of this folder share; nobody else includes it. */
#ifndef MODEL_SERVER_STATE_H
#define MODEL_SERVER_STATE_H

#include "exchange/exchange.h"
#include "model_server/server.h"
#include "model_server/store.h"

/* Who asked for something, and where the answer goes. */
struct asker {
    char topic[TOPIC_SIZE_MAX + 1]; /* empty: nobody waits */
    uint8_t correlation[64];
    size_t correlation_size;
};

/* What is to be deleted once the coordinator has said what open rounds need. */
struct prune {
    bool pending;
    uint64_t keep;   /* newest of each name, at least 1 */
    struct id model; /* empty: of every name */
    bool dry_run;    /* only say what would go */
    struct event what;
    struct asker asker;
    uint64_t question;    /* the number of the question that is waited for */
    uint64_t deadline_ms; /* 0: not known yet */
};

struct incoming; /* a version whose bytes are on their way */

struct server {
    uint32_t magic;
    struct server_settings settings;
    struct server_out out;
    struct store *store;
    struct exchange *exchange;
    struct incoming *incoming; /* in the order in which they came */
    bool announcing;           /* after a connect, until all is published again */
    size_t announced, announced_channels;
    size_t announced_bytes; /* since the broker had acknowledged all */
    struct prune prune;
    uint64_t questions;
};

void on_publish(struct server *s, const struct mqtt_message *m);
/* The same when all bytes are here: m's properties, and bytes instead of its payload. */
void take_publication(struct server *s, const struct mqtt_message *m, struct view bytes);
/* It is refused before its bytes are here. */
void refuse_publication(struct server *s, const struct mqtt_message *m, enum status status);

/* ---- incoming.c: versions that come in parts ---- */

/* A reference came where a version's bytes would be. */
void on_reference(struct server *s, const struct mqtt_message *m);
/* Parts are asked for and given; what is whole is taken. */
void incoming_step(struct server *s, uint64_t now_ms);
void incoming_end(struct server *s);
void on_control(struct server *s, const struct mqtt_message *m);

/* ---- server.c: what is on the topics ---- */

/* True if v stays on its topic: it is one of the newest, or a channel points at it. */
bool is_on_topic(const struct server *s, const struct version *v);

/* Retained, unless v is too old for that; whoever waits for it sees it all the same.
 * bytes: those of v */
void publish_version(struct server *s, const struct version *v, struct view bytes);
void publish_index(struct server *s);
void publish_channel(struct server *s, const struct channel *c);
/* Puts v on its topic or clears that, if it was otherwise before a change. */
void topic_follows(struct server *s, const struct version *v, bool was_on_topic);

/* gone was deleted. Its bytes are given no longer, or from now on those of another version
 * that has the same: whoever heard of them by either may ask on. */
void bytes_follow(struct server *s, const struct version *gone);

/* Failures are logged; whoever misses the message asks again. */
void send_message(struct server *s, const struct mqtt_message *m);

/* ---- answers ---- */

struct asker asker_of(const struct mqtt_message *m);
/* takes: object, NULL (no memory) is logged */
void answer(struct server *s, const struct asker *to, json_t *object);
void answer_refused(struct server *s, const struct asker *to, const char *code, const char *reason);
/* The code and sentence of a change that the store could not make. */
void answer_not_stored(struct server *s, const struct asker *to, enum status status);

/* ---- prune.c ---- */

/* Asks which rounds are open. p: keep, model, dry_run, what, asker */
void prune_begin(struct server *s, const struct prune *p);
/* The coordinator's answer. */
void prune_answered(struct server *s, const struct mqtt_message *m);
void prune_tick(struct server *s, uint64_t now_ms);
/* After a publication, if the server's settings say so. */
void prune_after(struct server *s, const struct version *newest);

#endif
