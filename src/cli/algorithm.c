#include "cli/algorithm.h"

#include <string.h>

#include "cli/commands.h"

#define FEDPROX_MU        0.01 /* unless the hyperparameters say it */
#define FEDBUFF_STALENESS 8    /* unless --staleness says it */

/* What an algorithm of the literature is here. */
static const struct {
    const char *name, *aggregation;
    bool asynchronous;
} algorithms[] = {
    {"fedavg", "{}", false},  /* McMahan et al. 2017 */
    {"fedprox", "{}", false}, /* Li et al. 2020: the guest's loss has a term more */
    {"fednova", "{\"weighting\":\"fednova\"}", false},                  /* Wang et al. 2020 */
    {"fedavgm", "{\"optimiser\":{\"kind\":\"fedavgm\"}}", false},       /* Hsu et al. 2019 */
    {"fedadagrad", "{\"optimiser\":{\"kind\":\"fedadagrad\"}}", false}, /* Reddi et al. 2021 */
    {"fedadam", "{\"optimiser\":{\"kind\":\"fedadam\"}}", false},
    {"fedyogi", "{\"optimiser\":{\"kind\":\"fedyogi\"}}", false},
    {"fedbuff", "{\"weighting\":\"staleness\"}", true}, /* Nguyen et al. 2022 */
};

static enum status invalid(struct why *why, const char *sentence)
{
    why_set(why, "%s", sentence);
    return ST_INVALID;
}

static enum status read_object(const char *text, const char *flag, json_t **ret, struct why *why)
{
    struct why detail = {0};
    enum status status = arguments_object(text, ret, &detail);
    if (status != ST_OK)
        why_set(why, "%s is %.200s", flag, detail.text);
    return status;
}

static void wait_for_nobody(struct experiment_start *start, uint64_t staleness)
{
    start->asynchronous =
        (struct asynchronous){.is_on = true, .staleness_max = (uint32_t)staleness};
}

static enum status apply_name(const char *name, struct experiment_start *start, struct why *why)
{
    size_t i = 0, count = sizeof algorithms / sizeof algorithms[0];
    while (i < count && strcmp(algorithms[i].name, name) != 0)
        i++;
    if (i == count)
        return invalid(why, "--algorithm is fedavg, fedprox, fednova, fedavgm, fedadagrad, "
                            "fedadam, fedyogi or fedbuff");
    if (algorithms[i].asynchronous && !start->asynchronous.is_on)
        wait_for_nobody(start, FEDBUFF_STALENESS);
    if (strcmp(name, "fedprox") == 0 && json_object_get(start->hyperparams, "mu") == NULL &&
        json_object_set_new(start->hyperparams, "mu", json_real(FEDPROX_MU)) != 0)
        return invalid(why, "no memory");
    return read_object(algorithms[i].aggregation, "--algorithm", &start->aggregation, why);
}

enum status algorithm_apply(const struct algorithm_words *w, struct experiment_start *start,
                            struct why *why)
{
    if (w->name != NULL && w->aggregation != NULL)
        return invalid(why, "--algorithm and --aggregation say the same: give one");
    if (w->staleness != NOT_GIVEN)
        wait_for_nobody(start, w->staleness);
    if (w->aggregation != NULL)
        return read_object(w->aggregation, "--aggregation", &start->aggregation, why);
    return w->name != NULL ? apply_name(w->name, start, why) : ST_OK;
}
