/* What every fuzz target defines. Being called from libFuzzer or from
 * replay_main.c, it must return 0, keep no state and abort (assert) when a
 * promise of a header is broken; sanitizers see the rest. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
