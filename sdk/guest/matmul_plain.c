/* The matrix products of matmul.c as their definition says them. The test
 * compares the two; nothing else calls these. */
#include "fml_guest.h"

void fml_matmul_plain(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (size_t s = 0; s < k; s++)
                sum += a[i * k + s] * b[s * n + j];
            c[i * n + j] = sum;
        }
    }
}

void fml_matmul_ta_plain(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (size_t s = 0; s < k; s++)
                sum += a[s * m + i] * b[s * n + j];
            c[i * n + j] = sum;
        }
    }
}

void fml_matmul_tb_plain(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (size_t s = 0; s < k; s++)
                sum += a[i * k + s] * b[j * k + s];
            c[i * n + j] = sum;
        }
    }
}
