#include "proplet/protect_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/limits.h"
#include "io/map.h"

#define PROTECTED_IN_A_TURN ((int64_t)32 << 20)

struct protect_file {
    struct view base, update;
    char path[PROPLET_PATH_SIZE]; /* "": nothing was made */
    uint8_t *bytes;
    size_t size;
    struct protection protection;
    struct random_stream *random;
    struct encode *encode;
    char base_model_uri[FL_TOPIC_SIZE];
    bool done;
};

/* ---- beginning ---- */

static enum status open_inputs(struct protect_file *f, const struct protect_files *files,
                               struct why *why)
{
    enum status status = map_open(files->base, MODEL_BYTES_MAX, &f->base);
    if (status == ST_OK)
        status = map_open(files->update, MODEL_BYTES_MAX, &f->update);
    if (status != ST_OK)
        why_set(why, "its files cannot be read: %s", status_name(status));
    return status;
}

static enum status plan(struct protect_file *f, const struct privacy *privacy, uint32_t k_of_n,
                        const struct secagg_client *client, struct why *why)
{
    size_t parameters = 0;
    enum status status = encode_parameters(f->base, &parameters, why);
    if (status == ST_OK)
        status = protection_of(privacy, k_of_n, parameters, &f->protection, why);
    if (status == ST_OK && client != NULL)
        status = protection_fits(&f->protection, secagg_client_cohort(client), why);
    return status;
}

static enum status make_file(struct protect_file *f, const char *path, struct why *why)
{
    f->size = encode_size(f->encode);
    enum status status = map_create(path, f->size, &f->bytes);
    if (status != ST_OK) {
        why_set(why, "its file cannot be made: %s", status_name(status));
        return status;
    }
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    encode_into(f->encode, f->bytes);
    return ST_OK;
}

static enum status begin(struct protect_file *f, const struct protect_files *files,
                         const struct secagg_client *client, const struct id *round_id,
                         struct why *why)
{
    enum status status = random_stream_new(&f->random);
    if (status != ST_OK) {
        why_set(why, "there is no randomness: %s", status_name(status));
        return status;
    }
    const struct encode_order order = {.protection = &f->protection,
                                       .round_id = *round_id,
                                       .base_model_uri = f->base_model_uri,
                                       .base = f->base,
                                       .update = f->update,
                                       .random = random_stream_source(f->random),
                                       .client = client};
    status = encode_new(&order, &f->encode, why);
    return status == ST_OK ? make_file(f, files->out, why) : status;
}

enum status protect_file_new(const struct protect_files *files, const struct privacy *privacy,
                             uint32_t k_of_n, const struct secagg_client *client,
                             const struct id *round_id, const char *base_model_uri,
                             struct protect_file **ret, struct why *why)
{
    struct protect_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ST_NOMEM;
    (void)snprintf(f->base_model_uri, sizeof f->base_model_uri, "%s", base_model_uri);
    enum status status = open_inputs(f, files, why);
    if (status == ST_OK)
        status = plan(f, privacy, k_of_n, client, why);
    if (status == ST_OK)
        status = begin(f, files, client, round_id, why);
    if (status == ST_OK)
        *ret = f;
    else
        protect_file_free(f);
    return status;
}

const struct protection *protect_file_protection(const struct protect_file *f)
{
    return &f->protection;
}

/* ---- going on ---- */

static void let_go(const struct protect_file *f)
{
    const struct view all[] = {f->base, f->update, view_of(f->bytes, f->size)};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].size > 0)
            map_let_go(all[i], all[i]);
}

enum status protect_file_step(struct protect_file *f, bool *ret_done, struct why *why)
{
    assert(!f->done);
    int64_t budget = PROTECTED_IN_A_TURN;
    bool done = false;
    enum status status = encode_step(f->encode, &budget, &done, why);
    let_go(f);
    f->done = status == ST_OK && done;
    *ret_done = f->done;
    return status;
}

struct protect_file *protect_file_free(struct protect_file *f)
{
    if (f == NULL)
        return NULL;
    encode_free(f->encode);
    random_stream_free(f->random);
    map_close(&f->base);
    map_close(&f->update);
    struct view made = view_of(f->bytes, f->size);
    map_close(&made);
    if (!f->done && f->path[0] != '\0')
        (void)unlink(f->path);
    free(f);
    return NULL;
}
