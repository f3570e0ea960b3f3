/* For the tests of this folder: an experiment, and its rounds as the owner tells them.
 * An action is written as its first letter: a(sk), b(egin a round), c(ancel), r(ow),
 * s(tate). */
#ifndef EXPERIMENT_SCENE_H
#define EXPERIMENT_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "experiment/experiment.h"

struct scene {
    struct experiment *x;
    struct experiment_actions actions; /* of the last event */
    uint64_t now_ms;
};

static inline struct experiment_start scene_start(const char *fields)
{
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "{\"experiment_id\":\"e\",\"model_uri\":\"fl/models/m_v0\","
                   "\"task_wasm_image\":\"i:1\"%s}",
                   fields);
    struct experiment_start start;
    struct id id;
    struct why why = {""};
    if (experiment_start_decode(view_text(text), &start, &id, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    return start;
}

static inline const char *scene_letters(const struct experiment_actions *actions)
{
    static char letters[EXPERIMENT_ACTIONS_MAX + 1];
    static const char names[] = {[EXPERIMENT_ASK_ROSTER] = 'a',
                                 [EXPERIMENT_START_ROUND] = 'b',
                                 [EXPERIMENT_CANCEL_ROUND] = 'c',
                                 [EXPERIMENT_SAY_ROW] = 'r',
                                 [EXPERIMENT_SAY_STATE] = 's'};
    for (size_t i = 0; i < actions->count; i++)
        letters[i] = names[actions->items[i].kind];
    letters[actions->count] = '\0';
    return letters;
}

static inline struct scene scene_begin(const char *fields)
{
    struct scene s = {.now_ms = 1000000};
    struct experiment_start start = scene_start(fields);
    assert_int_equal(experiment_new(&start, s.now_ms, &s.x, &s.actions), ST_OK);
    assert_null(start.hyperparams); /* taken */
    assert_string_equal(scene_letters(&s.actions), "sa");
    return s;
}

static inline void scene_end(struct scene *s)
{
    s->x = experiment_free(s->x);
}

/* As if the process had died here and begun anew. */
static inline void scene_crash(struct scene *s)
{
    char *text = experiment_memory_encode(experiment_memory(s->x));
    char *start_text = experiment_start_encode(experiment_start_of(s->x));
    assert_true(text != NULL && start_text != NULL);
    s->x = experiment_free(s->x);
    struct experiment_memory memory;
    struct experiment_start start;
    struct id id;
    struct why why = {""};
    if (experiment_memory_decode(view_text(text), &memory, &why) != ST_OK)
        fail_msg("%s: %s", text, why.text);
    assert_int_equal(experiment_start_decode(view_text(start_text), &start, &id, NULL), ST_OK);
    assert_int_equal(experiment_restore(&start, &memory, &s->x), ST_OK);
    assert_null(start.hyperparams); /* taken */
    char *again = experiment_memory_encode(experiment_memory(s->x));
    assert_string_equal(again, text);
    free(again);
    free(text);
    free(start_text);
    s->actions.count = 0;
}

/* names: ids with a space between each */
static inline void scene_roster(struct scene *s, const char *names)
{
    struct id ids[32];
    size_t count = 0;
    while (*names != '\0') {
        size_t size = strcspn(names, " ");
        assert_int_equal(id_of(view_of(names, size), &ids[count++]), ST_OK);
        names += size + (names[size] == ' ');
    }
    assert_int_equal(experiment_roster(s->x, ids, count, NULL, s->now_ms, &s->actions), ST_OK);
}

static inline void scene_tick(struct scene *s, uint64_t later_ms)
{
    s->now_ms += later_ms;
    experiment_tick(s->x, s->now_ms, &s->actions);
}

/* The end of a round, as the coordinator would tell it.
 * version: 0: none was made; metric: "accuracy", if it is not below 0 */
static inline struct complete scene_complete(const char *round, enum round_outcome outcome,
                                             uint64_t version, double metric)
{
    struct complete c = {.outcome = outcome, .reason = "k_of_n", .update_bytes = 100};
    assert_int_equal(id_from(round, &c.round_id), ST_OK);
    c.mode = strstr(round, "-e") != NULL ? ROUND_EVALUATE : ROUND_TRAIN;
    if (version > 0) {
        c.has_version = true;
        c.model_version = version;
        (void)snprintf(c.model_topic, sizeof c.model_topic, "fl/models/m_v%u", (unsigned)version);
        c.model_digest = digest_of(view_text(c.model_topic));
    }
    if (metric >= 0) {
        c.metrics.count = 1;
        c.metrics.items[0] = (struct metric){"accuracy", metric, 10};
    }
    return c;
}

static inline void scene_ended(struct scene *s, const char *round, enum round_outcome outcome,
                               uint64_t version, double metric)
{
    struct complete c = scene_complete(round, outcome, version, metric);
    experiment_round_ended(s->x, &c, s->now_ms, &s->actions);
}

static inline const struct experiment_state *scene_state(const struct scene *s)
{
    return &experiment_memory(s->x)->state;
}

#define expect(scene, letters) assert_string_equal(scene_letters(&(scene)->actions), letters)

#endif
