#include "sandbox/sgemm.h"

#include <stdbool.h>
#include <string.h>

/* Bytes of the memory: [begin, end). Of up to 2^62 bytes, beginning below 2^32. */
struct range {
    uint64_t begin, end;
};

/* rows and columns are at most SGEMM_DIMENSION_MAX. */
static struct range range_of(uint32_t at, uint32_t rows, uint32_t columns)
{
    return (struct range){at, at + (uint64_t)rows * columns * sizeof(float)};
}

/* Whether they have a byte in common: an empty one has none. */
static bool overlap(struct range x, struct range y)
{
    uint64_t begin = x.begin > y.begin ? x.begin : y.begin;
    uint64_t end = x.end < y.end ? x.end : y.end;
    return begin < end;
}

/* NULL: nothing is wrong. */
static const char *fault_of(const struct sgemm_order *o, size_t size)
{
    if (o->flags & ~(SGEMM_A_TRANSPOSED | SGEMM_B_TRANSPOSED))
        return "fml_sgemm: unknown flags";
    if (o->m > SGEMM_DIMENSION_MAX || o->n > SGEMM_DIMENSION_MAX || o->k > SGEMM_DIMENSION_MAX)
        return "fml_sgemm: a dimension is larger than any memory";
    if (o->a % sizeof(float) != 0 || o->b % sizeof(float) != 0 || o->c % sizeof(float) != 0)
        return "fml_sgemm: a matrix is not aligned to 4 bytes";

    struct range a = range_of(o->a, o->m, o->k);
    struct range b = range_of(o->b, o->k, o->n);
    struct range c = range_of(o->c, o->m, o->n);
    if (a.end > size || b.end > size || c.end > size)
        return "fml_sgemm: a matrix does not lie inside the memory";
    if (overlap(c, a) || overlap(c, b))
        return "fml_sgemm: the result overlaps a factor";
    return NULL;
}

sgemm_kernel_fn *sgemm_kernel(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return sgemm_kernel_avx2;
#endif
    return sgemm_kernel_base;
}

static struct sgemm_grid grid_of(const uint8_t *memory, uint32_t at, size_t rows, size_t columns,
                                 bool transposed)
{
    const float *data = (const float *)(const void *)(memory + at);
    return transposed ? (struct sgemm_grid){data, 1, rows} : (struct sgemm_grid){data, columns, 1};
}

const char *sgemm_do(const struct sgemm_order *o, uint8_t *memory, size_t size)
{
    const char *fault = fault_of(o, size);
    if (fault != NULL || o->m == 0 || o->n == 0)
        return fault;
    float *c = (float *)(void *)(memory + o->c);
    if (o->k == 0) {
        memset(c, 0, (size_t)o->m * o->n * sizeof(float));
        return NULL;
    }
    sgemm_kernel()(o->m, o->n, o->k,
                   grid_of(memory, o->a, o->m, o->k, o->flags & SGEMM_A_TRANSPOSED),
                   grid_of(memory, o->b, o->k, o->n, o->flags & SGEMM_B_TRANSPOSED), c);
    return NULL;
}
