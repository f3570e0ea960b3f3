/* Remembers which bytes a topic stands for, as its publisher says: a launch that
 * names the topic then hands the digest to its tasks (PROTOCOL 1.7). */
#include "manager/internal.h"

#include "service/log.h"

void on_pin(struct manager *m, const struct pin_rule *rule, const struct mqtt_message *message)
{
    /* An empty retained message is how MQTT deletes one. */
    if (message->payload.size == 0) {
        ring_forget(m->pins, message->topic);
        return;
    }
    const char *text = mqtt_message_property(message, rule->property);
    if (text == NULL)
        return;
    struct digest digest;
    enum status status = digest_parse(text, &digest);
    if (status == ST_OK)
        status = ring_put(m->pins, message->topic, &digest);
    if (status != ST_OK) {
        m->counters.messages_refused++;
        log_line(LOG_WARN, "pin.refused", "topic=%s status=%s, ignoring", log_quote(message->topic),
                 status_name(status));
        return;
    }
    log_line(LOG_DEBUG, "pin", "topic=%s digest=%s", log_quote(message->topic), text);
}
