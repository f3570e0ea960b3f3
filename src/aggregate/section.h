/* How sums over all coordinates are split, where a rule needs such sums.
 *
 * A sum in floating point depends on its order. So each section is summed on its
 * own, its coordinates ascending, and the sections' sums are added ascending: the
 * split depends on the length of the vector only, and threads may take a section
 * each without changing a bit. */
#ifndef AGGREGATE_SECTION_H
#define AGGREGATE_SECTION_H

#include <assert.h>
#include <stddef.h>

#define SECTIONS_MAX ((size_t)16)
/* A section's coordinates are taken in tiles of so many. */
#define SECTION_TILE ((size_t)256)

struct sections {
    size_t param_count;
    size_t size; /* of each but the last; a multiple of SECTION_TILE */
    size_t count;
};

/* param_count at least 1 */
static inline struct sections sections_of(size_t param_count)
{
    assert(param_count >= 1);
    size_t size = (param_count + SECTIONS_MAX - 1) / SECTIONS_MAX;
    size = (size + SECTION_TILE - 1) / SECTION_TILE * SECTION_TILE;
    return (struct sections){param_count, size, (param_count + size - 1) / size};
}

static inline size_t section_from(const struct sections *s, size_t section)
{
    return section * s->size;
}

static inline size_t section_to(const struct sections *s, size_t section)
{
    size_t to = section_from(s, section) + s->size;
    return to < s->param_count ? to : s->param_count;
}

#endif
