/* Raised with every change of the configuration in engine_wasmtime.c, as compiled
 * code is refused by a runtime that is configured otherwise, and of the form of
 * compiled files. */
#ifndef SANDBOX_ENGINE_CONFIG_H
#define SANDBOX_ENGINE_CONFIG_H

#define ENGINE_CONFIG_VERSION "2"

#endif
