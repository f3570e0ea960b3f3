/* A guest that imports fml_sgemm and calls it with what its argument says. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((import_module("fml"), import_name("fml_sgemm"))) void
sgemm(uint32_t flags, uint32_t m, uint32_t n, uint32_t k, uint32_t a, uint32_t b, uint32_t c);

static float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}, c[4] = {-1, -1, -1, -1};

static uint32_t at(const float *data)
{
    return (uint32_t)(uintptr_t)data;
}

static int show(void)
{
    printf("%g %g %g %g\n", (double)c[0], (double)c[1], (double)c[2], (double)c[3]);
    return 0;
}

static int product(void)
{
    sgemm(0, 2, 2, 2, at(a), at(b), at(c));
    return show();
}

static int not_a_number(void)
{
    a[0] = __builtin_nanf("");
    return product();
}

/* What was grown is in the memory, too, and its last bytes are. */
static int at_the_end(void)
{
    uint32_t end = (uint32_t)(__builtin_wasm_memory_grow(0, 3) + 3) << 16;
    memcpy((void *)(uintptr_t)(end - sizeof a), a, sizeof a);
    sgemm(0, 2, 2, 2, end - (uint32_t)sizeof a, at(b), at(c));
    return show();
}

static int forever(void)
{
    static float large[3 << 20];
    for (;;)
        sgemm(0, 1024, 1024, 1024, at(large), at(large), at(large + (2 << 20)));
}

/* text: seven numbers, modulo 2^32 */
static int order(const char *text)
{
    uint32_t words[7];
    char *end = (char *)text;
    for (int i = 0; i < 7; i++)
        words[i] = (uint32_t)strtoull(end, &end, 0);
    sgemm(words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
    puts("done");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 99;
    if (strcmp(argv[1], "product") == 0)
        return product();
    if (strcmp(argv[1], "not_a_number") == 0)
        return not_a_number();
    if (strcmp(argv[1], "at_the_end") == 0)
        return at_the_end();
    return strcmp(argv[1], "forever") == 0 ? forever() : order(argv[1]);
}
