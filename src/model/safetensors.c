#include "model/safetensors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"

/* The format is little-endian. So is every machine this is built for; another
 * one needs its bytes swapped where values are copied, in both directions. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they are");
_Static_assert(sizeof(float) == 4, "F32 is float");

#define LENGTH_SIZE ((size_t)8)
#define METADATA    "__metadata__"

/* One tensor as the header describes it. */
struct entry {
    struct model_shape shape;
    size_t count; /* product of the shape */
    enum dtype dtype;
    uint64_t begin, end; /* relative to the end of the header */
};

static const char *const dtype_names[DTYPE_COUNT] = {"F32", "F16", "BF16", "I8", "U32"};

static uint64_t read_length(const uint8_t *bytes)
{
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    return length;
}

/* Splits bytes into the parsed header, which the caller owns, and the data. */
static enum status read_header(struct view bytes, json_t **ret_header, struct view *ret_data,
                               struct why *why)
{
    if (bytes.size < LENGTH_SIZE) {
        why_set(why, "%zu bytes are too few for safetensors", bytes.size);
        return ST_MALFORMED;
    }
    uint64_t length = read_length(bytes.data);
    if (length > SAFETENSORS_HEADER_MAX) {
        why_set(why, "a header of %llu bytes is longer than the limit of %zu",
                (unsigned long long)length, SAFETENSORS_HEADER_MAX);
        return ST_LIMIT;
    }
    if (length > bytes.size - LENGTH_SIZE) {
        why_set(why, "cut off: a header of %llu bytes in a file of %zu", (unsigned long long)length,
                bytes.size);
        return ST_MALFORMED;
    }
    struct view header = view_of(bytes.data + LENGTH_SIZE, (size_t)length);
    if (header.size == 0 || header.data[0] != '{') {
        why_set(why, "the header does not begin with '{'");
        return ST_MALFORMED;
    }
    enum status status = jsn_parse(header, SAFETENSORS_HEADER_MAX, ret_header, why);
    if (status != ST_OK)
        return status == ST_NOMEM ? ST_NOMEM : ST_MALFORMED;
    *ret_data = view_of(header.data + header.size, bytes.size - LENGTH_SIZE - header.size);
    return ST_OK;
}

/* Reads "shape" into e and computes its count. */
static enum status read_shape(const json_t *shape, struct entry *e, struct why *why)
{
    const char *name = e->shape.name;
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape)) {
        why_set(why, "tensor %s has no shape", name);
        return ST_MALFORMED;
    }
    if (rank > TENSOR_RANK_MAX) {
        why_set(why, "tensor %s has %zu dimensions, more than the limit of %d", name, rank,
                TENSOR_RANK_MAX);
        return ST_LIMIT;
    }
    e->shape.rank = (uint32_t)rank;
    e->count = 1;
    for (size_t d = 0; d < rank; d++) {
        json_t *item = json_array_get(shape, d);
        json_int_t size = json_integer_value(item);
        if (!json_is_integer(item) || size < 0) {
            why_set(why, "tensor %s has a dimension that is not a whole number", name);
            return ST_MALFORMED;
        }
        if (size == 0) {
            why_set(why, "tensor %s has a dimension of 0: it holds nothing", name);
            return ST_INVALID;
        }
        if ((uint64_t)size > MODEL_PARAMS_MAX / e->count) {
            why_set(why, "tensor %s has more than %zu values", name, MODEL_PARAMS_MAX);
            return ST_LIMIT;
        }
        e->shape.shape[d] = (size_t)size;
        e->count *= (size_t)size;
    }
    return ST_OK;
}

/* Reads "data_offsets" into e and compares their distance with the shape. */
static enum status read_offsets(const json_t *offsets, struct entry *e, struct why *why)
{
    const char *name = e->shape.name;
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin)) {
        why_set(why, "tensor %s has no data_offsets [begin, end]", name);
        return ST_MALFORMED;
    }
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (e->end - e->begin != e->count * dtype_size(e->dtype)) {
        why_set(why, "tensor %s has %llu bytes for %zu values of %s", name,
                (unsigned long long)(e->end - e->begin), e->count, dtype_names[e->dtype]);
        return ST_MALFORMED;
    }
    return ST_OK;
}

/* Reads "dtype" into e. all: not only F32 */
static enum status read_dtype(const json_t *dtype, bool all, struct entry *e, struct why *why)
{
    const char *name = json_string_value(dtype);
    if (name == NULL) {
        why_set(why, "tensor %s has no dtype", e->shape.name);
        return ST_MALFORMED;
    }
    for (size_t i = 0; i < (all ? DTYPE_COUNT : 1); i++)
        if (strcmp(name, dtype_names[i]) == 0) {
            e->dtype = (enum dtype)i;
            return ST_OK;
        }
    why_set(why, "tensor %s has dtype %.16s, only F32%s supported", e->shape.name, name,
            all ? ", F16, BF16, I8 and U32 are" : " is");
    return ST_TYPE;
}

static enum status read_entry(const char *name, const json_t *info, bool all_dtypes,
                              struct entry *ret, struct why *why)
{
    struct entry e = {0};
    size_t name_size = strlen(name);
    if (name_size == 0 || strcmp(name, "version") == 0) {
        why_set(why, "a tensor cannot be named \"%s\"", name);
        return ST_INVALID;
    }
    if (name_size > TENSOR_NAME_MAX) {
        why_set(why, "a tensor's name of %zu bytes is longer than the limit of %zu", name_size,
                TENSOR_NAME_MAX);
        return ST_LIMIT;
    }
    memcpy(e.shape.name, name, name_size + 1);

    enum status status = read_dtype(json_object_get(info, "dtype"), all_dtypes, &e, why);
    if (status == ST_OK)
        status = read_shape(json_object_get(info, "shape"), &e, why);
    if (status == ST_OK)
        status = read_offsets(json_object_get(info, "data_offsets"), &e, why);
    if (status == ST_OK)
        *ret = e;
    return status;
}

static int compare_begins(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Reads all tensors' entries, in offset order.
 * gives: *ret_entries, to be freed with free() */
static enum status read_entries(json_t *header, bool all_dtypes, struct entry **ret_entries,
                                size_t *ret_count, struct why *why)
{
    size_t count = json_object_size(header);
    if (json_object_get(header, METADATA) != NULL)
        count--;
    size_t count_max = all_dtypes ? SAFETENSORS_TENSORS_MAX : TENSORS_MAX;
    if (count > count_max) {
        why_set(why, "%zu tensors are more than the limit of %zu", count, count_max);
        return ST_LIMIT;
    }
    struct entry *entries = calloc(count + 1, sizeof entries[0]);
    if (entries == NULL)
        return ST_NOMEM;

    const char *name;
    json_t *info;
    size_t n = 0;
    json_object_foreach(header, name, info)
    {
        if (strcmp(name, METADATA) == 0)
            continue;
        enum status status = read_entry(name, info, all_dtypes, &entries[n++], why);
        if (status != ST_OK) {
            free(entries);
            return status;
        }
    }
    assert(n == count);
    qsort(entries, count, sizeof entries[0], compare_begins);
    *ret_entries = entries;
    *ret_count = count;
    return ST_OK;
}

/* Every byte of the data belongs to exactly one tensor. */
static enum status check_cover(const struct entry *entries, size_t count, size_t data_size,
                               struct why *why)
{
    uint64_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].begin != covered) {
            why_set(why, "tensor %s begins at %llu, %s byte %llu", entries[i].shape.name,
                    (unsigned long long)entries[i].begin,
                    entries[i].begin > covered ? "which leaves a hole after" : "overlapping up to",
                    (unsigned long long)covered);
            return ST_MALFORMED;
        }
        covered = entries[i].end;
    }
    if (covered == data_size)
        return ST_OK;
    why_set(why,
            covered > data_size ? "cut off: tensors of %llu bytes in %zu bytes of data"
                                : "tensors of %llu bytes in %zu bytes of data",
            (unsigned long long)covered, data_size);
    return ST_MALFORMED;
}

static enum status read_metadata(json_t *metadata, struct model *m, struct why *why)
{
    if (metadata == NULL || json_is_null(metadata))
        return ST_OK;
    if (!json_is_object(metadata)) {
        why_set(why, METADATA " is not an object");
        return ST_MALFORMED;
    }
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value)) {
            why_set(why, METADATA " holds a value that is not a text");
            return ST_MALFORMED;
        }
        enum status status = model_set_meta(m, key, json_string_value(value));
        if (status == ST_LIMIT)
            why_set(why, METADATA " has more than %d entries, or one longer than %zu bytes",
                    METADATA_MAX, METADATA_VALUE_MAX);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

/* The model of entries that cover data. */
static enum status build(const struct entry *entries, size_t count, struct view data,
                         struct model **ret, struct why *why)
{
    struct model_shape *shapes = calloc(count + 1, sizeof shapes[0]);
    if (shapes == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < count; i++)
        shapes[i] = entries[i].shape;
    struct model *m = NULL;
    enum status status = model_new(shapes, count, &m);
    free(shapes);
    if (status != ST_OK) {
        why_set(why, "tensors with more than %zu values in all", MODEL_PARAMS_MAX);
        return status;
    }
    if (data.size > 0)
        memcpy(model_params_mutable(m), data.data, data.size);
    *ret = m;
    return ST_OK;
}

/* A file's header, checked against the size of its data. */
struct parsed {
    json_t *header;
    struct entry *entries;
    size_t count;
    struct view data;
};

static void parsed_done(struct parsed *p)
{
    free(p->entries);
    json_decref(p->header);
}

/* gives: what is in *p, to be ended with parsed_done() on failure too */
static enum status parse(struct view bytes, bool all_dtypes, struct parsed *p, struct why *why)
{
    enum status status = read_header(bytes, &p->header, &p->data, why);
    if (status == ST_OK)
        status = read_entries(p->header, all_dtypes, &p->entries, &p->count, why);
    if (status == ST_OK)
        status = check_cover(p->entries, p->count, p->data.size, why);
    return status;
}

enum status safetensors_decode(struct view bytes, struct model **ret, struct why *why)
{
    assert(ret != NULL);
    struct parsed p = {0};
    struct model *m = NULL;
    enum status status = parse(bytes, false, &p, why);
    if (status == ST_OK)
        status = build(p.entries, p.count, p.data, &m, why);
    if (status == ST_OK)
        status = read_metadata(json_object_get(p.header, METADATA), m, why);
    parsed_done(&p);
    if (status == ST_OK)
        *ret = m;
    else
        model_free(m);
    return status;
}

/* The tensors of p, whose names and sizes in all are held to what model_new() says. */
static enum status lay_out(const struct parsed *p, struct safetensors_layout *l, struct why *why)
{
    size_t params = 0;
    l->tensors = calloc(p->count + 1, sizeof l->tensors[0]);
    if (l->tensors == NULL)
        return ST_NOMEM;
    l->count = p->count;
    for (size_t i = 0; i < p->count; i++) {
        const struct entry *e = &p->entries[i];
        if (e->count > MODEL_PARAMS_MAX - params) {
            why_set(why, "tensors with more than %zu values in all", MODEL_PARAMS_MAX);
            return ST_LIMIT;
        }
        params += e->count;
        l->tensors[i] = (struct safetensors_tensor){
            .shape = e->shape,
            .count = e->count,
            .dtype = e->dtype,
            .bytes = p->data.data + e->begin,
        };
    }
    return ST_OK;
}

enum status safetensors_layout(struct view bytes, struct safetensors_layout *ret, struct why *why)
{
    assert(ret != NULL);
    struct parsed p = {0};
    struct safetensors_layout l = {0};
    enum status status = parse(bytes, true, &p, why);
    if (status == ST_OK)
        status = lay_out(&p, &l, why);
    if (status == ST_OK)
        status = model_new(NULL, 0, &l.texts);
    if (status == ST_OK)
        status = read_metadata(json_object_get(p.header, METADATA), l.texts, why);
    parsed_done(&p);
    if (status == ST_OK)
        *ret = l;
    else
        safetensors_layout_done(&l);
    return status;
}

void safetensors_layout_done(struct safetensors_layout *l)
{
    free(l->tensors);
    model_free(l->texts);
    *l = (struct safetensors_layout){0};
}

/* {"dtype":"F32","shape":[...],"data_offsets":[begin,end]}; NULL: no memory */
static json_t *entry_json(const struct safetensors_tensor *t, size_t begin)
{
    json_t *shape = json_array();
    int failed = shape == NULL;
    for (uint32_t d = 0; d < t->shape.rank; d++)
        failed |= json_array_append_new(shape, json_integer((json_int_t)t->shape.shape[d]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_names[t->dtype], "shape", shape,
                     "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + t->count * dtype_size(t->dtype)));
}

static json_t *metadata_json(const struct model *m)
{
    json_t *metadata = json_object();
    int failed = metadata == NULL;
    for (size_t i = 0; i < model_meta_count(m); i++) {
        const char *key, *value;
        model_meta_at(m, i, &key, &value);
        failed |= json_object_set_new(metadata, key, json_string(value));
    }
    if (failed) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

/* The header's text, to be freed with free(); NULL: no memory */
static char *header_text(const struct safetensors_tensor *tensors, size_t count,
                         const struct model *texts)
{
    json_t *header = json_object();
    int failed = header == NULL;
    size_t begin = 0;
    for (size_t i = 0; i < count; i++) {
        const struct safetensors_tensor *t = &tensors[i];
        failed |= json_object_set_new(header, t->shape.name, entry_json(t, begin));
        begin += t->count * dtype_size(t->dtype);
    }
    if (model_meta_count(texts) > 0)
        failed |= json_object_set_new(header, METADATA, metadata_json(texts));
    char *text = failed ? NULL : jsn_text(header);
    json_decref(header);
    return text;
}

/* Appends the length and the padded header. */
static enum status append_header(const char *text, struct bytes *out)
{
    static const char spaces[] = "       ";
    size_t size = strlen(text);
    size_t padding = (8 - size % 8) % 8;
    uint64_t length = size + padding;
    if (length > SAFETENSORS_HEADER_MAX)
        return ST_LIMIT;
    enum status status = bytes_append(out, view_of(&length, sizeof length), SIZE_MAX);
    if (status == ST_OK)
        status = bytes_append(out, view_of(text, size), SIZE_MAX);
    if (status == ST_OK)
        status = bytes_append(out, view_of(spaces, padding), SIZE_MAX);
    return status;
}

enum status safetensors_header(const struct safetensors_tensor *tensors, size_t count,
                               const struct model *texts, struct bytes *out)
{
    assert((tensors != NULL || count == 0) && texts != NULL && out != NULL);
    char *header = header_text(tensors, count, texts);
    if (header == NULL)
        return ST_NOMEM;
    size_t before = out->size;
    enum status status = append_header(header, out);
    if (status != ST_OK)
        out->size = before;
    free(header);
    return status;
}

/* The tensors of a model as they lie in a file, to be freed with free(); NULL: no memory */
static struct safetensors_tensor *tensors_of(const struct model *m)
{
    size_t count = model_tensor_count(m);
    struct safetensors_tensor *tensors = calloc(count + 1, sizeof tensors[0]);
    for (size_t i = 0; tensors != NULL && i < count; i++) {
        const struct tensor *t = model_tensor(m, i);
        struct safetensors_tensor *x = &tensors[i];
        *x = (struct safetensors_tensor){.count = t->count, .dtype = DTYPE_F32};
        memcpy(x->shape.name, t->name, strlen(t->name) + 1);
        x->shape.rank = t->rank;
        memcpy(x->shape.shape, t->shape, sizeof x->shape.shape);
    }
    return tensors;
}

enum status safetensors_encode(const struct model *m, struct bytes *out)
{
    assert(m != NULL && out != NULL);
    struct safetensors_tensor *tensors = tensors_of(m);
    if (tensors == NULL)
        return ST_NOMEM;
    size_t before = out->size;
    enum status status = safetensors_header(tensors, model_tensor_count(m), m, out);
    free(tensors);
    if (status == ST_OK)
        status = bytes_append(out, view_of(model_params(m), model_param_count(m) * sizeof(float)),
                              SIZE_MAX);
    if (status != ST_OK)
        out->size = before;
    return status;
}
