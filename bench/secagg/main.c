/* Parts of the secure aggregation bench; ../secagg.py runs them and makes rows of what
 * they print: lines of a name and a number, seconds or bytes.
 *
 * usage: secagg_bench round DEVICES PARAMS CHECKED REPEATS
 *        secagg_bench mask PARAMS MASKS REPEATS
 *        secagg_bench gauss DRAWS REPEATS */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int usage(void)
{
    (void)fprintf(stderr, "usage: secagg_bench round DEVICES PARAMS CHECKED REPEATS\n"
                          "       secagg_bench mask PARAMS MASKS REPEATS\n"
                          "       secagg_bench gauss DRAWS REPEATS\n");
    return 2;
}

int main(int argc, char **argv)
{
    size_t n[4] = {0};
    if (argc < 2 || argc > 6 || sodium_init() < 0)
        return usage();
    for (int i = 2; i < argc; i++) {
        n[i - 2] = strtoul(argv[i], NULL, 10);
        if (n[i - 2] == 0)
            return usage();
    }
    if (strcmp(argv[1], "round") == 0 && argc == 6 && n[2] <= n[1])
        bench_round(n[0], n[1], n[2], n[3]);
    else if (strcmp(argv[1], "mask") == 0 && argc == 5)
        bench_mask(n[0], n[1], n[2]);
    else if (strcmp(argv[1], "gauss") == 0 && argc == 4)
        bench_gauss(n[0], n[1]);
    else
        return usage();
    return 0;
}
