#include <wasmtime.h>

#include "sandbox/engine_config.h"
#include "sandbox/sandbox.h"

/* Features that change what the compiler emits or what the runtime expects. */
#ifdef WASMTIME_FEATURE_GC
#define GC "-gc"
#else
#define GC ""
#endif

const char *sandbox_cache_tag(void)
{
    return "wasmtime-" WASMTIME_VERSION GC "-c" ENGINE_CONFIG_VERSION;
}
