/* What a proplet says of its device when it registers (PROTOCOL 1.1). */
#ifndef PROPLET_DEVICE_H
#define PROPLET_DEVICE_H

#include <jansson.h>

/* gives: a new object: os, cpu_arch, hostname, total_memory_bytes, environment,
 * proplet_version, wasm_runtime; what the system does not say is left out.
 * NULL: no memory */
json_t *device_describe(void);

#endif
