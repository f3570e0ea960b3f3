/* What a guest may ask of fml_sgemm and what it gets, without a guest. The
 * memory of each test ends at a page that nobody may touch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "sandbox/sgemm.h"

#define PAGE   ((size_t)4096)
#define MEMORY ((size_t)16 * PAGE)

static uint8_t *memory; /* MEMORY bytes between two pages without any rights */

static int map_memory(void **state)
{
    (void)state;
    uint8_t *pages = mmap(NULL, MEMORY + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, MEMORY, PROT_READ | PROT_WRITE) != 0)
        return -1;
    memory = pages + PAGE;
    return 0;
}

static int unmap_memory(void **state)
{
    (void)state;
    return munmap(memory - PAGE, MEMORY + 2 * PAGE);
}

static float *at(uint32_t offset)
{
    return (float *)(void *)(memory + offset);
}

/* Small whole numbers, so that no sum is rounded and every order of it is equal. */
static void fill(float *data, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++)
        data[i] = (float)((i * 7 + seed) % 11) - 5.0f;
}

static void two_by_two_by_hand(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
    const struct {
        uint32_t flags;
        float c[4];
    } cases[] = {
        {0, {19, 22, 43, 50}},
        {SGEMM_A_TRANSPOSED, {26, 30, 38, 44}},
        {SGEMM_B_TRANSPOSED, {17, 23, 39, 53}},
        {SGEMM_A_TRANSPOSED | SGEMM_B_TRANSPOSED, {23, 31, 34, 46}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgemm_order o = {cases[i].flags, 2, 2, 2, 0, 16, 32};
        memcpy(memory, a, sizeof a);
        memcpy(memory + 16, b, sizeof b);
        assert_null(sgemm_do(&o, memory, 48));
        assert_memory_equal(memory + 32, cases[i].c, sizeof cases[i].c);
    }
}

static void compare(sgemm_kernel_fn *kernel, size_t m, size_t n, size_t k, unsigned flags)
{
    size_t sizes[] = {m * k * sizeof(float), k * n * sizeof(float), m * n * sizeof(float)};
    uint8_t *data[3];
    for (size_t i = 0; i < 3; i++) /* a quarter of the memory for each */
        data[i] = memory + (i + 1) * MEMORY / 4 - sizes[i];
    float *a = (float *)(void *)data[0], *b = (float *)(void *)data[1];
    float *c = (float *)(void *)data[2];
    bool ta = flags & SGEMM_A_TRANSPOSED, tb = flags & SGEMM_B_TRANSPOSED;
    fill(a, m * k, 1);
    fill(b, k * n, 2);
    memset(c, 0xff, sizes[2]); /* NaN: what is there is not read */
    kernel(m, n, k, ta ? (struct sgemm_grid){a, 1, m} : (struct sgemm_grid){a, k, 1},
           tb ? (struct sgemm_grid){b, 1, k} : (struct sgemm_grid){b, n, 1}, c);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t s = 0; s < k; s++)
                sum += a[ta ? s * m + i : i * k + s] * b[tb ? j * k + s : s * n + j];
            if (c[i * n + j] != sum)
                fail_msg("%zu x %zu x %zu, flags %u: (%zu, %zu) is %f, not %f", m, n, k, flags, i,
                         j, (double)c[i * n + j], (double)sum);
        }
}

static void every_shape(sgemm_kernel_fn *kernel)
{
    static const size_t ms[] = {1, 5, 6, 7, 13}, ns[] = {1, 3, 8, 15, 16, 17, 33};
    static const size_t ks[] = {1, 2, 31};
    for (unsigned flags = 0; flags < 4; flags++)
        for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++)
            for (size_t j = 0; j < sizeof ns / sizeof ns[0]; j++)
                for (size_t s = 0; s < sizeof ks / sizeof ks[0]; s++)
                    compare(kernel, ms[i], ns[j], ks[s], flags);
}

static void kernels_are_the_three_loops(void **state)
{
    (void)state;
    every_shape(sgemm_kernel_base);
    every_shape(sgemm_kernel()); /* this processor's best */
}

/* Longer than each block of the kernels: 120 x 512 x 256. */
static void blocks_join(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 4; flags++) {
        compare(sgemm_kernel(), 6, 7, 530, flags);
        compare(sgemm_kernel(), 250, 5, 9, flags);
        compare(sgemm_kernel(), 4, 1021, 3, flags);
        compare(sgemm_kernel_base, 122, 9, 30, flags);
        compare(sgemm_kernel_base, 3, 520, 7, flags);
    }
}

static void matrices_may_end_where_the_memory_does(void **state)
{
    (void)state;
    for (uint32_t m = 1; m <= 18; m++)
        for (uint32_t flags = 0; flags < 4; flags++) {
            /* b and then a are last; m x m x m, so their sizes are known */
            uint32_t bytes = m * m * (uint32_t)sizeof(float), last = (uint32_t)MEMORY - bytes;
            struct sgemm_order o = {flags, m, m, m, 0, last, 8192};
            assert_null(sgemm_do(&o, memory, MEMORY));
            o = (struct sgemm_order){flags, m, m, m, last, 0, 8192};
            assert_null(sgemm_do(&o, memory, MEMORY));
            o = (struct sgemm_order){flags, m, m, m, 0, 8192, last};
            assert_null(sgemm_do(&o, memory, MEMORY));
        }
}

static void empty_matrices_are_fine(void **state)
{
    (void)state;
    memset(memory, 1, MEMORY);
    struct sgemm_order o = {0, 2, 3, 0, 0, 0, 64};
    const float zeros[6] = {0};
    assert_null(sgemm_do(&o, memory, MEMORY));
    assert_memory_equal(memory + 64, zeros, sizeof zeros);
    assert_int_equal(memory[88], 1);
    o = (struct sgemm_order){0, 0, 3, 2, 0, 0, 64};
    assert_null(sgemm_do(&o, memory, MEMORY));
    /* An empty one overlaps nothing, wherever it lies. */
    o = (struct sgemm_order){0, 2, 0, 4, 0, 0, 4};
    assert_null(sgemm_do(&o, memory, MEMORY));
    o = (struct sgemm_order){0, 2, 3, 0, 68, 72, 64};
    assert_null(sgemm_do(&o, memory, MEMORY));
    /* Also at the very end of the memory, and with nothing else. */
    o = (struct sgemm_order){0, 0, 0, 0, MEMORY, MEMORY, MEMORY};
    assert_null(sgemm_do(&o, memory, MEMORY));
}

static void numbers_that_are_none_are_passed_on(void **state)
{
    (void)state;
    float *a = at(0), *b = at(16), *c = at(32);
    memcpy(a, (float[]){NAN, 1, 2, 3}, 16);
    memcpy(b, (float[]){1, 0, 0, INFINITY}, 16);
    struct sgemm_order o = {0, 2, 2, 2, 0, 16, 32};
    assert_null(sgemm_do(&o, memory, MEMORY));
    assert_true(isnan(c[0]) && isnan(c[1]));
    assert_true(c[2] == 2.0f && isinf(c[3]));
    memset(memory, 0xff, MEMORY); /* nothing but NaN */
    assert_null(sgemm_do(&o, memory, MEMORY));
    assert_true(isnan(c[0]) && isnan(c[3]));
}

/* The order is refused with these words, and no byte changes. */
static void refused(struct sgemm_order o, size_t size, const char *words)
{
    static uint8_t before[MEMORY];
    fill(at(0), MEMORY / sizeof(float), 3);
    memcpy(before, memory, MEMORY);
    const char *fault = sgemm_do(&o, memory, size);
    assert_non_null(fault);
    if (strstr(fault, words) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", fault, words);
    assert_memory_equal(memory, before, MEMORY);
}

static void what_is_not_in_the_memory_is_refused(void **state)
{
    (void)state;
    const char *words = "inside the memory";
    uint32_t end = (uint32_t)MEMORY;
    refused((struct sgemm_order){0, 2, 2, 2, end - 12, 0, 64}, MEMORY, words);
    refused((struct sgemm_order){0, 2, 2, 2, 0, end - 12, 64}, MEMORY, words);
    refused((struct sgemm_order){0, 2, 2, 2, 0, 16, end - 12}, MEMORY, words);
    refused((struct sgemm_order){0, 2, 2, 2, 0, 16, 32}, 44, words);
    refused((struct sgemm_order){0, 2, 2, 2, 0xfffffffc, 16, 32}, MEMORY, words);
    refused((struct sgemm_order){0, 0, 0, 0, end + 4, 0, 0}, MEMORY, words);
    refused((struct sgemm_order){0, 1, 1, 1, 0, 4, 8}, 0, words);
}

static void sizes_whose_product_overflows_are_refused(void **state)
{
    (void)state;
    const char *inside = "inside the memory";
    uint32_t half = (uint32_t)1 << 16, max = SGEMM_DIMENSION_MAX;
    /* 2^16 x 2^16 is 0 in 32 bits, and so is 2^30 x 4. */
    refused((struct sgemm_order){0, half, 1, half, 0, 0, 0}, MEMORY, inside);
    refused((struct sgemm_order){0, half, half, 0, 0, 0, 0}, MEMORY, inside);
    refused((struct sgemm_order){0, max, 1, 1, 0, 0, 0}, MEMORY, inside);
    refused((struct sgemm_order){0, max, max, max, 0xfffffffc, 0xfffffffc, 0xfffffffc}, MEMORY,
            inside);
    refused((struct sgemm_order){0, max + 1, 1, 1, 0, 0, 0}, MEMORY, "dimension");
    refused((struct sgemm_order){0, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, 0, 0}, MEMORY,
            "dimension");
    refused((struct sgemm_order){0, 1, 0x80000000u, 1, 0, 0, 0}, MEMORY, "dimension");
}

static void a_result_over_a_factor_is_refused(void **state)
{
    (void)state;
    const char *words = "overlaps";
    refused((struct sgemm_order){0, 2, 2, 2, 0, 16, 0}, MEMORY, words);
    refused((struct sgemm_order){0, 2, 2, 2, 0, 16, 12}, MEMORY, words);
    refused((struct sgemm_order){0, 2, 2, 2, 28, 64, 16}, MEMORY, words);
    refused((struct sgemm_order){0, 2, 2, 2, 0, 16, 28}, MEMORY, words);
    /* One that only touches is fine, and so are equal factors. */
    struct sgemm_order o = {0, 2, 2, 2, 0, 0, 16};
    assert_null(sgemm_do(&o, memory, MEMORY));
}

static void odd_addresses_and_flags_are_refused(void **state)
{
    (void)state;
    refused((struct sgemm_order){0, 2, 2, 2, 1, 16, 32}, MEMORY, "aligned");
    refused((struct sgemm_order){0, 2, 2, 2, 0, 18, 36}, MEMORY, "aligned");
    refused((struct sgemm_order){0, 2, 2, 2, 0, 16, 35}, MEMORY, "aligned");
    refused((struct sgemm_order){4, 2, 2, 2, 0, 16, 32}, MEMORY, "flags");
    refused((struct sgemm_order){UINT32_MAX, 2, 2, 2, 0, 16, 32}, MEMORY, "flags");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_by_two_by_hand),
        cmocka_unit_test(kernels_are_the_three_loops),
        cmocka_unit_test(blocks_join),
        cmocka_unit_test(matrices_may_end_where_the_memory_does),
        cmocka_unit_test(empty_matrices_are_fine),
        cmocka_unit_test(numbers_that_are_none_are_passed_on),
        cmocka_unit_test(what_is_not_in_the_memory_is_refused),
        cmocka_unit_test(sizes_whose_product_overflows_are_refused),
        cmocka_unit_test(a_result_over_a_factor_is_refused),
        cmocka_unit_test(odd_addresses_and_flags_are_refused),
    };
    return cmocka_run_group_tests_name("sandbox/sgemm", tests, map_memory, unmap_memory);
}
