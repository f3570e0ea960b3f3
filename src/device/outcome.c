#include "device/outcome.h"

#include <stdio.h>
#include <string.h>

#include "device/guest_text.h"
#include "fl/update.h"
#include "wire/task_msg.h"

#define SAID_BY_SANDBOX 150
#define SAID_BY_GUEST   240

bool outcome_failed(const struct outcome *o)
{
    return strcmp(o->reason, "completed") != 0;
}

void outcome_hush(struct outcome *o)
{
    o->detail = outcome_failed(o) ? "no more is said, because its round is protected" : "";
    o->wall_ms = o->cpu_ms = o->peak_rss_kb = 0;
}

char *outcome_text(const struct outcome *o, const struct id *task, const struct id *proplet)
{
    struct results_msg msg = {
        .task_id = *task,
        .proplet_id = *proplet,
        .results = o->results,
        .failed = outcome_failed(o),
        .wall_ms = o->wall_ms,
        .cpu_ms = o->cpu_ms,
        .peak_rss_kb = o->peak_rss_kb,
    };
    (void)snprintf(msg.reason, sizeof msg.reason, "%s", o->reason);
    if (msg.failed)
        (void)snprintf(msg.error, sizeof msg.error, "%s", o->detail);
    return results_msg_encode(&msg);
}

json_t *outcome_update(const char *topic, const struct digest *digest, uint64_t size)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    return json_pack("{s:s,s:s,s:I}", "update_topic", topic, "update_digest", text, "update_bytes",
                     (json_int_t)size);
}

void outcome_guest_failed(const struct sandbox_result *r, char ret_detail[DETAIL_SIZE])
{
    char said[SAID_BY_GUEST], why[SAID_BY_SANDBOX];
    guest_text_line(r->err, said, sizeof said);
    (void)snprintf(why, sizeof why, "%.*s", SAID_BY_SANDBOX - 1, r->detail);
    (void)snprintf(ret_detail, DETAIL_SIZE, "%s%s%s", why,
                   said[0] == '\0' ? "" : "; it said: ", said);
}

const char *outcome_unreadable(struct view update, char ret_detail[DETAIL_SIZE])
{
    struct update read;
    struct why why = {0};
    enum update_fault fault = update_read(update, &read, &why);
    if (fault == UPDATE_FINE)
        update_done(&read);
    if (fault != UPDATE_MALFORMED && fault != UPDATE_TOO_LARGE)
        return NULL;
    const char *code = fault == UPDATE_MALFORMED ? "malformed" : "too_large";
    (void)snprintf(ret_detail, DETAIL_SIZE, "%s: %s", code, why.text);
    return code;
}
