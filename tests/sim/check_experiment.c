/* What must hold of an experiment: its rounds come one after the other, each once and
 * each on the newest version, and each is in one row. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* The number of its round, from "e-r0001". */
static uint64_t number_of(const struct id *round)
{
    return strtoull(round->text + strlen("e-r"), NULL, 10);
}

/* The version of its latest round that made one, worked out from their ends alone. */
static const struct complete *newest(const struct world *w)
{
    const struct complete *newest = NULL;
    for (int i = w->experiment.first_round; i < w->round_count; i++) {
        const struct complete *facts = &w->disk[i].facts;
        if (w->disk[i].complete == NULL || !facts->has_version)
            continue;
        if (newest == NULL || number_of(&facts->round_id) > number_of(&newest->round_id))
            newest = facts;
    }
    return newest;
}

void check_opens(struct world *w, const struct round_start *start)
{
    const struct complete *base = newest(w);
    if (experiment_find(w, &start->round_id) != NO_ROUND)
        violation(w, "round_repeated", "%s", start->round_id.text);
    if (number_of(&start->round_id) != w->disk_experiment.row_count + 1)
        violation(w, "round_skipped", "%s after %zu rows", start->round_id.text,
                  w->disk_experiment.row_count);
    if (strcmp(start->model_uri, base == NULL ? SIM_BASE : base->model_topic) != 0 ||
        (base != NULL && !digest_equal(&start->model_digest, &base->model_digest)))
        violation(w, "wrong_base", "%s is on %s", start->round_id.text, start->model_uri);
}

/* ---- at the end ---- */

struct account {
    const char *model; /* the newest */
    uint64_t versions, ended, bytes;
};

/* One of the two rounds of a row is what that round said itself. */
static void check_part(struct world *w, const struct complete *part, struct account *a)
{
    int i = experiment_find(w, &part->round_id);
    char *text = must(complete_encode(part));
    if (i == NO_ROUND || w->disk[i].complete == NULL || strcmp(text, w->disk[i].complete) != 0)
        violation(w, "wrong_row", "%s did not end as its row says", part->round_id.text);
    free(text);
    if (strcmp(part->model_uri, a->model) != 0)
        violation(w, "wrong_base", "%s was on %s, not on %s", part->round_id.text, part->model_uri,
                  a->model);
    a->ended++;
    a->bytes += part->update_bytes;
}

static void check_row(struct world *w, size_t n, const struct experiment_row *row,
                      struct account *a)
{
    if (row->round != n + 1)
        violation(w, "round_skipped", "row %zu is of round %u", n + 1, row->round);
    if (row->has_train)
        check_part(w, &row->train, a);
    if (row->has_train && row->train.has_version) {
        a->versions++;
        a->model = row->train.model_topic;
    }
    if (row->has_evaluate)
        check_part(w, &row->evaluate, a);
    if (strcmp(row->model_topic, a->model) != 0)
        violation(w, "wrong_row", "row %zu says %s instead of %s", n + 1, row->model_topic,
                  a->model);
}

static void check_account(struct world *w, const struct account *a,
                          const struct experiment_state *s, size_t rows)
{
    uint64_t ended = 0;
    for (int i = w->experiment.first_round; i < w->round_count; i++)
        ended += w->disk[i].complete != NULL;
    if (ended != a->ended)
        violation(w, "wrong_row", "%llu rounds ended, rows say %llu", (unsigned long long)ended,
                  (unsigned long long)a->ended);
    if (s->round != rows || s->completed != a->versions || s->update_bytes != a->bytes ||
        strcmp(s->model_topic, a->model) != 0)
        violation(w, "wrong_state", "at its end the experiment says round %u, %u versions, %s",
                  s->round, s->completed, s->model_topic);
}

void check_experiment_end(struct world *w)
{
    const struct disk_experiment *disk = experiment_kept(w);
    static struct experiment_memory memory;
    static struct experiment_row rows[EXPERIMENT_ROWS_MAX];
    struct account account = {.model = SIM_BASE};
    if (disk->memory == NULL ||
        experiment_memory_decode(view_text(disk->memory), &memory, NULL) != ST_OK ||
        memory.stage != EXPERIMENT_ENDED) {
        violation(w, "never_ends", "the experiment, and nothing is left to happen");
        return;
    }
    for (size_t n = 0; n < disk->row_count && !w->violated; n++) {
        if (experiment_row_decode(view_text(disk->rows[n]), &rows[n], NULL) != ST_OK)
            violation(w, "wrong_row", "row %zu cannot be read", n + 1);
        else
            check_row(w, n, &rows[n], &account);
    }
    check_account(w, &account, &memory.state, disk->row_count);
}
