/* Raised with every change of the configuration in engine_wasmtime.c: compiled
 * code is refused by a runtime that is configured otherwise. */
#ifndef SANDBOX_ENGINE_CONFIG_H
#define SANDBOX_ENGINE_CONFIG_H

#define ENGINE_CONFIG_VERSION "1"

#endif
