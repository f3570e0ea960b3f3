#include "web/web_options.h"

#include "service/log.h"

enum status web_from_words(const struct web_words *w, uv_loop_t *loop, struct web **ret)
{
    struct why why = {""};
    const struct web_settings settings = {
        .allow = &w->allow, .allow_count = w->allow == NULL ? 0 : 1, .ca_file = w->ca};
    enum status status = web_new(loop, &settings, ret, &why);
    if (status != ST_OK)
        log_line(LOG_ERROR, "url.refused", "reason=%s",
                 log_quote(why.text[0] != '\0' ? why.text : status_name(status)));
    return status;
}
