/* Checks experiment.c and memory.c: each transition, each way to end, and each stage
 * over a restart. */
#include "experiment/scene.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define THREE ",\"rounds\":3"
#define EVALUATED(every)                                                                           \
    ",\"evaluation\":{\"every\":" every ",\"participants\":[\"x\",\"y\"],\"timeout_s\":20}"

/* The training round n, from roster to version n. */
static void train(struct scene *s, unsigned n, double metric)
{
    char round[32];
    scene_roster(s, "a b c d e");
    expect(s, "b");
    (void)snprintf(round, sizeof round, "e-r%04u", n);
    assert_string_equal(s->actions.items[0].round_id.text, round);
    scene_ended(s, round, ROUND_COMPLETED, n, metric);
}

static void evaluate(struct scene *s, unsigned n, double metric)
{
    char round[32];
    scene_roster(s, "a x");
    expect(s, "b");
    (void)snprintf(round, sizeof round, "e-e%04u", n);
    assert_string_equal(s->actions.items[0].round_id.text, round);
    scene_ended(s, round, ROUND_COMPLETED, 0, metric);
}

static void ends_as(const struct scene *s, enum round_outcome outcome, const char *reason)
{
    assert_true(s->actions.count > 0);
    const struct experiment_action *last = &s->actions.items[s->actions.count - 1];
    assert_int_equal(last->kind, EXPERIMENT_SAY_STATE);
    assert_int_equal(last->state.phase, EXPERIMENT_DONE);
    assert_int_equal(last->state.outcome, outcome);
    assert_string_equal(last->state.reason, reason);
    assert_int_equal(experiment_memory(s->x)->stage, EXPERIMENT_ENDED);
    assert_true(experiment_deadline_ms(s->x) == UINT64_MAX);
}

/* ---- rounds ---- */

static void a_round_is_started_from_what_the_experiment_says(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE ",\"hyperparams\":{\"lr\":0.5},\"timeout_s\":40,"
                                       "\"grace_s\":2,\"k_of_n\":0.5");
    scene_roster(&s, "a b c");
    expect(&s, "b");
    const struct round_start *start = s.actions.items[0].start;
    assert_string_equal(start->round_id.text, "e-r0001");
    assert_string_equal(start->model_uri, "fl/models/m_v0");
    assert_string_equal(start->model.name.text, "m");
    assert_int_equal(start->model.version, 0);
    assert_string_equal(start->image, "i:1");
    assert_int_equal(start->participant_count, 3);
    assert_int_equal(start->k_of_n, 2); /* half of 3, rounded up */
    assert_int_equal(start->timeout_s, 40);
    assert_int_equal(start->grace_s, 2);
    assert_int_equal(start->mode, ROUND_TRAIN);
    assert_false(start->has_model_digest);
    char *hyperparams = jsn_text(start->hyperparams);
    assert_string_equal(hyperparams, "{\"lr\":0.5,\"round\":1}");
    free(hyperparams);
    /* What the request said is not touched. */
    assert_null(json_object_get(experiment_start_of(s.x)->hyperparams, "round"));

    /* It is a start that the other side takes. */
    char *text = round_start_encode(start);
    struct round_start again;
    struct id id;
    assert_int_equal(round_start_decode(view_text(text), &again, &id, NULL), ST_OK);
    round_start_done(&again);
    free(text);
    scene_end(&s);
}

static void each_round_goes_on_from_the_version_of_the_one_before(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    train(&s, 1, 0.5);
    expect(&s, "rsa");
    const struct experiment_row *row = &s.actions.items[0].row;
    assert_int_equal(row->round, 1);
    assert_true(row->has_train && !row->has_evaluate);
    assert_string_equal(row->train.round_id.text, "e-r0001");
    assert_string_equal(row->model_topic, "fl/models/m_v1");
    assert_string_equal(row->reason, "");
    const struct experiment_state *said = &s.actions.items[1].state;
    assert_int_equal(said->phase, EXPERIMENT_RUNNING);
    assert_int_equal(said->round, 2);
    assert_int_equal(said->rounds, 3);
    assert_int_equal(said->completed, 1);
    assert_string_equal(said->model_topic, "fl/models/m_v1");
    assert_true(metrics_find(&said->metrics, "accuracy")->value == 0.5);
    assert_int_equal(said->update_bytes, 100);

    scene_roster(&s, "b c");
    const struct round_start *start = s.actions.items[0].start;
    assert_string_equal(start->round_id.text, "e-r0002");
    assert_string_equal(start->model_uri, "fl/models/m_v1");
    assert_int_equal(start->model.version, 1);
    assert_true(start->has_model_digest);
    struct digest digest = digest_of(view_text("fl/models/m_v1"));
    assert_true(digest_equal(&start->model_digest, &digest));
    assert_int_equal(json_integer_value(json_object_get(start->hyperparams, "round")), 2);
    scene_end(&s);
}

static void all_rounds_end_it(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    train(&s, 1, 0.1);
    train(&s, 2, 0.2);
    s.now_ms += 5000;
    train(&s, 3, 0.3);
    expect(&s, "rs");
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    const struct experiment_state *said = &s.actions.items[1].state;
    assert_int_equal(said->round, 3);
    assert_int_equal(said->completed, 3);
    assert_string_equal(said->model_topic, "fl/models/m_v3");
    assert_int_equal(said->update_bytes, 300);
    assert_int_equal(said->duration_ms, 5000);
    assert_false(said->has_best); /* no stop rule, no best */

    s.now_ms += 1000; /* the time stands still now */
    struct experiment_state after;
    experiment_state_now(s.x, s.now_ms, &after);
    assert_int_equal(after.duration_ms, 5000);
    scene_end(&s);
}

static void more_are_asked_than_are_needed(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE ",\"selection\":{\"count\":4},\"k_of_n\":3");
    scene_roster(&s, "a b c d e f g");
    assert_int_equal(s.actions.items[0].start->participant_count, 4);
    assert_int_equal(s.actions.items[0].start->k_of_n, 3);
    scene_end(&s);

    s = scene_begin(THREE ",\"selection\":{\"count\":4},\"k_of_n\":3");
    scene_roster(&s, "a b"); /* no more than there are */
    assert_int_equal(s.actions.items[0].start->participant_count, 2);
    assert_int_equal(s.actions.items[0].start->k_of_n, 2);
    scene_end(&s);
}

/* ---- waiting ---- */

static void too_few_are_waited_for_and_then_the_round_has_failed(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE ",\"selection\":{\"min\":3},\"wait_s\":10");
    scene_roster(&s, "a b");
    expect(&s, "");
    assert_true(experiment_deadline_ms(s.x) == s.now_ms + EXPERIMENT_ROSTER_AGAIN_MS);
    scene_tick(&s, EXPERIMENT_ROSTER_AGAIN_MS - 1);
    expect(&s, "");
    scene_tick(&s, 1);
    expect(&s, "a");
    scene_tick(&s, EXPERIMENT_ROSTER_WAIT_MS); /* no answer came */
    expect(&s, "a");
    assert_true(experiment_deadline_ms(s.x) == 1000000 + 10000);
    scene_tick(&s, 10000 - EXPERIMENT_ROSTER_AGAIN_MS - EXPERIMENT_ROSTER_WAIT_MS);
    expect(&s, "rsa");
    const struct experiment_row *row = &s.actions.items[0].row;
    assert_int_equal(row->round, 1);
    assert_false(row->has_train || row->has_evaluate);
    assert_string_equal(row->reason, EXPERIMENT_ROW_TOO_FEW);
    assert_string_equal(row->model_topic, "fl/models/m_v0");
    assert_int_equal(s.actions.items[1].state.round, 2);
    assert_int_equal(s.actions.items[1].state.completed, 0);

    scene_roster(&s, "a b c"); /* the next one begins at once, with a new name */
    expect(&s, "b");
    assert_string_equal(s.actions.items[0].round_id.text, "e-r0002");
    scene_end(&s);
}

static void an_answer_after_the_wait_ends_it_too(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE ",\"wait_s\":1");
    s.now_ms += 999;
    scene_roster(&s, "");
    expect(&s, "");
    s.now_ms += 1;
    scene_roster(&s, "");
    expect(&s, "rsa");
    /* With a wait shorter than that for an answer, the answer is awaited all the same. */
    scene_tick(&s, EXPERIMENT_ROSTER_WAIT_MS - 1);
    expect(&s, "");
    scene_roster(&s, "a");
    expect(&s, "b");
    scene_end(&s);
}

static void failures_in_a_row_end_it(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":9,\"max_failures\":2,\"wait_s\":5");
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0001", ROUND_EXPIRED, 0, 0.5);
    expect(&s, "rsa");
    assert_int_equal(s.actions.items[1].state.metrics.count, 0); /* not measured */
    assert_int_equal(s.actions.items[1].state.update_bytes, 100);
    train(&s, 2, -1); /* not in a row */
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0003", ROUND_FAILED, 0, -1);
    expect(&s, "rsa");
    scene_tick(&s, 5000);
    expect(&s, "rs");
    ends_as(&s, ROUND_FAILED, EXPERIMENT_REASON_FAILURES);
    assert_int_equal(scene_state(&s)->round, 4);
    assert_int_equal(scene_state(&s)->completed, 1);
    assert_string_equal(scene_state(&s)->model_topic, "fl/models/m_v2");
    scene_end(&s);
}

static void without_one_version_it_has_failed(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":2,\"max_failures\":9");
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0001", ROUND_EXPIRED, 0, -1);
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0002", ROUND_CANCELLED, 0, -1);
    ends_as(&s, ROUND_FAILED, EXPERIMENT_REASON_FAILURES);
    scene_end(&s);
}

static void a_last_round_that_failed_is_no_failure_of_all(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":2");
    train(&s, 1, -1);
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0002", ROUND_EXPIRED, 0, -1);
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_int_equal(scene_state(&s)->completed, 1);
    scene_end(&s);
}

static void a_version_that_is_none_is_not_taken(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    scene_roster(&s, "a");
    struct complete c = scene_complete("e-r0001", ROUND_COMPLETED, 1, -1);
    (void)snprintf(c.model_topic, sizeof c.model_topic, "elsewhere");
    experiment_round_ended(s.x, &c, s.now_ms, &s.actions);
    expect(&s, "rsa");
    assert_int_equal(scene_state(&s)->completed, 0);
    assert_string_equal(scene_state(&s)->model_topic, "fl/models/m_v0");
    assert_int_equal(experiment_memory(s.x)->failures, 1);
    scene_end(&s);
}

/* ---- evaluation ---- */

static void it_is_evaluated_every_m_versions_and_after_the_last(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":5" EVALUATED("2"));
    train(&s, 1, 0.9);
    expect(&s, "rsa"); /* not yet */
    train(&s, 2, 0.9);
    expect(&s, "sa");
    assert_int_equal(scene_state(&s)->completed, 2);
    assert_int_equal(scene_state(&s)->metrics.count, 0); /* those of training do not count */

    scene_roster(&s, "a b y x");
    expect(&s, "b");
    const struct round_start *start = s.actions.items[0].start;
    assert_string_equal(start->round_id.text, "e-e0002");
    assert_string_equal(start->model_uri, "fl/models/m_v2");
    assert_int_equal(start->mode, ROUND_EVALUATE);
    assert_int_equal(start->participant_count, 2);
    assert_string_equal(start->participants[0].text, "x");
    assert_int_equal(start->k_of_n, 1);
    assert_int_equal(start->timeout_s, 20);
    assert_int_equal(start->grace_s, 20);
    scene_ended(&s, "e-e0002", ROUND_COMPLETED, 0, 0.25);
    expect(&s, "rsa");
    assert_true(s.actions.items[0].row.has_train && s.actions.items[0].row.has_evaluate);
    assert_string_equal(s.actions.items[0].row.model_topic, "fl/models/m_v2");
    assert_true(metrics_find(&scene_state(&s)->metrics, "accuracy")->value == 0.25);

    train(&s, 3, 0.9);
    expect(&s, "rsa");
    train(&s, 4, 0.9);
    evaluate(&s, 4, 0.5);
    expect(&s, "rsa");
    train(&s, 5, 0.9); /* the last, although 5 is odd */
    expect(&s, "sa");
    evaluate(&s, 5, 0.75);
    expect(&s, "rs");
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_true(metrics_find(&scene_state(&s)->metrics, "accuracy")->value == 0.75);
    scene_end(&s);
}

static void a_last_round_that_failed_leaves_the_newest_model_to_evaluate(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":2,\"wait_s\":5" EVALUATED("2"));
    train(&s, 1, -1);
    expect(&s, "rsa");
    scene_tick(&s, 5000); /* nobody is there to train */
    expect(&s, "sa");
    evaluate(&s, 2, 0.5);
    expect(&s, "rs");
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    const struct experiment_row *row = &s.actions.items[0].row;
    assert_false(row->has_train);
    assert_true(row->has_evaluate);
    assert_string_equal(row->reason, EXPERIMENT_ROW_TOO_FEW);
    assert_string_equal(row->model_topic, "fl/models/m_v1");
    scene_end(&s);

    s = scene_begin(",\"rounds\":2" EVALUATED("1")); /* here it was measured before */
    train(&s, 1, -1);
    evaluate(&s, 1, 0.5);
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0002", ROUND_EXPIRED, 0, -1);
    expect(&s, "rs");
    scene_end(&s);
}

static void without_an_evaluator_it_goes_on(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":2,\"wait_s\":5" EVALUATED("1"));
    train(&s, 1, -1);
    scene_roster(&s, "a b c");
    expect(&s, "");
    scene_tick(&s, 5000);
    expect(&s, "rsa");
    assert_true(s.actions.items[0].row.has_train);
    assert_false(s.actions.items[0].row.has_evaluate);
    assert_string_equal(s.actions.items[0].row.reason, EXPERIMENT_ROW_NO_EVALUATOR);
    assert_int_equal(experiment_memory(s.x)->failures, 0);
    scene_end(&s);
}

static void an_evaluation_that_expired_measured_nothing(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE EVALUATED("1") ",\"stop\":{\"metric\":\"accuracy\","
                                                      "\"goal\":\"max\",\"target\":0.5}");
    train(&s, 1, 0.9);
    scene_roster(&s, "x");
    scene_ended(&s, "e-e0001", ROUND_EXPIRED, 0, 0.9);
    expect(&s, "rsa");
    assert_true(s.actions.items[0].row.has_evaluate);
    assert_int_equal(scene_state(&s)->metrics.count, 0);
    assert_false(scene_state(&s)->has_best);
    scene_end(&s);
}

static void a_long_evaluation_waits_an_hour_after_the_first_answer(void **state)
{
    (void)state;
    struct scene s = scene_begin(
        THREE ",\"evaluation\":{\"every\":1,\"participants\":[\"x\"],\"timeout_s\":86400}");
    train(&s, 1, -1);
    scene_roster(&s, "x");
    assert_int_equal(s.actions.items[0].start->timeout_s, 86400);
    assert_int_equal(s.actions.items[0].start->grace_s, 3600);
    scene_end(&s);
}

/* ---- stop rules ---- */

#define STOP(more) ",\"rounds\":9,\"stop\":{\"metric\":\"accuracy\",\"goal\":\"max\"" more "}"

static void the_target_ends_it(void **state)
{
    (void)state;
    struct scene s = scene_begin(STOP(",\"target\":0.5"));
    train(&s, 1, 0.49);
    expect(&s, "rsa");
    assert_true(scene_state(&s)->has_best && scene_state(&s)->best == 0.49);
    train(&s, 2, 0.5);
    expect(&s, "rs");
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_TARGET);
    assert_true(scene_state(&s)->best == 0.5);
    assert_int_equal(scene_state(&s)->best_round, 2);
    assert_string_equal(scene_state(&s)->best_model_topic, "fl/models/m_v2");
    scene_end(&s);
}

static void patience_ends_it_and_the_best_is_known(void **state)
{
    (void)state;
    struct scene s = scene_begin(STOP(",\"patience\":2"));
    train(&s, 1, 0.3);
    train(&s, 2, 0.5);
    train(&s, 3, 0.4);
    expect(&s, "rsa");
    scene_roster(&s, "a");
    scene_ended(&s, "e-r0004", ROUND_EXPIRED, 0, 0.1); /* no measurement */
    expect(&s, "rsa");
    train(&s, 5, -1); /* nor is this one: the metric is not among them */
    expect(&s, "rsa");
    train(&s, 6, 0.5);
    expect(&s, "rs");
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_PATIENCE);
    assert_true(scene_state(&s)->best == 0.5);
    assert_int_equal(scene_state(&s)->best_round, 2);
    assert_string_equal(scene_state(&s)->best_model_topic, "fl/models/m_v2");
    assert_string_equal(scene_state(&s)->model_topic, "fl/models/m_v6");
    scene_end(&s);
}

static void with_an_evaluation_only_that_is_looked_at(void **state)
{
    (void)state;
    struct scene s = scene_begin(STOP(",\"target\":0.5,\"patience\":1") EVALUATED("2"));
    train(&s, 1, 0.9);
    expect(&s, "rsa");
    train(&s, 2, 0.9);
    evaluate(&s, 2, 0.25);
    expect(&s, "rsa");
    train(&s, 3, 0.9); /* no measurement, so no patience is lost */
    expect(&s, "rsa");
    train(&s, 4, 0.1);
    evaluate(&s, 4, 0.5);
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_TARGET);
    scene_end(&s);
}

static void the_best_is_known_without_a_target(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":2,\"stop\":{\"metric\":\"accuracy\","
                                 "\"goal\":\"min\"}");
    train(&s, 1, 0.25);
    train(&s, 2, 0.5);
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    assert_true(scene_state(&s)->best == 0.25);
    assert_int_equal(scene_state(&s)->best_round, 1);
    scene_end(&s);
}

static void a_target_in_the_last_round_is_a_target(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":1,\"stop\":{\"metric\":\"accuracy\","
                                 "\"goal\":\"max\",\"target\":0.5,\"patience\":1}");
    train(&s, 1, 0.5);
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_TARGET);
    scene_end(&s);
    s = scene_begin(",\"rounds\":2,\"stop\":{\"metric\":\"accuracy\","
                    "\"goal\":\"max\",\"patience\":1}");
    train(&s, 1, 0.5);
    train(&s, 2, 0.4); /* nothing was stopped before its time */
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    scene_end(&s);
}

/* ---- what is not its own ---- */

/* Carries out an event that must change nothing. */
#define changes_nothing(scene, event)                                                              \
    do {                                                                                           \
        char *before_ = experiment_memory_encode(experiment_memory((scene)->x));                   \
        uint64_t deadline_ = experiment_deadline_ms((scene)->x);                                   \
        event;                                                                                     \
        char *after_ = experiment_memory_encode(experiment_memory((scene)->x));                    \
        expect(scene, "");                                                                         \
        assert_string_equal(after_, before_);                                                      \
        assert_true(experiment_deadline_ms((scene)->x) == deadline_);                              \
        free(before_);                                                                             \
        free(after_);                                                                              \
    } while (0)

static void a_round_counts_once_however_often_it_is_told(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":2" EVALUATED("2"));
    train(&s, 1, 0.5);
    changes_nothing(&s, scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, 0.5));
    scene_roster(&s, "a");
    changes_nothing(&s, scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, 0.5));
    scene_ended(&s, "e-r0002", ROUND_COMPLETED, 2, 0.5);
    changes_nothing(&s, scene_ended(&s, "e-r0002", ROUND_COMPLETED, 2, 0.5));
    scene_roster(&s, "x");
    changes_nothing(&s, scene_ended(&s, "e-r0002", ROUND_COMPLETED, 2, 0.5));
    scene_ended(&s, "e-e0002", ROUND_COMPLETED, 0, 0.5);
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    changes_nothing(&s, scene_ended(&s, "e-e0002", ROUND_COMPLETED, 0, 0.5));
    assert_int_equal(scene_state(&s)->completed, 2);
    assert_int_equal(scene_state(&s)->update_bytes, 300);
    scene_end(&s);
}

static void rounds_of_others_are_not_its_own(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    changes_nothing(&s, scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, 0.5)); /* not begun */
    scene_roster(&s, "a");
    static const char *const others[] = {"r-0001",   "f-r0001",  "e-r0002", "e-e0001",
                                         "e-r00010", "e2-r0001", "e-r001"};
    for (size_t i = 0; i < COUNT(others); i++)
        changes_nothing(&s, scene_ended(&s, others[i], ROUND_COMPLETED, 7, 0.5));
    scene_end(&s);
}

static void a_roster_is_heard_only_when_it_is_needed(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":1");
    scene_roster(&s, "a");
    changes_nothing(&s, scene_roster(&s, "a b"));
    changes_nothing(&s, scene_tick(&s, 1000000000));
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, 0.5);
    changes_nothing(&s, scene_roster(&s, "a"));
    changes_nothing(&s, scene_tick(&s, 1000000000));
    scene_end(&s);
}

/* ---- refused rounds ---- */

static void a_round_that_is_refused_for_now_is_tried_again(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":1,\"wait_s\":1" EVALUATED("1"));
    s.now_ms += 900;
    scene_roster(&s, "a");
    experiment_round_refused(s.x, true, s.now_ms, &s.actions);
    expect(&s, "");
    assert_int_equal(experiment_memory(s.x)->stage, EXPERIMENT_CHOOSING_TRAIN);
    assert_true(experiment_deadline_ms(s.x) == s.now_ms + EXPERIMENT_ROSTER_AGAIN_MS);
    struct id round;
    assert_false(experiment_round_now(s.x, &round));
    scene_tick(&s, EXPERIMENT_ROSTER_AGAIN_MS);
    expect(&s, "a"); /* that the others are many is not for lack of participants */
    scene_roster(&s, "a");
    expect(&s, "b");
    assert_string_equal(s.actions.items[0].round_id.text, "e-r0001");
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, -1);
    scene_roster(&s, "x");
    experiment_round_refused(s.x, true, s.now_ms, &s.actions);
    assert_int_equal(experiment_memory(s.x)->stage, EXPERIMENT_CHOOSING_EVALUATE);
    scene_tick(&s, EXPERIMENT_ROSTER_AGAIN_MS);
    evaluate(&s, 1, 0.5);
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_ROUNDS);
    scene_end(&s);
}

static void a_round_that_is_refused_ends_it(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE EVALUATED("1"));
    scene_roster(&s, "a");
    experiment_round_refused(s.x, false, s.now_ms, &s.actions);
    expect(&s, "rs");
    ends_as(&s, ROUND_FAILED, EXPERIMENT_REASON_REFUSED);
    assert_string_equal(s.actions.items[0].row.reason, EXPERIMENT_REASON_REFUSED);
    assert_false(s.actions.items[0].row.has_train);
    changes_nothing(&s, experiment_round_refused(s.x, true, s.now_ms, &s.actions));
    scene_end(&s);

    s = scene_begin(THREE EVALUATED("1"));
    changes_nothing(&s, experiment_round_refused(s.x, false, s.now_ms, &s.actions));
    train(&s, 1, -1);
    scene_roster(&s, "x");
    experiment_round_refused(s.x, false, s.now_ms, &s.actions);
    ends_as(&s, ROUND_FAILED, EXPERIMENT_REASON_REFUSED);
    assert_true(s.actions.items[0].row.has_train);
    assert_string_equal(scene_state(&s)->model_topic, "fl/models/m_v1");
    scene_end(&s);
}

/* ---- cancelling ---- */

static void while_choosing_it_is_cancelled_at_once(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE EVALUATED("1"));
    experiment_cancel(s.x, EXPERIMENT_REASON_REQUEST, s.now_ms, &s.actions);
    expect(&s, "s"); /* no row of a round that was none */
    ends_as(&s, ROUND_CANCELLED, EXPERIMENT_REASON_REQUEST);
    assert_int_equal(scene_state(&s)->round, 0);
    scene_end(&s);

    s = scene_begin(THREE EVALUATED("1"));
    train(&s, 1, 0.5);
    experiment_cancel(s.x, EXPERIMENT_REASON_REQUEST, s.now_ms, &s.actions);
    expect(&s, "rs");
    ends_as(&s, ROUND_CANCELLED, EXPERIMENT_REASON_REQUEST);
    assert_true(s.actions.items[0].row.has_train);
    assert_int_equal(scene_state(&s)->round, 1);
    scene_end(&s);
}

static void a_round_that_runs_is_cancelled_first(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    scene_roster(&s, "a");
    experiment_cancel(s.x, "stopped", s.now_ms, &s.actions);
    expect(&s, "c");
    assert_string_equal(s.actions.items[0].round_id.text, "e-r0001");
    changes_nothing(&s, experiment_cancel(s.x, "again", s.now_ms, &s.actions));
    struct experiment_state now;
    experiment_state_now(s.x, s.now_ms, &now);
    assert_int_equal(now.phase, EXPERIMENT_RUNNING);
    scene_ended(&s, "e-r0001", ROUND_CANCELLED, 0, -1);
    expect(&s, "rs");
    ends_as(&s, ROUND_CANCELLED, "stopped");
    changes_nothing(&s, experiment_cancel(s.x, "again", s.now_ms, &s.actions));
    scene_end(&s);
}

static void what_a_round_made_before_it_was_cancelled_is_kept(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":1" EVALUATED("1"));
    scene_roster(&s, "a");
    experiment_cancel(s.x, "stopped", s.now_ms, &s.actions);
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, -1); /* it was faster */
    expect(&s, "rs");                                   /* and is not evaluated any more */
    ends_as(&s, ROUND_CANCELLED, "stopped");
    assert_int_equal(scene_state(&s)->completed, 1);
    assert_string_equal(scene_state(&s)->model_topic, "fl/models/m_v1");
    scene_end(&s);

    s = scene_begin(",\"rounds\":1" EVALUATED("1"));
    train(&s, 1, -1);
    scene_roster(&s, "x");
    experiment_cancel(s.x, "stopped", s.now_ms, &s.actions);
    expect(&s, "c");
    assert_string_equal(s.actions.items[0].round_id.text, "e-e0001");
    scene_ended(&s, "e-e0001", ROUND_CANCELLED, 0, -1);
    ends_as(&s, ROUND_CANCELLED, "stopped");
    scene_end(&s);
}

static void a_round_that_is_refused_while_it_is_cancelled_is_none(void **state)
{
    (void)state;
    for (int for_now = 0; for_now <= 1; for_now++) {
        struct scene s = scene_begin(THREE);
        scene_roster(&s, "a");
        experiment_cancel(s.x, "stopped", s.now_ms, &s.actions);
        experiment_round_refused(s.x, for_now, s.now_ms, &s.actions);
        expect(&s, "rs");
        ends_as(&s, ROUND_CANCELLED, "stopped");
        assert_string_equal(s.actions.items[0].row.reason, EXPERIMENT_REASON_REFUSED);
        scene_end(&s);
    }
}

/* ---- restarts ---- */

static void after_a_restart_it_asks_at_once(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE ",\"wait_s\":10");
    scene_roster(&s, "");
    scene_crash(&s);
    assert_true(experiment_deadline_ms(s.x) <= s.now_ms);
    scene_tick(&s, 0);
    expect(&s, "a");
    scene_tick(&s, 10000); /* the wait goes on, it does not begin anew */
    expect(&s, "rsa");
    scene_end(&s);
}

static void a_wait_that_passed_meanwhile_still_hears_one_answer(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE ",\"wait_s\":10");
    scene_crash(&s);
    scene_tick(&s, 3600 * 1000);
    expect(&s, "a");
    scene_tick(&s, EXPERIMENT_ROSTER_WAIT_MS - 1);
    expect(&s, "");
    scene_roster(&s, "a");
    expect(&s, "b");
    scene_end(&s);

    s = scene_begin(THREE ",\"wait_s\":10");
    scene_crash(&s);
    scene_tick(&s, 3600 * 1000);
    scene_tick(&s, EXPERIMENT_ROSTER_WAIT_MS);
    expect(&s, "rsa");
    scene_end(&s);
}

static void a_round_that_ended_meanwhile_is_told_after_the_restart(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    scene_roster(&s, "a");
    scene_crash(&s);
    assert_true(experiment_deadline_ms(s.x) == UINT64_MAX);
    struct id round;
    assert_true(experiment_round_now(s.x, &round));
    assert_string_equal(round.text, "e-r0001");
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, 0.5);
    expect(&s, "rsa");
    scene_crash(&s);
    changes_nothing(&s, scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, 0.5));
    scene_end(&s);
}

static void a_cancellation_is_said_again_after_a_restart(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    scene_roster(&s, "a");
    experiment_cancel(s.x, "stopped", s.now_ms, &s.actions);
    scene_crash(&s);
    assert_true(experiment_deadline_ms(s.x) == 0);
    scene_tick(&s, 0);
    expect(&s, "c");
    assert_string_equal(s.actions.items[0].round_id.text, "e-r0001");
    assert_true(experiment_deadline_ms(s.x) == UINT64_MAX);
    scene_tick(&s, 1000);
    expect(&s, "");
    scene_ended(&s, "e-r0001", ROUND_CANCELLED, 0, -1);
    ends_as(&s, ROUND_CANCELLED, "stopped");
    scene_crash(&s);
    changes_nothing(&s, scene_tick(&s, 1000));
    changes_nothing(&s, experiment_cancel(s.x, "again", s.now_ms, &s.actions));
    scene_end(&s);
}

static void a_clock_that_begins_anew_gives_no_negative_duration(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    struct experiment_state now;
    experiment_state_now(s.x, 10, &now);
    assert_int_equal(now.duration_ms, 0);
    scene_end(&s);
}

static void what_counts_is_remembered_to_the_last_bit(void **state)
{
    (void)state;
    struct scene s = scene_begin(STOP(",\"patience\":2"));
    train(&s, 1, 0.12345678901234567);
    train(&s, 2, 0.12345678901234566);
    scene_crash(&s);
    assert_true(scene_state(&s)->best == 0.12345678901234567);
    assert_int_equal(experiment_memory(s.x)->since_best, 1);
    train(&s, 3, 0.12345678901); /* with 9 digits it would have been an improvement */
    ends_as(&s, ROUND_COMPLETED, EXPERIMENT_REASON_PATIENCE);
    scene_end(&s);
}

/* ---- memory of others ---- */

static struct experiment_memory memory_of(const struct scene *s)
{
    return *experiment_memory(s->x);
}

static void memory_that_it_cannot_have_is_refused(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    scene_roster(&s, "a");
    struct experiment_memory good = memory_of(&s), bad[17];
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = good;
    size_t n = 0;
    (void)snprintf(bad[n++].state.experiment_id.text, ID_SIZE_MAX, "f");
    (void)snprintf(bad[n++].row.experiment_id.text, ID_SIZE_MAX, "f");
    bad[n++].state.rounds = 4;
    bad[n++].row.round = 0;
    bad[n].row.round = 4;
    bad[n++].state.round = 4;
    bad[n++].state.round = 2;
    bad[n++].state.completed = 2;
    bad[n++].failures = 2;
    bad[n++].since_best = 2;
    bad[n++].trained = 1; /* it trains still */
    bad[n].stage = EXPERIMENT_CHOOSING_TRAIN;
    bad[n++].trained = 1;
    bad[n++].state.phase = EXPERIMENT_DONE;
    bad[n++].stage = EXPERIMENT_ENDED;
    bad[n++].stage = EXPERIMENT_EVALUATING; /* without an evaluation */
    bad[n].stage = EXPERIMENT_CHOOSING_TRAIN;
    (void)snprintf(bad[n++].cancelling, 16, "stopped");
    bad[n++].state.has_best = true; /* without a stop rule */
    (void)snprintf(bad[n++].state.model_topic, FL_TOPIC_SIZE, "elsewhere");
    assert_int_equal(n, COUNT(bad));
    for (size_t i = 0; i < n; i++) {
        struct experiment_start start = scene_start(THREE);
        struct experiment *x = NULL;
        if (experiment_restore(&start, &bad[i], &x) != ST_INVALID)
            fail_msg("bad[%zu] was taken", i);
        assert_null(x);
        assert_non_null(start.hyperparams); /* not taken */
        experiment_start_done(&start);
    }
    scene_end(&s);
}

static void memory_text_that_is_none_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct scene s = scene_begin(THREE);
    char *text = experiment_memory_encode(experiment_memory(s.x));
    static const struct {
        const char *key, *value, *sentence;
    } cases[] = {
        {"stage", NULL, "stage is missing"},
        {"stage", "\"resting\"", "stage is none that there is"},
        {"cancelling", "7", "cancelling is not a text"},
        {"started_ms", "-1", "started_ms is not a whole number"},
        {"stage_ms", NULL, "stage_ms is missing"},
        {"failures", "4294967296", "failures is not a whole number"},
        {"since_best", "0.5", "since_best is not a whole number"},
        {"trained", "-1", "trained is not a whole number"},
        {"row", NULL, "row is missing"},
        {"row", "{}", "experiment_id is missing"},
        {"state", "[]", "state is not an object"},
        {"state", "{\"experiment_id\":\"e\"}", "state is missing"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *object = NULL;
        assert_int_equal(jsn_parse(view_text(text), CONTROL_SIZE_MAX, &object, NULL), ST_OK);
        (void)json_object_del(object, cases[i].key);
        if (cases[i].value != NULL)
            assert_int_equal(json_object_set_new(object, cases[i].key,
                                                 json_loads(cases[i].value, JSON_DECODE_ANY, NULL)),
                             0);
        char *changed = jsn_text_and_release(object);
        struct experiment_memory memory = {.failures = 77};
        struct why why = {""};
        if (experiment_memory_decode(view_text(changed), &memory, &why) != ST_INVALID ||
            strstr(why.text, cases[i].sentence) == NULL)
            fail_msg("%s: %s", changed, why.text);
        assert_int_equal(memory.failures, 77); /* untouched */
        free(changed);
    }
    struct experiment_memory memory;
    assert_int_equal(experiment_memory_decode(view_text(""), &memory, NULL), ST_MALFORMED);
    free(text);
    scene_end(&s);
}

static uint32_t trained_of_an_older_memory(const struct scene *s)
{
    struct experiment_memory memory;
    json_t *object = NULL;
    char *text = experiment_memory_encode(experiment_memory(s->x));
    assert_int_equal(jsn_parse(view_text(text), CONTROL_SIZE_MAX, &object, NULL), ST_OK);
    free(text);
    assert_int_equal(json_object_del(object, "trained"), 0);
    text = jsn_text_and_release(object);
    assert_int_equal(experiment_memory_decode(view_text(text), &memory, NULL), ST_OK);
    free(text);
    return memory.trained;
}

static void the_last_round_that_was_opened_is_remembered(void **state)
{
    (void)state;
    struct scene s = scene_begin(",\"rounds\":9,\"wait_s\":1,\"max_failures\":9");
    assert_int_equal(memory_of(&s).trained, 0);
    assert_int_equal(trained_of_an_older_memory(&s), 0);
    scene_roster(&s, "a");
    assert_int_equal(memory_of(&s).trained, 0);
    scene_ended(&s, "e-r0001", ROUND_COMPLETED, 1, -1);
    assert_int_equal(memory_of(&s).trained, 1);
    assert_int_equal(trained_of_an_older_memory(&s), 1);
    for (int i = 0; i < 3; i++) { /* nobody is there */
        s.now_ms += 1000;
        scene_roster(&s, "");
        scene_crash(&s);
    }
    assert_int_equal(memory_of(&s).row.round, 5);
    assert_int_equal(memory_of(&s).trained, 1);
    scene_end(&s);
}

static void nothing_can_be_ended(void **state)
{
    (void)state;
    assert_null(experiment_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_is_started_from_what_the_experiment_says),
        cmocka_unit_test(each_round_goes_on_from_the_version_of_the_one_before),
        cmocka_unit_test(all_rounds_end_it),
        cmocka_unit_test(more_are_asked_than_are_needed),
        cmocka_unit_test(too_few_are_waited_for_and_then_the_round_has_failed),
        cmocka_unit_test(an_answer_after_the_wait_ends_it_too),
        cmocka_unit_test(failures_in_a_row_end_it),
        cmocka_unit_test(without_one_version_it_has_failed),
        cmocka_unit_test(a_last_round_that_failed_is_no_failure_of_all),
        cmocka_unit_test(a_version_that_is_none_is_not_taken),
        cmocka_unit_test(it_is_evaluated_every_m_versions_and_after_the_last),
        cmocka_unit_test(a_last_round_that_failed_leaves_the_newest_model_to_evaluate),
        cmocka_unit_test(without_an_evaluator_it_goes_on),
        cmocka_unit_test(an_evaluation_that_expired_measured_nothing),
        cmocka_unit_test(a_long_evaluation_waits_an_hour_after_the_first_answer),
        cmocka_unit_test(the_target_ends_it),
        cmocka_unit_test(patience_ends_it_and_the_best_is_known),
        cmocka_unit_test(with_an_evaluation_only_that_is_looked_at),
        cmocka_unit_test(the_best_is_known_without_a_target),
        cmocka_unit_test(a_target_in_the_last_round_is_a_target),
        cmocka_unit_test(a_round_counts_once_however_often_it_is_told),
        cmocka_unit_test(rounds_of_others_are_not_its_own),
        cmocka_unit_test(a_roster_is_heard_only_when_it_is_needed),
        cmocka_unit_test(a_round_that_is_refused_for_now_is_tried_again),
        cmocka_unit_test(a_round_that_is_refused_ends_it),
        cmocka_unit_test(while_choosing_it_is_cancelled_at_once),
        cmocka_unit_test(a_round_that_runs_is_cancelled_first),
        cmocka_unit_test(what_a_round_made_before_it_was_cancelled_is_kept),
        cmocka_unit_test(a_round_that_is_refused_while_it_is_cancelled_is_none),
        cmocka_unit_test(after_a_restart_it_asks_at_once),
        cmocka_unit_test(a_wait_that_passed_meanwhile_still_hears_one_answer),
        cmocka_unit_test(a_round_that_ended_meanwhile_is_told_after_the_restart),
        cmocka_unit_test(a_cancellation_is_said_again_after_a_restart),
        cmocka_unit_test(a_clock_that_begins_anew_gives_no_negative_duration),
        cmocka_unit_test(what_counts_is_remembered_to_the_last_bit),
        cmocka_unit_test(memory_that_it_cannot_have_is_refused),
        cmocka_unit_test(memory_text_that_is_none_is_refused_with_a_reason),
        cmocka_unit_test(the_last_round_that_was_opened_is_remembered),
        cmocka_unit_test(nothing_can_be_ended),
    };
    return cmocka_run_group_tests_name("experiment/experiment", tests, NULL, NULL);
}
