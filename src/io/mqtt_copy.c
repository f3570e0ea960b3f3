#include "io/mqtt_copy.h"

#include <stdlib.h>
#include <string.h>

#include <mqtt_protocol.h>

/* libmosquitto gives each property as its own allocation. They are collected
 * here first, so that the size of the one block is known. */
struct found {
    char *response_topic;
    void *correlation;
    uint16_t correlation_size;
    char *keys[PROPERTIES_MAX];
    char *values[PROPERTIES_MAX];
    size_t count;
};

static void find_properties(const mosquitto_property *p, struct found *found)
{
    (void)mosquitto_property_read_string(p, MQTT_PROP_RESPONSE_TOPIC, &found->response_topic,
                                         false);
    (void)mosquitto_property_read_binary(p, MQTT_PROP_CORRELATION_DATA, &found->correlation,
                                         &found->correlation_size, false);
    bool skip = false;
    while (found->count < PROPERTIES_MAX) {
        char **key = &found->keys[found->count];
        char **value = &found->values[found->count];
        p = mosquitto_property_read_string_pair(p, MQTT_PROP_USER_PROPERTY, key, value, skip);
        if (p == NULL)
            break;
        skip = true;
        found->count++;
    }
}

static void found_done(struct found *found)
{
    free(found->response_topic);
    free(found->correlation);
    for (size_t i = 0; i < found->count; i++) {
        free(found->keys[i]);
        free(found->values[i]);
    }
}

static size_t found_size(const struct found *found)
{
    size_t size = found->correlation_size;
    if (found->response_topic != NULL)
        size += strlen(found->response_topic) + 1;
    for (size_t i = 0; i < found->count; i++)
        size += strlen(found->keys[i]) + strlen(found->values[i]) + 2;
    return size;
}

/* Copies size bytes to *cursor, moves it on, and gives where they lie now. */
static void *place(char **cursor, const void *from, size_t size)
{
    void *at = *cursor;
    if (size > 0)
        memcpy(at, from, size);
    *cursor += size;
    return at;
}

struct mqtt_item *mqtt_item_of(const struct mosquitto_message *message,
                               const mosquitto_property *properties)
{
    struct found found = {0};
    find_properties(properties, &found);
    size_t payload_size = (size_t)message->payloadlen;
    size_t topic_size = strlen(message->topic) + 1;
    size_t size = sizeof(struct mqtt_item) + payload_size + topic_size + found_size(&found);
    struct mqtt_item *item = calloc(1, size);
    if (item == NULL)
        goto done;

    char *cursor = (char *)(item + 1);
    struct mqtt_message *m = &item->message;
    item->event = MQTT_MESSAGE;
    item->head.size = size;
    m->payload = view_of(place(&cursor, message->payload, payload_size), payload_size);
    m->correlation =
        view_of(place(&cursor, found.correlation, found.correlation_size), found.correlation_size);
    m->topic = place(&cursor, message->topic, topic_size);
    m->retain = message->retain;
    if (found.response_topic != NULL)
        m->response_topic = place(&cursor, found.response_topic, strlen(found.response_topic) + 1);
    for (size_t i = 0; i < found.count; i++) {
        m->properties[i].key = place(&cursor, found.keys[i], strlen(found.keys[i]) + 1);
        m->properties[i].value = place(&cursor, found.values[i], strlen(found.values[i]) + 1);
    }
    m->property_count = found.count;
done:
    found_done(&found);
    return item;
}

enum status mqtt_properties_of(const struct mqtt_message *m, mosquitto_property **ret)
{
    mosquitto_property *list = NULL;
    int rc = MOSQ_ERR_SUCCESS;
    if (m->response_topic != NULL)
        rc = mosquitto_property_add_string(&list, MQTT_PROP_RESPONSE_TOPIC, m->response_topic);
    if (rc == MOSQ_ERR_SUCCESS && m->correlation.size > 0)
        rc =
            m->correlation.size > UINT16_MAX
                ? MOSQ_ERR_INVAL
                : mosquitto_property_add_binary(&list, MQTT_PROP_CORRELATION_DATA,
                                                m->correlation.data, (uint16_t)m->correlation.size);
    for (size_t i = 0; rc == MOSQ_ERR_SUCCESS && i < m->property_count; i++)
        rc = mosquitto_property_add_string_pair(&list, MQTT_PROP_USER_PROPERTY,
                                                m->properties[i].key, m->properties[i].value);
    if (rc != MOSQ_ERR_SUCCESS) {
        mosquitto_property_free_all(&list);
        return rc == MOSQ_ERR_NOMEM ? ST_NOMEM : ST_INVALID;
    }
    *ret = list;
    return ST_OK;
}
