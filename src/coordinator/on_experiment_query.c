/* fl/experiments/query (PROTOCOL 2.8): which experiments are open, how the newest ended,
 * and the rows of one. */
#include "coordinator/state.h"

#include <string.h>

#include "io/clock.h"

/* ---- status ---- */

static json_t *open_to_json(const struct experiment_entry *e, uint64_t now_ms)
{
    struct experiment_state state;
    experiment_state_now(e->experiment, now_ms, &state);
    clock_text(state.at);
    return experiment_state_to_json(&state);
}

static json_t *answer_status(struct coordinator *c, uint64_t now_ms)
{
    json_t *open = json_array(), *ended = json_array();
    for (size_t i = 0; i < experiments_open_count(c->experiments); i++)
        (void)json_array_append_new(open,
                                    open_to_json(experiments_open_at(c->experiments, i), now_ms));
    for (size_t i = 0; i < experiments_ended_count(c->experiments); i++)
        (void)json_array_append_new(
            ended, experiment_state_to_json(&experiments_ended_at(c->experiments, i)->state));
    return json_pack("{s:o, s:o}", "open", open, "ended", ended);
}

/* ---- rows ---- */

static enum status add_row(void *arg, struct view row)
{
    json_t *array = arg, *object = NULL;
    enum status status = jsn_parse(row, CONTROL_SIZE_MAX, &object, NULL);
    if (status != ST_OK)
        return status == ST_NOMEM ? status : ST_CORRUPT;
    return json_array_append_new(array, object) == 0 ? ST_OK : ST_NOMEM;
}

static json_t *answer_rows(struct coordinator *c, const json_t *request)
{
    struct id id;
    uint64_t after = 0;
    struct why why = {0};
    enum status status = jsn_id(request, "experiment_id", JSN_REQUIRED, &id, &why);
    if (status == ST_OK)
        status = jsn_uint(request, "after", JSN_OPTIONAL, 0, EXPERIMENT_ROUNDS_MAX, &after, &why);
    if (status != ST_OK)
        return query_error(status, &why);
    if (experiments_find(c->experiments, &id) == NULL)
        return json_pack("{s:s, s:s}", "error", "unknown_experiment", "reason",
                         "no experiment of this id is known");
    json_t *rows = json_array();
    status = store_each_row(c->store, &id, (uint32_t)after, EXPERIMENT_ROWS_SHOWN, add_row, rows);
    if (status == ST_OK)
        return json_pack("{s:o}", "rows", rows);
    json_decref(rows);
    why_set(&why, "the rows cannot be read");
    return query_error(status, &why);
}

static json_t *answer_to(struct coordinator *c, const json_t *request, uint64_t now_ms)
{
    const char *what = "";
    struct why why = {0};
    enum status status = jsn_str(request, "what", JSN_REQUIRED, ID_SIZE_MAX, &what, &why);
    if (status == ST_OK && strcmp(what, "status") == 0)
        return answer_status(c, now_ms);
    if (status == ST_OK && strcmp(what, "rows") == 0)
        return answer_rows(c, request);
    if (status == ST_OK) {
        status = ST_INVALID;
        why_set(&why, "what is neither \"status\" nor \"rows\"");
    }
    return query_error(status, &why);
}

void on_experiment_query(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    answer_query(c, m, answer_to, now_ms);
}
