/* Starts, rows, states and memories of experiments, each fed with every input: what
 * decodes encodes, and decodes to what encodes to the same text. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/experiment.h"
#include "fl/experiment_report.h"
#include "fl/experiment_start.h"

/* Two texts that must exist and be equal; both are freed. */
static void assert_same(char *first, char *second)
{
    assert(first != NULL && second != NULL && strcmp(first, second) == 0);
    free(first);
    free(second);
}

static void check_ranges(const struct experiment_start *s)
{
    assert(s->alive == (s->participant_count == 0));
    assert((s->evaluation.every == 0) == (s->evaluation.participant_count == 0));
    assert(strlen(s->experiment_id.text) <= EXPERIMENT_ID_MAX);
    assert(s->rounds >= 1 && s->rounds <= EXPERIMENT_ROUNDS_MAX && s->max_failures >= 1);
    assert(s->timeout_s >= 1 && s->wait_s >= 1 && s->selection.min >= 1);
    for (size_t of = 1; of <= ROUND_PARTICIPANTS_MAX; of *= 10) {
        uint32_t asked = share_of(&s->selection.count, of), k = share_of(&s->k, asked);
        assert(asked >= 1 && asked <= of && k >= 1 && k <= asked);
    }
}

static void check_start(struct view input)
{
    struct experiment_start start = {0}, again = {0};
    struct id id;
    struct why why = {""};
    if (experiment_start_decode(input, &start, &id, &why) != ST_OK) {
        assert(start.participants == NULL && start.hyperparams == NULL && why.text[0] != '\0');
        return;
    }
    assert(id_equal(&id, &start.experiment_id));
    check_ranges(&start);
    char *text = experiment_start_encode(&start);
    assert(text != NULL);
    assert(experiment_start_decode(view_text(text), &again, &id, NULL) == ST_OK);
    assert(again.k.value == start.k.value && again.stop.target == start.stop.target);
    assert_same(text, experiment_start_encode(&again));
    experiment_start_done(&start);
    experiment_start_done(&again);
}

static void check_row(struct view input)
{
    struct experiment_row row, again;
    struct why why = {""};
    if (experiment_row_decode(input, &row, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return;
    }
    char *text = experiment_row_encode(&row);
    assert(text != NULL);
    assert(experiment_row_decode(view_text(text), &again, NULL) == ST_OK);
    assert(again.has_train == row.has_train && again.has_evaluate == row.has_evaluate);
    assert_same(text, experiment_row_encode(&again));
}

static void check_state(struct view input)
{
    struct experiment_state state, again;
    struct why why = {""};
    if (experiment_state_decode(input, &state, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return;
    }
    char *text = experiment_state_encode(&state);
    assert(text != NULL);
    assert(experiment_state_decode(view_text(text), &again, NULL) == ST_OK);
    assert(again.phase == state.phase && again.has_best == state.has_best);
    assert_same(text, experiment_state_encode(&again));
}

/* A memory that fits to some start goes on, whatever it says. */
static void check_restore(const struct experiment_memory *memory)
{
    static const char text[] = "{\"experiment_id\":\"e\",\"model_uri\":\"fl/models/m_v1\","
                               "\"task_wasm_image\":\"i\",\"rounds\":5,"
                               "\"evaluation\":{\"participants\":[\"x\"]},"
                               "\"stop\":{\"metric\":\"loss\",\"goal\":\"min\",\"patience\":2}}";
    static const struct id alive[] = {{"a"}, {"x"}};
    struct experiment_start start;
    struct id id;
    struct experiment *x = NULL;
    struct experiment_actions actions;
    assert(experiment_start_decode(view_text(text), &start, &id, NULL) == ST_OK);
    if (experiment_restore(&start, memory, &x) != ST_OK) {
        experiment_start_done(&start);
        return;
    }
    for (int i = 0; i < 4; i++) {
        struct complete c = {.outcome = (enum round_outcome)(i % 2)};
        experiment_tick(x, UINT64_C(1) << 62, &actions);
        assert(experiment_roster(x, alive, 2, NULL, UINT64_C(1) << 62, &actions) == ST_OK);
        if (experiment_round_now(x, &c.round_id))
            experiment_round_ended(x, &c, UINT64_C(1) << 62, &actions);
    }
    experiment_cancel(x, "stopped", UINT64_C(1) << 62, &actions);
    experiment_free(x);
}

static void check_memory(struct view input)
{
    struct experiment_memory memory, again;
    struct why why = {""};
    if (experiment_memory_decode(input, &memory, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return;
    }
    char *text = experiment_memory_encode(&memory);
    assert(text != NULL);
    assert(experiment_memory_decode(view_text(text), &again, NULL) == ST_OK);
    assert(again.stage == memory.stage && again.state.best == memory.state.best);
    assert_same(text, experiment_memory_encode(&again));
    check_restore(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = view_of(data, size);
    check_start(input);
    check_row(input);
    check_state(input);
    check_memory(input);
    return 0;
}
