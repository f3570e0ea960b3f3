/* Deleting versions that nothing needs. What an open round needs only the
 * coordinator knows, so it is asked each time (fl/rounds/query), and without its
 * answer nothing is deleted. */
#include "model_server/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "io/clock.h"
#include "service/log.h"

#define ANSWER_WAIT_MS 5000u

/* Base models of open rounds, and those that open experiments go on from. */
struct bases {
    size_t count;
    struct model_ref refs[ROUNDS_KEPT_MAX + EXPERIMENTS_KEPT_MAX];
};

/* ---- asking ---- */

void prune_begin(struct server *s, const struct prune *p)
{
    if (s->prune.pending) {
        answer_refused(s, &p->asker, "busy", "the store is being pruned; try again");
        return;
    }
    s->prune = *p;
    s->prune.pending = true;
    s->prune.question = ++s->questions;
    s->prune.deadline_ms = 0;
    send_message(s, &(struct mqtt_message){
                        .topic = FL_ROUND_QUERY,
                        .payload = view_text("{\"what\":\"status\"}"),
                        .response_topic = SERVER_ANSWERS,
                        .correlation = view_of(&s->prune.question, sizeof s->prune.question)});
}

void prune_after(struct server *s, const struct version *newest)
{
    size_t live = 0;
    for (size_t i = 0; i < store_count(s->store); i++) {
        const struct version *v = store_at(s->store, i);
        live += id_equal(&v->ref.name, &newest->ref.name) && !version_is_deleted(v);
    }
    if (s->settings.keep == 0 || live <= s->settings.keep || s->prune.pending)
        return;
    struct prune p = {.keep = s->settings.keep, .model = newest->ref.name};
    clock_text(p.what.at);
    (void)strcpy(p.what.who, "fml-model-server");
    (void)strcpy(p.what.why, "older than the newest that --keep names");
    prune_begin(s, &p);
}

static void give_up(struct server *s, const char *reason)
{
    s->prune.pending = false;
    answer_refused(s, &s->prune.asker, "rounds_unknown", reason);
}

void prune_tick(struct server *s, uint64_t now_ms)
{
    if (!s->prune.pending)
        return;
    if (s->prune.deadline_ms == 0)
        s->prune.deadline_ms = now_ms + ANSWER_WAIT_MS;
    else if (now_ms >= s->prune.deadline_ms)
        give_up(s, "the coordinator does not say which rounds are open, so nothing is deleted");
}

/* ---- the answer ---- */

static enum status add_bases(const json_t *object, const char *key, enum jsn_need need,
                             size_t count_max, struct bases *ret, struct why *why)
{
    json_t *array = NULL;
    enum status status = jsn_array(object, key, need, count_max, &array, why);
    for (size_t i = 0; status == ST_OK && i < json_array_size(array); i++) {
        const char *uri = "";
        status = jsn_str(json_array_get(array, i), "model_uri", JSN_REQUIRED, FL_TOPIC_SIZE - 1,
                         &uri, why);
        if (status == ST_OK)
            status = fl_model_ref_parse(uri, &ret->refs[ret->count++]);
    }
    return status;
}

static enum status read_bases(struct view payload, struct bases *ret, struct why *why)
{
    json_t *object = NULL;
    enum status status = jsn_parse(payload, MESSAGE_SIZE_MAX, &object, why);
    if (status == ST_OK)
        status = add_bases(object, "open", JSN_REQUIRED, ROUNDS_KEPT_MAX, ret, why);
    if (status == ST_OK)
        status = add_bases(object, "experiments", JSN_OPTIONAL, EXPERIMENTS_KEPT_MAX, ret, why);
    json_decref(object);
    return status;
}

static bool is_base(const struct version *v, const struct bases *bases)
{
    for (size_t i = 0; i < bases->count; i++)
        if (bases->refs[i].version == v->ref.version &&
            id_equal(&bases->refs[i].name, &v->ref.name))
            return true;
    return false;
}

/* How many of its name, with their bytes, were stored after v. */
static uint64_t live_after(const struct server *s, size_t index)
{
    uint64_t count = 0;
    const struct version *v = store_at(s->store, index);
    for (size_t i = index + 1; i < store_count(s->store); i++) {
        const struct version *other = store_at(s->store, i);
        count += id_equal(&other->ref.name, &v->ref.name) && !version_is_deleted(other);
    }
    return count;
}

static bool may_go(const struct server *s, size_t index, const struct bases *bases)
{
    const struct prune *p = &s->prune;
    const struct version *v = store_at(s->store, index);
    bool asked_for = p->model.text[0] == '\0' || id_equal(&p->model, &v->ref.name);
    return asked_for && !version_is_deleted(v) && !store_is_pointed_at(s->store, v) &&
           !is_base(v, bases) && live_after(s, index) >= p->keep;
}

/* gives: an array of topics; NULL: no memory */
static json_t *topics_of(const struct server *s, const bool *chosen)
{
    json_t *array = json_array();
    for (size_t i = 0; i < store_count(s->store); i++) {
        char topic[FL_TOPIC_SIZE];
        fl_topic_model(&store_at(s->store, i)->ref, topic);
        if (chosen[i])
            (void)json_array_append_new(array, json_string(topic));
    }
    return array;
}

static void delete_chosen(struct server *s, const bool *chosen, const bool *was_on_topic)
{
    struct prune *p = &s->prune;
    json_t *topics = topics_of(s, chosen);
    size_t count = json_array_size(topics);
    enum status status = ST_OK;
    if (count > 0 && !p->dry_run)
        status = store_delete(s->store, chosen, &p->what);
    if (status != ST_OK) {
        json_decref(topics);
        answer_not_stored(s, &p->asker, status);
        return;
    }
    if (count > 0 && !p->dry_run) {
        for (size_t i = 0; i < store_count(s->store); i++)
            if (chosen[i]) {
                topic_follows(s, store_at(s->store, i), was_on_topic[i]);
                bytes_follow(s, store_at(s->store, i));
            }
        publish_index(s);
        log_line(LOG_INFO, "models.pruned", "versions=%zu who=%s why=%s", count,
                 log_quote(p->what.who), log_quote(p->what.why));
    }
    answer(s, &p->asker,
           json_pack("{s:b, s:b, s:o}", "ok", 1, "dry_run", p->dry_run, "deleted", topics));
}

static void prune_now(struct server *s, const struct bases *bases)
{
    size_t count = store_count(s->store);
    bool *chosen = calloc(count + 1, sizeof *chosen);
    bool *was_on_topic = calloc(count + 1, sizeof *was_on_topic);
    if (chosen == NULL || was_on_topic == NULL) {
        answer_not_stored(s, &s->prune.asker, ST_NOMEM);
    } else {
        for (size_t i = 0; i < count; i++) {
            chosen[i] = may_go(s, i, bases);
            was_on_topic[i] = is_on_topic(s, store_at(s->store, i));
        }
        delete_chosen(s, chosen, was_on_topic);
    }
    free(chosen);
    free(was_on_topic);
}

void prune_answered(struct server *s, const struct mqtt_message *m)
{
    struct view question = view_of(&s->prune.question, sizeof s->prune.question);
    if (!s->prune.pending || !view_equal(m->correlation, question))
        return; /* of another question, or too late */
    struct bases *bases = calloc(1, sizeof *bases);
    struct why why = {0};
    enum status status = bases == NULL ? ST_NOMEM : read_bases(m->payload, bases, &why);
    if (status == ST_OK) {
        s->prune.pending = false;
        prune_now(s, bases);
    } else {
        give_up(s, "what the coordinator says about open rounds cannot be read, so nothing is "
                   "deleted");
    }
    free(bases);
}
