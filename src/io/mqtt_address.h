/* The address of a broker, as people write it. */
#ifndef IO_MQTT_ADDRESS_H
#define IO_MQTT_ADDRESS_H

#include <stdint.h>

#include "base/status.h"

struct mqtt_address {
    char host[256];
    uint16_t port;
};

/* Reads tcp://HOST[:PORT], mqtt://HOST[:PORT] or HOST[:PORT]; HOST may be an IPv6
 * address in brackets; the port is 1883 if none is given.
 * fails: ST_INVALID (another scheme, no host, a port outside 1..65535) */
MUST_CHECK enum status mqtt_address_parse(const char *text, struct mqtt_address *ret);

#endif
