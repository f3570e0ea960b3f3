#include "dp/clip.h"

#include <assert.h>
#include <math.h>

#define UNIT 0x1p-53 /* the relative error of one operation in float64 */

enum status clip_add(struct clip *c, const float *piece, size_t count)
{
    if (count > CLIP_COUNT_MAX - c->count)
        return ST_LIMIT;
    double squares = c->squares;
    for (size_t i = 0; i < count; i++)
        squares += (double)piece[i] * (double)piece[i];
    /* The squares of finite float32 are far from overflow: only a NaN or an infinity among
     * them makes one of the sum. */
    if (!isfinite(squares))
        return ST_NOT_FINITE;
    c->squares = squares;
    c->count += count;
    return ST_OK;
}

/* The sum of squares is off by a factor of at most 1 + count * UNIT (and a little, as
 * count^2 UNIT^2 is small); the norm by the root of that. Both are taken twice as large as
 * they are, which covers the root, the product and this sum itself. */
double clip_norm(const struct clip *c)
{
    return sqrt(c->squares) * (1 + ((double)c->count + 4) * 2 * UNIT);
}

double clip_factor(const struct clip *c, double bound)
{
    assert(bound >= CLIP_MIN && bound <= CLIP_MAX);
    double norm = clip_norm(c);
    if (norm <= bound)
        return 1;
    /* One rounding of the quotient, one of this product, one of clip_apply()'s. */
    return bound / norm * (1 - 4 * UNIT);
}

void clip_apply(float *piece, size_t count, double factor)
{
    assert(factor > 0 && factor <= 1);
    if (factor == 1)
        return;
    for (size_t i = 0; i < count; i++) {
        double exact = (double)piece[i] * factor;
        float rounded = (float)exact;
        piece[i] = fabs((double)rounded) > fabs(exact) ? nextafterf(rounded, 0) : rounded;
    }
}
