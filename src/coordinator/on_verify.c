/* fl/rounds/verify (PROTOCOL 2.10): the version of an ended round is made again, from the
 * updates that are kept, on the way that a restart takes: the same start, base and
 * updates are fed to a new round. Nothing is changed by it. */
#include "coordinator/state.h"

#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "protect/configuration.h"
#include "service/log.h"

struct remaking {
    struct coordinator *c;
    const struct entry *ended;
    bool found;
    struct digest digest; /* of the bytes that came out */
    uint64_t num_updates;
};

/* Counting is over for a round that no deadline or grace ends any more. */
static struct model *close_counting(struct entry *e)
{
    struct round_actions actions;
    if (e->model == NULL && e->lost == NULL) {
        round_tick(e->round, round_deadline_ms(e->round), &actions);
        for (size_t i = 0; i < actions.count; i++)
            if (actions.items[i].kind == ROUND_PUBLISH_MODEL)
                e->model = actions.items[i].model;
    }
    return e->model;
}

static enum status remake(struct remaking *m, struct entry *e, const struct store_round *r)
{
    struct bytes bytes = {0};
    enum status status = feed_round(m->c, e, r);
    if (status == ST_OK && close_counting(e) == NULL)
        status = ST_CORRUPT;
    if (status == ST_OK)
        status = encode_version(e, &r->version, &bytes);
    if (status != ST_OK)
        return status;
    m->digest = digest_of(bytes_view(&bytes));
    m->num_updates = round_counted(e->round);
    bytes_done(&bytes);
    return ST_OK;
}

static enum status visit(void *arg, const struct store_round *r)
{
    struct remaking *m = arg;
    struct round_start start;
    struct id id;
    struct round *round = NULL;
    struct entry *e = NULL;
    if (!id_equal(&r->round, &round_start_of(m->ended->round)->round_id) || !r->has_version)
        return ST_OK;
    m->found = true;
    enum status status = round_start_decode(r->start, &start, &id, NULL);
    if (status != ST_OK)
        return status;
    struct digest hyperparams;
    status = configuration_hyperparams(start.hyperparams, &hyperparams);
    if (status == ST_OK)
        status = round_new(&start, r->opened_ms, &round);
    round_start_done(&start);
    if (status == ST_OK)
        status = entry_new(round, &e);
    if (status != ST_OK) {
        round_free(round);
        return status;
    }
    e->hyperparams = hyperparams;
    status = remake(m, e, r);
    entry_free(e);
    return status;
}

static json_t *refusal(const char *code, const char *reason)
{
    return json_pack("{s:s, s:s}", "error", code, "reason", reason);
}

static json_t *told(const struct remaking *m, uint64_t took_ms)
{
    char made[DIGEST_TEXT_SIZE];
    const struct complete *complete = &m->ended->complete;
    bool same = digest_equal(&m->digest, &complete->model_digest);
    digest_text(&m->digest, made);
    log_line(same ? LOG_INFO : LOG_ERROR, same ? "version.same" : "version.differs",
             "round=%s made=%s took_ms=%llu", complete->round_id.text, made,
             (unsigned long long)took_ms);
    return json_pack("{s:b, s:s, s:s, s:s, s:I, s:I}", "ok", 1, "round_id", complete->round_id.text,
                     "model_topic", complete->model_topic, "digest", made, "num_updates",
                     (json_int_t)m->num_updates, "duration_ms", (json_int_t)took_ms);
}

static json_t *verify(struct coordinator *c, const struct id *round)
{
    struct remaking m = {.c = c, .ended = rounds_find(c->rounds, round)};
    if (m.ended == NULL)
        return refusal("unknown_round", "there is no such round, or it ended long ago");
    if (round_state(m.ended->round) != ROUND_ENDED)
        return refusal("round_open", "this round has not ended yet");
    if (!m.ended->complete.has_version)
        return refusal("no_version", "this round made no version");
    if (!has_kept_updates(c, m.ended))
        return refusal("not_kept", "its updates are not kept any more; fml-coordinator "
                                   "--keep-updates N keeps those of the newest N rounds");
    uint64_t began_ms = clock_now_ms();
    enum status status = store_each_round(c->store, visit, &m);
    if (status == ST_NOMEM)
        return refusal("out_of_memory", "there is no memory to make it again");
    if (status != ST_OK || !m.found)
        return refusal("state_corrupt", "what was kept of the round is missing or damaged");
    return told(&m, clock_now_ms() - began_ms);
}

static json_t *all_kept(struct coordinator *c)
{
    json_t *array = json_array();
    for (size_t i = rounds_ended_count(c->rounds); i > 0; i--) {
        const struct entry *e = rounds_ended_at(c->rounds, i - 1);
        if (has_kept_updates(c, e))
            (void)json_array_append_new(array, json_string(e->complete.round_id.text));
    }
    return json_pack("{s:o}", "kept", array);
}

static json_t *answer_to(struct coordinator *c, const json_t *request, uint64_t now_ms)
{
    (void)now_ms;
    struct id round = {""};
    struct why why = {0};
    enum status status = jsn_id(request, "round_id", JSN_OPTIONAL, &round, &why);
    if (status != ST_OK)
        return query_error(status, &why);
    return round.text[0] == '\0' ? all_kept(c) : verify(c, &round);
}

void on_verify(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms)
{
    answer_query(c, m, answer_to, now_ms);
}
