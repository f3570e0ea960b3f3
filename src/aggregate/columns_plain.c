/* What the sorting networks must equal bit by bit. */
#include "aggregate/columns.h"

#include <math.h>
#include <string.h>

/* A float's bits to its key, and back. */
static int32_t key(int32_t bits)
{
    return bits < 0 ? bits ^ 0x7fffffff : bits;
}

static double value_of(int32_t k)
{
    int32_t bits = key(k);
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static bool keys(const float *values, size_t count, int32_t *ret_keys)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        ret_keys[i] = key(bits);
        finite &= isfinite(values[i]) != 0;
    }
    return finite;
}

static void sort(int32_t *strip, size_t rows, size_t stride, size_t first, size_t last)
{
    (void)first;
    (void)last;
    for (size_t c = 0; c < COLUMNS_STRIP; c++)
        for (size_t row = 1; row < rows; row++) {
            int32_t inserted = strip[row * stride + c];
            size_t at = row;
            for (; at > 0 && strip[(at - 1) * stride + c] > inserted; at--)
                strip[at * stride + c] = strip[(at - 1) * stride + c];
            strip[at * stride + c] = inserted;
        }
}

static void sum(const int32_t *strip, size_t stride, size_t first, size_t last, double *ret_sums)
{
    /* Not from 0: the sum of -0 alone is -0. */
    for (size_t c = 0; c < COLUMNS_STRIP; c++) {
        ret_sums[c] = value_of(strip[first * stride + c]);
        for (size_t row = first + 1; row < last; row++)
            ret_sums[c] += value_of(strip[row * stride + c]);
    }
}

const struct columns columns_plain = {"plain", keys, sort, sum};
