#include "cli/roster.h"

#include <assert.h>

#include "base/jsn.h"

static enum status add_if_alive(struct ids *list, const json_t *proplet, struct why *why)
{
    struct id id;
    bool alive = false;
    if (!json_is_object(proplet)) {
        why_set(why, "the manager's list of proplets holds something else");
        return ST_INVALID;
    }
    enum status status = jsn_id(proplet, "proplet_id", JSN_REQUIRED, &id, why);
    if (status == ST_OK)
        status = jsn_bool(proplet, "alive", JSN_REQUIRED, &alive, why);
    if (status == ST_OK && alive)
        status = ids_add(list, &id);
    return status;
}

enum status roster_alive(const json_t *answer, struct ids *ret, struct why *why)
{
    assert(answer != NULL && ret != NULL);
    json_t *proplets = NULL;
    enum status status = jsn_array(answer, "proplets", JSN_REQUIRED, PROPLETS_MAX, &proplets, why);
    struct ids list = {0};
    for (size_t i = 0; status == ST_OK && i < json_array_size(proplets); i++)
        status = add_if_alive(&list, json_array_get(proplets, i), why);
    if (status != ST_OK) {
        ids_done(&list);
        return status;
    }
    *ret = list;
    return ST_OK;
}

enum status roster_ask(struct session *s, uint64_t limit_ms, json_t **ret, struct why *why)
{
    struct topic topic;
    topic_make(session_space(s), &topic, "control", "manager", "query", NULL);
    return session_ask(s, topic.text, "{\"what\":\"status\"}", "fml-manager", limit_ms, ret, why);
}

enum status roster_fetch_alive(struct session *s, struct ids *ret, struct why *why)
{
    json_t *answer = NULL;
    enum status status = roster_ask(s, SESSION_ANSWER_MS, &answer, why);
    if (status != ST_OK)
        return status;
    status = roster_alive(answer, ret, why);
    json_decref(answer);
    return status;
}
