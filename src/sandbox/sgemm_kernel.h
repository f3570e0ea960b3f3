/* The body of one kernel of sgemm.h, compiled for each kind of processor by a
 * file that names KERNEL and LANES, the float32 in one of its vectors.
 *
 * Blocks as in Goto, van de Geijn 2008, "Anatomy of high-performance matrix
 * multiplication": a block of a (HEIGHT x DEPTH) fills half of the second cache,
 * a panel of b (DEPTH x COLS) half of the first, and ROWS x WIDE vectors of c are
 * registers: 12 of the 16 that AVX2 has, two are a row of the panel, one a number
 * of a. Both are packed in the order in which they are read, so transposed
 * matrices and long rows cost no more than others; what is padded with zeros
 * makes edges of c the store's business only. No element outside the matrices is
 * ever read: they may end where the guest's memory does. */
#include "sandbox/sgemm.h"

#include <stdbool.h>
#include <string.h>

#define ROWS    6
#define WIDE    2
#define COLS    (WIDE * LANES)
#define DEPTH   256
#define HEIGHT  (20 * ROWS)
#define BREADTH 512 /* columns of b that are packed at once */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

/* The process has one thread that computes. */
static _Alignas(64) float packed_a[HEIGHT * DEPTH];
static _Alignas(64) float packed_b[BREADTH * DEPTH];

static struct sgemm_grid grid_at(struct sgemm_grid g, size_t i, size_t j)
{
    g.data += i * g.row + j * g.col;
    return g;
}

static size_t smaller(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* `count` lines of g, which lie `line` apart, `width` at a time: each bundle is
 * (depth, width), the last one padded with zeros. `step` leads along a line. */
ALWAYS_INLINE void pack(size_t width, const float *data, size_t line, size_t step, size_t count,
                        size_t depth, float *to)
{
    for (size_t i = 0; i < count; i += width, to += depth * width) {
        size_t lines = smaller(width, count - i);
        const float *from = data + i * line;
        if (lines < width)
            memset(to, 0, depth * width * sizeof *to);
        if (line == 1 && lines == width) {
            for (size_t k = 0; k < depth; k++)
                memcpy(to + k * width, from + k * step, width * sizeof *to);
            continue;
        }
        for (size_t l = 0; l < lines; l++)
            for (size_t k = 0; k < depth; k++)
                to[k * width + l] = from[l * line + k * step];
    }
}

ALWAYS_INLINE vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* sum = a bundle of a times a bundle of b, one outer product for each step of k. */
ALWAYS_INLINE void multiply(const float *a, const float *b, size_t depth, vec sum[ROWS][WIDE])
{
    for (size_t r = 0; r < ROWS; r++)
        for (size_t w = 0; w < WIDE; w++)
            sum[r][w] = (vec){0};
    for (size_t k = 0; k < depth; k++, a += ROWS, b += COLS) {
        vec row[WIDE];
        for (size_t w = 0; w < WIDE; w++)
            row[w] = load(b + w * LANES);
        for (size_t r = 0; r < ROWS; r++)
            for (size_t w = 0; w < WIDE; w++)
                sum[r][w] += a[r] * row[w];
    }
}

/* One row of c, `columns` wide, becomes sum, or (add) grows by it. */
ALWAYS_INLINE void store(size_t columns, const vec *sum, bool add, float *c)
{
    for (size_t w = 0; w < WIDE; w++, c += LANES) {
        if ((w + 1) * LANES <= columns) {
            vec v = add ? load(c) + sum[w] : sum[w];
            memcpy(c, &v, sizeof v);
        } else {
            for (size_t j = 0; w * LANES + j < columns; j++)
                c[j] = sum[w][j] + (add ? c[j] : 0.0f);
        }
    }
}

/* A packed block of a times one packed panel of b. n: columns of the whole c */
static void block_times_panel(size_t rows, size_t columns, size_t depth, const float *b, bool add,
                              float *c, size_t n)
{
    for (size_t i = 0; i < rows; i += ROWS) {
        vec sum[ROWS][WIDE];
        multiply(packed_a + i * depth, b, depth, sum);
        size_t here = smaller(ROWS, rows - i);
        for (size_t r = 0; r < here; r++)
            store(columns, sum[r], add, c + (i + r) * n);
    }
}

void KERNEL(size_t m, size_t n, size_t k, struct sgemm_grid a, struct sgemm_grid b, float *c)
{
    for (size_t k0 = 0; k0 < k; k0 += DEPTH) {
        size_t depth = smaller(DEPTH, k - k0);
        for (size_t j0 = 0; j0 < n; j0 += BREADTH) {
            size_t breadth = smaller(BREADTH, n - j0);
            pack(COLS, grid_at(b, k0, j0).data, b.col, b.row, breadth, depth, packed_b);
            for (size_t i0 = 0; i0 < m; i0 += HEIGHT) {
                size_t height = smaller(HEIGHT, m - i0);
                pack(ROWS, grid_at(a, i0, k0).data, a.row, a.col, height, depth, packed_a);
                for (size_t j = 0; j < breadth; j += COLS)
                    block_times_panel(height, smaller(COLS, breadth - j), depth,
                                      packed_b + j * depth, k0 > 0, c + i0 * n + j0 + j, n);
            }
        }
    }
}
