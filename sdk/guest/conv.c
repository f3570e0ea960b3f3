/* Convolution as one matrix product over the whole batch: each place of the
 * result is a row of `columns`, the numbers below the window there (Chellapilla,
 * Puri, Simard 2006, "High Performance Convolutional Neural Networks for Document
 * Processing"). Channels lie innermost, so a row of the window is one run of
 * numbers in the image, and the result is the next layer's image as it comes. */
#include "fml_guest.h"

#include <string.h>

static size_t steps_of(size_t length, const struct fml_conv2d *c)
{
    return (length + 2 * c->pad - c->size) / c->stride + 1;
}

size_t fml_conv2d_out_height(const struct fml_conv2d *c)
{
    return steps_of(c->height, c);
}

size_t fml_conv2d_out_width(const struct fml_conv2d *c)
{
    return steps_of(c->width, c);
}

size_t fml_conv2d_columns(const struct fml_conv2d *c)
{
    return steps_of(c->height, c) * steps_of(c->width, c) * c->size * c->size * c->in;
}

static bool is_side(size_t length)
{
    return length >= 1 && length <= FML_SIDE_MAX;
}

enum fml_status fml_conv2d_check(const struct fml_conv2d *c)
{
    if (!is_side(c->height) || !is_side(c->width) || !is_side(c->size) || !is_side(c->stride))
        return fml_fail(FML_INVALID, "a side of a convolution is not 1 to %d", FML_SIDE_MAX);
    if (c->in < 1 || c->in > FML_CHANNELS_MAX || c->out < 1 || c->out > FML_CHANNELS_MAX)
        return fml_fail(FML_INVALID, "a convolution has not 1 to %d channels", FML_CHANNELS_MAX);
    if (c->pad >= c->size)
        return fml_fail(FML_INVALID, "a convolution's window of %zu would lie in its padding",
                        c->size);
    if (c->size > c->height + 2 * c->pad || c->size > c->width + 2 * c->pad)
        return fml_fail(FML_INVALID, "a convolution's window of %zu is larger than its image",
                        c->size);
    /* Each of the three factors is at most 2^24 or so: no overflow in 64 bits. */
    uint64_t places = (uint64_t)steps_of(c->height, c) * steps_of(c->width, c);
    uint64_t window = (uint64_t)c->size * c->size * c->in;
    if (window > FML_PARAMS_MAX || places * window > FML_PARAMS_MAX ||
        places * c->out > FML_PARAMS_MAX || window * c->out > FML_PARAMS_MAX ||
        (uint64_t)c->height * c->width * c->in > FML_PARAMS_MAX)
        return fml_fail(FML_LIMIT, "a convolution is too large");
    return FML_OK;
}

/* The part of one row of a window that lies in the image. */
struct run {
    size_t begin, end; /* of the window's columns; equal: nothing */
    size_t offset;     /* in the image, of begin's first channel */
};

static struct run run_of(const struct fml_conv2d *c, size_t row, size_t at_y, size_t at_x)
{
    struct run r = {0, 0, 0};
    size_t y = at_y * c->stride + row; /* both counted from the padding's edge */
    size_t x = at_x * c->stride;
    if (y < c->pad || y - c->pad >= c->height)
        return r;
    r.begin = x < c->pad ? c->pad - x : 0;
    r.end = c->size;
    if (x + c->size > c->pad + c->width)
        r.end = c->pad + c->width > x ? c->pad + c->width - x : 0;
    if (r.end <= r.begin)
        return (struct run){0, 0, 0};
    r.offset = ((y - c->pad) * c->width + (x + r.begin - c->pad)) * c->in;
    return r;
}

/* x: one image, to: its columns */
static void gather(const struct fml_conv2d *c, const float *x, float *to)
{
    size_t line = c->size * c->in;
    for (size_t y = 0; y < steps_of(c->height, c); y++)
        for (size_t s = 0; s < steps_of(c->width, c); s++)
            for (size_t row = 0; row < c->size; row++, to += line) {
                struct run r = run_of(c, row, y, s);
                if (r.end - r.begin < c->size)
                    memset(to, 0, line * sizeof *to);
                memcpy(to + r.begin * c->in, x + r.offset, (r.end - r.begin) * c->in * sizeof *to);
            }
}

/* The opposite: a number of the image gets the sum over all windows above it. */
static void scatter(const struct fml_conv2d *c, const float *from, float *x)
{
    size_t line = c->size * c->in;
    memset(x, 0, c->height * c->width * c->in * sizeof *x);
    for (size_t y = 0; y < steps_of(c->height, c); y++)
        for (size_t s = 0; s < steps_of(c->width, c); s++)
            for (size_t row = 0; row < c->size; row++, from += line) {
                struct run r = run_of(c, row, y, s);
                const float *values = from + r.begin * c->in;
                for (size_t i = 0; i < (r.end - r.begin) * c->in; i++)
                    x[r.offset + i] += values[i];
            }
}

static size_t places_of(const struct fml_conv2d *c)
{
    return steps_of(c->height, c) * steps_of(c->width, c);
}

void fml_conv2d_forward(size_t batch, const struct fml_conv2d *c, const float *x, const float *w,
                        const float *b, float *ret_columns, float *ret_y)
{
    for (size_t i = 0; i < batch; i++)
        gather(c, x + i * c->height * c->width * c->in, ret_columns + i * fml_conv2d_columns(c));
    fml_dense_forward(batch * places_of(c), c->size * c->size * c->in, c->out, ret_columns, w, b,
                      ret_y);
}

void fml_conv2d_backward(size_t batch, const struct fml_conv2d *c, const float *w, const float *dy,
                         float *columns, float *ret_dw, float *ret_db, float *ret_dx)
{
    size_t window = c->size * c->size * c->in;
    fml_dense_backward(batch * places_of(c), window, c->out, columns, w, dy, ret_dw, ret_db, NULL);
    if (ret_dx == NULL)
        return;
    fml_matmul_tb(batch * places_of(c), window, c->out, dy, w, columns);
    for (size_t i = 0; i < batch; i++)
        scatter(c, columns + i * fml_conv2d_columns(c), ret_dx + i * c->height * c->width * c->in);
}

/* ---- Max-pooling ---- */

/* The place of the largest number of one window, counted in the image. */
static uint32_t largest(const struct fml_pool *p, const float *x, size_t y, size_t s,
                        size_t channel)
{
    size_t first = (y * p->size * p->width + s * p->size) * p->channels + channel;
    size_t best = first;
    for (size_t row = 0; row < p->size; row++)
        for (size_t column = 0; column < p->size; column++) {
            size_t at = first + (row * p->width + column) * p->channels;
            best = x[at] > x[best] ? at : best;
        }
    return (uint32_t)best;
}

void fml_maxpool_forward(size_t batch, const struct fml_pool *p, const float *x, uint32_t *ret_from,
                         float *ret_y)
{
    for (size_t i = 0; i < batch; i++, x += p->height * p->width * p->channels)
        for (size_t y = 0; y < p->height / p->size; y++)
            for (size_t s = 0; s < p->width / p->size; s++)
                for (size_t channel = 0; channel < p->channels; channel++) {
                    *ret_from = largest(p, x, y, s, channel);
                    *ret_y++ = x[*ret_from++];
                }
}

void fml_maxpool_backward(size_t batch, const struct fml_pool *p, const float *dy,
                          const uint32_t *from, float *ret_dx)
{
    size_t in = p->height * p->width * p->channels;
    size_t out = (p->height / p->size) * (p->width / p->size) * p->channels;
    memset(ret_dx, 0, batch * in * sizeof *ret_dx);
    for (size_t i = 0; i < batch; i++, ret_dx += in, dy += out, from += out)
        for (size_t j = 0; j < out; j++)
            ret_dx[from[j]] += dy[j];
}
