#include "cli/play.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "cli/refusal.h"
#include "cli/roster.h"

#define WAIT_SLICE_MS 500u
/* What a round may need beside its own time: waiting for the base model and for
 * the new version to be stored, and a coordinator that is started again. */
#define PLAY_MARGIN_MS 60000u

struct play {
    struct session *session;
    struct id round_id;
    const struct play_watch *watch;
    bool ended;
    enum status status; /* of the end */
    struct complete complete;
    struct why why;
};

enum status play_check(const json_t *start, struct round_start *ret, struct why *why)
{
    char *text = jsn_text(start);
    if (text == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    struct id id = {0};
    enum status status = round_start_decode(view_text(text), ret, &id, why);
    free(text);
    return status;
}

static void on_complete(void *owner, const struct mqtt_message *m)
{
    struct play *p = owner;
    struct complete complete;
    struct why why = {0};
    if (p->ended)
        return;
    enum status status = complete_decode(m->payload, &complete, &why);
    if (status != ST_OK) {
        p->status = ST_MALFORMED;
        why_set(&p->why, "the round's end cannot be read: %.200s", why.text);
    } else if (!id_equal(&complete.round_id, &p->round_id)) {
        return;
    } else {
        p->complete = complete;
    }
    p->ended = true;
}

static void on_task(void *owner, const struct mqtt_message *m)
{
    struct play *p = owner;
    struct task_event e;
    /* An event that cannot be read is one line less to show. */
    if (p->watch->on_task == NULL || task_event_decode(m->payload, &e, NULL) != ST_OK)
        return;
    if (id_equal(&e.launch_id, &p->round_id))
        p->watch->on_task(p->watch->owner, &e);
}

static void on_receipt(void *owner, const struct mqtt_message *m)
{
    struct play *p = owner;
    struct receipt r;
    if (p->watch->on_receipt == NULL || receipt_decode(m->payload, &r, NULL) != ST_OK)
        return;
    if (id_equal(&r.round_id, &p->round_id))
        p->watch->on_receipt(p->watch->owner, &r);
}

/* A refusal that names our round. The other refusals that there can be concern a
 * start whose id cannot be read, which play_check() has seen. */
static void on_refused(void *owner, const struct mqtt_message *m)
{
    struct play *p = owner;
    struct refusal r;
    if (p->ended || !refusal_read(m->payload, "round_id", &p->round_id, &r))
        return;
    p->status = strcmp(r.code, "round_exists") == 0 ? ST_EXISTS : ST_INVALID;
    why_set(&p->why, "the coordinator refused %s: %s (%s)", p->round_id.text, r.reason, r.code);
    p->ended = true;
}

/* What a play listens to, so that both ends of it are one list. */
struct ear {
    char filter[TOPIC_SIZE_MAX];
    session_message_fn *fn;
};
#define EARS 4

static void make_ears(const struct play *p, struct ear ears[EARS])
{
    struct topic tasks;
    topic_make(session_space(p->session), &tasks, "control", "manager", "tasks", NULL);
    char complete[FL_TOPIC_SIZE];
    fl_topic_complete(&p->round_id, complete);

    memset(ears, 0, EARS * sizeof *ears);
    ears[0].fn = on_complete;
    (void)snprintf(ears[0].filter, sizeof ears[0].filter, "%s", complete);
    ears[1].fn = on_refused;
    (void)snprintf(ears[1].filter, sizeof ears[1].filter, "%s", FL_ROUND_REFUSED);
    ears[2].fn = on_task;
    (void)snprintf(ears[2].filter, sizeof ears[2].filter, "%s", tasks.text);
    ears[3].fn = on_receipt;
    (void)snprintf(ears[3].filter, sizeof ears[3].filter, "fl/rounds/%s/receipts/+",
                   p->round_id.text);
}

enum status play_start(struct session *s, const json_t *start, struct why *why)
{
    char *text = jsn_text(start);
    enum status status = text == NULL ? ST_NOMEM : session_publish_text(s, FL_ROUND_START, text);
    free(text);
    if (status != ST_OK)
        why_set(why, "cannot publish the start: %s", status_name(status));
    return status;
}

static enum status wait_for_end(struct play *p, uint64_t limit_ms, struct why *why)
{
    for (uint64_t waited_ms = 0; waited_ms < limit_ms; waited_ms += WAIT_SLICE_MS) {
        enum status status = session_wait(p->session, &p->ended, WAIT_SLICE_MS);
        if (status == ST_OK && p->status != ST_OK)
            why_set(why, "%s", p->why.text);
        if (status == ST_OK)
            return p->status;
        if (status == ST_CLOSED) {
            why_set(why, "%s", run_stopped(session_run(p->session)));
            return status;
        }
        if (p->watch->on_wait != NULL)
            p->watch->on_wait(p->watch->owner);
    }
    why_set(why, "round %s had no end within %llu s; is fml-coordinator running?", p->round_id.text,
            (unsigned long long)limit_ms / 1000);
    return ST_TIMEOUT;
}

static bool names_round(const json_t *rounds, const struct id *round_id)
{
    size_t i;
    json_t *round;
    json_array_foreach(rounds, i, round)
    {
        const char *text = json_string_value(json_object_get(round, "round_id"));
        if (text != NULL && strcmp(text, round_id->text) == 0)
            return true;
    }
    return false;
}

/* A start that nobody hears is lost, and the very same start again is ignored:
 * either way there would be no answer, so ask first. */
static enum status coordinator_is_ready(struct session *s, const struct id *round_id,
                                        struct why *why)
{
    json_t *answer = NULL;
    enum status status = session_ask(s, FL_ROUND_QUERY, "{\"what\":\"status\"}", "fml-coordinator",
                                     SESSION_ANSWER_MS, &answer, why);
    if (status == ST_OK && (names_round(json_object_get(answer, "open"), round_id) ||
                            names_round(json_object_get(answer, "ended"), round_id))) {
        why_set(why, "round %s exists already", round_id->text);
        status = ST_EXISTS;
    }
    json_decref(answer);
    return status;
}

enum status play_round(struct session *s, const json_t *start, const struct play_watch *watch,
                       struct complete *ret, struct why *why)
{
    assert(s != NULL && start != NULL && ret != NULL);
    static const struct play_watch nobody = {0};
    struct round_start facts;
    enum status status = play_check(start, &facts, why);
    if (status != ST_OK)
        return status;
    struct play p = {
        .session = s, .round_id = facts.round_id, .watch = watch == NULL ? &nobody : watch};
    uint64_t limit_ms = ((uint64_t)facts.timeout_s + facts.grace_s) * 1000 + PLAY_MARGIN_MS;
    status = roster_find_image(s, facts.image, why);
    round_start_done(&facts);
    if (status == ST_OK)
        status = coordinator_is_ready(s, &p.round_id, why);
    if (status != ST_OK)
        return status;
    struct ear ears[EARS];
    make_ears(&p, ears);
    size_t heard = 0;
    while (status == ST_OK && heard < EARS) {
        status = session_listen(s, ears[heard].filter, ears[heard].fn, &p);
        if (status == ST_OK)
            heard++;
        else
            why_set(why, "cannot listen to %.100s: %s", ears[heard].filter, status_name(status));
    }
    if (status == ST_OK)
        status = play_start(s, start, why);
    if (status == ST_OK)
        status = wait_for_end(&p, limit_ms, why);
    while (heard > 0) {
        heard--;
        session_ignore(s, ears[heard].filter, &p);
    }
    if (status == ST_OK)
        *ret = p.complete;
    return status;
}
