#include "cli/experiments.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/index.h"

#define COORDINATOR "fml-coordinator"

/* ---- answers ---- */

typedef enum status item_fn(void *reader, const json_t *item, struct why *why);

static enum status each_item(const json_t *answer, const char *key, size_t count_max, item_fn *fn,
                             void *reader, struct why *why)
{
    json_t *items = NULL;
    enum status status = jsn_array(answer, key, JSN_REQUIRED, count_max, &items, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(items); i++)
        status = fn(reader, json_array_get(items, i), why);
    return status;
}

struct state_reader {
    experiment_state_fn *fn;
    void *owner;
};

static enum status read_state(void *reader, const json_t *item, struct why *why)
{
    struct state_reader *r = reader;
    struct experiment_state state;
    enum status status = experiment_state_from_json(item, &state, why);
    if (status == ST_OK)
        r->fn(r->owner, &state);
    return status;
}

enum status experiments_each(const json_t *answer, const char *key, experiment_state_fn *fn,
                             void *owner, struct why *why)
{
    struct state_reader reader = {fn, owner};
    size_t count_max = strcmp(key, "open") == 0 ? EXPERIMENTS_OPEN_MAX : EXPERIMENTS_KEPT_MAX;
    return each_item(answer, key, count_max, read_state, &reader, why);
}

struct search {
    const struct id *id;
    struct experiment_state *ret;
    bool found;
};

static void note_if_sought(void *owner, const struct experiment_state *state)
{
    struct search *s = owner;
    if (s->found || !id_equal(&state->experiment_id, s->id))
        return;
    *s->ret = *state;
    s->found = true;
}

enum status experiments_find(const json_t *answer, const struct id *id,
                             struct experiment_state *ret, struct why *why)
{
    struct search search = {.id = id, .ret = ret};
    enum status status = experiments_each(answer, "open", note_if_sought, &search, why);
    if (status == ST_OK)
        status = experiments_each(answer, "ended", note_if_sought, &search, why);
    if (status == ST_OK && !search.found) {
        why_set(why, "the coordinator knows no experiment %s; fml experiments list shows all",
                id->text);
        status = ST_NOT_FOUND;
    }
    return status;
}

struct row_reader {
    experiment_row_fn *fn;
    void *owner;
    uint32_t *ret_last;
};

static enum status read_row(void *reader, const json_t *item, struct why *why)
{
    struct row_reader *r = reader;
    struct experiment_row row;
    enum status status = experiment_row_from_json(item, &row, why);
    if (status != ST_OK)
        return status;
    r->fn(r->owner, &row);
    *r->ret_last = row.round;
    return ST_OK;
}

enum status experiments_each_row(const json_t *answer, experiment_row_fn *fn, void *owner,
                                 uint32_t *ret_last, struct why *why)
{
    if (json_object_get(answer, "error") != NULL) {
        const char *reason = json_string_value(json_object_get(answer, "reason"));
        why_set(why, "the coordinator has no rows: %.200s",
                reason == NULL ? "it knows no such experiment" : reason);
        return ST_NOT_FOUND;
    }
    struct row_reader reader = {fn, owner, ret_last};
    return each_item(answer, "rows", EXPERIMENT_ROWS_SHOWN, read_row, &reader, why);
}

/* ---- questions ---- */

static enum status ask(struct session *s, const char *topic, json_t *question, json_t **ret,
                       struct why *why)
{
    char *text = jsn_text_and_release(question);
    if (text == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    enum status status = session_ask(s, topic, text, COORDINATOR, SESSION_ANSWER_MS, ret, why);
    free(text);
    return status;
}

enum status experiments_ask(struct session *s, json_t **ret, struct why *why)
{
    return ask(s, FL_EXPERIMENT_QUERY, json_pack("{s:s}", "what", "status"), ret, why);
}

enum status experiments_ask_rows(struct session *s, const struct id *id, uint32_t after,
                                 experiment_row_fn *fn, void *owner, struct why *why)
{
    /* Each answer brings us further or is the last one. */
    for (;;) {
        json_t *answer = NULL;
        uint32_t last = after;
        json_t *question = json_pack("{s:s, s:s, s:I}", "what", "rows", "experiment_id", id->text,
                                     "after", (json_int_t)after);
        enum status status = ask(s, FL_EXPERIMENT_QUERY, question, &answer, why);
        if (status == ST_OK)
            status = experiments_each_row(answer, fn, owner, &last, why);
        json_decref(answer);
        if (status != ST_OK || last <= after)
            return status;
        after = last;
    }
}

enum status experiments_set_base(struct experiment_start *start, const char *topic,
                                 const struct digest *digest)
{
    struct model_ref ref;
    if (fl_model_ref_parse(topic, &ref) != ST_OK)
        return ST_INVALID;
    start->model = ref;
    (void)snprintf(start->model_uri, sizeof start->model_uri, "%s", topic);
    start->has_model_digest = digest != NULL;
    if (digest != NULL)
        start->model_digest = *digest;
    return ST_OK;
}

enum status experiments_find_base(struct session *s, const char *wanted,
                                  struct experiment_start *start, struct why *why)
{
    struct index_model base;
    enum status status = index_fetch_choice(s, wanted, &base, why);
    return status == ST_OK ? experiments_set_base(start, base.topic, &base.digest) : status;
}

enum status experiments_cancel(struct session *s, const struct id *id, struct why *why)
{
    json_t *answer = NULL;
    enum status status =
        ask(s, FL_EXPERIMENT_CANCEL, json_pack("{s:s}", "experiment_id", id->text), &answer, why);
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (error != NULL) {
        const char *reason = json_string_value(json_object_get(answer, "reason"));
        why_set(why, "the coordinator refused: %.150s (%.50s)", reason == NULL ? "" : reason,
                error);
        status = ST_INVALID;
    }
    json_decref(answer);
    return status;
}

/* ---- words ---- */

const char *experiment_state_word(const struct experiment_state *state)
{
    return state->phase == EXPERIMENT_RUNNING ? "running" : round_outcome_name(state->outcome);
}

const char *experiment_reason_text(const char *code)
{
    static const char *const texts[][2] = {
        {"all_rounds", "all rounds were played"},
        {"target_reached", "the target was reached"},
        {"no_improvement", "there was no improvement any more"},
        {"too_many_failures", "too many rounds in a row were not completed"},
        {"round_refused", "a round was refused; the coordinator's log says why"},
        {"cancelled_by_request", "by request"},
        {"coordinator_stopped", "the coordinator was stopped"},
        {"too_few_participants", "too few participants were alive"},
        {"no_evaluator", "no evaluator is alive"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i][0], code) == 0)
            return texts[i][1];
    return code;
}
