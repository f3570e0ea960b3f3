/* Between libmosquitto's messages and ours. Internal to io/. */
#ifndef IO_MQTT_COPY_H
#define IO_MQTT_COPY_H

#include <mosquitto.h>

#include "io/inbox.h"
#include "io/mqtt.h"

enum mqtt_event { MQTT_MESSAGE, MQTT_UP, MQTT_DOWN };

/* What travels from libmosquitto's thread to the loop. One block with all texts
 * behind it; to be freed with free(). */
struct mqtt_item {
    struct inbox_item head;
    enum mqtt_event event;
    struct mqtt_message message; /* of MQTT_MESSAGE */
    uint64_t cuts;               /* of MQTT_MESSAGE: how often we had cut the connection */
    char reason[64];             /* of MQTT_DOWN */
    bool session;                /* of MQTT_UP: the broker knew ours */
};

/* A copy of a message and of its first PROPERTIES_MAX user properties; longer
 * lists are cut. NULL: no memory. */
struct mqtt_item *mqtt_item_of(const struct mosquitto_message *message,
                               const mosquitto_property *properties);

/* The properties of a message to send.
 * gives: *ret (NULL if there are none), mosquitto_property_free_all()
 * fails: ST_NOMEM, ST_INVALID (text that is not UTF-8) */
MUST_CHECK enum status mqtt_properties_of(const struct mqtt_message *message,
                                          mosquitto_property **ret);

#endif
