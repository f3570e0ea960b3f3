#include "device/guest_env.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE_MAX ((size_t)128)
#define OURS_MAX      5

struct pair {
    const char *name;
    const char *value;
};

static bool name_is_usable(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > NAME_SIZE_MAX)
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (*c == '=' || (unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return true;
}

enum status guest_env_check(const json_t *task_env, struct why *why)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)task_env, name, value)
    {
        if (name_is_usable(name))
            continue;
        why_set(why, "env has a variable whose name cannot be used");
        return ST_INVALID;
    }
    return ST_OK;
}

static size_t ours(const struct guest_vars *vars, struct pair ret[OURS_MAX])
{
    size_t count = 0;
    ret[count++] = (struct pair){"PROPLET_ID", vars->proplet_id};
    if (vars->has_data)
        ret[count++] = (struct pair){"DATA_DIR", GUEST_DATA_FOLDER};
    if (vars->has_model) {
        ret[count++] = (struct pair){"MODEL_PATH", GUEST_MODEL_FOLDER "/" GUEST_MODEL_FILE};
        ret[count++] = (struct pair){"UPDATE_PATH", GUEST_OUT_FOLDER "/" GUEST_UPDATE_FILE};
    }
    if (vars->model_data != NULL)
        ret[count++] = (struct pair){"MODEL_DATA", vars->model_data};
    return count;
}

static bool holds(const struct pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return true;
    return false;
}

static enum status add(struct guest_env *env, const char *name, const char *value)
{
    size_t name_size = strlen(name), value_size = strlen(value);
    char *item = malloc(name_size + value_size + 2);
    if (item == NULL)
        return ST_NOMEM;
    memcpy(item, name, name_size);
    item[name_size] = '=';
    memcpy(item + name_size + 1, value, value_size + 1);
    env->items[env->count++] = item;
    return ST_OK;
}

enum status guest_env_build(const json_t *task_env, const struct guest_vars *vars,
                            struct guest_env *ret)
{
    assert(vars->proplet_id != NULL);
    struct pair mine[OURS_MAX];
    size_t mine_count = ours(vars, mine);
    struct guest_env env = {0};
    env.items = calloc(json_object_size(task_env) + mine_count + 1, sizeof env.items[0]);
    if (env.items == NULL)
        return ST_NOMEM;

    enum status status = ST_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)task_env, name, value)
    {
        assert(json_is_string(value));
        if (status == ST_OK && !holds(mine, mine_count, name))
            status = add(&env, name, json_string_value(value));
    }
    for (size_t i = 0; i < mine_count && status == ST_OK; i++)
        status = add(&env, mine[i].name, mine[i].value);
    if (status != ST_OK) {
        guest_env_done(&env);
        return status;
    }
    *ret = env;
    return ST_OK;
}

void guest_env_done(struct guest_env *env)
{
    for (size_t i = 0; i < env->count; i++)
        free(env->items[i]);
    free(env->items);
    *env = (struct guest_env){0};
}

char *guest_env_model(struct view model)
{
    json_t *object = NULL;
    if (model.size > MODEL_DATA_ENV_MAX ||
        jsn_parse(model, MODEL_DATA_ENV_MAX, &object, NULL) != ST_OK)
        return NULL;
    json_decref(object);
    return text_of(model);
}
