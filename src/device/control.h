/* What a device says of itself to the manager (PROTOCOL 1.1). */
#ifndef DEVICE_CONTROL_H
#define DEVICE_CONTROL_H

#include "device/out.h"
#include "wire/topic.h"

/* Publishes text, from malloc() and taken, on control/proplet/{what}. One that cannot be sent,
 * or was not made (NULL), is logged: the next heartbeat says as much. */
void control_send(const struct proplet_out *out, const struct topic_space *space, const char *what,
                  char *text);

#endif
