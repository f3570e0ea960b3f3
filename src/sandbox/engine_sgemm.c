#include "sandbox/engine_sgemm.h"

#include <assert.h>
#include <string.h>

#include <wasm.h>

#include "sandbox/sgemm.h"

#define MODULE     "fml"
#define NAME       "fml_sgemm"
#define MEMORY     "memory"
#define ARGS_COUNT 7

static bool is(const wasm_name_t *name, const char *text)
{
    return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}

bool engine_sgemm_is_imported(const wasmtime_module_t *module)
{
    wasm_importtype_vec_t imports;
    wasmtime_module_imports(module, &imports);
    bool found = false;
    for (size_t i = 0; i < imports.size; i++)
        found = found || (is(wasm_importtype_module(imports.data[i]), MODULE) &&
                          is(wasm_importtype_name(imports.data[i]), NAME));
    wasm_importtype_vec_delete(&imports);
    return found;
}

static wasm_trap_t *trap(const char *text)
{
    return wasmtime_trap_new(text, strlen(text));
}

static wasm_trap_t *on_sgemm(void *env, wasmtime_caller_t *caller, const wasmtime_val_t *args,
                             size_t arg_count, wasmtime_val_t *results, size_t result_count)
{
    (void)env;
    (void)results;
    (void)result_count;
    assert(arg_count == ARGS_COUNT); /* the linker has compared the types */
    uint32_t words[ARGS_COUNT];
    for (size_t i = 0; i < arg_count; i++)
        words[i] = (uint32_t)args[i].of.i32;

    wasmtime_extern_t memory;
    if (!wasmtime_caller_export_get(caller, MEMORY, strlen(MEMORY), &memory) ||
        memory.kind != WASMTIME_EXTERN_MEMORY)
        return trap("fml_sgemm: the module exports no memory");
    wasmtime_context_t *context = wasmtime_caller_context(caller);
    const struct sgemm_order order = {words[0], words[1], words[2], words[3],
                                      words[4], words[5], words[6]};
    const char *fault = sgemm_do(&order, wasmtime_memory_data(context, &memory.of.memory),
                                 wasmtime_memory_data_size(context, &memory.of.memory));
    return fault == NULL ? NULL : trap(fault);
}

wasmtime_error_t *engine_sgemm_define(wasmtime_linker_t *linker)
{
    wasm_valtype_t *params[ARGS_COUNT];
    for (size_t i = 0; i < ARGS_COUNT; i++)
        params[i] = wasm_valtype_new_i32();
    wasm_valtype_vec_t inputs, outputs;
    wasm_valtype_vec_new(&inputs, ARGS_COUNT, params);
    wasm_valtype_vec_new_empty(&outputs);
    wasm_functype_t *type = wasm_functype_new(&inputs, &outputs);
    wasmtime_error_t *error = wasmtime_linker_define_func(linker, MODULE, strlen(MODULE), NAME,
                                                          strlen(NAME), type, on_sgemm, NULL, NULL);
    wasm_functype_delete(type);
    return error;
}
