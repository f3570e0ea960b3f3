#include "sandbox/run_order.h"

#include <assert.h>
#include <string.h>

static enum status take_texts(const char *const *texts, const char **ret, size_t *ret_count)
{
    size_t count = 0;
    for (; texts != NULL && texts[count] != NULL; count++) {
        if (count == SANDBOX_TEXTS_MAX)
            return ST_LIMIT;
        ret[count] = texts[count];
    }
    *ret_count = count;
    return ST_OK;
}

enum status run_order(const struct sandbox_run *run, struct runner_job *ret)
{
    assert(run->folder_count <= SANDBOX_FOLDERS_MAX);
    *ret = (struct runner_job){
        .mode = RUNNER_RUN,
        .input = run->compiled,
        .folder_count = run->folder_count,
        .refuse_sgemm = run->refuse_sgemm,
    };
    if (run->folder_count > 0)
        memcpy(ret->folders, run->folders, run->folder_count * sizeof *run->folders);
    enum status status = take_texts(run->env, ret->env, &ret->env_count);
    if (status == ST_OK)
        status = take_texts(run->args, ret->args, &ret->arg_count);
    for (size_t i = 0; i < ret->env_count && status == ST_OK; i++)
        if (ret->env[i][0] == '=' || strchr(ret->env[i], '=') == NULL)
            status = ST_INVALID;
    return status;
}
