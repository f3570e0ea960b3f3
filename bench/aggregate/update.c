/* What one update costs from its bytes on: where its tensors lie, whether all
 * its values are finite, its norm, and its share of the fold. Against a copy of
 * the same bytes. Once with the norm of what was sent and once with that of its
 * difference to the base model, which is read beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/pieces.h"
#include "bench.h"

#define UPDATES 10

struct arrivals {
    size_t params;
    struct model *base;
    struct bytes files[UPDATES];
    uint8_t *copy;
    float *mean;
};

static void copy(void *context)
{
    struct arrivals *a = context;
    for (size_t k = 0; k < UPDATES; k++)
        memcpy(a->copy, a->files[k].data, a->files[k].size);
}

static void take_in_with(struct arrivals *a, const float *model)
{
    struct source sources[UPDATES];
    struct piece *pieces[UPDATES];
    for (size_t k = 0; k < UPDATES; k++) {
        double squares;
        struct safetensors_layout l;
        sources[k] = (struct source){.weight = (double)(k + 1)};
        if (safetensors_layout(bytes_view(&a->files[k]), &l, NULL) != ST_OK ||
            pieces_of(a->base, &l, &pieces[k], &sources[k].piece_count, NULL) != ST_OK)
            abort();
        safetensors_layout_done(&l);
        sources[k].pieces = pieces[k];
        (void)snprintf(sources[k].participant.text, ID_SIZE_MAX, "p%05zu", k);
        if (source_measure(&sources[k], model, &squares, NULL) != ST_OK)
            abort();
    }
    if (sources_check(sources, UPDATES, 0, a->params, NULL) != ST_OK ||
        fold_mean(sources, UPDATES, 0, a->params, a->mean) != ST_OK)
        abort();
    for (size_t k = 0; k < UPDATES; k++)
        free(pieces[k]);
}

static void take_in(void *context)
{
    take_in_with(context, NULL);
}

static void take_in_and_compare(void *context)
{
    struct arrivals *a = context;
    take_in_with(a, model_params(a->base));
}

void bench_update(size_t params, size_t repeats)
{
    struct arrivals a = {.params = params};
    a.base = layers(params, 99);
    for (size_t k = 0; k < UPDATES; k++) {
        struct model *m = layers(params, k);
        if (safetensors_encode(m, &a.files[k]) != ST_OK)
            abort();
        model_free(m);
    }
    a.copy = room(a.files[0].size);
    a.mean = room(params * sizeof a.mean[0]);
    struct work works[] = {{take_in, &a, {0}}, {take_in_and_compare, &a, {0}}, {copy, &a, {0}}};
    static const char *const names[] = {"take_in", "take_in_and_compare", "copy"};
    size_t count = sizeof works / sizeof works[0];
    measure(works, count, repeats);
    for (size_t i = 0; i < count; i++)
        printf("%s %.6f\n", names[i], median_s(&works[i], repeats) / UPDATES);
}
