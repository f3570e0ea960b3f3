/* Checks random.c: what makes bytes secret. That ChaCha20 is ChaCha20 is libsodium's to
 * test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dp/random.h"

#define SAMPLE 32

static struct random_stream *fresh(void)
{
    struct random_stream *s = NULL;
    assert_int_equal(random_stream_new(&s), ST_OK);
    return s;
}

static void sample(struct random_stream *s, uint8_t bytes[SAMPLE])
{
    struct dp_random r = random_stream_source(s);
    r.fill(r.owner, bytes, SAMPLE);
}

static void two_sources_share_nothing(void **state)
{
    (void)state;
    struct random_stream *a = fresh(), *b = fresh();
    uint8_t of_a[SAMPLE], of_b[SAMPLE], again[SAMPLE];
    sample(a, of_a);
    sample(b, of_b);
    sample(a, again);
    assert_memory_not_equal(of_a, of_b, SAMPLE);
    assert_memory_not_equal(of_a, again, SAMPLE);
    assert_null(random_stream_free(a));
    assert_null(random_stream_free(b));
    assert_null(random_stream_free(NULL));
}

static void a_child_does_not_repeat_its_parent(void **state)
{
    (void)state;
    struct random_stream *s = fresh();
    uint8_t mine[SAMPLE], theirs[SAMPLE];
    sample(s, mine); /* the buffer is full, and both would go on in it */
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sample(s, theirs);
        _exit(write(ends[1], theirs, SAMPLE) == SAMPLE ? 0 : 1);
    }
    int outcome;
    assert_int_equal(read(ends[0], theirs, SAMPLE), SAMPLE);
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_int_equal(outcome, 0);
    sample(s, mine);
    assert_memory_not_equal(mine, theirs, SAMPLE);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)random_stream_free(s);
}

/* More than three keys of the kernel, in pieces that do not divide the buffer: each bit is
 * set half of the time, and no eight bytes come twice in a row. */
static void the_bytes_are_balanced_over_refills_and_keys(void **state)
{
    (void)state;
    struct random_stream *s = fresh();
    struct dp_random r = random_stream_source(s);
    static uint64_t words[1237];
    size_t draws = 3 * RANDOM_RESEED_BYTES / sizeof words + 10, total = 0;
    unsigned set[64] = {0};
    for (size_t i = 0; i < draws; i++) {
        uint64_t last = words[1236];
        r.fill(r.owner, words, sizeof words);
        for (size_t k = 0; k < 1237; k++, total++) {
            assert_true(words[k] != last);
            last = words[k];
            for (unsigned bit = 0; bit < 64; bit++)
                set[bit] += (unsigned)(words[k] >> bit & 1);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) { /* seven standard deviations: 1e-10 in all */
        double off = 2 * (double)set[bit] - (double)total;
        assert_true(off * off < 49 * (double)total);
    }
    (void)random_stream_free(s);
}

static void nothing_is_asked_for_and_nothing_given(void **state)
{
    (void)state;
    struct random_stream *s = fresh();
    struct dp_random r = random_stream_source(s);
    uint8_t byte = 7;
    r.fill(r.owner, &byte, 0);
    assert_int_equal(byte, 7);
    (void)random_stream_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sources_share_nothing),
        cmocka_unit_test(a_child_does_not_repeat_its_parent),
        cmocka_unit_test(the_bytes_are_balanced_over_refills_and_keys),
        cmocka_unit_test(nothing_is_asked_for_and_nothing_given),
    };
    return cmocka_run_group_tests_name("dp/random", tests, NULL, NULL);
}
