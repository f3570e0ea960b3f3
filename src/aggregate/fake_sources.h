/* What the tests of this folder share: sources made of float32 arrays, and the files
 * that tests/vectors/aggregate/make.py made. */
#ifndef AGGREGATE_FAKE_SOURCES_H
#define AGGREGATE_FAKE_SOURCES_H

#include "aggregate/source.h"
#include "model/model.h"

#define FAKE_SOURCES_MAX 256

struct fake_sources {
    struct source sources[FAKE_SOURCES_MAX];
    struct piece pieces[FAKE_SOURCES_MAX];
    size_t count;
};

/* Participant p000 holds the first row of params, (count, param_count) float32, and
 * so on; weights are 1. params is kept. */
void fake_sources_of(struct fake_sources *f, const float *params, size_t count, size_t param_count);

/* Gives the updates to the participants in another order, drawn from seed: what a
 * rule makes of them must not change. */
void fake_sources_shuffle(struct fake_sources *f, uint64_t seed);

/* The file tests/vectors/aggregate/NAME.safetensors; to be ended with model_free(). */
struct model *test_vectors(const char *name);

#endif
