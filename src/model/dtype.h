/* How a number of a tensor lies in bytes: the dtypes of safetensors that are
 * read here. All little-endian. */
#ifndef MODEL_DTYPE_H
#define MODEL_DTYPE_H

#include <stddef.h>

enum dtype {
    DTYPE_F32,  /* IEEE 754 binary32 */
    DTYPE_F16,  /* IEEE 754 binary16 */
    DTYPE_BF16, /* the upper half of a binary32 */
    DTYPE_I8,   /* two's complement; stands for scale * value, one scale a tensor */
    DTYPE_U32,  /* an index: where a value belongs that is one of few */
};
#define DTYPE_VALUES 4 /* the first so many are values, the others are about them */
#define DTYPE_COUNT  5

/* Bytes of one number. */
static inline size_t dtype_size(enum dtype dtype)
{
    static const unsigned char sizes[DTYPE_COUNT] = {4, 2, 2, 1, 4};
    return sizes[dtype];
}

#endif
