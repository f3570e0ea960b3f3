#include "device/learning.h"

#include <stdio.h>
#include <string.h>

#define MODE_SIZE 64

/* spec.model.digest, if it is there. */
static enum status read_digest(const json_t *spec, struct learning *l, struct why *why)
{
    json_t *model = NULL;
    const char *text = NULL;
    if (spec == NULL)
        return ST_OK;
    enum status status = jsn_object(spec, "model", JSN_OPTIONAL, &model, why);
    if (status != ST_OK || model == NULL)
        return status;
    status = jsn_str(model, "digest", JSN_OPTIONAL, DIGEST_TEXT_SIZE, &text, why);
    if (status != ST_OK || text == NULL)
        return status;
    l->has_digest = digest_parse(text, &l->digest) == ST_OK;
    if (l->has_digest)
        return ST_OK;
    why_set(why, "spec.model.digest is not sha256: and 64 hexadecimal digits");
    return ST_INVALID;
}

/* The guest goes by MODE, the coordinator by the round's own mode: only where nothing says
 * otherwise is it an evaluation. */
static enum status read_mode(const json_t *env, const json_t *spec, struct learning *l,
                             struct why *why)
{
    const char *guests = json_string_value(json_object_get(env, "MODE")), *rounds = NULL;
    enum status status = ST_OK;
    if (spec != NULL)
        status = jsn_str(spec, "mode", JSN_OPTIONAL, MODE_SIZE, &rounds, why);
    l->evaluates = guests != NULL && strcmp(guests, "evaluate") == 0 &&
                   (rounds == NULL || strcmp(rounds, "evaluate") == 0);
    return status;
}

static enum status read_privacy(const json_t *spec, struct learning *l, struct why *why)
{
    json_t *round = NULL;
    uint64_t k_of_n = 0;
    enum status status = privacy_read(spec, &l->privacy, why);
    if (status == ST_OK)
        status = jsn_object(spec, "round", JSN_OPTIONAL, &round, why);
    if (status == ST_OK && round != NULL)
        status = jsn_uint(round, "k_of_n", JSN_OPTIONAL, 1, ROUND_PARTICIPANTS_MAX, &k_of_n, why);
    l->quiet = l->privacy.is_on;
    l->k_of_n = (uint32_t)k_of_n;
    return status;
}

enum status learning_read(const json_t *env, const json_t *spec, bool *ret_is, struct learning *ret,
                          struct why *why)
{
    const char *round = json_string_value(json_object_get(env, "ROUND_ID"));
    const char *model = json_string_value(json_object_get(env, "MODEL_URI"));
    if (round == NULL || model == NULL) {
        *ret_is = false;
        return ST_OK;
    }
    struct learning l = {0};
    if (id_from(round, &l.round) != ST_OK) {
        why_set(why, "ROUND_ID is not an id");
        return ST_INVALID;
    }
    /* Only a model's own topic: a start must not make a device listen to any
     * other. The text is made anew from its parts, so it surely fits. */
    if (fl_model_ref_parse(model, &l.model) != ST_OK) {
        why_set(why, "MODEL_URI is not the topic of a model, fl/models/NAME_vN");
        return ST_INVALID;
    }
    fl_topic_model(&l.model, l.model_topic);
    enum status status = read_digest(spec, &l, why);
    if (status == ST_OK && spec != NULL)
        status = compression_read(spec, &l.compression, why);
    if (status == ST_OK)
        status = read_mode(env, spec, &l, why);
    if (status == ST_OK && spec != NULL)
        status = read_privacy(spec, &l, why);
    if (status != ST_OK)
        return status;
    *ret = l;
    *ret_is = true;
    return ST_OK;
}
