/* fl/rounds/{round}/state (PROTOCOL 2.4): where each round stands, retained, so that
 * whoever comes late knows of the open rounds and of the newest ended ones.
 *
 * A state is said in the transaction of the event that led to it. Of the ended rounds
 * ROUNDS_SHOWN_MAX are shown; each further end clears the topic of the oldest one. */
#include "coordinator/state.h"

#include <assert.h>
#include <stdlib.h>

#include "base/jsn.h"
#include "io/clock.h"

static_assert(ROUNDS_SHOWN_MAX < ROUNDS_KEPT_MAX &&
                  ROUNDS_SHOWN_MAX < ROUNDS_KEPT_PARTICIPANTS_MAX / ROUND_PARTICIPANTS_MAX,
              "what is shown is known, so that it can be cleared");

static int set_text(json_t *object, const char *key, const char *text)
{
    return json_object_set_new(object, key, json_string(text));
}

static int set_count(json_t *object, const char *key, uint64_t count)
{
    return json_object_set_new(object, key, json_integer((json_int_t)count));
}

/* For people: the time of day may be wrong, and no deadline reads it. */
static int set_deadline(json_t *object, const struct entry *e, const struct complete *facts)
{
    char text[CLOCK_TEXT_SIZE];
    uint64_t timeout_ms = (uint64_t)round_start_of(e->round)->timeout_s * 1000;
    clock_text_in(timeout_ms > facts->duration_ms ? timeout_ms - facts->duration_ms : 0, text);
    return set_text(object, "deadline", text);
}

static int set_end(json_t *object, const struct complete *complete)
{
    int failed = set_text(object, "status", round_outcome_name(complete->outcome));
    failed |= set_text(object, "reason", complete->reason);
    failed |= set_text(object, "completed_at", complete->completed_at);
    if (complete->has_version)
        failed |= set_text(object, "model_topic", complete->model_topic);
    return failed;
}

/* From malloc. NULL: no memory. */
static char *state_text(const struct entry *e, uint64_t now_ms)
{
    const struct round_start *start = round_start_of(e->round);
    enum round_state state = round_state(e->round);
    struct complete facts;
    round_facts(e->round, now_ms, &facts);
    json_t *object = json_object();
    int failed = set_text(object, "round_id", start->round_id.text);
    failed |= set_text(object, "state", round_state_name(state));
    failed |= set_text(object, "mode", round_mode_name(start->mode));
    failed |= set_text(object, "model_uri", start->model_uri);
    failed |= set_count(object, "k_of_n", start->k_of_n);
    failed |= set_count(object, "participants", round_start_count(start));
    if (state == ROUND_OPENING || state == ROUND_OPEN)
        failed |= set_deadline(object, e, &facts);
    else
        failed |= set_count(object, "counted", facts.num_updates);
    if (state == ROUND_ENDED)
        failed |= set_end(object, &e->complete);
    char *text = failed ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

void say_state(struct coordinator *c, const struct entry *e, uint64_t now_ms)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_round_state(&round_start_of(e->round)->round_id, topic);
    retain_text(c, topic, state_text(e, now_ms));
}

void say_ended_state(struct coordinator *c, const struct entry *e, uint64_t now_ms)
{
    char topic[FL_TOPIC_SIZE];
    say_state(c, e, now_ms);
    if (rounds_ended_count(c->rounds) <= ROUNDS_SHOWN_MAX)
        return;
    const struct entry *oldest = rounds_ended_at(c->rounds, ROUNDS_SHOWN_MAX);
    fl_topic_round_state(&round_start_of(oldest->round)->round_id, topic);
    retain_text(c, topic, calloc(1, 1));
}

void say_all_states(struct coordinator *c, uint64_t now_ms)
{
    size_t ended = rounds_ended_count(c->rounds);
    for (size_t i = ended < ROUNDS_SHOWN_MAX ? ended : ROUNDS_SHOWN_MAX; i > 0; i--)
        say_state(c, rounds_ended_at(c->rounds, i - 1), now_ms);
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++)
        say_state(c, rounds_open_at(c->rounds, i), now_ms);
}
