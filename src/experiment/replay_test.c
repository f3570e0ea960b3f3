/* Checks that a restart changes nothing: whole experiments, drawn from seeds, of which
 * one runs through and its twin is encoded, decoded and restored after every event.
 * Both must do the same, and what they do must be whole: rounds without gap or
 * repetition, each on the newest version, a row for each, one end. */
#include "experiment/scene.h"

#include "base/rand.h"

#define SEEDS      300
#define EVENTS_MAX 400
#define DEVICES    8
#define WAIT_MS    (UINT64_C(3600) * 1000)

struct twins {
    struct rand rand;
    uint64_t now_ms;
    struct scene steady, crashing;
    /* What the steady one said so far. */
    uint32_t trained, rows;
    uint64_t version; /* of the newest model */
    bool done;
    struct complete last;        /* round that was told */
    char round[ID_SIZE_MAX + 1]; /* the one that runs; empty: none */
};

static uint64_t seed_under_way;

static int print_seed(void **state)
{
    (void)state;
    print_message("the last seed was %llu\n", (unsigned long long)seed_under_way);
    return 0;
}

static uint64_t draw(struct twins *t, uint64_t bound)
{
    return rand_below(&t->rand, bound);
}

/* ---- what both do ---- */

static char *action_text(const struct experiment_action *a)
{
    switch (a->kind) {
    case EXPERIMENT_START_ROUND:
        return round_start_encode(a->start);
    case EXPERIMENT_SAY_ROW:
        return experiment_row_encode(&a->row);
    case EXPERIMENT_SAY_STATE:
        return experiment_state_encode(&a->state);
    default:
        return strdup(a->round_id.text);
    }
}

/* The next action from *i on that is more than a question; NULL: none */
static const struct experiment_action *next_action(const struct experiment_actions *actions,
                                                   size_t *i)
{
    while (*i < actions->count && actions->items[*i].kind == EXPERIMENT_ASK_ROSTER)
        (*i)++;
    return *i < actions->count ? &actions->items[(*i)++] : NULL;
}

static void both_do_the_same(const struct twins *t)
{
    size_t i = 0, j = 0;
    for (;;) {
        const struct experiment_action *a = next_action(&t->steady.actions, &i);
        const struct experiment_action *b = next_action(&t->crashing.actions, &j);
        assert_true((a == NULL) == (b == NULL));
        if (a == NULL)
            break;
        assert_int_equal(a->kind, b->kind);
        char *left = action_text(a), *right = action_text(b);
        assert_string_equal(left, right);
        free(left);
        free(right);
    }
    char *left = experiment_memory_encode(experiment_memory(t->steady.x));
    char *right = experiment_memory_encode(experiment_memory(t->crashing.x));
    assert_string_equal(left, right);
    free(left);
    free(right);
}

/* ---- what the steady one does is whole ---- */

static void check_start(struct twins *t, const struct round_start *start)
{
    char expected[ID_SIZE_MAX + 1];
    bool trains = start->mode == ROUND_TRAIN;
    uint32_t number = experiment_memory(t->steady.x)->row.round;
    if (trains) {
        assert_true(number > t->trained); /* those between had nobody to take part */
        t->trained = number;
    }
    (void)snprintf(expected, sizeof expected, "e-%c%04u", trains ? 'r' : 'e', number);
    assert_string_equal(start->round_id.text, expected);
    assert_true(start->model.version == t->version);
    assert_true(start->participant_count >= 1 && start->k_of_n >= 1 &&
                start->k_of_n <= start->participant_count);
    memcpy(t->round, start->round_id.text, sizeof t->round);
}

static void check_actions(struct twins *t)
{
    const struct experiment_actions *actions = &t->steady.actions;
    for (size_t i = 0; i < actions->count; i++) {
        const struct experiment_action *a = &actions->items[i];
        assert_false(t->done); /* nothing comes after the end */
        if (a->kind == EXPERIMENT_START_ROUND)
            check_start(t, a->start);
        if (a->kind == EXPERIMENT_SAY_ROW)
            assert_int_equal(a->row.round, ++t->rows);
        if (a->kind == EXPERIMENT_SAY_STATE)
            t->done = a->state.phase == EXPERIMENT_DONE;
    }
}

static void crash(struct twins *t)
{
    scene_crash(&t->crashing);
    scene_tick(&t->crashing, 0);
}

static void after_event(struct twins *t)
{
    both_do_the_same(t);
    check_actions(t);
    crash(t);
}

/* ---- events ---- */

static void tick(struct twins *t, uint64_t later_ms)
{
    t->now_ms += later_ms;
    t->crashing.now_ms = t->steady.now_ms = t->now_ms;
    scene_tick(&t->steady, 0);
    scene_tick(&t->crashing, 0);
    after_event(t);
}

static void roster(struct twins *t)
{
    char names[64] = "";
    size_t size = 0;
    bool empty = draw(t, 6) == 0;
    for (unsigned i = 0; i < DEVICES; i++) /* the last two evaluate */
        if (!empty && draw(t, 3) > 0)
            size += (size_t)snprintf(names + size, sizeof names - size, "%sp%u",
                                     size > 0 ? " " : "", i);
    scene_roster(&t->steady, names);
    scene_roster(&t->crashing, names);
    after_event(t);
}

static void tell(struct twins *t, const struct complete *complete)
{
    experiment_round_ended(t->steady.x, complete, t->now_ms, &t->steady.actions);
    experiment_round_ended(t->crashing.x, complete, t->now_ms, &t->crashing.actions);
    after_event(t);
}

/* Ends the round that runs, one way or another. */
static void end_round(struct twins *t)
{
    bool trains = strstr(t->round, "-r") != NULL;
    enum round_outcome outcome =
        draw(t, 6) > 0 ? ROUND_COMPLETED : (enum round_outcome)(ROUND_EXPIRED + draw(t, 3));
    bool has_version = trains && outcome == ROUND_COMPLETED;
    if (has_version)
        t->version++;
    struct complete c = scene_complete(t->round, outcome, has_version ? t->version : 0,
                                       draw(t, 8) > 0 ? rand_unit(&t->rand) : -1);
    t->round[0] = '\0';
    t->last = c;
    tell(t, &c);
}

static void refuse(struct twins *t)
{
    bool for_now = draw(t, 6) > 0;
    t->round[0] = '\0';
    if (experiment_memory(t->steady.x)->stage == EXPERIMENT_TRAINING)
        t->trained--; /* the same one is tried again */
    experiment_round_refused(t->steady.x, for_now, t->now_ms, &t->steady.actions);
    experiment_round_refused(t->crashing.x, for_now, t->now_ms, &t->crashing.actions);
    after_event(t);
}

static void cancel(struct twins *t)
{
    experiment_cancel(t->steady.x, "stopped", t->now_ms, &t->steady.actions);
    experiment_cancel(t->crashing.x, "stopped", t->now_ms, &t->crashing.actions);
    after_event(t);
}

/* An hour in which nobody came. */
static void wait_in_vain(struct twins *t)
{
    tick(t, EXPERIMENT_ROSTER_WAIT_MS); /* so that both have asked */
    if (experiment_memory(t->steady.x)->stage_ms + WAIT_MS > t->now_ms)
        tick(t, experiment_memory(t->steady.x)->stage_ms + WAIT_MS - t->now_ms);
}

static void event(struct twins *t)
{
    uint64_t kind = draw(t, 50);
    if (kind == 0)
        cancel(t);
    else if (kind < 6 && t->last.round_id.text[0] != '\0')
        tell(t, &t->last); /* again */
    else if (kind < 10)
        tick(t, draw(t, 300));
    else if (t->round[0] == '\0')
        kind == 10 ? wait_in_vain(t) : roster(t);
    else
        kind < 13 ? refuse(t) : end_round(t);
}

/* ---- whole experiments ---- */

static void draw_fields(struct twins *t, char *ret, size_t size)
{
    char evaluation[128] = "", stop[128] = "";
    if (draw(t, 2) == 0)
        (void)snprintf(evaluation, sizeof evaluation,
                       ",\"evaluation\":{\"every\":%u,\"participants\":[\"p6\",\"p7\"]}",
                       (unsigned)draw(t, 3) + 1);
    char target[32] = "";
    if (draw(t, 2) == 0)
        (void)snprintf(target, sizeof target, ",\"target\":%.3f", rand_unit(&t->rand));
    if (draw(t, 2) == 0)
        (void)snprintf(stop, sizeof stop,
                       ",\"stop\":{\"metric\":\"accuracy\",\"goal\":\"%s\",\"patience\":%u%s}",
                       draw(t, 2) == 0 ? "max" : "min", (unsigned)draw(t, 4), target);
    (void)snprintf(ret, size,
                   ",\"rounds\":%u,\"max_failures\":%u,\"wait_s\":3600,"
                   "\"selection\":{\"count\":0.5,\"min\":2,\"seed\":%u}%s%s",
                   (unsigned)draw(t, 12) + 1, (unsigned)draw(t, 3) + 1, (unsigned)draw(t, 99),
                   evaluation, stop);
}

/* gives: how it ended */
static struct experiment_state run(uint64_t seed)
{
    struct twins t = {.rand = {seed}};
    char fields[512];
    draw_fields(&t, fields, sizeof fields);
    t.steady = scene_begin(fields);
    t.crashing = scene_begin(fields);
    t.now_ms = t.steady.now_ms;
    crash(&t);
    size_t events = 0;
    while (!t.done && events++ < EVENTS_MAX)
        event(&t);
    for (int i = 0; i < 5; i++)
        event(&t); /* after the end nothing happens */

    struct experiment_state end = *scene_state(&t.steady);
    assert_true(t.done);
    assert_int_equal(end.round, t.rows);
    assert_int_equal(end.completed, t.version);
    scene_end(&t.steady);
    scene_end(&t.crashing);
    return end;
}

static void a_restart_after_any_event_changes_nothing(void **state)
{
    (void)state;
    static const char *const reasons[] = {EXPERIMENT_REASON_ROUNDS,   EXPERIMENT_REASON_TARGET,
                                          EXPERIMENT_REASON_PATIENCE, EXPERIMENT_REASON_FAILURES,
                                          EXPERIMENT_REASON_REFUSED,  "stopped"};
    size_t counts[6] = {0}, known = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        seed_under_way = seed;
        struct experiment_state end = run(seed);
        for (size_t i = 0; i < 6; i++)
            counts[i] += strcmp(end.reason, reasons[i]) == 0;
    }
    for (size_t i = 0; i < 6; i++) {
        if (counts[i] < SEEDS / 50) /* each end is reached */
            fail_msg("%s: only %zu", reasons[i], counts[i]);
        known += counts[i];
    }
    assert_int_equal(known, SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_restart_after_any_event_changes_nothing, print_seed),
    };
    return cmocka_run_group_tests_name("experiment/replay", tests, NULL, NULL);
}
