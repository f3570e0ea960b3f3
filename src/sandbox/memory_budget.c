#include "sandbox/memory_budget.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WASM_PAGE ((size_t)64 << 10) /* of Wasm; a multiple of the processor's */

struct memory {
    struct memory_budget *budget;
    uint8_t *base;
    size_t size;     /* what the guest can use */
    size_t capacity; /* what it may grow to without moving */
    size_t mapped;   /* capacity and the guard behind it */
};

static wasmtime_error_t *refuse(struct memory_budget *b, const char *why)
{
    b->refused = true;
    return wasmtime_error_new(why);
}

static wasmtime_error_t *grow(void *env, size_t size)
{
    struct memory *m = env;
    struct memory_budget *b = m->budget;
    assert(size >= m->size && size % WASM_PAGE == 0);
    if (size > m->capacity || size - m->size > b->limit - b->used)
        return refuse(b, "the memory limit is reached");
    /* RLIMIT_DATA counts these bytes from here on, and may refuse as well. */
    if (mprotect(m->base, size, PROT_READ | PROT_WRITE) != 0)
        return refuse(b, "the system gives no more memory");
    b->used += size - m->size;
    m->size = size;
    return NULL;
}

static uint8_t *get(void *env, size_t *ret_size, size_t *ret_capacity)
{
    const struct memory *m = env;
    *ret_size = m->size;
    *ret_capacity = m->capacity;
    return m->base;
}

static void unmap(struct memory *m)
{
    munmap(m->base, m->mapped);
    free(m);
}

/* False: it could not be made as it was before its first use. */
static bool clear(struct memory *m)
{
    memset(m->base, 0, m->size);
    if (m->size > 0 && mprotect(m->base, m->size, PROT_NONE) != 0)
        return false;
    m->size = 0;
    return true;
}

static void release(void *env)
{
    struct memory *m = env;
    struct memory_budget *b = m->budget;
    b->used -= m->size;
    if (m->size <= b->keep_max && b->kept == NULL && clear(m))
        b->kept = m;
    else
        unmap(m);
}

void memory_budget_done(struct memory_budget *b)
{
    if (b->kept != NULL)
        unmap(b->kept);
    b->kept = NULL;
}

/* Addresses for a memory of this capacity, none of them usable yet; NULL: there are none. */
static struct memory *reserve(struct memory_budget *b, size_t capacity, size_t mapped)
{
    struct memory *m = b->kept;
    if (m != NULL && m->capacity == capacity && m->mapped == mapped) {
        b->kept = NULL;
        return m;
    }
    m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    void *base = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        free(m);
        return NULL;
    }
    *m = (struct memory){.budget = b, .base = base, .capacity = capacity, .mapped = mapped};
    return m;
}

/* Reserves addresses, then makes the first minimum bytes usable. Compiled code
 * leaves out bounds checks because it trusts reserved and guard. */
static wasmtime_error_t *create(void *env, const wasm_memorytype_t *type, size_t minimum,
                                size_t maximum, size_t reserved, size_t guard,
                                wasmtime_linear_memory_t *ret)
{
    (void)type;
    (void)maximum; /* Wasmtime checks it itself */
    struct memory_budget *b = env;
    size_t capacity = reserved > minimum ? reserved : minimum;
    struct memory *m = reserve(b, capacity, capacity + guard);
    if (m == NULL)
        return refuse(b, "the system gives no addresses for the memory");
    wasmtime_error_t *error = grow(m, minimum);
    if (error != NULL) {
        release(m);
        return error;
    }
    *ret = (wasmtime_linear_memory_t){
        .env = m, .get_memory = get, .grow_memory = grow, .finalizer = release};
    return NULL;
}

bool memory_budget_can_be_used(void)
{
    int fd = memfd_create("probe", MFD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == ENOSYS;
}

void memory_budget_use(struct memory_budget *b, wasm_config_t *config)
{
    wasmtime_memory_creator_t creator = {.env = b, .new_memory = create};
    wasmtime_config_host_memory_creator_set(config, &creator);
}
