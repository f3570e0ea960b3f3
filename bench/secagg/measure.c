#include "bench.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "secagg_bench: not so: %s\n", what);
    exit(1);
}

void *room(size_t count, size_t size)
{
    void *p = calloc(count, size);
    must(p != NULL, "there is memory");
    return p;
}

void times_note(struct times *t, double began)
{
    double seconds = now_s() - began;
    if (t->count == t->room) {
        t->room = t->room * 2 + 16;
        t->seconds = realloc(t->seconds, t->room * sizeof t->seconds[0]);
        must(t->seconds != NULL, "there is memory");
    }
    t->seconds[t->count++] = seconds;
    t->sum += seconds;
}

double times_least(const struct times *t)
{
    must(t->count > 0, "it was measured");
    double least = t->seconds[0];
    for (size_t i = 1; i < t->count; i++)
        least = t->seconds[i] < least ? t->seconds[i] : least;
    return least;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double times_median(struct times *t)
{
    must(t->count > 0, "it was measured");
    qsort(t->seconds, t->count, sizeof t->seconds[0], compare);
    return t->seconds[t->count / 2];
}

double keystream_s(size_t size)
{
    static const uint8_t zeros[16384], key[32], iv[16];
    static uint8_t stream[sizeof zeros];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    must(context != NULL && EVP_EncryptInit_ex(context, EVP_chacha20(), NULL, key, iv) == 1,
         "OpenSSL has ChaCha20");
    double began = now_s();
    for (size_t at = 0; at < size; at += sizeof zeros) {
        int made = 0;
        size_t left = size - at < sizeof zeros ? size - at : sizeof zeros;
        must(EVP_EncryptUpdate(context, stream, &made, zeros, (int)left) == 1, "it encrypts");
    }
    double seconds = now_s() - began;
    EVP_CIPHER_CTX_free(context);
    return seconds;
}
