/* The workers, each with a folder that its guest writes to, emptied after every guest. */
#ifndef SIMULATE_POOL_H
#define SIMULATE_POOL_H

#include "sandbox/worker.h"

struct pool;

struct pool_settings {
    uint32_t workers;      /* 1..SIMULATE_WORKERS_MAX */
    const char *program;   /* path of fml-worker */
    const char *code;      /* folder of compiled modules */
    const char *models;    /* folder of the base models' folders */
    const char *data;      /* folder of all devices' data; NULL: they have none */
    const char *out;       /* folder of the workers' own folders */
    uint64_t memory_bytes; /* of one guest */
    bool refuse_sgemm;
};

struct pool_order {
    const char *code;         /* the compiled module */
    const char *const *env;   /* NULL-ended */
    const char *model_folder; /* NULL: none, and no update */
    const char *data_folder;  /* NULL: none */
    uint32_t wall_ms;
};

/* result: as of worker_run(). update: what lies at UPDATE_PATH, empty if nothing does; the
 * callee may take it. update_status: ST_OK; ST_NOT_FOUND (nothing), ST_INVALID (not a
 * regular file), ST_LIMIT (larger than MESSAGE_SIZE_MAX), ST_NOMEM, ST_IO */
typedef void pool_done_fn(void *owner, const struct sandbox_result *result, struct bytes *update,
                          enum status update_status);

/* gives: *ret. fails: ST_NOMEM, ST_FULL, ST_IO, ST_LIMIT (path) */
MUST_CHECK enum status pool_new(uv_loop_t *loop, const struct pool_settings *settings,
                                struct pool **ret);

bool pool_has_idle(const struct pool *p);
size_t pool_busy_count(const struct pool *p);

/* Runs a guest on an idle worker (there must be one); on_done is called once, from the loop.
 * gives: *ret_worker, for pool_stop_guest() until then
 * fails: ST_LIMIT, ST_NOMEM, ST_IO, ST_INVALID; on_done is not called then */
MUST_CHECK enum status pool_run(struct pool *p, const struct pool_order *order,
                                pool_done_fn *on_done, void *owner, uint32_t *ret_worker);

/* Kills a guest; its on_done follows with SANDBOX_STOPPED. */
void pool_stop_guest(struct pool *p, uint32_t worker);

/* Ends all processes; none is busy. NULL is allowed. on_closed comes from the loop. */
void pool_close(struct pool *p, void (*on_closed)(void *owner), void *owner);

#endif
