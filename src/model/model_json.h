/* Models as JSON: {"w":[...],"b":0.5,"version":3}, any tensor names.
 *
 * A number is a scalar tensor, nested arrays are a tensor whose shape is that of
 * the nesting (ragged ones are refused). The key "version" is metadata, as is
 * every key whose value is a text. Numbers are rounded to float32 on the way in;
 * on the way out the shortest decimal that reads back as the same float32. Texts
 * that would have the key of a tensor are left out on the way out. */
#ifndef MODEL_MODEL_JSON_H
#define MODEL_MODEL_JSON_H

#include <jansson.h>

#include "model/model.h"

/* From an object that was parsed already; tensors are sorted by key.
 * gives: *ret
 * fails: ST_SHAPE (ragged, empty array), ST_NOT_FINITE (beyond float32),
 *        ST_TYPE (a boolean, null or object), ST_INVALID (a tensor named "" or
 *        "__metadata__"), ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status model_from_json(const json_t *object, struct model **ret, struct why *why);

/* gives: a new object: tensors, then metadata as texts, "version" as a number
 * if it is one, for jsn_text(); NULL: no memory, or a value that is not
 * finite, which JSON cannot hold */
json_t *model_to_json(const struct model *m);

#endif
