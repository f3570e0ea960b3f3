#include "aggregate/columns.h"

#include <string.h>

/* The bodies below are put into one function for each kind of processor, where the
 * compiler turns their loops over a strip into its vector instructions. Nothing in
 * them depends on the width of these. */
#define BODY static inline __attribute__((always_inline))

/* Rows that are held in registers at once. */
#define GROUP ((size_t)8)

/* The loops over a strip read and write different rows, and of each row only the
 * column that they are at: nothing that one turn does is seen by another. */
#if defined(__clang__)
#define COLUMNS_ARE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define COLUMNS_ARE_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* A float's bits to its key, and back. */
BODY int32_t turned(int32_t bits)
{
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

BODY double value_of(int32_t key)
{
    int32_t bits = turned(key);
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

BODY bool keys(const float *values, size_t count, int32_t *ret_keys)
{
    int32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        int32_t magnitude = bits & 0x7fffffff;
        most = most > magnitude ? most : magnitude;
        ret_keys[i] = turned(bits);
    }
    return most < 0x7f800000;
}

#define COMPARE(a, b)                                                                              \
    do {                                                                                           \
        int32_t least_ = a < b ? a : b;                                                            \
        b = a < b ? b : a;                                                                         \
        a = least_;                                                                                \
    } while (0)

/* Applies LAYERS to each column of eight different rows. */
#define ON_GROUP(name, LAYERS)                                                                     \
    BODY void name(int32_t *const rows[GROUP])                                                     \
    {                                                                                              \
        int32_t *restrict r0 = rows[0], *restrict r1 = rows[1];                                    \
        int32_t *restrict r2 = rows[2], *restrict r3 = rows[3];                                    \
        int32_t *restrict r4 = rows[4], *restrict r5 = rows[5];                                    \
        int32_t *restrict r6 = rows[6], *restrict r7 = rows[7];                                    \
        COLUMNS_ARE_INDEPENDENT                                                                    \
        for (size_t i = 0; i < COLUMNS_STRIP; i++) {                                               \
            int32_t a = r0[i], b = r1[i], c = r2[i], d = r3[i];                                    \
            int32_t e = r4[i], f = r5[i], g = r6[i], h = r7[i];                                    \
            LAYERS;                                                                                \
            r0[i] = a, r1[i] = b, r2[i] = c, r3[i] = d;                                            \
            r4[i] = e, r5[i] = f, r6[i] = g, r7[i] = h;                                            \
        }                                                                                          \
    }

/* A layer of a network: comparators that do not touch each other. */
#define FOUR(a, b, c, d, e, f, g, h)                                                               \
    COMPARE(a, b);                                                                                 \
    COMPARE(c, d);                                                                                 \
    COMPARE(e, f);                                                                                 \
    COMPARE(g, h)
#define APART_4 FOUR(a, e, b, f, c, g, d, h)
#define APART_2 FOUR(a, c, b, d, e, g, f, h)
#define APART_1 FOUR(a, b, c, d, e, f, g, h)

/* Batcher's odd-even merge sort of eight: 19 comparators. */
ON_GROUP(sort_eight, APART_1; APART_2; COMPARE(b, c); COMPARE(f, g); APART_4; COMPARE(c, e);
         COMPARE(d, f); COMPARE(b, c); COMPARE(d, e); COMPARE(f, g))

/* The beginning of a merge: rows a..d of one sorted run against the mirrored rows
 * h..e of the next, then the two layers after it inside of each run. */
ON_GROUP(flip_three, FOUR(a, h, b, g, c, f, d, e); APART_2; APART_1)

/* Further layers of a merge, by how many are left. */
ON_GROUP(merge_three, APART_4; APART_2; APART_1)
ON_GROUP(merge_two, APART_2; APART_1)
ON_GROUP(merge_one, APART_1)

struct strip {
    int32_t *keys;
    size_t rows;
    size_t stride;
    int32_t beyond[GROUP][COLUMNS_STRIP]; /* what stands for rows that do not exist */
};

/* Rows at start, start + step, ...; those that do not exist hold the largest key,
 * which no comparator moves. */
BODY void group_of(struct strip *s, size_t start, size_t step, int32_t *rows[GROUP])
{
    for (size_t k = 0; k < GROUP; k++) {
        size_t row = start + k * step;
        rows[k] = row < s->rows ? s->keys + row * s->stride : s->beyond[k];
    }
}

/* Four rows from the beginning of a run and their mirror images in the next one. */
BODY void mirrored_group_of(struct strip *s, size_t start, size_t step, size_t end,
                            int32_t *rows[GROUP])
{
    for (size_t k = 0; k < GROUP / 2; k++) {
        size_t row = end - 1 - k * step;
        rows[k] = s->keys + (start + k * step) * s->stride;
        rows[GROUP - 1 - k] = row < s->rows ? s->keys + row * s->stride : s->beyond[k];
    }
}

/* Merges the runs [start, start + half) and [start + half, start + 2 half), as far
 * as the rows first..last-1 need it. half is a power of two, at least 8. */
BODY void merge(struct strip *s, size_t start, size_t half, size_t first, size_t last)
{
    int32_t *rows[GROUP];
    size_t quarter = half / 4;
    for (size_t i = 0; i < quarter; i++) {
        mirrored_group_of(s, start + i, quarter, start + 2 * half - i, rows);
        flip_three(rows);
    }
    /* Now every key is in its block of `size` rows. */
    size_t end = start + 2 * half;
    end = end < s->rows ? end : s->rows;
    for (size_t size = quarter; size >= 2;) {
        size_t step = size >= GROUP ? size / GROUP : 1;
        size_t span = step * GROUP;
        for (size_t block = start; block < end; block += span) {
            if (block >= last || block + span <= first)
                continue;
            for (size_t i = 0; i < step; i++) {
                group_of(s, block + i, step, rows);
                if (size >= GROUP)
                    merge_three(rows);
                else if (size == 4)
                    merge_two(rows);
                else
                    merge_one(rows);
            }
        }
        size = step;
    }
}

/* A bitonic merge sort (Batcher 1968) in the form in which every comparator puts
 * the smaller key first, so that rows beyond the end need not exist; three layers
 * of comparators at a time, while eight rows are in registers. */
BODY void sort(int32_t *keys_, size_t row_count, size_t stride, size_t first, size_t last)
{
    struct strip s = {.keys = keys_, .rows = row_count, .stride = stride};
    for (size_t k = 0; k < GROUP; k++)
        for (size_t c = 0; c < COLUMNS_STRIP; c++)
            s.beyond[k][c] = INT32_MAX;

    int32_t *rows[GROUP];
    for (size_t i = 0; i < row_count; i += GROUP) {
        group_of(&s, i, 1, rows);
        sort_eight(rows);
    }
    for (size_t half = GROUP; half < row_count; half *= 2) {
        bool whole = 2 * half < row_count;
        for (size_t start = 0; start + half < row_count; start += 2 * half)
            merge(&s, start, half, whole ? 0 : first, whole ? row_count : last);
    }
}

BODY void sum(const int32_t *keys_, size_t stride, size_t first, size_t last, double *ret_sums)
{
    double sums[COLUMNS_STRIP];
    for (size_t c = 0; c < COLUMNS_STRIP; c++)
        sums[c] = value_of(keys_[first * stride + c]);
    for (size_t row = first + 1; row < last; row++)
        for (size_t c = 0; c < COLUMNS_STRIP; c++)
            sums[c] += value_of(keys_[row * stride + c]);
    memcpy(ret_sums, sums, sizeof sums);
}

#define KERNEL(suffix, attribute)                                                                  \
    attribute static bool keys_##suffix(const float *values, size_t count, int32_t *ret_keys)      \
    {                                                                                              \
        return keys(values, count, ret_keys);                                                      \
    }                                                                                              \
    attribute static void sort_##suffix(int32_t *strip, size_t rows, size_t stride, size_t first,  \
                                        size_t last)                                               \
    {                                                                                              \
        sort(strip, rows, stride, first, last);                                                    \
    }                                                                                              \
    attribute static void sum_##suffix(const int32_t *strip, size_t stride, size_t first,          \
                                       size_t last, double *ret_sums)                              \
    {                                                                                              \
        sum(strip, stride, first, last, ret_sums);                                                 \
    }                                                                                              \
    static const struct columns columns_##suffix = {#suffix, keys_##suffix, sort_##suffix,         \
                                                    sum_##suffix};

KERNEL(baseline, )
#if defined(__x86_64__)
KERNEL(avx2, __attribute__((target("avx2"))))
#if defined(__clang__)
KERNEL(avx512, __attribute__((target("avx512f,avx512bw"))))
#else
KERNEL(avx512, __attribute__((target("avx512f,avx512bw,prefer-vector-width=512"))))
#endif
#endif

const struct columns *columns_at(size_t index)
{
    const struct columns *all[5] = {&columns_plain, &columns_baseline};
#if defined(__x86_64__)
    size_t count = 2;
    if (__builtin_cpu_supports("avx2"))
        all[count++] = &columns_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        all[count++] = &columns_avx512;
#endif
    return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}

const struct columns *columns_best(void)
{
    const struct columns *best = &columns_plain;
    for (size_t i = 1; columns_at(i) != NULL; i++)
        best = columns_at(i);
    return best;
}
