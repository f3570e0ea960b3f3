/* From an update's file to the pieces of its source: which tensor of the base
 * model each tensor of the file is, in whatever order they lie there.
 *
 * A file may hold some of the tensors only (then the pieces have holes, which
 * sources_check() finds where they matter). A tensor NAME of dtype I8 needs its
 * scale beside it: a tensor NAME.scale of F32 without dimensions. One of which only a few
 * values differ from 0 may lie there as a list (k,) with its places, NAME.indices, (k,) of
 * U32: indices into the flattened tensor, ascending. */
#ifndef AGGREGATE_PIECES_H
#define AGGREGATE_PIECES_H

#include "aggregate/source.h"
#include "model/safetensors.h"

/* base:  the model that the update is for, in the order of its coordinates
 * gives: *ret_pieces, (*ret_count,) by coordinate, to be freed with free(); the
 *        bytes are those of l
 * fails: ST_SHAPE (a tensor that base does not have or not in this shape; an I8
 *        without its scale, a scale without its I8; indices that are not as many as the
 *        values), ST_INVALID (a scale that is not above 0 and finite; an index that is beyond
 *        the tensor or not above the one before it), ST_NOMEM */
MUST_CHECK enum status pieces_of(const struct model *base, const struct safetensors_layout *l,
                                 struct piece **ret_pieces, size_t *ret_count, struct why *why);

#endif
