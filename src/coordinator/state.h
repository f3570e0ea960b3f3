/* What the files of this folder share; nobody else includes it. */
#ifndef COORDINATOR_STATE_H
#define COORDINATOR_STATE_H

#include "coordinator/coordinator.h"
#include "coordinator/models.h"
#include "coordinator/rounds.h"

struct coordinator {
    uint32_t magic;
    struct coordinator_settings settings;
    struct coordinator_out out;
    struct rounds *rounds;
    struct models *models;
    size_t early_bytes; /* of all updates that wait for a base model */
};

/* One for each message that can arrive. */
void on_round_start(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_update(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_model(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_query(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);

/* ---- actions.c: what rounds want done ---- */

/* Carries out all actions, in order. */
void carry_out(struct coordinator *c, struct entry *e, const struct round_actions *actions,
               uint64_t now_ms);

void send_receipt(struct coordinator *c, const struct receipt *receipt);

/* Sets completed_at and publishes. */
void send_complete(struct coordinator *c, struct complete *complete);

/* takes: text, from malloc; NULL (no memory) is logged */
void send_text(struct coordinator *c, const char *topic, char *text);

/* Failures are logged; whoever waits for the message asks again. */
void send_message(struct coordinator *c, const struct mqtt_message *m);

/* ---- on_model.c ---- */

/* The round's base model, from the cache or from the broker. */
void want_base(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* ---- on_update.c ---- */

/* Judges the updates that came early; the round is not OPENING any more. */
void feed_early(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* ---- version.c: numbers and bytes of new versions ---- */

/* Publishes the round's new version, under the same number each time. */
void publish_version(struct coordinator *c, struct entry *e, struct model *model);

/* Somebody else's bytes have its number: takes the next one and publishes again. */
void take_next_number(struct coordinator *c, struct entry *e);

/* Writes it to models_dir, if there is one. */
void write_version(struct coordinator *c, const struct entry *e);

#endif
