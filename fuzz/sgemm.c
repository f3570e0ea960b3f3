/* Orders to fml_sgemm (src/sandbox/sgemm.h), as a guest could give them. The input
 * is seven words of four bytes; if the first byte is odd they are made small, so
 * that most of them can be done. The memory lies between pages that nobody may
 * touch, and what comes of an order is worked out beside it. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "sandbox/sgemm.h"

#define PAGE   ((size_t)4096)
#define MEMORY ((size_t)8 * PAGE)
#define WORDS  7

static uint8_t *new_memory(void)
{
    uint8_t *pages = mmap(NULL, MEMORY + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(pages != MAP_FAILED);
    assert(mprotect(pages + PAGE, MEMORY, PROT_READ | PROT_WRITE) == 0);
    return pages + PAGE;
}

/* Whole numbers so small that no sum is rounded. */
static void fill(uint8_t *memory)
{
    for (size_t i = 0; i < MEMORY / sizeof(float); i++) {
        float value = (float)(i * 7 % 11) - 5.0f;
        memcpy(memory + i * sizeof value, &value, sizeof value);
    }
}

static struct sgemm_order read_order(const uint8_t *data)
{
    uint32_t w[WORDS];
    memcpy(w, data, sizeof w);
    if (data[0] & 1) {
        w[0] = w[0] >> 1 & 3;
        for (size_t i = 1; i < 4; i++)
            w[i] %= 50;
        for (size_t i = 4; i < WORDS; i++)
            w[i] = w[i] % MEMORY & ~(uint32_t)3;
    }
    return (struct sgemm_order){w[0], w[1], w[2], w[3], w[4], w[5], w[6]};
}

typedef unsigned __int128 wide; /* so that nothing here can overflow */

static bool outside(uint32_t at, uint32_t rows, uint32_t columns)
{
    return at + (wide)rows * columns * sizeof(float) > MEMORY;
}

static bool overlap(uint32_t at, wide size, uint32_t other, wide other_size)
{
    return size > 0 && other_size > 0 && at < other + other_size && other < at + size;
}

static bool can_be_done(const struct sgemm_order *o)
{
    wide a = (wide)o->m * o->k * sizeof(float), b = (wide)o->k * o->n * sizeof(float);
    wide c = (wide)o->m * o->n * sizeof(float);
    return o->flags <= 3 && (o->a | o->b | o->c) % sizeof(float) == 0 &&
           o->m <= SGEMM_DIMENSION_MAX && o->n <= SGEMM_DIMENSION_MAX &&
           o->k <= SGEMM_DIMENSION_MAX && !outside(o->a, o->m, o->k) &&
           !outside(o->b, o->k, o->n) && !outside(o->c, o->m, o->n) && !overlap(o->c, c, o->a, a) &&
           !overlap(o->c, c, o->b, b);
}

static float number(const uint8_t *memory, uint32_t at, size_t index)
{
    float value;
    memcpy(&value, memory + at + index * sizeof value, sizeof value);
    return value;
}

/* What the definition says, over `memory`. */
static void do_plainly(const struct sgemm_order *o, uint8_t *memory)
{
    for (size_t i = 0; i < o->m; i++)
        for (size_t j = 0; j < o->n; j++) {
            float sum = 0.0f;
            for (size_t s = 0; s < o->k; s++)
                sum += number(memory, o->a,
                              o->flags & SGEMM_A_TRANSPOSED ? s * o->m + i : i * o->k + s) *
                       number(memory, o->b,
                              o->flags & SGEMM_B_TRANSPOSED ? j * o->k + s : s * o->n + j);
            memcpy(memory + o->c + (i * o->n + j) * sizeof sum, &sum, sizeof sum);
        }
}

/* -0 and 0 are one number, and a sum may be either. */
static void same_numbers(const uint8_t *x, const uint8_t *y)
{
    for (size_t i = 0; i < MEMORY / sizeof(float); i++)
        assert(number(x, 0, i) == number(y, 0, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *memory, *expected;
    if (size < WORDS * sizeof(uint32_t))
        return 0;
    if (memory == NULL) {
        memory = new_memory();
        expected = new_memory();
    }
    fill(memory);
    fill(expected);
    struct sgemm_order order = read_order(data);
    const char *fault = sgemm_do(&order, memory, MEMORY);
    assert((fault == NULL) == can_be_done(&order));
    assert(fault == NULL || strncmp(fault, "fml_sgemm: ", 11) == 0);
    if (fault == NULL)
        do_plainly(&order, expected);
    same_numbers(memory, expected);
    return 0;
}
