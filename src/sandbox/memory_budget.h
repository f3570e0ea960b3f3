/* Linear memories for Wasmtime that together never exceed a limit, and that
 * remember whether more was asked for. Wasmtime's own limiter would refuse as
 * well, but tell nobody, and a guest whose malloc() failed could not be told
 * from one that fails by itself. */
#ifndef SANDBOX_MEMORY_BUDGET_H
#define SANDBOX_MEMORY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include <wasmtime.h>

struct memory_budget {
    uint64_t limit;
    uint64_t used;
    bool refused; /* something did not fit, or the kernel said no */
    /* A memory that is given back with at most so many bytes is kept, cleared, for the next
     * one: its pages need not be had from the kernel again. 0: none is. */
    uint64_t keep_max;
    struct memory *kept; /* NULL: none */
};

/* Whether Wasmtime lets us make its memories. It maps a module's initial data
 * from a memory file, which it cannot do into memories that are not its own
 * (version 48 panics), unless the kernel has no memory files: then it copies.
 * Our seccomp filter sees to that. To compile modules without such images would
 * do as well, but takes twice as long and four times the memory for those with
 * thousands of data segments, as Go makes them. */
bool memory_budget_can_be_used(void);

/* Gives back the one that is kept, if there is one. */
void memory_budget_done(struct memory_budget *b);

/* Memories of engines with this configuration come from b, which must outlive
 * them. Not thread-safe. */
void memory_budget_use(struct memory_budget *b, wasm_config_t *config);

#endif
