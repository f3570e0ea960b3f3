/* Matrix products for guests.
 *
 * WebAssembly has vectors of four float32 and, on x86-64, 16 registers behind
 * them. The kernel keeps a block of c, ROWS x WIDE vectors, in eight registers
 * and adds one outer product per step of k: 6 loads for 8 multiply-adds, where a
 * dot product loads 2 for each. More rows instead of wider ones were slower by a
 * fifth under Wasmtime, as every number of `a` must be spread over a vector
 * first, and so was unrolling: the registers ran out.
 *
 * Columns of b are first packed into a panel that lies in the nearest cache and
 * is padded with zeros, so the kernel has no edge there. Vectors are the
 * compiler's own type: the same source is WebAssembly and native code. */
#include "fml_guest.h"

#ifndef FML_GUEST_SGEMM /* else matmul_host.c */

#include <string.h>

#define LANES 4
#define ROWS  2 /* of c in one block */
#define WIDE  4 /* vectors in one row of it */
#define COLS  (WIDE * LANES)
#define DEPTH 128 /* steps of k in one panel: 8 KiB */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

/* How to walk a matrix: element (i, j) is at data[i * row + j * col]. */
struct grid {
    const float *data;
    size_t row;
    size_t col;
};

/* A panel: `columns` columns of b (at most COLS) at `depth` steps of k, padded
 * with zeros to (depth, COLS). */
struct panel {
    size_t depth;
    size_t columns;
    float data[DEPTH * COLS];
};

ALWAYS_INLINE vec vec_load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

static void panel_pack(struct panel *p, struct grid b, size_t depth, size_t columns)
{
    p->depth = depth;
    p->columns = columns;
    if (columns == COLS && b.col == 1) {
        for (size_t k = 0; k < depth; k++)
            memcpy(p->data + k * COLS, b.data + k * b.row, COLS * sizeof(float));
        return;
    }
    memset(p->data, 0, depth * COLS * sizeof(float));
    for (size_t j = 0; j < columns; j++)
        for (size_t k = 0; k < depth; k++)
            p->data[k * COLS + j] = b.data[k * b.row + j * b.col];
}

/* sum = a[0..rows) x panel. rows and wide are constants wherever this is
 * inlined, so that sum is registers. */
ALWAYS_INLINE void block(size_t rows, size_t wide, struct grid a, const struct panel *p,
                         vec sum[ROWS][WIDE])
{
    const float *from = p->data;

    for (size_t r = 0; r < rows; r++)
        for (size_t w = 0; w < wide; w++)
            sum[r][w] = (vec){0};
    for (size_t k = 0; k < p->depth; k++) {
        vec b[WIDE];
        for (size_t w = 0; w < wide; w++)
            b[w] = vec_load(from + w * LANES);
        for (size_t r = 0; r < rows; r++)
            for (size_t w = 0; w < wide; w++)
                sum[r][w] += a.data[r * a.row] * b[w];
        a.data += a.col;
        from += COLS;
    }
}

/* One row of c becomes sum, or (add) grows by it; `columns` wide. */
ALWAYS_INLINE void store(size_t wide, size_t columns, const vec *sum, bool add, float *c)
{
    for (size_t w = 0; w < wide; w++, c += LANES) {
        if ((w + 1) * LANES <= columns) {
            vec v = add ? vec_load(c) + sum[w] : sum[w];
            memcpy(c, &v, sizeof v);
        } else {
            for (size_t j = 0; w * LANES + j < columns; j++)
                c[j] = sum[w][j] + (add ? c[j] : 0.0f);
        }
    }
}

/* The panel's columns of all m rows of c. */
ALWAYS_INLINE void rows_times_panel(size_t wide, size_t m, size_t n, struct grid a,
                                    const struct panel *p, bool add, float *c)
{
    vec sum[ROWS][WIDE];
    size_t i = 0;

    for (; i + ROWS <= m; i += ROWS) {
        block(ROWS, wide, a, p, sum);
        for (size_t r = 0; r < ROWS; r++)
            store(wide, p->columns, sum[r], add, c + r * n);
        a.data += ROWS * a.row;
        c += ROWS * n;
    }
    for (; i < m; i++) {
        block(1, wide, a, p, sum);
        store(wide, p->columns, sum[0], add, c);
        a.data += a.row;
        c += n;
    }
}

ALWAYS_INLINE void product(size_t m, size_t n, size_t k, struct grid a, struct grid b, float *c)
{
    struct panel p;
    size_t k0 = 0;

    do {
        size_t depth = k - k0 < DEPTH ? k - k0 : DEPTH;
        struct grid ak = {a.data + k0 * a.col, a.row, a.col};
        for (size_t j = 0; j < n; j += COLS) {
            size_t columns = n - j < COLS ? n - j : COLS;
            panel_pack(&p, (struct grid){b.data + k0 * b.row + j * b.col, b.row, b.col}, depth,
                       columns);
            if (columns > 3 * LANES)
                rows_times_panel(4, m, n, ak, &p, k0 > 0, c + j);
            else if (columns > 2 * LANES)
                rows_times_panel(3, m, n, ak, &p, k0 > 0, c + j);
            else if (columns > LANES)
                rows_times_panel(2, m, n, ak, &p, k0 > 0, c + j);
            else
                rows_times_panel(1, m, n, ak, &p, k0 > 0, c + j);
        }
        k0 += DEPTH;
    } while (k0 < k);
}

void fml_matmul(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    product(m, n, k, (struct grid){a, k, 1}, (struct grid){b, n, 1}, c);
}

void fml_matmul_ta(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    product(m, n, k, (struct grid){a, 1, m}, (struct grid){b, n, 1}, c);
}

void fml_matmul_tb(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    product(m, n, k, (struct grid){a, k, 1}, (struct grid){b, 1, k}, c);
}

#endif
