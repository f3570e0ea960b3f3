/* A C library for guests: programs that learn inside a proplet's sandbox.
 *
 * A guest is a WASI command. It reads the round's facts from the environment,
 * the base model from a file, the device's data from a folder, and leaves one
 * update (docs/PROTOCOL.md, sections 2.2 and 3). The same source also builds
 * natively, for tests and comparisons.
 *
 * All matrices are float32 and row-major. A guest has one thread, and so has
 * this library: the sentence of fml_why() is one for the whole program. */
#ifndef FML_GUEST_H
#define FML_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FML_MUST_CHECK        __attribute__((warn_unused_result))
#define FML_PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* ---- Limits ---- */

#define FML_FILE_MAX       ((uint64_t)1 << 30) /* bytes of one file */
#define FML_MODEL_SIZE_MAX ((uint64_t)1 << 30) /* bytes of one model */
#define FML_JSON_SIZE_MAX  ((size_t)16 << 20)  /* bytes of one JSON text */
#define FML_HEADER_MAX     ((size_t)4 << 20)   /* bytes of a safetensors header */
#define FML_TENSORS_MAX    4096
#define FML_RANK_MAX       8
#define FML_NAME_MAX       ((size_t)128) /* bytes of a tensor's name */
#define FML_PARAMS_MAX     ((uint64_t)1 << 28)
#define FML_TEXTS_MAX      64                 /* texts about a model */
#define FML_TEXT_MAX       ((size_t)16 << 10) /* bytes of one of them */
#define FML_METRICS_MAX    32
#define FML_SAMPLES_MAX    ((uint64_t)1 << 30)
#define FML_STEPS_MAX      ((uint64_t)1 << 30) /* local_steps of an update */
#define FML_CLASSES_MAX    256
#define FML_EXAMPLES_MAX   ((uint64_t)1 << 24)
#define FML_FEATURES_MAX   ((uint64_t)1 << 20)
#define FML_SIDE_MAX       4096 /* of an image or a window */
#define FML_CHANNELS_MAX   65536

/* ---- Failures ---- */

/* The outcome of every function that can fail because of the world. */
enum fml_status {
    FML_OK = 0,
    FML_NO_MEMORY,
    FML_INVALID,    /* a value outside its documented range or form */
    FML_MALFORMED,  /* bytes that are not what they claim to be */
    FML_MISSING,    /* a variable, file or field that is not there */
    FML_SHAPE,      /* tensors of other names or shapes than expected */
    FML_TYPE,       /* a data type that is not float32 */
    FML_NOT_FINITE, /* a NaN or an infinity among numbers */
    FML_LIMIT,      /* larger or more than a limit above */
    FML_IO,         /* the system refused to read or write */
};

/* "no_memory", "invalid", ... Never NULL. */
const char *fml_status_name(enum fml_status status);

/* The sentence about the latest failure, without a full stop. Never NULL. */
const char *fml_why(void);

/* Keeps a sentence for fml_why() and returns status: for a guest's own checks. */
enum fml_status fml_fail(enum fml_status status, const char *format, ...) FML_PRINTF_LIKE(2, 3);

/* Says on standard error what went wrong ("fml-train: shape: the model has ...")
 * and returns 1, the exit status of a guest that failed. */
int fml_report(const char *program, enum fml_status status);

/* ---- Files ---- */

/* Reads a whole file.
 * gives: *ret_data with *ret_size bytes (and a zero byte behind them), to be
 *        freed with free()
 * fails: FML_MISSING, FML_LIMIT (more than size_max bytes), FML_IO, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_file_read(const char *path, uint64_t size_max,
                                             uint8_t **ret_data, size_t *ret_size);

/* Makes path hold exactly these bytes. fails: FML_IO */
FML_MUST_CHECK enum fml_status fml_file_write(const char *path, const void *data, size_t size);

/* ---- Numbers that can be repeated ---- */

/* splitmix64 (Steele, Lea, Flood 2014): not for secrets. */
struct fml_rng {
    uint64_t state; /* the seed; any value */
};

uint64_t fml_rng_u64(struct fml_rng *r);
/* Uniform in [0, 1), 53 bits. */
double fml_rng_unit(struct fml_rng *r);
/* Fisher-Yates from the end, each partner drawn by remainder.
 * items: (count,), put into a random order */
void fml_shuffle(uint32_t *items, size_t count, struct fml_rng *r);

/* ---- Models: named float32 tensors ---- */

struct fml_model;

struct fml_tensor {
    const char *name;           /* 1..FML_NAME_MAX bytes of UTF-8, unique in the model */
    size_t rank;                /* 0..FML_RANK_MAX; 0 is a scalar */
    size_t shape[FML_RANK_MAX]; /* each at least 1 */
    size_t count;               /* product of shape; 1 for a scalar */
    float *data;                /* (count,), inside the model's block */
};

/* A model with these tensors (name, rank and shape are read), all values 0.
 * count: 0..FML_TENSORS_MAX
 * gives: *ret, to be ended with fml_model_free()
 * fails: FML_INVALID (a name empty, too long or twice, a dimension of 0),
 *        FML_LIMIT, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_model_new(const struct fml_tensor *tensors, size_t count,
                                             struct fml_model **ret);

/* A new model with m's tensors and values, without its texts. fails: FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_model_copy(const struct fml_model *m, struct fml_model **ret);

/* A new model with some of m's tensors and their values, in this order, without its
 * texts. As an update it says of these alone what they have become: the others stay
 * as they are in the base model. So a few small tensors of a large model can be
 * trained (LoRA, Hu et al. 2021, arXiv:2106.09685) without sending the rest.
 * fails: FML_MISSING (m has none of this name), FML_INVALID (one is named twice),
 *        FML_LIMIT, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_model_subset(const struct fml_model *m, const char *const *names,
                                                size_t count, struct fml_model **ret);

/* Reads a model in either form, told apart by the bytes: safetensors, or JSON
 * of the form {"w":[...],"b":0.5,"version":3}. Values may be NaN.
 * gives: *ret
 * fails: FML_MALFORMED, FML_TYPE (not float32), FML_SHAPE (ragged arrays),
 *        FML_INVALID, FML_LIMIT, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_model_decode(const void *data, size_t size,
                                                struct fml_model **ret);

/* Writes safetensors; the same model gives the same bytes.
 * gives: *ret_data with *ret_size bytes, to be freed with free()
 * fails: FML_LIMIT, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_model_encode(const struct fml_model *m, uint8_t **ret_data,
                                                size_t *ret_size);

size_t fml_model_tensor_count(const struct fml_model *m);
/* The tensor at index < fml_model_tensor_count(). */
const struct fml_tensor *fml_model_tensor(const struct fml_model *m, size_t index);
/* NULL if there is none of this name. */
const struct fml_tensor *fml_model_find(const struct fml_model *m, const char *name);

/* All parameters as one vector, tensor after tensor. */
size_t fml_model_param_count(const struct fml_model *m);
float *fml_model_params(struct fml_model *m);

/* fails: FML_NOT_FINITE; fml_why() names the tensor and the index */
FML_MUST_CHECK enum fml_status fml_model_check_finite(const struct fml_model *m);

/* A text about the model (__metadata__). A key that is there is replaced.
 * fails: FML_INVALID (empty or too long a key), FML_LIMIT, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_model_set_text(struct fml_model *m, const char *key,
                                                  const char *value);
/* NULL if there is none. Borrowed until the next change. */
const char *fml_model_text(const struct fml_model *m, const char *key);

/* Ends m and returns NULL. NULL is allowed. */
struct fml_model *fml_model_free(struct fml_model *m);

/* ---- The round, from the environment ---- */

enum fml_mode { FML_TRAIN, FML_EVALUATE };

struct fml_hyperparams;

/* Texts are borrowed from the environment. */
struct fml_env {
    const char *round_id;
    const char *model_uri;
    const char *proplet_id;  /* "" if it was not said */
    const char *model_data;  /* NULL: not a small JSON model */
    const char *model_path;  /* NULL if there is none */
    const char *data_dir;    /* NULL: this device has no data */
    const char *update_path; /* NULL: the update goes to standard output */
    enum fml_mode mode;
    struct fml_hyperparams *hyperparams;
};

/* gives: *ret, to be ended with fml_env_done()
 * fails: FML_MISSING (ROUND_ID, MODEL_URI), FML_INVALID (MODE), FML_MALFORMED
 *        (HYPERPARAMS is no JSON object), FML_LIMIT, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_env_read(struct fml_env *ret);
void fml_env_done(struct fml_env *env);

/* A hyperparameter by name; *ret is fallback where there is none of this name.
 * fails: FML_INVALID (no number, or out of min..max; integer: has a fraction) */
FML_MUST_CHECK enum fml_status fml_hyperparam_real(const struct fml_env *env, const char *name,
                                                   double fallback, double min, double max,
                                                   double *ret);
FML_MUST_CHECK enum fml_status fml_hyperparam_integer(const struct fml_env *env, const char *name,
                                                      uint64_t fallback, uint64_t min, uint64_t max,
                                                      uint64_t *ret);

/* The base model of the round: the file at model_path, or else model_data. Only
 * its parameters: tensors whose names begin with "optimiser." are the server's and are
 * left out, and with them the texts.
 * fails: FML_MISSING, FML_NO_MEMORY, and as fml_file_read() and fml_model_decode() */
FML_MUST_CHECK enum fml_status fml_env_model(const struct fml_env *env, struct fml_model **ret);

/* ---- The update ---- */

struct fml_metric {
    const char *name; /* letters, digits, '_', '-', '.' */
    double value;     /* finite */
};

struct fml_update {
    const struct fml_model *model; /* the trained parameters; NULL in mode evaluate */
    uint64_t num_samples;          /* 1..FML_SAMPLES_MAX examples behind it */
    const struct fml_metric *metrics;
    size_t metric_count;  /* 0..FML_METRICS_MAX */
    uint64_t local_steps; /* optimiser steps behind it, for rounds that weigh by them (FedNova),
                           * at most FML_STEPS_MAX; 0: it does not say */
};

/* Writes the update as safetensors to env->update_path.
 * fails: FML_MISSING (no update_path), FML_INVALID (num_samples, a metric),
 *        FML_NOT_FINITE (the training diverged), FML_IO, FML_NO_MEMORY; a
 *        refused update leaves no file */
FML_MUST_CHECK enum fml_status fml_update_write(const struct fml_env *env,
                                                const struct fml_update *update);

/* Prints the update as JSON on standard output. fails: as above */
FML_MUST_CHECK enum fml_status fml_update_print(const struct fml_env *env,
                                                const struct fml_update *update);

/* ---- Labelled examples ---- */

/* Examples as bytes; a feature is byte / max_value. */
struct fml_dataset {
    size_t count;    /* examples, at least 1 */
    size_t features; /* of one example */
    size_t classes;  /* labels are 0..classes-1 */
    unsigned max_value;
    uint64_t client; /* this device's number, part of the shuffle's seed */
    uint8_t *pixels; /* (count, features), each at most max_value */
    uint8_t *labels; /* (count,) */
};

/* Reads dir: images.idx3-ubyte and labels.idx1-ubyte (Yann LeCun's IDX format)
 * and dataset.json, {"max_value":255,"client":3,"classes":10}.
 * gives: *ret, to be ended with fml_dataset_done()
 * fails: FML_MISSING, FML_MALFORMED, FML_INVALID (a pixel or a label beyond
 *        dataset.json's range), FML_LIMIT, FML_IO, FML_NO_MEMORY */
FML_MUST_CHECK enum fml_status fml_dataset_read(const char *dir, struct fml_dataset *ret);
void fml_dataset_done(struct fml_dataset *d);

/* Gathers one batch.
 * rows: (count,) indices of examples, each below d->count
 * ret_x: (count, features), ret_labels: (count,) */
void fml_dataset_batch(const struct fml_dataset *d, const uint32_t *rows, size_t count,
                       float *ret_x, uint8_t *ret_labels);

/* ---- A guest that learns ---- */

/* How to train, as the round says it. */
struct fml_training {
    uint64_t epochs;     /* passes over the data */
    uint64_t batch_size; /* examples per step; the last step of a pass may have fewer */
    uint64_t seed;       /* with round and the device's number, seeds the order */
    uint64_t round;
    double rate; /* of learning */
    double mu;   /* weight of FedProx's term; 0: none */
};

/* From the hyperparameters epochs, batch_size, seed, round, lr and mu; their
 * defaults are 1, 32, 1, 1, rate and 0. fails: FML_INVALID */
FML_MUST_CHECK enum fml_status fml_training_read(const struct fml_env *env, double rate,
                                                 struct fml_training *ret);

/* For the order of d's examples: seeded with seed * 1000003 + round * 1009 +
 * d->client, so another round or device has another order. */
struct fml_rng fml_training_rng(const struct fml_training *t, const struct fml_dataset *d);

/* Means over the examples, as they were seen: while training, before the step. */
struct fml_score {
    double loss;
    double accuracy;
};

/* What is a guest's own. Both functions fail with FML_SHAPE if m is no model for d. */
struct fml_learner {
    const char *name; /* in messages */
    double rate;      /* the default of lr */
    /* Changes m's parameters; a failure leaves them as they were. */
    enum fml_status (*train)(struct fml_model *m, const struct fml_dataset *d,
                             const struct fml_training *t, struct fml_score *ret);
    enum fml_status (*evaluate)(const struct fml_model *m, const struct fml_dataset *d,
                                struct fml_score *ret);
};

/* A whole guest: reads the round, the base model and the device's examples, trains or
 * evaluates, leaves the update with the metrics loss and accuracy.
 * gives: main()'s exit status: 0, or 1 after saying on standard error why */
int fml_learner_main(const struct fml_learner *l);

/* ---- Matrix products ---- */

/* c = a b, c = a^T b, c = a b^T. No argument may overlap c.
 * m, n: rows and columns of c; k: the inner dimension
 * fml_matmul:    a (m, k), b (k, n)
 * fml_matmul_ta: a (k, m), b (k, n)
 * fml_matmul_tb: a (m, k), b (n, k)
 * Sums run over k in blocks, so results differ from the plain ones by rounding
 * only. Built with FML_GUEST_SGEMM the host computes them (matmul_host.c): faster,
 * but only where the host offers the import fml_sgemm. */
void fml_matmul(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
void fml_matmul_ta(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
void fml_matmul_tb(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);

/* The same as three loops, for the test that compares. */
void fml_matmul_plain(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
void fml_matmul_ta_plain(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
void fml_matmul_tb_plain(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);

/* ---- Layers ---- */

/* y = x w + b.
 * x: (batch, in), w: (in, out), b: (out,), ret_y: (batch, out) */
void fml_dense_forward(size_t batch, size_t in, size_t out, const float *x, const float *w,
                       const float *b, float *ret_y);

/* From dy, the gradient at y: dw = x^T dy, db = sum of dy over the batch, and
 * dx = dy w^T unless ret_dx is NULL (the first layer needs none).
 * dy: (batch, out), ret_dw: (in, out), ret_db: (out,), ret_dx: (batch, in) */
void fml_dense_backward(size_t batch, size_t in, size_t out, const float *x, const float *w,
                        const float *dy, float *ret_dw, float *ret_db, float *ret_dx);

/* y = max(y, 0) in place; backward sets dy to 0 where y is not above 0.
 * y, dy: (count,) */
void fml_relu_forward(size_t count, float *y);
void fml_relu_backward(size_t count, const float *y, float *dy);

/* Softmax and cross-entropy. Returns the sum over the batch of
 * -log(softmax(z)[label]) and turns z into the gradient of their mean,
 * (softmax(z) - onehot(label)) / batch.
 * z: (batch, classes) logits, labels: (batch,) each below classes */
double fml_softmax_loss(size_t batch, size_t classes, float *z, const uint8_t *labels);

/* How many rows have their largest value (the first of equals) at the label. */
size_t fml_count_correct(size_t batch, size_t classes, const float *z, const uint8_t *labels);

/* ---- Convolutions ---- */

/* A square window over images of (height, width, in) numbers, channels innermost,
 * as fml_dataset_batch() gives them with in = 1. Around an image lie pad rows and
 * columns of zeros; the window moves by stride. */
struct fml_conv2d {
    size_t height, width, in;
    size_t out;    /* channels of the result: (out height, out width, out) */
    size_t size;   /* of the window: (size, size) */
    size_t stride; /* 1: every place */
    size_t pad;    /* below size; (size - 1) / 2 with stride 1 keeps the image's size */
};

/* For layers whose sizes come from a model: all functions below need a checked one.
 * fails: FML_INVALID (a size of 0 or beyond FML_SIDE_MAX or FML_CHANNELS_MAX, a
 *        window larger than the padded image, or one that would lie in the padding),
 *        FML_LIMIT (weights, or the numbers of one example, beyond FML_PARAMS_MAX) */
FML_MUST_CHECK enum fml_status fml_conv2d_check(const struct fml_conv2d *c);

size_t fml_conv2d_out_height(const struct fml_conv2d *c);
size_t fml_conv2d_out_width(const struct fml_conv2d *c);
/* Numbers of `columns` for one example: (out height, out width, size, size, in). */
size_t fml_conv2d_columns(const struct fml_conv2d *c);

/* y = the window's product with the image at each place, plus b.
 * x: (batch, height, width, in), w: (size, size, in, out), b: (out,)
 * ret_columns: (batch, fml_conv2d_columns()), for the way back
 * ret_y: (batch, out height, out width, out) */
void fml_conv2d_forward(size_t batch, const struct fml_conv2d *c, const float *x, const float *w,
                        const float *b, float *ret_columns, float *ret_y);

/* From dy, the gradient at y, to those at w and b, and at x unless ret_dx is NULL
 * (the first layer needs none).
 * columns: as the way forward left them; overwritten if ret_dx is asked for */
void fml_conv2d_backward(size_t batch, const struct fml_conv2d *c, const float *w, const float *dy,
                         float *columns, float *ret_dw, float *ret_db, float *ret_dx);

/* Windows of (size, size) that do not overlap; rows and columns that fill none are
 * left out. */
struct fml_pool {
    size_t height, width, channels;
    size_t size; /* 1..height and 1..width */
};

/* y = the largest number in each window (of equals the first, row after row).
 * x: (batch, height, width, channels)
 * ret_y, ret_from: (batch, height / size, width / size, channels), the number and
 *        where it lay in its image, for the way back */
void fml_maxpool_forward(size_t batch, const struct fml_pool *p, const float *x, uint32_t *ret_from,
                         float *ret_y);

/* ret_dx: (batch, height, width, channels), dy where the largest lay, else 0 */
void fml_maxpool_backward(size_t batch, const struct fml_pool *p, const float *dy,
                          const uint32_t *from, float *ret_dx);

/* ---- Steps ---- */

/* w -= rate * g. w, g: (count,) */
void fml_sgd_step(size_t count, float rate, const float *g, float *w);

/* Momentum (Polyak 1964): v = momentum * v + g, w -= rate * v.
 * v: (count,), zeros before the first step; momentum: 0..1, usually 0.9 */
void fml_momentum_step(size_t count, float rate, float momentum, const float *g, float *v,
                       float *w);

/* Adam (Kingma, Ba 2015, arXiv:1412.6980, algorithm 1). */
struct fml_adam {
    double rate;         /* usually 0.001 */
    double beta1, beta2; /* 0..1, below 1; usually 0.9 and 0.999 */
    double epsilon;      /* above 0; usually 1e-8 */
};

/* m, v: (count,), zeros before the first step; step: 1 for the first, then 2, ... */
void fml_adam_step(size_t count, const struct fml_adam *o, uint64_t step, const float *g, float *m,
                   float *v, float *w);

/* FedProx (Li et al. 2020, arXiv:1812.06127): g += mu * (w - base), the gradient
 * of the term that holds w near the round's base model. All: (count,) */
void fml_proximal(size_t count, float mu, const float *w, const float *base, float *g);

#endif
