/* Checks conv.c by hand, against plain loops, and every gradient of a small
 * network with two convolutions against finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fml_guest.h"

static void draw(float *to, size_t count, struct fml_rng *r)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)(fml_rng_unit(r) - 0.5);
}

/* A 3 x 3 image 1..9 and a 2 x 2 window {1, 2, 3, 4}: 1 + 4 + 12 + 20 = 37, ... */
static void a_convolution_by_hand(void **state)
{
    (void)state;
    const struct fml_conv2d c = {
        .height = 3, .width = 3, .in = 1, .out = 1, .size = 2, .stride = 1};
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, 2, 3, 4}, b[] = {0.5f};
    const float expected_y[] = {37.5f, 47.5f, 67.5f, 77.5f};
    const float dy[] = {1, 0, 0, 2};
    /* windows at (0, 0) once and at (1, 1) twice */
    const float expected_dw[] = {1 + 10, 2 + 12, 4 + 16, 5 + 18};
    const float expected_dx[] = {1, 2, 0, 3, 4 + 2, 4, 0, 6, 8};
    float columns[16], y[4], dw[4], db, dx[9];

    assert_int_equal(fml_conv2d_check(&c), FML_OK);
    assert_int_equal(fml_conv2d_columns(&c), 16);
    fml_conv2d_forward(1, &c, x, w, b, columns, y);
    assert_memory_equal(y, expected_y, sizeof y);
    fml_conv2d_backward(1, &c, w, dy, columns, dw, &db, NULL);
    assert_memory_equal(dw, expected_dw, sizeof dw);
    assert_true(db == 3.0f);
    fml_conv2d_backward(1, &c, w, dy, columns, dw, &db, dx);
    assert_memory_equal(dx, expected_dx, sizeof dx);
}

/* One output number as the definition says it. */
static double output(const struct fml_conv2d *c, const float *x, const float *w, size_t y, size_t s,
                     size_t out)
{
    double sum = 0.0;
    for (size_t i = 0; i < c->size; i++)
        for (size_t j = 0; j < c->size; j++) {
            size_t row = y * c->stride + i, column = s * c->stride + j;
            if (row < c->pad || row - c->pad >= c->height || column < c->pad ||
                column - c->pad >= c->width)
                continue;
            for (size_t in = 0; in < c->in; in++)
                sum += (double)x[((row - c->pad) * c->width + column - c->pad) * c->in + in] *
                       (double)w[((i * c->size + j) * c->in + in) * c->out + out];
        }
    return sum;
}

static void compare(const struct fml_conv2d *c)
{
    struct fml_rng r = {3};
    const size_t batch = 2, image = c->height * c->width * c->in;
    assert_int_equal(fml_conv2d_check(c), FML_OK);
    size_t height = fml_conv2d_out_height(c), width = fml_conv2d_out_width(c);
    size_t weights = c->size * c->size * c->in * c->out;
    float *x = malloc(batch * image * sizeof *x), *w = malloc(weights * sizeof *w);
    float *b = malloc(c->out * sizeof *b), *y = malloc(batch * height * width * c->out * sizeof *y);
    float *columns = malloc(batch * fml_conv2d_columns(c) * sizeof *columns);
    assert_true(x != NULL && w != NULL && b != NULL && y != NULL && columns != NULL);
    draw(x, batch * image, &r);
    draw(w, weights, &r);
    draw(b, c->out, &r);
    fml_conv2d_forward(batch, c, x, w, b, columns, y);
    const float *at = y;
    for (size_t i = 0; i < batch; i++)
        for (size_t v = 0; v < height; v++)
            for (size_t s = 0; s < width; s++)
                for (size_t out = 0; out < c->out; out++, at++)
                    if (fabs((double)*at - (double)b[out] -
                             output(c, x + i * image, w, v, s, out)) > 1e-5)
                        fail_msg("size %zu, stride %zu, pad %zu: (%zu, %zu, %zu, %zu)", c->size,
                                 c->stride, c->pad, i, v, s, out);
    free(x);
    free(w);
    free(b);
    free(y);
    free(columns);
}

static void convolutions_are_what_their_definition_says(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 5; size++)
        for (size_t stride = 1; stride <= 3; stride++)
            for (size_t pad = 0; pad < size; pad++)
                for (size_t in = 1; in <= 3; in += 2)
                    compare(&(struct fml_conv2d){.height = 7,
                                                 .width = 5,
                                                 .in = in,
                                                 .out = 3,
                                                 .size = size,
                                                 .stride = stride,
                                                 .pad = pad});
    /* An image smaller than its window, in enough padding. */
    compare(&(struct fml_conv2d){
        .height = 1, .width = 2, .in = 2, .out = 2, .size = 5, .stride = 1, .pad = 4});
}

static void impossible_convolutions_are_refused(void **state)
{
    (void)state;
    const struct fml_conv2d good = {
        .height = 8, .width = 8, .in = 3, .out = 4, .size = 3, .stride = 1, .pad = 1};
    struct fml_conv2d c = good;
    assert_int_equal(fml_conv2d_check(&c), FML_OK);
    size_t *sizes[] = {&c.height, &c.width, &c.in, &c.out, &c.size, &c.stride};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        *sizes[i] = 0;
        assert_int_equal(fml_conv2d_check(&c), FML_INVALID);
        *sizes[i] = SIZE_MAX;
        assert_int_equal(fml_conv2d_check(&c), FML_INVALID);
        c = good;
    }
    c.pad = 3;
    assert_int_equal(fml_conv2d_check(&c), FML_INVALID);
    c.pad = SIZE_MAX;
    assert_int_equal(fml_conv2d_check(&c), FML_INVALID);
    c.pad = 0;
    c.size = 9;
    assert_int_equal(fml_conv2d_check(&c), FML_INVALID);
    c = (struct fml_conv2d){.height = FML_SIDE_MAX,
                            .width = FML_SIDE_MAX,
                            .in = FML_CHANNELS_MAX,
                            .out = FML_CHANNELS_MAX,
                            .size = FML_SIDE_MAX,
                            .stride = 1};
    assert_int_equal(fml_conv2d_check(&c), FML_LIMIT);
    c.size = 1;
    assert_int_equal(fml_conv2d_check(&c), FML_LIMIT);
}

/* 2 x 5 numbers, two channels, windows of 2: the fifth column fills none. */
static void pooling_by_hand(void **state)
{
    (void)state;
    const struct fml_pool p = {.height = 2, .width = 5, .channels = 2, .size = 2};
    const float x[2][20] = {
        {1, 9, 2, 8, 3, 7, 4, 6, 50, 50, 4, 6, 3, 7, 2, 8, 1, 9, 50, 50},
        {0, 0, 0, 0, -5, -1, -6, -2, 0, 0, 0, 0, 0, 0, -7, -3, -8, -4, 0, 0},
    };
    /* of equals the first */
    const float expected[2][4] = {{4, 9, 4, 9}, {0, 0, -5, -1}};
    const uint32_t expected_from[2][4] = {{10, 1, 6, 17}, {0, 1, 4, 5}};
    const float dy[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    float y[2][4], dx[2][20], expected_dx[2][20] = {{0}};
    uint32_t from[2][4];
    fml_maxpool_forward(2, &p, &x[0][0], &from[0][0], &y[0][0]);
    assert_memory_equal(y, expected, sizeof y);
    assert_memory_equal(from, expected_from, sizeof from);
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 4; j++)
            expected_dx[i][expected_from[i][j]] = dy[i][j];
    memset(dx, 0xff, sizeof dx);
    fml_maxpool_backward(2, &p, &dy[0][0], &from[0][0], &dx[0][0]);
    assert_memory_equal(dx, expected_dx, sizeof dx);
}

/* ---- A network: 6 x 6, window 3 (pad 1), ReLU, pool 2, window 2, dense to 3 ---- */

#define BATCH   ((size_t)3)
#define CLASSES ((size_t)3)
#define W1      ((size_t)3 * 3 * 2 * 4)
#define W2      ((size_t)2 * 2 * 4 * 3)
#define W3      ((size_t)2 * 2 * 3 * CLASSES)
#define PARAMS  (W1 + 4 + W2 + 3 + W3 + CLASSES)

static const struct fml_conv2d conv1 = {
    .height = 6, .width = 6, .in = 2, .out = 4, .size = 3, .stride = 1, .pad = 1};
static const struct fml_pool pool = {.height = 6, .width = 6, .channels = 4, .size = 2};
static const struct fml_conv2d conv2 = {
    .height = 3, .width = 3, .in = 4, .out = 3, .size = 2, .stride = 1};

struct parts {
    float *w1, *b1, *w2, *b2, *w3, *b3;
};

static struct parts parts_of(float *params)
{
    struct parts p = {.w1 = params};
    p.b1 = p.w1 + W1;
    p.w2 = p.b1 + 4;
    p.b2 = p.w2 + W2;
    p.w3 = p.b2 + 3;
    p.b3 = p.w3 + W3;
    return p;
}

static struct {
    float x[BATCH * 72], columns1[BATCH * 36 * 18], y1[BATCH * 144];
    float pooled[BATCH * 36], columns2[BATCH * 4 * 16], y2[BATCH * 12], z[BATCH * CLASSES];
    uint32_t from[BATCH * 36];
    float dy2[BATCH * 12], dpooled[BATCH * 36], dy1[BATCH * 144], dx[BATCH * 72];
} net;

static const uint8_t labels[BATCH] = {2, 0, 1};

static double loss_of(float *params)
{
    struct parts p = parts_of(params);
    fml_conv2d_forward(BATCH, &conv1, net.x, p.w1, p.b1, net.columns1, net.y1);
    fml_relu_forward(BATCH * 144, net.y1);
    fml_maxpool_forward(BATCH, &pool, net.y1, net.from, net.pooled);
    fml_conv2d_forward(BATCH, &conv2, net.pooled, p.w2, p.b2, net.columns2, net.y2);
    fml_dense_forward(BATCH, 12, CLASSES, net.y2, p.w3, p.b3, net.z);
    return fml_softmax_loss(BATCH, CLASSES, net.z, labels) / (double)BATCH;
}

/* After loss_of(): the gradients at the parameters, and at x in net.dx. */
static void backward(float *params, float *gradient)
{
    struct parts p = parts_of(params), g = parts_of(gradient);
    fml_dense_backward(BATCH, 12, CLASSES, net.y2, p.w3, net.z, g.w3, g.b3, net.dy2);
    fml_conv2d_backward(BATCH, &conv2, p.w2, net.dy2, net.columns2, g.w2, g.b2, net.dpooled);
    fml_maxpool_backward(BATCH, &pool, net.dpooled, net.from, net.dy1);
    fml_relu_backward(BATCH * 144, net.y1, net.dy1);
    fml_conv2d_backward(BATCH, &conv1, p.w1, net.dy1, net.columns1, g.w1, g.b1, net.dx);
}

/* Which units fire and which are the largest: where a step changes that, the loss
 * has a corner, and no derivative to compare with. */
struct pattern {
    bool fires[BATCH * 144];
    uint32_t from[BATCH * 36];
};

static void pattern_of(struct pattern *p)
{
    for (size_t i = 0; i < BATCH * 144; i++)
        p->fires[i] = net.y1[i] > 0.0f;
    memcpy(p->from, net.from, sizeof p->from);
}

/* Compares g with the central differences of the loss at values (layers_test.c says
 * what they are good for), and fails where they differ. */
static void compare_gradient(const char *what, float *values, const float *g, size_t count,
                             float *params)
{
    static struct pattern above, below;
    const float step = 2e-3f;
    double largest = 0.0;
    size_t compared = 0;
    for (size_t i = 0; i < count; i++) {
        float kept = values[i];
        values[i] = kept + step;
        double loss = loss_of(params);
        pattern_of(&above);
        values[i] = kept - step;
        loss -= loss_of(params);
        pattern_of(&below);
        values[i] = kept;
        if (memcmp(&above, &below, sizeof above) != 0)
            continue;
        largest = fmax(largest, fabs(loss / (2.0 * (double)step) - (double)g[i]));
        compared++;
    }
    print_message("%s: %zu of %zu compared, largest difference %g\n", what, compared, count,
                  largest);
    assert_true(largest < 3e-4);
    assert_true(compared > count * 3 / 4);
}

static void gradients_are_the_finite_differences(void **state)
{
    (void)state;
    static float params[PARAMS], gradient[PARAMS], dx[BATCH * 72];
    struct fml_rng r = {2};
    draw(params, PARAMS, &r);
    draw(net.x, BATCH * 72, &r);
    (void)loss_of(params);
    backward(params, gradient);
    memcpy(dx, net.dx, sizeof dx);
    double largest = 0.0;
    for (size_t i = 0; i < PARAMS; i++)
        largest = fmax(largest, fabs((double)gradient[i]));
    assert_true(largest > 0.05); /* there is something to compare */

    compare_gradient("parameters", params, gradient, PARAMS, params);
    compare_gradient("images", net.x, dx, BATCH * 72, params);
}

static void adam_lowers_the_loss(void **state)
{
    (void)state;
    static float params[PARAMS], gradient[PARAMS], m[PARAMS], v[PARAMS];
    const struct fml_adam o = {.rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    struct fml_rng r = {6};
    draw(params, PARAMS, &r);
    draw(net.x, BATCH * 72, &r);
    double first = loss_of(params);
    for (uint64_t step = 1; step <= 300; step++) {
        (void)loss_of(params);
        backward(params, gradient);
        fml_adam_step(PARAMS, &o, step, gradient, m, v, params);
    }
    double last = loss_of(params);
    print_message("loss %g, after the steps %g\n", first, last);
    assert_true(last < first / 10.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_by_hand),
        cmocka_unit_test(convolutions_are_what_their_definition_says),
        cmocka_unit_test(impossible_convolutions_are_refused),
        cmocka_unit_test(pooling_by_hand),
        cmocka_unit_test(gradients_are_the_finite_differences),
        cmocka_unit_test(adam_lowers_the_loss),
    };
    return cmocka_run_group_tests_name("guest/conv", tests, NULL, NULL);
}
