/* Models as safetensors: 8 bytes, the little-endian length of a JSON header, the
 * header, then the tensors' bytes without holes or overlap.
 *
 * Source: https://huggingface.co/docs/safetensors (format). float32 only.
 * Tensors come in the order of their bytes. WebAssembly and every machine that
 * runs this natively are little-endian, so bytes are copied as they are. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

#define PREFIX ((size_t)8) /* the header's length */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bytes are copied as they are");

/* ---- Reading ---- */

/* One entry of the header. */
struct entry {
    char name[FML_NAME_MAX + 1];
    struct fml_tensor tensor;
    uint64_t begin; /* bytes from the header's end */
    uint64_t end;
};

struct entries {
    size_t count;
    struct entry *items;
};

static enum fml_status read_shape(const struct fml_json *j, int token, struct entry *e)
{
    if (token < 0 || j->tokens[token].type != JSMN_ARRAY)
        return fml_fail(FML_MALFORMED, "%s has no \"shape\"", e->name);
    size_t rank = (size_t)j->tokens[token].size;
    if (rank > FML_RANK_MAX)
        return fml_fail(FML_LIMIT, "%s has %zu dimensions", e->name, rank);
    for (size_t i = 0; i < rank; i++) {
        uint64_t value = 0;
        if (!fml_json_integer(j, token + 1 + (int)i, &value))
            return fml_fail(FML_MALFORMED, "the shape of %s is not whole numbers", e->name);
        if (value > FML_PARAMS_MAX)
            return fml_fail(FML_LIMIT, "%s is too large", e->name);
        e->tensor.shape[i] = (size_t)value;
    }
    e->tensor.rank = rank;
    return FML_OK;
}

static enum fml_status read_offsets(const struct fml_json *j, int token, struct entry *e)
{
    if (token < 0 || j->tokens[token].type != JSMN_ARRAY || j->tokens[token].size != 2 ||
        !fml_json_integer(j, token + 1, &e->begin) || !fml_json_integer(j, token + 2, &e->end))
        return fml_fail(FML_MALFORMED, "%s has no two \"data_offsets\"", e->name);
    return FML_OK;
}

static enum fml_status read_entry(const struct fml_json *j, int key, struct entry *e)
{
    char dtype[8];
    int object = key + 1;

    if (!fml_json_text(j, key, e->name, sizeof e->name))
        return fml_fail(FML_INVALID, "a tensor's name is not a text of at most %zu bytes",
                        FML_NAME_MAX);
    int token = fml_json_find(j, object, "dtype");
    if (token < 0 || j->tokens[token].type != JSMN_STRING)
        return fml_fail(FML_MALFORMED, "%s has no \"dtype\"", e->name);
    if (!fml_json_text(j, token, dtype, sizeof dtype) || strcmp(dtype, "F32") != 0)
        return fml_fail(FML_TYPE, "%s is not of dtype F32", e->name);
    enum fml_status status = read_shape(j, fml_json_find(j, object, "shape"), e);
    if (status == FML_OK)
        status = read_offsets(j, fml_json_find(j, object, "data_offsets"), e);
    e->tensor.name = e->name;
    return status;
}

static bool is_metadata(const struct fml_json *j, int key)
{
    const char *name = "__metadata__";
    const jsmntok_t *t = &j->tokens[key];
    return (size_t)(t->end - t->start) == strlen(name) &&
           memcmp(j->text + t->start, name, strlen(name)) == 0;
}

/* gives: *ret, items to be freed */
static enum fml_status read_entries(const struct fml_json *j, struct entries *ret)
{
    size_t members = (size_t)j->tokens[0].size;
    if (members > FML_TENSORS_MAX + 1)
        return fml_fail(FML_LIMIT, "the model has more than %d tensors", FML_TENSORS_MAX);
    ret->items = calloc(members + 1, sizeof *ret->items);
    if (ret->items == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the model's header");
    for (int key = 1; key < j->count; key = fml_json_after(j, key + 1)) {
        if (is_metadata(j, key))
            continue;
        enum fml_status status = read_entry(j, key, &ret->items[ret->count]);
        if (status != FML_OK)
            return status;
        ret->count++;
    }
    return FML_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Checks that each entry's bytes follow the one before and fill size. */
static enum fml_status check_offsets(const struct entries *entries, const struct fml_model *m,
                                     uint64_t size)
{
    uint64_t at = 0;
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *e = &entries->items[i];
        uint64_t bytes = (uint64_t)m->tensors[i].count * sizeof(float);
        if (e->begin != at || e->end < e->begin || e->end - e->begin != bytes)
            return fml_fail(FML_MALFORMED, "the bytes of %s are not where its shape says", e->name);
        at = e->end;
    }
    if (at != size)
        return fml_fail(FML_MALFORMED, "the model has %llu bytes of tensors, and %llu are there",
                        (unsigned long long)at, (unsigned long long)size);
    return FML_OK;
}

static enum fml_status build(struct entries *entries, const uint8_t *data, size_t size,
                             struct fml_model **ret)
{
    if (entries->count > 1)
        qsort(entries->items, entries->count, sizeof *entries->items, by_offset);
    struct fml_tensor *tensors = calloc(entries->count + 1, sizeof *tensors);
    if (tensors == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the model's header");
    for (size_t i = 0; i < entries->count; i++) {
        tensors[i] = entries->items[i].tensor;
        tensors[i].name = entries->items[i].name; /* it moved with its entry */
    }

    struct fml_model *m = NULL;
    enum fml_status status = fml_model_new(tensors, entries->count, &m);
    free(tensors);
    if (status == FML_OK)
        status = check_offsets(entries, m, size);
    if (status != FML_OK) {
        fml_model_free(m);
        return status;
    }
    memcpy(m->params, data, size);
    *ret = m;
    return FML_OK;
}

static enum fml_status read_text(const struct fml_json *j, int key, struct fml_model *m,
                                 char *value, size_t value_size)
{
    char name[FML_NAME_MAX + 1];
    if (!fml_json_text(j, key, name, sizeof name) || !fml_json_text(j, key + 1, value, value_size))
        return fml_fail(FML_MALFORMED, "__metadata__ is not texts of at most %zu bytes",
                        FML_TEXT_MAX);
    if (fml_model_text(m, name) != NULL)
        return fml_fail(FML_MALFORMED, "__metadata__ holds %s twice", name);
    return fml_model_set_text(m, name, value);
}

static enum fml_status read_texts(const struct fml_json *j, struct fml_model *m)
{
    int object = fml_json_find(j, 0, "__metadata__");
    if (object < 0)
        return FML_OK;
    if (j->tokens[object].type != JSMN_OBJECT)
        return fml_fail(FML_MALFORMED, "__metadata__ is not an object");
    char *value = malloc(FML_TEXT_MAX + 1);
    if (value == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the model's texts");

    enum fml_status status = FML_OK;
    int end = fml_json_after(j, object);
    for (int key = object + 1; key < end && status == FML_OK; key = fml_json_after(j, key + 1))
        status = read_text(j, key, m, value, FML_TEXT_MAX + 1);
    free(value);
    return status;
}

static uint64_t little_endian(const uint8_t *from)
{
    uint64_t value = 0;
    for (size_t i = PREFIX; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

enum fml_status fml_safetensors_decode(const uint8_t *data, size_t size, struct fml_model **ret)
{
    if (size < PREFIX)
        return fml_fail(FML_MALFORMED, "the model is shorter than a safetensors header");
    uint64_t header = little_endian(data);
    if (header > FML_HEADER_MAX)
        return fml_fail(FML_LIMIT, "the model's header would have %llu bytes",
                        (unsigned long long)header);
    if (header > size - PREFIX || header == 0 || data[PREFIX] != '{')
        return fml_fail(FML_MALFORMED, "the model is not whole safetensors: no header");

    struct fml_json j = {0};
    struct entries entries = {0};
    struct fml_model *m = NULL;
    const char *text = (const char *)data + PREFIX;
    size_t body = PREFIX + (size_t)header;
    enum fml_status status = fml_json_read(&j, text, (size_t)header, "the model's header");
    if (status == FML_OK)
        status = read_entries(&j, &entries);
    if (status == FML_OK)
        status = build(&entries, data + body, size - body, &m);
    if (status == FML_OK)
        status = read_texts(&j, m);
    if (status == FML_OK)
        *ret = m;
    else
        fml_model_free(m);
    free(entries.items);
    fml_json_done(&j);
    return status;
}

/* ---- Writing ---- */

static void add_texts(struct fml_text *t, const struct fml_model *m)
{
    fml_text_add(t, "\"__metadata__\":{");
    for (size_t i = 0; i < m->text_count; i++) {
        fml_text_add(t, "%s", i > 0 ? "," : "");
        fml_text_add_string(t, m->texts[i].key);
        fml_text_add(t, ":");
        fml_text_add_string(t, m->texts[i].value);
    }
    fml_text_add(t, "}");
}

static void add_tensor(struct fml_text *t, const struct fml_tensor *tensor, size_t begin)
{
    fml_text_add_string(t, tensor->name);
    fml_text_add(t, ":{\"dtype\":\"F32\",\"shape\":[");
    for (size_t i = 0; i < tensor->rank; i++)
        fml_text_add(t, "%s%zu", i > 0 ? "," : "", tensor->shape[i]);
    fml_text_add(t, "],\"data_offsets\":[%zu,%zu]}", begin, begin + tensor->count * sizeof(float));
}

/* Padded with spaces, so that the tensors begin at a multiple of 8. */
static void add_header(struct fml_text *t, const struct fml_model *m)
{
    bool first = true;
    fml_text_add(t, "{");
    if (m->text_count > 0) {
        add_texts(t, m);
        first = false;
    }
    for (size_t i = 0; i < m->tensor_count; i++) {
        const struct fml_tensor *tensor = &m->tensors[i];
        fml_text_add(t, "%s", first ? "" : ",");
        add_tensor(t, tensor, (size_t)(tensor->data - m->params) * sizeof(float));
        first = false;
    }
    fml_text_add(t, "}");
    while (!t->failed && t->size % PREFIX != 0)
        fml_text_add(t, " ");
}

enum fml_status fml_model_encode(const struct fml_model *m, uint8_t **ret_data, size_t *ret_size)
{
    struct fml_text header = {0};
    size_t body = m->param_count * sizeof(float);
    uint8_t *data = NULL;

    add_header(&header, m);
    if (!header.failed && header.size > FML_HEADER_MAX) {
        fml_text_done(&header);
        return fml_fail(FML_LIMIT, "the model's header is larger than %zu bytes", FML_HEADER_MAX);
    }
    if (!header.failed)
        data = malloc(PREFIX + header.size + body);
    if (data == NULL) {
        fml_text_done(&header);
        return fml_fail(FML_NO_MEMORY, "no memory to write the model");
    }
    for (size_t i = 0; i < PREFIX; i++)
        data[i] = (uint8_t)((uint64_t)header.size >> (8 * i));
    memcpy(data + PREFIX, header.data, header.size);
    memcpy(data + PREFIX + header.size, m->params, body);
    *ret_size = PREFIX + header.size + body;
    *ret_data = data;
    fml_text_done(&header);
    return FML_OK;
}
