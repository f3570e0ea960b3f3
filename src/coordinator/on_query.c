/* fl/rounds/query: which rounds are open, and how the newest ones ended. */
#include "coordinator/state.h"

#include <stdlib.h>
#include <string.h>

#include "service/log.h"

#define DELTA_MIN 1e-15

/* An open round: its facts so far, without those that only an end has. */
static json_t *open_to_json(const struct entry *e, uint64_t now_ms)
{
    struct complete facts;
    round_facts(e->round, now_ms, &facts);
    json_t *object = complete_to_json(&facts);
    if (object == NULL)
        return NULL;
    (void)json_object_del(object, "status");
    (void)json_object_del(object, "reason");
    (void)json_object_del(object, "completed_at");
    int failed =
        json_object_set_new(object, "state", json_string(round_state_name(round_state(e->round))));
    failed |= json_object_set_new(object, "k_of_n", json_integer(round_start_of(e->round)->k_of_n));
    if (failed == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *all_open(struct coordinator *c, uint64_t now_ms)
{
    json_t *array = json_array();
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++)
        (void)json_array_append_new(array, open_to_json(rounds_open_at(c->rounds, i), now_ms));
    return array;
}

static json_t *newest_ended(struct coordinator *c)
{
    json_t *array = json_array();
    for (size_t i = 0; i < rounds_ended_count(c->rounds) && i < ROUNDS_SHOWN_MAX; i++)
        (void)json_array_append_new(array,
                                    complete_to_json(&rounds_ended_at(c->rounds, i)->complete));
    return array;
}

/* What open experiments go on from, also between their rounds. */
static json_t *all_experiments(struct coordinator *c, uint64_t now_ms)
{
    json_t *array = json_array();
    for (size_t i = 0; i < experiments_open_count(c->experiments); i++) {
        struct experiment_state state;
        experiment_state_now(experiments_open_at(c->experiments, i)->experiment, now_ms, &state);
        (void)json_array_append_new(array, json_pack("{s:s, s:s}", "experiment_id",
                                                     state.experiment_id.text, "model_uri",
                                                     state.model_topic));
    }
    return array;
}

static json_t *answer_status(struct coordinator *c, uint64_t now_ms)
{
    return json_pack("{s:o, s:o, s:o}", "open", all_open(c, now_ms), "ended", newest_ended(c),
                     "experiments", all_experiments(c, now_ms));
}

/* What each model's rounds have spent. */
static json_t *answer_privacy(const struct coordinator *c, const json_t *request)
{
    double delta = PRIVACY_DELTA;
    struct why why = {0};
    enum status status = jsn_real(request, "delta", JSN_OPTIONAL, &delta, &why);
    if (status == ST_OK && !(delta >= DELTA_MIN && delta < 1)) {
        status = ST_INVALID;
        why_set(&why, "delta is not %g to 1", DELTA_MIN);
    }
    json_t *answer = status == ST_OK ? privacy_accounts(c, delta) : NULL;
    if (answer != NULL)
        return answer;
    if (status == ST_OK)
        why_set(&why, "the accounts cannot be read");
    return query_error(status == ST_OK ? ST_IO : status, &why);
}

static json_t *answer_to(struct coordinator *c, const json_t *request, uint64_t now_ms)
{
    const char *what = "";
    struct why why = {0};
    enum status status = jsn_str(request, "what", JSN_REQUIRED, ID_SIZE_MAX, &what, &why);
    if (status == ST_OK && strcmp(what, "status") == 0)
        return answer_status(c, now_ms);
    if (status == ST_OK && strcmp(what, "privacy") == 0)
        return answer_privacy(c, request);
    if (status == ST_OK) {
        status = ST_INVALID;
        why_set(&why, "what is neither \"status\" nor \"privacy\"");
    }
    return query_error(status, &why);
}

void on_query(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    answer_query(c, m, answer_to, now_ms);
}
