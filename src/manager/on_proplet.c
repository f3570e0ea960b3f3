/* Registrations, heartbeats and last wills (PROTOCOL 1.1). */
#include "manager/internal.h"

#include <stdlib.h>
#include <string.h>

#include "service/log.h"

static void refuse(struct manager *m, const char *event, const char *reason)
{
    m->counters.messages_refused++;
    log_line(LOG_WARN, event, "reason=%s, ignoring", log_quote(reason));
}

static void heard(struct manager *m, const struct proplet_msg *msg, const char *metadata,
                  uint64_t now_ms)
{
    enum proplet_state was;
    bool known = proplets_find(m->proplets, &msg->proplet_id) != NULL;
    enum status status =
        proplets_heard(m->proplets, &msg->proplet_id, msg->start_topic, metadata, now_ms, &was);
    if (status != ST_OK)
        refuse(m, "proplet.refused", status_name(status));
    else if (!known)
        log_line(LOG_INFO, "proplet.registered", "proplet=%s starts=%s", msg->proplet_id.text,
                 msg->start_topic == START_OWN ? "own" : "shared");
    else if (was != PROPLET_ALIVE)
        log_line(LOG_INFO, "proplet.back", "proplet=%s was=%s", msg->proplet_id.text,
                 proplet_state_name(was));
}

/* A device that registers again has restarted or only reconnected: which one,
 * the results of its tasks will say. They go on. */
void on_create(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    struct proplet_msg msg;
    struct why why;
    if (proplet_msg_decode(message->payload, &msg, &why) != ST_OK) {
        refuse(m, "proplet.refused", why.text);
        return;
    }
    char *metadata = msg.metadata == NULL ? NULL : jsn_text(msg.metadata);
    if (metadata != NULL && strlen(metadata) > PROPLET_METADATA_MAX) {
        /* It is for people to look at; the device is welcome without it. */
        log_line(LOG_WARN, "proplet.metadata_dropped", "proplet=%s bytes=%zu", msg.proplet_id.text,
                 strlen(metadata));
        free(metadata);
        metadata = NULL;
    }
    heard(m, &msg, metadata, now_ms);
    free(metadata);
    proplet_msg_done(&msg);
}

void on_alive(struct manager *m, const struct mqtt_message *message, uint64_t now_ms)
{
    struct proplet_msg msg;
    struct why why;
    if (proplet_msg_decode(message->payload, &msg, &why) != ST_OK) {
        refuse(m, "alive.refused", why.text);
        return;
    }
    if (!msg.offline)
        heard(m, &msg, NULL, now_ms);
    else if (proplets_gone(m->proplets, &msg.proplet_id, now_ms))
        log_line(LOG_WARN, "proplet.offline", "proplet=%s reason=will", msg.proplet_id.text);
    proplet_msg_done(&msg);
}
