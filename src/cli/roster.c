#include "cli/roster.h"

#include <stdlib.h>

#include "base/jsn.h"
#include "wire/roster_msg.h"

static enum status ask(struct session *s, const char *question, uint64_t limit_ms, json_t **ret,
                       struct why *why)
{
    struct topic topic;
    topic_make(session_space(s), &topic, "control", "manager", "query", NULL);
    return session_ask(s, topic.text, question, "fml-manager", limit_ms, ret, why);
}

enum status roster_ask(struct session *s, uint64_t limit_ms, json_t **ret, struct why *why)
{
    return ask(s, "{\"what\":\"status\"}", limit_ms, ret, why);
}

enum status roster_fetch_alive(struct session *s, struct ids *ret, struct why *why)
{
    json_t *answer = NULL;
    struct roster roster;
    enum status status = ask(s, ROSTER_QUESTION, SESSION_ANSWER_MS, &answer, why);
    if (status == ST_OK)
        status = roster_read(answer, &roster, why);
    json_decref(answer);
    if (status == ST_OK)
        *ret = (struct ids){.items = roster.alive, .count = roster.count};
    return status;
}

enum status roster_find_image(struct session *s, const char *image, struct why *why)
{
    char *text = jsn_text_and_release(json_pack("{s:s, s:s}", "what", "image", "image", image));
    json_t *answer = NULL;
    enum status status = ST_NOMEM;
    why_set(why, "no memory, or a name that is not UTF-8");
    if (text != NULL)
        status = ask(s, text, SESSION_ANSWER_MS, &answer, why);
    if (status == ST_OK && json_object_get(answer, "error") != NULL) {
        why_set(why, "the manager has no image %.100s; fml images push sends one", image);
        status = ST_NOT_FOUND;
    }
    json_decref(answer);
    free(text);
    return status;
}
