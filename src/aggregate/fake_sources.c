#include "aggregate/fake_sources.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "model/safetensors.h"

void fake_sources_of(struct fake_sources *f, const float *params, size_t count, size_t param_count)
{
    assert(count <= FAKE_SOURCES_MAX);
    *f = (struct fake_sources){.count = count};
    for (size_t k = 0; k < count; k++) {
        struct source *s = &f->sources[k];
        f->pieces[k] = (struct piece){
            .count = param_count,
            .bytes = (const uint8_t *)(params + k * param_count),
            .dtype = DTYPE_F32,
        };
        *s = (struct source){.weight = 1, .pieces = &f->pieces[k], .piece_count = 1};
        (void)snprintf(s->participant.text, sizeof s->participant.text, "p%03zu", k);
    }
    enum status status = sources_check(f->sources, count, 0, param_count, NULL);
    assert(status == ST_OK);
}

void fake_sources_shuffle(struct fake_sources *f, uint64_t seed)
{
    struct rand r = {seed};
    for (size_t k = f->count - 1; k > 0; k--) {
        size_t other = (size_t)rand_below(&r, k + 1);
        struct piece piece = f->pieces[k];
        f->pieces[k] = f->pieces[other];
        f->pieces[other] = piece;
    }
}

void fake_sources_scatter(struct fake_sources *f, struct fake_scattered *room)
{
    for (size_t k = 0; k < f->count; k++) {
        const struct piece *whole = &f->pieces[k];
        size_t first = whole->count / 3;
        assert(whole->from == 0 && whole->count <= FAKE_SCATTERED_MAX && first >= 1);
        size_t size = first * sizeof(float), rest = (whole->count - first) * sizeof(float);
        uint8_t *bytes = room->bytes[k] + 1;
        memcpy(bytes, whole->bytes + size, rest);
        memcpy(bytes + rest, whole->bytes, size);
        room->pieces[k][0] = (struct piece){.count = first, .bytes = bytes + rest};
        room->pieces[k][1] =
            (struct piece){.from = first, .count = whole->count - first, .bytes = bytes};
        f->sources[k].pieces = room->pieces[k];
        f->sources[k].piece_count = 2;
    }
}

struct model *test_vectors(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "tests/vectors/aggregate/%s.safetensors", name);
    FILE *f = fopen(path, "rb");
    assert(f != NULL);
    struct bytes b = {0};
    enum status status = bytes_resize(&b, 64 << 10);
    assert(status == ST_OK);
    b.size = fread(b.data, 1, b.size, f);
    (void)fclose(f);

    struct model *m = NULL;
    status = safetensors_decode(bytes_view(&b), &m, NULL);
    assert(status == ST_OK);
    bytes_done(&b);
    return m;
}
