#include "protect/configuration.h"

#include <stdlib.h>

enum status configuration_hyperparams(const json_t *hyperparams, struct digest *ret)
{
    char *text = jsn_text(hyperparams);
    if (text == NULL)
        return ST_NOMEM;
    *ret = digest_of(view_text(text));
    free(text);
    return ST_OK;
}

static json_t *as_json(const struct configuration *c)
{
    char model[DIGEST_TEXT_SIZE], image[DIGEST_TEXT_SIZE], hyperparams[DIGEST_TEXT_SIZE];
    digest_text(&c->model, model);
    digest_text(&c->image, image);
    digest_text(&c->hyperparams, hyperparams);
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "round_id", c->round_id.text,
                               "model_uri", c->model_uri, "model_digest", model, "image_digest",
                               image, "hyperparams", hyperparams, "k_of_n", (int)c->k_of_n);
    if (privacy_set(object, &c->privacy) == 0)
        return object;
    json_decref(object);
    return NULL;
}

enum status configuration_digest(const struct configuration *c, struct digest *ret)
{
    struct digest_stream *stream = NULL;
    char *text = jsn_text_and_release(as_json(c));
    if (text == NULL)
        return ST_NOMEM;
    enum status status = digest_begin(&stream);
    if (status == ST_OK) {
        digest_more(stream, view_text("fml-round-v1 "));
        digest_more(stream, view_text(text));
        *ret = digest_end(stream);
    }
    free(text);
    return status;
}
