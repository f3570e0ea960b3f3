/* Passes a message on: its bytes as they are, and what its topic said as user
 * properties (PROTOCOL 1.7). The sender's own properties are not passed on, or
 * he could say to be somebody else. */
#include "manager/internal.h"

#include "service/log.h"

static enum status level_id(const char *topic, unsigned index, struct id *ret)
{
    struct view level;
    enum status status = topic_level(topic, index, &level);
    return status == ST_OK ? id_of(level, ret) : status;
}

static void refuse(struct manager *m, const char *topic, const char *reason)
{
    m->counters.forwards_refused++;
    log_line(LOG_WARN, "forward.refused", "topic=%s reason=%s, ignoring", log_quote(topic),
             log_quote(reason));
}

void on_forward(struct manager *m, const struct forward_rule *rule,
                const struct mqtt_message *message)
{
    struct id levels[FORWARD_PROPERTIES_MAX];
    struct mqtt_message forward = {.topic = rule->to, .payload = message->payload};
    if (message->payload.size > MESSAGE_SIZE_MAX) {
        refuse(m, message->topic, "larger than a message may be");
        return;
    }
    for (size_t i = 0; i < rule->property_count; i++) {
        if (level_id(message->topic, rule->properties[i].level, &levels[i]) != ST_OK) {
            refuse(m, message->topic, "a level of the topic is not a name");
            return;
        }
        forward.properties[forward.property_count++] =
            (struct mqtt_property){.key = rule->properties[i].key, .value = levels[i].text};
    }
    forward.properties[forward.property_count++] =
        (struct mqtt_property){.key = "topic", .value = message->topic};

    enum status status = transmit(m, &forward);
    if (status != ST_OK) {
        refuse(m, message->topic, status_name(status));
        return;
    }
    m->counters.forwards++;
    log_line(LOG_DEBUG, "forward", "from=%s to=%s bytes=%zu", log_quote(message->topic), rule->to,
             message->payload.size);
}
