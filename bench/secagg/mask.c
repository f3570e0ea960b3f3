/* What one mask on a vector costs: its keystream, made and added. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "secagg/mask.h"

void bench_mask(size_t params, size_t masks, size_t repeats)
{
    struct times apply = {0}, stream = {0};
    uint32_t *words = room(params, sizeof words[0]), *before = room(params, sizeof before[0]);
    struct mask *drawn = room(masks, sizeof drawn[0]);
    randombytes_buf(drawn, masks * sizeof drawn[0]);
    randombytes_buf(before, params * sizeof before[0]);
    memcpy(words, before, params * sizeof words[0]);
    for (size_t r = 0; r < 2 * repeats; r++) {
        /* What is put on in one turn is taken off in the next. */
        for (size_t m = 0; m < masks; m++)
            drawn[m].subtract = r % 2 == 1;
        double began = now_s();
        must(masks_apply(drawn, masks, MASK_WORD_32, 0, words, params) == ST_OK, "masks apply");
        times_note(&apply, began);
        began = now_s();
        (void)keystream_s(masks * params * sizeof words[0]);
        times_note(&stream, began);
        must((memcmp(words, before, params * sizeof words[0]) == 0) == (r % 2 == 1),
             "a vector is masked, and itself again");
    }
    printf("mask %.9f\n", times_least(&apply) / (double)masks);
    printf("keystream %.9f\n", times_least(&stream) / (double)masks);
}
