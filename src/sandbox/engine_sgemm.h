/* fml_sgemm as an import of Wasmtime's: module "fml", name "fml_sgemm", seven i32
 * (struct sgemm_order, in its order), no result. What is wrong with an order is a
 * trap whose message begins with "fml_sgemm: ". */
#ifndef SANDBOX_ENGINE_SGEMM_H
#define SANDBOX_ENGINE_SGEMM_H

#include <stdbool.h>

#include <wasmtime.h>

/* Whatever type the module gives it: the linker refuses another than ours. */
bool engine_sgemm_is_imported(const wasmtime_module_t *module);

/* It works on the memory that its caller exports as "memory".
 * gives: NULL, or the runtime's error */
wasmtime_error_t *engine_sgemm_define(wasmtime_linker_t *linker);

#endif
