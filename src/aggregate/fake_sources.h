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

#define FAKE_SCATTERED_MAX 1000

struct fake_scattered {
    uint8_t bytes[FAKE_SOURCES_MAX][FAKE_SCATTERED_MAX * sizeof(float) + 1];
    struct piece pieces[FAKE_SOURCES_MAX][2];
};

/* Moves the updates to where no float may be read, each in two pieces of which the
 * second lies before the first: the same values, of which a rule makes the same bytes.
 * room is kept.
 * At least 3 and at most FAKE_SCATTERED_MAX parameters. */
void fake_sources_scatter(struct fake_sources *f, struct fake_scattered *room);

/* The file tests/vectors/aggregate/NAME.safetensors; to be ended with model_free(). */
struct model *test_vectors(const char *name);

#endif
