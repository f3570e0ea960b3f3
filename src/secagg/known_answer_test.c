/* A whole round of five with fixed secrets, word for word as in
 * tests/vectors/secagg_round_of_five.txt: whoever writes another device or coordinator can
 * check it against that. Device 3 drops out before its masked update.
 *
 * The secrets are fixed by taking the place of libsodium's randomness in this program;
 * nothing in the library can do it. To write the file anew, give its name as argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "secagg/scene.h"

#define ANSWER "tests/vectors/secagg_round_of_five.txt"

/* ---- no randomness ---- */

static uint32_t drawn;

void __wrap_randombytes_buf(void *buffer, size_t size);
void __wrap_crypto_core_ed25519_scalar_random(unsigned char *r);

void __wrap_randombytes_buf(void *buffer, size_t size)
{
    uint8_t seed[randombytes_SEEDBYTES] = "known answer";
    memcpy(seed + 16, &drawn, sizeof drawn);
    drawn++;
    randombytes_buf_deterministic(buffer, size, seed);
}

/* As libsodium does: draws until it is below the order, with the top bits cleared. */
void __wrap_crypto_core_ed25519_scalar_random(unsigned char *r)
{
    struct scalar s;
    do {
        __wrap_randombytes_buf(s.bytes, sizeof s.bytes);
        s.bytes[31] &= 0x1f;
    } while (!scalar_is_canonical(&s) || sodium_is_zero(s.bytes, sizeof s.bytes));
    memcpy(r, s.bytes, sizeof s.bytes);
}

/* ---- the round ---- */

static void write_line(FILE *out, size_t device, const char *what, struct view bytes)
{
    fprintf(out, "%zu %s ", device, what);
    for (size_t i = 0; i < bytes.size; i++)
        fprintf(out, "%02x", bytes.data[i]);
    fprintf(out, "\n");
}

static void write_masked(struct scene *s, FILE *out, size_t device)
{
    const struct scene_device *d = &s->devices[device];
    scene_mask(s, device);
    write_line(out, device, "update", view_of(d->update, sizeof d->update));
    write_line(out, device, "masked", view_of(d->masked, sizeof d->masked));
}

static void speak(struct scene *s, FILE *out, size_t device)
{
    static const char *const told_names[] = {NULL, "roster", "boxes", "survivors", "confirmed"};
    static const char *const said_names[] = {NULL, "shares", NULL, "confirm", "unmask"};
    enum secagg_phase phase = secagg_server_phase(s->server);
    struct view said = secagg_client_advertise(s->devices[device].client);
    if (phase == SECAGG_ADVERTISING) {
        write_line(out, device, "advertise", said);
        assert_int_equal(scene_say(s, device, said), SECAGG_ACCEPTED);
        return;
    }
    struct bytes told = scene_told(s, device);
    write_line(out, device, told_names[phase], bytes_view(&told));
    assert_int_equal(scene_hear(s, device, bytes_view(&told), &said), SECAGG_FINE);
    bytes_done(&told);
    if (phase == SECAGG_MASKING) {
        write_masked(s, out, device);
        return;
    }
    write_line(out, device, said_names[phase], said);
    assert_int_equal(scene_say(s, device, said), SECAGG_ACCEPTED);
}

static void write_round(FILE *out)
{
    struct scene s;
    drawn = 0;
    scene_begin(&s, 5, (struct secagg_rules){.server = SECAGG_SERVER_CURIOUS});
    fprintf(out, "# A round of five: device, message, bytes. Device 3 drops out unmasked.\n");
    write_line(out, 0, "configuration", view_of(s.config.bytes, sizeof s.config.bytes));
    while (secagg_server_phase(s.server) < SECAGG_DONE) {
        for (size_t i = 0; i < 5; i++)
            if (i != 3 || secagg_server_phase(s.server) < SECAGG_MASKING)
                speak(&s, out, i);
        secagg_server_close(s.server);
    }
    const enum secagg_phase leaves[5] = {SECAGG_DONE, SECAGG_DONE, SECAGG_DONE, SECAGG_MASKING,
                                         SECAGG_DONE};
    scene_expect_exact_sum(&s, leaves);
    scene_end(&s);
}

static void the_round_is_the_known_one(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size), *in = fopen(ANSWER, "r");
    assert_non_null(out);
    assert_non_null(in);
    write_round(out);
    (void)fclose(out);
    char *expected = malloc(size + 1);
    assert_non_null(expected);
    assert_int_equal(fread(expected, 1, size + 1, in), size);
    assert_memory_equal(text, expected, size);
    (void)fclose(in);
    free(expected);
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_round_is_the_known_one)};
    if (argc == 2) {
        FILE *out = fopen(argv[1], "w");
        if (out == NULL)
            return 1;
        write_round(out);
        return fclose(out) == 0 ? 0 : 1;
    }
    return cmocka_run_group_tests_name("secagg/known_answer", tests, NULL, NULL);
}
