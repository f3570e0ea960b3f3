/* One part of the aggregation bench; ../aggregate.py runs all of it and compares.
 * Prints lines of a name and a number: seconds, or GB/s in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char usage[] = "usage: aggregate_bench memory REPEATS\n"
                            "       aggregate_bench mean PARTICIPANTS PARAMS REPEATS\n"
                            "       aggregate_bench update PARAMS REPEATS\n"
                            "       aggregate_bench make-files PARTICIPANTS PARAMS FOLDER\n"
                            "       aggregate_bench files PARTICIPANTS PARAMS FOLDER\n";

static size_t number(const char *text)
{
    return (size_t)strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "memory") == 0)
        bench_memory(number(argv[2]));
    else if (argc == 5 && strcmp(argv[1], "mean") == 0)
        bench_mean(number(argv[2]), number(argv[3]), number(argv[4]));
    else if (argc == 4 && strcmp(argv[1], "update") == 0)
        bench_update(number(argv[2]), number(argv[3]));
    else if (argc == 5 && strcmp(argv[1], "make-files") == 0)
        bench_make_files(argv[4], number(argv[2]), number(argv[3]));
    else if (argc == 5 && strcmp(argv[1], "files") == 0)
        bench_files(argv[4], number(argv[2]), number(argv[3]));
    else {
        (void)fputs(usage, stderr);
        return 2;
    }
    return 0;
}
