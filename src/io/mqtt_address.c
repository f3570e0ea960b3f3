#include "io/mqtt_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status parse_port(const char *text, uint16_t *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return ST_INVALID;
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535)
        return ST_INVALID;
    *ret = (uint16_t)port;
    return ST_OK;
}

enum status mqtt_address_parse(const char *text, struct mqtt_address *ret)
{
    const char *host = text;
    const char *scheme_end = strstr(text, "://");
    if (scheme_end != NULL) {
        size_t size = (size_t)(scheme_end - text);
        if (!((size == 3 && memcmp(text, "tcp", 3) == 0) ||
              (size == 4 && memcmp(text, "mqtt", 4) == 0)))
            return ST_INVALID;
        host = scheme_end + 3;
    }

    const char *end;  /* one past the host */
    const char *rest; /* what follows it: nothing or :PORT */
    if (*host == '[') {
        host++;
        end = strchr(host, ']');
        if (end == NULL)
            return ST_INVALID;
        rest = end + 1;
    } else {
        end = host + strcspn(host, ":/");
        rest = end;
    }
    size_t size = (size_t)(end - host);
    struct mqtt_address fresh = {.port = 1883};
    if (size < 1 || size >= sizeof fresh.host)
        return ST_INVALID;
    memcpy(fresh.host, host, size);
    if (*rest == ':' && parse_port(rest + 1, &fresh.port) != ST_OK)
        return ST_INVALID;
    if (*rest != ':' && *rest != '\0')
        return ST_INVALID;
    *ret = fresh;
    return ST_OK;
}
