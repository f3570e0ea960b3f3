/* sim: many worlds, one after the other, each from a seed of its own. */
#include "sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const mutants[MUTANT_COUNT] = {
    [MUTANT_NONE] = "none",
    [MUTANT_RECEIPT_FIRST] = "receipt-first",
    [MUTANT_NO_DEDUP] = "no-dedup",
    [MUTANT_K_MINUS_ONE] = "k-minus-one",
    [MUTANT_NUMBER_FORGOTTEN] = "number-forgotten",
    [MUTANT_COMPLETE_FIRST] = "complete-first",
    [MUTANT_REPLAYED_NOW] = "replayed-now",
    [MUTANT_DISK_FULL_IGNORED] = "disk-full-ignored",
    [MUTANT_REFUSALS_FORGOTTEN] = "refusals-forgotten",
    [MUTANT_START_FIRST] = "start-first",
    [MUTANT_END_UNTOLD] = "end-untold",
};

struct options {
    uint64_t seed, rounds;
    enum mutant mutant;
};

static int usage(void)
{
    (void)fputs("usage: sim [--seed S] [--rounds N] [--mutant NAME]\n"
                "Lives worlds S, S+1, ... until they had N rounds (default 1, 1000).\n"
                "Mutants, which must be found out:",
                stderr);
    for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
        (void)fprintf(stderr, " %s", mutants[m]);
    (void)fputs("\n", stderr);
    return 2;
}

static bool read_number(const char *text, uint64_t *ret)
{
    char *end = NULL;
    *ret = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static bool read_mutant(const char *text, enum mutant *ret)
{
    for (int m = 0; m < MUTANT_COUNT; m++) {
        if (strcmp(text, mutants[m]) != 0)
            continue;
        *ret = (enum mutant)m;
        return true;
    }
    return false;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = argv[i + 1]; /* NULL at the end of argv */
        bool fine = false;
        if (value != NULL && strcmp(argv[i], "--seed") == 0)
            fine = read_number(value, &o->seed);
        else if (value != NULL && strcmp(argv[i], "--rounds") == 0)
            fine = read_number(value, &o->rounds) && o->rounds > 0;
        else if (value != NULL && strcmp(argv[i], "--mutant") == 0)
            fine = read_mutant(value, &o->mutant);
        if (!fine)
            return false;
    }
    return true;
}

/* The same world once more, this time with its last events: it must end the same
 * way, or it would not be one that can be repeated. */
static void tell(uint64_t seed, enum mutant mutant, uint64_t step, const char *said)
{
    static struct world again;
    struct tally ignored = {0};
    (void)world_run(&again, seed, mutant, true, &ignored);
    uint64_t first = again.traced > TRACE_LINES ? again.traced - TRACE_LINES : 0;
    for (uint64_t n = first; n < again.traced; n++)
        printf("  %s\n", again.trace[n % TRACE_LINES]);
    printf("violation: %s\n", said);
    printf("world: devices=%d rounds=%d drop=%u duplicate=%u slow=%u crash=%u disk_full=%u"
           " hostile=%u commit_ms=%u grid_ms=%u\n",
           again.device_count, again.round_count, again.odds.drop, again.odds.duplicate,
           again.odds.slow, again.odds.crash, again.odds.disk_full, again.odds.hostile,
           again.odds.commit_ms, again.odds.grid_ms);
    if (again.step != step || strcmp(again.violation, said) != 0)
        printf("and the second time another: step %" PRIu64 ", %s\n", again.step, again.violation);
    printf("seed=%" PRIu64 " step=%" PRIu64 "\nreplay: sim --seed %" PRIu64 " --rounds 1", seed,
           step, seed);
    printf(mutant == MUTANT_NONE ? "\n" : " --mutant %s\n", mutants[mutant]);
    world_done(&again);
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct world w;

/* An assert of the code under test, or a sanitizer that aborts: no less a find. */
static void aborted(int signal)
{
    char text[160];
    int size = snprintf(text, sizeof text,
                        "violation: aborted\nseed=%" PRIu64 " step=%" PRIu64
                        "\nreplay: sim --seed %" PRIu64 " --rounds 1\n",
                        w.seed, w.step, w.seed);
    if (write(STDOUT_FILENO, text, (size_t)size) < 0)
        _exit(3);
    _exit(signal == SIGABRT ? 1 : 3);
}

int main(int argc, char **argv)
{
    (void)signal(SIGABRT, aborted);
    struct options o = {.seed = 1, .rounds = 1000};
    if (!read_options(argc, argv, &o))
        return usage();

    struct tally t = {0};
    double began = seconds();
    bool held = true;
    for (uint64_t seed = o.seed; held && t.rounds < o.rounds; seed++) {
        held = world_run(&w, seed, o.mutant, false, &t);
        if (!held)
            tell(seed, o.mutant, w.step, w.violation);
        world_done(&w);
    }
    printf("sim: steps=%" PRIu64 " experiments=%" PRIu64 " rows=%" PRIu64 " completed=%" PRIu64
           " expired=%" PRIu64 " failed=%" PRIu64 " cancelled=%" PRIu64 " unannounced=%" PRIu64
           " refused=%" PRIu64 " disk_full=%" PRIu64 "\n",
           t.steps, t.experiments, t.rows, t.completed, t.expired, t.failed, t.cancelled,
           t.unannounced, t.refused, t.disk_full);
    printf("sim: rounds=%" PRIu64 " crashes=%" PRIu64 " dropped=%" PRIu64 " duplicated=%" PRIu64
           " accepted=%" PRIu64 " violations=%d seconds=%.1f\n",
           t.rounds, t.crashes, t.dropped, t.duplicated, t.accepted, held ? 0 : 1,
           seconds() - began);
    return held ? 0 : 1;
}
