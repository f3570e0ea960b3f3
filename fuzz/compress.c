/* Compression: a base, an update and what was left out before, all hostile. What is made of
 * them is read by the side that counts it, and is the same when it is made again. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/pieces.h"
#include "compress/compress.h"
#include "model/model_file.h"

/* Each is preceded by its length in two bytes; what is missing is empty. */
static struct view next(struct view *rest)
{
    size_t size = rest->size < 2 ? 0 : (size_t)rest->data[0] | (size_t)rest->data[1] << 8;
    size_t head = rest->size < 2 ? rest->size : 2;
    if (size > rest->size - head)
        size = rest->size - head;
    struct view v = view_of(rest->data + head, size);
    *rest = view_of(rest->data + head + size, rest->size - head - size);
    return v;
}

/* gives: the update's bytes, to be freed; NULL: it was refused */
static uint8_t *run(const struct compress_order *order, size_t *ret_size)
{
    struct compress *c = NULL;
    struct why why = {""};
    enum status status = compress_new(order, &c, &why);
    if (status != ST_OK)
        return NULL;
    size_t left_size = compress_left_out_size(c);
    uint8_t *out = malloc(compress_size(c)), *left = left_size > 0 ? malloc(left_size) : NULL;
    assert(out != NULL && (left != NULL || left_size == 0));
    compress_into(c, out, left);
    *ret_size = compress_size(c);
    bool done = false;
    while (status == ST_OK && !done) {
        int64_t budget = 100;
        status = compress_step(c, &budget, &done, &why);
    }
    if (status == ST_OK && left != NULL) { /* it can be carried on */
        struct safetensors_layout l;
        assert(safetensors_layout(view_of(left, left_size), &l, NULL) == ST_OK);
        safetensors_layout_done(&l);
    }
    if (status != ST_OK) {
        assert(why.text[0] != '\0');
        free(out);
        out = NULL;
    }
    free(left);
    compress_free(c);
    return out;
}

/* The coordinator finds a place for all of it. */
static void check_read(struct view base, struct view out)
{
    struct model *m = NULL;
    struct safetensors_layout l;
    struct piece *pieces = NULL;
    size_t count = 0;
    if (model_decode(base, &m, NULL, NULL) != ST_OK)
        return; /* a base with tensors that are no model's */
    assert(safetensors_layout(out, &l, NULL) == ST_OK);
    assert(pieces_of(m, &l, &pieces, &count, NULL) == ST_OK && count > 0);
    free(pieces);
    safetensors_layout_done(&l);
    model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct view rest = view_of(data + 2, size - 2);
    struct compress_order order = {
        .compression = {(enum dtype)(data[0] % DTYPE_VALUES), data[1] % 10 / 10.0}, .seed = 1};
    if (compression_is_none(&order.compression))
        return 0;
    order.base = next(&rest);
    order.update = next(&rest);
    order.left_out = next(&rest);
    size_t first_size = 0, again_size = 0;
    uint8_t *first = run(&order, &first_size), *again = run(&order, &again_size);
    assert((first == NULL) == (again == NULL));
    if (first != NULL) {
        assert(first_size == again_size && memcmp(first, again, first_size) == 0);
        check_read(order.base, view_of(first, first_size));
    }
    free(first);
    free(again);
    return 0;
}
