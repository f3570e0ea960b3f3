#include "device/control.h"

#include <stdlib.h>

#include "service/log.h"

void control_send(const struct proplet_out *out, const struct topic_space *space, const char *what,
                  char *text)
{
    struct topic topic;
    topic_make(space, &topic, "control", "proplet", what, NULL);
    if (text == NULL || out->publish(out->owner, topic.text, view_text(text)) != ST_OK)
        log_line(LOG_WARN, "control.not_sent", "what=%s", what);
    free(text);
}
